"""Contexts of clients and servers (SSL_CTX_new(3)).

A context holds the local certificate and private key, the trust store, the protocol versions and
the ciphers. The defaults are TLS 1.2 and later, AEAD ciphers with forward secrecy and
authentication, security level 2 or higher, no compression and no renegotiation. Loading trust
anchors enables peer verification. Configure a context before connections are created from it: a
connection copies the configuration, and another thread's handshake may be reading it.
"""

from __future__ import annotations

import os
import weakref

from M2Crypto import BIO, X509, _configuration, m2, util
from M2Crypto._arguments import handle_of, text
from M2Crypto._copies import Unique
from M2Crypto._errors import M2CryptoError
from M2Crypto._locks import Lock
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.SSL import cb
from M2Crypto.SSL._contexts import _ctxmap, ctxmap  # noqa: F401  (a name of the API)
from M2Crypto.SSL.Cipher import Cipher_Stack, split_cipher_list
from M2Crypto.SSL.SSLError import SSLError

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any, Callable, Optional, Union

    from M2Crypto import EVP, _m2crypto
    from M2Crypto.SSL import _trust
    from M2Crypto.SSL._psk import ClientCallback, ServerCallback
    from M2Crypto.SSL._raw_keys import RawPublicKeys
    from M2Crypto.SSL.Connection import Connection
    from M2Crypto.SSL.Revocation import Revocation
    from M2Crypto.SSL.Session import Session

    StrPath = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]
    # callback(ok, store_context), and the older callback(ssl_ctx_ptr, x509_ptr, errnum, errdepth,
    # ok).
    VerifyCallback = Callable[..., Any]
    PostConnectionCheck = Callable[..., Any]
    # callback(name, connection), which returns a Context, None or the number of an alert.
    ServerNameCallback = Callable[[Optional[str], Any], Any]

__all__ = ["Context", "ctxmap", "map"]

# Protocols of one version. The others are names of OpenSSL's methods.
_VERSIONS = {
    "tlsv1": "TLS1",
    "tlsv1_1": "TLS1_1",
    "tlsv1_2": "TLS1_2",
    "tlsv1_3": "TLS1_3",
    "dtlsv1": "DTLS1",
    "dtlsv1_2": "DTLS1_2",
}

# AEAD with forward secrecy: CBC ciphers are open to LUCKY13.
_STRONG_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!eNULL:!aDSS:!AESCCM"
# The groups of Mozilla's intermediate configuration, from which OpenSSL's default differs.
_GROUPS = "X25519:P-256:P-384" if m2.openssl_version_num() < 0x30500000 else "DEFAULT:-X448:-P-521"
if 0x30000000 <= m2.openssl_version_num() < 0x30500000:
    _GROUPS += ":ffdhe2048:ffdhe3072"
_WEAK_CIPHERS = "DEFAULT:!aNULL:!eNULL:@SECLEVEL=0"
_SECURITY_LEVEL = 2

# Two of the workarounds in SSL_OP_ALL enable attacks: the first one on CBC ciphers in TLS 1.0
# (BEAST), the second one, in OpenSSL 1.1.1, on renegotiation (RFC 5746).
_UNSAFE_WORKAROUNDS = m2.SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS | m2.SSL_OP_LEGACY_SERVER_CONNECT
_OPTIONS = (
    m2.SSL_OP_ALL & ~_UNSAFE_WORKAROUNDS
    | m2.SSL_OP_NO_SSLv3
    | m2.SSL_OP_NO_COMPRESSION
    | m2.SSL_OP_NO_RENEGOTIATION
    | m2.SSL_OP_CIPHER_SERVER_PREFERENCE
)
_MODE = (
    m2.SSL_MODE_AUTO_RETRY
    | m2.SSL_MODE_ENABLE_PARTIAL_WRITE
    | m2.SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
    | m2.SSL_MODE_RELEASE_BUFFERS
)


map = ctxmap  # noqa: A001  (the name is the API's)


def _version_number(version: int | str) -> int:
    """Return the number of a version: m2.TLS1_2_VERSION for "tlsv1_2", "TLSv1.2" or itself.

    Raises:
        ValueError: the version is unknown or not supported by this OpenSSL.
    """
    if isinstance(version, int):
        names = {getattr(m2, f"{stem}_VERSION"): stem for stem in _VERSIONS.values()}
        stem = names.get(version)
        if version == 0:
            return 0
    else:
        stem = _VERSIONS.get(text(version).lower().replace(".", "_"))
    if stem is None:
        raise ValueError(
            f"protocol version {version!r} is none of {', '.join(_VERSIONS)}, "
            "which are m2.TLS1_VERSION to m2.TLS1_3_VERSION"
        )
    if getattr(m2, f"OPENSSL_NO_{stem}"):
        raise ValueError(f"protocol version {version!r}: this OpenSSL was built without it")
    number: int = getattr(m2, f"{stem}_VERSION")
    return number


def _takes(callback: Callable[..., Any], count: int) -> bool:
    """Return whether a callback accepts `count` positional arguments."""
    import inspect

    try:
        inspect.signature(callback).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        # A function in C may have no signature.
        return count == 2
    return True


