"""A copy of a generated source that tells what its expressions compute."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from types import CodeType

from codegen_torch.report import Counterpart

TELL = "__tell__"
"""The function that the copy calls: with a number, the module and the value, which it returns."""
Place = tuple[int, str]
"""The line a statement begins on, and an expression in it."""


def instrumented(text: str, counterparts: Iterable[Counterpart], file: str) -> tuple[CodeType, dict[Place, int]]:
    """Compiles a source such that the expressions of some counterparts are told about.

    Args:
        text: The source, exactly as it was generated.
        counterparts: Where values are computed.
        file: What to call the source in tracebacks.

    Returns:
        The code, and the number that `TELL` is given for each place that was found.
    """
    wanted: dict[int, dict[str, int]] = {}
    for number, (line, source) in enumerate(
        dict.fromkeys((each.line, each.text) for each in counterparts if each.text)
    ):
        wanted.setdefault(line, {})[_normal(source)] = number
    tree = ast.parse(text)
    instrument = _Instrument(wanted)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.args.args[:1] and node.args.args[0].arg == "self":
            node.body = [instrument.statement(statement) for statement in node.body]
    places = {
        (each.line, each.text): instrument.found[each.line, _normal(each.text)]
        for each in counterparts
        if each.text and (each.line, _normal(each.text)) in instrument.found
    }
    return compile(ast.fix_missing_locations(tree), file, "exec"), places


def _normal(source: str) -> str:
    return ast.unparse(ast.parse(source, mode="eval"))


class _Instrument(ast.NodeTransformer):
    """Wraps expressions, each once, in the statements that begin on certain lines."""

    def __init__(self, wanted: Mapping[int, Mapping[str, int]]) -> None:
        self.found: dict[Place, int] = {}
        self._wanted = wanted
        self._line = 0

    def statement(self, node: ast.stmt) -> ast.stmt:
        changed = self.visit(node)
        assert isinstance(changed, ast.stmt)
        return changed

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.stmt):
            self._line = node.lineno
        numbers = self._wanted.get(self._line)
        if not numbers or not isinstance(node, ast.expr) or not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            return super().generic_visit(node)
        source = ast.unparse(node)
        inner = super().generic_visit(node)
        if source not in numbers or (self._line, source) in self.found:
            return inner
        assert isinstance(inner, ast.expr)
        self.found[self._line, source] = number = numbers[source]
        call = ast.Call(
            ast.Name(TELL, ast.Load()), [ast.Constant(number), ast.Name("self", ast.Load()), inner], keywords=[]
        )
        return ast.copy_location(call, node)
