"""Root certificates of NSS's certdata.txt as a PEM bundle: `python -m M2Crypto.certdata`.

::

    python -m M2Crypto.certdata certdata.txt -o roots.pem
    python -m M2Crypto.certdata certdata.txt --purpose email --check bundle.pem

The file holds PKCS #11 objects: certificates, and the trust in each by purpose. A bundle holds the
certificates that are trusted as CAs for one purpose. PEM cannot express that a root is distrusted
for certificates issued after a date, so such a root is left out from that date on.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import datetime
import hashlib
import re
import secrets
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from M2Crypto import X509
from M2Crypto._arguments import check_type, text
from M2Crypto._errors import M2CryptoError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["PURPOSES", "CertdataError", "LeftOut", "Root", "bundle", "parse", "select"]

# The purposes, with the infix of their attributes.
PURPOSES = {"server": "SERVER_AUTH", "email": "EMAIL_PROTECTION"}
_DISTRUST_AFTER = {"server": "SERVER", "email": "EMAIL"}
# NSS's has 1 MB.
_LARGEST = 64 << 20

_TRUSTED = "CKT_NSS_TRUSTED_DELEGATOR"
_DISTRUSTED = "CKT_NSS_NOT_TRUSTED"
_REASONS = {
    _DISTRUSTED: "distrusted",
    "CKT_NSS_MUST_VERIFY_TRUST": "not trusted for {purpose}",
    "CKT_NSS_TRUST_UNKNOWN": "not trusted for {purpose}",
    "CKT_NSS_TRUSTED": "trusted for {purpose} itself, but not as a CA",
    "CKT_NSS_VALID_DELEGATOR": "not trusted for {purpose}",
}
_OCTAL = re.compile(rb"(?:\\[0-3][0-7][0-7])*")
# At the beginning of a line, as a label can contain them.
_BEGIN, _END = b"\n-----BEGIN CERTIFICATE-----", b"\n-----END CERTIFICATE-----"


class CertdataError(M2CryptoError, ValueError):
    """A certdata.txt or a PEM bundle is invalid."""


class Root(NamedTuple):
    """A certificate of certdata.txt, or a distrusted one that the file only identifies.

    Attributes:
        label: its name in the file.
        der: the certificate; None if the file has only its issuer and serial number.
        trust: the trust in it by purpose, CKT_NSS_...; empty if the file does not state it.
        distrust_after: by purpose, the time after which it must not have issued certificates.
    """

    label: str
    der: bytes | None
    trust: dict[str, str]
    distrust_after: dict[str, datetime.datetime]


class LeftOut(NamedTuple):
    """A certificate that is not in a bundle, and why."""

    label: str
    reason: str


class _Object(NamedTuple):
    """A PKCS #11 object: where it begins, and its attributes with their types and values."""

    line: int
    attributes: dict[str, tuple[str, bytes]]

    def fail(self, message: str) -> CertdataError:
        return CertdataError(f"line {self.line}: {message}")

    def get(self, name: str, *types: str) -> bytes:
        kind, value = self.attributes.get(name, ("", b""))
        if kind not in types:
            raise self.fail(f"the object has no {name} of type {' or '.join(types)}")
        return value

    @property
    def kind(self) -> bytes:
        return self.get("CKA_CLASS", "CK_OBJECT_CLASS")

    @property
    def label(self) -> str:
        return _label(self.get("CKA_LABEL", "UTF8"))

    @property
    def identity(self) -> tuple[bytes, bytes]:
        """The issuer and serial number, which identify a certificate (RFC 5280, 4.1.2.2)."""
        octal = "MULTILINE_OCTAL"
        return self.get("CKA_ISSUER", octal), self.get("CKA_SERIAL_NUMBER", octal)


# ---- reading -------------------------------------------------------------------------------------


