"""Weights of 2, 4 or 8 bits, several to a byte, which stay packed until they are used."""

from __future__ import annotations

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, UnknownRank
from codegen_torch.lower.registry import NotApplicable
from codegen_torch.ops.contrib.domain import microsoft
from codegen_torch.ops.quantization import dequantized
from codegen_torch.symbols.namespaces import F, index, runtime
from codegen_torch.symbols.shape import normal

WIDTHS = (2, 4, 8)


@microsoft("MatMulNBits")
def matmul_nbits(
    a: Expr,
    b: Expr,
    scales: Expr,
    zero_points: Expr | None = None,
    g_idx: Expr | None = None,
    bias: Expr | None = None,
    *,
    K: int,  # noqa: N803
    N: int,  # noqa: N803
    accuracy_level: int = 0,
    bits: int = 4,
    block_size: int,
    weight_prepacked: int = 0,
) -> Expr:
    """``accuracy_level`` allows ONNX Runtime to round the input; here it never is."""
    if bits not in WIDTHS:
        raise NotApplicable(f"weights of {bits} bits")
    if weight_prepacked:
        raise NotApplicable("weights in a layout of one kind of GPU")
    if b.dims is None or b.dims[0] == 0:
        raise NotApplicable("an omitted weight")
    blocks = -(-K // block_size)
    if zero_points is not None:
        zero_points = _matrix(zero_points, N, -(-blocks * bits // 8) if zero_points.dtype is DType.UINT8 else blocks)
    weight = runtime.dequantize_blocks(b, _matrix(scales, N, blocks), zero_points, g_idx, bits=bits, features=K)
    return F.linear(a, weight, bias)  # type: ignore[no-any-return]


def _matrix(x: Expr, rows: int, columns: int) -> Expr:
    """A parameter of all blocks, which older files keep flat."""
    return x if x.rank == 2 else x.reshape(rows, columns)


@microsoft("GatherBlockQuantized")
def gather_block_quantized(
    data: Expr,
    indices: Expr,
    scales: Expr,
    zero_points: Expr | None = None,
    *,
    bits: int = 4,
    block_size: int = 128,
    gather_axis: int = 0,
    quantize_axis: int = 1,
) -> Expr:
    """Rows are picked first, then those alone are dequantized."""
    if data.rank is None:
        raise UnknownRank(data)
    gather, blocked = normal(gather_axis, data.rank), normal(quantize_axis, data.rank)
    packed = data.dtype is DType.UINT8
    if gather == blocked:
        raise NotApplicable("rows are picked along the axis of the blocks")
    if packed and bits not in WIDTHS:
        raise NotApplicable(f"weights of {bits} bits")
    picked, own_scales = index.take(data, indices, gather), _picked(scales, indices, gather)
    zeros = None if zero_points is None else _picked(zero_points, indices, gather)
    if indices.rank is None:
        raise UnknownRank(indices)
    axis = blocked + indices.rank - 1 if blocked > gather else blocked
    if packed and bits < 8:
        picked = runtime.unpack_bits(picked, bits=bits)
        zeros = (
            None
            if zeros is None
            else index.slice(runtime.unpack_bits(zeros, bits=bits), axis, 0, own_scales.shape[axis])
        )
    scale = _spread(own_scales, picked, axis, block_size)
    if packed and zeros is None:
        return (picked.to(scale.dtype) - 2 ** (bits - 1)) * scale  # type: ignore[no-any-return]
    zero = None if zeros is None else _spread(zeros, picked, axis, block_size)
    return dequantized(picked, scale, zero, scales.dtype)


def _picked(parameter: Expr, indices: Expr, axis: int) -> Expr:
    """The rows of a parameter; one row that stands for all is repeated."""
    if parameter.dims is not None and parameter.dims[axis] == 1:
        indices = indices * 0
    return index.take(parameter, indices, axis)  # type: ignore[no-any-return]


def _spread(parameter: Expr, x: Expr, axis: int, block_size: int) -> Expr:
    """A block's parameter for each of its elements."""
    if not block_size:
        return parameter
    spread = parameter.repeat_interleave(block_size, axis)
    if spread.dims is not None and x.dims is not None and spread.dims[axis] == x.dims[axis]:
        return spread  # type: ignore[no-any-return]
    return index.slice(spread, axis, 0, x.shape[axis])  # type: ignore[no-any-return]
