"""What goes wrong in TLS, as exceptions."""

from __future__ import annotations

import socket

__all__ = ["SSLError", "SSLSystemError", "SSLTimeoutError"]


class SSLError(Exception):
    """A context or a connection could not do what was asked.

    One that comes from OpenSSL's error queue has the attributes of `M2Crypto.Err`.
    """


class SSLTimeoutError(SSLError, socket.timeout):
    """The peer did not answer in the time that was set; also a `socket.timeout`."""


class SSLSystemError(SSLError, OSError):
    """The operating system ended the connection; `errno` says why, as in any `OSError`."""
