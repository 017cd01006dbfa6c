"""Options: classes that differ by a part that a value can go past are one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_proto
import pytest
from onnx_proto.build import tensor
from samples import body, call, classes_of, converted, made, weights

from codegen_torch.modules.definition import ClassDef
from codegen_torch.modules.options import MAX_OPTIONS

Nodes = list[onnx_proto.Node]
PARTS = {
    "first": ("MatMul", "a"),
    "second": ("MatMul", "b"),
    "third": ("MatMul", "c"),
    "fourth": ("MatMul", "d"),
    "fifth": ("MatMul", "e"),
}
TENSORS = weights(**{tensor: [4, 4] for _, tensor in PARTS.values()}, wide=[4, 8], narrow=[8, 4], scale=[4])


def block(number: int, parts: Sequence[str], cls: str = "Block", *, last: bool = False) -> Nodes:
    """A block that does one thing after the other; ``add`` adds what it was given.

    A word with a weight is a member of that name, any other an operation.
    """
    path = f"blocks.{number}"
    given = f"x{number}" if number else "x"
    value, nodes = given, []
    for position, part in enumerate(parts):
        target = f"t{number}_{position}"
        if position == len(parts) - 1:
            target = "y" if last else f"x{number + 1}"
        if part == "add":
            nodes.append(call("Add", f"{value} {given}", target, path, cls))
        elif part in PARTS:
            op, tensor = PARTS[part]
            nodes.append(call(op, f"{value} {tensor}", target, f"{path}/{part}", cls, "Linear"))
        else:
            nodes.append(call(part, value, target, path, cls))
        value = target
    return nodes


def model(*blocks: Sequence[str], cls: str = "Block") -> onnx_proto.Model:
    nodes = [node for i, parts in enumerate(blocks) for node in block(i, parts, cls, last=i == len(blocks) - 1)]
    return made(nodes, TENSORS)


def definitions(source: onnx_proto.Model) -> list[ClassDef]:
    """The classes of a model but the root's."""
    root, _, classes = classes_of(source)
    return [found for found in dict.fromkeys(classes.values()) if found is not classes[root] and not found.inline]


def block_text(folder: Path, source: onnx_proto.Model) -> tuple[str, str]:
    """The class of the blocks, and how the model builds them."""
    text = body(converted(folder, source)[0])
    return text[: text.index("class Net")].strip() + "\n", text[text.index("nn.ModuleList(") :].splitlines()[0]


def test_a_member_that_some_lack_gives_way_to_the_identity(tmp_path: Path) -> None:
    text, built = block_text(tmp_path, model(["first", "Sin", "second"], ["first", "Sin"], ["first", "Sin", "second"]))
    assert (
        text
        == '''class Block(nn.Module):
    """blocks.0-2"""

    def __init__(self, *, second: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False)
        self.second = nn.Linear(4, 4, bias=False) if second else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 4] -> [batch, 4]
        return self.second(torch.sin(self.first(x)))
'''
    )
    assert built == "nn.ModuleList([Block(second=True), Block(), Block(second=True)])"


def test_a_residual_that_some_lack_is_added_if_it_is_asked_for(tmp_path: Path) -> None:
    text, built = block_text(tmp_path, model(["first", "Tanh", "add"], ["first", "Tanh"]))
    assert (
        text
        == '''class Block(nn.Module):
    """blocks.0-1"""

    def __init__(self, *, residual: bool = False) -> None:
        super().__init__()
        self.residual = residual
        self.first = nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 4] -> [batch, 4]
        out = torch.tanh(self.first(x))
        if self.residual:
            out = out + x
        return out
'''
    )
    assert built == "nn.ModuleList([Block(residual=True), Block()])"


