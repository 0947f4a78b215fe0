"""The flat low-level layer: OpenSSL's functions in lower case, its constants under their own names.

Which names are here depends on the OpenSSL that the extension was built with; look them up with
`getattr` or `hasattr`. An OpenSSL object is held by a handle that owns it: `m2.x509_new()` gives
one, and it is freed when the handle goes. Functions that fail raise the exception of their area,
such as `M2Crypto.X509.X509Error`.
"""

from M2Crypto._m2crypto import *  # noqa: F403  (the names are the build's own)
from M2Crypto._m2crypto import OPENSSL_VERSION_TEXT


def __getattr__(name: str) -> int:
    # For type checkers: the names that the stub does not list are constants.
    raise AttributeError(f"M2Crypto.m2 has no {name}: it was built with {OPENSSL_VERSION_TEXT}")
