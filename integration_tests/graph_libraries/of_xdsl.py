"""What xDSL can do, tried out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graph_libraries.asked import DEEP, Library, ends, fails, pickles


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
