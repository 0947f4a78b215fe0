"""Certificates and stacks of them (RFC 5280, section 4)."""

from __future__ import annotations

import operator

from M2Crypto import ASN1, BIO, EVP, _hosts, _pem, m2
from M2Crypto._arguments import handle_of, text
from M2Crypto._errors import X509Error
from M2Crypto._locks import Lock
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.X509 import _formats, _stacks
from M2Crypto.X509.extensions import X509_Extension, new_extension
from M2Crypto.X509.names import X509_Name, name_of

if TYPE_CHECKING:
    from typing import Any, Callable

    from M2Crypto import _m2crypto


_GENERAL_NAME_KINDS = {
    m2.GEN_DNS: "DNS",
    m2.GEN_EMAIL: "email",
    m2.GEN_URI: "URI",
    m2.GEN_IPADD: "IP Address",
    m2.GEN_DIRNAME: "DirName",
    m2.GEN_RID: "Registered ID",
    m2.GEN_OTHERNAME: "othername",
    m2.GEN_X400: "X400Name",
    m2.GEN_EDIPARTY: "EdiPartyName",
}


def _general_name(kind: str, value: bytes) -> str:
    if kind == "IP Address":
        import ipaddress

        return str(ipaddress.ip_address(value)) if len(value) in (4, 16) else "<invalid>"
    if kind in ("othername", "X400Name", "EdiPartyName"):
        return value.hex()
    # A NUL remains in the text, because the text before it is another name.
    return value.decode("utf-8" if kind == "DirName" else "ascii", "backslashreplace")


def _time(handle: _m2crypto.ASN1_TIME, write_back: Callable[[Any], object]) -> ASN1.ASN1_TIME:
    time = ASN1.ASN1_TIME(handle)
    time._write_back = write_back
    return time


