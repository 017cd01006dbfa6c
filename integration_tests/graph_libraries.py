"""What graph libraries can do, tried out: a class for each, a method for each row of the table in dataflow-ir's README.

A method does what its row says in the library's own way and returns whether that worked. What a library answers where
it cannot is named, so that a mistake made here is an error and no answer.
"""

from __future__ import annotations

import importlib.metadata
import pickle
import signal
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROWS = {
    "cycles": "a value may depend on itself",
    "absent": "an operand may be absent",
    "constants": "`1` and `1.0`, `0.0` and `-0.0` are different constants",
    "structure": "graphs compare by structure",
    "commutative": "a rule matches operands in any order",
    "fixpoint": "rules go on until none applies",
    "rounds": "rules without end are an error that names them",
    "text": "what is printed reads back",
    "deep": "a chain of 20 000 pickles",
    "computes": "knows what operations compute",
    "types": "checks the types of operands",
    "alone": "brings nothing else along",
}
DEEP = 20_000
SECONDS = 2


class EndlessError(Exception):
    """Something took longer than it may."""


def ends(action: Callable[[], Any]) -> bool:
    """Tells whether something comes to an end within some seconds."""

    def give_up(*_: Any) -> None:
        raise EndlessError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(SECONDS)
    try:
        action()
    except EndlessError:
        return False
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return True


def fails(kind: type[Exception], action: Callable[[], Any], message: str = "") -> bool:
    """Tells whether something ends with an error of this kind and message."""
    try:
        action()
    except kind as error:
        return message in str(error)
    return False


def pickles(graph: Any) -> bool:
    """Tells whether a graph is written and read back."""
    return not fails(RecursionError, lambda: pickle.loads(pickle.dumps(graph)))


class Library:
    """What the libraries have in common: how they are installed."""

    distribution: str

    def alone(self) -> bool:
        declared = importlib.metadata.requires(self.distribution) or []
        return not [text for text in declared if "extra" not in str(Requirement(text).marker)]


class DataflowIr(Library):
    def alone(self) -> bool:
        project = Path(__file__).parents[1] / "packages" / "dataflow-ir" / "pyproject.toml"
        return not tomllib.loads(project.read_text())["project"]["dependencies"]

    def cycles(self) -> bool:
        from dataflow_ir import fix, node, parse, prewalk, syntax

        loop = fix(lambda self: node("add", node("delay", self), node("delay", self)))
        changed = prewalk(lambda v: node("sub", *v.inputs) if v.op == "add" else None, loop)
        return syntax(changed) == "a = sub(delay(a), delay(a))\na" and parse(syntax(changed)).op == "sub"

    def absent(self) -> bool:
        from dataflow_ir import inp, node, postwalk

        clip = node("clip", inp("x"), None, inp("y"))
        return postwalk(lambda v: node(v.op.upper(), *v.inputs) if v.op == "clip" else None, clip)[1] is None

    def constants(self) -> bool:
        from dataflow_ir import const, cse

        return len({*cse([const(value) for value in (1, 1.0, 0.0, -0.0)])}) == 4

    def structure(self) -> bool:
        from dataflow_ir import equal, parse

        return equal(parse("f(x)"), parse("f(x)")) and not equal(parse("f(x)"), parse("f(y)"))

    def commutative(self) -> bool:
        from dataflow_ir import P, Rules, V, parse, rewrite

        rules = Rules(commutative={"add"})
        rules[P.add(P.neg(V.a), V.b)] = P.sub(V.b, V.a)
        return bool(rewrite(parse("add(y, neg(x))"), rules).op == "sub")

    def fixpoint(self) -> bool:
        from dataflow_ir import P, Rules, V, parse, rewrite

        rules = Rules()
        rules[P.f(P.h(V.a))] = P.h(P.f(V.a))
        return str(rewrite(parse("f(h(h(h(x))))"), rules)) == "h(h(h(f(x))))"

    def rounds(self) -> bool:
        from dataflow_ir import P, RewriteError, Rules, V, parse, rewrite

        rules = Rules()
        rules[P.add(V.a, V.b)] = P.add(V.b, V.a)
        return fails(RewriteError, lambda: rewrite(parse("add(x, y)"), rules), "add(a, b) -> add(b, a)")

    def text(self) -> bool:
        from dataflow_ir import isomorphic, parse, syntax

        g = parse("a = mul(x, 2)\nadd(a, a)")
        return isomorphic(parse(syntax(g)), g)

    def deep(self) -> bool:
        from dataflow_ir import inp, node

        v = inp("x")
        for _ in range(DEEP):
            v = node("neg", v)
        return pickles(v)

    def computes(self) -> bool:
        from dataflow_ir import Interpreter, parse

        return not fails(LookupError, lambda: Interpreter()(parse("add(1, 2)")), "no layer of the interpreter knows")

    def types(self) -> bool:
        from dataflow_ir import parse

        return parse("add(1, 'text')").op != "add"


