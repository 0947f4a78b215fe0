"""Known answers: NIST's CAVP files, RFCs, and other sources that the package's files name.

Each test is a file of the package cryptography-vectors, whose cases are all run with `--vectors`
(`nox -s vectors`), otherwise the selection in data/vectors.json. test_vectors_keys.py has the files
of keys, and lists those that no test reads.
"""

from __future__ import annotations

import pytest
from fix_fips import is_active
from fix_vectors import cases_of

from M2Crypto import EVP, m2

unhex = bytes.fromhex


def octets(case, *names):
    """Return the first of the values that the case has, in hexadecimal or as quoted text."""
    value = next(case[name] for name in names if name in case)
    return value.strip('"').encode() if value.startswith('"') else unhex(value)


def require(fetch, name):
    """Skip the test unless OpenSSL has the algorithm."""
    try:
        fetch(name, None)
    except EVP.EVPError:
        pytest.skip(
            f"needs {name}, which FIPS does not approve"
            if is_active()
            else f"this OpenSSL was built without {name} or needs the legacy provider"
        )


def approved(need):
    """Skip the test if FIPS is active, which does not approve what its cases need."""
    if is_active():
        pytest.skip(f"needs {need}, which FIPS does not approve")


# ---- digests -------------------------------------------------------------------------------------


