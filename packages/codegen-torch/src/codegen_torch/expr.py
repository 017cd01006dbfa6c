"""Expressions in torch's vocabulary: the nodes of the dataflow graph.

An expression is a :class:`dataflow_ir.Node` whose operator names a torch symbol (``"F.softmax"``,
``"Tensor.reshape"``, ``"operator.add"``). Its tensor operands are the node's inputs, in the order of the symbol's
parameters; everything else is an attribute. A host expression that stands where an attribute is expected
(``x.reshape(n.item(), 4)``) is a further input, and a :class:`Slot` in the attribute points at it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from dataflow_ir import Node

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, Facts, OptionalOf, Size, elements
from codegen_torch.scope import Scope
from codegen_torch.table import SYMBOLS
from codegen_torch.tensors import TensorRef


@dataclass(frozen=True, slots=True)
class Slot:
    """Stands in an attribute for the input with this index."""

    index: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an expression comes from in the file.

    Attributes:
        order: The position of the ONNX node after clean-up; statements keep this order.
        scope: The modules that the node was in when the model was exported, outermost first.
        name: The name of the ONNX value, a hint for a variable's name.
        nodes: The positions in the file of all ONNX nodes that the expression stands for.
        block: The block of code that it is in, 0 for none.
        value: The value of the ONNX graph that the expression computes, by the name that it has in the model, also
            where it is of a branch; empty for a step on the way to one, and in loops.
    """

    order: int = -1
    scope: Scope = ()
    name: str = ""
    nodes: tuple[int, ...] = ()
    block: int = 0
    value: str = ""


_origin = [Origin()]


@contextlib.contextmanager
def originating(origin: Origin) -> Iterator[None]:
    """Expressions built inside come from ``origin``. That they compute its value is not said by this."""
    _origin.append(dataclasses.replace(origin, value="") if origin.value else origin)
    try:
        yield
    finally:
        _origin.pop()


def current_origin() -> Origin:
    """Where expressions that are built now come from."""
    return _origin[-1]


@contextlib.contextmanager
def in_block(number: int) -> Iterator[None]:
    """Expressions built inside are in the block of code with this number."""
    with originating(dataclasses.replace(current_origin(), block=number)):
        yield


class Expr(Node):
    """An expression with its facts. Built by calling symbols, never directly."""

    __slots__ = ("fact",)

    fact: Fact

    def __init__(
        self,
        op: str,
        inputs: tuple[Expr | None, ...] = (),
        attrs: Mapping[str, Any] | None = None,
        meta: dict[str, Any] | None = None,
        fact: Facts | None = None,
    ) -> None:
        super().__init__(op, inputs, attrs, {"origin": _origin[-1]} if meta is None else meta)
        self.fact = fact  # type: ignore[assignment]  # a tuple only where a symbol returns a tuple

    def rebuild(self, inputs: tuple[Node | None, ...]) -> Expr:
        """The same expression over other inputs that mean the same: its facts stay."""
        return type(self)(self.op, inputs, self.attrs, dict(self.meta), self.fact)  # type: ignore[arg-type]

    @property
    def origin(self) -> Origin:
        """Where this comes from in the file."""
        return self.meta["origin"]  # type: ignore[no-any-return]

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self.fact.dtype

    @property
    def rank(self) -> int | None:
        """The number of dimensions, if known."""
        return self.fact.rank

    @property
    def dims(self) -> tuple[Size, ...] | None:
        """The sizes, if the rank is known; for reasoning. To compute with sizes use :attr:`shape`."""
        return self.fact.dims

    @property
    def shape(self) -> tuple[int | Dim | Expr, ...]:
        """The sizes as host values to compute with.

        Raises:
            UnknownRank: The rank is not known before the model runs.
        """
        if self.fact.dims is None:
            raise UnknownRank(self)
        return tuple(
            dim if isinstance(dim, int) or dim.is_bound() else call("host.size", self, axis)
            for axis, dim in enumerate(self.fact.dims)
        )

    def __getattr__(self, name: str) -> Any:
        """A method of ``torch.Tensor`` that builds the call of it."""
        symbol = SYMBOLS.get(f"Tensor.{name}")
        if symbol is None:
            raise AttributeError(f"no symbol Tensor.{name}")
        return lambda *args, **kwargs: symbol(self, *args, **kwargs)

    def __add__(self, other: Operand) -> Expr:
        return call("operator.add", self, other)

    def __radd__(self, other: Operand) -> Expr:  # type: ignore[misc]
        return call("operator.add", other, self)

    def __sub__(self, other: Operand) -> Expr:
        return call("operator.sub", self, other)

    def __rsub__(self, other: Operand) -> Expr:  # type: ignore[misc]
        return call("operator.sub", other, self)

    def __mul__(self, other: Operand) -> Expr:
        return call("operator.mul", self, other)

    def __rmul__(self, other: Operand) -> Expr:  # type: ignore[misc]
        return call("operator.mul", other, self)

    def __truediv__(self, other: Operand) -> Expr:
        return call("operator.truediv", self, other)

    def __rtruediv__(self, other: Operand) -> Expr:
        return call("operator.truediv", other, self)

    def __floordiv__(self, other: Operand) -> Expr:
        return call("operator.floordiv", self, other)

    def __rfloordiv__(self, other: Operand) -> Expr:  # type: ignore[misc]
        return call("operator.floordiv", other, self)

    def __mod__(self, other: Operand) -> Expr:
        return call("operator.mod", self, other)

    def __pow__(self, other: Operand) -> Expr:
        return call("operator.pow", self, other)

    def __rpow__(self, other: Operand) -> Expr:
        return call("operator.pow", other, self)

    def __matmul__(self, other: Expr) -> Expr:
        return call("operator.matmul", self, other)

    def __neg__(self) -> Expr:
        return call("operator.neg", self)

    def __invert__(self) -> Expr:
        return call("operator.invert", self)

    def __and__(self, other: Operand) -> Expr:
        return call("operator.and_", self, other)

    def __or__(self, other: Operand) -> Expr:
        return call("operator.or_", self, other)

    def __xor__(self, other: Operand) -> Expr:
        return call("operator.xor", self, other)