def parse(data: bytes) -> list[Root]:
    """Return the certificates of a certdata.txt, in its order.

    Raises:
        CertdataError: the file is invalid; the message has the line.
    """
    certificates: dict[tuple[bytes, bytes], _Object] = {}
    trusts: dict[tuple[bytes, bytes], _Object] = {}
    labels: dict[tuple[bytes, bytes], str] = {}
    for item in _objects(data):
        if item.kind == b"CKO_CERTIFICATE":
            if item.identity in certificates:
                raise item.fail(f"{item.label} is a second certificate of its issuer and serial")
            certificates[item.identity] = item
        elif item.kind in (b"CKO_NSS_TRUST", b"CKO_NETSCAPE_TRUST"):
            if item.identity in trusts:
                raise item.fail(f"the trust in {item.label} is stated twice")
            trusts[item.identity] = item
        else:
            continue
        labels.setdefault(item.identity, item.label)
    roots = []
    for identity, label in labels.items():
        certificate, trust = certificates.get(identity), trusts.get(identity)
        der = None if certificate is None else _certificate(certificate)
        _check_hash(trust, der)
        roots.append(
            Root(
                label,
                der,
                {} if trust is None else _trust(trust),
                {} if certificate is None else dict(_distrust_after(certificate)),
            )
        )
    if not any(root.der for root in roots):
        raise CertdataError("the file has no certificates")
    return roots


def _objects(data: bytes) -> Iterator[_Object]:
    """Yield the objects, each of which begins with CKA_CLASS."""
    lines = enumerate(check_type(data, bytes).split(b"\n"), 1)
    if not any(line.strip() == b"BEGINDATA" for _, line in lines):
        raise CertdataError("the file is no certdata.txt: it has no line BEGINDATA")
    current: _Object | None = None
    for number, raw in lines:
        line = raw.strip()
        if not line or line.startswith(b"#"):
            continue
        name, kind, value = [*line.split(None, 2), b"", b""][:3]
        if not re.fullmatch(rb"CKA_[A-Z0-9_]+", name) or not kind:
            raise CertdataError(f"line {number}: {_shown(line)} is no attribute")
        if kind == b"MULTILINE_OCTAL":
            value = _octal(lines, number)
        if name == b"CKA_CLASS":
            if current is not None:
                yield current
            current = _Object(number, {})
        elif current is None:
            # The object of the root list itself has no certificates.
            raise CertdataError(f"line {number}: an object begins with CKA_CLASS")
        if name.decode("ascii") in current.attributes:
            raise CertdataError(f"line {number}: the object has {name.decode('ascii')} twice")
        kind_text = kind.decode("ascii", "backslashreplace")
        current.attributes[name.decode("ascii")] = kind_text, value
    if current is not None:
        yield current


def _octal(lines: Iterator[tuple[int, bytes]], begin: int) -> bytes:
    value = bytearray()
    for number, raw in lines:
        line = raw.strip()
        if line == b"END":
            return bytes(value)
        if not line or not _OCTAL.fullmatch(line):
            raise CertdataError(f"line {number}: {_shown(line)} is neither octal digits nor END")
        value += line.decode("unicode_escape").encode("latin-1")
    raise CertdataError(f"line {begin}: the value has no END")


def _certificate(item: _Object) -> bytes:
    der = item.get("CKA_VALUE", "MULTILINE_OCTAL")
    try:
        certificate = X509.load_cert_der_string(der)
        issuer = certificate.get_issuer().as_der()
    except M2CryptoError as error:
        raise item.fail(f"{item.label} is no certificate: {error}") from None
    if certificate.as_der() != der:
        raise item.fail(f"{item.label} is no certificate in DER")
    if (issuer, _serial(certificate.get_serial_number())) != item.identity:
        raise item.fail(f"{item.label} has another issuer or serial number than its attributes")
    return der


def _serial(number: int) -> bytes:
    """Return an INTEGER in DER (X.690, section 8.3)."""
    value = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
    # A serial number has at most 20 octets (RFC 5280, section 4.1.2.2).
    return bytes([2, len(value) & 0x7F]) + value


def _check_hash(trust: _Object | None, der: bytes | None) -> None:
    if trust is None or der is None or "CKA_CERT_SHA1_HASH" not in trust.attributes:
        return
    stated = trust.get("CKA_CERT_SHA1_HASH", "MULTILINE_OCTAL")
    if stated != hashlib.sha1(der, usedforsecurity=False).digest():
        raise trust.fail(f"the trust in {trust.label} is that in another certificate")


