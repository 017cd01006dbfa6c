"""What an attribute may hold: hashable values, told apart by type and sign bit."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NoReturn


def typed(value: Hashable) -> Hashable:
    """Return a key under which two values meet only if they are interchangeable as constants.

    Python holds ``1 == 1.0 == True`` and ``0.0 == -0.0``, and ``nan != nan``; here the first five are all
    different and every NaN is the same; in tuples, frozensets, FrozenDicts and dataclasses too.

    >>> len({typed(value) for value in (1, 1.0, True, 0.0, -0.0, float("nan"), -float("nan"))})
    6
    """
    kind = value.__class__
    if kind is str:
        return value
    if kind is float or kind is complex:
        return kind, repr(value)
    if isinstance(value, tuple):
        return (kind, *map(typed, value))
    if kind is frozenset:
        return frozenset, frozenset(map(typed, value))  # type: ignore[call-overload]
    if kind is FrozenDict:
        return FrozenDict, value.key  # type: ignore[attr-defined]
    if hasattr(kind, "__dataclass_fields__"):
        return (
            kind,
            *[typed(getattr(value, name)) for name, field in kind.__dataclass_fields__.items() if field.compare],
        )
    return kind, value


class FrozenDict(dict[str, Any]):
    """An immutable, hashable mapping from attribute names to hashable values.

    Equality is that of ``dict``; `key` also tells apart what ``==`` does not (see `typed`).

    Raises:
        TypeError: On construction, if a value is not hashable; on every attempt to change it.

    >>> FrozenDict(axis=1)["axis"]
    1
    >>> FrozenDict(axis=1) == {"axis": 1.0}, FrozenDict(axis=1).key == FrozenDict(axis=1.0).key
    (True, False)
    """

    __slots__ = ("_key",)
    _key: frozenset[Hashable] | None

    def __init__(self, items: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), /, **more: Any) -> None:
        super().__init__(items, **more)
        self._key = None
        for name, value in self.items():
            try:
                hash(value)
            except TypeError:
                kind = type(value).__name__
                raise TypeError(
                    f"attribute {name!r} holds an unhashable {kind}; use a tuple, a FrozenDict or Opaque(value)"
                ) from None

    @property
    def key(self) -> frozenset[Hashable]:
        """The typed key of all items; it does not depend on their order."""
        key = self._key
        if key is None:
            key = self._key = frozenset([(name, typed(value)) for name, value in self.items()])
        return key

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __repr__(self) -> str:
        return f"FrozenDict({super().__repr__()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)

    def __copy__(self) -> FrozenDict:
        return self

    def __or__(self, other: Mapping[str, Any]) -> FrozenDict:  # type: ignore[override]
        return FrozenDict({**self, **other})

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a FrozenDict cannot be changed; build a new one: FrozenDict(old | {...})")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


NO_ATTRS = FrozenDict()


class Opaque:
    """Wraps any object as an attribute value that equals only a wrapper of the very same object.

    >>> table = [1, 2]
    >>> Opaque(table) == Opaque(table), Opaque(table) == Opaque([1, 2])
    (True, False)
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)

    def __repr__(self) -> str:
        return f"Opaque(<{type(self.value).__name__}>)"
