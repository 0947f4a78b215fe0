"""Trust stores and path validation (RFC 5280, section 6)."""

from __future__ import annotations

import threading

from M2Crypto import m2
from M2Crypto._arguments import handle_of
from M2Crypto._copies import Unique
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.X509.certificates import X509, X509_Stack
from M2Crypto.X509.crls import CRL_Stack

if TYPE_CHECKING:
    from typing import Callable

    from M2Crypto import BIO, _m2crypto
    from M2Crypto.X509.crls import CRL


class X509_Store_Context(Unique):
    """The validation of one certification path (X509_STORE_CTX_new(3)).

    Call `init`, then `verify_cert`, then the getters. A verify callback can call only the getters
    of its argument. When the callback has returned, they raise ValueError.
    """

    def __init__(
        self, x509_store_ctx: _m2crypto.m2_x509_store_ctx | None = None, _pyfree: int = 0
    ) -> None:
        self.ctx = m2.x509_store_ctx_new() if x509_store_ctx is None else x509_store_ctx
        # The validation runs without the GIL. Its callback can use the context in the same thread.
        self._lock = threading.RLock()

    def _ptr(self) -> _m2crypto.m2_x509_store_ctx:
        return self.ctx

    def init(self, store: X509_Store, cert: X509, untrusted: X509_Stack | None = None) -> int:
        """Prepare the validation of `cert`, and return 1 (X509_STORE_CTX_init(3)).

        Args:
            store: the trust anchors, CRLs and flags.
            cert: the certificate.
            untrusted: certificates from which the path can be built.
        """
        stack = None if untrusted is None else handle_of(untrusted)
        with self._lock:
            return m2.x509_store_ctx_init(self.ctx, handle_of(store), handle_of(cert), stack)

    def add_crls(self, crls: CRL_Stack) -> int:
        """Add CRLs to those of the store after `init`, and return 1.

        They are used if the store has the flag `m2.X509_V_FLAG_CRL_CHECK`.
        """
        with self._lock:
            return m2.x509_store_ctx_add_crls(self.ctx, handle_of(crls))

    def verify_cert(self) -> int:
        """Validate the path and return 1 if it is valid, else 0; `get_error` returns the error.

        Raises:
            X509Error: `init` was not called.
            BaseException: the verify callback raised it.
        """
        with self._lock:
            return m2.x509_verify_cert(self.ctx)

    def get_error(self) -> int:
        """Return the error, `m2.X509_V_ERR_...`, or `m2.X509_V_OK`."""
        with self._lock:
            return m2.x509_store_ctx_get_error(self.ctx)

    def get_error_depth(self) -> int:
        """Return the depth of the error in the path; 0 is the validated certificate."""
        with self._lock:
            return m2.x509_store_ctx_get_error_depth(self.ctx)

    def get_current_cert(self) -> X509 | None:
        """Return the certificate that caused the error, or None."""
        with self._lock:
            certificate = m2.x509_store_ctx_get_current_cert(self.ctx)
        return None if certificate is None else X509(certificate)

    def get1_chain(self) -> X509_Stack:
        """Return the path, from the validated certificate to the trust anchor."""
        with self._lock:
            return X509_Stack(m2.x509_store_ctx_get1_chain(self.ctx), 1, 1)


def x509_store_default_cb(ok: int, ctx: X509_Store_Context) -> int:
    """Return `ok`: the verify callback that changes nothing."""
    return ok


class X509_Store(Unique):
    """A trust store: trust anchors, CRLs and validation flags (X509_STORE_new(3))."""

    def __init__(self, store: _m2crypto.X509_STORE | None = None, _pyfree: int = 0) -> None:
        self.store = m2.x509_store_new() if store is None else store

    def _ptr(self) -> _m2crypto.X509_STORE:
        return self.store

    def load_info(self, file: BIO.FilePath) -> int:
        """Add the certificates and CRLs of a PEM file, and return 1.

        Raises:
            X509Error: the file cannot be opened, or has neither.
        """
        return m2.x509_store_load_locations(self.store, file)

    load_locations = load_info

    def add_x509(self, x509: X509) -> int:
        """Add a trust anchor, and return 1."""
        return m2.x509_store_add_cert(self.store, handle_of(x509))

    def add_crl(self, crl: CRL) -> int:
        """Add a CRL, which is used if a flag enables CRL checks, and return 1."""
        return m2.x509_store_add_crl(self.store, handle_of(crl))

    add_cert = add_x509

    def set_verify_cb(
        self, callback: Callable[[int, X509_Store_Context], object] | None = None
    ) -> None:
        """Set the verify callback of later validations (X509_STORE_set_verify_cb(3)).

        OpenSSL calls `callback(ok, context)` for each certificate of a path and for each error.
        `ok` is 0 for an error, which `context.get_error()` returns. If the callback returns false
        or raises an exception, the validation ends; the exception propagates to the caller of
        `verify_cert`. None is `x509_store_default_cb`.

        The garbage collector does not see the store's reference to the callback, so a callback that
        refers to its own store is never freed.
        """
        if callback is None:
            m2.x509_store_set_verify_cb(self.store, None)
            return
        verify = callback
        m2.x509_store_set_verify_cb(
            self.store, lambda ok, context: verify(ok, X509_Store_Context(context))
        )

    def set_purpose(self, purpose: int) -> int:
        """Require certificates for a purpose, `m2.X509_PURPOSE_...`, and return 1.

        Raises:
            X509Error: the purpose is unknown.
        """
        return m2.x509_store_set_purpose(self.store, purpose)

    def set_depth(self, depth: int) -> int:
        """Set the maximum number of intermediate certificates in a path, and return 1."""
        return m2.x509_store_set_depth(self.store, depth)

    def set_flags(self, flags: int) -> int:
        """Add validation flags, `m2.X509_V_FLAG_...`, and return 1."""
        return m2.x509_store_set_flags(self.store, flags)

    def clear_flags(self, flags: int) -> int:
        """Remove validation flags, and return 1."""
        return m2.x509_store_clear_flags(self.store, flags)

    def get_certificates(self) -> X509_Stack:
        """Return the certificates that are loaded, without those of look-ups in directories."""
        return X509_Stack(m2.x509_store_get_certificates(self.store), 1)

    def get_crls(self) -> CRL_Stack:
        """Return the CRLs that are loaded; see `get_certificates`."""
        return CRL_Stack(m2.x509_store_get_crls(self.store), 1)
