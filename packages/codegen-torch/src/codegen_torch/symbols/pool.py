"""Pooling."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim, Undecided
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, FactError, Facts, Size
from codegen_torch.symbols.base import size_of, sizes_of, symbol
from codegen_torch.symbols.demands import is_below
from codegen_torch.symbols.windows import spread, window_output

Tensor: TypeAlias = Fact
Ints: TypeAlias = int | tuple[int, ...]


def _register(count: int) -> None:
    @symbol(f"F.max_pool{count}d")
    def max_pool(
        x: Tensor,
        kernel_size: Ints,
        *,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        ceil_mode: bool = False,
    ) -> Fact:
        return _pooled(x, count, kernel_size, stride, padding, dilation, ceil_mode)

    @symbol(f"F.avg_pool{count}d")
    def avg_pool(
        x: Tensor,
        kernel_size: Ints,
        *,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> Fact:
        return _pooled(x, count, kernel_size, stride, padding, 1, ceil_mode)

    @symbol(f"F.lp_pool{count}d")
    def lp_pool(x: Tensor, norm_type: float, kernel_size: Ints, *, stride: Ints | None = None) -> Fact:
        return _pooled(x, count, kernel_size, stride, 0, 1, ceil_mode=False)

    @symbol(f"F.adaptive_avg_pool{count}d")
    def adaptive_avg_pool(x: Tensor, output_size: Ints) -> Fact:
        return Fact(x.dtype, None if x.dims is None else (*x.dims[:-count], *spread(output_size, count)))


def _pooled(
    x: Fact, count: int, kernel: Ints, stride: Ints | None, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Fact:
    if x.dims is None:
        return Fact(x.dtype, None)
    if len(x.dims) != count + 2:
        raise FactError(f"{count}-d pooling of {x}")
    settings = zip(
        *(spread(v, count) for v in (kernel, kernel if stride is None else stride, padding, dilation)), strict=True
    )
    dims: list[Size] = list(x.dims[:2])
    for size, (window, step, pad, gap) in zip(x.dims[2:], settings, strict=True):
        length = window_output(size, 2 * pad, window, step, gap, ceil_mode)
        if ceil_mode:
            try:
                if (length - 1) * step >= size + pad:  # the last window would start in the padding
                    length = length - 1
            except Undecided:
                length = Dim.fresh()
        dims.append(length)
    if any(is_below(size, 1) for size in dims[2:]):
        raise FactError(f"{count}-d pooling of {x} by a longer window")
    return Fact(x.dtype, tuple(dims))


for _count in (1, 2, 3):
    _register(_count)


@symbol("runtime.windows")
def windows(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Fact:
    if x.dims is None:
        return Fact(x.dtype, None)
    settings = zip(x.dims[2:], kernel, stride, dilation, strict=True)
    steps = [window_output(size, 0, width, step, gap) for size, width, step, gap in settings]
    if any(is_below(size, 1) for size in steps):
        raise FactError(f"a longer window of {x}")
    return Fact(x.dtype, (*x.dims[:2], *steps, *kernel))


@symbol("runtime.pad_same")
def pad_same(
    x: Tensor, span: tuple[Size, ...], stride: tuple[int, ...], *, lower: bool = False, value: float = 0.0
) -> Fact:
    if x.dims is None:
        return Fact(x.dtype, None)
    dims: list[Size] = list(x.dims[:2])
    for size, width, step in zip(x.dims[2:], map(size_of, span), stride, strict=True):
        dims.append(-(-size // step) * step - step + width)
    return Fact(x.dtype, tuple(dims))


@symbol("runtime.complete_windows")
def complete_windows(
    x: Tensor, after: tuple[int, ...], span: tuple[int, ...], stride: tuple[int, ...], value: float
) -> Fact:
    return Fact(x.dtype, None if x.dims is None else (*x.dims[:2], *(Dim.fresh() for _ in x.dims[2:])))


@symbol("runtime.cut_to")
def cut_to(x: Tensor, sizes: tuple[Size, ...], *, upper: bool = False) -> Fact:
    return Fact(x.dtype, None if x.dims is None else (*x.dims[:2], *map(size_of, sizes)))


@symbol("runtime.flat_indices")
def flat_indices(x: Tensor, *, column_major: bool = False) -> Fact:
    return Fact(DType.INT64, x.dims)


@symbol("runtime.max_pool_with_indices")
def max_pool_with_indices(
    x: Tensor, indices: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> Facts:
    seen = windows(x, kernel, stride, dilation)
    assert isinstance(seen, Fact)
    found = None if seen.dims is None else seen.dims[: -len(kernel)]
    return Fact(x.dtype, found), Fact(DType.INT64, found)


@symbol("runtime.max_unpool")
def max_unpool(x: Tensor, indices: Tensor, shape: tuple[Size, ...]) -> Fact:
    return Fact(x.dtype, sizes_of(shape))
