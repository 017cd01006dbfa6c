"""What dataflow-ir can do, tried out."""

from __future__ import annotations

import tomllib
from pathlib import Path

from graph_libraries.asked import DEEP, Library, fails, pickles


class DataflowIr(Library):
    def alone(self) -> bool:
        project = Path(__file__).parents[2] / "packages" / "dataflow-ir" / "pyproject.toml"
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
