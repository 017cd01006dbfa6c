"""Recurrent networks against ONNX Runtime, in every direction, with every activation and input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from by_runtime import check_by_runtime, fed
from codegen_torch.errors import UnsupportedError
from interpret import interpret
from one_node import Array, Row, lower_proto, model_of, symbols_of, table

rng = np.random.default_rng(9)
STEPS, BATCH, INPUTS, HIDDEN = 5, 3, 4, 2
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
ACTIVATIONS = {"LSTM": 3, "GRU": 2, "RNN": 1}
LENGTHS = np.array([5, 2, 3], np.int32)
SOME = np.array([0, 5, 1], np.int32)
FULL = np.full(BATCH, STEPS, np.int32)


def floats(*shape: int) -> Array:
    return (rng.standard_normal(shape) * 0.4).astype(np.float32)


def network(
    kind: str,
    direction: str = "forward",
    *,
    opset: int = 14,
    bias: bool = True,
    lengths: Array | None = None,
    state: bool = False,
    peepholes: bool = False,
    baked: bool = True,
    **attributes: Any,
) -> Row:
    directions = 2 if direction == "bidirectional" else 1
    rows = GATES[kind] * HIDDEN
    first = floats(directions, BATCH, HIDDEN) if state else None
    inputs = [
        floats(STEPS, BATCH, INPUTS),
        floats(directions, rows, INPUTS),
        floats(directions, rows, HIDDEN),
        floats(directions, 2 * rows) if bias else None,
        lengths,
        first,
    ]
    if kind == "LSTM":
        inputs += [floats(directions, BATCH, HIDDEN) if state else None]
        inputs += [floats(directions, 3 * HIDDEN) if peepholes else None]
    known = [p for p in (1, 2, 3, 7) if p < len(inputs) and inputs[p] is not None]
    known += [4] if lengths is FULL else []
    return Row(
        kind,
        opset,
        inputs,
        {"hidden_size": HIDDEN, "direction": direction, **attributes},
        tuple(known) if baked else (),
        outputs=3 if kind == "LSTM" else 2,
    )


def names(kind: str, name: str, directions: int = 1) -> list[str]:
    return [name] * ACTIVATIONS[kind] * directions


ROWS = [
    *(
        network(kind, direction, **more)
        for kind in GATES
        for direction in ("forward", "reverse", "bidirectional")
        for more in (
            {},
            {"state": True, "baked": False},
            {"lengths": LENGTHS, "state": True},
            {"lengths": FULL},
            {"lengths": SOME, "state": True, "baked": False},
            {"bias": False, "clip": 0.3},
        )
    ),
    *(network(kind, opset=opset, baked=baked) for kind in GATES for opset in (7, 22) for baked in (True, False)),
    *(
        network("GRU", direction, linear_before_reset=1, **more)
        for direction in ("forward", "reverse", "bidirectional")
        for more in ({}, {"state": True}, {"bias": False}, {"lengths": LENGTHS}, {"baked": False}, {"clip": 0.2})
    ),
    *(
        network("LSTM", direction, **more)
        for direction in ("forward", "reverse", "bidirectional")
        for more in (
            {"peepholes": True},
            {"peepholes": True, "lengths": LENGTHS, "state": True},
            {"input_forget": 1},
            {"input_forget": 1, "peepholes": True, "clip": 0.5},
        )
    ),
    *(
        network(kind, activations=names(kind, name))
        for kind in GATES
        for name in ("Relu", "Tanh", "Sigmoid", "LeakyRelu", "HardSigmoid", "Elu", "Softsign", "Softplus")
    ),
    *(
        network(kind, activations=names(kind, name), activation_alpha=[0.4] * ACTIVATIONS[kind], **beta)
        for kind in GATES
        for names_, beta in (
            (("LeakyRelu", "ThresholdedRelu", "Elu"), {}),
            (("Affine", "ScaledTanh", "HardSigmoid"), {"activation_beta": [0.3] * ACTIVATIONS[kind]}),
        )
        for name in names_
    ),
    *(network(kind, "bidirectional", activations=names(kind, "Relu", 2)) for kind in GATES),
    network("RNN", "bidirectional", activations=["Relu", "Tanh"]),
    network(
        "LSTM",
        "bidirectional",
        activations=["HardSigmoid", "Tanh", "LeakyRelu", "Sigmoid", "Affine", "Tanh"],
        activation_alpha=[0.3, 0.2, 0.9],
        activation_beta=[0.4, 0.1],
    ),
    network("GRU", "bidirectional", activations=["Sigmoid", "Tanh", "HardSigmoid", "Relu"]),
    network("RNN", activations=["Relu"], state=True),
]


@pytest.mark.parametrize(**table(ROWS))
def test_against_the_runtime(row: Row, symbolic: bool) -> None:
    check_by_runtime(row, symbolic=symbolic, rtol=1e-4)


def computed(row: Row) -> list[Array]:
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in fed(row).items()}
    return [value.numpy() for value in interpret(lower_proto(model_of(row, symbolic=False)).outputs, tensors).values()]


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("more", [{}, {"lengths": LENGTHS}], ids=["", "lengths"])
def test_with_the_batch_first_it_is_the_same_turned_around(kind: str, more: dict[str, Any]) -> None:
    row = network(kind, "bidirectional", state=True, **more)
    x, w, r, b, lengths, *state = row.inputs
    turned = [None if value is None else value.swapaxes(0, 1).copy() for value in (x, *state)]
    inputs = [turned[0], w, r, b, lengths, *turned[1:]]
    first = Row(kind, 14, inputs, {**row.attributes, "layout": 1}, row.baked, outputs=row.outputs)
    (y, *last), (plain, *states) = computed(first), computed(row)
    np.testing.assert_allclose(y, plain.transpose(2, 0, 1, 3), rtol=1e-6)
    for ours, theirs in zip(last, states, strict=True):
        np.testing.assert_allclose(ours, theirs.swapaxes(0, 1), rtol=1e-6)


@pytest.mark.parametrize("kind", GATES)
def test_of_the_first_opset_is_the_same(kind: str) -> None:
    row = network(kind)
    old = Row(kind, 1, row.inputs, {**row.attributes, "output_sequence": 1}, row.baked, outputs=row.outputs)
    for ours, theirs in zip(computed(old), computed(row), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_misspelled_default_direction_is_forward() -> None:
    row = network("GRU")
    old = Row("GRU", 1, row.inputs, {"hidden_size": HIDDEN}, row.baked, outputs=2)
    np.testing.assert_array_equal(computed(old)[0], computed(row)[0])


@pytest.mark.parametrize(
    ("row", "layer"),
    [
        (network("LSTM", "bidirectional"), "nn.LSTM"),
        (network("LSTM", lengths=FULL), "nn.LSTM"),
        (network("LSTM", peepholes=True), "runtime.lstm"),
        (network("GRU", linear_before_reset=1, state=True), "nn.GRU"),
        (network("GRU"), "runtime.gru"),
        (network("RNN"), "nn.RNN"),
        (network("RNN", "bidirectional", activations=["Relu", "Relu"]), "nn.RNN"),
        (network("RNN", "bidirectional", activations=["Relu", "Tanh"]), "runtime.rnn"),
        (network("RNN", baked=False), "runtime.rnn"),
    ],
    ids=str,
)
def test_is_a_layer_where_torch_has_it(row: Row, layer: str) -> None:
    assert layer in symbols_of(lower_proto(model_of(row, symbolic=False)).outputs)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (network("RNN", "backwards"), "direction"),
        (network("RNN", activations=["Cosine"]), "activation 'cosine'"),
        (network("LSTM", activations=["Sigmoid", "Tanh"]), "2 activations"),
        (network("RNN", activations=["Affine"], activation_alpha=[0.5]), "default alpha and beta"),
    ],
    ids=lambda value: "" if isinstance(value, Row) else value,
)
def test_what_makes_no_sense_is_refused(row: Row, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        lower_proto(model_of(row, symbolic=False))