def uop(name: str, *operands: Any) -> Any:
    """Builds an integer operation of tinygrad, in whose rules only what is global can be called."""
    from tinygrad import dtypes
    from tinygrad.uop.ops import Ops, UOp

    return UOp(getattr(Ops, name), dtypes.int, operands)


class Tinygrad(Library):
    distribution = "tinygrad"

    def __init__(self) -> None:
        from tinygrad import dtypes
        from tinygrad.uop.ops import Ops, UOp

        self.uop, self.ops, self.int, self.float = UOp, Ops, dtypes.int, dtypes.float
        self.x, self.y = [UOp.variable(name, 0, 9, dtypes.int) for name in "xy"]

    def rewrite(self, start: Any, before: Any, after: Callable[..., Any]) -> Any:
        from tinygrad.uop.ops import PatternMatcher, graph_rewrite

        return graph_rewrite(start, PatternMatcher([(before, after)]))

    def cycles(self) -> bool:
        v = uop("ADD", self.x, self.uop.variable("z", 0, 9, self.int))
        v.src = (v, self.x)
        return ends(v.toposort)

    def absent(self) -> bool:
        return not fails(AttributeError, lambda: uop("WHERE", self.x, None, self.y).toposort())

    def constants(self) -> bool:
        const = self.uop.const
        zeros = const(0.0, self.float) is const(-0.0, self.float)
        return not zeros and const(1, self.int) is not const(1.0, self.float)

    def structure(self) -> bool:
        return self.x + self.y is self.x + self.y and self.x + self.y is not self.y + self.x

    def commutative(self) -> bool:
        from tinygrad.uop.ops import UPat

        before = UPat(self.ops.ADD, src=[UPat(self.ops.NEG, src=(UPat.var("a"),)), UPat.var("b")])
        start = uop("ADD", self.y, uop("NEG", self.x))
        return self.rewrite(start, before, lambda a, b: uop("SUB", b, a)) is uop("SUB", self.y, self.x)

    def fixpoint(self) -> bool:
        from tinygrad.uop.ops import UPat

        before = UPat(self.ops.SQRT, src=(UPat(self.ops.NEG, src=(UPat.var("a"),)),))
        start = uop("SQRT", uop("NEG", uop("NEG", uop("NEG", self.x))))
        result = self.rewrite(start, before, lambda a: uop("NEG", uop("SQRT", a)))
        return result is uop("NEG", uop("NEG", uop("NEG", uop("SQRT", self.x))))

    def rounds(self) -> bool:
        from tinygrad.uop.ops import UPat

        before = UPat(self.ops.ADD, src=(UPat.var("a"), UPat.var("b")))
        start = uop("ADD", self.x, self.y)
        endless = "infinite loop in graph_rewrite"  # it says no more
        return not fails(RuntimeError, lambda: self.rewrite(start, before, lambda a, b: uop("ADD", b, a)), endless)

    def text(self) -> bool:
        from tinygrad.uop import ops
        from tinygrad.uop.render import pyrender

        g = self.x * 2 + self.x
        scope = vars(ops) | {"dtypes": __import__("tinygrad").dtypes}
        exec(pyrender(g), scope)
        return scope["ast"] is g

    def deep(self) -> bool:
        v = self.x
        for _ in range(DEEP):
            v = uop("NEG", v)
        return pickles(v)

    def computes(self) -> bool:
        const = self.uop.const
        return (const(1, self.int) + const(2, self.int)).simplify() is const(3, self.int)

    def types(self) -> bool:
        from tinygrad.uop.spec import spec_tensor, type_verify

        wrong = uop("ADD", self.x, self.uop.const(1.0, self.float))
        type_verify([uop("ADD", self.x, self.y)], spec_tensor)
        return fails(RuntimeError, lambda: type_verify([wrong], spec_tensor), "verification failed")


