"""m2 refuses arguments of wrong types and leaves no error queued: BIOs, numbers, objects, RC4."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import M2Crypto
from M2Crypto import m2

AREAS = ("asn1_", "bin_", "bio_", "bn_", "crypto_", "dec_", "hex_", "mpi_", "obj_", "rand_", "rc4_")
WRONG = {"None": None, "object": object(), "text": "text\0", "float": 1.5, "list": []}


def functions():
    stub = Path(M2Crypto.__file__).with_name("_m2crypto.pyi")
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith(AREAS):
            count = len(node.args.posonlyargs)
            if count:
                yield node.name, count


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_wrong_types_are_refused(wrong):
    tried = 0
    for name, count in functions():
        function = getattr(m2, name, None)
        if function is None:
            continue
        with pytest.raises((TypeError, ValueError)):
            function(*[wrong] * count)
        with pytest.raises(TypeError):
            function(*[wrong] * (count + 1))
        tried += 1
    assert m2.err_peek_error() == 0
    assert tried > 80


def test_a_handle_of_another_type_is_refused_in_each_place():
    other = m2.hmac_ctx_new()
    for name, count in functions():
        function = getattr(m2, name, None)
        if function is not None:
            with pytest.raises(TypeError):
                function(*[other] * count)