def _trust(item: _Object) -> dict[str, str]:
    found = {}
    for purpose, name in PURPOSES.items():
        attribute = f"CKA_TRUST_{name}"
        value = item.get(attribute, "CK_TRUST").decode("ascii", "backslashreplace")
        if value != _TRUSTED and value not in _REASONS:
            raise item.fail(f"{attribute} of {item.label} has the unknown value {value}")
        found[purpose] = value
    return found


def _distrust_after(item: _Object) -> Iterator[tuple[str, datetime.datetime]]:
    for purpose, name in _DISTRUST_AFTER.items():
        attribute = f"CKA_NSS_{name}_DISTRUST_AFTER"
        kind, value = item.attributes.get(attribute, ("CK_BBOOL", b"CK_FALSE"))
        if (kind, value) == ("CK_BBOOL", b"CK_FALSE"):
            continue
        try:
            if kind != "MULTILINE_OCTAL" or not re.fullmatch(rb"[0-9]{12}Z", value):
                raise ValueError
            # The two digits are those of a UTCTime (RFC 5280, section 4.1.2.5.1).
            century = b"20" if value < b"5" else b"19"
            time = datetime.datetime.strptime((century + value).decode("ascii"), "%Y%m%d%H%M%SZ")
        except ValueError:
            raise item.fail(f"{attribute} of {item.label} is no UTCTime") from None
        yield purpose, time.replace(tzinfo=datetime.timezone.utc)


def _label(value: bytes) -> str:
    r"""Return a label without its quotes, with \xHH decoded and what is not printable escaped."""
    if value[:1] == value[-1:] == b'"' and len(value) > 1:
        value = value[1:-1]
    octets = re.sub(
        rb"\\x([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode("ascii")), value
    )
    text = octets.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _shown(line: bytes) -> str:
    text = ascii(line[:40].decode("ascii", "backslashreplace"))
    return text if len(line) <= 40 else f"{text}..."


# ---- selecting and writing -----------------------------------------------------------------------


def select(
    roots: Iterable[Root],
    purpose: str,
    when: datetime.datetime | None = None,
    ignore_distrust_after: bool = False,
) -> tuple[list[Root], list[LeftOut]]:
    """Return the roots that are trusted as CAs for a purpose, and those that are left out.

    Args:
        roots: what `parse` returned.
        purpose: `server` or `email`.
        when: the time of the decision; None for now.
        ignore_distrust_after: whether to keep a root that must no longer issue certificates.
    """
    when = when or datetime.datetime.now(datetime.timezone.utc)
    kept, left_out = [], []
    for root in _roots(roots):
        reason = _reason(root, purpose, when, ignore_distrust_after)
        if reason is None:
            kept.append(root)
        else:
            left_out.append(LeftOut(root.label, reason))
    return kept, left_out


def _roots(roots: Iterable[Root]) -> list[Root]:
    return [check_type(root, Root) for root in roots]


def _reason(root: Root, purpose: str, when: datetime.datetime, ignore: bool) -> str | None:
    trust = root.trust.get(purpose)
    if trust is None:
        return "without a statement of trust"
    if trust != _TRUSTED:
        return _REASONS[trust].format(purpose=purpose)
    if root.der is None:
        return "without a certificate"
    after = root.distrust_after.get(purpose)
    if after is not None and after <= when and not ignore:
        return f"distrusted for certificates issued after {after:%Y-%m-%d}"
    return None


def bundle(roots: Iterable[Root], comment: str = "") -> bytes:
    """Return a PEM bundle, with the label before each certificate and a comment before all."""
    lines = [f"# {line}" for line in text(comment).splitlines()]
    for root in _roots(roots):
        if root.der is not None:
            body = textwrap.fill(base64.b64encode(root.der).decode("ascii"), 64)
            lines += ["", f"# {root.label}", "-----BEGIN CERTIFICATE-----", body]
            lines += ["-----END CERTIFICATE-----"]
    return ("\n".join(lines) + "\n").encode("utf-8")


