"""The public classes and functions of the package, from its modules; an object of each class.

The tests derive their tables from here: a class without an example in EXAMPLES fails one of them,
so no class and no function can be left out.
"""

from __future__ import annotations

import datetime
import enum
import importlib
import inspect
import pkgutil
import socket
import socketserver
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import M2Crypto
from M2Crypto import m2

DATA = Path(__file__).parent / "data"
SECRET = b"a secret for tests, 32 bytes long"[:32]
# Modules of network protocols, whose objects need a peer, and of commands.
LEFT_OUT = {
    "M2Crypto.__main__",
    "M2Crypto.SSL.SSLServer",
    "M2Crypto.SSL.TwistedProtocolWrapper",
    "M2Crypto.ftpslib",
    "M2Crypto.httpslib",
    "M2Crypto.m2urllib2",
    "M2Crypto.m2xmlrpclib",
}


# Classes without objects of their own.
NO_OBJECTS = (BaseException, enum.Enum, socketserver.BaseServer)
FOREIGN = {str}


def modules() -> Iterator[Any]:
    """Return the public modules of the package."""
    for found in pkgutil.walk_packages(M2Crypto.__path__, "M2Crypto."):
        if found.name not in LEFT_OUT and "._" not in found.name:
            yield importlib.import_module(found.name)


def public(module: Any) -> Iterator[tuple[str, Any]]:
    """Return the public names of a module that belong to it."""
    listed = getattr(module, "__all__", ())
    # Some are imported when they are looked up.
    for name in dict.fromkeys([*vars(module), *listed]):
        value = getattr(module, name)
        if not name.startswith("_") and (
            getattr(value, "__module__", None) == module.__name__ or name in listed
        ):
            yield name, value


def classes() -> dict[str, type]:
    """Return the public classes that have instances, by the shortest module that has them."""
    found: dict[type, str] = {}
    for module in modules():
        for _, value in public(module):
            if inspect.isclass(value) and not issubclass(value, NO_OBJECTS):
                shown = f"{module.__name__}.{value.__name__}"[len("M2Crypto.") :]
                found[value] = min(shown, found.get(value, shown), key=len)
    return {name: value for value, name in found.items() if value not in FOREIGN}


def functions() -> dict[str, FunctionType]:
    """Return the public functions, by module and name."""
    found = {}
    for module in modules():
        for name, value in public(module):
            if isinstance(value, FunctionType):
                found[f"{module.__name__}.{name}"[len("M2Crypto.") :]] = value
    return found


def methods(kind: type) -> dict[str, Any]:
    """Return the public methods and operators of a class."""
    operators = ("__len__", "__getitem__", "__setitem__", "__delitem__", "__iter__", "__contains__")
    compared = ("__eq__", "__ne__", "__lt__")
    found = {}
    for name in dir(kind):
        value = inspect.getattr_static(kind, name)
        is_public = not name.startswith("_") or name in operators + compared
        if is_public and isinstance(value, FunctionType):
            found[name] = value
    return found


def load(module: str, function: str, *path: str) -> Any:
    found = importlib.import_module(f"M2Crypto.{module}")
    return getattr(found, function)(str(DATA.joinpath(*path)))


def leaf() -> Any:
    return load("X509", "load_cert", "x509", "leaf.pem")


def root() -> Any:
    return load("X509", "load_cert", "x509", "root.pem")


def rsa() -> Any:
    return load("RSA", "load_key", "keys", "rsa_2048.pem")


def pkey() -> Any:
    return load("EVP", "load_key", "keys", "rsa_2048.pem")


# ---- arguments -----------------------------------------------------------------------------------

# Names in an annotation, and an argument of that type.
TYPES = {
    "BIO": "BIO.MemoryBuffer",
    "PKey": "EVP.PKey",
    "Operations": "EVP.PKey",
    "CertID": "OCSP.CertID",
    "X509": "X509.X509",
    "Context": "SSL.Context",
    "Connection": "SSL.Connection",
    "timeout": "SSL.timeout",
    "PKCS7": "SMIME.PKCS7",
    "Cipher": "SMIME.Cipher",
    "AuthCookie": "AuthCookie.AuthCookie",
    **{f"X509_{name}": f"X509.X509_{name}" for name in ("Stack", "Store", "Name", "Extension")},
    "X509_Store_Context": "X509.X509_Store_Context",
    "X509_Extension_Stack": "X509.X509_Extension_Stack",
    "CRL": "X509.CRL",
    "CRL_Stack": "X509.CRL_Stack",
    "ASN1_TIME": "ASN1.ASN1_TIME",
    **{name: f"{name}.{name}" for name in ("RSA", "DSA", "DH", "EC")},
}


