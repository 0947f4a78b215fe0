"""Sessions for resumption (SSL_get1_session(3), RFC 8446, section 2.2).

`Connection.get_session` returns the session of a connection, and `Connection.set_session` resumes
it. A TLS 1.3 server sends session tickets after the handshake, so the client must read first.
"""

from __future__ import annotations

from M2Crypto import BIO, m2
from M2Crypto._arguments import handle_of
from M2Crypto._copies import Unique
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.SSL.SSLError import SSLError

if TYPE_CHECKING:
    from typing import Any, Callable, ClassVar

    from M2Crypto import _m2crypto

__all__ = ["Session", "load_session"]


class Session(Unique):
    """A session. `_pyfree` is ignored."""

    # SSL.Session is both this class and its module in programs.
    Session: ClassVar[Any]
    load_session: ClassVar[Callable[[str | bytes], Any]]

    def __init__(self, session: _m2crypto.SSL_SESSION, _pyfree: int = 0) -> None:
        if session is None:
            raise SSLError("a Session needs a handle of the extension, not None")
        self.session = session

    def _ptr(self) -> _m2crypto.SSL_SESSION:
        return self.session

    def as_text(self) -> bytes:
        """Return the session as text, including its secrets (SSL_SESSION_print(3))."""
        buffer = BIO.MemoryBuffer()
        m2.ssl_session_print(buffer.bio_ptr(), self.session)
        return buffer.read()

    def as_der(self) -> bytes:
        """Return the session in DER, including its secrets (i2d_SSL_SESSION(3))."""
        return m2.i2d_ssl_session(self.session)

    def write_bio(self, bio: BIO.BIO) -> int:
        """Write the session as PEM, including its secrets, and return 1."""
        return m2.ssl_session_write_bio(handle_of(bio), self.session)

    def get_time(self) -> int:
        """Return the creation time in seconds since the epoch."""
        return m2.ssl_session_get_time(self.session)

    def set_time(self, t: int) -> int:
        """Set the creation time in seconds since the epoch.

        Returns:
            1.

        Raises:
            SSLError: it is negative or too large.
        """
        return m2.ssl_session_set_time(self.session, t)

    def get_timeout(self) -> int:
        """Return the lifetime in seconds (SSL_SESSION_get_timeout(3))."""
        return m2.ssl_session_get_timeout(self.session)

    def set_timeout(self, t: int) -> int:
        """Set the lifetime in seconds (SSL_SESSION_set_timeout(3)).

        Returns:
            1.

        Raises:
            SSLError: it is negative or too large.
        """
        return m2.ssl_session_set_timeout(self.session, t)


def load_session(pemfile: str | bytes) -> Session:
    """Load a session from a PEM file.

    Raises:
        BIOError: the file cannot be opened.
        SSLError: it has no session.
    """
    with BIO.openfile(pemfile) as bio:
        return Session(m2.ssl_session_read_bio(bio.bio_ptr()))


Session.Session = Session
Session.load_session = load_session
