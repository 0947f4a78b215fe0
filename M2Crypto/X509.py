"""X.509 certificates, names, extensions, requests, CRLs and path validation (RFC 5280).

A certificate is loaded, such as by `load_cert`, or created and signed. A certification path is
validated by an `X509_Store_Context` with the trust anchors of an `X509_Store`.

An object that a method returns remains valid after the object that returned it. Changing a name or
a time that a certificate returned changes the certificate
(`certificate.get_subject().CN = "example.org"`). The parameters `_pyfree` are ignored.

A certificate or request must not be changed while another thread uses it.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Generic, Protocol, TypeVar

from M2Crypto import ASN1, BIO, EVP, _algorithms, _pem, m2
from M2Crypto._errors import X509Error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from M2Crypto import _m2crypto

    # The constants at the end of the module.
    def __getattr__(name: str) -> int: ...


__all__ = [
    "CRL",
    "FORMAT_DER",
    "FORMAT_PEM",
    "V_OK",
    "X509",
    "AuthorityKeyIdentifier",
    "CRL_Stack",
    "Request",
    "X509Error",
    "X509_Extension",
    "X509_Extension_Stack",
    "X509_Name",
    "X509_Name_Entry",
    "X509_Stack",
    "X509_Store",
    "X509_Store_Context",
    "load_cert",
    "load_cert_bio",
    "load_cert_der_string",
    "load_cert_string",
    "load_crl",
    "load_crl_string",
    "load_request",
    "load_request_bio",
    "load_request_der_string",
    "load_request_string",
    "new_extension",
    "new_stack_from_der",
    "x509_store_default_cb",
]

FORMAT_DER = 0
FORMAT_PEM = 1
V_OK = m2.X509_V_OK


# ---- common parts --------------------------------------------------------------------------------

Handle = TypeVar("Handle")
Element = TypeVar("Element", bound="_HasHandle")


class _HasHandle(Protocol):
    def _ptr(self) -> Any: ...


def _text(write: Callable[..., object], *arguments: object) -> str:
    """Return what an OpenSSL function prints to a BIO."""
    return _written(write, *arguments).decode(errors="backslashreplace")


def _written(write: Callable[..., object], *arguments: object) -> bytes:
    buffer = BIO.MemoryBuffer()
    write(buffer.bio_ptr(), *arguments)
    return buffer.read() or b""


def _save(filename: BIO.FilePath, content: bytes) -> int:
    with BIO.openfile(filename, "wb") as file:
        file.write(content)
    return 1


def _in_format(format: int, pem: Callable[[], Handle], der: Callable[[], Handle]) -> Handle:
    if format == FORMAT_PEM:
        return pem()
    if format == FORMAT_DER:
        return der()
    raise ValueError(f"unknown format {format!r}: not FORMAT_PEM or FORMAT_DER")


def _digest(name: str | None) -> _m2crypto.EVP_MD | None:
    """Return a digest; None for None, which Ed25519 and Ed448 keys require."""
    return None if name is None else _algorithms.digest(name, X509Error)


class _Stack(Generic[Element]):
    """A stack that owns its elements. Elements that it returns remain valid without it."""

    _new: Callable[[], Any]
    _num: Callable[[Any], int]
    _value: Callable[[Any, int], Any]
    _push: Callable[[Any, Any], int]
    _pop: Callable[[Any], Any]
    _element: Callable[[Any], Element]

    def __init__(self, stack: Any = None, _pyfree: int = 0) -> None:
        self.stack = self._new() if stack is None else stack

    def _ptr(self) -> Any:
        return self.stack

    def __len__(self) -> int:
        return self._num(self.stack)

    def __getitem__(self, idx: int) -> Element:
        if not 0 <= idx < len(self):
            raise IndexError(f"the stack has {len(self)} elements, and none at {idx}")
        return self._element(self._value(self.stack, idx))

    def __iter__(self) -> Iterator[Element]:
        return (self[i] for i in range(len(self)))

    def _add(self, element: Element) -> int:
        return self._push(self.stack, element._ptr())

    def pop(self) -> Element | None:
        """Remove and return the last element; None if the stack is empty."""
        handle = self._pop(self.stack)
        return None if handle is None else self._element(handle)


# ---- extensions ----------------------------------------------------------------------------------


class X509_Extension:
    """An extension of a certificate or request."""

    def __init__(
        self, x509_ext_ptr: _m2crypto.X509_EXTENSION | None = None, _pyfree: int = 1
    ) -> None:
        self.x509_ext = m2.x509_extension_new() if x509_ext_ptr is None else x509_ext_ptr

    def _ptr(self) -> _m2crypto.X509_EXTENSION:
        return self.x509_ext

    def set_critical(self, critical: int = 1) -> int:
        """Mark the extension critical or non-critical (RFC 5280, section 4.2).

        Returns:
            1.
        """
        return m2.x509_extension_set_critical(self.x509_ext, critical)

    def get_critical(self) -> int:
        """Return 1 if the extension is critical, else 0 (RFC 5280, section 4.2)."""
        return m2.x509_extension_get_critical(self.x509_ext)

    def get_name(self) -> str:
        """Return the short name, such as "subjectAltName", or the OID if OpenSSL has no name."""
        return m2.x509_extension_get_name(self.x509_ext).decode()

    def get_value(self, flag: int = 0, indent: int = 0) -> str:
        """Return the value as text (X509V3_EXT_print(3)); a dump if it is malformed.

        The text is for display only, because different values can have the same text. For
        alternative names use `X509.get_subject_alt_names`.
        """
        return _text(m2.x509_ext_print, self.x509_ext, flag, indent)


class AuthorityKeyIdentifier:
    """An authorityKeyIdentifier with a keyIdentifier, the octets `key_identifier`."""

    def __init__(self, key_identifier: bytes) -> None:
        self.key_identifier = key_identifier

    def as_extension(self, critical: int = 0, _pyfree: int = 1) -> X509_Extension:
        """Encode this as an authorityKeyIdentifier extension (RFC 5280, section 4.2.1.1)."""
        handle = m2.x509_new_authority_key_identifier(self.key_identifier, critical)
        return X509_Extension(handle, _pyfree)


# "keyid:" followed by octets, which OpenSSL refuses, or ignores before 3.2.
_KEY_IDENTIFIER = re.compile(
    r"(?P<critical>critical,\s*)?keyid:(?P<octets>[0-9A-Fa-f]{2}(?::?[0-9A-Fa-f]{2})*)"
)


def new_extension(
    name: str, value: str, critical: int = 0, _pyfree: int = 1, pkey: EVP.PKey | None = None
) -> X509_Extension:
    """Create an extension from the text format of x509v3_config(5).

    There is no configuration, so a value that names a section ("@section") is refused. A value must
    not contain untrusted text: "DNS:" and a name with a comma are two names.

    Args:
        name: the short name, such as "basicConstraints", or an OID.
        value: such as "CA:TRUE". That of an authorityKeyIdentifier can be "keyid:" and the octets
            of the key identifier in hexadecimal.
        critical: whether the extension is critical (RFC 5280, section 4.2).
        pkey: the key of subject and issuer for "hash" (subjectKeyIdentifier) and "keyid"
            (authorityKeyIdentifier).

    Raises:
        X509Error: the name is unknown, or the value is malformed.
    """
    if "\0" in name or "\0" in value:
        raise X509Error("the name or value of an extension contains a NUL")
    identifier = _KEY_IDENTIFIER.fullmatch(value) if name == "authorityKeyIdentifier" else None
    if identifier is not None:
        octets = bytes.fromhex(identifier["octets"].replace(":", ""))
        marked = identifier["critical"] is not None
        return AuthorityKeyIdentifier(octets).as_extension(int(bool(critical) or marked), _pyfree)
    key = None if pkey is None else pkey._ptr()
    return X509_Extension(m2.x509_new_extension(name, value, critical, key), _pyfree)


class X509_Extension_Stack(_Stack[X509_Extension]):
    """A stack of copies of extensions."""

    _new = staticmethod(m2.sk_x509_ext_new_null)
    _num = staticmethod(m2.sk_x509_ext_num)
    _value = staticmethod(m2.sk_x509_ext_value)
    _push = staticmethod(m2.sk_x509_ext_push)
    _pop = staticmethod(m2.sk_x509_ext_pop)
    _element = X509_Extension

    def push(self, x509_ext: X509_Extension) -> int:
        """Append an extension and return the new number of elements."""
        return self._add(x509_ext)


# ---- names ---------------------------------------------------------------------------------------


def _typed(value: str | bytes, type: int) -> tuple[int, bytes]:
    """Return the type and the bytes of a string: text is encoded as UTF-8 or UTF-16."""
    if isinstance(value, bytes):
        return type, value
    if type == ASN1.MBSTRING_BMP:
        return type, value.encode("utf-16-be")
    return ASN1.MBSTRING_UTF8 if type == ASN1.MBSTRING_ASC else type, value.encode()


class X509_Name_Entry:
    """An attribute of a name. Setting one that a name returned changes the name."""

    _write_back: Callable[[_m2crypto.X509_NAME_ENTRY], object] | None = None

    def __init__(self, x509_name_entry: _m2crypto.X509_NAME_ENTRY, _pyfree: int = 0) -> None:
        self.x509_name_entry = x509_name_entry

    def _ptr(self) -> _m2crypto.X509_NAME_ENTRY:
        return self.x509_name_entry

    def _changed(self) -> int:
        if self._write_back is not None:
            self._write_back(self.x509_name_entry)
        return 1

    def set_object(self, asn1obj: ASN1.ASN1_Object) -> int:
        """Set the attribute type, and return 1."""
        m2.x509_name_entry_set_object(self.x509_name_entry, asn1obj._ptr())
        return self._changed()

    def set_data(self, data: str | bytes, type: int = ASN1.MBSTRING_ASC) -> int:
        """Set the value, and return 1. Bytes are in the encoding `type`.

        Raises:
            X509Error: the value cannot be encoded, or the type is not a character string type. The
                entry is unchanged.
        """
        m2.x509_name_entry_set_data(self.x509_name_entry, *_typed(data, type))
        return self._changed()

    def get_object(self) -> ASN1.ASN1_Object:
        """Return the attribute type."""
        return ASN1.ASN1_Object(m2.x509_name_entry_get_object(self.x509_name_entry))

    def get_data(self) -> ASN1.ASN1_String:
        """Return the value."""
        return ASN1.ASN1_String(m2.x509_name_entry_get_data(self.x509_name_entry))

    def create_by_txt(self, field: str, type: int, entry: str | bytes, length: int = -1) -> int:
        """Set the type to `field` and the value to the first `length` bytes of `entry`."""
        kind, data = _typed(entry, type)
        data = data if length < 0 else data[:length]
        self.x509_name_entry = m2.x509_name_entry_create_by_txt(field, kind, data)
        return self._changed()


class X509_Name:
    """A distinguished name.

    Common attributes have the short and long names of `nid`, such as `name.CN`. Reading one returns
    the first value, or None. Assigning to one adds a value, as `add_entry_by_txt` does.
    """

    nid: ClassVar[dict[str, int]] = {
        "C": m2.NID_countryName,
        "countryName": m2.NID_countryName,
        "SP": m2.NID_stateOrProvinceName,
        "ST": m2.NID_stateOrProvinceName,
        "stateOrProvinceName": m2.NID_stateOrProvinceName,
        "L": m2.NID_localityName,
        "localityName": m2.NID_localityName,
        "O": m2.NID_organizationName,
        "organizationName": m2.NID_organizationName,
        "OU": m2.NID_organizationalUnitName,
        "organizationUnitName": m2.NID_organizationalUnitName,
        "organizationalUnitName": m2.NID_organizationalUnitName,
        "CN": m2.NID_commonName,
        "commonName": m2.NID_commonName,
        "Email": m2.NID_pkcs9_emailAddress,
        "emailAddress": m2.NID_pkcs9_emailAddress,
        "serialNumber": m2.NID_serialNumber,
        "SN": m2.NID_surname,
        "surname": m2.NID_surname,
        "GN": m2.NID_givenName,
        "givenName": m2.NID_givenName,
        "DC": m2.NID_domainComponent,
        "domainComponent": m2.NID_domainComponent,
        "UID": m2.NID_userId,
        "userId": m2.NID_userId,
        "title": m2.NID_title,
    }

    _write_back: Callable[[_m2crypto.X509_NAME], object] | None = None

    def __init__(self, x509_name: _m2crypto.X509_NAME | None = None, _pyfree: int = 0) -> None:
        self.x509_name = m2.x509_name_new() if x509_name is None else x509_name

    def _ptr(self) -> _m2crypto.X509_NAME:
        return self.x509_name

    def _changed(self) -> int:
        if self._write_back is not None:
            self._write_back(self.x509_name)
        return 1

    def __str__(self) -> str:
        """Return such as "/C=US/CN=example.org" (X509_NAME_oneline(3))."""
        return m2.x509_name_oneline(self.x509_name)

    def __repr__(self) -> str:
        return f"<X509_Name {self}>"

    def __getattr__(self, name: str) -> str | None:
        if name not in self.nid:
            raise AttributeError(f"X509_Name has no attribute {name!r}")
        index = m2.x509_name_get_index_by_nid(self.x509_name, self.nid[name], -1)
        return None if index < 0 else str(self[index].get_data())

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.nid:
            super().__setattr__(name, value)
            return
        kind, data = _typed(value, ASN1.MBSTRING_ASC)
        m2.x509_name_add_entry_by_nid(self.x509_name, self.nid[name], kind, data, -1, 0)
        self._changed()

    def __len__(self) -> int:
        return m2.x509_name_entry_count(self.x509_name)

    def __getitem__(self, idx: int) -> X509_Name_Entry:
        if not 0 <= idx < len(self):
            raise IndexError(f"the name has {len(self)} entries, and none at {idx}")
        entry = X509_Name_Entry(m2.x509_name_get_entry(self.x509_name, idx))
        entry._write_back = lambda handle: self._set_entry(idx, handle)
        return entry

    def __iter__(self) -> Iterator[X509_Name_Entry]:
        return (self[i] for i in range(len(self)))

    def _set_entry(self, index: int, entry: _m2crypto.X509_NAME_ENTRY) -> None:
        m2.x509_name_set_entry(self.x509_name, index, entry)
        self._changed()

    def add_entry_by_txt(
        self,
        field: str,
        type: int,
        entry: str | bytes,
        len: int = -1,
        loc: int = -1,
        set: int = 0,
    ) -> int:
        """Add an attribute (X509_NAME_add_entry_by_txt(3)).

        Args:
            field: the attribute's short name, long name or OID.
            type: the encoding of bytes, such as `ASN1.MBSTRING_ASC`.
            entry: the value.
            len: the number of its bytes to use; -1 for all.
            loc: the index at which the attribute is inserted; -1 for the end.
            set: 0 for a new RDN; -1 and 1 for the RDN of the previous or next attribute.

        Returns:
            1.

        Raises:
            X509Error: the field is unknown, or the value is not valid for it.
        """
        kind, data = _typed(entry, type)
        data = data if len < 0 else data[:len]
        m2.x509_name_add_entry_by_txt(self.x509_name, field, kind, data, loc, set)
        return self._changed()

    def entry_count(self) -> int:
        """Return the number of attributes."""
        return len(self)

    def get_entries_by_nid(self, nid: int) -> list[X509_Name_Entry]:
        """Return the attributes of a type, such as `m2.NID_organizationalUnitName`."""
        found = []
        index = -1
        while (index := m2.x509_name_get_index_by_nid(self.x509_name, nid, index)) >= 0:
            found.append(self[index])
        return found

    def as_text(self, indent: int = 0, flags: int = m2.XN_FLAG_COMPAT) -> str:
        """Return the name in a format of X509_NAME_print_ex(3).

        Args:
            indent: the number of leading spaces.
            flags: `m2.XN_FLAG_` values. The text of COMPAT, such as "C=US, CN=x", is ambiguous;
                RFC2253 escapes special characters.
        """
        return _text(m2.x509_name_print_ex, self.x509_name, indent, flags)

    def as_der(self) -> bytes:
        """Return the name in DER."""
        return m2.x509_name_get_der(self.x509_name)

    def as_hash(self) -> int:
        """Return the hash that names a CA's file in a directory (X509_NAME_hash(3)).

        Raises:
            X509Error: SHA-1 is not available, such as in FIPS mode.
        """
        return m2.x509_name_hash(self.x509_name)


def _name(handle: _m2crypto.X509_NAME, write_back: Callable[[Any], object]) -> X509_Name:
    name = X509_Name(handle)
    name._write_back = write_back
    return name


def _time(handle: _m2crypto.ASN1_TIME, write_back: Callable[[Any], object]) -> ASN1.ASN1_TIME:
    time = ASN1.ASN1_TIME(handle)
    time._write_back = write_back
    return time


# ---- certificates --------------------------------------------------------------------------------

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


class X509:
    """A certificate."""

    def __init__(self, x509: _m2crypto.X509 | None = None, _pyfree: int = 0) -> None:
        self.x509 = m2.x509_new() if x509 is None else x509
        self._signing = threading.Lock()

    def _ptr(self) -> _m2crypto.X509:
        return self.x509

    def as_text(self) -> str:
        """Return the text of `openssl x509 -text` (X509_print(3))."""
        return _text(m2.x509_print, self.x509)

    def as_der(self) -> bytes:
        """Return the certificate in DER."""
        return m2.i2d_x509(self.x509)

    def as_pem(self) -> bytes:
        """Return the certificate in PEM."""
        return _written(m2.x509_write_pem, self.x509)

    def save_pem(self, filename: BIO.FilePath) -> int:
        """Write the PEM to a file, and return 1."""
        return self.save(filename, FORMAT_PEM)

    def save(self, filename: BIO.FilePath, format: int = FORMAT_PEM) -> int:
        """Write the PEM or DER to a file, and return 1."""
        return _save(filename, _in_format(format, self.as_pem, self.as_der))

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
        return m2.x509_set_not_before(self.x509, asn1_time._ptr())

    def set_not_after(self, asn1_time: ASN1.ASN1_TIME) -> int:
        """Set notAfter, the end of the validity period."""
        return m2.x509_set_not_after(self.x509, asn1_time._ptr())

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
        return m2.x509_set_pubkey(self.x509, pkey._ptr())

    def get_issuer(self) -> X509_Name:
        """Return the issuer distinguished name."""
        name = m2.x509_get_issuer_name(self.x509)
        return _name(name, lambda changed: m2.x509_set_issuer_name(self.x509, changed))

    def set_issuer(self, name: X509_Name) -> int:
        """Set the issuer distinguished name to a copy of `name`."""
        return m2.x509_set_issuer_name(self.x509, name._ptr())

    set_issuer_name = set_issuer

    def get_subject(self) -> X509_Name:
        """Return the subject distinguished name."""
        name = m2.x509_get_subject_name(self.x509)
        return _name(name, lambda changed: m2.x509_set_subject_name(self.x509, changed))

    def set_subject_name(self, name: X509_Name) -> int:
        """Set the subject distinguished name to a copy of `name`."""
        return m2.x509_set_subject_name(self.x509, name._ptr())

    set_subject = set_subject_name

    def add_ext(self, ext: X509_Extension) -> int:
        """Add a copy of an extension."""
        return m2.x509_add_ext(self.x509, ext._ptr(), -1)

    def get_ext_count(self) -> int:
        """Return the number of extensions."""
        return m2.x509_get_ext_count(self.x509)

    def get_ext_at(self, index: int) -> X509_Extension:
        """Return a copy of the extension at an index.

        Raises:
            IndexError: the index is out of range.
        """
        if not 0 <= index < self.get_ext_count():
            raise IndexError(f"the certificate has no extension at {index}")
        return X509_Extension(m2.x509_get_ext(self.x509, index))

    def get_ext(self, name: str) -> X509_Extension:
        """Return a copy of the first extension with the short name `name`.

        Raises:
            LookupError: there is no such extension.
        """
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
            return m2.x509_sign(self.x509, pkey._ptr(), _digest(md))

    def verify(self, pkey: EVP.PKey | None = None) -> int:
        """Return 1 if the signature verifies with `pkey`, by default the subject's, else 0.

        Only the signature is verified (X509_verify(3)); `X509_Store_Context` validates a path.

        Raises:
            X509Error: the key is not of the signature's type, or the algorithm is unknown.
        """
        key = m2.x509_get_pubkey(self.x509) if pkey is None else pkey._ptr()
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

    def get_fingerprint(self, md: str = "sha1") -> str:
        """Return the digest of the DER in upper-case hexadecimal without colons."""
        algorithm = _digest(md)
        if algorithm is None:
            raise X509Error("a fingerprint needs a digest")
        return m2.x509_digest(self.x509, algorithm).hex().upper()

    def add_subject_key_identifier(self) -> int:
        """Add a subjectKeyIdentifier extension (RFC 5280, section 4.2.1.2, method 1)."""
        return self.add_ext(new_extension("subjectKeyIdentifier", "hash", pkey=self.get_pubkey()))


def load_cert(file: BIO.FilePath, format: int = FORMAT_PEM) -> X509:
    """Load a certificate from a file, the first one of a PEM file.

    Raises:
        BIO.BIOFileError: the file cannot be opened.
        X509Error: it has no certificate in that format.
    """
    with BIO.openfile(file) as bio:
        return load_cert_bio(bio, format)


def load_cert_bio(bio: BIO.BIO, format: int = FORMAT_PEM) -> X509:
    """Load the next certificate from a BIO."""
    handle = bio.bio_ptr()
    return X509(_in_format(format, lambda: m2.x509_read_pem(handle), lambda: m2.d2i_x509(handle)))


def load_cert_string(string: str | bytes, format: int = FORMAT_PEM) -> X509:
    """Load a certificate from a string."""
    return load_cert_bio(_pem.bio_of(string), format)


def load_cert_der_string(cert_str: bytes) -> X509:
    """Load a certificate from DER."""
    return load_cert_string(cert_str, FORMAT_DER)


class X509_Stack(_Stack[X509]):
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
        return m2.sk_x509_write_degenerate(bio.bio_ptr(), self.stack)

    def save_degenerate(self, filename: BIO.FilePath) -> int:
        """Write the output of `create_degenerate` to a file, and return 1."""
        return _save(filename, _written(m2.sk_x509_write_degenerate, self.stack))


def new_stack_from_der(der_string: bytes) -> X509_Stack:
    """Return the stack of the certificates in the output of `X509_Stack.as_der`."""
    return X509_Stack(m2.make_stack_from_der_sequence(der_string))


# ---- CRLs ----------------------------------------------------------------------------------------


class CRL:
    """A certificate revocation list."""

    def __init__(self, crl: _m2crypto.X509_CRL | None = None, _pyfree: int = 0) -> None:
        self.crl = m2.x509_crl_new() if crl is None else crl

    def _ptr(self) -> _m2crypto.X509_CRL:
        return self.crl

    def as_text(self) -> str:
        """Return the text of `openssl crl -text` (X509_CRL_print(3))."""
        return _text(m2.x509_crl_print, self.crl)

    def get_issuer(self) -> X509_Name:
        """Return the issuer distinguished name."""
        return X509_Name(m2.x509_crl_get_issuer(self.crl))

    def get_lastUpdate(self) -> ASN1.ASN1_TIME:
        """Return thisUpdate, the issue date."""
        return ASN1.ASN1_TIME(m2.x509_crl_get_last_update(self.crl))

    def get_nextUpdate(self) -> ASN1.ASN1_TIME | None:
        """Return nextUpdate, the latest date of the next CRL; None if it is absent."""
        time = m2.x509_crl_get_next_update(self.crl)
        return None if time is None else ASN1.ASN1_TIME(time)

    def verify(self, pkey: EVP.PKey) -> int:
        """Return 1 if the signature verifies with `pkey`, else 0 (X509_CRL_verify(3))."""
        return m2.x509_crl_verify(self.crl, pkey._ptr())


def load_crl(file: BIO.FilePath) -> CRL:
    """Load a CRL from a PEM file."""
    with BIO.openfile(file) as bio:
        return CRL(m2.x509_crl_read_pem(bio.bio_ptr()))


def load_crl_string(crl_string: str | bytes) -> CRL:
    """Load a CRL from PEM."""
    return CRL(m2.x509_crl_read_pem(_pem.bio_of(crl_string).bio_ptr()))


class CRL_Stack(_Stack[CRL]):
    """A stack of CRLs."""

    _new = staticmethod(m2.sk_x509_crl_new_null)
    _num = staticmethod(m2.sk_x509_crl_num)
    _value = staticmethod(m2.sk_x509_crl_value)
    _push = staticmethod(m2.sk_x509_crl_push)
    _pop = staticmethod(m2.sk_x509_crl_pop)
    _element = CRL

    def __init__(
        self,
        stack: _m2crypto.m2_x509_crl_stack | None = None,
        _pyfree: int = 0,
        _pyfree_x509_crl: int = 0,
    ) -> None:
        super().__init__(stack, _pyfree)

    def push(self, crl: CRL) -> int:
        """Append a CRL and return the new number of elements."""
        return self._add(crl)


# ---- path validation ----------------------------------------------------------------------------


class X509_Store_Context:
    """The validation of one certification path (X509_STORE_CTX_new(3)).

    Call `init`, then `verify_cert`, then the getters. A verify callback can call only the getters
    of its argument. When the callback has returned, they raise ValueError.
    """

    def __init__(
        self, x509_store_ctx: _m2crypto.m2_x509_store_ctx | None = None, _pyfree: int = 0
    ) -> None:
        self.ctx = m2.x509_store_ctx_new() if x509_store_ctx is None else x509_store_ctx
        # The validation runs without the GIL. Its callback can use the context in the same thread.
        self._lock = threading.RLock()

    def _ptr(self) -> _m2crypto.m2_x509_store_ctx:
        return self.ctx

    def init(self, store: X509_Store, cert: X509, untrusted: X509_Stack | None = None) -> int:
        """Prepare the validation of `cert`, and return 1 (X509_STORE_CTX_init(3)).

        Args:
            store: the trust anchors, CRLs and flags.
            cert: the certificate.
            untrusted: certificates from which the path can be built.
        """
        stack = None if untrusted is None else untrusted._ptr()
        with self._lock:
            return m2.x509_store_ctx_init(self.ctx, store._ptr(), cert._ptr(), stack)

    def add_crls(self, crls: CRL_Stack) -> int:
        """Add CRLs to those of the store after `init`, and return 1.

        They are used if the store has the flag `m2.X509_V_FLAG_CRL_CHECK`.
        """
        with self._lock:
            return m2.x509_store_ctx_add_crls(self.ctx, crls._ptr())

    def verify_cert(self) -> int:
        """Validate the path and return 1 if it is valid, else 0; `get_error` returns the error.

        Raises:
            X509Error: `init` was not called.
            BaseException: the verify callback raised it.
        """
        with self._lock:
            return m2.x509_verify_cert(self.ctx)

    def get_error(self) -> int:
        """Return the error, `m2.X509_V_ERR_...`, or `m2.X509_V_OK`."""
        with self._lock:
            return m2.x509_store_ctx_get_error(self.ctx)

    def get_error_depth(self) -> int:
        """Return the depth of the error in the path; 0 is the validated certificate."""
        with self._lock:
            return m2.x509_store_ctx_get_error_depth(self.ctx)

    def get_current_cert(self) -> X509 | None:
        """Return the certificate that caused the error, or None."""
        with self._lock:
            certificate = m2.x509_store_ctx_get_current_cert(self.ctx)
        return None if certificate is None else X509(certificate)

    def get1_chain(self) -> X509_Stack:
        """Return the path, from the validated certificate to the trust anchor."""
        with self._lock:
            return X509_Stack(m2.x509_store_ctx_get1_chain(self.ctx), 1, 1)


def x509_store_default_cb(ok: int, ctx: X509_Store_Context) -> int:
    """Return `ok`: the verify callback that changes nothing."""
    return ok


class X509_Store:
    """A trust store: trust anchors, CRLs and validation flags (X509_STORE_new(3))."""

    def __init__(self, store: _m2crypto.X509_STORE | None = None, _pyfree: int = 0) -> None:
        self.store = m2.x509_store_new() if store is None else store

    def _ptr(self) -> _m2crypto.X509_STORE:
        return self.store

    def load_info(self, file: BIO.FilePath) -> int:
        """Add the certificates and CRLs of a PEM file, and return 1.

        Raises:
            X509Error: the file cannot be opened, or has neither.
        """
        return m2.x509_store_load_locations(self.store, file)

    load_locations = load_info

    def add_x509(self, x509: X509) -> int:
        """Add a trust anchor, and return 1."""
        return m2.x509_store_add_cert(self.store, x509._ptr())

    def add_crl(self, crl: CRL) -> int:
        """Add a CRL, which is used if a flag enables CRL checks, and return 1."""
        return m2.x509_store_add_crl(self.store, crl._ptr())

    add_cert = add_x509

    def set_verify_cb(
        self, callback: Callable[[int, X509_Store_Context], object] | None = None
    ) -> None:
        """Set the verify callback of later validations (X509_STORE_set_verify_cb(3)).

        OpenSSL calls `callback(ok, context)` for each certificate of a path and for each error.
        `ok` is 0 for an error, which `context.get_error()` returns. If the callback returns false
        or raises an exception, the validation ends; the exception propagates to the caller of
        `verify_cert`. None is `x509_store_default_cb`.

        The garbage collector does not see the store's reference to the callback, so a callback that
        refers to its own store is never freed.
        """
        if callback is None:
            m2.x509_store_set_verify_cb(self.store, None)
            return
        verify = callback
        m2.x509_store_set_verify_cb(
            self.store, lambda ok, context: verify(ok, X509_Store_Context(context))
        )

    def set_flags(self, flags: int) -> int:
        """Add validation flags, `m2.X509_V_FLAG_...`, and return 1."""
        return m2.x509_store_set_flags(self.store, flags)


# ---- requests ------------------------------------------------------------------------------------


class Request:
    """A certification request (PKCS #10, RFC 2986)."""

    def __init__(self, req: _m2crypto.X509_REQ | None = None, _pyfree: int = 0) -> None:
        if req is None:
            req = m2.x509_req_new()
            # OpenSSL signs a request without a version and refuses to verify it.
            m2.x509_req_set_version(req, 0)
        self.req = req
        self._signing = threading.Lock()

    def _ptr(self) -> _m2crypto.X509_REQ:
        return self.req

    def as_text(self) -> str:
        """Return the text of `openssl req -text` (X509_REQ_print(3))."""
        return _text(m2.x509_req_print, self.req)

    def as_pem(self) -> bytes:
        """Return the request in PEM."""
        return _written(m2.x509_req_write_pem, self.req)

    def as_der(self) -> bytes:
        """Return the request in DER."""
        return m2.i2d_x509_req(self.req)

    def save_pem(self, filename: BIO.FilePath) -> int:
        """Write the PEM to a file, and return 1."""
        return self.save(filename, FORMAT_PEM)

    def save(self, filename: BIO.FilePath, format: int = FORMAT_PEM) -> int:
        """Write the PEM or DER to a file, and return 1."""
        return _save(filename, _in_format(format, self.as_pem, self.as_der))

    def get_pubkey(self) -> EVP.PKey:
        """Return the public key."""
        return EVP.PKey(m2.x509_req_get_pubkey(self.req), _pyfree=1)

    def set_pubkey(self, pkey: EVP.PKey) -> int:
        """Set the public key."""
        return m2.x509_req_set_pubkey(self.req, pkey._ptr())

    def get_subject(self) -> X509_Name:
        """Return the subject distinguished name."""
        name = m2.x509_req_get_subject_name(self.req)
        return _name(name, lambda changed: m2.x509_req_set_subject_name(self.req, changed))

    def set_subject_name(self, name: X509_Name) -> int:
        """Set the subject distinguished name to a copy of `name`."""
        return m2.x509_req_set_subject_name(self.req, name._ptr())

    set_subject = set_subject_name

    def add_extensions(self, ext_stack: X509_Extension_Stack) -> int:
        """Add an extensionRequest attribute (RFC 2985, section 5.4.2)."""
        return m2.x509_req_add_extensions(self.req, ext_stack._ptr())

    def verify(self, pkey: EVP.PKey) -> int:
        """Return 1 if the signature verifies with `pkey`, else 0 (X509_REQ_verify(3))."""
        return m2.x509_req_verify(self.req, pkey._ptr())

    def sign(self, pkey: EVP.PKey, md: str | None) -> int:
        """Sign the request; see `X509.sign`."""
        with self._signing:
            return m2.x509_req_sign(self.req, pkey._ptr(), _digest(md))

    def get_version(self) -> int:
        """Return the version, which is 0 (RFC 2986, section 4.1).

        Raises:
            X509Error: the encoded version is negative or does not fit into a C long.
        """
        return m2.x509_req_get_version(self.req)

    def set_version(self, ver: int) -> int:
        """Set the version, which must be 0 (RFC 2986, section 4.1).

        Returns:
            1, or 0 for another version, which leaves the request unchanged.
        """
        return m2.x509_req_set_version(self.req, ver)


def load_request(file: BIO.FilePath, format: int = FORMAT_PEM) -> Request:
    """Load a request from a file."""
    with BIO.openfile(file) as bio:
        return load_request_bio(bio, format)


def load_request_bio(bio: BIO.BIO, format: int = FORMAT_PEM) -> Request:
    """Load a request from a BIO."""
    handle = bio.bio_ptr()
    return Request(
        _in_format(format, lambda: m2.x509_req_read_pem(handle), lambda: m2.d2i_x509_req(handle))
    )


def load_request_string(string: str | bytes, format: int = FORMAT_PEM) -> Request:
    """Load a request from a string."""
    return load_request_bio(_pem.bio_of(string), format)


def load_request_der_string(cert_str: bytes) -> Request:
    """Load a request from DER."""
    return load_request_string(cert_str, FORMAT_DER)


# ---- constants -----------------------------------------------------------------------------------

_OFFERED = ("X509_V_", "XN_FLAG_", "X509_PURPOSE_")
_FLAG = "X509_V_FLAG_"

globals().update({name: value for name, value in vars(m2).items() if name.startswith(_OFFERED)})
# verify_x509_strict and the like, by the flags' names; the two for CRLs are those of M2Crypto.SSL.
globals().update(
    {
        f"verify_{name[len(_FLAG) :].lower()}": value
        for name, value in vars(m2).items()
        if name.startswith(_FLAG)
    }
)
verify_crl_check_leaf = m2.VERIFY_CRL_CHECK_LEAF
verify_crl_check_chain = m2.VERIFY_CRL_CHECK_CHAIN
