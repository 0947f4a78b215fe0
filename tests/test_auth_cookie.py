"""AuthCookie: a jar accepts its own cookies, unchanged and until they expire."""

from __future__ import annotations

import time
from http.cookies import SimpleCookie

import pytest

from M2Crypto import EVP, AuthCookie


@pytest.fixture
def jar():
    return AuthCookie.AuthCookieJar()


def soon():
    return time.time() + 600


@pytest.mark.parametrize("data", ["data", "", "a=b&c", "&digest=00&data=x", 'say "hello"; \\', "é"])
def test_mixed_text_is_taken_apart(data):
    dough = AuthCookie.mix(1700000000.25, data)
    assert dough == f"exp=1700000000.250000&data={data}&digest="
    assert AuthCookie.unmix(dough) == (1700000000.25, data)
    assert AuthCookie.unmix3(dough + "0a") == (1700000000.25, data, "0a")


@pytest.mark.parametrize("text", ["", "exp=1&data=x&digest=", "exp=nan&data=x&digest=00", "data=x"])
def test_malformed_text_gives_none(text):
    assert AuthCookie.unmix(text) is None
    assert AuthCookie.unmix3(text) is None


@pytest.mark.parametrize("data", ["data", "", "a=b&c", "&digest=00&data=x", 'say "hello"; \\', "é"])
def test_a_jar_accepts_its_cookies_also_as_text(jar, data):
    expiry = soon()
    cookie = jar.makeCookie(expiry, data)
    assert (cookie.expiry(), cookie.data()) == (expiry, data)
    assert not cookie.isExpired()
    assert jar.isGoodCookie(cookie)
    for text in (
        cookie.output(),
        cookie.output(header="Cookie:"),
        cookie.headerValue(),
        "one=1; " + cookie.headerValue() + "; other=2",
    ):
        assert jar.isGoodCookieString(text)


def test_the_value_is_the_expiry_the_data_and_their_hmac(jar):
    cookie = jar.makeCookie(soon(), "data")
    dough = AuthCookie.mix(cookie.expiry(), "data")
    assert cookie.value() == dough + cookie.mac()
    assert cookie.mac() == EVP.hmac(jar._key, dough.encode(), "sha256").hex()
    assert SimpleCookie(cookie.headerValue())[cookie.name()].value == cookie.value()
    assert cookie.output() == f"Set-Cookie: {cookie.headerValue()}"


def test_an_expired_cookie_is_refused(jar):
    cookie = jar.makeCookie(time.time() - 1, "data")
    assert cookie.isExpired()
    assert not jar.isGoodCookie(cookie)
    assert not jar.isGoodCookieString(cookie.output())


def test_the_cookie_of_another_jar_is_refused(jar):
    cookie = AuthCookie.AuthCookieJar().makeCookie(soon(), "data")
    assert not jar.isGoodCookie(cookie)
    assert not jar.isGoodCookieString(cookie.output())


def test_a_changed_cookie_is_refused(jar):
    expiry = soon()
    mac = jar.makeCookie(expiry, "data").mac()
    for when, data, tag in (
        (expiry + 1, "data", mac),
        (expiry, "date", mac),
        (expiry, "data", mac[:-1] + ("0" if mac[-1] != "0" else "1")),
        (expiry, "data", ""),
    ):
        forged = AuthCookie.AuthCookie(when, data, AuthCookie.mix(when, data), tag)
        assert not jar.isGoodCookie(forged)
        assert not jar.isGoodCookieString(forged.output())


@pytest.mark.parametrize("text", ["", "Cookie: other=1", "Cookie: _M2AUTH_=x", "\0", "[]=1"])
def test_a_header_without_a_good_cookie_is_refused(jar, text):
    assert jar.isGoodCookieString(text) is False
