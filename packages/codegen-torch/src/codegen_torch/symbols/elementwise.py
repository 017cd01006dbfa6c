"""Elementwise symbols: operators, comparisons, activations."""

from __future__ import annotations

import operator
from typing import Any, TypeAlias

import numpy as np

from codegen_torch.dims import Dim, Undecided, same
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, FactError, broadcast
from codegen_torch.symbols.base import resolve, symbol
from codegen_torch.symbols.demands import demand_shape
from codegen_torch.symbols.shape import check_axis

Tensor: TypeAlias = Fact
Operand: TypeAlias = Fact

_CATEGORIES = (DType.BOOL, DType.INT64, DType.FLOAT64, DType.COMPLEX128)


def promote(*facts: Fact | None) -> DType:
    """The dtype torch gives an operation on these operands.

    Python numbers only count where their category (bool, integer, floating, complex) is above that of every
    tensor; then the category's default dtype is taken. Tensors of different dtypes do not occur: ONNX has none.
    """
    operands = [fact for fact in facts if fact is not None]
    tensors = [fact.dtype for fact in operands if not fact.host]
    highest = max((fact.dtype for fact in operands), key=_category)
    if not tensors:
        return _CATEGORIES[_category(highest)]
    dtype = max(tensors, key=_category)
    if _category(highest) <= _category(dtype):
        return dtype
    return DType.FLOAT32 if highest.is_float else DType.INT64 if highest.is_int else highest


def _category(dtype: DType) -> int:
    if dtype is DType.BOOL:
        return 0
    if dtype.is_int:
        return 1
    return 2 if dtype.is_float else 3


def pointwise(*operands: Fact, dtype: DType | None = None) -> Fact:
    """The facts of an elementwise operation's result, with numpy's broadcasting."""
    host = all(fact.host for fact in operands)
    dims = operands[0].dims if len(operands) == 1 else broadcast(*(fact.dims for fact in operands))
    return Fact(dtype or promote(*operands), dims, host=host)


def _compare(decide: Any) -> Any:
    """A comparison for arrays of sizes: an answer only where it does not depend on a symbol."""

    def fold(left: Any, right: Any) -> Any:
        if left.dtype != object and right.dtype != object:
            return decide(left, right)
        return np.frompyfunc(lambda a, b: _decided(decide, a, b), 2, 1)(left, right)

    return fold


def _decided(decide: Any, left: Any, right: Any) -> bool:
    left, right = resolve(left), resolve(right)
    if decide not in (operator.eq, operator.ne):
        return bool(decide(left, right))
    equal = same(left, right)
    if equal is None:
        raise Undecided
    return equal is (decide is operator.eq)


@symbol("operator.add", fold=operator.add, symbolic=True)
def add(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y)


@symbol("operator.sub", fold=operator.sub, symbolic=True)
def sub(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y)


@symbol("operator.mul", fold=operator.mul, symbolic=True)
def mul(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y)


def _divide(x: Any, y: Any) -> Any:
    if x.dtype == object or y.dtype == object:
        raise Undecided
    return x / y


@symbol("operator.truediv", fold=_divide)
def truediv(x: Operand, y: Operand) -> Fact:
    dtype = promote(x, y)
    return pointwise(x, y, dtype=dtype if _category(dtype) > 1 else DType.FLOAT32)


def _floor_divide(x: Any, y: Any) -> Any:
    if not all(isinstance(element, Dim) or element for element in y.flat):
        raise Undecided
    return x // y


@symbol("operator.floordiv", fold=_floor_divide, symbolic=True)
def floordiv(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y)


