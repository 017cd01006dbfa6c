"""Linear quantization: numbers as small integers, or narrow floats, with a scale and a zero point.

What is quantized is ``saturate(round(x / scale) + zero_point)``, with ties to even; what that stands for is
``(x - zero_point) * scale``. Products of integers are computed in float64, whose every sum of products of bytes is
exact, on every device.
"""

from __future__ import annotations

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, UnknownRank, constant, originating
from codegen_torch.lower.registry import NotApplicable, op
from codegen_torch.minifloats import decoded
from codegen_torch.ops.cast import cast_to, dtype_of
from codegen_torch.ops.conv import conv
from codegen_torch.ops.windows import Numbers
from codegen_torch.symbols.namespaces import index, runtime, torch
from codegen_torch.symbols.shape import normal


@op("QuantizeLinear", since=10)
def quantize_linear(
    x: Expr,
    y_scale: Expr,
    y_zero_point: Expr | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Expr:
    dtype = _quantized_type(y_zero_point, output_dtype)
    scale = _along(y_scale, x, axis, block_size)
    zero_point = None if y_zero_point is None else _along(y_zero_point, x, axis, block_size)
    computed = dtype_of(precision) if precision else scale.dtype
    return quantized(cast_to(x, computed) / cast_to(scale, computed), zero_point, dtype, saturate=bool(saturate))


def _quantized_type(zero_point: Expr | None, output_dtype: int) -> DType:
    """The type of the result: that of the zero point, or what the attribute says, or uint8."""
    if zero_point is None:
        return dtype_of(output_dtype) if output_dtype else DType.UINT8
    if output_dtype and dtype_of(output_dtype) is not zero_point.dtype:
        raise NotApplicable(f"output_dtype contradicts the zero point, which is {zero_point.dtype.value}")
    return zero_point.dtype


@op("DequantizeLinear", since=10)
def dequantize_linear(
    x: Expr,
    x_scale: Expr,
    x_zero_point: Expr | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> Expr:
    dtype = dtype_of(output_dtype) if output_dtype else x_scale.dtype
    scale = _along(x_scale, x, axis, block_size)
    zero_point = None if x_zero_point is None else _along(x_zero_point, x, axis, block_size)
    return dequantized(x, scale, zero_point, dtype)


def quantized(value: Expr, zero_point: Expr | None, dtype: DType, *, saturate: bool = True) -> Expr:
    """Numbers, divided by their scale, as a quantized type.

    Args:
        value: The numbers.
        zero_point: What stands for zero, broadcast against them.
        dtype: The quantized type.
        saturate: Whether a float8 ends at its largest number.
    """
    if dtype.is_narrow_float:
        if dtype.held is not dtype and not _is_zero(zero_point):  # that of a float8 is zero
            value = value + _operand(zero_point, value.dtype)
        return cast_to(value, dtype, saturate=saturate)
    if not dtype.is_int:
        raise NotApplicable(f"{dtype.value} is no quantized type")
    if value.dtype.itemsize == 2 and dtype.itemsize > 1:  # which half floats have not every number of
        value = value.to(DType.FLOAT32)
    rounded = torch.round(value)
    if not _is_zero(zero_point):
        rounded = rounded + _operand(zero_point, rounded.dtype)
    lowest, highest = dtype.limits
    return torch.clamp(rounded, min=lowest, max=highest).to(dtype)  # type: ignore[no-any-return]


def dequantized(x: Expr, scale: Expr, zero_point: Expr | None, dtype: DType) -> Expr:
    """The numbers that quantized ones stand for.

    Args:
        x: The quantized numbers.
        scale: Their scale, broadcast against them.
        zero_point: What stands for zero.
        dtype: The type of the result.
    """
    computed = dtype if dtype.itemsize > 2 or x.dtype.itemsize == 1 else DType.FLOAT32
    return cast_to(shifted(x, zero_point, computed) * cast_to(scale, computed), dtype)


def shifted(x: Expr, zero_point: Expr | None, dtype: DType) -> Expr:
    """Quantized numbers less what stands for zero, as another type."""
    wide = cast_to(_unfolded(x), dtype)
    return wide if _is_zero(zero_point) else wide - _operand(zero_point, dtype)


def _unfolded(x: Expr) -> Expr:
    """A stored tensor is kept in its own type, and no one of floats is made of it."""
    if x.op != "constant" or x.fact.size == 1:
        return x
    with originating(x.origin):
        return constant(x.attrs["ref"])


def _operand(zero_point: Expr | None, dtype: DType) -> Expr:
    assert zero_point is not None
    return cast_to(zero_point, dtype)


def _is_zero(zero_point: Expr | None) -> bool:
    """Whether zero stands for zero, as far as is known."""
    if zero_point is None:
        return True
    if zero_point.dtype.is_narrow_float:  # whose elements numpy does not know
        return zero_point.op == "constant" and not decoded(zero_point.attrs["ref"].numpy(), zero_point.dtype).any()
    known = zero_point.fact.value
    return zero_point.fact.fill == 0 or (known is not None and not known.any())


def _along(parameter: Expr, x: Expr, axis: int, block_size: int) -> Expr:
    """A scale or zero point such that it broadcasts against what it belongs to.

    Args:
        parameter: One number, one per position of the axis, or one per block of the axis.
        x: What it belongs to.
        axis: The axis.
        block_size: How many elements of the axis share one.
    """
    if parameter.fact.size == 1:
        return _scalar(parameter)
    if x.rank is None:
        raise UnknownRank(x)
    if parameter.rank is None:
        raise UnknownRank(parameter)
    if x.rank == 1 and not block_size:  # then axis does not count
        return parameter
    axis = normal(axis, x.rank)
    if not block_size:
        if parameter.rank > 1:
            raise NotApplicable(f"scales of rank {parameter.rank} without a block_size")
        behind = x.rank - axis - 1
        return parameter.reshape(-1, *(1,) * behind) if parameter.rank and behind else parameter
    if block_size < 0 or parameter.rank != x.rank:
        raise NotApplicable(f"blocks of {block_size} elements with scales of rank {parameter.rank}")
    spread = parameter.repeat_interleave(block_size, dim=axis)
    if spread.dims is not None and x.dims is not None and spread.dims[axis] == x.dims[axis]:
        return spread  # type: ignore[no-any-return]
    return index.slice(spread, axis, 0, x.shape[axis])  # type: ignore[no-any-return]


@op("DynamicQuantizeLinear", since=11)
def dynamic_quantize_linear(x: Expr) -> tuple[Expr, Expr, Expr]:
    return runtime.quantize_dynamically(x)  # type: ignore[no-any-return]


@op("MatMulInteger", since=10)
def matmul_integer(a: Expr, b: Expr, a_zero_point: Expr | None = None, b_zero_point: Expr | None = None) -> Expr:
    return as_int32(integer_product(a, b, a_zero_point, b_zero_point))


@op("QLinearMatMul", since=10)
def qlinear_matmul(
    a: Expr,
    a_scale: Expr,
    a_zero_point: Expr,
    b: Expr,
    b_scale: Expr,
    b_zero_point: Expr,
    y_scale: Expr,
    y_zero_point: Expr,
) -> Expr:
    total = integer_product(a, b, a_zero_point, b_zero_point)
    factor = _per_row(a_scale, a) * _scalar(b_scale) / _per_row(y_scale, a)
    return quantized(cast_to(total, factor.dtype) * factor, _per_row(y_zero_point, a), y_zero_point.dtype)


def integer_product(a: Expr, b: Expr, a_zero_point: Expr | None, b_zero_point: Expr | None) -> Expr:
    """The matrix product of quantized numbers less their zero points, exact, float64."""
    if a_zero_point is not None:
        a_zero_point = _per_row(a_zero_point, a)
    if b_zero_point is not None:
        b_zero_point = _scalar(b_zero_point)
    return shifted(a, a_zero_point, DType.FLOAT64) @ shifted(b, b_zero_point, DType.FLOAT64)


def _per_row(parameter: Expr, matrix: Expr) -> Expr:
    """One number, or one per row of a matrix, such that it broadcasts against the rows."""
    parameter = _scalar(parameter)
    return parameter.unsqueeze(-1) if parameter.rank == 1 and matrix.rank != 1 else parameter


def _scalar(parameter: Expr) -> Expr:
    """One number without dimensions; several stay as they are."""
    if parameter.fact.size != 1 or not parameter.rank:
        return parameter
    return parameter.flatten().squeeze(0) if parameter.rank > 1 else parameter.squeeze(0)  # type: ignore[no-any-return]


def as_int32(total: Expr) -> Expr:
    """A sum of integers as int32, which wraps around."""
    return total.to(DType.INT64).to(DType.INT32)  # type: ignore[no-any-return]


@op("ConvInteger", since=10)
def conv_integer(
    x: Expr,
    w: Expr,
    x_zero_point: Expr | None = None,
    w_zero_point: Expr | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Numbers = (),
    group: int = 1,
    kernel_shape: Numbers = (),
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    wide, kernel = _convolved(x, w, x_zero_point, w_zero_point)
    move = {"dilations": dilations, "group": group, "kernel_shape": kernel_shape, "pads": pads, "strides": strides}
    return as_int32(conv(wide, kernel, auto_pad=auto_pad, **move))


@op("QLinearConv", since=10)
def qlinear_conv(
    x: Expr,
    x_scale: Expr,
    x_zero_point: Expr,
    w: Expr,
    w_scale: Expr,
    w_zero_point: Expr,
    y_scale: Expr,
    y_zero_point: Expr,
    b: Expr | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Numbers = (),
    group: int = 1,
    kernel_shape: Numbers = (),
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    """The bias is quantized by the product of both scales, and zero stands for zero."""
    wide, kernel = _convolved(x, w, x_zero_point, w_zero_point)
    bias = None if b is None else b.to(DType.FLOAT64)
    move = {"dilations": dilations, "group": group, "kernel_shape": kernel_shape, "pads": pads, "strides": strides}
    total = conv(wide, kernel, bias, auto_pad=auto_pad, **move)
    factor = _scalar(x_scale) * _scalar(w_scale) / _scalar(y_scale)
    if factor.rank:
        if w.rank is None:
            raise UnknownRank(w)
        factor = factor.reshape(-1, *(1,) * (w.rank - 2))
    return quantized(cast_to(total, factor.dtype) * factor, _scalar(y_zero_point), y_zero_point.dtype)


def _convolved(x: Expr, w: Expr, x_zero_point: Expr | None, w_zero_point: Expr | None) -> tuple[Expr, Expr]:
    """An image and a kernel less their zero points, float64: what is put around the image is zero then."""
    if x_zero_point is not None:
        x_zero_point = _scalar(x_zero_point)
    if w_zero_point is not None:
        w_zero_point = _along(w_zero_point, w, 0, 0)
    return shifted(x, x_zero_point, DType.FLOAT64), shifted(w, w_zero_point, DType.FLOAT64)
