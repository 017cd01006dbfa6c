"""Scopes: read from metadata or names, as text that anybody may have written."""

from __future__ import annotations

import ast

import onnx_proto
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx_proto.build import node

from codegen_torch.modules.scopes import _strings, root_class, scope_of
from codegen_torch.scope import Step

SCOPES, CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"


def described(scopes: str, classes: str = "") -> onnx_proto.Node:
    return node("Relu", ["x"], ["y"], metadata={SCOPES: scopes, CLASSES: classes})


def named(name: str) -> list[str]:
    return [step.path for step in scope_of(node("Relu", ["x"], ["y"], name=name))]


def test_metadata_tells_paths_and_classes() -> None:
    source = described(
        "['', 'layer1', 'layer1.0', 'layer1.0.relu', 'relu_3']",
        "['models.ResNet', 'torch.nn.modules.container.Sequential', 'models.Block', 'ReLU', 'aten.relu.default']",
    )
    assert scope_of(source) == (Step("layer1", "Sequential"), Step("layer1.0", "Block"), Step("layer1.0.relu", "ReLU"))
    assert root_class(source) == "ResNet"


def test_paths_without_classes_are_paths() -> None:
    for classes in ("", "['ResNet']", "nonsense", "['m.Net', 3, 'op']"):
        source = described("['', 'a', 'op']", classes)
        assert scope_of(source) == (Step("a", None),)
        assert root_class(source) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "['a', 'b']",
        "['', 3, 'op']",
        "('', 'a', 'op')",
        "{'': 'a'}",
        "['', 'a'",
        "['', b'a', 'op']",
        "['', ['a'], 'op']",
        "['', 'a', 'op'] + ['b']",
        "\x00",
        "['', '\ud800', 'op'",
        "[" * 5000 + "]" * 5000,
        "[" * 90 + "'a'" + "]" * 90,
        repr([""] + ["a"] * 200),
        "['', " + "'a', " * 60_000 + "'op']",
        "[" + "-" * 50_000 + "1]",
    ],
    ids=range(17),
)
def test_anything_else_tells_nothing(text: str) -> None:
    assert scope_of(described(text)) == ()


def test_code_in_metadata_is_never_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    for text in (
        "[print('evaluated')]",
        "[__import__('os').getpid()]",
        "['', f'{print(1)}', 'op']",
        "[x for x in 'a']",
    ):
        assert scope_of(described(text, text)) == ()
        assert root_class(described(text, text)) is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("/conv1/Conv", ["conv1"]),
        ("/layer1/layer1.0/conv1/Conv", ["layer1", "layer1.0", "layer1.0.conv1"]),
        (
            "/encoder/layer.0/attention/self/MatMul_1",
            ["encoder", "encoder.layer.0", "encoder.layer.0.attention", "encoder.layer.0.attention.self"],
        ),
        ("/Relu", []),
        ("Conv_42", []),
        ("", []),
        ("/", []),
        ("//Conv", []),
        ("/a b/Conv", []),
        ("/0/Conv", []),
        ("/a/../b/Conv", []),
        ("/a;import os/Conv", []),
        ("/" + "a/" * 100 + "Conv", []),
    ],
)
def test_slash_names_tell_paths(name: str, paths: list[str]) -> None:
    assert named(name) == paths


@given(st.lists(st.text("ab.'\"\\, []\n\0é"), max_size=4))
def test_a_list_of_any_strings_is_read_as_it_was_written(names: list[str]) -> None:
    assert _strings(repr(names)) == names


@given(st.text("ab.'\"\\, []\n\0é", max_size=12).map("[{}]".format))
def test_any_text_is_read_as_python_reads_it_or_not_at_all(text: str) -> None:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = []
    assert _strings(text) == (value if all(isinstance(each, str) for each in value) else [])


def test_metadata_goes_before_the_name() -> None:
    source = node("Relu", ["x"], ["y"], name="/other/Relu", metadata={SCOPES: "['', 'a', 'op']"})
    assert [step.path for step in scope_of(source)] == ["a"]
