"""Convolutions."""

from __future__ import annotations

from codegen_torch.expr import Expr, call
from codegen_torch.lower.registry import NotApplicable, op
from codegen_torch.ops.windows import Numbers, brief, padded, window
from codegen_torch.symbols.namespaces import index


@op("Conv", since=1)
def conv(
    x: Expr,
    w: Expr,
    b: Expr | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Numbers = (),
    group: int = 1,
    kernel_shape: Numbers = (),
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    kernel = _kernel(w, kernel_shape)
    move = window(x, kernel, strides, dilations, pads, auto_pad)
    padding = move.before
    if not move.is_symmetric:
        x = padded(x, move.before, move.after)
        padding = (0,) * len(kernel)
    return call(
        f"F.conv{_dimensions(kernel)}d",
        x,
        w,
        b,
        stride=brief(move.stride),
        padding=brief(padding),
        dilation=brief(move.dilation),
        groups=group,
    )


@op("ConvTranspose", since=1)
def conv_transpose(
    x: Expr,
    w: Expr,
    b: Expr | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Numbers = (),
    group: int = 1,
    kernel_shape: Numbers = (),
    output_padding: Numbers = (),
    output_shape: Numbers = (),
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    kernel = _kernel(w, kernel_shape)
    explicit = auto_pad in ("", "NOTSET", "VALID")
    move = window(x, kernel, strides, dilations, pads, auto_pad if explicit else "NOTSET")
    extra = output_padding or (0,) * len(kernel)
    before, after = move.before, move.after
    if output_shape or not explicit:
        # What the whole of the output has beyond the wanted shape is cut off, half of it on each side.
        rest = _rest(x, move.spans, move.stride, extra, output_shape[-len(kernel) :])
        extra = tuple(more + max(-total, 0) for more, total in zip(extra, rest, strict=True))
        if any(total > 0 and total % 2 for total in rest) and auto_pad not in ("SAME_UPPER", "SAME_LOWER"):
            raise NotApplicable("versions of ONNX differ on which side an odd padding for output_shape goes")
        less = tuple(max(total, 0) // 2 for total in rest)
        more = tuple(max(total, 0) - half for total, half in zip(rest, less, strict=True))
        before, after = (more, less) if auto_pad == "SAME_LOWER" else (less, more)
    for more_, stride, gap in zip(extra, move.stride, move.dilation, strict=True):
        if not 0 <= more_ < max(stride, gap):
            raise NotApplicable(f"output_padding {more_} is not below the stride or the dilation")
    both = tuple(min(sides) for sides in zip(before, after, strict=True))
    if min(both) < 0:
        raise NotApplicable("negative pads of a transposed convolution are not supported")
    y = call(
        f"F.conv_transpose{_dimensions(kernel)}d",
        x,
        w,
        b,
        stride=brief(move.stride),
        padding=brief(both),
        output_padding=brief(extra),
        groups=group,
        dilation=brief(move.dilation),
    )
    for axis, (first, last, common) in enumerate(zip(before, after, both, strict=True), start=2):
        if first != last:
            y = index.slice(y, axis, first - common, common - last or None)
    return y


def _rest(x: Expr, spans: Numbers, strides: Numbers, extra: Numbers, wanted: Numbers) -> list[int]:
    """How much longer each dimension of the whole output is than wanted: by default, than size times stride."""
    result: list[int] = []
    for axis, (span, stride, more) in enumerate(zip(spans, strides, extra, strict=True)):
        if not wanted:
            result.append(span + more - stride)
            continue
        size = None if x.dims is None else x.dims[2 + axis]
        if not isinstance(size, int):
            raise NotApplicable("output_shape with a size that is only known when the model runs")
        result.append((size - 1) * stride + span + more - wanted[axis])
    return result


def _kernel(w: Expr, kernel_shape: Numbers) -> Numbers:
    """The kernel's sizes, of which the weight's shape and the attribute tell."""
    sizes = None if w.dims is None else w.dims[2:]
    if sizes is None or not all(isinstance(size, int) for size in sizes):
        if not kernel_shape:
            raise NotApplicable("the kernel's shape is only known when the model runs")
        return kernel_shape
    if kernel_shape and kernel_shape != sizes:
        raise NotApplicable(f"kernel_shape {list(kernel_shape)} contradicts the weight {w.fact}")
    return sizes  # type: ignore[return-value]


def _dimensions(kernel: Numbers) -> int:
    if len(kernel) > 3:
        raise NotApplicable(f"torch has no convolution over {len(kernel)} dimensions")
    return len(kernel)
