"""Laying out Python source: a line where it fits, else broken at the outermost brackets, as ``ruff format`` does."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH = 88
"""ruff's default line length, so that generated code is formatted by everybody's defaults."""
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Bracket:
    """Source with a bracket that may be broken over lines: ``prefix item, item suffix``.

    Attributes:
        prefix: Up to and with the opening bracket.
        items: What is between the commas.
        suffix: From the closing bracket on.
        breakable: Whether breaking here is how ruff would do it; chains of method calls are not.
    """

    prefix: str
    items: tuple[Doc, ...]
    suffix: str
    breakable: bool = True

    def __str__(self) -> str:
        return f"{self.prefix}{', '.join(map(str, self.items))}{self.suffix}"


@dataclass(frozen=True, slots=True)
class Either:
    """``then if condition else orelse``; broken, it is in parentheses, on one line or on three."""

    then: Doc
    condition: str
    orelse: str

    def __str__(self) -> str:
        return f"{self.then} if {self.condition} else {self.orelse}"


@dataclass(frozen=True, slots=True)
class Repeated:
    """``item for _ in range(count)``; broken, the clause has a line of its own."""

    item: Doc
    count: str

    def __str__(self) -> str:
        return f"{self.item} {self.clause}"

    @property
    def clause(self) -> str:
        """What says how often."""
        return f"for _ in range({self.count})"


Doc = str | Bracket | Either | Repeated


def fits(doc: Doc, indent: int, prefix: str = "") -> bool:
    """Whether a statement can be laid out within the width, broken or not."""
    return all(len(line) <= WIDTH for line in lay_out(doc, indent, prefix))


def lay_out(doc: Doc, indent: int, prefix: str = "", suffix: str = "") -> list[str]:
    """The lines of a statement or item.

    Args:
        doc: The source.
        indent: How many levels it is indented.
        prefix: Stands before it on the first line (``"x = "``).
        suffix: Stands after it on the last line (``","``).
    """
    margin = _INDENT * indent
    flat = f"{margin}{prefix}{doc}{suffix}"
    if len(flat) <= WIDTH or isinstance(doc, str):
        return [flat]
    if isinstance(doc, Repeated):
        return [*lay_out(doc.item, indent, prefix), f"{margin}{doc.clause}{suffix}"]
    if isinstance(doc, Either):
        parts = [f"{margin}{_INDENT}{doc}"]
        if len(parts[0]) > WIDTH:
            rest = [f"{margin}{_INDENT}if {doc.condition}", f"{margin}{_INDENT}else {doc.orelse}"]
            parts = [*lay_out(doc.then, indent + 1), *rest]
        return [f"{margin}{prefix}(", *parts, f"{margin}){suffix}"]
    if not doc.items or not doc.breakable:
        return [flat]
    # A tuple of one has a comma before its bracket; broken, every item has one anyway.
    first, last = f"{margin}{prefix}{doc.prefix}", f"{margin}{doc.suffix.removeprefix(',')}{suffix}"
    inner = f"{margin}{_INDENT}{', '.join(map(str, doc.items))}"
    if len(inner) <= WIDTH and not _must_spread(doc):
        return [first, inner, last]
    lines = [first]
    for item in doc.items:
        # A lone generator takes no comma after it.
        lines.extend(lay_out(item, indent + 1, suffix="" if _is_generator(doc) else ","))
    return [*lines, last]


def _is_generator(doc: Bracket) -> bool:
    if len(doc.items) != 1 or not doc.prefix.endswith("("):
        return False
    return isinstance(doc.items[0], Repeated) or (isinstance(doc.items[0], str) and " for " in doc.items[0])


def _must_spread(doc: Bracket) -> bool:
    """ruff puts the items of a broken list, tuple or dict display on lines of their own."""
    return doc.prefix[-2:-1] in ("", " ", "=", "(", "[", ",", "{") and doc.prefix[-1] in "[({"
