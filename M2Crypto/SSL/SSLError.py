"""The exceptions of TLS contexts, connections and sessions."""

from __future__ import annotations

from M2Crypto._errors import SSLError, SSLSystemError, SSLTimeoutError

__all__ = ["SSLError", "SSLSystemError", "SSLTimeoutError"]
