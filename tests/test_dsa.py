"""DSA: parameters, keys and signatures; without DSA every function raises."""

import copy
import hashlib
from pathlib import Path

import pytest

from M2Crypto import BIO, DSA, EVP, Err, m2

KEYS = Path(__file__).with_name("data") / "keys"
KEY_FILE = str(KEYS / "dsa_1024.pem")
DIGEST = hashlib.sha1(b"sample").digest()
needs_dsa = pytest.mark.needs("DSA")

# RFC 6979, A.2.1: a key of 1,024 bits, and the signature of SHA-1 of "sample".
P = int(
    "86F5CA03DCFEB225063FF830A0C769B9DD9D6153AD91D7CE27F787C43278B447E6533B86B18BED6E8A48B784A14C25"
    "2C5BE0DBF60B86D6385BD2F12FB763ED8873ABFD3F5BA2E0A8C0A59082EAC056935E529DAF7C610467899C77ADEDFC"
    "846C881870B7B19B2B58F9BE0521A17002E3BDD6B86685EE90B3D9A1B02B782B1779",
    16,
)
Q = int("996F967F6C8E388D9E28D01E205FBA957A5698B1", 16)
G = int(
    "07B0F92546150B62514BB771E2A0C0CE387F03BDA6C56B505209FF25FD3C133D89BBCD97E904E09114D9A7DEFDEADF"
    "C9078EA544D2E401AEECC40BB9FBBF78FD87995A10A1C27CB7789B594BA7EFB5C4326A9FE59A070E136DB77175464A"
    "DCA417BE5DCE2F40D10A46A3A3943F26AB7FD9C0398FF8C76EE0A56826A8A88F1DBD",
    16,
)
Y = int(
    "5DF5E01DED31D0297E274E1691C192FE5868FEF9E19A84776454B100CF16F65392195A38B90523E2542EE61871C044"
    "0CB87C322FC4B4D2EC5E1E7EC766E1BE8D4CE935437DC11C3C8FD426338933EBFE739CB3465F4D3668C5E473508253"
    "B1E682F65CBDC4FAE93C2EA212390E54905A86E2223170B44EAA7DA5DD9FFCFB7F3B",
    16,
)
R = int("2E1A0C2562B2912CAAF89186FB0F42001585DA55", 16)
S = int("29EFB6B0AFF2D7A68EB70CA313022253B9A88DF5", 16)


@pytest.fixture(autouse=True)
def _the_error_queue_stays_empty():
    yield
    assert Err.peek_error_code() == 0


@pytest.fixture
def key():
    return DSA.load_key(KEY_FILE)


