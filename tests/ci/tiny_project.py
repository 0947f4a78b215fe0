"""A small project: an M2Crypto of one C file, built like the real one.

Its OpenSSL version is derived from the prefix's name, so that a wrong prefix shows in the stamp.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ci.manifest import Build, Flags, Manifest, Platform, Release, Variant
from ci.matrix.machine import this_platform
from ci.matrix.plan import Cell
from ci.project import ROOT, Project

SETUP = """
import json, os, sys, sysconfig
from pathlib import Path
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

class Build(build_ext):
    def build_extension(self, ext):
        notes = os.environ.get("M2CRYPTO_COVERAGE")
        version = Path(os.environ["OPENSSL_DIR"]).name
        ext.define_macros = [("VERSION", f'"{version.partition("-")[0]}"')]
        if version.endswith("-no-ec"):
            ext.define_macros.append(("NO_EC", "1"))
        if notes:
            self.build_temp = notes
            ext.extra_compile_args = ["-O0", "--coverage"]
            ext.extra_link_args = ["--coverage"]
        super().build_extension(ext)
        target = Path(self.get_ext_fullpath(ext.name))
        (target.parent / "_build_info.py").write_text(
            "SWIG_VERSION = '4.5.1'\\nCOMPILER = FLAGS = ABI = ''\\nLINK = 'static'\\n"
            f"HEADER = '{version.partition('-')[0]}'\\n"
        )
        if notes:
            macros = [f"-D{name}={value}" for name, value in ext.define_macros]
            include = "-I" + sysconfig.get_path("include")
            source = ext.sources[0]
            command = {
                "directory": os.getcwd(),
                "file": source,
                "arguments": [*self.compiler.compiler, include, *macros, "-c", source],
                "output": str(Path(notes, source).with_suffix(".o")),
            }
            Path(notes, "compile_commands.json").write_text(json.dumps([command]))

setup(
    ext_modules=[Extension("M2Crypto._m2crypto", ["SWIG/src/ec.c"])],
    cmdclass={"build_ext": Build},
)
"""

EC_C = """\
#define _GNU_SOURCE
#include <Python.h>
#include <dlfcn.h>

static PyObject *library(PyObject *self, PyObject *args)
{
    Dl_info found;
    const char *other = getenv("TINY_LIBRARY");

    if (other)
        return PyUnicode_FromString(other);
    dladdr((void *)library, &found);
    return PyUnicode_FromString(found.dli_fname);
}

static PyObject *text(PyObject *self, PyObject *args)
{
    return PyUnicode_FromString("OpenSSL " VERSION " 1 Jan 2030");
}

static PyObject *number(PyObject *self, PyObject *args)
{
    return PyLong_FromLong(0x30000000L);
}

#ifndef NO_EC
static PyObject *curve(PyObject *self, PyObject *args)
{
    return PyLong_FromLong(25519);
}
#endif

static PyMethodDef methods[] = {
    {"openssl_version", text, METH_VARARGS, NULL},
    {"openssl_version_num", number, METH_NOARGS, NULL},
    {"openssl_library", library, METH_NOARGS, NULL},
#ifndef NO_EC
    {"curve", curve, METH_NOARGS, NULL},
#endif
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_m2crypto", NULL, -1, methods};

PyMODINIT_FUNC PyInit__m2crypto(void)
{
    PyObject *made = PyModule_Create(&module);

    PyModule_AddStringConstant(made, "OPENSSL_VERSION_TEXT", "OpenSSL " VERSION " 1 Jan 2030");
    PyModule_AddIntConstant(made, "OPENSSL_VERSION_NUMBER", 0x30000000L);
#ifdef NO_EC
    PyModule_AddIntConstant(made, "OPENSSL_NO_EC", 1);
#else
    PyModule_AddIntConstant(made, "OPENSSL_NO_EC", 0);
#endif
    return made;
}
"""

PYPROJECT = """
[build-system]
requires = ["setuptools", "swig>=4"]
build-backend = "setuptools.build_meta"
[project]
name = "M2Crypto"
version = "1"
[dependency-groups]
tests = ["pytest", "pytest-timeout", "coverage"]
[tool.setuptools]
packages = ["M2Crypto"]
"""

EC_PY = """\
from M2Crypto import m2


def curve():
    return m2.curve()
"""

TEST_EC = """\
import subprocess, sys
import pytest
from M2Crypto import EC, m2

@pytest.mark.skipif(m2.OPENSSL_NO_EC, reason="needs EC")
def test_curve():
    assert EC.curve() == 25519

def test_a_child_is_measured_too():
    code = "import M2Crypto.child"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
"""

FILES = {
    "setup.py": SETUP,
    "pyproject.toml": PYPROJECT,
    "SWIG/tiny.i": "%constant long long OPENSSL_VERSION_NUMBER = 0x30000000L;\n",
    "SWIG/src/ec.c": EC_C,
    "M2Crypto/__init__.py": "",
    "M2Crypto/m2.py": "from M2Crypto._m2crypto import *\n",
    "M2Crypto/EC.py": EC_PY,
    "M2Crypto/child.py": "ran = True\n",
    "tests/test_ec.py": TEST_EC,
}


INSTRUMENTED = Flags("instrumented", coverage=True)
PLATFORM = Platform(this_platform(), "ubuntu")


def tiny_manifest(
    release: Release, variants: Sequence[Variant], pythons: Sequence[str], quick: Sequence[Build]
) -> Manifest:
    """Return a manifest of one release, and one value of every other axis but Python."""
    return Manifest(
        releases=(release,),
        system=False,
        variants=tuple(variants),
        pythons=tuple(pythons),
        swigs={"4.5": "4.5.1"},
        links=("static",),
        flags=(INSTRUMENTED,),
        platforms=(PLATFORM,),
        runtimes=(),
        quick=tuple(quick),
        every=tuple(variants),
        exclusions=(),
        may_fail=(),
    )


def tiny_cell(python: str, build: Build) -> Cell:
    """Return a cell of a tiny manifest."""
    return Cell(python, build, INSTRUMENTED, "4.5.1", PLATFORM.name)


def here(root: Path = ROOT) -> Project:
    """Return the project in `root` with the present environment's settings."""
    return Project.from_environment(root)


def write_project(root: Path) -> Path:
    """Write the project, with the real one's tests/fix_cell.py and coverage settings."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "coverage").mkdir(exist_ok=True)
    for name in ("tests/conftest.py", "tests/fix_cell.py", "coverage/coveragerc"):
        (root / name).write_text((ROOT / name).read_text())
    return root
