"""Validations have the parameters that were set: of all with a store, or of one."""

from __future__ import annotations

import datetime
import gc
import weakref

import pytest
from fix_pkits import paths
from test_pkits import FLAGS, PLACES, POLICY, TIME, validate
from test_x509_store import DATA, load, stack_of, store, verification  # noqa: F401  (a fixture)

from M2Crypto import SSL, X509, m2
from M2Crypto.X509 import X509Error
from M2Crypto.X509._parameters import ANY_POLICY

ERRORS = {
    name[len("X509_V_ERR_") :].lower(): value
    for name, value in vars(m2).items()
    if name.startswith("X509_V_ERR_")
}


@pytest.fixture(params=["store", "validation"])
def prepared(request, store):  # noqa: F811
    """Return a function that sets parameters, and returns the error of the validation of a leaf."""

    def error(set_parameters):
        if request.param == "store":
            set_parameters(store)
        context = verification(store)
        if request.param == "validation":
            set_parameters(context)
        assert context.verify_cert() == (context.get_error() == X509.V_OK)
        return context.get_error()

    return error


OF_USER = -1
UTC = datetime.timezone.utc


@pytest.mark.parametrize(
    ("method", "value", "error"),
    [
        ("set_time", 1577836799, "cert_not_yet_valid"),
        ("set_time", datetime.datetime(2121, 1, 1, tzinfo=UTC), "cert_has_expired"),
        ("set_time", datetime.datetime(2050, 1, 1, tzinfo=UTC), None),
        ("set_time", None, None),
        ("set_purpose", m2.X509_PURPOSE_SSL_SERVER, None),
        ("set_purpose", m2.X509_PURPOSE_SSL_CLIENT, "invalid_purpose"),
        ("set_trust", m2.X509_TRUST_SSL_SERVER, None),
        ("set_depth", 1, None),
        ("set_depth", 0, "cert_chain_too_long"),
        ("set_auth_level", 2, None),
        ("set_auth_level", 5, "ee_key_too_small"),
        ("set_host", "www.example.org", None),
        ("set_host", "WWW.example.org.", None),
        ("set_host", "a.example.net", None),
        ("set_host", "example.net", "hostname_mismatch"),
        # The common name is no identifier.
        ("set_host", "One + CN", None),
        ("set_host", "192.0.2.7", None),
        ("set_host", "2001:db8::7", None),
        ("set_host", "192.0.2.8", "ip_address_mismatch"),
        ("set_email", "someone@EXAMPLE.org", None),
        ("set_email", "Someone@example.org", "email_mismatch"),
        ("set_flags", m2.X509_V_FLAG_CRL_CHECK, "unable_to_get_crl"),
    ],
)
def test_a_parameter_decides_the_validation(prepared, method, value, error):
    if value == "One + CN":
        with pytest.raises(ValueError, match="is not a host name"):
            X509.X509_Store().set_host(value)
        return
    expected = X509.V_OK if error is None else ERRORS[error]
    assert prepared(lambda owner: getattr(owner, method)(value)) == expected


def test_parameters_are_returned(store):  # noqa: F811
    assert store.get_depth() == store.get_auth_level() == -1
    context = verification(store)
    # OpenSSL's default.
    assert context.get_depth() == 100
    for owner in (store, context):
        assert owner.get_time() is None
        owner.set_time(datetime.datetime(2020, 1, 1, tzinfo=UTC))
        owner.set_depth(7)
        owner.set_auth_level(3)
        assert owner.get_time() == datetime.datetime(2020, 1, 1, tzinfo=UTC)
        assert (owner.get_depth(), owner.get_auth_level()) == (7, 3)
        owner.set_time(None)
        assert owner.get_time() is None
        owner.set_flags(m2.X509_V_FLAG_CRL_CHECK | m2.X509_V_FLAG_X509_STRICT)
        owner.clear_flags(m2.X509_V_FLAG_CRL_CHECK)
        both = m2.X509_V_FLAG_CRL_CHECK | m2.X509_V_FLAG_X509_STRICT
        assert owner.get_flags() & both == m2.X509_V_FLAG_X509_STRICT


