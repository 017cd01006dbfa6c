"""What convolutions and poolings share: a window that moves over the spatial dimensions."""

from __future__ import annotations

from dataclasses import dataclass

from codegen_torch.expr import Expr
from codegen_torch.lower.registry import NotApplicable
from codegen_torch.symbols.namespaces import F

Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """A window's shape and way, one number per spatial dimension.

    Attributes:
        kernel: How many elements the window sees.
        stride: How far it moves.
        dilation: How far the elements it sees lie apart.
        before: How many elements are put before the first one.
        after: And after the last one.
    """

    kernel: Numbers
    stride: Numbers
    dilation: Numbers
    before: Numbers
    after: Numbers

    @property
    def spans(self) -> Numbers:
        """How many elements lie between the first and the last that the window sees, both included."""
        return tuple((kernel - 1) * gap + 1 for kernel, gap in zip(self.kernel, self.dilation, strict=True))

    @property
    def is_symmetric(self) -> bool:
        """Whether torch's own padding, the same number on both sides, does."""
        return self.before == self.after and min(self.before) >= 0


def window(x: Expr, kernel: Numbers, strides: Numbers, dilations: Numbers, pads: Numbers, auto_pad: str) -> Window:
    """Read the attributes that all operators with a window have.

    Raises:
        NotApplicable: The padding depends on sizes that are only known when the model runs.
    """
    count = len(kernel)
    strides = strides or (1,) * count
    dilations = dilations or (1,) * count
    pads = pads or (0,) * (2 * count)
    if not (len(strides) == len(dilations) == count and len(pads) == 2 * count):
        raise NotApplicable(f"kernel_shape, strides, dilations and pads do not all speak of {count} dimensions")
    if count == 0:
        raise NotApplicable("there is no spatial dimension")
    if min(strides) < 1 or min(dilations) < 1:
        raise NotApplicable("strides and dilations must be positive")
    if auto_pad in ("", "NOTSET"):
        return Window(kernel, strides, dilations, pads[:count], pads[count:])
    before, after = (0,) * count, (0,) * count
    result = Window(kernel, strides, dilations, before, after)
    if auto_pad == "VALID":
        return result
    if auto_pad not in ("SAME_UPPER", "SAME_LOWER"):
        raise NotApplicable(f"auto_pad {auto_pad!r} is not known")
    totals = [
        _same_padding(x, axis, span, stride)
        for axis, (span, stride) in enumerate(zip(result.spans, strides, strict=True), start=2)
    ]
    less = tuple(total // 2 for total in totals)
    more = tuple(total - half for total, half in zip(totals, less, strict=True))
    if auto_pad == "SAME_UPPER":
        return Window(kernel, strides, dilations, less, more)
    return Window(kernel, strides, dilations, more, less)


def _same_padding(x: Expr, axis: int, span: int, stride: int) -> int:
    """How many elements it takes for ``ceil(size / stride)`` steps to fit (ONNX, "auto_pad")."""
    if stride == 1:
        return span - 1
    size = None if x.dims is None else x.dims[axis]
    if not isinstance(size, int):
        raise NotApplicable("auto_pad with strides depends on a size that is only known when the model runs")
    steps = -(-size // stride)
    return max((steps - 1) * stride + span - size, 0)


def padded(x: Expr, before: Numbers, after: Numbers, value: float | None = None) -> Expr:
    """Put elements before and after the spatial dimensions."""
    sides = [side for pair in zip(reversed(before), reversed(after), strict=True) for side in pair]
    while sides and sides[-2:] == [0, 0]:
        del sides[-2:]
    if not sides:
        return x
    return F.pad(x, tuple(sides), value=value)  # type: ignore[no-any-return]


def brief(values: Numbers) -> int | Numbers:
    """One number where all are equal, as people write it."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def spatial_rank(x: Expr) -> int:
    """The number of dimensions behind batch and channels.

    Raises:
        UnknownRank: The rank is not known before the model runs.
    """
    return len(x.shape) - 2
