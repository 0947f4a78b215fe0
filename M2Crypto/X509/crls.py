"""Certificate revocation lists (RFC 5280, section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from M2Crypto import ASN1, BIO, _pem, m2
from M2Crypto.X509 import _formats, _stacks
from M2Crypto.X509.names import X509_Name

if TYPE_CHECKING:
    from M2Crypto import EVP, _m2crypto


class CRL:
    """A certificate revocation list."""

    def __init__(self, crl: _m2crypto.X509_CRL | None = None, _pyfree: int = 0) -> None:
        self.crl = m2.x509_crl_new() if crl is None else crl

    def _ptr(self) -> _m2crypto.X509_CRL:
        return self.crl

    def as_text(self) -> str:
        """Return the text of `openssl crl -text` (X509_CRL_print(3))."""
        return _formats.text(m2.x509_crl_print, self.crl)

    def get_issuer(self) -> X509_Name:
        """Return the issuer distinguished name."""
        return X509_Name(m2.x509_crl_get_issuer(self.crl))

    def get_lastUpdate(self) -> ASN1.ASN1_TIME:
        """Return thisUpdate, the issue date."""
        return ASN1.ASN1_TIME(m2.x509_crl_get_last_update(self.crl))

    def get_nextUpdate(self) -> ASN1.ASN1_TIME | None:
        """Return nextUpdate, the latest date of the next CRL; None if it is absent."""
        time = m2.x509_crl_get_next_update(self.crl)
        return None if time is None else ASN1.ASN1_TIME(time)

    def verify(self, pkey: EVP.PKey) -> int:
        """Return 1 if the signature verifies with `pkey`, else 0 (X509_CRL_verify(3))."""
        return m2.x509_crl_verify(self.crl, pkey._ptr())


def load_crl(file: BIO.FilePath) -> CRL:
    """Load a CRL from a PEM file."""
    with BIO.openfile(file) as bio:
        return CRL(m2.x509_crl_read_pem(bio.bio_ptr()))


def load_crl_string(crl_string: str | bytes) -> CRL:
    """Load a CRL from PEM."""
    return CRL(m2.x509_crl_read_pem(_pem.bio_of(crl_string).bio_ptr()))


class CRL_Stack(_stacks.Stack[CRL]):
    """A stack of CRLs."""

    _new = staticmethod(m2.sk_x509_crl_new_null)
    _num = staticmethod(m2.sk_x509_crl_num)
    _value = staticmethod(m2.sk_x509_crl_value)
    _push = staticmethod(m2.sk_x509_crl_push)
    _pop = staticmethod(m2.sk_x509_crl_pop)
    _element = CRL

    def __init__(
        self,
        stack: _m2crypto.m2_x509_crl_stack | None = None,
        _pyfree: int = 0,
        _pyfree_x509_crl: int = 0,
    ) -> None:
        super().__init__(stack, _pyfree)

    def push(self, crl: CRL) -> int:
        """Append a CRL and return the new number of elements."""
        return self._add(crl)
