"""Random nested branches and loops, converted to files and run beside ONNX Runtime."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_proto
import onnxruntime
import torch
from codegen_torch.blocks import capture_tensors, everywhere
from codegen_torch.expr import Expr
from codegen_torch.layers import recover_layers
from codegen_torch.lower.graph import lower
from codegen_torch.pipeline import convert
from codegen_torch.simplify import share, simplify
from codegen_torch.simplify.sink import sink
from converted import import_model
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from interpret import interpret
from onnx import TensorProto, helper, numpy_helper

ROWS = 2
UNARY = ("Neg", "Tanh", "Identity", "Relu")
KINDS = ("unary", "binary", "weight", "size", "branch", "loop", "while_", "scan", "grow")
BINARY = ("Add", "Sub", "Mul", "Max")


class Writer:
    """Writes a graph of float32[2, 3] values as the numbers that hypothesis draws ask for.

    Nodes read any value that is visible: the graph's own, and those of the graphs around. They are in modules of their
    own, as exporters write it.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.numbers = itertools.count()
        self.left = draw(st.integers(3, 14))
        self.scopes = draw(st.sampled_from([("",), ("", "a", "a.b"), ("", "a", "c.0", "c.1")]))

    def name(self, stem: str) -> str:
        return f"{stem}{next(self.numbers)}"

    def graph(self, visible: list[str], depth: int) -> tuple[list[onnx.NodeProto], list[str]]:
        """Some nodes, and the names of the values they make."""
        nodes: list[onnx.NodeProto] = []
        made: list[str] = []
        for _ in range(self.draw(st.integers(1, 4))):
            if self.left <= 0:
                break
            self.left -= 1
            kind = self.draw(st.sampled_from(KINDS))
            known = visible + made
            if kind == "unary":
                made.append(self.add(nodes, self.draw(st.sampled_from(UNARY)), [self.pick(known)]))
            elif kind == "binary":
                made.append(self.add(nodes, self.draw(st.sampled_from(BINARY)), [self.pick(known), self.pick(known)]))
            elif kind == "weight":
                made.append(self.add(nodes, "MatMul", [self.pick(known), f"w{self.draw(st.integers(0, 2))}"]))
            elif kind == "size":
                made.append(self.size(nodes, known))
            elif depth < 3:
                made += getattr(self, kind)(nodes, known, depth)
        return nodes, made

    def pick(self, known: list[str]) -> str:
        return self.draw(st.sampled_from(known[-4:] + known[:2]))

    def add(self, nodes: list[onnx.NodeProto], op: str, inputs: list[str], **attributes: Any) -> str:
        out = self.name("t")
        nodes.append(helper.make_node(op, inputs, [out], **attributes))
        parts = list(filter(None, self.draw(st.sampled_from(self.scopes)).split(".")))
        paths = ["", *(".".join(parts[: depth + 1]) for depth in range(len(parts))), "op"]
        nodes[-1].metadata_props.add(key="pkg.torch.onnx.name_scopes", value=repr(paths))
        return out

    def size(self, nodes: list[onnx.NodeProto], known: list[str]) -> str:
        """Something computed from a value's shape."""
        shape = self.add(nodes, "Shape", [self.pick(known)])
        how = self.draw(st.sampled_from(["Reshape", "Expand", "rows", "few"]))
        if how == "Reshape":
            return self.add(nodes, how, [self.pick(known), shape])
        if how == "Expand":
            return self.add(nodes, how, ["limit", shape])
        rows = self.add(nodes, "Gather", [shape, "none"])
        if how == "few":
            few = self.add(nodes, "Less", [rows, "two"])
            return self.add(nodes, "Where", [few, self.pick(known), self.pick(known)])
        return self.add(nodes, "Mul", [self.add(nodes, "Cast", [rows], to=TensorProto.FLOAT), self.pick(known)])

    def test(self, nodes: list[onnx.NodeProto], value: str) -> str:
        """A condition: whether the sum of a value is above a limit."""
        total = self.add(nodes, "ReduceSum", [value], keepdims=0)
        return self.add(nodes, self.draw(st.sampled_from(["Greater", "Less"])), [total, "limit"])

    def branch(self, nodes: list[onnx.NodeProto], known: list[str], depth: int) -> list[str]:
        cond = self.test(nodes, self.pick(known))
        count = self.draw(st.integers(1, 3))
        branches = {}
        for label in ("then_branch", "else_branch"):
            inner, made = self.graph(known, depth + 1)
            results = []
            for _ in range(count):
                result = self.pick(known + made)
                if result not in made or result in results:  # ONNX Runtime wants outputs that the branch computes
                    result = self.add(inner, "Identity", [result])
                results.append(result)
            branches[label] = helper.make_graph(inner, label, [], [_info(name) for name in results])
        outputs = [self.name("f") for _ in range(count)]
        nodes.append(helper.make_node("If", [cond], outputs, **branches))
        return outputs

    def loop(self, nodes: list[onnx.NodeProto], known: list[str], depth: int) -> list[str]:
        return self._loop(
            nodes,
            known,
            depth,
            count=self.draw(st.sampled_from(["two", "n", "none"])),
            cond="",
        )

    def while_(self, nodes: list[onnx.NodeProto], known: list[str], depth: int) -> list[str]:
        """With a count as well, so that it ends."""
        cond = "yes" if self.draw(st.booleans()) else self.test(nodes, self.pick(known))
        return self._loop(nodes, known, depth, count=self.draw(st.sampled_from(["two", "n"])), cond=cond)

    def _loop(self, nodes: list[onnx.NodeProto], known: list[str], depth: int, count: str, cond: str) -> list[str]:
        carried = [self.pick(known) for _ in range(self.draw(st.integers(1, 3)))]
        params = [self.name("c") for _ in carried]
        iteration, going = self.name("i"), self.name("g")
        inner, made = self.graph(known + params, depth + 1)
        if self.draw(st.booleans()):
            number = self.add(inner, "Cast", [iteration], to=TensorProto.FLOAT)
            made.append(self.add(inner, "Add", [self.pick(params), number]))
        goes_on = self.test(inner, self.pick(params + made)) if cond else self.add(inner, "Identity", [going])
        results = [self.pick(params + made + known) for _ in carried]
        collected = [self.pick(params + made) for _ in range(self.draw(st.integers(0, 2)))]
        results, collected = ([self.add(inner, "Identity", [name]) for name in names] for names in (results, collected))
        infos = [
            helper.make_tensor_value_info(iteration, TensorProto.INT64, []),
            helper.make_tensor_value_info(going, TensorProto.BOOL, []),
        ]
        body = helper.make_graph(
            inner,
            "body",
            infos + [_info(name) for name in params],
            [helper.make_tensor_value_info(goes_on, TensorProto.BOOL, []), *map(_info, results + collected)],
        )
        outputs = [self.name("l") for _ in results + collected]
        nodes.append(helper.make_node("Loop", [count, cond or "yes", *carried], outputs, body=body))
        sums = [self.add(nodes, "ReduceSum", [name, "first"], keepdims=0) for name in outputs[len(results) :]]
        return outputs[: len(results)] + sums

    def scan(self, nodes: list[onnx.NodeProto], known: list[str], depth: int) -> list[str]:
        """Over the rows of a value; the state is a value as well, and so is the result."""
        state, row = self.name("s"), self.name("r")
        inner, made = self.graph([*known, state], depth + 1)
        made.append(self.add(inner, "Add", [self.pick([*made, state]), row]))
        result = self.add(inner, "Identity", [self.pick(made)])
        kept = self.add(inner, "Mul", [row, "limit"])
        body = helper.make_graph(inner, "body", [_info(state), _info(row, 3)], [_info(result), _info(kept, 3)])
        outputs = [self.name("a"), self.name("b")]
        backwards = [self.draw(st.integers(0, 1))]
        nodes.append(
            helper.make_node(
                "Scan", [self.pick(known), self.pick(known)], outputs, body=body, num_scan_inputs=1,
                scan_input_directions=backwards, scan_output_directions=[self.draw(st.integers(0, 1))],
            )
        )  # fmt: skip
        return outputs

    def grow(self, nodes: list[onnx.NodeProto], known: list[str], depth: int) -> list[str]:
        """A loop that carries a tensor which becomes longer, and a sequence."""
        long, many = self.name("c"), self.name("q")
        iteration, going = self.name("i"), self.name("g")
        inner, made = self.graph(known, depth + 1)
        longer = self.add(inner, "Concat", [long, self.pick(known + made)], axis=0)
        more = self.add(inner, "SequenceInsert", [many, longer])
        goes_on = self.add(inner, "Identity", [going])
        floats = helper.make_tensor_type_proto(TensorProto.FLOAT, [None, 3])
        infos = [
            helper.make_tensor_value_info(iteration, TensorProto.INT64, []),
            helper.make_tensor_value_info(going, TensorProto.BOOL, []),
            helper.make_value_info(long, floats),
            helper.make_value_info(many, helper.make_sequence_type_proto(floats)),
        ]
        results = [
            helper.make_tensor_value_info(goes_on, TensorProto.BOOL, []),
            helper.make_value_info(longer, floats),
            helper.make_value_info(more, helper.make_sequence_type_proto(floats)),
        ]
        body = helper.make_graph(inner, "body", infos, results)
        start = self.add(nodes, "SequenceConstruct", [self.pick(known)])
        outputs = [self.name("l"), self.name("l")]
        count = self.draw(st.sampled_from(["two", "n"]))
        nodes.append(helper.make_node("Loop", [count, "yes", self.pick(known), start], outputs, body=body))
        joined = self.add(nodes, "ConcatFromSequence", [outputs[1]], axis=0)
        means = [self.add(nodes, "ReduceMean", [name], axes=[0], keepdims=1) for name in (outputs[0], joined)]
        return [self.add(nodes, "Add", [mean, self.pick(known)]) for mean in means]


