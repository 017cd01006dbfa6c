"""Classes: which regions share one, which numbers become arguments, how classes and arguments are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_proto
import pytest
from onnx_proto.build import tensor
from samples import body, call, classes_of, converted, made, weights

from codegen_torch.modules.arguments import MAX_PARAMETERS
from codegen_torch.modules.definition import ClassDef

Block = list[onnx_proto.Node]


def blocks(*bodies: Block, cls: str = "Block") -> Block:
    """Blocks one after the other: in each, the node that makes ``y`` passes it on as the next one's ``x``."""
    nodes: Block = []
    for number, inside in enumerate(bodies):
        renamed = {"x": f"x{number}" if number else "x", "y": f"x{number + 1}"}
        for node in inside:
            inputs = " ".join(
                renamed.get(name, name if "." in name or name in SHARED else f"{name}_{number}") for name in node.inputs
            )
            outputs = " ".join(renamed.get(name, f"{name}_{number}") for name in node.outputs)
            attributes = {name: attribute.value for name, attribute in node.attributes.items()}
            nodes.append(call(node.op_type, inputs, outputs, f"blocks.{number}", cls, **attributes))
    nodes.append(call("Identity", f"x{len(bodies)}", "y"))
    return nodes


SHARED = {"w", "v", "u", "half", "one", "zero", "two", "lowest", "minus", "first", "last"}
TENSORS = [
    *weights(w=[4, 4], v=[4, 4], u=[4, 8]),
    tensor("half", np.float32(0.5)),
    tensor("one", np.float32(1)),
    tensor("two", np.float32(2)),
    tensor("zero", np.float32(0)),
    tensor("minus", np.float32(-0.0)),
    tensor("lowest", np.finfo(np.float32).min),
    tensor("first", np.array([0], np.int64)),
    tensor("last", np.array([1], np.int64)),
]


def definitions(source: onnx_proto.Model) -> list[ClassDef]:
    """The classes of a model but the root's."""
    root, _, classes = classes_of(source)
    return [found for found in dict.fromkeys(classes.values()) if found is not classes[root] and not found.inline]


def of(*bodies: Block, cls: str = "Block") -> list[ClassDef]:
    return definitions(made(blocks(*bodies, cls=cls), TENSORS))


def scaled(by: str) -> Block:
    return [call("MatMul", "x w", "h"), call("Mul", f"h {by}", "y")]


def halved(part: str) -> Block:
    split = call("Split", "x", "p q", axis=1, num_outputs=2)
    return [split, call("Concat", f"{part} {part}", "r", axis=1), call("MatMul", "r w", "y")]


def chosen(left: str, right: str) -> Block:
    where = [call("Greater", "h half", "c"), call("Where", f"c {left} {right}", "m")]
    return [call("MatMul", "x w", "h"), *where, call("Mul", "h m", "y")]


def cut(axis: str) -> Block:
    return [call("MatMul", "x w", "h"), call("Slice", f"h first last {axis}", "s"), call("Mul", "h s", "y")]


def test_equal_blocks_are_one_class() -> None:
    (definition,) = of(scaled("half"), scaled("half"))
    assert (definition.base, len(definition.regions), definition.parameters) == ("Block", 2, [])


def test_numbers_that_differ_become_arguments() -> None:
    (definition,) = of(scaled("half"), scaled("two"))
    assert [(p.name, p.type) for p in definition.parameters] == [("value1", "float")]
    assert [list(definition.arguments[region].values()) for region in definition.regions] == [[0.5], [2.0]]


def test_zeros_of_different_sign_differ() -> None:
    (definition,) = of(scaled("zero"), scaled("minus"))
    assert [repr(value) for region in definition.regions for value in definition.arguments[region].values()] == [
        "0.0",
        "-0.0",
    ]


def test_numbers_that_agree_everywhere_are_one_argument() -> None:
    narrow = [call("MatMul", "x w", "h"), call("MatMul", "h w", "y")]
    sizes = weights(a0=[4, 8], b0=[8, 4], a1=[4, 6], b1=[6, 4])
    nodes = [
        call("MatMul", "x a0", "h0", "blocks.0", "Block"),
        call("MatMul", "h0 b0", "x1", "blocks.0", "Block"),
        call("MatMul", "x1 a1", "h1", "blocks.1", "Block"),
        call("MatMul", "h1 b1", "y", "blocks.1", "Block"),
    ]
    (definition,) = definitions(made(nodes, sizes))
    assert [p.name for p in definition.parameters] == ["dim"]
    assert len(definition.holes) == 2
    assert of(narrow)[0].parameters == []


