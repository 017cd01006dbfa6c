"""What sympy can do, tried out."""

from __future__ import annotations

from graph_libraries.asked import DEEP, Library, fails, pickles


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
