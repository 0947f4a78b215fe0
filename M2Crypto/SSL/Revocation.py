"""Revocation checks of TLS connections: CRLs, stapled OCSP responses, and OCSP responders.

`Context.set_revocation` enables them. After the handshake, and before the program reads or writes,
the status of the peer's certificate is found in the first of these that has it:

1. the OCSP response that the server stapled (RFC 6066, section 8);
2. the CRLs that the program supplied;
3. the certificate's OCSP responders;
4. the CRLs at the certificate's distribution points.

A revoked certificate always ends the connection. One whose status is found nowhere ends it, too,
unless the failure is soft. A trust anchor is not checked, as it has no issuer that could revoke it.

Responders and distribution points are those that the certificate names, so its issuer chooses the
hosts that the program connects to; on a server, the issuer of the client's certificate. Only
`http:` URLs are fetched, no redirection is followed, and only certificates whose path is valid are
checked. Hosts of an internal network are not excluded: `ocsp=False` and `distribution_points=False`
fetch nothing. The handshake waits for what is fetched, also that of a non-blocking connection.
"""

from __future__ import annotations

import datetime
import enum
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Union

from M2Crypto import ASN1, OCSP, X509, _http, m2
from M2Crypto._arguments import handle_of
from M2Crypto._errors import M2CryptoError
from M2Crypto.SSL.SSLError import SSLError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from M2Crypto.SSL.Connection import Connection

__all__ = ["Cache", "Revocation", "RevocationError", "Source"]

StrPath = Union[str, bytes, "os.PathLike[str]"]

# The most bytes of a CRL that is fetched. The largest of public CAs have 30 MB.
MAX_CRL = 64 << 20
# The most bytes of CRLs in a cache. In memory a CRL has six times its size.
MAX_CACHED = 128 << 20
# The number of responders, and of distribution points, of one certificate that are tried.
MAX_URLS = 5
# The status of a certificate whose response names no time of a newer one is kept this long.
WITHOUT_NEXT_UPDATE = datetime.timedelta(minutes=5)
PEM_CRL = b"-----BEGIN X509 CRL-----"


class Source(enum.Enum):
    """Where the status of a certificate was found."""

    STAPLED = "stapled OCSP response"
    CRL = "CRL"
    RESPONDER = "OCSP responder"
    DISTRIBUTION_POINT = "CRL distribution point"


class Status(NamedTuple):
    """The status of one certificate.

    Attributes:
        revoked: whether it is revoked.
        source: where the status was found.
        revoked_at: the time of the revocation, or None.
        reason: the reason of the revocation, or None.
        this_update: the thisUpdate of an OCSP response; None for a CRL.
    """

    revoked: bool
    source: Source
    revoked_at: datetime.datetime | None = None
    reason: OCSP.Reason | None = None
    this_update: datetime.datetime | None = None


class _Staple(NamedTuple):
    """The response that a server stapled, empty for none, and whether it resumed a session."""

    response: bytes
    is_resumed: bool


