"""Certificate revocation lists (RFC 5280, section 5)."""

from __future__ import annotations

import operator

from M2Crypto import ASN1, BIO, _pem, m2
from M2Crypto._arguments import handle_of, text
from M2Crypto._locks import Lock
from M2Crypto._typing import TYPE_CHECKING, NamedTuple
from M2Crypto.X509 import _formats, _stacks
from M2Crypto.X509.extensions import X509_Extension
from M2Crypto.X509.names import X509_Name, name_of

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator

    from M2Crypto import EVP, _m2crypto
    from M2Crypto.X509.reasons import CRLReason


class Revoked(NamedTuple):
    """An entry of a CRL: a revoked certificate (RFC 5280, section 5.3).

    Attributes:
        serial_number: the serial number of the certificate.
        date: the revocation date, an aware datetime.
        reason: the reason, or None.
        invalidity_date: the date from which the certificate is or may be invalid, or None.
    """

    serial_number: int
    date: datetime.datetime
    reason: CRLReason | None = None
    invalidity_date: datetime.datetime | None = None


def _revoked(handle: _m2crypto.X509_REVOKED) -> Revoked:
    from M2Crypto.X509.reasons import CRLReason  # and with it enum, which takes 2 ms

    reason = m2.x509_revoked_get_reason(handle)
    invalid = m2.x509_revoked_get_invalidity_date(handle)
    return Revoked(
        int(ASN1.ASN1_Integer(m2.x509_revoked_get_serial_number(handle))),
        ASN1.ASN1_TIME(m2.x509_revoked_get_date(handle)).get_datetime(),
        CRLReason(reason) if reason in CRLReason.__members__.values() else None,
        None if invalid is None else ASN1.ASN1_TIME(invalid).get_datetime(),
    )


def _time(time: ASN1.ASN1_TIME | datetime.datetime) -> _m2crypto.ASN1_TIME:
    """Return the handle of a time; a datetime must be aware."""
    import datetime

    if isinstance(time, datetime.datetime):
        if time.tzinfo is None:
            raise ValueError("the datetime has no time zone")
        value = ASN1.ASN1_TIME()
        value.set_datetime(time)
        return handle_of(value)
    return handle_of(time)


