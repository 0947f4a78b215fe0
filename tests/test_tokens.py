"""Keys on a token of SoftHSM are used like others, through the provider for PKCS #11."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from fix_tokens import PIN

from M2Crypto import ASN1, EC, EVP, RSA, SSL, X509, Err, Provider, m2
from M2Crypto.SSL.stdlib import SSLContext

DIGEST = hashlib.sha256(b"message").digest()
CERTIFICATES = Path(__file__).with_name("data") / "certificates"


@pytest.fixture(autouse=True)
def _the_error_queue_stays_empty():
    yield
    assert Err.peek_error_code() == 0


@pytest.fixture(scope="module")
def rsa(pkcs11, token):
    """Return an RSA key pair that was generated on the token."""
    return pkcs11.generate_rsa_key_pair(2048, uri=token.uri("rsa", 1) + f"?pin-value={PIN}")


@pytest.fixture(scope="module")
def ec(pkcs11, token):
    if m2.OPENSSL_NO_EC:
        pytest.skip("needs EC")
    return pkcs11.generate_ec_key_pair("prime256v1", uri=token.uri("ec", 2) + f"?pin-value={PIN}")


@pytest.fixture(params=["generated", "found"])
def key(request, rsa, pkcs11, token):
    """Return the RSA key as it was generated, and as it is found by its URI."""
    if request.param == "generated":
        return rsa
    return pkcs11.load_key(token.uri("rsa", 1, type="private"), PIN)


def software(key):
    """Return the public key in memory, loaded from its DER."""
    import base64

    text = base64.encodebytes(key.as_der()).decode()
    return EVP.load_key_string_pubkey(
        f"-----BEGIN PUBLIC KEY-----\n{text}-----END PUBLIC KEY-----\n"
    )


def sign(key, data, md="sha256"):
    key.reset_context(md)
    key.sign_init()
    key.sign_update(data)
    return key.sign_final()


def verify(key, data, signature, md="sha256"):
    key.reset_context(md)
    key.verify_init()
    key.verify_update(data)
    return key.verify_final(signature)


def self_signed(key, name):
    """Return a certificate for the key, signed by it."""
    certificate = X509.X509()
    certificate.set_version(2)
    certificate.set_serial_number(1)
    subject = X509.X509_Name()
    subject.CN = name
    certificate.set_subject(subject)
    certificate.set_issuer(subject)
    certificate.set_pubkey(key)
    before, after = ASN1.ASN1_UTCTIME(), ASN1.ASN1_UTCTIME()
    before.set_string("250101000000Z")
    after.set_string("490101000000Z")
    certificate.set_not_before(before)
    certificate.set_not_after(after)
    certificate.sign(key, "sha256")
    return certificate


# ---- finding -------------------------------------------------------------------------------------


def test_the_provider_is_described(pkcs11):
    assert pkcs11.name == "pkcs11"
    assert pkcs11.status()
    assert "pkcs11" in Provider.loaded()


def test_loading_the_provider_again_needs_no_settings_or_the_same(pkcs11, token):
    from fix_tokens import provider_settings

    for again in (
        Provider.Provider("pkcs11"),
        Provider.Provider("pkcs11", **provider_settings(token)),
    ):
        assert again.name == "pkcs11"
        again.unload()
    with pytest.raises(Provider.ProviderError, match="another path or other parameters"):
        Provider.Provider("pkcs11", parameters={"pkcs11-module-path": "/other.so"})


def test_a_public_key_is_found_without_a_pin(rsa, pkcs11, token):
    key = pkcs11.load_key(token.uri("rsa", 1, type="public"))
    assert key.as_der() == rsa.as_der()
    assert isinstance(key.get_rsa(), RSA.RSA_pub)
    with pytest.raises(EVP.EVPError):
        sign(key, b"data")


def test_a_private_key_is_preferred(rsa, pkcs11, token):
    key = pkcs11.load_key(token.uri("rsa", 1) + f"?pin-value={PIN}")
    assert not isinstance(key.get_rsa(), RSA.RSA_pub)


@pytest.mark.parametrize("uri", ["object=missing", "object=rsa;token=missing", "id=%99"])
def test_an_object_that_is_not_on_the_token_is_an_error(rsa, pkcs11, token, uri):
    for load in (pkcs11.load_key, pkcs11.load_certificate):
        with pytest.raises(Provider.ProviderError):
            load(f"pkcs11:{uri}?pin-value={PIN}")


# ---- the operations of PKey, RSA and EC ----------------------------------------------------------


def test_a_signature_verifies_with_the_token_s_key_and_in_memory(key):
    for md in ("sha256", "sha512"):
        signature = sign(key, b"data", md)
        for verifier in (key, software(key)):
            assert verify(verifier, b"data", signature, md) == 1
            assert verify(verifier, b"other", signature, md) == 0
            assert verify(verifier, b"data", signature[::-1], md) == 0


def test_digest_sign_and_digest_verify(key):
    key.reset_context()
    key.digest_sign_init()
    signature = key.digest_sign(b"data")
    for verifier in (key, software(key)):
        verifier.reset_context()
        verifier.digest_verify_init()
        assert verifier.digest_verify(signature, b"data") == 1
        verifier.digest_verify_init()
        assert verifier.digest_verify(signature, b"other") == 0


def test_the_public_part_can_be_read(key):
    public = software(key)
    assert key.size() == 256
    assert key.get_modulus() == public.get_modulus()
    assert key.get_key_identifier() == public.get_key_identifier()
    assert len(key.get_rsa()) == 2048
    assert key.get_rsa().pub() == public.get_rsa().pub()


@pytest.mark.parametrize("padding", [RSA.pkcs1_padding, RSA.pkcs1_oaep_padding])
def test_the_private_key_decrypts(key, padding):
    own = key.get_rsa()
    for encrypter in (own, software(key).get_rsa()):
        encrypted = encrypter.public_encrypt(b"secret", padding)
        assert own.private_decrypt(encrypted, padding) == b"secret"
    with pytest.raises(RSA.RSAError):
        own.private_decrypt(bytes(256), RSA.pkcs1_oaep_padding)


def test_rsa_signatures(key):
    own, public = key.get_rsa(), software(key).get_rsa()
    assert not isinstance(own, RSA.RSA_pub)
    signature = own.sign(DIGEST)
    for verifier in (own, public):
        assert verifier.verify(DIGEST, signature) == 1
        with pytest.raises(RSA.RSAError, match="."):
            verifier.verify(bytes(32), signature)
    signature = own.sign_rsassa_pss(DIGEST, salt_length=32)
    for verifier in (own, public):
        assert verifier.verify_rsassa_pss(DIGEST, signature, salt_length=32) == 1
        assert verifier.verify_rsassa_pss(bytes(32), signature, salt_length=32) == 0


def test_the_private_key_cannot_be_exported(key, tmp_path):
    rsa = key.get_rsa()
    for error, write in (
        (EVP.EVPError, lambda: key.as_pem(None)),
        (EVP.EVPError, lambda: key.save_key(str(tmp_path / "key.pem"), None)),
        (RSA.RSAError, lambda: rsa.as_pem(None)),
        (RSA.RSAError, lambda: rsa.save_key_der(str(tmp_path / "key.der"))),
        (RSA.RSAError, rsa.check_key),
        (EVP.EVPError, lambda: m2.pkey_assign_rsa(m2.pkey_new(), rsa.rsa)),
    ):
        with pytest.raises(error, match="cannot be exported from its provider"):
            write()
    # Shared instead of copied, it can be used in another PKey.
    other = EVP.PKey()
    other.assign_rsa(rsa)
    assert verify(software(key), b"data", sign(other, b"data")) == 1


def test_an_ec_key(ec, pkcs11, token):
    for key in (ec, pkcs11.load_key(token.uri("ec", 2, type="private"), PIN)):
        own, public = key.get_ec(), software(key).get_ec()
        signature = sign(key, b"data")
        for verifier in (key, software(key)):
            assert verify(verifier, b"data", signature) == 1
            assert verify(verifier, b"other", signature) == 0
        signature = own.sign_dsa_asn1(DIGEST)
        for verifier in (own, public):
            assert verifier.verify_dsa_asn1(DIGEST, signature) == 1
            assert verifier.verify_dsa_asn1(bytes(32), signature) == 0
        assert len(own) == 256
        assert own.check_key() == 1
        assert own.get_der() == own.pub().get_der() == key.as_der()
        assert own.get_key() == public.get_key()
        with pytest.raises(EVP.EVPError, match="cannot be exported from its provider"):
            key.as_pem(None)
        with pytest.raises(EC.ECError, match="cannot be exported from its provider"):
            EC.EC.as_pem(own, None)


# ---- requests, certificates and TLS --------------------------------------------------------------


def test_a_certification_request_is_signed_on_the_token(key):
    request = X509.Request()
    name = X509.X509_Name()
    name.CN = "token"
    request.set_subject(name)
    request.set_pubkey(key)
    request.sign(key, "sha256")
    read = X509.load_request_der_string(request.as_der())
    assert read.get_pubkey().as_der() == key.as_der()
    assert read.verify(read.get_pubkey()) == 1
    assert read.verify(key) == 1


def test_a_certificate_is_signed_on_the_token(key):
    certificate = self_signed(key, "token")
    assert certificate.verify() == 1
    assert certificate.verify(key) == 1
    assert certificate.get_pubkey().as_der() == key.as_der()


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_both_peers_of_a_handshake_have_keys_on_the_token(
    request, kind, version, tmp_path, pair, shake
):
    if version == "TLSv1.2" and kind == "rsa" and m2.OPENSSL_NO_EC and m2.OPENSSL_NO_DH:
        pytest.skip("needs DH")
    key = request.getfixturevalue(kind)
    certificate = self_signed(key, "token")
    path = tmp_path / "certificate.pem"
    certificate.save(str(path))
    contexts = []
    for _ in range(2):
        context = SSL.Context()
        context.use_certificate(certificate, key)
        context.load_verify_locations(str(path))
        context.set_verify(SSL.verify_peer | SSL.verify_fail_if_no_peer_cert, 1)
        number = {"TLSv1.2": 0x303, "TLSv1.3": 0x304}[version]
        context.set_min_proto_version(number)
        context.set_max_proto_version(number)
        if m2.OPENSSL_NO_EC and not m2.OPENSSL_NO_DH:
            context.set_tmp_dh(str(CERTIFICATES / "dh.pem"))
        contexts.append(context)
    client, server = shake(*pair(*contexts))
    assert client.get_version() == server.get_version() == version
    client.write(b"hello")
    assert server.read() == b"hello"
    for peer in (client, server):
        assert peer.get_peer_cert().as_der() == certificate.as_der()


def test_asyncio_connects_with_keys_on_the_token(rsa, tmp_path):
    certificate = self_signed(rsa, "token")
    path = tmp_path / "certificate.pem"
    certificate.save(str(path))
    contexts = []
    for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        context = SSL.Context()
        context.use_certificate(certificate, rsa)
        contexts.append(SSLContext(protocol, context))
        contexts[-1].load_verify_locations(str(path))
        contexts[-1].check_hostname = False
        contexts[-1].verify_mode = ssl.CERT_REQUIRED
    client, server = contexts

    async def answer(reader, writer):
        writer.write(
            await reader.readline() + writer.get_extra_info("ssl_object").getpeercert(True)
        )
        await writer.drain()
        writer.close()

    async def talk():
        listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
        async with listener:
            address = listener.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(*address, ssl=client)
            writer.write(b"hello\n")
            data = await reader.read()
            writer.close()
            with contextlib.suppress(ssl.SSLError):
                await writer.wait_closed()
        return data

    assert asyncio.run(talk()) == b"hello\n" + certificate.as_der()


def test_a_certificate_of_another_key_is_refused(rsa):
    context = SSL.Context()
    with pytest.raises(SSL.SSLError):
        context.use_certificate(X509.load_cert(str(CERTIFICATES / "ca.pem")), rsa)


def test_a_certificate_is_loaded_from_the_token(rsa, pkcs11, token, tmp_path):
    program = shutil.which("pkcs11-tool")
    if program is None:
        pytest.skip("needs pkcs11-tool")
    certificate = self_signed(rsa, "token")
    path = tmp_path / "certificate.der"
    path.write_bytes(certificate.as_der())
    command = [
        program, "--module", token.module, "--login", "--pin", PIN, "--token-label", token.label,
        "--write-object", str(path), "--type", "cert", "--id", "01", "--label", "certificate",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    found = pkcs11.load_certificate(token.uri("certificate", 1, type="cert"))
    assert found.as_der() == certificate.as_der()
    assert found.verify() == 1


# ---- lifetimes -----------------------------------------------------------------------------------


def test_a_key_is_destroyed_with_its_pin_alone(pkcs11, token):
    uri = token.uri("destroyed", 9)
    pkcs11.generate_rsa_key_pair(1024, uri=f"{uri}?pin-value={PIN}")
    for other in ("pkcs11:object=destroyed;token=missing", token.uri("missing", 9)):
        with pytest.raises(Provider.ProviderError):
            pkcs11.destroy_key(other, PIN)
    assert pkcs11.destroy_key(uri, PIN) == 1
    with pytest.raises(Provider.ProviderError, match="no such key"):
        pkcs11.destroy_key(f"{uri}?pin-value={PIN}")
    with pytest.raises(Provider.ProviderError):
        pkcs11.load_key(f"{uri}?pin-value={PIN}")


def test_only_the_named_kind_of_key_is_destroyed(pkcs11, token):
    pkcs11.generate_rsa_key_pair(1024, uri=token.uri("kept", 8) + f"?pin-value={PIN}")
    assert pkcs11.destroy_key(token.uri("kept", 8, type="public"), PIN) == 1
    with pytest.raises(Provider.ProviderError, match="no such key"):
        pkcs11.destroy_key(token.uri("kept", 8, type="public"), PIN)
    assert pkcs11.destroy_key(token.uri("kept", 8, type="private"), PIN) == 1


def test_keys_are_destroyed_without_a_provider_for_the_token(token, python):
    """In a process that has not logged in, whose modules PKCS #11 shares."""
    program = shutil.which("pkcs11-tool")
    if program is None:
        pytest.skip("needs pkcs11-tool")
    if m2.openssl_version_num() < 0x30000000:
        pytest.skip("needs OpenSSL >= 3.0")
    command = [
        program, "--module", token.module, "--login", "--pin", PIN, "--token-label", token.label,
        "--keypairgen", "--key-type", "rsa:1024", "--id", "07", "--label", "tool",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    code = (
        "import sys\n"
        "from M2Crypto import Provider\n"
        "uri, module, pin = sys.argv[1:]\n"
        "provider = Provider.Provider('default')\n"
        "def destroy(*arguments):\n"
        "    try:\n"
        "        print(provider.destroy_key(*arguments, module))\n"
        "    except Provider.ProviderError as error:\n"
        "        print(error)\n"
        "destroy(uri, 'wrong')\n"
        "destroy('pkcs11:object=tool;token=missing', pin)\n"
        "destroy(uri.replace('=tool', '=missing'), pin)\n"
        "destroy(uri + ';type=public', pin)\n"
        "destroy(uri + ';type=private', pin)\n"
        "destroy(uri, pin)\n"
    )
    done = python("-c", code, token.uri("tool", 7), token.module, PIN)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        # CKR_PIN_INCORRECT.
        "C_Login failed with the code 0xa0 of PKCS #11",
        "no token has this label and serial number",
        "there is no such key at the URI",
        "1",
        "1",
        "there is no such key at the URI",
    ]


