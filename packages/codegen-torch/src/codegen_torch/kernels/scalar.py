"""What one element of a result is, as Triton source: a small function for each torch symbol that can be fused.

Floats are computed as float32, whatever they are stored as. The values of a tile are ``[rows, columns]``; columns
beyond the row's end hold anything, which only reductions have to mind.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from codegen_torch.dtypes import DType
from codegen_torch.emit.source import ATOM
from codegen_torch.expr import Expr
from codegen_torch.kernels.rotation import ROTATIONS
from codegen_torch.names import numbered
from codegen_torch.symbols.elementwise import promote

UNARY = 15
PRODUCT = 13
SUM = 12
AND = 10
XOR = 9
OR = 8
COMPARISON = 6
_TYPES = {dtype: f"tl.{dtype.value}" for dtype in (DType.INT8, DType.INT16, DType.INT32, DType.INT64, DType.UINT8)}
_TYPES |= {DType.BOOL: "tl.int1", DType.FLOAT32: "tl.float32"}


@dataclass(frozen=True, slots=True)
class Value:
    """Triton source of a tile or number.

    Attributes:
        text: The source.
        dtype: What it is computed as: float32 for every float.
        precedence: How tightly its outermost operator binds.
        is_number: Whether it is a Python number, which takes the type of what it meets.
    """

    text: str
    dtype: DType
    precedence: int = ATOM
    is_number: bool = False

    def beside(self, precedence: int) -> str:
        """As an operand of an operator that binds this tightly."""
        return self.text if self.precedence >= precedence else f"({self.text})"

    @property
    def atom(self) -> str:
        """As the object of a method."""
        return self.text if self.precedence >= ATOM and not self.is_number else f"({self.text})"


class Lines:
    """The statements of a kernel's body, and the names that its variables have.

    Attributes:
        helpers: The functions of the template that the statements call.
        unread: How the parameters are read that have not been, by name.
    """

    def __init__(self, taken: set[str]) -> None:
        self.texts: list[str] = []
        self.taken = taken
        self.helpers: set[str] = set()
        self.unread: dict[str, str] = {}

    def assign(self, wanted: str, text: str) -> str:
        """Give a value a name of its own."""
        name = numbered(wanted, self.taken)
        self.taken.add(name)
        self.texts.append(f"{name} = {text}")
        return name

    def read(self, value: Value) -> None:
        """Read a parameter, if it is one and has not been read: the later, the fewer registers are taken."""
        if value.text in self.unread:
            self.texts.append(f"{value.text} = {self.unread.pop(value.text)}")

    def help(self, function: str) -> str:
        """The name of a function of the template."""
        self.helpers.add(function)
        return function


Write = Callable[[Lines, Expr, list[Value]], Value]


@dataclass(frozen=True, slots=True)
class Rule:
    """How a symbol is fused.

    Attributes:
        word: What a kernel's name says for it.
        write: Writes the element.
        repeats: Whether an operand may stand in it more than once, so that it has to be a variable.
        floats: Whether all operands have to be floats.
        of_row: Whether an element depends on all of its row.
        reduces: Whether there is one element for each row.
    """

    word: str
    write: Write
    repeats: bool = False
    floats: bool = False
    of_row: bool = False
    reduces: bool = False


RULES: dict[str, Rule] = {}
"""By the symbol's name."""


def computed_as(dtype: DType) -> DType:
    """What values of a type are computed as."""
    return DType.FLOAT32 if dtype.is_float else dtype


def converted(value: Value, dtype: DType) -> Value:
    """A value as another type, as torch promotes it."""
    if value.dtype is dtype or value.is_number:
        return value
    if dtype is DType.BOOL:
        return Value(f"{value.beside(SUM)} != 0", DType.BOOL, COMPARISON)
    return Value(f"{value.atom}.to({_TYPES[dtype]})", dtype)


def number(value: bool | int | float) -> Value:
    """A Python number."""
    if isinstance(value, float) and not math.isfinite(value):
        return Value(f'float("{value}")', DType.FLOAT32, is_number=True)
    dtype = DType.BOOL if isinstance(value, bool) else DType.INT64 if isinstance(value, int) else DType.FLOAT32
    text = repr(value).replace("e+", "e")
    return Value(text, dtype, UNARY if text.startswith("-") else ATOM, is_number=True)


def _common(step: Expr, values: list[Value]) -> list[Value]:
    """The operands as the type that torch computes the step in."""
    dtype = computed_as(promote(*(operand.fact for operand in step.inputs if operand is not None)))
    return [converted(value, dtype) for value in values]


def _register(name: str, word: str, **settings: bool) -> Callable[[Write], Write]:
    def register(write: Write) -> Write:
        RULES[name] = Rule(word, write, **settings)
        return write

    return register


