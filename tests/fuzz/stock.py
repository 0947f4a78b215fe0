"""Valid handles and bytes to start from: keys, certificates, connections and their parts.

A recipe is a function of `RECIPES`: given a `Stock`, it returns pairs of a type and a handle.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from hostile import Descriptors
from session import DATA

Made = list[tuple[str, Any]]


def tlv(tag: int, *parts: bytes) -> bytes:
    """Encode one element in DER."""
    content = b"".join(parts)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def pem(label: str, der: bytes) -> bytes:
    """Encode in PEM (RFC 7468)."""
    text = base64.encodebytes(der).replace(b"\n", b"")
    lines = b"".join(text[at : at + 64] + b"\n" for at in range(0, len(text), 64))
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label.encode(), lines, label.encode())


# Object identifiers in DER.
DSA = bytes.fromhex("06072a8648ce380401")
DH = bytes.fromhex("06092a864886f70d010301")
RSA_PSS = bytes.fromhex("06092a864886f70d01010a")
ED25519 = bytes.fromhex("06032b6570")
X25519 = bytes.fromhex("06032b656e")
ED448 = bytes.fromhex("06032b6571")


def unusual_keys() -> list[bytes]:
    """Return keys of the kinds that no file in tests/data has, in PEM."""
    number = tlv(2, b"\x12" * 32)
    bits = tlv(3, b"\0", number)
    keys = [
        # DSA without parameters, which the issuer's certificate may have (RFC 3279, 2.3.2).
        pem("PUBLIC KEY", tlv(0x30, tlv(0x30, DSA), bits)),
        pem("PUBLIC KEY", tlv(0x30, tlv(0x30, DSA, tlv(5)), bits)),
        pem("PRIVATE KEY", tlv(0x30, tlv(2, b"\0"), tlv(0x30, DSA), tlv(4, number))),
    ]
    parameters = tlv(0x30, tlv(2, b"\0" + b"\xfb" * 64), tlv(2, b"\2"))
    keys += [
        pem("PUBLIC KEY", tlv(0x30, tlv(0x30, DH, parameters), bits)),
        pem("PRIVATE KEY", tlv(0x30, tlv(2, b"\0"), tlv(0x30, DH, parameters), tlv(4, number))),
    ]
    for oid, size in ((ED25519, 32), (X25519, 32), (ED448, 57)):
        secret = b"\x42" * size
        keys += [
            pem("PUBLIC KEY", tlv(0x30, tlv(0x30, oid), tlv(3, b"\0", secret))),
            pem("PRIVATE KEY", tlv(0x30, tlv(2, b"\0"), tlv(0x30, oid), tlv(4, tlv(4, secret)))),
        ]
    return keys


def copy_data(target: Path) -> list[Path]:
    """Copy the PEM files of tests/data into a folder; return their paths there."""
    target.mkdir(exist_ok=True)
    for path in sorted(DATA.rglob("*.pem")) + sorted(DATA.rglob("*.key")):
        shutil.copy(path, target / f"{path.parent.name}-{path.name}")
    return sorted(target.glob("*-*.*"))


class Stock:
    """The bytes and files that recipes use."""

    def __init__(self, random: Random, folder: Path) -> None:
        from M2Crypto import m2

        self.m2 = m2
        self.random = random
        # The recipes' own. The fuzzer's functions may write the files that they are given.
        self.folder = folder / "own"
        copy_data(self.folder)
        self.files = copy_data(folder / "given")
        self.texts = [path.read_bytes() for path in self.files] + unusual_keys()
        self.descriptors = Descriptors()
        self.ec = hasattr(m2, "ec_key_gen_key")
        self.keys = self._keys()
        self.blobs = [*self.texts, *self._decoded()]

    def file(self, name: str) -> str:
        """Return the path of a file in the scratch folder."""
        return str(self.folder / name)

    def bio(self, data: bytes = b"") -> Any:
        """Return a memory BIO that holds `data`."""
        bio = self.m2.bio_new_mem()
        if data:
            self.m2.bio_write(bio, data)
        return bio

    def read(self, bio: Any) -> bytes:
        """Return all that a memory BIO holds."""
        return self.m2.bio_read(bio, self.m2.bio_ctrl_pending(bio))

    def _keys(self) -> list[bytes]:
        m2 = self.m2
        made = []
        bio = self.bio()
        m2.rsa_write_key(m2.rsa_generate_key(768, 65537, None), bio, None, None)
        made.append(self.read(bio))
        if self.ec:
            for nid in (m2.NID_X9_62_prime256v1, m2.NID_secp384r1):
                m2.ec_key_write_bio(
                    m2.ec_key_gen_key(m2.ec_key_new_by_curve_name(nid)), bio, None, None
                )
                made.append(self.read(bio))
        made.append((DATA / "keys" / "dsa_1024.pem").read_bytes())
        return made

    def _decoded(self) -> list[bytes]:
        found = []
        for text in self.texts:
            for block in text.split(b"-----BEGIN ")[1:]:
                body = block.partition(b"-----\n")[2].partition(b"-----END")[0]
                if b":" not in body:
                    found.append(base64.b64decode(body))
        return found


def some_text(stock: Stock) -> Made:
    """A BIO over one of the files."""
    return [("BIO", stock.bio(stock.random.choice(stock.texts)))]


def empty(stock: Stock) -> Made:
    """An empty BIO, and one over a descriptor."""
    ends = stock.descriptors.pair()
    return [("BIO", stock.bio()), ("BIO", stock.m2.bio_new_fd(ends[0], 0))]


def rsa(stock: Stock) -> Made:
    """An RSA key, private or public."""
    m2 = stock.m2
    key = m2.rsa_read_key(stock.bio(stock.keys[0]), None)
    if stock.random.random() < 0.7:
        return [("m2_rsa", key), ("EVP_PKEY", m2.pkey_from_rsa(key))]
    public = m2.rsa_new()
    m2.rsa_set_en(public, m2.rsa_get_e(key), m2.rsa_get_n(key))
    return [("m2_rsa", public), ("EVP_PKEY", m2.pkey_from_rsa(public))]


def elliptic(stock: Stock) -> Made:
    """An EC key."""
    m2 = stock.m2
    key = m2.ec_key_read_bio(stock.bio(stock.random.choice(stock.keys[1:3])), None)
    return [("m2_ec", key), ("EVP_PKEY", m2.pkey_from_ec(key))]


def pkey(stock: Stock) -> Made:
    """A key of any kind that this build reads."""
    m2 = stock.m2
    text = stock.random.choice(stock.keys + unusual_keys())
    read = m2.pkey_read_pem_pubkey if b"BEGIN PUBLIC" in text else m2.pkey_read_pem
    try:
        return [("EVP_PKEY", read(stock.bio(text), None))]
    except ValueError:
        return []


def certificate(stock: Stock) -> Made:
    """A certificate of a file, or a new one that is signed."""
    m2 = stock.m2
    names = ("x509-leaf.pem", "x509-root.pem", "certificates-ca.pem", "certificates-expired.pem")
    path = stock.folder / stock.random.choice(names)
    if stock.random.random() < 0.6:
        return [("X509", m2.x509_read_pem(stock.bio(path.read_bytes())))]
    new, key = m2.x509_new(), m2.pkey_read_pem(stock.bio(stock.keys[0]), None)
    subject = m2.x509_name_new()
    m2.x509_name_add_entry_by_txt(subject, "CN", m2.MBSTRING_ASC, b"localhost", -1, 0)
    m2.x509_set_version(new, 2)
    m2.x509_set_subject_name(new, subject)
    m2.x509_set_issuer_name(new, subject)
    m2.x509_set_pubkey(new, key)
    extension = m2.x509_new_extension("subjectAltName", "DNS:localhost,IP:127.0.0.1", 0, None)
    m2.x509_add_ext(new, extension, -1)
    m2.x509_sign(new, key, m2.sha256())
    return [("X509", new), ("X509_NAME", subject), ("X509_EXTENSION", extension), ("EVP_PKEY", key)]


def request(stock: Stock) -> Made:
    """A request and a CRL."""
    m2 = stock.m2
    read = [
        ("X509_REQ", m2.x509_req_read_pem, "request"),
        ("X509_CRL", m2.x509_crl_read_pem, "crl"),
    ]
    return [
        (kind, function(stock.bio((stock.folder / f"x509-{name}.pem").read_bytes())))
        for kind, function, name in read
    ]


def name(stock: Stock) -> Made:
    """A name with an entry, and the entry."""
    m2 = stock.m2
    made = m2.x509_name_new()
    for field in ("C", "O", "CN"):
        m2.x509_name_add_entry_by_txt(made, field, m2.MBSTRING_UTF8, b"XY", -1, 0)
    entry = m2.x509_name_get_entry(made, 1)
    return [
        ("X509_NAME", made),
        ("X509_NAME_ENTRY", entry),
        ("ASN1_STRING", m2.x509_name_entry_get_data(entry)),
        ("ASN1_OBJECT", m2.x509_name_entry_get_object(entry)),
    ]


def stacks(stock: Stock) -> Made:
    """Stacks that hold something."""
    m2 = stock.m2
    certificates, crls, extensions = (
        m2.sk_x509_new_null(),
        m2.sk_x509_crl_new_null(),
        m2.sk_x509_ext_new_null(),
    )
    for path in ("x509-intermediate.pem", "x509-root.pem"):
        m2.sk_x509_push(
            certificates, m2.x509_read_pem(stock.bio((stock.folder / path).read_bytes()))
        )
    m2.sk_x509_crl_push(crls, request(stock)[1][1])
    m2.sk_x509_ext_push(extensions, m2.x509_new_extension("basicConstraints", "CA:TRUE", 1, None))
    return [
        ("m2_x509_stack", certificates),
        ("m2_x509_crl_stack", crls),
        ("m2_x509_ext_stack", extensions),
    ]


def verification(stock: Stock) -> Made:
    """A store and a verification that is ready to run."""
    m2 = stock.m2
    store, context = m2.x509_store_new(), m2.x509_store_ctx_new()
    m2.x509_store_load_locations(store, stock.file("x509-root.pem"))
    if stock.random.random() < 0.5:
        m2.x509_store_add_crl(store, request(stock)[1][1])
        flags = stock.random.choice((m2.X509_V_FLAG_CRL_CHECK, 0, 0x1004, 0x100C))
        m2.x509_store_set_flags(store, flags)
    leaf = m2.x509_read_pem(stock.bio((stock.folder / "x509-leaf.pem").read_bytes()))
    untrusted = stacks(stock)[0][1]
    m2.x509_store_ctx_init(context, store, leaf, untrusted)
    return [
        ("X509_STORE", store),
        ("m2_x509_store_ctx", context),
        ("m2_x509_stack", untrusted),
        ("X509", leaf),
    ]


def contexts_of_evp(stock: Stock) -> Made:
    """Contexts of a digest, a signature, an HMAC and ciphers that have begun."""
    m2, random = stock.m2, stock.random
    digest, signing, mac = m2.md_ctx_new(), m2.md_ctx_new(), m2.hmac_ctx_new()
    m2.digest_init(digest, m2.sha256())
    m2.digest_sign_init(signing, m2.sha256(), rsa(stock)[1][1])
    m2.hmac_init(mac, b"key", m2.sha1())
    made: Made = [("EVP_MD_CTX", digest), ("EVP_MD_CTX", signing), ("m2_hmac", mac)]
    for cipher in (m2.aes_128_cbc(), m2.aes_256_gcm(), m2.aes_128_ctr()):
        context = m2.cipher_ctx_new()
        m2.cipher_init(context, cipher, bytes(32), bytes(16), random.randrange(2))
        made += [("EVP_CIPHER_CTX", context), ("EVP_CIPHER", cipher)]
    return made


def tls_contexts(stock: Stock, datagrams: bool = False) -> tuple[Any, Any]:
    """Return the contexts of a client and a server that work together."""
    m2 = stock.m2
    method = m2.dtls_method() if datagrams else m2.tls_method()
    client, server = m2.ssl_ctx_new(method), m2.ssl_ctx_new(method)
    file = stock.file("certificates-server_ec.pem" if stock.ec else "certificates-server.pem")
    m2.ssl_ctx_use_cert_chain(server, file, None)
    m2.ssl_ctx_use_privkey(server, file, None)
    m2.ssl_ctx_load_verify_locations(client, stock.file("certificates-ca.pem"), None)
    if not datagrams and stock.random.random() < 0.5:
        m2.ssl_ctx_set_max_proto_version(client, m2.TLS1_2_VERSION)
    if not stock.ec:
        m2.ssl_ctx_set_tmp_dh(
            server, stock.bio((stock.folder / "certificates-dh.pem").read_bytes())
        )
    return client, server


def tls(stock: Stock, sockets: float = 0.2) -> Made:
    """A client and a server over two memory BIOs, or now and then over a socket pair."""
    m2 = stock.m2
    contexts = tls_contexts(stock)
    client, server = (m2.ssl_new(context) for context in contexts)
    made: Made = [("SSL", client), ("SSL", server), *(("SSL_CTX", each) for each in contexts)]
    if stock.random.random() >= sockets:
        made += _over_bios(stock, client, server)
    else:
        for connection, fd in zip((client, server), stock.descriptors.pair()):
            m2.ssl_set_fd(connection, fd)
    m2.ssl_set_connect_state(client)
    m2.ssl_set_accept_state(server)
    return made


def _over_bios(stock: Stock, client: Any, server: Any) -> Made:
    there, back = stock.bio(), stock.bio()
    for bio in (there, back):
        stock.m2.bio_set_mem_eof_return(bio, -1)
    stock.m2.ssl_set_bio(client, back, there)
    stock.m2.ssl_set_bio(server, there, back)
    return [("BIO", there), ("BIO", back)]


def dtls(stock: Stock) -> Made:
    """A client and a server of DTLS over datagram sockets, or now and then over memory BIOs."""
    from M2Crypto.SSL import SSLError

    m2, random = stock.m2, stock.random
    contexts = tls_contexts(stock, datagrams=True)
    if random.random() < 0.5:
        m2.ssl_ctx_use_cookies(contexts[1])
    client, server = (m2.ssl_new(context) for context in contexts)
    made: Made = [("SSL", client), ("SSL", server), *(("SSL_CTX", each) for each in contexts)]
    if random.random() < 0.3:
        made += _over_bios(stock, client, server)
    else:
        for connection, fd in zip((client, server), stock.descriptors.datagrams()):
            m2.ssl_set_datagram(connection, fd)
    for connection in (client, server):
        m2.ssl_set_mtu(connection, random.choice((300, 1400)))
    m2.ssl_set_connect_state(client)
    m2.ssl_set_accept_state(server)
    if random.random() < 0.5:
        m2.ssl_do_handshake(client)
        # Cookies need the address of a client, which memory BIOs do not have.
        with contextlib.suppress(SSLError):
            m2.ssl_io_listen(server, 0)
    return made


def raw_keys(stock: Stock) -> Made:
    """A client and a server with raw public keys, or ECH, where this OpenSSL has them."""
    m2, random = stock.m2, stock.random
    made = tls(stock)
    (client, server), contexts = ([made[at][1], made[at + 1][1]] for at in (0, 2))
    if m2.ssl_has_rpk() and random.random() < 0.7:
        key = (elliptic if stock.ec else rsa)(stock)
        for context in contexts:
            m2.ssl_ctx_enable_rpk(context)
        m2.ssl_use_rpk(client, 0, 1)
        m2.ssl_use_rpk(server, 1, 0)
        m2.ssl_expect_rpk(client)
        m2.ssl_add_expected_rpk(client, key[-1][1])
        made += key
    with contextlib.suppress(Exception):
        keys = m2.ech_new_config("public.example")
        m2.ssl_ctx_set_ech_keys(contexts[1], keys)
        configs = keys.partition(b"-----BEGIN ECHCONFIG-----\n")[2].partition(b"-----END")[0]
        m2.ssl_set1_ech_config_list(client, base64.b64decode(configs))
        stock.blobs += [keys, base64.b64decode(configs)]
    return made


def connected(stock: Stock) -> Made:
    """Such a pair after the handshake, with the session and the ciphers."""
    m2 = stock.m2
    made = tls(stock, sockets=0)
    client, server = made[0][1], made[1][1]
    for _ in range(6):
        m2.ssl_do_handshake(client)
        m2.ssl_do_handshake(server)
    session = m2.ssl_get_session(client)
    if session is not None:
        made.append(("SSL_SESSION", session))
        made.append(("SSL_CIPHER", m2.ssl_get_current_cipher(client)))
    return [*made, ("m2_ssl_ciphers", m2.ssl_get_ciphers(client))]


def values(stock: Stock) -> Made:
    """Numbers, times, objects and names of a certificate."""
    m2 = stock.m2
    leaf = m2.x509_read_pem(stock.bio((stock.folder / "x509-leaf.pem").read_bytes()))
    return [
        ("BIGNUM", m2.hex_to_bn(b"123456789abcdef0" * 3)),
        ("ASN1_INTEGER", m2.asn1_integer_from_hex("1234")),
        ("ASN1_TIME", m2.x509_get_not_after(leaf)),
        ("GENERAL_NAMES", m2.x509_get_subject_alt_names(leaf)),
        ("ASN1_OBJECT", m2.obj_nid2obj(13)),
        ("SSL_METHOD", m2.tls_server_method()),
        ("EVP_MD", m2.sha256()),
        ("EVP_MD", m2.md_null()),
    ]


def _signer(stock: Stock) -> tuple[Any, Any]:
    """Return a new certificate that is signed, and its key."""
    m2 = stock.m2
    new, key = m2.x509_new(), m2.pkey_read_pem(stock.bio(stock.keys[0]), None)
    subject, time = m2.x509_name_new(), m2.asn1_time_new()
    m2.asn1_time_set(time, 2**30)
    m2.x509_name_add_entry_by_txt(subject, "CN", m2.MBSTRING_ASC, b"signer", -1, 0)
    m2.x509_set_subject_name(new, subject)
    m2.x509_set_issuer_name(new, subject)
    m2.x509_set_not_before(new, time)
    m2.x509_set_not_after(new, time)
    m2.x509_set_pubkey(new, key)
    m2.x509_sign(new, key, m2.sha256())
    return new, key


def _stack(stock: Stock, certificate: Any) -> Any:
    made = stock.m2.sk_x509_new_null()
    stock.m2.sk_x509_push(made, certificate)
    return made


def pkcs7(stock: Stock) -> Made:
    """Messages of PKCS #7, signed and encrypted, with their parts."""
    m2 = stock.m2
    certificate, key = _signer(stock)
    stack, data = _stack(stock, certificate), stock.bio(b"text\n")
    return [
        ("PKCS7", m2.pkcs7_sign0(certificate, key, data, m2.sha256(), 0)),
        ("PKCS7", m2.pkcs7_encrypt(stack, stock.bio(b"text\n"), m2.aes_128_cbc(), 0)),
        ("X509", certificate),
        ("EVP_PKEY", key),
        ("m2_x509_stack", stack),
    ]


