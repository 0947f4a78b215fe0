"""DH parameters, keys and shared secrets (RFC 7919; EVP_PKEY-DH(7)).

Numbers are bytes in MPI format (BN_bn2mpi(3)). The groups of RFC 7919, which `EVP.gen_key` uses,
are safer than parameters that a peer chooses. With an OpenSSL that was built without DH the module
can be imported, and its functions raise `DHError`.
"""

from __future__ import annotations

from M2Crypto import BIO, _features, _pem, m2
from M2Crypto._arguments import handle_of
from M2Crypto._errors import DHError
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.util import genparam_callback, progress_callback

if TYPE_CHECKING:
    from typing import Any, Callable

    from M2Crypto._m2crypto import Buffer, m2_dh

__all__ = [
    "DH",
    "DH_GENERATOR_2",
    "DH_GENERATOR_5",
    "DHError",
    "gen_params",
    "load_params",
    "load_params_bio",
    "set_params",
]

DH_GENERATOR_2: int = m2.DH_GENERATOR_2
DH_GENERATOR_5: int = m2.DH_GENERATOR_5

dh_m2: Any = _features.m2_with("DH", DHError)


class DH(_pem.Key):
    """Parameters or a key pair. `_pyfree` is ignored."""

    def __init__(self, dh: m2_dh, _pyfree: int = 0) -> None:
        self.dh = dh
        self._pyfree = 1

    def __copy__(self) -> DH:
        copied = super().__copy__()
        copied.dh = dh_m2.dh_dup(self.dh)
        return copied

    def __repr__(self) -> str:
        try:
            what = f"{len(self)} bytes"
        except DHError:
            what = "no parameters"
        return f"<M2Crypto.DH.{type(self).__name__}: {what}>"

    def _ptr(self) -> m2_dh:
        return self.dh

    @property
    def p(self) -> bytes:
        """The prime modulus in MPI format."""
        number: bytes = dh_m2.dh_get_p(self.dh)
        return number

    @property
    def g(self) -> bytes:
        """The generator in MPI format."""
        number: bytes = dh_m2.dh_get_g(self.dh)
        return number

    @property
    def pub(self) -> bytes:
        """The public key in MPI format."""
        number: bytes = dh_m2.dh_get_pub(self.dh)
        return number

    @property
    def priv(self) -> bytes:
        """The private key in MPI format."""
        number: bytes = dh_m2.dh_get_priv(self.dh)
        return number

    def __len__(self) -> int:
        """Return the number of bytes of the prime p."""
        length: int = dh_m2.dh_size(self.dh)
        return length

    def check_params(self) -> int:
        """Return 0 if the parameters are valid, else the sum of DH_check(3)'s codes.

        Raises:
            DHError: there are no parameters.
        """
        codes: int = dh_m2.dh_check(self.dh)
        return codes

    def gen_key(self) -> int:
        """Generate a key pair with the parameters (EVP_PKEY_keygen(3)), and return 1.

        Raises:
            DHError: there are no parameters.
        """
        status: int = dh_m2.dh_generate_key(self.dh)
        return status

    def compute_key(self, pubkey: Buffer) -> bytes:
        """Return the shared secret with a public key, a number in MPI format.

        Leading zeros are left out, unlike RFC 7919 and `EVP.PKey.derive` of a padded protocol
        require (DH_compute_key(3)).

        Raises:
            DHError: there is no private key, or the number is not a public key of the parameters.
        """
        secret: bytes = dh_m2.dh_compute_key(self.dh, pubkey)
        return secret

    def print_params(self, bio: BIO.BIO) -> int:
        """Print the parameters into a BIO and return 1 (EVP_PKEY_print_params(3))."""
        status: int = dh_m2.dhparams_print(handle_of(bio), self.dh)
        return status

    def save_params(self, filename: str | bytes) -> int:
        """Save the parameters as PEM into a file and return 1."""
        with BIO.openfile(filename, "wb") as bio:
            return self.save_params_bio(bio)

    def save_params_bio(self, bio: BIO.BIO) -> int:
        """Save the parameters as PEM into a BIO and return 1."""
        status: int = dh_m2.dh_write_parameters(self.dh, handle_of(bio))
        return status


def gen_params(plen: int, g: int, callback: Callable[..., object] | None = genparam_callback) -> DH:
    """Generate a safe prime of `plen` bits, for the generator `g` (EVP_PKEY_paramgen(3)).

    Args:
        plen: the bits of the prime, from 512. 2048 take seconds to minutes.
        g: the generator, `DH_GENERATOR_2` or `DH_GENERATOR_5`.
        callback: the progress callback (`util.progress_callback`), or None. An exception that it
            raises ends the generation and propagates.

    Raises:
        DHError: there are no parameters of this length or with this generator.
    """
    return DH(dh_m2.dh_generate_parameters(plen, g, progress_callback(callback)), 1)


def load_params(file: str | bytes) -> DH:
    """Load parameters from a PEM file (PKCS #3 or X9.42).

    Raises:
        BIOFileError: the file cannot be read.
        DHError: it has no DH parameters.
    """
    with BIO.openfile(file) as bio:
        return load_params_bio(bio)


def load_params_bio(bio: BIO.BIO) -> DH:
    """Load parameters in PEM from a BIO; see `load_params`."""
    return DH(dh_m2.dh_read_parameters(handle_of(bio)), 1)


def set_params(p: Buffer, g: Buffer) -> DH:
    """Return parameters from numbers in MPI format.

    Raises:
        DHError: a number is malformed or out of range.
    """
    dh = dh_m2.dh_new()
    dh_m2.dh_set_pg(dh, p, g)
    return DH(dh, 1)
