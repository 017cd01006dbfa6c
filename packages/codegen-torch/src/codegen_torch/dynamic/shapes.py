"""Rules for operators that rearrange elements and compute with sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from codegen_torch.dims import Dim
from codegen_torch.dynamic.states import Batched, Resists, Sized, State, reshaped
from codegen_torch.dynamic.step import Step


def reshape(step: Step) -> State:
    """The size at the samples' new place is left open, or multiplied by their number."""
    if isinstance(step.state(0), Sized):
        return _rearranged(step)
    state, old, new = step.batched(), step.dims(), step.out_dims()
    result = reshaped(state, old, new, step.samples)
    if not step.name(1):
        raise Resists("its shape is an attribute, as it was before opset 5")
    stated = step.entries(1)
    kept = stated[result.axis]
    if step.attributes.get("allowzero") and 0 in stated:
        raise Resists("its shape takes 0 for a size")
    copied = state.axis < len(stated) and _is(stated[state.axis], 0)
    is_open = _is(kept, -1) and not copied
    if not isinstance(step.state(1), Sized) and (is_open or (copied and result == state)):
        return result
    step.inputs[1] = _open(step, result, stated, new)
    return result


def _open(step: Step, result: Batched, stated: list[Any], new: tuple[int | Dim, ...]) -> str:
    """A shape whose size at the samples' axis is left open, or computed where another one is left open already."""
    sizes: list[int | None] = []
    for size, entry in zip(new, stated, strict=True):
        sizes.append(size if isinstance(size, int) else int(entry) if isinstance(entry, int) else None)
    computes = any(_is(entry, -1) and not isinstance(size, int) for entry, size in zip(stated, new, strict=True))
    if not computes:
        sizes[result.axis] = -1
        if None not in sizes:
            return step.around.integers(*(size for size in sizes if size is not None))
    pieces = [_piece(step, axis, size) for axis, size in enumerate(sizes)]
    if computes:
        pieces[result.axis] = _number(step, result)
    return step.around.add("Concat", *pieces, axis=0)


def _piece(step: Step, axis: int, size: int | None) -> str:
    """One of the sizes that a shape consists of; None stands for what it says already."""
    if size is not None:
        return step.around.integers(size)
    return step.around.add("Gather", step.inputs[1], step.around.integers(axis), axis=0)


def _is(entry: Any, number: int) -> bool:
    return isinstance(entry, int) and entry == number


def _number(step: Step, state: Batched) -> str:
    """The size of the samples' axis, computed when the model runs."""
    factor = state.outer * state.inner
    if not isinstance(factor, int):
        raise Resists("more than one of its sizes would have to be left open")
    size = step.around.size_name
    return size if factor == 1 else step.around.add("Mul", size, step.around.integers(factor))


def expand(step: Step) -> State:
    """A stated size of the batch is left to the operand, which has it."""
    state, shape = step.state(0), step.state(1)
    old, new = step.dims(), step.out_dims()
    if isinstance(shape, Sized):
        axes = np.flatnonzero(shape.mask) + len(new) - len(shape.mask)
        if len(axes) != 1 or new[axes[0]] != step.samples:
            raise Resists("it computes with the size of the batch")
        axis = int(axes[0])
        if state is None:
            own = axis - (len(new) - len(old))
            if own >= 0 and old[own] != 1:
                step.inputs[0] = step.repeated(0, own)
            return Batched(axis)
        moved = step.batched().moved(step.batched().axis + len(new) - len(old))
        if moved != Batched(axis):
            raise Resists("it computes with the size of the batch")
        return moved
    batched = step.batched()
    result = batched.moved(batched.axis + len(new) - len(old))
    if new[result.axis] != old[batched.axis]:
        raise Resists("it repeats the samples")
    stated = step.entries(1)
    position = result.axis - (len(new) - len(stated))
    if position >= 0 and not _is(stated[position], 1):
        stated[position] = 1
        pieces = [_piece(step, axis, entry if isinstance(entry, int) else None) for axis, entry in enumerate(stated)]
        step.inputs[1] = step.around.add("Concat", *pieces, axis=0)
    return result


def filled(step: Step) -> State:
    """A tensor of as many rows as there are samples."""
    shape = step.state(0)
    assert isinstance(shape, Sized)
    axes, dims = np.flatnonzero(shape.mask), step.out_dims()
    if len(axes) != 1 or dims[axes[0]] != step.samples:
        raise Resists("it computes with the size of the batch")
    return Batched(int(axes[0]))


