"""OCSP: whether a certificate is revoked, as its issuer's responder says (RFC 6960).

A client sends a `Request` to a responder, and checks the `Response`:

    request = OCSP.Request([OCSP.CertID(certificate, issuer)])
    response = OCSP.fetch(request, OCSP.urls(certificate)[0], timeout=5)
    answer = response.check(request, store, untrusted)
    answer.status  # Status.GOOD, REVOKED or UNKNOWN

`check` verifies that the response is signed by the issuer or a responder that the issuer
authorized, is current, and answers this request. A `Responder` answers requests.
"""

from __future__ import annotations

import datetime
import enum
import secrets
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, NoReturn

from M2Crypto import ASN1, BIO, EVP, X509, _algorithms, _http, m2
from M2Crypto._arguments import check_type, handle_of
from M2Crypto._copies import Constant
from M2Crypto._errors import OCSPError
from M2Crypto.X509.reasons import CRLReason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from M2Crypto import _m2crypto
    from M2Crypto._m2crypto import Buffer

__all__ = [
    "Answer",
    "CertID",
    "OCSPError",
    "Reason",
    "Request",
    "Responder",
    "Response",
    "ResponseStatus",
    "Revoked",
    "Status",
    "fetch",
    "load_request",
    "load_response",
    "urls",
]

# The most bytes of a response that is fetched. One with a chain of certificates has about 5 KB.
MAX_RESPONSE = 1 << 20
KIND = "application/ocsp-response"
# RFC 8954, section 2.1: a nonce has 1 to 32 octets, and clients should use 32.
NONCE_LENGTH = 32
# The tolerated difference between the responder's clock and ours.
SKEW = datetime.timedelta(minutes=5)
# The age up to which a status without nextUpdate is current. Otherwise it could be replayed for
# ever.
WITHOUT_NEXT_UPDATE = datetime.timedelta(days=1)


class _WithoutOCSP:
    """A substitute for `m2` without OCSP, whose every attribute raises OCSPError."""

    def __getattr__(self, name: str) -> NoReturn:
        raise OCSPError(f"{name}: this OpenSSL was built without OCSP ({m2.OPENSSL_VERSION_TEXT})")


_m2: Any = _WithoutOCSP() if m2.OPENSSL_NO_OCSP else m2


class ResponseStatus(enum.IntEnum):
    """The status of a response as a whole (RFC 6960, section 4.2.1)."""

    SUCCESSFUL = 0
    MALFORMED_REQUEST = 1
    INTERNAL_ERROR = 2
    TRY_LATER = 3
    SIG_REQUIRED = 5
    UNAUTHORIZED = 6


class Status(enum.IntEnum):
    """The status of a certificate (RFC 6960, section 2.2)."""

    GOOD = 0
    REVOKED = 1
    UNKNOWN = 2


# The reason of a revocation, under the name that it has here.
Reason = CRLReason


class CertID(Constant):
    """The identifier of a certificate in OCSP: hashes of its issuer, and its serial number.

    Identifiers are equal if they have the same digest, issuer and serial number.
    """

    def __init__(
        self,
        certificate: X509.X509 | None = None,
        issuer: X509.X509 | None = None,
        md: str = "sha1",
        *,
        _id: _m2crypto.OCSP_CERTID | None = None,
    ) -> None:
        """Identify `certificate` by its `issuer` (OCSP_cert_to_id(3)).

        Args:
            certificate: the certificate whose status is wanted.
            issuer: the certificate of its issuer.
            md: the digest of the issuer's name and key. Many responders know SHA-1 alone; it
                identifies, and protects nothing.

        Raises:
            OCSPError: the digest is unknown.
        """
        if _id is None:
            if certificate is None or issuer is None:
                raise TypeError("a CertID needs a certificate and its issuer")
            digest = _algorithms.digest(md, OCSPError)
            _id = _m2.ocsp_cert_to_id(digest, handle_of(certificate), handle_of(issuer))
        self.id = _id

    def _ptr(self) -> _m2crypto.OCSP_CERTID:
        return self.id

    @property
    def serial_number(self) -> int:
        """The serial number of the certificate."""
        return int(ASN1.ASN1_Integer(_m2.ocsp_id_serial_number(self.id)))

    def is_issued_by(self, issuer: X509.X509) -> bool:
        """Return whether `issuer` is the issuer that the hashes stand for.

        Raises:
            OCSPError: this OpenSSL does not have their digest.
        """
        return bool(_m2.ocsp_id_is_issued_by(self.id, handle_of(issuer)))

    def as_der(self) -> bytes:
        """Return the identifier in DER."""
        der: bytes = _m2.i2d_ocsp_certid(self.id)
        return der

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CertID):
            return NotImplemented
        return bool(_m2.ocsp_id_equal(self.id, other.id))

    def __hash__(self) -> int:
        return hash(self.serial_number)

    def __repr__(self) -> str:
        return f"<CertID {self.serial_number:#x}>"


