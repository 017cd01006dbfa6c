"""A kernel as a Triton function: loads, the scalar expressions, stores."""

from __future__ import annotations

from codegen_torch.emit.layout import WIDTH, Bracket, lay_out
from codegen_torch.expr import Expr
from codegen_torch.kernels.kernel import Kernel
from codegen_torch.kernels.rotation import ROTATE
from codegen_torch.kernels.scalar import RULES, Lines, Value, computed_as, number

_OWN = ("sizes", "rows", "columns", "row", "column", "inside", "half", "other", "tl")
_LONG = 36
"""What is longer gets a line, so that two of them fit in one."""
_WORDS = {"operator.add": "total", "operator.mul": "product", "operator.sub": "difference"}


def tile_lines(kernel: Kernel) -> tuple[list[str], set[str]]:
    """The lines of the Triton function, and the functions of the template that it calls."""
    outs = kernel.outs or (
        [f"out{number}" for number, _ in enumerate(kernel.results, 1)] if len(kernel.results) > 1 else ["out"]
    )
    tensors = [param.attrs["name"] for param in kernel.params]
    numbers = [each.attrs["name"] for each in kernel.numbers]
    arguments = [f"{name}_ptr" for name in outs]
    for name in tensors:
        arguments += [f"{name}_ptr", f"{name}_strides"]
    arguments += [*numbers, "sizes", "rows", "columns", "ROWS: constexpr", "COLUMNS: constexpr"]
    head = lay_out(Bracket(f"def {kernel.name}_kernel(", tuple(arguments), "):"), 0)
    lines = Lines({*_OWN, *arguments, *tensors, *numbers, "read", "places", "tanh", "expm1", "log1p", *outs})
    body = [
        "row, column = places(rows, columns, ROWS, COLUMNS)",
        "inside = (row < rows) & (column < columns)",
    ]
    values: dict[Expr, Value] = {
        each: Value(each.attrs["name"], computed_as(each.dtype)) for each in (*kernel.params, *kernel.numbers)
    }
    lines.unread = {param.attrs["name"]: _loaded(param, "column") for param in kernel.params}
    _rotations(kernel, lines, values)
    _compute(kernel, lines, values)
    for out, result in zip(outs, kernel.results, strict=True):
        lines.texts.append(f"tl.store({out}_ptr + row * columns + column, {values[result].text}, inside)")
    texts = [line for text in (*body, *lines.texts) for line in _laid_out(text)]
    return [*head, *texts], lines.helpers


def _rotations(kernel: Kernel, lines: Lines, values: dict[Expr, Value]) -> None:
    """What is rotated is read from the other half of its row, and turned there."""
    rotations = [step for step in kernel.steps if step.op == ROTATE]
    if rotations:
        lines.texts += ["half = columns // 2", "other = tl.where(column < half, column + half, column - half)"]
    for step in rotations:
        x = step.inputs[0]
        first, *others = [x] if x.op == "input" else x.inputs
        rotated = lines.assign("rotated", _loaded(first, "other"))
        lines.texts += [f"{rotated} = {rotated} * {_loaded(other, 'other')}" for other in others]
        lines.texts.append(f"{rotated} = tl.where(column < half, -{rotated}, {rotated})")
        values[step] = Value(rotated, computed_as(x.dtype))


def _loaded(param: Expr, column: str) -> str:
    name = param.attrs["name"]
    return f"read({name}_ptr, {name}_strides, sizes, row, {column}, inside)"


def _compute(kernel: Kernel, lines: Lines, values: dict[Expr, Value]) -> None:
    """A variable for what is used more than once, or too long to stand in another expression."""
    uses: dict[Expr, int] = {}
    for step in kernel.steps:
        for operand in () if step.op == ROTATE else step.inputs:
            if operand is not None:
                uses[operand] = uses.get(operand, 0) + (2 if RULES[step.op].repeats else 1)
    for result in kernel.results:
        uses[result] = uses.get(result, 0) + 1
    for step in kernel.steps:
        if step.op == ROTATE or not uses.get(step):
            continue
        operands = [
            number(operand.attrs["value"]) if operand.op == "literal" else values[operand]
            for operand in step.inputs
            if operand is not None
        ]
        for operand in operands[:1] if step.op in _NORMS else operands:
            lines.read(operand)
        value = RULES[step.op].write(lines, step, operands)
        is_name = value.text.isidentifier()
        if not is_name and (uses[step] > 1 or len(value.text) > _LONG):
            word = _WORDS.get(step.op, RULES[step.op].word)
            value = Value(
                lines.assign(word if word.isidentifier() and word not in _KEYWORDS else "out", value.text), value.dtype
            )
        values[step] = value


_NORMS = frozenset({"F.layer_norm", "F.rms_norm"})
_KEYWORDS = frozenset({"and", "or", "not"})


def _laid_out(text: str) -> list[str]:
    """A statement in as many lines as it takes: broken in its outermost call."""
    flat = f"    {text}"
    if len(flat) <= WIDTH or "(" not in text:
        return [flat]
    return lay_out(_bracket(text), 1)


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
