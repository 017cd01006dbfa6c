"""Quantized operators: each computes with the numbers that its inputs stand for, and quantizes the result."""

from __future__ import annotations

from codegen_torch.dims import product
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.lower.registry import NotApplicable
from codegen_torch.ops import activation
from codegen_torch.ops.contrib.domain import microsoft
from codegen_torch.ops.contrib.tensor import channels_first, channels_last
from codegen_torch.ops.pool import average_pool
from codegen_torch.ops.quantization import (
    dequantize_linear,
    dequantized,
    integer_product,
    qlinear_conv,
    quantize_linear,
    quantized,
    shifted,
)
from codegen_torch.ops.windows import Numbers
from codegen_torch.symbols.namespaces import F, runtime, torch

_TRIPLE = 3
"""A tensor comes with its scale and its zero point."""


@microsoft("QuantizeLinear")
def quantize(x: Expr, y_scale: Expr, y_zero_point: Expr | None = None, *, axis: int = 1) -> Expr:
    return quantize_linear(x, y_scale, y_zero_point, axis=axis)  # type: ignore[no-any-return]


@microsoft("DequantizeLinear")
def dequantize(x: Expr, x_scale: Expr, x_zero_point: Expr | None = None, *, axis: int = 1) -> Expr:
    return dequantize_linear(x, x_scale, x_zero_point, axis=axis)  # type: ignore[no-any-return]


def _real(x: Expr, scale: Expr, zero_point: Expr | None) -> Expr:
    return dequantized(x, scale, zero_point, scale.dtype)


@microsoft("QLinearAdd")
def qlinear_add(
    a: Expr,
    a_scale: Expr,
    a_zero_point: Expr | None,
    b: Expr,
    b_scale: Expr,
    b_zero_point: Expr | None,
    c_scale: Expr,
    c_zero_point: Expr | None = None,
) -> Expr:
    total = _real(a, a_scale, a_zero_point) + _real(b, b_scale, b_zero_point)
    return quantized(total / c_scale, c_zero_point, a.dtype)


@microsoft("QLinearMul")
def qlinear_mul(
    a: Expr,
    a_scale: Expr,
    a_zero_point: Expr | None,
    b: Expr,
    b_scale: Expr,
    b_zero_point: Expr | None,
    c_scale: Expr,
    c_zero_point: Expr | None = None,
) -> Expr:
    total = shifted(a, a_zero_point, a_scale.dtype) * shifted(b, b_zero_point, b_scale.dtype)
    return quantized(total * (a_scale * b_scale / c_scale), c_zero_point, a.dtype)


@microsoft("QLinearConcat")
def qlinear_concat(y_scale: Expr, y_zero_point: Expr, *inputs: Expr, axis: int) -> Expr:
    if not inputs or len(inputs) % _TRIPLE:
        raise NotApplicable("its inputs are not tensors with a scale and a zero point each")
    triples = (inputs[start : start + _TRIPLE] for start in range(0, len(inputs), _TRIPLE))
    parts = [quantized(_real(*triple) / y_scale, y_zero_point, y_zero_point.dtype) for triple in triples]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=axis)


@microsoft("QLinearLeakyRelu")
def qlinear_leaky_relu(
    x: Expr,
    x_scale: Expr,
    x_zero_point: Expr | None,
    y_scale: Expr,
    y_zero_point: Expr | None = None,
    *,
    alpha: float = 0.01,
) -> Expr:
    return quantized(F.leaky_relu(_real(x, x_scale, x_zero_point), alpha) / y_scale, y_zero_point, x.dtype)


@microsoft("QLinearSigmoid")
def qlinear_sigmoid(
    x: Expr, x_scale: Expr, x_zero_point: Expr | None, y_scale: Expr, y_zero_point: Expr | None = None
) -> Expr:
    return quantized(torch.sigmoid(_real(x, x_scale, x_zero_point)) / y_scale, y_zero_point, x.dtype)


@microsoft("QLinearSoftmax")
def qlinear_softmax(
    x: Expr,
    x_scale: Expr,
    x_zero_point: Expr | None,
    y_scale: Expr,
    y_zero_point: Expr | None = None,
    *,
    axis: int = -1,
    opset: int,
) -> Expr:
    """``opset`` tells which opset's Softmax is meant."""
    softmax = activation.softmax if opset >= 13 else activation.softmax_of_rows
    return quantized(softmax(_real(x, x_scale, x_zero_point), axis=axis) / y_scale, y_zero_point, x.dtype)


