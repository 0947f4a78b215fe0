"""Readers of the files of keys and signatures in the package cryptography-vectors, and DER.

Each reader returns the cases of a file's text, as `fix_vectors.read` does for the other files.
Without `--vectors DIR` the tests take a selection, data/vectors-keys.json, which this file makes
from the directory: `python tests/fix_vectors_keys.py DIR`.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import Callable

import pytest
from fix_vectors import Case, section_of
from fix_vectors import selection as others

DATA = Path(__file__).with_name("data") / "vectors-keys.json"
Reader = Callable[[str], list[Case]]
# Cases of a file in the selection besides one that must fail, the characters of a case that is
# short, and those of the longest file of a key and of the longest case that are selected.
SELECTED = 3
SHORT = 1200
LONGEST = 3600
LONGEST_KEY = 900


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize a test with the names in its module's table that the run has data of."""
    whole = metafunc.config.getoption("--vectors") is not None
    for fixture, table in (("vector_file", "FILES"), ("key_file", "KEYS")):
        if fixture in metafunc.fixturenames:
            names = getattr(metafunc.module, table)
            selected = [name for name in names if whole or name in {**selection(), **others()}]
            metafunc.parametrize(fixture, selected)


# ---- readers -------------------------------------------------------------------------------------


def until(last: str) -> Reader:
    """Return a reader of a NIST file whose cases end with the value `last`.

    A value holds for all cases that follow until it is given again or another section begins.
    """

    def read(text: str) -> list[Case]:
        cases: list[Case] = []
        section: Case = {}
        values: Case = {}
        for line in map(str.strip, text.splitlines()):
            if not line or line[0] == "#" or (line[0] == "[" and ":" in line):
                continue
            if line[0] == "[":
                section = {} if values else section
                values = {}
                section.update(section_of(line))
                continue
            name, _, value = line.partition("=")
            name = name.strip().lower()
            values[name] = value.strip()
            if name == last:
                cases.append({**section, **values})
        return cases

    return read


# The values under the titles of RSA Laboratories' files that a test needs, the last one of a case
# being the output; an exponent belongs to the key whose title came before.
TITLES = {
    "modulus": "n",
    "public exponent": "e",
    "private exponent": "d",
    "prime 1": "p",
    "prime 2": "q",
    "message": "message",
    "message to be signed": "message",
    "message to be encrypted": "message",
    "signature": "output",
    "signature, the rsa decryption of em": "output",
    "encryption": "output",
    "ciphertext, the rsa encryption of em": "output",
}


def titled(text: str) -> list[Case]:
    """Read a file of RSA Laboratories: titles in comments, and octets in hexadecimal below."""
    cases: list[Case] = []
    values: Case = {}
    exponent = "e"
    for title, octets in re.findall(r"(?m)^# *(.*?):?\s*$((?:\n[0-9A-Fa-f ]*\s*$)*)", text):
        title = title.lower()
        if title in ("public key", "private key"):
            exponent = "ed"[title == "private key"]
        name = exponent if title == "exponent" else TITLES.get(title)
        octets = "".join(octets.split())
        if name is None or not octets:
            continue
        values[name] = octets
        if name == "output":
            cases.append(dict(values))
    return cases


def pkey_tests(text: str) -> list[Case]:
    """Read a file of OpenSSL's evp_test: keys by name in PEM, and operations with them."""
    pem = r"(?ms)^(?:Private|Public)Key *= *(\S+)\n(-----BEGIN.*?-----END[^\n]*)"
    keys = dict(re.findall(pem, text))
    cases = []
    for block in re.split(r"\n\s*\n", re.sub(pem, "", text)):
        pairs = (line.split("=", 1) for line in block.splitlines() if line[:1] not in ("#", ""))
        case = {name.strip().lower(): value.strip() for name, value in pairs}
        if "key" in case:
            cases.append({**case, "key": keys[case["key"]]})
    return cases


def ed25519(text: str) -> list[Case]:
    """Read sign.input of the Ed25519 software: secret and public key, message, signed message."""
    cases = []
    for line in text.splitlines():
        secret, public, message, signed = line.split(":")[:4]
        cases.append(
            {
                "secret": secret[:64],
                "public": public,
                "message": message,
                "signature": signed[:128],
            }
        )
    return cases


# ---- the selection -------------------------------------------------------------------------------


@cache
def selection() -> dict[str, list[Case]]:
    """Return the cases of data/vectors-keys.json by the file that has them.

    A file of a key is one case with its octets in Base64.
    """
    return json.loads(DATA.read_text(encoding="utf-8"))


def key_cases(directory: Path | None, name: str, read: Reader) -> list[Case]:
    """Return the cases of a file in `directory`, or those that the selection has of it."""
    if directory is None:
        return selection()[name]
    return read((directory / name).read_text(encoding="utf-8"))


def key_octets(directory: Path | None, name: str) -> bytes:
    """Return the content of a file in `directory`, or of the selection's."""
    if directory is None:
        return base64.b64decode(selection()[name][0]["octets"])
    return (directory / name).read_bytes()


def length(case: Case) -> int:
    return sum(map(len, case.values()))


def select(cases: list[Case]) -> list[Case]:
    """Return short cases at equal distances, or the shortest one, and one that must fail."""
    shortest = min(cases, key=length)
    if length(shortest) > LONGEST:
        return []
    short = [case for case in cases if length(case) <= SHORT] or [shortest]
    chosen = short[:: max(1, len(short) // SELECTED)][:SELECTED]
    invalid = [case for case in cases if case.get("result", "P")[0] != "P"]
    chosen += [min(invalid, key=length)] if invalid else []
    return [case for number, case in enumerate(chosen) if case not in chosen[:number]]


def main(directory: Path) -> None:
    """Write the selection."""
    from test_vectors_keys import FILES, KEYS

    found = {name: select(key_cases(directory, name, read)) for name, (_, _, read) in FILES.items()}
    for name in KEYS:
        octets = key_octets(directory, name)
        # scrypt takes seconds.
        if len(octets) <= LONGEST_KEY and "scrypt" not in name:
            found[name] = [{"octets": base64.b64encode(octets).decode()}]
    lines = (
        f"{json.dumps(name)}: [\n" + ",\n".join(map(json.dumps, cases)) + "\n]"
        for name, cases in found.items()
        if cases
    )
    DATA.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


# ---- DER -----------------------------------------------------------------------------------------


def der(tag: int, *contents: bytes) -> bytes:
    """Return a value in DER (X.690, section 8.1)."""
    content = b"".join(contents)
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    header = bytes([tag, size]) if size < 128 else bytes([tag, 128 + len(octets)]) + octets
    return header + content


def integer(number: int) -> bytes:
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def sequence(*contents: bytes) -> bytes:
    return der(0x30, *contents)


def integers(*numbers: int) -> bytes:
    """Return a SEQUENCE of INTEGERs."""
    return sequence(*map(integer, numbers))


def private_key_info(algorithm: bytes, key: bytes) -> bytes:
    """Return a PrivateKeyInfo (RFC 5208, section 5)."""
    return sequence(integer(0), algorithm, der(0x04, key))


def public_key_info(algorithm: bytes, key: bytes) -> bytes:
    """Return a SubjectPublicKeyInfo (RFC 5280, section 4.1)."""
    return sequence(algorithm, der(0x03, b"\0", key))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