class Request:
    """A request for the status of certificates. Changing it while it is sent is not supported."""

    def __init__(
        self,
        ids: Iterable[CertID] = (),
        *,
        nonce: bool = True,
        _request: _m2crypto.OCSP_REQUEST | None = None,
    ) -> None:
        """Ask for the status of each of `ids`; with a random nonce unless `nonce` is false.

        A nonce prevents the replay of an old response (RFC 8954). Responders that sign in advance
        ignore it.
        """
        if _request is not None:
            self.request = _request
            return
        self.request = _m2.ocsp_request_new()
        for each in ids:
            self.add(each)
        if nonce:
            _m2.ocsp_request_add_nonce(self.request, secrets.token_bytes(NONCE_LENGTH))

    def _ptr(self) -> _m2crypto.OCSP_REQUEST:
        return self.request

    def __repr__(self) -> str:
        return f"<Request for {len(self.ids)}>"

    def __reduce__(self) -> tuple[object, ...]:
        return load_request, (self.as_der(),)

    def add(self, id: CertID) -> None:
        """Ask for the status of one more certificate."""
        _m2.ocsp_request_add(self.request, handle_of(id))

    def sign(self, certificate: X509.X509, pkey: EVP.PKey, md: str | None = "sha256") -> None:
        """Sign the request (OCSP_request_sign(3)); a responder can require it.

        Args:
            certificate: the certificate of the client, which the request then has.
            pkey: its private key.
            md: the digest; None for Ed25519 and Ed448 keys.

        Raises:
            OCSPError: the key is not the certificate's, or cannot sign with the digest.
        """
        _m2.ocsp_request_sign(self.request, handle_of(certificate), handle_of(pkey), _digest(md))

    @property
    def ids(self) -> list[CertID]:
        """The identifiers of the certificates, in order."""
        count = _m2.ocsp_request_count(self.request)
        return [CertID(_id=_m2.ocsp_request_id(self.request, index)) for index in range(count)]

    @property
    def nonce(self) -> bytes | None:
        """The nonce, or None."""
        return _octets(_m2.ocsp_request_nonce(self.request))

    @property
    def is_signed(self) -> bool:
        """Whether the request has a signature."""
        return bool(_m2.ocsp_request_is_signed(self.request))

    def as_der(self) -> bytes:
        """Return the request in DER, the body of a POST as `application/ocsp-request`."""
        der: bytes = _m2.i2d_ocsp_request(self.request)
        return der


def load_request(der: Buffer) -> Request:
    """Load a request from DER.

    Raises:
        OCSPError: it is malformed, or the data continues after it.
    """
    return Request(_request=_m2.d2i_ocsp_request(der))


class Answer(NamedTuple):
    """The status of one certificate in a response (RFC 6960, section 4.2.1).

    Attributes:
        id: the identifier of the certificate.
        status: whether it is good, revoked, or unknown to the responder.
        this_update: the time at which the status was known to be correct.
        next_update: the time by which newer information will be available; None if it always is.
        revoked_at: the time of the revocation, or None.
        reason: the reason of the revocation, or None.
    """

    id: CertID
    status: Status
    this_update: datetime.datetime
    next_update: datetime.datetime | None
    revoked_at: datetime.datetime | None
    reason: Reason | None


