"""Contexts: what connections are made from, be it a client's or a server's (SSL_CTX_new(3)).

A context holds the certificate and key to show, the CAs to believe, the protocol versions and the
ciphers. What it is made with is what is safe: TLS 1.2 and newer, ciphers with forward secrecy and
authenticated peers, OpenSSL's security level 2 or higher, no compression and no renegotiation. Once
it knows CAs it verifies peers by them. Set it up before connections are made from it: they take
over what it has then, and another thread's handshake may be reading it.
"""

from __future__ import annotations

import inspect
import os
import secrets
import warnings
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Union

from M2Crypto import BIO, X509, m2, util
from M2Crypto.SSL import _trust, cb
from M2Crypto.SSL._contexts import _ctxmap, ctxmap  # noqa: F401  (a name of the API)
from M2Crypto.SSL.Cipher import split_cipher_list
from M2Crypto.SSL.SSLError import SSLError

if TYPE_CHECKING:
    from M2Crypto import _m2crypto
    from M2Crypto.SSL.Session import Session

__all__ = ["Context", "ctxmap", "map"]

StrPath = Union[str, bytes, "os.PathLike[str]"]
# callback(ok, store_context), and the older callback(ssl_ctx_ptr, x509_ptr, errnum, errdepth, ok).
VerifyCallback = Callable[..., Any]
PostConnectionCheck = Callable[..., Any]

# Protocols that are one version; the others are the names of OpenSSL's methods.
_VERSIONS = {"tlsv1": "TLS1", "tlsv1_1": "TLS1_1", "tlsv1_2": "TLS1_2", "tlsv1_3": "TLS1_3"}

_STRONG_CIPHERS = (
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES"
    ":!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"
)
_WEAK_CIPHERS = "DEFAULT:!aNULL:!eNULL:@SECLEVEL=0"
_SECURITY_LEVEL = 2

# SSL_OP_ALL is OpenSSL's workarounds for other programs' bugs. These two of them cost security: the
# first brings back an attack on TLS 1.0 (BEAST), the second, in 1.1.1, one on renegotiation.
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
    """The number of a protocol version: m2.TLS1_2_VERSION for "tlsv1_2", "TLSv1.2" or itself.

    Raises:
        ValueError: there is no such version, or the build has not got it.
    """
    if isinstance(version, int):
        names = {getattr(m2, f"{stem}_VERSION"): stem for stem in _VERSIONS.values()}
        stem = names.get(version)
        if version == 0:
            return 0
    else:
        stem = _VERSIONS.get(version.lower().replace(".", "_"))
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
    """Can it be called with so many positional arguments?"""
    try:
        inspect.signature(callback).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        # It is written in C, and says nothing of itself.
        return count == 2
    return True


