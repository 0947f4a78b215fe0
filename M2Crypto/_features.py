"""Substitutes for `m2` in a module whose algorithm this OpenSSL was built without."""

from __future__ import annotations

from M2Crypto import m2
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, NoReturn


class Without:
    """A substitute for `m2`, whose every attribute raises an exception that names the algorithm."""

    def __init__(self, algorithm: str, error: type[Exception]) -> None:
        self.__algorithm, self.__error = algorithm, error

    def __getattr__(self, name: str) -> NoReturn:
        raise self.__error(
            f"{name}: this OpenSSL was built without {self.__algorithm} ({m2.OPENSSL_VERSION_TEXT})"
        )


def m2_with(algorithm: str, error: type[Exception]) -> Any:
    """Return `m2`, or a substitute that raises `error` if OpenSSL was built without `algorithm`."""
    return Without(algorithm, error) if getattr(m2, f"OPENSSL_NO_{algorithm}") else m2
