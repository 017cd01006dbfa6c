"""What torch.fx can do, tried out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graph_libraries.asked import DEEP, Library, fails, pickles


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
