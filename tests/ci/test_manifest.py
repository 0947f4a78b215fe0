"""The manifest is read strictly: each error is one line with the file and the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_project import here

from ci import manifest
from ci.errors import UserError

GOOD = """
pythons = ["3.9", "3.13"]
swig = ["4.5.1"]
links = ["static", "shared"]
quick = ["3.5-no-ec"]
every = ["default"]

[openssl.releases."3.5"]
version = "3.5.7"
url = "https://example.org/openssl-3.5.7.tar.gz"
sha256 = "SHA"
end_of_life = 2030-04-08

[openssl.variants.default]
why = "as it is"
options = []

[openssl.variants.no-ec]
why = "without curves"
options = ["no-ec"]

[flags.instrumented]
why = "counts lines"
coverage = true

[platforms.linux-x86_64]
runner = "ubuntu-24.04"
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


def test_the_manifest_of_the_project_has_five_series_and_their_variants() -> None:
    own = manifest.load(here().manifest)
    assert [release.series for release in own.releases] == ["1.1.1", "3.0", "3.5", "3.6", "4.0"]
    assert {"no-ec", "no-engine", "no-deprecated", "no-legacy", "fips"} <= {
        variant.name for variant in own.variants
    }
    assert [build.name for build in own.quick] == ["3.5", "3.5-no-ec"]
    assert own.pythons[0] == "3.9"


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ('swig = ["4', 'swag = 1\nswig = ["4', "swag is an unknown key; did you mean 'swig'?"),
        ('swig = ["4', 'swag = ["4', "swag is an unknown key; did you mean 'swig'?"),
        ('swig = ["4', 'xyz = 1\nswig = ["4', "xyz is an unknown key; there are pythons, "),
        ("pythons", "python", "python is an unknown key; did you mean 'pythons'?"),
        ("end_of_life", "endoflife", "3.5.endoflife is an unknown key; did you mean 'end_of_life'"),
        ("version", "x = 1\nversion", "openssl.releases.3.5.x is an unknown key"),
        (
            "[openssl.variants.d",
            "[openssl.varants.d",
            "openssl.varants is an unknown key; did you mean 'variants'?",
        ),
        ('swig = ["4.5.1"]', "", "swig is missing"),
        ('["4.5.1"]', '["4.3.1"]', "swig must be 4.4 or newer, not '4.3.1'"),
        ('["4.5.1"]', '["4.5.1", "4.5.2"]', "swig names '4.5' twice"),
        ('["4.5.1"]', '["4.5"]', "swig[0] must be a version such as '4.5.1', not '4.5'"),
        ('["4.5.1"]', '"4.5.1"', "swig must be a list of versions, not '4.5.1'"),
        ('["4.5.1"]', '["4.5.\u0661"]', "swig[0] must be a version such as '4.5.1'"),
        ('"static", ', '"dynamic", ', "links[0] must be 'static' or 'shared', not 'dynamic'"),
        ('["default"]', '["dfault"]', "every names an unknown variant 'dfault'; did you mean"),
        ("coverage = true", "coverage = 1", "flags.instrumented.coverage must be of type bool"),
        ("coverage = true", 'cflags = ["O3"]', "cflags[0] must be a flag such as '-O3', not 'O3'"),
        ("[flags.instrumented]", "[flags.no-ec]", "flags.no-ec is a name of openssl.variants, too"),
        ("[flags.instrumented]", "[flags.system]", "flags.system is a name of openssl.system, too"),
        ('runner = "ubuntu-24.04"', "", "platforms.linux-x86_64.runner is missing"),
        ('why = "without curves"', "", "openssl.variants.no-ec.why is missing"),
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
        ('["no-ec"]', '["--libdir=/"]', "no-ec.options[0] must be an option of Configure"),
        ("variants.no-ec", 'variants."No EC"', "openssl.variants.No EC must be a name of"),
        ('["no-ec"]', "[]", "openssl.variants.no-ec.options is empty"),
        ('["no-ec"]', '["no-ec", "enable-ec"]', "no-ec.options sets OPENSSL_NO_EC twice"),
        ('["no-ec"]', '["-DA", "-DA=1"]', "openssl.variants.no-ec.options sets A twice"),
        ('["no-ec"]', '["no-ec"]\nreleases = ["3.6"]', "releases names an unknown series '3.6'"),
        ('["no-ec"]', '["no-ec"]\nprovider = "x"', "provider must be 'fips', or absent, not 'x'"),
        ("options = []", 'options = ["no-ec"]', "variants.default.options must be empty"),
        ("variants.default]", "variants.plain]", "variants.default must be there and the first"),
        ("variants.no-ec]", "variants.default]", "not TOML"),
        ('["4.5.1"]', "", "not TOML"),
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
    text = GOOD.replace('["no-ec"]', '["no-ec", "no-dh"]')
    other = '[openssl.variants.other]\nwhy = "the same"\noptions = ["no-dh", "no-ec"]\n'
    with pytest.raises(UserError, match=r"openssl\.variants\.other has the options of 'no-ec'"):
        read(tmp_path, text + other)


def test_variants_of_different_releases_may_have_the_same_options(tmp_path: Path) -> None:
    again = GOOD.split("\n\n")[1].replace("3.5", "3.6").replace("a1", "b2")
    text = GOOD.replace('["no-ec"]\n', '["no-ec"]\nreleases = ["3.5"]\n')
    other = 'why = "the same"\noptions = ["no-ec"]\nreleases = ["3.6"]\n'
    found = read(tmp_path, f"{text}\n{again}\n[openssl.variants.other]\n{other}")
    names = [build.name for build in found.builds]
    assert names == ["3.5", "3.5-no-ec", "3.6", "3.6-other"]


