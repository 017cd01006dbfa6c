"""What classes say of themselves: where their instances are, and the shapes that go in and out."""

from pathlib import Path

import pytest
from samples import call, converted, made, weights

from codegen_torch.emit.remarks import places


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (["encoder"], "encoder"),
        (["layer.0", "layer.1", "layer.2"], "layer.0-2"),
        (["layer.0", "layer.2", "layer.4"], "layer.*"),
        (["layer.3"], "layer.3"),
        (["a.0.b.0", "a.0.b.1", "a.1.b.0", "a.1.b.1"], "a.0-1.b.0-1"),
        (["a.0.b.0", "a.0.b.1", "a.1.b.0"], "a.*.b.*"),
        (["a.1.q", "a.0.q", "a.0.k"], "a.0-1.q, a.0.k"),
        (["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
        (["shared", "shared"], "shared"),
    ],
)
def test_places(where: list[str], text: str) -> None:
    assert places(where) == [f'    """{text}"""']


def test_many_places_stand_on_several_lines() -> None:
    long = ["decoder.block.self_attention.query_projection", "decoder.block.cross_attention.query_projection"]
    assert places(long) == [f'    """{long[0]},', f"    {long[1]}", '    """']


def shapes_of(text: str) -> list[str]:
    """The comments of the classes."""
    return [line.strip() for line in text.splitlines() if line.startswith("        # ")]


def test_sizes_are_numbers_names_and_arguments(tmp_path: Path) -> None:
    nodes = [
        call("MatMul", "x a", "h0", "layers.0", "Layer"),
        call("Relu", "h0", "r", "layers.0", "Layer"),
        call("MatMul", "r b", "h1", "layers.1", "Layer"),
        call("Relu", "h1", "y", "layers.1", "Layer"),
    ]
    text, _ = converted(tmp_path, made(nodes, weights(a=[4, 8], b=[8, 6])))
    assert shapes_of(text) == [
        "# x: [batch, in_features] -> [batch, out_features]",
        "# x: [batch, 4] -> [batch, 6]",
    ]


def test_what_differs_and_is_no_argument_is_a_star(tmp_path: Path) -> None:
    nodes = [
        call("Relu", "x", "r0", "layers.0", "Layer"),
        call("MatMul", "r0 w", "h0", "layers.0", "Layer"),
        call("Transpose", "h0", "t"),
        call("Relu", "t", "r1", "layers.1", "Layer"),
        call("MatMul", "r1 w", "y", "layers.1", "Layer"),
    ]
    text, _ = converted(tmp_path, made(nodes, weights(w=[4, 4]), inputs={"x": [4, 4]}))
    assert shapes_of(text)[0] == "# x: [4, 4] -> [4, 4]"
    text, _ = converted(
        tmp_path, made([*nodes[:2], call("Concat", "h0 h0", "t", axis=0), *nodes[3:]], weights(w=[4, 4]))
    )
    assert shapes_of(text) == ["# x: [*, 4] -> [*, 4]", "# x: [batch, 4] -> [2 * batch, 4]"]


def test_of_unknown_ranks_nothing_is_said(tmp_path: Path) -> None:
    nodes = [call("Cast", "s", "i", to=7), call("Reshape", "x i", "r"), call("Relu", "r", "y")]
    text, _ = converted(tmp_path, made(nodes, inputs={"x": ["n"], "s": ["rank"]}))
    assert shapes_of(text) == []
