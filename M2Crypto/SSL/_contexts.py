"""The existing contexts by their handles, which verify callbacks of the older style receive."""

from __future__ import annotations

import weakref

from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from M2Crypto import _m2crypto
    from M2Crypto.SSL.Context import Context


class _ctxmap:
    """A mapping of handles to contexts that does not keep the contexts alive."""

    def __init__(self) -> None:
        self.map: weakref.WeakValueDictionary[Any, Context] = weakref.WeakValueDictionary()

    def __getitem__(self, key: _m2crypto.SSL_CTX) -> Context:
        return self.map[key]

    def __setitem__(self, key: _m2crypto.SSL_CTX, value: Context) -> None:
        self.map[key] = value

    def __delitem__(self, key: _m2crypto.SSL_CTX) -> None:
        del self.map[key]


_contexts = _ctxmap()


def ctxmap() -> _ctxmap:
    """Return the mapping of all contexts of this process."""
    return _contexts
