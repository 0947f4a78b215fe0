"""ASN.1 values: integers, strings, object identifiers and times, as X.509 uses them (X.680).

Each class holds a handle and turns it into a Python value; the times can also be set. Times are
`datetime`s in UTC.
"""

from __future__ import annotations

import datetime
import time as _time
from typing import TYPE_CHECKING, Callable

from M2Crypto import BIO, m2

if TYPE_CHECKING:
    from M2Crypto import _m2crypto

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

# How the bytes given for a string are encoded: Latin-1, UTF-16 big-endian, UTF-8.
MBSTRING_FLAG = m2.MBSTRING_FLAG
MBSTRING_ASC = m2.MBSTRING_ASC
MBSTRING_BMP = m2.MBSTRING_BMP
MBSTRING_UTF8 = m2.MBSTRING_UTF8

UTC = datetime.timezone.utc
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


class ASN1_Integer:
    """An INTEGER of any size. `_pyfree` is for compatibility: the handle frees itself."""

    def __init__(self, asn1int: _m2crypto.ASN1_INTEGER | int, _pyfree: int = 0) -> None:
        """Wrap a handle, or make an INTEGER of an int."""
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


class ASN1_String:
    """A string of any ASN.1 type; `bytes` gives its content octets as they are encoded."""

    def __init__(self, asn1str: _m2crypto.ASN1_STRING | str | bytes, _pyfree: int = 0) -> None:
        """Wrap a handle, or make a UTF8String of a str or an OCTET STRING of bytes."""
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
        """Return the characters, whatever their encoding (ASN1_STRING_to_UTF8).

        Raises:
            X509Error: this is not a character string, such as an OCTET STRING, or holds what is
                not a character, such as a surrogate.
        """
        try:
            return m2.asn1_string_to_utf8(self.asn1str).decode()
        except UnicodeDecodeError as error:
            # OpenSSL 1.1.1 does not check it.
            from M2Crypto.X509 import X509Error

            raise X509Error(f"the ASN.1 string is not Unicode: {error.reason}") from None

    def as_text(self, flags: int = 0) -> str:
        """The characters as ASN1_STRING_print_ex writes them, with its `m2.ASN1_STRFLGS_` flags."""
        buffer = BIO.MemoryBuffer()
        m2.asn1_string_print_ex(buffer.bio_ptr(), self.asn1str, flags)
        return (buffer.read() or b"").decode(errors="backslashreplace")


class ASN1_Object:
    """An OBJECT IDENTIFIER; `str` gives its digits."""

    def __init__(self, asn1obj: _m2crypto.ASN1_OBJECT, _pyfree: int = 0) -> None:
        self.asn1obj = asn1obj

    def _ptr(self) -> _m2crypto.ASN1_OBJECT:
        return self.asn1obj

    def __str__(self) -> str:
        return m2.obj_obj2txt(self.asn1obj, 1).decode()

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, ASN1_Object) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))


class LocalTimezone(datetime.tzinfo):
    """This machine's time zone, as the C library knows it for each moment."""

    def _local(self, when: datetime.datetime) -> _time.struct_time:
        # Without its zone, which is asked here; mktime then finds out whether it is summer.
        return _time.localtime(_time.mktime(when.replace(tzinfo=None).timetuple()))

    def utcoffset(self, dt: datetime.datetime | None) -> datetime.timedelta | None:
        """How far local time is ahead of UTC; None without a date, which decides it."""
        if dt is None:
            return None
        return datetime.timedelta(seconds=self._local(dt).tm_gmtoff)

    def dst(self, dt: datetime.datetime | None) -> datetime.timedelta | None:
        """How much of that is summer time."""
        if dt is None:
            return None
        local = self._local(dt)
        if local.tm_isdst <= 0:
            return datetime.timedelta(0)
        return datetime.timedelta(seconds=local.tm_gmtoff + _time.timezone)

    def tzname(self, dt: datetime.datetime | None) -> str | None:
        """The zone's short name."""
        return None if dt is None else self._local(dt).tm_zone


class ASN1_TIME:
    """A point in time of a certificate or CRL.

    It is a UTCTime up to 2049 and a GeneralizedTime from 2050 on (RFC 5280, 4.1.2.5). One that came
    from a certificate changes the certificate when it is set.
    """

    # Puts a changed time into the object that it came from.
    _write_back: Callable[[_m2crypto.ASN1_TIME], object] | None = None

    def __init__(self, asn1_time: _m2crypto.ASN1_TIME | None = None, _pyfree: int = 0) -> None:
        self.asn1_time = m2.asn1_time_new() if asn1_time is None else asn1_time

    def _ptr(self) -> _m2crypto.ASN1_TIME:
        return self.asn1_time

    def __str__(self) -> str:
        """Such as "Nov 23 20:31:06 2026 GMT" (ASN1_TIME_print), or "Bad time value"."""
        buffer = BIO.MemoryBuffer()
        m2.asn1_time_print(buffer.bio_ptr(), self.asn1_time)
        return buffer.read().decode()

    def _changed(self) -> int:
        if self._write_back is not None:
            self._write_back(self.asn1_time)
        return 1

    def set_string(self, string: str | bytes) -> int:
        """Set it from its encoding, "YYMMDDHHMMSSZ" or "YYYYMMDDHHMMSSZ".

        Raises:
            X509Error: the text is neither.
        """
        text = string.decode("ascii") if isinstance(string, bytes) else string
        m2.asn1_time_set_string(self.asn1_time, text)
        return self._changed()

    def set_time(self, time: int) -> int:
        """Set it to a number of seconds since 1970 (ASN1_TIME_set).

        Raises:
            X509Error: that is not in the years 0 to 9999.
        """
        # The limits fit into a long long and are out of range as well.
        m2.asn1_time_set(self.asn1_time, max(-(2**62), min(time, 2**62)))
        return self._changed()

    def get_datetime(self) -> datetime.datetime:
        """Return the time, aware, in UTC.

        Raises:
            X509Error: the time is empty, malformed or in the year 0.
        """
        digits = m2.asn1_time_digits(self.asn1_time).decode()
        fields = [int(digits[:4]), *(int(digits[i : i + 2]) for i in range(4, 14, 2))]
        return datetime.datetime(*fields, tzinfo=UTC)  # type: ignore[arg-type, misc]

    def set_datetime(self, date: datetime.datetime) -> int:
        """Set it to a `datetime`, cut to whole seconds; a naive one is in local time.

        Raises:
            X509Error: the time is not in the years 0 to 9999.
            ValueError: the local time zone is not known for a naive `date`.
        """
        if date.tzinfo is None:
            try:
                date = date.astimezone(UTC)
            except (OverflowError, OSError) as error:
                raise ValueError(f"{date} is not a local time: {error}") from None
        return self.set_time((date - _EPOCH) // datetime.timedelta(seconds=1))


class ASN1_UTCTIME(ASN1_TIME):
    """An `ASN1_TIME` under its older name: far dates are GeneralizedTimes here too."""

    def __init__(self, asn1_utctime: _m2crypto.ASN1_TIME | None = None, _pyfree: int = 0) -> None:
        super().__init__(asn1_utctime, _pyfree)
