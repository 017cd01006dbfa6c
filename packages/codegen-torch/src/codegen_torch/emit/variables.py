"""The variables of a method or a block: what they hold, until when, and which names are free."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType

from codegen_torch.emit.naming import GENERIC, MODULE_NAMES
from codegen_torch.expr import Expr

_DIGITS = "0123456789"
_FIRST = 2
"""The number behind the second name of a kind."""


class Variables:
    """The variables that are still needed, or not yet overwritten.

    A statement costs what it binds and frees, however many variables there are.

    Attributes:
        held: Their names, and what they hold.
        reserved: Names that no variable is given.

    Args:
        reserved: Names that no variable is given.
        held: The variables that there are at the beginning, which stay.
    """

    def __init__(self, reserved: Iterable[str] = (), held: Mapping[str, Expr] = MappingProxyType({})) -> None:
        self.held = dict(held)
        self.reserved = frozenset(reserved)
        self._last_uses: Mapping[Expr, float] = {}
        self._ending: dict[float, list[str]] = defaultdict(list)
        self._position = 0
        self._numbers: dict[str, _Numbers] = {}

    def __contains__(self, name: str) -> bool:
        """Whether a name is taken."""
        return name in self.held or name in self.reserved

    def bind(self, name: str, value: Expr) -> None:
        """Let a variable hold a value."""
        self.held[name] = value
        self._ending[max(self._last_uses.get(value, -1), self._position)].append(name)

    def drop(self, name: str) -> None:
        """Forget a variable, if there is one of that name."""
        if self.held.pop(name, None) is None:
            return
        for length in range(len(name.rstrip(_DIGITS)), len(name)):
            base, number = name[:length], name[length:]
            if base in self._numbers and number[0] != "0":
                self._numbers[base].free(int(number))

    def end(self, last_uses: Mapping[Expr, float]) -> None:
        """Say which statements are the last to need values; what none needs ends with the first."""
        self._last_uses = last_uses
        bound = [name for name in chain.from_iterable(self._ending.values()) if name in self.held]
        self._ending.clear()
        for name in bound:
            self._ending[max(last_uses.get(self.held[name], -1), 0)].append(name)

    def release(self, position: int) -> set[str]:
        """Forget the variables that nothing needs after a statement, and say which; the next one is the next to ask."""
        self._position = position + 1
        names = self._ending.pop(position, ())
        freed = {name for name in names if name in self.held and self._last_uses.get(self.held[name], -1) <= position}
        for name in freed:
            self.drop(name)
        return freed

    def unique(self, preferred: str | None, others: Collection[str] = ()) -> str:
        """The preferred name, the first generic one, or the first of them with a number, that is free.

        Args:
            preferred: The name to begin with.
            others: More names that are taken.
        """
        for candidate in (preferred,) if preferred else GENERIC:
            if candidate not in self and candidate not in others and candidate not in MODULE_NAMES:
                return candidate
        base = preferred or GENERIC[0]
        numbers = self._numbers.setdefault(base, _Numbers())
        return f"{base}{numbers.lowest(base, self, others)}"


@dataclass(slots=True)
class _Numbers:
    """The numbers behind a name: all from 2 up to `following` are taken, or among the `freed`."""

    following: int = _FIRST
    freed: list[int] = field(default_factory=list)

    def free(self, number: int) -> None:
        """Take note that a variable is gone."""
        if _FIRST <= number < self.following:
            heapq.heappush(self.freed, number)

    def lowest(self, base: str, variables: Variables, others: Collection[str]) -> int:
        """The lowest number with which the name is free."""
        passed: list[int] = []
        found = None
        while self.freed and found is None:
            number = heapq.heappop(self.freed)
            if f"{base}{number}" in variables:
                continue
            passed.append(number)
            found = None if f"{base}{number}" in others else number
        for number in passed:
            heapq.heappush(self.freed, number)
        if found is not None:
            return found
        while f"{base}{self.following}" in variables:
            self.following += 1
        number = self.following
        while f"{base}{number}" in variables or f"{base}{number}" in others:
            number += 1
        return number
