"""The package is imported, or refuses libraries that its extension was not built for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from fix_cell import Expected


def test_the_import_works_or_refuses_as_the_cell_requires(
    cell: Expected | None, python: Callable[..., CompletedProcess[str]]
) -> None:
    done = python("-c", "import M2Crypto")
    if cell is None or cell.outcome == "works":
        assert (done.returncode, done.stderr) == (0, "")
        return
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: M2Crypto was built with OpenSSL {cell.openssl} ")
    assert f"OpenSSL {cell.runtime}, " in last


# Up to 3.9 an exception of M2Crypto derives from one of socket, which imports enum.
SOCKET = ["socket", "enum"] if sys.version_info >= (3, 10) else []


@pytest.mark.parametrize(
    ("modules", "others"),
    [
        ("BN, EVP, RSA, SSL, X509", ["unittest", "getpass", "http.cookies"]),
        # These take as long as M2Crypto together, and are imported on use.
        ("EVP, SSL, X509", ["typing", "re", "pathlib", "contextlib", "datetime", *SOCKET]),
        ("EVP", ["M2Crypto.SSL", "M2Crypto.X509", "M2Crypto.ASN1"]),
    ],
)
def test_no_module_imports_what_few_programs_need(
    cell: Expected | None,
    python: Callable[..., CompletedProcess[str]],
    modules: str,
    others: list[str],
) -> None:
    if cell is not None and cell.outcome != "works":
        pytest.skip("needs an extension that is imported")
    # Python's own startup, and the measurement of coverage, can import any of them.
    program = (
        f"import sys; before = set(sys.modules); from M2Crypto import {modules}; "
        f"print({{*{others}}} & (set(sys.modules) - before))"
    )
    done = python("-c", program)
    assert (done.stdout, done.stderr) == ("set()\n", "")


@pytest.mark.parametrize(
    "imports",
    [
        "import M2Crypto.SSL.SSLServer; from M2Crypto import SSL",
        "from M2Crypto import SSL",
        "from M2Crypto import SSL; from M2Crypto.SSL import SSLServer",
        "from M2Crypto import SSL; from M2Crypto.SSL.SSLServer import SSLServer",
    ],
)
def test_the_servers_are_imported_on_use(
    cell: Expected | None, python: Callable[..., CompletedProcess[str]], imports: str
) -> None:
    if cell is not None and cell.outcome != "works":
        pytest.skip("needs an extension that is imported")
    program = (
        f"{imports}; print(SSL.SSLServer.__name__, issubclass(SSL.ThreadingSSLServer, "
        "SSL.SSLServer), 'SSLServer' in dir(SSL), hasattr(SSL, 'NoServer'))"
    )
    done = python("-c", program)
    assert (done.stdout, done.stderr) == ("SSLServer True True False\n", "")


@pytest.mark.parametrize(
    ("header", "runtime", "refusal"),
    [
        (0x30500070, 0x30500070, ""),
        (0x30500070, 0x30500080, ""),
        (0x30000160, 0x30500070, ""),
        (0x30000160, 0x40000020, "OpenSSL 4.0.2, another major version"),
        (0x30500070, 0x30000160, "OpenSSL 3.0.22, an older version"),
        (0x1010117F, 0x1010118F, ""),
        (0x1010117F, 0x1010000F, "OpenSSL 1.1.0, an older version"),
        (0x1010100F, 0x1010206F, "OpenSSL 1.1.2f, another version"),
    ],
)
def test_a_library_is_used_if_it_has_what_the_headers_have(
    cell: Expected | None, header: int, runtime: int, refusal: str
) -> None:
    if cell is not None and cell.outcome != "works":
        pytest.skip("needs an extension that is imported")
    from M2Crypto import _library

    found = _library.mismatch(header, runtime)
    if not refusal:
        assert found == ""
        return
    assert found.startswith("M2Crypto was built with OpenSSL ")
    assert f" and cannot use {refusal}: install a wheel of M2Crypto" in found


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "libcrypto-m2.so.3: cannot open shared object file: No such file or directory",
            "whose libcrypto-m2.so.3 is not installed: install a wheel",
        ),
        (
            "/nowhere/libssl.so.3: version `OPENSSL_3.2.0' not found (required by _m2crypto.so)",
            "cannot use OpenSSL of unknown version, whose /nowhere/libssl.so.3 lacks what it needs",
        ),
        ("dynamic module does not define module export function", ""),
    ],
)
def test_an_error_of_the_loader_becomes_a_line_that_says_what_to_do(
    cell: Expected | None, message: str, words: str
) -> None:
    if cell is not None and cell.outcome != "works":
        pytest.skip("needs an extension that is imported")
    from M2Crypto import _library

    found = _library.explain(ImportError(message))
    assert words in found
    assert len(found.splitlines()) == bool(words)


def test_a_configuration_that_openssl_cannot_load_is_named(
    cell: Expected | None, python: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    if cell is not None and cell.outcome != "works":
        pytest.skip("needs an extension that is imported")
    path = tmp_path / "missing.cnf"
    done = python(
        "-c",
        "import os, sys; os.environ['M2CRYPTO_OPENSSL_CONF'] = sys.argv[1]; import M2Crypto.m2",
        str(path),
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: M2CRYPTO_OPENSSL_CONF={path}: OpenSSL c")
