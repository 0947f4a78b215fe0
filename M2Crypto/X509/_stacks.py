"""The base class of stacks."""

from __future__ import annotations

import operator

from M2Crypto._arguments import handle_of
from M2Crypto._typing import TYPE_CHECKING, Generic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Callable, Protocol, TypeVar

    class _HasHandle(Protocol):
        def _ptr(self) -> Any: ...

    Self = TypeVar("Self", bound="Stack[Any]")
    Element = TypeVar("Element", bound=_HasHandle)
else:
    Element = None


def index_of(index: int, count: int) -> int:
    """Return the index from the start of one that can be negative.

    Raises:
        TypeError: the index is no integer.
        IndexError: the index is out of range.
    """
    index = operator.index(index)
    if not -count <= index < count:
        raise IndexError(f"there are {count} elements, and none at {index}")
    return index % count


class Stack(Generic[Element]):
    """A stack that owns its elements. Elements that it returns remain valid without it."""

    _new: Callable[[], Any]
    _num: Callable[[Any], int]
    _value: Callable[[Any, int], Any]
    _push: Callable[[Any, Any], int]
    _pop: Callable[[Any], Any]
    _element: Callable[[Any], Element]

    def __init__(self, stack: Any = None, _pyfree: int = 0) -> None:
        self.stack = self._new() if stack is None else stack

    def _ptr(self) -> Any:
        return self.stack

    def __len__(self) -> int:
        return self._num(self.stack)

    def __getitem__(self, idx: int) -> Element:
        return self._element(self._value(self.stack, index_of(idx, len(self))))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)}>"

    def __copy__(self: Self) -> Self:
        copied = type(self)()
        for element in self:
            copied._add(element)
        return copied

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (type(self), list(self))

    def __iter__(self) -> Iterator[Element]:
        return (self[i] for i in range(len(self)))

    def _add(self, element: Element) -> int:
        return self._push(self.stack, handle_of(element))

    def pop(self) -> Element | None:
        """Remove and return the last element; None if the stack is empty."""
        handle = self._pop(self.stack)
        return None if handle is None else self._element(handle)


def _restored(kind: type[Self], elements: list[Any]) -> Self:
    """Return an unpickled stack."""
    stack = kind()
    for element in elements:
        stack._add(element)
    return stack
