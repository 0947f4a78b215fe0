"""M2Crypto, a SWIG binding of OpenSSL for Python.

``import M2Crypto`` binds `m2`, the low-level layer, also as `m2crypto`. The modules
(`M2Crypto.EVP`, `M2Crypto.X509`, `M2Crypto.SSL`, ...) are imported on first use.
"""

from __future__ import annotations

import sys

from M2Crypto._typing import TYPE_CHECKING, NamedTuple

try:
    from M2Crypto import m2
except ModuleNotFoundError as error:
    if error.name not in ("M2Crypto._m2crypto", "M2Crypto._build_info"):
        raise
    raise ImportError(
        f"M2Crypto was imported from {__path__[0]}, which has no _m2crypto extension for this"
        " Python: start Python in another directory to import the installed package, or install"
        " it with `python -m pip install M2Crypto`",
        name=error.name,
        path=__path__[0],
    ) from None

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "VersionCtor",
    "decrypt",
    "encrypt",
    "m2",
    "m2crypto",
    "release",
    "release_tuple",
    "strict_version",
    "version",
    "version_info",
]

version = __version__ = "1.0.0.dev0"
m2crypto = m2


class VersionCtor(NamedTuple):
    """A version: its three numbers, and the text after them."""

    major: int
    minor: int
    patch: int
    suffix: str = ""


def _version_info(text: str) -> VersionCtor:
    major, _, rest = text.partition(".")
    minor, _, rest = rest.partition(".")
    suffix = rest.lstrip("0123456789")
    patch = rest[: len(rest) - len(suffix)]
    if not (major.isdecimal() and minor.isdecimal() and patch):
        raise ValueError(f"{text} is not a version")
    return VersionCtor(int(major), int(minor), int(patch), suffix.lstrip("."))


version_info = _version_info(version)
release = ".".join(map(str, version_info[:3]))
release_tuple = (version_info.major, version_info.minor, version_info.patch)
strict_version = release

# The values of the argument `op` of `EVP.Cipher`.
encrypt = 1
decrypt = 0


def __getattr__(name: str) -> ModuleType:
    """Import the submodule `name` on first use (PEP 562)."""
    if name.isidentifier() and not name.startswith("__"):
        module = f"{__name__}.{name}"
        try:
            # Not importlib.import_module, whose module takes as long as two of M2Crypto's.
            __import__(module)
            return sys.modules[module]
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the names of the module, and of all submodules."""
    import pkgutil

    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted({*globals(), *(name for name in modules if not name.startswith("_"))})