def mpi(number):
    """Return a positive number in OpenSSL's MPI format."""
    octets = number.to_bytes(number.bit_length() // 8 + 1, "big")
    octets = octets[1:] if octets[0] == 0 and octets[1] < 0x80 else octets
    return len(octets).to_bytes(4, "big") + octets


def secret(_writing):
    return b"for tests"


def wrong(_writing):
    return b"not this one"


def pem_of(write):
    bio = BIO.MemoryBuffer()
    assert write(bio) == 1
    return bio.read()


# ---- parameters ----------------------------------------------------------------------------------


@needs_dsa
def test_parameters_are_generated_and_make_keys():
    calls = []
    parameters = DSA.gen_params(1024, lambda *numbers: calls.append(numbers))
    assert calls
    assert len(parameters) == 1024
    assert m2.bn_num_bits(m2.mpi_to_bn(parameters.q)) == 160
    with pytest.raises(DSA.DSAError, match="no private part"):
        parameters.sign(DIGEST)
    assert parameters.gen_key() == 1
    assert parameters.check_key() == 1
    first = parameters.priv
    parameters.gen_key()
    assert parameters.priv != first


@needs_dsa
def test_an_exception_of_the_callback_ends_the_generation():
    def stop(*numbers):
        raise LookupError("stop")

    with pytest.raises(LookupError, match="^stop$"):
        DSA.gen_params(1024, stop)


@needs_dsa
@pytest.mark.parametrize("bits", [-1, 0, 511, 10_001, 2**31 - 1])
def test_parameters_of_another_length_are_refused(bits):
    with pytest.raises(DSA.DSAError, match="DSA has from 512 to 10000 bits"):
        DSA.gen_params(bits, None)


@needs_dsa
def test_parameters_round_trip_through_pem(key, tmp_path):
    file = str(tmp_path / "params.pem")
    assert key.save_params(file) == 1
    pem = pem_of(key.save_params_bio)
    assert Path(file).read_bytes() == pem
    assert pem.startswith(b"-----BEGIN DSA PARAMETERS-----\n")
    for read in (DSA.load_params(file), DSA.load_params_bio(BIO.MemoryBuffer(pem))):
        assert (read.p, read.q, read.g) == (key.p, key.q, key.g)
        with pytest.raises(DSA.DSAError, match="this value of the DSA key is not set"):
            assert read.pub


@needs_dsa
def test_parameters_are_set_from_numbers():
    dsa = DSA.set_params(mpi(P), mpi(Q), mpi(G))
    assert (dsa.p, dsa.q, dsa.g) == (mpi(P), mpi(Q), mpi(G))
    dsa.gen_key()
    assert dsa.set_params(mpi(P), mpi(Q), mpi(G)) == 1
    with pytest.raises(DSA.DSAError):
        assert dsa.priv
    with pytest.raises(DSA.DSAError):
        dsa.set_params(b"", mpi(Q), mpi(G))
    with pytest.raises(DSA.DSAError, match="no domain parameters"):
        len(dsa)


NUMBERS = {"p": P, "q": Q, "g": G}


@needs_dsa
@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [b"", b"\0\0\0\0", b"\0\0\0\1\x81", b"\0\0\0\2\0", b"junk"])
def test_a_number_that_is_malformed_or_not_positive_is_refused(name, value):
    numbers = {each: mpi(number) for each, number in NUMBERS.items()}
    with pytest.raises(DSA.DSAError):
        DSA.set_params(**{**numbers, name: value})
    for wrong_type in (None, "text", 1):
        with pytest.raises(TypeError):
            DSA.set_params(**{**numbers, name: wrong_type})


@needs_dsa
@pytest.mark.parametrize("order", [1, 2, 3, 2**127 - 1])
def test_an_order_with_which_openssl_would_not_return_is_refused(order):
    with pytest.raises(DSA.DSAError, match="the order q of the key is too small"):
        DSA.set_params(mpi(P), mpi(order), mpi(G))


def der(tag, *parts):
    """Encode a DER element of less than 64 KiB."""
    content = b"".join(parts)
    return bytes([tag, 0x82, len(content) >> 8, len(content) & 0xFF]) + content


@needs_dsa
@pytest.mark.parametrize("order", [1, 2])
def test_a_private_key_with_such_an_order_is_refused(order):
    p, q, g, x = (der(2, mpi(each)[4:]) for each in (P, order, G, 1))
    algorithm = der(0x30, bytes.fromhex("06072a8648ce380401"), der(0x30, p, q, g))
    octets = der(0x30, bytes.fromhex("020100"), algorithm, der(4, x))
    # OpenSSL can refuse to read it.
    for use in (
        lambda: EVP.sign(EVP.load_key_der(octets), b"message"),
        lambda: EVP.load_key_der(octets).get_dsa(),
    ):
        with pytest.raises(EVP.EVPError):
            use()


# ---- keys ----------------------------------------------------------------------------------------


@needs_dsa
def test_the_key_has_the_numbers_of_the_file(key):
    assert len(key) == 1024
    assert key.check_key() == 1
    numbers = [int.from_bytes(each[4:], "big") for each in (key.p, key.q, key.g, key.pub, key.priv)]
    p, q, g, y, x = numbers
    assert pow(g, x, p) == y
    assert pow(g, q, p) == 1


