"""Operations of the binding whose allocations fail one by one: run by test_allocations.py.

A generator prepares an operation, and yields the call in which an allocation fails. OpenSSL itself
does not survive every failure. It crashes when it signs ASN.1 objects, for example, so that no
certificate is signed here.
"""

from __future__ import annotations

import base64
import ctypes
import json
import socket
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from M2Crypto import ASN1, BIO, BN, CMS, DH, DSA, EC, EVP, OCSP, PKCS12, RSA, SSL, X509, m2
from M2Crypto.Err import M2CryptoError
from M2Crypto.SMIME import PKCS7_DETACHED as SMIME_DETACHED
from M2Crypto.SMIME import SMIME

Prepared = Iterator[Callable[[], Any]]

DATA = Path(__file__).parents[1] / "data"
CA = str(DATA / "certificates" / "ca.pem")
CA_KEY = str(DATA / "certificates" / "ca.key")
SERVER = str(DATA / "certificates" / "server.pem")
OPERATIONS: list[Callable[[], Prepared]] = []
# The numbers of the allocations that fail: the first ones, and some of the next.
NUMBERS = [*range(100), *range(100, 400, 9)]
NEW = m2.openssl_version_num() >= 0x30000000


def operation(prepare: Callable[[], Prepared]) -> Callable[[], Prepared]:
    """Register an operation."""
    OPERATIONS.append(prepare)
    return prepare


def has(*features: str) -> bool:
    """Return whether the build has the features (OPENSSL_NO_...)."""
    return not any(getattr(m2, f"OPENSSL_NO_{feature}") for feature in features)


def handles(*names: str) -> dict[str, Callable[[], Any]]:
    """Return the functions of m2 without arguments that the build has."""
    return {name: getattr(m2, name) for name in names if hasattr(m2, name)}


@cache
def load(load: Callable[[str], Any], path: str) -> Any:
    """Return what a function loads from a file, once: an operation runs hundreds of times."""
    return load(path)


def bio(data: bytes = b"") -> Any:
    """Return a handle of a memory BIO with data."""
    made = m2.bio_new_mem()
    if data:
        m2.bio_write(made, data)
    return made


# ---- numbers, strings, BIOs ----------------------------------------------------------------------


@operation
def new_objects() -> Prepared:
    makers = handles(
        "hmac_ctx_new", "md_ctx_new", "cipher_ctx_new", "rsa_new", "dsa_new", "dh_new",
        "x509_store_new", "x509_store_ctx_new", "x509v3_set_nconf", "pkey_new", "bio_new_mem",
        "sk_x509_new_null", "sk_x509_crl_new_null", "sk_x509_ext_new_null", "bn_new",
        "asn1_string_new", "asn1_integer_new", "asn1_time_new",
    )  # fmt: skip
    yield lambda: [type(make()) for make in makers.values()]


@operation
def bn_conversions() -> Prepared:
    yield lambda: (
        m2.bn_to_bin(m2.bin_to_bn(bytes(range(1, 99)))),
        m2.bn_to_hex(m2.dec_to_bn(b"1234567890" * 9)),
        m2.bn_to_mpi(m2.mpi_to_bn(b"\0\0\0\2\1\1")),
        m2.bn_to_hex(m2.hex_to_bn(b"ff" * 99)),
    )


@operation
def bn_random() -> Prepared:
    limit = m2.dec_to_bn(b"9" * 99)
    yield lambda: (BN.rand(256), m2.bn_num_bits(m2.bn_rand_range(limit)), None)[2]


@operation
def asn1_strings() -> Prepared:
    string = m2.asn1_string_new()
    yield lambda: (
        m2.asn1_string_to_utf8(m2.asn1_string_from_utf8("Gr\u00fc\u00dfe".encode())),
        m2.asn1_string_set(string, b"text" * 20),
        m2.asn1_string_data(string),
        m2.asn1_integer_to_hex(m2.asn1_integer_from_hex("ff" * 40)),
        m2.obj_obj2txt(m2.obj_txt2obj("1.2.3.4.5", 1), 1),
    )


@operation
def asn1_times() -> Prepared:
    yield lambda: str(ASN1.ASN1_TIME(m2.x509_get_not_before(load(X509.load_cert, CA).x509)))


@operation
def bio_memory() -> Prepared:
    memory = bio()
    yield lambda: (m2.bio_write(memory, b"x" * 5000), m2.bio_read(memory, 9999), None)[2]