RUNTIME = """
[[runtimes]]
headers = "3.5"
libraries = "3.6"
outcome = "works"
"""


@pytest.mark.parametrize(
    ("addition", "complaint"),
    [
        (RUNTIME, "runtimes[0].libraries names an unknown series '3.6'; did you mean '3.5'?"),
        (RUNTIME.replace("3.6", "3.5"), "runtimes[0].libraries is 3.5, the series of the headers"),
        (RUNTIME.replace("works", "may"), "runtimes[0].outcome must be 'works' or 'refuses', not"),
        ('[[exclude]]\nwhen = "link="\nwhy = "x"', "exclude[0].when is no filter: filter 'link='"),
        ('[[exclude]]\nwhen = "lnk=static"\nwhy = "x"', "unknown axis 'lnk'; did you mean 'link'?"),
        ('[[exclude]]\nwhen = "link=static"', "exclude[0].why is missing"),
        ('[[may_fail]]\nwhen = "link=static"\nwhy = "x"', "may_fail[0].until is missing"),
    ],
)
def test_an_invalid_rule_is_reported_in_one_line(
    tmp_path: Path, addition: str, complaint: str
) -> None:
    with pytest.raises(UserError) as refused:
        read(tmp_path, f"{GOOD}\n{addition}\n")
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_version_in_two_series_is_refused(tmp_path: Path) -> None:
    release = GOOD.split("\n\n")[1].replace("3.5.7", "1.1.1")
    again = release.replace("a1", "b2").replace('"3.5"', '"1.1.1"')
    text = "\n".join([GOOD, release.replace('"3.5"', '"1.1"'), again])
    with pytest.raises(UserError, match=r"openssl\.releases\.\*\.version names '1\.1\.1' twice"):
        read(tmp_path, text)


def test_a_sha256_in_two_series_is_refused(tmp_path: Path) -> None:
    release = GOOD.split("\n\n")[1]
    with pytest.raises(UserError, match=r"openssl\.releases\.\*\.sha256 names 'a1a1.*' twice"):
        read(tmp_path, GOOD + release.replace("3.5", "3.6"))


def test_a_url_may_contain_the_version_in_the_form_of_its_tag(tmp_path: Path) -> None:
    text = GOOD.replace("3.5", "1.1.1").replace("1.1.1.7", "1.1.1w")
    text = text.replace("example.org", "example.org/old/1.1.1/OpenSSL_1_1_1w")
    assert read(tmp_path, text).builds[0].version == "1.1.1w"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.toml: cannot be read: No such file"):
        manifest.load(tmp_path / "none.toml")


WHEELS = """
[wheels]
series = "3.5"
flags = "release"
hardening = ["-fcf-protection"]
pythons = ["3.9", "3.13"]
tags = ["manylinux_x86_64", "win_amd64"]
quick = ["cp39-manylinux_x86_64"]
runners = { windows-amd64 = "windows" }

[flags.release]
why = "optimised"
cflags = ["-O3"]
"""


def test_the_wheels_have_a_build_of_their_own_and_the_identifiers_of_cibuildwheel(
    tmp_path: Path,
) -> None:
    known = read(tmp_path, GOOD + WHEELS)
    assert known.wheels
    assert known.wheels.build.name == "3.5-wheel"
    assert known.find_build("3.5-wheel") == known.wheels.build
    assert known.wheels.flags.cflags == ("-O3",)
    assert known.wheels.flags.optional == ("-fcf-protection",)
    assert known.wheels.identifiers == (
        "cp39-manylinux_x86_64",
        "cp313-manylinux_x86_64",
        "cp39-win_amd64",
        "cp313-win_amd64",
    )
    assert known.wheels.quick == ("cp39-manylinux_x86_64",)
    assert known.wheels.runners == {"linux-x86_64": "ubuntu-24.04", "windows-amd64": "windows"}
    # No axis has it as a value.
    assert known.axes["flags"] == ("instrumented", "release")


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ('series = "3.5"', 'series = "3.6"', "wheels.series names an unknown series '3.6'"),
        ('flags = "release"', 'flags = "fast"', "wheels.flags names an unknown flags 'fast'"),
        (
            'flags = "release"',
            'flags = "instrumented"',
            "wheels.flags names 'instrumented', which is not for releases",
        ),
        ('pythons = ["3.9", "3.13"]\ntags', 'pythons = ["3.8"]\ntags', "wheels.pythons names an "),
        ('"win_amd64"]', '"manylinux_x86_64"]', "wheels.tags names 'manylinux_x86_64' twice"),
        ('"win_amd64"]', '"dos"]', "wheels.tags[1] must be a platform in cibuildwheel's spelling"),
        ("[flags.release]", "[flags.wheel]\nwhy = 'x'\n[flags.release]", "flags.wheel is the name"),
        ('"cp39-m', '"cp38-m', "quick names an unknown wheel 'cp38-manylinux_x86_64'; did you me"),
        ("windows-amd64 =", "windows =", "tags names an unknown platform 'windows-amd64'; did yo"),
        ("hardening", "harden", "wheels.harden is an unknown key; did you mean 'hardening'?"),
    ],
)
def test_an_invalid_table_of_wheels_is_named(
    tmp_path: Path, right: str, wrong: str, complaint: str
) -> None:
    text = GOOD + WHEELS
    assert right in text
    with pytest.raises(UserError) as refused:
        read(tmp_path, text.replace(right, wrong))
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)
