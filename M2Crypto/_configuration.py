"""The configuration file of OpenSSL (config(5)) in this process.

The system's openssl.cnf is that of the system's OpenSSL: it can name providers, modules and
commands that another version does not have, and its errors can make every TLS context fail
(config_diagnostics). Therefore an extension that was linked statically, such as that of a wheel,
loads a file only if an environment variable names it. Shared libraries, which other modules of the
process may use, too, load their own.
"""

from __future__ import annotations

import os

from M2Crypto._build_info import LINK
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from M2Crypto._errors import M2CryptoError

# The variable of M2Crypto alone, whose file must load, and OpenSSL's.
OWN = "M2CRYPTO_OPENSSL_CONF"
COMMON = "OPENSSL_CONF"

# The reasons of errors that a security level, FIPS or a provider can cause.
_REASONS = {
    "bad value",
    "ca key too small",
    "ca md too weak",
    "dh key too small",
    "ee key too small",
    "error in system default config",
    "initialization error",
    "internal error",
    "library has no ciphers",
    "no ciphers available",
    "no protocols available",
    "no shared cipher",
    "no shared groups",
    "no suitable groups",
    "no suitable key share",
    "no suitable signature algorithm",
    "unable to find ciphers",
    "unsupported",
    "unsupported protocol",
    "wrong signature type",
}


def load() -> None:
    """Load the file that the environment names; nothing else must have used OpenSSL yet.

    An empty M2CRYPTO_OPENSSL_CONF stands for no file. OpenSSL ignores the errors in the file of
    OPENSSL_CONF, unless it sets config_diagnostics (config(5)); they become a RuntimeWarning.

    Raises:
        ImportError: the file of M2CRYPTO_OPENSSL_CONF, or one with config_diagnostics, has an
            error; or with it OpenSSL has no SHA-256.
    """
    from M2Crypto import _m2crypto

    own = os.environ.get(OWN)
    if own is None and LINK != "static":
        return
    named = _named()
    try:
        _m2crypto.openssl_configure(named)
    except Exception as error:  # M2CryptoError, whose module imports m2
        complaint = f"{source()}: OpenSSL cannot load it: {error}"
        if own is not None or _m2crypto.openssl_config_diagnostics(named):
            raise ImportError(complaint, name="M2Crypto._m2crypto") from error
        import warnings

        warnings.warn(
            f"{complaint}; what precedes the error is in effect: correct the file, or set {OWN} to"
            " another one, or to nothing for none",
            RuntimeWarning,
            stacklevel=2,
        )
    if not named or _m2crypto.openssl_has_sha256():
        return
    # OpenSSL ignores that a provider cannot be loaded, and then loads no default one.
    raise ImportError(
        f"{source()}: no provider that it activates could be loaded and has SHA-256: activate"
        f" `default`, or set {OWN} to another file, or to nothing for none",
        name="M2Crypto._m2crypto",
    )


def source() -> str:
    """Return the configuration file, after its variable and `=` if one names it, or ``."""
    for variable in (OWN, COMMON):
        if variable in os.environ:
            named = _named()
            return f"{variable}={named}" if named and named != os.devnull else ""
    from pathlib import Path  # which takes 4 ms

    default = "" if LINK == "static" else _default()
    return default if Path(default).is_file() else ""


def hint() -> str:
    """Return a clause that names the configuration file, for an error's text, else ``."""
    found = source()
    return f"; see {found}, which configures OpenSSL" if found else ""


def suspicion(error: M2CryptoError, verification: str = "") -> str:
    """Return `hint()` if the configuration can have caused an error, else ``.

    Args:
        error: the exception.
        verification: the text of the verification's error (X509_verify_cert_error_string(3)).
    """
    causes = {error.reason, *(each.reason for each in error.errors)}
    is_weak = "too small" in verification or "too weak" in verification
    return hint() if is_weak or causes & _REASONS else ""


def _named() -> str:
    """Return the file that an environment variable names, or ``."""
    own = os.environ.get(OWN)
    if own is not None:
        return own
    # OpenSSL does not read the variable in a program that was granted privileges (getenv(3)).
    common = os.environ.get(COMMON, "")
    return common if common == _default() else ""


def _default() -> str:
    from M2Crypto import _m2crypto

    return os.fsdecode(_m2crypto.openssl_config_file())
