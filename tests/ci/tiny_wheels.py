"""Wheels of a tiny M2Crypto whose extension is compiled from a line of C, for the audit's tests."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

from ci import sbom

VERSION = "1.0"
SHA256 = "a8c0d28a529ca480f9f36cf5792e2cd21984552a3c8e4aa11a24aa31aeac98e8"
URL = "https://127.0.0.1/openssl-3.5.7.tar.gz"
TEXT = "OpenSSL 3.5.7 9 Jun 2026"

# A function that needs a stack protector and a fortified call.
SOURCE = """
#include <string.h>
const char *version = "%s";
__attribute__((visibility("default"))) int PyInit__m2crypto(const char *text)
{
    char copy[64];
    strcpy(copy, text);
    return copy[1] + version[0] + (int)strlen(copy);
}
%s
"""
HARDENED = (
    *("-O2", "-fPIC", "-fvisibility=hidden", "-fstack-protector-strong", "-fcf-protection"),
    *("-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2", "-Wl,-z,relro,-z,now,-z,noexecstack", "-s"),
)
MAIN = """
import json
from pathlib import Path
print(json.dumps({
    "versions": {"m2crypto": "%s", "openssl": "%s", "openssl_headers": "%s"},
    "origin": {"openssl_library": __file__},
}))
"""
METADATA = """\
Metadata-Version: 2.4
Name: M2Crypto
Version: 1.0
Summary: A tiny one
License-Expression: MIT AND Apache-2.0
Description-Content-Type: text/markdown
License-File: LICENSE
License-File: OpenSSL/LICENSE.txt

# M2Crypto
"""
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: %s\n"
TAG = "cp311-abi3-manylinux_2_34_x86_64"


def binary(path: Path, *flags: str, text: str = TEXT, more: str = "") -> bytes:
    """Compile a shared object that holds a text, hardened unless flags are given."""
    source = path.with_suffix(".c")
    source.write_text(SOURCE % (text, more))
    command = ["cc", "-shared", *(flags or HARDENED), "-o", str(path), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return path.read_bytes()


def bom(version: str = "3.5.7", sha256: str = SHA256) -> str:
    """Return the SBOM that the wheel's build writes."""
    described = {
        "version": version,
        "url": URL,
        "sha256": sha256,
        "options": ["no-ec"],
        "licence": sbom.spdx(version),
    }
    return json.dumps(sbom.cyclonedx("M2Crypto", VERSION, described))


def wheel(directory: Path, extension: bytes, tag: str = TAG, **changes: str | None) -> Path:
    """Write a wheel; `changes` replaces files of .dist-info, or leaves out those that are None.

    A path in it that begins with M2Crypto is the package's. The keywords `main` and `name` replace
    __main__.py and the distribution's name.
    """
    name = changes.pop("name", None) or "m2crypto"
    information = f"{name}-{VERSION}.dist-info"
    files: dict[str, str | bytes | None] = {
        "M2Crypto/__init__.py": "",
        "M2Crypto/__main__.py": changes.pop("main", None) or MAIN % (VERSION, "3.5.7", "3.5.7"),
        "M2Crypto/_m2crypto.abi3.so": extension,
        f"{information}/METADATA": METADATA,
        f"{information}/WHEEL": WHEEL % tag,
        f"{information}/licenses/LICENSE": "Permission is hereby granted, free of charge\n",
        f"{information}/licenses/OpenSSL/LICENSE.txt": "Apache License\n",
        f"{information}/sboms/openssl.cdx.json": bom(),
    }
    for path, text in changes.items():
        files[path if path.startswith("M2Crypto/") else f"{information}/{path}"] = text
    kept = {path: data for path, data in files.items() if data is not None}
    record = "".join(f"{path},,\n" for path in [*kept, f"{information}/RECORD"])
    target = directory / f"{name}-{VERSION}-{tag}.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, data in {**kept, f"{information}/RECORD": record}.items():
            archive.writestr(path, data)
    return target
