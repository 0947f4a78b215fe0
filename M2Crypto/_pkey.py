"""Keys of any type, their signatures, and their encodings in PEM, DER and octets; see EVP."""

from __future__ import annotations

from M2Crypto import BIO, _algorithms, _keys, _pem, m2, util
from M2Crypto._arguments import handle_of, text
from M2Crypto._errors import EVPError
from M2Crypto._locks import Lock
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Callable

    from M2Crypto import DH, DSA, EC, RSA
    from M2Crypto._m2crypto import EVP_PKEY, Buffer


class PKey(_keys.Operations, _pem.PrivateKey):
    """A key of any type, and its signatures (EVP_PKEY(3), EVP_SignInit(3), EVP_DigestSignInit(3)).

    `sign_*` and `verify_*` compute the digest `md` and sign it. `digest_sign*` and `digest_verify*`
    do the same; Ed25519 and Ed448 keys, which have their own digest, support only `digest_sign` and
    `digest_verify`. The PEM is PKCS #8 (RFC 5958). A copy shares the key and has no operation
    started. `_pyfree` is ignored.
    """

    __module__ = "M2Crypto.EVP"

    def __init__(
        self, pkey: EVP_PKEY | None = None, _pyfree: int = 0, md: str | None = "sha256"
    ) -> None:
        self.pkey = m2.pkey_new() if pkey is None else pkey
        self._pyfree = 1
        self._lock = Lock()
        self.reset_context(md)

    def __copy__(self) -> PKey:
        copied = super().__copy__()
        copied._lock = Lock()
        copied.ctx = m2.md_ctx_new()
        return copied

    def reset_context(self, md: str | None = "sha256") -> None:
        """Discard the current operation and set the digest; None for Ed25519 and Ed448 keys.

        Raises:
            EVPError: the digest is unknown.
        """
        self.md = None if md is None else _algorithms.digest(md, EVPError)
        self.ctx = m2.md_ctx_new()

    def _begin(self) -> None:
        if self.md is None:
            raise EVPError("no digest is set; set one by reset_context, or use digest_sign")
        with self._lock:
            m2.digest_init(self.ctx, self.md)

    def sign_init(self) -> None:
        """Start a signature."""
        self._begin()

    def sign_update(self, data: Buffer) -> None:
        """Add data to the signature."""
        with self._lock:
            m2.digest_update(self.ctx, data)

    def sign_final(self) -> bytes:
        """Return the signature.

        Raises:
            EVPError: the key cannot sign, or no signature was started.
        """
        with self._lock:
            return m2.sign_final(self.ctx, self.pkey)

    update = sign_update
    final = sign_final

    def verify_init(self) -> None:
        """Start a verification."""
        self._begin()

    def verify_update(self, data: Buffer) -> int:
        """Add data to the verification and return 1."""
        with self._lock:
            return m2.digest_update(self.ctx, data)

    def verify_final(self, sign: Buffer) -> int:
        """Return 1 if `sign` is the signature of the data by this key, else 0.

        Raises:
            EVPError: no verification was started, or there is no key.
        """
        with self._lock:
            return m2.verify_final(self.ctx, sign, self.pkey)

    def digest_sign_init(self) -> None:
        """Start a signature.

        Raises:
            EVPError: the key cannot sign.
        """
        with self._lock:
            m2.digest_sign_init(self.ctx, self.md, self.pkey)

    def digest_sign_update(self, data: Buffer) -> None:
        """Add data to the signature.

        Raises:
            EVPError: the key signs a whole message at once, by `digest_sign`.
        """
        with self._lock:
            m2.digest_sign_update(self.ctx, data)

    def digest_sign_final(self) -> bytes:
        """Return the signature."""
        with self._lock:
            return m2.digest_sign_final(self.ctx)

    def digest_sign(self, data: Buffer) -> bytes:
        """Sign data after `digest_sign_init`, and return the signature."""
        with self._lock:
            return m2.digest_sign(self.ctx, data)

    def digest_verify_init(self) -> None:
        """Start a verification."""
        with self._lock:
            m2.digest_verify_init(self.ctx, self.md, self.pkey)

    def digest_verify_update(self, data: Buffer) -> int:
        """Add data to the verification and return 1.

        Raises:
            EVPError: the key verifies a whole message at once, by `digest_verify`.
        """
        with self._lock:
            return m2.digest_verify_update(self.ctx, data)

    def digest_verify_final(self, sign: Buffer) -> int:
        """Return 1 if `sign` is the signature of the data by this key, else 0."""
        with self._lock:
            return m2.digest_verify_final(self.ctx, sign)

    def digest_verify(self, sign: Buffer, data: Buffer) -> int:
        """Return 1 if `sign` is the signature of `data`, else 0; after `digest_verify_init`."""
        with self._lock:
            return m2.digest_verify(self.ctx, sign, data)

    def assign_rsa(self, rsa: RSA.RSA, capture: int = 1) -> int:
        """Set the key to an RSA key, which `rsa` shares, and return 1. `capture` is ignored.

        Raises:
            EVPError: the RSA key is incomplete.
        """
        self.pkey = m2.pkey_from_rsa(handle_of(rsa))
        return 1

    def get_rsa(self) -> RSA.RSA:
        """Return the RSA key, which is shared.

        Returns:
            An `RSA` for a private key, an `RSA_pub` for a public one.

        Raises:
            EVPError: the key is not an RSA key.
        """
        from M2Crypto import RSA

        handle = m2.pkey_get1_rsa(self.pkey)
        return RSA.RSA(handle, 1) if m2.rsa_is_private(handle) else RSA.RSA_pub(handle, 1)

    def assign_ec(self, ec: EC.EC, capture: int = 1) -> int:
        """Set the key to an EC key, which `ec` shares, and return 1. `capture` is ignored.

        Raises:
            EVPError: `ec` has only parameters.
        """
        from M2Crypto import EC

        self.pkey = EC.ec_m2.pkey_from_ec(handle_of(ec))
        return 1

    def get_ec(self) -> EC.EC_pub:
        """Return the EC key, which is shared.

        Raises:
            EVPError: the key is not an EC key.
            ECError: this OpenSSL was built without EC.
        """
        from M2Crypto import EC

        return EC.EC_pub(EC.ec_m2.pkey_get1_ec(self.pkey), 1)

    def get_dsa(self) -> DSA.DSA:
        """Return the DSA key.

        Returns:
            A `DSA` for a private key, a `DSA_pub` for a public one.

        Raises:
            EVPError: the key is not a DSA key.
        """
        from M2Crypto import DSA

        handle = DSA.dsa_m2.pkey_get1_dsa(self.pkey)
        return DSA.DSA(handle, 1) if DSA.dsa_m2.dsa_is_private(handle) else DSA.DSA_pub(handle, 1)

    def get_dh(self) -> DH.DH:
        """Return the DH key.

        Raises:
            EVPError: the key is not a DH key.
        """
        from M2Crypto import DH

        return DH.DH(DH.dh_m2.pkey_get1_dh(self.pkey), 1)

    def assign_dsa(self, dsa: DSA.DSA) -> int:
        """Set the key to a DSA key, and return 1.

        Raises:
            EVPError: `dsa` has only parameters, or not even those.
        """
        from M2Crypto import DSA

        self.pkey = DSA.dsa_m2.pkey_from_dsa(handle_of(dsa))
        return 1

    def assign_dh(self, dh: DH.DH) -> int:
        """Set the key to a DH key, and return 1.

        Raises:
            EVPError: `dh` has only parameters, or not even those.
        """
        from M2Crypto import DH

        self.pkey = DH.dh_m2.pkey_from_dh(handle_of(dh))
        return 1

    def _write_private(
        self, bio: BIO.BIO, cipher: str | None, callback: util.PassphraseCallback
    ) -> int:
        encryption = None if cipher is None else _algorithms.cipher(cipher, EVPError)
        return m2.pkey_write_pem(self.pkey, handle_of(bio), encryption, callback)

    def as_der(self) -> bytes:
        """Return the SubjectPublicKeyInfo in DER (RFC 5280, section 4.1.2.7)."""
        return m2.pkey_as_der(self.pkey)

    def size(self) -> int:
        """Return the maximum size of a signature in bytes (EVP_PKEY_get_size(3)).

        Raises:
            EVPError: there is no key.
        """
        return m2.pkey_size(self.pkey)

    def get_modulus(self) -> bytes:
        """Return the modulus of an RSA key, or the public value of a DSA key, in hexadecimal.

        Raises:
            EVPError: the key is of another type.
        """
        return m2.pkey_get_modulus(self.pkey)

    def get_key_identifier(self) -> bytes:
        """Return the SHA-1 digest of the public key (RFC 5280, section 4.2.1.2, method 1)."""
        return m2.pkey_get_key_identifier(self.pkey)


