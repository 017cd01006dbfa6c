"""Broken rules of names, order, operator sets, functions and subgraphs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import helper

from hostile.case import Hostile, array, changed, info, made

node = helper.make_node


def files() -> Iterator[Hostile]:
    yield from _values()
    yield from _opsets()
    yield from _functions()
    yield from _subgraphs()


def _values() -> Iterator[Hostile]:
    for name in ("h", "r", "w1", "b1", "x"):
        yield changed(
            f"names: {name} twice", lambda m, n=name: m.graph.node.append(node("Neg", ["x"], [n])), rf"'{name}'"
        )
    for number, old in enumerate((0, 1, 2)):
        yield changed(
            f"names: node {number} reads nothing known",
            lambda m, i=old: m.graph.node[i].input.__setitem__(0, "missing"),
            rf"node\[{old}\].*'missing'",
        )
        yield changed(
            f"names: node {number} reads itself",
            lambda m, i=old: m.graph.node[i].input.__setitem__(0, m.graph.node[i].output[0]),
            rf"node\[{old}\].*cycle",
        )
    for first, later in ((0, 1), (0, 2), (1, 2)):
        yield changed(
            f"names: a cycle of {first} and {later}",
            lambda m, a=first, b=later: m.graph.node[a].input.__setitem__(0, m.graph.node[b].output[0]),
            rf"node\[{first}\].*cycle",
        )
    cycle = [node("Add", ["x", f"v{(i - 1) % 1000}"], [f"v{i}"]) for i in range(1000)]
    yield Hostile("names: a cycle of 1000", made(cycle, outputs=["v9"]).SerializeToString(), r"node\[0\].*cycle")
    yield changed("names: no outputs", lambda m: m.graph.ClearField("output"), "no outputs")
    yield changed("names: an output of nothing", lambda m: setattr(m.graph.output[0], "name", "q"), "'q'")
    yield changed("names: an output without a name", lambda m: setattr(m.graph.output[0], "name", ""), "output")
    yield changed("names: an output twice", lambda m: m.graph.output.append(m.graph.output[0]), "'y'")
    yield changed("names: an input twice", lambda m: m.graph.input.append(info("x")), "'x'")
    yield changed("names: an input without a name", lambda m: m.graph.input.append(info("")), "input")
    yield changed("names: an initializer twice", lambda m: m.graph.initializer.append(array("w1", [1.0])), '"w1"')
    yield changed("names: an input without a type", lambda m: m.graph.input[0].ClearField("type"), "x")
    yield changed("names: two outputs of one name", lambda m: m.graph.node[1].output.append("r"), "'r'")
    yield changed(
        "names: an input of another type than its initializer",
        lambda m: m.graph.input.append(info("w1", [5, 4], onnx.TensorProto.INT64)),
        "w1.*INT64",
    )
    yield changed(
        "names: an output of another type than stated",
        lambda m: m.graph.output[0].CopyFrom(info("y", None, onnx.TensorProto.INT64)),
        "'y' is stated to be int64",
    )


def _opsets() -> Iterator[Hostile]:
    add = lambda domain, version: lambda m: m.opset_import.append(helper.make_opsetid(domain, version))  # noqa: E731
    for version in (1, 13, 19, 21):
        yield changed(f"opsets: two, 20 and {version}", add("", version), "two versions")
        yield changed(f"opsets: by both names, 20 and {version}", add("ai.onnx", version), "two versions")
    for version in (0, -1, -(2**63)):
        yield changed(
            f"opsets: {version}", lambda m, v=version: setattr(m.opset_import[0], "version", v), f"version {version}"
        )
    for version in (29, 1000, 2**63 - 1):
        yield changed(
            f"opsets: {version}", lambda m, v=version: setattr(m.opset_import[0], "version", v), "only opsets|opset"
        )
    yield changed("opsets: none", lambda m: m.ClearField("opset_import"), "not imported")
    yield changed("opsets: another domain's", lambda m: setattr(m.graph.node[1], "domain", "else"), "'else'")
    yield changed("opsets: an unknown operator", lambda m: setattr(m.graph.node[1], "op_type", "Rel"), "Rel")
    yield changed("opsets: an operator without a name", lambda m: setattr(m.graph.node[1], "op_type", ""), "second")


def _functions() -> Iterator[Hostile]:
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    function = lambda name, nodes, inputs=("a",), outputs=("b",), attributes=(): helper.make_function(  # noqa: E731
        "own", name, list(inputs), list(outputs), nodes, imports, list(attributes)
    )
    call = node("f", ["x"], ["y"], domain="own")
    own = lambda op, a, b, **more: node(op, a, b, domain="own", **more)  # noqa: E731
    cases = {
        "calls itself": ([call], [function("f", [own("f", ["a"], ["b"])])], "'f' calls itself"),
        "calls itself around": (
            [call],
            [function("f", [own("g", ["a"], ["b"])]), function("g", [own("f", ["a"], ["b"])])],
            "calls itself",
        ),
        "twice": ([call], [function("f", [node("Neg", ["a"], ["b"])])] * 2, "'f'.*two of this name"),
        "of two inputs with one name": ([call], [function("f", [node("Neg", ["a"], ["b"])], ("a", "a"))], "'f'"),
        "of two outputs with one name": (
            [call],
            [function("f", [node("Neg", ["a"], ["b"])], ("a",), ("b", "b"))],
            "'f'",
        ),
        "that reads nothing known": ([call], [function("f", [node("Neg", ["q"], ["b"])])], r"'f'.node\[0\].*'q'"),
        "that computes nothing": ([call], [function("f", [node("Neg", ["a"], ["q"])])], "'f'.*'b'"),
        "that computes twice": ([call], [function("f", [node("Neg", ["a"], ["b"])] * 2)], r"'f'.node\[1\].*'b'"),
        "given too much": ([own("f", ["x", "x"], ["y"])], [function("f", [node("Neg", ["a"], ["b"])])], "2 inputs"),
        "asked too much": ([own("f", ["x"], ["y", "z"])], [function("f", [node("Neg", ["a"], ["b"])])], "2 outputs"),
        "with a wrong node": (
            [call],
            [function("f", [node("Neg", ["a", "a"], ["b"])])],
            r"'f'.node\[0\].*Neg.*2 inputs",
        ),
        "of two opsets": (
            [call],
            [
                helper.make_function(
                    "own", "f", ["a"], ["b"], [node("Neg", ["a"], ["b"])], [*imports, helper.make_opsetid("", 9)]
                )
            ],
            "'f'.*two versions",
        ),
    }
    for name, (nodes, functions, place) in cases.items():
        model = made(nodes, functions=functions)
        yield Hostile(f"functions: one {name}", model.SerializeToString(), place)
    reference = node("Elu", ["x"], ["y"])
    reference.attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="q")
    yield Hostile("functions: a reference outside", made([reference]).SerializeToString(), r"node\[0\].*'q'")


def _subgraphs() -> Iterator[Hostile]:
    inputs = [info("x"), info("c", [], onnx.TensorProto.BOOL)]

    def branch(nodes: list[onnx.NodeProto], outputs: list[str]) -> onnx.GraphProto:
        return helper.make_graph(nodes, "b", [], [onnx.ValueInfoProto(name=name) for name in outputs])

    good = branch([node("Neg", ["x"], ["p"])], ["p"])
    branches = {
        "reads nothing known": (branch([node("Neg", ["q"], ["p"])], ["p"]), r"then_branch.node\[0\].*'q'"),
        "computes nothing": (branch([], ["p"]), "then_branch.*'p'"),
        "computes twice": (branch([node("Neg", ["x"], ["p"])] * 2, ["p"]), r"then_branch.node\[1\].*'p'"),
        "has a cycle": (branch([node("Neg", ["p"], ["p"])], ["p"]), r"then_branch.node\[0\].*cycle"),
        "has no outputs": (branch([], []), "then_branch has no outputs"),
        "has one output more": (branch([node("Neg", ["x"], ["p"]), node("Abs", ["x"], ["q"])], ["p", "q"]), "If|n0"),
        "has a wrong node": (branch([node("Neg", ["x", "x"], ["p"])], ["p"]), r"then_branch.node\[0\].*2 inputs"),
        "is of another type": (branch([node("Shape", ["x"], ["p"])], ["p"]), "If|int64"),
    }
    for name, (graph, place) in branches.items():
        choice = node("If", ["c"], ["y"], name="n0", then_branch=graph, else_branch=good)
        yield Hostile(f"subgraphs: one {name}", made([choice], inputs).SerializeToString(), place)
    yield Hostile(
        "subgraphs: one is missing",
        made([node("If", ["c"], ["y"], then_branch=good)], inputs).SerializeToString(),
        "else_branch",
    )
    number = node("If", ["x"], ["y"], then_branch=good, else_branch=good)
    yield Hostile("subgraphs: decided by numbers", made([number], inputs).SerializeToString(), "If|'y'")
    for carried in (0, 2):
        names = [f"s{i}" for i in range(carried)]
        values = [info("i", [], onnx.TensorProto.INT64), info("k", [], onnx.TensorProto.BOOL), *map(info, names)]
        body = helper.make_graph([node("Identity", ["k"], ["o"])], "b", values, [onnx.ValueInfoProto(name="o")])
        loop = node("Loop", ["t", "", "x"], ["y"], name="turn", body=body)
        model = made([loop], initializers=[array("t", 3, np.int64)])
        yield Hostile(f"subgraphs: a loop that carries {carried}", model.SerializeToString(), "turn|takes|'b'")
