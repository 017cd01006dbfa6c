"""Rotary embeddings and grouped attention of com.microsoft against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from microsoft import Node, check

rng = np.random.default_rng(11)
BATCH, STEPS, HEADS, GROUPS, SIZE = 2, 4, 4, 2, 16


def floats(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


ANGLES = rng.uniform(0, 3, (20, SIZE // 2)).astype(np.float32)
CACHES = (np.cos(ANGLES), np.sin(ANGLES))
HALF = (CACHES[0][:, :2], CACHES[1][:, :2])
POSITIONS = rng.integers(0, 20, (BATCH, STEPS))
ROTARY = [
    Node("RotaryEmbedding", (x, positions, *caches), {"interleaved": interleaved, **attributes}, baked, fixed=(0,))
    for x, caches, attributes in (
        (floats(BATCH, STEPS, HEADS * SIZE), CACHES, {}),
        (floats(BATCH, HEADS, STEPS, SIZE), CACHES, {}),
        (floats(BATCH, STEPS, HEADS * SIZE), HALF, {"num_heads": HEADS, "rotary_embedding_dim": 4}),
    )
    for positions in (POSITIONS, np.array([3]))
    for interleaved in (0, 1)
    for baked in ((), (2, 3))
]


def states(steps: int) -> tuple[np.ndarray, np.ndarray]:
    return floats(BATCH, GROUPS, steps, SIZE), floats(BATCH, GROUPS, steps, SIZE)


def tokens(steps: int, *, packed: bool = False) -> tuple[np.ndarray | None, ...]:
    if packed:
        return floats(BATCH, steps, (HEADS + 2 * GROUPS) * SIZE), None, None
    return floats(BATCH, steps, HEADS * SIZE), floats(BATCH, steps, GROUPS * SIZE), floats(BATCH, steps, GROUPS * SIZE)


def lengths(*last: int) -> tuple[np.ndarray, np.ndarray]:
    return np.int32(last), np.array(max(last) + 1, np.int32)


PROMPT = (*states(0), *lengths(STEPS - 1, STEPS - 1))
NEXT = (*states(6), *lengths(6, 6))
WITH_ROOM = (*states(12), *lengths(6, 6))
RAGGED = (*states(6), *lengths(6, 4))
ALL = ("y", "present_key", "present_value")
NONE = (None, None, None)


def node(qkv, cache, rest=(), baked=(), compared=None, **attributes) -> Node:
    heads = {"num_heads": HEADS, "kv_num_heads": GROUPS}
    return Node("GroupQueryAttention", (*qkv, *cache, *rest), {**heads, **attributes}, baked, ALL, compared=compared)


SINK = floats(HEADS)
GROUPED = [
    node(tokens(STEPS), PROMPT),
    node(tokens(STEPS), (None, None, *PROMPT[2:])),
    node(tokens(1), NEXT),
    node(tokens(1), WITH_ROOM, compared=1),
    node(tokens(1), RAGGED, compared=1),
    *(node(tokens(STEPS, packed=True), PROMPT, CACHES, do_rotary=1, rotary_interleaved=i) for i in (0, 1)),
    *(node(tokens(1), NEXT, CACHES, baked=baked, do_rotary=1) for baked in ((), (7, 8))),
    node(tokens(1), RAGGED, CACHES, compared=1, do_rotary=1),
    node(tokens(1), NEXT, (*CACHES, np.array([[6], [6]])), do_rotary=1),
    node(tokens(STEPS), PROMPT, scale=0.2),
    *(node(tokens(STEPS), PROMPT, local_window_size=window) for window in (1, 2, 3)),
    *(node(tokens(1), NEXT, local_window_size=window) for window in (1, 3, 7, 20)),
    node(tokens(STEPS), PROMPT, softcap=1.5),
    node(tokens(STEPS), PROMPT, smooth_softmax=1),
    node(tokens(1), NEXT, smooth_softmax=1, softcap=2.0),
    *(node(tokens(STEPS), PROMPT, (*NONE, None, SINK), baked=baked) for baked in ((), (11,))),
    node(tokens(STEPS), PROMPT, (*NONE, floats(BATCH, HEADS, STEPS, STEPS))),
    node(tokens(STEPS), PROMPT, (*NONE, floats(1, 1, STEPS, STEPS)), softcap=2.0),
    node(tokens(1), NEXT, (*NONE, floats(BATCH, 1, 1, 7))),
    node(tokens(STEPS), PROMPT, causal=0),
]


@pytest.mark.parametrize("node", ROTARY + GROUPED, ids=str)
def test_against_onnx_runtime(node: Node, tmp_path: Path) -> None:
    check(node, tmp_path, rtol=1e-3, atol=1e-5)


def test_tables_of_angles_are_buffers(tmp_path: Path) -> None:
    source = check(node(tokens(1), NEXT, CACHES, baked=(7, 8), do_rotary=1), tmp_path, rtol=1e-3)
    assert source.count("self.register_buffer(") == 2
    assert "nn.Embedding" not in source
