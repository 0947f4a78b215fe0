"""X.509: certificates, names, extensions, requests, revocation lists, and verification (RFC 5280).

A certificate is loaded (`load_cert` and its kin) or made: filled in through the `set_` methods and
signed. A chain is verified with an `X509_Store` of what is trusted and an `X509_Store_Context`.

What an object hands out is its own: it stays good when the object is gone. A name or a time that
came from a certificate still changes the certificate when it is changed itself
(`certificate.get_subject().CN = "example.org"`). The `_pyfree` parameters are for compatibility:
handles free themselves.

Not safe from several threads at once: changing one certificate or request while another thread
uses it.
"""

from __future__ import annotations

import ipaddress
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


# ---- what the classes share ----------------------------------------------------------------------

Handle = TypeVar("Handle")
Element = TypeVar("Element", bound="_HasHandle")


class _HasHandle(Protocol):
    def _ptr(self) -> Any: ...


def _text(write: Callable[..., object], *arguments: object) -> str:
    """What an OpenSSL function that prints to a BIO prints."""
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
    raise ValueError(f"unknown format {format!r}: it is FORMAT_PEM or FORMAT_DER")


def _digest(name: str | None) -> _m2crypto.EVP_MD | None:
    """Return a digest; None for None, which Ed25519 and Ed448 keys require."""
    return None if name is None else _algorithms.digest(name, X509Error)


class _Stack(Generic[Element]):
    """A stack that owns its elements; what is taken out of it is good without it."""

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
        """Take the last one off; None when the stack is empty."""
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
        """Say whether who does not know it must refuse the certificate."""
        return m2.x509_extension_set_critical(self.x509_ext, critical)

    def get_critical(self) -> int:
        """1 when who does not know it must refuse the certificate."""
        return m2.x509_extension_get_critical(self.x509_ext)

    def get_name(self) -> str:
        """Its short name, such as "subjectAltName"; digits when OpenSSL has no name for it."""
        return m2.x509_extension_get_name(self.x509_ext).decode()

    def get_value(self, flag: int = 0, indent: int = 0) -> str:
        """Its value as text for people (X509V3_EXT_print); what OpenSSL cannot read is dumped.

        A hostile value can look like another one in this text: decide nothing by it. For
        alternative names use `X509.get_subject_alt_names`.
        """
        return _text(m2.x509_ext_print, self.x509_ext, flag, indent)


class AuthorityKeyIdentifier:
    """The authorityKeyIdentifier that names the issuer's key by `key_identifier`, its octets."""

    def __init__(self, key_identifier: bytes) -> None:
        self.key_identifier = key_identifier

    def as_extension(self, critical: int = 0, _pyfree: int = 1) -> X509_Extension:
        """It as an extension (RFC 5280, 4.2.1.1)."""
        handle = m2.x509_new_authority_key_identifier(self.key_identifier, critical)
        return X509_Extension(handle, _pyfree)


# "keyid:" followed by octets, which OpenSSL refuses or, before 3.2, ignores.
_KEY_IDENTIFIER = re.compile(
    r"(?P<critical>critical,\s*)?keyid:(?P<octets>[0-9A-Fa-f]{2}(?::?[0-9A-Fa-f]{2})*)"
)


