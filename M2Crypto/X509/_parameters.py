"""The parameters of path validations (X509_VERIFY_PARAM_set_flags(3)), and certificate policies."""

from __future__ import annotations

from M2Crypto import _hosts, m2
from M2Crypto._typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable
    from typing import Any, Callable

ANY_POLICY = "2.5.29.32.0"


class PolicyQualifier(NamedTuple):
    """A qualifier of a certificate policy (RFC 5280, section 4.2.1.4).

    Attributes:
        oid: "1.3.6.1.5.5.7.2.1" for a CPS pointer, "1.3.6.1.5.5.7.2.2" for a user notice.
        text: the URI of a CPS pointer, or the explicitText of a user notice; empty without one.
        der: the PolicyQualifierInfo in DER.
    """

    oid: str
    text: str
    der: bytes


class Policy(NamedTuple):
    """A certificate policy that is valid for a path.

    Attributes:
        oid: the policy's OID; `ANY_POLICY` for any policy.
        qualifiers: its qualifiers.
        parent: the index of its parent in the level above of the policy tree; None at the root and
            outside the tree.
    """

    oid: str
    qualifiers: tuple[PolicyQualifier, ...] = ()
    parent: int | None = None


class Parameters:
    """The parameters of a validation: of all with a trust store, or of one.

    Those of a store are copied when a validation is initialized.
    """

    def _parameters(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call an m2 function with the handle that has the parameters."""
        raise NotImplementedError

    def set_flags(self, flags: int) -> int:
        """Add validation flags, `m2.X509_V_FLAG_...`, and return 1."""
        return int(self._parameters(m2.x509_verify_param_set_flags, flags))

    def clear_flags(self, flags: int) -> int:
        """Remove validation flags, and return 1."""
        return int(self._parameters(m2.x509_verify_param_clear_flags, flags))

    def get_flags(self) -> int:
        """Return the validation flags."""
        return int(self._parameters(m2.x509_verify_param_get_flags))

    def set_purpose(self, purpose: int) -> int:
        """Require certificates for a purpose, `m2.X509_PURPOSE_...`, and return 1.

        Raises:
            X509Error: the purpose is unknown.
        """
        return int(self._parameters(m2.x509_verify_param_set_purpose, purpose))

    def set_trust(self, trust: int) -> int:
        """Require trust anchors that are trusted for a use, `m2.X509_TRUST_...`, and return 1.

        Raises:
            X509Error: the use is unknown.
        """
        return int(self._parameters(m2.x509_verify_param_set_trust, trust))

    def set_depth(self, depth: int) -> int:
        """Set the maximum number of intermediate certificates in a path, and return 1."""
        self._parameters(m2.x509_verify_param_set_depth, depth)
        return 1

    def get_depth(self) -> int:
        """Return the maximum number of intermediate certificates; -1 if it was not set."""
        return int(self._parameters(m2.x509_verify_param_get_depth))

    def set_auth_level(self, level: int) -> int:
        """Set the security level of keys and signatures, from 0 to 5, and return 1.

        SSL_CTX_set_security_level(3) describes the levels.
        """
        self._parameters(m2.x509_verify_param_set_auth_level, level)
        return 1

    def get_auth_level(self) -> int:
        """Return the security level; -1 if it was not set."""
        return int(self._parameters(m2.x509_verify_param_get_auth_level))

    def set_time(self, time: datetime.datetime | float | None) -> int:
        """Set the time at which certificates and CRLs must be valid, and return 1.

        Args:
            time: an aware datetime, or seconds since the epoch; None for the current time.

        Raises:
            ValueError: the datetime has no time zone.
        """
        if time is None:
            return self.clear_flags(m2.X509_V_FLAG_USE_CHECK_TIME)
        if isinstance(time, (int, float)):
            seconds = time
        elif not hasattr(time, "tzinfo"):
            raise TypeError(f"expected a datetime or a number, not {type(time).__name__}")
        elif time.tzinfo is None:
            raise ValueError("the datetime has no time zone")
        else:
            seconds = time.timestamp()
        self._parameters(m2.x509_verify_param_set_time, int(seconds))
        return 1

    def get_time(self) -> datetime.datetime | None:
        """Return the time that `set_time` set, in UTC; None for the current time."""
        if not self.get_flags() & m2.X509_V_FLAG_USE_CHECK_TIME:
            return None
        import datetime

        seconds = self._parameters(m2.x509_verify_param_get_time)
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)

    def set_policies(
        self,
        policies: Iterable[str] | None = None,
        *,
        explicit: bool = False,
        inhibit_any: bool = False,
        inhibit_map: bool = False,
    ) -> int:
        """Process certificate policies, and return 1 (RFC 5280, section 6.1.1).

        Args:
            policies: the user-initial-policy-set, as OIDs; None for any policy.
            explicit: initial-explicit-policy: whether the path must be valid for one of them. If
                it is false, only a certificate's policyConstraints can require that.
            inhibit_any: initial-any-policy-inhibit: whether anyPolicy in certificates is ignored.
            inhibit_map: initial-policy-mapping-inhibit: whether policy mapping is an error.

        Raises:
            X509Error: a policy is not an OID.
            ValueError: `policies` is empty.
        """
        if isinstance(policies, str):
            raise TypeError("policies is an iterable of OIDs, not str")
        oids = [ANY_POLICY] if policies is None else list(policies)
        if not oids or "\n" in "".join(oids):
            raise ValueError("policies is not empty, and an OID has no newline")
        flags = m2.X509_V_FLAG_POLICY_CHECK
        chosen = {
            m2.X509_V_FLAG_EXPLICIT_POLICY: explicit,
            m2.X509_V_FLAG_INHIBIT_ANY: inhibit_any,
            m2.X509_V_FLAG_INHIBIT_MAP: inhibit_map,
        }
        self._parameters(m2.x509_verify_param_set1_policies, "\n".join(oids))
        self.clear_flags(sum(flag for flag, is_set in chosen.items() if not is_set))
        return self.set_flags(flags | sum(flag for flag, is_set in chosen.items() if is_set))

    def set_host(self, host: str | bytes) -> int:
        """Require a certificate for a host name or IP address, and return 1 (RFC 9525).

        `SSL.Checker`, `X509.check_host` and `SSL.Connection.set1_host` apply the same rules. The
        common name is not used.

        Raises:
            ValueError: `host` is neither.
        """
        identity = _hosts.reference_identity(host)
        if isinstance(identity, str):
            return int(self._parameters(m2.x509_verify_param_set1_host, identity))
        return int(self._parameters(m2.x509_verify_param_set1_ip_asc, str(identity)))

    def set_email(self, address: str) -> int:
        """Require a certificate for an e-mail address, and return 1 (X509_check_email(3)).

        The local part is case-sensitive. Without an rfc822Name in the subjectAltName, the
        emailAddress in the subject is used.

        Raises:
            X509Error: OpenSSL refuses the address, as 4.0 does an invalid one.
            ValueError: it is empty.
        """
        if not address:
            raise ValueError("the address is empty")
        return int(self._parameters(m2.x509_verify_param_set1_email, address))