def digests(name, cases):
    require(m2.fetch_digest, name)
    for case in cases:
        # The length of no data is 0, and the data has one zero byte.
        data = unhex(case["msg"])[: int(case["len"]) // 8]
        assert EVP.digest(data, name) == octets(case, "md"), case
        digest = EVP.MessageDigest(name)
        digest.update(data[:7])
        digest.update(data[7:])
        assert digest.final() == octets(case, "md"), case


def xofs(name, cases):
    for case in cases:
        length = int(case["outputlen"]) // 8
        data = unhex(case["msg"])[: int(case.get("len", 1 << 40)) // 8]
        assert EVP.digest(data, name, length) == octets(case, "output"), case


# ---- MACs ----------------------------------------------------------------------------------------


def hmacs(name, cases):
    require(m2.fetch_digest, name)
    approved("short keys")
    for case in cases:
        key, data, expected = octets(case, "key"), octets(case, "msg"), octets(case, "md")
        # RFC 4231, test case 5, has the beginning of the code.
        assert EVP.hmac(key, data, name)[: len(expected)] == expected, case
        mac = EVP.HMAC(key, name)
        mac.update(data)
        assert mac.final()[: len(expected)] == expected, case


def hotps(_name, cases):
    approved("short keys")
    for case in cases:
        # RFC 6238, section 4.2: the time in steps of 30 seconds is the counter.
        counter = int(case["counter"]) if "counter" in case else int(case["time"]) // 30
        name = case.get("mode", "sha1").lower()
        mac = EVP.hmac(case["secret"].encode(), counter.to_bytes(8, "big"), name)
        assert mac == octets(case, "intermediate") if "intermediate" in case else mac, case
        # RFC 4226, section 5.3.
        truncated = int.from_bytes(mac[mac[-1] & 15 :][:4], "big") & 0x7FFFFFFF
        password = case["hotp"] if "hotp" in case else case["totp"]
        assert str(truncated).zfill(10).endswith(password), case


def cmacs(name, cases):
    require(m2.fetch_cipher, name)
    if name.startswith("des"):
        approved("Triple-DES")
    for case in cases:
        key = b"".join(
            octets(case, each) for each in ("key", "key1", "key2", "key3") if each in case
        )
        mac = EVP.MAC("CMAC", key, cipher=name)
        mac.update(octets(case, "message"))
        if m2.OPENSSL_VERSION_NUMBER >= 0x30000000:
            assert mac.copy().final() == octets(case, "output"), case
        assert mac.verify(octets(case, "output"))


def poly1305(_name, cases):
    approved("Poly1305")
    if m2.OPENSSL_NO_POLY1305:
        pytest.skip("this OpenSSL was built without Poly1305")
    for case in cases:
        mac = EVP.MAC("POLY1305", octets(case, "key"))
        mac.update(octets(case, "msg"))
        assert mac.final() == octets(case, "tag"), case


# ---- ciphers -------------------------------------------------------------------------------------


def run(name, key, iv, op, data):
    cipher = EVP.Cipher(name, key, iv, op, padding=0)
    return cipher.update(data) + cipher.final()


def ciphers(name, cases):
    require(m2.fetch_cipher, name)
    for case in cases:
        key = b"".join(octets(case, each) for each in ("key1", "key2", "key3") if each in case)
        key = key or octets(case, "key", "keys")
        key *= 3 if "keys" in case else 1
        iv = octets(case, "iv", "iv1", "i") if {"iv", "iv1", "i"} & set(case) else None
        plain, sealed = octets(case, "plaintext", "pt"), octets(case, "ciphertext", "ct")
        if "encrypt" in case or "decrypt" not in case:
            assert run(name, key, iv, 1, plain) == sealed, case
        if "decrypt" in case or "encrypt" not in case:
            assert run(name, key, iv, 0, sealed) == plain, case


def camellias(mode, cases):
    for case in cases:
        ciphers(f"camellia_{4 * len(case['key'])}_{mode}", [case])


def triple_des(name, cases):
    approved("Triple-DES")
    ciphers(name, cases)


def xts(name, cases):
    # A data unit of 130 bits is no whole number of bytes, which the API cannot express.
    ciphers(name, [case for case in cases if int(case["dataunitlen"]) % 8 == 0])


def chacha20(name, cases):
    require(m2.fetch_cipher, name)
    for case in cases:
        counter = int(case["initial_block_counter"]).to_bytes(4, "little")
        arguments = (octets(case, "key"), counter + octets(case, "nonce"), 1)
        assert run(name, *arguments, octets(case, "plaintext")) == octets(case, "ciphertext"), case


def aeads(name, cases):
    require(m2.fetch_cipher, name)
    for case in cases:
        tag = octets(case, "tag") if "tag" in case else b""
        key, nonce = octets(case, "key"), octets(case, "nonce", "iv")
        aad = octets(case, "aad", "ad") if {"aad", "ad"} & set(case) else b""
        sealed = octets(case, "ciphertext", "ct") + tag
        aead = EVP.AEAD(name, key, len(tag) or 16)
        if "fail" in case or case.get("result") == "CIPHERFINAL_ERROR":
            with pytest.raises(EVP.EVPError, match="tag"):
                aead.open(nonce, sealed, aad)
            continue
        plain = octets(case, "in", "plaintext", "pt")
        assert aead.open(nonce, sealed, aad) == plain, case
        assert aead.seal(nonce, plain, aad) == sealed, case


def ccms(name, cases):
    for case in cases:
        adata = octets(case, "adata")[: int(case["alen"])]
        plain = octets(case, "payload")[: int(case["plen"])] if "payload" in case else None
        nonce, sealed, length = octets(case, "nonce"), octets(case, "ct"), int(case["tlen"])
        aead = EVP.AEAD(name, octets(case, "key"), length)
        if case.get("result", "Pass").startswith("Fail"):
            with pytest.raises(EVP.EVPError, match="the tag does not match"):
                aead.open(nonce, sealed, adata)
        else:
            assert aead.open(nonce, sealed, adata) == plain, case
            assert aead.seal(nonce, plain, adata) == sealed, case


def sivs(_name, cases):
    for case in cases:
        key = octets(case, "key")
        name = f"aes_{4 * len(key)}_siv"
        require(m2.fetch_cipher, name)
        components = [octets(case, each) for each in sorted(case) if each.startswith("aad")]
        plain, tag = octets(case, "plaintext"), octets(case, "tag")
        sealer = EVP.Cipher(name, key, None, 1)
        opener = EVP.Cipher(name, key, None, 0)
        opener.set_tag(tag)
        for component in components:
            sealer.update_aad(component)
            opener.update_aad(component)
        assert sealer.update(plain) == octets(case, "ciphertext"), case
        assert sealer.get_tag() == tag
        assert opener.update(octets(case, "ciphertext")) == plain
        if len(components) == 2:
            aead = EVP.AEAD(name, key)
            sealed = tag + octets(case, "ciphertext")
            assert aead.seal(components[1], plain, components[0]) == sealed, case
            assert aead.open(components[1], sealed, components[0]) == plain, case


def gcm_sivs(_name, cases):
    for case in cases:
        key = octets(case, "key")
        name = f"aes_{8 * len(key)}_gcm_siv"
        require(m2.fetch_cipher, name)
        aeads(name, [case])


def gcms(name, cases):
    aeads(name, cases)
    if m2.OPENSSL_VERSION_NUMBER < 0x30000000:
        return
    for case in cases:
        if not octets(case, "ct") and "fail" not in case and len(octets(case, "tag")) == 16:
            mac = EVP.MAC("GMAC", octets(case, "key"), cipher=name, iv=octets(case, "iv"))
            mac.update(octets(case, "aad"))
            assert mac.final() == octets(case, "tag"), case


def wraps(pad, cases):
    for case in cases:
        kek, wrapped = octets(case, "k", "key"), octets(case, "c", "output")
        if "fail" in case:
            with pytest.raises(EVP.EVPError):
                EVP.unwrap_key(kek, wrapped, pad)
            continue
        assert EVP.wrap_key(kek, octets(case, "p", "input"), pad) == wrapped, case
        assert EVP.unwrap_key(kek, wrapped, pad) == octets(case, "p", "input"), case


# ---- key derivation ------------------------------------------------------------------------------


def hkdfs(name, cases):
    approved("short keys")
    for case in cases:
        key, salt, info = (octets(case, each) for each in ("ikm", "salt", "info"))
        expected = octets(case, "okm")
        assert EVP.hkdf(key, int(case["l"]), salt, info, name) == expected, case
        extracted = EVP.hkdf_extract(key, salt, name)
        assert extracted == (octets(case, "prk") if "prk" in case else extracted)
        assert EVP.hkdf_expand(extracted, int(case["l"]), info, name) == expected, case


def text(case, name):
    return case[name].encode().replace(b"\\0", b"\0")


def pbkdf2s(name, cases):
    approved("short salts")
    for case in cases:
        arguments = (int(case["iterations"]), int(case["length"]), name)
        derived = EVP.pbkdf2(text(case, "password"), text(case, "salt"), *arguments)
        assert derived == octets(case, "derived_key"), case


def scrypts(_name, cases):
    approved("scrypt")
    if m2.OPENSSL_NO_SCRYPT:
        pytest.skip("this OpenSSL was built without scrypt")
    for case in cases:
        n, r, p = (int(case[each]) for each in "nrp")
        if n > 1 << 16:
            # RFC 7914's last one needs 1 GiB.
            continue
        password, salt, length = text(case, "password"), text(case, "salt"), int(case["length"])
        derived = EVP.scrypt(password, salt, n, r, p, length)
        assert derived == octets(case, "derived_key"), case


def argon2s(variant, cases):
    approved("Argon2")
    if m2.OPENSSL_VERSION_NUMBER < 0x30200000:
        pytest.skip("needs OpenSSL >= 3.2")
    for case in cases:
        derived = EVP.argon2(
            octets(case, "pass"),
            octets(case, "salt"),
            int(case["length"]),
            int(case["iter"]),
            int(case["lanes"]),
            int(case["memcost"]),
            variant,
            unhex(case.get("secret", "")),
            unhex(case.get("ad", "")),
        )
        assert derived == octets(case, "output"), case


# ---- files ---------------------------------------------------------------------------------------

AES = ("128", "192", "256")
FILES = {
    "hashes/MD5/rfc-1321.txt": (digests, "md5"),
    **{f"hashes/SHA1/SHA1{kind}Msg.rsp": (digests, "sha1") for kind in ("Short", "Long")},
    **{
        f"hashes/SHA2/SHA{size}{kind}Msg.rsp": (digests, f"sha{size}")
        for size in ("224", "256", "384", "512", "512_224", "512_256")
        for kind in ("Short", "Long")
    },
    **{
        f"hashes/SHA3/SHA3_{size}{kind}Msg.rsp": (digests, f"sha3_{size}")
        for size in ("224", "256", "384", "512")
        for kind in ("Short", "Long")
    },
    **{
        f"hashes/SHAKE/SHAKE{size}{kind}.rsp": (xofs, f"shake{size}")
        for size in ("128", "256")
        for kind in ("ShortMsg", "LongMsg", "VariableOut")
    },
    "hashes/blake2/blake2b.txt": (digests, "blake2b512"),
    "hashes/blake2/blake2s.txt": (digests, "blake2s256"),
    "hashes/ripemd160/ripevectors.txt": (digests, "ripemd160"),
    "hashes/SM3/oscca.txt": (digests, "sm3"),
    "HMAC/rfc-2202-md5.txt": (hmacs, "md5"),
    "HMAC/rfc-2202-sha1.txt": (hmacs, "sha1"),
    "HMAC/rfc-2286-ripemd160.txt": (hmacs, "ripemd160"),
    **{f"HMAC/rfc-4231-sha{size}.txt": (hmacs, f"sha{size}") for size in (224, 256, 384, 512)},
    "twofactor/rfc-4226.txt": (hotps, ""),
    "twofactor/rfc-6238.txt": (hotps, ""),
    "CMAC/nist-800-38b-3des.txt": (cmacs, "des_ede3_cbc"),
    **{f"CMAC/nist-800-38b-aes{size}.txt": (cmacs, f"aes_{size}_cbc") for size in AES},
    "poly1305/rfc7539.txt": (poly1305, ""),
    **{
        f"ciphers/AES/{mode[:3]}/{mode}{kind}{size}.rsp": (ciphers, f"aes_{size}_{mode.lower()}")
        for mode in ("CBC", "ECB", "OFB", "CFB128", "CFB8")
        for kind in ("GFSbox", "KeySbox", "MMT", "VarKey", "VarTxt")
        for size in AES
    },
    **{f"ciphers/AES/CTR/aes-{size}-ctr.txt": (ciphers, f"aes_{size}_ctr") for size in AES},
    **{
        f"ciphers/AES/XTS/tweak-128hexstr/XTSGenAES{size}.rsp": (xts, f"aes_{size}_xts")
        for size in ("128", "256")
    },
    **{
        f"ciphers/AES/GCM/gcm{kind}{size}.rsp": (gcms, f"aes_{size}_gcm")
        for kind in ("Decrypt", "EncryptExtIV")
        for size in AES
    },
    **{
        f"ciphers/AES/CCM/{kind}{size}.rsp": (ccms, f"aes_{size}_ccm")
        for kind in ("DVPT", "VADT", "VNT", "VPT", "VTT")
        for size in AES
    },
    "ciphers/AES/OCB3/openssl.txt": (aeads, "aes_128_ocb"),
    "ciphers/AES/OCB3/rfc7253.txt": (aeads, "aes_128_ocb"),
    **{
        f"ciphers/AES/OCB3/test-vector-1-nonce{bits}.txt": (aeads, "aes_128_ocb")
        for bits in (104, 112, 120)
    },
    "ciphers/AES/SIV/openssl.txt": (sivs, ""),
    "ciphers/AES/GCM-SIV/openssl.txt": (gcm_sivs, ""),
    "ciphers/AES/GCM-SIV/aes-192-gcm-siv.txt": (gcm_sivs, ""),
    "ciphers/ChaCha20/rfc7539.txt": (chacha20, "chacha20"),
    "ciphers/ChaCha20Poly1305/boringssl.txt": (aeads, "chacha20_poly1305"),
    "ciphers/ChaCha20Poly1305/openssl.txt": (aeads, "chacha20_poly1305"),
    **{
        f"ciphers/3DES/CBC/TCBC{kind}.rsp": (triple_des, "des_ede3_cbc")
        for kind in ("permop", "subtab", "varkey", "vartext", "invperm", "MMT1", "MMT2", "MMT3")
    },
    **{
        f"ciphers/3DES/{prefix[1:4]}/{prefix}{kind}.rsp": (triple_des, f"des_ede3{mode}")
        for prefix, mode in (
            ("TECB", ""),
            ("TOFB", "_ofb"),
            ("TCFB64", "_cfb"),
            ("TCFB8", "_cfb8"),
        )
        for kind in ("permop", "subtab", "varkey", "vartext", "invperm", "MMT1", "MMT2", "MMT3")
    },
    **{
        f"ciphers/Camellia/camellia-{mode}.txt": (camellias, mode) for mode in ("cbc", "cfb", "ofb")
    },
    "ciphers/SEED/rfc-4196.txt": (ciphers, "seed_cbc"),
    "ciphers/SEED/rfc-4269.txt": (ciphers, "seed_ecb"),
    **{f"ciphers/SEED/seed-{mode}.txt": (ciphers, f"seed_{mode}") for mode in ("cfb", "ofb")},
    **{
        f"ciphers/SM4/draft-ribose-cfrg-sm4-10-{mode}.txt": (ciphers, f"sm4_{mode}")
        for mode in ("cbc", "cfb", "ctr", "ecb", "ofb")
    },
    "ciphers/SM4/rfc8998.txt": (aeads, "sm4_gcm"),
    **{
        f"ciphers/{folder}/{name}-{mode}.txt": (ciphers, f"{name}_{mode}")
        for folder, name in (("Blowfish", "bf"), ("CAST5", "cast5"), ("IDEA", "idea"))
        for mode in ("cbc", "cfb", "ecb", "ofb")
    },
    "ciphers/RC2/rc2-cbc.txt": (ciphers, "rc2_cbc"),
    **{
        f"keywrap/kwtestvectors/{kind}_{way}_{size}.txt": (wraps, kind == "KWP")
        for kind in ("KW", "KWP")
        for way in ("AE", "AD")
        for size in AES
    },
    "keywrap/kwp_botan.txt": (wraps, True),
    "KDF/hkdf-generated.txt": (hkdfs, "sha256"),
    "KDF/rfc-5869-HKDF-SHA1.txt": (hkdfs, "sha1"),
    "KDF/rfc-5869-HKDF-SHA256.txt": (hkdfs, "sha256"),
    "KDF/rfc-6070-PBKDF2-SHA1.txt": (pbkdf2s, "sha1"),
    "KDF/scrypt.txt": (scrypts, ""),
    **{f"KDF/{name}.txt": (argon2s, name) for name in ("argon2d", "argon2i", "argon2id")},
}


def test_the_known_answers_of_a_file(vector_file, request, record_cases):
    check, argument = FILES[vector_file]
    cases = cases_of(request.config.getoption("--vectors"), vector_file)
    assert cases
    check(argument, cases)
    record_cases(len(cases))