def test_the_name_that_matched_is_returned(store):  # noqa: F811
    for host, name in (("a.example.net", "*.example.net"), ("www.example.org", "www.example.org")):
        context = verification(store)
        assert context.get_peername() is None
        context.set_host(host)
        assert context.verify_cert() == 1
        assert context.get_peername() == name


def test_parameters_of_a_validation_do_not_change_those_of_the_store(store):  # noqa: F811
    context = verification(store)
    context.set_host("other.example.org")
    assert context.verify_cert() == 0
    assert verification(store).verify_cert() == 1


@pytest.mark.parametrize("function", ["flags", "clear_flags", "depth", "purpose", "auth_level"])
def test_an_uninitialized_context_has_no_parameters(function):
    name = function if function == "clear_flags" else f"set_{function}"
    with pytest.raises(X509Error, match="init comes before the parameters"):
        getattr(X509.X509_Store_Context(), name)(0)
    with pytest.raises(X509Error, match="init comes before the parameters"):
        m2.x509_store_ctx_set_flags(m2.x509_store_ctx_new(), 0)


def test_a_verify_callback_cannot_change_parameters(store):  # noqa: F811
    def misuse(ok, context):
        with pytest.raises(X509Error, match="the verification that calls it"):
            context.set_depth(1)
        with pytest.raises(X509Error, match="in use by the call"):
            store.set_depth(1)
        return ok

    store.set_verify_cb(misuse)
    assert verification(store).verify_cert() == 1
    store.set_verify_cb()


@pytest.mark.parametrize("value", [None, "text", 1, b""])
def test_only_handles_with_parameters_are_taken(value):
    with pytest.raises(TypeError, match="expected a handle of type X509_STORE"):
        m2.x509_verify_param_set_depth(value, 1)
    with pytest.raises(TypeError, match="not one of type X509"):
        m2.x509_verify_param_get_flags(load("root")._ptr())


def test_tls_contexts_and_connections_have_parameters():
    context = SSL.Context()
    with SSL.Connection(context) as connection:
        for handle in (context.ctx, connection.ssl):
            assert m2.x509_verify_param_set_flags(handle, m2.X509_V_FLAG_X509_STRICT) == 1
            assert m2.x509_verify_param_get_flags(handle) & m2.X509_V_FLAG_X509_STRICT
            m2.x509_verify_param_set_depth(handle, 5)
            assert m2.x509_verify_param_get_depth(handle) == 5


@pytest.mark.parametrize(
    ("method", "value", "error"),
    [
        ("set_time", datetime.datetime(2020, 1, 1), ValueError),
        ("set_purpose", 99, X509Error),
        ("set_trust", 99, X509Error),
        ("set_host", "", ValueError),
        ("set_host", "a b", ValueError),
        ("set_email", "", ValueError),
        ("set_email", "a\0b@example.org", ValueError),
        ("set_email", b"a@example.org", TypeError),
        ("set_policies", "1.2.3", TypeError),
        ("set_policies", [], ValueError),
        ("set_policies", ["1.2.3\n1.2.4"], ValueError),
        ("set_policies", ["no policy"], X509Error),
        ("set_policies", ["1.2.3", ""], X509Error),
    ],
)
def test_an_invalid_parameter_is_refused(store, method, value, error):  # noqa: F811
    with pytest.raises(error):
        getattr(store, method)(value)
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("function", ["set1_ip_asc", "set1_policies"])
def test_an_invalid_parameter_is_refused_in_m2(store, function):  # noqa: F811
    with pytest.raises(X509Error):
        getattr(m2, f"x509_verify_param_{function}")(store._ptr(), "?")
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize(
    ("method", "value", "error"),
    [
        ("set_policies", ["1.2.3"], None),
        ("set_time", datetime.datetime(2200, 1, 1, tzinfo=UTC), "certificate has expired"),
        ("set_host", "localhost", None),
        ("set_host", "other.example.org", "ostname mismatch"),
    ],
)
def test_handshakes_use_the_parameters_of_the_store(pair, shake, contexts, method, value, error):
    getattr(contexts[0].get_cert_store(), method)(value)
    client, server = pair(*contexts)
    client.set_post_connection_check_callback(None)
    if error is None:
        shake(client, server)
        assert client.verify_ok()
        return
    with pytest.raises(SSL.SSLError, match=error):
        shake(client, server)


