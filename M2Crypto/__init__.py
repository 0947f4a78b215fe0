"""M2Crypto, a SWIG binding of OpenSSL for Python.

``import M2Crypto`` binds `m2`, the flat low-level layer; the modules (`M2Crypto.EVP`,
`M2Crypto.X509`, `M2Crypto.SSL`, ...) are imported by name.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from M2Crypto import m2

__all__ = [
    "VersionCtor",
    "decrypt",
    "encrypt",
    "m2",
    "release",
    "release_tuple",
    "strict_version",
    "version",
    "version_info",
]

version = "1.0.0.dev0"


class VersionCtor(NamedTuple):
    """The numbers of a version: `major.minor.patch`, and what follows them as text."""

    major: int
    minor: int
    patch: int
    suffix: str = ""


def _version_info(text: str) -> VersionCtor:
    found = re.match(r"(\d+)\.(\d+)\.(\d+)(.*)", text)
    if found is None:
        raise ValueError(f"{text} is not a version")
    return VersionCtor(int(found[1]), int(found[2]), int(found[3]), found[4].lstrip("."))


version_info = _version_info(version)
release = ".".join(map(str, version_info[:3]))
release_tuple = (version_info.major, version_info.minor, version_info.patch)
strict_version = release

# What `EVP.Cipher` takes as `op`.
encrypt = 1
decrypt = 0
