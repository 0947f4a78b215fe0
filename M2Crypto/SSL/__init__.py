"""TLS contexts, connections, sessions and servers, and identity verification (RFC 9525).

A client::

    ctx = SSL.Context()
    ctx.load_verify_locations("ca.pem")
    conn = SSL.Connection(ctx)
    conn.connect(("localhost", 4433))

A server::

    ctx = SSL.Context()
    ctx.load_cert("server.pem")
    listener = SSL.Connection(ctx)
    listener.bind(("", 4433))
    listener.listen()
    conn, addr = listener.accept()
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

from M2Crypto import m2
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.SSL import cb
from M2Crypto.SSL.Checker import Checker
from M2Crypto.SSL.Cipher import Cipher, Cipher_Stack
from M2Crypto.SSL.Connection import Connection
from M2Crypto.SSL.Context import Context
from M2Crypto.SSL.Session import Session
from M2Crypto.SSL.SSLError import Alert, SSLError, SSLSystemError, SSLTimeoutError
from M2Crypto.SSL.timeout import struct_size, struct_to_timeout, timeout

if TYPE_CHECKING:
    from M2Crypto.SSL.SSLServer import ForkingSSLServer, SSLServer, ThreadingSSLServer

verify_none = m2.SSL_VERIFY_NONE
verify_peer = m2.SSL_VERIFY_PEER
verify_fail_if_no_peer_cert = m2.SSL_VERIFY_FAIL_IF_NO_PEER_CERT
verify_client_once = m2.SSL_VERIFY_CLIENT_ONCE
# Flags of X509_Store.set_flags.
verify_crl_check_chain = m2.VERIFY_CRL_CHECK_CHAIN
verify_crl_check_leaf = m2.VERIFY_CRL_CHECK_LEAF

SSL_SENT_SHUTDOWN = m2.SSL_SENT_SHUTDOWN
SSL_RECEIVED_SHUTDOWN = m2.SSL_RECEIVED_SHUTDOWN

op_all = m2.SSL_OP_ALL
op_no_sslv2 = m2.SSL_OP_NO_SSLv2

__all__ = [
    "SSL_RECEIVED_SHUTDOWN",
    "SSL_SENT_SHUTDOWN",
    "Alert",
    "Checker",
    "Cipher",
    "Cipher_Stack",
    "Connection",
    "Context",
    "SSLError",
    "SSLServer",
    "SSLSystemError",
    "SSLTimeoutError",
    "Session",
    "ThreadingSSLServer",
    "cb",
    "op_all",
    "op_no_sslv2",
    "struct_size",
    "struct_to_timeout",
    "timeout",
    "verify_client_once",
    "verify_crl_check_chain",
    "verify_crl_check_leaf",
    "verify_fail_if_no_peer_cert",
    "verify_none",
    "verify_peer",
]

_SERVERS = ["SSLServer", "ThreadingSSLServer"]
# Windows has no fork.
if hasattr(os, "fork"):
    _SERVERS.append("ForkingSSLServer")
    __all__ += ["ForkingSSLServer"]


def __getattr__(name: str) -> object:
    """Import the servers on first use, because socketserver takes 4 ms and clients need none."""
    if name not in _SERVERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.SSLServer"), name)


def __dir__() -> list[str]:
    """Return the names of the module, and of the servers."""
    return sorted({*globals(), *_SERVERS})


class _Package(ModuleType):
    """The class of this package, in which `SSLServer` is not its module, but the class."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "SSLServer" and isinstance(value, ModuleType):
            value = value.SSLServer
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
