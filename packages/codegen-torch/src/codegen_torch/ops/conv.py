"""Convolutions."""

from __future__ import annotations

from dataclasses import replace

from codegen_torch.dims import same
from codegen_torch.expr import Expr, call
from codegen_torch.lower.registry import Context, Int, Ints, NotApplicable, op
from codegen_torch.ops.windows import Numbers, Window, automatic, brief, is_automatic, padded, padded_same, window
from codegen_torch.symbols.namespaces import F, index, runtime

Sizes = tuple[Int, ...]

MOST_DIMENSIONS = 3
"""Torch convolves over no more."""


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
    move = window(kernel or (1,) * _dimensions(x, w), strides, dilations, pads)
    exact = automatic(x, move, auto_pad)
    if exact is None or (kernel is None and is_automatic(auto_pad)):
        x, exact = padded_same(x, _spans(w, kernel, move), move.stride, auto_pad), _unpadded(move)
    elif not exact.is_symmetric:
        x, exact = padded(x, exact.before, exact.after), _unpadded(move)
    if len(move.kernel) > MOST_DIMENSIONS:
        x = padded(x, exact.before, exact.after)
        return runtime.convolve(x, w, b, move.stride, move.dilation, group)  # type: ignore[no-any-return]
    return call(
        f"F.conv{len(move.kernel)}d",
        x,
        w,
        b,
        stride=brief(move.stride),
        padding=brief(exact.before),
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
    context: Context,
) -> Expr:
    same = is_automatic(auto_pad)
    kernel = _kernel(w, kernel_shape)
    count = len(kernel) if kernel else _dimensions(x, w)
    move = window(kernel or (1,) * count, strides, dilations, pads)
    if auto_pad == "VALID":
        move = _unpadded(move)
    if count > MOST_DIMENSIONS:
        raise NotApplicable(f"torch has no transposed convolution over {count} dimensions")
    extra = output_padding or _zeros(move)
    if not same and not output_shape:
        return _cropped(x, w, b, move, extra, group)
    wanted: Sizes = output_shape[-count:] or tuple(n * step for n, step in zip(x.shape[2:], move.stride, strict=True))
    totals = [
        (size - 1) * step + span + more - length
        for size, step, span, more, length in zip(
            x.shape[2:], move.stride, _spans(w, kernel, move), extra, wanted, strict=True
        )
    ]
    known = tuple(total for total in totals if isinstance(total, int))
    if same and min(known, default=0) < 0:
        raise NotApplicable("versions of ONNX differ on auto_pad where the kernel is shorter than its step")
    if context.opset < 11 and not same and not (len(known) == count and all(total % 2 == 0 for total in known)):
        raise NotApplicable("before opset 11 it is not clear on which side an odd padding for output_shape goes")
    upper = auto_pad == "SAME_UPPER"
    if len(known) == count:
        return _cropped(x, w, b, *_halved(move, extra, known, upper), group)
    y = runtime.cut_to(_transposed(x, w, None, move, _zeros(move), extra, group), tuple(wanted), upper=upper)
    return y if b is None else y + b.reshape(-1, *(1,) * count)  # type: ignore[no-any-return]


