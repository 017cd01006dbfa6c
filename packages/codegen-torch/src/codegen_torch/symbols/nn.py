"""Functional forms of layers: linear layers, normalization, attention, interpolation."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim, divide, product
from codegen_torch.facts import Fact, FactError, Size, broadcast, shape_text
from codegen_torch.symbols.attention import check_attention
from codegen_torch.symbols.base import size_of, sizes_of, symbol
from codegen_torch.symbols.demands import are_different, demand_rank, demand_shape, is_below
from codegen_torch.symbols.shape import normal
from codegen_torch.symbols.windows import spread, window_output

Tensor: TypeAlias = Fact
Ints: TypeAlias = int | tuple[int, ...]


@symbol("F.linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Fact:
    demand_rank("a linear layer", x, 1)
    demand_rank("a linear layer by a weight", weight, 2, 2)
    if weight.dims is None:
        return Fact(x.dtype, None)
    demand_shape("a linear layer", "bias", bias, weight.dims[0])
    if x.dims is None:
        return Fact(x.dtype, None)
    if are_different(x.dims[-1], weight.dims[1]):
        raise FactError(f"a linear layer with weight {weight} on {x}")
    return Fact(x.dtype, (*x.dims[:-1], weight.dims[0]))


@symbol("F.fold")
def fold(
    x: Tensor,
    output_size: tuple[Size, ...],
    kernel_size: tuple[Size, ...],
    *,
    dilation: Ints = 1,
    padding: Ints = 0,
    stride: Ints = 1,
) -> Fact:
    sizes, kernel = sizes_of(output_size), sizes_of(kernel_size)
    if sizes is not None and kernel is not None:
        ways = zip(*(spread(way, len(sizes)) for way in (padding, stride, dilation)), strict=True)
        steps = [_steps(*each) for each in zip(sizes, kernel, ways, strict=True)]
        demand_shape("an image of columns", "list of columns", x, None, None, product(steps))
    return _folded(x, output_size, kernel_size)


def _steps(size: Size, kernel: Size, way: tuple[int, ...]) -> Size:
    """How often a block fits, where that is known."""
    padding, stride, dilation = way
    if not isinstance(size, int) or not isinstance(kernel, int):
        return Dim.fresh()
    return window_output(size, 2 * padding, kernel, stride, dilation)


@symbol("runtime.col2im")
def col2im(
    x: Tensor,
    image: tuple[Size, ...],
    block: tuple[Size, ...],
    stride: tuple[int, ...] = (),
    dilation: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
) -> Fact:
    return _folded(x, image, block)


def _folded(x: Fact, image: tuple[Size, ...], block: tuple[Size, ...]) -> Fact:
    sizes, kernel = sizes_of(image), sizes_of(block)
    demand_rank("an image of columns", x, 3, 3)
    if any(is_below(size, 1) for size in (*(sizes or ()), *(kernel or ()))):
        raise FactError(f"an image of sizes {shape_text(sizes or ())} in blocks {shape_text(kernel or ())}")
    if sizes is None:
        return Fact(x.dtype, None)
    batch, channels, _ = (Dim.fresh(), Dim.fresh(), None) if x.dims is None else x.dims
    exact = None if kernel is None or x.dims is None else divide(channels, product(kernel))
    return Fact(x.dtype, (batch, Dim.fresh() if exact is None else exact, *sizes))


@symbol("F.batch_norm")
def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    training: bool = False,
    eps: float = 1e-5,
) -> Fact:
    statistics = {"mean": running_mean, "variance": running_var, "scale": weight, "bias": bias}
    _of_channels("a batch normalization", x, statistics)
    return Fact(x.dtype, x.dims)


def _of_channels(call: str, x: Fact, operands: dict[str, Fact | None]) -> None:
    """Refuse operands that are not a number for each channel."""
    demand_rank(call, x, 2)
    channels = None if x.dims is None else x.dims[1]
    for name, operand in operands.items():
        demand_shape(f"{call} of {x}", name, operand, channels)


@symbol("F.layer_norm")
def layer_norm(
    x: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    normalized_shape: tuple[int, ...],
    eps: float = 1e-5,
) -> Fact:
    """Printed with torch's order: ``F.layer_norm(x, normalized_shape, weight, bias, eps)``."""
    _of_last_dimensions("a layer normalization", x, normalized_shape, {"scale": weight, "bias": bias})
    return Fact(x.dtype, x.dims)


