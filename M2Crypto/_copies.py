"""Base classes for what `copy` and `pickle` do with an object that holds a handle.

Without one, `copy.copy` would return a second object that shares the handle, and so the state.
"""

from __future__ import annotations

from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NoReturn, TypeVar

    _Object = TypeVar("_Object")


class Unique:
    """An object that can be neither copied nor pickled: OpenSSL cannot copy its state."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse a copy and a pickle.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"cannot copy or pickle a {type(self).__name__}")


class Constant:
    """An object that does not change, and so is its own copy. It cannot be pickled."""

    def __copy__(self: _Object) -> _Object:
        return self

    def __deepcopy__(self: _Object, memo: object) -> _Object:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse a pickle.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"cannot pickle a {type(self).__name__}")
