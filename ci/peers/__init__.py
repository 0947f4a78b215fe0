"""`nox -s peers`: handshakes of M2Crypto with other implementations of TLS, in both roles."""