class Response:
    """A response. Nothing that it says is trusted before `check` or `verify`.

    Pickling keeps its DER.
    """

    def __init__(self, _response: _m2crypto.OCSP_RESPONSE) -> None:
        self.response = _response
        self._answers: _m2crypto.OCSP_BASICRESP | None = None

    def __repr__(self) -> str:
        return f"<Response {self.status.name}>"

    def __reduce__(self) -> tuple[object, ...]:
        return load_response, (self.as_der(),)

    def _ptr(self) -> _m2crypto.OCSP_RESPONSE:
        return self.response

    def _basic(self) -> _m2crypto.OCSP_BASICRESP:
        """Return the part that a successful response has."""
        if self._answers is None:
            if self.status is not ResponseStatus.SUCCESSFUL:
                raise OCSPError(f"the responder answered {self.status.name.lower()}")
            self._answers = _m2.ocsp_response_get_basic(self.response)
        return self._answers

    @property
    def status(self) -> ResponseStatus:
        """The status of the response; only a successful one has answers.

        Raises:
            OCSPError: the status is none of RFC 6960's.
        """
        number = _m2.ocsp_response_status(self.response)
        try:
            return ResponseStatus(number)
        except ValueError:
            raise OCSPError(f"unknown response status {number}") from None

    @property
    def answers(self) -> list[Answer]:
        """The status of each certificate, not verified.

        Raises:
            OCSPError: the response is not successful, or a time or number in it is malformed.
        """
        basic = self._basic()
        return [_answer(basic, index) for index in range(_m2.ocsp_basic_count(basic))]

    @property
    def produced_at(self) -> datetime.datetime:
        """The time at which the responder signed."""
        return _time(_m2.ocsp_basic_produced_at(self._basic()))

    @property
    def nonce(self) -> bytes | None:
        """The nonce, or None."""
        return _octets(_m2.ocsp_basic_nonce(self._basic()))

    @property
    def responder_name(self) -> X509.X509_Name | None:
        """The name of the responder; None if its key identifies it."""
        name = _m2.ocsp_basic_responder_name(self._basic())
        return None if name is None else X509.X509_Name(name)

    @property
    def responder_key_hash(self) -> bytes | None:
        """The SHA-1 of the responder's public key; None if its name identifies it."""
        return _octets(_m2.ocsp_basic_responder_key(self._basic()))

    @property
    def certificates(self) -> X509.X509_Stack:
        """The certificates in the response, such as that of the responder."""
        return X509.X509_Stack(_m2.ocsp_basic_certificates(self._basic()), 1, 1)

    def verify(
        self, store: X509.X509_Store, untrusted: X509.X509_Stack | None = None, flags: int = 0
    ) -> None:
        """Verify the signature, and that the signer may respond (OCSP_basic_verify(3)).

        The signer is the issuer of the certificates, has a certificate of the issuer with the
        extended key usage OCSPSigning, or is trusted in `store` for OCSP.

        Args:
            store: the trust anchors.
            untrusted: certificates from which a path is built, such as the issuer's.
            flags: `m2.OCSP_...` of OCSP_basic_verify(3).

        Raises:
            OCSPError: the response is not successful, its signature does not verify, or its signer
                is not trusted.
        """
        stack = None if untrusted is None else handle_of(untrusted)
        _m2.ocsp_basic_verify(self._basic(), stack, handle_of(store), flags)

    def find(self, id: CertID) -> Answer | None:
        """Return what the response says, not verified, of a certificate; None for nothing."""
        basic = self._basic()
        index = _m2.ocsp_basic_find(basic, handle_of(id))
        return None if index < 0 else _answer(basic, index)

    def check(
        self,
        asked: Request | CertID,
        store: X509.X509_Store,
        untrusted: X509.X509_Stack | None = None,
        *,
        at: datetime.datetime | None = None,
        max_age: datetime.timedelta | None = None,
        flags: int = 0,
    ) -> Answer:
        """Return what the response says of a certificate, after verifying all of it.

        Args:
            asked: the request for one certificate, whose nonce the response must not contradict; or
                the identifier, as for a stapled response.
            store: the trust anchors.
            untrusted: certificates from which a path is built, such as the issuer's.
            at: the time at which the answer must be current, by default now. Clocks may differ by
                five minutes.
            max_age: the oldest `this_update` that is accepted. None is for any until `next_update`;
                for one day if there is none, unless the response has the nonce of the request.
            flags: `m2.OCSP_...` of OCSP_basic_verify(3).

        Raises:
            OCSPError: the response is not successful, not trusted, not current, has another nonce,
                or has no answer for the certificate.
            ValueError: the request is for several certificates; ask for one at a time, or `find`
                each after `verify`.
        """
        if isinstance(asked, Request):
            ids = asked.ids
            if len(ids) != 1:
                raise ValueError(f"the request is for {len(ids)} certificates, not for one")
            wanted, nonce = ids[0], asked.nonce
        else:
            wanted, nonce = asked, None
        self.verify(store, untrusted, flags)
        # A responder that signs in advance has no nonce. One that differs is another request's.
        if nonce is not None and self.nonce not in (None, nonce):
            raise OCSPError("the response has the nonce of another request")
        answer = self.find(wanted)
        if answer is None:
            raise OCSPError(f"the response has no status for certificate {wanted.serial_number:#x}")
        if max_age is None and answer.next_update is None and (nonce is None or not self.nonce):
            max_age = WITHOUT_NEXT_UPDATE
        _check_current(answer, at or datetime.datetime.now(ASN1.UTC), max_age)
        return answer

    def as_text(self) -> str:
        """Return the text of `openssl ocsp -resp_text` (OCSP_RESPONSE_print)."""
        buffer = BIO.MemoryBuffer()
        _m2.ocsp_response_print(buffer.bio_ptr(), self.response)
        return (buffer.read() or b"").decode(errors="backslashreplace")

    def as_der(self) -> bytes:
        """Return the response in DER."""
        der: bytes = _m2.i2d_ocsp_response(self.response)
        return der


