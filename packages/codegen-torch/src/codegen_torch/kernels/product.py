"""A product with a packed weight as a kernel: how it is packed, its reference's own words, and its Triton."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from codegen_torch.emit.layout import Bracket, lay_out
from codegen_torch.emit.source import ATOM, Source
from codegen_torch.expr import Expr
from codegen_torch.kernels.kernel import Kernel

UNPACK = "kernels.unpack"
"""The symbol of the numbers that a packed weight holds: attributes are the dimension, and whether they are signed."""
DEQUANTIZE = "kernels.dequantize_blocks"
"""The symbol of ``runtime.dequantize_blocks``, with the inputs of a block, and all where they fill no blocks."""
_ORDER = ("x", "weight", "zero", "scale", "bias")


@dataclass(frozen=True, slots=True)
class Form:
    """How a weight is packed.

    Attributes:
        bits: The bits of a number.
        signed: Whether the numbers are signed.
        by_rows: Whether a row of the weight is an output, as ``nn.Linear`` has it, and not an input.
        block: How many inputs share a scale and zero point; None where all do.
        inputs: How many inputs there are, where the weight has room for more.
        middle: What stands for zero where there are no zero points.
        packed_zeros: Whether a byte holds two zero points.
    """

    bits: int
    signed: bool
    by_rows: bool
    block: int | None
    inputs: int | None
    middle: int = 0
    packed_zeros: bool = False

    @property
    def settings(self) -> list[str]:
        """What the launcher is told of it, as keywords."""
        return [f"{name}={getattr(self, name)}" for name in ("bits", "by_rows", "block", "inputs")]

    @property
    def type_name(self) -> str:
        """The type of the numbers, as torch calls it."""
        return f"{'' if self.signed else 'u'}int{self.bits}"


@dataclass(eq=False, slots=True)
class Product(Kernel):
    """A kernel that multiplies by a packed weight. Its parameters have their names from the start.

    Attributes:
        form: How the weight is packed.
    """

    form: Form = None  # type: ignore[assignment]  # a field without a default cannot follow those of a kernel

    @property
    def reduces(self) -> bool:
        """A product has no rows of one element."""
        return False


def name_of(kernel: Product) -> str:
    """What it does."""
    return f"linear_{kernel.form.type_name}"


def summary_of(kernel: Product) -> str:
    """What it does, in one line."""
    names = _names(kernel)
    shared = "scale and zero point" if "zero" in names else "scale"
    for_what = "all numbers"
    if kernel.form.block:
        for_what = f"{kernel.form.block} inputs of an output"
    elif any(_is_tensor(names.get(name)) for name in ("zero", "scale")):
        for_what = "each output"
    return f"x times a weight of {kernel.form.type_name}, with a {shared} for {for_what}."


def product_source(step: Expr, name: dict[Expr, str]) -> Source | None:
    """The torch source of a step that only such kernels have; None for any other step."""
    if step.op == UNPACK:
        function = "unpack_int4" if step.attrs["signed"] else "unpack_uint4"
        return Source(Bracket(f"{function}(", (name[step.inputs[0]], str(step.attrs["dim"])), ")"), ATOM, 1)
    if step.op != DEQUANTIZE:
        return None
    packed, *others = (None if each is None else name[each] for each in step.inputs)
    while others and others[-1] is None:
        others.pop()
    inputs = step.attrs["inputs"] or f"{packed}.shape[1] * {step.attrs['block']}"
    keywords = (f"bits={step.attrs['bits']}", f"features={inputs}")
    return Source(Bracket("dequantize_blocks(", (str(packed), *map(str, others), *keywords), ")"), ATOM, 1)


def product_lines(kernel: Product) -> tuple[list[str], set[str]]:
    """The lines of the Triton function, and the functions of the template that they call."""
    names, form = _names(kernel), kernel.form
    arguments = ["out_ptr"]
    for name in _ORDER:
        if name in names:
            arguments += [f"{name}_ptr", f"{name}_strides"] if _is_tensor(names[name]) else [name]
    arguments += ["rows", "columns", "inputs", "room"]
    arguments += [f"{name}: constexpr" for name in ("ROWS", "COLUMNS", "DEPTH", "BLOCK", "BLOCKS", "PRECISION")]
    head = lay_out(Bracket(f"def {kernel.name}_kernel(", tuple(arguments), "):"), 0)
    body = _Body(names, form)
    lines = [line for level, text in body.lines() for line in _laid_out(level, text)]
    return [*head, *lines], body.helpers | _ALWAYS | _unpacking(kernel)


_ALWAYS = frozenset({"launch_product", "part", "strides_of", "tile_of_product"})


def _unpacking(kernel: Product) -> set[str]:
    """The functions with which its reference unpacks the weight."""
    if any(step.op == DEQUANTIZE for step in kernel.steps):
        return {"dequantize_blocks"}
    if any(step.op == UNPACK for step in kernel.steps):
        return {"unpack_uint4"} | ({"unpack_int4"} if kernel.form.signed else set())
    return set()


class _Body:
    """The statements of the kernel."""

    def __init__(self, names: dict[str, Expr], form: Form) -> None:
        self.names = names
        self.form = form
        self.helpers: set[str] = set()

    def lines(self) -> list[tuple[int, str | Bracket]]:
        """Statements, each with its level."""
        shared = [name for name in ("zero", "scale") if _is_tensor(self.names.get(name))]
        before = ["blocks = tl.cdiv(inputs, BLOCK)"] if shared else []
        read = self._read_bytes() if self.form.bits == 8 else self._read_halves()
        multiply = self._multiply_bytes() if self.form.bits == 8 else self._multiply_halves()
        inner = [*read, *self._shared(shared), *multiply]
        return [
            (1, "row, column = places(rows, columns, ROWS, COLUMNS)"),
            *((1, text) for text in before),
            (1, "total = tl.zeros((ROWS, COLUMNS), tl.float32)"),
            (1, "for start in range(0, inputs, DEPTH):"),
            *((2, text) for text in inner),
            *((1, text) for text in self._bias()),
            (1, "inside = (row < rows) & (column < columns)"),
            (1, "tl.store(out_ptr + row * columns + column, total, inside)"),
        ]

    def _read_bytes(self) -> list[str | Bracket]:
        return [
            "feature = start + tl.arange(0, DEPTH).to(tl.int64)",
            "x = part(x_ptr, x_strides, row, feature[None, :], rows, inputs)",
            _part("weight", "weight", "feature[:, None]", "room"),
        ]

    def _multiply_bytes(self) -> list[str | Bracket]:
        return [
            f"weight = {self._number('weight')}",
            "total = tl.dot(x, weight.to(x.dtype), total, input_precision=PRECISION)",
        ]

    def _read_halves(self) -> list[str | Bracket]:
        return [
            "feature = start + tl.arange(0, DEPTH)[None, :].to(tl.int64)",
            "byte = start // 2 + tl.arange(0, DEPTH // 2)[:, None].to(tl.int64)",
            "x = part(x_ptr, x_strides, row, feature, rows, inputs)",
            _part("packed", "weight", "byte", "room"),
        ]

    def _multiply_halves(self) -> list[str | Bracket]:
        """A byte's lower half is multiplied by the first of two neighbours in x, the upper one by the second."""
        flip: list[str | Bracket] = ["packed = packed ^ 0x88  # of which 8 less is signed"] if self.form.signed else []
        return [
            *flip,
            f"low = {self._number('(packed & 15)')}",
            f"high = {self._number('(packed >> 4)')}",
            "even, odd = tl.split(x.reshape(ROWS, DEPTH // 2, 2))",
            "total = tl.dot(even, low.to(x.dtype), total, input_precision=PRECISION)",
            "total = tl.dot(odd, high.to(x.dtype), total, input_precision=PRECISION)",
        ]

    def _shared(self, names: list[str]) -> list[str | Bracket]:
        """What blocks of inputs share, a row for each input."""
        if not names:
            return []
        self.helpers.add("repeated")
        size = "DEPTH" if self.form.bits == 8 else "DEPTH // 2"
        lines: list[str | Bracket] = ["block = start // BLOCK + tl.arange(0, BLOCKS)[:, None].to(tl.int64)"]
        for name in names:
            value = f"{name}.to(tl.float32)"
            if name == "zero" and self.form.packed_zeros:
                lines.append(_part(name, name, "block // 2", "tl.cdiv(blocks, 2)"))
                lines.append("zero = (zero >> (block % 2 * 4).to(tl.uint8)) & 15")
            else:
                lines.append(_part(name, name, "block", "blocks"))
            lines.append(f"{name} = repeated({value}, {size})")
        return lines

    def _number(self, text: str) -> str:
        """What a quantized number stands for, float32."""
        number = f"{text}.to(tl.float32)"
        middle = self.form.middle + (8 if self.form.bits == 4 and self.form.signed else 0)
        if middle:
            number += f" - {float(middle)}"
        if "zero" in self.names:
            number += " - zero"
        return f"({number}) * scale" if " - " in number else f"{number} * scale"

    def _bias(self) -> list[str]:
        if "bias" not in self.names:
            return []
        return ["total = total + part(bias_ptr, bias_strides, 0, column, 1, columns)"]


def _part(target: str, name: str, row: str, rows: str) -> Bracket:
    """A tile of a matrix that has the outputs as columns."""
    return Bracket(f"{target} = part(", (f"{name}_ptr", f"{name}_strides", row, "column", rows, "columns"), ")")


def _names(kernel: Product) -> dict[str, Expr]:
    return {each.attrs["name"]: each for each in (*kernel.params, *kernel.numbers)}


def _is_tensor(value: Expr | None) -> bool:
    return value is not None and not value.fact.host


def _laid_out(level: int, text: Any) -> list[str]:
    return lay_out(text, level) if isinstance(text, Bracket) else [f"{'    ' * level}{text}"]