def cms(stock: Stock) -> Made:
    """Messages of CMS, signed and encrypted, with their parts."""
    m2 = stock.m2
    if not hasattr(m2, "cms_sign"):
        return []
    certificate, key = _signer(stock)
    stack = _stack(stock, certificate)
    flags = stock.random.choice((0, m2.CMS_DETACHED, m2.CMS_BINARY, m2.CMS_NOATTR))
    return [
        ("CMS_ContentInfo", m2.cms_sign(certificate, key, None, b"text", m2.sha256(), flags)),
        ("CMS_ContentInfo", m2.cms_encrypt(stack, b"text", m2.aes_128_cbc(), 0)),
        ("X509", certificate),
        ("EVP_PKEY", key),
    ]


def pkcs12(stock: Stock) -> Made:
    """A PKCS #12 file and its parts."""
    m2 = stock.m2
    certificate, key = _signer(stock)
    more = (_stack(stock, certificate), m2.aes_128_cbc(), m2.sha256(), 1, 0)
    made = m2.pkcs12_create(b"secret", b"name", key, certificate, *more)
    stock.blobs.append(m2.i2d_pkcs12(made))
    return [("PKCS12", made), ("m2_pkcs12_parts", m2.pkcs12_parse(made, b"secret"))]


def ocsp(stock: Stock) -> Made:
    """A request and a response of OCSP, signed or not, and their parts."""
    m2 = stock.m2
    if not hasattr(m2, "ocsp_request_new"):
        return []
    certificate, key = _signer(stock)
    identifier = m2.ocsp_cert_to_id(m2.sha1(), certificate, certificate)
    request, basic, time = m2.ocsp_request_new(), m2.ocsp_basic_new(), m2.asn1_time_new()
    m2.asn1_time_set(time, 2**30)
    m2.ocsp_request_add(request, identifier)
    made: Made = [("OCSP_REQUEST", request), ("OCSP_BASICRESP", basic)]
    if stock.random.random() < 0.8:
        m2.ocsp_basic_add(basic, identifier, 0, -1, None, time, time)
        m2.ocsp_basic_sign(basic, certificate, key, m2.sha256(), None, 0)
        response = m2.ocsp_response_create(0, basic)
        stock.blobs += [m2.i2d_ocsp_response(response), m2.i2d_ocsp_request(request)]
        made.append(("OCSP_RESPONSE", response))
    return [*made, ("OCSP_CERTID", identifier), ("X509", certificate), ("EVP_PKEY", key)]