def _operator(name: str, word: str, sign: str, precedence: int, *, dtype: DType | None = None) -> None:
    @_register(name, word)
    def binary(lines: Lines, step: Expr, values: list[Value]) -> Value:
        left, right = _common(step, values)
        # Powers aside, which are none of these, everything groups to the left; comparisons do not chain.
        chains = precedence != COMPARISON
        text = f"{left.beside(precedence if chains else precedence + 1)} {sign} {right.beside(precedence + 1)}"
        return Value(text, dtype or (right if left.is_number else left).dtype, precedence)


_operator("operator.add", "add", "+", SUM)
_operator("operator.sub", "sub", "-", SUM)
_operator("operator.mul", "mul", "*", PRODUCT)
_operator("operator.and_", "and", "&", AND)
_operator("operator.or_", "or", "|", OR)
_operator("operator.xor", "xor", "^", XOR)
for _name, _sign in {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}.items():
    _operator(f"torch.{_name}", _name, _sign, COMPARISON, dtype=DType.BOOL)


@_register("operator.truediv", "div")
def _divide(lines: Lines, step: Expr, values: list[Value]) -> Value:
    """Integers are divided as floats."""
    left, right = (converted(value, DType.FLOAT32) for value in values)
    return Value(f"{left.beside(PRODUCT)} / {right.beside(PRODUCT + 1)}", DType.FLOAT32, PRODUCT)


@_register("operator.neg", "neg")
def _negate(lines: Lines, step: Expr, values: list[Value]) -> Value:
    return Value(f"-{values[0].beside(UNARY)}", values[0].dtype, UNARY)


def _not(lines: Lines, step: Expr, values: list[Value]) -> Value:
    truth = converted(values[0], DType.BOOL)
    return Value(f"~{truth.beside(UNARY)}", DType.BOOL, UNARY)


RULES["torch.logical_not"] = RULES["operator.invert"] = Rule("not", _not)


@_register("operator.pow", "pow", repeats=True, floats=True)
def _power(lines: Lines, step: Expr, values: list[Value]) -> Value:
    """Powers that torch computes by products and roots, too."""
    x = values[0].beside(PRODUCT + 1)
    texts = {
        2: (f"{x} * {x}", PRODUCT),
        3: (f"{x} * {x} * {x}", PRODUCT),
        0.5: (f"tl.sqrt({values[0].text})", ATOM),
        -0.5: (f"tl.rsqrt({values[0].text})", ATOM),
        -1: (f"1.0 / {x}", PRODUCT),
    }
    text, precedence = texts[float(values[1].text)]
    return Value(text, DType.FLOAT32, precedence)


ROW_MEAN = "kernels.row_mean"
ROW_SUM = "kernels.row_sum"
"""Symbols that only gradients have: the mean and the sum of each row, for all of its elements."""
ALONG = "kernels.along"
"""Another one: what there is for each row, for all of the elements that its second operand has."""
POWERS = frozenset({2.0, 3.0, 0.5, -0.5, -1.0})
"""The exponents that :func:`_power` knows."""


@_register("Tensor.to", "cast")
def _cast(lines: Lines, step: Expr, values: list[Value]) -> Value:
    """Among floats a conversion says how a value is stored, which is none of the kernel's business."""
    return converted(values[0], computed_as(step.attrs["dtype"]))


@_register("torch.where", "where")
def _where(lines: Lines, step: Expr, values: list[Value]) -> Value:
    dtype = computed_as(step.dtype)
    x, y = (converted(value, dtype) for value in values[1:])
    return Value(f"tl.where({values[0].text}, {x.text}, {y.text})", dtype)


def _extreme(name: str) -> None:
    @_register(f"torch.{name}", name.removesuffix("imum"))
    def extreme(lines: Lines, step: Expr, values: list[Value]) -> Value:
        """NaN wins, as in torch."""
        x, y = _common(step, values)
        rule = ", tl.PropagateNan.ALL" if x.dtype.is_float else ""
        return Value(f"tl.{name}({x.text}, {y.text}{rule})", x.dtype)


_extreme("maximum")
_extreme("minimum")


@_register("torch.clamp", "clamp", repeats=True, floats=True)
def _clamp(lines: Lines, step: Expr, values: list[Value]) -> Value:
    """NaN stays."""
    text = values[0].text
    if (low := step.attrs.get("min")) is not None:
        text = f"tl.where({text} < {number(low).text}, {number(low).text}, {text})"
    if (high := step.attrs.get("max")) is not None:
        text = text if low is None else lines.assign("clamped", text)
        text = f"tl.where({text} > {number(high).text}, {number(high).text}, {text})"
    return Value(text, DType.FLOAT32)


