"""Sizes of dimensions: Python ints, or polynomials over symbols that are only known when the model runs.

``2 * seq + 1`` and ``batch * heads`` are such polynomials. Equal sizes are equal objects by value, so that
whether two dimensions agree is answered by comparing them.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Mapping

_fresh = itertools.count()
_MOST_STEPS = 16
"""No quotient that is found has more terms."""


class Undecided(Exception):
    """The answer depends on values that are only known when the model runs."""


class Quotient(tuple["Dim", int]):
    """The atom ``numerator // divisor`` of a polynomial, where the division is not exact."""

    __slots__ = ()

    @property
    def numerator(self) -> Dim:
        """The polynomial that is divided."""
        return self[0]

    @property
    def divisor(self) -> int:
        """A positive number."""
        return self[1]


class Minimum(tuple["Dim", "int | Dim", str]):
    """The atom ``min(left, right)`` of a polynomial, where which one is smaller depends on symbols."""

    __slots__ = ()

    @property
    def left(self) -> Dim:
        """One of the sizes."""
        return self[0]

    @property
    def right(self) -> int | Dim:
        """The other one; the number, if one of them is."""
        return self[1]


Atom = str | Quotient | Minimum
Terms = tuple[tuple[tuple[Atom, ...], int], ...]


def _parts(atom: Quotient | Minimum) -> tuple[Dim, ...]:
    """The polynomials inside an atom."""
    return tuple(part for part in atom if isinstance(part, Dim))


def _rank(atom: Atom) -> tuple[int, str]:
    return (0, atom) if isinstance(atom, str) else (1, _atom_text(atom, str))


def _atom_text(atom: Atom, name: Callable[[str], str]) -> str:
    if isinstance(atom, str):
        return name(atom)
    if isinstance(atom, Minimum):
        right = atom.right.text(name) if isinstance(atom.right, Dim) else atom.right
        return f"min({atom.left.text(name)}, {right})"
    numerator = atom.numerator.text(name)
    return f"{numerator if atom.numerator.name else f'({numerator})'} // {atom.divisor}"