def _of_last_dimensions(call: str, x: Fact, sizes: tuple[int, ...], operands: dict[str, Fact | None]) -> None:
    """Refuse operands that are not a number for each element of the last dimensions, and other such dimensions."""
    demand_rank(call, x, len(sizes))
    if x.dims is not None and any(map(are_different, x.dims[len(x.dims) - len(sizes) :], sizes)):
        raise FactError(f"{call} of {x} over sizes {shape_text(sizes)}")
    for name, operand in operands.items():
        demand_shape(call, name, operand, *sizes)


@symbol("F.instance_norm")
def instance_norm(
    x: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    eps: float = 1e-5,
) -> Fact:
    _of_channels("an instance normalization", x, {"scale": weight, "bias": bias})
    return Fact(x.dtype, x.dims)


@symbol("F.group_norm")
def group_norm(
    x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, *, eps: float = 1e-5
) -> Fact:
    _of_channels("a group normalization", x, {"scale": weight, "bias": bias})
    channels = None if x.dims is None else x.dims[1]
    if num_groups < 1 or (isinstance(channels, int) and channels % num_groups):
        raise FactError(f"a group normalization of {x} in {num_groups} groups")
    return Fact(x.dtype, x.dims)


@symbol("F.rms_norm")
def rms_norm(
    x: Tensor, weight: Tensor | None = None, *, normalized_shape: tuple[int, ...], eps: float | None = None
) -> Fact:
    """Printed with torch's order: ``F.rms_norm(x, normalized_shape, weight, eps)``."""
    _of_last_dimensions("an RMS normalization", x, normalized_shape, {"scale": weight})
    return Fact(x.dtype, x.dims)


@symbol("F.local_response_norm")
def local_response_norm(x: Tensor, size: int, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Fact:
    demand_rank("a local response normalization", x, 3)
    if size < 1:
        raise FactError(f"a local response normalization over {size} channels")
    return Fact(x.dtype, x.dims)


@symbol("F.glu")
def glu(x: Tensor, *, dim: int = -1) -> Fact:
    if x.dims is None:
        return Fact(x.dtype, None)
    axis = normal(dim, len(x.dims))
    return Fact(x.dtype, (*x.dims[:axis], x.dims[axis] // 2, *x.dims[axis + 1 :]))


@symbol("F.scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Fact:
    check_attention(query, key, value, shares=enable_gqa)
    if query.dims is None or value.dims is None:
        return Fact(query.dtype, None)
    batch = query.dims[:-2] if enable_gqa or key.dims is None else broadcast(query.dims[:-2], key.dims[:-2])
    return Fact(query.dtype, (*(batch or ()), query.dims[-2], value.dims[-1]))


@symbol("F.interpolate")
def interpolate(
    x: Tensor,
    *,
    size: tuple[Size, ...] | None = None,
    scale_factor: float | tuple[float, ...] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Fact:
    if x.dims is None:
        return Fact(x.dtype, None)
    count = len(x.dims) - 2
    if size is not None:
        return Fact(x.dtype, (*x.dims[:2], *(size_of(length) for length in size)))
    if scale_factor is None:
        raise FactError("an interpolation without size or scale")
    factors = (scale_factor,) * count if isinstance(scale_factor, float | int) else scale_factor
    dims = list(x.dims[:2])
    for length, factor in zip(x.dims[2:], factors, strict=True):
        if float(factor).is_integer():
            dims.append(length * int(factor))
        else:
            dims.append(int(length * factor) if isinstance(length, int) else Dim.fresh())
    return Fact(x.dtype, tuple(dims))
