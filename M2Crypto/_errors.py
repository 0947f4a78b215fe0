"""The exceptions of M2Crypto. Every module that raises one exports it.

The extension makes an exception from OpenSSL's error queue by `from_queue`, with the area that the
failed function's SWIG file declares.
"""

from __future__ import annotations

import os
import sys

from M2Crypto import m2
from M2Crypto._typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

if sys.version_info >= (3, 10):
    # socket.timeout, without the import of socket, which takes as long as ten modules.
    SocketTimeout = TimeoutError
else:
    from _socket import timeout as SocketTimeout  # noqa: N812


class ErrorEntry(NamedTuple):
    """One entry of OpenSSL's error queue (ERR_get_error(3))."""

    code: int
    library: str
    reason: str
    data: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.data}" if self.data else self.reason


class M2CryptoError(Exception):
    """Base class of M2Crypto's exceptions.

    Attributes:
        code: the packed code of the oldest error in OpenSSL's queue, which is the cause of the
            others; 0 if the exception is not from the queue.
        library: the name of the library that the code belongs to.
        reason: the text of the code's reason.
        errors: all errors of the queue, oldest first.
    """

    __module__ = "M2Crypto.Err"

    code: int = 0
    library: str = ""
    reason: str = ""
    errors: tuple[ErrorEntry, ...] = ()


class BIOError(M2CryptoError, ValueError):
    """A BIO operation failed."""

    __module__ = "M2Crypto.BIO"


class CMSError(M2CryptoError, ValueError):
    """A CMS operation failed, a signature does not verify, or this OpenSSL has no CMS."""

    __module__ = "M2Crypto.CMS"


class DHError(M2CryptoError):
    """An operation with a DH key failed, or this OpenSSL was built without DH."""

    __module__ = "M2Crypto.DH"


class DSAError(M2CryptoError):
    """An operation with a DSA key failed, or this OpenSSL was built without DSA."""

    __module__ = "M2Crypto.DSA"


class ECError(M2CryptoError):
    """An operation with an EC key failed, or this OpenSSL has no elliptic curves."""

    __module__ = "M2Crypto.EC"


class EngineError(M2CryptoError):
    """An operation with an engine failed, or this OpenSSL has no engines."""

    __module__ = "M2Crypto.Engine"


class EVPError(M2CryptoError, ValueError):
    """An operation with a digest, cipher, key derivation or PKey failed."""

    __module__ = "M2Crypto.EVP"


class SMIME_Error(M2CryptoError):
    """An S/MIME operation failed, or `SMIME` lacks what it needs."""

    __module__ = "M2Crypto.SMIME"


class PKCS7_Error(SMIME_Error):
    """A PKCS #7 operation failed, or a signature does not verify."""

    __module__ = "M2Crypto.SMIME"


class PKCS12Error(M2CryptoError, ValueError):
    """A PKCS #12 operation failed."""

    __module__ = "M2Crypto.PKCS12"


class PassphraseError(M2CryptoError):
    """A private key is encrypted, and the passphrase is wrong or was not given.

    The functions that load keys raise a class that derives also from their module's error.
    """

    __module__ = "M2Crypto.EVP"


class KeyTypeError(M2CryptoError):
    """A key has another type than the function loads; it derives as PassphraseError does."""

    __module__ = "M2Crypto.EVP"


class OCSPError(M2CryptoError):
    """An OCSP message is malformed or not trusted, or does not answer the request."""

    __module__ = "M2Crypto.OCSP"


class ProviderError(M2CryptoError, ValueError):
    """An operation with a provider or its store failed, or this OpenSSL has no providers."""

    __module__ = "M2Crypto.Provider"


class RandError(M2CryptoError, ValueError):
    """An operation with the random number generator failed."""

    __module__ = "M2Crypto.Rand"


class RSAError(M2CryptoError):
    """An operation with an RSA key failed, or a signature does not verify."""

    __module__ = "M2Crypto.RSA"


class Alert(NamedTuple):
    """A TLS alert (RFC 8446, section 6)."""

    number: int
    name: str


class _ConnectionError(M2CryptoError):
    """Where an operation of a TLS connection failed.

    Attributes:
        step: "handshake", "certificate verification", "read", "write" or "shutdown"; empty if the
            error is not of a connection.
        alert: the fatal alert that the peer sent, or None.
        verify_code: the code of the verification error, `m2.X509_V_ERR_...`; 0 without one.
        verify_depth: the depth of the certificate at fault, 0 for the peer's; -1 without one.
        certificate: that certificate, an `X509.X509`, or None.
    """

    step: str = ""
    alert: Alert | None = None
    verify_code: int = 0
    verify_depth: int = -1
    # An X509.X509, whose module imports this one.
    certificate: Any = None