def revoked(stock: Stock) -> Made:
    """An entry of a CRL, and a new CRL."""
    m2 = stock.m2
    crl, entry, time = m2.x509_crl_new(), m2.x509_revoked_new(), m2.asn1_time_new()
    serial = m2.asn1_integer_from_hex("1234")
    m2.asn1_time_set(time, 2**30)
    m2.x509_revoked_set_serial_number(entry, serial)
    m2.x509_revoked_set_date(entry, time)
    made: Made = [("X509_CRL", crl), ("X509_REVOKED", entry), ("ASN1_INTEGER", serial)]
    if stock.random.random() < 0.5:
        m2.x509_crl_add_revoked(crl, entry)
        made.append(("X509_REVOKED", m2.x509_crl_revoked_value(crl, 0)))
    return made


def finite_fields(stock: Stock) -> Made:
    """Keys and parameters of DSA and DH, complete or empty."""
    m2 = stock.m2
    made: Made = []
    if hasattr(m2, "dsa_new"):
        text = (DATA / "keys" / "dsa_1024.pem").read_bytes()
        made += [("m2_dsa", m2.dsa_read_key(stock.bio(text), None)), ("m2_dsa", m2.dsa_new())]
    if hasattr(m2, "dh_new"):
        text = (DATA / "certificates" / "dh.pem").read_bytes()
        made += [("m2_dh", m2.dh_read_parameters(stock.bio(text))), ("m2_dh", m2.dh_new())]
        if stock.random.random() < 0.5:
            m2.dh_generate_key(made[-2][1])
    return made


