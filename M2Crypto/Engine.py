"""Engines: loadable implementations of cryptography, such as those of smart cards (engine(3)).

OpenSSL 3.0 deprecates engines in favour of providers (`M2Crypto.Provider`), and 4.0 has none.
`Engine.is_available` returns whether this OpenSSL has them; with one that has none the module can
be imported, and its functions raise `EngineError`.

A dynamic engine, a file, is linked to a libcrypto and creates its structures. It can be loaded if
that libcrypto is M2Crypto's or has the same version; another one is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from M2Crypto import EVP, X509, m2
from M2Crypto._copies import Unique
from M2Crypto._errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from M2Crypto._m2crypto import m2_engine

__all__ = [
    "Engine",
    "EngineError",
    "cleanup",
    "load_dynamic",
    "load_dynamic_engine",
    "load_openssl",
]


class _WithoutEngines:
    """A substitute for `m2` without engines, whose every attribute raises EngineError."""

    def __getattr__(self, name: str) -> NoReturn:
        raise EngineError(
            f"{name}: this OpenSSL was built without engines ({m2.OPENSSL_VERSION_TEXT})"
        )


engine_m2: Any = _WithoutEngines() if m2.OPENSSL_NO_ENGINE else m2


class Engine(Unique):
    """An engine, by its id. As a context manager it is initialized by `init` and `finish`.

    `_pyfree` is ignored.
    """

    def __init__(
        self, id: str | None = None, _ptr: m2_engine | None = None, _pyfree: int = 1
    ) -> None:
        """Find the engine `id`, or take the handle `_ptr` (ENGINE_by_id(3)).

        An engine that is not registered is loaded from the file of that name in OPENSSL_ENGINES, or
        else ENGINESDIR.

        Raises:
            ValueError: neither an id nor a handle is given.
            EngineError: there is no such engine, or its libcrypto has another version.
        """
        if _ptr is None:
            if id is None:
                raise ValueError("an engine needs an id or a handle")
            _ptr = engine_m2.engine_by_id(id)
        self._ptr: m2_engine = _ptr
        self._initialized = 0

    @classmethod
    def is_available(cls) -> bool:
        """Return whether this OpenSSL has engines."""
        return not m2.OPENSSL_NO_ENGINE

    def __repr__(self) -> str:
        return f"<Engine {self.get_id()}>"

    def __enter__(self) -> Engine:
        self.init()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.finish()

    def init(self) -> int:
        """Initialize the engine, as the functions that load objects require, and return 1.

        Each call needs one of `finish` (ENGINE_init(3)).

        Raises:
            EngineError: the engine cannot be used, for example because its module is missing.
        """
        status: int = engine_m2.engine_init(self._ptr)
        self._initialized += 1
        return status

    def finish(self) -> int:
        """End the use that `init` started, and return 1.

        An engine that has loaded a key stays initialized until the process ends, so that the key
        remains valid.

        Raises:
            EngineError: the engine is not initialized.
        """
        status: int = engine_m2.engine_finish(self._ptr)
        self._initialized -= 1
        return status

    def is_initialized(self) -> bool:
        """Return whether `init` was called more often than `finish`."""
        return self._initialized > 0

    def ctrl_cmd_string(self, cmd: str, arg: str | None, optional: int = 0) -> int:
        """Run the control command `cmd` of the engine and return 1 (ENGINE_ctrl_cmd_string(3)).

        Args:
            cmd: the name of the command, such as MODULE_PATH or PIN.
            arg: its argument; None for a command without one.
            optional: if true, a command that the engine does not have is no error.

        Raises:
            EngineError: the command is unknown or failed.
        """
        status: int = engine_m2.engine_ctrl_cmd_string(self._ptr, cmd, arg, optional)
        return status

    def get_name(self) -> str:
        """Return the engine's name, a description."""
        name: str = engine_m2.engine_get_name(self._ptr)
        return name

    def get_id(self) -> str:
        """Return the engine's id."""
        id_: str = engine_m2.engine_get_id(self._ptr)
        return id_

    def set_default(self, methods: int = -1) -> int:
        """Make the engine the default implementation, in the whole process, and return 1.

        Args:
            methods: what of, `m2.ENGINE_METHOD_` flags; -1 is everything (ENGINE_set_default(3)).

        Raises:
            EngineError: the engine cannot be used.
        """
        status: int = engine_m2.engine_set_default(self._ptr, methods)
        return status

    def load_private_key(self, name: str, pin: str | bytes | None = None) -> EVP.PKey:
        """Load the private key that the engine calls `name`, such as a PKCS #11 URI (RFC 7512).

        Args:
            name: the key's name.
            pin: the PIN if the engine asks for one.

        Raises:
            EngineError: the engine is not initialized, it has no such key, or the PIN is wrong.
        """
        return EVP.PKey(engine_m2.engine_load_private_key(self._ptr, name, _callback(pin)), 1)

    def load_public_key(self, name: str, pin: str | bytes | None = None) -> EVP.PKey:
        """Load the public key that the engine calls `name`; see `load_private_key`."""
        return EVP.PKey(engine_m2.engine_load_public_key(self._ptr, name, _callback(pin)), 1)

    def load_certificate(self, name: str) -> X509.X509:
        """Load the certificate that the engine calls `name`, by its command LOAD_CERT_CTRL.

        Raises:
            EngineError: the engine is not initialized, has no such command or no such certificate.
        """
        return X509.X509(engine_m2.engine_load_certificate(self._ptr, name), 1)


def _callback(pin: str | bytes | None) -> Callable[..., str | bytes] | None:
    return None if pin is None else lambda *_: pin


def load_dynamic_engine(id: str, sopath: str) -> Engine:
    """Load the engine in the file `sopath` and register it under `id` (ENGINE_load_dynamic(3)).

    Raises:
        EngineError: the file is no engine, or its libcrypto has another version.
    """
    load_dynamic()
    engine = Engine("dynamic")
    engine.ctrl_cmd_string("SO_PATH", sopath)
    engine.ctrl_cmd_string("ID", id)
    engine.ctrl_cmd_string("LIST_ADD", "1")
    engine.ctrl_cmd_string("LOAD", None)
    return engine


def load_dynamic() -> None:
    """Register the engine `dynamic`, which loads other engines."""
    engine_m2.engine_load_dynamic()


def load_openssl() -> None:
    """Register the engine `openssl`, OpenSSL's own implementations."""
    engine_m2.engine_load_openssl()


def cleanup() -> None:
    """Do nothing: OpenSSL releases its engines at exit (ENGINE_cleanup(3))."""
    engine_m2.engine_cleanup()
