"""The generated source for the page: its lines in colours, and where each class builds and uses its members."""

# ruff: noqa: TID253  # the command imports this module when it runs

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer


def coloured_lines(text: str) -> list[str]:
    """Returns the lines of Python source as HTML, tokens in spans whose classes are pygments' own."""
    html: str = highlight(text, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))
    return html.removesuffix("\n").split("\n")


@dataclass(slots=True)
class ClassLines:
    """Where a class of ``model.py`` says what.

    Attributes:
        line: The line of its ``class`` statement.
        built: The line that builds each of its members, by their paths: ``"dense"``, ``"layer.0"``.
        used: The first line that uses each of its own attributes after that.
    """

    line: int
    built: dict[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int | None:
        """Returns the line that builds a member, or the list that it is in."""
        while path and path not in self.built:
            path = path.rpartition(".")[0]
        return self.built.get(path)


def class_lines(text: str) -> dict[str, ClassLines]:
    """Finds the classes of a generated module and the lines of their members."""
    return {node.name: _class_lines(node) for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}


def _class_lines(node: ast.ClassDef) -> ClassLines:
    lines = ClassLines(node.lineno)
    for method in node.body:
        if not isinstance(method, ast.FunctionDef):
            continue
        if method.name == "__init__":
            lines.built |= dict(entry for statement in method.body for entry in _members(statement))
        else:
            for attribute in _own_attributes(method):
                lines.used.setdefault(attribute.attr, attribute.lineno)
    return lines


def _members(statement: ast.stmt) -> Iterator[tuple[str, int]]:
    match statement:
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=value):
            yield from _entries(name, value)
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(attr="register_buffer"), args=[ast.Constant(value=str(name)), *_])
        ):
            yield name, statement.lineno
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="__init__"), args=steps)):
            for number, step in enumerate(steps):
                yield from _entries(str(number), step)


def _entries(path: str, value: ast.expr) -> Iterator[tuple[str, int]]:
    """Yields a member and, where it is a container that is written out, what is in it."""
    stack = [(path, value)]
    while stack:
        path, value = stack.pop()
        yield path, value.lineno
        match value:
            case ast.Call(func=ast.Attribute(attr="Sequential"), args=items):
                stack += [(f"{path}.{number}", item) for number, item in enumerate(items)]
            case ast.Call(func=ast.Attribute(attr="ModuleList"), args=[ast.List(elts=items)]):
                stack += [(f"{path}.{number}", item) for number, item in enumerate(items)]
            case ast.Call(func=ast.Attribute(attr="ModuleDict"), args=[ast.Dict(keys=keys, values=items)]):
                named = [ast.literal_eval(key) if isinstance(key, ast.Constant) else "" for key in keys]
                stack += [(f"{path}.{key}", item) for key, item in zip(named, items, strict=True)]


def _own_attributes(method: ast.FunctionDef) -> list[ast.Attribute]:
    found = [
        node
        for node in ast.walk(method)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    ]
    return sorted(found, key=lambda node: node.lineno)
