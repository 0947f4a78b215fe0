"""ASN.1 values of X.509: integers, strings, object identifiers and times (ITU-T X.680).

Each class holds a handle and converts it to a Python value. Times are `datetime`s in UTC.
"""

from __future__ import annotations

from M2Crypto import BIO, m2
from M2Crypto._arguments import check_type
from M2Crypto._copies import Constant
from M2Crypto._errors import X509Error
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime
    from typing import Any, Callable, TypeVar

    from M2Crypto import _m2crypto
    from M2Crypto._timezones import UTC, LocalTimezone

    _Time = TypeVar("_Time", bound="ASN1_TIME")

__all__ = [
    "ASN1_TIME",
    "ASN1_UTCTIME",
    "MBSTRING_ASC",
    "MBSTRING_BMP",
    "MBSTRING_FLAG",
    "MBSTRING_UTF8",
    "UTC",
    "ASN1_Integer",
    "ASN1_Object",
    "ASN1_String",
    "LocalTimezone",
]

# The encodings of bytes for a string: Latin-1, UTF-16 big-endian, UTF-8.
MBSTRING_FLAG = m2.MBSTRING_FLAG
MBSTRING_ASC = m2.MBSTRING_ASC
MBSTRING_BMP = m2.MBSTRING_BMP
MBSTRING_UTF8 = m2.MBSTRING_UTF8


def __getattr__(name: str) -> object:
    """Import the time zones on first use, because datetime takes 2 ms on Python 3.11."""
    if name not in ("UTC", "LocalTimezone"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from M2Crypto import _timezones

    return getattr(_timezones, name)


class ASN1_Integer:
    """An INTEGER of any size. `_pyfree` is ignored."""

    def __init__(self, asn1int: _m2crypto.ASN1_INTEGER | int, _pyfree: int = 0) -> None:
        """Wrap a handle, or convert an int."""
        if isinstance(asn1int, int):
            asn1int = m2.asn1_integer_from_hex(f"{asn1int:x}")
        self.asn1int = asn1int

    def __int__(self) -> int:
        return int(m2.asn1_integer_to_hex(self.asn1int), 16)

    def __eq__(self, other: object) -> bool:
        return int(self) == int(other) if isinstance(other, ASN1_Integer) else NotImplemented

    def __hash__(self) -> int:
        return hash(int(self))

    def __repr__(self) -> str:
        return f"<ASN1_Integer {int(self)}>"

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (int(self),)


class ASN1_String(Constant):
    """A string of any ASN.1 type. `bytes` returns its content octets."""

    def __init__(self, asn1str: _m2crypto.ASN1_STRING | str | bytes, _pyfree: int = 0) -> None:
        """Wrap a handle, or convert a str to a UTF8String or bytes to an OCTET STRING."""
        if isinstance(asn1str, str):
            asn1str = m2.asn1_string_from_utf8(asn1str.encode())
        elif isinstance(asn1str, bytes):
            octets = asn1str
            asn1str = m2.asn1_string_new()
            m2.asn1_string_set(asn1str, octets)
        self.asn1str = asn1str

    def _ptr(self) -> _m2crypto.ASN1_STRING:
        return self.asn1str

    def __bytes__(self) -> bytes:
        return m2.asn1_string_data(self.asn1str)

    def __str__(self) -> str:
        """Return the characters (ASN1_STRING_to_UTF8(3)).

        Raises:
            X509Error: the type is not a character string type, such as OCTET STRING, or the value
                is not Unicode, such as a surrogate.
        """
        try:
            return m2.asn1_string_to_utf8(self.asn1str).decode()
        except UnicodeDecodeError as error:
            # OpenSSL 1.1.1 does not check that the value is Unicode.
            raise X509Error(f"the ASN.1 string is not Unicode: {error.reason}") from None

    def __repr__(self) -> str:
        return f"<ASN1_String {bytes(self)!r}>"

    def as_text(self, flags: int = 0) -> str:
        """Return the text of ASN1_STRING_print_ex(3) with flags `m2.ASN1_STRFLGS_`."""
        buffer = BIO.MemoryBuffer()
        m2.asn1_string_print_ex(buffer.bio_ptr(), self.asn1str, flags)
        return (buffer.read() or b"").decode(errors="backslashreplace")


class ASN1_Object:
    """An OBJECT IDENTIFIER. `str` returns its numbers, such as `2.5.4.3`."""

    def __init__(self, asn1obj: _m2crypto.ASN1_OBJECT | str | int, _pyfree: int = 0) -> None:
        """Wrap a handle, or look up a str or an int.

        Args:
            asn1obj: a handle; numbers such as "2.5.4.3", a short or a long name (OBJ_txt2obj(3));
                or a NID (OBJ_nid2obj(3)).
            _pyfree: ignored.

        Raises:
            X509Error: there is no such name or NID.
        """
        if isinstance(asn1obj, str):
            asn1obj = m2.obj_txt2obj(asn1obj, 0)
        elif isinstance(asn1obj, int):
            asn1obj = m2.obj_nid2obj(asn1obj)
        self.asn1obj = asn1obj

    @classmethod
    def create(cls, oid: str, short_name: str, long_name: str) -> ASN1_Object:
        """Add an object identifier with its names to OpenSSL's table (OBJ_create(3)).

        The table belongs to the process: all that uses this OpenSSL has the names from then on.

        Raises:
            X509Error: the numbers are invalid, or the table has the numbers or a name already.
        """
        return cls(m2.obj_create(oid, short_name, long_name))

    @property
    def nid(self) -> int:
        """The NID; `m2.NID_undef` (0) if OpenSSL's table does not have the identifier."""
        return m2.obj_obj2nid(self.asn1obj)

    @property
    def short_name(self) -> str | None:
        """The short name, such as `CN`; None if OpenSSL's table does not have the identifier."""
        return m2.obj_nid2sn(self.nid) if self.nid else None

    @property
    def long_name(self) -> str | None:
        """The long name, such as `commonName`; None likewise."""
        return m2.obj_nid2ln(self.nid) if self.nid else None

    def _ptr(self) -> _m2crypto.ASN1_OBJECT:
        return self.asn1obj

    def __str__(self) -> str:
        return m2.obj_obj2txt(self.asn1obj, 1).decode()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self),)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ASN1_Object):
            return NotImplemented
        return m2.obj_cmp(self.asn1obj, other.asn1obj) == 0

    def __hash__(self) -> int:
        return hash(str(self))

    def __copy__(self) -> ASN1_Object:
        return type(self)(m2.obj_dup(self.asn1obj))

    def __repr__(self) -> str:
        return f"<ASN1_Object {self._label()}>"

    def _label(self) -> str:
        """Return the name, the dotted decimal form, or `malformed`: `repr` must not raise."""
        try:
            return m2.obj_obj2txt(self.asn1obj, 0).decode()
        except X509Error:
            return "malformed"


