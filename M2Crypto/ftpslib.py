"""FTP over TLS for `ftplib` (RFC 4217).

::

    with FTP_TLS("ftp.example.org", context) as ftp:
        ftp.auth_tls()
        ftp.login(user, password)
        ftp.prot_p()
        ftp.retrlines("LIST")
"""

from __future__ import annotations

import contextlib
import ftplib
import socket
from typing import TYPE_CHECKING, Any

from M2Crypto import SSL
from M2Crypto._network import client_context, handshake

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["FTP_TLS"]


class _DataConnection(SSL.Connection):
    """A data connection, on which `close` waits until the server has read what was written.

    A system resets a connection that is closed with unread data (RFC 1122, section 4.2.2.13), such
    as session tickets, and the server then loses the end of an upload.
    """

    _has_written = False

    def write(self, data: Any) -> int:
        """Write all bytes; see `Connection.write`."""
        self._has_written = True
        return super().write(data)

    send = sendall = write

    def close(self, freeBio: bool = True) -> None:
        """Close the connection, after an upload bidirectionally (SSL_shutdown(3))."""
        if self._has_written:
            self._has_written = False
            # The reply on the control connection says whether the server has the file.
            with contextlib.suppress(SSL.SSLError, OSError):
                self.shutdown(socket.SHUT_WR)
                # This returns at the end. A server that sends data instead would never end.
                self.read(1)
        super().close(freeBio)


# The most characters of a reply, of which ftplib limits each line alone.
_MAX_REPLY = 16 << 20


class FTP_TLS(ftplib.FTP):
    """An FTP client, with TLS on the control connection and optionally on the data connections."""

    def __init__(
        self,
        host: str | None = None,
        ssl_ctx: SSL.Context | None = None,
        **ftp: Any,
    ) -> None:
        """Create a client, and connect if there is a host.

        Args:
            host: the host name or IP address.
            ssl_ctx: the context; None for one that trusts the system's trust store.
            ftp: `timeout`, which limits each of connecting, the handshakes, reading and writing,
                and `source_address` and `encoding`, as in `ftplib.FTP`.

        Raises:
            ValueError: the timeout is 0, as in `ftplib.FTP`.
        """
        self.ssl_ctx = client_context(ssl_ctx)
        self.prot = 0
        self._reply_left = _MAX_REPLY
        super().__init__(host or "", **ftp)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(kind, error, traceback)
        except SSL.SSLError:
            # The end of a connection that failed, as errors of sockets are for ftplib.
            self.close()

    def connect(self, host: str = "", *args: Any, **kwargs: Any) -> str:
        """Connect to the server, without TLS, and return its greeting; see `ftplib.FTP`."""
        self.prot = 0
        return super().connect(host, *args, **kwargs)

    def login(self, user: str = "", passwd: str = "", acct: str = "") -> str:
        """Log in, after `auth_tls` if the control connection has no TLS yet."""
        self.auth_tls()
        return super().login(user, passwd, acct)

    def auth_tls(self) -> str:
        """Begin TLS on the control connection (AUTH TLS), if it has not, and return the reply.

        Raises:
            ftplib.Error: the server refused.
            SSLError, SSLTimeoutError, SSLVerificationError: see `Connection.connect`.
        """
        return self._auth("TLS")

    def auth_ssl(self) -> str:
        """Begin TLS by the older AUTH SSL, with the same protocol versions; see `auth_tls`."""
        return self._auth("SSL")

    def _auth(self, mechanism: str) -> str:
        if isinstance(self.sock, SSL.Connection):
            return self.lastresp
        reply = self.voidcmd(f"AUTH {mechanism}")
        plain: Any = self.file
        self.sock = self._secured(SSL.Connection, self.sock)
        # What the old file has buffered was received before the handshake, and is not read.
        plain.close()
        self.file = self.sock.makefile("r", encoding=self.encoding)
        return reply

    def _secured(self, kind: type[SSL.Connection], sock: Any, session: Any = None) -> Any:
        return handshake(kind, self.ssl_ctx, sock, self.host, session)

    def getmultiline(self) -> str:
        """Return a reply.

        Raises:
            ftplib.Error: it has more than 16 million characters.
        """
        self._reply_left = _MAX_REPLY
        return super().getmultiline()

    def getline(self) -> str:
        """Return one line of a reply; see `getmultiline`."""
        line = super().getline()
        self._reply_left -= len(line) + 1
        if self._reply_left < 0:
            raise ftplib.Error(f"got more than {_MAX_REPLY} characters in a reply")  # noqa: S321
        return line

    def prot_p(self) -> str:
        """Protect the data connections with TLS (RFC 4217, section 9), and return the reply."""
        self.voidcmd("PBSZ 0")
        reply = self.voidcmd("PROT P")
        self.prot = 1
        return reply

    def prot_c(self) -> str:
        """Leave the data connections without TLS, and return the reply."""
        reply = self.voidcmd("PROT C")
        self.prot = 0
        return reply

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[Any, int | None]:
        """Return the data connection of a command, and the expected size, None if unknown.

        A protected data connection resumes the session of the control connection, by which servers
        recognize the client.
        """
        conn, size = super().ntransfercmd(cmd, rest)
        if self.prot:
            session = self.sock.get_session() if isinstance(self.sock, SSL.Connection) else None
            return self._secured(_DataConnection, conn, session), size
        return conn, size

    def abort(self) -> str:
        """Abort a transfer, without urgent data, which TLS has not, and return the reply."""
        self.putcmd("ABOR")
        reply = self.getmultiline()
        if reply[:3] not in ("225", "226", "426"):
            raise ftplib.error_proto(reply)  # noqa: S321
        return reply
