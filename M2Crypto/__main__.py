"""Print the versions, options, features and origin: `python -m M2Crypto`, or with `--json`."""

from __future__ import annotations

import json
import os
import platform
import sys
from typing import Any

import M2Crypto
from M2Crypto import _build_info, _configuration, m2
from M2Crypto.SSL._trust import trusted_certificates

# The arguments of OpenSSL_version(3), which puts a title before the text.
CFLAGS, BUILT_ON, PLATFORM, DIRECTORY = range(1, 5)
# The protocol versions by the switch that leaves each out.
PROTOCOLS = {
    "TLS1": "TLS 1.0",
    "TLS1_1": "TLS 1.1",
    "TLS1_2": "TLS 1.2",
    "TLS1_3": "TLS 1.3",
    "DTLS1": "DTLS 1.0",
    "DTLS1_2": "DTLS 1.2",
}
# Algorithms that builds leave out, by the switch that leaves each out.
ALGORITHMS = {
    **{name: name for name in ("DH", "DSA", "DES", "MD4", "RC4", "SM2")},
    "ML_DSA": "ML-DSA",
    "ML_KEM": "ML-KEM",
}
# The first OPENSSL_VERSION_NUMBER whose headers know these switches.
FIRST = {"ML_DSA": 0x30500000, "ML_KEM": 0x30500000}


def describe() -> dict[str, dict[str, Any]]:
    """Return the versions, options, features and origin of the extension and its OpenSSL."""
    switches = [
        name for name in dir(m2) if name.startswith("OPENSSL_NO_") and getattr(m2, name) != 0
    ]
    trusted = trusted_certificates(os.environ)
    return {
        "versions": {
            "m2crypto": M2Crypto.__version__,
            "openssl_headers": _build_info.HEADER,
            "openssl": m2.openssl_version(0).split()[1],
            "openssl_text": m2.openssl_version(0),
            "swig": _build_info.SWIG_VERSION,
            "python": platform.python_version(),
        },
        "options": {
            "openssl_compiler": _value(CFLAGS),
            "openssl_platform": _value(PLATFORM),
            "openssl_built_on": _value(BUILT_ON),
            "openssl_directory": _value(DIRECTORY).strip('"'),
            "openssl_switches": switches,
            "compiler": _build_info.COMPILER,
            "flags": _build_info.FLAGS,
            "abi": _build_info.ABI,
        },
        "features": {
            "ec": _has("EC"),
            "engines": _has("ENGINE"),
            "fips": bool(m2.openssl_fips_enabled()),
            "protocols": [name for switch, name in PROTOCOLS.items() if _has(switch)],
            "algorithms": [name for switch, name in ALGORITHMS.items() if _has(switch)],
        },
        "origin": {
            "link": _build_info.LINK,
            "openssl_library": m2.openssl_library(),
            "configuration": _configuration.source() or None,
            "trusted_file": trusted.cafile,
            "trusted_directory": trusted.capath,
        },
    }


def text(described: dict[str, dict[str, Any]]) -> str:
    """Return a description as text: a line for each fact, by section."""
    lines = []
    for section, facts in described.items():
        lines.append(section)
        lines += [f"  {name.replace('_', ' '):<20}{_plain(value)}" for name, value in facts.items()]
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Print the description; exit with a usage line if an argument is unknown."""
    if arguments not in ([], ["--json"]):
        raise SystemExit("usage: python -m M2Crypto [--json]")
    described = describe()
    print(json.dumps(described, indent=1) if arguments else text(described))


def _has(switch: str) -> bool:
    number: int = m2.OPENSSL_VERSION_NUMBER  # type: ignore[attr-defined]
    return number >= FIRST.get(switch, 0) and getattr(m2, f"OPENSSL_NO_{switch}") == 0


def _value(kind: int) -> str:
    """Return a text of OpenSSL_version(3) without its title."""
    return m2.openssl_version(kind).partition(": ")[2]


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if value is None:
        return "none"
    return str(value) if isinstance(value, str) else "yes" if value else "no"


if __name__ == "__main__":
    main(sys.argv[1:])