def shape(step: Step) -> State:
    """Of the sizes, that of the samples' axis depends on their number."""
    state, rank = step.batched(), len(step.dims())
    mask = np.arange(rank) == state.axis
    return _sized(mask[step.attributes.get("start", 0) : step.attributes.get("end", rank)])


def _sized(mask: np.ndarray[Any, Any]) -> State:
    return Sized(mask) if mask.any() else None


def _mask(step: Step, index: int) -> np.ndarray[Any, Any]:
    state = step.state(index)
    if isinstance(state, Batched):
        raise Resists("it computes with the size of the batch")
    if state is not None:
        return state.mask
    dims = step.dims(index)
    if not all(isinstance(size, int) for size in dims):
        raise Resists("it computes with the size of the batch")
    return np.zeros(_integers(dims), bool)


def _rearranged(step: Step) -> State:
    dims = step.out_dims()
    if not all(isinstance(size, int) for size in dims):
        raise Resists("it computes with the size of the batch")
    return _sized(_mask(step, 0).reshape(_integers(dims)))


def of_sizes(step: Step) -> State:
    """Arithmetic with sizes, number by number."""
    mask = _mask(step, 0)
    for index in range(1, len(step.node.inputs)):
        mask = mask | _mask(step, index)
    return _sized(mask)


def gather(step: Step) -> State:
    """From a table, for every index; or of every sample, the same part."""
    axis = step.attributes.get("axis", 0) % len(step.dims())
    if isinstance(step.state(0), Sized):
        return _sized(_mask(step, 0).take(np.array(step.entries(1), int).reshape(_integers(step.dims(1))), axis))
    if step.state(0) is None:
        indices = step.only(1)
        return indices.moved(indices.axis + axis)
    state = step.only(0)
    if axis == state.axis:
        return _own(step, state)
    return state if state.axis < axis else state.moved(state.axis + len(step.dims(1)) - 1)


def _own(step: Step, state: Batched) -> State:
    """Every sample picks from its own part: index ``sample * inner + i`` is index ``i`` of what the sample has."""
    indices, inner = step.constant(1), state.inner
    if state.axis or state.outer != 1 or not isinstance(inner, int) or indices.shape[:1] != (step.samples,):
        raise Resists("it picks samples")
    offsets = np.arange(step.samples).reshape(-1, *(1,) * (indices.ndim - 1)) * inner
    _pick(step, indices - offsets, inner, step.dims()[1:])
    return Batched(0)


def gather_nd(step: Step) -> State:
    """Every sample picks from its own part: the first number of each index is the sample's, the second the place."""
    state, indices = step.only(0), step.constant(1)
    size = step.dims()[1] if len(step.dims()) > 1 else 0
    if step.attributes.get("batch_dims") or state != Batched(0) or not isinstance(size, int):
        raise Resists("it picks samples")
    if indices.shape[-1] != 2 or indices.ndim < 2 or indices.shape[0] != step.samples:
        raise Resists("it picks samples")
    samples = np.arange(step.samples).reshape(-1, *(1,) * (indices.ndim - 2))
    if (indices[..., 0] != samples).any():
        raise Resists("it picks samples")
    _pick(step, indices[..., 1], size, step.dims()[2:])
    return Batched(0)


def _pick(step: Step, places: np.ndarray[Any, Any], size: int, rest: tuple[int | Dim, ...]) -> None:
    """Let the node pick, from the ``size`` parts that every sample has, those at the same places."""
    first = places[0]
    if (places != first).any() or (first < 0).any() or (first >= size).any() or len(_integers(rest)) < len(rest):
        raise Resists("it picks samples")
    if first.size == size and (first.reshape(-1) == np.arange(size)).all():
        step.become("Reshape", step.inputs[0], step.around.integers(-1, *first.shape, *_integers(rest)))
        return
    split = step.around.add("Reshape", step.inputs[0], step.around.integers(-1, size, *_integers(rest)))
    step.become("Gather", split, step.around.tensor(first), axis=1)


def _integers(dims: tuple[int | Dim, ...]) -> list[int]:
    return [size for size in dims if isinstance(size, int)]