@operation
def bio_lines() -> Prepared:
    memory = bio(b"line\n" * 3)
    yield lambda: m2.bio_gets(memory, 99)


@operation
def bio_chain() -> Prepared:
    memory = bio()

    def write() -> None:
        filters = m2.bio_push(m2.bio_new(m2.bio_f_base64()), memory)
        chain = m2.bio_push(m2.bio_new(m2.bio_f_buffer()), filters)
        m2.bio_write(chain, b"x" * 99)
        m2.bio_flush(chain)
        m2.bio_pop(chain)

    yield write


@operation
def bio_cipher() -> Prepared:
    memory = bio()

    def write() -> bytes:
        cipher = m2.bio_new(m2.bio_f_cipher())
        m2.bio_set_cipher(cipher, m2.aes_128_cbc(), bytes(16), bytes(16), 1)
        chain = m2.bio_push(cipher, memory)
        m2.bio_write(chain, b"x" * 99)
        m2.bio_flush(chain)
        return b""

    yield write


@operation
def random_octets() -> Prepared:
    yield lambda: (len(m2.rand_bytes(64)), m2.rand_seed(b"seed" * 16), m2.rand_add(b"x" * 64, 1.0))


@operation
def random_file_name() -> Prepared:
    yield lambda: m2.rand_file_name()


# ---- digests, MACs, ciphers, derivation ----------------------------------------------------------


@operation
def digests() -> Prepared:
    def digest() -> Any:
        context = m2.md_ctx_new()
        m2.digest_init(context, m2.get_digestbyname("sha256"))
        m2.digest_update(context, b"data")
        return m2.digest_final(context), EVP.MessageDigest("sha512").copy().digest()

    yield digest


if NEW:

    @operation
    def fetched_digest() -> Prepared:
        def fetch() -> bytes:
            m2.set_default_properties(None)
            return EVP.MessageDigest("sha3-256").digest()

        yield fetch

    @operation
    def fetched_cipher() -> Prepared:
        def fetch() -> int:
            m2.set_default_properties(None)
            return m2.cipher_get_iv_length(m2.fetch_cipher("AES-128-CBC", None))

        yield fetch


@operation
def hmacs() -> Prepared:
    md = m2.get_digestbyname("sha256")

    def authenticate() -> Any:
        context = m2.hmac_ctx_new()
        m2.hmac_init(context, b"key", md)
        m2.hmac_update(context, b"data")
        return m2.hmac_final(context), m2.hmac(b"key", b"data", md), EVP.hmac(b"key", b"data")

    yield authenticate


@operation
def macs() -> Prepared:
    def authenticate() -> Any:
        mac = m2.mac_new("CMAC", bytes(16), None, "AES-128-CBC", None, None, 0, 0, None)
        m2.mac_update(mac, b"data")
        return m2.mac_final(mac)

    yield authenticate


@operation
def hmac_objects() -> Prepared:
    def authenticate() -> Any:
        mac = m2.mac_new("HMAC", b"key", "sha256", None, None, None, 0, 0, None)
        m2.mac_update(mac, b"data")
        return m2.mac_final(m2.mac_copy(mac)), m2.mac_verify(mac, bytes(32))

    yield authenticate


@operation
def ciphers() -> Prepared:
    def encrypt() -> bytes:
        cipher = EVP.Cipher("aes_128_cbc", bytes(16), bytes(16), m2.encrypt)
        return bytes(cipher.update(b"data" * 9) + cipher.final())

    yield encrypt


@operation
def ccm() -> Prepared:
    yield lambda: EVP.AEAD("aes_128_ccm", bytes(16)).seal(bytes(12), b"data", b"more")


@operation
def aeads() -> Prepared:
    def seal() -> Any:
        aead = EVP.AEAD("aes_256_gcm", bytes(32))
        sealed = aead.seal(bytes(12), b"data", b"more")
        once = m2.aead_open_once("aes_256_gcm", bytes(32), bytes(12), sealed, b"more", 16)
        return aead.open(bytes(12), sealed, b"more"), once

    yield seal


@operation
def gcm_context() -> Prepared:
    def encrypt() -> Any:
        cipher = EVP.Cipher("aes_128_gcm", bytes(16), bytes(12), m2.encrypt)
        m2.cipher_update_aad(cipher.ctx, b"more")
        text = cipher.update(b"data") + cipher.final()
        return text, m2.cipher_get_tag(cipher.ctx, 16)

    yield encrypt


