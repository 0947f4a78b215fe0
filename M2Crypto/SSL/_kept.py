"""The contexts and connections that modules create for themselves and keep between calls.

- `urllib.request`: the opener of `urlopen`, whose `HTTPSHandler` has a context (Python >= 3.12).
- requests 2.32.0 to 2.32.4: a context with the default trust anchors.
- urllib3: the connections of `urllib3.request`.

`replacement` renews them when it is installed and uninstalled. A context that the program gave to
an opener stays.
"""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTINGS = (
    "verify_mode",
    "verify_flags",
    "options",
    "minimum_version",
    "maximum_version",
    "post_handshake_auth",
    "hostname_checks_common_name",
    "keylog_filename",
)


class Place:
    """An attribute of an object of a module, which holds a context."""

    def __init__(self, owner: Any, name: str, create: Callable[[], Any]) -> None:
        """Hold the context that the attribute has now; `create` returns a new one."""
        self.owner, self.name, self.create = owner, name, create
        self.context: Any = getattr(owner, name)
        self.new: Any = None

    def renew(self) -> None:
        """Set a new context."""
        self.new = self.create()
        if self.new.check_hostname != self.context.check_hostname:
            self.new.check_hostname = self.context.check_hostname
        setattr(self.owner, self.name, self.new)

    def restore(self) -> None:
        """Set the former context unless the program has set another one since."""
        if self.new is not None and getattr(self.owner, self.name) is self.new:
            setattr(self.owner, self.name, self.context)

    def is_of_module(self) -> bool:
        """Return whether the context is one of ssl's with the settings that the module sets.

        Neither a certificate nor ALPN protocols can be read, so only they can differ.
        """
        if type(self.context) is not ssl.SSLContext:
            return False
        fresh = self.create()
        return (
            fresh is not None
            and all(getattr(self.context, name) == getattr(fresh, name) for name in _SETTINGS)
            and self.context.get_ciphers() == fresh.get_ciphers()
            and self._has_anchors_of(fresh)
        )

    def _has_anchors_of(self, fresh: ssl.SSLContext) -> bool:
        anchors = set(self.context.get_ca_certs(binary_form=True))
        anchors -= set(fresh.get_ca_certs(binary_form=True))
        # OpenSSL loads those of a directory when a certificate chain needs them.
        return not anchors or anchors <= set(_in_default_directory())


def places() -> Iterator[Place]:
    """Generate the places that have a context."""
    request = sys.modules.get("urllib.request")
    for handler in getattr(getattr(request, "_opener", None), "handlers", ()):
        # From 3.12 on the constructor creates the context, before that each connection.
        if getattr(handler, "_context", None) is not None:
            yield Place(handler, "_context", lambda: request.HTTPSHandler()._context)  # type: ignore[union-attr]
    adapters = sys.modules.get("requests.adapters")
    if getattr(adapters, "_preloaded_ssl_context", None) is not None:
        yield Place(adapters, "_preloaded_ssl_context", lambda: _of_requests(adapters))


def is_creating() -> bool:
    """Return whether the caller's caller runs for a module that keeps the context."""
    request = sys.modules.get("urllib.request")
    code = getattr(getattr(getattr(request, "HTTPSHandler", None), "__init__", None), "__code__", 0)
    frame = sys._getframe(1)
    while frame is not None:
        is_module = frame.f_code.co_name == "<module>"
        if frame.f_code is code or (
            is_module and frame.f_globals.get("__name__") == "requests.adapters"
        ):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def drop_connections() -> None:
    """Close the idle connections of `urllib3.request`."""
    pool = getattr(sys.modules.get("urllib3"), "_DEFAULT_POOL", None)
    if pool is not None:
        pool.clear()


def _of_requests(adapters: Any) -> Any:
    """Return a context as requests creates it."""
    context = adapters.create_urllib3_context()
    context.load_verify_locations(adapters.extract_zipped_paths(adapters.DEFAULT_CA_BUNDLE_PATH))
    return context


def _in_default_directory() -> Iterator[bytes]:
    """Generate the certificates of OpenSSL's default directory of trust anchors."""
    directory = ssl.get_default_verify_paths().capath
    for file in Path(directory).glob("????????.[0-9]") if directory else ():
        try:
            yield ssl.PEM_cert_to_DER_cert(file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            # OpenSSL does not read it either.
            continue
