"""The alerts that peers send (RFC 8446, section 6, and the registry of RFC 8447)."""

from __future__ import annotations

from M2Crypto import m2
from M2Crypto._errors import Alert
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from M2Crypto._errors import SSLError

_NAMES = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed_RESERVED",
    22: "record_overflow",
    30: "decompression_failure_RESERVED",
    40: "handshake_failure",
    41: "no_certificate_RESERVED",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    60: "export_restriction_RESERVED",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation_RESERVED",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable_RESERVED",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value_RESERVED",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
    121: "ech_required",
}

# OpenSSL's reason for an alert of the peer is this number and that of the alert (SSL_get_error(3)).
_FIRST_REASON = 1000


def received_alert(error: SSLError) -> Alert | None:
    """Return the alert of the peer that an error is about, or None."""
    for code, *_ in error.errors:
        number = m2.err_get_reason(code) - _FIRST_REASON
        if m2.err_get_lib(code) == m2.ERR_LIB_SSL and 0 <= number <= 255:
            return Alert(number, _NAMES.get(number, f"alert {number}"))
    return None