class TorchFx(Library):
    distribution = "torch"

    def module(self, build: Callable[[Any, Any], Any]) -> Any:
        from torch import fx

        graph = fx.Graph()
        graph.output(build(graph.call_function, graph.placeholder("x")))
        return fx.GraphModule({}, graph)

    def rewrite(self, build: Callable[[Any, Any], Any], before: Any, after: Any) -> list[Any]:
        from torch.fx.subgraph_rewriter import replace_pattern

        module = self.module(build)
        replace_pattern(module, before, after)
        return [v.target for v in module.graph.nodes if v.op == "call_function"]

    def cycles(self) -> bool:
        import operator

        def build(call: Any, x: Any) -> Any:
            total = call(operator.add, (x, x))
            total.args = (total, x)
            return total

        return not fails(RuntimeError, self.module(build).graph.lint, "before it has been defined")

    def absent(self) -> bool:
        import torch

        module = self.module(lambda call, x: call(torch.clamp, (x, None, 3)))
        return int(module(torch.tensor(5))) == 3

    def constants(self) -> bool:
        import operator

        import torch
        from torch.fx.passes.dialect.common.cse_pass import CSEPass

        module = self.module(lambda call, x: call(operator.add, (call(torch.add, (x, 1)), call(torch.add, (x, 1.0)))))
        return len(CSEPass()(module).graph_module.graph.nodes) == len(module.graph.nodes)

    def structure(self) -> bool:
        import operator

        one, other = [self.module(lambda call, x: call(operator.neg, (x,))).graph for _ in range(2)]
        return one == other

    def commutative(self) -> bool:
        import operator

        def build(call: Any, x: Any) -> Any:
            return call(operator.add, (call(operator.invert, (x,)), call(operator.neg, (x,))))

        assert operator.sub in self.rewrite(build, lambda a, b: b + -a, lambda a, b: b - a)  # it does in this order
        return operator.sub in self.rewrite(build, lambda a, b: -a + b, lambda a, b: b - a)

    def fixpoint(self) -> bool:
        import operator

        import torch

        def build(call: Any, x: Any) -> Any:
            for _ in range(3):
                x = call(operator.neg, (x,))
            return call(torch.abs, (x,))

        left = self.rewrite(build, lambda a: torch.abs(-a), lambda a: -torch.abs(a))
        assert left != [operator.neg, operator.neg, operator.neg, torch.abs]  # it did apply
        return left == [torch.abs, operator.neg, operator.neg, operator.neg]

    def rounds(self) -> bool:
        import operator

        def build(call: Any, x: Any) -> Any:
            return call(operator.add, (call(operator.invert, (x,)), call(operator.neg, (x,))))

        return operator.add not in self.rewrite(build, lambda a, b: a + b, lambda a, b: b + a)  # it is done once

    def text(self) -> bool:
        import operator

        import torch
        from torch import fx

        code = self.module(lambda call, x: call(operator.add, (x, 2))).code
        scope = {"torch": torch}
        exec(code, scope)
        return fx.symbolic_trace(type("M", (torch.nn.Module,), {"forward": scope["forward"]})()).code == code

    def deep(self) -> bool:
        import operator

        def build(call: Any, x: Any) -> Any:
            for _ in range(DEEP):
                x = call(operator.neg, (x,))
            return x

        return pickles(self.module(build))

    def computes(self) -> bool:
        import operator

        return self.module(lambda call, x: call(operator.add, (1, 2)))(None) == 3

    def types(self) -> bool:
        import operator

        return fails(TypeError, self.module(lambda call, x: call(operator.add, (1, "text"))).graph.lint)


