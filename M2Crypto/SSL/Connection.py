"""Connections: TLS over a socket, as a client or as a server (SSL_new(3)).

A connection is made from a context, with a socket of its own or one that is given. Under it the
socket never blocks: where OpenSSL has to wait for the peer, the connection waits for the socket,
outside of OpenSSL and without a lock. So timeouts hold everywhere, Ctrl-C is heard, and one thread
can read while another writes.

What non-blocking connections (`setblocking(False)`) answer where they would have to wait: `read`
and `recv_into` None, `write` the number of bytes that went, or -1 when none did, the handshakes -1.
After a `write` that did not take all, the next must go on with the bytes that are left
(SSL_write(3)).

When the peer ends the connection without saying so by TLS's close_notify, reading raises `SSLError`
(unexpected eof while reading): somebody else may have cut it. `read` gives b"" only for an end that
the peer meant. `Context.set_options(m2.SSL_OP_IGNORE_UNEXPECTED_EOF)`, from OpenSSL 3.0 on, makes
the two the same.

Reading and writing complete an unfinished handshake first, and its post-connection check: no
application data passes in either direction before the check has succeeded.

A callback of an operation (verify, info, post-connection check) may call the getters of its
connection. A method that would change the connection raises `SSLError` in the callback; in
particular, `close` leaves the connection and its socket open.
"""

from __future__ import annotations

import contextlib
import errno
import io
import math
import os
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Union

from M2Crypto import X509, Err, m2
from M2Crypto.SSL.Checker import Checker, SSLVerificationError, reference_identity
from M2Crypto.SSL.Cipher import Cipher, Cipher_Stack, split_cipher_list
from M2Crypto.SSL.Session import Session
from M2Crypto.SSL.SSLError import SSLError, SSLSystemError, SSLTimeoutError
from M2Crypto.SSL.timeout import checked_seconds, timeout

if TYPE_CHECKING:
    from types import TracebackType
    from typing import IO

    from M2Crypto import _m2crypto
    from M2Crypto.BIO import BIO
    from M2Crypto.SSL.Context import Context

__all__ = ["Connection"]

# socket's: (host, port), with two numbers more for IPv6; a path for AF_UNIX.
Address = Union[tuple[Any, ...], str, bytes]
PostConnectionCheck = Callable[..., Any]

_WANT_READ = -m2.SSL_ERROR_WANT_READ
_WANT_WRITE = -m2.SSL_ERROR_WANT_WRITE
_CLOSED_BY_PEER = -m2.SSL_ERROR_ZERO_RETURN
# What a non-blocking handshake or write answers when it is to be called again.
_AGAIN = -1
_IN_USE = "the connection is in use by the operation whose callback this is"
# The operations with application data.
_TRANSFERS = (m2.ssl_read, m2.ssl_write)
# A record of TLS holds no more (RFC 8446, 5.1), and SSL_read gives one record at most.
_RECORD = 16384
# poll(2) takes milliseconds as an int, and so do sockets: a longer wait is done in parts.
_LONGEST_WAIT = 24 * 86400.0


