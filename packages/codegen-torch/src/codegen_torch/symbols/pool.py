"""Pooling."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim, Undecided
from codegen_torch.facts import Fact, Size
from codegen_torch.symbols.base import FactError, symbol
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
    return Fact(x.dtype, tuple(dims))


for _count in (1, 2, 3):
    _register(_count)
