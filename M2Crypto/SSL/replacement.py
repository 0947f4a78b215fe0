"""A replacement for the TLS of the standard library in code that cannot be changed.

`install` makes `ssl.SSLContext`, and with it `ssl.create_default_context` and all that calls it,
create contexts over M2Crypto. Import it first and give it a function that returns the `Context`
of each of them; then the clients and servers of `http.client`, `urllib`, `smtplib`, `imaplib`,
`poplib`, `ftplib`, `xmlrpc`, requests, urllib3 and httpx use it::

    from M2Crypto import SSL
    from M2Crypto.SSL import replacement

    def context():
        made = SSL.Context()
        made.set_revocation(Revocation())
        return made

    replacement.install(context)
    import requests

What that code sets on its context applies to the `Context`: trust anchors, certificate, versions,
ciphers, whether the peer is verified. A check of the `Context`'s own (`post_connection_check`) and
its revocation check stay in effect whatever that code sets. Contexts that were created before are
not changed, except those that urllib's `urlopen` and requests create for themselves and keep: they
are replaced by `install` and restored by `uninstall`.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from typing import TYPE_CHECKING, Any, Callable

from M2Crypto.SSL import _kept
from M2Crypto.SSL.Context import Context
from M2Crypto.SSL.stdlib import SSLContext, _Original

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["install", "installed", "is_installed", "uninstall"]

_new = _Original.__new__
_factory: Callable[[], Context] | None = None
# The classes of others that derive from ssl.SSLContext, with ours between.
_derived: dict[type, type] = {}
# Where `install` replaced a context.
_replaced: list[_kept.Place] = []
# A factory may create contexts of ssl's classes.
_lock = threading.RLock()


def install(factory: Callable[[], Context] = Context) -> None:
    """Replace the TLS of contexts that are created from now on, and of those that modules keep.

    Args:
        factory: returns a new `Context` for each of them.

    Raises:
        TypeError: the factory cannot be called.
        RuntimeError: a replacement is installed already.
    """
    global _factory
    if not callable(factory):
        raise TypeError(f"the factory of contexts is a function, not {type(factory).__name__}")
    with _lock:
        if _factory is not None:
            raise RuntimeError("the replacement for ssl is installed already")
        places = [place for place in _kept.places() if place.is_of_module()]
        _factory = factory
        _Original.__new__ = _create  # type: ignore[method-assign]
        _replaced[:] = places
        try:
            for place in places:
                place.renew()
        except BaseException:
            uninstall()
            raise
        _kept.drop_connections()


def uninstall() -> None:
    """Restore the module ssl, and the contexts that modules keep. Others remain as they are."""
    global _factory
    with _lock:
        if _factory is None:
            return
        _Original.__new__ = _new  # type: ignore[method-assign]
        _factory = None
        while _replaced:
            _replaced.pop().restore()
        for place in _kept.places():
            if isinstance(place.context, _Replaced) and place.context.is_kept:
                place.renew()
        _kept.drop_connections()


def is_installed() -> bool:
    """Return whether a replacement is installed."""
    return _factory is not None


@contextlib.contextmanager
def installed(factory: Callable[[], Context] = Context) -> Iterator[None]:
    """Install the replacement, and uninstall it at the end of the block."""
    install(factory)
    try:
        yield
    finally:
        uninstall()


def _create(cls: type, protocol: Any = None, *arguments: Any, **options: Any) -> Any:
    """Create a context of a class of ssl; what replaces `ssl.SSLContext.__new__`."""
    factory = _factory
    if factory is None or issubclass(cls, SSLContext):
        return _new(cls, protocol, *arguments, **options)
    made: Any = SSLContext.__new__(_class_over(cls), protocol)
    SSLContext.__init__(made, ssl.PROTOCOL_TLS if protocol is None else protocol, factory())
    made.is_kept = _kept.is_creating()
    return made


def _class_over(cls: type) -> Any:
    """Return the class for contexts of `ssl.SSLContext` or of a class that derives from it."""
    if cls is _Original:
        return _Replaced
    with _lock:
        if cls not in _derived:
            _derived[cls] = type(cls.__name__, (cls, _Replaced), {"__module__": cls.__module__})
        return _derived[cls]


class _Replaced(SSLContext):
    """A context that code made as `ssl.SSLContext`; `_create` has initialized it.

    `is_kept` is whether the module that created it keeps it.
    """

    is_kept = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Do nothing, as object.__init__ of an `ssl.SSLContext`."""
