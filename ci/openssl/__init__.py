"""Releases of OpenSSL become verified tarballs, and those prefixes."""
