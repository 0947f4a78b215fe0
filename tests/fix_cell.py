"""The cell of a run: the expected build, and a stamp of the build that was loaded.

Given `--cell FILE` (JSON: `id`, `python`, `openssl`, `ec`) it offers that as the fixture `cell`;
given `--stamp FILE` it writes the facts of the loaded extension there; given `--journal
FILE` it appends each event of the session to that file and runs the tests in its folder. Each may
be missing: then the tests run on whatever M2Crypto is there. pytest's header shows the same facts.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class Expected(NamedTuple):
    """The build that the cell requires.

    `python` is a series, `openssl` the headers' version and `runtime` the library's, which are
    empty for the system's; `outcome` is `works`, or `refuses` if the import must fail.
    """

    id: str
    python: str
    openssl: str
    runtime: str
    outcome: str
    switches: dict[str, bool]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cell", "the cell of the matrix that this run is")
    group.addoption("--cell", type=Path, metavar="FILE", help="what is expected, as JSON")
    group.addoption("--stamp", type=Path, metavar="FILE", help="write what was found, as JSON")
    group.addoption("--surface", type=Path, metavar="FILE", help="write the names, as JSON")
    group.addoption("--journal", type=Path, metavar="FILE", help="append each event, as JSON lines")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--journal")
    if path:
        config.pluginmanager.register(Journal(path), "m2crypto-journal")


class Journal:
    """The journal of a session: a JSON object for each event (ci/matrix/session.py reads it).

    A line is appended at once, so that the file names the test that hangs or crashes. Only the
    process that began the session goes through it: a child that a test forked and that returns
    from the test leaves a line and ends.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Line by line, so that the end of the process, whatever ends it, loses none.
        # A reason can have bytes of a file's name that are no text.
        self.file = path.open("a", buffering=1, encoding="utf-8", errors="replace")
        self.process = os.getpid()
        self.test = ""
        self.outcome = ""
        self.why = ""
        self.add(process=self.process)

    def add(self, **event: Any) -> None:
        self.file.write(json.dumps(event, ensure_ascii=False) + "\n")

    def same_process(self) -> None:
        """End a forked child, so that it neither repeats the session nor overwrites its files."""
        if os.getpid() != self.process:
            self.add(forked=self.test)
            os._exit(70)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.add(collected=[item.nodeid for item in session.items])
        # Arguments name paths from the project's root; what tests write belongs to the cell.
        os.chdir(self.path.parent)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.test, self.outcome, self.why = nodeid, "", ""
        self.add(start=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.same_process()
        if report.failed:
            self.outcome = "failed"
        elif report.skipped and not self.outcome:
            expected = hasattr(report, "wasxfail")
            # An expected failure ran, unless it was marked `run=False`.
            self.outcome = "passed" if expected and report.when == "call" else "skipped"
            self.why = report.wasxfail if expected else skip_reason(report)
        elif report.when == "call" and not self.outcome:
            self.outcome = "passed"

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        # Without an outcome its setup passed and nothing called it (`--setup-only`).
        self.add(end=nodeid, outcome=self.outcome or "skipped", why=self.why or "not called")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self.same_process()
        self.add(exit=int(exitstatus))

    def pytest_unconfigure(self) -> None:
        self.file.close()


def pytest_unconfigure() -> None:
    """Have LeakSanitizer report memory that nothing refers to, in a cell that has it preloaded."""
    if "LSAN_OPTIONS" in os.environ:
        import ctypes
        import gc

        gc.collect()
        ctypes.CDLL(None).__lsan_do_recoverable_leak_check()


def skip_reason(report: pytest.TestReport) -> str:
    """Return the reason from a skipped test's report: (file, line, `Skipped: reason`)."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.partition("Skipped: ")[2] or text


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Other results belong to the cell only if this library does.
    items.sort(key=lambda item: item.path.name != "test_cell.py")


def pytest_sessionstart(session: pytest.Session) -> None:
    path = session.config.getoption("--stamp")
    if path:
        path.write_text(json.dumps(facts(), indent=1), encoding="utf-8")
    path = session.config.getoption("--surface")
    if path:
        path.write_text(json.dumps(surface(), indent=0), encoding="utf-8")


def pytest_report_header(config: pytest.Config) -> list[str]:
    try:
        found = facts()
    except ImportError as error:
        # The tests of the tooling (tests/ci) need no extension.
        return [f"M2Crypto: not there ({error})"]
    if found["refusal"]:
        return [f"M2Crypto: {found['refusal']}"]
    return [
        f"OpenSSL: headers {found['header']}, runtime {found['runtime']}, "
        + ("without EC" if "OPENSSL_NO_EC" in found["switches"] else "with EC"),
        f"extension: SWIG {found['swig']}, {found['abi']}, {found['link']}, {found['extension']}",
    ]


def facts() -> dict[str, Any]:
    """Describe the extension in this process and the OpenSSL it runs on.

    An extension that refuses its libraries is described by how it was built.

    Raises:
        ImportError: there is no extension.
    """
    spec = importlib.util.find_spec("M2Crypto")
    package = Path((spec.origin if spec else None) or "").parent
    extension = next(iter(package.glob("_m2crypto*.*[od]")), None)
    if extension is None:
        raise ImportError(f"no extension in {package}")
    info = runpy.run_path(str(package / "_build_info.py"))
    found = {
        "id": os.environ.get("M2CRYPTO_CELL", ""),
        "python": " ".join(sys.version.split()),
        "header": info["HEADER"],
        "extension": str(extension),
        "sha256": hashlib.sha256(extension.read_bytes()).hexdigest(),
        "swig": info["SWIG_VERSION"],
        "compiler": info["COMPILER"],
        "flags": info["FLAGS"],
        "abi": info["ABI"],
        "link": info["LINK"],
        "package": digest(package),
    }
    return {**found, **runtime_facts()}


def runtime_facts() -> dict[str, Any]:
    """Describe the OpenSSL in this process, or why there is none."""
    try:
        from M2Crypto import m2
    except ImportError as error:
        nothing = dict.fromkeys(("header_number", "runtime", "runtime_number", "library"), "")
        return {**nothing, "libraries": {}, "switches": [], "refusal": str(error)}
    library = Path(m2.openssl_library()).resolve()
    return {
        "header_number": f"{m2.OPENSSL_VERSION_NUMBER:#x}",
        "runtime": version(m2.openssl_version(0)),
        "runtime_number": f"{m2.openssl_version_num():#x}",
        "switches": switches(m2),
        "library": str(library),
        "libraries": libraries(library),
        "refusal": "",
    }


def libraries(library: Path) -> dict[str, str]:
    """Return the sha256 of OpenSSL's shared libraries in this process, those beside `library`."""
    maps = Path("/proc/self/maps")
    # proc(5): the path is the last field.
    lines = maps.read_text(errors="replace").splitlines() if maps.exists() else []
    paths = {Path(line.split(maxsplit=5)[5]) for line in lines if line.count("/")} | {library}
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
        if path.parent == library.parent and path.name.startswith("lib") and path.is_file()
    }


