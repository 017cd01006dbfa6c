"""Which keys of the ``state_dict`` are said to differ from the original's, and why."""

from __future__ import annotations

import numpy as np
import onnx_proto
import pytest
from onnx_proto.build import node, tensor
from samples import call, made, tree_of, weights

from codegen_torch.modules.keys import (
    CUT,
    FOLDED,
    FOLDED_UNNAMED,
    RENAMED,
    TRANSPOSED,
    UNTOLD,
    KeyChange,
    changed_keys,
    in_words,
)
from codegen_torch.modules.state import collect_state


def changes_of(nodes: list[onnx_proto.Node], tensors: list[onnx_proto.Tensor], *shape: int | str) -> list[KeyChange]:
    inputs = {"x": shape} if shape else None
    return changed_keys(collect_state(tree_of(made(nodes, tensors, inputs=inputs))))


def test_nothing_is_said_of_the_originals_own_keys() -> None:
    nodes = [call("Gemm", "x fc.weight fc.bias", "a", "fc", transB=1), call("MatMul", "a val_3", "y", "head")]
    assert changes_of(nodes, weights(fc__weight=[4, 4], fc__bias=[4], val_3=[4, 4])) == []


def test_a_folded_norm_is_named_by_the_scope_it_left() -> None:
    conv = call("Conv", "x conv1.weight conv1.weight_bias", "y", "bn1", "torch.nn.modules.batchnorm.BatchNorm2d")
    tensors = weights(conv1__weight=[4, 3, 1, 1], conv1__weight_bias=[4])
    (change,) = changes_of([conv], tensors, "batch", 3, 8, 8)
    assert change.keys == ("conv1.weight", "conv1.bias")
    assert change.originals == (
        "conv1.weight",
        "bn1.weight",
        "bn1.bias",
        "bn1.running_mean",
        "bn1.running_var",
        "bn1.num_batches_tracked",
    )
    assert change.reason == FOLDED


def test_a_convolution_that_the_exporter_computed_is_a_folded_one() -> None:
    conv = node("Conv", ["x", "onnx::Conv_7", "onnx::Conv_8"], ["y"], name="/conv1/Conv")
    values = np.random.default_rng(0)
    tensors = [
        tensor("onnx::Conv_7", values.normal(size=(4, 3, 1, 1)).astype(np.float32)),
        tensor("onnx::Conv_8", values.normal(size=4).astype(np.float32)),
    ]
    (change,) = changes_of([conv], tensors, "batch", 3, 8, 8)
    assert change == KeyChange(("conv1.weight", "conv1.bias"), ("conv1.weight",), FOLDED_UNNAMED)


@pytest.mark.parametrize(
    ("name", "trans", "expected"),
    [
        ("fc.weight", 0, KeyChange(("fc.weight",), ("fc.weight",), TRANSPOSED)),
        ("table.data", 1, KeyChange(("linear.weight",), ("table.data",), RENAMED)),
        ("val_7", 1, KeyChange(("linear.weight",), (), UNTOLD)),
    ],
)
def test_a_tensor_in_another_form_or_under_another_name(name: str, trans: int, expected: KeyChange) -> None:
    product = call("Gemm", f"x {name}", "y", "fc" if name == "fc.weight" else "", transB=trans)
    stored = tensor(name, np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32))
    assert changes_of([product], [stored]) == [expected]


def test_a_part_of_a_tensor_is_no_tensor_of_the_original() -> None:
    lstm = call("LSTM", "x rnn.kernel rnn.recurrent_kernel rnn.bias", "y", "rnn", hidden_size=4)
    tensors = weights(rnn__kernel=[1, 16, 3], rnn__recurrent_kernel=[1, 16, 4], rnn__bias=[1, 32])
    changes = changes_of([lstm], tensors, "seq", "batch", 3)
    assert [change.reason for change in changes] == [CUT] * 4
    assert [change.originals for change in changes] == [
        ("rnn.kernel",),
        ("rnn.recurrent_kernel",),
        ("rnn.bias",),
        ("rnn.bias",),
    ]


def test_a_sentence_for_every_reason() -> None:
    many = [KeyChange((f"a.{i}.weight",), (), UNTOLD) for i in range(8)]
    (sentence, other) = in_words([*many, KeyChange(("b.weight",), ("b.weight",), TRANSPOSED)])
    assert sentence.startswith(f"8 keys of the state_dict cannot be the original's, because {UNTOLD}: a.0.weight, ")
    assert sentence.endswith(", …")
    assert other.endswith("b.weight")
    assert other.startswith("1 key of")
