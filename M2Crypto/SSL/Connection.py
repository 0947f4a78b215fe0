"""TLS connections over sockets, of clients and servers (SSL_new(3)).

OpenSSL's attempts do not block. The extension waits for the socket outside of OpenSSL and without a
lock (src/ssl_io.h), so timeouts apply to every operation, signal handlers run, and one thread can
read while another writes.

A blocking connection reads ahead: it receives as much as OpenSSL's buffer holds, and `read` returns
all of it that fits. A program that selects the socket must first see that `pending` returns 0.

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
import os

from M2Crypto import X509, Err, _configuration

# m2 has the same functions, but Python does not cache the look-up in a module with __getattr__.
from M2Crypto import _m2crypto as m2
from M2Crypto._arguments import handle_of
from M2Crypto._copies import Unique
from M2Crypto._errors import SocketTimeout
from M2Crypto._locks import RLock
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.SSL._alerts import received_alert
from M2Crypto.SSL._deadlines import Deadline
from M2Crypto.SSL._files import ConnectionFile, regular_descriptor
from M2Crypto.SSL._parameters import Parameters
from M2Crypto.SSL._transport import Transport
from M2Crypto.SSL.Checker import (
    Checker,
    SSLVerificationError,
    WrongHost,
    reference_identity,
)
from M2Crypto.SSL.SSLError import SSLError, SSLSystemError, SSLTimeoutError

if TYPE_CHECKING:
    import socket
    from types import TracebackType
    from typing import IO, Any, Callable

    from M2Crypto.BIO import BIO
    from M2Crypto.SSL._transport import Address
    from M2Crypto.SSL.Context import Context

    PostConnectionCheck = Callable[..., Any]

__all__ = ["Connection"]

# socket.AF_INET. `socket` takes 3 ms and is imported by what uses a socket.
_AF_INET = 2

# The return value of a non-blocking handshake or write that would block.
_AGAIN = -1
_CLOSED_BY_PEER = -m2.SSL_ERROR_ZERO_RETURN
_IN_USE = "the connection is in use by the operation that called the callback"
# The seconds that `close` waits for space in the send buffer, and for a server's session tickets.
_LINGER = 1.0
# The number of reads of 64 KiB by which `close` empties the receive buffer.
_DISCARDED = 128
# The bytes that `sendfile` reads at once, and in a datagram.
_PART = 1 << 16
# The bytes of a file that the kernel is asked to send at once.
_LARGEST = 1 << 30

_VERIFYING = "certificate verification"
# OpenSSL's reasons of errors that are about the peer's certificate.
_VERIFICATION = ("certificate verify failed", "peer did not return a certificate")

# The likely cause of a handshake's error, by its reason.
_NOT_TLS = {
    "http request": "the peer sent plain HTTP",
    "https proxy request": "the peer sent plain HTTP, a CONNECT",
    "wrong version number": "the peer may not use TLS on this port",
    "packet length too long": "the peer may not use TLS on this port",
}


class _State:
    """The state of a connection. Importing enum would take longer than importing `SSL`."""

    # The handshake or its post-connection check is not complete.
    HANDSHAKE = "handshake"
    # Application data can be transferred.
    OPEN = "open"
    # `close` was called, but open files of `makefile` transfer application data.
    FILES = "files"
    CLOSED = "closed"


_HANDSHAKE, _OPEN = _State.HANDSHAKE, _State.OPEN

_io_read, _io_read_into, _io_write = m2.ssl_io_read, m2.ssl_io_read_into, m2.ssl_io_write


def _io_sendfile(ssl: Any, part: tuple[int, int, int], seconds: float) -> int:
    return m2.ssl_io_sendfile(ssl, *part, seconds)


def _accept_every_client(certificate: X509.X509 | None, host: object = None) -> bool:
    return True


def _new_socket(family: int, is_datagram: bool) -> socket.socket:
    import socket

    made = socket.socket(family, socket.SOCK_DGRAM if is_datagram else socket.SOCK_STREAM)
    if is_datagram:
        return made
    if family != getattr(socket, "AF_UNIX", None) and os.name == "posix":
        # On Windows the option allows other programs to bind the port.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


def _is_datagram(sock: socket.socket) -> bool:
    """Return whether this is a datagram socket; what only resembles a socket is a stream."""
    import socket

    try:
        # That of the superclass is an int, of which the class makes a SocketKind.
        kind = super(socket.socket, sock).type
    except (AttributeError, TypeError):
        # Another class, also one that replaces socket.socket.
        kind = getattr(sock, "type", 0)
    return kind == socket.SOCK_DGRAM


class Connection(Transport, Parameters, Unique):
    """A TLS connection. `ssl` is the handle of the SSL, `ctx` the context.

    Several threads can use a connection. The extension runs one operation of OpenSSL at a time, and
    a write ends before the next one begins.
    """

    m2_bio_noclose = m2.bio_noclose
    clientPostConnectionCheck: PostConnectionCheck | None = Checker()  # noqa: N815
    serverPostConnectionCheck: PostConnectionCheck | None = (  # noqa: N815
        staticmethod(_accept_every_client)
    )
    # The client's certificate before post-handshake authentication, in DER; None without it.
    _authenticated: bytes | None = None
    # The number of open files of `makefile`.
    _files = 0

    def __init__(
        self, ctx: Context, sock: socket.socket | None = None, family: int = _AF_INET
    ) -> None:
        """Create a connection.

        Args:
            ctx: the context.
            sock: a socket, whose timeout the connection uses; None creates one. That of DTLS is a
                datagram socket.
            family: the address family of the new socket: AF_INET, AF_INET6 or AF_UNIX.
        """
        # Of another type, it raises TypeError.
        handle: Any = getattr(ctx, "ctx", None)
        self.ssl: m2.SSL = m2.ssl_new(handle)
        self.ctx = ctx
        if ctx.raw_public_keys is not None:
            ctx.raw_public_keys.prepare(self.ssl)
        self.socket = _new_socket(family, ctx.is_dtls) if sock is None else sock
        if ctx.is_dtls is not _is_datagram(self.socket):
            raise ValueError("DTLS needs a datagram socket, and TLS another one")
        self._state = _HANDSHAKE
        self._postConnectionCheck = ctx.post_connection_check
        self._has_own_check = ctx.post_connection_check is not None
        self._timeout = self.socket.gettimeout()
        self._set_seconds()
        self._is_server: bool | None = None
        # Held during a handshake with its check.
        self._handshaking = RLock()
        self._is_handshaking = False
        # Held for each change to CLOSED or FILES, and of the number of open files. A signal handler
        # can close the connection while its thread holds it.
        self._closing = RLock()
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
        return self._state in (_State.FILES, _State.CLOSED)

    def close(self, freeBio: bool = True) -> None:
        """Send close_notify, without waiting for the peer's, and close the socket.

        If the send buffer is full, close_notify waits for space, up to a second.
        A connection with open files of `makefile` is closed with the last one. A client that has
        written data and has no session ticket yet waits up to a second until the server closes,
        because the operating system resets a connection that is closed before the tickets are
        received, and the data are lost.

        Args:
            freeBio: whether to close the socket.

        Raises:
            SSLError: a callback of an operation on this connection called it.
        """
        with self._closing:
            if self.closed:
                return
            self._check_idle()
            is_last = self._files == 0
            self._state = _State.FILES if self._state is _OPEN and not is_last else _State.CLOSED
            self._frees_bio = freeBio
        if is_last:
            self._end()

    def _end(self) -> None:
        self._state = _State.CLOSED
        try:
            if self._over_bios is not None:
                m2.ssl_io_shutdown(self.ssl, 0 if self._over_bios else self._linger())
        except SSLError:
            # The transport may be closed already.
            pass
        finally:
            if self._frees_bio:
                self._close_socket()

    def _linger(self) -> float:
        """Return the seconds that `close` waits for the peer at most."""
        return _LINGER if self._timeout is None else min(self._timeout, _LINGER)

    def _close_socket(self) -> None:
        if self._over_bios is False:
            waits = self._timeout != 0 and bool(m2.ssl_io_expects_tickets(self.ssl))
            # Other threads that use the descriptor end before it can be reused.
            m2.ssl_io_close(self.ssl)
            try:
                self._discard_received(waits)
            except OSError:
                # The receive buffer is empty, or the socket closed.
                pass
        self.socket.close()

    def _discard_received(self, waits: bool) -> None:
        """Empty the socket's receive buffer, as session tickets that nobody read are in it.

        A system resets a connection that is closed with unread data (RFC 1122, section 4.2.2.13),
        and the peer then loses the end of what was written.
        """
        import socket

        deadline = Deadline(self._linger() if waits else 0)
        if waits:
            # A server closes at the end of what it reads. Its tickets come one by one.
            self.socket.shutdown(socket.SHUT_WR)
        for _ in range(_DISCARDED):
            # 0 is non-blocking mode. The program can have changed that of the descriptor.
            self.socket.settimeout(deadline.left())
            if not self.socket.recv(1 << 16):
                break

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

        self._check_idle()
        if how in (socket.SHUT_WR, socket.SHUT_RDWR) and self._over_bios is not None:
            try:
                self._call("shutdown", m2.ssl_io_shutdown, self._write_seconds)
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
        seconds = 0 if self._over_bios else Deadline(self._timeout).io_timeout()
        return None if self._call("shutdown", m2.ssl_io_unwrap, seconds) < 0 else self.socket

    def set_shutdown(self, mode: int) -> None:
        """Set the shutdown state (SSL_set_shutdown(3))."""
        m2.ssl_set_shutdown(self.ssl, mode)

    def get_shutdown(self) -> int:
        """Return the shutdown state (SSL_get_shutdown(3))."""
        return m2.ssl_get_shutdown(self.ssl)

    def clear(self) -> int:
        """Reset the connection for another handshake, and return 1 (SSL_clear(3))."""
        self._check_idle()
        result = m2.ssl_clear(self.ssl)
        self._expect_handshake(None)
        return result

    def _expect_handshake(self, is_server: bool | None) -> None:
        """Set the role, or None, and the state, for a handshake that the extension requires."""
        self._is_server = is_server
        if is_server is not None and self.ctx.raw_public_keys is not None:
            self.ctx.raw_public_keys.negotiate(self.ssl)
        with self._closing:
            if self._state is _OPEN:
                self._state = _HANDSHAKE

    # ---- the transport -------------------------------------------------------------------------

    def setup_ssl(self) -> None:
        """Set the connected socket as the SSL's transport, if it has none."""
        if self._over_bios is not None:
            self._check_idle()
            return
        set_socket = m2.ssl_set_datagram if self.ctx.is_dtls else m2.ssl_set_fd
        set_socket(self.ssl, self.socket.fileno())
        self._over_bios = False

    def set_bio(self, readbio: BIO, writebio: BIO) -> None:
        """Set BIOs as the transport instead of a socket (SSL_set_bio(3)).

        All operations of such a connection are non-blocking.

        Raises:
            SSLError: this is DTLS, whose datagrams a BIO would join.
        """
        if self.ctx.is_dtls:
            raise SSLError("DTLS needs a datagram socket")
        m2.ssl_set_bio(self.ssl, handle_of(readbio), handle_of(writebio))
        self._over_bios = True
        self._set_seconds()

    def set_read_ahead(self, on: bool) -> None:
        """Set whether a blocking connection reads ahead, which is the default.

        Without it the data after the peer's close_notify remain in the socket
        (SSL_set_read_ahead(3)).
        """
        m2.ssl_io_set_read_ahead(self.ssl, on)

    def _call(self, step: str, operation: Callable[..., int], *arguments: Any) -> int:
        """Call an operation of the extension, and complete its exceptions."""
        try:
            return operation(self.ssl, *arguments)
        except SSLError as error:
            raise self._with_details(error, step) from None

    def _with_details(self, error: SSLError, step: str) -> SSLError:
        """Return an error with its step and its cause (`_with_cause`)."""
        alert = received_alert(error)
        is_about_certificate = error.reason in _VERIFICATION
        error = self._with_cause(error)
        error.step, error.alert = step, alert
        if is_about_certificate:
            error.step = _VERIFYING
            self._add_verification(error)
        return error

    def _add_verification(self, error: SSLError | SSLVerificationError) -> None:
        """Set what an error says about the verification of the peer's certificate."""
        error.verify_code = m2.ssl_get_verify_result(self.ssl)
        error.verify_depth = m2.ssl_get_verify_error_depth(self.ssl)
        certificate = m2.ssl_get_verify_error_cert(self.ssl)
        if certificate is not None:
            error.certificate = X509.X509(certificate, 1)

    def _with_cause(self, error: SSLError) -> SSLError:
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
        self.ctx.refresh_staple()
        m2.ssl_set_accept_state(self.ssl)
        self._expect_handshake(True)
        if self.ctx.server_session_id_ctx is not None and not self._has_session_id_ctx:
            m2.ssl_set_session_id_context(self.ssl, self.ctx.server_session_id_ctx)

    def set_connect_state(self) -> None:
        """Set the client role for the next handshake."""
        m2.ssl_set_connect_state(self.ssl)
        self._expect_handshake(False)

    def accept_ssl(self) -> int:
        """Perform the handshake as a server, and the post-connection check.

        Returns:
            1, or -1 if the connection is non-blocking and the method must be called again.

        Raises:
            SSLError: the handshake failed.
            SSLTimeoutError: the handshake timed out.
        """
        return self._handshake(self._handshake_seconds, True)

    def connect_ssl(self) -> int:
        """Perform the handshake as a client, and the post-connection check (`connect`).

        Returns:
            1, or -1 if the connection is non-blocking and the method must be called again.

        Raises:
            SSLError: the handshake failed.
            SSLTimeoutError: the handshake timed out.
            SSLVerificationError: the certificate does not match the reference identity.
        """
        return self._handshake(self._handshake_seconds, False)

    def handshake_on_existing_socket(self, server_side: bool = False) -> int:
        """Perform the handshake on the connected socket; see `accept_ssl` and `connect_ssl`.

        A client must first set the reference identity by `set1_host`, `set_tlsext_host_name` or
        `setup_addr`. Otherwise only the certification path is validated.
        """
        self.setup_ssl()
        return self.accept_ssl() if server_side else self.connect_ssl()

    def _handshake(self, seconds: float, is_server: bool | None = None) -> int:
        """Perform or complete the handshake and the post-connection check.

        Args:
            seconds: the timeout (src/ssl_io.h), also for the handshake of another thread.
            is_server: the role; None for the current one.

        Returns:
            1, or _AGAIN if a non-blocking connection would block.
        """
        lock = self._handshaking
        # A signal handler can raise as soon as the lock is acquired, so this is in the block.
        try:
            if not lock.acquire(False):
                rest = self._wait_for_handshake(seconds)
                if rest is None:
                    return _AGAIN
                seconds = rest
            if self._is_handshaking:
                raise SSLError(_IN_USE)
            try:
                self._is_handshaking = True
                return self._shake_hands(seconds, is_server)
            finally:
                self._is_handshaking = False
        finally:
            try:
                lock.release()
            except RuntimeError:
                # It was not acquired.
                pass

    def _shake_hands(self, seconds: float, is_server: bool | None) -> int:
        """Perform `_handshake` in the thread that holds `_handshaking`."""
        if self._state is not _HANDSHAKE:
            self._check_open()
        if self._over_bios is None:
            self.setup_ssl()
        if is_server is not None and self._is_server is not is_server:
            self.set_accept_state() if is_server else self.set_connect_state()
        try:
            number = m2.ssl_io_handshake(self.ssl, seconds)
        except SSLError as error:
            raise self._with_details(error, "handshake") from None
        if number < 0:
            return _AGAIN
        if self._state is not _OPEN:
            self._check(number)
        return 1

    def _wait_for_handshake(self, seconds: float) -> float | None:
        """Acquire `_handshaking`, which another thread holds.

        Returns:
            The rest of the timeout; None if a non-blocking connection would block.

        Raises:
            SSLTimeoutError: waiting timed out.
        """
        # In a callback the other thread may wait for the operation that called it.
        self._check_idle()
        deadline = Deadline(seconds)
        if self._handshaking.acquire(timeout=deadline.lock_timeout()):
            return deadline.io_timeout()
        if not deadline.waits:
            return None
        error = SSLTimeoutError("timed out")
        error.step = "handshake"
        raise error

    def verify_client_post_handshake(self) -> int:
        """Request the certificate of a TLS 1.3 client, and return 1 (RFC 8446, section 4.6.2).

        The request is sent with the next write, and the certificate comes with a later read, which
        checks it as a handshake does. If the check fails, the read raises its error and returns no
        data, and the connection is closed.

        Raises:
            SSLError: this is a client, the client did not offer it, or the connection is closed.
        """
        self._check_open()
        result = m2.ssl_verify_client_post_handshake(self.ssl)
        self._authenticated = self._peer_in_der()
        return result

    def _peer_in_der(self) -> bytes:
        certificate = self.get_peer_cert()
        return b"" if certificate is None else certificate.as_der()

    def _check_authentication(self) -> None:
        """Run the post-connection check if the client's certificate is another than before."""
        if self._peer_in_der() != self._authenticated:
            self._authenticated = None
            self._check()

    def _check(self, number: int | None = None) -> None:
        """Run the post-connection check. Close the connection if the check fails.

        Args:
            number: that of the handshake; None after post-handshake authentication.
        """
        is_server = bool(m2.ssl_is_server(self.ssl))
        if self._has_own_check:
            check = self._postConnectionCheck
        elif is_server:
            check = self.serverPostConnectionCheck
        else:
            check = self.clientPostConnectionCheck
        keys = self.ctx.raw_public_keys
        try:
            if keys is not None and keys.are_expected:
                keys.check(self)
                # The key identifies the peer, whatever its name.
                check = check if self._has_own_check else None
            if self.ctx.has_psk and not self._has_own_check and m2.ssl_uses_psk(self.ssl):
                # The same holds for the key of a callback.
                check = None
            if not is_server and m2.ssl_session_reused(self.ssl):
                self._check_resumed()
            self.ctx.check_revocation(self)
            if check is not None and not check(self.get_peer_cert(), self._host()):
                raise SSLVerificationError("post connection check failed")
            if number is None:
                return
            with self._closing:
                m2.ssl_io_open(self.ssl, number)
                if self._state is _HANDSHAKE:
                    self._state = _OPEN
        except (SSLError, SSLVerificationError) as error:
            self._add_check(error)
            self.close()
            raise
        except BaseException:
            self.close()
            raise

    def _add_check(self, error: SSLError | SSLVerificationError) -> None:
        """Set what an error of the post-connection check says about the peer's certificate."""
        error.step = _VERIFYING
        if isinstance(error, WrongHost):
            error.verify_code = m2.X509_V_ERR_HOSTNAME_MISMATCH
        elif not self.verify_ok():
            self._add_verification(error)
        if error.certificate is None:
            error.certificate = self.get_peer_cert()
            error.verify_depth = -1 if error.certificate is None else 0

    def _check_resumed(self) -> None:
        """Refuse a resumed session whose peer was not verified, which OpenSSL does not check."""
        if self.verify_ok():
            return
        if self.get_verify_mode() & m2.SSL_VERIFY_PEER and not self.ctx.has_verify_callback:
            fault = Err.get_x509_verify_error(self.get_verify_result())
            raise SSLError(f"certificate verify failed when the session was created: {fault}")

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
        deadline = Deadline(self._read_seconds)
        if self.ctx.is_dtls:
            return self._accept_datagrams(deadline)
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
        self._prepare_accepted(connection, addr)
        return connection, addr

    def _accept_datagrams(self, deadline: Deadline) -> tuple[Connection, Any]:
        """Accept a client of DTLS without a handshake."""
        from M2Crypto.SSL import _datagrams

        connection = Connection(self.ctx, family=self.socket.family)
        try:
            _datagrams.accept_client(self, connection, deadline)
            connection._over_bios = False
            addr = connection.socket.getpeername()
            self._prepare_accepted(connection, addr)
        except BaseException:
            connection.close()
            raise
        return connection, addr

    def _prepare_accepted(self, connection: Connection, addr: Any) -> None:
        connection.setup_addr(addr)
        connection.settimeout(self._timeout)
        connection.set_socket_read_timeout(self._read_timeout)
        connection.set_socket_write_timeout(self._write_timeout)
        if self._has_own_check:
            connection.set_post_connection_check_callback(self._postConnectionCheck)

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
        self._check_idle()
        self.addr = addr
        if self._server_name is None and isinstance(addr, tuple):
            self._name_server(addr[0])
        if self._over_bios is None:
            self.socket.settimeout(Deadline(self._timeout).part())
        try:
            self.socket.connect(addr)
        except SocketTimeout:
            raise SSLTimeoutError("timed out") from None
        except OSError as error:
            # The socket of a connection that `connect` continues is non-blocking.
            is_pending = isinstance(error, BlockingIOError)
            if not is_pending and (error.errno != errno.EISCONN or self._over_bios is not False):
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
        return m2.ssl_renegotiate(self.ssl)

    def set_post_connection_check_callback(
        self, postConnectionCheck: PostConnectionCheck | None
    ) -> None:
        """Set the post-connection check, called as check(certificate, host); None for none."""
        self._postConnectionCheck = postConnectionCheck
        self._has_own_check = True

    # ---- input and output ----------------------------------------------------------------------

    def _check_open(self) -> None:
        if self.closed:
            raise SSLError("the connection is closed")

    def _check_idle(self) -> None:
        """Raise SSLError in a callback of an operation."""
        if self._over_bios is not None and m2.ssl_io_is_callback(self.ssl):
            raise SSLError(_IN_USE)

    def pending(self) -> int:
        """Return the number of bytes that can be read without the socket (SSL_pending(3))."""
        return m2.ssl_io_pending(self.ssl)

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
        seconds = self._read_seconds
        if self._state is not _OPEN:
            self._check_open()
            rest = self._complete_handshake(seconds)
            if rest is None:
                return None
            seconds = rest
        try:
            data = _io_read(self.ssl, size, seconds)
        except SSLError as error:
            raise self._with_details(error, "read") from None
        if self._authenticated is not None:
            self._check_authentication()
        return data

    recv = read

    def recv_into(self, buff: Any, nbytes: int = 0) -> int | None:
        """Read up to `nbytes` bytes into a buffer; 0 for the length of the buffer.

        Returns:
            The number of bytes, 0 after the peer's close_notify; None if a non-blocking connection
            would block.

        Raises:
            SSLError, SSLTimeoutError, ValueError: see `read`.
        """
        if self._state is not _OPEN:
            self._check_open()
        if nbytes < 0:
            raise ValueError("nbytes is negative")
        return self._read_into(memoryview(buff).cast("B")[:nbytes] if nbytes else buff)

    def readinto(self, b: Any) -> int | None:
        """Read into a buffer; see `recv_into`."""
        return self.recv_into(b)

    def _read_into(self, target: Any) -> int | None:
        seconds = self._read_seconds
        if self._state is not _OPEN:
            rest = self._complete_handshake(seconds)
            if rest is None:
                return None
            seconds = rest
        try:
            done = _io_read_into(self.ssl, target, seconds)
        except SSLError as error:
            raise self._with_details(error, "read") from None
        if self._authenticated is not None:
            self._check_authentication()
        if done >= 0:
            return done
        return 0 if done == _CLOSED_BY_PEER else None

    def _complete_handshake(self, seconds: float) -> float | None:
        """Complete the handshake and its check before a transfer with a timeout for both.

        Returns:
            The rest of the timeout; None if a non-blocking connection would block.
        """
        if self._state is _State.FILES:
            return seconds
        deadline = Deadline(seconds)
        return None if self._handshake(seconds) < 0 else deadline.io_timeout()

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
        if self._state is not _OPEN:
            self._check_open()
            return self._write(data)
        # As `_write` does, in one call less: that is a tenth of the time of a short message.
        try:
            done = _io_write(self.ssl, data, self._write_seconds)
        except SSLError as error:
            raise self._with_details(error, "write") from None
        return done if done >= 0 else _AGAIN

    send = sendall = write

    def _write(self, data: Any, write: Callable[[Any, Any, float], int] = _io_write) -> int:
        """Write, also to the open files of a closed connection."""
        seconds = self._write_seconds
        if self._state is not _OPEN:
            rest = self._complete_handshake(seconds)
            if rest is None:
                return _AGAIN
            seconds = rest
        try:
            done = write(self.ssl, data, seconds)
        except SSLError as error:
            raise self._with_details(error, "write") from None
        return done if done >= 0 else _AGAIN

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        """Write the contents of a file, as `socket.socket.sendfile` does.

        The kernel reads and encrypts the file if it encrypts the connection: on Linux and FreeBSD,
        where OpenSSL has kTLS, after `set_options(m2.SSL_OP_ENABLE_KTLS)` of the context
        (SSL_sendfile(3)).

        Args:
            file: a file open in binary mode, whose position is updated.
            offset: the position to begin at.
            count: the number of bytes; None for all until the end of the file.

        Returns:
            The number of bytes written.

        Raises:
            TypeError: `file` is no file.
            ValueError: the connection is non-blocking, the file is in text mode, or `count` is not
                positive.
            SSLError, SSLTimeoutError: see `write`.
        """
        if not hasattr(file, "read"):
            raise TypeError(f"expected a file, not {type(file).__name__}")
        if self._timeout == 0 or self._over_bios:
            raise ValueError("non-blocking connections are not supported")
        if "b" not in getattr(file, "mode", "b"):
            raise ValueError("the file should be opened in binary mode")
        if count is not None and count <= 0:
            raise ValueError(f"count is not positive: {count}")
        self._check_open()
        if m2.ssl_uses_ktls(self.ssl):
            descriptor = regular_descriptor(file)
            if descriptor is not None:
                return self._send_by_kernel(file, descriptor, offset or file.tell(), count)
        if offset:
            file.seek(offset)
        sent = 0
        while count is None or sent < count:
            data = file.read(_PART if count is None else min(_PART, count - sent))
            if not data:
                break
            sent += self.write(data)
        return sent

    def _send_by_kernel(
        self, file: IO[bytes], descriptor: int, offset: int, count: int | None
    ) -> int:
        sent = 0
        try:
            while count is None or sent < count:
                size = _LARGEST if count is None else count - sent
                part = self._write((descriptor, offset + sent, size), _io_sendfile)
                if not part:
                    break
                sent += part
        finally:
            file.seek(offset + sent)
        return sent

    def readable(self) -> bool:
        """Return whether the connection is open."""
        return not self.closed

    def writable(self) -> bool:
        """Return whether the connection is open."""
        return not self.closed

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
        raw = ConnectionFile(self, "r" in mode or "w" not in mode, "w" in mode)
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

    def _open_file(self) -> None:
        with self._closing:
            self._files += 1

    def _close_file(self) -> None:
        if self.closed:
            self._check_idle()
        with self._closing:
            self._files -= 1
            is_last = self.closed and self._files == 0
        if is_last:
            self._end()