class X509:
    """A certificate."""

    def __init__(self, x509: _m2crypto.X509 | None = None, _pyfree: int = 0) -> None:
        self.x509 = m2.x509_new() if x509 is None else x509
        self._signing = Lock()

    def _ptr(self) -> _m2crypto.X509:
        return self.x509

    def __repr__(self) -> str:
        return f"<X509 {self.get_subject()}>"

    def __copy__(self) -> X509:
        return X509(m2.x509_dup(self.x509))

    def __deepcopy__(self, memo: object) -> X509:
        return self.__copy__()

    def __reduce__(self) -> tuple[object, ...]:
        return load_cert_der_string, (self.as_der(),)

    def as_text(self) -> str:
        """Return the text of `openssl x509 -text` (X509_print(3))."""
        return _formats.text(m2.x509_print, self.x509)

    def as_der(self) -> bytes:
        """Return the certificate in DER."""
        return m2.i2d_x509(self.x509)

    def as_pem(self) -> bytes:
        """Return the certificate in PEM."""
        return _formats.written(m2.x509_write_pem, self.x509)

    def save_pem(self, filename: BIO.FilePath) -> int:
        """Write the PEM to a file, and return 1."""
        return self.save(filename, _formats.FORMAT_PEM)

    def save(self, filename: BIO.FilePath, format: int = _formats.FORMAT_PEM) -> int:
        """Write the PEM or DER to a file, and return 1."""
        return _formats.save(filename, _formats.in_format(format, self.as_pem, self.as_der))

    def set_version(self, version: int) -> int:
        """Set the version: 0 for v1, 2 for v3."""
        return m2.x509_set_version(self.x509, version)

    def get_version(self) -> int:
        """Return the version: 0 for v1, 2 for v3.

        Raises:
            X509Error: the encoded version is negative or does not fit into a C long.
        """
        return m2.x509_get_version(self.x509)

    def set_not_before(self, asn1_time: ASN1.ASN1_TIME) -> int:
        """Set notBefore, the start of the validity period."""
        return m2.x509_set_not_before(self.x509, handle_of(asn1_time))

    def set_not_after(self, asn1_time: ASN1.ASN1_TIME) -> int:
        """Set notAfter, the end of the validity period."""
        return m2.x509_set_not_after(self.x509, handle_of(asn1_time))

    def get_not_before(self) -> ASN1.ASN1_TIME:
        """Return notBefore, the start of the validity period."""
        time = m2.x509_get_not_before(self.x509)
        return _time(time, lambda changed: m2.x509_set_not_before(self.x509, changed))

    def get_not_after(self) -> ASN1.ASN1_TIME:
        """Return notAfter, the end of the validity period."""
        time = m2.x509_get_not_after(self.x509)
        return _time(time, lambda changed: m2.x509_set_not_after(self.x509, changed))

    def get_serial_number(self) -> int:
        """Return the serial number, which can have any size."""
        return int(ASN1.ASN1_Integer(m2.x509_get_serial_number(self.x509)))

    def set_serial_number(self, serial: int) -> int:
        """Set the serial number, which can have any size."""
        return m2.x509_set_serial_number(self.x509, m2.asn1_integer_from_hex(f"{serial:x}"))

    def get_pubkey(self) -> EVP.PKey:
        """Return the public key.

        Raises:
            X509Error: there is none, or OpenSSL cannot decode it.
        """
        return EVP.PKey(m2.x509_get_pubkey(self.x509), _pyfree=1)

    def set_pubkey(self, pkey: EVP.PKey) -> int:
        """Set the public key."""
        return m2.x509_set_pubkey(self.x509, handle_of(pkey))

    def get_issuer(self) -> X509_Name:
        """Return the issuer distinguished name."""
        name = m2.x509_get_issuer_name(self.x509)
        return name_of(name, lambda changed: m2.x509_set_issuer_name(self.x509, changed))

    def set_issuer(self, name: X509_Name) -> int:
        """Set the issuer distinguished name to a copy of `name`."""
        return m2.x509_set_issuer_name(self.x509, handle_of(name))

    set_issuer_name = set_issuer

    def get_subject(self) -> X509_Name:
        """Return the subject distinguished name."""
        name = m2.x509_get_subject_name(self.x509)
        return name_of(name, lambda changed: m2.x509_set_subject_name(self.x509, changed))

    def set_subject_name(self, name: X509_Name) -> int:
        """Set the subject distinguished name to a copy of `name`."""
        return m2.x509_set_subject_name(self.x509, handle_of(name))

    set_subject = set_subject_name

    def add_ext(self, ext: X509_Extension) -> int:
        """Add a copy of an extension."""
        return m2.x509_add_ext(self.x509, handle_of(ext), -1)

    def get_ext_count(self) -> int:
        """Return the number of extensions."""
        return m2.x509_get_ext_count(self.x509)

    def get_ext_at(self, index: int) -> X509_Extension:
        """Return a copy of the extension at an index.

        Raises:
            IndexError: the index is out of range.
        """
        if not 0 <= operator.index(index) < self.get_ext_count():
            raise IndexError(f"the certificate has no extension at {index}")
        return X509_Extension(m2.x509_get_ext(self.x509, index))

    def get_ext(self, name: str) -> X509_Extension:
        """Return a copy of the first extension with the short name `name`.

        Raises:
            LookupError: there is no such extension.
        """
        text(name)
        for index in range(self.get_ext_count()):
            extension = self.get_ext_at(index)
            if extension.get_name() == name:
                return extension
        raise LookupError(f"the certificate has no extension {name}")

    def get_subject_alt_names(self) -> list[tuple[int, bytes]]:
        """Return the names of the subjectAltName in order (RFC 5280, section 4.2.1.6).

        Returns:
            Pairs of type, such as `m2.GEN_DNS`, and value; empty without a subjectAltName. DNS
            names, URIs and mail addresses are the encoded octets, IP addresses are octets,
            directory names are RFC 2253 text, registered IDs are OIDs, and other types are the DER
            of the GeneralName.

        Raises:
            X509Error: the subjectAltName is malformed, or there is more than one.
        """
        names = m2.x509_get_subject_alt_names(self.x509)
        if names is None:
            return []
        return [
            (m2.general_names_type(names, index), m2.general_names_value(names, index))
            for index in range(m2.general_names_num(names))
        ]

    def get_subject_alt_names_as_text(self) -> list[tuple[str, str]]:
        r"""Return the names of the subjectAltName as text, in order.

        Each pair is one GeneralName. Commas and NULs do not split it.

        Returns:
            Pairs of type and value; empty without a subjectAltName. The types are those of
            `ssl.SSLSocket.getpeercert`: "DNS", "IP Address", "URI", "email", "DirName" (RFC 2253
            text), "Registered ID" (an OID), "othername", "X400Name" and "EdiPartyName". The values
            of the last three are the DER of the GeneralName in hexadecimal. An octet that is not
            ASCII becomes "\xNN", an address of an invalid length "<invalid>".

        Raises:
            X509Error: the subjectAltName is malformed, or there is more than one.
        """
        pairs = []
        for number, value in self.get_subject_alt_names():
            kind = _GENERAL_NAME_KINDS[number]
            pairs.append((kind, _general_name(kind, value)))
        return pairs

    def sign(self, pkey: EVP.PKey, md: str | None) -> int:
        """Sign the certificate (X509_sign(3)).

        Args:
            pkey: the issuer's private key.
            md: the digest, such as "sha256"; None for Ed25519 and Ed448 keys.

        Returns:
            The size of the signature in bytes.

        Raises:
            X509Error: the digest is unknown, or the key cannot sign with it.
        """
        with self._signing:
            return m2.x509_sign(self.x509, handle_of(pkey), _formats.digest(md))

    def verify(self, pkey: EVP.PKey | None = None) -> int:
        """Return 1 if the signature verifies with `pkey`, by default the subject's, else 0.

        Only the signature is verified (X509_verify(3)); `X509_Store_Context` validates a path.

        Raises:
            X509Error: the key is not of the signature's type, or the algorithm is unknown.
        """
        key = m2.x509_get_pubkey(self.x509) if pkey is None else handle_of(pkey)
        return m2.x509_verify(self.x509, key)

    def check_ca(self) -> int:
        """Return 0 if this is not a CA certificate, else the reason code of X509_check_ca(3)."""
        return m2.x509_check_ca(self.x509)

    def check_purpose(self, id: int, ca: int) -> int:
        """Return whether it can be used for `m2.X509_PURPOSE_...`, as a CA if `ca` is 1.

        Raises:
            X509Error: the purpose is unknown, or an extension malformed (X509_check_purpose(3)).
        """
        return m2.x509_check_purpose(self.x509, id, ca)

    def check_host(self, host: str | bytes) -> bool:
        """Return whether this is the certificate of a host name or IP address (RFC 9525).

        `SSL.Checker`, `SSL.Connection.set1_host` and `X509_Store.set_host` apply the same rules.
        The common name is not used. Neither the path nor the validity period is checked.

        Raises:
            ValueError: `host` is neither.
            X509Error: the subjectAltName is malformed, or there is more than one.
        """
        identity = _hosts.reference_identity(host)
        m2.x509_get_subject_alt_names(self.x509)
        return _hosts.matches(self.x509, identity)

    def get_fingerprint(self, md: str = "sha1") -> str:
        """Return the digest of the DER in upper-case hexadecimal without colons."""
        algorithm = _formats.digest(md)
        if algorithm is None:
            raise X509Error("a fingerprint needs a digest")
        return m2.x509_digest(self.x509, algorithm).hex().upper()

    def add_subject_key_identifier(self) -> int:
        """Add a subjectKeyIdentifier extension (RFC 5280, section 4.2.1.2, method 1)."""
        return self.add_ext(new_extension("subjectKeyIdentifier", "hash", pkey=self.get_pubkey()))