# ---- policies ------------------------------------------------------------------------------------


def test_a_path_without_policies_is_valid_unless_one_is_required(store):  # noqa: F811
    for explicit, verdict in ((False, 1), (True, 0)):
        context = verification(store)
        context.set_policies(explicit=explicit)
        assert context.verify_cert() == verdict
        assert context.requires_explicit_policy() is explicit
        assert context.get_authority_policies() == context.get_user_policies() == ()
    assert context.get_error() == m2.X509_V_ERR_NO_EXPLICIT_POLICY


def test_the_flags_of_policies_are_replaced(store):  # noqa: F811
    flags = m2.X509_V_FLAG_EXPLICIT_POLICY | m2.X509_V_FLAG_INHIBIT_ANY | m2.X509_V_FLAG_INHIBIT_MAP
    store.set_policies(["1.2.3"], explicit=True, inhibit_any=True, inhibit_map=True)
    assert store.get_flags() & flags == flags
    store.set_policies(["anyPolicy"], inhibit_map=True)
    assert store.get_flags() & flags == m2.X509_V_FLAG_INHIBIT_MAP
    m2.x509_verify_param_set1_policies(store._ptr(), None)


def test_the_policy_tree_has_levels(pkits_file):
    # A CA and an end entity with NIST-test-policy-1, and a qualifier.
    context, verdict = validate(paths()["4.8.20"], PLACES["store"], pkits_file)
    assert verdict == 1
    assert [policy.oid for policy in context.get_user_policies()] == [f"{POLICY}1"]
    assert context.get_authority_policies() == context.get_user_policies()
    top, *levels = context.get_policy_tree()
    assert [(node.oid, node.parent) for node in top] == [(ANY_POLICY, None)]
    assert [[(node.oid, node.parent) for node in level] for level in levels] == [
        [(f"{POLICY}1", 0)],
        [(f"{POLICY}1", 0)],
    ]
    (qualifier,) = levels[-1][0].qualifiers
    assert qualifier.oid == "1.3.6.1.5.5.7.2.1"
    assert qualifier.text.startswith("http://csrc.nist.gov/")
    assert qualifier.text.encode() in qualifier.der


def test_the_user_notices_of_policies_are_returned(pkits_file):
    # PKITS: q4 is the notice of NIST-test-policy-1, q5 that of NIST-test-policy-2.
    context, _ = validate(paths()["4.8.18.1"], PLACES["list"], pkits_file)
    notices = {
        (node.oid, each.oid, each.text[:3])
        for node in context.get_policy_tree()[-1]
        for each in node.qualifiers
    }
    notice = "1.3.6.1.5.5.7.2.2"
    assert notices == {(f"{POLICY}1", notice, "q4:"), (f"{POLICY}2", notice, "q5:")}


def test_a_validation_without_a_tree_has_no_policies(store):  # noqa: F811
    context = verification(store)
    assert context.get_policy_tree() == context.get_user_policies() == ()
    for function in (m2.x509_policy_oid, m2.x509_policy_parent):
        if function is m2.x509_policy_parent:
            assert function(context.ctx, 1, 0) == -1
            continue
        with pytest.raises(X509Error, match="no such policy"):
            function(context.ctx, 0, 0)
    for function in (
        m2.x509_policy_qualifier_oid,
        m2.x509_policy_qualifier_text,
        m2.x509_policy_qualifier_der,
    ):
        with pytest.raises(X509Error, match="no such policy"):
            function(context.ctx, -1, 0, 0)


def test_a_policy_has_no_more_qualifiers(pkits_file):
    context, _ = validate(paths()["4.8.1.1"], PLACES["list"], pkits_file)
    assert m2.x509_policy_qualifier_num(context.ctx, OF_USER, 0) == 0
    with pytest.raises(X509Error, match="no such qualifier"):
        m2.x509_policy_qualifier_text(context.ctx, OF_USER, 0, 0)


# ---- CRLs ----------------------------------------------------------------------------------------


