"""Names of tf2onnx, keras2onnx and paddle2onnx as scopes and keys."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import onnx_proto
import pytest
from exporter_samples import keras_cnn, keras_flat_transformer, keras_transformer, paddle_resnet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx_proto.build import graph, model, node, tensor, value
from samples import body, converted

from codegen_torch.exporters import tell_scopes, tensor_names
from codegen_torch.modules.scopes import scope_of


def scopes(*names: str) -> list[str]:
    """The innermost module of nodes with these names, in a model of tf2onnx's."""
    nodes = [node("Relu", ["x"], [f"y{index}"], name=name) for index, name in enumerate(names)]
    source = model(graph(nodes, [value("x", "float32", [1])], ["y0"]), producer_name="tf2onnx 1.16.1")
    told = [scope_of(each) for each in tell_scopes(source).graph.nodes]
    return [scope[-1].path if scope else "" for scope in told]


def keys(tensors: Iterable[str], nodes: Iterable[onnx_proto.Node] = (), producer: str = "") -> Mapping[str, str]:
    inside = graph(nodes, [value("x", "float32", [1])], ["x"], [tensor(name, [1.0]) for name in tensors])
    return tensor_names(model(inside, producer_name=producer))


def test_what_wraps_a_saved_model_and_its_own_name_are_no_modules() -> None:
    assert scopes(
        "StatefulPartitionedCall/model/encoder/dense/MatMul",
        "StatefulPartitionedCall/StatefulPartitionedCall/model/encoder/dense/BiasAdd__12",
        "StatefulPartitionedCall/model/encoder/StatefulPartitionedCall_1/norm/batchnorm/mul_1",
        "StatefulPartitionedCall/model/head/Tensordot/MatMul_Gemm__23",
        "Transpose__7",
    ) == ["encoder.dense", "encoder.dense", "encoder.norm", "head", ""]


def test_numbered_layers_of_transformers_are_entries_of_a_list() -> None:
    prefix = "tf_bert_model/bert/encoder/layer_._"
    assert scopes(f"{prefix}0/attention/self/query/MatMul", f"{prefix}11/output/dense/MatMul", "tf_bert_model/add") == [
        "bert.encoder.layer.0.attention.self.query",
        "bert.encoder.layer.11.output.dense",
        "",
    ]


def test_layers_of_equal_blocks_are_counted_anew() -> None:
    assert scopes(
        "model/block/dense_7/MatMul",
        "model/block/dense_9/MatMul",
        "model/block_1/dense_10/MatMul",
        "model/block_1/dense_11/MatMul",
        "model/head/dense_12/MatMul",
    ) == ["block.dense", "block.dense_1", "block_1.dense", "block_1.dense_1", "head.dense_12"]


def test_numbers_that_keras_3_appends_when_it_exports_are_left_out() -> None:
    assert scopes(
        "functional_2_1/encoder_1/dense_1_1/Add",
        "functional_2_1/encoder_1/dense_1/Add",
        "functional_2_1/head_1/Add",
    ) == ["encoder.dense_1", "encoder.dense", "head"]


def test_flat_models_tell_no_scopes() -> None:
    assert scopes("model/dense/MatMul", "model/dense_1/MatMul", "model/add/add") == ["", "", ""]


def test_only_tensorflow_names_are_read() -> None:
    nodes = [node("Relu", ["x"], ["y"], name="a/b/c/Relu"), node("Relu", ["y"], ["z"], name="a/d/Relu")]
    source = model(graph(nodes, [value("x", "float32", [1])], ["z"]), producer_name="somebody")
    assert tell_scopes(source) is source
    assert scopes("/a/b/c/Relu", "/a/d/e/Relu") == ["a.b.c", "a.d.e"]  # torch's own


def test_tensors_are_called_by_their_place_and_role() -> None:
    read = "m/dense/MatMul/ReadVariableOp:0"
    nodes = [
        node("MatMul", ["x", read], ["h"], name="m/dense/MatMul"),
        node("Add", ["h", "const_fold_opt__3"], ["i"], name="m/dense/BiasAdd"),
        node("BatchNormalization", ["i", "a", "b", "c", "d"], ["j"], name="m/norm/FusedBatchNormV3"),
    ]
    assert keys([read, "const_fold_opt__3", "a", "b", "c", "d"], nodes) == {
        read: "dense.weight",
        "const_fold_opt__3": "dense.bias",
        "a": "norm.weight",
        "b": "norm.bias",
        "c": "norm.running_mean",
        "d": "norm.running_var",
    }


def test_variables_tell_by_themselves_where_nodes_do_not() -> None:
    assert keys(["f/dense/kernel:0", "f/dense/bias:0", "f/norm/gamma:0", "other"], producer="keras2onnx") == {
        "f/dense/kernel:0": "dense.weight",
        "f/dense/bias:0": "dense.bias",
        "f/norm/gamma:0": "norm.weight",
    }
    assert keys(["m/a/MatMul/ReadVariableOp:0", "m/b/BiasAdd/ReadVariableOp_1:0"]) == {
        "m/a/MatMul/ReadVariableOp:0": "a.weight",
        "m/b/BiasAdd/ReadVariableOp_1:0": "b.bias",
    }


