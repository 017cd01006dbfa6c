"""What is built where torch stores a type but has no kernel for it.

torch gathers no float8 and shifts no uint16. An operator definition need not know: calling such a symbol on such a
tensor builds what this table says instead, with the same elements in every case. Arithmetic and comparisons of unsigned
integers, which must know about their order, are :mod:`codegen_torch.ops.unsigned`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, call
from codegen_torch.symbols.base import Symbol
from codegen_torch.table import SUBSTITUTES

Substitute = Callable[[Symbol, DType, Any, Any], Any]

_BITS = {DType.UINT16: DType.INT16, DType.UINT32: DType.INT32, DType.UINT64: DType.INT64}
_BITS |= {dtype: DType.UINT8 for dtype in DType if dtype.is_narrow_float}
NARROW_FLOATS = frozenset(dtype for dtype in DType if dtype.is_narrow_float)
NARROW_INTEGERS = frozenset(dtype for dtype in DType if dtype.is_int and dtype.itemsize < 8)
UNSIGNED = frozenset({DType.UINT16, DType.UINT32, DType.UINT64})


def _converted(argument: Any, dtype: DType, to: Callable[[Expr], Expr]) -> Any:
    """An argument with all tensors of a type in it converted."""
    if isinstance(argument, list | tuple):
        return [_converted(item, dtype, to) for item in argument]
    return to(argument) if isinstance(argument, Expr) and argument.dtype is dtype else argument


def _moved(symbol: Symbol, dtype: DType, args: Any, kwargs: Any) -> Any:
    """Moves integers of the same width: ``x.view(torch.int16)``."""
    moved = symbol(*(_converted(argument, dtype, lambda x: x.view(_BITS[dtype])) for argument in args), **kwargs)
    return moved.view(dtype)


def _counted(symbol: Symbol, dtype: DType, args: Any, kwargs: Any) -> Any:
    """Looks at integers of the same width."""
    return symbol(*(_converted(argument, dtype, lambda x: x.view(_BITS[dtype])) for argument in args), **kwargs)


def _shifted_right(symbol: Symbol, dtype: DType, args: Any, kwargs: Any) -> Any:
    """Shifts int64, which has the numbers of the narrower types."""
    if dtype is DType.UINT64:
        return call("runtime.shift_right_uint64", *args)
    return symbol(*(_converted(argument, dtype, lambda x: x.to(DType.INT64)) for argument in args)).to(dtype)


def _as_float32(symbol: Symbol, dtype: DType, args: Any, kwargs: Any) -> Any:
    """Looks at float32, which has the numbers of the narrower types."""
    return symbol(*(_converted(argument, dtype, lambda x: x.to(DType.FLOAT32)) for argument in args), **kwargs)


def _over_float64(symbol: Symbol, dtype: DType, args: Any, kwargs: Any) -> Any:
    """Adds float64, which has every sum of a few integers of up to 32 bits."""
    total = symbol(*(_converted(argument, dtype, lambda x: x.to(DType.FLOAT64)) for argument in args), **kwargs)
    return total.to(dtype)


def _register(names: str, dtypes: frozenset[DType], substitute: Substitute) -> None:
    for name in names.split():
        SUBSTITUTES.setdefault(name, {}).update(dict.fromkeys(dtypes, substitute))


_register(
    "torch.gather Tensor.scatter Tensor.index_put Tensor.tril Tensor.triu runtime.tensor_scatter",
    UNSIGNED | NARROW_FLOATS,
    _moved,
)
_register("F.fold runtime.col2im", NARROW_INTEGERS, _over_float64)
_register("operator.invert operator.lshift", UNSIGNED, _moved)
_register("operator.rshift", UNSIGNED, _shifted_right)
_register("Tensor.nonzero", UNSIGNED, _counted)
_register("torch.isinf torch.isposinf torch.isneginf", NARROW_FLOATS, _as_float32)
