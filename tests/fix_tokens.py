"""A token of SoftHSM, and the provider and engine for PKCS #11, where they are installed.

Tests with a token run in this process, and the provider is unloaded after their module. An engine
stays loaded, so tests with the pkcs11 engine run in a child process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOTS = ("/usr/lib/*", "/usr/lib64", "/usr/lib", "/usr/local/lib", "/opt/homebrew/lib")
PIN = "1234"


class Token(NamedTuple):
    """An initialized token: its label, and the path of its PKCS #11 module."""

    label: str
    module: str

    def uri(self, name: str, number: int, **more: str) -> str:
        """Return the PKCS #11 URI (RFC 7512) of an object by its label and id."""
        attributes = {"token": self.label, "object": name, "id": f"%{number:02x}", **more}
        return "pkcs11:" + ";".join(f"{key}={value}" for key, value in attributes.items())


def installed(*names: str) -> str | None:
    """Return the path of the first library that is installed below ROOTS."""
    for name in names:
        for root in ROOTS:
            found = sorted(Path("/").glob(f"{root[1:]}/{name}"))
            if found:
                return str(found[-1])
    return None


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    """Return an empty token of SoftHSM, which processes find by SOFTHSM2_CONF."""
    module = installed("softhsm/libsofthsm2.so", "libsofthsm2.so")
    program = shutil.which("softhsm2-util")
    if "ASAN_OPTIONS" in os.environ:
        # pkcs11-provider loads a module with RTLD_DEEPBIND, at which AddressSanitizer exits.
        pytest.skip("needs a process without AddressSanitizer")
    if module is None or program is None:
        pytest.skip("needs SoftHSM")
    directory = tmp_path_factory.mktemp("tokens")
    configuration = directory / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {directory}\nobjectstore.backend = file\n")
    label = "m2crypto-test"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(configuration))
        subprocess.run(
            [program, "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", PIN],
            check=True,
            stdout=subprocess.DEVNULL,
            # The preloaded libraries of a sanitizer.
            env={name: value for name, value in os.environ.items() if name != "LD_PRELOAD"},
        )
        yield Token(label, module)


def provider_settings(token: Token) -> dict[str, Any]:
    """Return the arguments of Provider("pkcs11", ...) for a token."""
    path = installed("ossl-modules/pkcs11.so", "ossl-modules/pkcs11.dylib")
    if path is None:
        pytest.skip("needs pkcs11-provider")
    # SoftHSM releases its memory at exit before OpenSSL does, and a provider that is not
    # initialized has no algorithms for key generation.
    parameters = {
        "pkcs11-module-path": token.module,
        "pkcs11-module-quirks": "no-deinit",
        "pkcs11-module-load-behavior": "early",
    }
    return {"path": path, "parameters": parameters}


@pytest.fixture(scope="module")
def pkcs11(token: Token) -> Iterator[Any]:
    """Return the provider pkcs11 with the token; it is unloaded after the module."""
    from M2Crypto import Provider, m2

    if m2.openssl_version_num() < 0x30000000:
        pytest.skip("needs OpenSSL >= 3.0")
    provider = Provider.Provider("pkcs11", **provider_settings(token))
    yield provider
    provider.unload()


@pytest.fixture(scope="session")
def pkcs11_engine() -> str:
    """Return the path of the engine pkcs11 of libp11."""
    path = installed("engines-*/pkcs11.so", "engines-*/pkcs11.dylib")
    if path is None:
        pytest.skip("needs the pkcs11 engine")
    return path
