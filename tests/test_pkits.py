"""Certification paths are validated as NIST's PKITS requires, wherever the CRLs are."""

from __future__ import annotations

import pytest
from fix_openssl import version_differs
from fix_pkits import ROOT, files, paths

from M2Crypto import X509, m2
from M2Crypto.X509._parameters import ANY_POLICY

FLAGS = (
    m2.X509_V_FLAG_CRL_CHECK
    | m2.X509_V_FLAG_CRL_CHECK_ALL
    | m2.X509_V_FLAG_EXTENDED_CRL_SUPPORT
    | m2.X509_V_FLAG_USE_DELTAS
)
# All of the certificates and CRLs are valid then, those of section 4.2 aside.
TIME = 1577836800
# NIST-test-policy-n (PKITS, section 3).
POLICY = "2.16.840.1.101.3.2.1.48."
# What OpenSSL cannot do: the versions, the tests and the reason.
ROLLOVERS = (
    *("4.5.1", "4.5.3", "4.5.4", "4.5.6", "4.6.15", "4.6.17", "4.9.6", "4.11.7", "4.12.7"),
    *("4.12.9", "4.13.19"),
)
DIFFERENCES = [
    (">= 1.1.1", ["4.14.30"], "the status of the CRL's issuer is in that CRL alone"),
    (">= 3.0", ["4.1.5"], "a DSA key does not inherit the parameters of its issuer's"),
    (">= 4.0", ROLLOVERS, "a self-issued certificate with an AKID is taken for self-signed"),
]


def oid(policy):
    return ANY_POLICY if policy == "*" else f"{POLICY}{policy}"


def numbers(policies):
    found = [policy.oid for policy in policies]
    return sorted("*" if each == ANY_POLICY else int(each[len(POLICY) :]) for each in found)


# Where the CRLs are: in the list of the validation, the store, behind the lookup callback, or every
# other one in the list.
PLACES = {
    "list": lambda _: "list",
    "store": lambda _: "store",
    "callback": lambda _: "callback",
    "list and store": lambda index: ("list", "store")[index % 2],
    "store and list": lambda index: ("store", "list")[index % 2],
    "list and callback": lambda index: ("list", "callback")[index % 2],
}


def validate(test, place, read):
    """Return the context of a test's validation, and the outcome."""
    store = X509.X509_Store()
    store.add_cert(X509.load_cert_der_string(read(ROOT)))
    store.set_flags(FLAGS)
    store.set_time(TIME)
    placed = {"list": X509.CRL_Stack(), "store": [], "callback": []}
    crls = [name for name in files(test) if name.startswith("crls/")]
    for index, name in enumerate(crls):
        where = placed[place(index)]
        getattr(where, "push", getattr(where, "append", None))(X509.load_crl_der_string(read(name)))
    for crl in placed["store"]:
        store.add_crl(crl)
    if placed["callback"]:
        store.set_lookup_crls(lambda _: placed["callback"])
    leaf, *others = (
        X509.load_cert_der_string(read(f"certs/{name}.crt")) for name in test["certificates"]
    )
    untrusted = X509.X509_Stack()
    for certificate in others:
        untrusted.push(certificate)
    context = X509.X509_Store_Context()
    context.init(store, leaf, untrusted)
    context.set_policies(
        [oid(policy) for policy in test.get("policies", ())] or None,
        **dict.fromkeys(test.get("settings", ()), True),
    )
    context.add_crls(placed["list"])
    return context, context.verify_cert()


def outcome(test, place, read):
    context, verdict = validate(test, place, read)
    found = {"valid": verdict == 1}
    if found["valid"] and "user" in test:
        found["authority"] = numbers(context.get_authority_policies())
        found["user"] = numbers(context.get_user_policies())
    return found


def difference(number):
    """Return why this OpenSSL does not agree on a test, or None."""
    version = m2.openssl_version_num()
    for versions, numbers_of, reason in DIFFERENCES:
        if number in numbers_of and version_differs(versions, version) is None:
            return reason
    return None


def lacks_dsa(test):
    return m2.OPENSSL_NO_DSA and any("DSA" in name for name in test["certificates"])


def test_a_path_has_the_outcome_of_pkits(pkits, pkits_file, pkits_agreement):
    test = paths()[pkits]
    if lacks_dsa(test):
        pkits_agreement["skipped"].append(pkits)
        pytest.skip("needs DSA")
    expected = {key: test[key] for key in ("valid", "authority", "user") if key in test}
    found = {name: outcome(test, place, pkits_file) for name, place in PLACES.items()}
    agrees = all(each == expected for each in found.values())
    pkits_agreement["agree" if agrees else "differ"].append(pkits)
    reason = difference(pkits)
    if reason is not None:
        assert not agrees, "OpenSSL agrees now"
        pytest.xfail(reason)
    assert found == dict.fromkeys(PLACES, expected)
