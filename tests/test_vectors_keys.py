"""Known answers for keys, signatures, encryption and key agreement, and files of keys.

Each test is a file of the package cryptography-vectors, as in test_vectors.py, with all its cases
if `--vectors` is given (`nox -s vectors`), otherwise those in data/vectors-keys.json. A case that
must fail has a `Result` that does not begin with P. A key is made of its numbers in DER.
"""

from __future__ import annotations

import fnmatch
import math
import random
import re

import pytest
import test_vectors
from fix_vectors import read
from fix_vectors_keys import (
    ed25519,
    integer,
    integers,
    key_cases,
    key_octets,
    pkey_tests,
    private_key_info,
    public_key_info,
    selection,
    sequence,
    titled,
    until,
)
from test_vectors import approved, octets

from M2Crypto import BIO, DH, DSA, EC, EVP, RSA, Err, m2

ASYMMETRIC = "asymmetric/"
unhex = bytes.fromhex


@pytest.fixture(autouse=True)
def _the_error_queue_stays_empty():
    yield
    assert Err.peek_error_code() == 0


def needs(algorithm):
    """Skip the test if this OpenSSL was built without the algorithm."""
    if getattr(m2, f"OPENSSL_NO_{algorithm}"):
        pytest.skip(f"needs {algorithm}")


def number(case, name):
    return int(case[name], 16)


def mpi(value):
    """Return a positive number in MPI format (BN_bn2mpi(3))."""
    content = value.to_bytes(value.bit_length() // 8 + 1, "big") if value else b""
    content = content[1:] if content[:1] == b"\0" and content[1:2] < b"\x80" else content
    return len(content).to_bytes(4, "big") + content


def is_valid(case):
    return case.get("result", "P").startswith("P")


def digest_of(case):
    """Return the digest that the case or its section names; before FIPS 186-3 it is SHA-1."""
    names = [case.get("shaalg", ""), case.get("digest", ""), *case]
    found = next((name for name in names if re.fullmatch(r"(?i)sha-?\d+", name)), "sha1")
    return found.lower().replace("-", "")


# ---- RSA -----------------------------------------------------------------------------------------


def primes(n, e, d):
    """Return the prime factors of a modulus (SP 800-56B, appendix C)."""
    odd = e * d - 1
    twos = (odd & -odd).bit_length() - 1
    odd >>= twos
    generator = random.Random(n)
    while True:
        root = pow(generator.randrange(2, n - 1), odd, n)
        for _ in range(twos):
            square = root * root % n
            if square == 1 and root not in (1, n - 1):
                p = math.gcd(root - 1, n)
                return p, n // p
            root = square


def rsa_private(case):
    """Return the RSAPrivateKey (RFC 8017, appendix A.1.2) of a case as a key."""
    n, e, d = (number(case, name) for name in ("n", "e", "d"))
    p, q = (number(case, "p"), number(case, "q")) if "p" in case else primes(n, e, d)
    return EVP.load_key_der(integers(0, n, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)))


def rsa_public(case):
    """Return the RSA public key of a case."""
    return RSA.new_pub_key((mpi(number(case, "e")), mpi(number(case, "n"))))


def rsa_verify(rsa, signature, message, md, padding, salt):
    """Return whether all functions that verify accept a signature, which agree."""
    key = EVP.PKey()
    key.assign_rsa(rsa)
    verdict = EVP.verify(key, signature, message, md, padding=padding, salt_length=salt)
    digest = EVP.digest(message, md)
    if padding == RSA.pkcs1_pss_padding:
        assert rsa.verify_rsassa_pss(digest, signature, md, salt) == verdict
        return verdict
    try:
        assert rsa.verify(digest, signature, md) == 1
    except RSA.RSAError:
        assert not verdict
    else:
        assert verdict
    return verdict


def rsa_signatures(padding, salt, cases):
    approved("signatures of SHA-1 or of short keys")
    keys = {}
    for case in cases:
        message, signature = octets(case, "msg", "message"), octets(case, "s", "output")
        md = digest_of(case)
        length = len(unhex(case.get("saltval", ""))) if salt is None else salt
        verified = rsa_verify(rsa_public(case), signature, message, md, padding, length)
        assert verified == is_valid(case), case
        # The keys of the cases that must fail have another exponent.
        if "d" not in case or not is_valid(case):
            continue
        # SigVer has several exponents for a modulus.
        pair = (case["n"], case["d"])
        key = keys[pair] = keys.get(pair) or rsa_private(case)
        made = EVP.sign(key, message, md, padding=padding, salt_length=length)
        if padding == RSA.pkcs1_padding:
            assert made == signature, case
        else:
            assert rsa_verify(rsa_public(case), made, message, md, padding, length)


def rsa_encryption(padding, md, mgf1_md, cases):
    approved("short keys")
    keys = {}
    for case in cases:
        if "key" not in case:
            keys[case["n"]] = keys.get(case["n"]) or rsa_private(case)
        key = EVP.load_key_der(unhex(case["key"])) if "key" in case else keys[case["n"]]
        message, sealed = octets(case, "message", "output"), octets(case, "output", "input")
        if "key" in case:
            message, sealed = octets(case, "output"), octets(case, "input")
        label = unhex(case["oaeplabel"]) if "oaeplabel" in case else None
        options = (padding, md, mgf1_md, label)
        assert key.decrypt(sealed, *options) == message, case
        assert key.get_rsa().private_decrypt(sealed, *options) == message
        assert key.decrypt(key.encrypt(message, *options), *options) == message
        if md is not None:
            with pytest.raises(EVP.EVPError):
                key.decrypt(sealed, padding, md, mgf1_md, b"another label")


def rsa_keys(cases):
    approved("short keys")
    for case in cases:
        key = rsa_private(case)
        assert key.bits == int(case["mod"])
        assert key.get_rsa().check_key() == 1, case
        assert key.get_rsa().pub() == rsa_public(case).pub()


