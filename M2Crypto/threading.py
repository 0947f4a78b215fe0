"""The initialization of threads, which OpenSSL has done itself since 1.1.0.

Programs call `init` before and `cleanup` after they use threads; both do nothing.
"""

from __future__ import annotations

__all__ = ["cleanup", "init"]


def init() -> None:
    """Do nothing: OpenSSL needs no locks of the program (openssl-threads(7))."""


def cleanup() -> None:
    """Do nothing."""