def symmetric(stock: Stock) -> Made:
    """MACs, AEAD keys, RC4, a configuration and the context of extensions."""
    m2, random = stock.m2, stock.random
    none = (None, None, 0, 0, None)
    made: Made = [
        ("m2_mac", m2.mac_new("HMAC", b"key", "sha256", None, *none)),
        ("m2_mac", m2.mac_new("CMAC", bytes(16), None, "aes-128-cbc", *none)),
        ("CONF", m2.nconf_load(b"[section]\nname = value\n")),
        ("m2_x509v3_ctx", m2.x509v3_set_nconf()),
    ]
    for name in random.sample(("aes_128_gcm", "aes_128_ccm", "aes_128_ocb"), 2):
        made.append(("m2_aead", m2.aead_new(name, bytes(16), 16, None)))
    if hasattr(m2, "rc4_new"):
        made.append(("m2_rc4", m2.rc4_new()))
    return made


def store(stock: Stock) -> Made:
    """The objects of a file."""
    path = stock.file(stock.random.choice(("x509-leaf.pem", "x509-crl.pem", "keys-rsa_pss.pem")))
    return [("m2_store_objects", stock.m2.store_load(path, None))]


RECIPES: list[Callable[[Stock], Made]] = [
    some_text, some_text, empty, rsa, elliptic, pkey, pkey, certificate, certificate, request, name,
    stacks, verification, contexts_of_evp, tls, tls, connected, dtls, raw_keys,
    values,
    pkcs7, cms, cms, pkcs12, ocsp, ocsp, revoked, finite_fields, symmetric, store,
]  # fmt: skip
