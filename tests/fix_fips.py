"""Tests that need what the FIPS provider does not approve; they are skipped where it is active.

Each is listed by a regular expression that matches the end of its id, under what it needs.
"""

from __future__ import annotations

import re
from functools import cache

import pytest

NEEDS = {
    # Traditional PEM derives the key of its cipher with MD5.
    "MD5": r"""
        test_ec.py::test_a_private_key_round_trips_through_pem[aes_(128|256)_cbc]
        test_(ec|rsa).py::test_an_exception_of_the_passphrase_callback_propagates
        test_evp.py::test_digests_are_found_by_the_names_of_m2crypto_and_openssl[md5_sha1]
        test_evp.py::test_a_key_is_derived_from_a_password_as_openssl_enc_does
        test_evp.py::test_key_derivation_defaults_to_md5_and_one_iteration
        test_evp.py::test_a_pem_key_encrypted_with_any_accepted_cipher_can_be_loaded
        test_handles.py::test_an_rsa_key_freed_by_the_passphrase_callback_stays_valid_.*
        test_handles.py::test_an_exception_of_a_callback_propagates_even_if_openssl_succeeded
        test_handles.py::test_a_bio_freed_by_the_passphrase_callback_stays_valid_.*
        test_handles.py::test_a_callback_cannot_modify_an_object_that_its_caller_uses
        test_handles.py::test_a_thread_waits_until_another_thread_has_written_to_the_bio
        test_handles.py::test_two_threads_that_would_deadlock_get_an_error
        test_handles.py::test_a_signal_handler_interrupts_the_wait_for_another_thread
        test_handles.py::test_a_thread_waits_for_a_signal_handler_whose_call_waits_for_that_thread
        test_handles.py::test_no_thread_waits_in_line_behind_a_wait_that_a_signal_handler_.*
        test_handles.py::test_a_signal_handler_joins_a_thread_that_uses_what_.*
        test_handles.py::test_a_long_chain_of_threads_that_wait_is_searched_for_a_deadlock
        test_handles.py::test_a_forked_process_does_not_wait_for_threads_of_its_parent
        test_rsa.py::test_a_signature_encodes_the_digest_as_in_rfc_8017[md5]
        test_rsa.py::test_a_digest_of_another_length_is_signed_with_a_warning[\d+-md5]
        test_rsa.py::test_a_private_key_round_trips_through_encrypted_pem[.*]
        test_rsa.py::test_saving_a_key_encrypts_with_aes_by_default
        test_rsa.py::test_a_private_key_round_trips_through_a_file[save_(key|pem)]
        test_rsa.py::test_a_passphrase_of_another_type_is_refused
        test_dsa.py::test_a_private_key_round_trips_through_encrypted_pem[.*]
        test_rsa.py::test_without_a_callback_there_is_no_passphrase_prompt
    """,
    "TLS before 1.2": """
        test_ssl_connection.py::test_each_protocol_version_can_be_negotiated[tlsv1(_1)?]
    """,
    "ChaCha20 or OCB": r"""
        test_evp.py::test_an_aead_cipher_(en|de)crypts_.*[ChaCha20-Poly1305]
        test_evp.py::test_an_aead_cipher_detects_modified_data[\w+-ChaCha20-Poly1305]
        test_evp.py::test_an_aead_cipher_does_not_decrypt_without_a_tag[ChaCha20-Poly1305]
        test_evp.py::test_chacha20_poly1305_and_ocb_accept_only_full_tags[.*]
    """,
    "secp256k1 or Brainpool curves": r"""
        test_ec.py::test_gen_key_uses_the_curve_of_the_parameters[NID_(secp256k1|brainpool\w+)-256]
    """,
    "RSA keys of less than 2,048 bits": """
        test_rsa.py::test_key_generation_calls_the_callback
        test_rsa.py::test_the_default_callback_shows_its_progress
        test_rsa.py::test_keys_are_generated_without_a_callback
        test_rsa.py::test_a_keygen_callback_receives_as_many_arguments_as_it_accepts[.*]
        test_rsa.py::test_a_keygen_callback_may_accept_and_return_any_value[.*]
        test_rsa.py::test_an_exception_of_the_keygen_callback_propagates
        test_rsa.py::test_a_digest_that_does_not_fit_the_modulus_is_refused
        test_provider.py::test_keys_are_generated_by_a_provider
        test_callbacks.py::.*[RSA.generation.*]
        test_rsa.py::test_invalid_key_sizes_and_exponents_are_refused[-1-65537]
    """,
    "DSA and DH parameters of less than 2,048 bits, or unknown groups": r"""
        test_dh.py::test_parameters_are_generated[.*]
        test_d(h|sa).py::test_an_exception_of_the_callback_ends_the_generation
        test_dh.py::test_two_keys_have_one_shared_secret
        test_dh.py::test_a_public_key_of_small_order_or_out_of_range_is_refused[.*]
        test_dh.py::test_what_is_no_public_key_is_refused
        test_dh.py::test_a_pkey_shares_the_key[dhx]
        test_dh.py::test_a_copy_is_independent_and_no_key_is_pickled
        test_dsa.py::test_parameters_are_generated_and_make_keys
        test_dsa.py::test_parameters_are_set_from_numbers
        test_dsa.py::test_a_copy_is_independent
        test_callbacks.py::.*[D(SA|H).generation.*]
    """,
    "X25519, X448, or a KEM of elliptic curves": r"""
        test_pkey.py::test_a_key_of_each_type_is_generated[X(25519|448)]
        test_pkey.py::test_a_(private|public)_key_round_trips_through_der[X(25519|448)]
        test_pkey.py::test_a_key_round_trips_through_octets[X(25519|448)]
        test_pkey.py::test_two_keys_have_one_shared_secret[X(25519|448)]
        test_pkey.py::test_keys_of_two_types_or_curves_have_no_shared_secret
        test_pkey.py::test_older_types_encapsulate_by_rsasve_and_dhkem[(EC|X25519|X448)]
        test_key_vectors.py::test_a_peer_of_small_order_is_refused.*
        test_key_vectors.py::test_the_shared_secret_is_that_of_rfc_7748.*
    """,
    "signatures of SHA-1 or of short keys, or unapproved forms of EdDSA": r"""
        test_key_vectors.py::test_a_dsa_signature_of_rfc_6979_verifies.*
        test_key_vectors.py::test_an_ecdsa_signature_of_rfc_6979_verifies.*
        test_key_vectors.py::test_an_eddsa_signature_is_that_of_rfc_8032.*
        test_cms.py::test_a_message_is_encrypted_for_an_ec_key
    """,
    "the key derivation of PKCS #12": r"""
        test_pkcs12.py::test_a_file_is_saved_for_its_owner_alone
        test_pkcs12.py::test_a_nul_in_a_passphrase_is_refused
        test_pkcs12.py::test_a_wrong_passphrase_has_an_error_of_its_own.*
        test_pkcs12.py::test_what_is_created_can_be_loaded.*
        test_pkcs12.py::test_a_file_of_the_openssl_program_is_loaded.*
        test_pkcs12.py::test_a_passphrase_is_any_text.*
        test_pkcs12.py::test_parts_can_be_missing.*
        test_pkcs12.py::test_the_openssl_program_reads_a_file.*
        test_store.py::test_a_pkcs12_file_is_loaded
    """,
    "a token without a certificate": r"""
        test_tokens.py::.*
    """,
    "the default provider": r"""
        test_provider.py::test_a_key_and_a_certificate_are_loaded_from_a_file_uri
        test_provider.py::test_an_exception_of_the_pin_callback_propagates
        test_provider.py::test_an_encrypted_key_is_loaded_with_its_passphrase[.*]
        test_provider.py::test_a_file_without_the_wanted_object_is_an_error
    """,
    "ChaCha20": """
        test_ssl_scans.py::test_the_suites_are_those_that_the_scanners_saw
    """,
    # Without them the default groups cannot be set, so OpenSSL's own are in effect.
    "groups of the default list": """
        test_ssl_scans.py::test_the_curves_.*[(X25519-accepted|secp521r1-rejected)]
    """,
    "keys of other kinds": """
        test_keys.py::test_each_operation_on_each_type_of_key_.*[(rsa_pss|dhx|x25519|x448)-private]
    """,
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    if not is_active():
        return
    for need, ids in NEEDS.items():
        # Brackets enclose a test's parameters.
        patterns = ids.replace("[", r"\[").replace("]", r"\]").split()
        if any(re.search(f"{pattern}$", item.nodeid) for pattern in patterns):
            pytest.skip(f"needs {need}, which FIPS does not approve")


@cache
def is_active() -> bool:
    """Return whether OpenSSL's default properties select the FIPS provider."""
    try:
        from M2Crypto import EVP, m2
    except ImportError:
        # The tests of the tooling (tests/ci) need no extension.
        return False
    if m2.OPENSSL_VERSION_NUMBER < 0x30000000 or m2.OPENSSL_NO_MD5:
        return False
    try:
        EVP.MessageDigest("md5")
    except EVP.EVPError:
        return True
    return False
