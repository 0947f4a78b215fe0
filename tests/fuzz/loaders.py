"""The functions of the package that load something, and arguments with which they read data."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

PASSPHRASE = b"secret"
LOADER = re.compile(
    r"^((smime_)?load(_|$)(?!file|dynamic|openssl)|new_stack_from_|pub_key_from_|parse$)"
)
# Parameters of loaders that are the input.
DATA = {"der", "bytes", "pem", "smime", "data", "octets", "p", "q", "g", "pub"}


def arguments_for(
    loader: Callable[..., Any], data: bytes, path_of: Callable[[bytes], str], random: Random
) -> list[Any]:
    """Return arguments with which a loader reads `data`, or the file that `path_of` returns."""
    from M2Crypto import BIO

    arguments: list[Any] = []
    for parameter in parameters_of(loader):
        name = parameter.name
        if name in ("file", "pemfile", "filename", "p7file", "uri"):
            arguments.append(path_of(data))
        elif name in ("bio", "p7_bio"):
            arguments.append(BIO.MemoryBuffer(data))
        elif "str" in name or name in DATA:
            arguments.append(data)
        elif name == "algorithm":
            arguments.append(random.choice(("ED25519", "X448", "EC", "ML-KEM-512", "x")))
        elif name == "passphrase":
            arguments.append(PASSPHRASE)
        elif name == "format":
            arguments.append(1 if data.startswith(b"-----") else 0)
        elif name == "callback":
            arguments.append(lambda *_: PASSPHRASE)
        elif name == "curve":
            arguments.append(random.choice((415, 715, 1034, 0, -1)))
        elif parameter.default is parameter.empty:
            raise TypeError(f"teach loaders.py the parameter {name} of {loader.__qualname__}")
        else:
            arguments.append(parameter.default)
    return arguments


@functools.cache
def parameters_of(loader: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters of a loader."""
    return list(inspect.signature(loader).parameters.values())


def find_loaders() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the public functions of the package that load something, with their shortest names."""
    import M2Crypto

    found: dict[Callable[..., Any], str] = {}
    for info in pkgutil.walk_packages(M2Crypto.__path__, "M2Crypto."):
        if info.name.rpartition(".")[2].startswith("_"):
            continue
        try:
            module = importlib.import_module(info.name)
        except ModuleNotFoundError:
            # Twisted is not installed.
            continue
        # Some are imported when they are looked up.
        for name in sorted({*vars(module), *getattr(module, "__all__", ())}):
            value = getattr(module, name) if LOADER.match(name) else None
            if inspect.isfunction(value) and value.__module__.startswith("M2Crypto."):
                shown = f"{info.name.partition('.')[2]}.{name}"
                found[value] = min(shown, found.get(value, shown), key=len)
    yield from sorted((shown, loader) for loader, shown in found.items())