def new_extension(
    name: str, value: str, critical: int = 0, _pyfree: int = 1, pkey: EVP.PKey | None = None
) -> X509_Extension:
    """Make an extension from OpenSSL's text form (x509v3_config(5)).

    The configuration behind the value is empty, so one that names a section ("@section") is
    refused. A value built from untrusted text can hold more than intended: "DNS:" and a name with
    a comma are two names.

    Args:
        name: the short name, such as "basicConstraints", or an OID's digits.
        value: such as "CA:TRUE". An authorityKeyIdentifier may also be "keyid:" and the octets of
            the key identifier in hexadecimal.
        critical: whether the extension is critical (RFC 5280, section 4.2).
        pkey: the key of the subject and the issuer, which "hash" (subjectKeyIdentifier) and "keyid"
            (authorityKeyIdentifier) refer to.

    Raises:
        X509Error: OpenSSL does not know the name or cannot read the value.
    """
    if "\0" in name or "\0" in value:
        raise X509Error("the name or value of an extension has a NUL in it")
    identifier = _KEY_IDENTIFIER.fullmatch(value) if name == "authorityKeyIdentifier" else None
    if identifier is not None:
        octets = bytes.fromhex(identifier["octets"].replace(":", ""))
        marked = identifier["critical"] is not None
        return AuthorityKeyIdentifier(octets).as_extension(int(bool(critical) or marked), _pyfree)
    key = None if pkey is None else pkey._ptr()
    return X509_Extension(m2.x509_new_extension(name, value, critical, key), _pyfree)


class X509_Extension_Stack(_Stack[X509_Extension]):
    """A stack of extensions, which it copies."""

    _new = staticmethod(m2.sk_x509_ext_new_null)
    _num = staticmethod(m2.sk_x509_ext_num)
    _value = staticmethod(m2.sk_x509_ext_value)
    _push = staticmethod(m2.sk_x509_ext_push)
    _pop = staticmethod(m2.sk_x509_ext_pop)
    _element = X509_Extension

    def push(self, x509_ext: X509_Extension) -> int:
        """Put an extension on top; how many there are then."""
        return self._add(x509_ext)


# ---- names ---------------------------------------------------------------------------------------


def _typed(value: str | bytes, type: int) -> tuple[int, bytes]:
    """What OpenSSL is told of a string: bytes are of `type`, text is told as UTF-8 or UTF-16."""
    if isinstance(value, bytes):
        return type, value
    if type == ASN1.MBSTRING_BMP:
        return type, value.encode("utf-16-be")
    return ASN1.MBSTRING_UTF8 if type == ASN1.MBSTRING_ASC else type, value.encode()


class X509_Name_Entry:
    """One attribute of a name. One that came from a name changes the name when it is set."""

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
        """Say which attribute it is."""
        m2.x509_name_entry_set_object(self.x509_name_entry, asn1obj._ptr())
        return self._changed()

    def set_data(self, data: str | bytes, type: int = ASN1.MBSTRING_ASC) -> int:
        """Set the value; bytes are encoded as `type` says, text may have any characters.

        Raises:
            X509Error: the value is not one of the type, or the type is not a character string type;
                the entry is unchanged.
        """
        m2.x509_name_entry_set_data(self.x509_name_entry, *_typed(data, type))
        return self._changed()

    def get_object(self) -> ASN1.ASN1_Object:
        """Which attribute it is."""
        return ASN1.ASN1_Object(m2.x509_name_entry_get_object(self.x509_name_entry))

    def get_data(self) -> ASN1.ASN1_String:
        """The value."""
        return ASN1.ASN1_String(m2.x509_name_entry_get_data(self.x509_name_entry))

    def create_by_txt(self, field: str, type: int, entry: str | bytes, length: int = -1) -> int:
        """Become the attribute `field` with the value `entry`, of which `length` bytes count."""
        kind, data = _typed(entry, type)
        data = data if length < 0 else data[:length]
        self.x509_name_entry = m2.x509_name_entry_create_by_txt(field, kind, data)
        return self._changed()


