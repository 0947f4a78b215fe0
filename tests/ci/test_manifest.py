"""The manifest is read strictly: each error is one line with the file and the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_project import here

from ci import manifest
from ci.errors import UserError

GOOD = """
pythons = ["3.9", "3.13"]
swig = "4.5.1"
quick = ["3.5-no-ec"]

[openssl.releases."3.5"]
version = "3.5.7"
url = "https://example.org/openssl-3.5.7.tar.gz"
sha256 = "SHA"
end_of_life = 2030-04-08

[openssl.variants]
default = []
no-ec = ["no-ec"]
""".replace("SHA", "a1" * 32)


def read(tmp_path: Path, text: str) -> manifest.Manifest:
    path = tmp_path / "matrix.toml"
    path.write_text(text)
    return manifest.load(path)


def test_each_release_and_variant_is_a_build(tmp_path: Path) -> None:
    read_ = read(tmp_path, GOOD)
    assert [build.name for build in read_.builds] == ["3.5", "3.5-no-ec"]
    assert [build.name for build in read_.quick] == ["3.5-no-ec"]
    assert read_.builds[1].version == "3.5.7"
    assert read_.builds[1].variant.options == ("no-ec",)


def test_the_manifest_of_the_project_has_five_series_with_and_without_ec() -> None:
    own = manifest.load(here().manifest)
    assert [release.series for release in own.releases] == ["1.1.1", "3.0", "3.5", "3.6", "4.0"]
    assert len(own.builds) == 10
    assert [build.name for build in own.quick] == ["3.5", "3.5-no-ec"]
    assert own.pythons[0] == "3.9"


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ('swig = "4', 'swag = 1\nswig = "4', "swag is an unknown key; did you mean 'swig'?"),
        ('swig = "4', 'swag = "4', "swag is an unknown key; did you mean 'swig'?"),
        ('swig = "4', 'xyz = 1\nswig = "4', "xyz is an unknown key; there are pythons, "),
        ("pythons", "python", "python is an unknown key; did you mean 'pythons'?"),
        ("end_of_life", "endoflife", "3.5.endoflife is an unknown key; did you mean 'end_of_life'"),
        ("version", "x = 1\nversion", "openssl.releases.3.5.x is an unknown key"),
        (
            "[openssl.variants]",
            "[openssl.varants]",
            "openssl.varants is an unknown key; did you me",
        ),
        ("[openssl.variants]", "[variants]", "openssl.variants is missing"),
        ('swig = "4.5.1"', "", "swig is missing"),
        ('swig = "4.5.1"', 'swig = "4.3.1"', "swig must be 4.4 or newer, not '4.3.1'"),
        ('swig = "4.5.1"', 'swig = "4.5"', "swig must be a version such as '4.5.1', not '4.5'"),
        ('swig = "4.5.1"', 'swig = "4.5.\u0661"', "swig must be a version such as '4.5.1'"),
        ('sha256 = "', '# "', "openssl.releases.3.5.sha256 is missing"),
        ('sha256 = "a1', 'sha256 = "A1', "3.5.sha256 must be 64 lower-case hexadecimal digits"),
        ('sha256 = "a1', 'sha256 = "', "3.5.sha256 must be 64 lower-case hexadecimal digits"),
        ('"3.5.7"', '"3.6.1"', "3.5.version must be a version of series 3.5, not '3.6.1'"),
        ('"3.5.7"', "3.5", "3.5.version must be a string, not 3.5"),
        ('"3.5.7"', '"3.5"', "3.5.version must be a version of series 3.5, not '3.5'"),
        ('"3.5.7"', '"3.5a"', "3.5.version must be a version of series 3.5, not '3.5a'"),
        ('"3.5.7"', '"3.5.8"', "3.5.url must end with /openssl-3.5.8.tar.gz, not 'https://"),
        ("https://example.org/", "https://example.org/a-", "3.5.url must end with /openssl-3.5.7"),
        ("example.org/", "example.org/openssl-3.5.6/", "3.5.url names version 3.5.6, and version"),
        (
            "example.org/",
            "example.org/OpenSSL_1_1_1w/",
            "3.5.url names version 1_1_1w, and version",
        ),
        ('releases."3.5"', 'releases."../3"', "releases.../3 must be a series such as '3.5'"),
        ('releases."3.5"', 'releases."3"', "openssl.releases.3 must be a series such as '3.5'"),
        (
            '[openssl.releases."3.5"]',
            "[openssl.releases]",
            "releases.version must be a series such",
        ),
        ("2030-04-08", "2030-04-08T00:00:00", "3.5.end_of_life must be a date such as 2030-04-08"),
        ("2030-04-08", '"2030"', "3.5.end_of_life must be a date such as 2030-04-08"),
        ("https:", "ftp:", "3.5.url must be the https URL of a .tar.gz file"),
        ('["3.5-no-ec"]', '["3.5-noec"]', "unknown build '3.5-noec'; did you mean '3.5-no-ec'?"),
        ('"3.9", "3.13"', '"3.9", "3.9"', "pythons names '3.9' twice"),
        ('"3.9", "3.13"', "", "pythons is empty"),
        (
            '"3.9", "3.13"',
            '"3.9", "3.09"',
            "pythons[1] must be a series such as '3.13', not '3.09'",
        ),
        (
            '["3.9", "3.13"]',
            '"3.13"',
            "pythons must be a list of series, not '3.13'",
        ),
        ('"3.9", "3.13"', '"py39"', "pythons[0] must be a series such as '3.13', not 'py39'"),
        ('["no-ec"]', '["--libdir=/"]', "openssl.variants.no-ec[0] must be an option of Configure"),
        ("no-ec =", '"No EC" =', "openssl.variants.No EC must be a name of"),
        ('["no-ec"]', "[]", "openssl.variants.no-ec is empty"),
        ('["no-ec"]', '["no-ec", "enable-ec"]', "openssl.variants.no-ec sets OPENSSL_NO_EC twice"),
        ('["no-ec"]', '["-DA", "-DA=1"]', "openssl.variants.no-ec sets A twice"),
        ('["no-ec"]', '["no-ec", "no-ec"]', "openssl.variants.no-ec sets OPENSSL_NO_EC twice"),
        (
            "no-ec =",
            'tiny = ["no-ec"]\nno-ec =',
            "openssl.variants.no-ec has the options of 'tiny'",
        ),
        ("default = []", 'default = ["no-ec"]', "variants.no-ec has the options of 'default'"),
        ("default = []", "", "openssl.variants.default is missing"),
        ("no-ec =", "default =", "not TOML"),
        ('swig = "4.5.1"', "swig = ", "not TOML"),
    ],
)
def test_an_error_is_reported_in_one_line_with_file_and_key(
    tmp_path: Path, right: str, wrong: str, complaint: str
) -> None:
    assert right in GOOD
    with pytest.raises(UserError) as refused:
        read(tmp_path, GOOD.replace(right, wrong, 1))
    assert str(refused.value).startswith(f"{tmp_path / 'matrix.toml'}: ")
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_options_in_another_order_are_the_same_variant(tmp_path: Path) -> None:
    variants = 'no-ec = ["no-ec", "no-dh"]\nother = ["no-dh", "no-ec"]'
    with pytest.raises(UserError, match=r"openssl\.variants\.other has the options of 'no-ec'"):
        read(tmp_path, GOOD.replace('no-ec = ["no-ec"]', variants))


def test_a_version_in_two_series_is_refused(tmp_path: Path) -> None:
    release = GOOD.split("[openssl.variants]")[0].split("\n\n")[1].replace("3.5.7", "1.1.1")
    again = release.replace("a1", "b2").replace('"3.5"', '"1.1.1"')
    text = "\n".join([GOOD, release.replace('"3.5"', '"1.1"'), again])
    with pytest.raises(UserError, match=r"openssl\.releases\.\*\.version names '1\.1\.1' twice"):
        read(tmp_path, text)


def test_a_sha256_in_two_series_is_refused(tmp_path: Path) -> None:
    release = GOOD.split("[openssl.variants]")[0].split("\n\n")[1]
    with pytest.raises(UserError, match=r"openssl\.releases\.\*\.sha256 names 'a1a1.*' twice"):
        read(tmp_path, GOOD + release.replace("3.5", "3.6"))


def test_a_url_may_contain_the_version_in_the_form_of_its_tag(tmp_path: Path) -> None:
    text = GOOD.replace("3.5", "1.1.1").replace("1.1.1.7", "1.1.1w")
    text = text.replace("example.org", "example.org/old/1.1.1/OpenSSL_1_1_1w")
    assert read(tmp_path, text).builds[0].version == "1.1.1w"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.toml: cannot be read: No such file"):
        manifest.load(tmp_path / "none.toml")