def load_response(der: Buffer) -> Response:
    """Load a response from DER.

    Raises:
        OCSPError: it is malformed, or the data continues after it.
    """
    return Response(_m2.d2i_ocsp_response(der))


def _answer(basic: _m2crypto.OCSP_BASICRESP, index: int) -> Answer:
    number = _m2.ocsp_basic_status(basic, index)
    reason = _m2.ocsp_basic_reason(basic, index)

    next_update = _m2.ocsp_basic_next_update(basic, index)
    revoked_at = _m2.ocsp_basic_revoked_at(basic, index)
    try:
        return Answer(
            CertID(_id=_m2.ocsp_basic_id(basic, index)),
            Status(number),
            _time(_m2.ocsp_basic_this_update(basic, index)),
            None if next_update is None else _time(next_update),
            None if revoked_at is None else _time(revoked_at),
            None if reason < 0 else Reason(reason),
        )
    except ValueError as error:
        raise OCSPError(f"the response is malformed: {error}") from None


def _check_current(
    answer: Answer, at: datetime.datetime, max_age: datetime.timedelta | None
) -> None:
    """Check that an answer is current (RFC 6960, section 3.2, items 5 and 6).

    Raises:
        OCSPError: it is not yet, no longer, or too old.
    """
    if answer.this_update > at + SKEW:
        raise OCSPError(f"the status is not yet valid, its thisUpdate is {answer.this_update}")
    if answer.next_update is not None:
        if answer.next_update < answer.this_update:
            raise OCSPError("the nextUpdate of the status is before its thisUpdate")
        if answer.next_update < at - SKEW:
            raise OCSPError(f"the status has expired, its nextUpdate was {answer.next_update}")
    if max_age is not None and answer.this_update < at - max_age - SKEW:
        raise OCSPError(f"the status is too old, its thisUpdate is {answer.this_update}")


def _time(handle: _m2crypto.ASN1_TIME) -> datetime.datetime:
    try:
        return ASN1.ASN1_TIME(handle).get_datetime()
    except ValueError as error:
        raise OCSPError(f"a time of the response is malformed: {error}") from None


def _octets(handle: _m2crypto.ASN1_STRING | None) -> bytes | None:
    return None if handle is None else m2.asn1_string_data(handle)


def _digest(md: str | None) -> _m2crypto.EVP_MD | None:
    return None if md is None else _algorithms.digest(md, OCSPError)


# ---- the network ---------------------------------------------------------------------------------


def urls(certificate: X509.X509) -> list[str]:
    """Return the URLs of a certificate's responders (RFC 5280, section 4.2.2.1), in order."""
    text: bytes = _m2.x509_ocsp_urls(handle_of(certificate))
    return text.decode(errors="backslashreplace").split("\n")[:-1]


