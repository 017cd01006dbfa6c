"""Reading back the text that `syntax` writes."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from dataflow_ir.cycles import tie
from dataflow_ir.functions import Lambda
from dataflow_ir.literals import path_of, read
from dataflow_ir.nest import leaves
from dataflow_ir.node import Forward, Node, const, inp, out
from dataflow_ir.values import FrozenDict


class TextError(ValueError):
    """Text that is not a graph; the message names the line and what is wrong there."""


def parse(text: str, names: Mapping[str, Any] = MappingProxyType({})) -> Any:
    r"""Return the graph that a text describes: the inverse of `syntax`, sharing and cycles included.

    A name that no line binds is an input. A name may be used before the line that binds it: that is a cycle.

    Args:
        text: The text.
        names: What operations and attribute values written as (dotted) names stand for; an operation not
            found here is a string.

    Raises:
        TextError: If the text is not a graph.

    >>> g = parse("a = add(x, delay(a))\n[a, mul(a, 2, mode='exact')]")
    >>> g[0][1][0] is g[1][0] is g[0], g[1].attrs["mode"]
    (True, 'exact')
    """
    try:
        statements = ast.parse(text).body
        functions: dict[str, Lambda] = {}
        for statement in statements:
            if isinstance(statement, ast.FunctionDef):
                functions[statement.name] = _function(statement, names, functions)
        lines = [statement for statement in statements if not isinstance(statement, ast.FunctionDef)]
        return _Reader(names, functions).graph(lines, {})
    except TextError:
        raise
    except SyntaxError as error:
        raise TextError(f"line {error.lineno}: {error.msg}") from error
    except (RecursionError, MemoryError) as error:
        raise TextError("the text is nested too deep") from error
    except ValueError as error:
        raise TextError(str(error)) from error


def _function(definition: ast.FunctionDef, names: Mapping[str, Any], functions: dict[str, Lambda]) -> Lambda:
    arguments = definition.args
    if arguments.vararg or arguments.kwonlyargs or arguments.kwarg or arguments.defaults or definition.decorator_list:
        raise _error(definition, f"function {definition.name} must have plain parameters")
    captured = {a.arg: inp(a.arg) for a in arguments.posonlyargs}
    params = {a.arg: inp(a.arg) for a in arguments.args}
    body = _Reader(names, functions).graph(definition.body, captured | params)
    return Lambda(params.values(), body, captured.values())


def _error(tree: ast.stmt | ast.expr, message: str) -> TextError:
    return TextError(f"line {tree.lineno}: {message}")


class _Reader:
    """Reads one scope: the statements of a text, or of one function."""

    def __init__(self, names: Mapping[str, Any], functions: Mapping[str, Lambda]) -> None:
        self.names = names
        self.functions = functions
        self.nodes: dict[str, Node] = {}
        self.later: dict[str, Forward | None] = {}  # the names that a line further down binds

    def graph(self, statements: list[ast.stmt], params: dict[str, Node]) -> Any:
        self.nodes.update(params)
        *lines, last = statements or [ast.Pass(lineno=0)]
        for line in lines:
            name = _bound_name(line)
            if name in self.later or name in params:
                raise _error(line, f"{name} is bound twice")
            self.later[name] = None
        finals: dict[Forward, Node] = {}
        for line in lines:
            self.bind(line, finals)
        if not isinstance(last, (ast.Expr, ast.Return)) or last.value is None:
            raise _error(last, "the last line must be the graph, not a binding")
        result = self.nest(last.value)
        tie([*leaves(result), *self.nodes.values()], finals)
        return result

    def bind(self, line: Any, finals: dict[Forward, Node]) -> None:
        name = line.targets[0].id
        v = self.operand(line.value)
        if v.__class__ is Forward:
            raise _error(line, f"{name} is only another name of something bound at this line or later")
        cell = self.later.pop(name)
        if cell is not None:
            finals[cell] = v
        self.nodes[name] = v

    def nest(self, tree: ast.expr) -> Any:
        """Read the graph itself, where brackets are a nest."""
        match tree:
            case ast.List(elts=items):
                return [self.nest(item) for item in items]
            case ast.Tuple(elts=items):
                return tuple([self.nest(item) for item in items])
            case ast.Dict(keys=keys, values=items):
                return {self.value(key): self.nest(item) for key, item in zip(keys, items, strict=True)}
            case ast.Constant(value=None):
                return None
        return self.operand(tree)

    def operand(self, tree: ast.expr) -> Any:
        match tree:
            case ast.Call():
                return self.application(tree)
            case ast.Name(id=name):
                return self.reference(name)
            case ast.Constant(value=None):
                raise _error(tree, "None is not a node")
            case ast.Constant() | ast.UnaryOp() | ast.Tuple():
                return const(self.value(tree))
            case ast.Subscript(value=source, slice=index):
                return out(self.operand(source), self.value(index))
        raise _error(tree, f"not a node: {ast.unparse(tree)}")

    def reference(self, name: str) -> Node:
        if name in self.later:
            cell = self.later[name]
            if cell is None:
                cell = self.later[name] = Forward()
            return cell
        if name not in self.nodes:
            self.nodes[name] = inp(name)
        return self.nodes[name]

    def application(self, tree: ast.Call) -> Node:
        inputs = [None if _is_none(argument) else self.operand(argument) for argument in tree.args]
        attrs: dict[str, Any] = {}
        for keyword in tree.keywords:
            value = self.value(keyword.value)
            attrs.update(value if keyword.arg is None else {keyword.arg: value})
        return Node(self.operation(tree.func), tuple(inputs), FrozenDict(attrs))

    def operation(self, tree: ast.expr) -> Any:
        if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
            return tree.value
        name = path_of(tree)
        return self.names.get(name, name)

    def value(self, tree: ast.expr | None) -> Any:
        if tree is None:
            raise TextError("** is not allowed here")
        try:
            return read(tree, self.lookup)
        except (ValueError, TypeError) as error:
            raise _error(tree, str(error)) from error

    def lookup(self, name: str) -> Any:
        if name in self.functions:
            return self.functions[name]
        if name in self.names:
            return self.names[name]
        raise ValueError(f"unknown value {name}; pass what it stands for in names")


def _bound_name(line: ast.stmt) -> str:
    match line:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
    raise _error(line, "expected `name = operation(...)`")


def _is_none(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Constant) and tree.value is None