def _info(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape) or [ROWS, 3])


@st.composite
def models(draw: st.DrawFn) -> onnx.ModelProto:
    """A model of inputs x, y (float32[2, 3]) and n (int64)."""
    writer = Writer(draw)
    nodes: list[onnx.NodeProto] = []
    values = ["x", "y"]
    while writer.left > 0:
        more, made = writer.graph(values, 0)
        nodes += more
        values += made
    outputs = [writer.add(nodes, "Identity", [name]) for name in dict.fromkeys(values[-3:])]
    numbers = np.random.default_rng(draw(st.integers(0, 3)))
    constants = {f"w{i}": numbers.normal(size=(3, 3)).astype(np.float32) for i in range(3)}
    constants |= {"limit": np.float32(0.5), "two": np.int64(2), "none": np.int64(0)}
    constants |= {"yes": np.bool_(True), "first": np.int64([0])}
    rows = draw(st.sampled_from(["rows", ROWS]))
    inputs = [_info("x", rows, 3), _info("y", rows, 3), helper.make_tensor_value_info("n", TensorProto.INT64, [])]
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "random", inputs, [_info(name) for name in outputs], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(models())
def test_control_flow_computes_what_onnx_runtime_does(tmp_path: Path, model: onnx.ModelProto) -> None:
    note(onnx.printer.to_text(model.graph))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    convert(tmp_path / "net.onnx", tmp_path / "out", force=True)
    generated = import_model(tmp_path / "out").load_model()
    for seed, count in ((0, 0), (1, 1), (2, 3)):
        numbers = np.random.default_rng(seed)
        x, y = (numbers.normal(size=(ROWS, 3)).astype(np.float32) for _ in range(2))
        wanted = session.run(None, {"x": x, "y": y, "n": np.array(count, np.int64)})
        with torch.no_grad():
            found = generated(torch.from_numpy(x), torch.from_numpy(y), torch.tensor(count))
        for result, want in zip(found if isinstance(found, tuple) else (found,), wanted, strict=True):
            np.testing.assert_allclose(result.numpy(), want, rtol=1e-4, atol=1e-4)


STAGES: dict[str, Callable[[dict[str, Expr]], dict[str, Expr]]] = {
    "share": lambda outputs: everywhere(share, outputs),
    "simplify": lambda outputs: everywhere(simplify, outputs),
    "layers": lambda outputs: everywhere(lambda graph: share(recover_layers(graph)), outputs),
    "sink": sink,
    "capture": capture_tensors,
}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(models())
def test_no_stage_changes_a_number(model: onnx.ModelProto) -> None:
    lowered = lower(onnx_proto.loads(model.SerializeToString()), "net.onnx")
    numbers = np.random.default_rng(0)
    fed = {name: torch.from_numpy(numbers.normal(size=(ROWS, 3)).astype(np.float32)) for name in ("x", "y")}
    fed["n"] = torch.tensor(2)
    outputs = lowered.outputs
    wanted = interpret(outputs, fed, lowered.inputs)
    for stage in STAGES.values():
        outputs = stage(outputs)
        torch.testing.assert_close(interpret(outputs, fed, lowered.inputs), wanted, rtol=1e-4, atol=1e-4)