# ---- DSA -----------------------------------------------------------------------------------------


def dsa_numbers(case):
    return [mpi(number(case, name)) for name in "pqg"]


def dsa_private(case):
    """Return the key of a case, in OpenSSL's traditional format."""
    return EVP.load_key_der(integers(0, *(number(case, name) for name in "pqgyx")))


def dsa_signatures(cases):
    needs("DSA")
    approved("DSA")
    for case in cases:
        message, md = unhex(case["msg"]), digest_of(case)
        r, s = number(case, "r"), number(case, "s")
        dsa = DSA.pub_key_from_params(*dsa_numbers(case), mpi(number(case, "y")))
        assert dsa.verify(EVP.digest(message, md), mpi(r), mpi(s)) == is_valid(case), case
        key = EVP.PKey()
        key.assign_dsa(dsa)
        assert EVP.verify(key, integers(r, s), message, md) == is_valid(case), case
        if "x" not in case or not is_valid(case):
            continue
        private = dsa_private(case)
        assert private.has_public_key_of(key)
        assert EVP.verify(key, EVP.sign(private, message, md), message, md)


def dsa_keys(cases):
    needs("DSA")
    approved("DSA")
    for case in cases:
        key = dsa_private(case)
        assert key.get_dsa().check_key() == 1, case
        assert key.get_dsa().pub == mpi(number(case, "y"))
        assert key.get_dsa().priv == mpi(number(case, "x"))


def dsa_parameters(cases):
    needs("DSA")
    approved("DSA")
    for case in (case for case in cases if "g" in case):
        dsa = DSA.set_params(*dsa_numbers(case))
        dsa.gen_key()
        assert dsa.check_key() == 1, case
        assert dsa.verify_asn1(bytes(20), dsa.sign_asn1(bytes(20))) == 1


# ---- EC ------------------------------------------------------------------------------------------

# The curves that NIST's files name otherwise.
CURVES = {
    "K-256": "secp256k1",
    "SECP256R1": "prime256v1",
    "SECP256K1": "secp256k1",
    **dict(zip("abcde", ("P-192", "P-224", "P-256", "P-384", "P-521"))),
}


def curve_of(case):
    """Return the NID of a case's curve, or None if this OpenSSL does not have it."""
    sections = [re.fullmatch(r"([pkb]-\d+)|e([a-e]) - sha\d+", name) for name in case]
    found = [match[1].upper() if match[1] else match[2] for match in sections if match]
    name = case["curve"] if "curve" in case else found[-1]
    nid = m2.pkey_group_nid(CURVES.get(name, name))
    assert nid, name
    return nid if nid in {curve["NID"] for curve in EC.get_builtin_curves()} else None


