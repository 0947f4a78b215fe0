"""The objects below `ssl.SSLSocket` and `ssl.SSLObject`, over a `Connection`.

The standard library's classes for sockets and memory BIOs call an object of the module `_ssl` for
everything about TLS. The classes of this module have the same methods, so `stdlib.SSLContext`
gives the two classes of the standard library another TLS and leaves everything else to them.
"""

from __future__ import annotations

import socket
import ssl
import threading
import weakref
from typing import TYPE_CHECKING, Any, Callable

from M2Crypto import BIO, Err, m2
from M2Crypto._errors import M2CryptoError
from M2Crypto.SSL import _decoded
from M2Crypto.SSL.Checker import SSLVerificationError
from M2Crypto.SSL.Connection import Connection
from M2Crypto.SSL.Context import Context
from M2Crypto.SSL.Session import Session
from M2Crypto.SSL.SSLError import SSLSystemError, SSLTimeoutError

if TYPE_CHECKING:
    from M2Crypto import X509
    from M2Crypto.SSL.stdlib import SSLContext

__all__ = ["NAMES_ALGORITHMS", "MemoryObject", "SocketObject", "current_object", "translated"]

# Whether OpenSSL names groups and signature algorithms; it depends on the headers.
NAMES_ALGORITHMS: bool = m2.OPENSSL_VERSION_NUMBER >= 0x30500000  # type: ignore[attr-defined]
# The values of `binary_form` for certificates in the standard library (_ssl.ENCODING_PEM).
_ENCODING_PEM = 1
_MNEMONICS = {
    "bignum": "BN",
    "configuration": "CONF",
    "Diffie-Hellman": "DH",
    "digital": "EVP",
    "elliptic": "EC",
    "memory": "BUF",
    "object": "OBJ",
    "random": "RAND",
    "system": "SYS",
}
_MISMATCHES = {
    m2.X509_V_ERR_HOSTNAME_MISMATCH: "Hostname",
    m2.X509_V_ERR_IP_ADDRESS_MISMATCH: "IP address",
}


def translated(error: M2CryptoError, operation: str = "operation") -> Exception:
    """Return the exception that the standard library raises for such an error.

    Args:
        error: the error.
        operation: what timed out.
    """
    if isinstance(error, SSLTimeoutError):
        return socket.timeout(f"The {operation} timed out")
    if isinstance(error, SSLSystemError):
        return OSError(error.errno, error.strerror)
    # The binding's own errors are sentences.
    own = error.library == "M2Crypto"
    reason = "" if own else error.reason.upper().replace(" ", "_")
    library = "SSL" if own or not error.library else _mnemonic(error.library)
    if error.reason == "unexpected eof while reading":
        reason = "UNEXPECTED_EOF_WHILE_READING"
    if isinstance(error, SSLVerificationError) or reason == "CERTIFICATE_VERIFY_FAILED":
        made: ssl.SSLError = ssl.SSLCertVerificationError(
            ssl.SSL_ERROR_SSL, f"[SSL: CERTIFICATE_VERIFY_FAILED] {error}"
        )
        reason = "CERTIFICATE_VERIFY_FAILED"
    elif reason == "UNEXPECTED_EOF_WHILE_READING":
        made = ssl.SSLEOFError(ssl.SSL_ERROR_EOF, f"[SSL: {reason}] {error}")
    else:
        text = f"[{library}: {reason}] {error}" if reason else str(error)
        made = ssl.SSLError(ssl.SSL_ERROR_SSL, text)
    made.reason, made.library = reason, library
    return made


def _mnemonic(library: str) -> str:
    """Return the name of a library of OpenSSL (ERR_lib_error_string(3)) in ssl's exceptions."""
    name = library.partition(" ")[0]
    return _MNEMONICS.get(name, name).upper()


_operating = threading.local()


def current_object() -> SSLObject:
    """Return the object whose operation called the callback that runs in this thread."""
    current: SSLObject = _operating.object
    return current


class _Certificate:
    """A certificate of `get_verified_chain`."""

    def __init__(self, certificate: X509.X509) -> None:
        self._certificate = certificate

    def public_bytes(self, format: int = _ENCODING_PEM) -> str | bytes:
        """Return the certificate in PEM, or in DER for the other encoding."""
        if format == _ENCODING_PEM:
            return self._certificate.as_pem().decode()
        return self._certificate.as_der()

    def get_info(self) -> dict[str, Any]:
        """Return the certificate as `getpeercert` does."""
        return _decoded.certificate(self._certificate)

    def __repr__(self) -> str:
        return f"<Certificate {self._certificate.get_subject().as_text()!r}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Certificate):
            return NotImplemented
        return self._certificate.as_der() == other._certificate.as_der()

    def __hash__(self) -> int:
        return hash(self._certificate.as_der())