class Dim:
    """A polynomial with integer coefficients over symbols, each a size of at least zero.

    Arithmetic returns a plain ``int`` whenever the result does not depend on a symbol.
    """

    __slots__ = ("_hash", "terms")

    terms: Terms

    def __init__(self, terms: Mapping[tuple[Atom, ...], int]) -> None:
        ordered = sorted(terms.items(), key=lambda term: (-len(term[0]), [_rank(atom) for atom in term[0]]))
        self.terms = tuple((monomial, factor) for monomial, factor in ordered if factor)
        self._hash = hash(self.terms)

    @classmethod
    def symbol(cls, name: str) -> Dim:
        """The size with this name."""
        return cls({(name,): 1})

    @classmethod
    def fresh(cls) -> Dim:
        """A size about which nothing is known, different from every other."""
        return cls.symbol(f"?{next(_fresh):08d}")

    @property
    def name(self) -> str | None:
        """The symbol's name if this is nothing but one symbol."""
        if len(self.terms) == 1:
            monomial, factor = self.terms[0]
            if factor == 1 and len(monomial) == 1 and isinstance(monomial[0], str):
                return monomial[0]
        return None

    def symbols(self) -> set[str]:
        """The names of all symbols in this size."""
        found: set[str] = set()
        for monomial, _ in self.terms:
            for atom in monomial:
                if isinstance(atom, str):
                    found.add(atom)
                else:
                    found.update(*(part.symbols() for part in _parts(atom)))
        return found

    def is_bound(self) -> bool:
        """Whether every symbol is one of the graph's inputs' sizes, none a fresh one."""
        return not any(name.startswith("?") for name in self.symbols())

    def at_least_zero(self) -> bool:
        """Whether no choice of symbols makes this negative, as far as coefficients tell."""
        return all(
            factor >= 0
            and all(isinstance(atom, str) or all(part.at_least_zero() for part in _parts(atom)) for atom in monomial)
            for monomial, factor in self.terms
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self.terms == other.terms

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return self.text(str)

    def __add__(self, other: object) -> int | Dim:
        if not isinstance(other, int | Dim):
            return NotImplemented
        return _collect(itertools.chain(self.terms, _terms(other)))

    __radd__ = __add__

    def __neg__(self) -> int | Dim:
        return self * -1

    def __sub__(self, other: object) -> int | Dim:
        if not isinstance(other, int | Dim):
            return NotImplemented
        return self + -other

    def __rsub__(self, other: object) -> int | Dim:
        if not isinstance(other, int | Dim):
            return NotImplemented
        return -self + other

    def __mul__(self, other: object) -> int | Dim:
        if not isinstance(other, int | Dim):
            return NotImplemented
        return _collect(
            (tuple(sorted(left + right, key=_rank)), a * b)
            for (left, a), (right, b) in itertools.product(self.terms, _terms(other))
        )

    __rmul__ = __mul__

    def __floordiv__(self, other: object) -> int | Dim:
        if not isinstance(other, int | Dim):
            return NotImplemented
        exact = divide(self, other)
        if exact is not None:
            return exact
        if isinstance(other, Dim) or other <= 0:
            raise Undecided
        whole = _collect((m, f // other) for m, f in self.terms if f % other == 0)
        rest = _collect((m, f) for m, f in self.terms if f % other)
        if isinstance(rest, int):  # only the constant term has a remainder
            return whole + rest // other
        return whole + Dim({(Quotient((rest, other)),): 1})

    def __rfloordiv__(self, other: object) -> int | Dim:
        if not isinstance(other, int):
            return NotImplemented
        raise Undecided

    def __mod__(self, other: object) -> int | Dim:
        if not isinstance(other, int | Dim):
            return NotImplemented
        return self - self // other * other

    def __rmod__(self, other: object) -> int | Dim:
        if not isinstance(other, int):
            return NotImplemented
        raise Undecided

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, int | Dim):
            return NotImplemented
        return _negative(self - other)

    def __ge__(self, other: object) -> bool:
        return not self < other

    def __gt__(self, other: object) -> bool:
        if not isinstance(other, int | Dim):
            return NotImplemented
        return _negative(other - self)

    def __le__(self, other: object) -> bool:
        return not self > other

    def text(self, name: Callable[[str], str]) -> str:
        """Python source of this size.

        Args:
            name: Gives the source of a symbol.
        """
        parts: list[str] = []
        for monomial, factor in self.terms:
            factors = [_atom_text(atom, name) for atom in monomial]
            if abs(factor) != 1 or not factors:
                factors.insert(0, str(abs(factor)))
            if len(factors) > 1 or (factor < 0 and not parts):  # a sign in front binds tighter than a division
                factors = [f"({text})" if "//" in text else text for text in factors]
            sign = "-" if factor < 0 else "+"
            parts.append(f" {sign} " if parts else ("-" if factor < 0 else ""))
            parts.append(" * ".join(factors))
        return "".join(parts)


def _terms(size: int | Dim) -> Iterable[tuple[tuple[Atom, ...], int]]:
    return size.terms if isinstance(size, Dim) else (((), int(size)),)


def _collect(terms: Iterable[tuple[tuple[Atom, ...], int]]) -> int | Dim:
    sums: dict[tuple[Atom, ...], int] = {}
    for monomial, factor in terms:
        sums[monomial] = sums.get(monomial, 0) + factor
    result = Dim(sums)
    if not result.terms:
        return 0
    if len(result.terms) == 1 and not result.terms[0][0]:
        return result.terms[0][1]
    return result


def _negative(difference: int | Dim) -> bool:
    if isinstance(difference, int):
        return difference < 0
    if difference.at_least_zero():
        return False
    opposite = -difference - 1  # difference < 0  <=>  -difference - 1 >= 0
    if isinstance(opposite, Dim) and opposite.at_least_zero():
        return True
    raise Undecided


def divide(size: int | Dim, divisor: int | Dim) -> int | Dim | None:
    """The quotient of two sizes if the division is exact for all values of the symbols, else None."""
    if isinstance(size, int) and isinstance(divisor, int):
        return size // divisor if divisor and size % divisor == 0 else None
    divisor_terms = tuple(_terms(divisor))
    if len(divisor_terms) != 1:
        return _divide_by_sum(size, divisor, divisor_terms[0])
    atoms, factor = divisor_terms[0]
    if not factor:
        return None
    quotient: dict[tuple[Atom, ...], int] = {}
    for monomial, count in _terms(size):
        rest = list(monomial)
        for atom in atoms:
            if atom not in rest:
                return None
            rest.remove(atom)
        if count % factor:
            return None
        quotient[tuple(rest)] = count // factor
    return _collect(quotient.items())


def _divide_by_sum(size: int | Dim, divisor: int | Dim, leading: tuple[tuple[Atom, ...], int]) -> int | Dim | None:
    """Long division: what the first term of the divisor leaves of the first term of the rest, again and again."""
    monomial, factor = leading
    first = _collect([(monomial, factor)])
    quotient: int | Dim = 0
    rest = size
    for _ in range(_MOST_STEPS):
        if rest == 0:
            return quotient
        step = divide(_collect([next(iter(_terms(rest)))]), first)
        if step is None:
            return None
        quotient, rest = quotient + step, rest - step * divisor
    return None


def minimum(left: int | Dim, right: int | Dim) -> int | Dim:
    """The smaller of two sizes, both at least zero."""
    for one, other in ((left, right), (right, left)):
        with contextlib.suppress(Undecided):
            return min(one, other)
    ordered = sorted((left, right), key=lambda size: (isinstance(size, int), str(size)))
    return Dim({(Minimum((*ordered, "min")),): 1})


def product(sizes: Iterable[int | Dim]) -> int | Dim:
    """The product of sizes; 1 for none."""
    result: int | Dim = 1
    for size in sizes:
        result = result * size
    return result


def same(left: int | Dim, right: int | Dim) -> bool | None:
    """Whether two sizes are equal: always (True), never (False), or it depends (None)."""
    difference = left - right
    if isinstance(difference, int):
        return difference == 0
    try:
        return False if difference < 0 or difference > 0 else None
    except Undecided:
        return None
