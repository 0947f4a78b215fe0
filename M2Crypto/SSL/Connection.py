"""TLS connections over sockets, of clients and servers (SSL_new(3)).

The socket is non-blocking below OpenSSL. A connection waits for the socket outside of OpenSSL and
without a lock, so timeouts apply to every operation, signal handlers run, and one thread can read
while another writes.

If a non-blocking connection (`setblocking(False)`) would block, `read` and `recv_into` return None,
`write` returns the number of bytes written, or -1 for none, and the handshakes return -1. After a
partial `write` the next one must start with the remaining bytes (SSL_write(3)).

If the peer closes the transport without close_notify, reading raises `SSLError` (unexpected eof
while reading), because an attacker may have truncated the data (RFC 8446, section 6.1). From
OpenSSL 3.0 on `Context.set_options(m2.SSL_OP_IGNORE_UNEXPECTED_EOF)` treats it as close_notify.

Reading and writing first complete an unfinished handshake and its post-connection check. No
application data are sent or returned before the check has succeeded.

A callback of an operation (verify, info, post-connection check) can call the getters of its
connection. A method that changes the connection raises `SSLError` in the callback; `close` then
leaves the connection and its socket open.
"""

from __future__ import annotations

import errno
import io
import math
import os
import select
import threading
import time

from M2Crypto import X509, Err, _configuration, m2
from M2Crypto._arguments import handle_of
from M2Crypto._copies import Unique
from M2Crypto._errors import SocketTimeout
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.SSL.Checker import Checker, SSLVerificationError, reference_identity
from M2Crypto.SSL.Cipher import Cipher, Cipher_Stack, split_cipher_list
from M2Crypto.SSL.Session import Session
from M2Crypto.SSL.SSLError import SSLError, SSLSystemError, SSLTimeoutError
from M2Crypto.SSL.timeout import checked_seconds, timeout

if TYPE_CHECKING:
    import socket
    from types import TracebackType
    from typing import IO, Any, Callable, Union

    from M2Crypto import _m2crypto
    from M2Crypto.BIO import BIO
    from M2Crypto.SSL.Context import Context

    # An address of the socket module: (host, port), with two more numbers for IPv6; a path for
    # AF_UNIX.
    Address = Union[tuple[Any, ...], str, bytes]
    PostConnectionCheck = Callable[..., Any]

__all__ = ["Connection"]


# socket.AF_INET. `socket` takes 3 ms and is imported by what uses a socket.
_AF_INET = 2

_WANT_READ = -m2.SSL_ERROR_WANT_READ
_WANT_WRITE = -m2.SSL_ERROR_WANT_WRITE
_CLOSED_BY_PEER = -m2.SSL_ERROR_ZERO_RETURN
# The return value of a non-blocking handshake or write that would block.
_AGAIN = -1
_IN_USE = "the connection is in use by the operation that called the callback"
# The operations with application data.
_TRANSFERS = (m2.ssl_read, m2.ssl_write)
# The maximum length of a record (RFC 8446, section 5.1). SSL_read returns at most one record.
_RECORD = 16384
# poll(2) and sockets take milliseconds as an int, so a longer wait is divided.
_LONGEST_WAIT = 24 * 86400.0
# The number of reads of 64 KiB by which `close` empties the receive buffer.
_DISCARDED = 128
# What a reason of OpenSSL's can mean in a handshake.
_NOT_TLS = {
    "http request": "the peer sent plain HTTP",
    "https proxy request": "the peer sent plain HTTP, a CONNECT",
    "wrong version number": "the peer may not use TLS on this port",
    "packet length too long": "the peer may not use TLS on this port",
}


class _Deadline:
    """The end of a timeout: in some seconds, never (None), or at once (0)."""

    def __init__(self, seconds: float | None) -> None:
        self.waits = seconds != 0
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Return the remaining seconds, 0 or more; None without a timeout."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def part(self) -> float | None:
        """Return the remaining seconds, at most those of one wait for a socket."""
        left = self.left()
        return None if left is None else min(left, _LONGEST_WAIT)

    def lock_timeout(self) -> float:
        """Return the remaining seconds for a lock's `acquire`."""
        left = self.left()
        return -1 if left is None else min(left, threading.TIMEOUT_MAX)


def _wait(fd: int, writing: bool, deadline: _Deadline) -> None:
    """Block until the socket is ready for reading or writing.

    Raises:
        SSLTimeoutError: the deadline passed.
    """
    while not _is_ready(fd, writing, deadline.part()):
        if deadline.left() == 0:
            raise SSLTimeoutError("timed out")


