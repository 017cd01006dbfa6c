"""Dropouts that files tell of: in which forms, under which names, and what stays as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx_proto
import pytest
from onnx_proto.build import graph, node, tensor, value
from samples import body, call, converted, made, weights

from codegen_torch.changes import Changes
from codegen_torch.errors import ConversionError
from codegen_torch.support import support

DROPOUT = "torch.nn.modules.dropout.Dropout"
RATIO = tensor("ratio", np.array(0.3, np.float32))
YES, NO = tensor("yes", np.array(True)), tensor("no", np.array(False))
Shapes = dict[str, Sequence[int | str | None]]
NONE = "no dropout was put back: the file tells of none, for exporters leave it out of what only infers"


def dropped(folder: Path, source: onnx_proto.Model, share: float | str = 0.1) -> tuple[str, list[str]]:
    """The classes of a model with its dropouts, and the notes."""
    text, report = converted(folder, source, changes=Changes(dropout=share))
    return body(text), report.notes


@pytest.mark.parametrize(
    ("opset", "inputs", "attributes", "own", "always"),
    [
        (1, "", {"is_test": 1, "ratio": 0.3, "consumed_inputs": [1, 0]}, 0.3, False),
        (6, "", {"is_test": 1}, 0.5, False),
        (6, "", {"ratio": 0.3}, 0.3, True),
        (7, "", {"ratio": 0.3}, 0.3, False),
        (11, "", {}, 0.5, False),
        (12, "", {}, 0.5, False),
        (12, " ratio", {}, 0.3, False),
        (13, " ratio no", {"seed": 7}, 0.3, False),
        (22, " ratio yes", {}, 0.3, True),
    ],
)
@pytest.mark.parametrize("share", [0.1, "file"])
def test_every_form_of_the_operator(
    opset: int, inputs: str, attributes: dict[str, object], own: float, always: bool, share: float | str, tmp_path: Path
) -> None:
    nodes = [
        call("Relu", "x", "r"),
        call("Dropout", f"r{inputs}", "d mask" if opset > 6 else "d", "drop", DROPOUT, **attributes),
        call("Neg", "d", "y"),
    ]
    text, (note,) = dropped(tmp_path, made(nodes, [RATIO, YES, NO], opset=opset), share)
    assert f"self.drop = nn.Dropout({own if share == 'file' else share})" in text
    assert "return -self.drop(F.relu(x))" in text
    assert note == "1 dropout put back, to drop in training mode alone" + (
        "; 1 of them would drop in every mode, as the file says" if always else ""
    )


def test_without_the_option_nothing_is_put_back(tmp_path: Path) -> None:
    text, report = converted(tmp_path, made([call("Dropout", "x", "y", "drop", DROPOUT)]))
    assert "ropout" not in text
    assert report.notes == []


def test_a_function_asks_whether_the_module_trains(tmp_path: Path) -> None:
    nodes = [call("Relu", "x", "r", "block", "main.Block"), call("Dropout", "r", "y", "block", "main.Block")]
    text, _ = dropped(tmp_path, made(nodes))
    assert "return F.dropout(F.relu(x), 0.1, training=self.training)" in text
    assert "nn.Dropout" not in text


def test_what_an_exporter_that_optimizes_nothing_leaves(tmp_path: Path) -> None:
    nodes = [
        call("Relu", "x", "r"),
        call("Identity", "r", "d", "head.drop", "torch.nn.modules.dropout.Dropout2d"),
        call("Identity", "d", "e", "head", "main.Head"),
        call("Identity", "e", "f", "path", "timm.layers.drop.DropPath"),
        call("Neg", "f", "y"),
    ]
    image: Shapes = {"x": ["n", 3, 8, 8]}
    text, _ = dropped(tmp_path, made(nodes, inputs=image))
    assert "nn.Dropout2d(0.1)" in text
    assert text.count("nn.") == 3  # of which are nn.Module and the container
    _, notes = dropped(tmp_path, made(nodes, inputs=image), "file")
    assert notes == ["1 dropout stayed as in the file: the file does not tell how much to drop, so give a number"]


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("/net/dropout/Identity", "dropout"),
        ("/net/attn_drop/Identity", "attn_drop"),
        ("/net/dropout_2/Identity", "dropout_2"),
        ("/net/drop_path/Identity", ""),
        ("/net/Identity", ""),
        ("Identity_7", ""),
    ],
)
def test_what_a_copy_is_called_tells_in_files_without_classes(name: str, member: str, tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["r"], name="/net/Relu"), node("Identity", ["r"], ["i"], name=name)]
    text, notes = dropped(tmp_path, made([*nodes, node("Neg", ["i"], ["y"], name="/net/Neg")]))
    assert (f"self.{member} = nn.Dropout(0.1)" in text) if member else notes == [NONE]


def test_a_module_that_is_called_again_is_one_member(tmp_path: Path) -> None:
    tensors = weights(w=[4, 4], v=[4, 4])
    by_class = [
        call("MatMul", "x w", "a"),
        call("Dropout", "a", "b", "drop", DROPOUT),
        call("MatMul", "b v", "c"),
        call("Dropout", "c", "y", "drop", DROPOUT),
    ]
    names = ["/a/MatMul", "/drop/Dropout", "/c/MatMul", "/drop_1/Dropout"]
    by_name = [
        node(each.op_type, each.inputs, each.outputs, name=name) for each, name in zip(by_class, names, strict=True)
    ]
    for nodes in (by_class, by_name):
        text, _ = dropped(tmp_path, made(nodes, tensors))
        assert text.count("nn.Dropout(0.1)") == 1
        assert text.count("self.drop(") == 2
    by_name[3] = node("Dropout", ["c"], ["y"], name=names[3], ratio=0.2)
    text, _ = dropped(tmp_path, made(by_name, tensors, opset=11), "file")
    assert "self.drop = nn.Dropout(0.5)" in text
    assert "self.drop_1 = nn.Dropout(0.2)" in text


def test_a_place_in_a_sequential_keeps_its_number(tmp_path: Path) -> None:
    sequential = "torch.nn.modules.container.Sequential"
    nodes = [
        call("Gemm", "x layers.0.weight", "a", "layers/0", sequential, "torch.nn.Linear", transB=1),
        call("Dropout", "a", "b", "layers/1", sequential, DROPOUT),
        call("Relu", "b", "c", "layers/2", sequential, "torch.nn.ReLU"),
        call("Gemm", "c layers.3.weight", "y", "layers/3", sequential, "torch.nn.Linear", transB=1),
    ]
    text, _ = dropped(tmp_path, made(nodes, weights(layers__0__weight=[8, 4], layers__3__weight=[2, 8])))
    assert text.index("nn.Linear(4, 8") < text.index("nn.Dropout(0.1)") < text.index("nn.ReLU()")
    assert "nn.Sequential(" in text


def _attention(*after_softmax: onnx_proto.Node) -> list[onnx_proto.Node]:
    return [
        call("MatMul", "q k", "scores", "attn", "main.Attention"),
        call("Softmax", "scores", "p", "attn", "main.Attention", axis=-1),
        *after_softmax,
        call("MatMul", "d v", "y", "attn", "main.Attention"),
    ]


HEADS: Shapes = {"q": ["n", 2, "t", 8], "k": ["n", 2, 8, "t"], "v": ["n", 2, "t", 8]}


@pytest.mark.parametrize("path", ["attn", "attn/drop"])
def test_an_attention_drops_its_own_weights(path: str, tmp_path: Path) -> None:
    drop = call("Dropout", "p", "d", "attn", "main.Attention")
    if path != "attn":
        drop = call("Dropout", "p", "d", "attn/drop", "main.Attention", DROPOUT)
    text, _ = dropped(tmp_path, made(_attention(drop), inputs=HEADS))
    assert "F.scaled_dot_product_attention(" in text
    assert "dropout_p=0.1 if self.training else 0.0" in text
    assert "softmax" not in text
    assert "Dropout" not in text


def test_weights_that_are_returned_stay_weights(tmp_path: Path) -> None:
    nodes = _attention(call("Dropout", "p", "d", "attn", "main.Attention"))
    text, _ = dropped(tmp_path, made(nodes, inputs=HEADS, outputs="y d"))
    assert "F.dropout(" in text
    assert "scaled_dot_product_attention" not in text


@pytest.mark.parametrize(
    ("ratios", "layers"),
    [
        ((0.3, 0.3), ["nn.LSTM(4, 4, num_layers=3, bias=False, dropout=0.3)"]),
        ((0.3, 0.2), ["nn.LSTM(4, 4, num_layers=2, bias=False, dropout=0.3)", "nn.LSTM(4, 4, bias=False)"]),
        ((0.0, 0.2), ["nn.LSTM(4, 4, num_layers=2, bias=False)", "nn.LSTM(4, 4, bias=False)"]),
    ],
)
def test_recurrent_layers_drop_what_training_drops_between_them(
    ratios: tuple[float, float], layers: list[str], tmp_path: Path
) -> None:
    nodes: list[onnx_proto.Node] = []
    given = "x"
    for number, ratio in enumerate((*ratios, 0.0)):
        nodes += [
            call("LSTM", f"{given} w{number} r{number}", f"s{number}", "lstm", "torch.nn.LSTM", hidden_size=4),
            call("Squeeze", f"s{number}", f"q{number}", "lstm", "torch.nn.LSTM", axes=[1]),
            call("Dropout", f"q{number}", f"d{number}", "lstm", "torch.nn.LSTM", ratio=ratio),
        ]
        given = f"d{number}"
    shapes = {f"{kind}{number}": [1, 16, 4] for number in range(3) for kind in "wr"}
    source = made(nodes, weights(**shapes), inputs={"x": ["t", "n", 4]}, outputs="d2", opset=11)
    text, _ = dropped(tmp_path, source, "file")
    assert re.findall(r"nn\.LSTM\([^\n]*\)", text) == layers
    assert text.count("F.dropout(") == len(layers) - 1


def test_equal_dropouts_draw_apart(tmp_path: Path) -> None:
    nodes = [call("Dropout", "x", "a"), call("Dropout", "x", "b"), call("Sub", "a b", "y")]
    text, _ = dropped(tmp_path, made(nodes))
    assert text.count("F.dropout(x, 0.1, training=self.training)") == 2


def test_numbers_that_are_no_floats_are_not_dropped(tmp_path: Path) -> None:
    nodes = [call("Identity", "x", "d", "drop", DROPOUT), call("Neg", "d", "y")]
    source = onnx_proto.build.model(graph(nodes, [value("x", "int64", ["n"])], ["y"]), opset_imports=20)
    text, _ = dropped(tmp_path, source)
    assert "Dropout" not in text


@pytest.mark.parametrize(
    ("nodes", "inputs", "reason"),
    [
        ([call("Dropout", "x", "d m"), call("Where", "m d x", "y")], {}, "the graph uses the mask of what is kept"),
        ([call("Dropout", "x ratio mode", "y")], {"mode": "bool"}, "the graph itself decides when to drop"),
    ],
)
def test_what_cannot_follow_the_mode_stays(
    nodes: list[onnx_proto.Node], inputs: dict[str, str], reason: str, tmp_path: Path
) -> None:
    values = [value("x", "float32", ["n", 4]), *(value(name, kind, []) for name, kind in inputs.items())]
    source = onnx_proto.build.model(graph(nodes, values, ["y"], [RATIO]), opset_imports=20)
    text, notes = dropped(tmp_path, source)
    assert notes == [f"1 dropout stayed as in the file: {reason}"]
    assert text == body(converted(tmp_path, source)[0])


def test_what_is_in_a_branch_stays(tmp_path: Path) -> None:
    then, orelse = (graph([call(op, "x", "t")], [], ["t"], name=op) for op in ("Dropout", "Neg"))
    nodes = [node("If", ["c"], ["y"], then_branch=then, else_branch=orelse)]
    inputs = [value("c", "bool", []), value("x", "float32", ["n"])]
    _, notes = dropped(tmp_path, onnx_proto.build.model(graph(nodes, inputs, ["y"]), opset_imports=20))
    assert notes == ["1 dropout stayed as in the file: inside of a branch or a loop"]


def test_a_share_in_the_file_that_is_none_stays(tmp_path: Path) -> None:
    source = made([call("Dropout", "x", "y", ratio=1.5)], opset=11)
    assert dropped(tmp_path, source, "file")[1] == ["1 dropout stayed as in the file: 1.5 is no share of elements"]
    assert "F.dropout(x, 0.2" in dropped(tmp_path, source, 0.2)[0]


def test_where_training_dropped_nothing_nothing_is_put_back(tmp_path: Path) -> None:
    assert dropped(tmp_path, made([call("Dropout", "x", "y", ratio=0.0)], opset=11))[1] == [NONE]


def test_a_file_that_tells_of_none_is_said_to(tmp_path: Path) -> None:
    assert dropped(tmp_path, made([call("Relu", "x", "y")]))[1] == [NONE]


@pytest.mark.parametrize("share", [-0.1, 1, 1.0, float("nan"), "half", True])
def test_a_share_is_a_number_below_one(share: float | str) -> None:
    with pytest.raises(ConversionError, match="dropout"):
        Changes(dropout=share)


def test_sizes_are_freed_and_parts_are_cut_as_without_it(tmp_path: Path) -> None:
    nodes = [call("Relu", "x", "r"), call("Dropout", "r", "d", "drop", DROPOUT), call("Neg", "d", "y")]
    source = made(nodes, inputs={"x": [2, 4]}, opset=11)
    changes = Changes(dropout=0.1, dynamic=("batch",), outputs=("d",))
    text = body(converted(tmp_path, source, changes=changes)[0])
    assert "return self.drop(F.relu(x))" in text


def test_it_is_no_operator_of_a_files() -> None:
    assert not [each for each in support() if each.domain.startswith("onnxgen")]
