"""The parts of a verification that need neither torch nor ONNX Runtime."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_proto
import pytest
from click.testing import CliRunner
from codegen_torch.changes import Changes
from codegen_torch.dtypes import DType
from codegen_torch.report import Counterpart
from onnx_proto.build import graph, model, node, tensor, value

from onnxgen.commands import cli
from onnxgen.exits import BadInputError
from onnxgen.verification.compare import TOLERANCES, compare, relative_errors
from onnxgen.verification.instrument import TELL, instrumented
from onnxgen.verification.parts import recorded_changes
from onnxgen.verification.randomness import random_values
from onnxgen.verification.samples import read_inputs, sample_inputs, vocabularies
from onnxgen.verification.segments import segment_model, segments
from onnxgen.verification.sizes import described, size_choices
from onnxgen.verification.source import read_folder
from onnxgen.verification.values import Array, Numbers


def numbers(values: Any, dtype: str = "float32") -> Numbers:
    return Numbers(np.asarray(values, dtype), DType(dtype))


def table(rows: int) -> onnx_proto.Tensor:
    return tensor("table", np.zeros((rows, 4), np.float32))


def of(nodes: Sequence[onnx_proto.Node], inputs: Mapping[str, Any], tensors: Sequence[onnx_proto.Tensor] = ()) -> Any:
    given = [value(name, dtype, shape) for name, (dtype, shape) in inputs.items()]
    return graph(nodes, given, [nodes[-1].outputs[0]], tensors)


# Comparing.


def test_equal_values_agree() -> None:
    found = compare(numbers([1.0, np.nan, -np.inf]), numbers([1.0, np.nan, -np.inf]))
    assert (found.agrees, found.error, found.tolerance) == (True, 0.0, TOLERANCES[DType.FLOAT32])
    assert found.wanted is not None
    assert found.wanted.not_finite == 2


def test_an_error_is_relative_to_the_element_and_the_mean() -> None:
    found = compare(numbers([1.0, 3.004]), numbers([1.0, 3.0]))
    assert not found.agrees
    assert found.error == pytest.approx(0.004 / (3 + 2), rel=1e-3)
    assert found.worst is not None
    assert found.worst[0] == (1,)
    assert compare(numbers([1.0, 3.004]), numbers([1.0, 3.0]), 1e-2).agrees


def test_what_masks_hold_is_no_measure_of_the_rest() -> None:
    lowest = float(np.finfo(np.float32).min)
    errors = relative_errors(np.array([lowest, 0.1], np.float32), np.array([lowest, 0.2], np.float32))
    assert errors[0] == 0
    assert errors[1] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("found", "wanted", "reason"),
    [
        (numbers([1.0]), numbers([[1.0]]), "shape [1] where [1, 1] is wanted"),
        (numbers([1.0], "float64"), numbers([1.0]), "float64 where float32 is wanted"),
        (numbers([np.nan]), numbers([1.0]), "NaN or infinity in other places"),
        (numbers([1.0]), numbers([np.nan]), "NaN or infinity in other places"),
        (numbers([np.inf]), numbers([-np.inf]), "NaN or infinity in other places"),
        ([], [numbers([1.0])], "0 items where 1 are wanted"),
        ({1: 0.5}, {2: 0.5}, "a map with other keys"),
        (None, numbers([1.0]), "a missing value where a tensor is wanted"),
    ],
)
def test_what_is_of_another_form_differs(found: Any, wanted: Any, reason: str) -> None:
    comparison = compare(found, wanted, 1e9)
    assert not comparison.agrees
    assert comparison.reason == reason
    assert comparison.error == math.inf


@pytest.mark.parametrize("dtype", ["int64", "bool", "uint8"])
def test_integers_must_be_equal(dtype: str) -> None:
    assert compare(numbers([1, 0], dtype), numbers([1, 0], dtype)).agrees
    found = compare(numbers([1, 0], dtype), numbers([1, 1], dtype), 1e9)
    assert not found.agrees
    assert found.reason == "1 of 2 elements are not equal"


def test_texts_maps_sequences_and_nothing() -> None:
    texts = Numbers(np.array(["a", "b"], object), DType.STRING)
    assert compare(texts, texts).agrees
    assert not compare(texts, Numbers(np.array(["a", "c"], object), DType.STRING)).agrees
    assert compare({"a": 0.5}, {"a": 0.5}).agrees
    assert not compare({"a": 0.5}, {"a": 0.6}).agrees
    assert compare([numbers([1.0])], [numbers([1.0])]).agrees
    assert compare(None, None).agrees
    assert compare(numbers(np.zeros((0, 3))), numbers(np.zeros((0, 3)))).agrees


def test_narrow_floats_are_compared_as_numbers() -> None:
    ones = Numbers.of(np.full(3, 0x3F80, np.uint16), DType.BFLOAT16)
    assert ones.array.tolist() == [1, 1, 1]
    assert compare(ones, ones).tolerance == TOLERANCES[DType.BFLOAT16]


# Sizes and inputs.


def test_sizes_by_kind() -> None:
    inputs = {"ids": ("int64", ["batch", "seq"]), "image": ("float32", ["batch", 3, "height", None])}
    found = size_choices(of([node("Neg", ["ids"], ["y"])], inputs))
    assert found[0] == {"batch": 2, "seq": 8, "height": 64, "image.3": 8}
    assert [choice["batch"] for choice in found] == [2, 3, 1]
    assert size_choices(of([node("Neg", ["x"], ["y"])], {"x": ("float32", [2])})) == [{}]
    assert described({}) == "as stated"


def test_a_size_that_others_determine() -> None:
    inputs = {"mask": ("int64", ["b", "past + seq"]), "x": ("float32", ["b", "past"]), "y": ("float32", ["b", "seq"])}
    first = size_choices(of([node("Neg", ["x"], ["z"])], inputs))[0]
    assert first["past + seq"] == first["past"] + first["seq"]


def test_a_size_that_a_weight_asks_for() -> None:
    weight = tensor("w", np.zeros((5, 3, 2, 2), np.float32))
    inputs = {"x": ("float32", ["n", None, "h", "w"])}
    nodes = [node("Conv", ["x", "w"], ["y"], attributes={"group": 2})]
    assert size_choices(of(nodes, inputs, [weight]))[0]["x.1"] == 6


def test_ids_stay_within_the_vocabulary() -> None:
    nodes = [node("Cast", ["ids"], ["i"], attributes={"to": 6}), node("Gather", ["table", "i"], ["y"])]
    source = of(nodes, {"ids": ("int64", ["batch", "seq"])}, [table(7)])
    assert vocabularies(source) == {"ids": 7}
    ids = sample_inputs(source, {"batch": 20, "seq": 20}, 0)["ids"].array
    assert (ids.min(), ids.max()) == (0, 6)


def test_masks_are_ones_and_floats_are_bounded() -> None:
    inputs = {
        "attention_mask": ("int64", [2, 3]),
        "x": ("float32", [100]),
        "h": ("bfloat16", [4]),
        "n_len": ("int64", [2]),
    }
    found = sample_inputs(of([node("Neg", ["x"], ["y"])], inputs), {}, 1)
    assert (found["attention_mask"].array == 1).all()
    assert np.abs(found["x"].array).max() <= 1
    assert found["h"].array.dtype == np.uint16
    assert (found["n_len"].array == 1).all()
    again = sample_inputs(of([node("Neg", ["x"], ["y"])], inputs), {}, 1)
    assert all((found[name].array == again[name].array).all() for name in found)


def test_what_cannot_be_made_up_is_said() -> None:
    with pytest.raises(BadInputError, match="no known rank"):
        sample_inputs(of([node("Neg", ["x"], ["y"])], {"x": ("float32", None)}), {}, 0)
    with pytest.raises(BadInputError, match="--inputs"):
        sample_inputs(of([node("Neg", ["x"], ["y"])], {"x": ("float8_e5m2", [2])}), {}, 0)


def test_inputs_from_a_file(tmp_path: Path) -> None:
    source = of([node("Add", ["a", "b"], ["y"])], {"a": ("float32", ["n"]), "b": ("float32", [1])})
    file = tmp_path / "inputs.npz"
    np.savez(file, a=np.ones(3, np.float32), b=np.ones(1, np.float32))
    assert read_inputs(source, file)["a"].array.tolist() == [1, 1, 1]
    for arrays, message in (
        ({"a": np.ones(3, np.float32)}, "has the inputs a, and the model takes a, b"),
        ({"a": np.ones(3), "b": np.ones(1)}, "is float64"),
        ({"a": np.ones(3, np.float32), "b": np.ones(2, np.float32)}, r"has the shape \[2\]"),
    ):
        np.savez(file, **arrays)
        with pytest.raises(BadInputError, match=message):
            read_inputs(source, file)
    file.write_bytes(b"nothing")
    with pytest.raises(BadInputError, match=r"no \.npz file"):
        read_inputs(source, file)


# Random numbers.


def test_what_depends_on_random_numbers() -> None:
    training = tensor("yes", np.array(True))
    ratio = tensor("half", np.array(0.5, np.float32))
    nodes = [
        node("RandomNormalLike", ["x"], ["r"]),
        node("Add", ["r", "x"], ["s"]),
        node("Neg", ["x"], ["n"]),
        node("Dropout", ["n", "half", "yes"], ["d"]),
        node("Dropout", ["n"], ["e"]),
    ]
    found = random_values(of(nodes, {"x": ("float32", [2])}, [training, ratio]))
    assert found == {"r": "RandomNormalLike", "s": "RandomNormalLike", "d": "Dropout"}


# Pieces of a graph.


def evaluated(nodes: Sequence[onnx_proto.Node], given: Mapping[str, Array]) -> dict[str, Array]:
    """Every value that nodes of Neg, Add and Constant compute."""
    known = dict(given)
    for each in nodes:
        if each.op_type == "Constant":
            constant = each.attributes["value"].value
            assert isinstance(constant, onnx_proto.Tensor)
            known[each.outputs[0]] = constant.numpy()
        else:
            operands = [known[name] for name in each.inputs]
            known[each.outputs[0]] = -operands[0] if each.op_type == "Neg" else operands[0] + operands[1]
    return known


@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_the_pieces_compute_what_the_whole_does(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxgen.verification.segments.MOST_VALUES", most)
    nodes = [
        node("Constant", [], ["c"], attributes={"value": tensor("", np.array([2.0], np.float32))}),
        node("Add", ["x", "c"], ["a"]),
        node("Neg", ["a"], ["b"]),
        node("Add", ["b", "w"], ["d"]),
        node("Add", ["d", "c"], ["e"]),
        node("Add", ["e", "a"], ["f"]),
        node("Add", ["f", "x"], ["g"]),
        node("Neg", ["g"], ["h"]),
    ]
    weights = [tensor("w", np.array([5.0], np.float32)), tensor("unused", np.array([5.0], np.float32))]
    source = model(of(nodes, {"x": ("float32", [1])}, weights), opset_imports=20)
    stored = {each.name: each.numpy() for each in weights}
    live = {"x": np.array([3.0], np.float32)}
    wanted = evaluated(source.graph.nodes, live | stored)
    told: dict[str, Array] = {}
    pieces = segments(source.graph, dict.fromkeys("abdefg", 4))
    for piece in pieces:
        part = segment_model(source, piece, {}).graph
        assert len(piece.wanted) <= most
        assert {each.name for each in part.initializers} <= {"w"}
        given = {info.name: live[info.name] for info in part.inputs}
        known = evaluated(part.nodes, given | {each.name: each.numpy() for each in part.initializers})
        told.update((name, known[name]) for name in piece.wanted)
        live.update((name, known[name]) for name in piece.passed_on)
        for name in piece.finished:
            del live[name]
    assert told == {name: wanted[name] for name in "abdefg"}
    assert len(pieces) == math.ceil(6 / most)


def test_weights_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxgen.verification.segments.MOST_BYTES", 40)
    weights = [tensor(f"w{i}", np.zeros(6, np.float32)) for i in range(4)]
    names = ["x", "a", "b", "c", "d"]
    nodes = [node("Add", [names[i], f"w{i}"], [names[i + 1]]) for i in range(4)]
    pieces = segments(of(nodes, {"x": ("float32", [6])}, weights), {"d": 0})
    assert [(piece.inputs, piece.wanted, piece.passed_on) for piece in pieces] == [
        (("x",), (), ("b",)),
        (("b",), ("d",), ()),
    ]


# The copy that tells.

SOURCE = '''"""Net."""


class Net:
    def forward(self, x):
        y = abs(
            -x,
        )
        if y:
            y = max(y, x) + max(y, x)
        return y, y * 2


def helper(x):
    return abs(-x)
'''


def test_a_copy_tells_what_its_expressions_compute() -> None:
    places = [(6, "-x"), (6, "abs(-x)"), (10, "max(y, x)"), (11, "y * 2"), (11, "not(there)")]
    code, numbers_of = instrumented(SOURCE, [Counterpart("v", "", *place) for place in places], "model.py")
    told: list[tuple[int, object]] = []

    def tell(number: int, module: object, value: object) -> object:
        told.append((number, value))
        return value

    names: dict[str, Any] = {TELL: tell}
    exec(code, names)
    assert names["Net"]().forward(3) == (6, 12)
    assert told == [(numbers_of[place], value) for place, value in zip(places, (-3, 3, 3, 12), strict=False)]
    assert set(numbers_of) == set(places[:-1])
    told.clear()
    assert names["helper"](-1) == 1
    assert told == []


def test_lines_of_the_copy_are_those_of_the_source() -> None:
    code, _ = instrumented(SOURCE, [Counterpart("v", "", 11, "y * 2")], "model.py")
    names: dict[str, Any] = {TELL: lambda number, module, value: 1 // 0}
    exec(code, names)
    with pytest.raises(ZeroDivisionError) as caught:
        names["Net"]().forward(3)
    assert caught.traceback[1].lineno == 11 - 1  # counted from 0


# What is not installed.


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for command in (["verify", "m.onnx", "m"], ["bench", "m"]):
        result = CliRunner().invoke(cli, command)
        assert result.exit_code == 1
        assert "needs torch: pip install 'onnxgen[" in result.stderr


# What is not the whole file.

SIGNATURE = """
class Inner:
    def forward(self, x): ...


