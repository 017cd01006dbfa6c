"""The part of a file of kernels that products with packed weights need."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from codegen_torch.kernels.templates.fused import (
    FLOATS,
    can_run,
    constexpr,
    jit,
    power_of_two,
    run,
    tl,
)


def launch_product(
    kernel: Any,
    reference: Callable[..., Any],
    *arguments: Any,
    bits: int,
    by_rows: bool,
    block: int | None,
    inputs: int | None,
) -> Any:
    """Compute a product with a packed weight by a kernel, or by the reference where the kernel cannot.

    Args:
        kernel: Takes pointers and strides, or numbers, then the sizes (the last is that of the weight's bytes along the
            inputs) and the tile.
        reference: The torch function. It takes x, weight, and perhaps zero, scale and bias.
        arguments: What the operator was given.
        bits: How many a number has.
        by_rows: Whether a row of the weight is an output, and not an input.
        block: How many inputs share a scale; None where all do.
        inputs: How many there are; None where they fill the weight's bytes.
    """
    values = dict(zip(reference.__annotations__, arguments, strict=False))
    x, weight = values["x"], values["weight"].flatten(1)
    columns, room = weight.shape if by_rows else weight.shape[::-1]
    inputs = inputs or room * 8 // bits
    rows = x.numel() // max(inputs, 1)
    tensors = [each for each in arguments if isinstance(each, Tensor)]
    if (
        x.dim() == 0
        or x.shape[-1] != inputs
        or x.dtype not in FLOATS
        # A product of many float32 rows takes longer than its weight, and cuBLAS is good at it.
        or (x.dtype == torch.float32 and rows > 64)
        or any(each.dtype in FLOATS and each.dtype != x.dtype for each in tensors)
        or not can_run((rows, columns, inputs), tensors)
    ):
        return reference(*arguments)
    values |= {"x": x.reshape(-1, inputs), "weight": weight}
    given: list[Any] = [
        torch.empty((*x.shape[:-1], columns), dtype=x.dtype, device=x.device)
    ]
    for name in ("x", "weight", "zero", "scale", "bias"):
        value = values.get(name)
        if isinstance(value, Tensor):
            given += [value, strides_of(value, by_rows and name != "x")]
        elif value is not None:
            given.append(value)
    height, width, depth, warps = tile_of_product(rows, x.dtype)
    block = block or depth
    fast = torch.backends.cuda.matmul.allow_tf32
    tiles = (
        height,
        width,
        depth,
        block,
        max(depth // block, 1),
        "tf32" if fast else "ieee",
    )
    programs = -(-rows // height) * -(-columns // width)
    run(kernel, programs, given, (rows, columns, inputs, room, *tiles), warps)
    return given[0]


def strides_of(matrix: Tensor, by_rows: bool) -> Sequence[int]:
    """The strides of inputs and outputs; 0 for inputs that share everything."""
    if matrix.dim() == 1:
        return 0, matrix.stride(0)
    first, second = matrix.stride()
    if by_rows:
        return (0 if matrix.shape[1] == 1 else second), first
    return (0 if matrix.shape[0] == 1 else first), second


def tile_of_product(rows: int, dtype: torch.dtype) -> tuple[int, int, int, int]:
    """How many rows and columns a program computes, from how many inputs at a time, and by how many warps.

    Up to 16 rows the weight's bytes are what takes the time: narrow tiles keep all of a GPU busy. For float32, whose
    products Triton rounds to tf32 where a tile has 64 rows on Blackwell, tiles stay low.
    """
    if dtype == torch.float32:
        return 16, 32, 64, 4
    if rows <= 16:
        return 16, 32, 128, 4
    return min(power_of_two(rows), 64), 64, 64, 4


def unpack_uint4(packed: Tensor, dim: int) -> Tensor:
    """The numbers of four bits that bytes hold along a dimension, the lower one first."""
    return torch.stack([packed & 15, packed >> 4], dim + 1).flatten(dim, dim + 1)


def unpack_int4(packed: Tensor, dim: int) -> Tensor:
    """The signed numbers of four bits that bytes hold along a dimension, the lower one first."""
    return (unpack_uint4(packed, dim) ^ 8).to(torch.int8) - 8


@jit
def part(pointer, strides, row, column, rows, columns):
    """A tile of a matrix, zero outside."""
    inside = (row < rows) & (column < columns)
    return tl.load(pointer + row * strides[0] + column * strides[1], inside, 0)


@jit
def repeated(values, SIZE: constexpr):
    """Each row again and again, such that there are so many."""
    COUNT: constexpr = values.shape[0]
    COLUMNS: constexpr = values.shape[1]
    values = tl.broadcast_to(values[:, None, :], (COUNT, SIZE // COUNT, COLUMNS))
    return values.reshape(SIZE, COLUMNS)
