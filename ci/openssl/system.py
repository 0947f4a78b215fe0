"""The system's OpenSSL: what pkg-config finds."""

from __future__ import annotations

import os
import shutil
from functools import cache

from ci.errors import UserError
from ci.process import capture

INSTALL = (
    "apt-get install libssl-dev pkg-config; dnf install openssl-devel pkgconf; "
    "apk add openssl-dev pkgconf"
)


@cache
def describe() -> dict[str, str]:
    """Return the version and the flags of the system's OpenSSL.

    Raises:
        UserError: pkg-config is not installed, or finds no OpenSSL.
    """
    program = os.environ.get("PKG_CONFIG") or shutil.which("pkg-config")
    if not program:
        raise UserError(f"pkg-config is not installed: {INSTALL}")
    options = {"version": "--modversion", "compiler": "--cflags", "linker": "--libs"}
    try:
        return {
            name: capture([program, option, "openssl"]).strip() for name, option in options.items()
        }
    except UserError:
        raise UserError(f"pkg-config finds no OpenSSL: {INSTALL}") from None


def obstacle() -> str:
    """Return why the system's OpenSSL cannot be used, or an empty string."""
    try:
        describe()
    except UserError as error:
        return str(error)
    return ""