def test_members_with_operations_between_them_are_below_an_if(tmp_path: Path) -> None:
    whole = ["second", "Sin", "third", "first", "Sin", "fourth"]
    text, _ = block_text(tmp_path, model(whole, whole[3:]))
    assert (
        text
        == '''class Block(nn.Module):
    """blocks.0-1"""

    def __init__(self, *, has_second: bool = False) -> None:
        super().__init__()
        self.has_second = has_second
        if has_second:
            self.second = nn.Linear(4, 4, bias=False)
            self.third = nn.Linear(4, 4, bias=False)
        self.first = nn.Linear(4, 4, bias=False)
        self.fourth = nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 4] -> [batch, 4]
        if self.has_second:
            x = self.third(torch.sin(self.second(x)))
        return self.fourth(torch.sin(self.first(x)))
'''
    )


def test_a_value_that_is_needed_later_keeps_its_name(tmp_path: Path) -> None:
    """The residual is what the block was given, not what became of it."""
    text, _ = block_text(tmp_path, model(["Relu", "first", "second", "add"], ["first", "second", "add"]))
    assert text.splitlines()[-4:] == [
        "        out = x",
        "        if self.activation:",
        "            out = F.relu(x)",
        "        return self.second(self.first(out)) + x",
    ]


def test_parts_that_different_instances_lack_are_options_of_one_class() -> None:
    whole = ["first", "Relu", "second", "add"]
    (definition,) = definitions(model(whole, whole[:1] + whole[2:], whole[:-1]))
    assert {name: option.is_member for name, option in definition.options.items()} == {
        "activation": False,
        "residual": False,
    }
    lacking = [
        [name for name, asked in definition.arguments[region].items() if not asked] for region in definition.regions
    ]
    assert lacking == [[], ["activation"], ["residual"]]


def test_an_option_of_a_child_is_an_argument_of_its_parent(tmp_path: Path) -> None:
    nodes: Nodes = []
    for number, activated in enumerate((True, False)):
        path, source, target = f"blocks.{number}", ("x", "m")[number], ("m", "y")[number]
        inner = (f"{path}/inner", "Outer", "Inner")
        nodes.append(call("MatMul", f"{source} a", f"h{number}", *inner))
        nodes.append(call("Sin", f"h{number}", f"s{number}", *inner))
        if activated:
            nodes.append(call("Relu", f"s{number}", f"r{number}", *inner))
        nodes.append(call("Cos", f"{'r' if activated else 's'}{number}", f"c{number}", path, "Outer"))
        nodes.append(call("Exp", f"c{number}", target, path, "Outer"))
    text, _ = converted(tmp_path, made(nodes, TENSORS))
    assert "self.inner = Inner(activation=activation)" in text
    assert "nn.ModuleList([Outer(activation=True), Outer()])" in text


def test_numbers_of_what_is_absent_are_free(tmp_path: Path) -> None:
    """Two blocks widen and narrow, one has no such part; the width is nobody's business there."""
    tensors = weights(first=[4, 4], up0=[4, 8], down0=[8, 4], up1=[4, 6], down1=[6, 4])
    nodes: Nodes = []
    for number, (source, target) in enumerate((("x", "m"), ("m", "n"), ("n", "y"))):
        path = f"blocks.{number}"
        nodes += [
            call("MatMul", f"{source} first", f"h{number}", f"{path}/first", "Block", "Linear"),
            call("Sin", f"h{number}", f"s{number}" if number < 2 else "c", path, "Block"),
        ]
        if number < 2:
            nodes += [
                call("MatMul", f"s{number} up{number}", f"u{number}", f"{path}/mlp", "Block", "MLP"),
                call("MatMul", f"u{number} down{number}", f"c{number}", f"{path}/mlp", "Block", "MLP"),
            ]
        last = f"c{number}" if number < 2 else "c"
        nodes += [
            call("MatMul", f"{last} first", f"l{number}", f"{path}/last", "Block", "Linear"),
            call("Tanh", f"l{number}", target, path, "Block"),
        ]
    text, _ = converted(tmp_path, made(nodes, tensors))
    assert "def __init__(self, dim: int = 1, *, mlp: bool = False)" in text
    assert "self.mlp = MLP(dim) if mlp else nn.Identity()" in text
    assert "Block(dim=8, mlp=True)" in text
    assert "Block(dim=6, mlp=True)" in text
    assert "Block()" in text


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (["first", "Sin", "Exp"], ["first", "Sin"]),
        (["first", "Sin", "second", "Exp", "third"], ["first", "Sin"]),
        (["first", "second", "Sin"], ["second", "first", "Sin"]),
        (["first", "Sin"], ["second", "Sin"]),
    ],
    ids=["an operation that nobody asks for", "more than what is shared", "another order", "another name"],
)
def test_what_is_no_option_makes_classes_apart(left: list[str], right: list[str]) -> None:
    assert len(definitions(model(left, right))) == 2


