"""The socket of a connection: its address, options and timeouts."""

from __future__ import annotations

from M2Crypto import m2
from M2Crypto._arguments import check_type
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.SSL._deadlines import one_wait
from M2Crypto.SSL.timeout import checked_seconds, timeout

if TYPE_CHECKING:
    import socket
    from typing import Any, Union

    from M2Crypto import _m2crypto
    from M2Crypto.SSL.Context import Context

    # An address of the socket module: (host, port), with two more numbers for IPv6; a path for
    # AF_UNIX.
    Address = Union[tuple[Any, ...], str, bytes]


class Transport:
    """The methods of a connection that concern its socket."""

    ctx: Context
    ssl: _m2crypto.SSL
    socket: socket.socket
    addr: Any = None
    ssl_close_flag = m2.bio_noclose
    # Whether the transport is BIOs, not the socket; None before the SSL has one.
    _over_bios: bool | None = None
    # That of `settimeout`, and those of one direction.
    _timeout: float | None = None
    _read_timeout = timeout(0, 0)
    _write_timeout = timeout(0, 0)
    _read_own = 0.0
    _write_own = 0.0
    # The same for the extension (src/ssl_io.h).
    _handshake_seconds = -1.0
    _read_seconds = -1.0
    _write_seconds = -1.0
    # That of `set_retransmission_timeout`.
    _retransmission_timeout: float | None = None

    # ---- address and options -------------------------------------------------------------------

    def bind(self, addr: Address) -> None:
        """Bind the socket to an address."""
        if self.ctx.is_dtls:
            from M2Crypto.SSL import _datagrams

            _datagrams.share_port(self.socket)
        self.socket.bind(addr)

    def listen(self, qlen: int = 5) -> None:
        """Listen, with a backlog of `qlen` connections; a socket of DTLS is bound, and has none."""
        if not self.ctx.is_dtls:
            self.socket.listen(qlen)

    def fileno(self) -> int:
        """Return the socket's file descriptor, -1 if it is closed."""
        return self.socket.fileno()

    def getsockname(self) -> Any:
        """Return the local address."""
        return self.socket.getsockname()

    def getpeername(self) -> Any:
        """Return the peer's address."""
        return self.socket.getpeername()

    def getsockopt(self, level: int, optname: int, buflen: int | None = None) -> int | bytes:
        """Return an option of the socket, as bytes if `buflen` is given."""
        if buflen is None:
            return self.socket.getsockopt(level, optname)
        return self.socket.getsockopt(level, optname, buflen)

    def setsockopt(self, level: int, optname: int, value: int | bytes | None = None) -> None:
        """Set an option of the socket."""
        if value is None:
            raise TypeError(f"the socket option {optname} needs a value")
        self.socket.setsockopt(level, optname, value)

    def setup_addr(self, addr: Address) -> None:
        """Set the peer's address, which `connect` and `accept` set themselves."""
        self.addr = addr

    def set_ssl_close_flag(self, flag: int) -> None:
        """Set `ssl_close_flag`, which is ignored: the SSL is freed with its last reference.

        Raises:
            ValueError: `flag` is neither m2.bio_close nor m2.bio_noclose.
        """
        if flag not in (m2.bio_close, m2.bio_noclose):
            raise ValueError("flag must be m2.bio_close or m2.bio_noclose")
        self.ssl_close_flag = flag

    # ---- datagrams -----------------------------------------------------------------------------

    def set_mtu(self, mtu: int) -> None:
        """Set the size of the largest datagram that DTLS sends, without the headers of UDP and IP.

        By default OpenSSL asks the system, and sends smaller ones if datagrams are lost.

        Raises:
            SSLError: it is too small, or this is not DTLS.
        """
        m2.ssl_set_mtu(self.ssl, mtu)

    def set_retransmission_timeout(self, seconds: float) -> None:
        """Set after how long DTLS first sends lost messages of the handshake again, by default 1 s.

        The time doubles with each retransmission, up to a minute (RFC 6347, section 4.2.4.1). The
        connections that `accept` returns have that of the listening one.

        Args:
            seconds: at least a microsecond, at most a minute.

        Raises:
            SSLError: it is shorter or longer, or this is not DTLS.
        """
        m2.ssl_set_retransmission_timeout(self.ssl, seconds)
        self._retransmission_timeout = seconds

    def get_retransmission_timeout(self) -> float | None:
        """Return the seconds until DTLS sends lost messages of the handshake again, or None.

        Operations that wait do that themselves. A non-blocking program calls
        `handle_retransmission` or the operation after that time (DTLSv1_get_timeout(3)).
        """
        seconds = m2.ssl_get_retransmission_timeout(self.ssl)
        return None if seconds < 0 else seconds

    def handle_retransmission(self) -> bool:
        """Send messages of the handshake again if that is due, and return whether it was.

        Raises:
            SSLError: the peer did not answer a dozen times (DTLSv1_handle_timeout(3)).
        """
        return bool(m2.ssl_handle_retransmission(self.ssl))

    # ---- timeouts ------------------------------------------------------------------------------

    def setblocking(self, mode: int) -> None:
        """Set blocking (true) or non-blocking (false) mode."""
        self.settimeout(None if mode else 0.0)

    def settimeout(self, timeout: float | None) -> None:
        """Set the timeout in seconds; None is blocking and 0 non-blocking mode.

        It applies to handshakes, and to reading and writing without a timeout of their own. An
        operation that times out raises `SSLTimeoutError`.

        Raises:
            ValueError: the timeout is negative or not a number.
            OverflowError: it is larger than a socket's timeout can be.
        """
        self._timeout = checked_seconds(timeout)
        # Later, a descriptor that became blocking would block an attempt of OpenSSL's own BIO.
        if self._over_bios is None:
            self.socket.settimeout(one_wait(self._timeout))
        self._set_seconds()

    def gettimeout(self) -> float | None:
        """Return the timeout of `settimeout`."""
        return self._timeout

    def get_socket_read_timeout(self) -> timeout:
        """Return the timeout of reading; 0 seconds for that of `settimeout`."""
        return self._read_timeout

    def get_socket_write_timeout(self) -> timeout:
        """Return the timeout of writing; 0 seconds for that of `settimeout`."""
        return self._write_timeout

    def set_socket_read_timeout(self, timeo: timeout) -> None:
        """Set the timeout of reading and of `accept`; 0 seconds for that of `settimeout`.

        Raises:
            ValueError, OverflowError: see `settimeout`.
        """
        self._read_own = check_type(timeo, timeout).seconds()
        self._read_timeout = timeo
        self._set_seconds()

    def set_socket_write_timeout(self, timeo: timeout) -> None:
        """Set the timeout of writing; 0 seconds for that of `settimeout`.

        Raises:
            ValueError, OverflowError: see `settimeout`.
        """
        self._write_own = check_type(timeo, timeout).seconds()
        self._write_timeout = timeo
        self._set_seconds()

    def _set_seconds(self) -> None:
        if self._timeout == 0 or self._over_bios:
            self._handshake_seconds = self._read_seconds = self._write_seconds = 0.0
            return
        seconds = -1.0 if self._timeout is None else self._timeout
        self._handshake_seconds = seconds
        self._read_seconds = self._read_own or seconds
        self._write_seconds = self._write_own or seconds