def _trunc_divide(x: Any, y: Any, *, rounding_mode: str) -> Any:
    if rounding_mode != "trunc" or x.dtype.kind not in "iuO" or not all(isinstance(e, Dim) or e for e in y.flat):
        raise Undecided
    if x.dtype == object or y.dtype == object:
        if not all(resolve(element) >= 0 for value in (x, y) for element in value.flat):
            raise Undecided
        return x // y
    return (np.sign(x) * np.sign(y) * (abs(x) // abs(y))).astype(x.dtype)


@symbol("torch.div", fold=_trunc_divide, symbolic=True)
def div(x: Operand, y: Operand, *, rounding_mode: str) -> Fact:
    return pointwise(x, y)


def _modulo(x: Any, y: Any) -> Any:
    if not all(isinstance(element, Dim) or element for element in y.flat):
        raise Undecided
    return x % y


@symbol("operator.mod", fold=_modulo, symbolic=True)
def mod(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y)


@symbol("torch.fmod")
def fmod(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y)


@symbol("operator.pow")
def pow_(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y)


@symbol("runtime.divide_uint64")
def divide_uint64(x: Tensor, y: Tensor) -> Fact:
    return pointwise(x, y)


@symbol("operator.neg", fold=operator.neg, symbolic=True)
def neg(x: Operand) -> Fact:
    return pointwise(x)


@symbol("operator.invert", fold=operator.invert)
def invert(x: Operand) -> Fact:
    return pointwise(x)


@symbol("operator.and_", fold=operator.and_)
def and_(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y)


@symbol("operator.or_", fold=operator.or_)
def or_(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y)


@symbol("operator.xor", fold=operator.xor)
def xor(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y)


@symbol("operator.lshift", fold=operator.lshift)
def lshift(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y)


@symbol("operator.rshift", fold=operator.rshift)
def rshift(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y)


@symbol("torch.eq", fold=_compare(operator.eq), symbolic=True)
def eq(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y, dtype=DType.BOOL)


@symbol("torch.ne", fold=_compare(operator.ne), symbolic=True)
def ne(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y, dtype=DType.BOOL)


@symbol("torch.lt", fold=_compare(operator.lt), symbolic=True)
def lt(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y, dtype=DType.BOOL)


@symbol("torch.le", fold=_compare(operator.le), symbolic=True)
def le(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y, dtype=DType.BOOL)


@symbol("torch.gt", fold=_compare(operator.gt), symbolic=True)
def gt(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y, dtype=DType.BOOL)


@symbol("torch.ge", fold=_compare(operator.ge), symbolic=True)
def ge(x: Operand, y: Operand) -> Fact:
    return pointwise(x, y, dtype=DType.BOOL)


@symbol("torch.where", fold=np.where, symbolic=True)
def where(condition: Tensor, x: Operand, y: Operand) -> Fact:
    dims = broadcast(condition.dims, x.dims, y.dims)
    both_host = x.host and y.host
    dtype = promote(x, y)
    # Two Python floats make a tensor of torch's default dtype.
    return Fact(DType.FLOAT32 if both_host and dtype.is_float else dtype, dims)


def _extreme(numeric: Any, keeps_left: Any) -> Any:
    def choose(left: Any, right: Any) -> Any:
        return left if keeps_left(resolve(left), resolve(right)) else right

    def fold(x: Any, y: Any) -> Any:
        return np.frompyfunc(choose, 2, 1)(x, y) if x.dtype == object or y.dtype == object else numeric(x, y)

    return fold


@symbol("torch.maximum", fold=_extreme(np.maximum, operator.ge), symbolic=True)
def maximum(x: Tensor, y: Tensor) -> Fact:
    return pointwise(x, y)


@symbol("torch.minimum", fold=_extreme(np.minimum, operator.le), symbolic=True)
def minimum(x: Tensor, y: Tensor) -> Fact:
    return pointwise(x, y)


def _clip(x: Any, *, min: float | None = None, max: float | None = None) -> Any:
    limits = [limit for limit in (min, max) if limit is not None]
    if not limits or (x.dtype.kind != "f" and any(isinstance(limit, float) for limit in limits)):
        raise Undecided
    return np.clip(x, min, max)


@symbol("torch.clamp", fold=_clip)
def clamp(x: Tensor, *, min: float | None = None, max: float | None = None) -> Fact:
    return pointwise(x)


def _cast(x: Any, dtype: DType) -> Any:
    if x.dtype == object:
        if dtype is DType.BOOL:
            return _compare(operator.ne)(x, np.zeros((), np.int64))
        if not dtype.is_int:
            raise Undecided
        return x
    if not dtype.in_numpy or (not dtype.is_float and not np.isfinite(x).all()):
        raise Undecided
    return x.astype(dtype.numpy)


@symbol("Tensor.to", fold=_cast, symbolic=True)
def to(x: Tensor, dtype: DType) -> Fact:
    fill = None if x.fill is None or not (dtype.is_float or dtype.is_int) else x.fill
    if fill is not None and dtype.is_int != isinstance(fill, int):
        fill = None
    return Fact(dtype, x.dims, fill=fill)


def _register_unary(names: str, fold: Any = None, dtype: DType | None = None) -> None:
    for name in names.split():

        @symbol(name, fold=fold)
        def unary(x: Tensor) -> Fact:
            return pointwise(x, dtype=dtype)


_register_unary("torch.exp torch.log torch.erf torch.sin torch.cos torch.tanh torch.sigmoid torch.rsqrt torch.tan")
_register_unary("torch.asin torch.acos torch.atan torch.sinh torch.cosh torch.asinh torch.acosh torch.atanh")
_register_unary("torch.reciprocal")
_register_unary("torch.sign", np.sign)
_register_unary("torch.round", np.round)
_register_unary("torch.floor", np.floor)
_register_unary("torch.ceil", np.ceil)
_register_unary("F.relu F.silu F.mish F.softsign F.hardswish F.hardsigmoid F.logsigmoid F.relu6 F.selu")
_register_unary("torch.sqrt", np.sqrt)
_register_unary("torch.abs", np.abs)
_register_unary("torch.isnan", np.isnan, DType.BOOL)
_register_unary("torch.isinf", np.isinf, DType.BOOL)
_register_unary("torch.isposinf", np.isposinf, DType.BOOL)
_register_unary("torch.isneginf", np.isneginf, DType.BOOL)
_register_unary("torch.isfinite", np.isfinite, DType.BOOL)
_register_unary("torch.logical_not", np.logical_not, DType.BOOL)


@symbol("F.gelu")
def gelu(x: Tensor, *, approximate: str = "none") -> Fact:
    return pointwise(x)


@symbol("F.leaky_relu")
def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Fact:
    return pointwise(x)


@symbol("F.elu")
def elu(x: Tensor, alpha: float = 1.0) -> Fact:
    return pointwise(x)


@symbol("F.celu")
def celu(x: Tensor, alpha: float = 1.0) -> Fact:
    return pointwise(x)


@symbol("F.threshold")
def threshold(x: Tensor, threshold: float, value: float) -> Fact:
    return pointwise(x)


@symbol("F.softplus")
def softplus(x: Tensor) -> Fact:
    return pointwise(x)


@symbol("F.prelu")
def prelu(x: Tensor, weight: Tensor) -> Fact:
    """torch takes one slope, or one for each channel."""
    channels = 1 if x.rank == 1 else None if x.dims is None or not x.dims else x.dims[1]
    if weight.dims != (1,):
        demand_shape("a leaky unit", "slope", weight, channels)
    return pointwise(x)


@symbol("runtime.hardmax")
def hardmax(x: Tensor, dim: int) -> Fact:
    check_axis(x, dim)
    return pointwise(x)


@symbol("operator.matmul")
def matmul(x: Tensor, y: Tensor) -> Fact:
    """numpy.matmul's rule: vectors gain a dimension for the product and lose it again."""
    if x.dims is None or y.dims is None:
        return Fact(x.dtype, None)
    if not x.dims or not y.dims:
        raise FactError("a matrix product of a scalar")
    rows = x.dims[-2:-1] if len(x.dims) > 1 else ()
    columns = y.dims[-1:] if len(y.dims) > 1 else ()
    batch = broadcast(x.dims[:-2], y.dims[:-2]) or ()
    inner = same(x.dims[-1], y.dims[-2] if len(y.dims) > 1 else y.dims[0])
    if inner is False:
        raise FactError(f"a matrix product of {x} and {y}")
    return Fact(x.dtype, (*batch, *rows, *columns))