def slice_(step: Step) -> State:
    """The samples' axis stays whole; a stated end of it is left open."""
    rank = len(step.dims())
    old = "starts" in step.attributes
    starts = step.attributes["starts"] if old else step.entries(1)
    ends = step.attributes["ends"] if old else step.entries(2)
    axes = step.axes("axes", 3)
    axes = list(range(len(starts))) if axes is None else [axis % rank for axis in axes]
    steps = step.entries(4) if step.name(4) else [1] * len(starts)
    if isinstance(step.state(0), Sized):
        (start,), (end,), (stride,) = starts, ends, steps
        return _sized(_mask(step, 0)[int(start) : int(end) : int(stride)])
    state, dims = step.only(), step.dims()
    if state.axis not in axes:
        return state
    position = axes.index(state.axis)
    size = dims[state.axis]
    whole = _is(starts[position], 0) and _is(steps[position], 1) and isinstance(size, int)
    if not whole or not isinstance(ends[position], int) or ends[position] < size:
        raise Resists("it cuts the samples")
    if ends[position] == size:
        if old or not all(isinstance(end, int) for end in ends):
            raise Resists("it cuts the samples at their fixed number")
        step.inputs[2] = step.around.integers(*(2**62 if i == position else end for i, end in enumerate(ends)))
    return state


def concat(step: Step) -> State:
    """Parts that are the same for all samples are repeated for each."""
    axis = step.attributes["axis"] % len(step.out_dims())
    states = [step.state(index) for index in range(len(step.node.inputs))]
    if any(isinstance(state, Sized) for state in states):
        return _sized(np.concatenate([_mask(step, index) for index in range(len(states))], axis))
    state = next(state for state in states if isinstance(state, Batched))
    if state.axis == axis:
        raise Resists("it joins samples")
    for index, other in enumerate(states):
        if other is None:
            if not state.is_plain:
                raise Resists("it joins samples that are merged with another dimension")
            step.inputs[index] = step.repeated(index, state.axis)
        elif other != state:
            raise Resists("its operands have the samples on different axes")
    return state


def transpose(step: Step) -> State:
    """The axes change places."""
    state, rank = step.batched(), len(step.dims())
    permutation = list(step.attributes.get("perm", range(rank)[::-1]))
    return state.moved(permutation.index(state.axis))


def squeeze(step: Step) -> State:
    """Axes go that are not the samples'."""
    if isinstance(step.state(0), Sized):
        return _rearranged(step)
    state, axes, rank = step.only(), step.axes(), len(step.dims())
    if axes is None:
        raise Resists("it drops every dimension of size 1, and the batch may have that size")
    gone = {axis % rank for axis in axes}
    if state.axis in gone:
        raise Resists("it drops the samples' axis")
    return state.moved(state.axis - sum(axis < state.axis for axis in gone))


def unsqueeze(step: Step) -> State:
    """Axes of size 1 come."""
    if isinstance(step.state(0), Sized):
        return _rearranged(step)
    state, axes, rank = step.only(), step.axes(), len(step.out_dims())
    come = {axis % rank for axis in axes or ()}
    return state.moved([axis for axis in range(rank) if axis not in come][state.axis])


def flatten(step: Step) -> State:
    """The samples are merged with the axes on their side."""
    state, dims = step.batched(), step.dims()
    axis = step.attributes.get("axis", 1)
    axis = axis + len(dims) if axis < 0 else axis
    result = reshaped(state, dims, step.out_dims(), step.samples)
    if result.axis != (0 if state.axis < axis else 1):
        raise Resists("it flattens the samples into the features")
    return result


def pad(step: Step) -> State:
    """Along other axes than the samples'."""
    state, rank = step.only(), len(step.dims())
    pads = step.attributes.get("pads") or step.attributes.get("paddings") or step.entries(1)
    axes = step.axes("axes", 3) if step.name(3) else list(range(rank))
    axes = [axis % rank for axis in axes or ()]
    if state.axis in axes:
        position = axes.index(state.axis)
        if not _is(pads[position], 0) or not _is(pads[position + len(axes)], 0):
            raise Resists("it pads the batch")
    return state


def tile(step: Step) -> State:
    """Along other axes than the samples'."""
    state = step.only()
    if not _is(step.entries(1)[state.axis], 1):
        raise Resists("it repeats the samples")
    return state
