"""Elements around a tensor, added or cut off."""

from __future__ import annotations

from typing import Any

from codegen_torch.expr import Expr, UnknownRank
from codegen_torch.facts import FactError
from codegen_torch.lower.registry import Const, Ints, NotApplicable, op
from codegen_torch.symbols.base import size_of
from codegen_torch.symbols.namespaces import F, host, runtime
from codegen_torch.symbols.shape import normal

_MODES = frozenset({"constant", "reflect", "edge", "wrap"})


@op("Pad", since=1, until=1)
def pad_by_paddings(x: Expr, *, paddings: tuple[int, ...], mode: str = "constant", value: float = 0.0) -> Expr:
    return padded(x, paddings, mode, value)


@op("Pad", since=2, until=10)
def pad_by_attributes(x: Expr, *, pads: tuple[int, ...], mode: str = "constant", value: float = 0.0) -> Expr:
    return padded(x, pads, mode, value)


@op("Pad", since=11)
def pad(
    x: Expr, pads: Ints, value: Expr | None = None, axes: Const[Ints] | None = None, *, mode: str = "constant"
) -> Expr:
    if axes is not None:
        if x.rank is None:
            raise UnknownRank(x)
        if len(pads) != 2 * len(axes):
            raise FactError(f"a padding by {len(pads)} pads for {len(axes)} axes")
        spread: list[Any] = [0] * (2 * x.rank)
        for position, axis in enumerate(axes):
            spread[normal(axis, x.rank)] = pads[position]  # type: ignore[arg-type]
            spread[normal(axis, x.rank) + x.rank] = pads[position + len(axes)]  # type: ignore[arg-type]
        pads = spread
    return padded(x, pads, mode, 0 if value is None else _number(value))


@op("Pad", since=11)
def pad_at_run_time(
    x: Expr, pads: Expr, value: Expr | None = None, axes: Expr | None = None, *, mode: str = "constant"
) -> Expr:
    """It is not known which dimensions are padded, or how many."""
    if mode not in _MODES:
        raise NotApplicable(f"mode {mode!r} is not supported")
    places = None if axes is None else host.tolist(axes)
    number = 0 if value is None else _number(value)
    return runtime.pad(x, host.tolist(pads), mode=mode, value=number, axes=places)  # type: ignore[no-any-return]


def _number(value: Expr) -> Any:
    known = value.fact.value
    return host.item(value) if known is None else known.item()


def padded(x: Expr, pads: Ints, mode: str, value: Any) -> Expr:
    """Add elements around a tensor.

    Args:
        x: The tensor.
        pads: How many elements come before each dimension, then how many come after each; negative ones go.
        mode: ``constant``, ``reflect``, ``edge`` or ``wrap``.
        value: The new elements of mode ``constant``.
    """
    pads = tuple(pads)
    if mode not in _MODES:
        raise NotApplicable(f"mode {mode!r} is not supported")
    if all(isinstance(length, int) and length == 0 for length in pads):
        return x
    if x.rank is not None and len(pads) != 2 * x.rank:
        raise FactError(f"a padding by {len(pads)} pads for {x.rank} dimensions")
    rank = len(pads) // 2
    pairs = [side for axis in reversed(range(rank)) for side in (pads[axis], pads[axis + rank])]
    while pairs[-2:] == [0, 0]:
        del pairs[-2:]
    if mode == "constant":
        if isinstance(value, float) and x.dtype.is_int:
            value = int(value)
        return F.pad(x, tuple(pairs), value=value or None)  # type: ignore[no-any-return]
    spatial = max(len(pairs) // 2, rank - 2)  # torch pads so many dimensions of a tensor of this rank
    backwards = any(not isinstance(length, int) or length < 0 for length in pads)
    turns = mode == "reflect" and not _are_within(x, pads)
    if mode == "wrap" or not x.dtype.is_float or backwards or turns or rank - spatial not in (1, 2) or spatial > 3:
        return runtime.pad(x, pads, mode=mode)  # type: ignore[no-any-return]
    pairs.extend([0] * (2 * spatial - len(pairs)))
    return F.pad(x, tuple(pairs), mode="reflect" if mode == "reflect" else "replicate")  # type: ignore[no-any-return]


def _are_within(x: Expr, pads: Ints) -> bool:
    """Whether no more elements are mirrored than there are, as far as is known: torch mirrors no further."""
    if x.dims is None:
        return True
    lengths = zip(pads, (*x.dims, *x.dims), strict=True)
    return all(length < size for length, size in lengths if isinstance(length, int) and isinstance(size, int))


@op("CenterCropPad", since=18)
def center_crop_pad(x: Expr, shape: Ints, *, axes: tuple[int, ...] | None = None) -> Expr:
    """An odd element falls to the end, of what is cut off as of what is added."""
    if x.dims is None:
        raise UnknownRank(x)
    chosen = range(len(x.dims)) if axes is None else [normal(axis, len(x.dims)) for axis in axes]
    if len(shape) != len(chosen):
        raise FactError(f"a crop to {len(shape)} sizes for {len(chosen)} axes")
    rank = len(x.dims)
    pads = [0] * (2 * rank)
    for axis, wanted in zip(chosen, shape, strict=True):
        size, target = x.dims[axis], size_of(wanted)
        if size == target:
            continue
        if not isinstance(size, int) or not isinstance(target, int):
            return runtime.center_crop_pad(x, tuple(shape), axes)  # type: ignore[no-any-return]
        less = abs(target - size) // 2
        more = abs(target - size) - less
        pads[axis], pads[axis + rank] = (less, more) if target > size else (-less, -more)
    return padded(x, pads, "constant", 0)


@op("CenterCropPad", since=18)
def center_crop_pad_at_run_time(x: Expr, shape: Expr, *, axes: tuple[int, ...] | None = None) -> Expr:
    return runtime.center_crop_pad(x, host.tolist(shape), axes)  # type: ignore[no-any-return]