def _certificates(pem: bytes) -> set[bytes]:
    """Return the certificates of a PEM bundle in DER."""
    found = set()
    before, *parts = (b"\n" + pem).split(_BEGIN)
    line = before.count(b"\n") + 1
    for part in parts:
        body, end, _ = part.partition(_END)
        if not end:
            raise CertdataError(f"line {line}: the certificate has no END")
        try:
            found.add(base64.b64decode(b"".join(body.split()), validate=True))
        except ValueError:
            raise CertdataError(f"line {line}: the certificate is not in base64") from None
        line += part.count(b"\n") + 1
    if not found:
        raise CertdataError("the file has no certificates")
    return found


def _differences(kept: Iterable[Root], roots: Iterable[Root], pem: bytes) -> Iterator[str]:
    """Yield a line for each certificate that only one of the roots kept and the bundle has."""
    expected = {root.der: root.label for root in kept if root.der is not None}
    labels = {root.der: root.label for root in roots if root.der is not None}
    present = _certificates(pem)
    for der, label in expected.items():
        if der not in present:
            yield f"missing: {label}"
    for der in sorted(present - set(expected)):
        name = labels.get(der) or f"unknown, SHA-256 {hashlib.sha256(der).hexdigest()}"
        yield f"not expected: {name}"


# ---- the program ---------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Write or check a bundle.

    Returns:
        0, or 1 if the bundle differs, or 2 if a file cannot be read, written or understood.
    """
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _fail(f"{error.filename or options.certdata}: {error.strerror}")
    except CertdataError as error:
        return _fail(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m M2Crypto.certdata",
        description="Convert the root certificates of NSS's certdata.txt to a PEM bundle.",
    )
    parser.add_argument("certdata", help="NSS's file")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("-o", "--output", metavar="FILE", help="the bundle to write")
    action.add_argument("--check", metavar="FILE", help="a bundle to compare")
    parser.add_argument("--purpose", choices=PURPOSES, default="server", help="default: server")
    parser.add_argument(
        "--date", type=_date, metavar="YYYY-MM-DD", help="when to judge distrust; default: now"
    )
    parser.add_argument(
        "--ignore-distrust-after",
        action="store_true",
        help="keep roots that are distrusted for certificates issued after a date",
    )
    return parser


def _date(text: str) -> datetime.datetime:
    try:
        date = datetime.datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not YYYY-MM-DD") from None
    return date.replace(tzinfo=datetime.timezone.utc)


def _run(options: argparse.Namespace) -> int:
    data = _read(options.certdata)
    with _named(options.certdata):
        roots = parse(data)
    kept, left_out = select(roots, options.purpose, options.date, options.ignore_distrust_after)
    print(f"{len(kept)} certificates for {options.purpose}, {len(left_out)} left out")
    for label, reason in left_out:
        print(f"left out: {_printed(label)}: {reason}")
    if options.check is None:
        digest = hashlib.sha256(data).hexdigest()
        comment = f"Roots of NSS for {options.purpose}, from certdata.txt with SHA-256 {digest}"
        _write(Path(options.output), bundle(kept, comment))
        return 0
    pem = _read(options.check)
    with _named(options.check):
        differences = list(_differences(kept, roots, pem))
    for line in differences:
        print(_printed(line))
    return 1 if differences else 0


def _printed(text: str) -> str:
    """Return a text as standard output can encode it."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


@contextlib.contextmanager
def _named(file: str) -> Iterator[None]:
    """Add the name of the file to an error."""
    try:
        yield
    except CertdataError as error:
        raise CertdataError(f"{file}: {error}") from None


def _read(file: str) -> bytes:
    with open(file, "rb") as stream:  # noqa: PTH123  (a pipe too)
        data = bytearray()
        # A read of that size would allocate it.
        while len(data) <= _LARGEST and (piece := stream.read(1 << 20)):
            data += piece
    if len(data) > _LARGEST:
        raise CertdataError(f"{file}: the file is larger than {_LARGEST >> 20} MiB")
    return bytes(data)


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all; a device or pipe is written directly."""
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _fail(message: str) -> int:
    print(f"python -m M2Crypto.certdata: {_printed(message)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
