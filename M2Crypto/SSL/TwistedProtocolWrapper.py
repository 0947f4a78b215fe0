"""TLS for Twisted: functions like those of its reactors, and the protocol wrapper behind them.

A context factory has a method `getContext` that returns a `Context`. The connection's `Connection`
uses memory BIOs, and the wrapper moves their content to and from Twisted's transport. The wrapped
protocol's `connectionMade` is called before the handshake; what it writes is sent afterwards. Its
`connectionLost` receives the SSLError if TLS failed or the peer sent no close_notify.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from twisted.internet.error import ConnectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

from M2Crypto import BIO
from M2Crypto._network import name_server
from M2Crypto.SSL.Checker import Checker
from M2Crypto.SSL.Connection import Connection
from M2Crypto.SSL.SSLError import SSLError, SSLTimeoutError

if TYPE_CHECKING:
    from M2Crypto.SSL.Context import Context

__all__ = ["TLSProtocolWrapper", "connectSSL", "connectTCP", "listenSSL", "listenTCP"]

PostConnectionCheck = Callable[..., Any]

# The maximum length of a record (RFC 8446, section 5.1).
_RECORD = 16384
# The default timeout of a handshake in seconds, as that of connecting.
_TIMEOUT = 30.0


def _alwaysSucceedsPostConnectionCheck(peerX509: object, expectedHost: object) -> int:
    return 1


def connectSSL(
    host: str,
    port: int,
    factory: Any,
    contextFactory: Any,
    timeout: float = _TIMEOUT,
    bindAddress: tuple[str, int] | None = None,
    reactor: Any = None,
    postConnectionCheck: PostConnectionCheck | None = Checker(),  # noqa: B008  (it has no state)
) -> Any:
    """Connect to a TLS server (`IReactorSSL.connectSSL`).

    Args:
        host: the host name or IP address, which is also the reference identity.
        port: the port.
        factory: the factory of the client's protocol.
        contextFactory: the context factory.
        timeout: the seconds for each of connecting and the handshake.
        bindAddress: the local address; None for any.
        reactor: the reactor; None for the installed one.
        postConnectionCheck: called as check(certificate, host) after the handshake.

    Returns:
        The connector.
    """
    wrapping = _wrapping(factory, 0, 1, contextFactory, postConnectionCheck, host, timeout)
    return _reactor(reactor).connectTCP(host, port, wrapping, timeout, bindAddress)


def connectTCP(
    host: str,
    port: int,
    factory: Any,
    timeout: float = _TIMEOUT,
    bindAddress: tuple[str, int] | None = None,
    reactor: Any = None,
    postConnectionCheck: PostConnectionCheck | None = Checker(),  # noqa: B008
) -> Any:
    """Connect to a server without TLS, which the protocol can begin by `transport.startTLS(ctx)`.

    See `connectSSL` for the arguments.
    """
    wrapping = _wrapping(factory, 1, 1, None, postConnectionCheck, host, timeout)
    return _reactor(reactor).connectTCP(host, port, wrapping, timeout, bindAddress)


def listenSSL(
    port: int,
    factory: Any,
    contextFactory: Any,
    backlog: int = 5,
    interface: str = "",
    reactor: Any = None,
    postConnectionCheck: PostConnectionCheck | None = _alwaysSucceedsPostConnectionCheck,
) -> Any:
    """Listen for TLS clients (`IReactorSSL.listenSSL`), and return the listening port."""
    wrapping = _wrapping(factory, 0, 0, contextFactory, postConnectionCheck)
    return _reactor(reactor).listenTCP(port, wrapping, backlog, interface)


def listenTCP(
    port: int,
    factory: Any,
    backlog: int = 5,
    interface: str = "",
    reactor: Any = None,
    postConnectionCheck: PostConnectionCheck | None = None,
) -> Any:
    """Listen for clients without TLS, which the protocol can begin by `transport.startTLS(ctx)`."""
    wrapping = _wrapping(factory, 1, 0, None, postConnectionCheck)
    return _reactor(reactor).listenTCP(port, wrapping, backlog, interface)


def _reactor(reactor: Any) -> Any:
    if reactor is not None:
        return reactor
    # Importing it installs the default reactor.
    from twisted.internet import reactor as installed

    return installed


def _wrapping(factory: Any, *arguments: Any) -> Any:
    """Return a factory that wraps the protocols of another one."""

    def wrap(wrapping: Any, protocol: Any) -> TLSProtocolWrapper:
        return TLSProtocolWrapper(wrapping, protocol, *arguments)

    made = WrappingFactory(factory)
    made.protocol = wrap
    return made


class TLSProtocolWrapper(ProtocolWrapper):
    """A protocol between Twisted's transport and another protocol, whose transport it is.

    Attributes:
        tls: the `Connection`; None without TLS.
    """

    def __init__(
        self,
        factory: Any,
        wrappedProtocol: Any,
        startPassThrough: int,
        client: int,
        contextFactory: Any,
        postConnectionCheck: PostConnectionCheck | None,
        host: str | None = None,
        timeout: float | None = _TIMEOUT,
    ) -> None:
        """Create a wrapper.

        Args:
            factory: the `WrappingFactory`.
            wrappedProtocol: the protocol.
            startPassThrough: whether to begin without TLS.
            client: whether TLS begins in the client role.
            contextFactory: the context factory; None if TLS is begun by `startTLS` alone.
            postConnectionCheck: called as check(certificate, host) after the handshake; None for
                none.
            host: the reference identity of a server; None for the peer's address.
            timeout: the seconds for the handshake; None for no limit.
        """
        ProtocolWrapper.__init__(self, factory, wrappedProtocol)
        self.disconnecting = 0
        self.passThrough = startPassThrough
        self.isClient = client
        self.contextFactory = contextFactory
        self.postConnectionCheck = postConnectionCheck
        self.host = host
        self.timeout = timeout
        self._timer: Any = None
        self._failure: Exception | None = None
        self.clear()

    def clear(self) -> None:
        """Discard the TLS connection, and what was not sent yet; data pass through afterwards."""
        self._stop_timer()
        self.tls: Connection | None = None
        self._input, self._output = BIO.MemoryBuffer(), BIO.MemoryBuffer()
        self._pending: list[bytes] = []
        self._is_open = False
        self._is_ended = False

    def startTLS(self, ctx: Context) -> None:
        """Begin TLS with a context.

        Raises:
            SSLError: it has begun already.
        """
        if self.tls is not None:
            raise SSLError("TLS has begun already")
        tls = Connection(ctx)
        # The transport has the socket.
        tls.socket.close()
        tls.set_bio(self._input, self._output)
        tls.set_post_connection_check_callback(self.postConnectionCheck)
        if self.isClient:
            host = self.host or self.transport.getPeer().host
            tls.setup_addr((host, None))
            name_server(tls, host)
        self.tls = tls
        self.passThrough = 0
        self._start_timer()
        self._advance()

    # ---- what the wrapped protocol calls -------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send data, after the handshake if there is TLS."""
        if self.tls is None:
            ProtocolWrapper.write(self, data)
            return
        if self.disconnecting or self._is_ended or not data:
            return
        self._pending.append(data)
        if self._is_open:
            self._encrypt()

    def writeSequence(self, data: Any) -> None:
        """Send the concatenation of data."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close the connection, after the data written so far and close_notify."""
        if self.tls is None:
            ProtocolWrapper.loseConnection(self)
            return
        if self.disconnecting:
            return
        self.disconnecting = 1
        # Data that wait for the handshake are sent first.
        if self._is_open or not self._pending:
            self._close()

    # ---- what the transport calls --------------------------------------------------------------

    def connectionMade(self) -> None:
        """Begin TLS, unless data pass through; the wrapped protocol is connected afterwards."""
        if not self.passThrough:
            self.startTLS(self.contextFactory.getContext())
        ProtocolWrapper.connectionMade(self)

    def dataReceived(self, data: bytes) -> None:
        """Pass data, or what they decrypt to, to the wrapped protocol."""
        if self.tls is None:
            ProtocolWrapper.dataReceived(self, data)
        elif not self._is_ended:
            self._input.write(data)
            self._advance()

    def connectionLost(self, reason: Any = None) -> None:
        """Pass the reason to the wrapped protocol, which is an SSLError if TLS failed."""
        self._stop_timer()
        reason = reason or Failure(ConnectionDone())
        if self._failure is not None:
            reason = Failure(self._failure)
        elif self.tls is not None and not self._is_ended and reason.check(ConnectionDone):
            # The data may have been truncated (RFC 8446, section 6.1).
            reason = Failure(SSLError("unexpected eof while reading"))
        self._is_ended = True
        ProtocolWrapper.connectionLost(self, reason)

    # ---- TLS -----------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Continue the handshake, and then decrypt what was received."""
        if self._is_open or self._shake_hands():
            self._decrypt()

    def _shake_hands(self) -> bool:
        """Return whether the handshake is complete, and its post-connection check successful."""
        tls = self.tls
        assert tls is not None  # noqa: S101
        try:
            done = tls.connect_ssl() if self.isClient else tls.accept_ssl()
        except Exception as error:
            # The check can raise anything.
            self._fail(error)
            return False
        self._flush()
        if done < 0:
            return False
        self._stop_timer()
        self._is_open = True
        self._encrypt()
        if self.disconnecting:
            self._close()
        return True

    def _decrypt(self) -> None:
        while (tls := self.tls) is not None and not self._is_ended:
            try:
                data = tls.read(_RECORD)
            except SSLError as error:
                self._fail(error)
                return
            # A key update is answered (RFC 8446, section 4.6.3).
            self._flush()
            if data is None:
                return
            if not data:
                self._close()
                return
            self.wrappedProtocol.dataReceived(data)

    def _encrypt(self) -> None:
        pending, self._pending = self._pending, []
        try:
            if self.tls is not None and pending:
                self.tls.write(b"".join(pending))
        except SSLError as error:
            self._fail(error)
            return
        self._flush()

    def _flush(self) -> None:
        if len(self._output):
            self.transport.write(self._output.read())

    def _close(self) -> None:
        """Send close_notify, and close the transport."""
        self._is_ended = True
        if self.tls is not None:
            self.tls.close()
        self._flush()
        self.transport.loseConnection()

    def _fail(self, error: Exception) -> None:
        """Send the alert, and close the transport; `connectionLost` reports the error."""
        if self._failure is None:
            self._failure = error
        self._close()

    def _start_timer(self) -> None:
        if self.timeout is not None and not self._is_ended:
            clock = getattr(self.transport, "reactor", None) or _reactor(None)
            self._timer = clock.callLater(self.timeout, self._time_out)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _time_out(self) -> None:
        self._fail(SSLTimeoutError("timed out"))
        # A peer that does not read would keep the transport open.
        self.transport.abortConnection()
