"""Callbacks for pre-shared keys as OpenSSL calls them (SSL_CTX_set_psk_client_callback(3))."""

from __future__ import annotations

from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.SSL.SSLError import SSLError

if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Union

    ClientCallback = Callable[[Optional[str]], Optional[tuple[Union[str, bytes, None], bytes]]]
    ServerCallback = Callable[[Optional[str]], Optional[bytes]]

__all__ = ["call_client", "call_server"]


def call_client(callback: ClientCallback, hint: bytes | None) -> tuple[bytes, bytes] | None:
    """Call the callback of a client, and return the identity and the key; None without a key.

    Raises:
        SSLError: the hint is not UTF-8 (RFC 4279, section 5.1).
        TypeError, ValueError: the callback returned something else, or the identity contains NUL.
    """
    try:
        text = hint.decode() if hint else None
    except UnicodeDecodeError:
        raise SSLError("the identity hint of the server is not UTF-8") from None
    found = callback(text)
    if found is None:
        return None
    if not isinstance(found, tuple) or len(found) != 2:
        raise TypeError("a callback for pre-shared keys returns (identity, key) or None")
    identity, key = found
    encoded = identity.encode() if isinstance(identity, str) else _bytes_of(identity or b"")
    if b"\0" in encoded:
        raise ValueError("the identity of a pre-shared key contains NUL")
    encoded_key = _bytes_of(key)
    return (encoded, encoded_key) if encoded_key else None


def call_server(callback: ServerCallback, identity: bytes) -> bytes | None:
    """Call the callback of a server, and return the key; None if the identity is unknown."""
    try:
        text = identity.decode() if identity else None
    except UnicodeDecodeError:
        return None
    key = callback(text)
    return None if key is None else _bytes_of(key) or None


def _bytes_of(data: Any) -> bytes:
    # bytes(3) would be three zeros.
    return bytes(memoryview(data))
