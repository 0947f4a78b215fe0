"""FTP over TLS, with a server over Python's `ssl`."""

from __future__ import annotations

import contextlib
import ftplib
import io
import socket
import threading

import pytest
from fix_services import PATIENCE
from fix_services_ftp import Session

from M2Crypto import SSL
from M2Crypto.ftpslib import FTP_TLS
from M2Crypto.SSL.Checker import WrongHost


@pytest.fixture
def ftp(ftps, contexts):
    with FTP_TLS(ssl_ctx=contexts[0], timeout=PATIENCE) as client:
        client.connect("localhost", ftps.server_address[1])
        yield client


def read(ftp, name="é.txt"):
    content = []
    ftp.retrbinary(f"RETR {name}", content.append)
    return b"".join(content)


@pytest.mark.parametrize("auth", ["auth_tls", "auth_ssl"])
def test_files_are_transferred_over_tls(ftp, ftps, auth):
    assert getattr(ftp, auth)() == "234 go"
    assert ftp.login("user", "password").startswith("230")
    assert ftp.prot_p() == "200 done"
    assert read(ftp) == b"line 1\r\nline 2\r\n"
    content = bytes(range(256)) * 1000
    ftp.storbinary("STOR new", io.BytesIO(content))
    assert read(ftp, "new") == content
    lines = []
    ftp.retrlines("LIST", lines.append)
    assert lines == ["é.txt", "new"]
    ftp.storlines("STOR lines", io.BytesIO(b"a\nb\n"))
    assert ftps.files["lines"] == b"a\r\nb\r\n"
    assert [command for command, is_secure in ftps.seen if not is_secure] == ["AUTH"]


def test_a_data_connection_resumes_the_session(ftp, ftps):
    ftp.login()
    ftp.prot_p()
    read(ftp)
    assert ftps.resumed == [True]


def test_prot_c_leaves_data_without_tls(ftp, ftps):
    ftp.login()
    ftp.prot_p()
    assert ftp.prot_c() == "200 done"
    assert read(ftp) == b"line 1\r\nline 2\r\n"
    assert ftps.resumed == []


def test_login_begins_tls_before_it_sends_the_password(ftp, ftps):
    ftp.login("user", "password")
    assert dict(ftps.seen) == {"AUTH": False, "USER": True, "PASS": True}
    # Once more it does nothing.
    ftp.auth_tls()
    assert [command for command, _ in ftps.seen].count("AUTH") == 1


def test_a_refused_auth_raises_and_sends_no_password(ftp, ftps):
    ftps.mechanisms = ()
    with pytest.raises(ftplib.error_perm, match="504"):
        ftp.login("user", "password")
    assert ftps.seen == [("AUTH", False)]


def test_replies_before_the_handshake_are_discarded(ftp, ftps):
    ftps.injected = b"331 injected\r\n"
    ftp.auth_tls()
    assert ftp.sendcmd("USER user") == "331 password"


def test_a_certificate_for_another_host_is_refused(ftps, contexts, certificates):
    ftps.context.load_cert_chain(certificates("other_host.pem"))
    with FTP_TLS(ssl_ctx=contexts[0], timeout=PATIENCE) as client:
        client.connect("localhost", ftps.server_address[1])
        with pytest.raises(WrongHost):
            client.auth_tls()
        client.close()


@pytest.mark.parametrize("reply", ["225 no transfer", "226 closed", "426 aborted"])
def test_abort(ftp, ftps, reply):
    ftps.abort_reply = reply
    ftp.login()
    assert ftp.abort() == reply


def test_abort_raises_on_another_reply(ftp, ftps):
    ftps.abort_reply = "500 no"
    ftp.login()
    with pytest.raises(ftplib.Error, match="500 no"):
        ftp.abort()


def test_the_constructor_connects(ftps, contexts, monkeypatch):
    monkeypatch.setattr(FTP_TLS, "port", ftps.server_address[1])
    with FTP_TLS("localhost", contexts[0]) as client:
        assert client.getwelcome() == "220 ready"


def test_timeout_0_raises_as_in_ftplib(ftps, contexts):
    with pytest.raises(ValueError, match="timeout=0"):
        FTP_TLS("localhost", contexts[0], timeout=0)


