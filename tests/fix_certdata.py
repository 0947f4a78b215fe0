"""NSS's certdata.txt: a writer of the format, and the objects of an installed libnssckbi."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

TRUSTED = "CKT_NSS_TRUSTED_DELEGATOR"
MUST_VERIFY = "CKT_NSS_MUST_VERIFY_TRUST"
OCTAL = [f"\\{octet:03o}" for octet in range(256)]
HEADER = "# A certdata.txt of the tests: do not trust it.\nBEGINDATA\n"


def octal(value):
    lines = [value[at : at + 16] for at in range(0, len(value), 16)]
    rows = ["".join(map(OCTAL.__getitem__, line)) for line in lines]
    return "\n".join(["MULTILINE_OCTAL", *rows, "END"])


def certificate_object(label, der, issuer, serial, server_after=None, email_after=None):
    """Return the object of a certificate; the times of distrust are UTCTimes."""
    after = {"SERVER": server_after, "EMAIL": email_after}
    return "\n".join(
        [
            "CKA_CLASS CK_OBJECT_CLASS CKO_CERTIFICATE",
            "CKA_TOKEN CK_BBOOL CK_TRUE",
            f'CKA_LABEL UTF8 "{label}"',
            f"CKA_ISSUER {octal(issuer)}",
            f"CKA_SERIAL_NUMBER {octal(serial)}",
            f"CKA_VALUE {octal(der)}",
            *(
                f"CKA_NSS_{name}_DISTRUST_AFTER "
                + (octal(time.encode()) if time else "CK_BBOOL CK_FALSE")
                for name, time in after.items()
            ),
            "",
            "",
        ]
    )


def trust_object(label, der, issuer, serial, server=TRUSTED, email=MUST_VERIFY):
    """Return the object of the trust in a certificate; `der` is None for one that is not there."""
    sha1 = [] if der is None else [f"CKA_CERT_SHA1_HASH {octal(hashlib.sha1(der).digest())}"]
    return "\n".join(
        [
            "CKA_CLASS CK_OBJECT_CLASS CKO_NSS_TRUST",
            f'CKA_LABEL UTF8 "{label}"',
            *sha1,
            f"CKA_ISSUER {octal(issuer)}",
            f"CKA_SERIAL_NUMBER {octal(serial)}",
            f"CKA_TRUST_SERVER_AUTH CK_TRUST {server}",
            f"CKA_TRUST_EMAIL_PROTECTION CK_TRUST {email}",
            "",
            "",
        ]
    )


# ---- libnssckbi ----------------------------------------------------------------------------------

PLACES = ["lib/*/libnssckbi.so", "lib/*/nss/libnssckbi.so", "lib64/libnssckbi.so"]


class Builtins(NamedTuple):
    """The version of NSS's library, such as 2.60, and its objects as a certdata.txt."""

    version: str
    text: bytes


@pytest.fixture(scope="session")
def nssckbi():
    """Return the content of the installed libnssckbi, NSS's own list of roots."""
    found = next((path for place in PLACES for path in sorted(Path("/usr").glob(place))), None)
    if found is None:
        pytest.skip("needs libnssckbi")
    # In a process of its own: the library and its libc are none of what a sanitizer checks.
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    output = subprocess.run(
        [sys.executable, "-I", "-X", "utf8", __file__, str(found)],
        check=True, capture_output=True, env=environment,
    ).stdout  # fmt: skip
    version, _, text = output.partition(b"\n")
    if not text:
        pytest.skip("needs libnssckbi of NSS, and not that of p11-kit")
    return Builtins(version.decode(), text)


class Version(ctypes.Structure):
    _fields_ = [("major", ctypes.c_ubyte), ("minor", ctypes.c_ubyte)]


class Functions(ctypes.Structure):
    """CK_FUNCTION_LIST (PKCS #11, version 2.40, section 3.6)."""

    _fields_ = [("version", Version), ("functions", ctypes.c_void_p * 68)]


class Info(ctypes.Structure):
    """CK_INFO."""

    _fields_ = [
        ("cryptoki", Version), ("manufacturer", ctypes.c_char * 32), ("flags", ctypes.c_ulong),
        ("description", ctypes.c_char * 32), ("library", Version),
    ]  # fmt: skip