def test_other_classes_are_no_variants() -> None:
    nodes = block(0, ["first", "Sin", "second"], "Left") + block(1, ["first", "Sin"], "Right", last=True)
    assert len(definitions(made(nodes, TENSORS))) == 2


def test_options_are_few() -> None:
    steps = ["first", "second", "third", "fourth", "fifth"]
    whole = [word for step in steps for word in (step, "Sin")]
    variants = [whole[: 2 * i] + whole[2 * i + 1 :] for i in range(MAX_OPTIONS + 1)]
    found = definitions(model(whole, *variants))
    assert [len(definition.options) for definition in found] == [MAX_OPTIONS, 0]


def test_the_dtype_is_read_off_what_is_always_there(tmp_path: Path) -> None:
    """``a`` would be shorter, but an instance without it has no weight there."""

    def cast(number: int, source: str, target: str, *, whole: bool) -> list[Any]:
        path = f"blocks.{number}"
        nodes = [
            call("Range", "zero four one", f"r{number}", path, "Block"),
            call("Cast", f"r{number}", f"f{number}", path, "Block", to=1),
            call("MatMul", f"f{number} a", f"m{number}", f"{path}/longer", "Block", "Linear"),
            call("Mul", f"m{number} {source}", f"p{number}" if whole else target, path, "Block"),
        ]
        return nodes + ([call("MatMul", f"p{number} b", target, f"{path}/q", "Block", "Linear")] if whole else [])

    tensors = [*TENSORS, *(tensor(name, np.int64(value)) for name, value in (("zero", 0), ("one", 1), ("four", 4)))]
    text, _ = converted(tmp_path, made([*cast(0, "x", "m", whole=True), *cast(1, "m", "y", whole=False)], tensors))
    assert "self.q = nn.Linear(4, 4, bias=False) if q else nn.Identity()" in text
    assert "self.q.weight" not in text


def stages(*depths: int) -> onnx_proto.Model:
    """Stages of equal blocks, one after the other."""
    nodes: Nodes = []
    value = "x"
    for stage, depth in enumerate(depths):
        for number in range(depth):
            path = (f"stages.{stage}/blocks.{number}", "Stage", "Block")
            target = "y" if (stage, number) == (len(depths) - 1, depth - 1) else f"v{stage}{number}"
            nodes.append(call("MatMul", f"{value} a", f"{target}_h", *path))
            nodes.append(call("Sin", f"{target}_h", target, *path))
            value = target
    return made(nodes, TENSORS)


def test_lists_of_different_length_are_one_class(tmp_path: Path) -> None:
    text = body(converted(tmp_path, stages(2, 1, 3))[0])
    assert (
        text[text.index("class Stage") : text.index("class Net")].strip()
        == '''class Stage(nn.Module):
    """stages.0-2"""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 4] -> [batch, 4]
        for block in self.blocks:
            x = block(x)
        return x'''
    )
    assert "nn.ModuleList([Stage(2), Stage(1), Stage(3)])" in text


