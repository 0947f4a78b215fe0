"""Sessions: what two peers agreed on, for a later connection to begin with (SSL_get1_session(3)).

A session is got from a connection by `Connection.get_session`, or loaded from a file, and given to
a new connection by `Connection.set_session`. In TLS 1.3 the server sends it after the handshake, so
there it is got after something was read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, ClassVar

from M2Crypto import BIO, m2
from M2Crypto.SSL.SSLError import SSLError

if TYPE_CHECKING:
    from M2Crypto import _m2crypto

__all__ = ["Session", "load_session"]


class Session:
    """One session. `_pyfree` is for compatibility: the handle frees itself."""

    # To programs SSL.Session is this class as well as the module that it is in.
    Session: ClassVar[Any]
    load_session: ClassVar[Callable[[str | bytes], Any]]

    def __init__(self, session: _m2crypto.SSL_SESSION, _pyfree: int = 0) -> None:
        if session is None:
            raise SSLError("a Session is made from a session of the extension, not from None")
        self.session = session

    def _ptr(self) -> _m2crypto.SSL_SESSION:
        return self.session

    def as_text(self) -> bytes:
        """All that it holds, its secrets too, for people to read (SSL_SESSION_print)."""
        buffer = BIO.MemoryBuffer()
        m2.ssl_session_print(buffer.bio_ptr(), self.session)
        return buffer.read()

    def as_der(self) -> bytes:
        """Its DER, with its secrets (i2d_SSL_SESSION)."""
        return m2.i2d_ssl_session(self.session)

    def write_bio(self, bio: BIO.BIO) -> int:
        """Write its PEM, with its secrets; 1 (PEM_write_bio_SSL_SESSION)."""
        return m2.ssl_session_write_bio(bio.bio_ptr(), self.session)

    def get_time(self) -> int:
        """When it was made, in seconds since 1970."""
        return m2.ssl_session_get_time(self.session)

    def set_time(self, t: int) -> int:
        """Set the creation time, in seconds since 1970.

        Returns:
            1.

        Raises:
            SSLError: it is negative or too large.
        """
        return m2.ssl_session_set_time(self.session, t)

    def get_timeout(self) -> int:
        """For how many seconds it can be used (SSL_SESSION_get_timeout)."""
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
    """Load a session from the PEM that `Session.write_bio` wrote.

    Raises:
        BIOError: the file cannot be opened.
        SSLError: it holds no session.
    """
    with BIO.openfile(pemfile) as bio:
        return Session(m2.ssl_session_read_bio(bio.bio_ptr()))


Session.Session = Session
Session.load_session = load_session