class X509_Name:
    """A distinguished name.

    Its attributes are the common ones of `nid`, by short or long names: `name.CN`. Reading gives
    the first value, or None; assigning adds one more, as `add_entry_by_txt` does.
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
        """Such as "/C=US/CN=example.org" (X509_NAME_oneline)."""
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
        """Add an attribute (X509_NAME_add_entry_by_txt).

        Args:
            field: its short or long name, or its OID's digits.
            type: how bytes are encoded, such as `ASN1.MBSTRING_ASC`; text may have any characters.
            entry: the value.
            len: how many bytes of it count; -1 is all.
            loc: before which entry it goes; -1 is the end.
            set: 0 makes an RDN of its own, -1 and 1 join it to the one before or after.

        Raises:
            X509Error: the field is unknown, or the value is not one for it.
        """
        kind, data = _typed(entry, type)
        data = data if len < 0 else data[:len]
        m2.x509_name_add_entry_by_txt(self.x509_name, field, kind, data, loc, set)
        return self._changed()

    def entry_count(self) -> int:
        """How many attributes it has."""
        return len(self)

    def get_entries_by_nid(self, nid: int) -> list[X509_Name_Entry]:
        """The attributes of one kind, such as `m2.NID_organizationalUnitName`."""
        found = []
        index = -1
        while (index := m2.x509_name_get_index_by_nid(self.x509_name, nid, index)) >= 0:
            found.append(self[index])
        return found

    def as_text(self, indent: int = 0, flags: int = m2.XN_FLAG_COMPAT) -> str:
        """The name in one of the forms of X509_NAME_print_ex.

        Args:
            indent: how many spaces come first.
            flags: `m2.XN_FLAG_` values. COMPAT gives "C=US, CN=x" with "/" before longer short
                names, in which one name can look like another; RFC2253 escapes what must be.
        """
        return _text(m2.x509_name_print_ex, self.x509_name, indent, flags)

    def as_der(self) -> bytes:
        """The name in DER."""
        return m2.x509_name_get_der(self.x509_name)

    def as_hash(self) -> int:
        """Return the hash by which a directory of CAs is indexed (X509_NAME_hash).

        Raises:
            X509Error: this OpenSSL has no SHA-1, as under FIPS.
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
        return str(ipaddress.ip_address(value)) if len(value) in (4, 16) else "<invalid>"
    if kind in ("othername", "X400Name", "EdiPartyName"):
        return value.hex()
    # A NUL stays in the text: cutting there would make another name of it.
    return value.decode("utf-8" if kind == "DirName" else "ascii", "backslashreplace")


