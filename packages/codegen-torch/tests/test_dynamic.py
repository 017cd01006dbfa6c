"""Where the samples of a batch are after a reshape, and what becomes of baked sizes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx_proto.build import tensor, value
from samples import call, made

from codegen_torch.dynamic.free import FreeSize, free
from codegen_torch.dynamic.states import Batched, Resists, reshaped
from codegen_torch.errors import UnsupportedError


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.integers(0, 3),
    st.integers(1, 3),
    st.permutations([2, 3, 4, 6, 12, 1]),
    st.integers(2, 4),
)
def test_samples_keep_their_elements_through_a_reshape(
    dims: list[int], axis: int, samples: int, sizes: list[int], more: int
) -> None:
    axis %= len(dims)
    old = [*dims[:axis], samples, *dims[axis + 1 :]]
    total = math.prod(old)
    new: list[int] = []
    for size in sizes:
        if total % (math.prod(new) * size) == 0:
            new.append(size)
    new.append(total // math.prod(new))
    try:
        found = reshaped(Batched(axis), tuple(old), tuple(new), samples)
    except Resists:
        return
    large = [*old[:axis], more, *old[axis + 1 :]]
    x = np.broadcast_to(np.arange(more).reshape(-1, *(1,) * (len(old) - axis - 1)), large)
    target = list(new)
    target[found.axis] = target[found.axis] // samples * more
    assert isinstance(found.outer, int)
    assert isinstance(found.inner, int)
    split = [*target[: found.axis], found.outer, more, found.inner, *target[found.axis + 1 :]]
    parts = np.moveaxis(x.reshape(target).reshape(split), found.axis + 1, 0)
    assert all((part == number).all() for number, part in enumerate(parts))


def test_a_single_sample_keeps_an_axis_of_its_own() -> None:
    assert reshaped(Batched(0), (1, 6, 4), (1, 24), 1) == Batched(0)
    assert reshaped(Batched(1), (6, 1, 4), (6, 1, 2, 2), 1) == Batched(1)
    assert reshaped(Batched(0), (1, 6, 4), (6, 4), 1) == Batched(0, 1, 6)


def test_a_shape_that_is_left_open_elsewhere_computes_the_batch() -> None:
    nodes = [call("Reshape", "x shape", "y")]
    net = made(nodes, [tensor("shape", np.array([2, -1, 2]))], inputs={"x": [2, "seq", 4]})
    freed = free(net, FreeSize("batch"), "net.onnx").graph
    assert [node.op_type for node in freed.nodes] == ["Shape", "Gather", "Concat", "Reshape"]
    assert freed.inputs[0].type == value("x", "float32", ["batch", "seq", 4]).type


def test_every_node_that_resists_is_named_once() -> None:
    nodes = [call("NonZero", "x", "a"), call("Neg", "a", "b"), call("Softmax", "x", "y", axis=0)]
    with pytest.raises(UnsupportedError) as refusal:
        free(made(nodes, inputs={"x": [2, 4]}, outputs="b y"), FreeSize("batch"), "net.onnx")
    assert [(obstacle.op, obstacle.node) for obstacle in refusal.value.obstacles] == [
        ("NonZero", "a"),
        ("Softmax", "y"),
    ]
