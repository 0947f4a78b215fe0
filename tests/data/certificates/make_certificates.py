"""Generate the certificates and keys in this directory, for tests only.

Needs the `cryptography` package and the `openssl` program; the tests need neither. Run it in this
folder when a certificate has to be added; it makes all of them anew.
"""

from __future__ import annotations

import datetime
import ipaddress
import subprocess
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HERE = Path(__file__).resolve().parent
FROM = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
TO = datetime.datetime(2126, 1, 1, tzinfo=datetime.timezone.utc)
EXPIRED = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)
PASSPHRASE = b"test"


class Identity(NamedTuple):
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self, passphrase: bytes | None = None) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase)
            if passphrase
            else serialization.NoEncryption(),
        )


def name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "M2Crypto tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def issue(
    common_name: str,
    names: list[str],
    issuer: Identity | None,
    *,
    ca: bool = False,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    until: datetime.datetime = TO,
    curve: bool = False,
) -> Identity:
    """Generate a key and its certificate, self-signed unless there is an issuer."""
    key = (
        ec.generate_private_key(ec.SECP256R1()) if curve else rsa.generate_private_key(65537, 2048)
    )
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(issuer.certificate.subject if issuer else name(common_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(FROM)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=not ca,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=ca,
                crl_sign=ca,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if names:
        alternative = x509.SubjectAlternativeName([general_name(text) for text in names])
        builder = builder.add_extension(alternative, critical=False)
    return Identity(builder.sign(signer, hashes.SHA256()), key)


def save(file: str, identity: Identity, *rest: Identity) -> None:
    """Write the certificate, the rest of its chain, and the private key."""
    chain = b"".join(member.certificate_pem() for member in (identity, *rest))
    (HERE / file).write_bytes(chain + identity.key_pem())


def empty_crl(issuer: Identity) -> x509.CertificateRevocationList:
    public_key = issuer.certificate.public_key()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(FROM)
        .next_update(TO)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key), critical=False
        )
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    return builder.sign(issuer.key, hashes.SHA256())


def save_impostor(server: Identity) -> None:
    """Write a CA with the name of the test CA, sent after the server certificate, and its CRL."""
    impostor = issue("Test CA", [], None, ca=True)
    save("impostor.pem", server, impostor)
    crl = empty_crl(impostor).public_bytes(serialization.Encoding.PEM)
    (HERE / "impostor.crl").write_bytes(crl)


def main() -> None:
    ca = issue("Test CA", [], None, ca=True)
    other_ca = issue("Other Test CA", [], None, ca=True)
    intermediate = issue("Test Intermediate CA", [], ca, ca=True)
    localhost = ["localhost", "127.0.0.1", "::1"]
    server = issue("localhost", localhost, ca)

    (HERE / "ca.pem").write_bytes(ca.certificate_pem())
    (HERE / "ca.key").write_bytes(ca.key_pem())
    (HERE / "other_ca.pem").write_bytes(other_ca.certificate_pem())
    save("server.pem", server)
    (HERE / "server_encrypted.pem").write_bytes(
        server.certificate_pem() + server.key_pem(PASSPHRASE)
    )
    save_impostor(server)
    save("server_ec.pem", issue("localhost", localhost, ca, curve=True))
    save("chain.pem", issue("localhost", localhost, intermediate), intermediate)
    save("wildcard.pem", issue("*.example.org", ["*.example.org", "xn--bcher-kva.example"], ca))
    save("cn_only.pem", issue("localhost", [], ca))
    save("address_only.pem", issue("localhost", ["192.0.2.1"], ca))
    save("other_host.pem", issue("other.example.org", ["other.example.org"], ca))
    save("expired.pem", issue("localhost", localhost, ca, until=EXPIRED))
    save("self_signed.pem", issue("localhost", localhost, None))
    save("client.pem", issue("client", [], ca, usage=ExtendedKeyUsageOID.CLIENT_AUTH))
    subprocess.run(
        ["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "dh_param:ffdhe2048",
         "-out", str(HERE / "dh.pem")],
        check=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