def test_paddle_numbers_tensors() -> None:
    names = ["conv2d_0.w_0", "linear_3.b_0", "batch_norm2d_1.w_2", "conv2d_0.w_2", "conv2d_4.w_0.cast"]
    assert keys([*names, "x_0.tmp_1", "w_0"]) == {
        "conv2d_0.w_0": "conv2d_0.weight",
        "linear_3.b_0": "linear_3.bias",
        "batch_norm2d_1.w_2": "batch_norm2d_1.running_var",
        "conv2d_4.w_0.cast": "conv2d_4.weight",
    }


def test_names_that_would_collide_stay() -> None:
    assert keys(["a_0.w_0", "a_0.w_0.cast", "b_0.w_0", "b_0.weight"]) == {}


def test_a_functional_model_is_called_as_its_layers_were(tmp_path: Path) -> None:
    text, _ = converted(tmp_path, keras_cnn())
    assert body(text) == (
        "class Net(nn.Module):\n"
        '    output_names = ("y",)\n'
        "\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__()\n"
        "        self.conv2d = nn.Conv2d(3, 8, 3, padding=1)\n"
        "        self.conv2d_1 = nn.Conv2d(8, 8, 3, padding=1)\n"
        "        self.batch_normalization = nn.BatchNorm2d(8, eps=0.001)\n"
        "        self.conv2d_2 = nn.Conv2d(8, 8, 3, padding=1)\n"
        "        self.dense = nn.Linear(8, 16)\n"
        "        self.predictions = nn.Linear(16, 10)\n"
        "\n"
        "    def forward(self, x: Tensor) -> Tensor:\n"
        "        # x: [batch, 8, 8, 3] -> [batch, 10]\n"
        "        x = F.relu(self.conv2d(x.permute(0, 3, 1, 2)))\n"
        "        out = self.conv2d_2(F.relu(self.batch_normalization(self.conv2d_1(x))))\n"
        "        out = F.relu(self.dense(F.relu(out + x).mean((2, 3))))\n"
        "        return F.softmax(self.predictions(out), dim=-1)\n"
    )


def test_blocks_of_keras_are_one_class(tmp_path: Path) -> None:
    text, _ = converted(tmp_path, keras_transformer())
    assert re.findall(r"^class (\w+)", text, flags=re.MULTILINE) == [
        "EinsumDense",
        "EinsumDense2",
        "MultiHeadAttention",
        "TransformerBlock",
        "Net",
    ]
    assert (
        "        self.multi_head_attention = MultiHeadAttention()\n"
        "        self.layer_normalization = nn.LayerNorm(16, eps=1e-06)\n"
        "        self.dense = nn.Linear(16, 64)\n"
        "        self.dense_1 = nn.Linear(64, 16)\n"
        "        self.layer_normalization_1 = nn.LayerNorm(16, eps=1e-06)\n"
    ) in text
    assert (
        "        self.transformer_block = TransformerBlock()\n"
        "        self.transformer_block_1 = TransformerBlock()\n"
        "        self.dense_4 = nn.Linear(16, 2)\n"
    ) in text


def test_blocks_of_a_flat_model_are_what_it_repeats(tmp_path: Path) -> None:
    text, _ = converted(tmp_path, keras_flat_transformer())
    assert "        self.query_weight = nn.Parameter(torch.empty(16, 4, 4))\n" in text
    assert "        self.attention_output_bias = nn.Parameter(torch.empty(16))\n" in text
    assert "        self.layers = nn.ModuleList(Layer() for _ in range(3))\n" in text


def test_paddle_layers_have_their_names_outside_of_what_is_repeated(tmp_path: Path) -> None:
    text, report = converted(tmp_path, paddle_resnet())
    assert (
        "        self.conv2d_0 = nn.Conv2d(3, 8, 3, padding=1, bias=False)\n"
        "        self.batch_norm2d_0 = nn.BatchNorm2d(8)\n"
        "        self.blocks = nn.ModuleList(Block() for _ in range(3))\n"
        "        self.linear_0 = nn.Linear(8, 10)\n"
    ) in text
    assert report.class_name == "Net"


HOSTILE = st.one_of(
    st.text(max_size=12),
    st.lists(
        st.sampled_from(
            ["a", "a_1", "a_._1", "0", "", ".", "..", "__init__", "forward", "é", "\0", "Tensordot", "w_0"]
        ),
        max_size=5,
    ).map("/".join),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from([keras_cnn, keras_transformer, paddle_resnet]))
def test_names_that_lie_make_valid_code(
    tmp_path: Path, data: st.DataObject, sample: Callable[[], onnx_proto.Model]
) -> None:
    source = sample()
    nodes = [dataclasses.replace(each, name=data.draw(HOSTILE)) for each in source.graph.nodes]
    text, _ = converted(
        tmp_path, dataclasses.replace(source, graph=dataclasses.replace(source.graph, nodes=tuple(nodes))), force=True
    )
    ast.parse(text)


@pytest.mark.parametrize("depth", [70, 20_000])
def test_names_of_any_length_are_read(depth: int) -> None:
    assert scopes("a/" * depth + "Relu", "b/c/Relu", "b/e/Relu", "d/Relu") == ["", "b.c", "b.e", "d"]
