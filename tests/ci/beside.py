"""M2Crypto beside other libraries with an OpenSSL of their own, for `nox -s beside`.

`python tests/ci/beside.py` runs every order of import of the installed peers, each in a process of
its own; with the names of modules it runs that order. M2Crypto must be installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable

PEERS = ("ssl", "cryptography", "psycopg2", "pyarrow")
OURS = "M2Crypto"


def use_ssl() -> None:
    import ssl

    ssl.create_default_context()


def use_cryptography() -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    key.sign(b"data", ec.ECDSA(hashes.SHA256()))


def use_psycopg2() -> None:
    import psycopg2

    try:
        # libpq initializes its OpenSSL when it requests TLS; nothing listens on the port.
        psycopg2.connect("host=127.0.0.1 port=1 sslmode=require connect_timeout=2")
    except psycopg2.OperationalError:
        return
    raise AssertionError("there is a server on port 1")


def use_pyarrow() -> None:
    import pyarrow
    from pyarrow import fs

    # Arrow's S3 client initializes its OpenSSL (libcurl, aws-lc or s2n).
    if hasattr(fs, "S3FileSystem"):
        fs.S3FileSystem(anonymous=True, region="us-east-1")
    assert pyarrow.array([1, 2]).sum().as_py() == 3


def use_m2crypto() -> None:
    import hashlib
    import socket
    import tempfile
    import time

    from M2Crypto import ASN1, EVP, RSA, SSL, X509

    digest = EVP.MessageDigest("sha256")
    digest.update(b"data")
    assert digest.final() == hashlib.sha256(b"data").digest()
    key = EVP.PKey()
    key.assign_rsa(RSA.gen_key(2048, 65537, lambda: None))
    certificate = X509.X509()
    certificate.set_pubkey(key)
    name = certificate.get_subject()
    name.CN = "localhost"
    certificate.set_subject(name)
    certificate.set_issuer(name)
    certificate.set_version(2)
    now = ASN1.ASN1_TIME()
    now.set_time(int(time.time()))
    certificate.set_not_before(now)
    certificate.set_not_after(now)
    certificate.sign(key, "sha256")
    assert certificate.verify(key) == 1
    client, server = SSL.Context(), SSL.Context()
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(certificate.as_pem() + key.as_pem(cipher=None))
        file.flush()
        server.load_cert(file.name)
    ends = socket.socketpair()
    pair = [SSL.Connection(each, end) for each, end in zip((client, server), ends, strict=True)]
    for each in pair:
        each.setblocking(False)
        each.set_post_connection_check_callback(None)
    done: set[int] = set()
    for _ in range(20):
        for number, shake in enumerate((pair[0].connect_ssl, pair[1].accept_ssl)):
            if shake() == 1:
                done.add(number)
    assert done == {0, 1}
    for connection in pair:
        connection.close()
    for end in ends:
        end.close()


USES: dict[str, Callable[[], None]] = {
    "ssl": use_ssl,
    "cryptography": use_cryptography,
    "psycopg2": use_psycopg2,
    "pyarrow": use_pyarrow,
    OURS: use_m2crypto,
}


def run(order: list[str]) -> None:
    """Import in an order and use all, then in a forked process, then in threads."""
    for name in order:
        importlib.import_module(name)
    from M2Crypto import _build_info, m2

    version = m2.openssl_version(0).split()[1]
    assert version == _build_info.HEADER, (version, _build_info.HEADER)
    everything(order)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            everything(order)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    in_threads(order)
    assert m2.openssl_version(0).split()[1] == version


def everything(order: list[str]) -> None:
    """Use each module of an order once."""
    for name in order:
        USES[name]()


def in_threads(order: list[str]) -> None:
    """Use each module in a thread of its own, several times at once."""
    errors: list[BaseException] = []

    def repeat(name: str) -> None:
        try:
            for _ in range(3):
                USES[name]()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=repeat, args=(name,)) for name in order]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def main(arguments: list[str]) -> None:
    """Run one order, or all of them."""
    if arguments:
        run(arguments)
        return
    there = [name for name in PEERS if importlib.util.find_spec(name)]
    missing = [name for name in PEERS if name not in there]
    if missing:
        raise SystemExit(f"error: {', '.join(missing)}: not installed; run `nox -s beside`")
    orders = list(itertools.permutations([*there, OURS]))
    for count, order in enumerate(orders, 1):
        done = subprocess.run([sys.executable, __file__, *order], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(order)}: exit code {done.returncode}\n{done.stderr}")
        print(f"{count}/{len(orders)} {' '.join(order)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