class X509:
    """A certificate."""

    def __init__(self, x509: _m2crypto.X509 | None = None, _pyfree: int = 0) -> None:
        self.x509 = m2.x509_new() if x509 is None else x509
        self._signing = threading.Lock()

    def _ptr(self) -> _m2crypto.X509:
        return self.x509

    def as_text(self) -> str:
        """The certificate as `openssl x509 -text` shows it (X509_print)."""
        return _text(m2.x509_print, self.x509)

    def as_der(self) -> bytes:
        """The certificate in DER."""
        return m2.i2d_x509(self.x509)

    def as_pem(self) -> bytes:
        """The certificate in PEM."""
        return _written(m2.x509_write_pem, self.x509)

    def save_pem(self, filename: BIO.FilePath) -> int:
        """Write it to a PEM file: 1."""
        return self.save(filename, FORMAT_PEM)

    def save(self, filename: BIO.FilePath, format: int = FORMAT_PEM) -> int:
        """Write it to a file in PEM or DER: 1."""
        return _save(filename, _in_format(format, self.as_pem, self.as_der))

    def set_version(self, version: int) -> int:
        """Set the version, counted from 0: 2 is a v3 certificate."""
        return m2.x509_set_version(self.x509, version)

    def get_version(self) -> int:
        """Return the version, counted from 0: 2 is a v3 certificate.

        Raises:
            X509Error: the encoded version is negative or does not fit into a C long.
        """
        return m2.x509_get_version(self.x509)

    def set_not_before(self, asn1_time: ASN1.ASN1_TIME) -> int:
        """Set when it begins to be valid."""
        return m2.x509_set_not_before(self.x509, asn1_time._ptr())

    def set_not_after(self, asn1_time: ASN1.ASN1_TIME) -> int:
        """Set when it ends to be valid."""
        return m2.x509_set_not_after(self.x509, asn1_time._ptr())

    def get_not_before(self) -> ASN1.ASN1_TIME:
        """When it begins to be valid."""
        time = m2.x509_get_not_before(self.x509)
        return _time(time, lambda changed: m2.x509_set_not_before(self.x509, changed))

    def get_not_after(self) -> ASN1.ASN1_TIME:
        """When it ends to be valid."""
        time = m2.x509_get_not_after(self.x509)
        return _time(time, lambda changed: m2.x509_set_not_after(self.x509, changed))

    def get_serial_number(self) -> int:
        """The serial number, of any size."""
        return int(ASN1.ASN1_Integer(m2.x509_get_serial_number(self.x509)))

    def set_serial_number(self, serial: int) -> int:
        """Set the serial number, of any size."""
        return m2.x509_set_serial_number(self.x509, m2.asn1_integer_from_hex(f"{serial:x}"))

    def get_pubkey(self) -> EVP.PKey:
        """The public key.

        Raises:
            X509Error: it has none, or one that this OpenSSL cannot read.
        """
        return EVP.PKey(m2.x509_get_pubkey(self.x509), _pyfree=1)

    def set_pubkey(self, pkey: EVP.PKey) -> int:
        """Set the public key."""
        return m2.x509_set_pubkey(self.x509, pkey._ptr())

    def get_issuer(self) -> X509_Name:
        """Who issued it."""
        name = m2.x509_get_issuer_name(self.x509)
        return _name(name, lambda changed: m2.x509_set_issuer_name(self.x509, changed))

    def set_issuer(self, name: X509_Name) -> int:
        """Set who issues it, by a copy of `name`."""
        return m2.x509_set_issuer_name(self.x509, name._ptr())

    set_issuer_name = set_issuer

    def get_subject(self) -> X509_Name:
        """Whom it is about."""
        name = m2.x509_get_subject_name(self.x509)
        return _name(name, lambda changed: m2.x509_set_subject_name(self.x509, changed))

    def set_subject_name(self, name: X509_Name) -> int:
        """Set whom it is about, by a copy of `name`."""
        return m2.x509_set_subject_name(self.x509, name._ptr())

    set_subject = set_subject_name

    def add_ext(self, ext: X509_Extension) -> int:
        """Add an extension, by a copy."""
        return m2.x509_add_ext(self.x509, ext._ptr(), -1)

    def get_ext_count(self) -> int:
        """How many extensions it has."""
        return m2.x509_get_ext_count(self.x509)

    def get_ext_at(self, index: int) -> X509_Extension:
        """A copy of the extension at `index`.

        Raises:
            IndexError: there is none.
        """
        if not 0 <= index < self.get_ext_count():
            raise IndexError(f"the certificate has no extension at {index}")
        return X509_Extension(m2.x509_get_ext(self.x509, index))

    def get_ext(self, name: str) -> X509_Extension:
        """A copy of the first extension called `name`, such as "subjectAltName".

        Raises:
            LookupError: there is none.
        """
        for index in range(self.get_ext_count()):
            extension = self.get_ext_at(index)
            if extension.get_name() == name:
                return extension
        raise LookupError(f"the certificate has no extension {name}")

    def get_subject_alt_names(self) -> list[tuple[int, bytes]]:
        """Return the names in the subjectAltName, in its order (RFC 5280, section 4.2.1.6).

        Returns:
            Pairs of kind, such as `m2.GEN_DNS`, and value; none if the certificate has no
            subjectAltName. DNS names, URIs and mail addresses are as they are encoded, IP addresses
            are octets, directory names are RFC 2253 text, registered IDs are digits, other kinds
            are the whole name's DER.

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
        r"""Return the names in the subjectAltName as text, in its order.

        Each pair is one name of the certificate: commas and NULs do not split it.

        Returns:
            Pairs of kind and value; none if the certificate has no subjectAltName. The kinds are
            those of `ssl.SSLSocket.getpeercert`: "DNS", "IP Address", "URI", "email", "DirName" (as
            RFC 2253 text), "Registered ID" (digits), "othername", "X400Name" and "EdiPartyName";
            the values of the last three are the whole name's DER in hexadecimal. An octet that is
            not ASCII is written as "\xNN", an address of no known size as "<invalid>".

        Raises:
            X509Error: the subjectAltName is malformed, or there is more than one.
        """
        pairs = []
        for number, value in self.get_subject_alt_names():
            kind = _GENERAL_NAME_KINDS[number]
            pairs.append((kind, _general_name(kind, value)))
        return pairs

    def sign(self, pkey: EVP.PKey, md: str | None) -> int:
        """Sign it (X509_sign).

        Args:
            pkey: the issuer's private key.
            md: a digest such as "sha256"; None for keys that have their own (Ed25519, Ed448).

        Returns:
            The size of the signature in bytes.

        Raises:
            X509Error: there is no such digest, or the key cannot sign with it.
        """
        with self._signing:
            return m2.x509_sign(self.x509, pkey._ptr(), _digest(md))

    def verify(self, pkey: EVP.PKey | None = None) -> int:
        """Is the signature made by `pkey`, or by the certificate's own key? 1 or 0 (X509_verify).

        Only the signature is looked at; the rest is for `X509_Store_Context`.

        Raises:
            X509Error: the key is not of the signature's kind, or the algorithm is unknown.
        """
        key = m2.x509_get_pubkey(self.x509) if pkey is None else pkey._ptr()
        return m2.x509_verify(self.x509, key)

    def check_ca(self) -> int:
        """May it issue certificates? 0 if not, else what says so (X509_check_ca)."""
        return m2.x509_check_ca(self.x509)

    def check_purpose(self, id: int, ca: int) -> int:
        """Return whether it may be used for `m2.X509_PURPOSE_...`, as a CA if `ca` is 1.

        Raises:
            X509Error: there is no such purpose, or an extension is malformed (X509_check_purpose).
        """
        return m2.x509_check_purpose(self.x509, id, ca)

    def get_fingerprint(self, md: str = "sha1") -> str:
        """The digest of its DER, in upper-case hexadecimal without colons."""
        algorithm = _digest(md)
        if algorithm is None:
            raise X509Error("a fingerprint needs a digest")
        return m2.x509_digest(self.x509, algorithm).hex().upper()

    def add_subject_key_identifier(self) -> int:
        """Add the subjectKeyIdentifier: SHA-1 of the public key (RFC 5280, 4.2.1.2, method 1)."""
        return self.add_ext(new_extension("subjectKeyIdentifier", "hash", pkey=self.get_pubkey()))


def load_cert(file: BIO.FilePath, format: int = FORMAT_PEM) -> X509:
    """Load a certificate from a file: the first of a PEM file.

    Raises:
        BIO.BIOFileError: the file cannot be opened.
        X509Error: there is no certificate of that format in it.
    """
    with BIO.openfile(file) as bio:
        return load_cert_bio(bio, format)


def load_cert_bio(bio: BIO.BIO, format: int = FORMAT_PEM) -> X509:
    """Load a certificate from a BIO: the next of it."""
    handle = bio.bio_ptr()
    return X509(_in_format(format, lambda: m2.x509_read_pem(handle), lambda: m2.d2i_x509(handle)))


def load_cert_string(string: str | bytes, format: int = FORMAT_PEM) -> X509:
    """Load a certificate from text or bytes."""
    return load_cert_bio(_pem.bio_of(string), format)


def load_cert_der_string(cert_str: bytes) -> X509:
    """Load a certificate from its DER."""
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
        """Put a certificate on top; how many there are then."""
        return self._add(x509)

    def as_der(self) -> bytes:
        """All of them in DER, as one SEQUENCE; `new_stack_from_der` reads it."""
        return m2.get_der_encoding_stack(self.stack)

    def create_degenerate(self, bio: BIO.BIO) -> int:
        """Write them to a BIO as PKCS #7 in PEM, without content or signers (RFC 2315, 9.1): 1."""
        return m2.sk_x509_write_degenerate(bio.bio_ptr(), self.stack)

    def save_degenerate(self, filename: BIO.FilePath) -> int:
        """Write them to a file as `create_degenerate` does: 1."""
        return _save(filename, _written(m2.sk_x509_write_degenerate, self.stack))


