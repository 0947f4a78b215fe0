"""DH: parameters, keys and shared secrets; without DH every function raises."""

import base64
import copy
import pickle
from pathlib import Path

import pytest

from M2Crypto import BIO, DH, EVP, Err, m2

KEYS = Path(__file__).with_name("data") / "keys"
needs_dh = pytest.mark.needs("DH")

# RFC 3526, section 2: the 1536-bit MODP group.
MODP_1536 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404"
    "DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406"
    "B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD"
    "24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFF"
    "FFFFFFFF",
    16,
)

# RFC 2409, section 6.1: the 768-bit MODP group, whose check takes an eighth of the time.
MODP_768 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404"
    "DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A3620FFFFFFFFFFFF"
    "FFFF",
    16,
)


@pytest.fixture(autouse=True)
def _the_error_queue_stays_empty():
    yield
    assert Err.peek_error_code() == 0


@pytest.fixture
def parameters():
    return DH.set_params(mpi(MODP_1536), mpi(2))


def mpi(number):
    """Return a positive number in OpenSSL's MPI format."""
    octets = number.to_bytes(number.bit_length() // 8 + 1, "big")
    octets = octets[1:] if octets[0] == 0 and octets[1] < 0x80 else octets
    return len(octets).to_bytes(4, "big") + octets


def number(octets):
    return int.from_bytes(octets[4:], "big")


# ---- parameters ----------------------------------------------------------------------------------


@needs_dh
@pytest.mark.parametrize("generator", ["DH_GENERATOR_2", "DH_GENERATOR_5"])
def test_parameters_are_generated(generator):
    calls = []
    dh = DH.gen_params(512, getattr(DH, generator), lambda *numbers: calls.append(numbers))
    assert calls
    assert len(dh) == 64
    assert number(dh.g) == int(generator[-1])
    assert dh.check_params() == 0


@needs_dh
def test_an_exception_of_the_callback_ends_the_generation():
    def stop(*numbers):
        raise LookupError("stop")

    with pytest.raises(LookupError, match="^stop$"):
        DH.gen_params(512, 2, stop)


@needs_dh
@pytest.mark.parametrize(("bits", "generator"), [(511, 2), (10_001, 2), (-1, 2), (512, 1)])
def test_parameters_out_of_range_are_refused(bits, generator):
    with pytest.raises(DH.DHError, match="from 512 to 10000 bits, and a generator of at least 2"):
        DH.gen_params(bits, generator, None)


@needs_dh
def test_parameters_are_set_from_numbers(parameters):
    assert (number(parameters.p), number(parameters.g)) == (MODP_1536, 2)
    assert len(parameters) == 192
    for value in (b"", b"\0\0\0\0", b"\0\0\0\1\x81", b"junk"):
        for numbers in ((value, mpi(2)), (mpi(MODP_1536), value)):
            with pytest.raises(DH.DHError):
                DH.set_params(*numbers)
    for value in (None, "text", 1):
        with pytest.raises(TypeError):
            DH.set_params(value, mpi(2))


# DH_check(3): DH_CHECK_P_NOT_PRIME 1, DH_CHECK_P_NOT_SAFE_PRIME 2, DH_NOT_SUITABLE_GENERATOR 8.
@needs_dh
@pytest.mark.parametrize(
    ("p", "g", "codes"),
    [
        (MODP_768, 2, 0),
        (MODP_768, 1, 8),
        (MODP_768, MODP_768 - 1, 8),
        (MODP_768, MODP_768 - 2, 0),
        (MODP_768 + 2, 2, 1),
        # The Mersenne prime, whose half is no prime.
        (2**521 - 1, 3, 2),
        (2**521 - 1, 1, 10),
    ],
    ids=["group", "1", "p - 1", "p - 2", "no prime", "Mersenne", "Mersenne-1"],
)
def test_the_check_of_parameters_returns_openssls_codes(p, g, codes):
    assert DH.set_params(mpi(p), mpi(g)).check_params() == codes


def der(tag, content):
    """Encode in DER with a length of three octets."""
    return bytes([tag, 0x83]) + len(content).to_bytes(3, "big") + content


@needs_dh
def test_an_order_above_the_modulus_is_invalid_and_not_tested():
    # RFC 3279, section 2.3.3: p, g and q, which alone would take hours.
    numbers = (MODP_768, 2, (1 << 500_000) + 1)
    encoded = [der(2, each.to_bytes(each.bit_length() // 8 + 1, "big")) for each in numbers]
    # A length as long as DER requires, and no longer, is not checked by OpenSSL.
    text = base64.encodebytes(der(0x30, b"".join(encoded)))
    pem = b"-----BEGIN X9.42 DH PARAMETERS-----\n%s-----END X9.42 DH PARAMETERS-----\n" % text
    parameters = DH.load_params_bio(BIO.MemoryBuffer(pem))
    # DH_check(3): DH_CHECK_INVALID_Q_VALUE.
    assert parameters.check_params() == 0x20


@needs_dh
def test_parameters_round_trip_through_pem(certificates, tmp_path):
    # A group that FIPS approves.
    parameters = DH.load_params(certificates("dh.pem"))
    file = str(tmp_path / "dh.pem")
    assert parameters.save_params(file) == 1
    assert Path(file).read_bytes().startswith(b"-----BEGIN DH PARAMETERS-----\n")
    with BIO.openfile(file) as bio:
        for read in (DH.load_params(file), DH.load_params_bio(bio)):
            assert (read.p, read.g) == (parameters.p, parameters.g)
    with pytest.raises(BIO.BIOFileError):
        DH.load_params(str(tmp_path / "missing.pem"))
    for content in (b"", b"junk", (KEYS / "rsa_2048.pem").read_bytes()):
        with pytest.raises(DH.DHError):
            DH.load_params_bio(BIO.MemoryBuffer(content))


@needs_dh
def test_parameters_are_printed(parameters):
    bio = BIO.MemoryBuffer()
    assert parameters.print_params(bio) == 1
    text = bio.read().decode()
    assert "DH Parameters: (1536 bit)" in text
    # From 3.0 on OpenSSL prints the name of a known group.
    assert "ff:ff:ff:ff" in text.lower() or "modp_1536" in text


# ---- keys ----------------------------------------------------------------------------------------


@needs_dh
def test_two_keys_have_one_shared_secret(parameters):
    other = DH.set_params(parameters.p, parameters.g)
    assert parameters.gen_key() == other.gen_key() == 1
    secret = parameters.compute_key(other.pub)
    assert secret == other.compute_key(parameters.pub)
    expected = pow(number(other.pub), number(parameters.priv), MODP_1536)
    assert int.from_bytes(secret, "big") == expected
    assert pow(2, number(parameters.priv), MODP_1536) == number(parameters.pub)


@needs_dh
@pytest.mark.parametrize(
    "bad",
    [0, 1, MODP_1536 - 1, MODP_1536, MODP_1536 + 5],
    ids=["0", "1", "p - 1", "p", "p + 5"],
)
def test_a_public_key_of_small_order_or_out_of_range_is_refused(parameters, bad):
    parameters.gen_key()
    with pytest.raises(DH.DHError):
        parameters.compute_key(mpi(bad) if bad else b"\0\0\0\0")


@needs_dh
def test_what_is_no_public_key_is_refused(parameters):
    with pytest.raises(DH.DHError, match="no private part"):
        parameters.compute_key(mpi(5))
    parameters.gen_key()
    for value in (b"", b"junk"):
        with pytest.raises(DH.DHError):
            parameters.compute_key(value)
    for value in (None, "text", 1):
        with pytest.raises(TypeError):
            parameters.compute_key(value)


@needs_dh
def test_parameters_have_no_keys(parameters):
    for name in ("pub", "priv"):
        with pytest.raises(DH.DHError, match="this value of the DH key is not set"):
            getattr(parameters, name)
    empty = DH.DH(m2.dh_new())
    for use in (empty.check_params, empty.gen_key, empty.__len__, lambda: empty.compute_key(b"")):
        with pytest.raises(DH.DHError, match="no domain parameters|no private part"):
            use()


@needs_dh
@pytest.mark.parametrize("kind", ["dh", "dhx"])
def test_a_pkey_shares_the_key(kind):
    pkey = EVP.load_key(str(KEYS / f"{kind}.pem"))
    dh = pkey.get_dh()
    # The check of a safe prime of 2,048 bits takes long.
    assert kind == "dh" or dh.check_params() == 0
    assert dh.priv
    other = copy.copy(dh)
    other.gen_key()
    peer = EVP.PKey()
    assert peer.assign_dh(other) == 1
    assert int.from_bytes(pkey.derive(peer), "big") == int.from_bytes(
        dh.compute_key(other.pub), "big"
    )
    with pytest.raises(EVP.EVPError, match="no public part"):
        peer.assign_dh(DH.set_params(dh.p, dh.g))
    with pytest.raises(EVP.KeyTypeError, match="the key is not a DH key"):
        EVP.load_key(str(KEYS / "rsa_2048.pem")).get_dh()


@needs_dh
def test_a_copy_is_independent_and_no_key_is_pickled(parameters):
    parameters.gen_key()
    copied = copy.deepcopy(parameters)
    assert copied.priv == parameters.priv
    copied.gen_key()
    assert copied.priv != parameters.priv
    with pytest.raises(TypeError, match="cannot pickle DH, which holds a key"):
        pickle.dumps(parameters)
    assert repr(parameters) == "<M2Crypto.DH.DH: 192 bytes>"
    assert repr(DH.DH(m2.dh_new())) == "<M2Crypto.DH.DH: no parameters>"


# ---- without DH ----------------------------------------------------------------------------------


@pytest.mark.skipif(not m2.OPENSSL_NO_DH, reason="this OpenSSL has DH")
def test_without_dh_every_function_names_the_missing_feature():
    dh = DH.DH(None)
    bio = BIO.MemoryBuffer()
    for use in (
        lambda: DH.gen_params(512, 2),
        lambda: DH.set_params(b"", b""),
        lambda: DH.load_params_bio(bio),
        dh.gen_key,
        dh.check_params,
        dh.__len__,
        lambda: dh.compute_key(b""),
        lambda: dh.print_params(bio),
        lambda: dh.p,
        lambda: EVP.PKey().assign_dh(dh),
        EVP.PKey().get_dh,
        lambda: EVP.gen_key("DH"),
    ):
        with pytest.raises((DH.DHError, EVP.EVPError), match="OpenSSL (was built|has no)"):
            use()
