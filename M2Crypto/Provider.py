"""Providers: loadable implementations of cryptography, such as FIPS and PKCS #11 (provider(7)).

The private keys that a provider such as pkcs11-provider loads or generates stay on the token. They
are used like others, in signatures, certificates, requests and TLS, and cannot be exported. OpenSSL
1.1.1 has no providers: there the module can be imported, and its functions raise `ProviderError`;
it has engines instead (`M2Crypto.Engine`).

OpenSSL's providers and default properties are state of the process. A provider remains loaded until
`Provider.unload`, also if the object is deallocated.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn
from urllib.parse import unquote, unquote_to_bytes

from M2Crypto import EVP, X509, m2
from M2Crypto._arguments import text
from M2Crypto._copies import Unique
from M2Crypto._errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from M2Crypto._m2crypto import OSSL_PROVIDER

    # A PIN, or a callback that returns it.
    Pin = str | bytes | Callable[..., str | bytes] | None

__all__ = [
    "Provider",
    "ProviderError",
    "enable_fips",
    "is_fips_enabled",
    "is_loaded",
    "load",
    "loaded",
    "set_default_properties",
]


class _WithoutProviders:
    """A substitute for `m2` without providers, whose every attribute raises ProviderError."""

    def __getattr__(self, name: str) -> NoReturn:
        raise ProviderError(
            f"{name}: this OpenSSL has no providers, which came with 3.0 "
            f"({m2.OPENSSL_VERSION_TEXT}); use an engine (M2Crypto.Engine)"
        )


provider_m2: Any = m2 if hasattr(m2, "provider_load") else _WithoutProviders()

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
# The keys of a provider's section that are no parameters (config(5)).
_RESERVED = ("identity", "module", "activate", "soft_load")


class _Settings(NamedTuple):
    path: str | None
    parameters: dict[str, str]


# What each provider was loaded with. OpenSSL keeps it until the process ends.
_settings: dict[str, _Settings] = {}
_lock = Lock()


class Provider(Unique):
    """A provider of OpenSSL's default library context (OSSL_PROVIDER(3))."""

    def __init__(
        self,
        _id: str,
        path: str | os.PathLike[str] | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        """Load the provider `_id`, such as `pkcs11`, `legacy` or `fips`.

        The default provider stays available unless another one was loaded explicitly before.

        Args:
            _id: the provider's name.
            path: its file; by default that of its name in OPENSSL_MODULES, or else MODULESDIR.
            parameters: its parameters, such as `pkcs11-module-path` (provider-pkcs11(7)). OpenSSL
                keeps the first ones until the process ends.

        Raises:
            ValueError: a name or a value of a parameter has another form.
            ProviderError: the provider cannot be loaded, or was loaded with another path or other
                parameters.
        """
        if not _NAME.fullmatch(_id):
            raise ValueError(
                f"{_id!r} is not the name of a provider; its file is the argument path"
            )
        self._query = f"provider={_id}"
        self._parameters = dict(parameters or {})
        settings = _Settings(None if path is None else os.fspath(path), self._parameters)
        with _lock:
            self._ptr: OSSL_PROVIDER | None = _load(_id, settings)

    def __repr__(self) -> str:
        return f"<Provider {self.name}>" if self._ptr is not None else "<Provider, unloaded>"

    def _loaded(self) -> OSSL_PROVIDER:
        if self._ptr is None:
            raise ProviderError("the provider was unloaded")
        return self._ptr

    def unload(self) -> None:
        """Unload the provider, if nothing else loaded it.

        Keys and contexts that use it keep it in memory.

        Raises:
            ProviderError: it was unloaded before.
        """
        handle, self._ptr = self._loaded(), None
        provider_m2.provider_unload(handle)

    # ---- information ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The provider's name."""
        name: str = provider_m2.provider_get_name(self._loaded())
        return name

    @property
    def version(self) -> str | None:
        """The provider's version; None if it has none."""
        text: str | None = provider_m2.provider_get_text(self._loaded(), "version")
        return text

    def status(self) -> bool:
        """Return whether the provider can be used; a FIPS module cannot after a failed test."""
        return bool(provider_m2.provider_get_status(self._loaded()))

    def self_test(self) -> bool:
        """Run the self-test and return whether it passed (OSSL_PROVIDER_self_test(3))."""
        return bool(provider_m2.provider_self_test(self._loaded()))

    # ---- keys and certificates -----------------------------------------------------------------

    def load_key(self, uri: str, pin: Pin = None) -> EVP.PKey:
        """Load the key at a URI from the provider's store, such as a PKCS #11 URI (RFC 7512).

        Args:
            uri: the URI; without `type=`, a private key is preferred to a public one.
            pin: the PIN or passphrase, or a callback that returns it; a PKCS #11 URI can contain it
                (`pin-value`) or name its file (`pin-source`).

        Raises:
            ProviderError: there is no such key, or the PIN is wrong.
        """
        self._loaded()
        return EVP.PKey(provider_m2.provider_load_key(uri, self._query, _callback(pin)), 1)

    def load_certificate(self, uri: str, pin: Pin = None) -> X509.X509:
        """Load the certificate at a URI; see `load_key`."""
        self._loaded()
        handle = provider_m2.provider_load_certificate(uri, self._query, _callback(pin))
        return X509.X509(handle, 1)

    def generate_rsa_key_pair(
        self, bits: int = 2048, exponent: int = 65537, uri: str | None = None
    ) -> EVP.PKey:
        """Generate an RSA key pair in the provider.

        Args:
            bits: the bits of the modulus.
            exponent: the public exponent.
            uri: the PKCS #11 URI that names the token, the label (`object`), the id and the PIN of
                the key; by default pkcs11-provider chooses them.

        Raises:
            ProviderError: the provider cannot generate such a key, or the PIN is missing or wrong.
        """
        self._loaded()
        handle = provider_m2.provider_generate_rsa(self._query, bits, exponent, uri)
        return EVP.PKey(handle, 1)

    def generate_ec_key_pair(
        self, curve_name: str = "prime256v1", uri: str | None = None
    ) -> EVP.PKey:
        """Generate an EC key pair on a curve in the provider; see `generate_rsa_key_pair`.

        Raises:
            ProviderError: this OpenSSL was built without EC, or see `generate_rsa_key_pair`.
        """
        self._loaded()
        if m2.OPENSSL_NO_EC:
            raise ProviderError(f"this OpenSSL was built without EC ({m2.OPENSSL_VERSION_TEXT})")
        return EVP.PKey(provider_m2.provider_generate_ec(self._query, curve_name, uri), 1)

    def destroy_key(
        self, uri: str, user_pin: str | bytes | None = None, module: str | None = None
    ) -> int:
        """Destroy the keys at a PKCS #11 URI on their token, private and public, by the module.

        OpenSSL has no function for it, so the module's own is called (PKCS #11, C_DestroyObject).

        Args:
            uri: the URI with an `id` or `object`; the `token` and `serial` select the token, and
                `type` (public, private or secret-key) one kind of key.
            user_pin: the PIN; by default the URI's `pin-value`.
            module: the path of the PKCS #11 module; by default the URI's `module-path`,
                PKCS11_PROVIDER_MODULE, or the provider's parameter `pkcs11-module-path`.

        Returns:
            1.

        Raises:
            ValueError: the URI is none of PKCS #11, or names no key.
            ProviderError: there is no such key or token, or the PIN is wrong.
        """
        self._loaded()
        attributes = _attributes(uri)
        module = module or self._module(attributes)
        pin = attributes.get("pin-value") if user_pin is None else user_pin
        count: int = provider_m2.pkcs11_destroy_keys(
            module,
            *(_text(attributes, name) for name in ("token", "serial")),
            *(attributes.get(name) for name in ("id", "object")),
            _CLASSES[_text(attributes, "type")],
            pin.encode() if isinstance(pin, str) else pin,
        )
        if count == 0:
            raise ProviderError("there is no such key at the URI")
        return 1

    def _module(self, attributes: Mapping[str, bytes]) -> str:
        named = _text(attributes, "module-path") or os.environ.get("PKCS11_PROVIDER_MODULE")
        named = named or self._parameters.get("pkcs11-module-path")
        if not named:
            raise ProviderError("the PKCS #11 module is not known; name it by the argument module")
        return named


load = Provider


def _load(name: str, settings: _Settings) -> OSSL_PROVIDER:
    """Load a provider, with settings if it has any."""
    if settings == _Settings(None, {}) or settings == _settings.get(name):
        again: OSSL_PROVIDER = provider_m2.provider_load(name, None)
        return again
    configuration = _configuration(name, settings)
    if name in _settings or provider_m2.provider_available(name):
        raise ProviderError(f"the provider {name} was loaded with another path or other parameters")
    if settings.path is not None and not Path(settings.path).is_file():
        raise ProviderError(f"{settings.path}: no such file")
    _settings[name] = settings
    loaded: OSSL_PROVIDER = provider_m2.provider_load(name, configuration.encode())
    return loaded


def _configuration(name: str, settings: _Settings) -> str:
    """Return the text of a configuration file (config(5)) that does not activate the provider."""
    lines = ["openssl_conf = init", "[init]", "providers = all", "[all]", "one = provider"]
    lines += ["[provider]", f"identity = {name}"]
    if settings.path is not None:
        lines.append(f"module = {_escaped(str(Path(settings.path).absolute()))}")
    for key, value in settings.parameters.items():
        if not _NAME.fullmatch(key) or key in _RESERVED:
            raise ValueError(f"{key!r} is not the name of a provider's parameter")
        lines.append(f"{key} = {_escaped(value)}")
    return "\n".join([*lines, ""])


def _escaped(value: str) -> str:
    if not value.isprintable():
        raise ValueError(
            "the value of a provider's parameter has a character that is not printable"
        )
    return re.sub(r"([\\\"'`#$;])", r"\\\1", value)


def _callback(pin: Pin) -> Callable[..., str | bytes] | None:
    if pin is None or callable(pin):
        return pin
    return lambda *_: pin


# ---- PKCS #11 URIs (RFC 7512) --------------------------------------------------------------------

# The values of CKA_CLASS by the attribute `type`; -1 for all keys.
_CLASSES = {None: -1, "public": 2, "private": 3, "secret-key": 4}


def _attributes(uri: str) -> dict[str, bytes]:
    """Return the attributes of a PKCS #11 URI, percent-decoded.

    Raises:
        ValueError: it is no such URI, an attribute is repeated, or it names no key.
    """
    scheme, _, rest = text(uri).partition(":")
    if scheme.lower() != "pkcs11":
        raise ValueError("a PKCS #11 URI begins with pkcs11:")
    path, _, query = rest.partition("?")
    found: dict[str, bytes] = {}
    for part in filter(None, [*path.split(";"), *query.split("&")]):
        name, equals, value = part.partition("=")
        if not equals or name in found:
            raise ValueError(f"the attribute {unquote(name)!r} of the PKCS #11 URI is malformed")
        found[name] = unquote_to_bytes(value)
    if _text(found, "type") not in _CLASSES or not found.keys() & {"id", "object"}:
        raise ValueError("the PKCS #11 URI names no key, by its id or object")
    return found


def _text(attributes: Mapping[str, bytes], name: str) -> str | None:
    value = attributes.get(name)
    return None if value is None else value.decode()


# ---- the process ---------------------------------------------------------------------------------


def loaded() -> list[str]:
    """Return the names of the providers that are loaded (OSSL_PROVIDER_do_all(3))."""
    names: bytes = provider_m2.provider_names()
    return names.decode().split()


def is_loaded(name: str) -> bool:
    """Return whether a provider is loaded (OSSL_PROVIDER_available(3))."""
    return bool(provider_m2.provider_available(name))


def set_default_properties(query: str) -> int:
    """Set the property query of every later fetch in the process, such as `?provider=pkcs11`.

    Returns:
        1.

    Raises:
        ProviderError: the query is malformed (property(7)).
    """
    status: int = provider_m2.provider_set_default_properties(query)
    return status


def enable_fips(enable: bool = True) -> int:
    """Require FIPS of every later fetch in the process, or no longer, and return 1.

    The provider `fips` must be loaded (EVP_default_properties_enable_fips(3)).
    """
    status: int = provider_m2.provider_enable_fips(int(enable))
    return status


def is_fips_enabled() -> bool:
    """Return whether every fetch requires FIPS (EVP_default_properties_is_fips_enabled(3))."""
    return bool(m2.openssl_fips_enabled())