class CRL:
    """A certificate revocation list: a sequence of `Revoked`.

    A new one has version 2. Set its issuer and dates, add entries and extensions, and sign it.
    Pickling and copying keep the DER of a signed one.
    """

    def __init__(self, crl: _m2crypto.X509_CRL | None = None, _pyfree: int = 0) -> None:
        if crl is None:
            crl = m2.x509_crl_new()
            # Extensions require version 2, encoded as 1 (RFC 5280, section 5.1.2.1).
            m2.x509_crl_set_version(crl, 1)
        self.crl = crl
        self._signing = Lock()

    def _ptr(self) -> _m2crypto.X509_CRL:
        return self.crl

    def __repr__(self) -> str:
        return f"<CRL {self.get_issuer()}, {len(self)} revoked>"

    def __copy__(self) -> CRL:
        return CRL(m2.x509_crl_dup(self.crl))

    def __deepcopy__(self, memo: object) -> CRL:
        return self.__copy__()

    def __reduce__(self) -> tuple[object, ...]:
        return load_crl_der_string, (self.as_der(),)

    def as_text(self) -> str:
        """Return the text of `openssl crl -text` (X509_CRL_print(3))."""
        return _formats.text(m2.x509_crl_print, self.crl)

    def as_pem(self) -> bytes:
        """Return the CRL in PEM."""
        return _formats.written(m2.x509_crl_write_pem, self.crl)

    def as_der(self) -> bytes:
        """Return the CRL in DER."""
        return m2.i2d_x509_crl(self.crl)

    def save_pem(self, filename: BIO.FilePath) -> int:
        """Write the PEM to a file, and return 1."""
        return self.save(filename, _formats.FORMAT_PEM)

    def save(self, filename: BIO.FilePath, format: int = _formats.FORMAT_PEM) -> int:
        """Write the PEM or DER to a file, and return 1."""
        return _formats.save(filename, _formats.in_format(format, self.as_pem, self.as_der))

    def get_version(self) -> int:
        """Return the version: 0 for v1, 1 for v2."""
        return m2.x509_crl_get_version(self.crl)

    def set_version(self, version: int) -> int:
        """Set the version: 0 for v1, 1 for v2, and return 1."""
        return m2.x509_crl_set_version(self.crl, version)

    def get_issuer(self) -> X509_Name:
        """Return the issuer distinguished name."""
        name = m2.x509_crl_get_issuer(self.crl)
        return name_of(name, lambda changed: m2.x509_crl_set_issuer_name(self.crl, changed))

    def set_issuer(self, name: X509_Name) -> int:
        """Set the issuer distinguished name to a copy of `name`, and return 1."""
        return m2.x509_crl_set_issuer_name(self.crl, handle_of(name))

    def get_lastUpdate(self) -> ASN1.ASN1_TIME:
        """Return thisUpdate, the issue date."""
        return ASN1.ASN1_TIME(m2.x509_crl_get_last_update(self.crl))

    def set_lastUpdate(self, time: ASN1.ASN1_TIME | datetime.datetime) -> int:
        """Set thisUpdate, the issue date, and return 1. A datetime must be aware."""
        return m2.x509_crl_set_last_update(self.crl, _time(time))

    def get_nextUpdate(self) -> ASN1.ASN1_TIME | None:
        """Return nextUpdate, the latest date of the next CRL; None if it is absent."""
        time = m2.x509_crl_get_next_update(self.crl)
        return None if time is None else ASN1.ASN1_TIME(time)

    def set_nextUpdate(self, time: ASN1.ASN1_TIME | datetime.datetime) -> int:
        """Set nextUpdate, the latest date of the next CRL, and return 1."""
        return m2.x509_crl_set_next_update(self.crl, _time(time))

    def __len__(self) -> int:
        """Return the number of entries."""
        return m2.x509_crl_revoked_num(self.crl)

    def __getitem__(self, idx: int) -> Revoked:
        index = _stacks.index_of(idx, len(self))
        return _revoked(m2.x509_crl_revoked_value(self.crl, index))

    def __iter__(self) -> Iterator[Revoked]:
        return (self[i] for i in range(len(self)))

    def get_revoked(self, serial_number: int) -> Revoked | None:
        """Return the entry for a certificate of the CRL's issuer; None if there is none.

        An entry with the reason `CRLReason.REMOVE_FROM_CRL` means that the certificate is valid
        again (RFC 5280, section 5.3.1).
        """
        serial = m2.asn1_integer_from_hex(f"{serial_number:x}")
        handle = m2.x509_crl_get_by_serial(self.crl, serial)
        return None if handle is None else _revoked(handle)

    def add_revoked(
        self,
        serial_number: int,
        date: ASN1.ASN1_TIME | datetime.datetime,
        reason: CRLReason | int | None = None,
        invalidity_date: datetime.datetime | None = None,
    ) -> int:
        """Add an entry, and return 1.

        Args:
            serial_number: the serial number of the revoked certificate.
            date: the revocation date; a datetime must be aware.
            reason: the reason; None leaves it out, as RFC 5280 recommends for "unspecified".
            invalidity_date: the date from which the certificate is or may be invalid, or None.

        Raises:
            X509Error: the reason is unknown, or a date is not in the years 0 to 9999.
            ValueError: a datetime has no time zone.
        """
        entry = m2.x509_revoked_new()
        m2.x509_revoked_set_serial_number(entry, m2.asn1_integer_from_hex(f"{serial_number:x}"))
        m2.x509_revoked_set_date(entry, _time(date))
        if reason is not None:
            m2.x509_revoked_set_reason(entry, reason)
        if invalidity_date is not None:
            digits = m2.asn1_time_digits(_time(invalidity_date)).decode()
            m2.x509_revoked_set_invalidity_date(entry, f"{digits}Z")
        return m2.x509_crl_add_revoked(self.crl, entry)

    def get_number(self) -> int | None:
        """Return the cRLNumber (RFC 5280, section 5.2.3), or None."""
        number = m2.x509_crl_get_number(self.crl)
        return None if number is None else int(ASN1.ASN1_Integer(number))

    def set_number(self, number: int) -> int:
        """Set the cRLNumber (RFC 5280, section 5.2.3), and return 1."""
        return m2.x509_crl_set_number(self.crl, m2.asn1_integer_from_hex(f"{number:x}"))

    def add_ext(self, ext: X509_Extension) -> int:
        """Add a copy of an extension, such as an authorityKeyIdentifier, and return 1."""
        return m2.x509_crl_add_ext(self.crl, handle_of(ext), -1)

    def get_ext_count(self) -> int:
        """Return the number of extensions."""
        return m2.x509_crl_get_ext_count(self.crl)

    def get_ext_at(self, index: int) -> X509_Extension:
        """Return a copy of the extension at an index.

        Raises:
            IndexError: the index is out of range.
        """
        if not 0 <= operator.index(index) < self.get_ext_count():
            raise IndexError(f"the CRL has no extension at {index}")
        return X509_Extension(m2.x509_crl_get_ext(self.crl, index))

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
        raise LookupError(f"the CRL has no extension {name}")

    def sign(self, pkey: EVP.PKey, md: str | None) -> int:
        """Sort the entries and sign the CRL (X509_CRL_sign(3)).

        Args:
            pkey: the issuer's private key.
            md: the digest, such as "sha256"; None for Ed25519 and Ed448 keys.

        Returns:
            The size of the signature in bytes.

        Raises:
            X509Error: the digest is unknown, or the key cannot sign with it.
        """
        digest = _formats.digest(md)
        with self._signing:
            m2.x509_crl_sort(self.crl)
            size = m2.x509_crl_sign(self.crl, handle_of(pkey), digest)
            # OpenSSL keeps what a path validation reads of the extensions since the decoding.
            bio = BIO.MemoryBuffer(m2.i2d_x509_crl(self.crl))
            self.crl = m2.d2i_x509_crl(handle_of(bio))
        return size

    def verify(self, pkey: EVP.PKey) -> int:
        """Return 1 if the signature verifies with `pkey`, else 0 (X509_CRL_verify(3))."""
        return m2.x509_crl_verify(self.crl, handle_of(pkey))


def load_crl(file: BIO.FilePath, format: int = _formats.FORMAT_PEM) -> CRL:
    """Load a CRL from a file.

    Raises:
        BIO.BIOFileError: the file cannot be opened.
        X509Error: it has no CRL in that format.
    """
    with BIO.openfile(file) as bio:
        return load_crl_bio(bio, format)


def load_crl_bio(bio: BIO.BIO, format: int = _formats.FORMAT_PEM) -> CRL:
    """Load the next CRL from a BIO."""
    handle = handle_of(bio)
    return CRL(
        _formats.in_format(
            format, lambda: m2.x509_crl_read_pem(handle), lambda: m2.d2i_x509_crl(handle)
        )
    )


def load_crl_string(crl_string: str | bytes, format: int = _formats.FORMAT_PEM) -> CRL:
    """Load a CRL from a string."""
    return load_crl_bio(_pem.bio_of(crl_string), format)


def load_crl_der_string(crl_string: bytes) -> CRL:
    """Load a CRL from DER."""
    return load_crl_string(crl_string, _formats.FORMAT_DER)


class CRL_Stack(_stacks.Stack[CRL]):
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