def test_the_timeout_limits_the_handshake(contexts):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = FTP_TLS(ssl_ctx=contexts[0], timeout=0.2)
        listener.settimeout(PATIENCE)
        listener.listen()

        def greet():
            sock, _ = listener.accept()
            with sock:
                sock.sendall(b"220 ready\r\n")
                sock.recv(100)
                sock.sendall(b"234 go\r\n")
                while sock.recv(1000):
                    pass

        thread = threading.Thread(target=greet)
        thread.start()
        client.connect("localhost", listener.getsockname()[1])
        with pytest.raises(SSL.SSLTimeoutError):
            client.auth_tls()
        client.close()
        thread.join(PATIENCE)


# ---- attacks -------------------------------------------------------------------------------------


@pytest.fixture
def plain_server():
    """Return a function that serves one client without TLS by a function of the socket."""
    with contextlib.ExitStack() as stack:

        def start(serve):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            listener.settimeout(PATIENCE)

            def run():
                sock, _ = listener.accept()
                with sock, contextlib.suppress(OSError):
                    sock.settimeout(PATIENCE)
                    serve(sock)

            thread = threading.Thread(target=run)
            thread.start()
            stack.callback(thread.join, PATIENCE)
            return listener.getsockname()[1]

        yield start


def test_a_reply_has_a_limited_length(plain_server, contexts, monkeypatch):
    monkeypatch.setattr("M2Crypto.ftpslib._MAX_REPLY", 20_000)

    def greet_without_end(sock):
        while True:
            sock.sendall(b"220-welcome\r\n" * 1000)

    port = plain_server(greet_without_end)
    with FTP_TLS(ssl_ctx=contexts[0], timeout=PATIENCE) as client:
        with pytest.raises(ftplib.Error, match="more than 20000 characters"):
            client.connect("localhost", port)
        client.close()


def test_replies_do_not_share_the_limit(ftp, ftps, monkeypatch):
    monkeypatch.setattr("M2Crypto.ftpslib._MAX_REPLY", 30)
    for _ in range(10):
        assert ftp.voidcmd("TYPE I") == "200 done"


def test_an_upload_to_a_server_that_sends_data_without_end_ends(ftp, ftps, monkeypatch):
    def send_without_end(session, name):
        with contextlib.suppress(OSError), session.data() as sock:
            while True:
                sock.sendall(bytes(1000))
        session.reply("226 done")

    monkeypatch.setattr(Session, "stor", send_without_end)
    ftp.login()
    ftp.prot_p()
    assert ftp.storbinary("STOR new", io.BytesIO(b"content")) == "226 done"


def test_pasv_cannot_name_another_host(ftp, ftps, monkeypatch):
    """The address of 227 is the server's choice, and would be another computer's."""
    listed = Session.pasv

    def elsewhere(session, argument):
        reply = session.reply
        session.reply = lambda text: reply(text.replace("127,0,0,1", "192,0,2,1"))
        listed(session, argument)
        session.reply = reply

    monkeypatch.setattr(Session, "pasv", elsewhere)
    ftp.login()
    ftp.prot_p()
    assert read(ftp) == b"line 1\r\nline 2\r\n"


@pytest.mark.parametrize("text", ["a\r\nDELE x", "a\nDELE x", "a\rDELE x"])
def test_no_argument_adds_a_command(ftp, ftps, text):
    with pytest.raises(ValueError, match="newline"):
        ftp.login(text, "password")
    ftp.login()
    for use in (ftp.login, ftp.delete, ftp.cwd, ftp.mkd, ftp.size):
        with pytest.raises(ValueError, match="newline"):
            use(text)
    assert "DELE" not in [command for command, _ in ftps.seen]


def test_a_block_ends_although_the_server_has_gone(ftps, contexts, monkeypatch):
    def vanish(session, level):
        session.reply("200 done")
        session.request.shutdown(socket.SHUT_RDWR)

    monkeypatch.setattr(Session, "prot", vanish)
    with FTP_TLS(ssl_ctx=contexts[0], timeout=PATIENCE) as client:
        client.connect("localhost", ftps.server_address[1])
        client.login()
        client.prot_p()
    assert client.sock is None
