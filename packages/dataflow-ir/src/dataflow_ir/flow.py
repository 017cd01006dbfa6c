"""Python functions as graphs: traced by calling them, or read from their source."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Hashable
from textwrap import dedent
from typing import Any

from dataflow_ir.functions import close
from dataflow_ir.nest import map_nest
from dataflow_ir.node import Node, const, out
from dataflow_ir.ops import CALL, INPUT
from dataflow_ir.parse import TextError, parse
from dataflow_ir.values import FrozenDict
from dataflow_ir.walk import postwalk

_BINARY = {
    "add": "__add__ __radd__", "sub": "__sub__ __rsub__", "mul": "__mul__ __rmul__", "matmul": "__matmul__ __rmatmul__",
    "truediv": "__truediv__ __rtruediv__", "floordiv": "__floordiv__ __rfloordiv__", "mod": "__mod__ __rmod__",
    "pow": "__pow__ __rpow__", "and_": "__and__ __rand__", "or_": "__or__ __ror__", "xor": "__xor__ __rxor__",
    "lshift": "__lshift__ __rlshift__", "rshift": "__rshift__ __rrshift__",
    "lt": "__lt__", "le": "__le__", "gt": "__gt__", "ge": "__ge__",
}  # fmt: skip
_UNARY = {"neg": "__neg__", "pos": "__pos__", "abs": "__abs__", "invert": "__invert__"}


_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.MatMult: "matmul", ast.Div: "truediv",
    ast.FloorDiv: "floordiv", ast.Mod: "mod", ast.Pow: "pow", ast.BitAnd: "and_", ast.BitOr: "or_",
    ast.BitXor: "xor", ast.LShift: "lshift", ast.RShift: "rshift", ast.USub: "neg", ast.Invert: "invert",
}  # fmt: skip


class Traced:
    """A value while a function is traced: whatever is done to it builds a node.

    Operators make operations called as in Python's `operator` module. ``==`` is identity, and a condition on a
    traced value is an error: the graph has no branches.
    """

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node

    def __getitem__(self, index: Any) -> Traced:
        """One output of several."""
        return Traced(out(self.node, index))

    def __iter__(self) -> Any:
        raise TypeError("a traced value has no known number of outputs; take them one by one: value[0]")

    def __bool__(self) -> bool:
        raise TypeError("a traced value is not known yet, so it cannot decide a condition")

    def __call__(self, *arguments: Any) -> Traced:
        """Call the value, which is a function."""
        return Traced(Node(CALL, (self.node, *map(_node, arguments))))

    def __repr__(self) -> str:
        return f"<traced {self.node!r}>"


def _node(value: Any) -> Node | None:
    if isinstance(value, Traced):
        return value.node
    return value if value is None or isinstance(value, Node) else const(value)


def _define(op: str, method: str, *, reflected: bool = False) -> None:
    def build(self: Traced, *others: Any) -> Traced:
        operands = [self.node, *map(_node, others)]
        return Traced(Node(op, tuple(operands[::-1] if reflected else operands)))

    build.__name__ = method
    setattr(Traced, method, build)


for _op, _methods in (_BINARY | _UNARY).items():
    for _at, _method in enumerate(_methods.split()):
        _define(_op, _method, reflected=_at == 1)


class _Ops:
    """`ops`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Callable[..., Traced]:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, op: Hashable) -> Callable[..., Traced]:
        def build(*inputs: Any, **attrs: Hashable) -> Traced:
            return Traced(Node(op, tuple(map(_node, inputs)), FrozenDict(attrs)))

        return build


ops = _Ops()
"""Operations for functions that are traced: ``ops.relu(x, slope=0.1)``, ``ops["ai.onnx::Relu"](x)``."""


class Flow:
    """`flow`."""

    def __call__(self, function: Callable[..., Any]) -> Node:
        """Turn a Python function into a function value by calling it once with traced values.

        Plain Python in it, loops and calls of helpers, runs while it is traced and leaves only what it computed.
        Nodes from outside are captured, as by `fn`.

        Raises:
            TypeError: If the function has other than plain parameters, or looks at a traced value.

        >>> @flow
        ... def h(a, b):
        ...     for _ in range(2):
        ...         a = ops.relu(a + 2 * b)
        ...     return a
        >>> print(h.attrs["code"].body)
        relu(add(relu(add(a, mul(2, b))), mul(2, b)))
        """
        parameters = inspect.signature(function).parameters.values()
        if any(p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters):
            raise TypeError(f"flow needs a function of plain parameters, got {inspect.signature(function)}")
        params = [Node(INPUT, (), FrozenDict(name=p.name)) for p in parameters]
        result = map_nest(_node, function(*map(Traced, params)), (Node, Traced, int, float, str))  # type: ignore[arg-type]
        return close(params, result)

    @staticmethod
    def source(function: Callable[..., Any]) -> Node:
        """Turn a Python function into a function value by reading its source, which is never run.

        Each statement binds a name to an expression of calls, operators, constants and names; the last returns.
        A name may be used before the line that binds it: that is a cycle. Names that nothing binds are captured
        inputs.

        Raises:
            TextError: If the source has anything else in it.
            OSError: If the source cannot be found.
        """
        tree = ast.parse(dedent(inspect.getsource(function)))
        definition = tree.body[0]
        if not isinstance(definition, ast.FunctionDef):
            raise TextError("only functions made by def have statements to read")
        if isinstance(definition.body[0], ast.Expr) and isinstance(definition.body[0].value, ast.Constant):
            del definition.body[0]  # the docstring
        arguments = definition.args
        if arguments.vararg or arguments.kwonlyargs or arguments.kwarg or arguments.defaults:
            raise TextError(f"function {definition.name} must have plain parameters")
        last = definition.body[-1]
        if isinstance(last, ast.Return) and last.value is not None:
            definition.body[-1] = ast.Expr(last.value)
        text = "\n".join([ast.unparse(_Calls().visit(statement)) for statement in definition.body])
        body = parse(text)
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
        params = [Node(INPUT, (), FrozenDict(name=name)) for name in names]
        by_name = dict(zip(names, params, strict=True))
        return close(params, postwalk(lambda v: by_name.get(v.attrs["name"]) if v.op == INPUT else None, body))


class _Calls(ast.NodeTransformer):
    """Operators become calls, which is what `parse` reads."""

    def visit_BinOp(self, tree: ast.BinOp) -> ast.expr:
        self.generic_visit(tree)
        return self._call(tree.op, tree.left, tree.right)

    def visit_UnaryOp(self, tree: ast.UnaryOp) -> ast.expr:
        if isinstance(tree.operand, ast.Constant):
            return tree  # a negative number
        self.generic_visit(tree)
        return self._call(tree.op, tree.operand)

    def _call(self, op: ast.operator | ast.unaryop, *operands: ast.expr) -> ast.expr:
        name = _OPERATORS.get(type(op))
        if name is None:
            raise TextError(f"line {operands[0].lineno}: {type(op).__name__} is no operation of graphs")
        return ast.Call(ast.Name(name), list(operands), [])


flow = Flow()
