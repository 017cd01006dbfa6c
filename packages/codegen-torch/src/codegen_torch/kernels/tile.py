"""A kernel as a Triton function: loads, the scalar expressions, stores; in groups after their statistics."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.emit.layout import WIDTH, Bracket, lay_out
from codegen_torch.expr import Expr
from codegen_torch.kernels.kernel import NORMS, Kernel
from codegen_torch.kernels.rotation import HALVES, PAIRS, ROTATIONS
from codegen_torch.kernels.scalar import RULES, Lines, Value, computed_as, number

Texts: TypeAlias = list[tuple[int, str]]
"""Statements, each with how deep it is indented."""
_TILES = ("sizes", "rows", "columns", "ROWS: constexpr", "COLUMNS: constexpr")
_TILES_OF_GROUPS = ("sizes", "rows", "columns", "channels", "GROUPS: constexpr", "ELEMENTS: constexpr")
_OWN = frozenset(
    """sizes rows columns ROWS COLUMNS row column inside half other neighbour tl read places tanh expm1 log1p larger
    smaller group groups channels start mean spread factor gathered range""".split()
)
_LONG = 36
"""What is longer gets a line, so that two of them fit in one."""
_WORDS = {"operator.add": "total", "operator.mul": "product", "operator.sub": "difference"}


def tile_lines(kernel: Kernel) -> tuple[list[str], set[str]]:
    """The lines of the Triton function, and the functions of the template that it calls."""
    outs = kernel.outs or (
        [f"out{number}" for number, _ in enumerate(kernel.results, 1)] if len(kernel.results) > 1 else ["out"]
    )
    tensors = [param.attrs["name"] for param in kernel.params]
    numbers = [each.attrs["name"] for each in kernel.numbers if each.dtype.is_float]
    arguments = [f"{name}_ptr" for name in outs]
    for name in tensors:
        arguments += [f"{name}_ptr", f"{name}_strides"]
    arguments += numbers
    tiles = _TILES_OF_GROUPS if kernel.of_groups else _TILES
    head = lay_out(Bracket(f"def {kernel.name}_kernel(", (*arguments, *tiles), "):"), 0)
    taken = {*_OWN, *arguments, *tensors, *numbers, *outs}
    write = _of_groups if kernel.of_groups else _of_places
    texts, helpers = write(kernel, outs, taken)
    return [*head, *(line for level, text in texts for line in _laid_out(text, level))], helpers


def _of_places(kernel: Kernel, outs: list[str], taken: set[str]) -> tuple[Texts, set[str]]:
    """A program computes a tile: some of the rows, and of each all elements or some."""
    lines, values = _start(kernel, taken)
    _rotations(kernel, lines, values)
    _compute(kernel.steps, kernel.results, lines, values)
    _store(kernel, outs, lines, values)
    body = [
        "row, column = places(rows, columns, ROWS, COLUMNS)",
        "inside = (row < rows) & (column < columns)",
        *lines.texts,
    ]
    return [(1, text) for text in body], lines.helpers


def _of_groups(kernel: Kernel, outs: list[str], taken: set[str]) -> tuple[Texts, set[str]]:
    """A program goes over some groups in pieces, twice: for their statistics, and to compute the results."""
    (norm,) = kernel.of_groups
    x = norm.inputs[0]
    eps = next(each.attrs["name"] for each in norm.inputs if each.fact.host and each.dtype.is_float)
    loop = "for start in range(0, channels * columns, ELEMENTS):"
    place = "row, column, inside = places_in_groups(group, start, rows, columns, channels, ELEMENTS)"
    first, values = _start(kernel, taken)
    _compute(_needed_for(x, kernel.steps), [x], first, values)
    first.read(values[x])
    arguments = f"mean, spread, {values[x].text}, start, channels * columns, inside, ELEMENTS"
    second, values = _start(kernel, taken)
    _compute(kernel.steps, kernel.results, second, values)
    _store(kernel, outs, second, values)
    texts = [
        (1, "group = groups_of_program(GROUPS)"),
        (1, "mean = tl.zeros((GROUPS, 1), tl.float32)"),
        (1, "spread = tl.zeros((GROUPS, 1), tl.float32)"),
        (1, loop),
        *((2, text) for text in (place, *first.texts, f"mean, spread = gathered({arguments})")),
        (1, f"factor = tl.rsqrt(spread / (channels * columns) + {eps})"),
        (1, loop),
        *((2, text) for text in (place, *second.texts)),
    ]
    return texts, first.helpers | second.helpers | {
        "launch_groups",
        "groups_of_program",
        "places_in_groups",
        "gathered",
    }


def _needed_for(value: Expr, steps: list[Expr]) -> list[Expr]:
    """The steps by which a value is computed, in their order."""
    needed = {value}
    for step in reversed(steps):
        if step in needed:
            needed.update(operand for operand in step.inputs if operand is not None)
    return [step for step in steps if step in needed]


def _start(kernel: Kernel, taken: set[str]) -> tuple[Lines, dict[Expr, Value]]:
    """No statements yet, and the values that are given."""
    lines = Lines(set(taken))
    lines.unread = {param.attrs["name"]: _loaded(param, kernel) for param in kernel.params}
    return lines, {
        each: Value(each.attrs["name"], computed_as(each.dtype)) for each in (*kernel.params, *kernel.numbers)
    }


def _store(kernel: Kernel, outs: list[str], lines: Lines, values: dict[Expr, Value]) -> None:
    for out, result in zip(outs, kernel.results, strict=True):
        where, inside = ("row", "row < rows") if kernel.is_narrow(result) else ("row * columns + column", "inside")
        lines.texts.append(f"tl.store({out}_ptr + {where}, {values[result].text}, {inside})")


def _rotations(kernel: Kernel, lines: Lines, values: dict[Expr, Value]) -> None:
    """What is rotated is read from its other place in the row, and turned there."""
    rotations = [step for step in kernel.steps if step.op in ROTATIONS]
    for symbol in sorted({step.op for step in rotations}):
        lines.texts += _PLACES[symbol]
    for step in rotations:
        x = step.inputs[0]
        first, *others = [x] if x.op == "input" else x.inputs
        place, is_first = ("neighbour", "column % 2 == 0") if step.op == PAIRS else ("other", "column < half")
        rotated = lines.assign("rotated", _loaded_from(first, place))
        lines.texts += [f"{rotated} = {rotated} * {_loaded_from(other, place)}" for other in others]
        lines.texts.append(f"{rotated} = tl.where({is_first}, -{rotated}, {rotated})")
        values[step] = Value(rotated, computed_as(x.dtype))


_PLACES = {
    HALVES: ["half = columns // 2", "other = tl.where(column < half, column + half, column - half)"],
    PAIRS: ["neighbour = column ^ 1"],
}
"""Where the other feature of a pair is."""


def _loaded(param: Expr, kernel: Kernel) -> str:
    return _loaded_from(param, "0", "row < rows") if kernel.is_narrow(param) else _loaded_from(param, "column")


def _loaded_from(param: Expr, column: str, inside: str = "inside") -> str:
    name = param.attrs["name"]
    return f"read({name}_ptr, {name}_strides, sizes, row, {column}, {inside})"


def _compute(steps: list[Expr], results: list[Expr], lines: Lines, values: dict[Expr, Value]) -> None:
    """A variable for what is used more than once, or too long to stand in another expression."""
    uses: dict[Expr, int] = {}
    for step in steps:
        for operand in () if step.op in ROTATIONS else step.inputs:
            if operand is not None:
                uses[operand] = uses.get(operand, 0) + (2 if RULES[step.op].repeats else 1)
    for result in results:
        uses[result] = uses.get(result, 0) + 1
    for step in steps:
        if step.op in ROTATIONS or not uses.get(step):
            continue
        operands = [
            number(operand.attrs["value"]) if operand.op == "literal" else values[operand]
            for operand in step.inputs
            if operand is not None
        ]
        for operand in operands[:1] if step.op in NORMS else operands:  # a norm reads its weights itself
            lines.read(operand)
        value = RULES[step.op].write(lines, step, operands)
        is_name = value.text.isidentifier()
        if not is_name and (uses[step] > 1 or len(value.text) > _LONG):
            word = _WORDS.get(step.op, RULES[step.op].word)
            value = Value(
                lines.assign(word if word.isidentifier() and word not in _KEYWORDS else "out", value.text), value.dtype
            )
        values[step] = value


_KEYWORDS = frozenset({"and", "or", "not"})


def _laid_out(text: str, level: int) -> list[str]:
    """A statement in as many lines as it takes: broken in its outermost call."""
    flat = f"{'    ' * level}{text}"
    if len(flat) <= WIDTH or "(" not in text:
        return [flat]
    return lay_out(_bracket(text), level)


def _bracket(text: str) -> Bracket | str:
    """A statement ``name = f(a, b)`` or ``f(a, b)`` with its arguments taken apart."""
    start = text.index("(")
    depth, items, last = 0, [], start + 1
    for place in range(start, len(text)):
        depth += (text[place] in "([") - (text[place] in ")]")
        if depth == 1 and text[place] == ",":
            items.append(text[last:place].strip())
            last = place + 1
        if depth == 0:
            items.append(text[last:place].strip())
            return Bracket(text[: start + 1], tuple(items), text[place:]) if place == len(text) - 1 else text
    return text