def new_stack_from_der(der_string: bytes) -> X509_Stack:
    """The stack of certificates whose `as_der` this is."""
    return X509_Stack(m2.make_stack_from_der_sequence(der_string))


# ---- revocation lists ----------------------------------------------------------------------------


class CRL:
    """A certificate revocation list."""

    def __init__(self, crl: _m2crypto.X509_CRL | None = None, _pyfree: int = 0) -> None:
        self.crl = m2.x509_crl_new() if crl is None else crl

    def _ptr(self) -> _m2crypto.X509_CRL:
        return self.crl

    def as_text(self) -> str:
        """The list as `openssl crl -text` shows it (X509_CRL_print)."""
        return _text(m2.x509_crl_print, self.crl)

    def get_issuer(self) -> X509_Name:
        """Who issued it."""
        return X509_Name(m2.x509_crl_get_issuer(self.crl))

    def get_lastUpdate(self) -> ASN1.ASN1_TIME:
        """When it was issued."""
        return ASN1.ASN1_TIME(m2.x509_crl_get_last_update(self.crl))

    def get_nextUpdate(self) -> ASN1.ASN1_TIME | None:
        """When the next one will be issued at the latest; None when it does not say."""
        time = m2.x509_crl_get_next_update(self.crl)
        return None if time is None else ASN1.ASN1_TIME(time)

    def verify(self, pkey: EVP.PKey) -> int:
        """Is the signature made by `pkey`? 1 or 0 (X509_CRL_verify)."""
        return m2.x509_crl_verify(self.crl, pkey._ptr())


