"""Digests (EVP_DigestInit(3)), and the property query of every algorithm (property(7))."""

from __future__ import annotations

from M2Crypto import m2

MessageDigest = m2.MessageDigest
digest = m2.digest


def fips_enabled() -> bool:
    """Return whether the default properties require FIPS, as OpenSSL's configuration can set.

    It is false before OpenSSL 3.0.
    """
    return bool(m2.openssl_fips_enabled())


def set_default_properties(properties: str | None) -> None:
    """Set the property query of algorithms that are created from now on, such as `fips=yes`.

    It applies to the whole process (EVP_set_default_properties(3)); None removes it.

    Raises:
        EVPError: the query is malformed, or OpenSSL is older than 3.0.
    """
    m2.set_default_properties(properties)