class OnnxIr(Library):
    distribution = "onnx-ir"

    def model(self, build: Callable[[Any, Any], Any]) -> Any:
        import onnx_ir as ir

        nodes = []

        def op(name: str, *inputs: Any, **attributes: Any) -> Any:
            nodes.append(ir.node(name, inputs, attributes=attributes))
            return nodes[-1].outputs[0]

        def value(name: str) -> Any:
            return ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([]))

        x = value("x")
        result = build(op, x)
        result.name, result.type, result.shape = "result", x.type, x.shape
        graph = ir.Graph([x], [result], nodes=nodes, opset_imports={"": 20}, name="g")
        return ir.Model(graph, ir_version=10)

    def rewrite(self, build: Callable[[Any, Any], Any], before: Any, after: Any) -> list[str]:
        from onnxscript.rewriter import pattern

        model = self.model(build)
        pattern.RewriteRuleSet([pattern.RewriteRule(before, after)], commute=True).apply_to_model(model)
        return [v.op_type for v in model.graph]

    def cycles(self) -> bool:
        import onnx_ir as ir

        v = ir.node("Add", [None, None])
        v.replace_input_with(0, v.outputs[0])
        return not fails(ValueError, ir.Graph([], v.outputs, nodes=[v]).sort, "contains a cycle")

    def absent(self) -> bool:
        return self.model(lambda op, x: op("Clip", x, None, x)).graph[0].inputs[1] is None

    def constants(self) -> bool:
        import numpy as np
        import onnx_ir as ir
        from onnx_ir.passes.common import CommonSubexpressionEliminationPass

        def kept(*values: Any) -> bool:
            model = self.model(lambda op, x: op("F", *[op("Constant", value=ir.tensor(value)) for value in values]))
            CommonSubexpressionEliminationPass()(model)
            return len(model.graph) == 1 + len(values)

        return kept(np.int64(1), np.float32(1)) and kept(np.float32(0.0), np.float32(-0.0))

    def structure(self) -> bool:
        one, other = [self.model(lambda op, x: op("Neg", x)) for _ in range(2)]
        return one == other or one.graph == other.graph

    def commutative(self) -> bool:
        def build(op: Any, x: Any) -> Any:
            return op("Add", op("Abs", x), op("Neg", x))

        return "Sub" in self.rewrite(build, lambda op, a, b: op.Add(op.Neg(a), b), lambda op, a, b: op.Sub(b, a))

    def fixpoint(self) -> bool:
        def build(op: Any, x: Any) -> Any:
            return op("Neg", op("Abs", op("Abs", op("Abs", x))))

        left = self.rewrite(build, lambda op, a: op.Neg(op.Abs(a)), lambda op, a: op.Abs(op.Neg(a)))
        return left == ["Neg", "Abs", "Abs", "Abs"]

    def rounds(self) -> bool:
        def build(op: Any, x: Any) -> Any:
            return op("Add", op("Abs", x), op("Neg", x))

        return ends(lambda: self.rewrite(build, lambda op, a, b: op.Add(a, b), lambda op, a, b: op.Add(b, a)))

    def text(self) -> bool:
        import onnx_ir as ir

        text = ir.to_onnx_text(self.model(lambda op, x: op("Add", x, op("Neg", x))))
        return ir.to_onnx_text(ir.from_onnx_text(text)) == text

    def deep(self) -> bool:
        def build(op: Any, x: Any) -> Any:
            for _ in range(DEEP):
                x = op("Neg", x)
            return x

        return pickles(self.model(build))

    def computes(self) -> bool:
        import numpy as np
        import onnx_ir as ir
        from onnxscript.optimizer import optimize

        def build(op: Any, x: Any) -> Any:
            return op("Add", *[op("Constant", value=ir.tensor(np.float32(value))) for value in (1, 2)])

        model = optimize(self.model(build))
        return float(model.graph.outputs[0].const_value.numpy()) == 3

    def types(self) -> bool:
        from onnx.checker import ValidationError
        from onnx.shape_inference import InferenceError
        from onnx_ir.passes.common import CheckerPass

        check = CheckerPass(full_check=True)
        check(self.model(lambda op, x: op("Add", x, op("Neg", x))))
        wrong = self.model(lambda op, x: op("Add", x, op("Not", op("Equal", x, x))))
        return fails((ValidationError, InferenceError), lambda: check(wrong))  # type: ignore[arg-type]