class RevocationError(SSLError):
    """A certificate is revoked, or its status could not be found.

    Attributes:
        certificate: the certificate.
        depth: its position in the path; 0 is the peer's.
        status: the status if it is revoked, else None.
        problems: why each source has no status.
    """

    __module__ = "M2Crypto.SSL.Revocation"

    def __init__(
        self,
        message: str,
        certificate: X509.X509,
        depth: int,
        status: Status | None = None,
        problems: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.certificate = certificate
        self.depth = depth
        self.status = status
        self.problems = tuple(problems)


class Cache:
    """Statuses and CRLs until they expire. Several `Revocation`s can share one."""

    def __init__(self, limit: int = 1000) -> None:
        """Keep at most `limit`, and 128 MB of CRLs; the ones that expire first make room."""
        self.limit = limit
        self._lock = threading.Lock()
        self._kept: dict[object, tuple[Any, datetime.datetime, int]] = {}

    def __repr__(self) -> str:
        return "<Cache>"

    def get(self, key: object) -> Any:
        """Return what was kept under a key, or None."""
        with self._lock:
            value, expires, _ = self._kept.get(key, (None, None, 0))
            if expires is not None and expires <= _now():
                del self._kept[key]
                value = None
            return value

    def put(self, key: object, value: object, expires: datetime.datetime, size: int = 0) -> None:
        """Keep a value of `size` bytes under a key until it expires."""
        with self._lock:
            self._kept[key] = (value, expires, size)
            while self._kept and (
                len(self._kept) > self.limit
                or sum(size for _, _, size in self._kept.values()) > MAX_CACHED
            ):
                del self._kept[min(self._kept, key=lambda each: self._kept[each][1])]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()


class Revocation:
    """How a context checks revocation. It can be shared by contexts and threads."""

    def __init__(
        self,
        *,
        crls: Iterable[X509.CRL | StrPath] = (),
        stapled: bool = True,
        ocsp: bool = True,
        distribution_points: bool = False,
        soft_fail: bool = False,
        whole_chain: bool = False,
        timeout: float = 5.0,
        max_age: datetime.timedelta | None = None,
        cache: Cache | None = None,
    ) -> None:
        """Describe the checks.

        Args:
            crls: CRLs, files of CRLs in PEM or DER, and directories of such files. Files are read
                again when they change. If a file vanishes or has no CRL later, the ones that were
                read last are used until they expire. Delta CRLs are used with their base.
            stapled: whether to ask the server to staple an OCSP response.
            ocsp: whether to ask the certificate's OCSP responders.
            distribution_points: whether to fetch the CRLs that the certificate names.
            soft_fail: whether to accept a certificate whose status is found nowhere. An attacker
                who controls the network can then prevent the check.
            whole_chain: whether to check the intermediate CAs, too, and not the peer's certificate
                alone.
            timeout: seconds that one responder, or one fetched CRL, may take. At most five of each
                are tried for a certificate. The timeout of a connection limits all of them.
            max_age: the oldest OCSP response that is accepted; None for any that is current
                (`OCSP.Response.check`).
            cache: where statuses and CRLs are kept; by default a cache of this object's own.

        Raises:
            SSLError: a file or directory of `crls` does not exist, or a file has no CRL.
        """
        self.stapled, self.ocsp, self.distribution_points = stapled, ocsp, distribution_points
        self.soft_fail, self.whole_chain = soft_fail, whole_chain
        self.timeout, self.max_age = timeout, max_age
        self.cache = Cache() if cache is None else cache
        self._objects: list[X509.CRL] = []
        self._paths: list[Path] = []
        for each in crls:
            if isinstance(each, X509.CRL):
                self._objects.append(each)
            else:
                self._paths.append(Path(os.fsdecode(each)))
        self._files: dict[Path, tuple[tuple[int, ...], list[X509.CRL]]] = {}
        self._lock = threading.Lock()
        self.crls()

    # ---- one connection -------------------------------------------------------------------------

    def __repr__(self) -> str:
        return "<Revocation>"

    def check(self, connection: Connection) -> None:
        """Check the path of a connection's peer; one that has no certificate passes.

        Raises:
            RevocationError: a certificate is revoked, or its status was not found.
        """
        certificate = connection.get_peer_cert()
        if certificate is None:
            return
        try:
            path = _path(connection, certificate)
        except RevocationError:
            if self.soft_fail:
                return
            raise
        store = connection.get_context().get_cert_store()
        depth = len(path) - 1 if self.whole_chain else min(1, len(path) - 1)
        staple = self._staple(connection) if depth else None
        # A non-blocking connection has no time at all, but this must wait.
        seconds = connection.gettimeout()
        end = time.monotonic() + seconds if seconds else None
        for position in range(depth):
            self._check(path, position, store, staple if position == 0 else None, end)

    def _staple(self, connection: Connection) -> _Staple | None:
        """Return what the server stapled; None if it is not asked to, or the peer is a client."""
        if not self.stapled or m2.OPENSSL_NO_OCSP or m2.ssl_is_server(connection.ssl):
            return None
        response = m2.ssl_get_ocsp_response(connection.ssl)
        return _Staple(response, connection.session_reused())

    def _check(
        self,
        path: Sequence[X509.X509],
        depth: int,
        store: X509.X509_Store,
        staple: _Staple | None,
        end: float | None,
    ) -> None:
        certificate, issuer = path[depth], path[depth + 1]
        problems: list[str] = []
        status = None
        if staple is not None:
            status = self._stapled(certificate, issuer, store, path, staple, problems)
            if status is None and _must_staple(certificate, depth):
                why = problems[0] if problems else "it stapled none"
                raise RevocationError(
                    f"the server must staple an OCSP response (RFC 7633): {why}",
                    certificate, depth, None, problems,
                )  # fmt: skip
        if status is None:
            status = self.status(certificate, issuer, store, path, problems, end)
        if status is None:
            if self.soft_fail:
                return
            raise RevocationError(
                f"the revocation status of {_name(certificate)} was not found: "
                + ("; ".join(problems) or "there is no source of it"),
                certificate, depth, None, problems,
            )  # fmt: skip
        if status.revoked:
            since = f" at {status.revoked_at:%Y-%m-%d %H:%M:%SZ}" if status.revoked_at else ""
            reason = f", {status.reason.name.lower()}" if status.reason is not None else ""
            raise RevocationError(
                f"{_name(certificate)} was revoked{since}{reason} ({status.source.value})",
                certificate, depth, status, problems,
            )  # fmt: skip

    def status(
        self,
        certificate: X509.X509,
        issuer: X509.X509,
        store: X509.X509_Store,
        path: Sequence[X509.X509] = (),
        problems: list[str] | None = None,
        end: float | None = None,
    ) -> Status | None:
        """Return the status of a certificate that no server staples, or None if it is not found.

        Args:
            certificate: the certificate.
            issuer: its issuer.
            store: the trust anchors.
            path: certificates from which the path of a signer is built.
            problems: a list, to which is appended why a source has no status.
            end: the value of time.monotonic() after which nothing is fetched; None for no limit.
        """
        problems = [] if problems is None else problems
        crls = self.crls(problems)
        status = self._of_crls(certificate, store, path, crls, Source.CRL, problems)
        if status is None and self.ocsp and not m2.OPENSSL_NO_OCSP:
            status = self._asked(certificate, issuer, store, path, problems, end)
        if status is None and self.distribution_points:
            status = self._fetched(certificate, store, path, problems, end)
        return status

    def _seconds(self, end: float | None) -> float:
        """Return the seconds that one fetch may take."""
        return self.timeout if end is None else min(self.timeout, max(0, end - time.monotonic()))

    # ---- OCSP ---------------------------------------------------------------------------------

    def _stapled(
        self,
        certificate: X509.X509,
        issuer: X509.X509,
        store: X509.X509_Store,
        path: Sequence[X509.X509],
        staple: _Staple,
        problems: list[str],
    ) -> Status | None:
        # A server staples nothing when it resumes a session.
        key = ("stapled", OCSP.CertID(certificate, issuer).as_der())
        if not staple.response:
            return self._kept(key) if staple.is_resumed else None
        try:
            response = OCSP.load_response(staple.response)
            wanted = _identifier(response, certificate, issuer)
            answer = response.check(wanted, store, _stack(path), max_age=self.max_age)
        except OCSP.OCSPError as error:
            problems.append(f"the stapled OCSP response: {error}")
            return None
        return self._keep(key, answer, Source.STAPLED, problems)

    def _kept(self, key: object) -> Status | None:
        """Return the status in the cache, unless it has become too old for this object."""
        status: Status | None = self.cache.get(key)
        if status is None or self.max_age is None or status.this_update is None:
            return status
        return None if status.this_update < _now() - self.max_age - OCSP.SKEW else status

    def _keep(
        self, key: object, answer: OCSP.Answer, source: Source, problems: list[str]
    ) -> Status | None:
        """Return the status that an answer has, and put it into the cache."""
        status = _of_answer(answer, source, problems)
        if status is not None:
            self.cache.put(key, status, answer.next_update or _now() + WITHOUT_NEXT_UPDATE)
        return status

    def _asked(
        self,
        certificate: X509.X509,
        issuer: X509.X509,
        store: X509.X509_Store,
        path: Sequence[X509.X509],
        problems: list[str],
        end: float | None,
    ) -> Status | None:
        wanted = OCSP.CertID(certificate, issuer)
        key = wanted.as_der()
        kept = self._kept(key)
        if kept is not None:
            return kept
        for url in _named(OCSP.urls, certificate, problems):
            request = OCSP.Request([wanted])
            try:
                response = OCSP.fetch(request, url, self._seconds(end))
                answer = response.check(request, store, _stack(path), max_age=self.max_age)
            except OCSP.OCSPError as error:
                problems.append(f"OCSP: {error}")
                continue
            status = self._keep(key, answer, Source.RESPONDER, problems)
            if status is not None:
                return status
        return None

    # ---- CRLs -----------------------------------------------------------------------------------

    def crls(self, problems: list[str] | None = None) -> list[X509.CRL]:
        """Return the CRLs that the program supplied; the files that changed are read again.

        Args:
            problems: a list, to which is appended what would be raised.

        Raises:
            SSLError: a file or directory does not exist, or a file has no CRL, and none was read
                from it before.
        """
        found = list(self._objects)
        with self._lock:
            files = [file for path in self._paths for file in _files(path)]
            for file in files:
                try:
                    found += self._of_file(file)
                except SSLError as error:
                    if problems is None:
                        raise
                    problems.append(str(error))
            self._files = {file: self._files[file] for file in files if file in self._files}
        return found

    def _of_file(self, path: Path) -> list[X509.CRL]:
        read, crls = self._files.get(path, ((), []))
        try:
            about = path.stat()
            stamp = (about.st_mtime_ns, about.st_size, about.st_ino)
            if read != stamp:
                crls = _parse(path.read_bytes(), str(path))
                self._files[path] = (stamp, crls)
        except (OSError, SSLError) as error:
            if crls:
                return crls
            if isinstance(error, SSLError):
                raise
            raise SSLError(f"{path}: {error.strerror}") from error
        return crls

    def _of_crls(
        self,
        certificate: X509.X509,
        store: X509.X509_Store,
        path: Sequence[X509.X509],
        crls: Sequence[X509.CRL],
        source: Source,
        problems: list[str],
    ) -> Status | None:
        """Return what CRLs say of a certificate, by OpenSSL's own validation of them."""
        if not crls:
            return None
        stack = X509.CRL_Stack()
        for crl in crls:
            stack.push(crl)
        context = X509.X509_Store_Context()
        context.init(store, certificate, _stack(path))
        context.add_crls(stack)
        flags = m2.X509_V_FLAG_CRL_CHECK | m2.X509_V_FLAG_EXTENDED_CRL_SUPPORT
        flags |= m2.X509_V_FLAG_USE_DELTAS
        m2.x509_store_ctx_set_flags(context.ctx, flags)
        if context.verify_cert() == 1:
            return Status(False, source)
        error = context.get_error()
        if error == m2.X509_V_ERR_CERT_REVOKED and context.get_error_depth() == 0:
            return Status(True, source)
        problems.append(f"{source.value}: {m2.x509_get_verify_error(error)}")
        return None

    def _fetched(
        self,
        certificate: X509.X509,
        store: X509.X509_Store,
        path: Sequence[X509.X509],
        problems: list[str],
        end: float | None,
    ) -> Status | None:
        for url in _named(urls, certificate, problems):
            kept: list[X509.CRL] | None = self.cache.get(url)
            status = None
            if kept is not None:
                source = Source.DISTRIBUTION_POINT
                status = self._of_crls(certificate, store, path, kept, source, [])
            if status is None:
                status = self._get(url, certificate, store, path, problems, end)
            if status is not None:
                return status
        return None

    def _get(
        self,
        url: str,
        certificate: X509.X509,
        store: X509.X509_Store,
        path: Sequence[X509.X509],
        problems: list[str],
        end: float | None,
    ) -> Status | None:
        """Fetch CRLs. They are kept once they are verified, as anybody may have answered."""
        source = Source.DISTRIBUTION_POINT
        try:
            data = _http.fetch(url, self._seconds(end), MAX_CRL, SSLError)
            crls = _parse(data, url)
        except SSLError as error:
            problems.append(str(error))
            return None
        status = self._of_crls(certificate, store, path, crls, source, problems)
        if status is not None:
            ends = [crl.get_nextUpdate() for crl in crls]
            times = [end.get_datetime() for end in ends if end is not None]
            expires = min(times, default=_now() + WITHOUT_NEXT_UPDATE)
            self.cache.put(url, crls, expires, len(data))
        return status


# ---- parts ---------------------------------------------------------------------------------------


def urls(certificate: X509.X509) -> list[str]:
    """Return the URLs of a certificate's CRLs (RFC 5280, section 4.2.1.13), in order."""
    text = m2.x509_crl_urls(handle_of(certificate)).decode(errors="backslashreplace")
    return text.split("\n")[:-1]


def _now() -> datetime.datetime:
    return datetime.datetime.now(ASN1.UTC)


def _name(certificate: X509.X509) -> str:
    return f"certificate {certificate.get_serial_number():#x} ({certificate.get_subject()})"


def _stack(path: Sequence[X509.X509]) -> X509.X509_Stack:
    stack = X509.X509_Stack()
    for certificate in path:
        stack.push(certificate)
    return stack


def _path(connection: Connection, certificate: X509.X509) -> list[X509.X509]:
    """Return the validated path of the peer's certificate.

    A resumed session has no path, so it is built again.

    Raises:
        RevocationError: it is not valid. Without verification, or if a callback accepts an error,
            anybody may have made the certificate and the URLs in it.
    """
    error, depth = connection.get_verify_result(), 0
    if error == m2.X509_V_OK:
        path = list(X509.X509_Stack(m2.ssl_get1_verified_chain(connection.ssl), 1, 1))
        if path:
            return path
        context = X509.X509_Store_Context()
        sent = connection.get_peer_cert_chain()
        context.init(connection.get_context().get_cert_store(), certificate, sent)
        if context.verify_cert() == 1:
            return list(context.get1_chain())
        error, depth = context.get_error(), context.get_error_depth()
    raise RevocationError(
        f"the path of {_name(certificate)}, whose revocation is to be checked, is not valid: "
        f"{m2.x509_get_verify_error(error)}", certificate, depth,
    )  # fmt: skip


def _must_staple(certificate: X509.X509, depth: int) -> bool:
    try:
        return bool(m2.x509_must_staple(certificate.x509))
    except SSLError as error:
        raise RevocationError(
            f"the TLS feature extension of {_name(certificate)} (RFC 7633): {error}",
            certificate, depth,
        ) from None  # fmt: skip


def _named(
    urls: Callable[[X509.X509], list[str]], certificate: X509.X509, problems: list[str]
) -> list[str]:
    """Return the URLs in a certificate of which one after another is tried."""
    try:
        return urls(certificate)[:MAX_URLS]
    except M2CryptoError as error:
        problems.append(str(error))
        return []


def _files(path: Path) -> list[Path]:
    """Return the files of a directory, or a file itself."""
    try:
        return sorted(path.iterdir()) if path.is_dir() else [path]
    except OSError:
        return [path]


def _identifier(response: OCSP.Response, certificate: X509.X509, issuer: X509.X509) -> OCSP.CertID:
    """Return the identifier by which a response names a certificate; servers choose its digest."""
    serial = certificate.get_serial_number()
    for answer in response.answers:
        if answer.id.serial_number == serial and answer.id.is_issued_by(issuer):
            return answer.id
    raise OCSP.OCSPError("it has no status for the certificate")


def _of_answer(answer: OCSP.Answer, source: Source, problems: list[str]) -> Status | None:
    if answer.status is OCSP.Status.UNKNOWN:
        problems.append(f"{source.value}: the responder does not know the certificate")
        return None
    revoked = answer.status is OCSP.Status.REVOKED
    return Status(revoked, source, answer.revoked_at, answer.reason, answer.this_update)


def _parse(data: bytes, origin: str) -> list[X509.CRL]:
    """Return the CRLs of a file in PEM or DER."""
    try:
        if PEM_CRL not in data:
            return [X509.load_crl_string(data, X509.FORMAT_DER)]
        parts = data.split(PEM_CRL)[1:]
        return [X509.load_crl_string(PEM_CRL + part) for part in parts]
    except X509.X509Error as error:
        raise SSLError(f"{origin}: no CRL in PEM or DER: {error}") from None