class _Configured:
    """A context manager that names OpenSSL's configuration file in an SSLError."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, SSLError):
            error.args = (f"{error}{_configuration.hint()}",)


class Context(Unique):
    """A TLS context. `ctx` is the handle of the SSL_CTX."""

    map = staticmethod(ctxmap)

    def __init__(
        self,
        protocol: str = "tls",
        weak_crypto: int | None = None,
        post_connection_check: PostConnectionCheck | None = None,
    ) -> None:
        """Create a context.

        Args:
            protocol: "tls" or "sslv23" for TLS 1.2 and later; "tls_client" or "tls_server" for one
                role; "tlsv1", "tlsv1_1", "tlsv1_2" or "tlsv1_3" for one version; "dtls" or
                "dtlsv1_2" for DTLS 1.2 over datagram sockets.
            weak_crypto: true enables all protocol versions and ciphers of OpenSSL at security level
                0, which TLS 1.0 and 1.1 require.
            post_connection_check: called as check(certificate, host) after the handshake of a
                connection, instead of the default (`Connection.connect`).

        Raises:
            ValueError: the protocol is unknown or not supported by this OpenSSL.
            SSLError: OpenSSL's configuration refuses TLS; the text names its file.
        """
        version, method = self._protocol(protocol)
        self.is_dtls = text(protocol).lower().startswith("dtls")
        with _Configured():
            self.ctx: _m2crypto.SSL_CTX = m2.ssl_ctx_new(method())
            self._set_defaults(bool(weak_crypto))
        self.post_connection_check = post_connection_check
        self.allow_unknown_ca: int | bool = 0
        self._verify: Callable[[int, Any], Any] | None = None
        self._verify_was_set = False
        self._info: Callable[[int, int, Any], Any] | None = None
        self._revocation: Revocation | None = None
        self._staple: _Staple | None = None
        self._server_name: ServerNameCallback | None = None
        self._psk_client: ClientCallback | None = None
        self._psk_server: ServerCallback | None = None
        self._key_log: _KeyLog | None = None
        self.raw_public_keys: RawPublicKeys | None = None
        # The session ID context of server connections. Without one a server that verifies clients
        # resumes no session; a client with one resumes no session of another context.
        self.server_session_id_ctx: bytes | None = os.urandom(16)
        self._closed = False
        ctxmap()[self.ctx] = self
        if version is not None:
            self._set_version(protocol, version)

    @staticmethod
    def _protocol(protocol: str) -> tuple[int | None, Callable[[], Any]]:
        """Return the version of a protocol of one version, else None, and OpenSSL's method."""
        name = text(protocol).lower().replace(".", "_")
        if name in _VERSIONS:
            number = _version_number(protocol)
            return number, m2.dtls_method if name.startswith("dtls") else m2.tls_method
        method = getattr(m2, f"{name}_method", None)
        if method is None:
            known = ", ".join(["tls", "tls_client", "tls_server", "dtls", *_VERSIONS])
            raise ValueError(f"unknown protocol {protocol!r}; this OpenSSL has {known}")
        return None, method

    def _set_defaults(self, weak: bool) -> None:
        m2.ssl_ctx_clear_options(self.ctx, _UNSAFE_WORKAROUNDS)
        m2.ssl_ctx_set_options(self.ctx, _OPTIONS)
        m2.ssl_ctx_set_mode(self.ctx, _MODE)
        m2.ssl_ctx_set_dh_auto(self.ctx, 1)
        if self.is_dtls:
            m2.ssl_ctx_use_cookies(self.ctx)
        if weak:
            self.set_cipher_list(_WEAK_CIPHERS)
            self.set_min_proto_version(0)
            return
        self.set_cipher_list(_STRONG_CIPHERS)
        self._set_default_groups()
        self.set_min_proto_version(m2.DTLS1_2_VERSION if self.is_dtls else m2.TLS1_2_VERSION)
        # A distribution can have a higher default.
        level = max(_SECURITY_LEVEL, m2.ssl_ctx_get_security_level(self.ctx))
        m2.ssl_ctx_set_security_level(self.ctx, level)

    def _set_default_groups(self) -> None:
        if m2.OPENSSL_NO_EC:
            return
        try:
            m2.ssl_ctx_set1_groups_list(self.ctx, _GROUPS)
        except SSLError:
            # A FIPS provider or a policy of the system excludes some.
            pass

    def _set_version(self, protocol: str, version: int) -> None:
        try:
            self.set_min_proto_version(version)
            self.set_max_proto_version(version)
        except SSLError as error:
            raise ValueError(f"protocol {protocol!r}: this OpenSSL refuses it: {error}") from None

    @property
    def closed(self) -> bool:
        """Whether the context is closed."""
        return self._closed

    def close(self) -> None:
        """Release the SSL_CTX and the callbacks. Connections of the context remain valid."""
        if self._closed:
            return
        self._closed = True
        self._verify = self._info = self._server_name = None
        self._psk_client = self._psk_server = None
        del ctxmap()[self.ctx]
        m2.ssl_ctx_free(self.ctx)

    # ---- local certificate and private key -----------------------------------------------------

    def load_cert(
        self,
        certfile: StrPath,
        keyfile: StrPath | None = None,
        callback: Callable[..., Any] = util.passphrase_callback,
    ) -> None:
        """Load the local certificate and private key from PEM files.

        Args:
            certfile: the file with the certificate, of which the first is used.
            keyfile: the file with the private key, by default `certfile`.
            callback: the passphrase callback.

        Raises:
            SSLError: a file cannot be read, has no certificate or key, or the key does not match
                the certificate (SSL_CTX_use_certificate_file(3)).
        """
        self._load_cert(m2.ssl_ctx_use_cert, certfile, keyfile, callback)

    def load_cert_chain(
        self,
        certchainfile: StrPath,
        keyfile: StrPath | None = None,
        callback: Callable[..., Any] = util.passphrase_callback,
    ) -> None:
        """Load the local certificate and private key, and the CA certificates after the former.

        See `load_cert` for arguments and errors (SSL_CTX_use_certificate_chain_file(3)).
        """
        self._load_cert(m2.ssl_ctx_use_cert_chain, certchainfile, keyfile, callback)

    def use_certificate(self, certificate: X509.X509, key: EVP.PKey) -> None:
        """Use a certificate and its private key, which may be on a token.

        Args:
            certificate: the certificate.
            key: its private key, for example from `M2Crypto.Provider.Provider.load_key`.

        Raises:
            SSLError: the key cannot be used or is not that of the certificate.
        """
        m2.ssl_ctx_use_x509(self.ctx, handle_of(certificate))
        m2.ssl_ctx_use_pkey_privkey(self.ctx, handle_of(key))
        m2.ssl_ctx_check_private_key(self.ctx)

    def _load_cert(
        self,
        use: Callable[..., int],
        certfile: StrPath,
        keyfile: StrPath | None,
        callback: Callable[..., Any],
    ) -> None:
        self._load("certificate", use, certfile, callback)
        keyfile = certfile if keyfile is None else keyfile
        self._load("private key", m2.ssl_ctx_use_privkey, keyfile, callback)
        # OpenSSL accepts a key of another type than the certificate's, for a later certificate.
        check = m2.ssl_ctx_check_private_key
        self._load("private key", lambda context, _: check(context), keyfile)

    def _load(self, what: str, load: Callable[..., int], file: StrPath, *rest: Any) -> None:
        """Call a function with the context and a file, and name the file in its errors."""
        from pathlib import Path

        name = os.fsdecode(file)
        if not Path(name).is_file():
            raise SSLError(f"{name}: no such file")
        try:
            load(self.ctx, name, *rest)
        except SSLError as error:
            suspicion = _configuration.suspicion(error)
            error.args = (f"{name}: no usable {what}: {error}{suspicion}",)
            raise

    def set_raw_public_keys(
        self, key: EVP.PKey | None = None, expected: Iterable[EVP.PKey] = ()
    ) -> None:
        """Use raw public keys instead of certificates in later connections (RFC 7250).

        A handshake fails unless the peer has one of the expected keys, which identify it: no host
        name is compared. Without expected keys the peer has a certificate, or on a server nothing.

        Args:
            key: the private key of this side; None if it has none, or a certificate.
            expected: the public keys of which the peer must have one.

        Raises:
            ValueError: there is neither.
            SSLError: this OpenSSL has no raw public keys, which came with 3.2.
        """
        from M2Crypto.SSL._raw_keys import RawPublicKeys

        keys = RawPublicKeys(key is not None, expected)
        if key is None and not keys.are_expected:
            raise ValueError("raw public keys need a key of this side or of the peer")
        m2.ssl_ctx_enable_rpk(self.ctx)
        if key is not None:
            m2.ssl_ctx_use_pkey_privkey(self.ctx, handle_of(key))
        if keys.are_expected:
            self.set_verify_mode(m2.SSL_VERIFY_PEER | m2.SSL_VERIFY_FAIL_IF_NO_PEER_CERT)
        self.raw_public_keys = keys

    @staticmethod
    def new_ech_keys(public_name: str) -> bytes:
        """Generate a key for Encrypted Client Hello, and its ECHConfigList, in PEM (RFC 9849).

        Args:
            public_name: the server name that is visible in handshakes.

        Raises:
            SSLError: the name is invalid, or this OpenSSL has no ECH, which came with 4.0.
        """
        return m2.ech_new_config(public_name)

    def set_ech_keys(self, pem: bytes) -> int:
        """Decrypt ClientHellos with the keys of `new_ech_keys`, and return 1.

        Raises:
            SSLError: there is no key, or this OpenSSL has no ECH.
        """
        return m2.ssl_ctx_set_ech_keys(self.ctx, pem)

    # ---- trust store and peer verification -----------------------------------------------------

    def set_client_CA_list_from_file(self, cafile: StrPath) -> None:
        """Set the CAs that a server sends to clients, from a PEM file."""
        self._load("CA certificates", m2.ssl_ctx_set_client_ca_list_from_file, cafile)

    load_client_CA = load_client_ca = set_client_CA_list_from_file  # noqa: N815

    def load_verify_locations(
        self, cafile: StrPath | None = None, capath: StrPath | None = None
    ) -> int:
        """Add the CA certificates of a PEM file, or of a directory of files named by hash.

        Peer verification is enabled unless `set_verify` is called.

        Returns:
            1.

        Raises:
            ValueError: both arguments are None.
            SSLError: the file has no certificates, or a path does not exist.
        """
        from pathlib import Path

        if cafile is None and capath is None:
            raise ValueError("cafile and capath can not both be None")
        if capath is not None and not any(
            Path(directory).is_dir() for directory in os.fsdecode(capath).split(os.pathsep)
        ):
            raise SSLError(f"{os.fsdecode(capath)}: no such directory")
        directory = None if capath is None else os.fsdecode(capath)
        if cafile is None:
            m2.ssl_ctx_load_verify_locations(self.ctx, None, directory)
        else:
            self._load("CA certificates", m2.ssl_ctx_load_verify_locations, cafile, directory)
        self._verify_by_default()
        return 1

    load_verify_info = load_verify_locations

    def set_default_verify_paths(self) -> int:
        """Load the system's default trust store.

        It is that of SSL_CERT_FILE and SSL_CERT_DIR if these are set, else the native one on
        Windows and macOS, else the first of the usual paths that has certificates, and not
        OPENSSLDIR (`M2Crypto.SSL._trust`). Peer verification is enabled as by
        `load_verify_locations`.

        Returns:
            1.

        Raises:
            SSLError: there is no trust store, or that of the variables cannot be loaded.
        """
        from M2Crypto.SSL import _trust  # and with it pathlib and re, which take 6 ms

        found = _trust.trusted_certificates(os.environ)
        if found != (None, None):
            return self._load_trusted(found)
        if not _trust.is_native() or self._add_native() == 0:
            raise SSLError(f"no trust store was found; {_trust.WAY_OUT}")
        self._verify_by_default()
        return 1

    def _load_trusted(self, found: _trust.TrustedCertificates) -> int:
        from M2Crypto.SSL import _trust

        try:
            return self.load_verify_locations(*found)
        except SSLError as error:
            error.args = (f"{error}; {_trust.origin(os.environ)}",)
            raise

    def _add_native(self) -> int:
        """Add the certificates of the native trust store, and return their number."""
        from M2Crypto.SSL import _trust

        store = self.get_cert_store()
        added = 0
        for certificate in _trust.certificates():
            # One that OpenSSL cannot parse is no reason to trust no other one.
            try:
                added += store.add_x509(X509.load_cert_der_string(certificate))
            except X509.X509Error:
                pass
        return added

    def _verify_by_default(self) -> None:
        if not self._verify_was_set:
            m2.ssl_ctx_set_verify(self.ctx, m2.SSL_VERIFY_PEER, None)

    def set_allow_unknown_ca(self, ok: int) -> None:
        """Set whether `cb.ssl_verify_callback` accepts certificates of unknown CAs."""
        self.allow_unknown_ca = ok

    def get_allow_unknown_ca(self) -> int:
        """Return whether `cb.ssl_verify_callback` accepts certificates of unknown CAs."""
        return self.allow_unknown_ca

    def set_verify(self, mode: int, depth: int, callback: VerifyCallback | None = None) -> None:
        """Set peer verification (SSL_CTX_set_verify(3)).

        OpenSSL calls the callback for each certificate of the peer's path and for each error. The
        handshake continues if the callback returns true. Its signature is callback(ok, store),
        where `store` is an `X509.X509_Store_Context` that is valid until it returns, or
        callback(ssl_ctx_ptr, x509_ptr, errnum, errdepth, ok) with handles of the extension. An
        exception ends the handshake and propagates to its caller. `Connection.get_verify_result`
        returns an error also if the callback accepted it.

        Args:
            mode: `verify_none`, or `verify_peer` with the optional flags
                `verify_fail_if_no_peer_cert` and `verify_client_once`, which servers use.
            depth: the maximum number of intermediate CAs in a path.
            callback: the verify callback of later connections; None for none.

        Raises:
            TypeError: the callback accepts neither 2 nor 5 arguments.
        """
        self._verify = None if callback is None else self._in_new_style(callback)
        self._verify_was_set = True
        m2.ssl_ctx_set_verify_depth(self.ctx, depth)
        m2.ssl_ctx_set_verify(self.ctx, mode, None if callback is None else self._verifier())

    def set_verify_mode(self, mode: int) -> None:
        """Set the mode of `set_verify`, and leave depth and callback as they are."""
        self._verify_was_set = True
        m2.ssl_ctx_set_verify(self.ctx, mode, self._verify and self._verifier())

    @property
    def has_verify_callback(self) -> bool:
        """Whether there is a verify callback, which may accept errors."""
        return self._verify is not None

    def _in_new_style(self, callback: VerifyCallback) -> Callable[[int, Any], Any]:
        """Return a callback with the parameters ok and the store context's handle."""
        if _takes(callback, 2):
            return lambda ok, handle: callback(ok, X509.X509_Store_Context(handle))
        if not _takes(callback, 5):
            raise TypeError(
                "a verify callback takes (ok, store) "
                "or (ssl_ctx_ptr, x509_ptr, errnum, errdepth, ok)"
            )
        context = self.ctx
        return lambda ok, handle: callback(
            context,
            m2.x509_store_ctx_get_current_cert(handle),
            m2.x509_store_ctx_get_error(handle),
            m2.x509_store_ctx_get_error_depth(handle),
            ok,
        )

    # The garbage collector does not see OpenSSL's references, and a callback often refers to its
    # context, so OpenSSL gets functions with weak references. A connection keeps its context alive.

    def _verifier(self) -> Callable[[int, Any], Any]:
        reference = weakref.ref(self)

        def verify(ok: int, store_context: Any) -> Any:
            context = reference()
            callback = None if context is None else context._verify
            return ok if callback is None else callback(ok, store_context)

        return verify

    def _informer(self) -> Callable[[int, int, Any], None]:
        reference = weakref.ref(self)

        def inform(where: int, ret: int, connection: Any) -> None:
            context = reference()
            callback = None if context is None else context._info
            if callback is not None:
                callback(where, ret, connection)

        return inform

    def get_verify_mode(self) -> int:
        """Return the verification mode (SSL_CTX_get_verify_mode(3))."""
        return m2.ssl_ctx_get_verify_mode(self.ctx)

    def get_verify_depth(self) -> int:
        """Return the maximum number of intermediate CAs; -1 is OpenSSL's default of 100."""
        return m2.ssl_ctx_get_verify_depth(self.ctx)

    def get_cert_store(self) -> X509.X509_Store:
        """Return the trust store, which the context shares."""
        return X509.X509_Store(m2.ssl_ctx_get_cert_store(self.ctx))

    # ---- revocation ----------------------------------------------------------------------------

    def set_revocation(self, revocation: Revocation | None) -> None:
        """Check whether certificates of later connections are revoked; None checks nothing.

        The check follows the handshake, before the post-connection check. It raises a
        `RevocationError` and closes the connection if a certificate is revoked, or if its status
        is not found (`M2Crypto.SSL.Revocation`).
        """
        self._revocation = revocation
        if not m2.OPENSSL_NO_OCSP:
            m2.ssl_ctx_request_ocsp(self.ctx, bool(revocation and revocation.stapled))

    def check_revocation(self, connection: Connection) -> None:
        """Check a connection's peer as `set_revocation` says; `Connection` calls this."""
        if self._revocation is not None:
            self._revocation.check(connection)

    def set_ocsp_response(self, response: bytes | None) -> None:
        """Staple an OCSP response, in DER, in later handshakes of a server; None staples none.

        Raises:
            OCSPError: this is no OCSP response, or OpenSSL was built without OCSP.
        """
        self._staple = None
        self._set_ocsp_response(response)

    def _set_ocsp_response(self, response: bytes | None) -> None:
        from M2Crypto import OCSP

        if response is not None:
            OCSP.load_response(response)
        m2.ssl_ctx_set_ocsp_response(self.ctx, response or b"")

    def staple_file(self, file: StrPath) -> None:
        """Staple the OCSP response in a file, in DER; a file that is replaced is read again.

        A program such as `openssl ocsp -respout` writes it. If the file vanishes or has no OCSP
        response later, the one that was read last is stapled until it expires.

        Raises:
            SSLError: the file cannot be read.
            OCSPError: it has no OCSP response.
        """
        from pathlib import Path

        staple = _Staple(Path(os.fsdecode(file)))
        self._set_ocsp_response(staple.read())
        self._staple = staple

    def refresh_staple(self) -> None:
        """Read the file of `staple_file` again if it has changed; a server connection does so."""
        staple = self._staple
        if staple is not None and staple.has_changed():
            self._set_ocsp_response(staple.current())

    # ---- protocol versions, ciphers and options ------------------------------------------------

    def set_min_proto_version(self, version: int | str) -> int:
        """Set the minimum protocol version, and return 1.

        Args:
            version: m2.TLS1_VERSION to m2.TLS1_3_VERSION, or "tlsv1" to "tlsv1_3" (or "TLSv1.3");
                0 for the lowest that OpenSSL supports.

        Raises:
            ValueError: the version is unknown or not supported by this OpenSSL.
        """
        return m2.ssl_ctx_set_min_proto_version(self.ctx, self._bound(version))

    def set_max_proto_version(self, version: int | str) -> int:
        """Set the maximum protocol version; see `set_min_proto_version`."""
        return m2.ssl_ctx_set_max_proto_version(self.ctx, self._bound(version))

    def _bound(self, version: int | str) -> int:
        """Return the number of a version of this context's protocol; OpenSSL ignores others."""
        number = _version_number(version)
        if number and (number >> 8 == m2.DTLS1_2_VERSION >> 8) is not self.is_dtls:
            protocol = "DTLS" if self.is_dtls else "TLS"
            raise ValueError(f"protocol version {version!r} is none of {protocol}")
        return number

    def get_min_proto_version(self) -> int:
        """Return the minimum protocol version; 0 is the lowest that OpenSSL supports."""
        return m2.ssl_ctx_get_min_proto_version(self.ctx)

    def get_max_proto_version(self) -> int:
        """Return the maximum protocol version; 0 is the highest that OpenSSL supports."""
        return m2.ssl_ctx_get_max_proto_version(self.ctx)

    def set_cipher_list(self, cipher_list: str | None) -> int:
        """Set the ciphers.

        Args:
            cipher_list: a cipher list (openssl-ciphers(1)) of TLS 1.2 and older ciphers and TLS 1.3
                cipher suites (SSL_CTX_set_ciphersuites(3)). If it names none of one of the two,
                those are unchanged. None changes nothing.

        Returns:
            1.

        Raises:
            SSLError: the list selects no cipher.
        """
        older, newer = split_cipher_list(cipher_list)
        if older is not None:
            m2.ssl_ctx_set_cipher_list(self.ctx, older)
        if newer is not None:
            m2.ssl_ctx_set_ciphersuites(self.ctx, newer)
        return 1

    def set_options(self, op: int) -> int:
        """Add options, m2.SSL_OP_..., and return all that are set (SSL_CTX_set_options(3))."""
        return m2.ssl_ctx_set_options(self.ctx, op)

    def clear_options(self, op: int) -> int:
        """Remove options, and return those that remain set."""
        return m2.ssl_ctx_clear_options(self.ctx, op)

    def get_options(self) -> int:
        """Return the options, m2.SSL_OP_..."""
        return m2.ssl_ctx_get_options(self.ctx)

    def get_ciphers(self) -> Cipher_Stack:
        """Return the enabled ciphers in order of preference."""
        return Cipher_Stack(m2.ssl_ctx_get_ciphers(self.ctx), 1)

    def set_groups(self, groups: str) -> int:
        """Set the groups of the key exchange, and return 1 (SSL_CTX_set1_groups_list(3)).

        Args:
            groups: names in order of preference, separated by colons, such as "X25519:P-256".

        Raises:
            SSLError: a group is unknown to this OpenSSL.
        """
        return m2.ssl_ctx_set1_groups_list(self.ctx, groups)

    def set_signature_algorithms(self, algorithms: str) -> int:
        """Set the signature algorithms of handshakes, and return 1 (SSL_CTX_set1_sigalgs_list(3)).

        Args:
            algorithms: names in order of preference, separated by colons, such as
                "rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256" or "RSA+SHA256".

        Raises:
            SSLError: an algorithm is unknown to this OpenSSL.
        """
        m2.ssl_ctx_set1_sigalgs_list(self.ctx, algorithms)
        return m2.ssl_ctx_set1_client_sigalgs_list(self.ctx, algorithms)

    def get_groups(self, include_aliases: bool = False) -> list[str]:
        """Return the groups of this OpenSSL that the protocol versions of the context allow.

        Raises:
            SSLError: OpenSSL before 3.5 does not list them (SSL_CTX_get0_implemented_groups(3)).
        """
        names = m2.ssl_ctx_get_implemented_groups(self.ctx, bool(include_aliases))
        return names.decode("ascii").split(":")

    # ---- pre-shared keys -----------------------------------------------------------------------

    def set_psk_client_callback(self, callback: ClientCallback | None) -> None:
        """Set what a client calls for a pre-shared key; None for nothing.

        The callback is called as callback(hint), with the identity hint of a TLS 1.2 server, or
        None. It returns the identity and the key, or None, with which a handshake of TLS 1.2 fails
        and one of TLS 1.3 needs a certificate. An identity has up to 255 bytes, a key up to 512; in
        OpenSSL 1.1.1 they have 127 and 256. An exception propagates to the caller of the handshake.

        TLS 1.2 needs PSK ciphers (`set_cipher_list`). In TLS 1.3 a connection appears to be
        resumed, and the key belongs to cipher suites with SHA-256. The default post-connection
        check is left out if the key authenticates the server. It is not left out for a session that
        the program resumes, which may be of another key.

        Raises:
            SSLError: this OpenSSL was built without PSK, or a callback of the context called this.
            TypeError: the callback is not callable.
        """
        from M2Crypto.SSL._psk import call_client

        reference = weakref.ref(self)

        def find(_connection: Any, hint: bytes | None) -> tuple[bytes, bytes] | None:
            context = reference()
            current = None if context is None else context._psk_client
            return None if current is None else call_client(current, hint)

        self._check_callable(callback)
        m2.ssl_ctx_set_psk_client_callback(self.ctx, None if callback is None else find)
        self._psk_client = callback

    @property
    def has_psk(self) -> bool:
        """Whether a client has a callback for pre-shared keys."""
        return self._psk_client is not None

    def set_psk_server_callback(
        self, callback: ServerCallback | None, identity_hint: str | None = None
    ) -> None:
        """Set what a server calls for the pre-shared key of a client; None for nothing.

        The callback is called as callback(identity), with None for an empty identity. It returns
        the key, or None if it does not know the identity. An identity that is not UTF-8 is unknown
        (RFC 4279, section 5.1).

        In TLS 1.3 the callback is also called with the beginnings of session tickets, which it does
        not know either, and before that of `set_server_name_callback`.

        Args:
            callback: the callback.
            identity_hint: what a TLS 1.2 server sends to the client; None for nothing.

        Raises:
            SSLError: this OpenSSL was built without PSK, or the hint is too long, or a callback of
                the context called this.
            TypeError: the callback is not callable.
        """
        from M2Crypto.SSL._psk import call_server

        reference = weakref.ref(self)

        def find(_connection: Any, identity: bytes) -> bytes | None:
            context = reference()
            current = None if context is None else context._psk_server
            return None if current is None else call_server(current, identity)

        self._check_callable(callback)
        m2.ssl_ctx_use_psk_identity_hint(self.ctx, identity_hint)
        m2.ssl_ctx_set_psk_server_callback(self.ctx, None if callback is None else find)
        self._psk_server = callback

    def _check_callable(self, callback: object) -> None:
        if callback is not None and not callable(callback):
            raise TypeError(f"the callback is not callable: {type(callback).__name__}")

    # ---- server names and application protocols ------------------------------------------------

    def set_server_name_callback(self, callback: ServerNameCallback | None) -> None:
        """Set what a server calls with the name that a client asks for; None for nothing.

        The name is that of the server_name extension (RFC 6066, section 3), or None without one.
        The callback is called as callback(name, connection), with the handle of the connection. It
        returns the `Context` whose certificate the server uses, None for this one, or the number of
        an alert, such as 112 (unrecognized_name), with which the handshake fails. An exception
        propagates to the caller of the handshake.
        """
        self._server_name = callback
        set_callback = m2.ssl_ctx_set_servername_callback
        set_callback(self.ctx, None if callback is None else self._server_namer())

    def _server_namer(self) -> Callable[[Any, str | None], Any]:
        reference = weakref.ref(self)

        def choose(connection: Any, name: str | None) -> Any:
            context = reference()
            callback = None if context is None else context._server_name
            chosen = None if callback is None else callback(name, connection)
            if chosen is None or isinstance(chosen, Context):
                return None if chosen is None else chosen.ctx
            if not isinstance(chosen, int):
                kind = type(chosen).__name__
                raise TypeError(
                    f"a server name callback returns a Context, None or int, not {kind}"
                )
            return chosen

        return choose

    def set_alpn_protocols(self, protocols: Iterable[str | bytes]) -> None:
        """Set the application protocols in order of preference (RFC 7301), such as ["h2"].

        A client offers them. A server selects its first one that the client offers, and refuses a
        client that offers others only. `Connection.selected_alpn_protocol` returns the result.

        Raises:
            ValueError: a protocol is empty, longer than 255 bytes or not ASCII.
        """
        encoded = bytearray()
        for protocol in protocols:
            name = protocol.encode("ascii") if isinstance(protocol, str) else bytes(protocol)
            if not 0 < len(name) < 256:
                raise ValueError(f"the application protocol {protocol!r} has not 1 to 255 bytes")
            encoded += bytes([len(name)]) + name
        m2.ssl_ctx_set_alpn_protos(self.ctx, encoded)

    # ---- key log and post-handshake authentication ---------------------------------------------

    def set_key_log_file(self, file: StrPath | None) -> None:
        """Append the secrets of connections to a file, from which programs decrypt them.

        The format is that of SSLKEYLOGFILE (RFC 9850), and the file is created with mode 0600. None
        stops it. Whoever can read the file can read the connections.

        Raises:
            OSError: the file cannot be opened.
        """
        log = None if file is None else _KeyLog(os.fsdecode(file))
        m2.ssl_ctx_set_keylog_callback(self.ctx, log)
        self._key_log = log

    def set_post_handshake_auth(self, on: bool) -> None:
        """Set whether a client offers post-handshake authentication (RFC 8446, section 4.2.6)."""
        m2.ssl_ctx_set_post_handshake_auth(self.ctx, bool(on))

    def set_tmp_dh(self, dhpfile: StrPath | BIO.BIO) -> int:
        """Set the DH parameters from a PEM file, and return 1. By default OpenSSL selects them.

        Raises:
            BIOError: the file cannot be opened.
            SSLError: it has no DH parameters, or they are too short.
        """
        if isinstance(dhpfile, BIO.BIO):
            return self._set_tmp_dh(dhpfile)
        with BIO.openfile(os.fsdecode(dhpfile)) as bio:
            return self._set_tmp_dh(bio)

    def _set_tmp_dh(self, bio: BIO.BIO) -> int:
        # Automatic selection takes precedence over parameters that were set.
        m2.ssl_ctx_set_dh_auto(self.ctx, 0)
        return m2.ssl_ctx_set_tmp_dh(self.ctx, bio.bio_ptr())

    def set_tmp_dh_callback(self, callback: Callable[..., Any] | None = None) -> None:
        """Issue a DeprecationWarning, because OpenSSL selects DH parameters by the key's size."""
        if callback is not None:
            _warn("set_tmp_dh_callback does nothing: OpenSSL selects DH parameters by the key size")

    def set_tmp_rsa(self, rsa: object) -> int:
        """Issue a DeprecationWarning and return 1, because TLS has no temporary RSA keys."""
        _warn("set_tmp_rsa does nothing: TLS has no temporary RSA keys")
        return 1

    def set_tmp_rsa_callback(self, callback: Callable[..., Any] | None = None) -> None:
        """Issue a DeprecationWarning, because TLS has no temporary RSA keys."""
        if callback is not None:
            _warn("set_tmp_rsa_callback does nothing: TLS has no temporary RSA keys")

    def set_info_callback(
        self, callback: Callable[[int, int, Any], Any] | None = cb.ssl_info_callback
    ) -> None:
        """Set the info callback of later connections (SSL_CTX_set_info_callback(3)).

        OpenSSL calls callback(where, ret, ssl_ptr) for each state change and alert. An exception
        propagates to the caller of the operation.
        """
        self._info = callback
        m2.ssl_ctx_set_info_callback(self.ctx, None if callback is None else self._informer())

    # ---- sessions ------------------------------------------------------------------------------

    def set_session_id_ctx(self, id: bytes) -> int:
        """Set the session ID context, at most 32 bytes, and return 1.

        Contexts with the same session ID context share sessions. By default a server resumes only
        sessions of its own context, and a client all (SSL_CTX_set_session_id_context(3)).
        """
        self.server_session_id_ctx = None
        return m2.ssl_ctx_set_session_id_context(self.ctx, id)

    def add_session(self, session: Session) -> int:
        """Add a copy of a session to the cache (SSL_CTX_add_session(3)).

        Returns:
            1, or 0 if it replaces a session with the same session ID.
        """
        return m2.ssl_ctx_add_session(self.ctx, handle_of(session))

    def remove_session(self, session: Session) -> int:
        """Remove the session with the same session ID from the cache (SSL_CTX_remove_session(3)).

        Returns:
            1, or 0 if the cache has none.
        """
        return m2.ssl_ctx_remove_session(self.ctx, handle_of(session))

    def get_session_timeout(self) -> int:
        """Return the lifetime of new sessions in seconds."""
        return m2.ssl_ctx_get_timeout(self.ctx)

    def set_session_timeout(self, timeout: int) -> int:
        """Set the lifetime of new sessions in seconds (SSL_CTX_set_timeout(3)).

        Returns:
            The previous lifetime.

        Raises:
            SSLError: it is negative or too large.
        """
        return m2.ssl_ctx_set_timeout(self.ctx, timeout)

    def set_num_tickets(self, count: int) -> int:
        """Set how many session tickets a TLS 1.3 server sends after a handshake, and return 1."""
        return m2.ssl_ctx_set_num_tickets(self.ctx, count)

    def get_num_tickets(self) -> int:
        """Return how many session tickets a TLS 1.3 server sends."""
        return m2.ssl_ctx_get_num_tickets(self.ctx)

    def set_session_cache_mode(self, mode: int) -> int:
        """Set the session cache mode, m2.SSL_SESS_CACHE_..., and return the previous one."""
        return m2.ssl_ctx_set_session_cache_mode(self.ctx, mode)

    def get_session_cache_mode(self) -> int:
        """Return the session cache mode, m2.SSL_SESS_CACHE_..."""
        return m2.ssl_ctx_get_session_cache_mode(self.ctx)