class ASN1_TIME:
    """A time of a certificate or CRL.

    It is encoded as UTCTime up to 2049 and as GeneralizedTime from 2050 on (RFC 5280, section
    4.1.2.5). Setting a time that a certificate returned changes the certificate.
    """

    # Sets the changed time in the object that returned it.
    _write_back: Callable[[_m2crypto.ASN1_TIME], object] | None = None

    def __init__(self, asn1_time: _m2crypto.ASN1_TIME | None = None, _pyfree: int = 0) -> None:
        self.asn1_time = m2.asn1_time_new() if asn1_time is None else asn1_time

    def _ptr(self) -> _m2crypto.ASN1_TIME:
        return self.asn1_time

    def __str__(self) -> str:
        """Return such as "Nov 23 20:31:06 2026 GMT" (ASN1_TIME_print(3)), or "Bad time value"."""
        buffer = BIO.MemoryBuffer()
        m2.asn1_time_print(buffer.bio_ptr(), self.asn1_time)
        return (buffer.read() or b"").decode()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __copy__(self: _Time) -> _Time:
        """Return an equal time, which belongs to no certificate."""
        return _restored(*self.__reduce__()[1])

    def __reduce__(self: _Time) -> tuple[Any, tuple[type[_Time], str | None]]:
        if not m2.asn1_time_check(self.asn1_time):
            return _restored, (type(self), None)
        digits = m2.asn1_time_digits(self.asn1_time).decode()
        is_short = m2.asn1_time_type(self.asn1_time) == m2.V_ASN1_UTCTIME
        return _restored, (type(self), f"{digits[2 * is_short :]}Z")

    def _changed(self) -> int:
        if self._write_back is not None:
            self._write_back(self.asn1_time)
        return 1

    def set_string(self, string: str | bytes) -> int:
        """Set the time from its encoding, "YYMMDDHHMMSSZ" or "YYYYMMDDHHMMSSZ".

        Returns:
            1.

        Raises:
            X509Error: the text is in neither format.
        """
        text = string.decode("ascii") if isinstance(string, bytes) else string
        m2.asn1_time_set_string(self.asn1_time, text)
        return self._changed()

    def set_time(self, time: int) -> int:
        """Set the time to seconds since the epoch (ASN1_TIME_set(3)).

        Returns:
            1.

        Raises:
            X509Error: the time is not in the years 0 to 9999.
        """
        # The bounds fit into a long long and are out of range themselves.
        m2.asn1_time_set(self.asn1_time, max(-(2**62), min(time, 2**62)))
        return self._changed()

    def get_datetime(self) -> datetime.datetime:
        """Return the time as an aware datetime in UTC.

        Raises:
            X509Error: the time is empty, malformed or in the year 0.
        """
        import datetime

        digits = m2.asn1_time_digits(self.asn1_time).decode()
        fields = [int(digits[:4]), *(int(digits[i : i + 2]) for i in range(4, 14, 2))]
        return datetime.datetime(*fields, tzinfo=datetime.timezone.utc)  # type: ignore[arg-type, misc]

    def set_datetime(self, date: datetime.datetime) -> int:
        """Set the time to a datetime, truncated to seconds. A naive datetime is in local time.

        Returns:
            1.

        Raises:
            X509Error: the time is not in the years 0 to 9999.
            ValueError: a naive `date` has no local time.
        """
        import datetime

        utc = datetime.timezone.utc
        if check_type(date, datetime.datetime).tzinfo is None:
            try:
                date = date.astimezone(utc)
            except (OverflowError, OSError) as error:
                raise ValueError(f"{date} is not a local time: {error}") from None
        epoch = datetime.datetime(1970, 1, 1, tzinfo=utc)
        return self.set_time((date - epoch) // datetime.timedelta(seconds=1))


def _restored(kind: type[_Time], text: str | None) -> _Time:
    """Return the time of a pickle."""
    time = kind()
    if text is not None:
        time.set_string(text)
    return time


class ASN1_UTCTIME(ASN1_TIME):
    """An `ASN1_TIME`. Dates from 2050 on are encoded as GeneralizedTime."""

    def __init__(self, asn1_utctime: _m2crypto.ASN1_TIME | None = None, _pyfree: int = 0) -> None:
        super().__init__(asn1_utctime, _pyfree)
