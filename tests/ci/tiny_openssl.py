"""A tiny OpenSSL and other test inputs: tarballs, releases, programs."""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

from ci.manifest import Release
from ci.process import capture

# A stub of OpenSSL: its Makefile has the targets of the real one and compiles three objects.
# It waits until the file $GATE exists, appends a line to $TALLY, and fails if $FAIL is set.
CONFIG = r"""#!/bin/sh
for option; do case $option in
    --prefix=*) prefix=${option#*=} ;;
    no-ec) echo '#define OPENSSL_NO_EC' >> include/openssl/opensslconf.h ;;
    refused) echo "***** Unsupported options: refused"; exit 1 ;;
esac; done
cat > Makefile <<END
PREFIX = $prefix
CC = $CC
END
cat Makefile.in >> Makefile
"""
MAKEFILE = """
OBJECTS = one.o two.o three.o
build_generated:
\ttouch generated.h
build_libs: libcrypto.a libssl.a
libcrypto.a libssl.a: $(OBJECTS)
\tar rc $@ $(OBJECTS)
$(OBJECTS): %.o: gate
\techo 'int $*;' > $*.c
\t$(CC) -c -o $@ $*.c
gate:
\t@if [ -n "$$TALLY" ]; then echo built >> "$$TALLY"; fi
\t@if [ -n "$$FAIL" ]; then echo "$$FAIL" >&2; exit 1; fi
\t@if [ -n "$$GATE" ]; then touch "$$GATE.reached"; \\
\t  while [ ! -e "$$GATE" ]; do sleep 0.02; done; fi
\t@touch gate
install_dev: build_libs
\tmkdir -p $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig
\tcp -r include/openssl $(DESTDIR)$(PREFIX)/include/
\tcp libcrypto.a libssl.a $(DESTDIR)$(PREFIX)/lib/
\tprintf 'prefix=%s\\nlibdir=$${prefix}/lib\\n' $(PREFIX) \\
\t  > $(DESTDIR)$(PREFIX)/lib/pkgconfig/libcrypto.pc
"""


def tiny_openssl(version: str, folder: str = "") -> bytes:
    """Return a tarball that configures, builds and installs like OpenSSL's, in a second.

    Its only directory is `openssl-VERSION` unless `folder` names it.
    """
    files = {
        "config": CONFIG,
        "Makefile.in": MAKEFILE,
        "LICENSE.txt": "A licence.\n",
        "include/openssl/opensslv.h": f'#define OPENSSL_VERSION_STR "{version}"\n',
        "include/openssl/opensslconf.h": "/* configured */\n",
        # Larger than the other files together: what a limited disk has no room for.
        "padding": "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(250)),
    }
    top = folder or f"openssl-{version}"
    return tarred({f"{top}/{name}": text for name, text in files.items()})


def tarred(files: dict[str, str]) -> bytes:
    """Return a .tar.gz of these files; the text `-> TARGET` makes a symbolic link."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            if text.startswith("-> "):
                member.type, member.linkname = tarfile.SYMTYPE, text[3:]
                archive.addfile(member)
            else:
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
    return data.getvalue()


def release_of(data: bytes, url: str = "http://127.0.0.1:9/openssl-9.9.1.tar.gz") -> Release:
    """Return the release 9.9.1 whose tarball is `data`; no server listens at `url` by default."""
    return Release("9.9", "9.9.1", url, hashlib.sha256(data).hexdigest(), date(2030, 1, 1))


def tiny_bytes(mirror: Path) -> bytes:
    return (mirror / "openssl-9.9.1.tar.gz").read_bytes()


def program(path: Path, script: str) -> Path:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


def processes() -> list[tuple[int, str, str]]:
    """Return the group, state and command line of each process, without ps(1) on Linux."""
    if not Path("/proc/self/stat").exists():
        output = capture(["ps", "-e", "-o", "pgid=,stat=,args="]).splitlines()
        return [
            (int(line[0]), line[1], line[2]) for line in (each.split(None, 2) for each in output)
        ]
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        # A process may end while it is read.
        with suppress(OSError):
            state, _parent, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            found.append((int(group), state, " ".join(words)))
    return found


def runs(command: str) -> bool:
    """Return whether a process runs whose command line contains `command`."""
    return any(command in arguments for _, _, arguments in processes())


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; the limit of a minute is for a busy host."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("waited in vain")
