"""Locks of `threading`, whose import takes as long as that of the extension."""

from __future__ import annotations

import _thread

from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threading import TIMEOUT_MAX, Lock, RLock
else:
    TIMEOUT_MAX, Lock, RLock = _thread.TIMEOUT_MAX, _thread.allocate_lock, _thread.RLock

__all__ = ["TIMEOUT_MAX", "Lock", "RLock"]
