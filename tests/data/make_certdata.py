"""Write certdata.txt in this directory: certificates of the tests in NSS's format.

Run it after certificates/make_certificates.py, with `tests` in PYTHONPATH.
"""

from __future__ import annotations

from pathlib import Path

from fix_certdata import HEADER, MUST_VERIFY, TRUSTED, certificate_object, trust_object

from M2Crypto import X509
from M2Crypto.certdata import _serial

HERE = Path(__file__).parent
DISTRUSTED = "CKT_NSS_NOT_TRUSTED"


def described(file: str) -> tuple[bytes, bytes, bytes]:
    """Return a certificate in DER, its issuer and its serial number."""
    certificate = X509.load_cert(str(HERE / "certificates" / file))
    issuer = certificate.get_issuer().as_der()
    return certificate.as_der(), issuer, _serial(certificate.get_serial_number())


def main() -> None:
    """Write the file."""
    root, later, distrusted, peer, email, alone, absent = map(
        described,
        ["ca.pem", "other_ca.pem", "self_signed.pem", "wildcard.pem", "cn_only.pem",
         "address_only.pem", "expired.pem"],
    )  # fmt: skip
    parts = [
        certificate_object(r"Caf\xc3\xa9 CA", *root),
        trust_object(r"Caf\xc3\xa9 CA", *root, TRUSTED, TRUSTED),
        certificate_object("Later CA", *later, "260601000000Z", None),
        trust_object("Later CA", *later, TRUSTED, TRUSTED),
        certificate_object("Distrusted CA", *distrusted),
        trust_object("Distrusted CA", *distrusted, DISTRUSTED, DISTRUSTED),
        certificate_object("Peer", *peer),
        trust_object("Peer", *peer, "CKT_NSS_TRUSTED", MUST_VERIFY),
        certificate_object("E-mail CA", *email),
        trust_object("E-mail CA", *email, MUST_VERIFY, TRUSTED),
        certificate_object("Alone CA", *alone),
        trust_object("Absent CA", None, *absent[1:], DISTRUSTED, DISTRUSTED),
    ]
    (HERE / "certdata.txt").write_text(HEADER + "\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