def load_key(
    file: str | bytes, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a private key from a PEM file.

    Raises:
        BIOFileError: the file cannot be read.
        PassphraseError: the passphrase is wrong or was not given; an EVPError, too.
        EVPError: the file has no private key.
    """
    with BIO.openfile(file, "rb") as bio:
        return load_key_bio(bio, callback)


def load_key_pubkey(
    file: str | bytes, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a public key from a PEM file.

    Raises:
        BIOError: the file cannot be read.
        EVPError: it has no public key.
    """
    with BIO.openfile(file, "rb") as bio:
        return load_key_bio_pubkey(bio, callback)


def load_key_bio(
    bio: BIO.BIO, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a private key in PEM from a BIO; see `load_key`."""
    return PKey(m2.pkey_read_pem(handle_of(bio), callback), 1)


def load_key_bio_pubkey(
    bio: BIO.BIO, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a public key in PEM from a BIO; see `load_key_pubkey`."""
    return PKey(m2.pkey_read_pem_pubkey(handle_of(bio), callback), 1)


def load_key_string(
    string: bytes | str, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a private key in PEM from bytes; see `load_key`."""
    return load_key_bio(_pem.bio_of(string), callback)


def load_key_string_pubkey(
    string: bytes | str, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a public key in PEM from bytes; see `load_key_pubkey`."""
    return load_key_bio_pubkey(_pem.bio_of(string), callback)


def load_key_der(
    der: Buffer, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a private key in DER: PKCS #8, encrypted or not, or its type's own format.

    Raises:
        PassphraseError: the passphrase is wrong or was not given; an EVPError, too.
        EVPError: it is malformed, or continues after the key.
    """
    return PKey(m2.pkey_read_der(der, callback), 1)


def load_key_der_pubkey(der: Buffer) -> PKey:
    """Load a public key in DER (SubjectPublicKeyInfo; RFC 5280, section 4.1.2.7).

    Raises:
        EVPError: it is malformed, or continues after the key.
    """
    return PKey(m2.pkey_read_der_pubkey(der), 1)


def load_key_raw(algorithm: str, octets: Buffer, curve: str | int | None = None) -> PKey:
    """Return the private key with the octets that `PKey.raw_private` returns.

    Args:
        algorithm: the type of the key, such as `ED25519`, `ML-DSA-65` or `EC`.
        octets: the private key.
        curve: the curve of an EC key: its name or NID.

    Raises:
        EVPError: this OpenSSL does not have the type, or the octets are not a key of it.
    """
    if text(algorithm).upper() == "EC":
        return PKey(m2.pkey_from_ec_scalar(_group(curve, "curve"), octets), 1)
    return PKey(m2.pkey_from_raw_private(algorithm, octets), 1)


def load_key_raw_pubkey(algorithm: str, octets: Buffer, curve: str | int | None = None) -> PKey:
    """Return the public key with the octets that `PKey.raw_public` returns; see `load_key_raw`."""
    if text(algorithm).upper() == "EC":
        from M2Crypto import EC

        point = EC.ec_m2.ec_key_from_pubkey_params(_group(curve, "curve"), octets)
        return PKey(EC.ec_m2.pkey_from_ec(point), 1)
    return PKey(m2.pkey_from_raw_public(algorithm, octets), 1)


def _group(group: str | int | None, parameter: str) -> int:
    """Return the NID of a curve or group."""
    if group is None:
        raise EVPError(f"the {parameter} is missing")
    nid = group if isinstance(group, int) else m2.pkey_group_nid(group)
    if nid == 0:
        raise EVPError(f"unknown {parameter}: {group}")
    return nid


def gen_key(
    algorithm: str,
    bits: int | None = None,
    *,
    exponent: int = 65537,
    curve: str | int | None = None,
    group: str | int | None = None,
    seed: Buffer | None = None,
    callback: Callable[..., object] | None = None,
) -> PKey:
    """Generate a private key of any type (EVP_PKEY_keygen(3)).

    Args:
        algorithm: the type of the key: `RSA`, `RSA-PSS`, `DSA`, `DH`, `EC`, `ED25519`, `ED448`,
            `X25519`, `X448`, or with OpenSSL 3.5 `ML-KEM-768`, `ML-DSA-65`, `SLH-DSA-SHA2-128s` and
            their other parameter sets.
        bits: the bits of RSA's modulus, by default 3072, or of DSA's prime, by default 2048.
        exponent: the public exponent of RSA.
        curve: the curve of EC, by name (`P-256`, `prime256v1`) or NID; by default P-256.
        group: the group of DH (RFC 7919), by name or NID; by default ffdhe2048.
        seed: the seed of ML-KEM (64 bytes), ML-DSA (32) or SLH-DSA; by default random.
        callback: the progress callback (`util.progress_callback`) of RSA and DSA. An exception that
            it raises ends the generation and propagates.

    Raises:
        EVPError: this OpenSSL does not have the type, or it does not have the parameter.
    """
    kind = text(algorithm).upper()
    given = {"bits": bits, "curve": curve, "group": group, "seed": seed}
    for parameter, value in given.items():
        if value is not None and parameter not in _PARAMETERS.get(kind, ("seed",)):
            raise EVPError(f"a key of type {algorithm} has no parameter {parameter}")
    nid = 0
    if kind == "EC":
        nid = _group("prime256v1" if curve is None else curve, "curve")
    elif kind == "DH":
        nid = _group("ffdhe2048" if group is None else group, "group")
    length = _BITS.get(kind, 0) if bits is None else bits
    report = util.progress_callback(callback)
    return PKey(m2.pkey_generate(algorithm, length, exponent, nid, seed, report), 1)


# The parameters of types of keys, and the default bits; other types have a seed alone.
_PARAMETERS = {
    "RSA": ("bits",),
    "RSA-PSS": ("bits",),
    "DSA": ("bits",),
    "DH": ("group",),
    "EC": ("curve",),
}
_BITS = {"RSA": 3072, "RSA-PSS": 3072, "DSA": 2048}
# Their signatures never have a random part (RFC 8032).
_DETERMINISTIC = ("ED25519", "ED448")

# Python does not cache the look-up of a function in a module with __getattr__, such as m2.
_sign = m2.pkey_sign


def sign(
    key: PKey,
    data: Buffer,
    md: str | None = "sha256",
    *,
    padding: int = 0,
    mgf1_md: str | None = None,
    salt_length: _keys.SaltLength = "digest",
    context: Buffer | None = None,
    deterministic: bool = False,
) -> bytes:
    """Sign a message with a private key of any type (EVP_DigestSign(3)).

    Args:
        key: the private key.
        data: the message.
        md: the digest; ignored for keys with one of their own, such as Ed25519 and ML-DSA.
        padding: for RSA, `RSA.pkcs1_padding`, the default, or `RSA.pkcs1_pss_padding`.
        mgf1_md: the digest of PSS's mask generation function MGF1, by default `md`.
        salt_length: the bytes of PSS's salt; `digest` for the length of the digest, `max` or `auto`
            for the maximum.
        context: the context string of ML-DSA and SLH-DSA (OpenSSL 3.5), or of Ed25519ctx and Ed448
            (3.2; RFC 8032, section 5), at most 255 bytes.
        deterministic: whether to omit the random part of ECDSA and DSA (RFC 6979; OpenSSL 3.2),
            ML-DSA and SLH-DSA (3.5).

    Raises:
        EVPError: there is no private key, its type does not sign, or it does not have an option.
    """
    # Every call that the defaults do not need is left out: a signature of ECDSA takes 20 us.
    return _sign(
        key.pkey if type(key) is PKey else handle_of(key),
        data,
        None if md is None else _algorithms.digest(md, EVPError),
        padding,
        None if mgf1_md is None else _algorithms.digest(mgf1_md, EVPError),
        -1 if salt_length == "digest" else _keys.salt_length(salt_length, EVPError),
        context,
        deterministic and key.algorithm not in _DETERMINISTIC,
    )


def verify(
    key: PKey,
    signature: Buffer,
    data: Buffer,
    md: str | None = "sha256",
    *,
    padding: int = 0,
    mgf1_md: str | None = None,
    salt_length: _keys.SaltLength = "digest",
    context: Buffer | None = None,
) -> bool:
    """Return whether `signature` is that of a message by a key (EVP_DigestVerify(3)).

    The other arguments are those of `sign`. The salt length `auto` accepts any.

    Raises:
        EVPError: the type of the key does not sign, or it does not have an option.
    """
    verdict = m2.pkey_verify(
        handle_of(key),
        signature,
        data,
        _keys.digest(md, EVPError),
        padding,
        _keys.digest(mgf1_md, EVPError),
        _keys.salt_length(salt_length, EVPError),
        context,
    )
    return bool(verdict)