class Net:
    output_names = ({names},)

    def forward(self, {parameters}): ...
"""


@pytest.mark.parametrize(
    ("names", "parameters", "changes"),
    [
        ("'y'", "x, n_1", Changes()),
        ("'y', 'a/b'", "x, n_1", Changes(intermediate=("a/b",))),
        ("'a/b'", "x", Changes(outputs=("a/b",))),
        ("'y'", "a_b, n_1", Changes(inputs=("a/b", "n.1"), outputs=("y",))),
        ("'elsewhere'", "x, n_1", Changes()),
        ("'y'", "something, n_1", Changes()),
    ],
)
def test_a_part_is_told_by_what_it_takes_and_returns(names: str, parameters: str, changes: Changes) -> None:
    nodes = [node("Neg", ["x"], ["a/b"]), node("Add", ["a/b", "n.1"], ["y"])]
    source = model(of(nodes, {"x": ("float32", [2]), "n.1": ("float32", [2])}), opset_imports=20)
    assert recorded_changes(SIGNATURE.format(names=names, parameters=parameters), source) == changes


# The folder.


def test_what_a_folder_says_about_itself(tmp_path: Path) -> None:
    text = '"""Net, generated from a.onnx.\n\nweights    weights.safetensors: 2 tensors\n"""\n'
    (tmp_path / "model.py").write_text(text)
    assert ast.parse(text)
    found = read_folder(tmp_path)
    assert (found.class_name, found.weights) == ("Net", "safetensors")
    (tmp_path / "model.py").write_text("x = 1\n")
    (tmp_path / "weights.msgpack").touch()
    assert (read_folder(tmp_path).class_name, read_folder(tmp_path).weights) == (None, "msgpack")
    (tmp_path / "model.py").write_text("x =\n")
    with pytest.raises(BadInputError, match="no Python source"):
        read_folder(tmp_path)
