"""What modules need of `typing` when they run, without its import.

The import of `typing` takes as long as that of the extension and ten modules. Type checkers, which
take TYPE_CHECKING for true by its name, see the real classes.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any
    from typing import Generic as Generic
    from typing import NamedTuple as NamedTuple
else:

    class Generic:
        """`typing.Generic`, whose parameters are ignored."""

        def __class_getitem__(cls, parameters: object) -> type[Generic]:
            return cls

    class _Fields(type):
        """Make a named tuple of the annotations of a class (collections.namedtuple)."""

        def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, namespace)
            fields = namespace["__annotations__"]
            defaults = [namespace.pop(field) for field in fields if field in namespace]
            parent = namedtuple(name, fields, defaults=defaults)
            return type(name, (parent,), {"__slots__": (), **namespace})

    class NamedTuple(metaclass=_Fields):
        """`typing.NamedTuple`, whose classes derive from a `collections.namedtuple`."""