def _is_ready(fd: int, writing: bool, seconds: float | None) -> bool:
    """Wait until the socket is ready, and return whether it is."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(fd, select.POLLOUT if writing else select.POLLIN)
        return bool(poll.poll(None if seconds is None else math.ceil(seconds * 1000)))
    readers, writers = ([], [fd]) if writing else ([fd], [])
    return any(select.select(readers, writers, writers, seconds))


def _accept_every_client(certificate: X509.X509 | None, host: object = None) -> bool:
    return True


class Connection(Unique):
    """A TLS connection. `ssl` is the handle of the SSL, `ctx` the context.

    Several threads can use a connection. A lock is held for each operation of OpenSSL, and another
    one for each write.
    """

    m2_bio_noclose = m2.bio_noclose
    clientPostConnectionCheck: PostConnectionCheck | None = Checker()  # noqa: N815
    serverPostConnectionCheck: PostConnectionCheck | None = (  # noqa: N815
        staticmethod(_accept_every_client)
    )

    def __init__(
        self, ctx: Context, sock: socket.socket | None = None, family: int = _AF_INET
    ) -> None:
        """Create a connection.

        Args:
            ctx: the context.
            sock: a socket, whose timeout the connection uses; None creates one.
            family: the address family of the new socket: AF_INET, AF_INET6 or AF_UNIX.
        """
        import socket

        self.ctx = ctx
        self.ssl: _m2crypto.SSL = m2.ssl_new(ctx.ctx)
        self.socket = socket.socket(family, socket.SOCK_STREAM) if sock is None else sock
        if sock is None and family != getattr(socket, "AF_UNIX", None) and os.name == "posix":
            # On Windows the option allows other programs to bind the port.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.addr: Any = None
        self.ssl_close_flag = m2.bio_noclose
        self._postConnectionCheck = ctx.post_connection_check
        self._has_own_check = ctx.post_connection_check is not None
        # The argument of set1_host or set_tlsext_host_name.
        self._checked_name: str | None = None
        self._server_name: str | None = None
        self._timeout = self.socket.gettimeout()
        self._read_timeout = timeout(0, 0)
        self._write_timeout = timeout(0, 0)
        # Held for each use of the SSL, but not while a thread waits for the socket. A callback of
        # an operation acquires it again for getters; `_check_idle` refuses other methods.
        self._lock = threading.RLock()
        self._is_operating = False
        # Held during a handshake with its check, and during a write. Acquired before `_lock`.
        self._handshaking = threading.RLock()
        self._is_handshaking = False
        self._writing = threading.Lock()
        # The number of threads that wait for the socket.
        self._waiting = 0
        # Whether the SSL has the socket, or BIOs.
        self._has_socket = False
        self._has_bio = False
        self._has_session_id_ctx = False
        self._is_server: bool | None = None
        # Whether the post-connection check of the current handshake has succeeded. `_handshakes` is
        # the number of handshakes started.
        self._is_checked = False
        self._handshakes = 0
        self._failed = False
        self._closed = False
        self._files = 0
        self._frees_bio = True

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # ---- closing -------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether the connection is closed."""
        return self._closed

    def close(self, freeBio: bool = True) -> None:
        """Send close_notify, without waiting for the peer's, and close the socket.

        A connection with open files of `makefile` is closed with the last one.

        Args:
            freeBio: whether to close the socket.

        Raises:
            SSLError: a callback of an operation on this connection called it.
        """
        with self._lock:
            if self._closed:
                return
            self._check_idle()
            self._closed = True
            self._frees_bio = freeBio
            is_last = self._files == 0
        if is_last:
            self._end()

    def _end(self) -> None:
        try:
            self._send_close_notify(_Deadline(0))
        except SSLError:
            # The transport may be closed already.
            pass
        finally:
            if self._frees_bio:
                self._close_socket()

    def _close_socket(self) -> None:
        # Under the lock, because the descriptor of a closed socket is reused.
        with self._lock:
            self._check_idle()
            if self._waiting:
                self._wake()
            self._discard_received()
            self.socket.close()

    def _wake(self) -> None:
        """Make the waits of other threads for the socket end."""
        import socket

        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            # The peer has closed it already.
            pass

    def _discard_received(self) -> None:
        """Empty the socket's receive buffer, as session tickets that nobody read are in it.

        A system resets a connection that is closed with unread data (RFC 1122, section 4.2.2.13),
        and the peer then loses the end of what was written.
        """
        if not self._has_socket:
            return
        try:
            # The program can have changed the mode of the descriptor.
            self.socket.setblocking(False)
            for _ in range(_DISCARDED):
                if not self.socket.recv(1 << 16):
                    break
        except OSError:
            # It is empty or closed.
            pass

    def _send_close_notify(self, deadline: _Deadline) -> None:
        if not self._has_socket and not self._has_bio:
            return
        with self._lock:
            if self._failed or not m2.ssl_is_init_finished(self.ssl):
                # SSL_shutdown(3) must not be called after a fatal error or during a handshake.
                return
            is_sent = m2.ssl_get_shutdown(self.ssl) & m2.SSL_SENT_SHUTDOWN
        if not is_sent:
            self._operate(m2.ssl_shutdown, deadline)

    def shutdown(self, how: int) -> None:
        """Shut down one or both directions of the connection.

        It is no error if the peer has closed the connection already.

        Args:
            how: socket.SHUT_RD, SHUT_WR or SHUT_RDWR; the last two send close_notify first.

        Raises:
            SSLTimeoutError: sending close_notify timed out.
            SSLError: a callback of an operation on this connection called it.
            OSError: the socket is closed.
        """
        import socket

        with self._lock:
            self._check_idle()
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            try:
                self._send_close_notify(_Deadline(self._seconds(self._write_timeout)))
            except SSLSystemError:
                # The peer has closed it already.
                pass
        try:
            self.socket.shutdown(how)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise

    def unwrap(self) -> socket.socket | None:
        """Send close_notify, wait for the peer's, and return the socket.

        Returns:
            The socket; None if the connection is non-blocking and would block.

        Raises:
            SSLTimeoutError: waiting for the peer's close_notify timed out.
            SSLError: the connection failed.
        """
        deadline = _Deadline(self._timeout)
        done = 0
        while done == 0:
            done = self._operate(m2.ssl_shutdown, deadline)
        return None if done < 0 else self.socket

    def set_shutdown(self, mode: int) -> None:
        """Set the shutdown state (SSL_set_shutdown(3))."""
        with self._lock:
            self._check_idle()
            m2.ssl_set_shutdown(self.ssl, mode)

    def get_shutdown(self) -> int:
        """Return the shutdown state (SSL_get_shutdown(3))."""
        with self._lock:
            return m2.ssl_get_shutdown(self.ssl)

    def clear(self) -> int:
        """Reset the connection for another handshake, and return 1 (SSL_clear(3))."""
        with self._lock:
            self._check_idle()
            self._require_handshake(None)
            self._failed = False
            return m2.ssl_clear(self.ssl)

    def _require_handshake(self, is_server: bool | None) -> None:
        """Require a handshake and its check. The caller holds `_lock`."""
        self._is_server = is_server
        self._is_checked = False
        self._handshakes += 1

    # ---- the socket ----------------------------------------------------------------------------

    def bind(self, addr: Address) -> None:
        """Bind the socket to an address."""
        self.socket.bind(addr)

    def listen(self, qlen: int = 5) -> None:
        """Listen, with a backlog of `qlen` connections."""
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

    def setup_ssl(self) -> None:
        """Set the connected socket as the SSL's transport, if it has none."""
        with self._lock:
            self._check_idle()
            if self._has_socket or self._has_bio:
                return
            self.socket.setblocking(False)
            m2.ssl_set_fd(self.ssl, self.socket.fileno())
            self._has_socket = True

    def set_bio(self, readbio: BIO, writebio: BIO) -> None:
        """Set BIOs as the transport instead of a socket (SSL_set_bio(3)).

        All operations of such a connection are non-blocking.
        """
        with self._lock:
            self._check_idle()
            m2.ssl_set_bio(self.ssl, handle_of(readbio), handle_of(writebio))
            self._has_bio = True

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
        seconds = checked_seconds(timeout)
        with self._lock:
            self._timeout = seconds
            if not self._has_socket:
                self.socket.settimeout(_Deadline(seconds).part())

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
        timeo.seconds()
        self._read_timeout = timeo

    def set_socket_write_timeout(self, timeo: timeout) -> None:
        """Set the timeout of writing; 0 seconds for that of `settimeout`.

        Raises:
            ValueError, OverflowError: see `settimeout`.
        """
        timeo.seconds()
        self._write_timeout = timeo

    def _seconds(self, own: timeout) -> float | None:
        """Return the seconds to wait, given the timeout of one direction."""
        if self._timeout == 0:
            return 0
        return own.seconds() or self._timeout

    def _operate(self, operation: Callable[..., int], deadline: _Deadline, *arguments: Any) -> int:
        """Call an operation of OpenSSL, and retry it when the socket is ready.

        Returns:
            The operation's result (src/ssl_connection.h); _WANT_READ and _WANT_WRITE only if the
            connection is non-blocking.
        """
        while True:
            with self._lock:
                self._check_idle()
                if self._has_socket and self.socket.fileno() < 0:
                    raise SSLError("the connection was closed by another thread")
                if operation in _TRANSFERS and not self._is_checked:
                    raise SSLError("the connection was cleared by another thread")
                try:
                    self._is_operating = True
                    done = operation(self.ssl, *arguments)
                except SSLError as error:
                    self._failed = True
                    raise self._with_details(error) from None
                finally:
                    self._is_operating = False
                if done not in (_WANT_READ, _WANT_WRITE) or not deadline.waits or self._has_bio:
                    return done
                fd = self.socket.fileno()
                self._waiting += 1
            try:
                _wait(fd, done == _WANT_WRITE, deadline)
            finally:
                with self._lock:
                    self._waiting -= 1

    def _with_details(self, error: SSLError) -> SSLError:
        """Return an error with its cause: the verification error, the protocol, or the errno."""
        result = m2.ssl_get_verify_result(self.ssl)
        reason = getattr(error, "reason", "")
        verification = ""
        if reason == "certificate verify failed" and result != m2.X509_V_OK:
            verification = Err.get_x509_verify_error(result)
            error.args = (f"{error}: {verification}",)
        if reason in _NOT_TLS and not m2.ssl_is_init_finished(self.ssl):
            error.args = (f"{error}: {_NOT_TLS[reason]}",)
        is_too_old = reason in ("no protocols available", "no ciphers available")
        context = m2.ssl_get_ssl_ctx(self.ssl)
        if is_too_old and 0 < m2.ssl_ctx_get_max_proto_version(context) < m2.TLS1_2_VERSION:
            error.args = (f"{error}: TLS 1.0 and 1.1 need Context(..., weak_crypto=1)",)
        for code, *_ in getattr(error, "errors", ()):
            if m2.err_get_lib(code) == m2.ERR_LIB_SYS:
                number = m2.err_get_reason(code)
                return SSLSystemError(number, os.strerror(number))
        if suspicion := _configuration.suspicion(error, verification):
            error.args = (f"{error}{suspicion}",)
        return error

    # ---- the handshake -------------------------------------------------------------------------

    def set_accept_state(self) -> None:
        """Set the server role for the next handshake."""
        with self._lock:
            self._check_idle()
            self.ctx.refresh_staple()
            m2.ssl_set_accept_state(self.ssl)
            self._require_handshake(True)
            if self.ctx.server_session_id_ctx is not None and not self._has_session_id_ctx:
                m2.ssl_set_session_id_context(self.ssl, self.ctx.server_session_id_ctx)

    def set_connect_state(self) -> None:
        """Set the client role for the next handshake."""
        with self._lock:
            self._check_idle()
            m2.ssl_set_connect_state(self.ssl)
            self._require_handshake(False)

    def accept_ssl(self) -> int:
        """Perform the handshake as a server, and the post-connection check.

        Returns:
            1, or -1 if the connection is non-blocking and the method must be called again.

        Raises:
            SSLError: the handshake failed.
            SSLTimeoutError: the handshake timed out.
        """
        return self._handshake(_Deadline(self._timeout), True)

    def connect_ssl(self) -> int:
        """Perform the handshake as a client, and the post-connection check (`connect`).

        Returns:
            1, or -1 if the connection is non-blocking and the method must be called again.

        Raises:
            SSLError: the handshake failed.
            SSLTimeoutError: the handshake timed out.
            SSLVerificationError: the certificate does not match the reference identity.
        """
        return self._handshake(_Deadline(self._timeout), False)

    def handshake_on_existing_socket(self, server_side: bool = False) -> int:
        """Perform the handshake on the connected socket; see `accept_ssl` and `connect_ssl`.

        A client must first set the reference identity by `set1_host`, `set_tlsext_host_name` or
        `setup_addr`. Otherwise only the certification path is validated.
        """
        self.setup_ssl()
        return self.accept_ssl() if server_side else self.connect_ssl()

    def _handshake(self, deadline: _Deadline, is_server: bool | None = None) -> int:
        """Perform or complete the handshake and the post-connection check.

        Args:
            deadline: the end of the timeout, also for the handshake of another thread.
            is_server: the role; None for the current one.

        Returns:
            1, or _AGAIN if a non-blocking connection would block.
        """
        with self._lock:
            self._check_idle()
        if not self._handshaking.acquire(timeout=deadline.lock_timeout()):
            return self._would_wait(deadline)
        try:
            if self._is_handshaking:
                raise SSLError(_IN_USE)
            try:
                self._is_handshaking = True
                return self._shake_hands(deadline, is_server)
            finally:
                self._is_handshaking = False
        finally:
            self._handshaking.release()

    def _shake_hands(self, deadline: _Deadline, is_server: bool | None) -> int:
        """Perform `_handshake` in the thread that holds `_handshaking`."""
        self._check_open()
        self.setup_ssl()
        if is_server is not None and self._is_server is not is_server:
            self.set_accept_state() if is_server else self.set_connect_state()
        number = self._handshakes
        if self._operate(m2.ssl_do_handshake, deadline) < 0:
            return _AGAIN
        if not self._is_checked:
            self._check(number)
        return 1

    def _would_wait(self, deadline: _Deadline) -> int:
        """Return _AGAIN if the connection is non-blocking.

        Raises:
            SSLTimeoutError: it is blocking, so its timeout has expired.
        """
        if deadline.waits:
            raise SSLTimeoutError("timed out")
        return _AGAIN

    def _check(self, number: int) -> None:
        """Run the post-connection check of a handshake. Close the connection if the check fails."""
        if self._has_own_check:
            check = self._postConnectionCheck
        elif self._acts_as_server():
            check = self.serverPostConnectionCheck
        else:
            check = self.clientPostConnectionCheck
        try:
            self._check_resumed()
            self.ctx.check_revocation(self)
            if check is not None and not check(self.get_peer_cert(), self._host()):
                raise SSLVerificationError("post connection check failed")
            with self._lock:
                self._check_idle()
                if self._handshakes != number:
                    raise SSLError("the connection was cleared during its handshake")
                self._is_checked = True
        except BaseException:
            self.close()
            raise

    def _check_resumed(self) -> None:
        """Refuse a resumed session whose peer was not verified, which OpenSSL does not check."""
        if self._acts_as_server() or not self.session_reused() or self.verify_ok():
            return
        if self.get_verify_mode() & m2.SSL_VERIFY_PEER and not self.ctx.has_verify_callback:
            fault = Err.get_x509_verify_error(self.get_verify_result())
            raise SSLError(f"certificate verify failed when the session was created: {fault}")

    def _acts_as_server(self) -> bool:
        with self._lock:
            return bool(m2.ssl_is_server(self.ssl))

    def _host(self) -> str | None:
        """Return the host to compare with the peer's certificate, or None."""
        if self._checked_name is not None:
            return self._checked_name
        if isinstance(self.addr, tuple):
            return str(self.addr[0])
        return self._server_name

    def accept(self) -> tuple[Connection, Any]:
        """Accept a client and perform the handshake.

        Returns:
            The connection to it, with the timeouts of this one, and its address.

        Raises:
            SSLError: the handshake failed.
            SSLTimeoutError: the operation timed out.
        """
        connection, addr = self._accept_socket()
        try:
            connection.accept_ssl()
        except BaseException:
            connection.close()
            raise
        return connection, addr

    def _accept_socket(self) -> tuple[Connection, Any]:
        """Accept a client without a handshake."""
        deadline = _Deadline(self._seconds(self._read_timeout))
        accepted = None
        while accepted is None:
            self.socket.settimeout(deadline.part())
            try:
                accepted = self.socket.accept()
            except (SocketTimeout, BlockingIOError):
                if not deadline.waits:
                    raise
                if deadline.left() == 0:
                    raise SSLTimeoutError("timed out") from None
        sock, addr = accepted
        connection = Connection(self.ctx, sock)
        connection.setup_addr(addr)
        connection.settimeout(self._timeout)
        connection.set_socket_read_timeout(self._read_timeout)
        connection.set_socket_write_timeout(self._write_timeout)
        if self._has_own_check:
            connection.set_post_connection_check_callback(self._postConnectionCheck)
        return connection, addr

    def connect(self, addr: Address) -> int:
        """Connect to a server, perform the handshake, and check the certificate.

        A DNS name is sent in the server_name extension (RFC 6066, section 3). The post-connection
        check is `Checker`, unless the connection, the context or
        `Connection.clientPostConnectionCheck` sets another one. If it fails, the connection is
        closed.

        Returns:
            1, or -1 if the connection is non-blocking and `connect_ssl` must be called.

        Raises:
            SSLError: the handshake failed.
            SSLTimeoutError: the operation timed out.
            SSLVerificationError: the certificate does not match the reference identity.
            BlockingIOError: the connection is non-blocking and is being established. `connect` or
                `connect_ssl` continues, best when the socket is writable.
            OSError: the connection could not be established.
        """
        with self._lock:
            self._check_idle()
            self.addr = addr
            if self._server_name is None and isinstance(addr, tuple):
                self._name_server(addr[0])
            if not self._has_socket:
                self.socket.settimeout(_Deadline(self._timeout).part())
        try:
            self.socket.connect(addr)
        except SocketTimeout:
            raise SSLTimeoutError("timed out") from None
        except OSError as error:
            # The socket of a connection that `connect` continues is non-blocking.
            is_pending = isinstance(error, BlockingIOError)
            if not is_pending and (error.errno != errno.EISCONN or not self._has_socket):
                raise
            self.setup_ssl()
            if is_pending and self._timeout == 0:
                raise
        self.setup_ssl()
        return self.connect_ssl()

    def _name_server(self, host: str) -> None:
        try:
            identity = reference_identity(host)
        except ValueError:
            return
        if isinstance(identity, str):
            m2.ssl_set_tlsext_host_name(self.ssl, identity)

    def renegotiate(self) -> int:
        """Request renegotiation, which TLS 1.3 does not have (SSL_renegotiate(3)).

        Raises:
            SSLError: always, unless the context's SSL_OP_NO_RENEGOTIATION is cleared.
        """
        with self._lock:
            self._check_idle()
            return m2.ssl_renegotiate(self.ssl)

    def set_post_connection_check_callback(
        self, postConnectionCheck: PostConnectionCheck | None
    ) -> None:
        """Set the post-connection check, called as check(certificate, host); None for none."""
        self._postConnectionCheck = postConnectionCheck
        self._has_own_check = True

    def set_tlsext_host_name(self, name: str) -> int:
        """Set the server_name extension, and the reference identity if there is no address.

        Returns:
            1.

        Raises:
            ValueError: `name` is not a DNS name, or is an IP address (RFC 6066, section 3).
        """
        identity = reference_identity(name)
        if not isinstance(identity, str):
            raise ValueError(
                f"{name} is an IP address, which the server_name extension must not contain"
            )
        with self._lock:
            self._check_idle()
            result = m2.ssl_set_tlsext_host_name(self.ssl, identity)
            self._server_name = name
        return result

    def set1_host(self, name: str | bytes) -> int:
        """Set the reference identity that OpenSSL compares in the handshake (SSL_set1_host(3)).

        OpenSSL compares it only if the peer is verified (`Context.set_verify`), and never with the
        common name. The post-connection check compares it, too.

        Returns:
            1.

        Raises:
            ValueError: `name` is not a host name or IP address.
        """
        identity = reference_identity(name)
        with self._lock:
            self._check_idle()
            if isinstance(identity, str):
                result = m2.ssl_set1_host(self.ssl, identity)
            else:
                result = m2.ssl_set1_ip(self.ssl, str(identity))
            self._checked_name = name if isinstance(name, str) else name.decode("ascii")
        return result

    # ---- input and output ----------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            raise SSLError("the connection is closed")

    def _check_idle(self) -> None:
        """Raise SSLError in a callback of an operation. The caller holds `_lock`."""
        if self._is_operating:
            raise SSLError(_IN_USE)

    def pending(self) -> int:
        """Return the number of bytes that can be read without the socket (SSL_pending(3))."""
        with self._lock:
            return m2.ssl_pending(self.ssl) if self._is_checked else 0

    def read(self, size: int = 1024) -> bytes | None:
        """Read up to `size` bytes.

        Returns:
            The bytes, empty after the peer's close_notify; None if a non-blocking connection would
            block.

        Raises:
            SSLError: the connection failed or was truncated.
            SSLTimeoutError: the operation timed out.
            ValueError: `size` is negative.
        """
        self._check_open()
        if size < 0:
            raise ValueError("size is negative")
        buffer = bytearray(min(size, _RECORD))
        got = self._read_into(memoryview(buffer))
        return None if got is None else bytes(memoryview(buffer)[:got])

    recv = read

    def recv_into(self, buff: Any, nbytes: int = 0) -> int | None:
        """Read up to `nbytes` bytes into a buffer; 0 for the length of the buffer.

        Returns:
            The number of bytes, 0 after the peer's close_notify; None if a non-blocking connection
            would block.

        Raises:
            SSLError, SSLTimeoutError, ValueError: see `read`.
        """
        self._check_open()
        if nbytes < 0:
            raise ValueError("nbytes is negative")
        target = memoryview(buff).cast("B")
        return self._read_into(target[:nbytes] if nbytes else target)

    def readinto(self, b: Any) -> int | None:
        """Read into a buffer; see `recv_into`."""
        return self.recv_into(b)

    def _read_into(self, target: memoryview) -> int | None:
        if not target:
            return 0
        deadline = _Deadline(self._seconds(self._read_timeout))
        if not self._is_checked and self._handshake(deadline) < 0:
            return None
        done = self._operate(m2.ssl_read, deadline, target)
        if done == _CLOSED_BY_PEER:
            return 0
        return None if done < 0 else done

    def write(self, data: Any) -> int:
        """Write all bytes.

        Returns:
            The number of bytes written. If a non-blocking connection would block, it is less than
            all, or -1 for none.

        Raises:
            SSLError: the connection is closed or failed.
            SSLTimeoutError: the operation timed out. The number of bytes written is unknown, so the
                connection must be closed.
        """
        self._check_open()
        return self._write(memoryview(data).cast("B"))

    send = sendall = write

    def _write(self, data: memoryview) -> int:
        deadline = _Deadline(self._seconds(self._write_timeout))
        with self._lock:
            self._check_idle()
        if not self._is_checked and self._handshake(deadline) < 0:
            return _AGAIN
        # OpenSSL buffers at most one record, so a write must end before the next one starts.
        if not self._writing.acquire(timeout=deadline.lock_timeout()):
            return self._would_wait(deadline)
        try:
            sent = 0
            while sent < len(data):
                done = self._operate(m2.ssl_write, deadline, data[sent:])
                if done < 0:
                    return sent or _AGAIN
                sent += done
            return sent
        finally:
            self._writing.release()

    def readable(self) -> bool:
        """Return whether the connection is open."""
        return not self._closed

    def writable(self) -> bool:
        """Return whether the connection is open."""
        return not self._closed

    def flush(self) -> None:
        """Do nothing, because writes are not buffered."""

    def makefile(
        self,
        mode: str = "rb",
        bufsize: int = -1,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """Return a file object for the connection, which is closed independently of it.

        Args:
            mode: a combination of "r", "w" and "b"; without "b" text.
            bufsize: the buffer size; -1 for the default, 0 for an unbuffered binary file.
            encoding: the encoding of text, by default UTF-8.
            errors: the handling of its errors, as in `open`.
            newline: the handling of its line ends, as in `open`.

        Raises:
            ValueError: the mode is invalid.
        """
        if not mode or not set(mode) <= set("rwb"):
            raise ValueError(f"invalid mode {mode!r}: only r, w and b are allowed")
        raw = _ConnectionFile(self, "r" in mode or "w" not in mode, "w" in mode)
        if bufsize == 0 and "b" in mode:
            return raw  # type: ignore[return-value]
        size = io.DEFAULT_BUFFER_SIZE if bufsize <= 0 else bufsize
        buffered: Any
        if not raw.writable():
            buffered = io.BufferedReader(raw, size)
        elif not raw.readable():
            buffered = io.BufferedWriter(raw, size)
        else:
            buffered = io.BufferedRWPair(raw, raw, size)
        if "b" in mode:
            return buffered  # type: ignore[no-any-return]
        return io.TextIOWrapper(buffered, encoding or "utf-8", errors, newline)

    # ---- negotiated parameters -----------------------------------------------------------------

    def ssl_get_error(self, ret: int) -> int:
        """Return the error code of an SSL function's return value (SSL_get_error(3))."""
        with self._lock:
            return m2.ssl_get_error(self.ssl, ret)

    def get_context(self) -> Context:
        """Return the context."""
        return self.ctx

    def get_state(self) -> str:
        """Return the abbreviated state of the handshake (SSL_state_string(3))."""
        with self._lock:
            return m2.ssl_get_state(self.ssl)

    def get_version(self) -> str:
        """Return the negotiated protocol version, such as TLSv1.3."""
        with self._lock:
            return m2.ssl_get_version(self.ssl)

    def verify_ok(self) -> bool:
        """Return whether there is no verification error, such as without a peer certificate."""
        return self.get_verify_result() == m2.X509_V_OK

    def get_verify_mode(self) -> int:
        """Return the verification mode (SSL_get_verify_mode(3))."""
        with self._lock:
            return m2.ssl_get_verify_mode(self.ssl)

    def get_verify_depth(self) -> int:
        """Return the maximum number of intermediate CAs; -1 is OpenSSL's default of 100."""
        with self._lock:
            return m2.ssl_get_verify_depth(self.ssl)

    def get_verify_result(self) -> int:
        """Return the verification error of the peer's certificate, m2.X509_V_..."""
        with self._lock:
            return m2.ssl_get_verify_result(self.ssl)

    def get_peer_cert(self) -> X509.X509 | None:
        """Return the peer's certificate; None if it sent none."""
        with self._lock:
            handle = m2.ssl_get_peer_cert(self.ssl)
        return None if handle is None else X509.X509(handle, 1)

    def get_peer_cert_chain(self) -> X509.X509_Stack | None:
        """Return the certificates that the peer sent; None for none, or in a resumed session.

        On a server they do not include the client's own certificate.
        """
        with self._lock:
            handle = m2.ssl_get_peer_cert_chain(self.ssl)
        return None if handle is None else X509.X509_Stack(handle, 1)

    def get_client_CA_list(self) -> list[X509.X509_Name]:
        """Return the CA names of the server's certificate request."""
        with self._lock:
            count = m2.ssl_client_ca_num(self.ssl)
            handles = [m2.ssl_client_ca_value(self.ssl, index) for index in range(count)]
        return [X509.X509_Name(handle, 1) for handle in handles]

    def set_client_CA_list_from_file(self, cafile: str | bytes) -> None:
        """Set the CAs that a server sends to the client, from a PEM file."""
        with self._lock:
            self._check_idle()
            m2.ssl_set_client_ca_list_from_file(self.ssl, os.fsdecode(cafile))

    def set_client_CA_list_from_context(self) -> None:
        """Set the CAs that a server sends to the client to the context's."""
        with self._lock:
            self._check_idle()
            m2.ssl_set_client_ca_list_from_context(self.ssl)

    def get_cipher(self) -> Cipher | None:
        """Return the negotiated cipher; None before the handshake."""
        with self._lock:
            handle = m2.ssl_get_current_cipher(self.ssl)
        return None if handle is None else Cipher(handle)

    def get_group(self) -> str | None:
        """Return the group of the key exchange, such as X25519; None if there is none.

        OpenSSL 1.1.1 knows it only where the peer's key says which it is.
        """
        with self._lock:
            return m2.ssl_get_group_name(self.ssl)

    def selected_alpn_protocol(self) -> str | None:
        """Return the application protocol (RFC 7301); None if there is none."""
        with self._lock:
            return m2.ssl_get_alpn_selected(self.ssl).decode("ascii", "backslashreplace") or None

    def get_server_name(self) -> str | None:
        """Return the name of the server_name extension; None without one."""
        with self._lock:
            return m2.ssl_get_servername(self.ssl)

    def get_channel_binding(self, type: str = "tls-unique") -> bytes | None:
        """Return the data that bind an authentication to this connection; None if there are none.

        Args:
            type: "tls-exporter" (RFC 9266), "tls-server-end-point" or "tls-unique", which TLS 1.3
                does not have (RFC 5929).

        Raises:
            ValueError: the type is unknown.
            SSLError: the certificate's signature algorithm has no digest.
        """
        if type not in ("tls-exporter", "tls-server-end-point", "tls-unique"):
            raise ValueError(f"{type} channel binding type not implemented")
        with self._lock:
            if not m2.ssl_is_init_finished(self.ssl):
                return None
            is_server = bool(m2.ssl_is_server(self.ssl))
            if type == "tls-exporter":
                label = "EXPORTER-Channel-Binding"
                return m2.ssl_export_keying_material(self.ssl, label, b"", 32)
            if type == "tls-server-end-point":
                get = m2.ssl_get_certificate if is_server else m2.ssl_get_peer_cert
                certificate = get(self.ssl)
                return None if certificate is None else m2.x509_endpoint_digest(certificate)
            if m2.ssl_version(self.ssl) >= m2.TLS1_3_VERSION:
                return None
            # The first Finished message is the client's, and the server's in a resumed session.
            of_client = not m2.ssl_session_reused(self.ssl)
            return m2.ssl_get_finished(self.ssl, of_client == is_server) or None

    def export_keying_material(
        self, label: str, length: int, context: bytes | None = None
    ) -> bytes:
        """Return keying material of the connection (RFC 5705, RFC 8446 section 7.5).

        Args:
            label: the label, which the application's protocol registers.
            length: the number of bytes, 1 to 65535.
            context: bytes that it depends on, too; None for none.

        Raises:
            SSLError: the handshake is not complete.
        """
        with self._lock:
            return m2.ssl_export_keying_material(self.ssl, label, context, length)

    def set_context(self, ctx: Context) -> None:
        """Use the certificate and private key of another context (SSL_set_SSL_CTX(3))."""
        with self._lock:
            m2.ssl_set_ssl_ctx(self.ssl, ctx.ctx)

    def verify_client_post_handshake(self) -> int:
        """Ask a TLS 1.3 client for its certificate, and return 1 (RFC 8446, section 4.6.2).

        The request is sent with the next write, and the answer comes with a later read.

        Raises:
            SSLError: this is a client, or the client did not offer it.
        """
        with self._lock:
            self._check_idle()
            return m2.ssl_verify_client_post_handshake(self.ssl)

    def get_verified_chain(self) -> X509.X509_Stack | None:
        """Return the path from the peer's certificate to the trust anchor; None without one."""
        with self._lock:
            if not m2.ssl_is_init_finished(self.ssl) or not self.verify_ok():
                return None
            return X509.X509_Stack(m2.ssl_get1_verified_chain(self.ssl), 1)

    def get_ciphers(self) -> Cipher_Stack:
        """Return the enabled ciphers."""
        with self._lock:
            return Cipher_Stack(m2.ssl_get_ciphers(self.ssl), 1)

    def get_cipher_list(self, idx: int = 0) -> str | None:
        """Return the name of an enabled cipher by its preference, from 0; None after the last."""
        with self._lock:
            return m2.ssl_get_cipher_list(self.ssl, idx)

    def set_cipher_list(self, cipher_list: str | None) -> int:
        """Set the ciphers of this connection; see `Context.set_cipher_list`.

        Returns:
            1.
        """
        older, newer = split_cipher_list(cipher_list)
        with self._lock:
            self._check_idle()
            if older is not None:
                m2.ssl_set_cipher_list(self.ssl, older)
            if newer is not None:
                m2.ssl_set_ciphersuites(self.ssl, newer)
        return 1

    # ---- sessions ------------------------------------------------------------------------------

    def set_session_id_ctx(self, id: bytes) -> int:
        """Set the session ID context, and return 1; see `Context.set_session_id_ctx`."""
        with self._lock:
            self._check_idle()
            self._has_session_id_ctx = True
            return m2.ssl_set_session_id_context(self.ssl, id)

    def get_session(self) -> Session | None:
        """Return the session for resumption; None if there is none.

        A TLS 1.3 server sends session tickets after the handshake, so the client must read first.
        """
        with self._lock:
            handle = m2.ssl_get_session(self.ssl)
        return None if handle is None else Session(handle, 1)

    def set_session(self, session: Session) -> int:
        """Set a session to resume in the next handshake, and return 1."""
        with self._lock:
            self._check_idle()
            return m2.ssl_set_session(self.ssl, handle_of(session))

    def session_reused(self) -> bool:
        """Return whether the handshake resumed a session."""
        with self._lock:
            return bool(m2.ssl_session_reused(self.ssl))

    def get_default_session_timeout(self) -> int:
        """Return OpenSSL's default lifetime of sessions in seconds."""
        with self._lock:
            return m2.ssl_get_default_timeout(self.ssl)

    # ---- files of makefile ---------------------------------------------------------------------

    def _opened_file(self) -> None:
        with self._lock:
            self._files += 1

    def _closed_file(self) -> None:
        with self._lock:
            is_last = self._closed and self._files == 1
            if is_last:
                self._check_idle()
            self._files -= 1
        if is_last:
            self._end()


class _ConnectionFile(io.RawIOBase):
    """The raw file of `makefile`, which holds the connection until it is closed."""

    def __init__(self, connection: Connection, reading: bool, writing: bool) -> None:
        self._connection = connection
        self._reading = reading
        self._writes = writing
        connection._opened_file()

    def readable(self) -> bool:
        return self._reading

    def writable(self) -> bool:
        return self._writes

    def fileno(self) -> int:
        return self._connection.fileno()

    def readinto(self, b: Any) -> int | None:
        self._check_open()
        return self._connection._read_into(memoryview(b).cast("B"))

    def write(self, b: Any) -> int | None:
        self._check_open()
        sent = self._connection._write(memoryview(b).cast("B"))
        return None if sent < 0 else sent

    def close(self) -> None:
        if not self.closed:
            self._connection._closed_file()
            super().close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the file is closed")
