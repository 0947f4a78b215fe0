"""`nox -s scan`: sslyze and testssl.sh scan a server of M2Crypto with default settings.

What they found of its configuration is written to tests/data/scan_sslyze.json and
scan_testssl.json, which tests/test_ssl_scans.py compares with the present defaults.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from ci import console, environments, interpreters, manifest
from ci.errors import UserError
from ci.peers import implementations, main
from ci.project import Project

SERVER = Path(__file__).with_name("scanned.py")
SECONDS = 900
# It needs an older `cryptography` than the benchmarks, so the constraints cannot hold it.
SSLYZE = "sslyze==6.3.1"
MOZILLA = "intermediate"
# testssl.sh's findings about the certificate: that of the tests.
CERTIFICATE = re.compile(r"(cert|certs|DNS|certificate|OCSP)_.*|cert <.*|DROWN_hint")
# Its findings about the page and the run, and the ciphers one by one.
OTHERS = re.compile(
    r"service|HTTP_.*|HSTS.*|HPKP|banner_.*|cookie_.*|X-.*|Content-.*|scanTime|cipher_x.*"
)
HARMLESS = ("OK", "INFO")


def scan(arguments: Sequence[str], project: Project) -> None:
    """Scan the server, and write what was found.

    Raises:
        UserError: there are arguments, a scanner is missing or failed, or it found a weakness.
    """
    if arguments:
        raise UserError(f"scan: takes no arguments, not {' '.join(arguments)}")
    testssl = shutil.which("testssl") or shutil.which("testssl.sh")
    if testssl is None:
        raise UserError("scan: testssl.sh not found; install testssl.sh")
    known = manifest.load(project.manifest)
    build = known.quick[0]
    site = main.sites(project, known, [build.name])[build.name]
    interpreter = interpreters.describe(Path(sys.executable))
    if interpreter is None:
        raise UserError(f"{sys.executable}: not an interpreter that the manifest knows")
    about = {"openssl": build.release.version, "day": date.today().isoformat()}
    tests = project.root / "tests"
    with tempfile.TemporaryDirectory(prefix="m2crypto-") as name:
        directory = Path(name)
        console.log(f"scan: installing {SSLYZE}")
        log = directory / "log.txt"
        python = environments.create(directory / "sslyze", interpreter, [SSLYZE], log)
        with _serving(site, tests / "data" / "certificates") as port:
            found = {
                "sslyze": _sslyze(python, port, directory),
                "testssl": _testssl(testssl, port, directory),
            }
    for name, document in found.items():
        file = tests / "data" / f"scan_{name}.json"
        text = json.dumps({**about, **document}, indent=1)
        file.write_text(text + "\n", encoding="utf-8")
        console.log(f"scan: {file.relative_to(project.root)}")
    weak = weaknesses(found["sslyze"], found["testssl"])
    if weak:
        raise UserError(f"scan: {'; '.join(weak)}")


@contextmanager
def _serving(site: Path, certificates: Path) -> Iterator[int]:
    """Run the server, and return its port."""
    with subprocess.Popen(
        [implementations.this_python(), "-P", SERVER, certificates],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(site)},
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line.strip():
                raise UserError("scan: the server did not start, see above")
            yield int(line)
        finally:
            process.terminate()


def _run(command: Sequence[str | Path], directory: Path) -> str:
    """Return the output of a scanner, whose exit code counts its findings."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=SECONDS,
            cwd=directory,
            check=False,
        ).stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        raise UserError(f"scan: {command[0]} did not end within {SECONDS} s") from None


def _document(file: Path, output: str) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        last = "".join(output.strip().splitlines()[-1:])
        raise UserError(f"scan: no {file.name} was written: {error}: {last}") from None


def _sslyze(python: Path, port: int, directory: Path) -> dict[str, Any]:
    file = directory / "sslyze.json"
    address = f"127.0.0.1:{port}"
    options = [f"--json_out={file}", f"--mozilla_config={MOZILLA}"]
    output = _run([python, "-W", "ignore", "-m", "sslyze", *options, address], directory)
    return of_sslyze(_document(file, output), output)