def test_what_goes_through_several_layers_is_a_dim() -> None:
    sizes = weights(a0=[4, 8], b0=[8, 4], a1=[4, 6], b1=[6, 4], c=[4, 2], a2=[2, 6], b2=[6, 2])
    nodes = [
        call("MatMul", "x a0", "h0", "blocks.0", "Block"),
        call("Relu", "h0", "r0", "blocks.0", "Block"),
        call("MatMul", "r0 b0", "x1", "blocks.0", "Block"),
        call("MatMul", "x1 c", "t"),
        call("MatMul", "t a2", "h2", "blocks.1", "Block"),
        call("Relu", "h2", "r2", "blocks.1", "Block"),
        call("MatMul", "r2 b2", "y", "blocks.1", "Block"),
    ]
    block = next(each for each in definitions(made(nodes, sizes)) if each.base == "Block")
    assert [p.name for p in block.parameters] == ["dim", "hidden_dim"]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (scaled("half"), [call("MatMul", "x w", "h"), call("Add", "h half", "y")]),
        (scaled("half"), [call("MatMul", "x w", "h"), call("Mul", "h x", "y")]),
        (scaled("half"), [*scaled("half")[:1], call("Mul", "h half", "g"), call("Sin", "g", "y")]),
        (halved("p"), halved("q")),
        (chosen("one", "one"), chosen("one", "two")),
        (chosen("one", "lowest"), chosen("one", "two")),
        (cut("last"), cut("first")),
    ],
    ids=["operator", "operand", "length", "part", "equal operands", "least number", "axis"],
)
def test_what_is_no_number_in_the_source_makes_classes_apart(left: Block, right: Block) -> None:
    assert len(of(left, left)) == 1
    assert len(of(left, right)) == 2


def test_different_class_names_stay_apart() -> None:
    nodes = [
        call("MatMul", "x w", "h", "a", "Left"),
        call("Sin", "h", "i", "a", "Left"),
        call("MatMul", "i w", "j", "b", "Right"),
        call("Sin", "j", "y", "b", "Right"),
    ]
    assert [definition.base for definition in definitions(made(nodes, TENSORS))] == ["Left", "Right"]


def test_blocks_that_differ_in_many_numbers_are_classes_of_their_own() -> None:
    def powers(base: float, count: int) -> Block:
        return [
            call("MatMul", "x w", "t0"),
            *(
                call("LeakyRelu", f"t{i}", f"t{i + 1}" if i + 1 < count else "y", alpha=base + 1 / (i + 3))
                for i in range(count)
            ),
        ]

    (few,) = of(powers(0, MAX_PARAMETERS), powers(1, MAX_PARAMETERS))
    assert len(few.parameters) == MAX_PARAMETERS
    assert len({parameter.name for parameter in few.parameters}) == MAX_PARAMETERS
    assert len(of(powers(0, MAX_PARAMETERS + 1), powers(1, MAX_PARAMETERS + 1))) == 2


def test_blocks_without_a_class_are_called_by_their_path() -> None:
    (definition,) = of(scaled("half"), scaled("half"), cls="")
    assert definition.base == "Block"


@pytest.mark.parametrize("cls", ["Tensor", "F", "Model", "Path", "Net", "class", "load_model", "nn", "load_weights"])
def test_names_of_classes_are_unique(tmp_path: Path, cls: str) -> None:
    text, report = converted(tmp_path, made(blocks(scaled("half"), scaled("two"), cls=cls), TENSORS))
    names = [line.split("(")[0].removeprefix("class ") for line in text.splitlines() if line.startswith("class ")]
    assert len(set(names)) == len(names) == 2
    assert names[0] not in ("Tensor", "F", "Model", "Path", "Net", "class", "load_model", "nn", "load_weights")
    assert report.class_name == "Net"
    compile(text, "model.py", "exec")


