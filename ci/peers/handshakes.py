"""Run handshakes between processes, and return a row for each."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ci.peers.implementations import VERSIONS, Peer

PATIENCE = 20.0
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Row:
    """A handshake.

    Attributes:
        build: the OpenSSL build of M2Crypto.
        role: what M2Crypto was: client or server.
        peer: the name of the other implementation.
        peer_version: its version.
        version: the protocol version.
        result: `passed`, `failed`, or `impossible` if one of the two does not have what it needs.
        cipher: the cipher that was negotiated.
        group: the group of the key exchange, if OpenSSL says which.
        detail: why it failed or is impossible.
    """

    build: str
    role: str
    peer: str
    peer_version: str
    version: str
    result: str
    cipher: str = ""
    group: str = ""
    detail: str = ""

    def document(self) -> dict[str, str]:
        """Return the row as a document."""
        return asdict(self)


def run(ours: Iterable[Peer], peers: Iterable[Peer]) -> Iterator[Row]:
    """Generate the rows of every build of M2Crypto with every peer, in either role."""
    others = list(peers)
    jobs = [
        (own, peer, version, role)
        for own in ours
        for peer in others
        for version in VERSIONS
        for role in ("client", "server")
        if (peer.serve if role == "client" else peer.connect) is not None
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda job: _row(*job), jobs)


def _row(own: Peer, peer: Peer, version: str, role: str) -> Row:
    about = (own.name, role, peer.name, peer.version, version)
    why = own.lacks.get(version) or peer.lacks.get(version) or _no_group(own, peer, version)
    if why:
        return Row(*about, "impossible", detail=why)
    client, server = (own, peer) if role == "client" else (peer, own)
    try:
        negotiated = _handshake(client, server, version, own)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return Row(*about, "failed", detail=" ".join(str(error).split())[-300:])
    return Row(*about, "passed", negotiated.get("cipher", ""), negotiated.get("group") or "")


def _no_group(own: Peer, peer: Peer, version: str) -> str:
    """Return why the two have no key exchange in common, or nothing."""
    # Without EC a handshake uses finite fields, which OpenSSL 1.1.1 has not in TLS 1.3.
    for one, other in ((own, peer), (peer, own)):
        if "no-ec" in one.name and version == "TLSv1.3" and other.version.startswith("1.1.1"):
            return "OpenSSL 1.1.1 has no group of finite fields in TLS 1.3"
    return ""


def _handshake(client: Peer, server: Peer, version: str, own: Peer) -> dict[str, str]:
    """Return what our end negotiated.

    Raises:
        ValueError: an end failed.
    """
    if server.serve is None or client.connect is None:
        raise ValueError("no such role")
    given = 0 if server.prints_port else _free_port()
    with _started(server, server.serve(version, given)) as serving:
        port = _port_of(serving, server, given)
        with _started(client, client.connect(version, port)) as connecting:
            output, errors = _talk(connecting, is_program=not client.prints_port)
            if client.prints_port:
                _check(connecting, errors)
            elif b"HTTP/" not in output:
                raise ValueError((errors or output).decode("utf-8", "replace") or "no answer")
        if client is not own:
            output, errors = serving.communicate(timeout=PATIENCE)
            _check(serving, errors)
        return _negotiated(output)


def _talk(process: subprocess.Popen[bytes], *, is_program: bool) -> tuple[bytes, bytes]:
    """Send the request to a client, and return its output and errors."""
    if not is_program:
        return process.communicate(timeout=PATIENCE)
    # Some programs end with the connection, some with their input, and some do not.
    if process.stdin is None or process.stdout is None:
        raise ValueError("no input")
    # The errors of a client that failed say why.
    with suppress(BrokenPipeError):
        process.stdin.write(REQUEST)
        process.stdin.flush()
    output = b""
    end = time.monotonic() + PATIENCE
    while b"HTTP/" not in output:
        if not select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
            break
        data = os.read(process.stdout.fileno(), 65536)
        if not data:
            break
        output += data
    process.kill()
    rest, errors = process.communicate()
    return output + rest, errors


def _check(process: subprocess.Popen[bytes], errors: bytes) -> None:
    if process.returncode:
        raise ValueError(errors.decode("utf-8", "replace").strip() or "it failed")


def _negotiated(output: bytes) -> dict[str, str]:
    lines = output.decode().splitlines()
    found = json.loads(lines[-1]) if lines else {}
    if not isinstance(found, dict):
        raise ValueError(f"printed {lines[-1]!r} instead of what was negotiated")
    return found


@contextmanager
def _started(peer: Peer, command: Iterable[object]) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        list(map(str, command)),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env=None if peer.environment is None else dict(peer.environment),
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _port_of(process: subprocess.Popen[bytes], server: Peer, given: int) -> int:
    """Return the port of a server that listens."""
    if server.prints_port:
        return _printed_port(process, server)
    end = time.monotonic() + PATIENCE
    # Connecting to it would be a handshake that fails, and selfserv and s_server report it.
    while time.monotonic() < end and process.poll() is None:
        if _listens(given):
            return given
        time.sleep(0.02)
    errors = process.stderr.read() if process.poll() is not None and process.stderr else b""
    raise ValueError(f"{server.name} does not listen: {errors.decode('utf-8', 'replace')}")


def _printed_port(process: subprocess.Popen[bytes], server: Peer) -> int:
    if process.stdout is None or process.stderr is None:
        raise ValueError("no output")
    # A server that hangs prints nothing, or no whole line.
    line = b""
    end = time.monotonic() + PATIENCE
    while not line.endswith(b"\n"):
        if not select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
            raise ValueError(f"{server.name} does not listen after {PATIENCE:g} s")
        data = os.read(process.stdout.fileno(), 1)
        if not data:
            raise ValueError(process.stderr.read().decode("utf-8", "replace") or "it failed")
        line += data
    return int(line)


def _listens(port: int) -> bool:
    """Return whether something listens on a port (proc(5))."""
    wanted = f":{port:04X}"
    sockets: list[list[str]] = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with suppress(OSError):
            sockets += map(str.split, table.read_text(encoding="ascii").splitlines())
    return any(fields[1].endswith(wanted) and fields[3] == "0A" for fields in sockets)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
