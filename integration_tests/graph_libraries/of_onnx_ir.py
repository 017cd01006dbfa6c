"""What onnx-ir can do, tried out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graph_libraries.asked import DEEP, Library, ends, fails, pickles


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