class _Deadline:
    """When to stop waiting: after some seconds, never (None), or without any waiting (0)."""

    def __init__(self, seconds: float | None) -> None:
        self.waits = seconds != 0
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """The seconds left, 0 or more; None: any number."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def part(self) -> float | None:
        """Return the seconds left, or as many as one wait for a socket can take."""
        left = self.left()
        return None if left is None else min(left, _LONGEST_WAIT)

    def lock_timeout(self) -> float:
        """Return the seconds left as a lock's `acquire` takes them."""
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
    """Wait until the socket can be read, or written."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(fd, select.POLLOUT if writing else select.POLLIN)
        return bool(poll.poll(None if seconds is None else math.ceil(seconds * 1000)))
    readers, writers = ([], [fd]) if writing else ([fd], [])
    return any(select.select(readers, writers, writers, seconds))


def _accept_every_client(certificate: X509.X509 | None, host: object = None) -> bool:
    return True


class Connection:
    """One connection. The handle of OpenSSL's SSL is `ssl`, the context is `ctx`.

    A connection can be used by several threads: the operations of OpenSSL are done one at a time,
    and a writer waits until the one before it is through.
    """

    m2_bio_noclose = m2.bio_noclose
    clientPostConnectionCheck: PostConnectionCheck | None = Checker()  # noqa: N815
    serverPostConnectionCheck: PostConnectionCheck | None = (  # noqa: N815
        staticmethod(_accept_every_client)
    )

    def __init__(
        self, ctx: Context, sock: socket.socket | None = None, family: int = socket.AF_INET
    ) -> None:
        """Make one.

        Args:
            ctx: the context it is made from.
            sock: a socket, which the connection takes over with its timeout; None makes one.
            family: of the socket that is made: AF_INET, AF_INET6 or AF_UNIX.
        """
        self.ctx = ctx
        self.ssl: _m2crypto.SSL = m2.ssl_new(ctx.ctx)
        self.socket = socket.socket(family, socket.SOCK_STREAM) if sock is None else sock
        if sock is None and family != getattr(socket, "AF_UNIX", None) and os.name == "posix":
            # On Windows it would let other programs take over the port.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.addr: Any = None
        self.ssl_close_flag = m2.bio_noclose
        self._postConnectionCheck = ctx.post_connection_check
        self._has_own_check = ctx.post_connection_check is not None
        # The name that set1_host or set_tlsext_host_name was given.
        self._checked_name: str | None = None
        self._server_name: str | None = None
        self._timeout = self.socket.gettimeout()
        self._read_timeout = timeout(0, 0)
        self._write_timeout = timeout(0, 0)
        # Held around each use of OpenSSL's connection, and not while a thread waits for the socket.
        # A callback of an operation acquires it again for getters; `_check_idle` refuses the rest.
        self._lock = threading.RLock()
        self._is_operating = False
        # Held for the length of a handshake with its check, and of a write, before `_lock`.
        self._handshaking = threading.RLock()
        self._is_handshaking = False
        self._writing = threading.Lock()
        # How many threads wait for the socket.
        self._waiting = 0
        # Is the socket, or are BIOs, under OpenSSL's connection?
        self._has_socket = False
        self._has_bio = False
        self._has_session_id_ctx = False
        self._is_server: bool | None = None
        # True once the post-connection check of the current handshake has succeeded. `_handshakes`
        # counts the handshakes started.
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

    # ---- the end -------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Was it closed?"""
        return self._closed

    def close(self, freeBio: bool = True) -> None:
        """Say close_notify, without waiting for the peer's, and close the socket.

        While files of `makefile` are open the connection stays for them.

        Args:
            freeBio: False leaves the socket open, for its owner to go on without TLS.

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
            self._say_close_notify(_Deadline(0))
        except SSLError:
            # The peer is gone, and so are we.
            pass
        finally:
            if self._frees_bio:
                self._close_socket()

    def _close_socket(self) -> None:
        # Under the lock: the number of a closed socket is soon another's.
        with self._lock:
            self._check_idle()
            if self._waiting:
                with contextlib.suppress(OSError):
                    self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()

    def _say_close_notify(self, deadline: _Deadline) -> None:
        if not self._has_socket and not self._has_bio:
            return
        with self._lock:
            if self._failed or not m2.ssl_is_init_finished(self.ssl):
                # SSL_shutdown(3): not after a fatal error, nor during a handshake.
                return
            is_sent = m2.ssl_get_shutdown(self.ssl) & m2.SSL_SENT_SHUTDOWN
        if not is_sent:
            self._operate(m2.ssl_shutdown, deadline)

    def shutdown(self, how: int) -> None:
        """Shut down one half of the connection, or both.

        Args:
            how: socket.SHUT_WR and SHUT_RDWR say close_notify first; after SHUT_WR the peer can
                still be read.

        A peer that has closed its side already is no error.

        Raises:
            SSLTimeoutError: the socket does not take close_notify in time.
            SSLError: a callback of an operation on this connection called it.
            OSError: the socket is closed.
        """
        with self._lock:
            self._check_idle()
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            with contextlib.suppress(SSLSystemError):
                self._say_close_notify(_Deadline(self._seconds(self._write_timeout)))
        try:
            self.socket.shutdown(how)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise

    def set_shutdown(self, mode: int) -> None:
        """Set SSL_SENT_SHUTDOWN and SSL_RECEIVED_SHUTDOWN as if they had happened."""
        with self._lock:
            self._check_idle()
            m2.ssl_set_shutdown(self.ssl, mode)

    def get_shutdown(self) -> int:
        """Which of SSL_SENT_SHUTDOWN and SSL_RECEIVED_SHUTDOWN have happened."""
        with self._lock:
            return m2.ssl_get_shutdown(self.ssl)

    def clear(self) -> int:
        """Forget the handshake; after an error, also its session. 1 (SSL_clear)."""
        with self._lock:
            self._check_idle()
            self._start_anew(None)
            self._failed = False
            return m2.ssl_clear(self.ssl)

    def _start_anew(self, is_server: bool | None) -> None:
        """Require a handshake, and a check of it. The caller holds `_lock`."""
        self._is_server = is_server
        self._is_checked = False
        self._handshakes += 1

    # ---- the socket ----------------------------------------------------------------------------

    def bind(self, addr: Address) -> None:
        """Bind the socket to an address."""
        self.socket.bind(addr)

    def listen(self, qlen: int = 5) -> None:
        """Let up to `qlen` clients wait for `accept`."""
        self.socket.listen(qlen)

    def fileno(self) -> int:
        """The descriptor of the socket; -1 when it is closed."""
        return self.socket.fileno()

    def getsockname(self) -> Any:
        """Our address."""
        return self.socket.getsockname()

    def getpeername(self) -> Any:
        """The peer's address."""
        return self.socket.getpeername()

    def getsockopt(self, level: int, optname: int, buflen: int | None = None) -> int | bytes:
        """An option of the socket; bytes when `buflen` is given."""
        if buflen is None:
            return self.socket.getsockopt(level, optname)
        return self.socket.getsockopt(level, optname, buflen)

    def setsockopt(self, level: int, optname: int, value: int | bytes | None = None) -> None:
        """Set an option of the socket."""
        if value is None:
            raise TypeError(f"the socket option {optname} needs a value")
        self.socket.setsockopt(level, optname, value)

    def setup_addr(self, addr: Address) -> None:
        """Say what the peer's address is, where `connect` and `accept` do not."""
        self.addr = addr

    def set_ssl_close_flag(self, flag: int) -> None:
        """Do nothing: OpenSSL's connection is freed when nothing holds it any more.

        Raises:
            ValueError: `flag` is neither m2.bio_close nor m2.bio_noclose.
        """
        if flag not in (m2.bio_close, m2.bio_noclose):
            raise ValueError("flag must be m2.bio_close or m2.bio_noclose")
        self.ssl_close_flag = flag

    def setup_ssl(self) -> None:
        """Put the socket, which is connected, under OpenSSL's connection; once is enough."""
        with self._lock:
            self._check_idle()
            if self._has_socket or self._has_bio:
                return
            self.socket.setblocking(False)
            m2.ssl_set_fd(self.ssl, self.socket.fileno())
            self._has_socket = True

    def set_bio(self, readbio: BIO, writebio: BIO) -> None:
        """Read from one BIO and write to the other, in place of a socket (SSL_set_bio).

        Such a connection is never waited for: all its operations are non-blocking.
        """
        with self._lock:
            self._check_idle()
            m2.ssl_set_bio(self.ssl, readbio.bio_ptr(), writebio.bio_ptr())
            self._has_bio = True

    # ---- waiting -------------------------------------------------------------------------------

    def setblocking(self, mode: int) -> None:
        """Wait for the peer without end (true), or never (false)."""
        self.settimeout(None if mode else 0.0)

    def settimeout(self, timeout: float | None) -> None:
        """Wait for the peer so many seconds; None: without end; 0: never.

        It holds for handshakes, and for reading and writing where these have no timeouts of their
        own. Waiting in vain raises `SSLTimeoutError`.

        Raises:
            ValueError: it is negative or not a number.
            OverflowError: it is larger than a timeout of `socket` can be.
        """
        seconds = checked_seconds(timeout)
        with self._lock:
            self._timeout = seconds
            if not self._has_socket:
                self.socket.settimeout(_Deadline(seconds).part())

    def gettimeout(self) -> float | None:
        """What `settimeout` was given."""
        return self._timeout

    def get_socket_read_timeout(self) -> timeout:
        """The timeout of reading; 0 seconds: that of `settimeout` holds."""
        return self._read_timeout

    def get_socket_write_timeout(self) -> timeout:
        """The timeout of writing; 0 seconds: that of `settimeout` holds."""
        return self._write_timeout

    def set_socket_read_timeout(self, timeo: timeout) -> None:
        """Set the timeout of reading, and of `accept`, alone; 0 seconds: `settimeout`'s holds.

        Raises:
            ValueError, OverflowError: see `settimeout`.
        """
        timeo.seconds()
        self._read_timeout = timeo

    def set_socket_write_timeout(self, timeo: timeout) -> None:
        """Set the timeout of writing alone; 0 seconds: `settimeout`'s holds.

        Raises:
            ValueError, OverflowError: see `settimeout`.
        """
        timeo.seconds()
        self._write_timeout = timeo

    def _seconds(self, own: timeout) -> float | None:
        """The seconds to wait for, given the timeout of one direction."""
        if self._timeout == 0:
            return 0
        return own.seconds() or self._timeout

    def _operate(self, operation: Callable[..., int], deadline: _Deadline, *arguments: Any) -> int:
        """Do one of OpenSSL's operations; where it asks to wait, wait and do it again.

        Returns:
            What the operation does (src/ssl_connection.h); _WANT_READ and _WANT_WRITE only where
            nobody waits.
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
                    raise self._explained(error) from None
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

    def _explained(self, error: SSLError) -> SSLError:
        """What is more to say of an error of OpenSSL."""
        result = m2.ssl_get_verify_result(self.ssl)
        reason = getattr(error, "reason", "")
        if reason == "certificate verify failed" and result != m2.X509_V_OK:
            error.args = (f"{error}: {Err.get_x509_verify_error(result)}",)
        unspeakable = reason in ("no protocols available", "no ciphers available")
        context = m2.ssl_get_ssl_ctx(self.ssl)
        if unspeakable and 0 < m2.ssl_ctx_get_max_proto_version(context) < m2.TLS1_2_VERSION:
            error.args = (f"{error}: TLS 1.0 and 1.1 need Context(..., weak_crypto=1)",)
        for code, *_ in getattr(error, "errors", ()):
            if m2.err_get_lib(code) == m2.ERR_LIB_SYS:
                number = m2.err_get_reason(code)
                return SSLSystemError(number, os.strerror(number))
        return error

    # ---- the handshake -------------------------------------------------------------------------

    def set_accept_state(self) -> None:
        """Be a server in the handshake to come."""
        with self._lock:
            self._check_idle()
            m2.ssl_set_accept_state(self.ssl)
            self._start_anew(True)
            if self.ctx.server_session_id_ctx is not None and not self._has_session_id_ctx:
                m2.ssl_set_session_id_context(self.ssl, self.ctx.server_session_id_ctx)

    def set_connect_state(self) -> None:
        """Be a client in the handshake to come."""
        with self._lock:
            self._check_idle()
            m2.ssl_set_connect_state(self.ssl)
            self._start_anew(False)

    def accept_ssl(self) -> int:
        """Do the handshake as a server, and then the post-connection check.

        Returns:
            1; -1 when the connection is non-blocking and this is to be called again.

        Raises:
            SSLError: it failed; SSLTimeoutError: the client did not answer in time.
        """
        return self._handshake(_Deadline(self._timeout), True)

    def connect_ssl(self) -> int:
        """Do the handshake as a client, and then the post-connection check (`connect`).

        Returns:
            1; -1 when the connection is non-blocking and this is to be called again.

        Raises:
            SSLError: it failed; SSLTimeoutError: the server did not answer in time.
            SSLVerificationError: the certificate is not that of the host.
        """
        return self._handshake(_Deadline(self._timeout), False)

    def handshake_on_existing_socket(self, server_side: bool = False) -> int:
        """Do the handshake on the connected socket that the connection was made with.

        A client's certificate check needs to know the host: say it by `set1_host`,
        `set_tlsext_host_name` or `setup_addr` before. Without, only the chain is verified.
        Returns and raises as `accept_ssl` and `connect_ssl` do.
        """
        self.setup_ssl()
        return self.accept_ssl() if server_side else self.connect_ssl()

    def _handshake(self, deadline: _Deadline, is_server: bool | None = None) -> int:
        """Do or complete the handshake and the post-connection check, in one thread at a time.

        Args:
            deadline: for the handshake of another thread, and for the peer.
            is_server: the role; None keeps the one that was set.

        Returns:
            1; _AGAIN if a non-blocking connection has to wait.
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
        """Do what `_handshake` says, in the thread that holds `_handshaking`."""
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
            SSLTimeoutError: it is not, so its timeout has expired.
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
        """Refuse a session from before verification was asked for: OpenSSL resumes it as it is."""
        if self._acts_as_server() or not self.session_reused() or self.verify_ok():
            return
        if self.get_verify_mode() & m2.SSL_VERIFY_PEER and not self.ctx.has_verify_callback:
            fault = Err.get_x509_verify_error(self.get_verify_result())
            raise SSLError(f"certificate verify failed when the session was made: {fault}")

    def _acts_as_server(self) -> bool:
        with self._lock:
            return bool(m2.ssl_is_server(self.ssl))

    def _host(self) -> str | None:
        """The host that the peer's certificate has to be of; None when nobody said."""
        if self._checked_name is not None:
            return self._checked_name
        if isinstance(self.addr, tuple):
            return str(self.addr[0])
        return self._server_name

    def accept(self) -> tuple[Connection, Any]:
        """Wait for a client, and do the handshake with it.

        Returns:
            The connection to it, whose timeouts are ours, and its address.

        Raises:
            SSLError: the handshake failed; SSLTimeoutError: there was none in time.
        """
        connection, addr = self._accept_socket()
        try:
            connection.accept_ssl()
        except BaseException:
            connection.close()
            raise
        return connection, addr

    def _accept_socket(self) -> tuple[Connection, Any]:
        """Wait for a client; the handshake is still to be done."""
        deadline = _Deadline(self._seconds(self._read_timeout))
        accepted = None
        while accepted is None:
            self.socket.settimeout(deadline.part())
            try:
                accepted = self.socket.accept()
            except (socket.timeout, BlockingIOError):
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
        """Connect to a server, do the handshake, and check that its certificate is the host's.

        The host is sent to the server where it is a name (SNI, RFC 6066), and compared with the
        certificate by `Checker`, unless another post-connection check was set, on the connection,
        on the context, or as `Connection.clientPostConnectionCheck`. A connection that does not
        pass the check is closed.

        Returns:
            1; -1 when the connection is non-blocking and `connect_ssl` is to be called.

        Raises:
            SSLError: the handshake failed; SSLTimeoutError: the server did not answer in time.
            SSLVerificationError: the certificate is not that of the host.
            OSError: the host cannot be reached.
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
        except socket.timeout:
            raise SSLTimeoutError("timed out") from None
        except BlockingIOError:
            # A non-blocking socket is on its way; the handshake waits for it.
            self.setup_ssl()
            return _AGAIN
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
        """Ask for a new handshake. It is refused: TLS 1.3 has none, and contexts allow none.

        Raises:
            SSLError: always, unless the context's SSL_OP_NO_RENEGOTIATION was cleared.
        """
        with self._lock:
            self._check_idle()
            return m2.ssl_renegotiate(self.ssl)

    def set_post_connection_check_callback(
        self, postConnectionCheck: PostConnectionCheck | None
    ) -> None:
        """Call postConnectionCheck(certificate, host) after the handshake; None: no check."""
        self._postConnectionCheck = postConnectionCheck
        self._has_own_check = True

    def set_tlsext_host_name(self, name: str) -> int:
        """Name the host to the server (SNI), and to the certificate check where no address does; 1.

        Raises:
            ValueError: it is no host name; IP addresses are not sent (RFC 6066, 3).
        """
        identity = reference_identity(name)
        if not isinstance(identity, str):
            raise ValueError(f"{name} is an IP address, and those are not sent to servers")
        with self._lock:
            self._check_idle()
            result = m2.ssl_set_tlsext_host_name(self.ssl, identity)
            self._server_name = name
        return result

    def set1_host(self, name: str) -> int:
        """Let OpenSSL compare the certificate with a host name or address, in the handshake; 1.

        Where the peer is not verified (`Context.set_verify`) it does not; the post-connection check
        compares with this host in any case. OpenSSL's comparison never looks at a common name.

        Raises:
            ValueError: it is no host name or address.
        """
        identity = reference_identity(name)
        if isinstance(identity, str) and len(identity) < 2:
            raise ValueError(f"{name!r} is no host name: OpenSSL needs two characters")
        with self._lock:
            self._check_idle()
            if isinstance(identity, str):
                result = m2.ssl_set1_host(self.ssl, identity)
            else:
                result = m2.ssl_set1_ip(self.ssl, str(identity))
            self._checked_name = name
        return result

    # ---- input and output ----------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            raise SSLError("the connection is closed")

    def _check_idle(self) -> None:
        """Refuse a callback of an operation on this connection. The caller holds `_lock`."""
        if self._is_operating:
            raise SSLError(_IN_USE)

    def pending(self) -> int:
        """How many bytes can be read without waiting for the socket (SSL_pending)."""
        with self._lock:
            return m2.ssl_pending(self.ssl) if self._is_checked else 0

    def read(self, size: int = 1024) -> bytes | None:
        """Read up to `size` bytes.

        Returns:
            The bytes; b"" when the peer closed the connection; None when the connection is
            non-blocking and there are none.

        Raises:
            SSLError: the connection broke, or was cut; SSLTimeoutError: nothing came in time.
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
        """Read into a buffer, up to `nbytes` bytes; 0: as many as it holds.

        Returns:
            How many; 0 when the peer closed the connection; None when the connection is
            non-blocking and there are none.

        Raises:
            As `read` does.
        """
        self._check_open()
        if nbytes < 0:
            raise ValueError("nbytes is negative")
        target = memoryview(buff).cast("B")
        return self._read_into(target[:nbytes] if nbytes else target)

    def readinto(self, b: Any) -> int | None:
        """Read into a buffer, as `recv_into`."""
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
        """Write bytes, all of them.

        Returns:
            How many went, which is less than all only when the connection is non-blocking; then -1
            when none did.

        Raises:
            SSLError: the connection is closed, or broke; SSLTimeoutError: the peer did not take
                them in time. How many it took is not known then: close the connection.
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
        # OpenSSL has one record on its way at most: writers take turns.
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
        """Can it be read? Not once it is closed."""
        return not self._closed

    def writable(self) -> bool:
        """Can it be written? Not once it is closed."""
        return not self._closed

    def flush(self) -> None:
        """Do nothing: what is written is sent at once."""

    def makefile(self, mode: str = "rb", bufsize: int = -1) -> IO[Any]:
        """A file on the connection; closing it leaves the connection open, and the other way round.

        Args:
            mode: of "r", "w" and "b"; without "b" it is a file of text in UTF-8.
            bufsize: the size of the buffer; -1: the usual one; 0: a raw file without one.

        Raises:
            ValueError: the mode is none of these.
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
        return io.TextIOWrapper(buffered, encoding="utf-8")

    # ---- what was agreed on --------------------------------------------------------------------

    def ssl_get_error(self, ret: int) -> int:
        """Return SSL_get_error(3)'s code for the value that one of OpenSSL's functions returned."""
        with self._lock:
            return m2.ssl_get_error(self.ssl, ret)

    def get_context(self) -> Context:
        """The context it was made from."""
        return self.ctx

    def get_state(self) -> str:
        """A few letters that tell where the handshake is (SSL_state_string)."""
        with self._lock:
            return m2.ssl_get_state(self.ssl)

    def get_version(self) -> str:
        """The protocol that is spoken, such as TLSv1.3."""
        with self._lock:
            return m2.ssl_get_version(self.ssl)

    def verify_ok(self) -> bool:
        """Did the verification of the peer's certificate find no fault, or was there none?"""
        return self.get_verify_result() == m2.X509_V_OK

    def get_verify_mode(self) -> int:
        """Whether and how the peer is verified."""
        with self._lock:
            return m2.ssl_get_verify_mode(self.ssl)

    def get_verify_depth(self) -> int:
        """How many intermediate CAs the peer's chain may have; -1 is OpenSSL's default of 100."""
        with self._lock:
            return m2.ssl_get_verify_depth(self.ssl)

    def get_verify_result(self) -> int:
        """The fault that the verification of the peer's certificate found, m2.X509_V_..."""
        with self._lock:
            return m2.ssl_get_verify_result(self.ssl)

    def get_peer_cert(self) -> X509.X509 | None:
        """The peer's certificate; None when it gave none."""
        with self._lock:
            handle = m2.ssl_get_peer_cert(self.ssl)
        return None if handle is None else X509.X509(handle, 1)

    def get_peer_cert_chain(self) -> X509.X509_Stack | None:
        """The certificates that the peer sent; a server's without the client's own.

        None when it sent none, and in a resumed session.
        """
        with self._lock:
            handle = m2.ssl_get_peer_cert_chain(self.ssl)
        return None if handle is None else X509.X509_Stack(handle, 1)

    def get_client_CA_list(self) -> list[X509.X509_Name]:
        """The names of the CAs whose certificates the server takes from clients."""
        with self._lock:
            count = m2.ssl_client_ca_num(self.ssl)
            handles = [m2.ssl_client_ca_value(self.ssl, index) for index in range(count)]
        return [X509.X509_Name(handle, 1) for handle in handles]

    def set_client_CA_list_from_file(self, cafile: str | bytes) -> None:
        """On a server: name the CAs of a PEM file to the client."""
        with self._lock:
            self._check_idle()
            m2.ssl_set_client_ca_list_from_file(self.ssl, os.fsdecode(cafile))

    def set_client_CA_list_from_context(self) -> None:
        """On a server: name the CAs of the context to the client."""
        with self._lock:
            self._check_idle()
            m2.ssl_set_client_ca_list_from_context(self.ssl)

    def get_cipher(self) -> Cipher | None:
        """The cipher in use; None before the handshake."""
        with self._lock:
            handle = m2.ssl_get_current_cipher(self.ssl)
        return None if handle is None else Cipher(handle)

    def get_ciphers(self) -> Cipher_Stack:
        """The ciphers that may be used."""
        with self._lock:
            return Cipher_Stack(m2.ssl_get_ciphers(self.ssl), 1)

    def get_cipher_list(self, idx: int = 0) -> str | None:
        """The name of a cipher that may be used, 0 is the preferred one; None behind the last."""
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
        """Say whose sessions may be resumed, as `Context.set_session_id_ctx`; 1."""
        with self._lock:
            self._check_idle()
            self._has_session_id_ctx = True
            return m2.ssl_set_session_id_context(self.ssl, id)

    def get_session(self) -> Session | None:
        """The session, for a later connection; None when there is none.

        In TLS 1.3 the server sends it after the handshake: read something first.
        """
        with self._lock:
            handle = m2.ssl_get_session(self.ssl)
        return None if handle is None else Session(handle, 1)

    def set_session(self, session: Session) -> int:
        """Begin with an earlier connection's session, before the handshake; 1."""
        with self._lock:
            self._check_idle()
            return m2.ssl_set_session(self.ssl, session._ptr())

    def session_reused(self) -> bool:
        """Did the handshake resume a session?"""
        with self._lock:
            return bool(m2.ssl_session_reused(self.ssl))

    def get_default_session_timeout(self) -> int:
        """For how many seconds OpenSSL lets sessions be used when nobody says."""
        with self._lock:
            return m2.ssl_get_default_timeout(self.ssl)

    # ---- for makefile --------------------------------------------------------------------------

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
    """What `makefile` puts a buffer over. It lets the connection go when it is closed itself."""

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