def test_arguments_are_handed_through_parents(tmp_path: Path) -> None:
    nodes = []
    for number, alpha in enumerate((0.1, 0.2)):
        path, source, target = f"blocks.{number}", "xm"[number], "my"[number]
        nodes += [
            call("MatMul", f"{source} {'wv'[number]}", f"h{number}", f"{path}/inner", "Outer", "Inner"),
            call("LeakyRelu", f"h{number}", f"i{number}", f"{path}/inner", "Outer", "Inner", alpha=alpha),
            call("Sin", f"i{number}", target, path, "Outer"),
        ]
    text, _ = converted(tmp_path, made(nodes, TENSORS))
    assert (
        body(text)
        == '''class Inner(nn.Module):
    """blocks.0-1.inner"""

    def __init__(self, negative_slope: float) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.linear = nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 4] -> [batch, 4]
        return F.leaky_relu(self.linear(x), self.negative_slope)


class Outer(nn.Module):
    """blocks.0-1"""

    def __init__(self, negative_slope: float) -> None:
        super().__init__()
        self.inner = Inner(negative_slope)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 4] -> [batch, 4]
        return torch.sin(self.inner(x))


class Net(nn.Module):
    output_names = ("y",)

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Outer(0.1), Outer(0.2)])

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 4] -> [batch, 4]
        for block in self.blocks:
            x = block(x)
        return x
'''
    )


def test_what_a_loop_over_blocks_starts_from_outlives_it_where_it_is_needed(tmp_path: Path) -> None:
    nodes = [*blocks(*[scaled("half")] * 4), call("Identity", "x2", "middle")]
    text, _ = converted(tmp_path, made(nodes, TENSORS, outputs="y middle"))
    forward = text[text.index("for block in self.blocks[:2]:") :].splitlines()[:6]
    assert [line.strip() for line in forward] == [
        "for block in self.blocks[:2]:",
        "x = block(x)",
        "out = x",
        "for block in self.blocks[2:]:",
        "out = block(out)",
        "return out, x",
    ]


def test_arguments_come_main_stream_first_then_inputs_in_their_order_then_what_is_beside() -> None:
    nodes = [
        call("MatMul", "x w", "h"),
        call("Sin", "t", "mask"),
        call("Add", "mask p", "s", "inner", "Inner"),
        call("Mul", "s q", "r", "inner", "Inner"),
        call("Mul", "r h", "k", "inner", "Inner"),
        call("MatMul", "k w", "y", "inner", "Inner"),
    ]
    root, _, _ = classes_of(made(nodes, TENSORS, inputs={name: ["batch", 4] for name in "xqpt"}))
    (inner,) = root.children
    assert [param.origin.name or param.attrs["name"] for param in inner.params] == ["h", "q", "p", "mask"]


def test_buffers_state_their_type(tmp_path: Path) -> None:
    text, _ = converted(tmp_path, made([call("Mul", "x mask", "y")], weights(mask=[4])))
    assert '    output_names = ("y",)\n\n    mask: Tensor\n\n    def __init__(self)' in text


def chains(*places: str) -> onnx_proto.Model:
    """The same four steps at each of the places, one after another."""
    nodes: list[onnx_proto.Node] = []
    value = "x"
    for place in places:
        for step, op in enumerate(("MatMul", "Relu", "MatMul", "Tanh")):
            result = "y" if (place, step) == (places[-1], 3) else f"{place}{step}"
            inputs = f"{value} {place}{step}.weight" if op == "MatMul" else value
            nodes.append(call(op, inputs, result, f"{place}/{step}", "Sequential"))
            value = result
    names = [name for each in nodes for name in each.inputs if name.endswith(".weight")]
    return made(nodes, weights(**{name.replace(".", "__"): [4, 4] for name in names}))


def test_a_chain_in_many_places_is_a_class(tmp_path: Path) -> None:
    text, _ = converted(tmp_path, chains("first", "second", "third"))
    assert "class Block(nn.Sequential):" in text
    assert "self.second = Block()" in text
    text, _ = converted(tmp_path, chains("first", "second"))
    assert "class Block" not in text
    assert text.count("nn.Sequential(") == 2


def test_only_the_model_itself_is_a_model(tmp_path: Path) -> None:
    nodes = [call("MatMul", "x w", "h", "model"), call("Relu", "h", "y", "model")]
    text, _ = converted(tmp_path, made(nodes, weights(w=[4, 4])))
    assert "class Network(nn.Module):" in text