class SSLSession(Session):
    """A session with the attributes of `ssl.SSLSession`.

    It is resumed by objects of the context that it is from only. Another one may verify peers
    differently, which a resumed handshake does not do again.
    """

    def __init__(self, session: Session, context: Context) -> None:
        # OpenSSL makes that of a connection without close_notify unusable.
        super().__init__(m2.ssl_session_dup(session.session))
        self._context = context

    @property
    def id(self) -> bytes:
        """The session ID."""
        return m2.ssl_session_get_id(self.session)

    @property
    def time(self) -> int:
        """The creation time in seconds since the epoch."""
        return self.get_time()

    @property
    def timeout(self) -> int:
        """The lifetime in seconds."""
        return self.get_timeout()

    @property
    def ticket_lifetime_hint(self) -> int:
        """The seconds for which the server keeps the ticket."""
        return m2.ssl_session_get_ticket_lifetime_hint(self.session)

    @property
    def has_ticket(self) -> bool:
        """Whether the session has a ticket."""
        return bool(m2.ssl_session_has_ticket(self.session))

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, SSLSession) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)


class SSLObject:
    """A connection with the methods of `_ssl._SSLSocket`."""

    def __init__(
        self,
        context: SSLContext,
        connection: Connection,
        server_side: bool,
        server_hostname: str | None,
        owner: Any,
        session: SSLSession | None,
    ) -> None:
        self._context = context
        self._connection = connection
        self._owner = None if owner is None else weakref.ref(owner)
        self.server_side = server_side
        self.server_hostname = server_hostname
        self._is_connected = False
        # The exception of the server name callback.
        self.raised: BaseException | None = None
        self._configure()
        if session is not None:
            self.session = session

    def _configure(self) -> None:
        """Set the names that the peer must have and the check of the context."""
        connection, name = self._connection, self.server_hostname
        # ssl's errors.
        if name == "" or (name is not None and name.startswith(".")):
            raise ValueError(
                "server_hostname cannot be an empty string or start with a leading dot."
            )
        if name is not None and "\0" in name:
            raise TypeError("argument must be encoded string without null byte")
        # As SSL_read and SSL_write do, reading and writing can begin the handshake.
        connection.set_accept_state() if self.server_side else connection.set_connect_state()
        checks = not self.server_side and self._context.check_hostname
        if name and not self.server_side:
            try:
                connection.set_tlsext_host_name(name)
            except ValueError:
                # An IP address is not sent.
                if checks:
                    connection.set1_host(name)
            else:
                if checks:
                    connection.set1_host(name)
        if not checks and connection.ctx.post_connection_check is None:
            connection.set_post_connection_check_callback(None)

    # ---- operations ----------------------------------------------------------------------------

    def _call(self, what: str, operation: Callable[..., Any], *arguments: Any) -> Any:
        """Call an operation of the connection, and raise what the standard library raises.

        Raises:
            ssl.SSLWantReadError, ssl.SSLWantWriteError: the operation would block.
            ssl.SSLError: it failed.
            OSError: the socket failed.
            TimeoutError: it timed out.
        """
        before = getattr(_operating, "object", None)
        _operating.object = self
        try:
            result = operation(*arguments)
        except M2CryptoError as error:
            if self.raised is not None:
                raised, self.raised = self.raised, None
                raise raised from None
            made = self._with_verification(translated(error, f"{what} operation"))
            raise made from error
        finally:
            _operating.object = before
        # Bytes are not compared, as `python -bb` refuses it.
        if result is None or (type(result) is int and result < 0):
            if self._connection.ssl_get_error(-1) == m2.SSL_ERROR_WANT_WRITE:
                raise ssl.SSLWantWriteError(
                    ssl.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)"
                )
            raise ssl.SSLWantReadError(
                ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)"
            )
        # Reading and writing complete the handshake, too.
        self._is_connected = True
        return result

    def _with_verification(self, made: Exception) -> Exception:
        if isinstance(made, ssl.SSLCertVerificationError):
            code = self._connection.get_verify_result() or m2.X509_V_ERR_HOSTNAME_MISMATCH
            kind = _MISMATCHES.get(code)
            if kind is None:
                message = Err.get_x509_verify_error(code)
            else:
                # The text of the standard library, for which programs look.
                name = self.server_hostname
                message = f"{kind} mismatch, certificate is not valid for {name!r}."
                made.strerror = f"{made.strerror}: {message}"
            made.verify_code, made.verify_message = code, message
        return made

    def do_handshake(self) -> None:
        """Perform the handshake."""
        if self.server_side:
            self._call("handshake", self._connection.accept_ssl)
        else:
            self._call("handshake", self._connection.connect_ssl)

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Read up to `len` bytes, into a buffer if there is one."""
        if buffer is None:
            return self._unless_closed(self._call("read", self._connection.read, len), len)
        view = memoryview(buffer).cast("B")
        size = min(len, view.nbytes) if len > 0 else view.nbytes
        return self._unless_closed(self._call("read", self._connection.recv_into, view, size), size)

    def _unless_closed(self, result: Any, size: int) -> Any:
        """Return what was read.

        Raises:
            ssl.SSLZeroReturnError: nothing was, and both sides have sent close_notify.
        """
        if not result and size and self._connection.get_shutdown() & m2.SSL_SENT_SHUTDOWN:
            raise ssl.SSLZeroReturnError(
                ssl.SSL_ERROR_ZERO_RETURN, "TLS/SSL connection has been closed (EOF)"
            )
        return result

    def write(self, data: Any) -> int:
        """Write bytes, and return how many."""
        if not memoryview(data).nbytes:
            return 0
        count: int = self._call("write", self._connection.write, data)
        return count

    def pending(self) -> int:
        """Return the number of bytes that can be read at once."""
        return self._connection.pending()

    def shutdown(self) -> Any:
        """Send close_notify, wait for that of the peer, and return the socket below."""
        self._call("shutdown", self._connection.unwrap)
        return None

    def verify_client_post_handshake(self) -> None:
        """Request the certificate of a TLS 1.3 client (RFC 8446, section 4.6.2)."""
        self._call("request", self._connection.verify_client_post_handshake)

    def uses_ktls_for_send(self) -> bool:
        """Return whether the kernel encrypts what is written (BIO_get_ktls_send(3))."""
        return bool(m2.ssl_uses_ktls(self._connection.ssl))

    # ---- what was negotiated -------------------------------------------------------------------

    @property
    def context(self) -> SSLContext:
        """The context."""
        return self._context

    @context.setter
    def context(self, context: SSLContext) -> None:
        # One of the standard library that was created before the replacement has no context below.
        if not isinstance(getattr(context, "context", None), Context):
            raise TypeError("The value must be a SSLContext of M2Crypto")
        # A callback for the server name sets it, and the handshake takes what this returns.
        if getattr(_operating, "object", None) is not self:
            self._connection.set_context(context.context)
        self._context = context

    @property
    def owner(self) -> Any:
        """The socket or object of the standard library."""
        return None if self._owner is None else self._owner()

    @property
    def session(self) -> SSLSession | None:
        """The session."""
        session = self._connection.get_session() if self._is_connected else None
        return None if session is None else SSLSession(session, self._connection.ctx)

    @session.setter
    def session(self, session: SSLSession) -> None:
        if not isinstance(session, SSLSession):
            raise TypeError("Value is not a SSLSession.")
        if session._context is not self._connection.ctx:
            raise ValueError("Session refers to a different SSLContext.")
        if self.server_side:
            raise ValueError("Cannot set session for server-side SSLSocket.")
        if self._is_connected:
            raise ValueError("Cannot set session after handshake.")
        self._connection.set_session(session)

    @property
    def session_reused(self) -> bool:
        """Whether the session was resumed."""
        return self._connection.session_reused()

    def getpeercert(self, binary_form: bool = False) -> Any:
        """Return the peer's certificate: in DER, or as a dict that is empty without verification.

        Raises:
            ValueError: the handshake is not complete.
        """
        if not self._is_connected:
            raise ValueError("handshake not done yet")
        certificate = self._connection.get_peer_cert()
        if certificate is None:
            return None
        if binary_form:
            return certificate.as_der()
        if not self._connection.get_verify_mode() & m2.SSL_VERIFY_PEER:
            return {}
        return _decoded.certificate(certificate)

    def get_verified_chain(self) -> list[_Certificate]:
        """Return the path from the peer's certificate to a trust anchor."""
        return [_Certificate(each) for each in self._connection.get_verified_chain() or ()]

    def get_unverified_chain(self) -> list[_Certificate]:
        """Return the certificates that the peer sent."""
        chain = list(self._connection.get_peer_cert_chain() or ())
        peer = self._connection.get_peer_cert()
        if self.server_side and peer is not None:
            chain.insert(0, peer)
        return [_Certificate(each) for each in chain]

    def version(self) -> str | None:
        """Return the protocol version, such as TLSv1.3; None before the handshake."""
        return self._connection.get_version() if self._is_connected else None

    def cipher(self) -> tuple[str, str, int] | None:
        """Return name, protocol version and secret bits of the cipher."""
        cipher = self._connection.get_cipher()
        return None if cipher is None else (cipher.name(), cipher.version(), len(cipher))

    def shared_ciphers(self) -> list[tuple[str, str, int]] | None:
        """Return the ciphers that a server has in common with the client; None for a client."""
        if not self.server_side or not self._is_connected:
            return None
        offered = {each.name() for each in self._connection.get_client_ciphers()}
        return [
            (each.name(), each.version(), len(each))
            for each in self._connection.get_ciphers()
            if each.name() in offered
        ]

    def compression(self) -> None:
        """Return that there is no compression."""

    def selected_alpn_protocol(self) -> str | None:
        """Return the application protocol (RFC 7301)."""
        return self._connection.selected_alpn_protocol()

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """Return the channel binding data (RFC 5929, RFC 9266)."""
        return self._connection.get_channel_binding(cb_type)

    def group(self) -> str | None:
        """Return the group of the key exchange."""
        return self._connection.get_group()

    def client_sigalg(self) -> str | None:
        """Return the algorithm of the client's signature, None without one.

        Raises:
            NotImplementedError: OpenSSL before 3.5 does not name it.
        """
        return self._signature_name("client_sigalg", of_peer=self.server_side)

    def server_sigalg(self) -> str | None:
        """Return the algorithm of the server's signature; see `client_sigalg`."""
        return self._signature_name("server_sigalg", of_peer=not self.server_side)

    def _signature_name(self, method: str, of_peer: bool) -> str | None:
        if not NAMES_ALGORITHMS:
            raise NotImplementedError(f"{method} requires OpenSSL 3.5 or later")
        get = Connection.get_peer_signature_name if of_peer else Connection.get_signature_name
        return get(self._connection)


