"""The parsers that fuzz_guided.py and test_fuzz_inputs.py give inputs to, each by a name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import samples
from loaders import arguments_for, find_loaders
from stock import DATA

Parser = Callable[[bytes], Any]
# Calls a function, and returns its result, or None if it raised a documented exception.
Call = Callable[[str, Callable[..., Any]], Any]
# The depth of results of results that are read, and the number of elements of each.
DEPTH = 2
ELEMENTS = 4
# Methods that take long, or change what they belong to.
LEFT_OUT = {"gen_key", "close", "check_params", "check_key", "generate"}


def parsers(folder: Path) -> dict[str, Parser]:
    """Return the loaders of the package and the parsers of text and TLS; they write in `folder`."""
    made = {name: _reader(loader, folder / "input") for name, loader in find_loaders()}
    return {
        **made,
        "X509.new_extension": _new_extension,
        "ASN1.ASN1_TIME.set_string": _set_time,
        **{
            f"SSL.{side}.{kind}": _reader_of_records(kind, side)
            for kind in ("tls", "dtls")
            for side in ("client", "server")
        },
    }


def look(call: Call, name: str, value: Any, depth: int = 0) -> None:
    """Read what an object of the package offers without an argument."""
    if isinstance(value, (list, tuple)):
        for element in list(value)[:ELEMENTS]:
            look(call, name, element, depth)
        return
    kind = type(value)
    if not kind.__module__.startswith("M2Crypto.") or depth > DEPTH:
        return
    # It must not raise, because tracebacks and debuggers show it.
    repr(value)
    for convert in (str, len):
        if convert is str or hasattr(kind, "__len__"):
            call(f"{convert.__name__}({name})", lambda convert=convert: convert(value))
    if hasattr(kind, "__iter__"):
        found = call(f"iter({name})", lambda: list(value)[:ELEMENTS])
        look(call, f"{name}[]", found, depth + 1)
    for attribute in dir(kind):
        if attribute.startswith("_") or attribute in LEFT_OUT:
            continue
        what = f"{kind.__name__}.{attribute}"
        found = call(what, lambda attribute=attribute: getattr(value, attribute))
        if callable(found) and not inspect.isclass(found):
            found = call(what, found) if _takes_nothing(found) else None
        look(call, what, found, depth + 1)


def _takes_nothing(method: Callable[..., Any]) -> bool:
    """Return whether a method needs no argument, and reads no passphrase from the terminal."""
    try:
        parameters = inspect.signature(method).parameters.values()
    except ValueError:
        return False
    return all(each.default is not each.empty and each.name != "callback" for each in parameters)


def _reader(loader: Callable[..., Any], file: Path) -> Parser:
    def path_of(data: bytes) -> str:
        file.write_bytes(data)
        return str(file)

    # The other arguments, such as a curve, are the same each time: an input has one effect.
    return lambda data: loader(*arguments_for(loader, data, path_of, Random(0)))


def _new_extension(data: bytes) -> Any:
    from M2Crypto import X509

    field, _ = samples.EXTENSIONS[data[0] % len(samples.EXTENSIONS) if data else 0]
    return X509.new_extension(field, data[1:].decode("latin-1"))


def _set_time(data: bytes) -> Any:
    from M2Crypto import ASN1

    made = ASN1.ASN1_TIME()
    made.set_string(data.decode("latin-1"))
    return made


def _reader_of_records(protocol: str, side: str) -> Parser:
    """Return a function that shakes hands with a peer that sends `data`."""
    from M2Crypto import SSL, m2

    context = SSL.Context(protocol)
    if side == "server":
        context.load_cert(str(DATA / "certificates" / "server.pem"))

    def read(data: bytes) -> None:
        connection = m2.ssl_new(context.ctx)
        reads, writes = m2.bio_new_mem(), m2.bio_new_mem()
        m2.bio_set_mem_eof_return(reads, -1)
        m2.ssl_set_bio(connection, reads, writes)
        set_state = m2.ssl_set_accept_state if side == "server" else m2.ssl_set_connect_state
        set_state(connection)
        # A datagram is one write; libFuzzer finds its length.
        m2.bio_write(reads, data)
        for _ in range(3):
            m2.ssl_do_handshake(connection)
        m2.ssl_read(connection, bytearray(1000))

    return read
