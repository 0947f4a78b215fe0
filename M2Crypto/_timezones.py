"""The time zones of ASN1, which need `datetime`."""

from __future__ import annotations

import datetime
import time as _time

from M2Crypto._arguments import check_type

UTC = datetime.timezone.utc


class LocalTimezone(datetime.tzinfo):
    """The local time zone of the C library."""

    def __repr__(self) -> str:
        return "LocalTimezone()"

    def _local(self, when: datetime.datetime) -> _time.struct_time:
        # Without its zone; mktime determines whether daylight saving time is in effect.
        naive = check_type(when, datetime.datetime).replace(tzinfo=None)
        return _time.localtime(_time.mktime(naive.timetuple()))

    def utcoffset(self, dt: datetime.datetime | None) -> datetime.timedelta | None:
        """Return the offset of local time from UTC; None if `dt` is None."""
        if dt is None:
            return None
        return datetime.timedelta(seconds=self._local(dt).tm_gmtoff)

    def dst(self, dt: datetime.datetime | None) -> datetime.timedelta | None:
        """Return the daylight saving time in the offset."""
        if dt is None:
            return None
        local = self._local(dt)
        if local.tm_isdst <= 0:
            return datetime.timedelta(0)
        return datetime.timedelta(seconds=local.tm_gmtoff + _time.timezone)

    def tzname(self, dt: datetime.datetime | None) -> str | None:
        """Return the abbreviated name of the zone."""
        return None if dt is None else self._local(dt).tm_zone
