"""Casts of elements, by value and by bits."""

from __future__ import annotations

from onnx_proto import DataType

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.lower.registry import NotApplicable, Strings, op
from codegen_torch.symbols.namespaces import runtime, torch

_ROUND_MODES = ("up", "down", "nearest")

# The largest number, the distance from 1 to the next number and the smallest normal number.
_NARROW = {DType.FLOAT4E2M1: (6.0, 0.5, 1.0), DType.FLOAT6E2M3: (7.5, 0.125, 1.0), DType.FLOAT6E3M2: (28.0, 0.25, 0.25)}
_LARGEST = {
    DType.FLOAT8E4M3FN: 448.0,
    DType.FLOAT8E4M3FNUZ: 240.0,
    DType.FLOAT8E5M2: 57344.0,
    DType.FLOAT8E5M2FNUZ: 57344.0,
}


def dtype_of(data_type: int) -> DType:
    """The type of an attribute's number.

    Raises:
        NotApplicable: It is none.
    """
    dtype = DType.of_onnx(DataType(data_type)) if data_type in DataType.__members__.values() else None
    if dtype is None:
        name = DataType(data_type).name if data_type in DataType.__members__.values() else str(data_type)
        raise NotApplicable(f"the element type {name} is not supported")
    return dtype


def cast_to(x: Expr, dtype: DType, *, saturate: bool = True, round_mode: str = "up") -> Expr:
    """The elements in another type: floats become integers by truncation, wide integers narrow ones by their low bits.

    Args:
        x: The tensor.
        dtype: The type it becomes.
        saturate: Whether a float8 ends at its largest number; else infinity or NaN lies beyond.
        round_mode: How float8_e8m0 rounds: ``up``, ``down`` or ``nearest``.
    """
    if x.dtype is dtype:
        return x
    if dtype is DType.STRING:
        return runtime.format_numbers(x)  # type: ignore[no-any-return]
    if x.dtype is DType.STRING:
        return _parsed(x, dtype)
    if x.dtype.is_complex or dtype.is_complex:
        raise NotApplicable("ONNX casts no complex numbers")
    if dtype.is_narrow_float:
        return _to_narrow_float(x, dtype, saturate, round_mode)
    if dtype.is_int and dtype.held is not dtype:
        return _to_small_integer(x, dtype)
    return x.to(dtype)  # type: ignore[no-any-return]


def _parsed(text: Expr, dtype: DType) -> Expr:
    """The numbers that strings spell; of types that torch casts to in ways of its own, by way of wide ones."""
    if dtype.is_narrow_float:
        return cast_to(runtime.parse_floats(text, dtype=DType.FLOAT32), dtype)
    if dtype.is_float:
        return runtime.parse_floats(text, dtype=dtype)  # type: ignore[no-any-return]
    if dtype.is_int and dtype.held is not dtype:
        return cast_to(runtime.parse_integers(text, dtype=DType.INT64), dtype)
    if dtype.is_int or dtype is DType.BOOL:
        return runtime.parse_integers(text, dtype=dtype)  # type: ignore[no-any-return]
    raise NotApplicable(f"strings are not read as {dtype.value}")


def _to_small_integer(x: Expr, dtype: DType) -> Expr:
    """An integer of less than a byte: the low bits, by two's complement."""
    if x.dtype is DType.BOOL or (x.dtype.is_int and _contains(dtype, x.dtype)):
        return x.to(dtype)  # type: ignore[no-any-return]
    lowest, highest = dtype.limits
    bits = x.to(DType.INT32)
    kept = ((bits - lowest) & (highest - lowest)) + lowest if lowest else bits & highest
    return kept.to(dtype)  # type: ignore[no-any-return]


def _contains(wide: DType, narrow: DType) -> bool:
    return wide.limits[0] <= narrow.limits[0] and narrow.limits[1] <= wide.limits[1]


def _to_narrow_float(x: Expr, dtype: DType, saturate: bool, round_mode: str) -> Expr:
    if not x.dtype.is_float or x.dtype.is_narrow_float:
        x = x.to(DType.FLOAT32)
    if dtype is DType.FLOAT8E8M0:
        if round_mode not in _ROUND_MODES:
            raise NotApplicable(f"round_mode {round_mode!r} is not known")
        return runtime.cast_to_float8_e8m0(x, saturate=saturate, round_mode=round_mode)  # type: ignore[no-any-return]
    if dtype in _NARROW:
        largest, eps, smallest = _NARROW[dtype]
        rounded = runtime.round_to_narrow_float(x, eps=eps, smallest=smallest, largest=largest)
        return rounded.to(dtype)  # type: ignore[no-any-return]
    if not saturate or x.dtype is DType.FLOAT64:  # which torch rounds twice, over float32
        if x.dtype is not DType.FLOAT64:
            x = cast_to(x, DType.FLOAT32)
        return runtime.cast_to_float8(x, dtype, saturate=saturate)  # type: ignore[no-any-return]
    return torch.clamp(x, min=-_LARGEST[dtype], max=_LARGEST[dtype]).to(dtype)  # type: ignore[no-any-return]


@op("Cast", since=1, until=5)
def cast_to_name(x: Expr, *, to: str) -> Expr:
    if to not in DataType.__members__:
        raise NotApplicable(f"there is no element type {to!r}")
    return cast_to(x, dtype_of(DataType[to]))


@op("Cast", since=6)
def cast(x: Expr | Strings, *, to: int, saturate: int = 1, round_mode: str = "up") -> Expr:
    """``saturate`` and ``round_mode`` are about narrow floats alone."""
    return cast_to(x, dtype_of(to), saturate=bool(saturate), round_mode=round_mode)


@op("CastLike", since=15)
def cast_like(x: Expr | Strings, target: Expr | Strings, *, saturate: int = 1, round_mode: str = "up") -> Expr:
    return cast_to(x, target.dtype, saturate=bool(saturate), round_mode=round_mode)


@op("BitCast", since=26)
def bit_cast(x: Expr, *, to: int) -> Expr:
    """The same bits, read as another type of the same width."""
    dtype = dtype_of(to)
    if x.dtype is dtype:
        return x
    if DataType[_onnx_name(x.dtype)].bits != DataType[_onnx_name(dtype)].bits or DType.STRING in (x.dtype, dtype):
        raise NotApplicable(f"{x.dtype.value} and {dtype.value} are not of the same width")
    if dtype is DType.FLOAT4E2M1:
        return runtime.float4_from_bits(_to_small_integer(x, DType.UINT4))  # type: ignore[no-any-return]
    if x.dtype is DType.FLOAT4E2M1:
        return cast_to(runtime.bits_of_float4(x), dtype)
    if x.dtype.is_narrow_float and x.dtype.held is not x.dtype:
        raise NotApplicable("bits of 6-bit floats are not supported")
    if dtype.held is not dtype:
        return _to_small_integer(x, dtype)
    return x.view(dtype)  # type: ignore[no-any-return]


def _onnx_name(dtype: DType) -> str:
    return {DType.FLOAT32: "FLOAT", DType.FLOAT64: "DOUBLE"}.get(dtype, dtype.name)