class SSLError(_ConnectionError):
    """An operation with a TLS context, connection or session failed."""

    __module__ = "M2Crypto.SSL.SSLError"


class SSLTimeoutError(SSLError, SocketTimeout):
    """A TLS operation timed out."""

    __module__ = "M2Crypto.SSL.SSLError"


class SSLSystemError(SSLError, OSError):
    """A system call of a TLS operation failed; `errno` is its error number."""

    __module__ = "M2Crypto.SSL.SSLError"


class SSLVerificationError(_ConnectionError):
    """The peer's certificate does not match the reference identity (RFC 9525)."""

    __module__ = "M2Crypto.SSL.Checker"


class StoreError(M2CryptoError, ValueError):
    """The objects of a URI cannot be loaded."""

    __module__ = "M2Crypto.STORE"


class X509Error(M2CryptoError, ValueError):
    """An operation with a certificate, request, CRL, name or ASN.1 value failed."""

    __module__ = "M2Crypto.X509"


# By the areas that the SWIG files declare.
_BY_AREA: dict[str, type[M2CryptoError]] = {
    "": M2CryptoError,
    "BIO": BIOError,
    "CMS": CMSError,
    "DH": DHError,
    "DSA": DSAError,
    "EC": ECError,
    "EVP": EVPError,
    "PKCS12": PKCS12Error,
    "PKCS7": PKCS7_Error,
    "OCSP": OCSPError,
    "Engine": EngineError,
    "Provider": ProviderError,
    "RSA": RSAError,
    "Rand": RandError,
    "SSL": SSLError,
    "STORE": StoreError,
    "X509": X509Error,
}

# The reasons of the binding's own errors (SWIG/src/m2.h).
_BY_REASON = {101: PassphraseError, 102: KeyTypeError}


def _combine(area: str, mark: type[M2CryptoError]) -> type[M2CryptoError]:
    """Return a class of this module that derives from the area's error and from `mark`."""
    name = f"{area}{mark.__name__}"
    namespace = {"__doc__": mark.__doc__, "__module__": __name__}
    combined: type[M2CryptoError] = type(name, (_BY_AREA[area], mark), namespace)
    globals()[name] = combined
    return combined


_BY_AREA_AND_REASON: dict[tuple[str, int], type[M2CryptoError]] = {
    ("SSL", 103): SSLTimeoutError
} | {
    (area, reason): _combine(area, mark)
    for area in ("DH", "DSA", "EC", "EVP", "RSA")
    for reason, mark in _BY_REASON.items()
}


_NO_DECODER = "No supported data to decode"


def _class_of(area: str, errors: tuple[ErrorEntry, ...]) -> type[M2CryptoError]:
    # A cipher that this OpenSSL does not have is no wrong passphrase. One key in 256 decrypts with
    # valid padding to what no decoder supports.
    if not any(
        "unsupported" in error.reason and not error.data.startswith(_NO_DECODER) for error in errors
    ):
        for error in errors:
            if error.library == "M2Crypto":
                found = _BY_AREA_AND_REASON.get((area, m2.err_get_reason(error.code)))
                if found is not None:
                    return found
    return _BY_AREA[area]


def from_queue(area: str, function: str, queue: list[tuple[int, str]]) -> M2CryptoError:
    """Return the exception for a failed m2 function (src/raise.c).

    Args:
        area: the area of the function.
        function: its name.
        queue: the code and the data of each error, oldest first.
    """
    errors = tuple(_entry(code, data) for code, data in queue)
    if not errors:
        return _BY_AREA[area](f"{function} failed without an error in OpenSSL's queue")
    first = errors[0]
    error = _class_of(area, errors)(str(first))
    error.errors = errors
    error.code, error.library, error.reason = first.code, first.library, first.reason
    return error


def _entry(code: int, data: str) -> ErrorEntry:
    # The binding's own errors have their text in the data.
    if m2.err_get_lib(code) == m2.ERR_LIB_USER:
        return ErrorEntry(code, "M2Crypto", data, "")
    library = m2.err_lib_error_string(code) or f"library {m2.err_get_lib(code)}"
    number = m2.err_get_reason(code)
    if m2.err_get_lib(code) == m2.ERR_LIB_SYS:
        # From OpenSSL 3.0 on it has no texts for errno.
        reason = os.strerror(number)
    else:
        reason = m2.err_reason_error_string(code) or f"reason {number}"
    return ErrorEntry(code, library, reason, data)