def test_the_first_of_a_list_may_be_built_in_another_way(tmp_path: Path) -> None:
    """Numbers tell the first block from the others, which are alike."""
    tensors = weights(a0=[4, 8], b0=[8, 4], a=[4, 6], b=[6, 4])
    nodes: Nodes = []
    value = "x"
    for stage, depth in enumerate((2, 3)):
        for number in range(depth):
            path = (f"stages.{stage}/blocks.{number}", "Stage", "Block")
            target = "y" if (stage, number) == (1, 2) else f"v{stage}{number}"
            first, second = ("a", "b") if number else ("a0", "b0")
            nodes.append(call("MatMul", f"{value} {first}", f"{target}_h", *path))
            nodes.append(call("Sin", f"{target}_h", f"{target}_s", *path))
            nodes.append(call("MatMul", f"{target}_s {second}", target, *path))
            value = target
    text = body(converted(tmp_path, made(nodes, tensors))[0])
    assert "[Block(8), *(Block(6) for _ in range(depth - 1))]" in text
    assert "nn.ModuleList([Stage(2), Stage(3)])" in text


def test_lists_whose_later_modules_differ_are_written_out() -> None:
    tensors = weights(**{f"a{n}": [4, n] for n in (6, 7, 8)}, **{f"b{n}": [n, 4] for n in (6, 7, 8)})
    nodes: Nodes = []
    value = "x"
    for stage, widths in enumerate(((6, 7), (6, 7, 8))):
        for number, width in enumerate(widths):
            path = (f"stages.{stage}/blocks.{number}", "Stage", "Block")
            target = "y" if (stage, number) == (1, 2) else f"v{stage}{number}"
            nodes.append(call("MatMul", f"{value} a{width}", f"{target}_h", *path))
            nodes.append(call("Sin", f"{target}_h", f"{target}_s", *path))
            nodes.append(call("MatMul", f"{target}_s b{width}", target, *path))
            value = target
    assert [definition.base for definition in definitions(made(nodes, tensors))] == ["Block", "Stage", "Stage"]


def test_equal_entries_at_the_end_of_a_list_are_written_once(tmp_path: Path) -> None:
    source = model(["first", "Sin", "second"], *[["first", "Sin"]] * 3)
    assert block_text(tmp_path, source)[1] == "nn.ModuleList([Block(second=True), *(Block() for _ in range(3))])"


def test_the_class_of_an_optional_child_comes_first(tmp_path: Path) -> None:
    nodes = [
        call("MatMul", "x a", "h0", "blocks.0", "Block"),
        call("Sin", "h0", "m", "blocks.0", "Block"),
        call("MatMul", "m a", "h1", "blocks.1", "Block"),
        call("Sin", "h1", "s1", "blocks.1", "Block"),
        call("MatMul", "s1 wide", "i1", "blocks.1/inner", "Block", "Inner"),
        call("MatMul", "i1 narrow", "y", "blocks.1/inner", "Block", "Inner"),
    ]
    text = body(converted(tmp_path, made(nodes, TENSORS))[0])
    assert [line for line in text.splitlines() if line.startswith("class ")] == [
        "class Inner(nn.Module):",
        "class Block(nn.Module):",
        "class Net(nn.Module):",
    ]


@pytest.mark.parametrize("member", ["Inner", "nn", "self"])
def test_an_option_hides_nothing_that_the_constructor_needs(tmp_path: Path, member: str) -> None:
    nodes = [
        call("MatMul", "x a", "h0", "blocks.0", "Block"),
        call("Sin", "h0", "m", "blocks.0", "Block"),
        call("MatMul", "m a", "h1", "blocks.1", "Block"),
        call("Sin", "h1", "s1", "blocks.1", "Block"),
        call("MatMul", "s1 wide", "i1", f"blocks.1/{member}", "Block", "Inner"),
        call("MatMul", "i1 narrow", "y", f"blocks.1/{member}", "Block", "Inner"),
    ]
    text, _ = converted(tmp_path, made(nodes, TENSORS))
    assert f"self.{member} = Inner() if has_{member} else nn.Identity()" in text
    assert f"nn.ModuleList([Block(), Block(has_{member}=True)])" in text
