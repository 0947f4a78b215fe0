"""Verify and info callbacks for a Context.

OpenSSL calls a verify callback for each certificate of the peer's path and for each error
(`Context.set_verify`), and an info callback for each state change and alert
(SSL_CTX_set_info_callback(3)).
"""

from __future__ import annotations

import sys

from M2Crypto import m2
from M2Crypto._arguments import handle_of
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.SSL._contexts import ctxmap

if TYPE_CHECKING:
    from M2Crypto import _m2crypto
    from M2Crypto.X509 import X509_Store_Context

__all__ = [
    "ssl_info_callback",
    "ssl_verify_callback",
    "ssl_verify_callback_allow_unknown_ca",
    "ssl_verify_callback_stub",
    "unknown_issuer",
]

# The errors of a certificate whose issuer is not in the trust store.
unknown_issuer = [
    m2.X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
    m2.X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
    m2.X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
    m2.X509_V_ERR_CERT_UNTRUSTED,
    m2.X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
    m2.X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
]


def ssl_verify_callback_stub(
    ssl_ctx_ptr: _m2crypto.SSL_CTX,
    x509_ptr: _m2crypto.X509 | None,
    errnum: int,
    errdepth: int,
    ok: int,
) -> int:
    """Return `ok`, the result of OpenSSL."""
    return ok


def ssl_verify_callback(
    ssl_ctx_ptr: _m2crypto.SSL_CTX,
    x509_ptr: _m2crypto.X509 | None,
    errnum: int,
    errdepth: int,
    ok: int,
) -> int:
    """Return `ok`, but true for an unknown issuer if the context allows unknown CAs."""
    if ok or errnum not in unknown_issuer:
        return ok
    return int(bool(ctxmap()[ssl_ctx_ptr].get_allow_unknown_ca()))


def ssl_verify_callback_allow_unknown_ca(ok: int, store: X509_Store_Context) -> int:
    """Return `ok`, but true for an unknown issuer."""
    return 1 if m2.x509_store_ctx_get_error(handle_of(store)) in unknown_issuer else ok


def ssl_info_callback(where: int, ret: int, ssl_ptr: _m2crypto.SSL) -> None:
    """Print each state change and alert to standard error."""
    role = "undefined"
    if where & m2.SSL_ST_CONNECT:
        role = "SSL connect"
    elif where & m2.SSL_ST_ACCEPT:
        role = "SSL accept"
    if where & m2.SSL_CB_ALERT:
        way = "read" if where & m2.SSL_CB_READ else "write"
        kind, what = m2.ssl_get_alert_type_v(ret), m2.ssl_get_alert_desc_v(ret)
        line = f"ALERT: {way}: {kind}: {what}"
    elif where & m2.SSL_CB_LOOP:
        line = f"LOOP: {role}: {m2.ssl_get_state_v(ssl_ptr)}"
    elif where & m2.SSL_CB_EXIT:
        outcome = "FAILED" if ret == 0 else "INFO"
        line = f"{outcome}: {role}: {m2.ssl_get_state_v(ssl_ptr)}"
    else:
        return
    print(line, file=sys.stderr)