def load_cert(file: BIO.FilePath, format: int = _formats.FORMAT_PEM) -> X509:
    """Load a certificate from a file, the first one of a PEM file.

    Raises:
        BIO.BIOFileError: the file cannot be opened.
        X509Error: it has no certificate in that format.
    """
    with BIO.openfile(file) as bio:
        return load_cert_bio(bio, format)


def load_cert_bio(bio: BIO.BIO, format: int = _formats.FORMAT_PEM) -> X509:
    """Load the next certificate from a BIO."""
    handle = handle_of(bio)
    return X509(
        _formats.in_format(format, lambda: m2.x509_read_pem(handle), lambda: m2.d2i_x509(handle))
    )


def load_cert_string(string: str | bytes, format: int = _formats.FORMAT_PEM) -> X509:
    """Load a certificate from a string."""
    return load_cert_bio(_pem.bio_of(string), format)


def load_cert_der_string(cert_str: bytes) -> X509:
    """Load a certificate from DER."""
    return load_cert_string(cert_str, _formats.FORMAT_DER)


class X509_Stack(_stacks.Stack[X509]):
    """A stack of certificates."""

    _new = staticmethod(m2.sk_x509_new_null)
    _num = staticmethod(m2.sk_x509_num)
    _value = staticmethod(m2.sk_x509_value)
    _push = staticmethod(m2.sk_x509_push)
    _pop = staticmethod(m2.sk_x509_pop)
    _element = X509

    def __init__(
        self,
        stack: _m2crypto.m2_x509_stack | None = None,
        _pyfree: int = 0,
        _pyfree_x509: int = 0,
    ) -> None:
        super().__init__(stack, _pyfree)

    def push(self, x509: X509) -> int:
        """Append a certificate and return the new number of elements."""
        return self._add(x509)

    def as_der(self) -> bytes:
        """Return the certificates as a SEQUENCE in DER, which `new_stack_from_der` reads."""
        return m2.get_der_encoding_stack(self.stack)

    def create_degenerate(self, bio: BIO.BIO) -> int:
        """Write a PEM of degenerate PKCS #7 to a BIO (RFC 2315, section 9.1), and return 1."""
        return m2.sk_x509_write_degenerate(handle_of(bio), self.stack)

    def save_degenerate(self, filename: BIO.FilePath) -> int:
        """Write the output of `create_degenerate` to a file, and return 1."""
        return _formats.save(filename, _formats.written(m2.sk_x509_write_degenerate, self.stack))


def new_stack_from_der(der_string: bytes) -> X509_Stack:
    """Return the stack of the certificates in the output of `X509_Stack.as_der`."""
    return X509_Stack(m2.make_stack_from_der_sequence(der_string))
