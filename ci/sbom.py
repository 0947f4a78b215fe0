"""setup.py's part for wheels that contain OpenSSL: its licence and a CycloneDX SBOM (PEP 770).

An OpenSSL that is linked statically is part of the wheel. What the headers do not say, such as the
sha256 of its source, is in the file DESCRIPTION of a prefix that ci/openssl/prefixes.py made.
Only the standard library and Python 3.9 are needed.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ci.extension import BuildError

if TYPE_CHECKING:
    from ci.extension import OpenSSL

# The file of a prefix: version, url, sha256, and options of Configure.
DESCRIPTION = "openssl.json"
# The SBOM's and the licence's places in the .dist-info directory.
SBOM = Path("sboms", "openssl.cdx.json")
LICENCE = Path("OpenSSL", "LICENSE.txt")
LICENCES = ("LICENSE.txt", "LICENSE")
# The file that holds OpenSSL's version, since 3.0 and before.
VERSION = re.compile(
    r'define\s+OPENSSL_VERSION_(?:STR\s+"|TEXT\s+"OpenSSL )(\d+\.\d+\.\d+[a-z]?)', re.MULTILINE
)


def write(directory: Path, name: str, version: str, openssl: OpenSSL) -> None:
    """Add OpenSSL's licence and the SBOM to a wheel's .dist-info directory.

    Args:
        directory: the directory, with METADATA.
        name: the distribution's name.
        version: its version.
        openssl: the OpenSSL that is linked; nothing is added for shared libraries.

    Raises:
        BuildError: the prefix describes another version than its headers.
    """
    if not openssl.static:
        return
    described = describe(Path(openssl.origin))
    metadata = directory / "METADATA"
    text = metadata.read_text(encoding="utf-8")
    head, end, rest = text.partition("\n\n")
    head = re.sub(r"(?m)^(License-Expression: .*)$", rf"\1 AND {described['licence']}", head)
    licence = _licence_of(Path(openssl.origin))
    if licence:
        head += f"\nLicense-File: {LICENCE.as_posix()}"
        target = directory / "licenses" / LICENCE
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(licence, target)
    metadata.write_text(head + end + rest, encoding="utf-8")
    target = directory / SBOM
    target.parent.mkdir(parents=True, exist_ok=True)
    bom = cyclonedx(name, version, described)
    target.write_text(json.dumps(bom, indent=2) + "\n", encoding="utf-8")


def describe(prefix: Path) -> dict[str, Any]:
    """Return the version and licence of the OpenSSL in `prefix`, and what its description says.

    Raises:
        BuildError: the description is of another version than the headers, or cannot be read.
    """
    version = version_of(prefix)
    path = prefix / DESCRIPTION
    try:
        described = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        told = described.get("version", version)
    except (ValueError, AttributeError):
        raise BuildError(f"{path} is not a description of OpenSSL; remove it") from None
    if told != version:
        raise BuildError(
            f"{path} describes OpenSSL {told}, but the headers are {version}; remove it"
        )
    return {**described, "version": version, "licence": spdx(version)}


def version_of(prefix: Path) -> str:
    """Return the version in the headers of `prefix`."""
    header = prefix / "include" / "openssl" / "opensslv.h"
    found = VERSION.search(header.read_text(encoding="utf-8"))
    if found is None:
        raise BuildError(f"{header} has no version; set OPENSSL_DIR to a prefix of OpenSSL")
    return found[1]


def spdx(version: str) -> str:
    """Return the SPDX identifier of a version's licence, which 3.0 changed."""
    return "OpenSSL" if version.startswith("1.") else "Apache-2.0"


def cyclonedx(name: str, version: str, described: dict[str, Any]) -> dict[str, Any]:
    """Return the SBOM of a wheel with one component, OpenSSL.

    It has no time and no serial number, so that the same inputs give the same bytes.
    """
    wheel = f"pkg:pypi/{name.lower()}@{version}"
    openssl: dict[str, Any] = {
        "type": "library",
        "bom-ref": "openssl",
        "supplier": {"name": "OpenSSL", "url": ["https://openssl-library.org"]},
        "name": "openssl",
        "version": described["version"],
        "licenses": [{"license": {"id": described["licence"]}}],
        "cpe": f"cpe:2.3:a:openssl:openssl:{described['version']}:*:*:*:*:*:*:*",
        "purl": purl(described),
    }
    if "url" in described:
        openssl["externalReferences"] = [
            {
                "type": "source-distribution",
                "url": described["url"],
                "hashes": [{"alg": "SHA-256", "content": described["sha256"]}],
            }
        ]
    if "options" in described:
        options = [{"name": "openssl:configure", "value": each} for each in described["options"]]
        openssl["properties"] = [*options, {"name": "m2crypto:link", "value": "static"}]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": wheel,
                "name": name,
                "version": version,
                "licenses": [{"license": {"id": "MIT"}}],
                "purl": wheel,
            }
        },
        "components": [openssl],
        "dependencies": [{"ref": wheel, "dependsOn": ["openssl"]}, {"ref": "openssl"}],
    }


def purl(described: dict[str, Any]) -> str:
    """Return the package URL of OpenSSL's source."""
    plain = f"pkg:generic/openssl@{described['version']}"
    if "url" not in described:
        return plain
    checksum, url = f"sha256:{described['sha256']}", quote(described["url"], safe="/:")
    return f"{plain}?checksum={checksum}&download_url={url}"


def _licence_of(prefix: Path) -> Path | None:
    """Return the path of OpenSSL's licence in a prefix; None if it has none."""
    return next((prefix / each for each in LICENCES if (prefix / each).is_file()), None)
