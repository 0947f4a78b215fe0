"""The contexts of the standard library's module ssl, over M2Crypto.

An `SSLContext` is accepted wherever an `ssl.SSLContext` is: by `http.client`, `urllib`, `smtplib`,
asyncio and others. It creates objects of `ssl.SSLSocket` and `ssl.SSLObject`, which raise the
exceptions of ssl and behave as its documentation says. The TLS below them is that of a `Context`,
so what that one can is in effect: revocation, keys on tokens, a check of one's own.

    context = SSLContext()
    context.load_default_certs()
    urllib.request.urlopen("https://localhost/", context=context)

    asyncio.open_connection("localhost", 4433, ssl=context)

Differences from an `ssl.SSLContext`:

- Host names are never compared with the common name (RFC 9525).
- The defaults of the protocol versions, ciphers and options are those of `Context`.
- A server refuses a client that offers other application protocols only (RFC 7301, section 3.2).
- The channel binding tls-unique is None in TLS 1.3, which does not define it (RFC 8446, C.5).
- An exception of a callback propagates to the caller of the operation.
- There is no `_msg_callback`.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NoReturn, Union

from M2Crypto import X509, m2
from M2Crypto._copies import Unique
from M2Crypto._errors import M2CryptoError
from M2Crypto.SSL import _decoded
from M2Crypto.SSL._sslobject import (
    NAMES_ALGORITHMS,
    MemoryObject,
    SocketObject,
    current_object,
    translated,
)
from M2Crypto.SSL.Context import Context
from M2Crypto.SSL.SSLError import SSLError

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from M2Crypto.SSL._psk import ClientCallback, ServerCallback
    from M2Crypto.SSL._sslobject import SSLSession

__all__ = ["SSLContext"]

StrPath = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
Password = Union[str, bytes, bytearray, Callable[[], Union[str, bytes, bytearray]], None]

# That of the standard library, also if another package has put a class of its own in its place,
# such as truststore.inject_into_ssl, and the class in C below it.
if TYPE_CHECKING:
    _Original = ssl.SSLContext
else:
    _Original = next(each for each in ssl.SSLContext.__mro__ if each.__module__ == "ssl")
_BELOW: Any = _Original.__mro__[1]
# The properties in which `_adopt` looks for changes, in the order in which they can be set.
_ADOPTED = (
    "check_hostname", "verify_mode", "verify_flags", "minimum_version", "maximum_version", "options"
)  # fmt: skip
_MODES = {
    ssl.CERT_NONE: m2.SSL_VERIFY_NONE,
    ssl.CERT_OPTIONAL: m2.SSL_VERIFY_PEER,
    ssl.CERT_REQUIRED: m2.SSL_VERIFY_PEER | m2.SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
}
_ONE_VERSION = {
    ssl.PROTOCOL_TLSv1: "tlsv1",
    ssl.PROTOCOL_TLSv1_1: "tlsv1_1",
    ssl.PROTOCOL_TLSv1_2: "tlsv1_2",
}
_STATISTICS = {
    "number": m2.SSL_CTRL_SESS_NUMBER,
    "connect": m2.SSL_CTRL_SESS_CONNECT,
    "connect_good": m2.SSL_CTRL_SESS_CONNECT_GOOD,
    "connect_renegotiate": m2.SSL_CTRL_SESS_CONNECT_RENEGOTIATE,
    "accept": m2.SSL_CTRL_SESS_ACCEPT,
    "accept_good": m2.SSL_CTRL_SESS_ACCEPT_GOOD,
    "accept_renegotiate": m2.SSL_CTRL_SESS_ACCEPT_RENEGOTIATE,
    "hits": m2.SSL_CTRL_SESS_HIT,
    "misses": m2.SSL_CTRL_SESS_MISSES,
    "timeouts": m2.SSL_CTRL_SESS_TIMEOUTS,
    "cache_full": m2.SSL_CTRL_SESS_CACHE_FULL,
}
# CPython's limit of a passphrase.
_LONGEST_PASSWORD = 1024
_BEGIN = b"-----BEGIN "
_CERTIFICATES = (b"CERTIFICATE-----", b"X509 CERTIFICATE-----", b"TRUSTED CERTIFICATE-----")


class SSLContext(Unique, _Original):
    """An `ssl.SSLContext` over a `Context`, which is the attribute `context`."""

    def __new__(cls, protocol: int | None = None, context: Context | None = None) -> SSLContext:
        """Create the context of the standard library, which is below and not used."""
        made: SSLContext = _BELOW.__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        return made

    def __init__(self, protocol: int | None = None, context: Context | None = None) -> None:
        """Create a context.

        Args:
            protocol: a protocol of ssl, by default `ssl.PROTOCOL_TLS_CLIENT`.
            context: the context below, by default a new one.

        Raises:
            ValueError: the protocol is unknown.
        """
        self._protocol = _protocol(ssl.PROTOCOL_TLS_CLIENT if protocol is None else protocol)
        self.context = _context(self._protocol, context)
        is_client = self._protocol == ssl.PROTOCOL_TLS_CLIENT
        self._mode = ssl.CERT_REQUIRED if is_client else ssl.CERT_NONE
        self._checks_host: bool = is_client
        # OpenSSL's default.
        self._flags = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
        self._sni_callback: Callable[..., int | None] | None = None
        self._keylog_filename: StrPath | None = None
        self._post_handshake_auth = False
        self._below = self._values_below()
        self._set_mode()

    # ---- what connections are made of ----------------------------------------------------------

    def _wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: Any = None,
        session: SSLSession | None = None,
    ) -> SocketObject:
        self._check_role(server_side)
        return SocketObject(self, sock, bool(server_side), server_hostname, session)

    def _wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | None = None,
        *,
        owner: Any = None,
        session: SSLSession | None = None,
    ) -> MemoryObject:
        self._check_role(server_side)
        return MemoryObject(
            self, incoming, outgoing, bool(server_side), server_hostname, owner, session
        )

    def _check_role(self, server_side: bool) -> None:
        self._adopt()
        wrong = ssl.PROTOCOL_TLS_CLIENT if server_side else ssl.PROTOCOL_TLS_SERVER
        if self._protocol == wrong:
            role = "server" if server_side else "client"
            raise ssl.SSLError(f"Cannot create a {role} socket with a {wrong.name} context")

    # ---- verification --------------------------------------------------------------------------

    def _set_mode(self) -> None:
        mode = _MODES[self._mode]
        if self._post_handshake_auth and mode:
            # A server asks for the certificate later.
            mode |= m2.SSL_VERIFY_POST_HANDSHAKE
        self.context.set_verify_mode(mode)
        # In an order without a moment at which the class in C verifies less than before and after.
        if not self._checks_host:
            _BELOW.check_hostname.__set__(self, False)
        _BELOW.verify_mode.__set__(self, self._mode)
        if self._checks_host:
            _BELOW.check_hostname.__set__(self, True)
        self._below.update(check_hostname=self._checks_host, verify_mode=self._mode)

    def _values_below(self) -> dict[str, int]:
        return {name: getattr(_BELOW, name).__get__(self) for name in _ADOPTED}

    def _adopt(self) -> None:
        """Apply what code such as truststore set by the properties of the class in C.

        Its contexts derive from `ssl.SSLContext` and have another one as an attribute, for which
        they call those properties.
        """
        values, before = self._values_below(), dict(self._below)
        if values == before:
            return
        self._below.update(values)
        for name in _ADOPTED:
            value, old = values[name], before[name]
            if name == "options":
                # The defaults differ from those of the standard library.
                self.options |= value & ~old
                self.options &= ~(old & ~value)
            elif value != old:
                setattr(self, name, value)

    @property
    def verify_mode(self) -> ssl.VerifyMode:
        """Whether the peer must have a certificate, and a valid one.

        Setting it raises ValueError for CERT_NONE while `check_hostname` is true.
        """
        self._adopt()
        return self._mode

    @verify_mode.setter
    def verify_mode(self, value: int) -> None:
        if not isinstance(value, int):
            raise TypeError(f"verify_mode is an integer, not {type(value).__name__}")
        try:
            mode = ssl.VerifyMode(value)
        except ValueError:
            raise ValueError("invalid value for verify_mode") from None
        if mode == ssl.CERT_NONE and self._checks_host:
            raise ValueError("Cannot set verify_mode to CERT_NONE when check_hostname is enabled.")
        self._mode = mode
        self._set_mode()

    @property
    def check_hostname(self) -> bool:
        """Whether a client compares the host name; setting it requires a certificate, too."""
        self._adopt()
        return self._checks_host

    @check_hostname.setter
    def check_hostname(self, value: bool) -> None:
        if value and self._mode == ssl.CERT_NONE:
            self._mode = ssl.CERT_REQUIRED
        self._checks_host = bool(value)
        self._set_mode()

    @property
    def hostname_checks_common_name(self) -> bool:
        """False, because host names are not compared with the common name."""
        return False

    @hostname_checks_common_name.setter
    def hostname_checks_common_name(self, value: bool) -> None:
        if value:
            raise ValueError("M2Crypto does not compare host names with the common name (RFC 9525)")

    @property
    def verify_flags(self) -> ssl.VerifyFlags:
        """The flags of certificate verification (X509_VERIFY_PARAM_set_flags(3))."""
        return self._flags

    @verify_flags.setter
    def verify_flags(self, value: int) -> None:
        store = self.context.get_cert_store()
        store.clear_flags(int(self._flags))
        store.set_flags(int(value))
        self._flags = ssl.VerifyFlags(value)

    def load_verify_locations(  # type: ignore[override]
        self,
        cafile: StrPath | None = None,
        capath: StrPath | None = None,
        cadata: str | bytes | bytearray | None = None,
    ) -> None:
        """Add trust anchors from a file, a directory, and PEM text or DER.

        Raises:
            TypeError: all arguments are None.
            FileNotFoundError: a path does not exist.
            ssl.SSLError: there is no certificate.
        """
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        _check_existing(cafile, capath)
        if cadata is not None:
            self._add_certificates(cadata)
        if cafile is not None or capath is not None:
            _translated(self.context.load_verify_locations, cafile, capath)

    def _add_certificates(self, data: str | bytes | bytearray) -> None:
        if not data:
            raise ValueError("Empty certificate data")
        if isinstance(data, str):
            try:
                data = data.encode("ascii")
            except UnicodeEncodeError:
                raise ValueError(
                    "cadata should be an ASCII string or a bytes-like object"
                ) from None
            certificates = _from_pem(data)
        else:
            certificates = _from_der(bytes(data))
        store = self.context.get_cert_store()
        for certificate in certificates:
            store.add_x509(certificate)

    def load_default_certs(self, purpose: Any = ssl.Purpose.SERVER_AUTH) -> None:
        """Trust the certificates of the system; see `Context.set_default_verify_paths`.

        As in the standard library it is no error that there are none, but then no certificate
        verifies.
        """
        if not isinstance(purpose, ssl._ASN1Object):
            raise TypeError(purpose)
        self.set_default_verify_paths()

    def set_default_verify_paths(self) -> None:
        """Trust the certificates of the system; see `load_default_certs`."""
        try:
            self.context.set_default_verify_paths()
        except SSLError as error:
            if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR"):
                raise translated(error) from error

    def get_ca_certs(self, binary_form: bool = False) -> list[Any]:
        """Return the CA certificates that are loaded: as DER, or as dicts (`getpeercert`)."""
        loaded = [each for each in self._trusted() if each.check_ca()]
        return [each.as_der() if binary_form else _decoded.certificate(each) for each in loaded]

    def cert_store_stats(self) -> dict[str, int]:
        """Return the numbers of certificates, CA certificates and CRLs that are loaded."""
        store = self.context.get_cert_store()
        certificates = self._trusted()
        return {
            "x509": len(certificates),
            "crl": len(store.get_crls()),
            "x509_ca": sum(1 for each in certificates if each.check_ca()),
        }

    def _trusted(self) -> list[X509.X509]:
        return list(self.context.get_cert_store().get_certificates())

    # ---- local certificate ---------------------------------------------------------------------

    def load_cert_chain(
        self,
        certfile: StrPath,
        keyfile: StrPath | None = None,
        password: Password = None,
    ) -> None:
        """Load the certificate, the CA certificates after it, and the private key.

        Args:
            certfile: a PEM file.
            keyfile: the PEM file of the key, by default `certfile`.
            password: the passphrase, or a function that returns it; None asks for it.

        Raises:
            FileNotFoundError: a file does not exist.
            ssl.SSLError: the key is not that of the certificate, or the passphrase is wrong.
        """
        _check_existing(certfile, keyfile)
        ask = {} if password is None else {"callback": _passphrase(password)}
        _translated(self.context.load_cert_chain, certfile, keyfile, **ask)

    # ---- protocol ------------------------------------------------------------------------------

    @property
    def protocol(self) -> Any:  # type: ignore[override]
        """The protocol of the constructor."""
        return self._protocol

    @property
    def minimum_version(self) -> ssl.TLSVersion:
        """The minimum protocol version."""
        number = self.context.get_min_proto_version()
        return ssl.TLSVersion(number) if number else ssl.TLSVersion.MINIMUM_SUPPORTED

    @minimum_version.setter
    def minimum_version(self, value: int) -> None:
        # SSLv3 includes all later versions.
        if value == ssl.TLSVersion.SSLv3:
            value = ssl.TLSVersion.MINIMUM_SUPPORTED
        self.context.set_min_proto_version(_version(value, ssl.TLSVersion.MINIMUM_SUPPORTED))

    @property
    def maximum_version(self) -> ssl.TLSVersion:
        """The maximum protocol version."""
        number = self.context.get_max_proto_version()
        return ssl.TLSVersion(number) if number else ssl.TLSVersion.MAXIMUM_SUPPORTED

    @maximum_version.setter
    def maximum_version(self, value: int) -> None:
        self.context.set_max_proto_version(_version(value, ssl.TLSVersion.MAXIMUM_SUPPORTED))

    @property
    def options(self) -> ssl.Options:
        """The options (SSL_CTX_set_options(3))."""
        return ssl.Options(m2.ssl_ctx_get_options(self.context.ctx))

    @options.setter
    def options(self, value: int) -> None:
        now = m2.ssl_ctx_get_options(self.context.ctx)
        m2.ssl_ctx_clear_options(self.context.ctx, now & ~value)
        m2.ssl_ctx_set_options(self.context.ctx, value & ~now)

    @property
    def security_level(self) -> int:  # type: ignore[override]
        """The security level (SSL_CTX_get_security_level(3))."""
        return m2.ssl_ctx_get_security_level(self.context.ctx)

    def set_ciphers(self, ciphers: str) -> None:
        """Set the ciphers of TLS 1.2 and older (openssl-ciphers(1)).

        Raises:
            ssl.SSLError: the list selects none.
        """
        try:
            self.context.set_cipher_list(ciphers)
        except SSLError:
            raise ssl.SSLError("No cipher can be selected.") from None

    def get_ciphers(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the enabled ciphers in order of preference, as dicts."""
        return [_decoded.cipher(each) for each in self.context.get_ciphers()]

    def set_ciphersuites(self, ciphersuites: str) -> None:
        """Set the cipher suites of TLS 1.3 (SSL_CTX_set_ciphersuites(3)).

        Raises:
            ssl.SSLError: one is unknown.
        """
        _translated(m2.ssl_ctx_set_ciphersuites, self.context.ctx, ciphersuites)

    def set_groups(self, groups: str) -> None:
        """Set the groups of the key exchange; see `Context.set_groups`."""
        _translated(self.context.set_groups, groups)

    def get_groups(self, *, include_aliases: bool = False) -> list[str]:
        """Return the groups that the protocol versions allow; see `Context.get_groups`.

        Raises:
            NotImplementedError: OpenSSL before 3.5 does not list them.
        """
        if not NAMES_ALGORITHMS:
            raise NotImplementedError("get_groups requires OpenSSL 3.5 or later")
        return self.context.get_groups(include_aliases)

    def set_client_sigalgs(self, sigalgs: str) -> None:
        """Set the signature algorithms of clients (SSL_CTX_set1_client_sigalgs_list(3)).

        Raises:
            ssl.SSLError: one is unknown.
        """
        self._set_sigalgs(m2.ssl_ctx_set1_client_sigalgs_list, sigalgs)

    def set_server_sigalgs(self, sigalgs: str) -> None:
        """Set the signature algorithms of the server (SSL_CTX_set1_sigalgs_list(3)).

        Raises:
            ssl.SSLError: one is unknown.
        """
        self._set_sigalgs(m2.ssl_ctx_set1_sigalgs_list, sigalgs)

    def _set_sigalgs(self, function: Callable[[Any, str], int], sigalgs: str) -> None:
        try:
            function(self.context.ctx, sigalgs)
        except SSLError:
            raise ssl.SSLError("unrecognized signature algorithm") from None

    def set_ecdh_curve(self, name: str) -> None:
        """Set the one group of the key exchange."""
        if not isinstance(name, (str, bytes)):
            raise TypeError(f"the curve's name must be str or bytes, not {type(name).__name__}")
        try:
            self.context.set_groups(os.fsdecode(name))
        except SSLError:
            raise ValueError(f"unknown elliptic curve name {name!r}") from None

    # ---- application protocols and server names ------------------------------------------------

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Set the application protocols in order of preference (`Context.set_alpn_protocols`).

        A server without one in common with the client refuses it (RFC 7301, section 3.2), where the
        standard library continues without.
        """
        try:
            self.context.set_alpn_protocols(alpn_protocols)
        except ValueError:
            raise ssl.SSLError("ALPN protocols must be 1 to 255 in length") from None

    @property  # type: ignore[override]
    def sni_callback(self) -> Callable[[Any, str | None, SSLContext], int | None] | None:
        """The callback of a server, with the connection, the requested server name and the context.

        It returns None or the number of an alert, and can set the connection's `context`. An
        exception sends the alert handshake_failure, and propagates to the caller of the handshake.
        """
        return self._sni_callback

    @sni_callback.setter
    def sni_callback(self, callback: Callable[..., int | None] | None) -> None:
        if callback is not None and not callable(callback):
            raise TypeError("not a callable object")
        self._sni_callback = callback
        self.context.set_server_name_callback(None if callback is None else self._named)

    def _named(self, name: str | None, connection: object) -> Context | int | None:
        """Call the callback, and return the alert, or the context that it set on the connection."""
        callback = self._sni_callback
        below = current_object()
        try:
            alert = None if callback is None else callback(below.owner, name, self)
        except BaseException as error:
            below.raised = error
            return ssl.AlertDescription.ALERT_DESCRIPTION_HANDSHAKE_FAILURE
        return below.context.context if alert is None and below.context is not self else alert

    # ---- key log, tickets, post-handshake authentication ---------------------------------------

    @property  # type: ignore[override]
    def keylog_filename(self) -> StrPath | None:
        """The file to which secrets are appended (`Context.set_key_log_file`)."""
        return self._keylog_filename

    @keylog_filename.setter
    def keylog_filename(self, file: StrPath | None) -> None:
        self.context.set_key_log_file(file)
        self._keylog_filename = file

    @property
    def num_tickets(self) -> int:
        """The number of session tickets that a TLS 1.3 server sends; a client sends none."""
        return self.context.get_num_tickets()

    @num_tickets.setter
    def num_tickets(self, count: int) -> None:
        if count < 0:
            raise ValueError("value must be non-negative")
        if self._protocol != ssl.PROTOCOL_TLS_SERVER:
            raise ValueError("SSLContext is not a server context.")
        self.context.set_num_tickets(count)

    @property
    def post_handshake_auth(self) -> bool:
        """Whether a client offers post-handshake authentication, and a server can ask for it."""
        return self._post_handshake_auth

    @post_handshake_auth.setter
    def post_handshake_auth(self, on: bool) -> None:
        self._post_handshake_auth = bool(on)
        self.context.set_post_handshake_auth(self._post_handshake_auth)
        self._set_mode()

    # ---- pre-shared keys -----------------------------------------------------------------------

    def set_psk_client_callback(self, callback: ClientCallback | None) -> None:
        """Set what a client calls for a pre-shared key (`Context.set_psk_client_callback`)."""
        self._check_psk(ssl.PROTOCOL_TLS_SERVER, "client")
        _translated(self.context.set_psk_client_callback, callback)

    def set_psk_server_callback(
        self, callback: ServerCallback | None, identity_hint: str | None = None
    ) -> None:
        """Set what a server calls for a pre-shared key (`Context.set_psk_server_callback`)."""
        self._check_psk(ssl.PROTOCOL_TLS_CLIENT, "server")
        hint = None if callback is None else identity_hint
        try:
            self.context.set_psk_server_callback(callback, hint)
        except SSLError:
            raise ValueError("failed to set identity hint") from None

    def _check_psk(self, other: ssl._SSLMethod, role: str) -> None:
        if m2.OPENSSL_NO_PSK:
            raise NotImplementedError("PSK is not supported by this OpenSSL")
        if self._protocol == other:
            raise ssl.SSLError(f"Cannot add PSK {role} callback to a {other.name} context")

    # ---- what M2Crypto does not have -----------------------------------------------------------

    def _absent(self, *arguments: object, **options: object) -> NoReturn:
        raise NotImplementedError("M2Crypto's SSLContext does not have this")

    # OpenSSL does not have it either since 1.1.0.
    set_npn_protocols = _absent
    _msg_callback = property(lambda self: None, _absent)

    def load_dh_params(self, path: StrPath) -> None:
        """Load DH parameters from a PEM file."""
        _check_existing(path)
        _translated(self.context.set_tmp_dh, path)

    def session_stats(self) -> dict[str, int]:
        """Return the statistics of sessions (SSL_CTX_sess_number(3))."""
        return {
            name: m2.ssl_ctx_sess_statistic(self.context.ctx, kind)
            for name, kind in _STATISTICS.items()
        }


def _protocol(protocol: int) -> Any:
    for each in ssl._SSLMethod:
        if each == protocol:
            return each
    raise ValueError(f"invalid or unsupported protocol version {protocol!r}")


def _context(protocol: ssl._SSLMethod, context: Context | None) -> Context:
    """Return a new context of the protocol, or the given one, restricted to it."""
    one = _ONE_VERSION.get(protocol)
    if context is None:
        return Context() if one is None else Context(one, weak_crypto=one != "tlsv1_2")
    if one is not None:
        context.set_min_proto_version(one)
        context.set_max_proto_version(one)
    return context


def _version(value: int, unbounded: ssl.TLSVersion) -> int:
    """Return the number of a version; 0 for `unbounded`, and a version for the other extreme."""
    version = ssl.TLSVersion(value)
    if version == unbounded:
        return 0
    if version == ssl.TLSVersion.MAXIMUM_SUPPORTED:
        return m2.TLS1_2_VERSION if m2.OPENSSL_NO_TLS1_3 else m2.TLS1_3_VERSION
    if version == ssl.TLSVersion.MINIMUM_SUPPORTED:
        supported = ("TLS1", "TLS1_1", "TLS1_2", "TLS1_3")
        lowest = next(name for name in supported if not getattr(m2, f"OPENSSL_NO_{name}"))
        return int(getattr(m2, f"{lowest}_VERSION"))
    return int(version)


def _check_existing(*paths: StrPath | None) -> None:
    """Raise FileNotFoundError for a path that does not exist."""
    for path in paths:
        if path is not None:
            Path(os.fsdecode(path)).stat()


def _translated(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function, and raise the exceptions of the standard library."""
    try:
        return function(*arguments, **options)
    except M2CryptoError as error:
        raise translated(error) from error


