"""The openssl.cnf of a foreign computer: M2Crypto works, or one line names the file."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from fix_children import forker, unmeasured

from M2Crypto import _build_info, _configuration, m2

STATIC = _build_info.LINK == "static"
STRICT = "config_diagnostics = 1\n"
TAG = "openssl_conf = init\n[init]\n"
PROVIDERS = "providers = all\n[all]\n"
TLS = "ssl_conf = tls\n[tls]\nsystem_default = defaults\n[defaults]\n"

# Errors that prevent the loading. Before OpenSSL 3.0, `providers` is an unknown module.
BROKEN = {
    "missing provider": f"{TAG}{PROVIDERS}gone = gone\n[gone]\nactivate = 1\n",
    "damaged provider": (f"{TAG}{PROVIDERS}odd = odd\n[odd]\nmodule = {{module}}\nactivate = 1\n"),
    "unknown module": f"{TAG}random_things = things\n[things]\n",
    "missing section": "openssl_conf = init\n",
    "unknown option": f"{TAG}alg_section = all\n[all]\nrh-allow-sha1-signatures = yes\n",
    "syntax error": "openssl_conf = init\n[init\n",
}
if m2.openssl_version_num() < 0x30000000:
    # 1.1.1 queues this error and returns success.
    del BROKEN["unknown option"]
WITHOUT_PROVIDER = ("missing provider", "damaged provider")
# What is loaded, and then changes TLS.
HARSH = {
    "unknown command": f"{TAG}{TLS}NoSuchCommand = yes\n",
    "unknown group": f"{TAG}{TLS}Groups = P-128\n",
    "security level 5": f"{TAG}{TLS}CipherString = DEFAULT@SECLEVEL=5\n",
    "old protocols": f"{TAG}{TLS}MaxProtocol = TLSv1.1\n",
}
FIPS = f"{TAG}alg_section = all\n[all]\ndefault_properties = fips=yes\n"
FINE = f"{TAG}{TLS}MinProtocol = TLSv1.2\n"

# Import M2Crypto and complete a handshake over a socket pair.
HANDSHAKE = """
import os, socket, sys
variables = eval(sys.argv[1])
for name in ("OPENSSL_CONF", "M2CRYPTO_OPENSSL_CONF"):
    os.environ.pop(name, None)
os.environ.update(variables)
from M2Crypto import SSL, m2
print("imported")
client, server = SSL.Context(), SSL.Context()
server.load_cert(sys.argv[2] + "/server.pem")
client.load_verify_locations(sys.argv[2] + "/ca.pem")
ends = socket.socketpair()
pair = [SSL.Connection(c, end) for c, end in zip((client, server), ends)]
for each in pair:
    each.setblocking(False)
    each.set_post_connection_check_callback(None)
done = set()
for _ in range(20):
    if pair[0].connect_ssl() == 1:
        done.add(0)
    if pair[1].accept_ssl() == 1:
        done.add(1)
assert done == {0, 1}
assert m2.err_peek_error() == 0
for each in (*pair, *ends):
    each.close()
print("shook hands")
"""


@pytest.fixture(scope="module")
def shake_hands(
    certificates: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Return a function that runs HANDSHAKE with environment variables, after a command."""
    directory = str(Path(certificates("ca.pem")).parent)
    # The sockets are left open after a failed handshake.
    options = ["-W", "default", "-W", "ignore::ResourceWarning"]

    def run(variables: Mapping[str, str], *prefix: str) -> subprocess.CompletedProcess[str]:
        arguments = (HANDSHAKE, repr(variables), directory)
        if not prefix and children:
            return children.run(*arguments)
        command = [*prefix, sys.executable, *options, "-c", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=unmeasured(), timeout=60)

    with contextlib.ExitStack() as stack:
        children = None
        if hasattr(os, "fork"):
            children = stack.enter_context(forker(tmp_path_factory.mktemp("children"), *options))
        yield run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    """Return a function that writes a configuration file and returns its path."""
    module = tmp_path / "odd.so"
    module.write_text("no module")

    def configuration(text: str) -> str:
        path = tmp_path / "foreign.cnf"
        path.write_text(text.format(module=module))
        return str(path)

    return configuration


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.rstrip().rpartition("\n")[2]


