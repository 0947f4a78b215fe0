"""Clients of a DTLS server (RFC 6347, DTLSv1_listen(3)).

A server keeps no state for a client whose address is not proven. The listening socket answers each
ClientHello with a cookie, which is a MAC of the client's address, and a ClientHello with a valid
cookie gets a connected socket of its own on the same port.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

from M2Crypto import m2

if TYPE_CHECKING:
    from M2Crypto.SSL._deadlines import Deadline
    from M2Crypto.SSL.Connection import Connection


def share_port(sock: socket.socket) -> None:
    """Allow the sockets of this user's connections on the port of a listening socket."""
    # On Linux, SO_REUSEADDR would allow those of other users.
    option = getattr(socket, "SO_REUSEPORT", socket.SO_REUSEADDR)
    sock.setsockopt(socket.SOL_SOCKET, option, 1)


def accept_client(listener: Connection, connection: Connection, deadline: Deadline) -> None:
    """Wait for a client, and connect the socket of a new connection to it.

    Args:
        listener: the connection with the listening socket.
        connection: a new connection with a datagram socket of its own.
        deadline: the end of the timeout.

    Raises:
        BlockingIOError: the listener is non-blocking, and there is no client.
        SSLTimeoutError: the operation timed out.
    """
    connection.set_accept_state()
    if listener._retransmission_timeout is not None:
        connection.set_retransmission_timeout(listener._retransmission_timeout)
    m2.ssl_set_datagram(connection.ssl, listener.socket.fileno())
    if m2.ssl_io_listen(connection.ssl, deadline.io_timeout()) < 0:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    share_port(connection.socket)
    connection.socket.bind(listener.socket.getsockname())
    m2.ssl_connect_datagram(connection.ssl, connection.socket.fileno())
