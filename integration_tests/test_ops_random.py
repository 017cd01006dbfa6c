"""Random numbers: their types, shapes and distributions, what a seed does, and that equal nodes draw each for itself.

The statistics are of fixed draws, so that they come out the same every time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from codegen_torch.errors import UnsupportedError
from codegen_torch.pipeline import convert
from converted import import_model
from interpret import interpret
from one_node import Row, check, check_facts, lower_proto, model_of
from onnx import TensorProto, helper

X = np.zeros((200, 50), np.float32)
HALF, DOUBLE = TensorProto.FLOAT16, TensorProto.DOUBLE


@pytest.fixture(autouse=True)
def started() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def draw(op: str, opset: int, attributes: dict[str, Any], *inputs: np.ndarray, outputs: int = 1) -> list[Any]:
    """What a node gives twice, at sizes that only their names tell."""
    baked = tuple(range(1, len(inputs)))
    lowered = lower_proto(model_of(Row(op, opset, inputs, attributes, baked, outputs=outputs), symbolic=True))
    fed = {f"x{i}": torch.from_numpy(x) for i, x in enumerate(inputs[:1])}
    drawn = [list(interpret(lowered.outputs, fed, lowered.inputs).values()) for _ in range(2)]
    for expr, value in zip(lowered.outputs.values(), drawn[0], strict=True):
        check_facts(expr, value)
    return drawn


NORMAL, UNIFORM = {"mean": 3.0, "scale": 0.5}, {"low": -1.0, "high": 5.0}


@pytest.mark.parametrize("seed", [{}, {"seed": 7.0}, {"seed": 0.25}], ids=str)
@pytest.mark.parametrize("opset", [1, 22, 28])
@pytest.mark.parametrize("dtype", [None, HALF, DOUBLE])
@pytest.mark.parametrize("op", ["RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike"])
def test_distributions(op: str, dtype: int | None, opset: int, seed: dict[str, float]) -> None:
    attributes = (NORMAL if "Normal" in op else UNIFORM) | seed | ({} if dtype is None else {"dtype": dtype})
    inputs = (X,) if op.endswith("Like") else ()
    ((first,), (second,)) = draw(op, opset, attributes if inputs else attributes | {"shape": [200, 50]}, *inputs)
    assert first.shape == (200, 50)
    assert first.dtype is {None: torch.float32, HALF: torch.float16, DOUBLE: torch.float64}[dtype]
    assert torch.equal(first, second) == bool(seed)
    values = first.double()
    if "Normal" in op:
        assert abs(values.mean() - 3) < 0.03
        assert abs(values.std() - 0.5) < 0.02
        assert abs((values - 3).abs().lt(0.5).double().mean() - 0.6827) < 0.03
    else:
        assert values.min() >= -1
        assert values.max() <= 5
        assert abs(values.mean() - 2) < 0.1
        assert abs(values.std() - 6 / 12**0.5) < 0.05


@pytest.mark.parametrize("seed", [{}, {"seed": 7.0}], ids=str)
@pytest.mark.parametrize("op", ["RandomNormal", "RandomUniform"])
def test_a_single_number(op: str, seed: dict[str, float]) -> None:
    empty = helper.make_attribute("shape", [], attr_type=onnx.AttributeProto.INTS)
    node = helper.make_node(op, [], ["y"], **seed)
    node.attribute.append(empty)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [])
    model = helper.make_model(helper.make_graph([node], op, [], [result]), opset_imports=[helper.make_opsetid("", 22)])
    lowered = lower_proto(model)
    first, second = (interpret(lowered.outputs, {})["y"] for _ in range(2))
    assert first.shape == ()
    assert torch.equal(first, second) == bool(seed)


@pytest.mark.parametrize("seed", [{}, {"seed": 1.0}], ids=str)
@pytest.mark.parametrize("opset", [15, 22, 28])
def test_bernoulli(opset: int, seed: dict[str, float]) -> None:
    odds = np.broadcast_to(np.float64([0, 0.25, 1]), (2000, 3)).copy()
    ((first,), (second,)) = draw("Bernoulli", opset, {"dtype": TensorProto.BOOL} | seed, odds)
    assert first.dtype is torch.bool
    assert torch.equal(first, second) == bool(seed)
    none, some, all_ = first.double().mean(0)
    assert (none, all_) == (0, 1)
    assert abs(some - 0.25) < 0.03
    ((kept,), _) = draw("Bernoulli", opset, seed, odds)
    assert kept.dtype is torch.float64


@pytest.mark.parametrize("seed", [{}, {"seed": 1.0}], ids=str)
@pytest.mark.parametrize("opset", [7, 22, 28])
def test_multinomial(opset: int, seed: dict[str, float]) -> None:
    odds = np.log(np.float32([[0.1, 0.2, 0.7], [2.0, 2.0, 0.0]]) + 1e-30)
    attributes = {"sample_size": 5000, "dtype": TensorProto.INT64}
    ((first,), (second,)) = draw("Multinomial", opset, attributes | seed, odds)
    assert first.dtype is torch.int64
    assert torch.equal(first, second) == bool(seed)
    counts = torch.stack([row.bincount(minlength=3) for row in first]) / 5000
    torch.testing.assert_close(counts, torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]]), atol=0.03, rtol=0)
    ((default,), _) = draw("Multinomial", opset, seed, odds)
    assert (default.dtype, default.shape) == (torch.int32, (2, 1))


@pytest.mark.parametrize("seed", [{}, {"seed": 3}], ids=str)
@pytest.mark.parametrize("opset", [12, 13, 22, 28])
@pytest.mark.parametrize("outputs", [1, 2])
def test_dropout_in_training_mode(outputs: int, opset: int, seed: dict[str, int]) -> None:
    inputs = (X + 2, np.array(0.25, np.float32), np.array(True))
    ((first, *mask), (second, *_)) = draw("Dropout", opset, seed, *inputs, outputs=outputs)
    assert torch.equal(first, second) == bool(seed)
    torch.testing.assert_close(first.unique(), torch.tensor([0, 2 / 0.75]))
    assert abs((first == 0).double().mean() - 0.25) < 0.02
    if outputs == 2:
        assert torch.equal(mask[0], first != 0)


@pytest.mark.parametrize("opset", [1, 6])
def test_dropout_used_to_train_unless_told_otherwise(opset: int) -> None:
    ((first, mask), _) = draw("Dropout", opset, {}, X + 2, outputs=2)
    assert set(first.unique().tolist()) == {0.0, 4.0}
    assert torch.equal(mask, (first != 0).float())


def test_a_mode_that_comes_at_run_time() -> None:
    for trains in (True, False):
        row = Row("Dropout", 22, (X + 2, np.array(0.5, np.float32), np.array(trains)), outputs=2)
        lowered = lower_proto(model_of(row, symbolic=True))
        fed = {f"x{i}": torch.from_numpy(np.array(x)) for i, x in enumerate(row.inputs)}
        y, mask = interpret(lowered.outputs, fed, lowered.inputs).values()
        assert set(y.unique().tolist()) == ({0.0, 4.0} if trains else {2.0})
        assert torch.equal(mask, y != 0)


INFERENCE = [
    *(Row("Dropout", opset, (X + 1,), {"is_test": 1}, expected=lambda x: x) for opset in (1, 6)),
    *(Row("Dropout", 7, (X + 1,), outputs=2, expected=lambda x: (x, np.ones_like(x))) for _ in "x"),
    *(Row("Dropout", 10, (X + 1,), outputs=2, expected=lambda x: (x, np.ones_like(x, bool))) for _ in "x"),
    *(Row("Dropout", opset, (X + 1,), outputs=2) for opset in (12, 13, 22)),
    *(
        Row("Dropout", 22, (X + 1, np.array(ratio, np.float32), np.array(trains)), {}, (1, 2), outputs=2)
        for ratio, trains in ((0.5, False), (0.0, True))
    ),
]


@pytest.mark.parametrize("row", INFERENCE, ids=str)
def test_dropout_in_inference(row: Row) -> None:
    check(row, symbolic=True)


def test_equal_nodes_draw_each_for_itself(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("RandomNormalLike", ["x"], ["a"]),
        helper.make_node("RandomNormalLike", ["x"], ["b"]),
        helper.make_node("RandomUniform", [], ["c"], shape=[4], seed=5.0),
        helper.make_node("RandomUniform", [], ["d"], shape=[4]),
        helper.make_node("Sub", ["a", "b"], ["y"]),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "draws", [info("x", TensorProto.FLOAT, ["n"])], [info(name, TensorProto.FLOAT, None) for name in "ycd"]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)])
    (tmp_path / "draws.onnx").write_bytes(model.SerializeToString())
    convert(tmp_path / "draws.onnx", tmp_path / "out")
    drawn = import_model(tmp_path / "out").load_model()
    (y, c, d), (other, same, new) = drawn(torch.zeros(4)), drawn(torch.zeros(4))
    assert y.abs().min() > 0
    assert not torch.equal(y, other)
    assert torch.equal(c, same)
    assert not torch.equal(d, new)


def test_draws_keep_their_order(tmp_path: Path) -> None:
    """What is drawn first is drawn first, though it is used last."""
    nodes = [
        helper.make_node("RandomNormalLike", ["x"], ["a"]),
        helper.make_node("RandomNormalLike", ["x"], ["b"], scale=2.0),
        helper.make_node("Sub", ["b", "a"], ["y"]),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "order", [info("x", TensorProto.FLOAT, ["n"])], [info("y", TensorProto.FLOAT, None)]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)])
    (tmp_path / "order.onnx").write_bytes(model.SerializeToString())
    convert(tmp_path / "order.onnx", tmp_path / "out")
    torch.manual_seed(3)
    first, second = torch.randn(4), torch.randn(4)
    torch.manual_seed(3)
    torch.testing.assert_close(import_model(tmp_path / "out").load_model()(torch.zeros(4)), second * 2 - first)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Row("RandomNormal", 22, (), {"shape": [2], "dtype": TensorProto.INT32}), "int32"),
        (Row("RandomUniformLike", 22, (np.array([1]),)), "int64"),
    ],
    ids=str,
)
def test_refusals(row: Row, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        lower_proto(model_of(row, symbolic=False))
