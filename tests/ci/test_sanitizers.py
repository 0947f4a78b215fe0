"""A sanitizer's report refuses the result; a planted overflow and a planted leak are found."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pytest
from tiny_project import PLATFORM, here, tiny_manifest, write_project

from ci import environments, interpreters, manifest, prototypes, toolchain
from ci.errors import UserError
from ci.manifest import Build, Flags, Release, Variant
from ci.matrix import cell as one
from ci.matrix import prepare, results, sanitizers, surface
from ci.matrix.plan import Cell
from ci.openssl import prefixes

SERIES = "{}.{}".format(*sys.version_info)
RELEASE = Release("3.5", "3.5", "https://example.org/a.tar.gz", "0" * 64, date(2030, 4, 8))
FLAGS = manifest.load(here().manifest).flags_of("sanitizer")

PLANTED = """
static PyObject *overflow(PyObject *self, PyObject *args)
{
    volatile char *bytes = malloc(8);
    char read = bytes[8];

    free((void *)bytes);
    return PyLong_FromLong(read);
}

static PyObject *use_after_free(PyObject *self, PyObject *args)
{
    volatile char *bytes = malloc(8);

    free((void *)bytes);
    return PyLong_FromLong(bytes[0]);
}

static PyObject *leak(PyObject *self, PyObject *args)
{
    volatile char *bytes = malloc(1234);

    bytes[0] = 1;
    return PyLong_FromLong(bytes[0]);
}

static PyMethodDef methods[] = {
    {"overflow", overflow, METH_NOARGS, NULL},
    {"use_after_free", use_after_free, METH_NOARGS, NULL},
    {"leak", leak, METH_NOARGS, NULL},
"""


def run(root: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Run a sanitizer cell of the tiny project whose only test makes a call."""
    monkeypatch.setattr(environments, "ensure", lambda *_: Path(sys.executable))
    monkeypatch.setattr(toolchain, "swig", lambda _: {})
    monkeypatch.setattr(prototypes, "check", lambda *_: None)
    monkeypatch.setattr(surface, "HEADERS", ())
    monkeypatch.setattr(
        prefixes, "ensure", lambda builds, _: {each.name: Path("/p/3.5") for each in builds}
    )
    project = here(write_project(root))
    source = root / "SWIG" / "src" / "ec.c"
    text = source.read_text().replace("static PyMethodDef methods[] = {\n", PLANTED)
    source.write_text(text)
    test = f"from M2Crypto import m2\n\ndef test_planted():\n    {call}\n"
    (root / "tests" / "test_ec.py").write_text(test)
    found = interpreters.describe(Path(sys.executable))
    assert found
    flags = Flags("sanitizer", cflags=FLAGS.cflags, preload=FLAGS.preload)
    cell = Cell(SERIES, Build(RELEASE, Variant("default", ())), flags, "4.5.1", PLATFORM.name)
    known = tiny_manifest(RELEASE, (Variant("default", ()),), (SERIES,), ())
    prepare.copy_checkout(project)
    one.run(cell, prepare.prepare([cell], known, [], {SERIES: found}, project))
    assert results.read(project.results / cell.id).tests.passed == 1


def test_a_test_without_errors_passes_with_sanitizers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "project", monkeypatch, "m2.curve()")


@pytest.mark.parametrize(
    ("call", "what", "where"),
    [
        ("m2.overflow()", "runtime error: load of address", "overflow"),
        ("m2.use_after_free()", "heap-use-after-free", "use_after_free"),
        ("m2.leak()", "Direct leak of 1234 byte(s)", "leak"),
    ],
)
def test_a_planted_error_refuses_the_result_with_its_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, what: str, where: str
) -> None:
    with pytest.raises(UserError) as refused:
        run(tmp_path / "project", monkeypatch, call)
    assert str(refused.value).startswith("result refused, a sanitizer reports: ")
    assert what in str(refused.value)
    assert f"| {where} " in str(refused.value)


LEAK = """\
Direct leak of 40 byte(s) in 1 object(s) allocated from:
    #0 0x7f in __interceptor_malloc asan_malloc_linux.cpp:69
    #1 0x7f in CRYPTO_malloc crypto/mem.c:222 (/site/M2Crypto/{module}+0x1)
    #2 0x7f in {function} crypto/x.c:1

"""


@pytest.mark.parametrize(
    ("module", "function", "count"),
    [
        ("_m2crypto.abi3.so", "BIO_new", 1),
        ("_ssl.so", "BIO_new", 0),
        ("_m2crypto.abi3.so", "set_dist_point_name", 0),
    ],
)
def test_only_unknown_leaks_of_the_extension_are_reported(
    module: str, function: str, count: int
) -> None:
    assert len(list(sanitizers.read(LEAK.format(module=module, function=function)))) == count


def test_undefined_behavior_is_reported_with_its_stack() -> None:
    text = "evp.c:7:3: runtime error: shift of 1 by 99\n    #0 0x1 in shift evp.c:7\n\nSUMMARY\n"
    (report,) = sanitizers.read(text)
    assert str(report) == "evp.c:7:3: runtime error: shift of 1 by 99\n  | shift evp.c:7"


def test_a_word_of_a_million_characters_is_read_at_once() -> None:
    report = "....src/rsa.c:3:4: runtime error: overflow"
    found = list(sanitizers.read(f"{'x' * 10**6}\n{':1' * 10**6}\ntests/a.py {report}\n"))
    assert [each.what for each in found] == [report]
