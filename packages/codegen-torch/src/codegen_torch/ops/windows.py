"""What convolutions and poolings share: a window that moves over the spatial dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from codegen_torch.expr import Expr
from codegen_torch.facts import Size
from codegen_torch.lower.registry import Int, NotApplicable
from codegen_torch.symbols.namespaces import F, runtime

Numbers = tuple[int, ...]
MOST = (1 << 31) - 1
"""torch counts no further than that."""


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
    def has_gaps(self) -> bool:
        """Whether the elements that the window sees lie apart."""
        return max(self.dilation) > 1

    @property
    def is_symmetric(self) -> bool:
        """Whether torch's own padding, the same number on both sides, does."""
        return self.before == self.after and min(self.before) >= 0


def window(kernel: Numbers, strides: Numbers, dilations: Numbers, pads: Numbers) -> Window:
    """Read the attributes that all operators with a window have.

    Raises:
        NotApplicable: They contradict each other.
    """
    count = len(kernel)
    strides = strides or (1,) * count
    dilations = dilations or (1,) * count
    pads = pads or (0,) * (2 * count)
    if not (len(strides) == len(dilations) == count and len(pads) == 2 * count):
        raise NotApplicable(f"kernel_shape, strides, dilations and pads do not all speak of {count} dimensions")
    if count == 0:
        raise NotApplicable("there is no spatial dimension")
    if min(kernel) < 1 or min(strides) < 1 or min(dilations) < 1:
        raise NotApplicable("kernel_shape, strides and dilations must be positive")
    if max(map(abs, (*kernel, *strides, *dilations, *pads))) > MOST:
        raise NotApplicable(f"kernel_shape, strides, dilations and pads are at most {MOST}")
    return Window(kernel, strides, dilations, pads[:count], pads[count:])


def is_automatic(auto_pad: str) -> bool:
    """Whether padding is made so that as many elements come out as go in, divided by the stride.

    Raises:
        NotApplicable: The value of the attribute is not known.
    """
    if auto_pad not in ("", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise NotApplicable(f"auto_pad {auto_pad!r} is not known")
    return auto_pad.startswith("SAME")


def automatic(x: Expr, move: Window, auto_pad: str) -> Window | None:
    """The window with the padding that ``auto_pad`` asks for; None where that is only known when the model runs.

    Raises:
        NotApplicable: More than one of the last elements may be in no window: some versions of ONNX then leave out
            the first ones as well, some refuse it.
    """
    if not is_automatic(auto_pad):
        return move if auto_pad != "VALID" else replace(move, before=_zeros(move), after=_zeros(move))
    sizes = (None,) * len(move.kernel) if x.dims is None else x.dims[2:]
    totals = [_same_padding(*each) for each in zip(sizes, move.spans, move.stride, strict=True)]
    known = [total for total in totals if total is not None]
    if len(known) < len(totals):
        return None
    before = tuple(max(total + (auto_pad == "SAME_LOWER"), 0) // 2 for total in known)
    after = tuple(total - first for total, first in zip(known, before, strict=True))
    return replace(move, before=before, after=after)


def _zeros(move: Window) -> Numbers:
    return (0,) * len(move.kernel)


def _same_padding(size: Size | None, span: int, stride: int) -> int | None:
    """How many elements it takes for ``ceil(size / stride)`` steps to fit (ONNX, "auto_pad")."""
    if stride == 1:
        return span - 1
    total = (-(-size // stride) - 1) * stride + span - size if isinstance(size, int) else None
    if span + 1 < stride and (total is None or total < -1):
        raise NotApplicable("versions of ONNX differ on auto_pad where the kernel is shorter than its step")
    return total


def padded_same(x: Expr, spans: Sequence[Int], stride: Numbers, auto_pad: str, value: float = 0.0) -> Expr:
    """Put elements before and after, how many is found out when the model runs."""
    return runtime.pad_same(x, tuple(spans), stride, lower=auto_pad == "SAME_LOWER", value=value)  # type: ignore[no-any-return]


def padded(x: Expr, before: Numbers, after: Numbers, value: float | None = None) -> Expr:
    """Put elements before and after the spatial dimensions."""
    sides = [side for pair in zip(reversed(before), reversed(after), strict=True) for side in pair]
    while sides and sides[-2:] == [0, 0]:
        del sides[-2:]
    if not sides:
        return x
    return F.pad(x, tuple(sides), value=value or None)  # type: ignore[no-any-return]


def brief(values: Numbers) -> int | Numbers:
    """One number where all are equal, as people write it."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def spatial_rank(x: Expr) -> int:
    """The number of dimensions behind batch and channels.

    Raises:
        UnknownRank: The rank is not known before the model runs.
    """
    return len(x.shape) - 2
