"""The ``state_dict``: keys, ties, and tensors that only look tied."""

from __future__ import annotations

import numpy as np
import onnx_proto
from onnx_proto.build import tensor
from samples import call, made, tree_of, weights

from codegen_torch.dtypes import DType
from codegen_torch.modules.state import State, collect_state


def state_of(nodes: list[onnx_proto.Node], tensors: list[onnx_proto.Tensor]) -> State:
    return collect_state(tree_of(made(nodes, tensors)))


def test_keys_are_the_scope_and_the_role() -> None:
    nodes = [
        call("MatMul", "x val_1", "a", "layer.0/query"),
        call("Sin", "a", "s", "layer.0"),
        call("Gemm", "s val_2 val_3", "y", "layer.0/output", transB=1),
    ]
    state = state_of(nodes, weights(val_1=[4, 4], val_2=[4, 4], val_3=[4]))
    assert list(state.tensors) == ["layer.0.output.bias", "layer.0.output.weight", "layer.0.query.weight"]
    assert state.parameters == set(state.tensors)
    assert state.nodes["layer.0.output.bias"] == (2,)


def test_dotted_names_count_without_scopes() -> None:
    nodes = [call("Gemm", "x net.fc.weight net.fc.bias", "y", transB=1)]
    assert list(state_of(nodes, weights(net__fc__weight=[4, 4], net__fc__bias=[4])).tensors) == [
        "net.fc.bias",
        "net.fc.weight",
    ]


def test_a_weight_of_two_layers_is_one_parameter() -> None:
    nodes = [call("MatMul", "x w", "a", "first"), call("Sin", "a", "b"), call("MatMul", "b w", "y", "second")]
    state = state_of(nodes, weights(w=[4, 4]))
    assert list(state.tensors) == ["first.weight", "second.weight"]
    assert state.tensors["first.weight"] is state.tensors["second.weight"]
    assert state.tied == {"second.weight": "first.weight"}
    assert state.parameters == {"first.weight", "second.weight"}


def test_uniform_tensors_that_an_exporter_merged_are_not_tied() -> None:
    zeros = tensor("zeros", np.zeros(4, np.float32))
    nodes = [
        call("Gemm", "x v zeros", "a", "first", transB=1),
        call("Sin", "a", "b"),
        call("Gemm", "b w zeros", "y", "second", transB=1),
    ]
    state = state_of(nodes, [zeros, *weights(v=[4, 4], w=[4, 4])])
    assert state.tied == {}
    assert {"first.bias", "second.bias"} <= state.tensors.keys()


def test_a_head_is_tied_to_the_embedding_of_which_the_file_has_a_transposed_copy() -> None:
    table = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    nodes = [
        call("Cast", "x", "i", to=7),
        call("Gather", "table i", "e", "embed"),
        call("MatMul", "e copy", "y", "head"),
    ]
    state = state_of(nodes, [tensor("table", table), tensor("copy", table.T.copy())])
    assert state.tied == {"head.weight": "embed.weight"}


def test_a_head_that_is_called_twice_has_the_embeddings_table_twice() -> None:
    table = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    nodes = [
        call("Cast", "x", "i", to=7),
        call("Gather", "table i", "e", "embed"),
        call("MatMul", "e copy", "h", "head"),
        call("Sin", "h", "s"),
        call("MatMul", "s copy", "y", "again"),
    ]
    state = state_of(nodes, [tensor("table", table), tensor("copy", table.T.copy())])
    assert state.tied == {"head.weight": "embed.weight", "again.weight": "embed.weight"}
    assert list(state.tensors) == ["again.weight", "embed.weight", "head.weight"]


def norm(path: str, source: str, target: str) -> onnx_proto.Node:
    return call("BatchNormalization", f"{source} s b m v", target, path)


def test_batch_norm_counts_its_batches() -> None:
    tensors = [tensor(name, np.array([1, 2, 3, 4], np.float32)) for name in "sbmv"]
    source = made([norm("bn", "x", "y")], tensors, inputs={"x": ["batch", 4, 8, 8]})
    state = collect_state(tree_of(source))
    assert list(state.tensors) == [
        "bn.bias",
        "bn.num_batches_tracked",
        "bn.running_mean",
        "bn.running_var",
        "bn.weight",
    ]
    assert state.parameters == {"bn.bias", "bn.weight"}
    counted = state.tensors["bn.num_batches_tracked"]
    assert (counted.dtype, counted.shape, counted.numpy().item()) == (DType.INT64, (), 0)


def test_large_constants_are_buffers_and_small_ones_are_computed() -> None:
    table = np.random.default_rng(0).normal(size=40).astype(np.float32)
    nodes = [call("Add", "x val_1", "a"), call("Add", "a val_2", "y")]
    source = made(
        nodes, [tensor("val_1", table), tensor("val_2", np.full(40, 0.5, np.float32))], inputs={"x": ["batch", 40]}
    )
    state = collect_state(tree_of(source))
    assert len(state.tensors) == 1
    assert state.parameters == set()