@operation
def derivation() -> Prepared:
    md = m2.get_digestbyname("sha256")
    yield lambda: (
        m2.pkcs5_pbkdf2_hmac_sha1(b"password", b"saltsalt", 3, 20),
        EVP.pbkdf2(b"password", b"saltsalt", 3, 20),
        m2.hkdf(md, 0, b"key", b"salt", b"info", 32),
        m2.bytes_to_key(m2.aes_128_cbc(), md, b"data", b"saltsalt", 3),
    )


@operation
def scrypt() -> Prepared:
    yield lambda: m2.scrypt(b"password", b"salt", 16, 1, 1, 1 << 20, 32)


# A provider's child context of 3.x cannot be released after a failed allocation.
if has("RC4") and not NEW:

    @operation
    def rc4() -> Prepared:
        def encrypt() -> bytes:
            cipher = m2.rc4_new()
            m2.rc4_set_key(cipher, b"0123456789abcdef")
            return bytes(m2.rc4_update(cipher, b"data"))

        yield encrypt


# ---- keys ----------------------------------------------------------------------------------------


@operation
def rsa_numbers() -> Prepared:
    pair = load(RSA.load_key, SERVER).pub()
    yield lambda: RSA.new_pub_key(pair).pub()


@operation
def rsa_texts() -> Prepared:
    rsa = load(RSA.load_key, SERVER)

    def write() -> Any:
        public = bio()
        rsa.save_pub_key_bio(BIO.BIO(public))
        return RSA.load_key_string(rsa.as_pem(None)).pub()

    yield write


@operation
def rsa_encrypted_text() -> Prepared:
    rsa = load(RSA.load_key, SERVER)

    def write() -> Any:
        text = rsa.as_pem("aes_128_cbc", lambda writing: b"for tests")
        return RSA.load_key_string(text, lambda writing: b"for tests").pub()

    yield write


@operation
def rsa_operations() -> Prepared:
    rsa = load(RSA.load_key, SERVER)
    sealed = rsa.public_encrypt(b"data", RSA.pkcs1_oaep_padding)

    def operate() -> Any:
        signature = rsa.sign(bytes(32), "sha256")
        pss = rsa.sign_rsassa_pss(bytes(32), "sha256")
        rsa.public_encrypt(b"data", RSA.pkcs1_oaep_padding)
        return (
            signature,
            rsa.verify(bytes(32), signature, "sha256"),
            rsa.verify_rsassa_pss(bytes(32), pss, "sha256"),
            rsa.private_decrypt(sealed, RSA.pkcs1_oaep_padding),
        )

    yield operate


@operation
def rsa_oaep() -> Prepared:
    rsa = load(RSA.load_key, SERVER)
    md = "sha256"
    sealed = rsa.public_encrypt(b"data", RSA.pkcs1_oaep_padding, md=md, label=b"label")
    yield lambda: (
        rsa.public_encrypt(b"data", RSA.pkcs1_oaep_padding, md=md, label=b"label"),
        rsa.private_decrypt(sealed, RSA.pkcs1_oaep_padding, md=md, label=b"label"),
    )


@operation
def rsa_generation() -> Prepared:
    yield lambda: len(RSA.gen_key(1024, 65537, None))


@operation
def pkeys() -> Prepared:
    pkey = load(EVP.load_key, SERVER)

    def operate() -> Any:
        pkey.sign_init()
        pkey.sign_update(b"data")
        signature = pkey.sign_final()
        pkey.verify_init()
        pkey.verify_update(b"data")
        return signature, pkey.verify_final(signature), pkey.get_modulus(), pkey.as_der()

    yield operate


@operation
def pkey_conversions() -> Prepared:
    pkey = load(EVP.load_key, SERVER)

    def convert() -> Any:
        m2.pkey_assign_rsa(m2.pkey_new(), m2.pkey_get1_rsa(pkey.pkey))
        m2.pkey_set1_rsa(m2.pkey_new(), m2.pkey_get1_rsa(pkey.pkey))
        return m2.pkey_as_der(m2.pkey_from_rsa(m2.pkey_get1_rsa(pkey.pkey)))

    yield convert


