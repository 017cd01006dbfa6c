"""How a value depends on the samples of a batch.

Every value of a model whose batch has a fixed size is one of these: the same whatever the samples are; *batched*, made
of one part for each sample that depends on this sample alone; or integers, some of which are computed from the size of
the batch. A value that is none of them cannot be computed for another number of samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codegen_torch.dims import divide, product
from codegen_torch.facts import Size


@dataclass(frozen=True, slots=True)
class Batched:
    """A value with a part for each sample.

    Attributes:
        axis: The axis that goes over the samples. Its size is ``outer * samples * inner``.
        outer: How many positions lie before those of the samples in the axis, which a reshape has merged.
        inner: How many lie after them.
    """

    axis: int
    outer: Size = 1
    inner: Size = 1

    @property
    def is_plain(self) -> bool:
        """Whether the axis goes over the samples and nothing else."""
        return self.outer == 1 == self.inner

    def moved(self, axis: int) -> Batched:
        """The same on another axis."""
        return Batched(axis, self.outer, self.inner)


@dataclass(frozen=True, slots=True)
class Sized:
    """Integers, some of which depend on how many samples there are.

    Attributes:
        mask: Which of them do.
    """

    mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


State = Batched | Sized | None
"""None: the same for all samples, however many there are."""


class Resists(Exception):
    """A node cannot be computed for another number of samples; the message says why."""


def reshaped(state: Batched, old: tuple[Size, ...], new: tuple[Size, ...], samples: int) -> Batched:
    """Where the samples are after a reshape.

    Elements keep their order, so that an axis goes over the samples if as many positions lie before and after them as
    did in the old shape. Of several such axes (a single sample leaves a choice) one that goes over nothing else is
    taken, or the one where it was, or the first.

    Raises:
        Resists: There is none.
    """
    before = product(old[: state.axis]) * state.outer
    after = product(old[state.axis + 1 :]) * state.inner
    found: list[Batched] = []
    for axis, size in enumerate(new):
        outer = divide(before, product(new[:axis]))
        inner = divide(after, product(new[axis + 1 :]))
        if outer is not None and inner is not None and size == outer * samples * inner:
            found.append(Batched(axis, outer, inner))
    if not found:
        raise Resists("it rearranges elements of different samples")
    return min(found, key=lambda each: (not each.is_plain, each.axis != state.axis, each.axis))
