"""`nox -s peers`: M2Crypto and other implementations of TLS shake hands, in either role.

M2Crypto is that of this Python with every OpenSSL of the manifest, with and without EC. Its peers
are Python's ssl, pyOpenSSL, tlslite-ng, the programs `openssl`, GnuTLS's, NSS's and nginx, and each
other build of M2Crypto. All rows are written to coverage/peers.json, which the report shows.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ci import checkout, console, environments, interpreters, manifest, process, wheels
from ci.errors import UserError
from ci.openssl import prefixes
from ci.peers import handshakes, implementations
from ci.peers.implementations import Peer
from ci.project import Project

VARIANTS = ("default", "no-ec")
FLAGS = "instrumented"
# Set in the process whose network is its own.
ISOLATED = "M2CRYPTO_PEERS_ISOLATED"


def main(arguments: Sequence[str], project: Project) -> None:
    """Run the handshakes of the builds named in the arguments, or of all.

    Raises:
        UserError: a build is unknown, or a handshake failed.
    """
    if sys.platform != "linux":
        raise UserError("peers: the programs are started on Linux alone")
    known = manifest.load(project.manifest)
    names = [each.name for each in known.builds if each.variant.name in VARIANTS]
    for name in arguments:
        if name not in names:
            raise UserError(f"peers: unknown build {name!r}; there are {', '.join(names)}")
    built, python = sites(project, known, names), _environment(project)
    if ISOLATED not in os.environ and (command := _isolated()):
        # All that comes over the network is in the cache by now.
        os.environ[ISOLATED] = "1"
        code = process.attached([*command, sys.executable, "-m", "ci", "peers", *arguments])
        if code:
            raise UserError("peers: handshakes failed, see above")
        return
    certificates = project.root / "tests" / "data" / "certificates"
    with tempfile.TemporaryDirectory(prefix="m2crypto-") as directory:
        isolated = ISOLATED in os.environ
        peers, missing = implementations.programs(certificates, Path(directory), isolated=isolated)
        if not isolated:
            missing.append("gnutls-serv, selfserv: without `unshare` they would listen everywhere")
        for line in missing:
            console.log(f"peers: {line}")
        ours = [_own(name, site, certificates) for name, site in built.items()]
        site = built[known.quick[0].name]
        peers = [*_libraries(python, site, certificates), *peers, *ours]
        chosen = [each for each in ours if not arguments or each.name in arguments]
        rows = list(handshakes.run(chosen, peers))
    document = {
        "sources": checkout.digest(project.root),
        "missing": missing,
        "rows": [row.document() for row in rows],
    }
    _write(document, project.peers)
    _print(rows)
    console.log(f"peers: {project.peers.relative_to(project.root)}")
    if any(row.result == "failed" for row in rows):
        raise UserError("peers: handshakes failed, see above")


def _write(document: Mapping[str, object], path: Path) -> None:
    """Write the rows, in place of those of the last run only when they are complete.

    Raises:
        UserError: the file cannot be written.
    """
    # Two runs at once have a file each.
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        os.replace(new, path)  # noqa: PTH105 - Path.replace is the same
    except OSError as error:
        raise UserError(f"peers: {path}: {error.strerror}") from None
    finally:
        new.unlink(missing_ok=True)


def sites(project: Project, known: manifest.Manifest, names: Sequence[str]) -> dict[str, Path]:
    """Return where M2Crypto of each build is, built if the cache does not have it."""
    builds = [each for each in known.builds if each.name in names]
    made = prefixes.ensure(builds, project)
    installed = interpreters.installed(known.pythons)
    series = "{}.{}".format(*sys.version_info)
    if series not in installed:
        raise UserError(f"peers: the manifest does not name this Python, {series}")
    builder = wheels.builders(installed.values())[wheels.abi(series)]
    flags = known.flags_of(FLAGS)
    requests = {
        each.name: wheels.Request(each.name, made[each.name], builder, flags, known.swig)
        for each in builds
    }
    built = wheels.ensure(requests.values(), project)
    found = {}
    for name, request in requests.items():
        wheel = built[request.label]
        if isinstance(wheel, UserError):
            raise wheel
        found[name] = wheel.site
    return found


def _own(name: str, site: Path, certificates: Path) -> Peer:
    """Return M2Crypto with a build."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    python = implementations.this_python()
    peer = implementations.of_python(name, python, "m2crypto", certificates, environment)
    if name == "1.1.1-no-ec":
        return replace(peer, lacks={"TLSv1.3": "OpenSSL 1.1.1 has no TLS 1.3 without EC"})
    return peer


def _environment(project: Project) -> Path:
    """Return the Python that has the libraries."""
    interpreter = interpreters.describe(Path(sys.executable))
    if interpreter is None:
        raise UserError(f"{sys.executable}: not an interpreter that the manifest knows")
    requirements = environments.group(project.pyproject, "peers")
    return environments.ensure(project, "peers", interpreter, requirements)


def _libraries(python: Path, site: Path, certificates: Path) -> list[Peer]:
    """Return the libraries for Python; tlslite-ng also with M2Crypto, which it then uses."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    above = {**environment, "PYTHONPATH": str(site)}
    return [
        implementations.of_python(name, python, library, certificates, variables)
        for name, library, variables in (
            ("Python's ssl", "ssl", environment),
            ("pyOpenSSL", "pyopenssl", environment),
            ("tlslite-ng", "tlslite-ng", environment),
            ("tlslite-ng with M2Crypto", "tlslite-ng", above),
        )
    ]


def _isolated() -> list[str]:
    """Return the command that runs another one with a network of its own; empty if none does."""
    command = ["unshare", "--net", "--map-root-user"]
    if shutil.which("unshare") is None:
        return []
    up = [*command, sys.executable, "-m", "ci.peers.main"]
    try:
        process.capture([*up, sys.executable, "-c", ""])
    except process.CommandError:
        return []
    return up


def _start_loopback() -> None:
    """Start the loopback interface of a new network (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh", b"lo", 0x1)
        fcntl.ioctl(sock, 0x8914, request)


def _print(rows: Sequence[handshakes.Row]) -> None:
    table = Table("build", "peer", "version", "as client", "as server", box=box.SIMPLE_HEAD)
    cells = {(row.build, row.peer, row.version, row.role): row for row in rows}
    for build, peer, version in dict.fromkeys(key[:3] for key in cells):
        found = [cells.get((build, peer, version, role)) for role in ("client", "server")]
        words = ["" if row is None else row.result for row in found]
        about = next(row for row in found if row is not None)
        table.add_row(build, f"{peer} {about.peer_version}", version, *words)
    Console().print(table)
    for row in rows:
        if row.result == "failed":
            where = f"{row.build} as {row.role} of {row.peer}, {row.version}"
            console.log(f"failed: {where}: {row.detail}")
    counts = Counter(row.result for row in rows)
    console.log(", ".join(f"{count} {result}" for result, count in sorted(counts.items())))


if __name__ == "__main__":
    _start_loopback()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  (nothing is left to do here)