def _testssl(program: str, port: int, directory: Path) -> dict[str, Any]:
    file = directory / "testssl.json"
    options: list[str | Path] = ["--color", "0", "--warnings", "off", "--nodns", "none"]
    output = _run([program, *options, "--jsonfile", file, f"127.0.0.1:{port}"], directory)
    return of_testssl(_document(file, output), output)


def of_sslyze(document: Mapping[str, Any], output: str) -> dict[str, Any]:
    """Return what sslyze says of the configuration.

    Args:
        document: its JSON.
        output: what it prints, which alone has the comparison with Mozilla's configuration.

    Raises:
        UserError: the server was not scanned, or not compared.
    """
    (server,) = document["server_scan_results"]
    results = server["scan_result"]
    if results is None or "COMPLIANCE AGAINST TLS CONFIGURATION" not in output:
        raise UserError(f"scan: sslyze did not scan the server: {server['connectivity_status']}")
    suites = {
        name: [each["cipher_suite"]["openssl_name"] for each in one["accepted_cipher_suites"]]
        for name, one in _completed(results).items()
        if name.endswith("_cipher_suites")
    }
    curves = results["elliptic_curves"]["result"]
    compared = output.partition("COMPLIANCE AGAINST TLS CONFIGURATION")[2]
    return {
        "scanner": f"sslyze {document['sslyze_version']}",
        "suites": {_protocol(name): sorted(accepted) for name, accepted in suites.items()},
        "curves": {
            "accepted": sorted(each["name"] for each in curves["supported_curves"]),
            "rejected": sorted(each["name"] for each in curves["rejected_curves"]),
        },
        "attacks": {
            name: one
            for name, one in _completed(results).items()
            if name not in suites and name not in ("certificate_info", "elliptic_curves")
        },
        "mozilla": {
            "configuration": MOZILLA,
            "deviations": dict(re.findall(r"^\s+\* (\w+): (.+)$", compared, re.MULTILINE)),
        },
    }


def _completed(results: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each["result"] for name, each in results.items() if each["result"] is not None}


def _protocol(name: str) -> str:
    """Return such as `TLSv1.2` for `tls_1_2_cipher_suites`."""
    kind, major, minor = name.split("_")[:3]
    return f"{kind.upper()}v{major}" + (f".{minor}" if kind == "tls" else "")


def of_testssl(findings: Sequence[Mapping[str, str]], output: str) -> dict[str, Any]:
    """Return what testssl.sh says of the configuration, and all that is worse than INFO.

    Raises:
        UserError: the scan did not come to its end.
    """
    version = re.search(r"testssl(?:\.sh)?\s+(\d[\w.]*)", output)
    if version is None or not any(each["id"] == "scanTime" for each in findings):
        raise UserError("scan: testssl.sh did not scan the server to the end")
    by_severity: dict[str, dict[str, str]] = {}
    for each in findings:
        name, severity = each["id"], each["severity"]
        is_about_it = not CERTIFICATE.fullmatch(name) and not OTHERS.fullmatch(name)
        if is_about_it or severity not in HARMLESS:
            # Tables have columns.
            text = " ".join(each["finding"].split())
            by_severity.setdefault(severity, {})[name] = text
    return {"scanner": f"testssl.sh {version[1]}", "findings": by_severity}


def weaknesses(sslyze: Mapping[str, Any], testssl: Mapping[str, Any]) -> list[str]:
    """Return a line for each finding that is not about the tests' certificate."""
    about = ("certificate_path_validation", "maximum_certificate_lifespan")
    deviations = sslyze["mozilla"]["deviations"].items()
    lines = [f"sslyze: {name}: {text}" for name, text in deviations if name not in about]
    for severity, findings in testssl["findings"].items():
        if severity not in HARMLESS:
            lines += [
                f"testssl.sh: {severity}: {name}: {text}"
                for name, text in findings.items()
                if not CERTIFICATE.fullmatch(name)
            ]
    return lines
