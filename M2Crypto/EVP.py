"""Digests, MACs, key derivation, ciphers, and keys of any type (evp(7)).

Algorithms have m2's names (`sha256`, `aes_128_cbc`) or OpenSSL's (`SHA2-256`, `aes-128-cbc`). Which
ones exist depends on OpenSSL: from 3.0 on MD4, RC4, DES and others are in the legacy provider
(OSSL_PROVIDER-legacy(7)), and using them raises `EVPError` unless it is loaded. Several threads can
use one object: calls that change it wait for each other, and the GIL is released for large data.
"""

from __future__ import annotations

from M2Crypto._ciphers import AEAD, Cipher, open, seal, unwrap_key, wrap_key  # noqa: A004
from M2Crypto._digests import MessageDigest, digest, fips_enabled, set_default_properties
from M2Crypto._errors import EVPError, KeyTypeError, PassphraseError
from M2Crypto._kdfs import argon2, hkdf, hkdf_expand, hkdf_extract, pbkdf2, scrypt
from M2Crypto._macs import HMAC, MAC, compare_digest, hmac
from M2Crypto._pkey import (
    PKey,
    gen_key,
    load_key,
    load_key_bio,
    load_key_bio_pubkey,
    load_key_der,
    load_key_der_pubkey,
    load_key_pubkey,
    load_key_raw,
    load_key_raw_pubkey,
    load_key_string,
    load_key_string_pubkey,
    sign,
    verify,
)

__all__ = [
    "AEAD",
    "HMAC",
    "MAC",
    "Cipher",
    "EVPError",
    "KeyTypeError",
    "MessageDigest",
    "PKey",
    "PassphraseError",
    "argon2",
    "compare_digest",
    "digest",
    "fips_enabled",
    "gen_key",
    "hkdf",
    "hkdf_expand",
    "hkdf_extract",
    "hmac",
    "load_key",
    "load_key_bio",
    "load_key_bio_pubkey",
    "load_key_der",
    "load_key_der_pubkey",
    "load_key_pubkey",
    "load_key_raw",
    "load_key_raw_pubkey",
    "load_key_string",
    "load_key_string_pubkey",
    "open",
    "pbkdf2",
    "scrypt",
    "seal",
    "set_default_properties",
    "sign",
    "unwrap_key",
    "verify",
    "wrap_key",
]