@needs_dsa
@pytest.mark.parametrize("cipher", ["aes_128_cbc", "aes_256_cbc"])
def test_a_private_key_round_trips_through_encrypted_pem(key, cipher, tmp_path):
    file = str(tmp_path / "key.pem")
    assert key.save_key(file, cipher, secret) == 1
    for read in (DSA.load_key(file, secret), EVP.load_key(file, secret).get_dsa()):
        assert (read.priv, read.pub, type(read)) == (key.priv, key.pub, DSA.DSA)
    with pytest.raises(EVP.PassphraseError) as caught:
        DSA.load_key(file, wrong)
    assert isinstance(caught.value, DSA.DSAError)


@needs_dsa
def test_a_private_key_is_written_without_a_cipher(key):
    pem = key.as_pem(None)
    assert pem.startswith(b"-----BEGIN DSA PRIVATE KEY-----\n")
    assert DSA.load_key_bio(BIO.MemoryBuffer(pem)).priv == key.priv
    bio = BIO.MemoryBuffer()
    assert m2.dsa_write_key_bio_no_cipher(key.dsa, bio._ptr(), None) == 1
    assert bio.read() == pem


@needs_dsa
def test_a_public_key_round_trips_through_pem(key, tmp_path):
    file = str(tmp_path / "public.pem")
    assert key.save_pub_key(file) == 1
    public = DSA.load_pub_key(file)
    assert type(public) is DSA.DSA_pub
    assert public.pub == key.pub
    assert public.check_key() == 1
    for save in (public.save_key, public.save_pub_key):
        assert save(file) == 1
        assert Path(file).read_bytes() == public.as_pem() == pem_of(public.save_key_bio)
    for use in (public.sign, public.sign_asn1):
        with pytest.raises(DSA.DSAError, match="a DSA_pub has no private key"):
            use(DIGEST)
    with pytest.raises(DSA.DSAError, match="this value of the DSA key is not set"):
        assert public.priv
    assert type(EVP.load_key_pubkey(file).get_dsa()) is DSA.DSA_pub


@needs_dsa
@pytest.mark.parametrize("kind", ["rsa_2048", "dh"])
def test_a_key_of_another_type_is_refused(kind):
    if kind == "dh" and m2.OPENSSL_NO_DH:
        pytest.skip("this OpenSSL was built without DH")
    file = str(KEYS / f"{kind}.pem")
    with pytest.raises(EVP.KeyTypeError, match="the key is not a DSA key") as caught:
        DSA.load_key(file)
    assert isinstance(caught.value, DSA.DSAError)
    with pytest.raises(EVP.KeyTypeError, match="the key is not a DSA key"):
        EVP.load_key(file).get_dsa()
    with pytest.raises(BIO.BIOFileError):
        DSA.load_key(file + ".missing")
    for load in (DSA.load_pub_key, DSA.load_params):
        with pytest.raises(DSA.DSAError):
            load(file)


@needs_dsa
def test_a_public_key_is_made_from_numbers():
    public = DSA.pub_key_from_params(mpi(P), mpi(Q), mpi(G), mpi(Y))
    assert public.check_key() == 1
    # 1 is in no subgroup of order q, and P - 1 has the order 2.
    for number in (1, P - 1, P, P + 1, Y + 1):
        try:
            other = DSA.pub_key_from_params(mpi(P), mpi(Q), mpi(G), mpi(number))
        except DSA.DSAError:
            continue
        assert other.check_key() == 0


@needs_dsa
def test_the_low_level_functions_make_a_public_key():
    dsa = m2.dsa_new()
    with pytest.raises(DSA.DSAError, match="no domain parameters"):
        m2.dsa_set_pub(dsa, mpi(Y))
    assert m2.dsa_set_pqg(dsa, mpi(P), mpi(Q), mpi(G)) == 1
    assert m2.dsa_set_pub(dsa, mpi(Y)) == 1
    assert (m2.dsa_get_p(dsa), m2.dsa_get_q(dsa), m2.dsa_get_g(dsa)) == (mpi(P), mpi(Q), mpi(G))
    assert m2.dsa_get_pub(dsa) == mpi(Y)
    assert m2.dsa_keylen(dsa) == 1024
    assert m2.dsa_size(dsa) == 48
    assert m2.dsa_verify(dsa, DIGEST, mpi(R), mpi(S)) == 1
    m2.dsa_free(dsa)
    with pytest.raises(ValueError, match="the m2_dsa was freed already"):
        m2.dsa_get_p(dsa)


