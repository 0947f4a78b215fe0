"""Fixtures of the tooling's tests: an empty cache, a tiny OpenSSL, a server on 127.0.0.1.

No test sends a request to another host, nor uses the user's cache, mirrors or apt.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tiny_cells import inputs, project, session, shared_cache  # noqa: F401 - fixtures
from tiny_openssl import program, release_of, tiny_bytes, tiny_openssl

from ci import toolchain
from ci.manifest import Build, Variant
from ci.matrix.machine import this_platform
from ci.openssl import prefixes, sources

ROOT = Path(__file__).parents[2]

# The variables of the tiny OpenSSL (tiny_openssl.py) are passed to its build, too.
CARRIED = re.compile(f"{prefixes.CARRIED.pattern}|GATE|TALLY|FAIL")


def pytest_configure() -> None:
    # A shell starts background jobs with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class Server:
    """An HTTP server on 127.0.0.1; a response is cut off after each byte count in `cuts`."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    resumes: bool = True
    requests: list[tuple[str, str | None]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    server: _Listener

    def do_GET(self) -> None:
        served = self.server.served
        wanted = self.headers["Range"]
        served.requests.append((self.path, wanted))
        if self.path not in served.files:
            self.send_error(404)
            return
        data, start = served.files[self.path], 0
        if wanted and served.resumes:
            start = int(re.findall(r"\d+", wanted)[0])
            if start >= len(data):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        rest = data[start:]
        self.wfile.write(rest[: served.cuts.pop(0)] if served.cuts else rest)

    def log_message(self, *_arguments: object) -> None:
        pass


class _Listener(ThreadingHTTPServer):
    served: Server


@pytest.fixture
def server() -> Iterator[Server]:
    with _Listener(("127.0.0.1", 0), Handler) as listener:
        listener.served = Server(f"http://127.0.0.1:{listener.server_port}")
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        yield listener.served
        listener.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of an empty cache, without mirrors and without apt sources."""
    folder = tmp_path / "cache"
    programs = tmp_path / "programs"
    programs.mkdir()
    program(programs / "apt-get", "exit 1")
    for name in ("M2CRYPTO_MIRRORS", "M2CRYPTO_OFFLINE", "CFLAGS", "CC", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("M2CRYPTO_CACHE", str(folder))
    monkeypatch.setenv("CCACHE_DISABLE", "1")
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    sources._unreachable.clear()
    toolchain.compiler.cache_clear()
    prefixes._code.cache_clear()
    monkeypatch.setattr(prefixes, "CARRIED", CARRIED)
    return folder


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Return a function that makes a directory inaccessible, to root as well."""
    forbidden: list[str] = []

    def refuse(name: str, found: object = None) -> None:
        real = getattr(os, name)

        def guarded(path: object, *arguments: object, **keywords: object) -> object:
            text = os.fspath(path) if isinstance(path, (str, Path)) else ""
            if any(text.startswith(f"{each}/") for each in forbidden):
                if found is None:
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), text)
                return found
            return real(path, *arguments, **keywords)

        monkeypatch.setattr(os, name, guarded)

    for name in ("stat", "lstat", "scandir", "listdir", "readlink"):
        refuse(name)
    refuse("access", found=False)

    def chosen(folder: Path) -> None:
        forbidden.append(str(folder))
        folder.chmod(0)

    yield chosen
    for each in forbidden:
        Path(each).chmod(0o700)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a mirror directory (M2CRYPTO_MIRRORS) that holds a tiny OpenSSL 9.9.1."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "openssl-9.9.1.tar.gz").write_bytes(tiny_openssl("9.9.1"))
    monkeypatch.setenv("M2CRYPTO_MIRRORS", str(folder))
    return folder


@pytest.fixture
def build(mirror: Path) -> Build:
    """Return the build 9.9 of the tiny OpenSSL in the mirror."""
    return Build(release_of(tiny_bytes(mirror)), Variant("default", ()))


@pytest.fixture
def matrix(mirror: Path, tmp_path: Path) -> Path:
    """Return a manifest of the builds 9.9 and 9.9-no-ec, in its own checkout."""
    path = tmp_path / "checkout" / "ci" / "matrix.toml"
    path.parent.mkdir(parents=True)
    path.write_text(
        f"""
pythons = ["3.11"]
swig = ["4.5.1"]
links = ["static"]
quick = ["9.9"]
every = ["default", "no-ec"]
[openssl.releases."9.9"]
version = "9.9.1"
url = "https://127.0.0.1:9/openssl-9.9.1.tar.gz"
sha256 = "{hashlib.sha256(tiny_bytes(mirror)).hexdigest()}"
end_of_life = 2030-01-01
[openssl.variants.default]
why = "as it is"
options = []
[openssl.variants.no-ec]
why = "without curves"
options = ["no-ec"]
[flags.instrumented]
why = "counts lines"
coverage = true
[platforms.{this_platform()}]
runner = "ubuntu"
"""
    )
    return path


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(matrix: Path) -> Iterator[Start]:
    """Start `python -m ci ARGUMENTS` on the tiny manifest, in a process of its own."""
    started = []

    def run(*arguments: str, limit: int = 0, **environment: str) -> subprocess.Popen[str]:
        script = f"""
import re, resource, sys
from pathlib import Path
from ci import __main__
from ci.openssl import prefixes
prefixes.CARRIED = re.compile({CARRIED.pattern!r})
if {limit}:
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
sys.exit(__main__.main({list(arguments)!r}, Path({str(matrix.parents[1])!r})))
"""
        child = subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=ROOT,
            # With a limit on files, coverage.py could not write its data.
            env={**os.environ, **environment, **({"COVERAGE_PROCESS_CONFIG": ""} if limit else {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        return child

    yield run
    for child in started:
        child.kill()
        child.communicate()
