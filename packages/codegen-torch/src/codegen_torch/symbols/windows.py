"""Arithmetic of sliding windows, shared by convolutions and pooling."""

from __future__ import annotations

from codegen_torch.facts import Size


def spread(value: int | tuple[int, ...], count: int) -> tuple[int, ...]:
    """A number for each spatial dimension, from one for all of them or a tuple."""
    return (value,) * count if isinstance(value, int) else value


def window_output(size: Size, padding: Size, kernel: int, stride: int, dilation: int, ceil_mode: bool = False) -> Size:
    """How often a window fits: ``(size + padding - dilation (kernel - 1) - 1) // stride + 1``.

    With ``ceil_mode`` torch rounds up, but drops a last window that would start in the padding; that case is
    left to the caller where it matters.
    """
    span = size + padding - dilation * (kernel - 1) - 1
    return (-(-span // stride) if ceil_mode else span // stride) + 1
