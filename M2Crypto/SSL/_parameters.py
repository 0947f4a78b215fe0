"""The parameters, certificates and sessions of a connection (SSL_get_version(3))."""

from __future__ import annotations

import os

from M2Crypto import X509, m2
from M2Crypto._arguments import handle_of
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.SSL.Checker import reference_identity
from M2Crypto.SSL.Cipher import Cipher, Cipher_Stack, split_cipher_list
from M2Crypto.SSL.Session import Session

if TYPE_CHECKING:
    from typing import Any

    from M2Crypto import EVP, _m2crypto
    from M2Crypto.SSL.Context import Context


class Parameters:
    """The methods of a connection that query or set parameters of its SSL."""

    ctx: Context
    ssl: _m2crypto.SSL
    # The argument of set1_host or set_tlsext_host_name.
    _checked_name: str | None = None
    _server_name: str | None = None
    _has_session_id_ctx = False

    # ---- server name and reference identity ----------------------------------------------------

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
        if isinstance(identity, str):
            result = m2.ssl_set1_host(self.ssl, identity)
        else:
            result = m2.ssl_set1_ip(self.ssl, str(identity))
        self._checked_name = name if isinstance(name, str) else name.decode("ascii")
        return result

    # ---- negotiated parameters -----------------------------------------------------------------

    def ssl_get_error(self, ret: int) -> int:
        """Return the error code of an SSL function's return value (SSL_get_error(3))."""
        return m2.ssl_get_error(self.ssl, ret)

    def get_context(self) -> Context:
        """Return the context."""
        return self.ctx

    def get_state(self) -> str:
        """Return the abbreviated state of the handshake (SSL_state_string(3))."""
        return m2.ssl_get_state(self.ssl)

    def get_version(self) -> str:
        """Return the negotiated protocol version, such as TLSv1.3."""
        return m2.ssl_get_version(self.ssl)

    def verify_ok(self) -> bool:
        """Return whether there is no verification error, such as without a peer certificate."""
        return self.get_verify_result() == m2.X509_V_OK

    def get_verify_mode(self) -> int:
        """Return the verification mode (SSL_get_verify_mode(3))."""
        return m2.ssl_get_verify_mode(self.ssl)

    def get_verify_depth(self) -> int:
        """Return the maximum number of intermediate CAs; -1 is OpenSSL's default of 100."""
        return m2.ssl_get_verify_depth(self.ssl)

    def get_verify_result(self) -> int:
        """Return the verification error of the peer's certificate, m2.X509_V_..."""
        return m2.ssl_get_verify_result(self.ssl)

    def get_peer_cert(self) -> X509.X509 | None:
        """Return the peer's certificate; None if it sent none."""
        handle = m2.ssl_get_peer_cert(self.ssl)
        return None if handle is None else X509.X509(handle, 1)

    def get_peer_cert_chain(self) -> X509.X509_Stack | None:
        """Return the certificates that the peer sent; None for none, or in a resumed session.

        On a server they do not include the client's own certificate.
        """
        handle = m2.ssl_get_peer_cert_chain(self.ssl)
        return None if handle is None else X509.X509_Stack(handle, 1)

    def get_peer_raw_public_key(self) -> EVP.PKey | None:
        """Return the peer's raw public key (RFC 7250); None if it has a certificate or nothing."""
        handle = m2.ssl_get_peer_rpk(self.ssl)
        if handle is None:
            return None
        from M2Crypto import EVP

        return EVP.PKey(handle, 1)

    def get_client_CA_list(self) -> list[X509.X509_Name]:
        """Return the CA names of the server's certificate request."""
        count = m2.ssl_client_ca_num(self.ssl)
        handles = [m2.ssl_client_ca_value(self.ssl, index) for index in range(count)]
        return [X509.X509_Name(handle, 1) for handle in handles]

    def set_client_CA_list_from_file(self, cafile: str | bytes) -> None:
        """Set the CAs that a server sends to the client, from a PEM file."""
        m2.ssl_set_client_ca_list_from_file(self.ssl, os.fsdecode(cafile))

    def set_client_CA_list_from_context(self) -> None:
        """Set the CAs that a server sends to the client to the context's."""
        m2.ssl_set_client_ca_list_from_context(self.ssl)

    def get_cipher(self) -> Cipher | None:
        """Return the negotiated cipher; None before the handshake."""
        handle = m2.ssl_get_current_cipher(self.ssl)
        return None if handle is None else Cipher(handle)

    def get_group(self) -> str | None:
        """Return the group of the key exchange, such as X25519; None if there is none.

        OpenSSL 1.1.1 knows it only where the peer's key says which it is.
        """
        return m2.ssl_get_group_name(self.ssl)

    def get_peer_signature_digest(self) -> str | None:
        """Return the digest of the peer's signature in the handshake, such as SHA256, or None."""
        nid = m2.ssl_get_peer_signature_nid(self.ssl)
        return None if nid == m2.NID_undef else m2.obj_nid2sn(nid)

    def get_signature_name(self) -> str | None:
        """Return the signature algorithm of this side in the handshake, such as ed25519.

        Returns:
            The name; None if this side signed nothing, and before OpenSSL 3.5.
        """
        return m2.ssl_get_signature_name(self.ssl, 0)

    def get_peer_signature_name(self) -> str | None:
        """Return the signature algorithm of the peer; see `get_signature_name`."""
        return m2.ssl_get_signature_name(self.ssl, 1)

    def selected_alpn_protocol(self) -> str | None:
        """Return the application protocol (RFC 7301); None if there is none."""
        return m2.ssl_get_alpn_selected(self.ssl).decode("ascii", "backslashreplace") or None

    def get_server_name(self) -> str | None:
        """Return the name of the server_name extension; None without one."""
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
        return m2.ssl_export_keying_material(self.ssl, label, context, length)

    def set_context(self, ctx: Context) -> None:
        """Use the certificate and private key of another context (SSL_set_SSL_CTX(3))."""
        handle: Any = getattr(ctx, "ctx", None)
        m2.ssl_set_ssl_ctx(self.ssl, handle)

    def get_verified_chain(self) -> X509.X509_Stack | None:
        """Return the path from the peer's certificate to the trust anchor; None without one."""
        if not m2.ssl_is_init_finished(self.ssl) or not self.verify_ok():
            return None
        return X509.X509_Stack(m2.ssl_get1_verified_chain(self.ssl), 1)

    def get_ciphers(self) -> Cipher_Stack:
        """Return the enabled ciphers."""
        return Cipher_Stack(m2.ssl_get_ciphers(self.ssl), 1)

    def get_client_ciphers(self) -> Cipher_Stack:
        """Return the ciphers that the client offered to this server; none for a client."""
        return Cipher_Stack(m2.ssl_get_client_ciphers(self.ssl), 1)

    def get_cipher_list(self, idx: int = 0) -> str | None:
        """Return the name of an enabled cipher by its preference, from 0; None after the last."""
        return m2.ssl_get_cipher_list(self.ssl, idx)

    def set_cipher_list(self, cipher_list: str | None) -> int:
        """Set the ciphers of this connection; see `Context.set_cipher_list`.

        Returns:
            1.
        """
        older, newer = split_cipher_list(cipher_list)
        if older is not None:
            m2.ssl_set_cipher_list(self.ssl, older)
        if newer is not None:
            m2.ssl_set_ciphersuites(self.ssl, newer)
        return 1

    # ---- Encrypted Client Hello ----------------------------------------------------------------

    def set_ech_config(self, config: bytes) -> None:
        """Encrypt the ClientHello of the next handshake, with its server name (RFC 9849).

        Args:
            config: the server's ECHConfigList, such as from its HTTPS record in the DNS: in binary,
                in base64, or in PEM.

        Raises:
            SSLError: it has no configuration that OpenSSL supports, or this OpenSSL has no ECH.
        """
        _, _, rest = bytes(config).partition(b"-----BEGIN ECHCONFIG-----")
        if rest:
            config = b"".join(rest.partition(b"-----END")[0].split())
        m2.ssl_set1_ech_config_list(self.ssl, config)

    def ech_accepted(self) -> bool:
        """Return whether the handshake was that of an encrypted ClientHello."""
        return bool(m2.ssl_ech_accepted(self.ssl))

    def get_ech_retry_config(self) -> bytes | None:
        """Return the ECHConfigList of a server that could not decrypt the ClientHello, or None."""
        return m2.ssl_ech_retry_config(self.ssl) or None

    # ---- sessions ------------------------------------------------------------------------------

    def set_session_id_ctx(self, id: bytes) -> int:
        """Set the session ID context, and return 1; see `Context.set_session_id_ctx`."""
        self._has_session_id_ctx = True
        return m2.ssl_set_session_id_context(self.ssl, id)

    def get_session(self) -> Session | None:
        """Return the session for resumption; None if there is none.

        A TLS 1.3 server sends session tickets after the handshake, so the client must read first.
        """
        handle = m2.ssl_get_session(self.ssl)
        return None if handle is None else Session(handle, 1)

    def set_session(self, session: Session) -> int:
        """Set a session to resume in the next handshake, and return 1."""
        return m2.ssl_set_session(self.ssl, handle_of(session))

    def session_reused(self) -> bool:
        """Return whether the handshake resumed a session."""
        return bool(m2.ssl_session_reused(self.ssl))

    def get_default_session_timeout(self) -> int:
        """Return OpenSSL's default lifetime of sessions in seconds."""
        return m2.ssl_get_default_timeout(self.ssl)
