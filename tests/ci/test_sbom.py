"""A wheel that contains OpenSSL has its licence and a CycloneDX SBOM; another one has neither."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci import sbom
from ci.extension import BuildError, OpenSSL

SHA256 = "ab" * 32
URL = "https://example.org/openssl-3.5.7.tar.gz"
DESCRIBED = {"version": "3.5.7", "url": URL, "sha256": SHA256, "options": ["no-ec", "-O3"]}
METADATA = """\
Metadata-Version: 2.4
Name: M2Crypto
License-Expression: MIT
License-File: LICENSE

# M2Crypto

License-Expression: of the text
"""


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Return a prefix with the headers and the licence of 3.5.7."""
    path = tmp_path / "prefix"
    (path / "include" / "openssl").mkdir(parents=True)
    header = '#define OPENSSL_VERSION_MAJOR 3\n# define OPENSSL_VERSION_STR "3.5.7"\n'
    (path / "include" / "openssl" / "opensslv.h").write_text(header)
    (path / "LICENSE.txt").write_text("Apache License\n")
    return path


@pytest.fixture
def information(tmp_path: Path) -> Path:
    """Return a .dist-info directory."""
    path = tmp_path / "m2crypto-1.0.dist-info"
    path.mkdir()
    (path / "METADATA").write_text(METADATA)
    return path


def write(information: Path, prefix: Path, *, static: bool = True) -> None:
    sbom.write(information, "M2Crypto", "1.0", OpenSSL((), (), static, str(prefix)))


def test_the_sbom_names_the_source_of_a_described_prefix(information: Path, prefix: Path) -> None:
    (prefix / sbom.DESCRIPTION).write_text(json.dumps(DESCRIBED))
    write(information, prefix)
    bom = json.loads((information / "sboms" / "openssl.cdx.json").read_text())
    (openssl,) = bom["components"]
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    assert bom["metadata"]["component"]["purl"] == "pkg:pypi/m2crypto@1.0"
    assert (openssl["name"], openssl["version"]) == ("openssl", "3.5.7")
    assert openssl["cpe"] == "cpe:2.3:a:openssl:openssl:3.5.7:*:*:*:*:*:*:*"
    assert openssl["purl"] == (
        f"pkg:generic/openssl@3.5.7?checksum=sha256:{SHA256}&download_url={URL}"
    )
    assert openssl["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert openssl["externalReferences"][0]["hashes"] == [{"alg": "SHA-256", "content": SHA256}]
    options = [each["value"] for each in openssl["properties"] if "configure" in each["name"]]
    assert options == ["no-ec", "-O3"]


def test_the_licence_is_beside_that_of_m2crypto_and_in_the_metadata(
    information: Path, prefix: Path
) -> None:
    write(information, prefix)
    assert (information / "licenses" / "OpenSSL" / "LICENSE.txt").read_text() == "Apache License\n"
    head, _, text = (information / "METADATA").read_text().partition("\n\n")
    assert "License-Expression: MIT AND Apache-2.0" in head.splitlines()
    assert head.splitlines()[-2:] == ["License-File: LICENSE", "License-File: OpenSSL/LICENSE.txt"]
    assert text.endswith("License-Expression: of the text\n")


def test_a_prefix_of_another_maker_has_what_its_headers_say(
    information: Path, prefix: Path
) -> None:
    (prefix / "LICENSE.txt").unlink()
    header = '# define OPENSSL_VERSION_TEXT    "OpenSSL 1.1.1w  11 Sep 2023"\n'
    (prefix / "include" / "openssl" / "opensslv.h").write_text(header)
    write(information, prefix)
    (openssl,) = json.loads((information / sbom.SBOM).read_text())["components"]
    assert openssl["purl"] == "pkg:generic/openssl@1.1.1w"
    assert openssl["licenses"] == [{"license": {"id": "OpenSSL"}}]
    assert "externalReferences" not in openssl
    assert not (information / "licenses").exists()
    assert "OpenSSL/LICENSE" not in (information / "METADATA").read_text()


def test_shared_libraries_are_not_in_the_wheel(information: Path, prefix: Path) -> None:
    write(information, prefix, static=False)
    assert [path.name for path in information.iterdir()] == ["METADATA"]
    assert (information / "METADATA").read_text() == METADATA


def test_the_same_inputs_make_the_same_bytes(information: Path, prefix: Path) -> None:
    write(information, prefix)
    first = (information / sbom.SBOM).read_bytes()
    (information / "METADATA").write_text(METADATA)
    write(information, prefix)
    assert (information / sbom.SBOM).read_bytes() == first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps({**DESCRIBED, "version": "3.5.6"}), "describes OpenSSL 3.5.6, but the headers"),
        ("{", "is not a description of OpenSSL; remove it"),
        ("[]", "is not a description of OpenSSL; remove it"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    information: Path, prefix: Path, text: str, message: str
) -> None:
    (prefix / sbom.DESCRIPTION).write_text(text)
    with pytest.raises(BuildError, match=message):
        write(information, prefix)
    assert (information / "METADATA").read_text() == METADATA


def test_headers_without_a_version_are_refused(information: Path, prefix: Path) -> None:
    (prefix / "include" / "openssl" / "opensslv.h").write_text("\n")
    with pytest.raises(BuildError, match=r"opensslv.h has no version; set OPENSSL_DIR"):
        write(information, prefix)
