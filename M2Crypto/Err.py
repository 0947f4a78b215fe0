"""OpenSSL's error queue, and the base class of M2Crypto's exceptions (ERR_get_error(3)).

An exception for an error of OpenSSL has the text of the oldest error in the queue, and the
attributes that `M2CryptoError` documents. The queue is empty afterwards.
"""

from __future__ import annotations

from M2Crypto import m2
from M2Crypto._errors import ErrorEntry, M2CryptoError

__all__ = [
    "ErrorEntry",
    "M2CryptoError",
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


class SSLError(M2CryptoError):
    """A TLS error with the peer's address, which `M2Crypto.SSL.SSLServer` reports."""

    def __init__(self, err: int, client_addr: object) -> None:
        super().__init__(err, client_addr)
        self.err = err
        self.client_addr = client_addr

    def __str__(self) -> str:
        return f"{self.client_addr}: {get_error_reason(self.err) or self.err}"


def get_error() -> str | None:
    """Empty the error queue and return its text, a line for each error; None if it is empty."""
    lines = []
    while code := m2.err_get_error():
        lines.append(m2.err_error_string(code).decode())
    return "\n".join(lines) or None


def get_error_code() -> int:
    """Remove the oldest error from the queue and return its code, or 0 (ERR_get_error)."""
    return m2.err_get_error()


def peek_error_code() -> int:
    """Return the oldest error's code, 0 if the queue is empty (ERR_peek_error)."""
    return m2.err_peek_error()


def get_error_lib(err: int) -> str:
    """Return the name of the library that an error code belongs to (ERR_lib_error_string)."""
    return m2.err_lib_error_string(err) or ""


def get_error_func(err: int) -> str:
    """Return the C function of an error code; an empty string from OpenSSL 3.0 on."""
    return m2.err_func_error_string(err)


def get_error_reason(err: int) -> str:
    """Return the text of an error code's reason (ERR_reason_error_string)."""
    return m2.err_reason_error_string(err) or ""


def get_error_message() -> str:
    """Remove the oldest error from the queue and return its reason; empty if there is none."""
    return get_error_reason(get_error_code())


def get_x509_verify_error(err: int) -> str:
    """Return the text of an X509_V_ERR_ code (X509_verify_cert_error_string)."""
    return m2.x509_get_verify_error(err)
