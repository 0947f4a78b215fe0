"""Trust stores and path validation (RFC 5280, section 6)."""

from __future__ import annotations

from M2Crypto import ASN1, m2
from M2Crypto._arguments import handle_of
from M2Crypto._copies import Unique
from M2Crypto._locks import RLock
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.X509._parameters import Parameters, Policy, PolicyQualifier
from M2Crypto.X509.certificates import X509, X509_Stack
from M2Crypto.X509.crls import CRL_Stack
from M2Crypto.X509.names import X509_Name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Callable

    from M2Crypto import BIO, _m2crypto
    from M2Crypto.X509.crls import CRL


# M2_POLICIES_OF_... in SWIG/src/x509_param.h.
_OF_AUTHORITIES = -2
_OF_USER = -1


class X509_Store_Context(Parameters, Unique):
    """The validation of one certification path (X509_STORE_CTX_new(3)).

    Call `init`, set parameters of this validation alone, call `verify_cert`, then the getters. A
    verify callback can call only the getters of its argument. When the callback has returned, they
    raise ValueError.
    """

    def __init__(
        self, x509_store_ctx: _m2crypto.m2_x509_store_ctx | None = None, _pyfree: int = 0
    ) -> None:
        self.ctx = m2.x509_store_ctx_new() if x509_store_ctx is None else x509_store_ctx
        # The validation runs without the GIL. Its callback can use the context in the same thread.
        self._lock = RLock()

    def _ptr(self) -> _m2crypto.m2_x509_store_ctx:
        return self.ctx

    def _parameters(self, function: Callable[..., Any], *args: Any) -> Any:
        with self._lock:
            return function(self.ctx, *args)

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

        They are used if the flag `m2.X509_V_FLAG_CRL_CHECK` is set; see `X509_Store`.
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

    def get_peername(self) -> str | None:
        """Return the DNS name in the certificate that `set_host` matched, or None."""
        name = self._parameters(m2.x509_verify_param_get_peername)
        return name.decode("ascii", "backslashreplace") or None

    def requires_explicit_policy(self) -> bool:
        """Return whether the path had to be valid for an acceptable policy."""
        with self._lock:
            return m2.x509_policy_is_explicit(self.ctx) == 1

    def get_authority_policies(self) -> tuple[Policy, ...]:
        """Return the authority-constrained policies of the path (RFC 5280, section 6.1.6)."""
        with self._lock:
            return self._policies(_OF_AUTHORITIES)

    def get_user_policies(self) -> tuple[Policy, ...]:
        """Return the user-constrained policies of the path: those of `set_policies` among them."""
        with self._lock:
            return self._policies(_OF_USER)

    def get_policy_tree(self) -> tuple[tuple[Policy, ...], ...]:
        """Return the levels of the valid policy tree, the trust anchor's first; empty without one.

        The last level has the qualifiers in the validated certificate. The user-constrained and
        authority-constrained policies are nodes of other levels, which OpenSSL gives none.
        """
        with self._lock:
            return tuple(map(self._policies, range(m2.x509_policy_levels(self.ctx))))

    def _policies(self, level: int) -> tuple[Policy, ...]:
        return tuple(
            Policy(
                _oid(m2.x509_policy_oid(self.ctx, level, index)),
                self._qualifiers(level, index),
                parent if (parent := m2.x509_policy_parent(self.ctx, level, index)) >= 0 else None,
            )
            for index in range(m2.x509_policy_num(self.ctx, level))
        )

    def _qualifiers(self, level: int, index: int) -> tuple[PolicyQualifier, ...]:
        def qualifier(at: int) -> PolicyQualifier:
            place = self.ctx, level, index, at
            text = m2.x509_policy_qualifier_text(*place).decode("utf-8", "backslashreplace")
            der = m2.x509_policy_qualifier_der(*place)
            return PolicyQualifier(_oid(m2.x509_policy_qualifier_oid(*place)), text, der)

        return tuple(map(qualifier, range(m2.x509_policy_qualifier_num(self.ctx, level, index))))


def _oid(handle: _m2crypto.ASN1_OBJECT) -> str:
    return str(ASN1.ASN1_Object(handle))


def x509_store_default_cb(ok: int, ctx: X509_Store_Context) -> int:
    """Return `ok`: the verify callback that changes nothing."""
    return ok


class X509_Store(Parameters, Unique):
    """A trust store: trust anchors, CRLs and parameters (X509_STORE_new(3)).

    CRLs of the store, of `X509_Store_Context.add_crls` and of the callback of `set_lookup_crls` are
    used alike, in any combination. OpenSSL uses

    - CRLs at all only with the flag `m2.X509_V_FLAG_CRL_CHECK`, and for CAs, too, only with
      `m2.X509_V_FLAG_CRL_CHECK_ALL`,
    - indirect CRLs and those for some reasons only with `m2.X509_V_FLAG_EXTENDED_CRL_SUPPORT`, and
      only if the certificate of the CRL's issuer is in the path or among the untrusted ones,
    - delta CRLs only with `m2.X509_V_FLAG_USE_DELTAS`, and only if the certificate or the complete
      CRL has the freshestCRL extension (RFC 5280, section 5.2.6),
    - no CRL whose issuer must itself be validated by such a CRL.
    """

    def __init__(self, store: _m2crypto.X509_STORE | None = None, _pyfree: int = 0) -> None:
        self.store = m2.x509_store_new() if store is None else store

    def _ptr(self) -> _m2crypto.X509_STORE:
        return self.store

    def _parameters(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(self.store, *args)

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

    def set_lookup_crls(self, callback: Callable[[X509_Name], Iterable[CRL] | None] | None) -> None:
        """Set the callback that finds more CRLs for later validations; None removes it.

        OpenSSL calls `callback(issuer)` for each certificate, perhaps several times, with the
        issuer's name. The callback returns CRLs of any issuer, or None. OpenSSL chooses. If it
        raises an exception, the validation fails, and the exception propagates to the caller of
        `verify_cert`. As in `set_verify_cb`, it must not refer to its own store.
        """
        if callback is None:
            m2.x509_store_set_lookup_crls(self.store, None)
            return
        lookup = callback

        def stack(issuer: _m2crypto.X509_NAME) -> _m2crypto.m2_x509_crl_stack:
            found = CRL_Stack()
            for crl in lookup(X509_Name(issuer)) or ():
                found.push(crl)
            handle: _m2crypto.m2_x509_crl_stack = found._ptr()
            return handle

        m2.x509_store_set_lookup_crls(self.store, stack)

    def get_certificates(self) -> X509_Stack:
        """Return the certificates that are loaded, without those of look-ups in directories."""
        return X509_Stack(m2.x509_store_get_certificates(self.store), 1)

    def get_crls(self) -> CRL_Stack:
        """Return the CRLs that are loaded; see `get_certificates`."""
        return CRL_Stack(m2.x509_store_get_crls(self.store), 1)
