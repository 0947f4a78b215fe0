"""The API has the names, parameters, defaults and base classes that contract.toml lists.

`python tests/test_contract.py` prints how many names there are, and how many this build lacks.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import socket
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from M2Crypto import X509, m2

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONTRACT = tomllib.loads(Path(__file__).with_name("contract.toml").read_text("utf-8"))
MODULES = {"": CONTRACT["package"], **CONTRACT["modules"]}
FEATURES = CONTRACT["m2"]["features"]
UNKNOWN = object()
OLD = sys.version_info < (3, 11)


# ---- modules, classes and functions --------------------------------------------------------------


def import_module(name: str) -> ModuleType:
    """Return the module M2Crypto.`name`. A class can hide it, as SSL.Context does."""
    return importlib.import_module(".".join(["M2Crypto", *filter(None, [name])]))


def parameters(signature: str) -> list[inspect.Parameter]:
    """Return the parameters of `name(a, b=1, *c)`. A default that is no literal is UNKNOWN."""
    function = ast.parse(f"def f{signature[signature.index('(') :]}: pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    arguments = function.args
    defaults = [inspect.Parameter.empty] * len(arguments.args)
    for place, node in enumerate(reversed(arguments.defaults), start=1):
        defaults[-place] = literal(node)
    kinds = inspect.Parameter
    found = [
        kinds(each.arg, kinds.POSITIONAL_OR_KEYWORD, default=default)
        for each, default in zip(arguments.args, defaults)
    ]
    if arguments.vararg:
        found.append(kinds(arguments.vararg.arg, kinds.VAR_POSITIONAL))
    if arguments.kwarg:
        found.append(kinds(arguments.kwarg.arg, kinds.VAR_KEYWORD))
    return found


def literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return UNKNOWN


def offered(found: Any) -> list[inspect.Parameter]:
    try:
        signature = inspect.signature(found)
    except ValueError:
        # A class without a constructor of its own, which takes no arguments.
        return []
    return [each for each in signature.parameters.values() if each.name != "self"]


def difference(found: Any, signature: str) -> str:
    """Return why `found` cannot be called with the parameters of a signature, or an empty string.

    Variable parameters accept whatever the listed ones do. Parameters that are added behind the
    listed ones have a default.
    """
    if OLD and inspect.isclass(found) and found.__new__ is not object.__new__:
        # Before Python 3.11 a type in C, created from a specification, has no signature.
        return ""
    listed, here = parameters(signature), offered(found)
    positional = [each for each in here if each.kind is each.POSITIONAL_OR_KEYWORD]
    variable = {each.kind for each in here if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD)}
    for place, wanted in enumerate(listed):
        if wanted.kind is not wanted.POSITIONAL_OR_KEYWORD:
            if wanted.kind not in variable and not positional[place:]:
                return f"has no {wanted}"
            continue
        if place >= len(positional):
            if wanted.VAR_POSITIONAL in variable:
                continue
            return f"has no parameter {wanted.name}"
        given = positional[place]
        if given.name != wanted.name:
            return f"has the parameter {given.name} in place of {wanted.name}"
        if wanted.default is not wanted.empty:
            if given.default is given.empty:
                return f"has no default for {wanted.name}"
            if wanted.default not in (UNKNOWN, given.default):
                return f"has another default for {wanted.name}: {given.default!r}"
    extra = positional[len(listed) :]
    extra += [each for each in here if each.kind is each.KEYWORD_ONLY]
    required = [each.name for each in extra if each.default is each.empty]
    return f"requires {', '.join(required)}" if required else ""


def differences(place: str, owner: Any, items: list[str]) -> list[str]:
    """Return a line for each of `items`, names or signatures, that `owner` does not have."""
    lines = []
    for item in items:
        name = item.partition("(")[0]
        if not hasattr(owner, name):
            lines.append(f"{place}{name} is missing")
        elif "(" in item and (why := difference(getattr(owner, name), item)):
            lines.append(f"{place}{name} {why}")
    return lines


def lacks_base(found: type, base: str) -> bool:
    names = {ancestor.__name__ for ancestor in found.__mro__[1:]}
    # socket.timeout has another name from Python 3.10 on.
    names |= {"timeout"} if socket.timeout in found.__mro__ else set()
    return base.rpartition(".")[2] not in names


def is_there(need: str) -> bool:
    """Return whether the system has `os.fork`, or Python the package, that a part needs."""
    if need == "os.fork":
        return hasattr(os, "fork")
    return importlib.util.find_spec(need) is not None


def class_differences(
    place: str, module: ModuleType, name: str, listed: dict[str, Any]
) -> list[str]:
    if not is_there(listed.get("needs", "os")):
        return [f"{place}{name} exists without {listed['needs']}"] if hasattr(module, name) else []
    found = getattr(module, name, None)
    if found is None:
        return [f"{place}{name} is missing"]
    lines = [
        f"{place}{name} does not derive from {base}"
        for base in listed.get("bases", [])
        if lacks_base(found, base)
    ]
    if "call" in listed and (why := difference(found, listed["call"])):
        lines.append(f"{place}{name} {why}")
    return lines + differences(f"{place}{name}.", found, listed.get("members", []))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_has_what_the_contract_lists(name):
    listed = MODULES[name]
    if not is_there(listed.get("needs", "os")):
        with pytest.raises(ImportError, match=listed["needs"]):
            import_module(name)
        return
    module = import_module(name)
    place = f"{name}." if name else ""
    lines = differences(place, module, listed.get("names", []) + listed.get("functions", []))
    for each, facts in listed.get("classes", {}).items():
        lines += class_differences(place, module, each, facts)
    assert lines == []


def test_a_module_that_is_left_out_is_missing():
    for name, reason in CONTRACT["left_out"].items():
        assert reason
        assert importlib.util.find_spec(f"M2Crypto.{name}") is None


def test_x509_has_the_constants_of_m2():
    prefixes = tuple(CONTRACT["x509_constants"])
    names = [name for name in dir(m2) if name.startswith(prefixes)]
    assert len(names) > 100
    assert [name for name in names if getattr(X509, name, None) != getattr(m2, name)] == []


# ---- the low-level layer -------------------------------------------------------------------------


def lacks(feature: str) -> bool:
    return bool(getattr(m2, f"OPENSSL_NO_{feature}"))


def test_m2_has_every_name_that_all_builds_have():
    assert [name for name in CONTRACT["m2"]["everywhere"] if not hasattr(m2, name)] == []


@pytest.mark.parametrize("feature", sorted(FEATURES))
def test_m2_has_the_names_of_a_feature_that_the_build_has(feature):
    wrong = [name for name in FEATURES[feature] if hasattr(m2, name) == lacks(feature)]
    assert wrong == []
    if lacks(feature):
        with pytest.raises(AttributeError, match="built with OpenSSL"):
            getattr(m2, FEATURES[feature][0])


def test_m2_names_that_are_left_out_are_missing():
    for each in CONTRACT["m2"]["left_out"]:
        assert each["reason"]
        assert [name for name in each["names"] if hasattr(m2, name)] == []


# ---- the comparison itself -----------------------------------------------------------------------


def test_a_different_signature_is_found():
    def function(a, b=1, *, c=2):
        pass

    for signature in ("(a, b=1)", "(a, b=UNKNOWN)", "(a)"):
        assert difference(function, signature) == ""
    for signature, why in (
        ("(b, a=1)", "has the parameter a in place of b"),
        ("(a, b=2)", "has another default for b: 1"),
        ("(a=1, b=1)", "has no default for a"),
        ("(a, b=1, d=3)", "has no parameter d"),
        ("()", "requires a"),
        ("(a, b=1, **rest)", "has no **rest"),
    ):
        assert difference(function, signature) == why
    assert difference(lambda *arguments, **options: None, "(a, b=1, **rest)") == ""
    assert differences("m.", m2, ["nonsense"]) == ["m.nonsense is missing"]


# ---- totals --------------------------------------------------------------------------------------


def totals() -> dict[str, int]:
    """Return the number of names of each kind, and of those that this build lacks."""
    listed = sum(
        len(module.get("names", []) + module.get("functions", []))
        + sum(1 + len(each.get("members", [])) for each in module.get("classes", {}).values())
        for module in MODULES.values()
    )
    of_features = {name: len(names) for name, names in FEATURES.items()}
    return {
        "names of the modules": listed,
        "names of m2": len(CONTRACT["m2"]["everywhere"]) + sum(of_features.values()),
        **{f"without {name}": count for name, count in of_features.items() if lacks(name)},
    }


def test_the_totals_count_every_list():
    counted = totals()
    assert counted["names of the modules"] > 600
    assert counted["names of m2"] > 100


if __name__ == "__main__":
    print("\n".join(f"{count:6} {what}" for what, count in totals().items()))