def _function(name: str, template: str, precedence: int = ATOM, *, word: str = "", helper: str = "") -> None:
    """A function of one float; ``{x}`` is the operand, and ``{a}`` the operand beside an operator."""

    @_register(name, word or name.rpartition(".")[2], repeats=template.count("{") > 1, floats=True)
    def function(lines: Lines, step: Expr, values: list[Value]) -> Value:
        if helper:
            lines.help(helper)
        text = template.format(x=values[0].text, a=values[0].beside(UNARY + 1))
        return Value(text, DType.FLOAT32, precedence)


_function("torch.exp", "tl.exp({x})")
_function("torch.log", "tl.log({x})")
_function("torch.sqrt", "tl.sqrt({x})")
_function("torch.rsqrt", "tl.rsqrt({x})")
_function("torch.sin", "tl.sin({x})")
_function("torch.cos", "tl.cos({x})")
_function("torch.erf", "tl.erf({x})")
_function("torch.floor", "tl.floor({x})")
_function("torch.ceil", "tl.ceil({x})")
_function("torch.sigmoid", "tl.sigmoid({x})")
_function("torch.tanh", "tanh({x})", helper="tanh")
_function("torch.reciprocal", "1.0 / {a}", PRODUCT)
_function("F.relu", "tl.where({x} < 0.0, 0.0, {x})")
_function("F.silu", "{a} * tl.sigmoid({x})", PRODUCT)
_function("F.softplus", "tl.where({x} > 0.0, {x}, 0.0) + log1p(tl.exp(-tl.abs({x})))", SUM, helper="log1p")
_function("F.hardsigmoid", "tl.clamp({a} / 6.0 + 0.5, 0.0, 1.0, tl.PropagateNan.ALL)")
_function("F.hardswish", "{a} * tl.clamp({a} + 3.0, 0.0, 6.0, tl.PropagateNan.ALL) / 6.0", PRODUCT)
_function("F.relu6", "tl.clamp({x}, 0.0, 6.0, tl.PropagateNan.ALL)")


@_register("torch.abs", "abs")
def _absolute(lines: Lines, step: Expr, values: list[Value]) -> Value:
    return Value(f"tl.abs({values[0].text})", values[0].dtype)


@_register("F.gelu", "gelu", repeats=True, floats=True)
def _gelu(lines: Lines, step: Expr, values: list[Value]) -> Value:
    """``(1 + tanh(u)) / 2`` is ``sigmoid(2 u)``."""
    x = values[0].beside(UNARY + 1)
    if step.attrs.get("approximate", "none") == "tanh":
        bent = f"1.5957691216057308 * ({x} + 0.044715 * {x} * {x} * {x})"
        return Value(f"{x} * tl.sigmoid({bent})", DType.FLOAT32, PRODUCT)
    return Value(f"0.5 * {x} * (1.0 + tl.erf({x} * 0.7071067811865476))", DType.FLOAT32, PRODUCT)


@_register("F.leaky_relu", "leaky_relu", repeats=True, floats=True)
def _leaky_relu(lines: Lines, step: Expr, values: list[Value]) -> Value:
    slope = number(float(step.attrs.get("negative_slope", 0.01)))
    x = values[0]
    return Value(f"tl.where({x.text} > 0.0, {x.text}, {slope.text} * {x.beside(UNARY)})", DType.FLOAT32)


@_register("F.elu", "elu", repeats=True, floats=True)
def _elu(lines: Lines, step: Expr, values: list[Value]) -> Value:
    alpha = float(step.attrs.get("alpha", 1.0))
    x, scale = values[0].text, "" if alpha == 1.0 else f"{number(alpha).text} * "
    return Value(f"tl.where({x} > 0.0, {x}, {scale}{lines.help('expm1')}({x}))", DType.FLOAT32)


# Rows.


@_register("F.softmax", "softmax", repeats=True, floats=True, of_row=True)
def _softmax(lines: Lines, step: Expr, values: list[Value]) -> Value:
    x = lines.assign("scores", f'tl.where(inside, {values[0].text}, float("-inf"))')
    weights = lines.assign("weights", f"tl.exp({x} - tl.max({x}, 1)[:, None])")
    return Value(f"{weights} / tl.sum({weights}, 1)[:, None]", DType.FLOAT32, PRODUCT)


@_register("F.log_softmax", "log_softmax", repeats=True, floats=True, of_row=True)
def _log_softmax(lines: Lines, step: Expr, values: list[Value]) -> Value:
    x = lines.assign("scores", f'tl.where(inside, {values[0].text}, float("-inf"))')
    lowered = lines.assign("lowered", f"{x} - tl.max({x}, 1)[:, None]")
    return Value(f"{lowered} - tl.log(tl.sum(tl.exp({lowered}), 1)[:, None])", DType.FLOAT32, SUM)


