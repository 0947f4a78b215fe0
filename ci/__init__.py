"""The machine around the binding: it builds OpenSSL and the extension, runs the cells, reports.

Given `matrix.toml`, it gives prefixes, wheels, results and the page. `noxfile.py` is its front
door; `python -m ci VERB` is what each session calls.
"""

from __future__ import annotations

import sys

if sys.hexversion < 0x030B0000:
    # The package itself runs on 3.9; the machine reads TOML with the standard library.
    raise SystemExit(
        f"error: the sessions need Python 3.11 or newer to run them, not {sys.version.split()[0]}: "
        "install nox with a newer one (the tests still run on every Python that is installed)"
    )
