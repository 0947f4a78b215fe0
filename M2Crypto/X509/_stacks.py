"""The base class of stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Element = TypeVar("Element", bound="_HasHandle")


class _HasHandle(Protocol):
    def _ptr(self) -> Any: ...


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
        if not 0 <= idx < len(self):
            raise IndexError(f"the stack has {len(self)} elements, and none at {idx}")
        return self._element(self._value(self.stack, idx))

    def __iter__(self) -> Iterator[Element]:
        return (self[i] for i in range(len(self)))

    def _add(self, element: Element) -> int:
        return self._push(self.stack, element._ptr())

    def pop(self) -> Element | None:
        """Remove and return the last element; None if the stack is empty."""
        handle = self._pop(self.stack)
        return None if handle is None else self._element(handle)
