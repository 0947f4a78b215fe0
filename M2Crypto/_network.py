"""What the clients of network protocols share: the default context, and TLS on a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from M2Crypto import SSL
from M2Crypto._hosts import reference_identity

if TYPE_CHECKING:
    import socket

    from M2Crypto.SSL.Session import Session

__all__ = ["client_context", "handshake", "name_server"]


def client_context(
    context: SSL.Context | None, certfile: Any = None, keyfile: Any = None
) -> SSL.Context:
    """Return the context, or one that trusts the system's trust store, with a certificate.

    Raises:
        SSLError: there is no trust store, or a file cannot be loaded.
    """
    if context is None:
        context = SSL.Context()
        context.set_default_verify_paths()
    if certfile is not None or keyfile is not None:
        context.load_cert(keyfile if certfile is None else certfile, keyfile)
    return context


def handshake(
    kind: type[SSL.Connection],
    context: SSL.Context,
    sock: socket.socket,
    host: str,
    session: Session | None = None,
) -> SSL.Connection:
    """Return a client connection on a connected socket, after the handshake.

    The socket is closed if the handshake or the post-connection check fails.

    Args:
        kind: the class of the connection.
        context: its context.
        sock: the socket, whose timeout limits the handshake.
        host: the reference identity, which is sent in the server_name extension if it is a name.
        session: the session to resume; None for none.

    Raises:
        SSLError, SSLTimeoutError, SSLVerificationError: see `Connection.connect`.
    """
    try:
        connection = kind(context, sock)
        connection.setup_addr((host, None))
        name_server(connection, host)
        if session is not None:
            connection.set_session(session)
        connection.handshake_on_existing_socket()
    except BaseException:
        sock.close()
        raise
    return connection


def name_server(connection: SSL.Connection, host: str) -> None:
    """Set the server_name extension, unless `host` is an IP address (RFC 6066, section 3)."""
    try:
        is_name = isinstance(reference_identity(host), str)
    except ValueError:
        # The check after the handshake names it in its error.
        return
    if is_name:
        connection.set_tlsext_host_name(host)