def argument(parameter: inspect.Parameter) -> Any:
    """Return an argument of the parameter's type, as its annotation declares it."""
    annotation = str(parameter.annotation)
    if "allback" in parameter.name or "Callable" in annotation:
        # The default prompts for a passphrase.
        return lambda *_: b"for tests"
    if parameter.default is not parameter.empty:
        return parameter.default
    kind = annotation.split(" | ")[0].rpartition(".")[2]
    if kind in TYPES and "_m2crypto" not in annotation:
        return EXAMPLES[TYPES[kind]]()
    plain = {"FilePath": "absent/absent", "Buffer": bytes(16), "bytes": bytes(16), "int": 1}
    return {**plain, "str": "sha256", "float": 1.0}.get(kind)


def positional(function: Any) -> list[inspect.Parameter]:
    """Return the parameters that can be given by position."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        found = inspect.signature(function).parameters.values()
    except ValueError:
        # A class in C may have no signature.
        return []
    return [each for each in found if each.kind in kinds]


# ---- objects -------------------------------------------------------------------------------------


def make(module: str, *names: str) -> Callable[..., Any]:
    """Return the function or class `M2Crypto.module.names`."""
    found = importlib.import_module(f"M2Crypto.{module}")
    for name in names:
        found = getattr(found, name)
    return found


# An object of each class. A class that another build has alone raises when it is made.
EXAMPLES: dict[str, Callable[[], Any]] = {
    "ASN1.ASN1_Integer": lambda: make("ASN1", "ASN1_Integer")(42),
    "ASN1.ASN1_String": lambda: make("ASN1", "ASN1_String")("text"),
    "ASN1.ASN1_Object": lambda: make("ASN1", "ASN1_Object")(m2.obj_nid2obj(13)),
    "ASN1.LocalTimezone": lambda: make("ASN1", "LocalTimezone")(),
    "ASN1.ASN1_TIME": lambda: leaf().get_not_after(),
    "ASN1.ASN1_UTCTIME": lambda: make("ASN1", "ASN1_UTCTIME")(),
    "AuthCookie.AuthCookie": lambda: make("AuthCookie", "AuthCookieJar")().makeCookie(2**31, "x"),
    "AuthCookie.AuthCookieJar": lambda: make("AuthCookie", "AuthCookieJar")(),
    "BIO.BIO": lambda: make("BIO", "BIO")(m2.bio_new_mem()),
    "BIO.MemoryBuffer": lambda: make("BIO", "MemoryBuffer")(SECRET),
    "BIO.File": lambda: make("BIO", "openfile")(str(DATA / "x509" / "leaf.pem")),
    "BIO.IOBuffer": lambda: make("BIO", "IOBuffer")(make("BIO", "MemoryBuffer")(SECRET)),
    "BIO.CipherStream": lambda: make("BIO", "CipherStream")(make("BIO", "MemoryBuffer")()),
    "BIO.SSLBio": lambda: make("BIO", "SSLBio")(),
    "CMS.ContentInfo": lambda: make("CMS", "encrypt")(SECRET, [leaf()]),
    "DH.DH": lambda: load("DH", "load_params", "certificates", "dh.pem"),
    "DSA.DSA": lambda: load("DSA", "load_key", "keys", "dsa_1024.pem"),
    "DSA.DSA_pub": lambda: dsa_pub(),
    "EC.EC": lambda: load("EC", "load_key", "keys", "ec.pem"),
    "EC.EC_pub": lambda: load("EC", "load_key", "keys", "ec.pem").pub(),
    "EVP.AEAD": lambda: make("EVP", "AEAD")("aes_256_gcm", SECRET),
    "EVP.Cipher": lambda: make("EVP", "Cipher")("aes_256_cbc", SECRET, bytes(16), 1),
    "EVP.HMAC": lambda: make("EVP", "HMAC")(SECRET),
    "EVP.MAC": lambda: make("EVP", "MAC")("CMAC", SECRET, cipher="aes_256_cbc"),
    "EVP.MessageDigest": lambda: make("EVP", "MessageDigest")("sha256"),
    "EVP.PKey": pkey,
    "Engine.Engine": lambda: make("Engine", "Engine")("dynamic"),
    "Err.ErrorEntry": lambda: make("Err", "ErrorEntry")(1, "library", "reason", "data"),
    "OCSP.Answer": lambda: response().answers[0],
    "OCSP.CertID": lambda: make("OCSP", "CertID")(leaf(), root()),
    "OCSP.Request": lambda: make("OCSP", "Request")([make("OCSP", "CertID")(leaf(), root())]),
    "OCSP.Responder": lambda: responder(),
    "OCSP.Response": lambda: response(),
    "OCSP.Revoked": lambda: make("OCSP", "Revoked")(datetime.datetime.now(datetime.timezone.utc)),
    "PKCS12.PKCS12": lambda: make("PKCS12", "PKCS12")(pkey(), root(), [], "name"),
    "Provider.Provider": lambda: make("Provider", "Provider")("default"),
    "RC4.RC4": lambda: make("RC4", "RC4")(SECRET),
    "RSA.RSA": rsa,
    "RSA.RSA_pub": lambda: make("RSA", "new_pub_key")(rsa().pub()),
    "SMIME.Cipher": lambda: make("SMIME", "Cipher")("aes_256_cbc"),
    "SMIME.PKCS7": lambda: message(),
    "SMIME.SMIME": lambda: make("SMIME", "SMIME")(),
    "SSL.Checker": lambda: make("SSL.Checker", "Checker")("localhost"),
    "SSL.Alert": lambda: make("SSL", "Alert")(48, "unknown_ca"),
    "SSL.Cipher": lambda: ciphers()[0],
    "SSL.Cipher_Stack": lambda: ciphers(),
    "SSL.Connection": lambda: make("SSL", "Connection")(make("SSL", "Context")()),
    "SSL.Context": lambda: make("SSL", "Context")(),
    "SSL.Revocation.Cache": lambda: make("SSL.Revocation", "Cache")(),
    "SSL.Revocation.Revocation": lambda: make("SSL.Revocation", "Revocation")(),
    "SSL.Revocation.Status": lambda: make("SSL.Revocation", "Status")(
        False, make("SSL.Revocation", "Source").CRL
    ),
    "SSL.Session": lambda: session(),
    "SSL.stdlib.SSLContext": lambda: make("SSL.stdlib", "SSLContext")(),
    "SSL.timeout": lambda: make("SSL", "timeout")(1),
    "certdata.LeftOut": lambda: make("certdata", "LeftOut")(trusted(), "why"),
    "certdata.Root": lambda: trusted(),
    "X509.AuthorityKeyIdentifier": lambda: make("X509", "AuthorityKeyIdentifier")(b"id"),
    "X509.CRL": lambda: load("X509", "load_crl", "x509", "crl.pem"),
    "X509.CRL_Stack": lambda: make("X509", "CRL_Stack")(),
    "X509.Policy": lambda: make("X509", "Policy")("1.2.3"),
    "X509.PolicyQualifier": lambda: make("X509", "PolicyQualifier")("1.2.3", "text", b"der"),
    "X509.Request": lambda: load("X509", "load_request", "x509", "request.pem"),
    "X509.Revoked": lambda: load("X509", "load_crl", "x509", "crl.pem")[0],
    "X509.X509": leaf,
    "X509.X509_Extension": lambda: leaf().get_ext_at(0),
    "X509.X509_Extension_Stack": lambda: make("X509", "X509_Extension_Stack")(),
    "X509.X509_Name": lambda: leaf().get_subject(),
    "X509.X509_Name_Entry": lambda: leaf().get_subject()[0],
    "X509.X509_Stack": lambda: make("X509", "X509_Stack")(),
    "X509.X509_Store": lambda: make("X509", "X509_Store")(),
    "X509.X509_Store_Context": lambda: make("X509", "X509_Store_Context")(),
}


def ciphers() -> Any:
    return make("SSL", "Connection")(make("SSL", "Context")()).get_ciphers()


def dsa_pub() -> Any:
    key, bio = load("DSA", "load_key", "keys", "dsa_1024.pem"), make("BIO", "MemoryBuffer")()
    key.save_pub_key_bio(bio)
    return make("DSA", "load_pub_key_bio")(bio)


def responder() -> Any:
    issuer = load("X509", "load_cert", "certificates", "ca.pem")
    key = load("EVP", "load_key", "certificates", "ca.key")
    return make("OCSP", "Responder")(
        issuer, issuer, key, lambda serial: make("OCSP", "Status").GOOD
    )


def response() -> Any:
    server = load("X509", "load_cert", "certificates", "server.pem")
    asked = responder()
    request = make("OCSP", "Request")([make("OCSP", "CertID")(server, asked.issuer)])
    return make("OCSP", "load_response")(asked.respond(request.as_der()))


def trusted() -> Any:
    return make("certdata", "parse")((DATA / "certdata.txt").read_bytes())[0]


def session() -> Any:
    kind = make("SSL", "Connection")
    client, server = (make("SSL", "Context")() for _ in range(2))
    client.set_verify(m2.SSL_VERIFY_NONE, 1)
    server.load_cert(str(DATA / "certificates" / "server.pem"))
    pair = [kind(each, end) for each, end in zip((client, server), socket.socketpair())]
    for each in pair:
        each.setblocking(False)
        each.set_post_connection_check_callback(None)
    for _ in range(4):
        pair[0].connect_ssl()
        pair[1].accept_ssl()
    found = pair[0].get_session()
    for each in pair:
        each.close()
    return found


def message() -> Any:
    certificates, bio = make("X509", "X509_Stack")(), make("BIO", "MemoryBuffer")()
    certificates.push(leaf())
    make("SMIME", "create_degenerate")(certificates, bio)
    return make("SMIME", "load_pkcs7_bio")(bio)