def ec_public(nid, x, y):
    """Return the public key with a point (SEC 1, section 2.3.3)."""
    length = (len(EC.gen_params(nid)) + 7) // 8
    coordinates = (int(value, 16) for value in (x, y))
    point = [
        each.to_bytes(max(length, (each.bit_length() + 7) // 8), "big") for each in coordinates
    ]
    return EVP.load_key_raw_pubkey("EC", b"\4" + b"".join(point), nid)


def ec_private(nid, scalar):
    return EVP.load_key_raw("EC", unhex("0" * (len(scalar) % 2) + scalar), nid)


def with_curves(check):
    """Return a check of the cases whose curve this OpenSSL has, which are passed with its NID."""

    def checked(cases):
        needs("EC")
        approved("curves or digests of some cases")
        found = [(curve_of(case), case) for case in cases]
        found = [(nid, case) for nid, case in found if nid is not None]
        for nid, case in found:
            check(nid, case)
        return len(found)

    return checked


@with_curves
def ecdsa_signatures(nid, case):
    message, md = unhex(case["msg"]), digest_of(case)
    r, s = number(case, "r"), number(case, "s")
    try:
        key = ec_public(nid, case["qx"], case["qy"])
    except EC.ECError:
        # A public key that was changed may be no point of the curve.
        assert not is_valid(case), case
        return
    assert EVP.verify(key, integers(r, s), message, md) == is_valid(case), case
    assert key.get_ec().verify_dsa(EVP.digest(message, md), mpi(r), mpi(s)) == is_valid(case)
    if "d" in case:
        private = ec_private(nid, case["d"])
        assert private.has_public_key_of(key)
        assert EVP.verify(key, EVP.sign(private, message, md), message, md)


@with_curves
def ec_points(nid, case):
    try:
        key = ec_public(nid, case["qx"], case["qy"])
    except EC.ECError:
        assert not is_valid(case), case
    else:
        assert key.get_ec().check_key() == is_valid(case), case


@with_curves
def ec_keys(nid, case):
    key = ec_private(nid, case["d"])
    assert key.has_public_key_of(ec_public(nid, case["qx"], case["qy"])), case
    assert key.get_ec().check_key() == 1


@with_curves
def ec_compressed(nid, case):
    key = EVP.load_key_raw_pubkey("EC", unhex(case["point"]), nid)
    assert key.has_public_key_of(ec_public(nid, case["x"], case["y"])), case
    other = unhex(case["point"])
    other = EVP.load_key_raw_pubkey("EC", bytes([other[0] ^ 1]) + other[1:], nid)
    assert not key.has_public_key_of(other)


def ecdsa_rfc6979(cases):
    needs("EC")
    approved("curves or digests of some cases")
    done = 0
    for case in cases:
        signs = "digestsign" in case
        load = EVP.load_key_string if signs else EVP.load_key_string_pubkey
        try:
            key = load(case["key"])
        except EVP.EVPError:
            # The curves over fields of characteristic 2 can be left out of OpenSSL.
            assert m2.OPENSSL_NO_EC2M
            continue
        message, expected = octets(case, "input"), unhex(case["output"])
        if not signs:
            verdict = EVP.verify(key, expected, message, case["digestverify"])
            assert verdict == ("result" not in case), case
        elif m2.openssl_version_num() >= 0x30200000:
            made = EVP.sign(key, message, case["digestsign"], deterministic=True)
            assert made == expected, case
        else:
            assert EVP.verify(key, expected, message, case["digestsign"]), case
        done += 1
    return done


@with_curves
def ecdh(nid, case):
    alice, bob = ec_private(nid, case["da"]), ec_private(nid, case["db"])
    assert alice.has_public_key_of(ec_public(nid, case["x_qa"], case["y_qa"]))
    assert bob.has_public_key_of(ec_public(nid, case["x_qb"], case["y_qb"]))
    assert alice.derive(bob) == bob.derive(alice) == unhex(case["x_z"]), case
    assert alice.get_ec().compute_dh_key(bob.get_ec()) == unhex(case["x_z"])


@with_curves
def ecdh_static(nid, case):
    try:
        theirs = ec_public(nid, case["qscavsx"], case["qscavsy"])
        ours = ec_public(nid, case["qsiutx"], case["qsiuty"])
        private = ec_private(nid, case["dsiut"])
    except (EVP.EVPError, EC.ECError):
        assert not is_valid(case), case
        return
    secret = private.derive(theirs)
    agreed = private.has_public_key_of(ours) and secret == unhex(case["z"])
    if "dkm" in case:
        # SP 800-56A, sections 5.8.1 and 5.2.3: the counter, the secret and OtherInfo; MacData.
        md = digest_of({name.split()[-1]: "" for name in case if " - sha" in name})
        derived = unhex(case["dkm"])
        tag, data = unhex(case["cavstag"]), unhex(case["macdata"])
        made = EVP.digest(b"\0\0\0\1" + secret + unhex(case["oi"]), md)
        mac = EVP.hmac(derived, data, "sha512")
        agreed = agreed and made.startswith(derived) and mac.startswith(tag)
        agreed = agreed and data == b"Standard Test Message" + unhex(case["nonce"])
    assert agreed == is_valid(case), case


# ---- Edwards and Montgomery curves ---------------------------------------------------------------


def eddsa(kind, cases):
    needs("EC")
    approved("unapproved forms of EdDSA")
    contexts = m2.openssl_version_num() >= 0x30200000
    cases = [case for case in cases if contexts or "context" not in case]
    for case in cases:
        message, signature = unhex(case["message"]), unhex(case["signature"])
        context = unhex(case["context"]) if "context" in case else None
        key = EVP.load_key_raw(kind, unhex(case["secret"]))
        public = EVP.load_key_raw_pubkey(kind, unhex(case["public"]))
        assert key.has_public_key_of(public)
        assert EVP.sign(key, message, context=context) == signature, case
        assert EVP.verify(public, signature, message, context=context), case
        assert not EVP.verify(public, signature, message + b"x", context=context)
    return len(cases)


def montgomery(kind, cases):
    needs("EC")
    approved("X25519 or X448")
    for case in cases:
        key = EVP.load_key_raw(kind, unhex(case["input_scalar"]))
        peer = EVP.load_key_raw_pubkey(kind, unhex(case["input_u"]))
        assert key.derive(peer) == unhex(case["output_u"]), case


# ---- DH ------------------------------------------------------------------------------------------

# RFC 3279, section 2.3.3: dhpublicnumber; PKCS #3, section 9: dhKeyAgreement.
DH_PUBLIC_NUMBER = unhex("06072a8648ce3e0201")
DH_KEY_AGREEMENT = unhex("06092a864886f70d010301")


def dh_algorithm(p, g, q=None):
    if q is None:
        return sequence(DH_KEY_AGREEMENT, integers(p, g))
    return sequence(DH_PUBLIC_NUMBER, integers(p, g, q))


def dh_private(x, *parameters):
    return EVP.load_key_der(private_key_info(dh_algorithm(*parameters), integer(x)))


def dh_public(y, *parameters):
    return EVP.load_key_der_pubkey(public_key_info(dh_algorithm(*parameters), integer(y)))


def dh_static(cases):
    needs("DH")
    approved("DH parameters of less than 2,048 bits, or unknown groups")
    for case in cases:
        parameters = [number(case, name) for name in "pgq"]
        try:
            theirs = dh_public(number(case, "ystatcavs"), *parameters)
            ours = dh_public(number(case, "ystatiut"), *parameters)
            private = dh_private(number(case, "xstatiut"), *parameters)
            peer = dh_private(number(case, "xstatcavs"), *parameters)
            # Leading zeros are left out.
            secrets = [
                int.from_bytes(secret, "big")
                for secret in (private.derive(theirs), peer.derive(ours))
            ]
        except EVP.EVPError:
            assert not is_valid(case), case
            continue
        agreed = private.has_public_key_of(ours) and secrets == [number(case, "z")] * 2
        assert agreed == is_valid(case), case


def dh_groups(cases):
    needs("DH")
    approved("DH parameters of less than 2,048 bits, or unknown groups")
    for case in cases:
        p, g = number(case, "p"), number(case, "g")
        dh, peer = (DH.set_params(mpi(p), mpi(g)) for _ in range(2))
        assert len(dh) * 8 == p.bit_length()
        # The test that longer numbers are prime takes minutes.
        assert p.bit_length() > 1536 or dh.check_params() == 0, case
        dh.gen_key()
        peer.gen_key()
        assert dh.compute_key(peer.pub) == peer.compute_key(dh.pub), case


def dh_secrets(cases):
    needs("DH")
    approved("DH parameters of less than 2,048 bits, or unknown groups")
    for case in cases:
        p, g, x, y = (int(case[name]) for name in "pgxy")
        if p.bit_length() < 512 and m2.openssl_version_num() >= 0x30000000:
            # DH_MIN_MODULUS_BITS of OpenSSL 3.0.
            with pytest.raises(EVP.EVPError):
                dh_private(x, p, g)
            continue
        assert dh_private(x, p, g).derive(dh_public(y, p, g)) == unhex(case["k"]), case


def dh_exchanges(cases):
    needs("DH")
    approved("DH parameters of less than 2,048 bits, or unknown groups")
    for case in cases:
        g = int(case["g"])
        (p1, x1, y1), (p2, x2, y2) = ([int(case[f"{name}{n}"]) for name in "pxy"] for n in (1, 2))
        one, two = dh_private(x1, p1, g), dh_private(x2, p2, g)
        assert one.has_public_key_of(dh_public(y1, p1, g))
        with pytest.raises(EVP.EVPError):
            one.derive(two)
        if y2 > p1:
            with pytest.raises(DH.DHError):
                one.get_dh().compute_key(mpi(y2))
        else:
            assert one.get_dh().compute_key(mpi(y2)) != two.get_dh().compute_key(mpi(y1))


def dh_keys(cases):
    needs("DH")
    approved("DH parameters of less than 2,048 bits, or unknown groups")
    for case in cases:
        parameters = [number(case, name) for name in "pgq" if name in case]
        key = dh_private(number(case, "x"), *parameters)
        assert key.has_public_key_of(dh_public(number(case, "y"), *parameters)), case


# ---- post-quantum algorithms ---------------------------------------------------------------------


def needs_pqc():
    if m2.openssl_version_num() < 0x30500000:
        pytest.skip("needs OpenSSL >= 3.5")


def ml_kem(kind, cases):
    needs_pqc()
    for case in cases:
        key = EVP.gen_key(kind, seed=unhex(case["d"] + case["z"]))
        assert key.raw_public() == unhex(case["pk"]), case["count"]
        assert key.raw_private() == unhex(case["sk"])
        assert key.decapsulate(unhex(case["ct"])) == unhex(case["ss"])
        # Implicit rejection (FIPS 203, section 6.3).
        assert key.decapsulate(unhex(case["ct_n"])) == unhex(case["ss_n"])


def ml_dsa(kind, cases):
    needs_pqc()
    for case in cases:
        key = EVP.gen_key(kind, seed=unhex(case["xi"]))
        assert key.raw_public() == unhex(case["pk"]), case["count"]
        assert key.raw_private() == unhex(case["sk"])
        message, context = unhex(case["msg"]), unhex(case["ctx"])
        signature = unhex(case["sm"])[: -len(message)] if message else unhex(case["sm"])
        assert EVP.sign(key, message, context=context, deterministic=True) == signature
        public = EVP.load_key_raw_pubkey(kind, key.raw_public())
        assert EVP.verify(public, signature, message, context=context)
        assert not EVP.verify(public, signature, message, context=context + b"x")


# ---- files of cases ------------------------------------------------------------------------------

PKCS1 = (RSA.pkcs1_padding, 0)
DIGESTS = ("sha1", "sha224", "sha256", "sha384", "sha512")
# The function that checks the cases of a file, its first arguments, and the file's reader.
FILES = {
    f"{ASYMMETRIC}{name}": entry
    for name, entry in {
        **{
            f"ECDSA/FIPS_186-{edition}/{name}.rsp": (check, (), until(last))
            for edition in "23"
            for name, check, last in (
                ("SigVer", ecdsa_signatures, "result"),
                ("SigGen", ecdsa_signatures, "s"),
                ("PKV", ec_points, "result"),
                ("KeyPair", ec_keys, "qy"),
            )
        },
        **{
            f"ECDSA/{name}/SigGen.txt": (ecdsa_signatures, (), until("s"))
            for name in ("FIPS_186-2", "FIPS_186-3", "SECP256K1")
        },
        "ECDSA/RFC6979/evppkey_ecdsa_rfc6979.txt": (ecdsa_rfc6979, (), pkey_tests),
        "EC/compressed_points.txt": (ec_compressed, (), read),
        "ECDH/brainpool.txt": (ecdh, (), read),
        **{
            f"ECDH/KASValidityTest_ECCStaticUnified_{kind}_{role}.fax": (
                ecdh_static,
                (),
                until("result"),
            )
            for kind in ("NOKC_ZZOnly", "KDFConcat_NOKC")
            for role in ("init", "resp")
        },
        **{
            f"DSA/FIPS_186-{edition}/{name}": (check, (), until(last))
            for edition in "23"
            for name, check, last in (
                ("SigVer.rsp", dsa_signatures, "result"),
                ("SigGen.rsp", dsa_signatures, "s"),
                ("SigGen.txt", dsa_signatures, "s"),
                ("KeyPair.rsp", dsa_keys, "y"),
            )
        },
        "DSA/FIPS_186-2/PQGGen.rsp": (dsa_parameters, (), until("g")),
        **{
            f"RSA/FIPS_186-2/Sig{name}": (rsa_signatures, PKCS1, until(last))
            for name, last in (
                ("Gen15_186-2.rsp", "s"),
                ("Gen15_186-2.txt", "s"),
                ("Gen15_186-3.rsp", "s"),
                ("Ver15_186-3.rsp", "result"),
            )
        },
        "RSA/SigVer15EMTest.txt": (rsa_signatures, PKCS1, until("result")),
        **{
            f"RSA/FIPS_186-2/Sig{name}": (
                rsa_signatures,
                (RSA.pkcs1_pss_padding, salt),
                until(last),
            )
            for name, salt, last in (
                ("GenPSS_186-2.rsp", 20, "s"),
                ("GenPSS_186-2.txt", 20, "s"),
                ("GenPSS_186-3.rsp", 0, "s"),
                ("VerPSS_186-3.rsp", None, "result"),
            )
        },
        "RSA/FIPS_186-2/KeyGenRSA.rsp": (rsa_keys, (), until("d")),
        "RSA/pkcs1v15sign-vectors.txt": (rsa_signatures, PKCS1, titled),
        "RSA/pkcs1v15crypt-vectors.txt": (
            rsa_encryption,
            (RSA.pkcs1_padding, None, None),
            titled,
        ),
        **{
            f"RSA/pkcs-1v2-1d2-vec/oaep-{name}.txt": (
                rsa_encryption,
                (RSA.pkcs1_oaep_padding, "sha1", "sha1"),
                titled,
            )
            for name in ("int", "vect")
        },
        **{
            f"RSA/pkcs-1v2-1d2-vec/pss-{name}.txt": (
                rsa_signatures,
                (RSA.pkcs1_pss_padding, 20),
                titled,
            )
            for name in ("int", "vect")
        },
        **{
            f"RSA/oaep-custom/oaep-{mgf1}-{md}.txt": (
                rsa_encryption,
                (RSA.pkcs1_oaep_padding, md, mgf1),
                titled,
            )
            for mgf1 in DIGESTS
            for md in DIGESTS
            if (mgf1, md) != ("sha1", "sha1")
        },
        "RSA/oaep-label.txt": (
            rsa_encryption,
            (RSA.pkcs1_oaep_padding, "sha512", "sha512"),
            read,
        ),
        "Ed25519/sign.input": (eddsa, ("ED25519",), ed25519),
        "Ed448/rfc8032.txt": (eddsa, ("ED448",), read),
        "X25519/rfc7748.txt": (montgomery, ("X25519",), read),
        "X448/rfc7748.txt": (montgomery, ("X448",), read),
        **{
            f"DH/KASValidityTest_FFCStatic_NOKC_ZZOnly_{role}.fax": (
                dh_static,
                (),
                until("result"),
            )
            for role in ("init", "resp")
        },
        "DH/RFC5114.txt": (dh_static, (), until("result")),
        "DH/rfc3526.txt": (dh_groups, (), read),
        "DH/vec.txt": (dh_secrets, (), read),
        "DH/bad_exchange.txt": (dh_exchanges, (), read),
        "DH/dhkey.txt": (dh_keys, (), read),
        "DH/dhkey_rfc5114_2.txt": (dh_keys, (), read),
        **{
            f"MLKEM/kat_MLKEM_{size}.rsp": (ml_kem, (f"ML-KEM-{size}",), read)
            for size in (512, 768, 1024)
        },
        **{
            f"MLDSA/kat_MLDSA_{size}_det_pure.rsp": (ml_dsa, (f"ML-DSA-{size}",), read)
            for size in (44, 65, 87)
        },
    }.items()
}


def test_the_known_answers_of_a_file(vector_file, request, record_cases):
    check, arguments, reader = FILES[vector_file]
    cases = key_cases(request.config.getoption("--vectors"), vector_file, reader)
    assert cases
    done = check(*arguments, cases)
    record_cases(len(cases) if done is None else done)


# ---- files of keys -------------------------------------------------------------------------------

# The name of a file, what it has, the type of the key with what loading it requires (a feature that
# OpenSSL can be built without, or OpenSSL 1.1.1 alone, or at least 3.0 or 3.5), and the passphrase.
# OpenSSL loads an `invalid` key, of which a check fails, and a `partial` one, a public key without
# its parameters; it refuses a `refused` one, and any whose requirements are not met.
TABLE = """
    DER_Serialization/dsa.1024.der private DSA
    DER_Serialization/dsa.2048.der private DSA
    DER_Serialization/dsa.3072.der private DSA
    DER_Serialization/dsa_public_key.der public DSA
    DER_Serialization/dsa_public_key_invalid_bit_string.der public DSA
    DER_Serialization/dsa_public_key_no_params.der partial DSA,1.1.1
    DER_Serialization/ec_private_key.der private EC
    DER_Serialization/ec_private_key_encrypted.der private EC 123456
    DER_Serialization/ec_public_key.der public EC
    DER_Serialization/enc-rsa-pkcs8.der private RSA,DES foobar
    DER_Serialization/enc2-rsa-pkcs8.der private RSA baz
    DER_Serialization/rsa_public_key.der public RSA
    DER_Serialization/testrsa.der private RSA
    DER_Serialization/unenc-dsa-pkcs8.der private DSA
    DER_Serialization/unenc-dsa-pkcs8.pub.der public DSA
    DER_Serialization/unenc-rsa-pkcs8.der private RSA
    DER_Serialization/unenc-rsa-pkcs8.pub.der public RSA
    DH/dh_key_256.pem private DH,1.1.1
    DH/dhkey.der private DH
    DH/dhkey.pem private DH
    DH/dhkey_rfc5114_2.der private DHX
    DH/dhkey_rfc5114_2.pem private DHX
    DH/dhp.der refused
    DH/dhp.pem params DH
    DH/dhp_privatevaluelength.pem params DH
    DH/dhp_rfc5114_2.der refused
    DH/dhp_rfc5114_2.pem params DH
    DH/dhpub.der public DH
    DH/dhpub.pem public DH
    DH/dhpub_cryptography_old.pem public DH
    DH/dhpub_rfc5114_2.der public DHX
    DH/dhpub_rfc5114_2.pem public DHX
    DSA/custom/nilpotent.pem invalid DSA
    EC/ec-missing-curve.pem refused
    EC/ec_private_key_non_zero_unused_bits.der private EC
    EC/explicit_parameters_private_key.pem refused
    EC/explicit_parameters_wap_wsg_idm_ecid_wtls11_private_key.pem private EC
    EC/high-bit-set.pem private EC
    EC/secp128r1_private_key.pem private EC
    EC/secp256k1-explicit-no-seed.pem private EC
    EC/secp256k1-pub-explicit-no-seed.pem public EC
    EC/secp256r1-explicit-no-seed.pem private EC
    EC/secp256r1-explicit-seed.pem private EC
    EC/secp256r1-pub-explicit-no-seed.pem public EC
    EC/secp256r1-pub-explicit-seed.pem public EC
    EC/secp384r1-explicit-no-seed.pem private EC
    EC/secp384r1-explicit-seed.pem private EC
    EC/secp384r1-pub-explicit-no-seed.pem public EC
    EC/secp384r1-pub-explicit-seed.pem public EC
    EC/secp521r1-explicit-no-seed.pem private EC
    EC/secp521r1-explicit-seed.pem private EC
    EC/secp521r1-pub-explicit-no-seed.pem public EC
    EC/secp521r1-pub-explicit-seed.pem public EC
    EC/sect163k1-spki.pem public EC
    EC/sect163r2-spki.pem public EC
    EC/sect233k1-spki.pem public EC
    EC/sect233r1-spki.pem public EC
    EC/truncated-private-key.der private EC
    Ed25519/ed25519-pkcs8-enc.der private ED25519 password
    Ed25519/ed25519-pkcs8-enc.pem private ED25519 password
    Ed25519/ed25519-pkcs8.der private ED25519
    Ed25519/ed25519-pkcs8.pem private ED25519
    Ed25519/ed25519-pub-non-zero-unused-bits.der public ED25519
    Ed25519/ed25519-pub.der public ED25519
    Ed25519/ed25519-pub.pem public ED25519
    Ed448/ed448-pkcs8-enc.der private ED448 password
    Ed448/ed448-pkcs8-enc.pem private ED448 password
    Ed448/ed448-pkcs8.der private ED448
    Ed448/ed448-pkcs8.pem private ED448
    Ed448/ed448-pub.der public ED448
    Ed448/ed448-pub.pem public ED448
    MLDSA/mldsa44_priv.der private ML-DSA-44,3.5
    MLDSA/mldsa44_pub.der public ML-DSA-44,3.5
    MLDSA/mldsa65_noseed_priv.der private ML-DSA-65,3.5
    MLKEM/mlkem768.der private ML-KEM-768,3.5
    MLKEM/mlkem768.pem private ML-KEM-768,3.5
    OpenSSH/dsa-nopsw.key refused
    OpenSSH/dsa-psw.key refused
    OpenSSH/ecdsa-nopsw.key refused
    OpenSSH/ecdsa-psw.key refused
    OpenSSH/ed25519-aesgcm-psw.key refused
    OpenSSH/ed25519-nopsw.key refused
    OpenSSH/ed25519-psw.key refused
    OpenSSH/rsa-nopsw.key refused
    OpenSSH/rsa-psw.key refused
    OpenSSH/sk-ecdsa-nopsw.key refused
    OpenSSH/sk-ecdsa-psw.key refused
    OpenSSH/sk-ed25519-nopsw.key refused
    OpenSSH/sk-ed25519-psw.key refused
    PEM_Serialization/dsa_4096.pem private DSA
    PEM_Serialization/dsa_private_key.pem private DSA,DES 123456
    PEM_Serialization/dsa_public_key.pem public DSA
    PEM_Serialization/dsaparam.pem params DSA
    PEM_Serialization/ec_private_key.pem private EC
    PEM_Serialization/ec_private_key_encrypted.pem private EC 123456
    PEM_Serialization/ec_public_key.pem public EC
    PEM_Serialization/ec_public_key_rsa_delimiter.pem refused
    PEM_Serialization/rsa-bad-1025-q-is-2.pem private RSA
    PEM_Serialization/rsa_private_key.pem private RSA,DES 123456
    PEM_Serialization/rsa_public_key.pem public RSA
    PEM_Serialization/rsa_wrong_delimiter_public_key.pem public RSA,3.0
    PKCS8/bad-encryption-oid.pem refused
    PKCS8/bad-oid-dsa-key.pem refused
    PKCS8/ec-consistent-curve.pem private EC
    PKCS8/ec-inconsistent-curve.pem refused
    PKCS8/ec-inconsistent-curve2.pem private EC
    PKCS8/ec-invalid-private-scalar.pem invalid EC
    PKCS8/ec-invalid-version.pem private EC
    PKCS8/ec_oid_not_in_reg_private_2.pkcs8.pem private EC,EC_EXPLICIT_CURVES
    PKCS8/ec_private_key.pem private EC
    PKCS8/ec_private_key_encrypted.pem private EC 123456
    PKCS8/ecc_private_with_rfc5915_ext.pem private EC
    PKCS8/ed25519-scrypt.pem private ED25519 hunter42
    PKCS8/enc-ec-sha1-128-rc4.pem private EC,RC4,1.1.1 password
    PKCS8/enc-rsa-3des.pem private RSA,DES password
    PKCS8/enc-rsa-pkcs8-pbkdf2-0iter.pem refused
    PKCS8/enc-rsa-pkcs8.pem private RSA,DES foobar
    PKCS8/enc-unknown-algorithm.pem refused
    PKCS8/enc-unknown-kdf.pem refused
    PKCS8/enc-unknown-pbkdf2-prf.pem refused
    PKCS8/enc2-rsa-pkcs8.pem private RSA baz
    PKCS8/invalid-version.der private EC
    PKCS8/nodompar_private.pkcs8.pem private EC,EC_EXPLICIT_CURVES
    PKCS8/pkcs12_s2k_pem-X_9607.pem private RSA,DES 123456
    PKCS8/pkcs12_s2k_pem-X_9671.pem private RSA,DES 123456
    PKCS8/pkcs12_s2k_pem-X_9925.pem private RSA,DES 123456
    PKCS8/pkcs12_s2k_pem-X_9926.pem private RSA,DES 123456
    PKCS8/pkcs12_s2k_pem-X_9927.pem private RSA,DES 123456
    PKCS8/pkcs12_s2k_pem-X_9928.pem private RSA,DES 123456
    PKCS8/pkcs12_s2k_pem-X_9929.pem private RSA,DES 123456
    PKCS8/pkcs12_s2k_pem-X_9930.pem private RSA,DES 123456
    PKCS8/pkcs12_s2k_pem-X_9931.pem private RSA,DES 123456
    PKCS8/pkcs12_s2k_pem-X_9932.pem private RSA,DES 123456
    PKCS8/private.pem private EC
    PKCS8/rsa-40bitrc2.pem private RSA,RC2,1.1.1 baz
    PKCS8/rsa-aes-192-cbc.pem private RSA PolarSSLTest
    PKCS8/rsa-pbe-3des-long-salt.pem private RSA,DES password
    PKCS8/rsa-pbewithmd5anddescbc.pem private RSA,DES,1.1.1 hunter2
    PKCS8/rsa-rc2-cbc-effective-key-length.pem refused
    PKCS8/rsa-rc2-cbc.pem private RSA,RC2,1.1.1 Red Hat Enterprise Linux 7.4
    PKCS8/rsa_pkcs8_pbes2_pbkdf2_2048_3des_sha224.pem private RSA,DES PolarSSLTest
    PKCS8/rsa_pkcs8_pbes2_pbkdf2_2048_3des_sha384.pem private RSA,DES PolarSSLTest
    PKCS8/rsa_pkcs8_pbes2_pbkdf2_2048_3des_sha512.pem private RSA,DES PolarSSLTest
    PKCS8/rsa_pss_2048.pem private RSA-PSS
    PKCS8/rsa_pss_2048_hash.pem private RSA-PSS
    PKCS8/rsa_pss_2048_hash_mask.pem private RSA-PSS
    PKCS8/rsa_pss_2048_hash_mask_diff.pem private RSA-PSS
    PKCS8/rsa_pss_2048_hash_mask_salt.pem private RSA-PSS
    PKCS8/rsa_pss_2048_pub.der public RSA-PSS
    PKCS8/unenc-dsa-pkcs8.pem private DSA
    PKCS8/unenc-dsa-pkcs8.pub.pem public DSA
    PKCS8/unenc-rsa-pkcs8.pem private RSA
    PKCS8/unenc-rsa-pkcs8.pub.pem public RSA
    PKCS8/unknown-oid.der refused
    PKCS8/withdompar_private.pkcs8.pem refused
    PKCS8/wrong-pem-delimiter-rsa.pem private RSA
    Traditional_OpenSSL_Serialization/dsa-wrong-version.pem private DSA
    Traditional_OpenSSL_Serialization/dsa.1024.pem private DSA
    Traditional_OpenSSL_Serialization/dsa.2048.pem private DSA
    Traditional_OpenSSL_Serialization/dsa.3072.pem private DSA
    Traditional_OpenSSL_Serialization/key1-malformed-dek-info.pem refused
    Traditional_OpenSSL_Serialization/key1-malformed-iv.pem refused
    Traditional_OpenSSL_Serialization/key1-no-dek-info.pem refused
    Traditional_OpenSSL_Serialization/key1-short-iv.pem refused
    Traditional_OpenSSL_Serialization/key1.pem private RSA,DES 123456
    Traditional_OpenSSL_Serialization/key2.pem private RSA a123456
    Traditional_OpenSSL_Serialization/rsa-wrong-version.pem private RSA
    Traditional_OpenSSL_Serialization/testrsa-encrypted.pem private RSA password
    Traditional_OpenSSL_Serialization/testrsa.pem private RSA
    X25519/x25519-pkcs8-enc.der private X25519 password
    X25519/x25519-pkcs8-enc.pem private X25519 password
    X25519/x25519-pkcs8.der private X25519
    X25519/x25519-pkcs8.pem private X25519
    X25519/x25519-pub.der public X25519
    X25519/x25519-pub.pem public X25519
    X448/x448-pkcs8-enc.der private X448 password
    X448/x448-pkcs8-enc.pem private X448 password
    X448/x448-pkcs8.der private X448
    X448/x448-pkcs8.pem private X448
    X448/x448-pub.der public X448
    X448/x448-pub.pem public X448
    public/PKCS1/dsa.pub.pem public DSA,3.0
    public/PKCS1/rsa.pub.der refused
    public/PKCS1/rsa.pub.pem public RSA,3.0
"""
ENTRIES = [[*line.split(maxsplit=3), "", ""][:4] for line in TABLE.strip().splitlines()]
KEYS = {ASYMMETRIC + name: tuple(entry) for name, *entry in ENTRIES}
# Features that a type of key needs.
NEEDED = {
    **dict.fromkeys(("EC", "ED25519", "ED448", "X25519", "X448"), "EC"),
    **dict.fromkeys(("DH", "DHX"), "DH"),
    "DSA": "DSA",
}


def is_there(requirement):
    """Return whether this OpenSSL has a feature, or is of a version."""
    version = m2.openssl_version_num()
    if requirement == "1.1.1":
        return version < 0x30000000
    if requirement[0].isdigit():
        return version >= {"3.0": 0x30000000, "3.5": 0x30500000}[requirement]
    return not getattr(m2, f"OPENSSL_NO_{requirement}")


def load(data, kind, passphrase):
    """Return the key or parameters in a file."""
    in_pem = b"-----BEGIN" in data
    if kind == "params":
        load_params_bio = DH.load_params_bio if b" DH " in data else DSA.load_params_bio
        return load_params_bio(BIO.MemoryBuffer(data))
    callback = passphrase_callback(passphrase)
    if kind in ("public", "partial"):
        # OpenSSL may decrypt a private key to find its public part.
        if in_pem:
            return EVP.load_key_string_pubkey(data, callback)
        return EVP.load_key_der_pubkey(data)
    return (EVP.load_key_string if in_pem else EVP.load_key_der)(data, callback)


def passphrase_callback(passphrase):
    return lambda *_: passphrase.encode()


def is_sound(key, algorithm):
    """Return whether a key passes its check and can be used.

    OpenSSL keeps a key that no provider accepts in its own form, where the private part is not
    checked.
    """
    if key.algorithm != algorithm:
        return False
    checked = {"RSA": key.get_rsa, "EC": key.get_ec, "DSA": key.get_dsa}[algorithm]()
    try:
        return checked.check_key() == 1 and bool(EVP.sign(key, b"data"))
    except EVP.EVPError:
        return False


def test_a_file_loads_or_is_refused(key_file, request, record_cases):
    approved("keys of other kinds")
    kind, needed, passphrase = KEYS[key_file]
    data = key_octets(request.config.getoption("--vectors"), key_file)
    algorithm, *requirements = needed.split(",")
    requirements += [NEEDED[algorithm]] if algorithm in NEEDED else []
    record_cases(1)
    if kind == "refused" or not all(map(is_there, requirements)):
        for each in ("private", "public") if kind == "refused" else (kind,):
            with pytest.raises((EVP.EVPError, DH.DHError, DSA.DSAError)):
                load(data, each, passphrase)
        return
    key = load(data, kind, passphrase)
    if kind == "params":
        assert len(key) >= 128
        return
    if kind == "invalid":
        assert not is_sound(key, algorithm)
        return
    assert key.algorithm == algorithm
    if kind == "partial":
        with pytest.raises(EVP.EVPError, match="no domain parameters"):
            key.has_public_key_of(key)
        return
    if kind == "public":
        assert EVP.load_key_der_pubkey(key.as_der()).has_public_key_of(key)
        return
    assert key.is_private
    assert EVP.load_key_der(key.private_der(None)).has_public_key_of(key)
    if passphrase:
        with pytest.raises(EVP.PassphraseError):
            load(data, kind, "another")


# ---- the rest ------------------------------------------------------------------------------------

# Patterns of files that no test of known answers reads, and why; * matches folders, too.
UNREAD = {
    "*.py": "no known answers",
    "*.pyc": "no known answers",
    "py.typed": "no known answers",
    "*[Rr]eadme.txt": "no known answers",
    "*/README.txt": "no known answers",
    "*/gen.sh": "no known answers",
    "asymmetric/DSA/FIPS_186-?/PQGVer.rsp": "the API does not validate parameters by their seed",
    "asymmetric/DSA/FIPS_186-3/PQGGen.*": "the API does not generate parameters from a seed",
    "asymmetric/DSA/FIPS_186-2/PQGGen.txt": "intermediate values of PQGGen.rsp",
    "asymmetric/OpenSSH/*.pub": "OpenSSL does not read OpenSSH's formats",
    "asymmetric/RSA/FIPS_186-2/Sig???RSA*": "the API has no padding of X9.31",
    "ciphers/3DES/CBC/TCBCI*": "OpenSSL has no interleaved modes",
    "ciphers/3DES/OFB/TOFBI*": "OpenSSL has no interleaved modes",
    "ciphers/3DES/CFB/TCFBP*": "OpenSSL has no pipelined modes",
    "ciphers/3DES/CFB/TCFB1*": "the data are no whole number of bytes",
    "ciphers/AES/CFB/CFB1[GKMV]*": "the data are no whole number of bytes",
    "ciphers/AES/CCM/DVPT*.txt": "the cases of DVPT*.rsp with what they were made from",
    "ciphers/AES/XTS/tweak-dataunitseqno/*": "the cases of tweak-128hexstr with a number as tweak",
    "ciphers/ARC4/*": "test_rc4.py has those of RFC 6229",
    "ciphers/CAST5/cast5-ctr.txt": "OpenSSL does not have the mode",
    "ciphers/Camellia/camellia-???-ecb.txt": "another format; the other modes use the same cipher",
    "hashes/*Monte.*": "each case is a chain of 100,000 digests, which no call can compute",
    "keywrap/kwtestvectors/*_inv.txt": "the API has no wrapping with the inverse cipher",
    "keywrap/kwtestvectors/TKW_*": "the API has no wrapping with Triple-DES",
    "KDF/ansx963_2001.txt": "the API does not have the KDF",
    "KDF/nist-800-108-KBKDF-CTR.txt": "the API does not have the KDF",
    "HPKE/*": "the API does not have HPKE (RFC 9180)",
    "chunked-encryption/*": "a format of the package cryptography",
    "fernet/*": "a format of the package cryptography",
    "pkcs12/*": "no known answers; test_pkcs12.py has files of its own",
    "pkcs7/*": "no known answers; test_smime.py has files of its own",
    "x509/PKITS_data/*": "test_pkits.py reads them",
    "x509/*": "no known answers; test_x509.py has files of its own",
}


def test_each_file_is_read_or_listed(request):
    tests = {**test_vectors.FILES, **FILES, **KEYS}
    assert not [name for name in selection() if name not in tests]
    directory = request.config.getoption("--vectors")
    if directory is None:
        return
    files = (path for path in directory.rglob("*") if path.is_file())
    names = {path.relative_to(directory).as_posix() for path in files}
    unread = {name for name in names for pattern in UNREAD if fnmatch.fnmatchcase(name, pattern)}
    assert names - unread == set(tests)
    unused = [pattern for pattern in UNREAD if not fnmatch.filter(names, pattern)]
    assert unused in ([], ["*.pyc"])