@operation
def pkey_ders() -> Prepared:
    pkey = load(EVP.load_key, SERVER)
    der = m2.pkey_private_der(pkey.pkey, None, None)
    yield lambda: (
        m2.pkey_as_der(m2.pkey_read_der(der, None)),
        m2.pkey_read_der_pubkey(pkey.as_der()) and None,
        m2.pkey_private_der(pkey.pkey, None, None),
    )


@operation
def pkey_padding() -> Prepared:
    pkey = load(EVP.load_key, SERVER)
    yield lambda: pkey.decrypt(pkey.encrypt(b"data"))


if has("EC"):

    @operation
    def ec_keys() -> Prepared:
        ec = EC.gen_params(m2.NID_X9_62_prime256v1)
        ec.gen_key()

        def operate() -> Any:
            r, s = ec.sign_dsa(bytes(32))
            signature = ec.sign_dsa_asn1(bytes(32))
            der = bytes(ec.pub().get_der())
            return (
                ec.verify_dsa(bytes(32), r, s),
                ec.verify_dsa_asn1(bytes(32), signature),
                EC.pub_key_from_der(der).get_der() == der,
                ec.compute_dh_key(ec.pub()),
            )

        yield operate

    @operation
    def ec_points() -> Prepared:
        ec = EC.gen_params(m2.NID_X9_62_prime256v1)
        ec.gen_key()
        point = ec.pub().get_key()
        yield lambda: EC.pub_key_from_params(m2.NID_X9_62_prime256v1, point).get_key()

    @operation
    def ec_generation() -> Prepared:
        def generate() -> int:
            ec = EC.gen_params(m2.NID_secp384r1)
            ec.gen_key()
            return len(ec)

        yield generate

    @operation
    def ec_scalars() -> Prepared:
        scalar = bytes(31) + b"\5"
        yield lambda: m2.pkey_as_der(m2.pkey_from_ec_scalar(m2.NID_X9_62_prime256v1, scalar))

    @operation
    def raw_keys() -> Prepared:
        yield lambda: m2.pkey_raw_public(m2.pkey_from_raw_private("X25519", b"\1" * 32))


if has("DSA"):

    @operation
    def dsa_keys() -> Prepared:
        path = str(DATA / "keys" / "dsa_1024.pem")
        dsa = DSA.load_key(path)

        def operate() -> Any:
            r, s = dsa.sign(bytes(20))
            text = bio()
            m2.dsa_write_key_bio_no_cipher(dsa.dsa, text, None)
            m2.dsa_write_params_bio(dsa.dsa, text)
            made = DSA.set_params(dsa.p, dsa.q, dsa.g)
            m2.dsa_set_pub(made.dsa, dsa.pub)
            return dsa.verify(bytes(20), r, s), made.pub, m2.dsa_dup(dsa.dsa) and None

        yield operate

    @operation
    def dsa_generation() -> Prepared:
        dsa = DSA.load_key(str(DATA / "keys" / "dsa_1024.pem"))
        p, q, g = dsa.p, dsa.q, dsa.g

        def generate() -> int:
            made = DSA.set_params(p, q, g)
            made.gen_key()
            return len(made)

        yield generate


if has("DH"):

    @operation
    def dh_keys() -> Prepared:
        parameters = DH.load_params(str(DATA / "certificates" / "dh.pem"))
        other = DH.set_params(parameters.p, parameters.g)
        other.gen_key()

        def agree() -> int:
            dh = DH.set_params(parameters.p, parameters.g)
            dh.gen_key()
            # OpenSSL 3.5 dereferences the peer's number without checking its allocation.
            return len(dh.pub) if NEW else len(dh.compute_key(other.pub))

        yield agree

    @operation
    def dh_parameters() -> Prepared:
        path = str(DATA / "certificates" / "dh.pem")

        def read() -> Any:
            dh = DH.load_params(path)
            text = bio()
            m2.dh_write_parameters(dh.dh, text)
            return dh.p, m2.dh_dup(dh.dh) and None

        yield read

    @operation
    def dh_checks() -> Prepared:
        dh = DH.set_params(b"\0\0\0\1\x17", b"\0\0\0\1\5")
        yield lambda: m2.dh_check(dh.dh)

    @operation
    def dh_generation() -> Prepared:
        yield lambda: len(DH.gen_params(512, 2, lambda *numbers: None))


# ---- certificates --------------------------------------------------------------------------------