@microsoft("QLinearGlobalAveragePool")
def qlinear_global_average_pool(
    x: Expr, x_scale: Expr, x_zero_point: Expr, y_scale: Expr, y_zero_point: Expr, *, channels_last: int = 0
) -> Expr:
    """Sums of integers, which are exact, scaled once."""
    rank = len(x.shape)
    axes = tuple(range(1, rank - 1)) if channels_last else tuple(range(2, rank))
    total = shifted(x, x_zero_point, DType.INT32).sum(axes, keepdim=True)
    count = product(x.shape[axis] for axis in axes)  # type: ignore[misc]
    return quantized(total.to(x_scale.dtype) * (x_scale / (y_scale * count)), y_zero_point, x.dtype)


@microsoft("QLinearAveragePool")
def qlinear_average_pool(
    x: Expr,
    x_scale: Expr,
    x_zero_point: Expr | None,
    y_scale: Expr,
    y_zero_point: Expr | None = None,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    channels_last: int = 0,
    count_include_pad: int = 0,
    kernel_shape: Numbers,
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    y = average_pool(
        _first(_real(x, x_scale, x_zero_point), channels_last),
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )
    scaled = _back(y, channels_last) / y_scale
    if y_zero_point is not None:  # which ONNX Runtime adds before it rounds
        scaled = scaled + y_zero_point.to(scaled.dtype)
    return quantized(scaled, None, x.dtype)


def _first(x: Expr, is_last: int) -> Expr:
    return channels_first(x) if is_last else x


def _back(y: Expr, is_last: int) -> Expr:
    return channels_last(y) if is_last else y


@microsoft("QGemm")
def qgemm(
    a: Expr,
    a_scale: Expr,
    a_zero_point: Expr,
    b: Expr,
    b_scale: Expr,
    b_zero_point: Expr,
    c: Expr | None = None,
    y_scale: Expr | None = None,
    y_zero_point: Expr | None = None,
    *,
    alpha: float = 1.0,
    transA: int = 0,  # noqa: N803
    transB: int = 0,  # noqa: N803
) -> Expr:
    """The addend counts in units of the product's scale; without an output scale the result is no quantized one."""
    if transA:
        a = a.transpose(0, 1)
    if transB:
        b = b.transpose(0, 1)
    total = integer_product(a, b, a_zero_point, b_zero_point)
    if c is not None:
        total = total + c.to(DType.FLOAT64)
    factor = a_scale * b_scale if alpha == 1.0 else alpha * a_scale * b_scale
    if y_scale is None:
        return total.to(factor.dtype) * factor  # type: ignore[no-any-return]
    if y_zero_point is None:
        raise NotApplicable("the output has a scale but no zero point")
    return quantized(total.to(factor.dtype) * (factor / y_scale), y_zero_point, y_zero_point.dtype)


@microsoft("MatMulIntegerToFloat")
def matmul_integer_to_float(
    a: Expr,
    b: Expr,
    a_scale: Expr,
    b_scale: Expr,
    a_zero_point: Expr | None = None,
    b_zero_point: Expr | None = None,
    bias: Expr | None = None,
) -> Expr:
    y = integer_product(a, b, a_zero_point, b_zero_point).to(a_scale.dtype) * (a_scale * b_scale)
    return y if bias is None else y + bias  # type: ignore[no-any-return]


@microsoft("DynamicQuantizeMatMul")
def dynamic_quantize_matmul(
    a: Expr, b: Expr, b_scale: Expr, b_zero_point: Expr | None = None, bias: Expr | None = None
) -> Expr:
    """The first matrix is quantized between its extremes."""
    numbers, scale, zero_point = runtime.quantize_dynamically(a)
    return matmul_integer_to_float(numbers, b, scale, b_scale, zero_point, b_zero_point, bias)  # type: ignore[no-any-return]


@microsoft("QLinearConv")
def qlinear_conv_of_either_layout(
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
    channels_last: int = 0,
    dilations: Numbers = (),
    group: int = 1,
    kernel_shape: Numbers = (),
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    move = {"dilations": dilations, "group": group, "kernel_shape": kernel_shape, "pads": pads, "strides": strides}
    weight, output = (w, w_scale, w_zero_point), (y_scale, y_zero_point)
    y = qlinear_conv(_first(x, channels_last), x_scale, x_zero_point, *weight, *output, b, auto_pad=auto_pad, **move)
    return _back(y, channels_last)


@microsoft("QLinearWhere")
def qlinear_where(
    condition: Expr,
    x: Expr,
    x_scale: Expr,
    x_zero_point: Expr,
    y: Expr,
    y_scale: Expr,
    y_zero_point: Expr,
    z_scale: Expr,
    z_zero_point: Expr,
) -> Expr:
    chosen = torch.where(condition, _real(x, x_scale, x_zero_point), _real(y, y_scale, y_zero_point))
    return quantized(chosen / z_scale, z_zero_point, z_zero_point.dtype)
