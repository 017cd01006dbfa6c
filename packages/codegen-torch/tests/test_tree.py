"""The region tree: where expressions are placed, what regions take and return, how members are called."""

from __future__ import annotations

import onnx_proto
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import call, made, outline, tree_of, weights

from codegen_torch.modules.region import Region
from codegen_torch.names import Identifier, component

SQUARES = weights(a=[4, 4], b=[4, 4], c=[4, 4])


def paths(root: Region) -> list[str]:
    return [region.path for region in root.walk()]


def test_nodes_stand_in_the_modules_that_they_were_in() -> None:
    nodes = [
        call("MatMul", "x a", "h", "block/attention"),
        call("Relu", "h", "r", "block/attention"),
        call("MatMul", "r b", "y", "block"),
    ]
    assert outline(tree_of(made(nodes, SQUARES))) == [
        ("block", [("block.attention", ["nn.Linear", "F.relu"]), "nn.Linear"])
    ]


def test_light_computations_that_others_share_move_out() -> None:
    # The mask is computed in the first block and used in both: it belongs to neither.
    nodes = [
        call("Sigmoid", "m", "mask", "blocks.0"),
        *(
            node
            for i, (source, target) in enumerate([("x", "h"), ("h", "y")])
            for node in block(f"blocks.{i}", source, target, "ab"[i])
        ),
    ]
    root = tree_of(made(nodes, SQUARES, inputs={"x": ["batch", 4], "m": ["batch", 4]}))
    assert outline(root)[0] == "torch.sigmoid"
    assert [len(region.params) for region in root.children] == [2, 2]


def block(path: str, source: str, target: str, weight: str) -> list[onnx_proto.Node]:
    return [
        call("MatMul", f"{source} {weight}", f"{target}_h", path),
        call("Mul", f"{target}_h mask", target, path),
    ]


def test_activations_stay_in_their_block() -> None:
    nodes = [
        call("MatMul", "x a", "h", "f"),
        call("Relu", "h", "r", "f"),
        call("MatMul", "r b", "g", "g"),
        call("Add", "g r", "y"),
    ]
    root = tree_of(made(nodes, SQUARES))
    assert outline(root)[0] == ("f", ["nn.Linear", "F.relu"])
    assert len(root.children[0].results) == 1


def test_a_node_that_lost_its_scope_sinks_back() -> None:
    nodes = [call("MatMul", "x a", "h", "f"), call("Sin", "h", "s"), call("MatMul", "s b", "y", "f")]
    assert outline(tree_of(made(nodes, SQUARES))) == [("f", ["nn.Linear", "torch.sin", "nn.Linear"])]


def test_interleaved_scopes_dissolve() -> None:
    nodes = [
        call("MatMul", "x a", "h", "f"),
        call("MatMul", "h b", "g", "g"),
        call("MatMul", "g c", "i", "f"),
        call("Sin", "i", "y", "g"),
    ]
    assert outline(tree_of(made(nodes, SQUARES))) == ["nn.Linear", "nn.Linear", "nn.Linear", "torch.sin"]


def test_what_is_inside_of_dissolved_scopes_is_kept() -> None:
    nodes = [
        call("MatMul", "x a", "h", "f/inner"),
        call("Sin", "h", "s", "f/inner"),
        call("MatMul", "s b", "g", "g"),
        call("MatMul", "g c", "i", "f"),
        call("Cos", "i", "y", "g"),
    ]
    assert outline(tree_of(made(nodes, SQUARES)))[0] == ("f.inner", ["nn.Linear", "torch.sin"])


def test_parameters_are_found_by_first_use_and_results_in_statement_order() -> None:
    nodes = [
        call("MatMul", "q a", "h", "f"),
        call("Add", "h p", "s", "f"),
        call("Sin", "s", "t", "f"),
        call("Add", "t s", "y"),
    ]
    (region,) = tree_of(made(nodes, SQUARES, inputs={"p": [1, 4], "q": [1, 4]})).children
    assert [param.attrs["name"] for param in region.params] == ["q", "p"]
    assert [result.origin.name for result in region.results] == ["s", "t"]


def test_statements_come_as_nested_expressions_are_evaluated_whatever_the_order_of_the_file() -> None:
    nodes = [call("Sin", "x", "s"), call("Cos", "x", "c"), call("Tan", "x", "t"), call("Concat", "t c s", "y", axis=0)]
    assert outline(tree_of(made(nodes))) == ["torch.tan", "torch.cos", "torch.sin", "torch.cat"]


def test_a_module_that_is_one_layer_is_that_layer() -> None:
    root = tree_of(made([call("MatMul", "x a", "y", "query")], SQUARES))
    assert outline(root) == ["nn.Linear"]
    assert root.members[root.units[0]] == "query"


def test_a_module_with_nothing_but_one_layer_inside_stays_around_it() -> None:
    root = tree_of(made([call("MatMul", "x a", "y", "encoder/query")], SQUARES))
    assert outline(root) == [("encoder", ["nn.Linear"])]
    (encoder,) = root.children
    assert encoder.members[encoder.units[0]] == "query"


LINEAR = weights(
    **{f"seq__{i}__{role}": shape for i in (0, 2) for role, shape in {"weight": [4, 4], "bias": [4]}.items()}
)


def chain(*, skip: bool = False) -> list[onnx_proto.Node]:
    return [
        call("Gemm", "x seq.0.weight seq.0.bias", "a", "seq/0", transB=1),
        call("Relu", "a", "b", "seq/1"),
        call("Gemm", "b seq.2.weight seq.2.bias", "c", "seq/2", transB=1),
        call("Add", f"c {'a' if skip else 'x'}", "y", "seq" if skip else ""),
    ]


