"""Extensions of certificates, requests and CRLs (RFC 5280, section 4.2)."""

from __future__ import annotations

from M2Crypto import m2
from M2Crypto._arguments import handle_of
from M2Crypto._errors import X509Error
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.X509 import _formats, _stacks

if TYPE_CHECKING:
    import re

    from M2Crypto import EVP, _m2crypto
    from M2Crypto.X509.certificates import X509


class X509_Extension:
    """An extension of a certificate or request."""

    def __init__(
        self, x509_ext_ptr: _m2crypto.X509_EXTENSION | None = None, _pyfree: int = 1
    ) -> None:
        self.x509_ext = m2.x509_extension_new() if x509_ext_ptr is None else x509_ext_ptr

    def _ptr(self) -> _m2crypto.X509_EXTENSION:
        return self.x509_ext

    def __repr__(self) -> str:
        try:
            name = self.get_name()
        except X509Error:
            # Of a malformed object identifier.
            name = "malformed"
        return f"<X509_Extension {name}>"

    def __copy__(self) -> X509_Extension:
        return X509_Extension(m2.x509_extension_dup(self.x509_ext))

    def __deepcopy__(self, memo: object) -> X509_Extension:
        return self.__copy__()

    def __reduce__(self) -> tuple[object, ...]:
        return extension_from_der, (self.as_der(),)

    def as_der(self) -> bytes:
        """Return the extension in DER (RFC 5280, section 4.1)."""
        return m2.i2d_x509_extension(self.x509_ext)

    def set_critical(self, critical: int = 1) -> int:
        """Mark the extension critical or non-critical (RFC 5280, section 4.2).

        Returns:
            1.
        """
        return m2.x509_extension_set_critical(self.x509_ext, critical)

    def get_critical(self) -> int:
        """Return 1 if the extension is critical, else 0 (RFC 5280, section 4.2)."""
        return m2.x509_extension_get_critical(self.x509_ext)

    def get_name(self) -> str:
        """Return the short name, such as "subjectAltName", or the OID if OpenSSL has no name."""
        return m2.x509_extension_get_name(self.x509_ext).decode()

    def get_value(self, flag: int = 0, indent: int = 0) -> str:
        """Return the value as text (X509V3_EXT_print(3)); a dump if it is malformed.

        The text is for display only, because different values can have the same text. For
        alternative names use `X509.get_subject_alt_names`.
        """
        return _formats.text(m2.x509_ext_print, self.x509_ext, flag, indent)


def extension_from_der(der: bytes) -> X509_Extension:
    """Return the extension that `X509_Extension.as_der` encoded."""
    return X509_Extension(m2.d2i_x509_extension(der))


class AuthorityKeyIdentifier:
    """An authorityKeyIdentifier with a keyIdentifier, the octets `key_identifier`."""

    def __init__(self, key_identifier: bytes) -> None:
        self.key_identifier = key_identifier

    def __repr__(self) -> str:
        return f"<AuthorityKeyIdentifier {self.key_identifier.hex()}>"

    def as_extension(self, critical: int = 0, _pyfree: int = 1) -> X509_Extension:
        """Encode this as an authorityKeyIdentifier extension (RFC 5280, section 4.2.1.1)."""
        handle = m2.x509_new_authority_key_identifier(self.key_identifier, critical)
        return X509_Extension(handle, _pyfree)


# "keyid:" followed by octets, which OpenSSL refuses, or ignores before 3.2.
_KEY_IDENTIFIER = (
    r"(?P<critical>critical,\s*)?keyid:(?P<octets>[0-9A-Fa-f]{2}(?::?[0-9A-Fa-f]{2})*)"
)


def _key_identifier(value: str) -> re.Match[str] | None:
    import re  # which few programs need

    return re.fullmatch(_KEY_IDENTIFIER, value)


def new_extension(
    name: str,
    value: str,
    critical: int = 0,
    _pyfree: int = 1,
    pkey: EVP.PKey | None = None,
    issuer: X509 | None = None,
    subject: X509 | None = None,
    config: str | bytes = "",
) -> X509_Extension:
    """Create an extension from the text format of x509v3_config(5).

    A value must not contain untrusted text: "DNS:" and a name with a comma are two names. Neither
    must a configuration, whose directives read files and variables of the environment.

    Args:
        name: the short name, such as "basicConstraints", or an OID.
        value: such as "CA:TRUE". That of an authorityKeyIdentifier can be "keyid:" and the octets
            of the key identifier in hexadecimal.
        critical: whether the extension is critical (RFC 5280, section 4.2).
        pkey: the key of subject and issuer for "hash" (subjectKeyIdentifier) and "keyid"
            (authorityKeyIdentifier), instead of certificates.
        issuer: the issuer's certificate, for "keyid" and "issuer" (authorityKeyIdentifier) and
            "issuer:copy" (issuerAltName).
        subject: the subject's certificate, for "hash" and "email:copy" (subjectAltName).
        config: the sections (config(5)) that the value can name, such as "@section".

    Raises:
        X509Error: the name is unknown, the value or the configuration is malformed, or a section
            or certificate that the value refers to is missing.
        ValueError: there are both `pkey` and certificates or a configuration.
    """
    if "\0" in name or "\0" in value:
        raise X509Error("the name or value of an extension contains a NUL")
    identifier = _key_identifier(value) if name == "authorityKeyIdentifier" else None
    if identifier is not None:
        octets = bytes.fromhex(identifier["octets"].replace(":", ""))
        marked = identifier["critical"] is not None
        return AuthorityKeyIdentifier(octets).as_extension(int(bool(critical) or marked), _pyfree)
    if pkey is not None:
        if issuer is not None or subject is not None or config:
            raise ValueError("pkey cannot be given with issuer, subject or config")
        return X509_Extension(
            m2.x509_new_extension(name, value, critical, handle_of(pkey)), _pyfree
        )
    context = m2.x509v3_set_nconf()
    m2.x509v3_set_ctx(
        context,
        None if issuer is None else handle_of(issuer),
        None if subject is None else handle_of(subject),
    )
    sections = m2.nconf_load(config.encode() if isinstance(config, str) else config)
    extension = X509_Extension(m2.x509v3_ext_conf(sections, context, name, value), _pyfree)
    if critical:
        extension.set_critical()
    return extension


class X509_Extension_Stack(_stacks.Stack[X509_Extension]):
    """A stack of copies of extensions."""

    _new = staticmethod(m2.sk_x509_ext_new_null)
    _num = staticmethod(m2.sk_x509_ext_num)
    _value = staticmethod(m2.sk_x509_ext_value)
    _push = staticmethod(m2.sk_x509_ext_push)
    _pop = staticmethod(m2.sk_x509_ext_pop)
    _element = X509_Extension

    def push(self, x509_ext: X509_Extension) -> int:
        """Append an extension and return the new number of elements."""
        return self._add(x509_ext)