@operation
def certificates() -> Prepared:
    issuer = load(EVP.load_key, CA_KEY)

    def make() -> Any:
        made = X509.X509()
        made.set_version(2)
        made.set_serial_number(77)
        made.get_subject().CN = "Test"
        made.set_issuer(made.get_subject())
        made.set_pubkey(issuer)
        made.add_ext(X509.new_extension("subjectAltName", "DNS:localhost"))
        made.add_ext(X509.new_extension("subjectKeyIdentifier", "hash", pkey=issuer))
        return m2.x509_get_ext_count(made.x509)

    yield make


@operation
def certificate_parts() -> Prepared:
    certificate = load(X509.load_cert, SERVER)
    yield lambda: (
        certificate.as_text(),
        certificate.as_pem(),
        certificate.as_der(),
        certificate.get_subject().as_text(),
        certificate.get_subject().as_hash(),
        certificate.get_ext("subjectAltName").get_value(),
        str(certificate.get_not_after()),
        m2.x509_digest(certificate.x509, m2.get_digestbyname("sha256")),
        m2.x509_dup(certificate.x509) and None,
    )


@operation
def names() -> Prepared:
    def make() -> Any:
        name = X509.X509_Name()
        name.CN = "Test"
        name.add_entry_by_txt("O", ASN1.MBSTRING_ASC, "Tests", -1, -1, 0)
        entry = m2.x509_name_entry_create_by_txt("OU", ASN1.MBSTRING_ASC, b"Unit")
        m2.x509_name_entry_set_data(entry, ASN1.MBSTRING_ASC, b"Other")
        m2.x509_name_add_entry(name.x509_name, entry, -1, 0)
        m2.x509_name_set_entry(name.x509_name, 0, entry)
        m2.x509_name_hash(name.x509_name)
        return str(name), m2.x509_name_get_der(m2.x509_name_dup(name.x509_name))

    yield make


@operation
def requests() -> Prepared:
    pkey = load(EVP.load_key, SERVER)

    def make() -> Any:
        request = X509.Request()
        request.set_pubkey(pkey)
        name = X509.X509_Name()
        name.CN = "Test"
        request.set_subject_name(name)
        stack = X509.X509_Extension_Stack()
        stack.push(X509.new_extension("basicConstraints", "CA:FALSE"))
        request.add_extensions(stack)
        return m2.x509_req_get_version(request.req)

    # OpenSSL 1.1.1 leaves a request without its parts, and follows them when it frees it.
    yield make if NEW else X509.Request


@operation
def extensions() -> Prepared:
    subject = load(X509.load_cert, SERVER)
    issuer = load(X509.load_cert, CA)

    def make() -> Any:
        context = m2.x509v3_set_nconf()
        m2.x509v3_set_ctx(context, issuer.x509, subject.x509)
        configuration = m2.nconf_load(b"[names]\nDNS.1 = localhost\n")
        made = m2.x509v3_ext_conf(configuration, context, "subjectAltName", "@names")
        text = bio()
        m2.x509_ext_print(text, made, 0, 0)
        identifier = m2.x509_new_authority_key_identifier(b"identifier", 0)
        return m2.bio_read(text, 99), m2.i2d_x509_extension(m2.x509_extension_dup(identifier))

    yield make


@operation
def alternative_names() -> Prepared:
    made = X509.X509()
    made.add_ext(
        X509.new_extension("subjectAltName", "DNS:a,IP:::1,email:a@b,URI:http://a/,RID:1.2.3")
    )

    def read() -> Any:
        alternative = m2.x509_get_subject_alt_names(made.x509)
        count = m2.general_names_num(alternative)
        return [m2.general_names_value(alternative, each) for each in range(count)]

    yield read


@operation
def stacks() -> Prepared:
    certificate = load(X509.load_cert, SERVER)

    def fill() -> Any:
        stack = X509.X509_Stack()
        for _ in range(9):
            stack.push(certificate)
        return X509.new_stack_from_der(stack.as_der()).pop().as_der()

    yield fill


@operation
def crls() -> Prepared:
    # OpenSSL frees a CRL twice that it cannot decode because of a failed allocation.
    read = m2.x509_crl_read_pem(bio((DATA / "x509" / "crl.pem").read_bytes()))

    def make() -> Any:
        made = m2.x509_crl_new()
        for each in range(m2.x509_crl_revoked_num(read)):
            m2.x509_crl_add_revoked(made, m2.x509_crl_revoked_value(read, each))
        m2.x509_crl_set_issuer_name(made, m2.x509_crl_get_issuer(read))
        m2.x509_crl_set_last_update(made, m2.x509_crl_get_last_update(read))
        m2.x509_crl_set_version(made, 1)
        stack = m2.sk_x509_crl_new_null()
        for _ in range(9):
            m2.sk_x509_crl_push(stack, made)
        return m2.sk_x509_crl_num(stack)

    yield make


