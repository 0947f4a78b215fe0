"""Cookies with an expiry and data that only their maker can change (RFC 6265, RFC 2104).

An `AuthCookieJar` has a random key. The value of its cookies is the expiry, the data and the
HMAC-SHA-256 of both, so another jar, or the same program after a restart, refuses them. The data
can be read by everyone.
"""

from __future__ import annotations

import re
import time
from http.cookies import CookieError, SimpleCookie

from M2Crypto import EVP, Rand, util
from M2Crypto._arguments import check_type

__all__ = ["AuthCookie", "AuthCookieJar", "mix", "unmix", "unmix3"]

_MIX_FORMAT = "exp=%f&data=%s&digest="
# The data end at the last "&digest=", which a MAC in hexadecimal follows.
_MIX_RE = re.compile(r"exp=(\d+\.\d+)&data=(.*)&digest=([0-9a-f]*)", re.DOTALL)
_TOKEN = "_M2AUTH_"  # noqa: S105  (the name of the cookie)
_KEY_BYTES = 32


def mix(expiry: float, data: str, format: str = _MIX_FORMAT) -> str:
    """Return the text to authenticate, with the expiry in seconds since the epoch."""
    return format % (expiry, data)


def unmix(dough: str, regex: re.Pattern[str] = _MIX_RE) -> tuple[float, str] | None:
    """Return the expiry and the data of a cookie's value, or None if it is malformed."""
    parts = unmix3(dough, regex)
    return None if parts is None else parts[:2]


def unmix3(dough: str, regex: re.Pattern[str] = _MIX_RE) -> tuple[float, str, str] | None:
    """Return the expiry, the data and the MAC of a cookie's value, or None if it is malformed."""
    found = check_type(regex, re.Pattern).fullmatch(dough)
    return None if found is None else (float(found[1]), found[2], found[3])


class AuthCookie:
    """A cookie of an `AuthCookieJar`."""

    def __init__(self, expiry: float, data: str, dough: str, mac: str) -> None:
        """Create a cookie of the text of `mix` and its MAC in hexadecimal.

        Raises:
            ValueError: the text has control characters.
        """
        self._expiry = expiry
        self._data = data
        self._mac = mac
        self._cookie: SimpleCookie = SimpleCookie()
        try:
            self._cookie[_TOKEN] = f"{dough}{mac}"
        except CookieError as error:
            # From 3.14 on.
            raise ValueError(str(error)) from None

    def __repr__(self) -> str:
        return f"<AuthCookie until {self._expiry}>"

    def expiry(self) -> float:
        """Return the end of the validity in seconds since the epoch."""
        return self._expiry

    def data(self) -> str:
        """Return the data."""
        return self._data

    def mac(self) -> str:
        """Return the MAC in hexadecimal."""
        return self._mac

    def output(self, header: str = "Set-Cookie:") -> str:
        """Return the header field that sets the cookie (RFC 6265, section 4.1).

        Raises:
            ValueError: the header has control characters.
        """
        try:
            return self._cookie.output(header=header)
        except CookieError as error:
            # From 3.14 on.
            raise ValueError(str(error)) from None

    def value(self) -> str:
        """Return the value of the cookie, without quotes."""
        return self._cookie[_TOKEN].value

    def isExpired(self) -> bool:
        """Return whether the expiry has passed."""
        return time.time() > self._expiry

    def name(self) -> str:
        """Return the name of the cookie."""
        return _TOKEN

    def headerValue(self) -> str:
        """Return the value of the header field: the name and the quoted value."""
        return self.output(header="").lstrip()


class AuthCookieJar:
    """The key that makes and checks cookies."""

    def __init__(self) -> None:
        self._key = Rand.rand_bytes(_KEY_BYTES)

    def __repr__(self) -> str:
        return "<AuthCookieJar>"

    def _hmac(self, dough: str) -> str:
        return EVP.hmac(self._key, dough.encode(), "sha256").hex()

    def makeCookie(self, expiry: float, data: str) -> AuthCookie:
        """Return a cookie that is valid until `expiry`, in seconds since the epoch."""
        dough = mix(expiry, data)
        return AuthCookie(expiry, data, dough, self._hmac(dough))

    def isGoodCookie(self, cookie: AuthCookie) -> bool:
        """Return whether this jar made the cookie, unchanged, and it has not expired."""
        return not check_type(cookie, AuthCookie).isExpired() and self._is_mine(
            cookie.expiry(), cookie.data(), cookie.mac()
        )

    def isGoodCookieString(self, cookie_str: str, _debug: bool = False) -> bool:
        """Return whether a Cookie or Set-Cookie header field has a cookie as `isGoodCookie` does.

        Args:
            cookie_str: the header field, or its value alone.
            _debug: ignored.
        """
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(re.sub(r"^\s*(set-)?cookie:", "", cookie_str, flags=re.IGNORECASE))
        except CookieError:
            return False
        parts = unmix3(jar[_TOKEN].value) if _TOKEN in jar else None
        return parts is not None and time.time() <= parts[0] and self._is_mine(*parts)

    def _is_mine(self, expiry: float, data: str, mac: str) -> bool:
        return util.compare_digest(mac.encode(), self._hmac(mix(expiry, data)).encode())