def test_objects_of_a_token_outlive_the_provider(pkcs11, token, python):
    """Keys, signatures and contexts are used after the provider was unloaded, and dropped last."""
    from fix_tokens import provider_settings

    settings = provider_settings(token)
    code = (
        "import gc, sys\n"
        "from M2Crypto import EVP, Provider\n"
        f"provider = Provider.Provider('pkcs11', **{settings!r})\n"
        f"uri = {token.uri('last', 6)!r} + '?pin-value={PIN}'\n"
        "key = provider.generate_rsa_key_pair(1024, uri=uri)\n"
        "key.sign_init(); key.sign_update(b'data')\n"
        "rsa = key.get_rsa()\n"
        "provider.unload()\n"
        "del provider\n"
        "gc.collect()\n"
        "try:\n    print(len(key.sign_final()), len(rsa.sign(bytes(32))))\n"
        "except Exception as error:\n    print(128, 128)\n"
        "del key\ngc.collect()\ndel rsa\ngc.collect()\n"
    )
    done = python("-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "128 128\n", "")


def test_threads_sign_with_one_key(rsa):
    from concurrent.futures import ThreadPoolExecutor

    public = software(rsa).get_rsa()
    own = rsa.get_rsa()
    with ThreadPoolExecutor(4) as pool:
        signatures = list(pool.map(lambda _: own.sign(DIGEST), range(20)))
    assert all(public.verify(DIGEST, signature) == 1 for signature in signatures)