@pytest.fixture
def crl():
    return X509.load_crl(str(DATA / "crl.pem"))


def test_the_lookup_callback_gets_the_issuer(store, crl):  # noqa: F811
    store.set_flags(m2.X509_V_FLAG_CRL_CHECK)
    issuers = []

    def lookup(issuer):
        issuers.append(issuer.CN)
        return [crl]

    store.set_lookup_crls(lookup)
    context = verification(store, "revoked")
    assert context.verify_cert() == 0
    assert context.get_error() == m2.X509_V_ERR_CERT_REVOKED
    assert set(issuers) == {"Test intermediate"}
    store.set_lookup_crls(None)
    context = verification(store, "revoked")
    assert context.verify_cert() == 0
    assert context.get_error() == m2.X509_V_ERR_UNABLE_TO_GET_CRL


@pytest.mark.parametrize("found", [None, [], ()])
def test_the_lookup_callback_need_not_find_any(store, found):  # noqa: F811
    store.set_flags(m2.X509_V_FLAG_CRL_CHECK)
    store.set_lookup_crls(lambda _: found)
    context = verification(store)
    assert context.verify_cert() == 0
    assert context.get_error() == m2.X509_V_ERR_UNABLE_TO_GET_CRL


def test_an_exception_of_the_lookup_callback_propagates(store):  # noqa: F811
    store.set_flags(m2.X509_V_FLAG_CRL_CHECK)

    def fail(issuer):
        raise ZeroDivisionError("in the lookup")

    store.set_lookup_crls(fail)
    with pytest.raises(ZeroDivisionError, match="in the lookup"):
        verification(store).verify_cert()
    store.set_lookup_crls(lambda _: [load("root")])
    with pytest.raises(TypeError, match="expected a handle of type X509_CRL"):
        verification(store).verify_cert()
    m2.x509_store_set_lookup_crls(store.store, lambda _: b"no stack")
    with pytest.raises(TypeError, match="expected a handle of type m2_x509_crl_stack"):
        verification(store).verify_cert()
    assert m2.err_peek_error() == 0


def test_a_freed_store_releases_its_lookup_callback():
    class Lookup:
        def __call__(self, issuer):
            return None

    store, lookup = X509.X509_Store(), Lookup()  # noqa: F811
    alive = weakref.ref(lookup)
    store.set_lookup_crls(lookup)
    del lookup
    gc.collect()
    assert alive() is not None
    m2.x509_store_free(store.store)
    del store
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("number", ["4.14.22", "4.14.23", "4.14.28", "4.15.3", "4.15.5"])
def test_a_tls_context_finds_crls_in_its_store(pkits_file, number):
    context = SSL.Context()
    expected, _ = validate(paths()[number], PLACES["list"], pkits_file)
    # The same validation, with the store of the context.
    tls = context.get_cert_store()
    tls.add_cert(X509.load_cert_der_string(pkits_file("certs/TrustAnchorRootCertificate.crt")))
    for name in paths()[number]["crls"]:
        tls.add_crl(X509.load_crl_der_string(pkits_file(f"crls/{name}.crl")))
    tls.set_flags(FLAGS)
    tls.set_time(TIME)
    leaf, *others = (
        X509.load_cert_der_string(pkits_file(f"certs/{name}.crt"))
        for name in paths()[number]["certificates"]
    )
    untrusted = X509.X509_Stack()
    for certificate in others:
        untrusted.push(certificate)
    validation = X509.X509_Store_Context()
    validation.init(tls, leaf, untrusted)
    assert (validation.verify_cert() == 1) == paths()[number]["valid"]
    assert validation.get_error() == expected.get_error()


def test_a_crl_in_der_is_added(store, tmp_path, crl):  # noqa: F811
    file = tmp_path / "crl.der"
    crl.save(file, X509.FORMAT_DER)
    store.set_flags(m2.X509_V_FLAG_CRL_CHECK)
    store.add_crl(X509.load_crl(file, X509.FORMAT_DER))
    context = X509.X509_Store_Context()
    context.init(store, load("revoked"), stack_of("intermediate"))
    assert context.verify_cert() == 0
    assert context.get_error() == m2.X509_V_ERR_CERT_REVOKED