def fetch(request: Request, url: str, timeout: float = 10.0) -> Response:
    """Send a request to a responder over HTTP (RFC 6960, appendix A), and return its response.

    The response is signed, so plain HTTP is what responders use. No redirection is followed.

    Args:
        request: the request.
        url: an `http:` URL, such as one of `urls`.
        timeout: seconds until the whole response must be there.

    Raises:
        OCSPError: the URL is not HTTP's, the responder cannot be reached in time, answers with
            another status or type, with more than a megabyte, or with no OCSP response.
    """
    body = check_type(request, Request).as_der()
    headers = {"Content-Type": "application/ocsp-request", "Accept": KIND}
    answer = _http.fetch(
        url, timeout, MAX_RESPONSE, OCSPError, body=body, headers=headers, kind=KIND
    )
    return load_response(answer)


# ---- a responder ---------------------------------------------------------------------------------


class Responder:
    """A responder: answers requests for the certificates of one issuer.

    It has no database. `status` is asked for each serial number, so it is as small as a test needs
    and as large as a program makes it.
    """

    def __init__(
        self,
        issuer: X509.X509,
        certificate: X509.X509,
        pkey: EVP.PKey,
        status: Callable[[int], Status | Revoked],
        *,
        md: str | None = "sha256",
        validity: datetime.timedelta = datetime.timedelta(hours=1),
    ) -> None:
        """Answer for the certificates of `issuer`, signing as `certificate`.

        Args:
            issuer: the issuer.
            certificate: that of the issuer, or one of the issuer with the extended key usage
                OCSPSigning.
            pkey: its private key.
            status: returns the status of a serial number.
            md: the digest of the signature; None for Ed25519 and Ed448 keys.
            validity: the time from thisUpdate to nextUpdate.
        """
        self.issuer, self.certificate, self.pkey = issuer, certificate, pkey
        self.status, self.md, self.validity = status, md, validity

    def __repr__(self) -> str:
        return f"<Responder for {self.issuer.get_subject()}>"

    def respond(self, der: Buffer) -> bytes:
        """Return the response to a request, both in DER.

        A request that is not OCSP's is answered by malformedRequest. An exception of `status`
        propagates.
        """
        try:
            request = load_request(der)
            ids = request.ids
        except OCSPError:
            return _failure(ResponseStatus.MALFORMED_REQUEST)
        if not ids:
            return _failure(ResponseStatus.MALFORMED_REQUEST)
        basic = _m2.ocsp_basic_new()
        now = datetime.datetime.now(ASN1.UTC)
        for each in ids:
            self._add(basic, each, now)
        _m2.ocsp_basic_copy_nonce(basic, handle_of(request))
        _m2.ocsp_basic_sign(
            basic, handle_of(self.certificate), handle_of(self.pkey), _digest(self.md), None, 0
        )
        response = _m2.ocsp_response_create(ResponseStatus.SUCCESSFUL, basic)
        return Response(response).as_der()

    def _add(self, basic: _m2crypto.OCSP_BASICRESP, id: CertID, now: datetime.datetime) -> None:
        try:
            ours = id.is_issued_by(self.issuer)
        except OCSPError:
            # The digest of the identifier is unknown, and so the issuer.
            ours = False
        found = self.status(id.serial_number) if ours else Status.UNKNOWN
        revoked_at, reason = None, -1
        if isinstance(found, Revoked):
            revoked_at = _asn1_time(found.at)
            reason = -1 if found.reason is None else int(found.reason)
            status = Status.REVOKED
        else:
            status = Status(found)
            if status is Status.REVOKED:
                raise ValueError("a revoked certificate needs the time: return Revoked(at)")
        _m2.ocsp_basic_add(
            basic,
            handle_of(id),
            int(status),
            reason,
            revoked_at,
            _asn1_time(now),
            _asn1_time(now + self.validity),
        )


class Revoked(NamedTuple):
    """The status of a revoked certificate, for a `Responder`: the time, and the reason or None."""

    at: datetime.datetime
    reason: Reason | None = None


def _asn1_time(when: datetime.datetime) -> _m2crypto.ASN1_TIME:
    time = ASN1.ASN1_TIME()
    time.set_datetime(when)
    return time._ptr()


def _failure(status: ResponseStatus) -> bytes:
    return Response(_m2.ocsp_response_create(int(status), None)).as_der()
