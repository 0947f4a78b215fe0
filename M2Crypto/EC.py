"""Elliptic curve keys: ECDSA signatures and ECDH (SEC 1; EVP_PKEY-EC(7)).

`EC` holds parameters or a key pair, `EC_pub` a public key. With an OpenSSL that was built without
EC the module can be imported, and its functions raise `ECError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NewType, NoReturn

from M2Crypto import BIO, Err, _pem, m2, util
from M2Crypto._arguments import handle_of
from M2Crypto._errors import ECError

if TYPE_CHECKING:
    from typing import TypedDict

    from M2Crypto._m2crypto import Buffer, m2_ec

    class Curve(TypedDict):
        """A curve: its NID, short name and comment."""

        NID: int
        sname: str
        comment: str


__all__ = [
    "EC",
    "ECError",
    "EC_Key",
    "EC_pub",
    "ec_error",
    "gen_params",
    "get_builtin_curves",
    "load_key",
    "load_key_bio",
    "load_key_string",
    "load_key_string_pubkey",
    "load_pub_key",
    "load_pub_key_bio",
    "pub_key_from_der",
    "pub_key_from_params",
]

# A type for annotations of programs.
EC_Key = NewType("EC_Key", object)


class _WithoutEC:
    """A substitute for `m2` without EC, whose every attribute raises ECError."""

    def __getattr__(self, name: str) -> NoReturn:
        raise ECError(f"{name}: this OpenSSL was built without EC ({m2.OPENSSL_VERSION_TEXT})")


ec_m2: Any = _WithoutEC() if m2.OPENSSL_NO_EC else m2


def ec_error() -> NoReturn:
    """Raise ECError for the oldest error in OpenSSL's queue."""
    raise ECError(Err.get_error_message())


class EC(_pem.PrivateKey):
    """Parameters or a key pair. Its PEM is an ECPrivateKey (RFC 5915). `_pyfree` is ignored."""

    def __init__(self, ec: m2_ec, _pyfree: int = 0) -> None:
        self.ec = ec
        self._pyfree = 1

    def __repr__(self) -> str:
        try:
            what = f"{len(self)} bits"
        except ECError:
            what = "no valid key"
        return f"<M2Crypto.EC.{type(self).__name__}: {what}>"

    def _ptr(self) -> m2_ec:
        return self.ec

    def __len__(self) -> int:
        """Return the number of bits of the curve's field."""
        length: int = ec_m2.ec_key_keylen(self.ec)
        return length

    def gen_key(self) -> None:
        """Generate a key pair on the curve of the parameters (EVP_PKEY_keygen(3))."""
        self.ec = ec_m2.ec_key_gen_key(self.ec)

    def pub(self) -> EC_pub:
        """Return the public key.

        Raises:
            ECError: there are only parameters.
        """
        return EC_pub(ec_m2.ec_key_from_pubkey_der(ec_m2.ec_key_get_public_der(self.ec)), 1)

    def sign_dsa(self, digest: Buffer) -> tuple[bytes, bytes]:
        """Sign a digest by ECDSA.

        Returns:
            The numbers r and s in MPI format (BN_bn2mpi(3)).

        Raises:
            ECError: there is no private key.
        """
        signature = self.sign_dsa_asn1(digest)
        return ec_m2.ecdsa_sig_get_r(signature), ec_m2.ecdsa_sig_get_s(signature)

    def verify_dsa(self, digest: Buffer, r: Buffer, s: Buffer) -> int:
        """Return 1 if `r` and `s` are the ECDSA signature of a digest by this key, else 0.

        Raises:
            ECError: there is no public key, or a number is not in MPI format.
        """
        return self.verify_dsa_asn1(digest, ec_m2.ecdsa_sig_new(r, s))

    def sign_dsa_asn1(self, digest: Buffer) -> bytes:
        """Sign a digest by ECDSA and return the signature in DER (RFC 3279, section 2.2.3).

        Raises:
            ECError: there is no private key.
        """
        signature: bytes = ec_m2.ecdsa_sign_asn1(self.ec, digest)
        return signature

    def verify_dsa_asn1(self, digest: Buffer, blob: Buffer) -> int:
        """Return 1 if `blob` is the ECDSA signature of a digest by this key, else 0.

        Raises:
            ECError: there is no public key, or the signature is not DER.
        """
        verdict: int = ec_m2.ecdsa_verify_asn1(self.ec, digest, blob)
        return verdict

    def compute_dh_key(self, pub_key: EC) -> bytes:
        """Return the ECDH shared secret with `pub_key` (SEC 1, section 3.3.1).

        Raises:
            ECError: this is not a private key, `pub_key` has no public key, or the curves differ.
        """
        secret: bytes = ec_m2.ecdh_compute_key(self.ec, handle_of(pub_key))
        return secret

    def _write_private(
        self, bio: BIO.BIO, cipher: str | None, callback: util.PassphraseCallback
    ) -> int:
        encryption = _pem.cipher(cipher, ECError)
        status: int = ec_m2.ec_key_write_bio(self.ec, handle_of(bio), encryption, callback)
        return status

    def save_pub_key_bio(self, bio: BIO.BIO) -> int:
        """Save the public key as PEM (SubjectPublicKeyInfo) into a BIO and return 1."""
        status: int = ec_m2.ec_key_write_pubkey(self.ec, handle_of(bio))
        return status

    def save_pub_key(self, file: str | bytes) -> int:
        """Save the public key as PEM into a file and return 1."""
        bio = BIO.MemoryBuffer()
        self.save_pub_key_bio(bio)
        with BIO.openfile(file, "wb") as out:
            out.write(bio.read())
        return 1

    def check_key(self) -> int:
        """Return 1 if the key is valid (EVP_PKEY_check(3)), else 0."""
        verdict: int = ec_m2.ec_key_check_key(self.ec)
        return verdict


