"""Convolutions."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim, product
from codegen_torch.facts import Fact, FactError, Size
from codegen_torch.symbols.base import symbol
from codegen_torch.symbols.demands import are_different, demand_shape, is_below
from codegen_torch.symbols.windows import spread, window_output

Tensor: TypeAlias = Fact
Ints: TypeAlias = int | tuple[int, ...]


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
        groups: Size = 1,
    ) -> Fact:
        return _convolved(x, weight, bias, count, stride, padding, dilation, groups)

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
        _check(x, weight, count, groups)
        if weight.dims is None:
            return Fact(x.dtype, None)
        call = "a transposed convolution"
        demand_shape(call, "bias", bias, weight.dims[1] * groups)
        if x.dims is None:
            return Fact(x.dtype, None)
        if are_different(x.dims[1], weight.dims[0]):
            raise FactError(f"{call} with weight {weight} on {x}")
        dims: list[Size] = [x.dims[0], weight.dims[1] * groups]
        settings = zip(*(spread(v, count) for v in (padding, stride, output_padding, dilation)), strict=True)
        for size, kernel, (pad, step, extra, gap) in zip(x.dims[2:], weight.dims[2:], settings, strict=True):
            dims.append((size - 1) * step - 2 * pad + gap * (kernel - 1) + extra + 1)
        if any(is_below(size, 1) for size in dims[2:]):
            raise FactError(f"{call} of {x} that leaves nothing")
        return Fact(x.dtype, tuple(dims))


def _check(x: Fact, weight: Fact, count: int, groups: Size) -> None:
    """Refuse other ranks than a convolution's, and groups that do not divide what they group."""
    if is_below(groups, 1):
        raise FactError(f"a convolution in {groups} groups")
    if not {x.rank, weight.rank} <= {None, count + 2}:
        raise FactError(f"a {count}-d convolution of {x} with {weight}")
    first = None if weight.dims is None else weight.dims[0]
    if isinstance(first, int) and isinstance(groups, int) and (first < 1 or first % groups):
        raise FactError(f"a convolution with weight {weight} and {groups} groups")


def _convolved(
    x: Fact,
    weight: Fact,
    bias: Fact | None,
    count: int,
    stride: Ints,
    padding: Ints | str,
    dilation: Ints,
    groups: Size,
) -> Fact:
    _check(x, weight, count, groups)
    if weight.dims is None:
        return Fact(x.dtype, None)
    demand_shape("a convolution", "bias", bias, weight.dims[0])
    if x.dims is None:
        return Fact(x.dtype, None)
    if are_different(x.dims[1], weight.dims[1] * groups):
        raise FactError(f"a convolution with weight {weight} and {groups} groups on {x}")
    if isinstance(padding, str):
        return Fact(x.dtype, (x.dims[0], weight.dims[0], *x.dims[2:]))
    dims: list[Size] = [x.dims[0], weight.dims[0]]
    settings = zip(spread(padding, count), spread(stride, count), spread(dilation, count), strict=True)
    for size, kernel, (pad, step, gap) in zip(x.dims[2:], weight.dims[2:], settings, strict=True):
        known = isinstance(kernel, int)
        dims.append(window_output(size, 2 * pad, kernel, step, gap) if known else Dim.fresh())  # type: ignore[arg-type]
    if any(is_below(size, 1) for size in dims[2:]):
        raise FactError(f"a convolution of {x} by {weight}, which is longer")
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
    return _convolved(x, weight, bias, len(stride), stride, 0, dilation, groups)


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
    _check(x, weight, len(stride), groups)
    if x.dims is None or weight.dims is None or offset.dims is None:
        return Fact(x.dtype, None)
    call = "a deformed convolution"
    taps = product(weight.dims[2:]) * offset_groups
    steps = offset.dims[2:] if offset.rank == len(stride) + 2 else (None,) * len(stride)
    demand_shape(call, "input", x, None, weight.dims[1] * groups, *(None for _ in stride))
    demand_shape(call, "offset", offset, x.dims[0], taps * len(stride), *steps)
    demand_shape(call, "bias", bias, weight.dims[0])
    demand_shape(call, "mask", mask, x.dims[0], taps, *steps)
    return Fact(x.dtype, (x.dims[0], weight.dims[0], *offset.dims[2:]))