class Context:
    """What connections are made from. The handle of OpenSSL's SSL_CTX is `ctx`."""

    map = staticmethod(ctxmap)

    def __init__(
        self,
        protocol: str = "tls",
        weak_crypto: int | None = None,
        post_connection_check: PostConnectionCheck | None = None,
    ) -> None:
        """Make one.

        Args:
            protocol: "tls" for TLS 1.2 and newer; "tls_client" or "tls_server" for one role only;
                "tlsv1", "tlsv1_1", "tlsv1_2" or "tlsv1_3" for one version ("sslv23" is "tls").
            weak_crypto: true allows what old peers need: every version and cipher of the build, at
                security level 0. TLS 1.0 and 1.1 do not work without it.
            post_connection_check: called as check(certificate, host) after the handshakes of this
                context's connections, in place of the default (`Connection.connect`).

        Raises:
            ValueError: there is no such protocol, or the build has not got it.
        """
        version, method = self._protocol(protocol)
        self.ctx: _m2crypto.SSL_CTX = m2.ssl_ctx_new(method())
        self.post_connection_check = post_connection_check
        self.allow_unknown_ca: int | bool = 0
        self._verify: Callable[[int, Any], Any] | None = None
        self._verify_was_set = False
        self._info: Callable[[int, int, Any], Any] | None = None
        # What its servers' connections get as their session id context. Without one they refuse to
        # resume sessions when clients are verified; a client with one refuses other contexts'.
        self.server_session_id_ctx: bytes | None = secrets.token_bytes(16)
        self._closed = False
        ctxmap()[self.ctx] = self
        m2.ssl_ctx_clear_options(self.ctx, _UNSAFE_WORKAROUNDS)
        m2.ssl_ctx_set_options(self.ctx, _OPTIONS)
        m2.ssl_ctx_set_mode(self.ctx, _MODE)
        m2.ssl_ctx_set_dh_auto(self.ctx, 1)
        self._set_strength(bool(weak_crypto))
        if version is not None:
            self._pin(protocol, version)

    @staticmethod
    def _protocol(protocol: str) -> tuple[int | None, Callable[[], Any]]:
        """The version that a protocol's name pins, and OpenSSL's method."""
        name = protocol.lower().replace(".", "_")
        if name in _VERSIONS:
            return _version_number(protocol), m2.tls_method
        method = getattr(m2, f"{name}_method", None)
        if method is None:
            known = ", ".join(["tls", "tls_client", "tls_server", *_VERSIONS])
            raise ValueError(f"protocol {protocol!r} is not there; this OpenSSL has {known}")
        return None, method

    def _set_strength(self, weak: bool) -> None:
        if weak:
            self.set_cipher_list(_WEAK_CIPHERS)
            self.set_min_proto_version(0)
            return
        self.set_cipher_list(_STRONG_CIPHERS)
        self.set_min_proto_version(m2.TLS1_2_VERSION)
        # A distribution's settings may ask for more.
        level = max(_SECURITY_LEVEL, m2.ssl_ctx_get_security_level(self.ctx))
        m2.ssl_ctx_set_security_level(self.ctx, level)

    def _pin(self, protocol: str, version: int) -> None:
        try:
            self.set_min_proto_version(version)
            self.set_max_proto_version(version)
        except SSLError as error:
            raise ValueError(f"protocol {protocol!r}: this OpenSSL refuses it: {error}") from None

    @property
    def closed(self) -> bool:
        """Was it closed?"""
        return self._closed

    def close(self) -> None:
        """Let go of OpenSSL's context and of the callbacks; connections made from it live on."""
        if self._closed:
            return
        self._closed = True
        self._verify = self._info = None
        del ctxmap()[self.ctx]
        m2.ssl_ctx_free(self.ctx)

    # ---- who we are ----------------------------------------------------------------------------

    def load_cert(
        self,
        certfile: StrPath,
        keyfile: StrPath | None = None,
        callback: Callable[..., Any] = util.passphrase_callback,
    ) -> None:
        """Load the certificate to show and its key, from PEM files (SSL_CTX_use_certificate_file).

        Args:
            certfile: the file with the certificate; of several, the first.
            keyfile: the file with the key; None: it is in `certfile`.
            callback: gives the passphrase of an encrypted key.

        Raises:
            SSLError: a file cannot be read, has no certificate or key, or the two do not belong
                together.
        """
        self._load_cert(m2.ssl_ctx_use_cert, certfile, keyfile, callback)

    def load_cert_chain(
        self,
        certchainfile: StrPath,
        keyfile: StrPath | None = None,
        callback: Callable[..., Any] = util.passphrase_callback,
    ) -> None:
        """Load the certificate to show, the CAs' that follow it in the file, and its key.

        Args and errors are those of `load_cert` (SSL_CTX_use_certificate_chain_file).
        """
        self._load_cert(m2.ssl_ctx_use_cert_chain, certchainfile, keyfile, callback)

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
        # A key of another kind than the certificate's is taken, for a certificate to come.
        check = m2.ssl_ctx_check_private_key
        self._load("private key", lambda context, _: check(context), keyfile)

    def _load(self, what: str, load: Callable[..., int], file: StrPath, *rest: Any) -> None:
        """Call a function with the context and a file; its errors name the file, and what of it."""
        name = os.fsdecode(file)
        if not Path(name).is_file():
            raise SSLError(f"{name}: there is no such file")
        try:
            load(self.ctx, name, *rest)
        except SSLError as error:
            error.args = (f"{name}: no {what} to be used: {error}",)
            raise

    # ---- whom we believe -----------------------------------------------------------------------

    def set_client_CA_list_from_file(self, cafile: StrPath) -> None:
        """On a server: name the CAs of a PEM file to clients, as those it takes certificates of."""
        self._load("CA certificates", m2.ssl_ctx_set_client_ca_list_from_file, cafile)

    load_client_CA = load_client_ca = set_client_CA_list_from_file  # noqa: N815

    def load_verify_locations(
        self, cafile: StrPath | None = None, capath: StrPath | None = None
    ) -> int:
        """Believe the CAs of a PEM file, or of a folder of files named by hash; 1.

        From then on peers are verified (`verify_peer`), unless `set_verify` says or said otherwise.

        Raises:
            ValueError: neither is given.
            SSLError: the file has no certificates, or there is no such file or folder.
        """
        if cafile is None and capath is None:
            raise ValueError("cafile and capath can not both be None")
        if capath is not None and not any(
            Path(folder).is_dir() for folder in os.fsdecode(capath).split(os.pathsep)
        ):
            raise SSLError(f"{os.fsdecode(capath)}: there is no such folder")
        folder = None if capath is None else os.fsdecode(capath)
        if cafile is None:
            m2.ssl_ctx_load_verify_locations(self.ctx, None, folder)
        else:
            self._load("CA certificates", m2.ssl_ctx_load_verify_locations, cafile, folder)
        self._verify_by_default()
        return 1

    load_verify_info = load_verify_locations

    def set_default_verify_paths(self) -> int:
        """Believe the CAs that the machine believes; 1.

        They are those of SSL_CERT_FILE and SSL_CERT_DIR where these are set, else those in the
        usual places of the usual systems, and not those of the folder compiled into OpenSSL
        (`M2Crypto.SSL._trust` says why). As with `load_verify_locations`, peers are verified from
        then on.

        Raises:
            SSLError: there are none.
        """
        found = _trust.trusted_certificates(os.environ)
        if found == (None, None):
            raise SSLError("no CA certificates were found; set SSL_CERT_FILE to a PEM file of them")
        return self.load_verify_locations(*found)

    def _verify_by_default(self) -> None:
        if not self._verify_was_set:
            m2.ssl_ctx_set_verify(self.ctx, m2.SSL_VERIFY_PEER, None)

    def set_allow_unknown_ca(self, ok: int) -> None:
        """Say whether `cb.ssl_verify_callback` lets pass what unknown CAs issued."""
        self.allow_unknown_ca = ok

    def get_allow_unknown_ca(self) -> int:
        """What `set_allow_unknown_ca` said."""
        return self.allow_unknown_ca

    def set_verify(self, mode: int, depth: int, callback: VerifyCallback | None = None) -> None:
        """Say whether and how peers are verified (SSL_CTX_set_verify).

        The callback is called for each certificate of a peer's chain and for each fault, and
        answers whether to go on. Its number of parameters tells its style: callback(ok, store),
        where `store` is an `X509.X509_Store_Context` that is good until it returns, or
        callback(ssl_ctx_ptr, x509_ptr, errnum, errdepth, ok), with handles of the extension. What
        it raises ends the handshake and reaches who called for it. A fault that it lets pass is
        still what `Connection.get_verify_result` tells.

        Args:
            mode: `verify_none`, or `verify_peer` with or without `verify_fail_if_no_peer_cert` and
                `verify_client_once`, which only servers look at.
            depth: how many intermediate CAs a chain may have.
            callback: None lets OpenSSL's findings stand. Connections made from then on call it.

        Raises:
            TypeError: the callback takes neither 2 nor 5 arguments.
        """
        self._verify = None if callback is None else self._in_new_style(callback)
        self._verify_was_set = True
        m2.ssl_ctx_set_verify_depth(self.ctx, depth)
        m2.ssl_ctx_set_verify(self.ctx, mode, None if callback is None else self._verifier())

    @property
    def has_verify_callback(self) -> bool:
        """Did `set_verify` get a callback, which may have let faults pass?"""
        return self._verify is not None

    def _in_new_style(self, callback: VerifyCallback) -> Callable[[int, Any], Any]:
        """A function of ok and the handle of the store context."""
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

    # The callables given to OpenSSL know their context weakly: what OpenSSL holds the garbage
    # collector cannot see, and a callback often leads back to its context. Every connection holds
    # its context, so it is there when they are called.

    def _verifier(self) -> Callable[[int, Any], Any]:
        reference = weakref.ref(self)

        def verify(ok: int, store_context: Any) -> Any:
            context = reference()
            ask = None if context is None else context._verify
            return ok if ask is None else ask(ok, store_context)

        return verify

    def _informer(self) -> Callable[[int, int, Any], None]:
        reference = weakref.ref(self)

        def inform(where: int, ret: int, connection: Any) -> None:
            context = reference()
            tell = None if context is None else context._info
            if tell is not None:
                tell(where, ret, connection)

        return inform

    def get_verify_mode(self) -> int:
        """What of `verify_peer` and its companions holds."""
        return m2.ssl_ctx_get_verify_mode(self.ctx)

    def get_verify_depth(self) -> int:
        """How many intermediate CAs a chain may have; -1 is OpenSSL's default of 100."""
        return m2.ssl_ctx_get_verify_depth(self.ctx)

    def get_cert_store(self) -> X509.X509_Store:
        """The store of what is believed, shared with the context."""
        return X509.X509_Store(m2.ssl_ctx_get_cert_store(self.ctx))

    # ---- how we speak --------------------------------------------------------------------------

    def set_min_proto_version(self, version: int | str) -> int:
        """The oldest version to speak; 1.

        Args:
            version: m2.TLS1_VERSION to m2.TLS1_3_VERSION, or "tlsv1" to "tlsv1_3" (also written
                "TLSv1.3"); 0 is the oldest of the build.

        Raises:
            ValueError: there is no such version, or the build has not got it.
        """
        return m2.ssl_ctx_set_min_proto_version(self.ctx, _version_number(version))

    def set_max_proto_version(self, version: int | str) -> int:
        """The newest version to speak, as in `set_min_proto_version`; 0 is the build's newest."""
        return m2.ssl_ctx_set_max_proto_version(self.ctx, _version_number(version))

    def get_min_proto_version(self) -> int:
        """The oldest version to speak, as m2.TLS1_2_VERSION; 0 is the oldest of the build."""
        return m2.ssl_ctx_get_min_proto_version(self.ctx)

    def get_max_proto_version(self) -> int:
        """The newest version to speak; 0 is the newest of the build."""
        return m2.ssl_ctx_get_max_proto_version(self.ctx)

    def set_cipher_list(self, cipher_list: str | None) -> int:
        """Set the ciphers.

        Args:
            cipher_list: a cipher list (openssl-ciphers(1)). It sets the ciphers of TLS 1.2 and
                older; names of TLS 1.3 cipher suites in it, such as TLS_AES_128_GCM_SHA256, set
                those of TLS 1.3 (SSL_CTX_set_ciphersuites(3)). What the list does not name for
                one of the two stays as it is; None changes nothing.

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
        """Add options, m2.SSL_OP_...; all that hold then (SSL_CTX_set_options)."""
        return m2.ssl_ctx_set_options(self.ctx, op)

    def set_tmp_dh(self, dhpfile: StrPath | BIO.BIO) -> int:
        """Use the DH parameters of a PEM file; 1. Without it they go by the size of the key.

        Raises:
            BIOError: the file cannot be opened.
            SSLError: it has none, or too short ones.
        """
        if isinstance(dhpfile, BIO.BIO):
            return self._set_tmp_dh(dhpfile)
        with BIO.openfile(os.fsdecode(dhpfile)) as bio:
            return self._set_tmp_dh(bio)

    def _set_tmp_dh(self, bio: BIO.BIO) -> int:
        # OpenSSL prefers the automatic choice to parameters that were set.
        m2.ssl_ctx_set_dh_auto(self.ctx, 0)
        return m2.ssl_ctx_set_tmp_dh(self.ctx, bio.bio_ptr())

    def set_tmp_dh_callback(self, callback: Callable[..., Any] | None = None) -> None:
        """Do nothing, with a warning: OpenSSL chooses DH parameters by the size of the key."""
        if callback is not None:
            _warn("set_tmp_dh_callback does nothing: DH parameters go by the size of the key")

    def set_tmp_rsa(self, rsa: object) -> int:
        """Do nothing, with a warning: with export ciphers temporary RSA keys went too; 1."""
        _warn("set_tmp_rsa does nothing: TLS has no temporary RSA keys any more")
        return 1

    def set_tmp_rsa_callback(self, callback: Callable[..., Any] | None = None) -> None:
        """Do nothing, with a warning, as `set_tmp_rsa`."""
        if callback is not None:
            _warn("set_tmp_rsa_callback does nothing: TLS has no temporary RSA keys any more")

    def set_info_callback(
        self, callback: Callable[[int, int, Any], Any] | None = cb.ssl_info_callback
    ) -> None:
        """Call callback(where, ret, ssl_ptr) at each step of a handshake and at each alert.

        Connections made from then on call it. What it raises reaches who called for the handshake
        (SSL_CTX_set_info_callback).
        """
        self._info = callback
        m2.ssl_ctx_set_info_callback(self.ctx, None if callback is None else self._informer())

    # ---- sessions ------------------------------------------------------------------------------

    def set_session_id_ctx(self, id: bytes) -> int:
        """Say whose sessions may be resumed, by at most 32 bytes; 1.

        Contexts with the same bytes share sessions. Without this a server resumes those that its
        own context made, and a client all.
        """
        self.server_session_id_ctx = None
        return m2.ssl_ctx_set_session_id_context(self.ctx, id)

    def add_session(self, session: Session) -> int:
        """Add a copy of a session to the cache (SSL_CTX_add_session(3)).

        Returns:
            1, or 0 if it replaces a session with the same session ID.
        """
        return m2.ssl_ctx_add_session(self.ctx, session._ptr())

    def remove_session(self, session: Session) -> int:
        """Remove the session with the same session ID from the cache (SSL_CTX_remove_session(3)).

        Returns:
            1, or 0 if the cache has none.
        """
        return m2.ssl_ctx_remove_session(self.ctx, session._ptr())

    def get_session_timeout(self) -> int:
        """For how many seconds new sessions can be used."""
        return m2.ssl_ctx_get_timeout(self.ctx)

    def set_session_timeout(self, timeout: int) -> int:
        """Set the lifetime of new sessions in seconds (SSL_CTX_set_timeout(3)).

        Returns:
            The previous lifetime.

        Raises:
            SSLError: it is negative or too large.
        """
        return m2.ssl_ctx_set_timeout(self.ctx, timeout)

    def set_session_cache_mode(self, mode: int) -> int:
        """Say who caches sessions, m2.SSL_SESS_CACHE_...; the mode that held before."""
        return m2.ssl_ctx_set_session_cache_mode(self.ctx, mode)

    def get_session_cache_mode(self) -> int:
        """Who caches sessions, m2.SSL_SESS_CACHE_..."""
        return m2.ssl_ctx_get_session_cache_mode(self.ctx)


def _warn(message: str) -> None:
    warnings.warn(message, DeprecationWarning, stacklevel=3)