class Attribute(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_ulong), ("value", ctypes.c_void_p), ("length", ctypes.c_ulong),
    ]  # fmt: skip


# Vendor-defined numbers of NSS (pkcs11n.h).
NSS = 0x80000000 | 0x4E534350
CLASS, LABEL, VALUE, ISSUER, SERIAL = 0, 3, 0x11, 0x81, 0x82
SERVER_AFTER, EMAIL_AFTER = NSS + 35, NSS + 36
SERVER_AUTH, EMAIL_PROTECTION = NSS + 0x2000 + 8, NSS + 0x2000 + 11
CERTIFICATE, TRUST = 1, NSS + 3
VALUES = {
    NSS + 1: "CKT_NSS_TRUSTED", NSS + 2: TRUSTED, NSS + 3: MUST_VERIFY,
    NSS + 5: "CKT_NSS_TRUST_UNKNOWN", NSS + 10: "CKT_NSS_NOT_TRUSTED",
}  # fmt: skip


class Module:
    """A PKCS #11 module with one session, of which objects are read."""

    def __init__(self, path):
        library = ctypes.CDLL(path)
        pointer = ctypes.POINTER(Functions)()
        library.C_GetFunctionList(ctypes.byref(pointer))
        self.functions = pointer.contents.functions
        self.call(0, None)
        slots, count = (ctypes.c_ulong * 8)(), ctypes.c_ulong(8)
        self.call(4, 1, slots, ctypes.byref(count))
        self.session = ctypes.c_ulong()
        # CKF_SERIAL_SESSION.
        self.call(12, slots[0], ctypes.c_ulong(4), None, None, ctypes.byref(self.session))

    def call(self, index, *arguments):
        """Call the function with this position in CK_FUNCTION_LIST."""
        function = ctypes.CFUNCTYPE(ctypes.c_ulong)(self.functions[index])
        assert function(*(ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments)) == 0

    def version(self):
        info = Info()
        self.call(2, ctypes.byref(info))
        return f"{info.library.major}.{info.library.minor}"

    def objects(self):
        self.call(26, self.session, None, 0)
        handles, count = (ctypes.c_ulong * 5000)(), ctypes.c_ulong()
        self.call(27, self.session, handles, 5000, ctypes.byref(count))
        return list(handles[: count.value])

    def get(self, handle, kind):
        """Return an attribute, empty if the object has none."""
        attribute = Attribute(kind, None, 0)
        function = ctypes.CFUNCTYPE(ctypes.c_ulong)(self.functions[24])
        wanted = ctypes.c_ulong(handle), ctypes.byref(attribute), ctypes.c_ulong(1)
        if function(self.session, *wanted) or attribute.length in (0, ctypes.c_ulong(-1).value):
            return b""
        buffer = ctypes.create_string_buffer(attribute.length)
        attribute.value = ctypes.cast(buffer, ctypes.c_void_p)
        assert function(self.session, *wanted) == 0
        return buffer.raw

    def number(self, handle, kind):
        return int.from_bytes(self.get(handle, kind), sys.byteorder)


def dump(path):
    """Print the version of a libnssckbi, and its objects as a certdata.txt."""
    module = Module(path)
    print(module.version())
    handles = module.objects()
    values = {}
    for handle in handles:
        if module.number(handle, CLASS) == CERTIFICATE:
            identity = module.get(handle, ISSUER), module.get(handle, SERIAL)
            values[identity] = module.get(handle, VALUE)
    parts = []
    for handle in handles:
        kind = module.number(handle, CLASS)
        identity = module.get(handle, ISSUER), module.get(handle, SERIAL)
        label = "".join(f"\\x{octet:02x}" for octet in module.get(handle, LABEL).rstrip(b"\0"))
        if kind == CERTIFICATE:
            times = (module.get(handle, kind).decode() for kind in (SERVER_AFTER, EMAIL_AFTER))
            after = (time if len(time) > 1 else None for time in times)
            parts.append(certificate_object(label, values[identity], *identity, *after))
        elif kind == TRUST:
            trust = (VALUES[module.number(handle, k)] for k in (SERVER_AUTH, EMAIL_PROTECTION))
            parts.append(trust_object(label, values.get(identity), *identity, *trust))
    if parts:
        print(HEADER + "\n".join(parts))


if __name__ == "__main__":
    dump(sys.argv[1])
