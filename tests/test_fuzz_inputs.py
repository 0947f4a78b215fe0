"""The inputs with which `nox -s fuzz -- guided` found defects, each in the directory of its parser.

They stay, so that no later version has the defect again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent / "fuzz"
INPUTS = sorted(path for path in (FUZZ / "inputs").glob("*/*") if path.is_file())


@pytest.fixture(scope="module")
def guided(tmp_path_factory):
    """Return the modules of the fuzzer and its parsers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FUZZ)
        import parsers
        import session

        yield session, parsers, parsers.parsers(tmp_path_factory.mktemp("inputs"))
        for name in ("parsers", "session", "samples", "loaders", "stock", "mutate", "journal"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_an_input_raises_what_is_documented(guided, path):
    session, parsers, found = guided
    if path.parent.name not in found:
        pytest.skip(f"this OpenSSL was built without {path.parent.name}")
    defects = []

    def call(name, function):
        from M2Crypto import m2

        result = None
        try:
            result = function()
        except (*session.DOCUMENTED, LookupError):
            pass
        except Exception as error:
            if not type(error).__module__.startswith("M2Crypto."):
                defects.append(f"{name}: {error!r}")
        if m2.err_peek_error():
            m2.err_clear_error()
            defects.append(f"{name} left an error queued")
        return result

    data = path.read_bytes()
    name = path.parent.name
    parsers.look(call, name, call(name, lambda: found[name](data)))
    assert defects == []