def _halved(move: Window, extra: Numbers, totals: Numbers, upper: bool) -> tuple[Window, Numbers]:
    """Of what the whole of the output has too much, half is cut off on each side; what it lacks is put behind."""
    extra = tuple(more + max(-total, 0) for more, total in zip(extra, totals, strict=True))
    less = tuple(max(total, 0) // 2 for total in totals)
    more = tuple(max(total, 0) - half for total, half in zip(totals, less, strict=True))
    before, after = (less, more) if upper else (more, less)
    return replace(move, before=before, after=after), extra


def _cropped(x: Expr, w: Expr, b: Expr | None, move: Window, extra: Numbers, group: int) -> Expr:
    """The transposed convolution without the padding, of which torch cuts off as much on both sides."""
    both = tuple(min(sides) for sides in zip(move.before, move.after, strict=True))
    if min(both) < 0:
        raise NotApplicable("negative pads of a transposed convolution are not supported")
    y = _transposed(x, w, b, move, both, extra, group)
    for axis, (first, last, common) in enumerate(zip(move.before, move.after, both, strict=True), start=2):
        if first != last:
            y = index.slice(y, axis, first - common, common - last or None)
    return y


def _transposed(x: Expr, w: Expr, b: Expr | None, move: Window, padding: Numbers, extra: Numbers, group: int) -> Expr:
    for more, stride, gap in zip(extra, move.stride, move.dilation, strict=True):
        if not 0 <= more < max(stride, gap):
            raise NotApplicable(f"output_padding {more} is not below the stride or the dilation")
    return call(
        f"F.conv_transpose{len(move.kernel)}d",
        x,
        w,
        b,
        stride=brief(move.stride),
        padding=brief(padding),
        output_padding=brief(extra),
        groups=group,
        dilation=brief(move.dilation),
    )


def _zeros(move: Window) -> Numbers:
    return (0,) * len(move.kernel)


def _unpadded(move: Window) -> Window:
    return replace(move, before=_zeros(move), after=_zeros(move))


def _kernel(w: Expr, kernel_shape: Numbers) -> Numbers | None:
    """The kernel's sizes, of which the weight's shape and the attribute tell; None where neither does."""
    sizes = None if w.dims is None else w.dims[2:]
    if sizes is None or not all(isinstance(size, int) for size in sizes):
        return kernel_shape or None
    if kernel_shape and kernel_shape != sizes:
        raise NotApplicable(f"kernel_shape {list(kernel_shape)} contradicts the weight {w.fact}")
    return sizes  # type: ignore[return-value]


def _dimensions(x: Expr, w: Expr) -> int:
    """The number of spatial dimensions, where the kernel's shape does not tell it."""
    rank = w.rank or x.rank
    if rank is None:
        raise NotApplicable("the kernel's shape is only known when the model runs")
    return rank - 2


def _spans(w: Expr, kernel: Numbers | None, move: Window) -> Sizes:
    """How many elements lie between the first and the last that the window sees, both included."""
    if kernel is not None:
        return move.spans
    return tuple((size - 1) * gap + 1 for size, gap in zip(w.shape[2:], move.dilation, strict=True))


@op("DeformConv", since=19)
def deform_conv(
    x: Expr,
    w: Expr,
    offset: Expr,
    b: Expr | None = None,
    mask: Expr | None = None,
    *,
    dilations: Numbers = (),
    group: int = 1,
    kernel_shape: Numbers = (),
    offset_group: int = 1,
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    kernel = _kernel(w, kernel_shape) or (1,) * _dimensions(x, w)
    move = window(kernel, strides, dilations, pads)  # the size of the offsets tells what follows from the last pads
    return runtime.deform_conv(  # type: ignore[no-any-return]
        x,
        w,
        offset,
        b,
        mask,
        stride=move.stride,
        padding=move.before,
        dilation=move.dilation,
        groups=group,
        offset_groups=offset_group,
    )


@op("Col2Im", since=18)
def col2im(
    x: Expr,
    image_shape: Ints,
    block_shape: Ints,
    *,
    dilations: Numbers = (),
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    count = len(image_shape)
    if len(block_shape) != count:
        raise NotApplicable(f"{count} sizes of the image and {len(block_shape)} of the block")
    move = window((1,) * count, strides, dilations, pads)
    if count != 2 or not move.is_symmetric:
        return runtime.col2im(x, tuple(image_shape), tuple(block_shape), move.stride, move.dilation, pads)  # type: ignore[no-any-return]
    return F.fold(  # type: ignore[no-any-return]
        x,
        tuple(image_shape),
        tuple(block_shape),
        dilation=brief(move.dilation),
        padding=brief(move.before),
        stride=brief(move.stride),
    )


@op("Col2Im", since=18)
def col2im_of_any_rank(
    x: Expr,
    image_shape: Expr,
    block_shape: Expr,
    *,
    dilations: Numbers = (),
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    if image_shape.dims and block_shape.dims and same(image_shape.dims[0], block_shape.dims[0]) is False:
        raise NotApplicable("the image and the block have different ranks")
    image, block = call("host.tolist", image_shape), call("host.tolist", block_shape)
    return runtime.col2im(x, image, block, strides, dilations, pads)  # type: ignore[no-any-return]