@operation
def stores() -> Prepared:
    certificate = load(X509.load_cert, SERVER)
    chain = X509.X509_Stack()
    chain.push(load(X509.load_cert, CA))
    crl = m2.x509_crl_read_pem(bio((DATA / "x509" / "crl.pem").read_bytes()))

    def verify() -> Any:
        store = X509.X509_Store()
        store.load_info(CA)
        m2.x509_store_set_verify_cb(store.store, lambda ok, context: ok)
        context = m2.x509_store_ctx_new()
        m2.x509_store_ctx_init(context, store.store, certificate.x509, chain.stack)
        stack = m2.sk_x509_crl_new_null()
        m2.sk_x509_crl_push(stack, crl)
        m2.x509_store_ctx_add_crls(context, stack)
        return m2.x509_verify_cert(context) in (0, 1) or m2.x509_store_ctx_get1_chain(context)

    yield verify


@operation
def policies() -> Prepared:
    selection = json.loads((DATA / "pkits-selection.json").read_text(encoding="utf-8"))

    def read(name: str) -> bytes:
        return base64.b64decode(selection[name])

    root, ca, leaf = (
        X509.load_cert_der_string(read(f"certs/{name}.crt"))
        for name in (
            "TrustAnchorRootCertificate",
            "PoliciesP12CACert",
            "UserNoticeQualifierTest18EE",
        )
    )
    crls = [
        X509.load_crl_der_string(read(f"crls/{name}.crl"))
        for name in ("TrustAnchorRootCRL", "PoliciesP12CACRL")
    ]
    chain = X509.X509_Stack()
    chain.push(ca)

    def verify() -> Any:
        store = X509.X509_Store()
        store.add_cert(root)
        store.set_flags(m2.X509_V_FLAG_CRL_CHECK | m2.X509_V_FLAG_CRL_CHECK_ALL)
        store.set_lookup_crls(lambda issuer: crls)
        context = X509.X509_Store_Context()
        context.init(store, leaf, chain)
        context.set_policies([X509.ANY_POLICY])
        context.verify_cert()
        return context.get_user_policies(), context.get_policy_tree(), context.get_peername()

    yield verify


@operation
def hosts() -> Prepared:
    certificate = load(X509.load_cert, SERVER)
    store = X509.X509_Store()

    def check() -> Any:
        store.set_host("localhost")
        store.set_email("a@example.org")
        m2.x509_get_spki(certificate.x509)
        return certificate.check_host("other.example.org")

    yield check


# ---- messages ------------------------------------------------------------------------------------


@operation
def pkcs12s() -> Prepared:
    pkey, certificate, ca = (
        load(EVP.load_key, SERVER),
        load(X509.load_cert, SERVER),
        load(X509.load_cert, CA),
    )
    der = PKCS12.create(pkey, certificate, [ca], "secret", "name", iterations=1)
    yield lambda: PKCS12.load_der(der, "secret") and None


@operation
def smime_signatures() -> Prepared:
    smime = SMIME()
    smime.load_key(SERVER, SERVER)
    store = X509.X509_Store()
    store.load_info(CA)
    smime.set_x509_store(store)
    smime.set_x509_stack(X509.X509_Stack())
    message = smime.sign(BIO.MemoryBuffer(b"data"), 0, "sha256")

    def write() -> Any:
        out = BIO.MemoryBuffer()
        smime.write(out, message)
        return m2.sk_x509_num(m2.pkcs7_get1_certs(message.pkcs7)), m2.sk_x509_crl_num(
            m2.pkcs7_get1_crls(message.pkcs7)
        )

    yield write


@operation
def smime_text() -> Prepared:
    lines = b"a line of text\n" * 20_000

    def copy() -> int:
        target = bio()
        m2.smime_crlf_copy(bio(lines), target, 0)
        return m2.bio_ctrl_pending(target)

    yield copy


