"""Invalid values that programs pass: numbers, text, buffers, objects with hooks.

Each function returns the value and a label for the journal. The hooks of objects (`__index__`,
`__buffer__`, `__del__`, a call) run `act`, which frees, re-enters or raises.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import mmap
import os
import socket
from collections.abc import Callable
from random import Random
from typing import Any

Act = Callable[[], object]

BOUNDARIES = [
    edge + offset
    for edge in (2**7, 2**8, 2**15, 2**16, 2**31, 2**32, 2**63, 2**64, 10**30)
    for offset in (-1, 0, 1)
]
# Freed or closed file descriptors must not name a file of the process, so ours are far above them.
FIRST_DESCRIPTOR = 200

TEXTS = [
    "", "\0", "a\0b", "\ud800", "é", "\U0001f600", "%s%n", "a" * 300, "a" * 70000, "-1", "0x0",
    "sha256", "SHA3-256", "md_null", "aes-128-cbc", "AES_128_GCM", "id-aes128-wrap", "null",
    "prime256v1", "CN", "commonName", "emailAddress", "2.5.4.3", "1.2.3.4.5.6.7.8", "1", "9.9",
    "1." + "9" * 400, "UID", "20300101000000Z", "991231235959Z", "20300101000000+0100",
    "99999999999999Z", "localhost", "*.example.org", ".example.org", "a..b", "-a.example",
    "a_b.example", "xn--bcher-kva.example", "192.0.2.1", "192.0.2.1%.evil.example", "::1",
    "fe80::1%lo", "1.2.3", "ALL", "DEFAULT@SECLEVEL=0", "@STRENGTH", "-ALL:!x",
    "TLS_AES_128_GCM_SHA256",
    "00ff", "0" * 5000, "f" * 5000, "DNS:example.org,IP:192.0.2.1", "email:copy",
    "critical,CA:TRUE",
    "DER:0500", "ASN1:UTF8String:x", "@section", "dirName:section", "keyid:always,issuer", "hash",
    "subjectAltName", "basicConstraints", "keyUsage", "proxyCertInfo", "authorityKeyIdentifier",
    "subjectKeyIdentifier", "certificatePolicies", "crlDistributionPoints", "nameConstraints",
    "language:1.3.6.1.5.5.7.21.1,pathlen:1", "URI:http://a.example/", "digitalSignature", "noCheck",
    "otherName:1.2.3;UTF8:x", "RID:1.2.3", "permitted;IP:1.2.3.4/255.0.0.0", "pem", "rsaEncryption",
]  # fmt: skip


class Number(int):
    """A subclass of int."""


class Text(str):
    """A subclass of str."""

    __slots__ = ()


class Bytes(bytes):
    """A subclass of bytes."""


class Hooked:
    """An object whose conversions run `act`, and so does its end when `dying` is set."""

    def __init__(self, act: Act, value: Any, dying: bool) -> None:
        self.act = act
        self.value = value
        self.dying = dying

    def __index__(self) -> int:
        self.act()
        return int(self.value)

    def __int__(self) -> int:
        self.act()
        return int(self.value)

    def __float__(self) -> float:
        self.act()
        return float(self.value)

    def __bool__(self) -> bool:
        self.act()
        return bool(self.value)

    def __str__(self) -> str:
        self.act()
        return str(self.value)

    def __fspath__(self) -> str:
        self.act()
        return str(self.value)

    def __call__(self, *arguments: object) -> Any:
        self.act()
        return self.value

    def __buffer__(self, flags: int) -> memoryview:
        """Export a buffer; Python 3.12 and later call this (PEP 688)."""
        self.act()
        return memoryview(self.value if isinstance(self.value, bytearray) else b"buffer" * 4)

    def __release_buffer__(self, view: memoryview) -> None:
        self.act()
        view.release()

    def __del__(self) -> None:
        if self.dying:
            self.act()


def number(random: Random, constants: list[int]) -> tuple[Any, str]:
    """Return an integer: small, a constant of OpenSSL, at a boundary of a C type, or at random."""
    choice = random.random()
    if choice < 0.45:
        value: Any = random.randrange(-3, 18)
    elif choice < 0.65:
        value = random.choice(constants)
    elif choice < 0.8:
        value = random.choice(BOUNDARIES) * random.choice((1, -1))
    elif choice < 0.9:
        value = random.getrandbits(random.randrange(1, 64))
    elif choice < 0.95:
        value = random.choice((True, False))
    else:
        value = Number(random.randrange(20))
    return value, repr(value)


def text(random: Random, known: list[str]) -> tuple[Any, str]:
    """Return text: mostly what some function takes, sometimes joined, cut or repeated."""
    value = random.choice(TEXTS if random.random() < 0.7 or not known else known)
    choice = random.random()
    if choice < 0.08:
        value = value[: random.randrange(len(value) + 1)]
    elif choice < 0.14:
        value += random.choice(TEXTS)
    elif choice < 0.17:
        value = Text(value)
    label = repr(value)
    return value, label if len(label) < 60 else f"{label[:40]}...({len(value)} characters)"


def content(random: Random, blobs: list[bytes]) -> bytes:
    """Return bytes: known ones, a part of them, or random ones."""
    choice = random.random()
    if choice < 0.5 and blobs:
        data = random.choice(blobs)
        if random.random() < 0.2:
            data = data[: random.randrange(len(data) + 1)]
        return data
    if choice < 0.6:
        return b""
    if choice < 0.95:
        return random.randbytes(random.choice((1, 7, 8, 12, 16, 20, 24, 32, 48, 64, 255)))
    return bytes(random.choice((4096, 65537)))


def buffer(random: Random, blobs: list[bytes]) -> tuple[Any, str]:
    """Return an object that exports a buffer, or one that cannot export a contiguous one."""
    data = content(random, blobs)
    kind = random.choice(
        ("bytes", "bytes", "bytes", "bytearray", "view", "array", "mmap", "sparse", "cast", "Bytes")
    )
    value: Any = data
    if kind == "bytearray":
        value = bytearray(data)
    elif kind == "view":
        value = memoryview(bytearray(data))[random.randrange(3) :]
    elif kind == "array":
        value = array.array("I", data[: len(data) // 4 * 4])
    elif kind == "mmap":
        value = mmap.mmap(-1, max(len(data), 1))
        value[: len(data)] = data
    elif kind == "sparse":
        value = memoryview(data)[:: random.choice((2, -1))]
    elif kind == "cast":
        value = memoryview(data[: len(data) // 4 * 4] or b"1234").cast("i")
    elif kind == "Bytes":
        value = Bytes(data)
    start = data[:24].hex()
    return value, f"{kind}({len(data)} bytes {start}{'...' if len(data) > 24 else ''})"


def target(random: Random) -> tuple[Any, str]:
    """Return an object to be written into, or a read-only one."""
    size = random.choice((0, 1, 16, 1000, 20000))
    kind = random.choice(("bytearray", "bytearray", "view", "mmap", "bytes", "sparse"))
    value: Any = bytearray(size)
    if kind == "view":
        value = memoryview(value)
    elif kind == "mmap":
        value = mmap.mmap(-1, max(size, 1))
    elif kind == "bytes":
        value = bytes(size)
    elif kind == "sparse":
        value = memoryview(value)[::2]
    return value, f"{kind}({size})"


def shake(value: object, random: Random) -> None:
    """Resize, release or close an object that exports a buffer, which a caller may be using."""
    try:
        if isinstance(value, bytearray):
            value.extend(bytes(random.choice((1, 100000))))
            value.clear()
        elif isinstance(value, memoryview):
            value.release()
        elif isinstance(value, mmap.mmap):
            value.close()
        elif isinstance(value, array.array):
            value.extend([0] * 1000)
    except (BufferError, TypeError):
        pass


class Descriptors:
    """Socket pairs that never block, under numbers that nothing else in the process has."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def pair(self) -> tuple[int, int]:
        """Open a pair of connected sockets."""
        return self._keep(*socket.socketpair())

    def datagrams(self) -> tuple[int, int]:
        """Open a pair of UDP sockets on the loopback interface that are connected."""
        ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for end in ends:
            end.bind(("127.0.0.1", 0))
        for end, other in zip(ends, reversed(ends)):
            end.connect(other.getsockname())
        return self._keep(*ends)

    def _keep(self, *ends: socket.socket) -> tuple[int, int]:
        made = tuple(fcntl.fcntl(end.fileno(), fcntl.F_DUPFD, FIRST_DESCRIPTOR) for end in ends)
        for end, fd in zip(ends, made):
            end.close()
            os.set_blocking(fd, False)
        self.numbers += made
        if len(self.numbers) > 40:
            self.close(20)
        return made

    def close(self, count: int) -> None:
        """Close the oldest; a BIO may have done so already."""
        for fd in self.numbers[:count]:
            with contextlib.suppress(OSError):
                os.close(fd)
        del self.numbers[:count]