@_register("F.layer_norm", "layer_norm", repeats=True, floats=True, of_row=True)
def _layer_norm(lines: Lines, step: Expr, values: list[Value]) -> Value:
    """The variance is that of the deviations, not the difference of two large sums."""
    x, eps, *affine = values
    mean = lines.assign("mean", f"tl.sum(tl.where(inside, {x.text}, 0.0), 1)[:, None] / columns")
    centred = lines.assign("centred", f"tl.where(inside, {x.beside(SUM)} - {mean}, 0.0)")
    variance = lines.assign("variance", f"tl.sum({centred} * {centred}, 1)[:, None] / columns")
    return _scaled(lines, f"{centred} * tl.rsqrt({variance} + {eps.text})", affine)


@_register("F.rms_norm", "rms_norm", repeats=True, floats=True, of_row=True)
def _rms_norm(lines: Lines, step: Expr, values: list[Value]) -> Value:
    x, eps, *affine = values
    product = f"{x.beside(UNARY)} * {x.beside(UNARY)}"
    square = lines.assign("square", f"tl.sum(tl.where(inside, {product}, 0.0), 1)[:, None] / columns")
    return _scaled(lines, f"{x.beside(PRODUCT)} * tl.rsqrt({square} + {eps.text})", affine)


GROUPED = frozenset({"F.group_norm", "F.instance_norm"})
"""Norms of groups of channels, whose statistics are there before the group is normalized."""


def _of_group(lines: Lines, step: Expr, values: list[Value]) -> Value:
    x, *affine = (
        value for operand, value in zip(step.inputs, values, strict=True) if operand and not operand.fact.host
    )
    return _scaled(lines, f"({x.beside(SUM)} - mean) * factor", affine)


for _name in sorted(GROUPED):
    RULES[_name] = Rule(_name.removeprefix("F."), _of_group, floats=True)


def _scaled(lines: Lines, text: str, affine: list[Value]) -> Value:
    """What is normalized, times the weight, plus the bias, where there are any."""
    for sign, precedence, value in zip(("*", "+"), (PRODUCT, SUM), affine, strict=False):
        lines.read(value)
        text = f"{text} {sign} {value.beside(precedence + 1)}"
    return Value(text, DType.FLOAT32, SUM if len(affine) > 1 else PRODUCT)


def _rotate(lines: Lines, step: Expr, values: list[Value]) -> Value:
    """The operand is loaded from its other place in the row, and turned there."""
    return values[0]


for _name in sorted(ROTATIONS):
    RULES[_name] = Rule(_name.removeprefix("runtime."), _rotate, floats=True, of_row=True)


def _row_mean(lines: Lines, step: Expr, values: list[Value]) -> Value:
    return Value(f"tl.sum(tl.where(inside, {values[0].text}, 0.0), 1)[:, None] / columns", DType.FLOAT32, PRODUCT)


def _row_sum(lines: Lines, step: Expr, values: list[Value]) -> Value:
    return Value(f"tl.sum(tl.where(inside, {values[0].text}, 0.0), 1)[:, None]", DType.FLOAT32)


RULES[ROW_MEAN] = Rule("mean", _row_mean, floats=True, of_row=True)
RULES[ROW_SUM] = Rule("sum", _row_sum, floats=True, of_row=True)
RULES[ALONG] = Rule("along", lambda lines, step, values: values[0], floats=True)
RULES["Tensor.mean"] = Rule("mean", _row_mean, floats=True, of_row=True, reduces=True)
RULES["Tensor.sum"] = Rule("sum", _row_sum, floats=True, of_row=True, reduces=True)


@_register("Tensor.norm", "norm", repeats=True, floats=True, of_row=True, reduces=True)
def _row_norm(lines: Lines, step: Expr, values: list[Value]) -> Value:
    x = values[0].beside(UNARY)
    return Value(f"tl.sqrt(tl.sum(tl.where(inside, {x} * {x}, 0.0), 1)[:, None])", DType.FLOAT32)


def _row_extreme(name: str, function: str, least: str) -> None:
    @_register(f"Tensor.{name}", name, floats=True, of_row=True, reduces=True)
    def extreme(lines: Lines, step: Expr, values: list[Value]) -> Value:
        """NaN wins, as in torch."""
        x = f'tl.where(inside, {values[0].text}, float("{least}"))'
        return Value(f"tl.reduce({x}, 1, {lines.help(function)})[:, None]", DType.FLOAT32)


_row_extreme("amax", "larger", "-inf")
_row_extreme("amin", "smaller", "inf")
