"""The exceptions of TLS contexts, connections and sessions."""

from __future__ import annotations

from M2Crypto._errors import Alert, SSLError, SSLSystemError, SSLTimeoutError

__all__ = ["Alert", "SSLError", "SSLSystemError", "SSLTimeoutError"]