class EC_pub(EC):
    """A public key."""

    def get_der(self) -> bytes:
        """Return the SubjectPublicKeyInfo in DER (RFC 5480, section 2)."""
        der: bytes = ec_m2.ec_key_get_public_der(self.ec)
        return der

    def get_key(self) -> bytes:
        """Return the public point as octets (SEC 1, section 2.3.3)."""
        point: bytes = ec_m2.ec_key_get_public_key(self.ec)
        return point

    def as_pem(self) -> bytes:  # type: ignore[override]  # the API has no parameters
        """Return the key as PEM (SubjectPublicKeyInfo)."""
        bio = BIO.MemoryBuffer()
        self.save_pub_key_bio(bio)
        return bio.read()


def gen_params(curve: int) -> EC:
    """Return the domain parameters of a curve, for `gen_key`.

    Args:
        curve: the NID, one of this module's.

    Raises:
        ECError: the NID is not a curve's, or this OpenSSL does not have the curve.
    """
    return EC(ec_m2.ec_key_new_by_curve_name(curve), 1)


def load_key(
    file: str | bytes, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> EC:
    """Load a key pair from a PEM file (SEC 1 or PKCS #8).

    Raises:
        BIOError: the file cannot be read.
        ECError: it has no private EC key, or the passphrase is wrong.
    """
    with BIO.openfile(file, "rb") as bio:
        return load_key_bio(bio, callback)


def load_key_string(
    string: bytes | str, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> EC:
    """Load a key pair in PEM from bytes; see `load_key`."""
    return load_key_bio(_pem.bio_of(string), callback)


def load_key_bio(
    bio: BIO.BIO, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> EC:
    """Load a key pair in PEM from a BIO; see `load_key`."""
    return EC(ec_m2.ec_key_read_bio(handle_of(bio), callback), 1)


def load_pub_key(file: str | bytes) -> EC_pub:
    """Load a public key from a PEM file (SubjectPublicKeyInfo).

    Raises:
        BIOError: the file cannot be read.
        ECError: it has no public EC key.
    """
    with BIO.openfile(file, "rb") as bio:
        return load_pub_key_bio(bio)


def load_key_string_pubkey(
    string: bytes | str, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> EC_pub:
    """Load a public key in PEM from bytes; see `load_pub_key`. `callback` is not called."""
    return load_pub_key_bio(_pem.bio_of(string))


def load_pub_key_bio(bio: BIO.BIO) -> EC_pub:
    """Load a public key in PEM from a BIO; see `load_pub_key`."""
    return EC_pub(ec_m2.ec_key_read_pubkey(handle_of(bio)), 1)


def pub_key_from_der(der: Buffer) -> EC_pub:
    """Return the public key of a SubjectPublicKeyInfo in DER.

    Raises:
        ECError: it is malformed, or not of an EC key.
    """
    return EC_pub(ec_m2.ec_key_from_pubkey_der(der), 1)


def pub_key_from_params(curve: int, bytes: Buffer) -> EC_pub:
    """Return the public key with a curve's NID and a point (SEC 1, section 2.3.3).

    Raises:
        ECError: this OpenSSL does not have the curve, or the point is not on it.
    """
    return EC_pub(ec_m2.ec_key_from_pubkey_params(curve, bytes), 1)


def get_builtin_curves() -> tuple[Curve, ...]:
    """Return the curves of this OpenSSL (EC_get_builtin_curves(3))."""
    curves: list[Curve] = []
    while nid := ec_m2.ec_builtin_curve_nid(len(curves)):
        comment = ec_m2.ec_builtin_curve_comment(len(curves))
        curves.append({"NID": nid, "sname": m2.obj_nid2sn(nid), "comment": comment})
    return tuple(curves)


# NIDs of curves, those of X9.62 also by short name. get_builtin_curves returns those that this
# OpenSSL implements. No OpenSSL implements the onb curves; X25519 and X448 are for EVP keys.
NID_secp112r1: int = m2.NID_secp112r1
NID_secp112r2: int = m2.NID_secp112r2
NID_secp128r1: int = m2.NID_secp128r1
NID_secp128r2: int = m2.NID_secp128r2
NID_secp160k1: int = m2.NID_secp160k1
NID_secp160r1: int = m2.NID_secp160r1
NID_secp160r2: int = m2.NID_secp160r2
NID_secp192k1: int = m2.NID_secp192k1
NID_secp224k1: int = m2.NID_secp224k1
NID_secp224r1: int = m2.NID_secp224r1
NID_secp256k1: int = m2.NID_secp256k1
NID_secp384r1: int = m2.NID_secp384r1
NID_secp521r1: int = m2.NID_secp521r1
NID_X9_62_prime192v1: int = m2.NID_X9_62_prime192v1
NID_prime192v1: int = m2.NID_prime192v1
NID_X9_62_prime192v2: int = m2.NID_X9_62_prime192v2
NID_prime192v2: int = m2.NID_prime192v2
NID_X9_62_prime192v3: int = m2.NID_X9_62_prime192v3
NID_prime192v3: int = m2.NID_prime192v3
NID_X9_62_prime239v1: int = m2.NID_X9_62_prime239v1
NID_prime239v1: int = m2.NID_prime239v1
NID_X9_62_prime239v2: int = m2.NID_X9_62_prime239v2
NID_prime239v2: int = m2.NID_prime239v2
NID_X9_62_prime239v3: int = m2.NID_X9_62_prime239v3
NID_prime239v3: int = m2.NID_prime239v3
NID_X9_62_prime256v1: int = m2.NID_X9_62_prime256v1
NID_prime256v1: int = m2.NID_prime256v1
NID_sect113r1: int = m2.NID_sect113r1
NID_sect113r2: int = m2.NID_sect113r2
NID_sect131r1: int = m2.NID_sect131r1
NID_sect131r2: int = m2.NID_sect131r2
NID_sect163k1: int = m2.NID_sect163k1
NID_sect163r1: int = m2.NID_sect163r1
NID_sect163r2: int = m2.NID_sect163r2
NID_sect193r1: int = m2.NID_sect193r1
NID_sect193r2: int = m2.NID_sect193r2
NID_sect233k1: int = m2.NID_sect233k1
NID_sect233r1: int = m2.NID_sect233r1
NID_sect239k1: int = m2.NID_sect239k1
NID_sect283k1: int = m2.NID_sect283k1
NID_sect283r1: int = m2.NID_sect283r1
NID_sect409k1: int = m2.NID_sect409k1
NID_sect409r1: int = m2.NID_sect409r1
NID_sect571k1: int = m2.NID_sect571k1
NID_sect571r1: int = m2.NID_sect571r1
NID_X9_62_c2pnb163v1: int = m2.NID_X9_62_c2pnb163v1
NID_c2pnb163v1: int = m2.NID_c2pnb163v1
NID_X9_62_c2pnb163v2: int = m2.NID_X9_62_c2pnb163v2
NID_c2pnb163v2: int = m2.NID_c2pnb163v2
NID_X9_62_c2pnb163v3: int = m2.NID_X9_62_c2pnb163v3
NID_c2pnb163v3: int = m2.NID_c2pnb163v3
NID_X9_62_c2pnb176v1: int = m2.NID_X9_62_c2pnb176v1
NID_c2pnb176v1: int = m2.NID_c2pnb176v1
NID_X9_62_c2tnb191v1: int = m2.NID_X9_62_c2tnb191v1
NID_c2tnb191v1: int = m2.NID_c2tnb191v1
NID_X9_62_c2tnb191v2: int = m2.NID_X9_62_c2tnb191v2
NID_c2tnb191v2: int = m2.NID_c2tnb191v2
NID_X9_62_c2tnb191v3: int = m2.NID_X9_62_c2tnb191v3
NID_c2tnb191v3: int = m2.NID_c2tnb191v3
NID_X9_62_c2pnb208w1: int = m2.NID_X9_62_c2pnb208w1
NID_c2pnb208w1: int = m2.NID_c2pnb208w1
NID_X9_62_c2tnb239v1: int = m2.NID_X9_62_c2tnb239v1
NID_c2tnb239v1: int = m2.NID_c2tnb239v1
NID_X9_62_c2tnb239v2: int = m2.NID_X9_62_c2tnb239v2
NID_c2tnb239v2: int = m2.NID_c2tnb239v2
NID_X9_62_c2tnb239v3: int = m2.NID_X9_62_c2tnb239v3
NID_c2tnb239v3: int = m2.NID_c2tnb239v3
NID_X9_62_c2pnb272w1: int = m2.NID_X9_62_c2pnb272w1
NID_c2pnb272w1: int = m2.NID_c2pnb272w1
NID_X9_62_c2pnb304w1: int = m2.NID_X9_62_c2pnb304w1
NID_c2pnb304w1: int = m2.NID_c2pnb304w1
NID_X9_62_c2tnb359v1: int = m2.NID_X9_62_c2tnb359v1
NID_c2tnb359v1: int = m2.NID_c2tnb359v1
NID_X9_62_c2pnb368w1: int = m2.NID_X9_62_c2pnb368w1
NID_c2pnb368w1: int = m2.NID_c2pnb368w1
NID_X9_62_c2tnb431r1: int = m2.NID_X9_62_c2tnb431r1
NID_c2tnb431r1: int = m2.NID_c2tnb431r1
NID_wap_wsg_idm_ecid_wtls1: int = m2.NID_wap_wsg_idm_ecid_wtls1
NID_wap_wsg_idm_ecid_wtls3: int = m2.NID_wap_wsg_idm_ecid_wtls3
NID_wap_wsg_idm_ecid_wtls4: int = m2.NID_wap_wsg_idm_ecid_wtls4
NID_wap_wsg_idm_ecid_wtls5: int = m2.NID_wap_wsg_idm_ecid_wtls5
NID_wap_wsg_idm_ecid_wtls6: int = m2.NID_wap_wsg_idm_ecid_wtls6
NID_wap_wsg_idm_ecid_wtls7: int = m2.NID_wap_wsg_idm_ecid_wtls7
NID_wap_wsg_idm_ecid_wtls8: int = m2.NID_wap_wsg_idm_ecid_wtls8
NID_wap_wsg_idm_ecid_wtls9: int = m2.NID_wap_wsg_idm_ecid_wtls9
NID_wap_wsg_idm_ecid_wtls10: int = m2.NID_wap_wsg_idm_ecid_wtls10
NID_wap_wsg_idm_ecid_wtls11: int = m2.NID_wap_wsg_idm_ecid_wtls11
NID_wap_wsg_idm_ecid_wtls12: int = m2.NID_wap_wsg_idm_ecid_wtls12
NID_ipsec3: int = m2.NID_ipsec3
NID_ipsec4: int = m2.NID_ipsec4
NID_brainpoolP160r1: int = m2.NID_brainpoolP160r1
NID_brainpoolP160t1: int = m2.NID_brainpoolP160t1
NID_brainpoolP192r1: int = m2.NID_brainpoolP192r1
NID_brainpoolP192t1: int = m2.NID_brainpoolP192t1
NID_brainpoolP224r1: int = m2.NID_brainpoolP224r1
NID_brainpoolP224t1: int = m2.NID_brainpoolP224t1
NID_brainpoolP256r1: int = m2.NID_brainpoolP256r1
NID_brainpoolP256t1: int = m2.NID_brainpoolP256t1
NID_brainpoolP320r1: int = m2.NID_brainpoolP320r1
NID_brainpoolP320t1: int = m2.NID_brainpoolP320t1
NID_brainpoolP384r1: int = m2.NID_brainpoolP384r1
NID_brainpoolP384t1: int = m2.NID_brainpoolP384t1
NID_brainpoolP512r1: int = m2.NID_brainpoolP512r1
NID_brainpoolP512t1: int = m2.NID_brainpoolP512t1
NID_sm2: int = m2.NID_sm2
NID_X9_62_c2onb191v4: int = m2.NID_X9_62_c2onb191v4
NID_X9_62_c2onb191v5: int = m2.NID_X9_62_c2onb191v5
NID_X9_62_c2onb239v4: int = m2.NID_X9_62_c2onb239v4
NID_X9_62_c2onb239v5: int = m2.NID_X9_62_c2onb239v5
NID_X25519: int = m2.NID_X25519
NID_X448: int = m2.NID_X448
