"""The low-level layer: OpenSSL's functions in lower case, and its constants.

The names depend on the OpenSSL that the extension was built with. A function such as
`m2.x509_new()` returns a handle, which owns one reference to the OpenSSL object and releases it
when the handle is deallocated. A function that fails raises the exception of its area, such as
`M2Crypto.X509.X509Error`.
"""

from M2Crypto import _configuration, _library

try:
    from M2Crypto._m2crypto import *  # noqa: F403  (the names are the build's own)
    from M2Crypto._m2crypto import (
        OPENSSL_VERSION_NUMBER,
        OPENSSL_VERSION_TEXT,
        openssl_version_num,
    )
except ImportError as error:
    why = _library.explain(error)
    if not why:
        raise
    raise ImportError(why, name=error.name, path=error.path) from error

why = _library.mismatch(OPENSSL_VERSION_NUMBER, openssl_version_num()) or _library.without_gil()
if why:
    raise ImportError(why, name="M2Crypto._m2crypto")
# Before anything else uses OpenSSL, which would load the system's file.
_configuration.load()

del why


def __getattr__(name: str) -> int:
    # The names that the stub does not declare are constants.
    raise AttributeError(f"M2Crypto.m2 has no {name}: it was built with {OPENSSL_VERSION_TEXT}")
