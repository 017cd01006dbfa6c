"""What a class says of itself: where in the model its instances are, and the shapes that go in and come out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from codegen_torch.dims import Dim
from codegen_torch.emit.layout import WIDTH
from codegen_torch.expr import Expr
from codegen_torch.facts import Size
from codegen_torch.modules.definition import ClassDef
from codegen_torch.modules.region import Region

MAX_PLACES = 3
"""A docstring names this many groups of places; more are counted."""
MAX_SIZE = 16
"""A computed size with more characters than this says nothing at a glance."""
WIDTHS = ("channels", "features", "dim", "input_size", "hidden_size")
"""Constructors' arguments whose names end so are sizes of tensors; that another is equal to one is chance."""
UNKNOWN = "*"
"""A size that is unknown, long to say, or different in every instance."""


def paths(root: Region) -> dict[Region, str]:
    """Where every module is in the model: ``encoder.layer.0``."""
    found = {root: ""}
    stack = [root]
    while stack:
        region = stack.pop()
        for child in region.children:
            found[child] = f"{found[region]}.{region.members[child]}".removeprefix(".")
            stack.append(child)
    return found


def places(where: Iterable[str], indent: int = 1) -> list[str]:
    """The docstring of a class: the places of its instances, ``encoder.layer.0-11.attention``.

    Args:
        where: The paths of the instances.
        indent: How deep the docstring stands.
    """
    groups: dict[tuple[str, ...], list[tuple[int, ...]]] = {}
    for path in dict.fromkeys(where):
        parts = path.split(".")
        words = tuple("" if part.isdecimal() else part for part in parts)
        groups.setdefault(words, []).append(tuple(int(part) for part in parts if part.isdecimal()))
    named = [_group(words, numbers) for words, numbers in groups.items()]
    pieces = _listed(named[:MAX_PLACES])
    if len(named) > MAX_PLACES:
        pieces.append(f"and {len(named) - MAX_PLACES} more")
    start = " " * 4 * indent
    lines = _filled(pieces, WIDTH - len(start) - len('""""""'))
    lines[0] = f'"""{lines[0]}'
    return [start + line for line in ([f'{lines[0]}"""'] if len(lines) == 1 else [*lines, '"""'])]


def shapes(definition: ClassDef, names: Sequence[str], size_names: Mapping[str, str]) -> list[str]:
    """The comment at the top of ``forward``: ``# x: [batch, seq, 768] -> [batch, seq, 768]``.

    A size that differs between instances is named for the constructor's argument that is equal to it in all of them.

    Args:
        definition: The class.
        names: The names of forward's parameters.
        size_names: The variables of symbolic sizes.
    """
    regions = definition.regions
    given = [
        f"{name}: {shape}"
        for position, name in enumerate(names)
        if (shape := _shape(definition, [region.params[position] for region in regions], size_names))
    ]
    returned = [
        _shape(definition, [region.results[position] for region in regions], size_names) or UNKNOWN
        for position in range(len(definition.printed.results))
    ]
    if not given or set(returned) == {UNKNOWN}:
        return []
    brackets = ("(", ")") if len(returned) > 1 else ("", "")
    pieces = [*_listed(given), *_listed(returned, f"-> {brackets[0]}", brackets[1])]
    start = " " * 8 + "# "
    return [start + line for line in _filled(pieces, WIDTH - len(start))]


def _group(words: tuple[str, ...], numbers: list[tuple[int, ...]]) -> str:
    """Paths that differ only in their numbers: a range for each if they are all its combinations, else a star."""
    columns = [sorted(set(column)) for column in zip(*numbers, strict=True)]
    total = 1
    for column in columns:
        total *= len(column)
    ranges = [_range(column) if total == len(numbers) else UNKNOWN for column in columns]
    position = iter(ranges)
    return ".".join(word or next(position) for word in words)


def _range(column: list[int]) -> str:
    first, last = column[0], column[-1]
    if first == last:
        return str(first)
    return f"{first}-{last}" if column == list(range(first, last + 1)) else UNKNOWN


def _shape(definition: ClassDef, values: list[Expr], size_names: Mapping[str, str]) -> str | None:
    """The shape of a tensor, in all instances; None for what has none, or where it is not known."""
    facts = [value.fact for value in values]
    if any(isinstance(fact, tuple) or not fact.is_tensor or fact.dims is None for fact in facts):
        return None
    if len({fact.rank for fact in facts}) > 1:
        return None
    axes = zip(*(fact.dims for fact in facts), strict=True)
    return f"[{', '.join(_size(definition, sizes, size_names) for sizes in axes)}]"


def _size(definition: ClassDef, sizes: tuple[Size, ...], size_names: Mapping[str, str]) -> str:
    """A size where all instances agree, else the constructor's argument that says it."""
    first = sizes[0]
    if all(size == first for size in sizes):
        if isinstance(first, int):
            return str(first)
        text = first.text(lambda name: size_names[name]) if _is_named(first, size_names) else UNKNOWN
        return text if len(text) <= MAX_SIZE else UNKNOWN
    for parameter in definition.parameters:
        if not parameter.name.endswith(WIDTHS) and parameter.name != "size":
            continue
        arguments = [definition.arguments[region].get(parameter.name) for region in definition.regions]
        if all(isinstance(size, int) and size == number for size, number in zip(sizes, arguments, strict=True)):
            return parameter.name
    return UNKNOWN


def _is_named(size: Dim, size_names: Mapping[str, str]) -> bool:
    return size.is_bound() and size.symbols() <= size_names.keys()


def _listed(items: list[str], before: str = "", after: str = "") -> list[str]:
    """The items with commas between them and brackets around."""
    pieces = [f"{item}," for item in items[:-1]] + [f"{items[-1]}{after}"]
    return [f"{before}{pieces[0]}", *pieces[1:]]


def _filled(pieces: list[str], width: int) -> list[str]:
    """Lines of pieces, each as full as the width allows; a piece is never broken."""
    lines = [pieces[0]]
    for piece in pieces[1:]:
        if len(lines[-1]) + 1 + len(piece) <= width:
            lines[-1] += f" {piece}"
        else:
            lines.append(piece)
    return lines
