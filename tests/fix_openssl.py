"""Markers for the features of the OpenSSL build that a test requires.

@pytest.mark.openssl(">= 3.0")   only with such a version
@pytest.mark.openssl("< 3.0")
@pytest.mark.headers(">= 3.2")   only where the extension was built with such headers
@pytest.mark.needs_ec            only where the build has elliptic curves
@pytest.mark.needs_no_ec         only where it has none
@pytest.mark.needs_tls13         only where it has TLS 1.3
@pytest.mark.needs("DH")         only where it was not built without it (OPENSSL_NO_DH)
"""

from __future__ import annotations

import operator
import re

import pytest

MARKERS = {
    "openssl(condition)": "needs an OpenSSL version, such as '>= 3.0'",
    "headers(condition)": "needs an extension that was built with the headers of such a version",
    "needs_ec": "needs elliptic curves",
    "needs_no_ec": "needs an OpenSSL without elliptic curves",
    "needs_tls13": "needs TLS 1.3",
    "needs(algorithm)": "needs an algorithm that OpenSSL can be built without, such as 'DH'",
}
NAMES = {marker.partition("(")[0] for marker in MARKERS}
OPERATORS = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers():
        reason = missing(marker) if marker.name in NAMES else None
        if reason:
            pytest.skip(reason)


def missing(marker: pytest.Mark) -> str | None:
    """Return why a test with this marker is skipped, or None if it runs."""
    from M2Crypto import m2

    no_ec = bool(m2.OPENSSL_NO_EC)
    if marker.name == "openssl":
        return version_differs(marker.args[0], m2.openssl_version_num())
    if marker.name == "headers":
        return version_differs(marker.args[0], m2.OPENSSL_VERSION_NUMBER)
    if marker.name == "needs":
        absent = getattr(m2, f"OPENSSL_NO_{marker.args[0]}")
        return f"needs {marker.args[0]}" if absent else None
    if marker.name == "needs_ec" and no_ec:
        return "needs EC"
    if marker.name == "needs_no_ec" and not no_ec:
        return "needs an OpenSSL without EC"
    if marker.name == "needs_tls13" and no_ec and m2.openssl_version_num() < 0x30000000:
        return "needs TLS 1.3, which OpenSSL 1.1.1 has not without EC"
    return None


def version_differs(condition: str, number: int) -> str | None:
    """Compare an OPENSSL_VERSION_NUMBER with a condition such as `>= 3.0` or `< 1.1.2`."""
    found = re.fullmatch(r"(>=|>|<=|<|==|!=) *(\d+(?:\.\d+)*)", condition)
    if found is None:
        raise ValueError(f"not a condition such as '>= 3.0': {condition!r}")
    wanted = tuple(int(part) for part in found[2].split("."))
    # Fixes are bits 12 to 19 in 1.1.1 and bits 4 to 19 from 3.0 on.
    patch = number >> 4 & 0xFFFF if number >= 0x30000000 else number >> 12 & 0xFF
    here = (number >> 28, number >> 20 & 0xFF, patch)[: len(wanted)]
    if OPERATORS[found[1]](here, wanted):
        return None
    return f"needs OpenSSL {condition}"
