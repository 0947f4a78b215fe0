"""https URLs of `urllib.request` over M2Crypto."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest
from fix_services import PATIENCE, Pages

from M2Crypto import SSL, m2urllib2


@pytest.fixture
def url(https):
    return f"https://localhost:{https().server_address[1]}"


def fetch(opener, url, **options):
    with opener.open(url, timeout=PATIENCE, **options) as response:
        return response.read()


def test_an_opener_uses_the_context(url, contexts):
    opener = m2urllib2.build_opener(contexts[0])
    assert fetch(opener, url + "/x") == b"GET /x "
    assert fetch(opener, url + "/x", data=b"body") == b"POST /x body"
    assert fetch(opener, url + "/last") == b"GET /last "


def test_a_redirection_is_followed(url, contexts):
    assert fetch(m2urllib2.build_opener(contexts[0]), url + "/redirect") == b"GET /redirected "


def test_the_opener_of_the_standard_library_takes_the_handler(url, contexts):
    opener = urllib.request.build_opener(m2urllib2.HTTPSHandler(contexts[0]))
    assert fetch(opener, url) == b"GET / "


def test_a_handler_replaces_the_default_one(url, contexts):
    used = []

    class Mine(m2urllib2.RefCountingSSLConnection):
        def connect_ssl(self):
            used.append(self)
            return super().connect_ssl()

    handler = m2urllib2.HTTPSHandler(contexts[0], Mine)
    assert fetch(m2urllib2.build_opener(None, handler), url) == b"GET / "
    assert len(used) == 1


def test_the_default_context_trusts_the_system_s_store(url, certificates, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", certificates("ca.pem"))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    assert fetch(m2urllib2.build_opener(), url) == b"GET / "
    monkeypatch.setenv("SSL_CERT_FILE", certificates("other_ca.pem"))
    with pytest.raises(SSL.SSLError, match="certificate verify failed"):
        fetch(m2urllib2.build_opener(), url)


def test_a_proxy_of_urllib_is_used(https, proxy, contexts):
    port = https().server_address[1]
    server = proxy()
    proxies = urllib.request.ProxyHandler({"https": f"http://127.0.0.1:{server.server_address[1]}"})
    opener = m2urllib2.build_opener(contexts[0], proxies)
    assert fetch(opener, f"https://localhost:{port}/x") == b"GET /x "
    assert server.seen[0][0].split()[:2] == ["CONNECT", f"localhost:{port}"]


def test_the_timeout_of_the_request_applies(silent, contexts):
    opener = m2urllib2.build_opener(contexts[0])
    with pytest.raises((SSL.SSLTimeoutError, urllib.error.URLError), match="timed out"):
        opener.open(f"https://localhost:{silent}/", timeout=0.05)


def test_a_connection_is_closed_with_its_last_file(contexts, https):
    address = https().server_address
    connection = m2urllib2.RefCountingSSLConnection(contexts[0])
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", address[1]))
    file = connection.makefile("rb")
    connection.close()
    assert connection.fileno() >= 0
    file.close()
    assert connection.fileno() == -1
    assert issubclass(m2urllib2.RefCountingSSLConnection, SSL.Connection)


class Redirecting(Pages):
    """Redirects to the URL in the query."""

    def do_GET(self):  # noqa: N802
        if "?" not in self.path:
            super().do_GET()
            return
        self.send_response(302)
        self.send_header("Location", self.path.partition("?")[2])
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/", "ftp://127.0.0.1:1/"])
def test_a_redirection_that_leaves_https_is_refused(https, contexts, target):
    url = f"https://localhost:{https(Redirecting).server_address[1]}/?{target}"
    with pytest.raises(urllib.error.HTTPError, match="a redirection from https to") as caught:
        fetch(m2urllib2.build_opener(contexts[0]), url)
    caught.value.close()
    # The program can decide otherwise.
    opener = m2urllib2.build_opener(contexts[0], urllib.request.HTTPRedirectHandler)
    with pytest.raises(urllib.error.URLError, match="refused"):
        fetch(opener, url)


@pytest.mark.parametrize(("host", "is_sent"), [("localhost", True), ("127.0.0.1", False)])
def test_credentials_are_not_sent_to_another_host(https, contexts, host, is_sent):
    server = https(Redirecting)
    contexts[0].post_connection_check = lambda certificate, host: True
    port = server.server_address[1]
    request = urllib.request.Request(f"https://localhost:{port}/?https://{host}:{port}/x")
    for name in ("Authorization", "Cookie", "X-Other"):
        request.add_header(name, "secret")
    assert fetch(m2urllib2.build_opener(contexts[0]), request) == b"GET /x "
    headers = server.seen[-1][1]
    assert headers["X-Other"] == "secret"
    assert ("Authorization" in headers, "Cookie" in headers) == (is_sent, is_sent)
