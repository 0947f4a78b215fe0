"""OpenSSL's STORE: certificates, keys and CRLs by URI (ossl_store(7), OSSL_STORE_open(3)).

A path or a `file:` URI names a file in PEM, DER or PKCS #12, or a directory. Providers and engines
add schemes, such as `pkcs11:`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Callable, Union

from M2Crypto import BIO, EVP, X509, m2, util
from M2Crypto._errors import StoreError

if TYPE_CHECKING:
    from M2Crypto import _m2crypto

__all__ = ["Object", "StoreError", "load", "load_certificates", "load_crls", "load_keys"]

# The entries of a directory are URIs.
Object = Union[X509.X509, X509.CRL, EVP.PKey, str]

_READERS: dict[int, Callable[[_m2crypto.m2_store_objects, int], Object]] = {
    m2.OSSL_STORE_INFO_NAME: lambda objects, i: os.fsdecode(m2.store_objects_name(objects, i)),
    m2.OSSL_STORE_INFO_CERT: lambda objects, i: X509.X509(m2.store_objects_cert(objects, i)),
    m2.OSSL_STORE_INFO_CRL: lambda objects, i: X509.CRL(m2.store_objects_crl(objects, i)),
}


def _key(objects: _m2crypto.m2_store_objects, index: int) -> Object:
    return EVP.PKey(m2.store_objects_pkey(objects, index))


def load(
    uri: BIO.FilePath, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> list[Object]:
    """Load all objects of a URI, or of a path, in their order.

    Args:
        uri: the URI, or the path of a file or directory.
        callback: the passphrase callback; None refuses encrypted objects.

    Returns:
        Certificates, CRLs, and keys (private and public ones, and parameters). A directory's
        entries are URIs.

    Raises:
        StoreError: the URI cannot be opened, or an object cannot be loaded.
        BaseException: the callback raised it.
    """
    objects = m2.store_load(uri, callback)
    kinds = [m2.store_objects_type(objects, i) for i in range(m2.store_objects_num(objects))]
    return [_READERS.get(kind, _key)(objects, i) for i, kind in enumerate(kinds)]


def load_certificates(
    uri: BIO.FilePath, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> list[X509.X509]:
    """Load the certificates of a URI; see `load`."""
    return [each for each in load(uri, callback) if isinstance(each, X509.X509)]


def load_crls(
    uri: BIO.FilePath, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> list[X509.CRL]:
    """Load the CRLs of a URI; see `load`."""
    return [each for each in load(uri, callback) if isinstance(each, X509.CRL)]


def load_keys(
    uri: BIO.FilePath, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> list[EVP.PKey]:
    """Load the keys of a URI; see `load`."""
    return [each for each in load(uri, callback) if isinstance(each, EVP.PKey)]
