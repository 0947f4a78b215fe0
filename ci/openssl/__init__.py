"""OpenSSL: download and verify a release, and build it into a prefix."""