class Xdsl(Library):
    distribution = "xdsl"

    def __init__(self) -> None:
        from xdsl.context import Context
        from xdsl.dialects import arith, builtin, pdl, test

        self.context = Context(allow_unregistered=True)
        for dialect in (arith.Arith, builtin.Builtin, pdl.PDL, test.Test):
            self.context.load_dialect(dialect)

    def parse(self, text: str) -> Any:
        from xdsl.parser import Parser

        return Parser(self.context, text).parse_module()

    def rewrite(self, text: str, change: Callable[[Any, Any], None]) -> Any:
        from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern

        class Rule(RewritePattern):
            def match_and_rewrite(self, op: Any, rewriter: PatternRewriter) -> None:
                change(op, rewriter)

        module = self.parse(text)
        PatternRewriteWalker(Rule()).rewrite_module(module)
        return module

    def cycles(self) -> bool:
        module = self.parse('%a = "test.op"(%a) : (i32) -> i32')
        module.verify()
        op = module.body.block.first_op
        return op.operands[0] is op.results[0]

    def absent(self) -> bool:
        from xdsl.dialects.builtin import i32
        from xdsl.dialects.test import TestOp
        from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, opt_operand_def, result_def

        @irdl_op_definition
        class Clip(IRDLOperation):
            name = "my.clip"
            x = operand_def(i32)
            low = opt_operand_def(i32)
            clipped = result_def(i32)

        clip = Clip.build(operands=[TestOp(result_types=[i32]).results[0], []], result_types=[i32])
        clip.verify()
        return clip.low is None

    def constants(self) -> bool:
        from xdsl.dialects.builtin import FloatAttr, IntegerAttr, f32, i32

        return FloatAttr(0.0, f32) != FloatAttr(-0.0, f32) and IntegerAttr(1, i32) != FloatAttr(1.0, f32)

    def structure(self) -> bool:
        one, same, other = [self.parse(f'"test.op"() {{value = {at}}} : () -> i32') for at in (1, 1, 2)]
        return one.is_structurally_equivalent(same) and not one.is_structurally_equivalent(other)

    def commutative(self) -> bool:
        from xdsl.transforms.apply_pdl import ApplyPDLPass

        def applies(operands: str) -> bool:
            module = self.parse(f"""
                %x, %y = "test.op"() : () -> (i32, i32)
                %n = arith.muli %x, %x : i32
                %r = arith.addi {operands} : i32
                "test.op"(%r) : (i32) -> ()
                pdl.pattern : benefit(1) {{
                  %t = pdl.type
                  %a = pdl.operand
                  %b = pdl.operand
                  %squared = pdl.operation "arith.muli" (%a, %a : !pdl.value, !pdl.value) -> (%t : !pdl.type)
                  %square = pdl.result 0 of %squared
                  %root = pdl.operation "arith.addi" (%square, %b : !pdl.value, !pdl.value) -> (%t : !pdl.type)
                  pdl.rewrite %root {{
                    %new = pdl.operation "arith.subi" (%b, %a : !pdl.value, !pdl.value) -> (%t : !pdl.type)
                    pdl.replace %root with %new
                  }}
                }}""")
            ApplyPDLPass().apply(self.context, module)
            return "= arith.subi" in str(module)

        assert applies("%n, %y")  # it does in this order
        return applies("%y, %n")

    def fixpoint(self) -> bool:
        from xdsl.dialects.test import TestOp

        def change(op: Any, rewriter: Any) -> None:
            below = op.operands[0].owner if op.operands else op
            if "f" in op.attributes and "h" in below.attributes:
                inner = TestOp(below.operands, result_types=op.result_types, attributes=op.attributes)
                outer = TestOp(inner.results, result_types=op.result_types, attributes=below.attributes)
                rewriter.replace_op(op, [inner, outer])

        text = '%v0 = "test.op"() {x} : () -> i32\n'
        text += "".join(
            [f'%v{at + 1} = "test.op"(%v{at}) {{{name}}} : (i32) -> i32\n' for at, name in enumerate("hhhf")]
        )
        op = self.rewrite(text + '"test.op"(%v4) {end} : (i32) -> ()', change).body.block.last_op
        names = ""
        while op.operands:
            op = op.operands[0].owner
            names += "".join(op.attributes)
        return names == "hhhfx"

    def rounds(self) -> bool:
        from xdsl.dialects.test import TestOp

        def change(op: Any, rewriter: Any) -> None:
            if op.operands:
                rewriter.replace_op(op, TestOp([*op.operands][::-1], result_types=op.result_types))

        text = '%x = "test.op"() : () -> i32\n%r = "test.op"(%x, %x) : (i32, i32) -> i32'
        return ends(lambda: self.rewrite(text, change))

    def text(self) -> bool:
        module = self.parse('%a = "test.op"() : () -> i32\n%b = "test.op"(%a, %a) : (i32, i32) -> i32')
        return self.parse(str(module)).is_structurally_equivalent(module)

    def deep(self) -> bool:
        from xdsl.dialects.builtin import ModuleOp, i32
        from xdsl.dialects.test import TestOp

        ops = [TestOp(result_types=[i32])]
        for _ in range(DEEP):
            ops.append(TestOp(operands=[ops[-1].results[0]], result_types=[i32]))
        return pickles(ModuleOp(ops))

    def computes(self) -> bool:
        from xdsl.transforms.canonicalize import CanonicalizePass

        module = self.parse(
            "%a = arith.constant 1 : i32\n%b = arith.constant 2 : i32\n%c = arith.addi %a, %b : i32\n"
            '"test.op"(%c) : (i32) -> ()'
        )
        CanonicalizePass().apply(self.context, module)
        return "arith.constant 3 : i32" in str(module)

    def types(self) -> bool:
        from xdsl.dialects.arith import AddiOp
        from xdsl.dialects.builtin import f32, i32
        from xdsl.dialects.test import TestOp
        from xdsl.utils.exceptions import VerifyException

        number, other = TestOp(result_types=[i32]).results[0], TestOp(result_types=[f32]).results[0]
        AddiOp(number, number).verify()
        return fails(VerifyException, AddiOp(number, other, i32).verify)


