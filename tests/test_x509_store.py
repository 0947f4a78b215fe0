"""Chains are verified against stores: results, callbacks, revocation, ownership."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path

import pytest

from M2Crypto import X509, m2
from M2Crypto.X509 import X509Error

DATA = Path(__file__).parent / "data" / "x509"


def load(name):
    return X509.load_cert(str(DATA / f"{name}.pem"))


def stack_of(*names):
    stack = X509.X509_Stack()
    for name in names:
        stack.push(load(name))
    return stack


@pytest.fixture
def store():
    store = X509.X509_Store()
    store.add_x509(load("root"))
    return store


def verification(store, name="leaf"):
    """Return a store context that is ready to verify the certificate called `name`."""
    context = X509.X509_Store_Context()
    context.init(store, load(name), stack_of("intermediate"))
    return context


# ---- verification results ------------------------------------------------------------------------


def test_a_chain_to_a_trusted_root_verifies(store):
    context = verification(store)
    assert context.verify_cert() == 1
    assert context.get_error() == X509.V_OK
    subjects = [certificate.get_subject().CN for certificate in context.get1_chain()]
    assert subjects == ["www.example.org", "Test intermediate", "Test root"]


def test_a_chain_without_its_intermediate_ca_does_not_verify(store):
    context = X509.X509_Store_Context()
    context.init(store, load("leaf"))
    assert context.verify_cert() == 0
    assert context.get_error() == m2.X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    assert context.get_error_depth() == 0
    assert context.get_current_cert().get_subject().CN == "www.example.org"
    assert m2.err_peek_error() == 0


def test_an_empty_store_trusts_nothing():
    context = verification(X509.X509_Store())
    assert context.verify_cert() == 0
    assert context.get_error() == m2.X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    assert context.get_error_depth() == 1


def test_a_partial_chain_verifies_with_the_partial_chain_flag():
    store = X509.X509_Store()
    store.add_cert(load("intermediate"))
    assert verification(store).verify_cert() == 0
    store.set_flags(X509.verify_partial_chain)
    assert verification(store).verify_cert() == 1


@pytest.mark.parametrize("load_info", [X509.X509_Store.load_info, X509.X509_Store.load_locations])
def test_a_store_is_loaded_from_a_file(load_info):
    store = X509.X509_Store()
    assert load_info(store, str(DATA / "root.pem")) == 1
    assert verification(store).verify_cert() == 1


@pytest.mark.parametrize("file", ["none.pem", "make.sh"])
def test_a_file_without_certificates_is_refused(file):
    with pytest.raises(X509Error):
        X509.X509_Store().load_info(str(DATA / file))
    assert m2.err_peek_error() == 0


def test_a_context_verifies_once_after_each_init(store):
    context = X509.X509_Store_Context()
    with pytest.raises(X509Error, match="init comes before verify_cert"):
        context.verify_cert()
    with pytest.raises(X509Error, match="init comes before add_crls"):
        context.add_crls(X509.CRL_Stack())
    for name in ("leaf", "revoked"):
        context.init(store, load(name), stack_of("intermediate"))
        assert context.verify_cert() == 1
    with pytest.raises(X509Error):
        context.verify_cert()


def test_a_context_that_has_not_verified_has_no_result(store):
    context = X509.X509_Store_Context()
    assert context.get_error() == X509.V_OK
    assert context.get_current_cert() is None
    assert len(context.get1_chain()) == 0


# ---- revocation ----------------------------------------------------------------------------------


def test_a_crl_in_the_store_revokes_a_certificate(store):
    store.set_flags(X509.verify_crl_check_leaf)
    context = verification(store, "revoked")
    assert context.verify_cert() == 0
    assert context.get_error() == m2.X509_V_ERR_UNABLE_TO_GET_CRL
    store.add_crl(X509.load_crl(str(DATA / "crl.pem")))
    context = verification(store, "revoked")
    assert context.verify_cert() == 0
    assert context.get_error() == m2.X509_V_ERR_CERT_REVOKED
    assert verification(store).verify_cert() == 1


def test_a_crl_in_the_context_revokes_a_certificate(store):
    store.set_flags(X509.verify_crl_check_leaf)
    crls = X509.CRL_Stack()
    crls.push(X509.load_crl_string((DATA / "crl.pem").read_bytes()))
    for name, verdict in (("leaf", 1), ("revoked", 0)):
        context = verification(store, name)
        context.add_crls(crls)
        assert context.verify_cert() == verdict
    assert context.get_error() == m2.X509_V_ERR_CERT_REVOKED


def test_a_crl_stack_references_its_crls():
    stack = X509.CRL_Stack()
    crl = X509.load_crl(str(DATA / "crl.pem"))
    assert stack.push(crl) == 1
    del crl
    assert [str(one.get_issuer()) for one in stack] == [str(load("intermediate").get_subject())]
    with pytest.raises(IndexError):
        stack[-2]
    assert stack.pop().get_nextUpdate() is not None
    assert stack.pop() is None


# ---- callbacks -----------------------------------------------------------------------------------


def test_a_callback_is_called_for_every_certificate(store):
    seen = []

    def note(ok, context):
        seen.append((ok, context.get_error_depth(), context.get_current_cert().get_subject().CN))
        return ok

    store.set_verify_cb(note)
    assert verification(store).verify_cert() == 1
    assert seen == [(1, 2, "Test root"), (1, 1, "Test intermediate"), (1, 0, "www.example.org")]


def test_a_callback_can_accept_an_error():
    store = X509.X509_Store()
    errors = []

    def allow(ok, context):
        if not ok:
            errors.append(context.get_error())
        return 1

    store.set_verify_cb(allow)
    assert verification(store).verify_cert() == 1
    assert errors[0] == m2.X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY


def test_a_callback_can_refuse_a_valid_chain(store):
    store.set_verify_cb(lambda ok, context: 0)
    context = verification(store)
    assert context.verify_cert() == 0
    assert context.get_error() != X509.V_OK


def test_a_callback_can_set_the_error(store):
    def expire(ok, context):
        m2.x509_store_ctx_set_error(context._ptr(), m2.X509_V_ERR_CERT_HAS_EXPIRED)
        return 0

    store.set_verify_cb(expire)
    context = verification(store)
    assert context.verify_cert() == 0
    assert context.get_error() == m2.X509_V_ERR_CERT_HAS_EXPIRED


def test_the_default_callback_keeps_the_result(store):
    store.set_verify_cb(X509.x509_store_default_cb)
    assert verification(store).verify_cert() == 1
    store.set_verify_cb(lambda ok, context: 0)
    store.set_verify_cb()
    assert verification(store).verify_cert() == 1
    with pytest.raises(TypeError):
        m2.x509_store_set_verify_cb(store.store, "no callable")


def test_an_exception_of_a_callback_propagates(store):
    calls = []

    def fail(ok, context):
        calls.append(ok)
        raise ZeroDivisionError("in the callback")

    store.set_verify_cb(fail)
    with pytest.raises(ZeroDivisionError, match="in the callback"):
        verification(store).verify_cert()
    assert calls == [1]
    assert m2.err_peek_error() == 0


def test_each_store_calls_its_own_callback(store):
    other = X509.X509_Store()
    other.add_x509(load("root"))
    seen = []
    store.set_verify_cb(lambda ok, context: seen.append("one") or ok)
    other.set_verify_cb(lambda ok, context: seen.append("other") or ok)
    verification(other).verify_cert()
    assert set(seen) == {"other"}


def test_a_freed_store_releases_its_callback(store):
    class Callback:
        def __call__(self, ok, context):
            return ok

    first, second = Callback(), Callback()
    alive = [weakref.ref(first), weakref.ref(second)]
    store.set_verify_cb(first)
    store.set_verify_cb(second)
    del first, second
    gc.collect()
    assert [ref() is None for ref in alive] == [True, False]
    m2.x509_store_free(store.store)
    gc.collect()
    assert alive[1]() is None


def test_the_context_of_a_callback_is_refused_after_it_returned(store):
    kept = []
    store.set_verify_cb(lambda ok, context: kept.append(context) or ok)
    assert verification(store).verify_cert() == 1
    for context in kept:
        for question in (context.get_error, context.get_current_cert, context.get1_chain):
            with pytest.raises(ValueError, match="freed already"):
                question()


def test_the_context_of_a_callback_cannot_be_modified(store):
    def misuse(ok, context):
        with pytest.raises(X509Error, match="the verification that calls it"):
            context.init(store, load("leaf"))
        with pytest.raises(X509Error, match="the verification that calls it"):
            context.verify_cert()
        with pytest.raises(X509Error, match="the verification that calls it"):
            context.add_crls(X509.CRL_Stack())
        m2.x509_store_ctx_free(context.ctx)
        with pytest.raises(ValueError, match="freed already"):
            context.get_error()
        return ok

    store.set_verify_cb(misuse)
    assert verification(store).verify_cert() == 1


def test_a_callback_cannot_free_what_its_verification_uses(store):
    def misuse(ok, lent):
        assert context.get_error() == lent.get_error()
        with pytest.raises(X509Error, match="is in use by the call"):
            context.init(store, load("leaf"))
        with pytest.raises(X509Error, match="is in use by the call"):
            context.verify_cert()
        store.set_verify_cb(None)
        m2.x509_store_ctx_free(context.ctx)
        return ok

    store.set_verify_cb(misuse)
    context = verification(store)
    assert context.verify_cert() == 1
    with pytest.raises(ValueError, match="freed already"):
        context.get_error()


def test_two_threads_verify_with_one_store(store):
    seen = []
    verdicts = []
    store.set_verify_cb(lambda ok, context: seen.append(threading.get_ident()) or ok)

    def verify():
        for _ in range(20):
            verdicts.append(verification(store).verify_cert())

    threads = [threading.Thread(target=verify) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == [1] * 40
    assert set(seen) == {thread.ident for thread in threads}


# ---- ownership -----------------------------------------------------------------------------------


def test_a_context_keeps_its_store_and_certificates_alive():
    store = X509.X509_Store()
    store.add_x509(load("root"))
    leaf, untrusted = load("leaf"), stack_of("intermediate")
    context = X509.X509_Store_Context()
    context.init(store, leaf, untrusted)
    m2.x509_store_free(store.store)
    m2.x509_free(leaf.x509)
    m2.sk_x509_free(untrusted.stack)
    del store, leaf, untrusted
    gc.collect()
    assert context.verify_cert() == 1


def test_objects_returned_by_a_context_outlive_it(store):
    context = X509.X509_Store_Context()
    context.init(store, load("leaf"))
    context.verify_cert()
    chain, certificate = context.get1_chain(), context.get_current_cert()
    m2.x509_store_ctx_free(context.ctx)
    del context
    gc.collect()
    assert chain[0].get_subject().CN == certificate.get_subject().CN == "www.example.org"


def test_a_context_keeps_its_crls_alive(store):
    store.set_flags(X509.verify_crl_check_leaf)
    context = verification(store, "revoked")
    crls = X509.CRL_Stack()
    crls.push(X509.load_crl(str(DATA / "crl.pem")))
    context.add_crls(crls)
    m2.sk_x509_crl_free(crls.stack)
    del crls
    gc.collect()
    assert context.verify_cert() == 0
