"""A release: what must hold before it, its archives, its tag, and its entry in CHANGES.md."""