def warnings_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if "Warning: " in line]


def works(done: subprocess.CompletedProcess[str]) -> bool:
    return (done.returncode, done.stdout) == (0, "imported\nshook hands\n")


# ---- M2CRYPTO_OPENSSL_CONF -----------------------------------------------------------------------


@pytest.mark.parametrize("case", BROKEN)
def test_the_import_names_the_file_of_m2crypto_that_has_an_error(shake_hands, write, case):
    path = write(BROKEN[case])
    done = shake_hands({"M2CRYPTO_OPENSSL_CONF": path})
    assert (done.returncode, done.stdout) == (1, "")
    assert last_line(done).startswith(f"ImportError: M2CRYPTO_OPENSSL_CONF={path}: ")


@pytest.mark.parametrize("name", ["M2CRYPTO_OPENSSL_CONF", "OPENSSL_CONF"])
def test_a_file_without_errors_is_in_effect(python, write, name):
    code = (
        "import os, sys; os.environ.pop('M2CRYPTO_OPENSSL_CONF', None);"
        "os.environ[sys.argv[1]] = sys.argv[2]; from M2Crypto import SSL, m2;"
        "print(m2.ssl_ctx_get_security_level(SSL.Context().ctx))"
    )
    done = python("-c", code, name, write(HARSH["security level 5"]))
    assert (done.stdout, done.stderr) == ("5\n", "")


def test_the_file_of_m2crypto_replaces_that_of_openssl(shake_hands, write, tmp_path):
    fine = tmp_path / "fine.cnf"
    fine.write_text(FINE)
    hostile = write(STRICT + BROKEN["unknown module"])
    for own in (str(fine), os.devnull, ""):
        done = shake_hands({"OPENSSL_CONF": hostile, "M2CRYPTO_OPENSSL_CONF": own})
        assert works(done), done.stderr
        assert warnings_of(done) == []


@pytest.mark.openssl(">= 3.0")
def test_fips_without_its_provider_refuses_the_import(shake_hands, write):
    path = write(FIPS)
    done = shake_hands({"M2CRYPTO_OPENSSL_CONF": path})
    assert last_line(done).startswith(f"ImportError: M2CRYPTO_OPENSSL_CONF={path}: no provider")


@pytest.mark.openssl(">= 3.0")
def test_an_error_in_an_included_file_names_the_file_of_the_variable(shake_hands, write, tmp_path):
    (tmp_path / "included").mkdir()
    (tmp_path / "included" / "part.cnf").write_text("[nothing\n")
    path = write(".include part.cnf\n")
    directory = str(tmp_path / "included")
    done = shake_hands({"M2CRYPTO_OPENSSL_CONF": path, "OPENSSL_CONF_INCLUDE": directory})
    assert last_line(done).startswith(f"ImportError: M2CRYPTO_OPENSSL_CONF={path}: ")


# ---- OPENSSL_CONF --------------------------------------------------------------------------------


@pytest.mark.parametrize("case", BROKEN)
def test_an_error_in_openssls_file_is_a_warning_as_openssl_ignores_it(shake_hands, write, case):
    path = write(BROKEN[case])
    done = shake_hands({"OPENSSL_CONF": path})
    if not works(done):
        # OpenSSL 3 without a provider is of no use.
        assert case in WITHOUT_PROVIDER
        assert f"OPENSSL_CONF={path}" in last_line(done)
    elif STATIC:
        (line,) = warnings_of(done)
        assert f" RuntimeWarning: OPENSSL_CONF={path}: OpenSSL cannot load it: " in line


@pytest.mark.parametrize(
    "case", sorted({"unknown module", "missing section", "unknown option"} & {*BROKEN})
)
def test_config_diagnostics_makes_errors_fatal(shake_hands, write, case):
    path = write(STRICT + BROKEN[case])
    done = shake_hands({"OPENSSL_CONF": path})
    if STATIC:
        assert last_line(done).startswith(f"ImportError: OPENSSL_CONF={path}: ")
    else:
        assert works(done) or f"OPENSSL_CONF={path}" in last_line(done)