@needs_dsa
def test_the_public_key_of_a_private_one_cannot_be_changed(key):
    with pytest.raises(DSA.DSAError, match="cannot be changed"):
        m2.dsa_set_pub(key.dsa, mpi(Y))


@needs_dsa
def test_a_copy_is_independent(key):
    copied = copy.copy(key)
    assert copied.priv == key.priv
    copied.gen_key()
    assert copied.priv != key.priv
    assert copied.sign(DIGEST)


@needs_dsa
def test_the_representation_shows_no_secret(key):
    assert repr(key) == "<M2Crypto.DSA.DSA: 1024 bits>"
    assert repr(DSA.DSA(m2.dsa_new())) == "<M2Crypto.DSA.DSA: no parameters>"


@needs_dsa
def test_a_pkey_shares_the_key(key):
    pkey = EVP.PKey()
    assert pkey.assign_dsa(key) == 1
    signature = EVP.sign(pkey, b"sample", "sha1")
    assert key.verify_asn1(DIGEST, signature) == 1
    with pytest.raises(EVP.EVPError, match="no public part"):
        pkey.assign_dsa(DSA.set_params(mpi(P), mpi(Q), mpi(G)))


# ---- signatures ----------------------------------------------------------------------------------


@needs_dsa
def test_the_signature_of_rfc_6979_verifies():
    public = DSA.pub_key_from_params(mpi(P), mpi(Q), mpi(G), mpi(Y))
    assert public.verify(DIGEST, mpi(R), mpi(S)) == 1
    for digest, r, s in ((bytes(20), R, S), (DIGEST, S, R), (DIGEST, R + 1, S), (DIGEST, Q, S)):
        assert public.verify(digest, mpi(r), mpi(s)) == 0


@needs_dsa
def test_signatures_verify_as_numbers_and_as_der(key):
    r, s = key.sign(DIGEST)
    assert key.verify(DIGEST, r, s) == 1
    assert key.verify(bytes(20), r, s) == 0
    blob = key.sign_asn1(DIGEST)
    assert key.verify_asn1(DIGEST, blob) == 1
    assert key.verify_asn1(bytes(20), blob) == 0
    for malformed in (b"", b"junk", blob[:-1], blob + b"x"):
        with pytest.raises(DSA.DSAError, match="not a DER-encoded Dss-Sig-Value"):
            key.verify_asn1(DIGEST, malformed)
    with pytest.raises(DSA.DSAError):
        key.verify(DIGEST, b"junk", s)
    for data in (None, "text"):
        with pytest.raises(TypeError):
            key.sign(data)


# ---- without DSA ---------------------------------------------------------------------------------


@pytest.mark.skipif(not m2.OPENSSL_NO_DSA, reason="this OpenSSL has DSA")
def test_without_dsa_every_function_names_the_missing_feature():
    dsa, public = DSA.DSA(None), DSA.DSA_pub(None)
    bio = BIO.MemoryBuffer()
    for use in (
        lambda: DSA.gen_params(1024),
        lambda: DSA.set_params(b"", b"", b""),
        lambda: DSA.pub_key_from_params(b"", b"", b"", b""),
        lambda: DSA.load_params_bio(bio),
        lambda: DSA.load_key_bio(bio),
        lambda: DSA.load_pub_key_bio(bio),
        dsa.gen_key,
        dsa.check_key,
        public.check_key,
        dsa.__len__,
        lambda: dsa.sign(b""),
        lambda: dsa.sign_asn1(b""),
        lambda: dsa.verify(b"", b"", b""),
        lambda: dsa.as_pem(None),
        public.as_pem,
        lambda: dsa.p,
        lambda: copy.copy(dsa),
        lambda: EVP.PKey().assign_dsa(dsa),
        EVP.PKey().get_dsa,
        lambda: EVP.gen_key("DSA"),
    ):
        with pytest.raises((DSA.DSAError, EVP.EVPError), match="OpenSSL (was built|has no)"):
            use()
