"""HTTPS connections of `http.client` over M2Crypto (RFC 9110, section 4.2.2)."""

from __future__ import annotations

import base64
import http.client
import re
import urllib.parse
from typing import TYPE_CHECKING, Any

from M2Crypto import SSL
from M2Crypto._network import client_context, handshake

if TYPE_CHECKING:
    from collections.abc import Mapping

    from M2Crypto.SSL.Session import Session

__all__ = ["HTTPS_PORT", "HTTPSConnection", "ProxyHTTPSConnection"]

HTTPS_PORT = http.client.HTTPS_PORT
# What http.client.HTTPConnection takes besides the host and the port.
_HTTP = ("timeout", "source_address", "blocksize")
# What would end the target of a CONNECT, or its line.
_NOT_IN_HOST = re.compile(r"[\x00-\x20\x7f]")
# The status, as many fields as http.client takes, and the empty line.
_LINES = 102
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PROXY_AUTHORIZATION = "Proxy-Authorization"


class _ProxyResponse(http.client.HTTPResponse):
    """The response to a CONNECT, of whose header Python before 3.12 reads lines without end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fp: Any = _Lines(self.fp)


class _Lines:
    """A file of which no more lines can be read than a header has."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = _LINES

    def readline(self, size: int = -1) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise http.client.HTTPException(f"the proxy sent more than {_LINES} lines")
        line: bytes = self._file.readline(size)
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class HTTPSConnection(http.client.HTTPConnection):
    """An HTTP connection over TLS."""

    default_port = HTTPS_PORT
    sock: Any

    def __init__(
        self,
        host: str,
        port: int | None = None,
        strict: object = None,
        ssl_conn_cls: type[SSL.Connection] = SSL.Connection,
        **ssl: Any,
    ) -> None:
        """Create a connection, which the first request or `connect` establishes.

        Args:
            host: the host name or IP address, which may end with a port.
            port: the port; None for 443.
            strict: ignored.
            ssl_conn_cls: the class of the TLS connection.
            ssl: `ssl_context`, by default one that trusts the system's trust store, or
                `key_file` and `cert_file` for the default context; `timeout`, `source_address` and
                `blocksize` as in `http.client.HTTPConnection`. The timeout limits each of
                connecting, the handshake, reading and writing.

        Raises:
            TypeError: another keyword was given.
            SSLError: there is no trust store, or a file cannot be loaded.
        """
        options = {name: ssl.pop(name) for name in _HTTP if name in ssl}
        context = ssl.pop("ssl_context", None)
        key_file, cert_file = ssl.pop("key_file", None), ssl.pop("cert_file", None)
        if ssl:
            raise TypeError(f"HTTPSConnection has no argument {next(iter(ssl))!r}")
        super().__init__(host, port, **options)
        self.ssl_ctx = client_context(context, cert_file, key_file)
        self.ssl_conn_cls = ssl_conn_cls
        self._session: Session | None = None

    def connect(self) -> None:
        """Connect to the host, through the tunnel of `set_tunnel` if there is one, with TLS.

        Raises:
            SSLError: the handshake failed.
            SSLTimeoutError: the handshake timed out.
            SSLVerificationError: the certificate does not match the host.
            OSError: the connection could not be established.
        """
        ours, self.response_class = self.response_class, _ProxyResponse
        try:
            super().connect()
            host = getattr(self, "_tunnel_host", None) or self.host
            self.sock = handshake(self.ssl_conn_cls, self.ssl_ctx, self.sock, host, self._session)
        except BaseException:
            # A request after this one would be sent without TLS.
            self.close()
            raise
        finally:
            self.response_class = ours

    def set_tunnel(
        self, host: str, port: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Set the host to connect to through a proxy; see `http.client.HTTPConnection`.

        Raises:
            ValueError: the host or a header has a character that a request must not have.
        """
        # The standard library checks neither, or only in its latest versions.
        if _NOT_IN_HOST.search(host):
            raise ValueError(f"{host!r} is not a host: it has a space or control character")
        for name, value in (headers or {}).items():
            _check_header(str(name), str(value))
        super().set_tunnel(host, port, dict(headers or {}))

    def close(self) -> None:
        """Close the connection, and keep its session for the next one."""
        self._session = self.get_session()
        super().close()

    def get_session(self) -> Session | None:
        """Return the session of the connection, or of the last one; None if there is none."""
        sock = self.sock
        current = sock.get_session() if isinstance(sock, SSL.Connection) else None
        return self._session if current is None else current

    def set_session(self, session: Session) -> None:
        """Set the session that the next `connect` resumes."""
        self._session = session


class ProxyHTTPSConnection(HTTPSConnection):
    """An HTTPS connection through an HTTP proxy by CONNECT (RFC 9110, section 9.3.6).

    The URL of a request is absolute, and names the host that the proxy connects to.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        strict: object = None,
        username: str | None = None,
        password: str | None = None,
        **ssl: Any,
    ) -> None:
        """Create a connection, which the first request establishes.

        Args:
            host: the proxy's host.
            port: the proxy's port; None for 80.
            strict: ignored.
            username: the user of the proxy's Basic authentication (RFC 7617); None for none.
            password: the password.
            ssl: see `HTTPSConnection`.

        Raises:
            ValueError: the user has a colon, or the user or password a control character.
        """
        super().__init__(host, port, strict, **ssl)
        if port is None and self.port == HTTPS_PORT and not _has_port(host):
            self.port = http.client.HTTP_PORT
        self._target: tuple[str, int] | None = None
        self._proxy_headers: dict[str, str] = {}
        if username is not None:
            if ":" in username or not (username + (password or "")).isprintable():
                raise ValueError("a colon in the user, or a control character in the credentials")
            credentials = f"{username}:{password or ''}".encode()
            token = base64.b64encode(credentials).decode("ascii")
            self._proxy_headers[_PROXY_AUTHORIZATION] = f"Basic {token}"

    def putrequest(
        self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False
    ) -> None:
        """Begin a request with an absolute URL.

        Raises:
            ValueError: the URL is not an absolute https URL.
        """
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError(f"{url!r} is not an absolute https URL")
        target = (parts.hostname, parts.port or HTTPS_PORT)
        if self.sock is not None and target != self._target:
            self.close()
        if target != self._target:
            # A session is resumed with the host that it was created with.
            self._session = None
        self._target = target
        self._set_tunnel()
        path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        super().putrequest(method, path, skip_host, skip_accept_encoding)

    def putheader(self, header: str | bytes, *values: Any) -> None:
        """Add a header to the request; Proxy-Authorization is sent to the proxy alone."""
        name = header.decode("latin-1") if isinstance(header, bytes) else header
        if name.lower() != _PROXY_AUTHORIZATION.lower():
            super().putheader(header, *values)
            return
        texts = [value.decode("latin-1") if isinstance(value, bytes) else str(value)
                 for value in values]  # fmt: skip
        _check_header(name, " ".join(texts))
        self._proxy_headers[_PROXY_AUTHORIZATION] = " ".join(texts)

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        """Send the request, after connecting if necessary."""
        self._set_tunnel()
        super().endheaders(*args, **kwargs)

    def connect(self) -> None:
        """Connect to the proxy, and through it to the host of the request.

        Raises:
            ValueError: there is no request yet.
            OSError: the proxy refused (its status is in the message); see `HTTPSConnection`.
        """
        if self._target is None:
            raise ValueError("the host is unknown before putrequest")
        super().connect()

    def _set_tunnel(self) -> None:
        if self.sock is None and self._target is not None:
            self.set_tunnel(*self._target, headers=dict(self._proxy_headers))


def _check_header(name: str, value: str) -> None:
    """Raise ValueError if a header would end its line, or its name early (RFC 9110, section 5)."""
    if not _FIELD_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a header")
    if any(c in value for c in "\r\n\0"):
        raise ValueError(f"a value of {name} has a line break or NUL")


def _has_port(host: str) -> bool:
    return host.rpartition("]")[2].rpartition(":")[2].isdecimal() and ":" in host.rpartition("]")[2]