@operation
def smime_reading() -> Prepared:
    smime = SMIME()
    smime.load_key(SERVER, SERVER)
    out = BIO.MemoryBuffer()
    message = smime.sign(BIO.MemoryBuffer(b"data"), SMIME_DETACHED, "sha256")
    smime.write(out, message, BIO.MemoryBuffer(b"data"))
    text = out.read()

    def read() -> Any:
        content = bio()
        return m2.pkcs7_type_nid(m2.smime_read_pkcs7(bio(text), content)), m2.bio_read(content, 99)

    yield read


if has("CMS"):

    @operation
    def cms_messages() -> Prepared:
        pkey, certificate = load(EVP.load_key, SERVER), load(X509.load_cert, SERVER)

        message = CMS.sign(b"data", certificate, pkey, md="sha256")

        def write() -> Any:
            text = m2.smime_write_cms(message._ptr(), b"data", 0)
            content = bio()
            read = m2.smime_read_cms(bio(text), content)
            return m2.cms_type_nid(read), message.certificates(), message.signers()

        yield write


if has("OCSP"):

    @operation
    def ocsp_requests() -> Prepared:
        certificate, ca = load(X509.load_cert, SERVER), load(X509.load_cert, CA)

        def ask() -> Any:
            request = OCSP.Request()
            request.add(OCSP.CertID(certificate, ca))
            return OCSP.load_request(request.as_der()).nonce

        yield ask

    @operation
    def ocsp_responses() -> Prepared:
        certificate, ca = load(X509.load_cert, SERVER), load(X509.load_cert, CA)
        pkey = load(EVP.load_key, CA_KEY)
        responder = OCSP.Responder(ca, ca, pkey, lambda serial: OCSP.Status.GOOD)
        request = OCSP.Request()
        request.add(OCSP.CertID(certificate, ca))
        der = responder.respond(request.as_der())

        def read() -> Any:
            response = m2.d2i_ocsp_response(der)
            basic = m2.ocsp_response_get_basic(response)
            name = m2.ocsp_basic_responder_name(basic)
            return (
                m2.ocsp_basic_nonce(basic) and None,
                m2.ocsp_basic_responder_key(basic) and None,
                name and m2.x509_name_oneline(name),
                m2.sk_x509_num(m2.ocsp_basic_certificates(basic)),
            )

        yield read


if NEW:

    @operation
    def providers() -> Prepared:
        yield lambda: m2.provider_names()

else:

    @operation
    def object_stores() -> Prepared:
        # OpenSSL 3.5 cleanses a passphrase that it could not allocate.
        yield lambda: m2.store_objects_num(m2.store_load(SERVER, None))


# ---- TLS -----------------------------------------------------------------------------------------


@operation
def contexts() -> Prepared:
    def make() -> int:
        context = SSL.Context()
        context.set_verify(SSL.verify_peer, 9, lambda ok, store: ok)
        context.set_info_callback(lambda *arguments: None)
        context.load_verify_locations(CA)
        context.load_cert(SERVER)
        context.set_client_CA_list_from_file(CA)
        m2.ssl_ctx_set_ocsp_response(context.ctx, b"response")
        return m2.ssl_ctx_get_verify_mode(context.ctx)

    yield make


@operation
def context_callbacks() -> Prepared:
    context = SSL.Context()

    def keep() -> None:
        context.set_info_callback(lambda *arguments: None)
        context.set_verify(SSL.verify_peer, 9, lambda ok, store: ok)
        m2.ssl_ctx_set_ocsp_response(context.ctx, b"response")

    yield keep


@operation
def store_callbacks() -> Prepared:
    store = X509.X509_Store()

    def keep() -> None:
        m2.x509_store_set_verify_cb(store.store, lambda ok, context: ok)
        m2.x509_store_set_lookup_crls(store.store, lambda issuer: None)

    yield keep


@operation
def context_certificates() -> Prepared:
    pkey, certificate = load(EVP.load_key, SERVER), load(X509.load_cert, SERVER)

    def make() -> Any:
        context = m2.ssl_ctx_new(m2.tls_method())
        m2.ssl_ctx_use_x509(context, certificate.x509)
        m2.ssl_ctx_use_pkey_privkey(context, pkey.pkey)
        m2.ssl_ctx_use_cert_chain(context, SERVER, None)
        return m2.ssl_ctx_check_private_key(context)

    yield make


