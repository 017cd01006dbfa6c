"""dataflow-ir beside tinygrad, torch.fx and onnx-ir: the same graph and the same work, in one run.

    python integration_tests/bench/ir.py [--nodes 100000] [--rounds 5] [--limit 300] [library ...]

Needs the libraries that are compared; what is not installed is left out. Each runs in a process of its own, one after
the other in several rounds, and all work is measured in seconds of CPU time; the least counts. What takes a library
longer than ten seconds it does once. Garbage collection is on, as it is for users. Every library reads one random
program and one table of twenty rules, and does the work in its own way: tinygrad shares equal nodes when it builds;
torch.fx and onnx-ir change graphs in place and apply, once each, the rules that end in an operation.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.util
import json
import operator
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

Term = tuple[Any, ...] | str | int

COLUMNS = ("build", "topo", "code", "rebuild", "cse", "rules", "peak MB")

RULES: list[tuple[Term, Term]] = [
    (("add", "x", 0), "x"),
    (("mul", "x", 1), "x"),
    (("mul", "x", 0), 0),
    (("sub", "x", 0), "x"),
    (("sub", "x", "x"), 0),
    (("max", "x", "x"), "x"),
    (("min", "x", "x"), "x"),
    (("neg", 0), 0),
    (("neg", ("neg", "x")), "x"),
    (("neg", ("sub", "x", "y")), ("sub", "y", "x")),
    (("sub", "x", ("neg", "y")), ("add", "x", "y")),
    (("add", "x", ("neg", "y")), ("sub", "x", "y")),
    (("mul", ("neg", "x"), ("neg", "y")), ("mul", "x", "y")),
    (("mul", ("neg", "x"), "y"), ("neg", ("mul", "x", "y"))),
    (("add", ("mul", "x", "y"), ("mul", "x", "z")), ("mul", "x", ("add", "y", "z"))),
    (("add", ("sub", "x", "y"), "y"), "x"),
    (("sub", ("add", "x", "y"), "y"), "x"),
    (("max", ("max", "x", "y"), "y"), ("max", "x", "y")),
    (("max", ("neg", "x"), ("neg", "y")), ("neg", ("min", "x", "y"))),
    (("min", ("max", "x", "y"), "x"), "x"),
]
"""Twenty rules; letters are any value. add, mul, max and min are commutative."""

SLOW = 10
"""Seconds of CPU time; what takes longer is measured once."""

COMMUTATIVE = {"add", "mul", "max", "min"}


def program(nodes: int) -> list[tuple[str, tuple[int, ...]]]:
    """A random program; each line applies an operation to the values of earlier lines."""
    random = Random(0)
    lines: list[tuple[str, tuple[int, ...]]] = [("x", ()), ("y", ()), ("zero", ()), ("one", ())]
    for at in range(len(lines), nodes):
        op = random.choice(("add", "add", "sub", "mul", "mul", "max", "neg"))
        a = at - 1
        b = random.randrange(max(0, at - 50), at)
        if random.random() < 0.03 and op in ("add", "sub", "mul"):
            b = 3 if op == "mul" else 2
        lines.append((op, (a,) if op == "neg" else (a, b)))
    return lines


class DataflowIr:
    def build(self, lines: list[tuple[str, tuple[int, ...]]]) -> None:
        from dataflow_ir import Node, const, inp

        values = [inp("x"), inp("y"), const(0), const(1)]
        for op, operands in lines[4:]:
            values.append(Node(op, tuple([values[at] for at in operands])))
        self.g = values[-1]
        self.some = set(values[100::100])

    def topo(self) -> None:
        from dataflow_ir import topo

        topo(self.g)

    def code(self) -> None:
        from dataflow_ir import syntax

        syntax(self.g)

    def rebuild(self) -> None:
        from dataflow_ir import Node, postwalk

        postwalk(lambda v: Node("abs", (v,)) if v in self.some else None, self.g)

    def cse(self) -> None:
        from dataflow_ir import cse

        cse(self.g)

    def prepare_rules(self) -> None:
        from dataflow_ir import P, Rules, V

        def pattern(term: Term) -> Any:
            if isinstance(term, tuple):
                return P[term[0]](*map(pattern, term[1:]))
            return V(term) if isinstance(term, str) else term

        self.rule_set = Rules(commutative=COMMUTATIVE)
        for before, after in RULES:
            self.rule_set[pattern(before)] = pattern(after)
        _ = self.rule_set.index

    def rules(self) -> None:
        from dataflow_ir import rewrite

        rewrite(self.g, self.rule_set)


class Tinygrad:
    def build(self, lines: list[tuple[str, tuple[int, ...]]]) -> None:
        from tinygrad import dtypes
        from tinygrad.uop.ops import Ops, UOp

        self.ops = {
            name: getattr(Ops, name.upper()) for name in ("add", "sub", "mul", "max", "neg", "sqrt") if name != "min"
        }
        values = [UOp.variable(name, 0, 100, dtypes.int) for name in "xy"]
        values += [UOp.const(value, dtypes.int) for value in (0, 1)]
        for op, operands in lines[4:]:
            values.append(UOp(self.ops[op], dtypes.int, tuple([values[at] for at in operands])))
        self.g = values[-1]
        self.some = values[100::100]

    def topo(self) -> None:
        self.g.toposort()

    def code(self) -> None:
        from tinygrad.uop.render import pyrender

        pyrender(self.g)

    def rebuild(self) -> None:
        from tinygrad.uop.ops import Ops, UOp

        self.g.substitute({v: UOp(Ops.SQRT, v.dtype, (v,)) for v in self.some}, walk=True)

    def prepare_rules(self) -> None:
        from tinygrad import dtypes
        from tinygrad.uop.ops import Ops, PatternMatcher, UOp, UPat

        ops = self.ops | {"min": Ops.CMPLT}  # it has no minimum; what rules do with any binary operation is the same

        def pattern(term: Term) -> Any:
            if isinstance(term, tuple):
                operands = [pattern(each) for each in term[1:]]
                return UPat(ops[term[0]], src=operands if term[0] in COMMUTATIVE else tuple(operands))
            return UPat.var(term) if isinstance(term, str) else UPat(Ops.CONST, arg=term)

        def made(term: Term) -> str:
            if isinstance(term, tuple):
                operands = ", ".join(map(made, term[1:]))
                return f"UOp(ops[{term[0]!r}], dtypes.int, ({operands},))"
            return term if isinstance(term, str) else f"UOp.const({term}, dtypes.int)"

        scope = {"UOp": UOp, "ops": ops, "dtypes": dtypes}
        self.matcher = PatternMatcher(
            [
                (pattern(before), eval(f"lambda {', '.join(sorted(letters(before)))}: {made(after)}", scope))
                for before, after in RULES
            ]
        )

    def rules(self) -> None:
        from tinygrad.uop.ops import graph_rewrite

        graph_rewrite(self.g, self.matcher)


class TorchFx:
    def build(self, lines: list[tuple[str, tuple[int, ...]]]) -> None:
        import torch
        from torch import fx

        self.ops = {name: getattr(operator, name) for name in ("add", "sub", "mul", "neg")}
        self.ops |= {"max": torch.maximum, "min": torch.minimum}
        graph = fx.Graph()
        values: list[Any] = [graph.placeholder("x"), graph.placeholder("y"), 0, 1]
        for op, operands in lines[4:]:
            values.append(graph.call_function(self.ops[op], tuple([values[at] for at in operands])))
        graph.output(values[-1])
        self.module = fx.GraphModule({}, graph)
        self.some = values[100::100]

    def code(self) -> None:
        self.module.graph.python_code("self")

    def rebuild(self) -> None:
        import torch

        graph = self.module.graph
        for v in self.some:
            with graph.inserting_after(v):
                new = graph.call_function(torch.abs, (v,))
            v.replace_all_uses_with(new, delete_user_cb=lambda user, new=new: user is not new)

    def cse(self) -> None:
        from torch.fx.passes.dialect.common.cse_pass import CSEPass

        CSEPass()(self.module)

    def prepare_rules(self) -> None:
        from torch import fx

        def traced(term: Term, names: list[str]) -> Any:
            graph = fx.Graph()
            values = {name: graph.placeholder(name) for name in names}

            def value(term: Term) -> Any:
                if isinstance(term, tuple):
                    return graph.call_function(self.ops[term[0]], tuple(map(value, term[1:])))
                return values[term] if isinstance(term, str) else term

            graph.output(value(term))
            return fx.GraphModule({}, graph)

        # What it replaces must be a node, so rules that end in a number are not for it.
        usable = [(before, after) for before, after in RULES if isinstance(after, tuple)]
        self.pairs = [
            (traced(before, names), traced(after, names)) for before, after in usable if (names := letters(before))
        ]

    def rules(self) -> None:
        from torch.fx.subgraph_rewriter import replace_pattern

        for before, after in self.pairs:
            replace_pattern(self.module, before, after)


class OnnxIr:
    def build(self, lines: list[tuple[str, tuple[int, ...]]]) -> None:
        import numpy as np
        import onnx_ir as ir

        inputs = [ir.Value(name=name, type=ir.TensorType(ir.DataType.INT64), shape=ir.Shape([])) for name in "xy"]
        constants = [ir.Value(name=f"c{at}", const_value=ir.tensor(np.int64(at), name=f"c{at}")) for at in (0, 1)]
        values = [*inputs, *constants]
        nodes = []
        for op, operands in lines[4:]:
            v = ir.node(op.capitalize(), [values[at] for at in operands])
            nodes.append(v)
            values.append(v.outputs[0])
        graph = ir.Graph(
            inputs, [values[-1]], nodes=nodes, initializers=constants, opset_imports={"": 20}, name="bench"
        )
        self.model = ir.Model(graph, ir_version=10)
        self.some = nodes[100::100]

    def topo(self) -> None:
        self.model.graph.sort()

    def code(self) -> None:
        str(self.model.graph)

    def rebuild(self) -> None:
        import onnx_ir as ir

        for v in self.some:
            new = ir.node("Abs", [v.outputs[0]])
            v.outputs[0].replace_all_uses_with(new.outputs[0], replace_graph_outputs=True)
            new.replace_input_with(0, v.outputs[0])
            self.model.graph.insert_after(v, new)

    def cse(self) -> None:
        from onnx_ir.passes.common import CommonSubexpressionEliminationPass

        CommonSubexpressionEliminationPass()(self.model)

    def prepare_rules(self) -> None:
        from onnxscript.rewriter import pattern

        def text(term: Term) -> str:
            if isinstance(term, tuple):
                return f"op.{term[0].capitalize()}({', '.join(map(text, term[1:]))})"
            return str(term)

        def side(term: Term, names: list[str]) -> Any:
            return eval(f"lambda op, {', '.join(names)}: {text(term)}")

        usable = [(before, after) for before, after in RULES if isinstance(after, tuple)]
        self.rule_set = pattern.RewriteRuleSet(
            [
                pattern.RewriteRule(side(before, names), side(after, names), remove_nodes=False)
                for before, after in usable
                if (names := letters(before))
            ],
            commute=True,
        )

    def rules(self) -> None:
        self.rule_set.apply_to_model(self.model)


LIBRARIES: dict[str, tuple[Callable[[], Any], str]] = {
    "dataflow-ir": (DataflowIr, "dataflow_ir"),
    "tinygrad": (Tinygrad, "tinygrad"),
    "torch.fx": (TorchFx, "torch"),
    "onnx-ir": (OnnxIr, "onnx_ir"),
}


def letters(term: Term) -> list[str]:
    """The letters in a term, sorted."""
    if isinstance(term, tuple):
        return sorted({letter for each in term[1:] for letter in letters(each)})
    return [term] if isinstance(term, str) else []


def measure(name: str, nodes: int) -> Iterator[tuple[str, float]]:
    """Do a library's work column by column and yield the CPU seconds of each."""
    lines = program(nodes)
    library = LIBRARIES[name][0]()
    library.build(lines[:200])  # what is imported and compiled at first use is no part of the measurement
    if hasattr(library, "prepare_rules"):
        library.prepare_rules()
    gc.collect()
    before = resident()
    for column in COLUMNS[:-1]:
        if not hasattr(library, column):
            continue
        if column in ("cse", "rules"):
            library.build(lines)  # the columns before may have changed it in place
        arguments = (lines,) if column == "build" else ()
        gc.collect()
        start = time.process_time()
        try:
            getattr(library, column)(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other columns count
            print(f"{name} cannot do {column}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)  # noqa: T201
            continue
        yield column, time.process_time() - start
    yield "peak MB", resident() - before


def resident() -> float:
    """The largest memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(name: str, nodes: int, limit: float) -> dict[str, float]:
    """Measure a library in a process of its own; what is not done within the limit is missing."""
    command = [sys.executable, __file__, "--nodes", str(nodes), "--worker", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            output, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
    found = dict(json.loads(line) for line in output.splitlines() if line.startswith("["))
    if errors:
        print(errors.strip(), file=sys.stderr)  # noqa: T201
    return found


def race(names: list[str], nodes: int, rounds: int, limit: float) -> dict[str, dict[str, float]]:
    """Measure the libraries in turns and keep the least of each column."""
    best: dict[str, dict[str, float]] = {name: {} for name in names}
    for _ in range(rounds):
        for name in names:
            if sum(best[name].get(column, 0) for column in COLUMNS[:-1]) < SLOW:
                for column, value in run(name, nodes, limit).items():
                    best[name][column] = min(value, best[name].get(column, value))
    return best


def table(results: dict[str, dict[str, float]], nodes: int, base: str) -> Iterator[str]:
    """The lines of the comparison: seconds, and how many times those of one library."""
    yield f"{nodes:,} nodes; CPU seconds, in brackets relative to {base}; -: it does not do that, or not in time"
    yield "  ".join([f"{'':12}", *[f"{column:>16}" for column in COLUMNS]])
    for name, found in results.items():
        cells = []
        for column in COLUMNS:
            value, reference = found.get(column), results[base].get(column)
            if column == "cse" and reference is None:
                reference = results[base].get("build")  # where it shares equal nodes
            ratio = f" ({value / reference:.2f}x)" if value is not None and reference else ""
            cells.append(f"{'-' if value is None else f'{value:.2f}{ratio}':>16}")
        yield "  ".join([f"{name:12}", *cells])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("libraries", nargs="*", help=f"of {', '.join(LIBRARIES)}; all by default")
    parser.add_argument("--nodes", type=int, default=100_000, help="the size of the graph")
    parser.add_argument("--rounds", type=int, default=5, help="how often to measure what is not slow")
    parser.add_argument("--limit", type=float, default=300, help="seconds that one library may take")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        for line in measure(options.worker, options.nodes):
            print(json.dumps(line), flush=True)  # noqa: T201
        return
    unknown = set(options.libraries) - set(LIBRARIES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    wanted = dict.fromkeys(["dataflow-ir", *(options.libraries or LIBRARIES)])
    names = [name for name in wanted if importlib.util.find_spec(LIBRARIES[name][1])]
    results = race(names, options.nodes, options.rounds, options.limit)
    print("\n".join(table(results, options.nodes, "tinygrad" if "tinygrad" in results else "dataflow-ir")))  # noqa: T201


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