def _passphrase(password: Password) -> Callable[[int], bytes]:
    def ask(verify: int = 0) -> bytes:
        got = password() if callable(password) else password
        if isinstance(got, str):
            got = got.encode()
        if not isinstance(got, (bytes, bytearray)):
            raise TypeError("password callback must return a string")
        if len(got) > _LONGEST_PASSWORD:
            raise ValueError(f"password cannot be longer than {_LONGEST_PASSWORD} bytes")
        return bytes(got)

    return ask


def _from_pem(data: bytes) -> list[X509.X509]:
    # A private key, such as that of a certificate in the same text, is skipped.
    blocks = [each for each in data.split(_BEGIN)[1:] if each.startswith(_CERTIFICATES)]
    if not blocks:
        raise ssl.SSLError("no start line: cadata does not contain a certificate")
    return [_translated(X509.load_cert_string, _BEGIN + each) for each in blocks]


def _from_der(data: bytes) -> list[X509.X509]:
    """Return the certificates of concatenated DER."""
    certificates: list[X509.X509] = []
    while data:
        try:
            certificate = X509.load_cert_der_string(data)
        except M2CryptoError as error:
            if certificates:
                raise translated(error) from error
            raise ssl.SSLError(
                f"not enough data: cadata does not contain a certificate: {error}"
            ) from error
        certificates.append(certificate)
        data = data[len(certificate.as_der()) :]
    return certificates
