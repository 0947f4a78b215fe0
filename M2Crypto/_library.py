"""The OpenSSL library in the process, which a shared build finds at run time."""

from __future__ import annotations

import sys

from M2Crypto._build_info import HEADER

_WAY_OUT = (
    "install a wheel of M2Crypto, or build it with the headers of the OpenSSL that is installed"
)
# The message of ld.so for a library without the symbols that the extension needs.
_LACKING = r"(/\S*lib(?:ssl|crypto)\S*): (?:version|undefined)"
_MISSING = r"(lib(?:ssl|crypto)\S*): cannot open shared object file"


def mismatch(header: int, runtime: int) -> str:
    """Return why a library cannot be used, or an empty string.

    A library works if it has the major version of the headers and is not older by its minor one;
    before 3.0 the first three numbers must be the same (OpenSSL's policy of versions).

    Args:
        header: OPENSSL_VERSION_NUMBER of the headers.
        runtime: OpenSSL_version_num() of the library.
    """
    if header >> 28 != runtime >> 28:
        return _refusal(_version(runtime), "another major version")
    fixed = 20 if header >> 28 >= 3 else 12
    if header >> fixed > runtime >> fixed:
        return _refusal(_version(runtime), "an older version")
    if header >> 28 < 3 and header >> fixed != runtime >> fixed:
        return _refusal(_version(runtime), "another version")
    return ""


def explain(error: ImportError) -> str:
    """Return a line for an ImportError of the extension that its libraries caused, else ``."""
    import re  # which the import of M2Crypto does not need

    lacking = re.search(_LACKING, str(error))
    if lacking:
        return _refusal(_version_of(lacking[1]), f"whose {lacking[1]} lacks what it needs")
    missing = re.search(_MISSING, str(error))
    if missing:
        return (
            f"M2Crypto was built with OpenSSL {HEADER}, whose {missing[1]} is not installed: "
            f"{_WAY_OUT}"
        )
    return ""


def _refusal(version: str, reason: str) -> str:
    return (
        f"M2Crypto was built with OpenSSL {HEADER} and cannot use OpenSSL {version}, {reason}: "
        f"{_WAY_OUT}"
    )


def _version(number: int) -> str:
    """Return the version of an OPENSSL_VERSION_NUMBER, such as 3.5.7 or 1.1.1w."""
    major, minor = number >> 28, number >> 20 & 0xFF
    if major >= 3:
        return f"{major}.{minor}.{number >> 4 & 0xFFFF}"
    letter = number >> 4 & 0xFF
    text = f"{major}.{minor}.{number >> 12 & 0xFF}"
    return text + (chr(ord("a") + letter - 1) if letter else "")


def _version_of(path: str) -> str:
    """Return the version of the OpenSSL in a library file."""
    import ctypes

    try:
        function = ctypes.CDLL(path).OpenSSL_version
    except (OSError, AttributeError):
        return "of unknown version"
    function.restype = ctypes.c_char_p
    words = (function(0) or b"").decode("ascii", "replace").split()
    return words[1] if len(words) > 1 else "of unknown version"


def without_gil() -> str:
    """Return why the extension cannot be used, which it cannot without the GIL; else "".

    A free-threaded Python enables the GIL when it imports the extension, unless it is told not to.
    """
    is_enabled = getattr(sys, "_is_gil_enabled", None)
    if is_enabled is None or is_enabled():
        return ""
    return "M2Crypto needs the GIL, which protects its objects: remove -X gil=0 and PYTHON_GIL=0"
