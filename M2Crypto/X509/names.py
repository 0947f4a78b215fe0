"""Distinguished names (RFC 5280, section 4.1.2.4)."""

from __future__ import annotations

from M2Crypto import ASN1, m2
from M2Crypto._arguments import handle_of, text
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.X509 import _formats, _stacks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Callable, ClassVar

    from M2Crypto import _m2crypto


def typed(value: str | bytes, type: int) -> tuple[int, bytes]:
    """Return the type and the bytes of a string: text is encoded as UTF-8 or UTF-16."""
    if isinstance(value, bytes):
        return type, value
    value = text(value)
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

    def __repr__(self) -> str:
        name = self.get_object()
        return f"<X509_Name_Entry {name.short_name or name._label()}>"

    def __reduce__(self) -> tuple[Any, ...]:
        value = self.get_data()
        kind = m2.asn1_string_type(value._ptr())
        return _restored_entry, (str(self.get_object()), kind, bytes(value))

    def _changed(self) -> int:
        if self._write_back is not None:
            self._write_back(self.x509_name_entry)
        return 1

    def set_object(self, asn1obj: ASN1.ASN1_Object) -> int:
        """Set the attribute type, and return 1."""
        m2.x509_name_entry_set_object(self.x509_name_entry, handle_of(asn1obj))
        return self._changed()

    def set_data(self, data: str | bytes, type: int = ASN1.MBSTRING_ASC) -> int:
        """Set the value, and return 1. Bytes are in the encoding `type`.

        Raises:
            X509Error: the value cannot be encoded, or the type is not a character string type. The
                entry is unchanged.
        """
        m2.x509_name_entry_set_data(self.x509_name_entry, *typed(data, type))
        return self._changed()

    def get_object(self) -> ASN1.ASN1_Object:
        """Return the attribute type."""
        return ASN1.ASN1_Object(m2.x509_name_entry_get_object(self.x509_name_entry))

    def get_data(self) -> ASN1.ASN1_String:
        """Return the value."""
        return ASN1.ASN1_String(m2.x509_name_entry_get_data(self.x509_name_entry))

    def create_by_txt(self, field: str, type: int, entry: str | bytes, length: int = -1) -> int:
        """Set the type to `field` and the value to the first `length` bytes of `entry`."""
        kind, data = typed(entry, type)
        data = data if length < 0 else data[:length]
        self.x509_name_entry = m2.x509_name_entry_create_by_txt(field, kind, data)
        return self._changed()


def _restored_entry(attribute: str, kind: int, value: bytes) -> X509_Name_Entry:
    """Return the entry of a pickle."""
    entry = X509_Name_Entry(m2.x509_name_entry_new())
    entry.set_object(ASN1.ASN1_Object(attribute))
    entry.set_data(value, kind)
    return entry


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

    def __eq__(self, other: object) -> bool:
        """Return whether the encodings are equal."""
        return self.as_der() == other.as_der() if isinstance(other, X509_Name) else NotImplemented

    # A name can change.
    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> X509_Name:
        return X509_Name(m2.x509_name_dup(self.x509_name))

    def __deepcopy__(self, memo: object) -> X509_Name:
        return self.__copy__()

    def __reduce__(self) -> tuple[object, ...]:
        return name_from_der, (self.as_der(),)

    def __getattr__(self, name: str) -> str | None:
        if name not in self.nid:
            raise AttributeError(f"X509_Name has no attribute {name!r}")
        index = m2.x509_name_get_index_by_nid(self.x509_name, self.nid[name], -1)
        return None if index < 0 else str(self[index].get_data())

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.nid:
            super().__setattr__(name, value)
            return
        kind, data = typed(value, ASN1.MBSTRING_ASC)
        m2.x509_name_add_entry_by_nid(self.x509_name, self.nid[name], kind, data, -1, 0)
        self._changed()

    def __len__(self) -> int:
        return m2.x509_name_entry_count(self.x509_name)

    def __getitem__(self, idx: int) -> X509_Name_Entry:
        index = _stacks.index_of(idx, len(self))
        entry = X509_Name_Entry(m2.x509_name_get_entry(self.x509_name, index))
        entry._write_back = lambda handle: self._set_entry(index, handle)
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
        kind, data = typed(entry, type)
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
        return _formats.text(m2.x509_name_print_ex, self.x509_name, indent, flags)

    def as_der(self) -> bytes:
        """Return the name in DER."""
        return m2.x509_name_get_der(self.x509_name)

    def as_hash(self) -> int:
        """Return the hash that names a CA's file in a directory (X509_NAME_hash(3)).

        Raises:
            X509Error: SHA-1 is not available, such as in FIPS mode.
        """
        return m2.x509_name_hash(self.x509_name)


def name_from_der(der: bytes) -> X509_Name:
    """Return the name that `X509_Name.as_der` encoded."""
    return X509_Name(m2.d2i_x509_name(der))


def name_of(handle: _m2crypto.X509_NAME, write_back: Callable[[Any], object]) -> X509_Name:
    """Return a name whose changes `write_back` sets in the object that returned it."""
    name = X509_Name(handle)
    name._write_back = write_back
    return name