Operand = Expr | Dim | bool | int | float


class UnknownRank(Exception):
    """A rule needs the rank of a value whose rank is only known when the model runs."""

    def __init__(self, expr: Expr) -> None:
        super().__init__(f"the rank of {expr.origin.name or expr.op} is not known")
        self.expr = expr


def call(name: str, *args: Any, **kwargs: Any) -> Expr:
    """Build the call of a torch symbol that returns one value."""
    result: Expr = SYMBOLS[name](*args, **kwargs)
    return result


def literal(value: Dim | bool | int | float | complex) -> Expr:
    """A Python number as an expression."""
    if isinstance(value, np.generic):
        value = value.item()
    dtype = DType.FLOAT64
    if isinstance(value, bool):
        dtype = DType.BOOL
    elif isinstance(value, int | Dim):
        dtype = DType.INT64
    elif isinstance(value, complex):
        dtype = DType.COMPLEX128
    array = elements([value], ()) if isinstance(value, Dim) else np.array(value)
    return Expr("literal", (), {"value": value}, fact=Fact(dtype, (), array, host=True))


def nothing(element: Fact) -> Expr:
    """None, where a value with these facts could be."""
    return Expr("literal", (), {"value": None}, fact=OptionalOf(element, absent=True))


def graph_input(name: str, fact: Fact) -> Expr:
    """An input of the graph."""
    return Expr("input", (), {"name": name}, fact=fact)


def weight(ref: TensorRef) -> Expr:
    """A tensor that training changes: never folded, whatever its value."""
    return Expr("weight", (), {"ref": ref}, fact=Fact(ref.dtype, ref.shape))


def constant(ref: TensorRef, value: np.ndarray[Any, Any] | None = None) -> Expr:
    """A tensor that training does not change.

    Args:
        ref: The tensor.
        value: Its elements, if they are few enough to reason about.
    """
    fill = None
    if value is not None and value.size and value.dtype != object and (value == value.flat[0]).all():
        fill = value.flat[0].item()
    return Expr("constant", (), {"ref": ref}, fact=Fact(ref.dtype, ref.shape, value, fill))


def array(value: np.ndarray[Any, Any] | Sequence[Any] | float, dtype: DType | None = None) -> Expr:
    """A constant tensor made of numbers known at conversion."""
    values = np.asarray(value, dtype=None if dtype is None else dtype.numpy)
    ref = TensorRef.of_array(values, dtype)
    return constant(ref, values if ref.dtype.in_numpy or ref.dtype is DType.STRING else None)
