"""The other implementations of TLS: how each is started as a client and as a server."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ci.errors import UserError

ENDPOINT = Path(__file__).with_name("endpoint.py")
VERSIONS = ("TLSv1.2", "TLSv1.3")

Command = list[str | Path]


@dataclass(frozen=True, slots=True)
class Peer:
    """An implementation.

    Attributes:
        name: its name.
        version: its version, or that of the OpenSSL below it.
        serve: returns the command of a server for a protocol version and a port; None if it is no
            server. Its first line of output is its port if it does not take the one it is given.
        connect: returns the command of a client that sends its input; None if it is no client.
        prints_port: whether the server selects its port.
        environment: the variables of its programs; None for those of this process.
        lacks: the protocol versions that it does not have, with the reason.
    """

    name: str
    version: str
    serve: Callable[[str, int], Command] | None
    connect: Callable[[str, int], Command] | None
    prints_port: bool = False
    environment: Mapping[str, str] | None = None
    lacks: Mapping[str, str] = field(default_factory=dict)


def of_python(
    name: str, python: Path, library: str, certificates: Path, environment: Mapping[str, str]
) -> Peer:
    """Return a library for Python, whose ends are endpoint.py."""
    start: Command = [python, "-P", ENDPOINT, library]
    return Peer(
        name=name,
        version=_output([*start, "version"], environment),
        serve=lambda version, port: [*start, "serve", version, certificates],
        connect=lambda version, port: [*start, "connect", version, certificates, str(port)],
        prints_port=True,
        environment=environment,
    )


def programs(
    certificates: Path, directory: Path, *, isolated: bool
) -> tuple[list[Peer], list[str]]:
    """Return the programs that this computer has, and lines that say which are missing.

    Args:
        certificates: the directory of the tests' certificates.
        directory: where the programs' databases and configuration are written.
        isolated: whether servers that listen on every address may be started.
    """
    found: list[Peer] = []
    missing: list[str] = []
    for make, needed, package in (
        (_openssl, ("openssl",), "openssl"),
        (_gnutls, ("gnutls-cli", "gnutls-serv"), "gnutls-bin"),
        (_nss, ("tstclnt", "selfserv", "certutil", "pk12util", "openssl"), "libnss3-tools"),
        (_nginx, ("nginx",), "nginx"),
    ):
        absent = [each for each in needed if shutil.which(each) is None]
        if absent:
            missing.append(f"{', '.join(absent)}: not found; install {package}")
            continue
        try:
            found.append(make(certificates, directory, isolated))
        except (OSError, LookupError, subprocess.SubprocessError) as error:
            missing.append(f"{', '.join(needed)}: not usable: {_reason(error)}")
    return found, missing


def _reason(error: Exception) -> str:
    """Return a line that says why a program failed."""
    errors = getattr(error, "stderr", None) or b""
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else str(error)


def _openssl(certificates: Path, directory: Path, isolated: bool) -> Peer:
    pem, dh = certificates / "server.pem", certificates / "dh.pem"
    option = {"TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}
    return Peer(
        name="openssl",
        version=_version(["openssl", "version"]),
        serve=lambda version, port: [
            *("openssl", "s_server", "-accept", f"127.0.0.1:{port}", option[version], "-www"),
            *("-cert", pem, "-key", pem, "-dhparam", dh),
        ],
        connect=lambda version, port: [
            *("openssl", "s_client", "-connect", f"127.0.0.1:{port}", option[version]),
            *("-servername", "localhost", "-verify_hostname", "localhost", "-ign_eof"),
            *("-CAfile", certificates / "ca.pem", "-verify_return_error", "-quiet"),
        ],
    )


def _gnutls(certificates: Path, directory: Path, isolated: bool) -> Peer:
    pem = certificates / "server.pem"

    def priority(version: str) -> str:
        return f"NORMAL:-VERS-ALL:+VERS-TLS{version.removeprefix('TLSv')}:+DHE-RSA"

    def serve(version: str, port: int) -> Command:
        return [
            *("gnutls-serv", "--http", "--port", str(port), "--priority", priority(version)),
            *("--x509certfile", pem, "--x509keyfile", pem, "--disable-client-cert"),
        ]

    return Peer(
        name="GnuTLS",
        version=_version(["gnutls-cli", "--version"]),
        serve=serve if isolated else None,
        connect=lambda version, port: [
            *("gnutls-cli", "--port", str(port), "--priority", priority(version)),
            *("--x509cafile", certificates / "ca.pem", "localhost"),
        ],
    )


def _nss(certificates: Path, directory: Path, isolated: bool) -> Peer:
    database = directory / "nss"
    database.mkdir()
    place = f"sql:{database}"
    bundle = directory / "server.p12"
    pem = certificates / "server.pem"
    for command in (
        ["certutil", "-N", "-d", place, "--empty-password"],
        ["certutil", "-A", "-d", place, "-n", "ca", "-t", "C,,", "-i", certificates / "ca.pem"],
        [
            *("openssl", "pkcs12", "-export", "-in", pem, "-inkey", pem, "-name", "server"),
            *("-passout", "pass:test", "-out", bundle),
        ],
        ["pk12util", "-i", bundle, "-d", place, "-W", "test", "-K", ""],
    ):
        subprocess.run(list(map(str, command)), check=True, capture_output=True)

    def range_of(version: str) -> str:
        number = version.removeprefix("TLSv")
        return f"tls{number}:tls{number}"

    def serve(version: str, port: int) -> Command:
        return [
            *("selfserv", "-n", "server", "-p", str(port), "-d", place, "-V", range_of(version)),
            *("-H", "1", "-I", "x25519,P256,P384,FF2048,FF3072,FF4096"),
        ]

    return Peer(
        name="NSS",
        version=_packaged("libnss3"),
        serve=serve if isolated else None,
        connect=lambda version, port: [
            *("tstclnt", "-4", "-h", "localhost", "-p", str(port), "-d", place),
            *("-V", range_of(version), "-I", "x25519,P256,P384,FF2048,FF3072,FF4096"),
        ],
    )


def _nginx(certificates: Path, directory: Path, isolated: bool) -> Peer:
    def serve(version: str, port: int) -> Command:
        root = directory / f"nginx-{port}"
        # A port may be free again.
        root.mkdir(exist_ok=True)
        (root / "index.html").write_text("hello\n")
        (root / "nginx.conf").write_text(
            # Without a master process it does not change its user, which owns the directories.
            f"user root root; daemon off; master_process off; pid {root}/pid; error_log stderr;\n"
            "events { worker_connections 16; }\n"
            "http { access_log off;\n"
            + "".join(
                f"  {kind}_temp_path {root}/{kind};\n"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            + f"  server {{ listen 127.0.0.1:{port} ssl; server_name localhost; root {root};\n"
            f"    ssl_certificate {certificates}/server.pem;\n"
            f"    ssl_certificate_key {certificates}/server.pem;\n"
            f"    ssl_dhparam {certificates}/dh.pem; ssl_protocols {version}; }}\n}}\n"
        )
        return ["nginx", "-p", root, "-c", root / "nginx.conf"]

    return Peer(
        name="nginx",
        version=_version(["nginx", "-v"]),
        serve=serve,
        connect=None,
    )


def _output(command: Command, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        env=None if environment is None else dict(environment),
    )
    if done.returncode and environment is not None:
        reason = "".join(done.stderr.strip().splitlines()[-1:]) or "it failed"
        raise UserError(f"peers: {' '.join(map(str, command))}: {reason}")
    return (done.stdout + done.stderr).strip()


def _version(command: Command) -> str:
    found = re.search(r"\d+(\.\d+)+[a-z]?", _output(command))
    return found[0] if found else "unknown"


def _packaged(package: str) -> str:
    """Return the version of a package of Debian, because NSS's tools do not print theirs."""
    if shutil.which("dpkg-query") is None:
        return "unknown"
    return _output(["dpkg-query", "-W", "-f", "${Version}", package]) or "unknown"


def this_python() -> Path:
    """Return the Python that runs."""
    return Path(sys.executable)
