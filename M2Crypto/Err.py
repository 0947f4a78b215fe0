"""OpenSSL's errors: what stands in the error queue, and the exceptions made from it.

An exception raised for an OpenSSL error has the text of the oldest error in the queue, which is the
cause of the others, and these attributes (ERR_get_error(3)): `code`, `library`, `reason`, and
`errors`, all of the queue as `OpenSSLError` tuples, oldest first. The queue is empty afterwards.
"""

from __future__ import annotations

import importlib
from typing import NamedTuple

from M2Crypto import m2

__all__ = [
    "M2CryptoError",
    "OpenSSLError",
    "SSLError",
    "get_error",
    "get_error_code",
    "get_error_func",
    "get_error_lib",
    "get_error_message",
    "get_error_reason",
    "get_x509_verify_error",
    "peek_error_code",
]


class OpenSSLError(NamedTuple):
    """One entry of the error queue: its packed code and what OpenSSL says of it."""

    code: int
    library: str
    reason: str
    data: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.data}" if self.data else self.reason


class M2CryptoError(Exception):
    """An OpenSSL error that no area of the binding claims."""


class SSLError(Exception):
    """An error with the peer's address, as `M2Crypto.SSL.SSLServer` reports it."""

    def __init__(self, err: int, client_addr: object) -> None:
        super().__init__(err, client_addr)
        self.err = err
        self.client_addr = client_addr

    def __str__(self) -> str:
        return f"{self.client_addr}: {get_error_reason(self.err) or self.err}"


# Which exception a failing m2 function raises: module, class, and how the functions' names begin.
_EXCEPTIONS = (
    (
        "X509",
        "X509Error",
        "asn1_ crl_ d2i_x509 general_names_ get_der_encoding_ i2d_x509 make_stack_ obj_ sk_x509_"
        " x509_ x509v3_",
    ),
    ("BIO", "BIOError", "bio_"),
    ("EC", "ECError", "ec_ ecdsa_ ecdh_"),
    (
        "EVP",
        "EVPError",
        "bytes_to_key cipher_ digest_ evp_ hmac md_ pkcs5_ pkey_ sign_ verify_",
    ),
    ("RSA", "RSAError", "rsa_"),
    ("Rand", "RandError", "rand_"),
    ("SSL.SSLError", "SSLError", "i2d_ssl_ sk_ssl_ ssl_ tls_"),
)


def _exception_class(function: str) -> type[Exception]:
    for module, name, beginnings in _EXCEPTIONS:
        if function.startswith(tuple(beginnings.split())):
            found: type[Exception] = getattr(importlib.import_module(f"M2Crypto.{module}"), name)
            return found
    return M2CryptoError


def _exception(function: str, queue: list[tuple[int, str]]) -> Exception:
    """The exception for the m2 function that failed; the extension calls this (src/raise.c)."""
    errors = tuple(_read(code, data) for code, data in queue)
    # Our own errors have their whole text in the data; without any, only the function is known.
    text = str(errors[0]) if errors else f"{function} failed and OpenSSL does not say why"
    error = _exception_class(function)(text)
    error.errors = errors  # type: ignore[attr-defined]
    error.code = errors[0].code if errors else 0  # type: ignore[attr-defined]
    error.library = errors[0].library if errors else ""  # type: ignore[attr-defined]
    error.reason = errors[0].reason if errors else ""  # type: ignore[attr-defined]
    return error


def _read(code: int, data: str) -> OpenSSLError:
    if m2.err_get_lib(code) == m2.ERR_LIB_USER:
        return OpenSSLError(code, "M2Crypto", data, "")
    library = m2.err_lib_error_string(code) or f"library {m2.err_get_lib(code)}"
    reason = m2.err_reason_error_string(code) or f"reason {m2.err_get_reason(code)}"
    return OpenSSLError(code, library, reason, data)


def get_error() -> str | None:
    """Empty the error queue into text, a line an error; None when it is empty."""
    lines = []
    while code := m2.err_get_error():
        lines.append(m2.err_error_string(code).decode())
    return "\n".join(lines) or None


def get_error_code() -> int:
    """Take the oldest error from the queue: its code, 0 when there is none (ERR_get_error)."""
    return m2.err_get_error()


def peek_error_code() -> int:
    """The oldest error's code, which stays in the queue; 0 when there is none (ERR_peek_error)."""
    return m2.err_peek_error()


def get_error_lib(err: int) -> str:
    """The name of the library that an error code belongs to (ERR_lib_error_string)."""
    return m2.err_lib_error_string(err) or ""


def get_error_func(err: int) -> str:
    """The C function that an error code names; "" from OpenSSL 3.0 on, which does not keep it."""
    return m2.err_func_error_string(err)


def get_error_reason(err: int) -> str:
    """The reason that an error code stands for (ERR_reason_error_string)."""
    return m2.err_reason_error_string(err) or ""


def get_error_message() -> str:
    """Take the oldest error from the queue: its reason, "" when there is none."""
    return get_error_reason(get_error_code())


def get_x509_verify_error(err: int) -> str:
    """The text of an X509_V_ERR_ code (X509_verify_cert_error_string)."""
    return m2.x509_get_verify_error(err)
