"""Valid inputs of the parsers: those of tests/data, and others generated at the start."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mutate
import stock
from stock import pem, tlv

EXTENSIONS = [
    ("basicConstraints", "CA:TRUE,pathlen:3"),
    ("keyUsage", "digitalSignature,keyCertSign,cRLSign"),
    ("extendedKeyUsage", "serverAuth,1.2.3.4"),
    ("subjectKeyIdentifier", "00:11:22"),
    (
        "subjectAltName",
        "DNS:a.example,IP:192.0.2.1,IP:2001:db8::1,email:a@a.example,URI:http://a/,RID:1.2.3",
    ),
    ("subjectAltName", "otherName:1.2.3;UTF8:x"),
    ("issuerAltName", "DNS:a.example"),
    ("certificatePolicies", "1.2.3.4"),
    ("crlDistributionPoints", "URI:http://a.example/crl"),
    ("nameConstraints", "permitted;DNS:.example,excluded;IP:10.0.0.0/255.0.0.0"),
    ("policyConstraints", "requireExplicitPolicy:3"),
    ("inhibitAnyPolicy", "2"),
    ("authorityInfoAccess", "OCSP;URI:http://a.example/"),
    ("nsComment", "text"),
    ("nsCertType", "server"),
    ("1.2.3.4.5", "ASN1:UTF8String:text"),
    ("1.2.3.4.5", "DER:0500"),
    ("tlsfeature", "status_request"),
    ("noCheck", "ignored"),
    ("proxyCertInfo", "language:id-ppl-anyLanguage,pathlen:1,policy:text:AB"),
]
# Object identifiers in DER.
SUBJECT_KEY = bytes.fromhex("0603551d0e")
AUTHORITY_KEY = bytes.fromhex("0603551d23")


def certificate() -> bytes:
    """Return a certificate with every kind of extension and string, in PEM."""
    from M2Crypto import ASN1, EVP, RSA, X509, m2

    key = EVP.PKey()
    key.assign_rsa(RSA.gen_key(1024, 65537, lambda *_: None))
    made = X509.X509()
    name = X509.X509_Name()
    for kind in (
        m2.MBSTRING_ASC,
        m2.MBSTRING_UTF8,
        m2.MBSTRING_BMP,
        m2.V_ASN1_T61STRING,
        m2.V_ASN1_IA5STRING,
    ):
        name.add_entry_by_txt("CN", kind, "ab", -1, -1, 0)
    made.set_version(2)
    made.set_serial_number(2**70)
    start = ASN1.ASN1_TIME()
    start.set_time(0)
    made.set_not_before(start)
    made.set_not_after(start)
    made.set_subject_name(name)
    made.set_issuer(name)
    made.set_pubkey(key)
    for field, value in EXTENSIONS:
        try:
            made.add_ext(X509.new_extension(field, value))
        except ValueError:
            # An extension that this OpenSSL does not make.
            continue
    made.sign(key, "sha256")
    return made.as_pem()


def session(folder: Path) -> bytes:
    """Return a TLS session in PEM."""
    from M2Crypto import BIO, SSL, m2

    made = _connect(folder)
    bio = BIO.MemoryBuffer()
    SSL.Session.Session(m2.ssl_get_session(made)).write_bio(bio)
    return bio.read()


def messages(folder: Path) -> list[bytes]:
    """Return messages of PKCS #7, CMS and OCSP, and a file of PKCS #12, in PEM; S/MIME in text."""
    from M2Crypto import BIO, CMS, EVP, OCSP, PKCS12, SMIME, X509

    path = str(folder / "certificates-ca.pem")
    certificate = X509.load_cert(path)
    key = EVP.load_key(str(folder / "certificates-ca.key"))
    stack = X509.X509_Stack()
    stack.push(certificate)

    def read(write: Callable[[BIO.BIO], object]) -> bytes:
        bio = BIO.MemoryBuffer()
        write(bio)
        return bytes(bio.read())

    def smime(flags: int) -> bytes:
        made = SMIME.SMIME()
        made.load_key(str(folder / "certificates-ca.key"), path)
        signed = made.sign(BIO.MemoryBuffer(b"text\n"), flags, "sha256")
        return read(lambda bio: made.write(bio, signed, BIO.MemoryBuffer(b"text\n"), flags))

    def encrypted() -> bytes:
        made = SMIME.SMIME()
        made.set_x509_stack(stack)
        made.set_cipher(SMIME.Cipher("aes_128_cbc"))
        return read(made.encrypt(BIO.MemoryBuffer(b"text")).write_der)

    def response() -> bytes:
        responder = OCSP.Responder(certificate, certificate, key, lambda _: OCSP.Status.GOOD)
        return responder.respond(request())

    def request() -> bytes:
        return OCSP.Request([OCSP.CertID(certificate, certificate)]).as_der()

    made: list[Callable[[], bytes]] = [
        lambda: smime(0),
        lambda: smime(SMIME.PKCS7_DETACHED),
        lambda: pem("PKCS7", encrypted()),
        lambda: pem("CMS", CMS.sign(b"text", certificate, key).as_der()),
        lambda: pem("CMS", CMS.encrypt(b"text", [certificate]).as_der()),
        lambda: CMS.sign(b"text", certificate, key).as_smime(),
        lambda: pem("PKCS12", PKCS12.create(key, certificate, [], b"secret", iterations=1)),
        lambda: pem("OCSP REQUEST", request()),
        lambda: pem("OCSP RESPONSE", response()),
    ]
    found = []
    for make in made:
        # This OpenSSL may lack CMS or OCSP.
        with contextlib.suppress(ValueError, AttributeError):
            found.append(make())
    return found