@operation
def connections() -> Prepared:
    context = SSL.Context()
    context.set_client_CA_list_from_file(CA)

    def make() -> Any:
        connection = m2.ssl_new(context.ctx)
        m2.ssl_set_bio(connection, bio(), bio())
        m2.ssl_set_client_ca_list_from_context(connection)
        wrapped = m2.bio_new(m2.bio_f_ssl())
        m2.bio_set_ssl(wrapped, connection, 0)
        return m2.sk_ssl_cipher_num(m2.ssl_get_ciphers(connection))

    yield make


@operation
def handshakes() -> Prepared:
    # The client fails, too, if the server does.
    server_context = SSL.Context()
    server_context.load_cert(SERVER)
    m2.ssl_ctx_set_ocsp_response(server_context.ctx, b"response")
    client_context = SSL.Context()
    client_context.load_verify_locations(CA)
    client_context.set_verify(SSL.verify_peer, 9, lambda ok, store: ok)
    m2.ssl_ctx_request_ocsp(client_context.ctx, 1)

    # SSL_new of 3.5 can return a connection without a record layer.
    ends = [m2.ssl_new(each.ctx) for each in (client_context, server_context)]
    pipes = [bio(), bio()]
    m2.ssl_set_connect_state(ends[0])
    m2.ssl_set_accept_state(ends[1])
    m2.ssl_set_bio(ends[0], pipes[0], pipes[1])
    m2.ssl_set_bio(ends[1], pipes[1], pipes[0])

    def shake() -> Any:
        for _ in range(9):
            for each in ends:
                if not m2.ssl_is_init_finished(each):
                    m2.ssl_do_handshake(each)
        m2.ssl_write(ends[1], b"data")
        m2.ssl_read(ends[0], bytearray(9))
        return (
            m2.ssl_get_ocsp_response(ends[0]),
            m2.sk_x509_num(m2.ssl_get1_verified_chain(ends[0])),
            type(m2.ssl_get_session(ends[0])),
        )

    yield shake


@operation
def sockets() -> Prepared:
    context = SSL.Context()

    def connect() -> None:
        with socket.socket() as end:
            connection = m2.ssl_new(context.ctx)
            m2.ssl_set_fd(connection, end.fileno())
            m2.ssl_set_tlsext_host_name(connection, "localhost")
            m2.ssl_set1_host(connection, "localhost")

    yield connect


# ---- the run -------------------------------------------------------------------------------------


def attempt(
    library: ctypes.CDLL, prepare: Callable[[], Prepared], number: int
) -> tuple[bool, Exception | None]:
    """Run an operation with one failing allocation.

    Returns:
        Whether there was such an allocation, and the exception.
    """
    call = next(prepare())
    raised = None
    library.allocations_fail(number)
    try:
        call()
    except Exception as error:
        raised = error
    finally:
        reached = bool(library.allocations_stop())
    return reached, raised


def outcome(library: ctypes.CDLL, prepare: Callable[[], Prepared]) -> dict[str, Any]:
    """Fail each of an operation's allocations.

    Returns:
        The name, how many of the failures raised, as OpenSSL can do without some allocations, and
        what is wrong; as `lacks` the error of an operation that fails without them.
    """
    # OpenSSL 1.1.1 leaves a key unusable in which an allocation has failed.
    load.cache_clear()
    try:
        next(prepare())()
    except M2CryptoError as error:
        return {"operation": prepare.__name__, "raised": 0, "wrong": [], "lacks": str(error)}
    wrong: list[str] = []
    raised = 0
    for number in NUMBERS:
        reached, error = attempt(library, prepare, number)
        if not reached:
            break
        queued = m2.err_peek_error()
        if queued:
            m2.err_clear_error()
            wrong.append(f"allocation {number}: an error is queued")
        if error is not None:
            raised += 1
        if error is not None and not isinstance(error, (M2CryptoError, MemoryError, ValueError)):
            wrong.append(f"allocation {number}: {error!r}")
    return {"operation": prepare.__name__, "raised": raised, "wrong": wrong}


def main(library: str, *names: str) -> None:
    """Run the named operations, or all; print the name of each, and its outcome as JSON."""
    preloaded = ctypes.PyDLL(library)
    preloaded.allocations_fail.argtypes = [ctypes.c_long]
    for each in OPERATIONS:
        if not names or each.__name__ in names:
            print(json.dumps({"operation": each.__name__}), flush=True)
            print(json.dumps(outcome(preloaded, each)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
