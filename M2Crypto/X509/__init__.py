"""X.509 certificates, names, extensions, requests, CRLs and path validation (RFC 5280).

A certificate is loaded, such as by `load_cert`, or created and signed. A certification path is
validated by an `X509_Store_Context` with the trust anchors of an `X509_Store`.

An object that a method returns remains valid after the object that returned it. Changing a name or
a time that a certificate returned changes the certificate
(`certificate.get_subject().CN = "example.org"`). The parameters `_pyfree` are ignored.

A certificate or request must not be changed while another thread uses it.
"""

from __future__ import annotations

from M2Crypto import m2
from M2Crypto._errors import X509Error
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.X509._formats import FORMAT_DER, FORMAT_PEM
from M2Crypto.X509._parameters import ANY_POLICY, Policy, PolicyQualifier
from M2Crypto.X509.certificates import (
    X509,
    X509_Stack,
    load_cert,
    load_cert_bio,
    load_cert_der_string,
    load_cert_string,
    new_stack_from_der,
)
from M2Crypto.X509.crls import (
    CRL,
    CRL_Stack,
    Revoked,
    load_crl,
    load_crl_bio,
    load_crl_der_string,
    load_crl_string,
)
from M2Crypto.X509.extensions import (
    AuthorityKeyIdentifier,
    X509_Extension,
    X509_Extension_Stack,
    new_extension,
)
from M2Crypto.X509.names import X509_Name, X509_Name_Entry
from M2Crypto.X509.requests import (
    Request,
    load_request,
    load_request_bio,
    load_request_der_string,
    load_request_string,
)
from M2Crypto.X509.stores import X509_Store, X509_Store_Context, x509_store_default_cb

if TYPE_CHECKING:
    from M2Crypto.X509.reasons import CRLReason

__all__ = [
    "ANY_POLICY",
    "CRL",
    "FORMAT_DER",
    "FORMAT_PEM",
    "V_OK",
    "X509",
    "AuthorityKeyIdentifier",
    "CRLReason",
    "CRL_Stack",
    "Policy",
    "PolicyQualifier",
    "Request",
    "Revoked",
    "X509Error",
    "X509_Extension",
    "X509_Extension_Stack",
    "X509_Name",
    "X509_Name_Entry",
    "X509_Stack",
    "X509_Store",
    "X509_Store_Context",
    "load_cert",
    "load_cert_bio",
    "load_cert_der_string",
    "load_cert_string",
    "load_crl",
    "load_crl_bio",
    "load_crl_der_string",
    "load_crl_string",
    "load_request",
    "load_request_bio",
    "load_request_der_string",
    "load_request_string",
    "new_extension",
    "new_stack_from_der",
    "x509_store_default_cb",
]

V_OK = m2.X509_V_OK

verify_crl_check_leaf = m2.VERIFY_CRL_CHECK_LEAF
verify_crl_check_chain = m2.VERIFY_CRL_CHECK_CHAIN

_OFFERED = ("X509_V_", "XN_FLAG_", "X509_PURPOSE_")
_FLAG = "X509_V_FLAG_"


def __getattr__(name: str) -> int:
    """Return CRLReason, a constant of `m2`, or the flag X509_V_FLAG_name as verify_name.

    The flags for CRLs without those names are the ones of M2Crypto.SSL.
    """
    if name == "CRLReason":
        from M2Crypto.X509.reasons import CRLReason

        return CRLReason  # type: ignore[return-value]
    constant = _FLAG + name[7:].upper() if name.startswith("verify_") else name
    if constant.startswith(_OFFERED) and hasattr(m2, constant):
        return int(getattr(m2, constant))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the names of the module, and of the constants."""
    constants = [name for name in vars(m2) if name.startswith(_OFFERED)]
    flags = [f"verify_{name[len(_FLAG) :].lower()}" for name in constants if name.startswith(_FLAG)]
    return sorted({*globals(), *constants, *flags, "CRLReason"})
