"""Arguments of the package's functions: the handle of an object, text and indices.

An argument of another type raises TypeError here, and not AttributeError in the middle of a call.
"""

from __future__ import annotations

import operator

from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Protocol, SupportsIndex, TypeVar

    _Handle = TypeVar("_Handle", covariant=True)
    _Object = TypeVar("_Object")

    class Owner(Protocol[_Handle]):
        """An object of the package that holds a handle."""

        def _ptr(self) -> _Handle: ...


def handle_of(owner: Owner[_Handle]) -> _Handle:
    """Return the handle of an argument. The function of `m2` checks its type.

    Raises:
        TypeError: the argument has none.
    """
    try:
        get = owner._ptr
    except AttributeError:
        raise TypeError(
            f"expected an object of M2Crypto, such as a BIO, key or certificate, not {_type(owner)}"
        ) from None
    return get()


def check_type(value: object, kind: type[_Object]) -> _Object:
    """Return an argument whose type is `kind`.

    Raises:
        TypeError: it has another type.
    """
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, not {_type(value)}")
    return value


def text(value: object) -> str:
    """Return an argument that is text; see `check_type`."""
    return check_type(value, str)


def index(value: SupportsIndex) -> int:
    """Return an argument that is an index.

    Raises:
        TypeError: it is no integer.
    """
    return operator.index(value)


def _type(value: Any) -> str:
    return "None" if value is None else type(value).__name__