def load_crl(file: BIO.FilePath) -> CRL:
    """Load a CRL from a PEM file."""
    with BIO.openfile(file) as bio:
        return CRL(m2.x509_crl_read_pem(bio.bio_ptr()))


def load_crl_string(crl_string: str | bytes) -> CRL:
    """Load a CRL from PEM."""
    return CRL(m2.x509_crl_read_pem(_pem.bio_of(crl_string).bio_ptr()))


class CRL_Stack(_Stack[CRL]):
    """A stack of revocation lists."""

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
        """Put a CRL on top; how many there are then."""
        return self._add(crl)


# ---- stores and verification ---------------------------------------------------------------------


class X509_Store_Context:
    """The verification of one certificate: what it starts from, and what came of it.

    `init`, then `verify_cert`, then the questions. One that a callback gets is OpenSSL's own: the
    questions are all it can be asked, and when the callback has returned it raises ValueError.
    """

    def __init__(
        self, x509_store_ctx: _m2crypto.m2_x509_store_ctx | None = None, _pyfree: int = 0
    ) -> None:
        self.ctx = m2.x509_store_ctx_new() if x509_store_ctx is None else x509_store_ctx
        # Verification runs without the GIL. A callback may come back to the context it is called
        # for, in the same thread.
        self._lock = threading.RLock()

    def _ptr(self) -> _m2crypto.m2_x509_store_ctx:
        return self.ctx

    def init(self, store: X509_Store, cert: X509, untrusted: X509_Stack | None = None) -> int:
        """Make it ready to verify `cert` against `store`: 1 (X509_STORE_CTX_init).

        Args:
            store: what is trusted.
            cert: the certificate.
            untrusted: certificates that may lead from it to a trusted one.
        """
        stack = None if untrusted is None else untrusted._ptr()
        with self._lock:
            return m2.x509_store_ctx_init(self.ctx, store._ptr(), cert._ptr(), stack)

    def add_crls(self, crls: CRL_Stack) -> int:
        """Add revocation lists to those of the store, between `init` and `verify_cert`: 1.

        They are looked at when the store's flags say so (`m2.X509_V_FLAG_CRL_CHECK`).
        """
        with self._lock:
            return m2.x509_store_ctx_add_crls(self.ctx, crls._ptr())

    def verify_cert(self) -> int:
        """Verify: 1 when the certificate can be trusted, else 0, and `get_error` says why not.

        Raises:
            X509Error: it was not made ready by `init`.
            BaseException: what the store's verify callback raised.
        """
        with self._lock:
            return m2.x509_verify_cert(self.ctx)

    def get_error(self) -> int:
        """What is wrong, `m2.X509_V_ERR_...`; `m2.X509_V_OK` when nothing is."""
        with self._lock:
            return m2.x509_store_ctx_get_error(self.ctx)

    def get_error_depth(self) -> int:
        """Where in the chain that is: 0 is the certificate itself."""
        with self._lock:
            return m2.x509_store_ctx_get_error_depth(self.ctx)

    def get_current_cert(self) -> X509 | None:
        """The certificate that the error is about; None when it is about none."""
        with self._lock:
            certificate = m2.x509_store_ctx_get_current_cert(self.ctx)
        return None if certificate is None else X509(certificate)

    def get1_chain(self) -> X509_Stack:
        """The chain that was built, from the certificate to the trusted one."""
        with self._lock:
            return X509_Stack(m2.x509_store_ctx_get1_chain(self.ctx), 1, 1)


