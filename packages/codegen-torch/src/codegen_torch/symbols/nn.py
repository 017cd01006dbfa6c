"""Functional forms of layers: convolution, pooling, normalization, attention, interpolation."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim, divide, product, same
from codegen_torch.facts import Fact, FactError, Size, broadcast
from codegen_torch.symbols.base import size_of, sizes_of, symbol
from codegen_torch.symbols.windows import spread, window_output

Tensor: TypeAlias = Fact
Ints: TypeAlias = int | tuple[int, ...]


@symbol("F.linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Fact:
    if x.dims is None or weight.dims is None:
        return Fact(x.dtype, None)
    if same(x.dims[-1], weight.dims[1]) is False:
        raise FactError(f"a linear layer with weight {weight} on {x}")
    return Fact(x.dtype, (*x.dims[:-1], weight.dims[0]))


def _register_conv(count: int) -> None:
    @symbol(f"F.conv{count}d")
    def conv(
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        *,
        stride: Ints = 1,
        padding: Ints | str = 0,
        dilation: Ints = 1,
        groups: int = 1,
    ) -> Fact:
        return _convolved(x, weight, count, stride, padding, dilation, groups)

    @symbol(f"F.conv_transpose{count}d")
    def conv_transpose(
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        *,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        dilation: Ints = 1,
    ) -> Fact:
        if weight.dims is None or x.dims is None:
            return Fact(x.dtype, None)
        dims: list[Size] = [x.dims[0], weight.dims[1] * groups]
        settings = zip(*(spread(v, count) for v in (padding, stride, output_padding, dilation)), strict=True)
        for size, kernel, (pad, step, extra, gap) in zip(x.dims[2:], weight.dims[2:], settings, strict=True):
            dims.append((size - 1) * step - 2 * pad + gap * (kernel - 1) + extra + 1)
        return Fact(x.dtype, tuple(dims))


def _convolved(
    x: Fact, weight: Fact, count: int, stride: Ints, padding: Ints | str, dilation: Ints, groups: int
) -> Fact:
    if weight.dims is None:
        return Fact(x.dtype, None)
    if len(weight.dims) != count + 2 or (x.dims is not None and len(x.dims) != count + 2):
        raise FactError(f"a {count}-d convolution of {x} with {weight}")
    if x.dims is None:
        return Fact(x.dtype, None)
    if same(x.dims[1], weight.dims[1] * groups) is False:
        raise FactError(f"a convolution with weight {weight} and {groups} groups on {x}")
    if isinstance(padding, str):
        return Fact(x.dtype, (x.dims[0], weight.dims[0], *x.dims[2:]))
    dims: list[Size] = [x.dims[0], weight.dims[0]]
    settings = zip(spread(padding, count), spread(stride, count), spread(dilation, count), strict=True)
    for size, kernel, (pad, step, gap) in zip(x.dims[2:], weight.dims[2:], settings, strict=True):
        known = isinstance(kernel, int)
        dims.append(window_output(size, 2 * pad, kernel, step, gap) if known else Dim.fresh())  # type: ignore[arg-type]
    return Fact(x.dtype, tuple(dims))


for _count in (1, 2, 3):
    _register_conv(_count)


@symbol("runtime.convolve")
def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Fact:
    return _convolved(x, weight, len(stride), stride, 0, dilation, groups)


@symbol("runtime.deform_conv")
def deform_conv(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    *,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int = 1,
    offset_groups: int = 1,
) -> Fact:
    if x.dims is None or weight.dims is None or offset.dims is None:
        return Fact(x.dtype, None)
    return Fact(x.dtype, (x.dims[0], weight.dims[0], *offset.dims[2:]))


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
    return _folded(x, output_size, kernel_size)


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
    return Fact(x.dtype, x.dims)


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
    return Fact(x.dtype, x.dims)


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
    return Fact(x.dtype, x.dims)


@symbol("F.group_norm")
def group_norm(
    x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, *, eps: float = 1e-5
) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("F.rms_norm")
def rms_norm(
    x: Tensor, weight: Tensor | None = None, *, normalized_shape: tuple[int, ...], eps: float | None = None
) -> Fact:
    """Printed with torch's order: ``F.rms_norm(x, normalized_shape, weight, eps)``."""
    return Fact(x.dtype, x.dims)


@symbol("F.local_response_norm")
def local_response_norm(x: Tensor, size: int, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("F.glu")
def glu(x: Tensor, *, dim: int = -1) -> Fact:
    if x.dims is None:
        return Fact(x.dtype, None)
    axis = dim % len(x.dims)
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