@pytest.mark.parametrize(
    ("case", "strict"),
    [*((case, "") for case in HARSH), ("unknown command", STRICT), ("unknown group", STRICT)],
)
def test_a_handshake_works_or_names_the_file_that_prevents_it(shake_hands, write, case, strict):
    path = write(strict + HARSH[case])
    done = shake_hands({"OPENSSL_CONF": path})
    assert done.stdout.startswith("imported\n")
    if not works(done):
        assert "SSLError: " in last_line(done)
        assert f"; see OPENSSL_CONF={path}, which configures OpenSSL" in last_line(done)
    assert case != "security level 5" or not works(done)
    assert case != "unknown command" or strict or works(done)


def test_a_file_that_is_not_there_is_a_warning(shake_hands, tmp_path):
    done = shake_hands({"OPENSSL_CONF": str(tmp_path / "missing.cnf")})
    assert works(done), done.stderr
    assert len(warnings_of(done)) == STATIC
    # OpenSSL reads a directory as an empty file.
    done = shake_hands({"OPENSSL_CONF": str(tmp_path)})
    assert works(done), done.stderr


@pytest.mark.openssl(">= 3.0")
def test_modules_of_another_openssl_do_no_harm(shake_hands, write, tmp_path):
    beside = "default = own\n{name} = other\n[own]\nactivate = 1\n[other]\nactivate = 1\n"
    (tmp_path / "legacy.so").write_text("no module")
    directories = [str(tmp_path)]
    if openssl := shutil.which("openssl"):
        # OpenSSL before 3.0 has none.
        output = subprocess.run([openssl, "version", "-m"], capture_output=True, text=True).stdout
        directories += output.partition('"')[2].rpartition('"')[:1]
    for directory in directories:
        for name in ("legacy", "odd"):
            path = write(TAG + PROVIDERS + beside.replace("{name}", name))
            done = shake_hands({"OPENSSL_CONF": path, "OPENSSL_MODULES": directory})
            assert works(done), (directory, name, done.stderr)


# ---- the default file ----------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["missing provider", "syntax error", "unknown module"])
def test_the_systems_file_is_not_read_by_a_static_build(shake_hands, write, case):
    default = default_file()
    path = write(STRICT + BROKEN[case])
    mounted = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    script = 'mount --bind "$0" "$1" && shift && exec "$@"'
    try:
        subprocess.run(
            [*mounted, script, path, default, "true"], check=True, capture_output=True, timeout=60
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"this system cannot mount over {default}")
    done = shake_hands({}, *mounted, script, path, default)
    assert works(done) or (not STATIC and default in last_line(done)), done.stderr
    assert warnings_of(done) == []


def default_file() -> str:
    """Return openssl.cnf in the OPENSSLDIR of this build."""
    directory = m2.openssl_version(4).partition('"')[2].rstrip('"')
    return str(Path(directory) / "openssl.cnf")


# ---- what errors and reports name ----------------------------------------------------------------


def test_the_file_in_effect_is_that_of_the_first_variable(monkeypatch):
    monkeypatch.setenv("OPENSSL_CONF", "/some/openssl.cnf")
    monkeypatch.delenv("M2CRYPTO_OPENSSL_CONF", raising=False)
    assert _configuration.source() == "OPENSSL_CONF=/some/openssl.cnf"
    assert _configuration.hint() == (
        "; see OPENSSL_CONF=/some/openssl.cnf, which configures OpenSSL"
    )
    monkeypatch.setenv("M2CRYPTO_OPENSSL_CONF", "/some/own.cnf")
    assert _configuration.source() == "M2CRYPTO_OPENSSL_CONF=/some/own.cnf"
    for nothing in ("", os.devnull):
        monkeypatch.setenv("M2CRYPTO_OPENSSL_CONF", nothing)
        assert (_configuration.source(), _configuration.hint()) == ("", "")


def test_without_a_variable_only_a_shared_build_has_a_file(monkeypatch):
    monkeypatch.delenv("OPENSSL_CONF", raising=False)
    monkeypatch.delenv("M2CRYPTO_OPENSSL_CONF", raising=False)
    expected = "" if STATIC or not Path(default_file()).is_file() else default_file()
    assert _configuration.source() == expected