class SocketObject(SSLObject):
    """The object below an `ssl.SSLSocket`."""

    def __init__(
        self,
        context: SSLContext,
        sock: socket.socket,
        server_side: bool,
        server_hostname: str | None,
        session: SSLSession | None,
    ) -> None:
        self._socket = weakref.ref(sock)
        connection = Connection(context.context, _Borrowed(sock))  # type: ignore[arg-type]
        # Programs select the socket without a look at what was read ahead.
        connection.set_read_ahead(False)
        super().__init__(context, connection, server_side, server_hostname, sock, session)

    def _call(self, what: str, operation: Callable[..., Any], *arguments: Any) -> Any:
        sock = self._socket()
        if sock is None:
            raise ssl.SSLError("Underlying socket connection gone")
        timeout = sock.gettimeout()
        if timeout != self._connection.gettimeout():
            self._connection.settimeout(timeout)
        return super()._call(what, operation, *arguments)

    def shutdown(self) -> Any:
        """Send close_notify, wait for that of the peer, and return the socket."""
        super().shutdown()
        sock = self._socket()
        if sock is not None:
            # Where OpenSSL requires it, the descriptor is in non-blocking mode (src/ssl_socket.h).
            sock.settimeout(sock.gettimeout())
        return sock


class _Borrowed:
    """The socket of an `ssl.SSLSocket` as its `Connection` sees it, which does not own it."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = weakref.ref(sock)

    def fileno(self) -> int:
        sock = self._socket()
        return -1 if sock is None else sock.fileno()

    def gettimeout(self) -> float | None:
        sock = self._socket()
        return None if sock is None else sock.gettimeout()

    def settimeout(self, timeout: float | None) -> None:
        """Do nothing: the timeout is that of the `ssl.SSLSocket`."""

    def shutdown(self, how: int) -> None:
        sock = self._socket()
        if sock is not None:
            socket.socket.shutdown(sock, how)

    def recv(self, size: int) -> bytes:
        """Return nothing, because `close` closes nothing."""
        return b""

    def close(self) -> None:
        """Do nothing: the program closes its socket."""


class MemoryObject(SSLObject):
    """The object below an `ssl.SSLObject`, between two `ssl.MemoryBIO`."""

    def __init__(
        self,
        context: SSLContext,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool,
        server_hostname: str | None,
        owner: Any,
        session: SSLSession | None,
    ) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        reads, writes = BIO.MemoryBuffer(), BIO.MemoryBuffer()
        self._reads, self._writes = reads.bio_ptr(), writes.bio_ptr()
        connection = Connection(context.context, _Nothing())  # type: ignore[arg-type]
        connection.set_bio(reads, writes)
        super().__init__(context, connection, server_side, server_hostname, owner, session)

    def _call(self, what: str, operation: Callable[..., Any], *arguments: Any) -> Any:
        # Without the methods of the BIOs, of which a round trip would make a dozen calls.
        if self._incoming.pending:
            m2.bio_write(self._reads, self._incoming.read())
        if self._incoming.eof:
            m2.bio_set_mem_eof_return(self._reads, 0)
        try:
            return super()._call(what, operation, *arguments)
        finally:
            if length := m2.bio_ctrl_pending(self._writes):
                self._outgoing.write(m2.bio_read(self._writes, length))


class _Nothing:
    """The socket of a connection between memory BIOs."""

    def fileno(self) -> int:
        return -1

    def gettimeout(self) -> float:
        return 0.0

    def close(self) -> None:
        """Do nothing."""
