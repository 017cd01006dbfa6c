"""Batch normalizations after the convolutions that had one: where, under which names, and with whose bias."""

from __future__ import annotations

import onnx_proto
import pytest
from onnx_proto.build import graph, model, node, value
from samples import call, weights

from codegen_torch.clean.unfold import unfold_batchnorm
from codegen_torch.modules.scopes import scope_of

NORM = "torch.nn.modules.batchnorm.BatchNorm2d"


def unfolded(nodes: list[onnx_proto.Node], tensors: list[onnx_proto.Tensor]) -> tuple[onnx_proto.Graph, list[str]]:
    net = model(graph(nodes, [value("x", "float32", ["n", 3, 8, 8])], ["y"], tensors), opset_imports=20)
    changed, notes = unfold_batchnorm(net)
    return changed.graph, notes


def test_the_scope_names_the_norm_and_the_weight_the_convolution() -> None:
    tensors = weights(conv1__weight=[4, 3, 1, 1], conv1__weight_bias=[4])
    found, notes = unfolded([call("Conv", "x conv1.weight conv1.weight_bias", "y", "bn1", NORM)], tensors)
    conv, norm = found.nodes
    assert conv.inputs == ("x", "conv1.weight")
    assert norm.inputs == (*conv.outputs, "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var")
    assert norm.outputs == ("y",)
    (bias,) = (each for each in found.initializers if each.name == "bn1.bias")
    assert (bias.numpy() == tensors[1].numpy()).all()
    assert "conv1.weight_bias" not in {each.name for each in found.initializers}
    assert notes == [
        "1 batch normalizations, the identity for now, were put after the convolutions that had one folded in"
    ]


def test_a_bias_of_the_convolutions_own_stays() -> None:
    tensors = weights(conv1__weight=[4, 3, 1, 1], conv1__bias=[4])
    found, _ = unfolded([call("Conv", "x conv1.weight conv1.bias", "y", "bn1", NORM)], tensors)
    assert found.nodes[0].inputs == ("x", "conv1.weight", "conv1.bias")
    (bias,) = (each for each in found.initializers if each.name == "bn1.bias")
    assert not bias.numpy().any()


@pytest.mark.parametrize(
    ("conv", "norm"),
    [("/stem/conv1/Conv", "stem.bn1"), ("/layers/layers.3/Conv", "layers.4"), ("/a/proj/Conv", "a.norm")],
)
def test_without_a_name_it_is_called_by_the_convolutions(conv: str, norm: str) -> None:
    tensors = weights(w=[4, 3, 1, 1], b=[4])
    renamed = [onnx_proto.build.tensor(f"onnx::Conv_{i}", each.numpy()) for i, each in enumerate(tensors)]
    found, _ = unfolded([node("Conv", ["x", "onnx::Conv_0", "onnx::Conv_1"], ["y"], name=conv)], renamed)
    assert found.nodes[1].inputs[1] == f"{norm}.weight"
    assert scope_of(found.nodes[1])[-1].path == norm


def test_only_those_that_had_one_where_the_file_tells_of_any() -> None:
    nodes = [
        call("Conv", "x conv1.weight conv1.weight_bias", "h", "bn1", NORM),
        call("Conv", "h conv2.weight conv2.bias", "y", "conv2", "torch.nn.modules.conv.Conv2d"),
    ]
    tensors = weights(conv1__weight=[4, 3, 1, 1], conv1__weight_bias=[4], conv2__weight=[4, 4, 1, 1], conv2__bias=[4])
    found, _ = unfolded(nodes, tensors)
    assert [each.op_type for each in found.nodes] == ["Conv", "BatchNormalization", "Conv"]
    found, notes = unfolded(
        [call("Conv", "x conv2.weight conv2.bias", "y")], weights(conv2__weight=[4, 3, 1, 1], conv2__bias=[4])
    )
    assert [each.op_type for each in found.nodes] == ["Conv", "BatchNormalization"]
    assert "does not tell" in notes[0]