class _KeyLog:
    """A file with the secrets of connections, called with each line."""

    _file = -1

    def __init__(self, name: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        self._file = os.open(name, flags, 0o600)

    def __call__(self, line: str) -> None:
        os.write(self._file, line.encode() + b"\n")

    def __del__(self) -> None:
        # Opening it may have failed.
        if self._file >= 0:
            os.close(self._file)


class _Staple:
    """A file with an OCSP response."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, ...] | None = None
        self._response = b""
        self._expires: datetime.datetime | None = None
        self._lock = Lock()

    def read(self) -> bytes:
        """Return the response in the file."""
        from M2Crypto import OCSP

        try:
            self._seen = self._state()
            response = self.path.read_bytes()
        except OSError as error:
            raise SSLError(f"{self.path}: {error.strerror}") from error
        try:
            answers = OCSP.load_response(response).answers
        except OCSP.OCSPError as error:
            raise OCSP.OCSPError(f"{self.path}: no OCSP response in DER: {error}") from None
        ends = [answer.next_update for answer in answers if answer.next_update is not None]
        self._response, self._expires = response, min(ends, default=None)
        return response

    def has_changed(self) -> bool:
        """Return whether the file has changed or its response has expired since `read`."""
        if self._response and self._expires is not None and self._expires <= _now():
            return True
        try:
            return self._state() != self._seen
        except OSError:
            return False

    def current(self) -> bytes | None:
        """Return the response to staple now, or None."""
        with self._lock:
            try:
                self.read()
            except M2CryptoError:
                pass
            if self._expires is not None and self._expires <= _now():
                self._response = b""
            return self._response or None

    def _state(self) -> tuple[int, ...]:
        about = self.path.stat()
        return about.st_mtime_ns, about.st_size, about.st_ino


def _now() -> datetime.datetime:
    import datetime

    return datetime.datetime.now(datetime.timezone.utc)


def _warn(message: str) -> None:
    import warnings

    warnings.warn(message, DeprecationWarning, stacklevel=3)
