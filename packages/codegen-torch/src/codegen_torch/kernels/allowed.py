"""What a file of kernels may hold, to which its text is held before it is written."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from codegen_torch.emit.allowed import refuse, text_of

_NODES = (
    *(ast.FunctionDef, ast.For, ast.arguments, ast.arg, ast.keyword, ast.Assign, ast.Expr, ast.Return),
    *(ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Slice, ast.Constant, ast.Tuple, ast.BinOp, ast.UnaryOp),
    *(ast.Compare, ast.expr_context, ast.operator, ast.unaryop, ast.cmpop),
)
_KNOWN = frozenset({"F", "Tensor", "constexpr", "float", "int", "range", "tl", "torch", "tuple"})


def check_kernels(text: str, copied: Mapping[str, str], head: str) -> None:
    """See that generated source is kernels and what they are known to need.

    Args:
        text: The file.
        copied: The functions copied into it, by name.
        head: Its imports and constants.

    Raises:
        ConversionError: It holds something else, which is a defect of this program.
    """
    module = ast.parse(text)
    lines = text.split("\n")
    permitted = {ast.unparse(statement) for statement in ast.parse(head).body}
    operators = set(copied) | _KNOWN
    for number, statement in enumerate(module.body):
        match statement:
            case ast.Expr(value=ast.Constant(value=str())) if number == 0:
                continue
            case ast.FunctionDef(name=name) if name in copied:
                if text_of(statement, lines) != copied[name]:
                    refuse(statement, f"another function {name}")
            case ast.FunctionDef(name=name):
                operators.add(name)
                _check(statement, operators)
            case ast.Expr(value=ast.Call(func=ast.Name(id="has_gradient")) as call):
                _check_names(call, operators)
            case _ if ast.unparse(statement) not in permitted:
                refuse(statement, "a statement")


def _check_names(call: ast.Call, known: set[str]) -> None:
    """See that a call has nothing but the names of operators and strings."""
    for node in ast.walk(call):
        if not isinstance(node, ast.Call | ast.Name | ast.keyword | ast.Constant | ast.expr_context):
            refuse(node, type(node).__name__)
        if isinstance(node, ast.Name) and node.id not in known:
            refuse(node, node.id)


def _check(function: ast.FunctionDef, known: set[str]) -> None:
    """See that a function has allowed nodes only, and names that are known or its own."""
    own = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    own |= {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(function):
        if not isinstance(node, _NODES):
            refuse(node, type(node).__name__)
        if isinstance(node, ast.Name) and node.id not in own and node.id not in known:
            refuse(node, node.id)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            refuse(node, node.attr)