def finite_fields() -> list[bytes]:
    """Return parameters of DSA, and of DH with an order (RFC 3279, section 2.3.3), in PEM."""
    from M2Crypto import BIO, DSA

    try:
        key = DSA.load_key(str(stock.DATA / "keys" / "dsa_1024.pem"))
    except ValueError:
        return []
    bio = BIO.MemoryBuffer()
    key.save_params_bio(bio)
    p, q, g = (tlv(2, b"\0" + number[4:].lstrip(b"\0")) for number in (key.p, key.q, key.g))
    return [bytes(bio.read()), pem("X9.42 DH PARAMETERS", tlv(0x30, p, g, q))]


def _connect(folder: Path) -> Any:
    from random import Random

    m2_stock = stock.Stock(Random(0), folder)
    while True:
        made = stock.connected(m2_stock)
        if any(kind == "SSL_SESSION" for kind, _ in made):
            return made[0][1]


def with_key(certificate_der: bytes, key_der: bytes) -> bytes:
    """Return the certificate with another subjectPublicKeyInfo."""
    (root,) = mutate.parse(certificate_der)
    (key,) = mutate.parse(key_der)
    body = root.children[0]
    at = 6 if body.children[0].tag == 0xA0 else 5
    body.children[at] = key
    return root.encode()


def peers_issuer(crl: bytes, certificate: bytes, ca: bytes) -> tuple[bytes, bytes]:
    """Return a CRL of the certificate's issuer and a CA of that name, both in PEM.

    The key identifier of the CRL leads to this CA, which a peer may send, and not to the CA that
    issued the certificate: OpenSSL then verifies the CRL's issuer apart. Their signatures do not
    verify.
    """
    identifier = b"the peer's CA"
    crl_root, certificate_root, ca_root = (
        mutate.parse(mutate.blocks(data)[0][1])[0] for data in (crl, certificate, ca)
    )
    issuer = certificate_root.children[0].children[3]
    list_body = crl_root.children[0]
    list_body.children[2] = issuer
    authority = _extension(AUTHORITY_KEY, tlv(0x30, tlv(0x80, identifier)))
    list_body.children[-1] = mutate.parse(tlv(0xA0, tlv(0x30, authority)))[0]
    ca_body = ca_root.children[0]
    ca_body.children[5] = issuer
    extensions = ca_body.children[-1].children[0]
    kept = [each for each in extensions.children if each.children[0].encode() != SUBJECT_KEY]
    subject = _extension(SUBJECT_KEY, tlv(4, identifier))
    extensions.children = [*kept, *mutate.parse(subject)]
    return pem("X509 CRL", crl_root.encode()), pem("CERTIFICATE", ca_root.encode())


def _extension(identifier: bytes, value: bytes) -> bytes:
    return tlv(0x30, identifier, tlv(4, value))


def load(folder: Path) -> list[bytes]:
    """Return the samples in PEM, whole files and single blocks."""
    from M2Crypto import BIO, X509

    files = [path.read_bytes() for path in stock.copy_data(folder)]
    leaf = (folder / "x509-leaf.pem").read_bytes()
    unusual = stock.unusual_keys()
    made = [certificate(), session(folder), *stock.Stock(_random(), folder).keys, *unusual]
    made += [*messages(folder), *finite_fields(), (stock.DATA / "certdata.txt").read_bytes()]
    stack = X509.X509_Stack()
    stack.push(X509.load_cert_string(leaf))
    bio = BIO.MemoryBuffer()
    stack.create_degenerate(bio)
    made.append(pem("PKCS7", bio.read()))
    made.append(pem("CERTIFICATE", stack.as_der()))
    leaf_der = mutate.blocks(leaf)[0][1]
    for key in unusual:
        ((label, der),) = mutate.blocks(key)
        if label == "PUBLIC KEY":
            made.append(pem("CERTIFICATE", with_key(leaf_der, der)))
    single = [pem(label, der) for data in files for label, der in mutate.blocks(data)]
    return list(dict.fromkeys([*made, *files, *single]))


def _random() -> Any:
    from random import Random

    return Random(1)
