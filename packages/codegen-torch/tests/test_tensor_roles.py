"""The names of tensors that nobody named, by what becomes of them."""

import numpy as np
import onnx_proto
import pytest
from onnx_proto.build import tensor
from samples import call, made, tree_of, weights

from codegen_torch.modules.tensor_roles import is_name


@pytest.mark.parametrize("name", ["cls_token", "inv_freq", "relative_position_index", "mask", "embedding", "A_log"])
def test_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["mul_4", "unsqueeze", "pow_1", "_to_copy_3", "val_12", "const_0", "node_7", "4", "a b"]
)
def test_no_names(name: str) -> None:
    assert not is_name(name)


def members(nodes: list[onnx_proto.Node], *tensors: onnx_proto.Tensor) -> set[str]:
    """What the model keeps."""
    return set(tree_of(made(nodes, tensors, inputs={"x": ["batch", 4]})).members.values())


WIDE = np.linspace(0, 1, 4, dtype=np.float32) ** 2


@pytest.mark.parametrize(
    ("nodes", "names"),
    [
        ([call("Mul", "x mul_4", "h"), call("Add", "h sub_2", "y")], {"frozen_scale", "frozen_bias"}),
        ([call("Div", "x val_3", "y")], {"frozen_divisor"}),
        ([call("Mul", "x pow_1", "h"), call("Sin", "h", "y")], {"inv_freq"}),
        ([call("Div", "x pow_1", "h"), call("Cos", "h", "y")], {"periods"}),
        ([call("Mul", "x gamma", "y")], {"gamma"}),
        ([call("Mul", "x val_1", "h"), call("Add", "x val_1", "g"), call("Add", "h g", "y")], {"table"}),
        ([call("Max", "x val_1", "y")], {"table"}),
    ],
)
def test_roles(nodes: list[onnx_proto.Node], names: set[str]) -> None:
    given = {name for each in nodes for name in each.inputs} - {"x", "h", "g"}
    assert members(nodes, *(tensor(name, WIDE + number) for number, name in enumerate(sorted(given)))) == names


def test_what_attention_adds_is_its_mask() -> None:
    nodes = [call("Attention", "q k v val_1", "y")]
    inputs: dict[str, list[int | str | None]] = {name: ["batch", 2, 16, 4] for name in "qkv"}
    numbers = np.random.default_rng(0).normal(size=(1, 2, 16, 16)).astype(np.float32)
    for mask in (numbers, numbers > 0):
        root = tree_of(made(nodes, [tensor("val_1", mask)], inputs=inputs, opset=23))
        assert set(root.members.values()) == {"mask"}


def test_positions_are_looked_up() -> None:
    nodes = [call("Gather", "table val_1", "e"), call("Add", "x e", "y")]
    (given,) = weights(table=[9, 4])
    root = tree_of(made(nodes, [given, tensor("val_1", np.arange(9)[None])], inputs={"x": ["batch", 9, 4]}))
    assert "position_ids" in root.members.values()
