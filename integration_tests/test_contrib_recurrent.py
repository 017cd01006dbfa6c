"""LSTM with quantized weights of com.microsoft against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from microsoft import Node, check

rng = np.random.default_rng(14)
STEPS, BATCH, INPUTS, HIDDEN = 5, 3, 4, 6
ALL = ("y", "h", "c")


def floats(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def weights(directions: int, rows: int, *, per_column: bool, dtype=np.int8) -> tuple[np.ndarray, ...]:
    """A quantized weight, its scale and its zero point."""
    info = np.iinfo(dtype)
    shape = (directions, 4 * HIDDEN) if per_column else (directions,)
    scale = rng.uniform(0.002, 0.004, shape).astype(np.float32)
    zero = np.zeros(shape, dtype) if dtype == np.int8 else np.full(shape, 128, dtype)
    return rng.integers(info.min, info.max + 1, (directions, rows, 4 * HIDDEN)).astype(dtype), scale, zero


def node(
    direction: str, *, per_column: bool = False, bias: bool = True, state: bool = False, dtype=np.int8, baked=True
):
    count = 2 if direction == "bidirectional" else 1
    w = weights(count, INPUTS, per_column=per_column, dtype=dtype)
    r = weights(count, HIDDEN, per_column=per_column, dtype=dtype)
    first = (floats(count, BATCH, HIDDEN), floats(count, BATCH, HIDDEN)) if state else (None, None)
    given = (floats(STEPS, BATCH, INPUTS), w[0], r[0], floats(count, 8 * HIDDEN) if bias else None, None, *first, None)
    inputs = (*given, *w[1:], *r[1:])
    kept = tuple(i for i in (1, 2, 3, 8, 9, 10, 11) if inputs[i] is not None)
    return Node(
        "DynamicQuantizeLSTM", inputs, {"direction": direction, "hidden_size": HIDDEN}, kept if baked else kept[:2], ALL
    )


NODES = [
    *(node(direction) for direction in ("forward", "reverse", "bidirectional")),
    node("forward", per_column=True),
    node("bidirectional", bias=False, state=True),
    node("forward", dtype=np.uint8, state=True),
    node("bidirectional", baked=False),
]


@pytest.mark.parametrize("node", NODES, ids=str)
def test_against_onnx_runtime(node: Node, tmp_path: Path) -> None:
    check(node, tmp_path, rtol=1e-4, atol=1e-4)
