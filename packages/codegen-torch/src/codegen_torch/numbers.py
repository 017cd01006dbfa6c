"""Numbers as people write them."""

from __future__ import annotations

import numpy as np

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def shortest_float32(value: float) -> float:
    """The shortest decimal that is the same float32: ``0.1`` for 0.10000000149011612."""
    short = float(str(np.float32(value)))
    # The shortest decimal of the largest float32 is beyond it, and torch refuses it.
    return short if abs(short) <= _LARGEST_FLOAT32 or not np.isfinite(value) else value
