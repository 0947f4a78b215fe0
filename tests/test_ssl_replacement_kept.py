"""The replacement renews the contexts that modules keep, and leaves those of the program."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import sys
import urllib.error
import urllib.request

import pytest
from fix_services import PATIENCE, Pages, running
from test_ssl_replacement import TLSServer, theirs  # noqa: F401  (a fixture)

from M2Crypto import SSL
from M2Crypto.SSL import replacement
from M2Crypto.SSL.stdlib import SSLContext

keeps_a_context = pytest.mark.skipif(
    sys.version_info < (3, 12),
    reason="needs Python 3.12, whose HTTPSHandler has a context",
)


@pytest.fixture
def url(theirs, certificates, monkeypatch):  # noqa: F811
    """Return the address of a server that the default trust anchors trust."""
    monkeypatch.setenv("SSL_CERT_FILE", certificates("ca.pem"))
    monkeypatch.setattr(urllib.request, "_opener", None)
    monkeypatch.setenv("no_proxy", "*")
    with running(TLSServer(Pages, theirs)) as server:
        yield f"https://localhost:{server.port}/"


def refusing():
    """Return a context whose connections fail, so it is seen where it is used."""
    return SSL.Context(post_connection_check=lambda certificate, host: False)


def works(url):
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:
        return response.read() == b"GET / "


@contextlib.contextmanager
def fails():
    with pytest.raises(urllib.error.URLError, match="post connection check failed"):
        yield


def https_context():
    (handler,) = (
        each
        for each in urllib.request._opener.handlers
        if isinstance(each, urllib.request.HTTPSHandler)
    )
    return handler._context


# ---- urlopen -------------------------------------------------------------------------------------


def test_urlopen_that_was_used_before_is_replaced_and_restored(url):
    assert works(url)
    opener, context = urllib.request._opener, https_context()
    with replacement.installed(refusing), fails():
        works(url)
    assert works(url)
    assert urllib.request._opener is opener
    assert https_context() is context


def test_urlopen_that_was_used_first_while_replaced_is_restored(url):
    with replacement.installed(refusing), fails():
        works(url)
    assert works(url)
    with replacement.installed(refusing), fails():
        works(url)
    assert works(url)


@keeps_a_context
def test_trust_anchors_of_a_directory_are_those_of_the_module(url, certificates, tmp_path):
    from M2Crypto import X509

    ca = X509.load_cert(certificates("ca.pem"))
    (tmp_path / f"{ca.get_subject().as_hash():08x}.0").write_bytes(ca.as_pem())
    (tmp_path / "00000000.0").write_text("no certificate")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE")
        patch.setenv("SSL_CERT_DIR", str(tmp_path))
        assert works(url)
        assert https_context().get_ca_certs()
        with replacement.installed(refusing), fails():
            works(url)


@keeps_a_context
def test_an_installed_opener_keeps_its_settings(url):
    handler = urllib.request.HTTPSHandler(check_hostname=False)
    opener = urllib.request.build_opener(handler)
    opener.addheaders = [("User-Agent", "mine")]
    urllib.request.install_opener(opener)
    old = handler._context
    with replacement.installed():
        assert works(url)
        assert urllib.request._opener is opener
        assert isinstance(handler._context, SSLContext)
        assert not handler._context.check_hostname
    assert handler._context is old


@pytest.mark.parametrize("kind", ["anchors", "settings", "class"])
def test_an_opener_s_context_of_the_program_stays(url, certificates, kind):
    class Mine(ssl.SSLContext):
        pass

    context = Mine(ssl.PROTOCOL_TLS_CLIENT) if kind == "class" else ssl.create_default_context()
    # As http.client sets it.
    context.post_handshake_auth = kind != "settings"
    context.load_verify_locations(certificates("ca.pem"))
    if kind == "anchors":
        context.load_verify_locations(certificates("other_ca.pem"))
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
    urllib.request.install_opener(opener)
    with replacement.installed(refusing):
        assert https_context() is context
        assert works(url)
    assert urllib.request._opener is opener
    assert https_context() is context


def test_what_the_program_sets_while_replaced_stays(url, certificates):
    assert works(url)
    with replacement.installed():
        context = ssl.create_default_context(cafile=certificates("ca.pem"))
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
        urllib.request.install_opener(opener)
    assert urllib.request._opener is opener
    assert https_context() is context
    assert works(url)


@keeps_a_context
def test_a_context_that_the_program_sets_in_the_opener_stays(url):
    assert works(url)
    with replacement.installed():
        mine = ssl.create_default_context()
        for handler in urllib.request._opener.handlers:
            if isinstance(handler, urllib.request.HTTPSHandler):
                handler._context = mine
    assert https_context() is mine


@keeps_a_context
def test_an_error_of_the_factory_leaves_everything_as_it_was(url):
    assert works(url)
    context = https_context()

    def broken():
        raise LookupError("no context")

    with pytest.raises(LookupError, match="no context"):
        replacement.install(broken)
    assert not replacement.is_installed()
    assert https_context() is context
    assert type(ssl.create_default_context()) is ssl.SSLContext


# ---- requests and urllib3 ------------------------------------------------------------------------

# As in requests 2.32.0 to 2.32.4.
PRELOAD = """
_preloaded_ssl_context = create_urllib3_context()
_preloaded_ssl_context.load_verify_locations(extract_zipped_paths(DEFAULT_CA_BUNDLE_PATH))
"""


@pytest.fixture
def adapters(monkeypatch):
    pytest.importorskip("requests", reason="needs requests")
    from requests import adapters

    for name, value in {
        "_preloaded_ssl_context": None,
        "create_urllib3_context": sys.modules["urllib3.util.ssl_"].create_urllib3_context,
        "extract_zipped_paths": str,
        "DEFAULT_CA_BUNDLE_PATH": "",
    }.items():
        monkeypatch.setattr(adapters, name, value, raising=False)
    return adapters


def test_the_context_of_requests_is_replaced_and_restored(adapters, certificates, monkeypatch):
    monkeypatch.setattr(adapters, "DEFAULT_CA_BUNDLE_PATH", certificates("ca.pem"))
    exec(PRELOAD, vars(adapters))
    old = adapters._preloaded_ssl_context
    with replacement.installed():
        made = adapters._preloaded_ssl_context
        assert isinstance(made, SSLContext)
        assert made.get_ca_certs() == old.get_ca_certs()
    assert adapters._preloaded_ssl_context is old
    old.load_verify_locations(certificates("other_ca.pem"))
    with replacement.installed():
        assert adapters._preloaded_ssl_context is old


def test_the_context_of_requests_imported_while_replaced_is_restored(
    adapters, certificates, monkeypatch
):
    monkeypatch.setattr(adapters, "DEFAULT_CA_BUNDLE_PATH", certificates("ca.pem"))
    with replacement.installed():
        exec(PRELOAD, vars(adapters))
        made = adapters._preloaded_ssl_context
        assert isinstance(made, SSLContext)
    restored = adapters._preloaded_ssl_context
    assert type(restored) is ssl.SSLContext
    assert restored.get_ca_certs() == made.get_ca_certs()


def test_connections_of_urllib3_are_not_used_again(url):
    urllib3 = pytest.importorskip("urllib3", reason="needs requests")

    def status():
        return urllib3.request("GET", url, retries=False).status

    assert status() == 200
    refused = pytest.raises(urllib3.exceptions.SSLError, match="post connection check failed")
    with replacement.installed(refusing), refused:
        status()
    with replacement.installed():
        assert status() == 200
        (pool,) = urllib3._DEFAULT_POOL.pools._container.values()
        assert isinstance(pool.pool.queue[-1].sock.context, SSLContext)
    assert not urllib3._DEFAULT_POOL.pools
    assert status() == 200


def test_modules_that_were_not_imported_are_not(monkeypatch):
    for name in ("urllib.request", "requests.adapters", "urllib3"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with replacement.installed():
        assert isinstance(ssl.create_default_context(), SSLContext)
    assert "urllib.request" not in sys.modules
    assert http.client.HTTPSConnection("localhost")._context is not None
