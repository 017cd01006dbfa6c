"""Objects some of whose fields are made when they are first asked for."""

from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Final

_FIRST_USE: Final = RLock()


class Lazy:
    """Base of frozen, slotted dataclasses whose fields may be left to be made later, by `defer`.

    Such a field's slot is empty, which is the one case in which Python asks ``__getattr__``. Once made, it is an
    attribute like any other.
    """

    __slots__ = ("_makers",)
    _makers: dict[str, Callable[[], object]]

    if not TYPE_CHECKING:  # a checker would take every name for an attribute

        def __getattr__(self, name):
            """Makes a field that was deferred; all threads get the same object. What fails is tried anew next time."""
            if name == "_makers":
                return {}  # nothing was deferred
            with _FIRST_USE:
                if name in self._makers:
                    object.__setattr__(self, name, self._makers[name]())
                    del self._makers[name]
                return object.__getattribute__(self, name)


def defer(part: Lazy, **makers: Callable[[], object]) -> None:
    """Empties fields of an object that nobody else has seen yet, and notes how to make them."""
    for name in makers:
        object.__delattr__(part, name)
    object.__setattr__(part, "_makers", makers)


def complete(part: Lazy) -> None:
    """Makes what was deferred."""
    for name in tuple(part._makers):
        getattr(part, name)