def digest(package: Path) -> str:
    """Return the sha256 over the Python files of the package (ci/checkout.py has the same)."""
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        if path.name != "_build_info.py":
            contents = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(package).as_posix()}\0{contents}\n".encode())
    return total.hexdigest()


def surface() -> dict[str, dict[str, Any]]:
    """Return the extension's constants with their values, and its functions with signatures."""
    try:
        from M2Crypto import _m2crypto as extension
    except ImportError:
        return {"constants": {}, "functions": {}}
    path = Path(extension.__file__ or "").parent / "_m2crypto.pyi"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    declared = {
        node.name: f"({ast.unparse(node.args)}) -> {ast.unparse(node.returns or node)}"
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef)
    }
    found = {name: getattr(extension, name) for name in dir(extension) if name[:2] != "__"}
    return {
        "constants": {name: value for name, value in found.items() if not callable(value)},
        "functions": {name: declared.get(name, "") for name in found if callable(found[name])},
    }


def switches(m2: Any) -> list[str]:
    """Return the OPENSSL_NO_ macros that the headers of this build define."""
    names = [name for name in dir(m2) if name.startswith("OPENSSL_NO_")]
    return sorted(name for name in names if getattr(m2, name))


def version(text: str) -> str:
    """Return `3.5.7` from `OpenSSL 3.5.7 9 Jun 2026`."""
    return text.split()[1]


@pytest.fixture(scope="session")
def cell(request: pytest.FixtureRequest) -> Expected | None:
    """Return the build that the cell requires, or None outside a cell."""
    path = request.config.getoption("--cell")
    if not path:
        return None
    expected = json.loads(path.read_text(encoding="utf-8"))
    return Expected(*(expected[name] for name in Expected._fields))
