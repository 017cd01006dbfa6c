"""What tinygrad's UOp can do, tried out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graph_libraries.asked import DEEP, Library, ends, fails, pickles


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