def x509_store_default_cb(ok: int, ctx: X509_Store_Context) -> int:
    """The verify callback that changes nothing."""
    return ok


class X509_Store:
    """What is trusted: CA certificates, revocation lists, and how to verify with them."""

    def __init__(self, store: _m2crypto.X509_STORE | None = None, _pyfree: int = 0) -> None:
        self.store = m2.x509_store_new() if store is None else store

    def _ptr(self) -> _m2crypto.X509_STORE:
        return self.store

    def load_info(self, file: BIO.FilePath) -> int:
        """Add the certificates and CRLs of a PEM file: 1.

        Raises:
            X509Error: the file cannot be opened, or has neither.
        """
        return m2.x509_store_load_locations(self.store, file)

    load_locations = load_info

    def add_x509(self, x509: X509) -> int:
        """Trust a certificate: 1."""
        return m2.x509_store_add_cert(self.store, x509._ptr())

    def add_crl(self, crl: CRL) -> int:
        """Add a CRL, which is looked at when `set_flags` says so: 1."""
        return m2.x509_store_add_crl(self.store, crl._ptr())

    add_cert = add_x509

    def set_verify_cb(
        self, callback: Callable[[int, X509_Store_Context], object] | None = None
    ) -> None:
        """Call `callback(ok, context)` for each certificate of a chain, and for each error.

        `ok` is 0 at an error, which `context.get_error()` tells. What is true lets the verification
        go on, what is false ends it. An exception ends it too, and reaches who called for it.
        None is `x509_store_default_cb`. It counts for contexts that are made ready afterwards.

        The store holds the callback where Python's garbage collection does not see it: one that
        refers to its own store keeps both for ever.
        """
        if callback is None:
            m2.x509_store_set_verify_cb(self.store, None)
            return
        ask = callback
        m2.x509_store_set_verify_cb(
            self.store, lambda ok, context: ask(ok, X509_Store_Context(context))
        )

    def set_flags(self, flags: int) -> int:
        """Add flags of the verification, `m2.X509_V_FLAG_...`: 1."""
        return m2.x509_store_set_flags(self.store, flags)


# ---- requests ------------------------------------------------------------------------------------