def test_a_chain_of_numbered_modules_is_sequential() -> None:
    (region,) = tree_of(made(chain(), LINEAR)).children
    assert region.sequential
    assert [region.members[unit] for unit in region.units] == ["0", "1", "2"]


def test_numbered_modules_that_are_no_chain_are_opened() -> None:
    root = tree_of(made(chain(skip=True), LINEAR))
    assert root.children == []
    assert [root.members[unit] for unit in root.units if unit in root.members] == ["seq.0", "seq.2"]


def test_a_block_with_numbers_is_opened_inside_of_a_chain_too() -> None:
    nodes = [
        call("Gemm", "x seq.0.weight seq.0.bias", "a", "seq/0"),
        call("Gemm", "a seq.2.weight seq.2.bias", "b", "seq/1/0"),
        call("Add", "a b", "y", "seq/1"),
    ]
    assert not any(
        path[0].isdecimal()
        for region in tree_of(made(nodes, LINEAR)).walk()
        if not region.sequential
        for path in region.members.values()
    )


def test_tensors_of_an_opened_block_become_members_of_the_one_around() -> None:
    nodes = [
        call("Gemm", "x seq.0.weight seq.0.bias", "a", "seq/0", transB=1),
        call("Mul", "a seq.scale", "b", "seq"),
        call("Add", "b x", "y", "seq"),
    ]
    root = tree_of(made(nodes, [*LINEAR, *weights(seq__scale=[4])]))
    assert sorted(root.members.values()) == ["seq.0", "seq_scale"]


def test_members_never_stand_inside_of_one_another() -> None:
    named = weights(
        f__g__weight=[4, 4],
        f__g__bias=[4],
        f__values__weight=[4, 4],
        f__values__bias=[4],
        f__0__weight=[4, 4],
        f__0__bias=[4],
    )
    nodes = [
        call("Gemm", "x f.g.weight f.g.bias", "a", transB=1),
        call("Gemm", "a f.values.weight f.values.bias", "b", transB=1),
        call("Gemm", "b f.0.weight f.0.bias", "c", transB=1),
        call("MatMul", "c m", "d", "f"),
        call("Sin", "d", "y", "f"),
    ]
    root = tree_of(made(nodes, [*named, *weights(m=[4, 4])]))
    assert [root.members[unit] for unit in root.units] == ["f.g", "f.values_", "f.layer_0", "f2"]


def test_two_layers_under_one_number_are_numbered_apart() -> None:
    same = weights(f__0__weight=[4, 4], m=[4, 4])
    nodes = [call("MatMul", "x m", "a", "f/0"), call("Sin", "a", "b"), call("MatMul", "b f.0.weight", "y", "f/0")]
    root = tree_of(made(nodes, same))
    members = [path for region in root.walk() for path in region.members.values()]
    assert len(set(members)) == len(members)


@given(st.text())
def test_identifiers_are_valid_whatever_the_text(text: str) -> None:
    for name in (Identifier.like(text), Identifier.like(text, "module")):
        assert name.isidentifier()
        assert name.isascii()
        assert not name.startswith("_")
        assert len(name) < 80
        compile(f"{name} = 1", "name", "exec")
    part = component(text)
    assert part.isidentifier() or part.isdecimal()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("class", "class_"),
        ("match", "match_"),
        ("forward", "forward_"),
        ("T", "T_"),
        ("a.b/c d", "a_b_c_d"),
        ("0", "value_0"),
        ("__init__", "init"),
        ("\uff58", "value"),
        ("x'; import os", "x_import_os"),
        ("", "value"),
    ],
)
def test_identifiers(text: str, name: str) -> None:
    assert Identifier.like(text) == name


def test_deep_chains_need_no_recursion() -> None:
    nodes = [call("Sin", "x" if not i else f"t{i - 1}", f"t{i}", "a/b" if i % 1000 < 500 else "a") for i in range(3000)]
    assert paths(tree_of(made(nodes, outputs="t2999")))[-1] == ""


def test_the_parts_of_a_tuple_stay_with_it() -> None:
    """The split lost its scope and belongs into the block, as what needs a part of it shows; so do all its parts."""
    nodes = [
        call("MatMul", "x a", "h", "block"),
        call("Split", "h", "p q", axis=1, num_outputs=2),
        call("MatMul", "p half", "y", "block"),
        call("Tanh", "q", "z", "other"),
        call("Neg", "q", "n"),
    ]
    root = tree_of(made(nodes, [*SQUARES, *weights(half=[2, 2])], outputs="y z n"))
    assert outline(root)[0] == (
        "block",
        ["nn.Linear", "Tensor.chunk", "operator.getitem", "nn.Linear", "operator.getitem"],
    )


def test_flattening_what_was_pooled_is_a_step_of_a_chain() -> None:
    nodes = [
        call("GlobalAveragePool", "x", "p"),
        call("Flatten", "p", "f", "head/0"),
        call("Gemm", "f a head.1.bias", "y", "head/1", transB=1),
    ]
    source = made(nodes, [*SQUARES, *weights(head__1__bias=[4])], inputs={"x": ["batch", 4, 8, 8]})
    (head,) = tree_of(source).children
    assert head.sequential
    assert outline(head) == [("head.0", ["Tensor.flatten"]), "nn.Linear"]
