"""The trust settings of macOS (Apple's Security framework), read by ctypes.

A certificate is trusted if the settings of the user, else of the administrator, else of the system
trust it for TLS servers, as in SecTrustSettingsCopyTrustSettings' description of the settings.
"""

from __future__ import annotations

import ctypes
from typing import Any

__all__ = ["certificates"]

FRAMEWORKS = "/System/Library/Frameworks/{0}.framework/{0}"
# SecTrustSettingsDomain: user, administrator and system; the first one decides.
DOMAINS = (0, 1, 2)
# OSStatus.
NO_TRUST_SETTINGS = -25263
ITEM_NOT_FOUND = -25300
# SecTrustSettingsResult.
TRUST_ROOT, TRUST_AS_ROOT, UNSPECIFIED = 1, 2, 4
# The keys of a trust setting (SecTrustSettings.h), and the name of the policy of TLS servers.
POLICY_NAME = "kSecTrustSettingsPolicyName"
RESULT = "kSecTrustSettingsResult"
TLS_SERVER = "sslServer"
# CFStringEncoding and CFNumberType.
UTF8 = 0x08000100
SINT64 = 4

_REFERENCE = ctypes.c_void_p
_INDEX = ctypes.c_long
# Results and arguments.
_CORE_FOUNDATION = {
    "CFArrayGetCount": (_INDEX, _REFERENCE),
    "CFArrayGetValueAtIndex": (_REFERENCE, _REFERENCE, _INDEX),
    "CFDataGetBytePtr": (_REFERENCE, _REFERENCE),
    "CFDataGetLength": (_INDEX, _REFERENCE),
    "CFDictionaryGetValue": (_REFERENCE, _REFERENCE, _REFERENCE),
    "CFEqual": (ctypes.c_ubyte, _REFERENCE, _REFERENCE),
    "CFNumberGetValue": (ctypes.c_ubyte, _REFERENCE, _INDEX, _REFERENCE),
    "CFRelease": (None, _REFERENCE),
    "CFStringCreateWithCString": (_REFERENCE, _REFERENCE, ctypes.c_char_p, ctypes.c_uint32),
}
_SECURITY = {
    "SecCertificateCopyData": (_REFERENCE, _REFERENCE),
    "SecTrustSettingsCopyCertificates": (ctypes.c_int32, ctypes.c_uint32, _REFERENCE),
    "SecTrustSettingsCopyTrustSettings": (
        *(ctypes.c_int32, _REFERENCE, ctypes.c_uint32, _REFERENCE),
    ),
}


def certificates() -> list[bytes]:
    """Return the certificates that are trusted to issue those of TLS servers, in DER.

    Raises:
        OSError: the framework refuses to read the settings.
    """
    return _Settings().certificates()


def _load(framework: str, functions: dict[str, tuple[Any, ...]]) -> Any:
    library = ctypes.CDLL(FRAMEWORKS.format(framework))
    for name, (result, *arguments) in functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class _Settings:
    """The trust settings, and the references to release at the end."""

    def __init__(self) -> None:
        self.core = _load("CoreFoundation", _CORE_FOUNDATION)
        self.security = _load("Security", _SECURITY)
        self.owned: list[int] = []

    def certificates(self) -> list[bytes]:
        try:
            self.policy_name, self.result, self.tls_server = map(
                self._string, (POLICY_NAME, RESULT, TLS_SERVER)
            )
            decided: dict[bytes, int] = {}
            for domain in DOMAINS:
                for certificate in self._copy_certificates(domain):
                    der = self._der(certificate)
                    if der not in decided and (result := self._decision(certificate, domain)):
                        decided[der] = result
        finally:
            for reference in self.owned:
                self.core.CFRelease(reference)
        return [der for der, result in decided.items() if result in (TRUST_ROOT, TRUST_AS_ROOT)]

    def _own(self, reference: int | None) -> int:
        if not reference:
            raise MemoryError
        self.owned.append(reference)
        return reference

    def _string(self, text: str) -> int:
        return self._own(self.core.CFStringCreateWithCString(None, text.encode(), UTF8))

    def _items(self, array: int) -> list[int]:
        count = self.core.CFArrayGetCount(array)
        return [self.core.CFArrayGetValueAtIndex(array, index) for index in range(count)]

    def _array(self, status: int, array: ctypes.c_void_p) -> list[int] | None:
        """Return the items that a function of Security copied; None if there are no settings."""
        if status in (NO_TRUST_SETTINGS, ITEM_NOT_FOUND):
            return None
        if status != 0:
            raise OSError(f"the keychain's trust settings cannot be read: OSStatus {status}")
        return self._items(self._own(array.value))

    def _copy_certificates(self, domain: int) -> list[int]:
        array = ctypes.c_void_p()
        copy = self.security.SecTrustSettingsCopyCertificates
        return self._array(copy(domain, ctypes.byref(array)), array) or []

    def _der(self, certificate: int) -> bytes:
        data = self._own(self.security.SecCertificateCopyData(certificate))
        length = self.core.CFDataGetLength(data)
        return ctypes.string_at(self.core.CFDataGetBytePtr(data), length)

    def _decision(self, certificate: int, domain: int) -> int:
        """Return the SecTrustSettingsResult for TLS servers in a domain; 0 if it leaves it open."""
        array = ctypes.c_void_p()
        copy = self.security.SecTrustSettingsCopyTrustSettings
        settings = self._array(copy(certificate, domain, ctypes.byref(array)), array)
        if not settings:
            # An empty array means "always trust"; so do the system's roots without settings.
            return TRUST_ROOT
        for setting in settings:
            name = self.core.CFDictionaryGetValue(setting, self.policy_name)
            if name and not self.core.CFEqual(name, self.tls_server):
                continue
            number = self.core.CFDictionaryGetValue(setting, self.result)
            result = self._number(number) if number else TRUST_ROOT
            if result not in (0, UNSPECIFIED):
                return result
        return 0

    def _number(self, number: int) -> int:
        value = ctypes.c_int64()
        self.core.CFNumberGetValue(number, SINT64, ctypes.byref(value))
        return value.value