class Request:
    """A request for a certificate (PKCS #10, RFC 2986)."""

    def __init__(self, req: _m2crypto.X509_REQ | None = None, _pyfree: int = 0) -> None:
        if req is None:
            req = m2.x509_req_new()
            # OpenSSL leaves it open, and refuses to verify what it then signs.
            m2.x509_req_set_version(req, 0)
        self.req = req
        self._signing = threading.Lock()

    def _ptr(self) -> _m2crypto.X509_REQ:
        return self.req

    def as_text(self) -> str:
        """The request as `openssl req -text` shows it (X509_REQ_print)."""
        return _text(m2.x509_req_print, self.req)

    def as_pem(self) -> bytes:
        """The request in PEM."""
        return _written(m2.x509_req_write_pem, self.req)

    def as_der(self) -> bytes:
        """The request in DER."""
        return m2.i2d_x509_req(self.req)

    def save_pem(self, filename: BIO.FilePath) -> int:
        """Write it to a PEM file: 1."""
        return self.save(filename, FORMAT_PEM)

    def save(self, filename: BIO.FilePath, format: int = FORMAT_PEM) -> int:
        """Write it to a file in PEM or DER: 1."""
        return _save(filename, _in_format(format, self.as_pem, self.as_der))

    def get_pubkey(self) -> EVP.PKey:
        """The public key."""
        return EVP.PKey(m2.x509_req_get_pubkey(self.req), _pyfree=1)

    def set_pubkey(self, pkey: EVP.PKey) -> int:
        """Set the public key."""
        return m2.x509_req_set_pubkey(self.req, pkey._ptr())

    def get_subject(self) -> X509_Name:
        """Whom it is about."""
        name = m2.x509_req_get_subject_name(self.req)
        return _name(name, lambda changed: m2.x509_req_set_subject_name(self.req, changed))

    def set_subject_name(self, name: X509_Name) -> int:
        """Set whom it is about, by a copy of `name`."""
        return m2.x509_req_set_subject_name(self.req, name._ptr())

    set_subject = set_subject_name

    def add_extensions(self, ext_stack: X509_Extension_Stack) -> int:
        """Ask for extensions."""
        return m2.x509_req_add_extensions(self.req, ext_stack._ptr())

    def verify(self, pkey: EVP.PKey) -> int:
        """Is the signature made by `pkey`? 1 or 0 (X509_REQ_verify)."""
        return m2.x509_req_verify(self.req, pkey._ptr())

    def sign(self, pkey: EVP.PKey, md: str | None) -> int:
        """Sign it as `X509.sign` does."""
        with self._signing:
            return m2.x509_req_sign(self.req, pkey._ptr(), _digest(md))

    def get_version(self) -> int:
        """Return the version, counted from 0, the only one (RFC 2986, section 4.1).

        Raises:
            X509Error: the encoded version is negative or does not fit into a C long.
        """
        return m2.x509_req_get_version(self.req)

    def set_version(self, ver: int) -> int:
        """Set the version, counted from 0, the only one (RFC 2986, section 4.1).

        Returns:
            1; 0 for another version, which leaves the request unchanged.
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
    """Load a request from text or bytes."""
    return load_request_bio(_pem.bio_of(string), format)


def load_request_der_string(cert_str: bytes) -> Request:
    """Load a request from its DER."""
    return load_request_string(cert_str, FORMAT_DER)


# ---- constants -----------------------------------------------------------------------------------

_OFFERED = ("X509_V_", "XN_FLAG_", "X509_PURPOSE_")
_FLAG = "X509_V_FLAG_"

globals().update({name: value for name, value in vars(m2).items() if name.startswith(_OFFERED)})
# verify_x509_strict and so on, after the flags' names; the two for CRLs are as in M2Crypto.SSL.
globals().update(
    {
        f"verify_{name[len(_FLAG) :].lower()}": value
        for name, value in vars(m2).items()
        if name.startswith(_FLAG)
    }
)
verify_crl_check_leaf = m2.VERIFY_CRL_CHECK_LEAF
verify_crl_check_chain = m2.VERIFY_CRL_CHECK_CHAIN