class Sympy(Library):
    distribution = "sympy"

    def __init__(self) -> None:
        import sympy

        self.s = sympy
        self.x, self.y = sympy.symbols("x y")
        self.f, self.h = sympy.Function("f"), sympy.Function("h")

    def cycles(self) -> bool:
        v = self.f(self.x)
        return not fails(AttributeError, lambda: setattr(v, "args", (v,)))

    def absent(self) -> bool:
        return not fails(AttributeError, lambda: self.f(self.x, None))

    def constants(self) -> bool:
        s = self.s
        return s.Integer(1) != s.Float(1.0) and s.Float(0.0) != s.Float(-0.0)

    def structure(self) -> bool:
        return self.f(self.x) == self.f(self.x) and self.f(self.x) != self.f(self.y)

    def commutative(self) -> bool:
        a, b = self.s.Wild("a"), self.s.Wild("b", exclude=[self.h])
        return all(
            total.replace(self.h(a) * self.f(b), lambda a, b: self.s.Symbol("found")) == self.s.Symbol("found")
            for total in (self.h(self.x) * self.f(self.y), self.f(self.y) * self.h(self.x))
        )

    def fixpoint(self) -> bool:
        a, f, h = self.s.Wild("a"), self.f, self.h
        return f(h(h(h(self.x)))).replace(f(h(a)), lambda a: h(f(a))) == h(h(h(f(self.x))))

    def rounds(self) -> bool:
        a, b, f = self.s.Wild("a"), self.s.Wild("b"), self.f
        once = f(self.x, self.y).replace(f(a, b), lambda a, b: f(b, a))
        return once != f(self.y, self.x)

    def text(self) -> bool:
        v = self.f(self.x) * 2 + 1
        return self.s.sympify(self.s.srepr(v)) == v

    def deep(self) -> bool:
        v = self.x
        for _ in range(DEEP):
            v = self.f(v)
        return pickles(v)

    def computes(self) -> bool:
        return self.s.Add(1, 2) == 3

    def types(self) -> bool:
        return fails(TypeError, lambda: self.s.true + 1)


LIBRARIES: dict[str, tuple[type[Library], str]] = {
    "dataflow-ir": (DataflowIr, "dataflow_ir"),
    "tinygrad UOp": (Tinygrad, "tinygrad"),
    "torch.fx": (TorchFx, "torch"),
    "onnx-ir": (OnnxIr, "onnx_ir"),
    "xdsl": (Xdsl, "xdsl"),
    "sympy": (Sympy, "sympy"),
}
"""The libraries by the titles of their columns, with what is imported."""
