"""Certification requests (PKCS #10, RFC 2986)."""

from __future__ import annotations

from M2Crypto import BIO, EVP, _pem, m2
from M2Crypto._arguments import handle_of
from M2Crypto._locks import Lock
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.X509 import _formats
from M2Crypto.X509.names import X509_Name, name_of

if TYPE_CHECKING:
    from M2Crypto import _m2crypto
    from M2Crypto.X509.extensions import X509_Extension_Stack


class Request:
    """A certification request (PKCS #10, RFC 2986)."""

    def __init__(self, req: _m2crypto.X509_REQ | None = None, _pyfree: int = 0) -> None:
        if req is None:
            req = m2.x509_req_new()
            # OpenSSL signs a request without a version and refuses to verify it.
            m2.x509_req_set_version(req, 0)
        self.req = req
        self._signing = Lock()

    def _ptr(self) -> _m2crypto.X509_REQ:
        return self.req

    def __repr__(self) -> str:
        return f"<Request {self.get_subject()}>"

    def __copy__(self) -> Request:
        return Request(m2.x509_req_dup(self.req))

    def __deepcopy__(self, memo: object) -> Request:
        return self.__copy__()

    def __reduce__(self) -> tuple[object, ...]:
        return load_request_der_string, (self.as_der(),)

    def as_text(self) -> str:
        """Return the text of `openssl req -text` (X509_REQ_print(3))."""
        return _formats.text(m2.x509_req_print, self.req)

    def as_pem(self) -> bytes:
        """Return the request in PEM."""
        return _formats.written(m2.x509_req_write_pem, self.req)

    def as_der(self) -> bytes:
        """Return the request in DER."""
        return m2.i2d_x509_req(self.req)

    def save_pem(self, filename: BIO.FilePath) -> int:
        """Write the PEM to a file, and return 1."""
        return self.save(filename, _formats.FORMAT_PEM)

    def save(self, filename: BIO.FilePath, format: int = _formats.FORMAT_PEM) -> int:
        """Write the PEM or DER to a file, and return 1."""
        return _formats.save(filename, _formats.in_format(format, self.as_pem, self.as_der))

    def get_pubkey(self) -> EVP.PKey:
        """Return the public key."""
        return EVP.PKey(m2.x509_req_get_pubkey(self.req), _pyfree=1)

    def set_pubkey(self, pkey: EVP.PKey) -> int:
        """Set the public key."""
        return m2.x509_req_set_pubkey(self.req, handle_of(pkey))

    def get_subject(self) -> X509_Name:
        """Return the subject distinguished name."""
        name = m2.x509_req_get_subject_name(self.req)
        return name_of(name, lambda changed: m2.x509_req_set_subject_name(self.req, changed))

    def set_subject_name(self, name: X509_Name) -> int:
        """Set the subject distinguished name to a copy of `name`."""
        return m2.x509_req_set_subject_name(self.req, handle_of(name))

    set_subject = set_subject_name

    def add_extensions(self, ext_stack: X509_Extension_Stack) -> int:
        """Add an extensionRequest attribute (RFC 2985, section 5.4.2)."""
        return m2.x509_req_add_extensions(self.req, handle_of(ext_stack))

    def verify(self, pkey: EVP.PKey) -> int:
        """Return 1 if the signature verifies with `pkey`, else 0 (X509_REQ_verify(3))."""
        return m2.x509_req_verify(self.req, handle_of(pkey))

    def sign(self, pkey: EVP.PKey, md: str | None) -> int:
        """Sign the request; see `X509.sign`."""
        with self._signing:
            return m2.x509_req_sign(self.req, handle_of(pkey), _formats.digest(md))

    def get_version(self) -> int:
        """Return the version, which is 0 (RFC 2986, section 4.1).

        Raises:
            X509Error: the encoded version is negative or does not fit into a C long.
        """
        return m2.x509_req_get_version(self.req)

    def set_version(self, ver: int) -> int:
        """Set the version, which must be 0 (RFC 2986, section 4.1).

        Returns:
            1, or 0 for another version, which leaves the request unchanged.
        """
        return m2.x509_req_set_version(self.req, ver)


def load_request(file: BIO.FilePath, format: int = _formats.FORMAT_PEM) -> Request:
    """Load a request from a file."""
    with BIO.openfile(file) as bio:
        return load_request_bio(bio, format)


def load_request_bio(bio: BIO.BIO, format: int = _formats.FORMAT_PEM) -> Request:
    """Load a request from a BIO."""
    handle = handle_of(bio)
    return Request(
        _formats.in_format(
            format, lambda: m2.x509_req_read_pem(handle), lambda: m2.d2i_x509_req(handle)
        )
    )


def load_request_string(string: str | bytes, format: int = _formats.FORMAT_PEM) -> Request:
    """Load a request from a string."""
    return load_request_bio(_pem.bio_of(string), format)


def load_request_der_string(cert_str: bytes) -> Request:
    """Load a request from DER."""
    return load_request_string(cert_str, _formats.FORMAT_DER)
