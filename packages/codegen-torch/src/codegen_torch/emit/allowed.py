"""What generated source may hold: a list of what is allowed, to which the text is held before it is written.

Names and texts of a file are made harmless where they are printed. This is the second look, at the result: whatever
slipped through there would have to be one of the few things a model consists of. Functions copied into it are ours, and
are compared with what they were copied from.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence

from codegen_torch.errors import ConversionError

_STATEMENTS = (
    *(ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return, ast.Delete, ast.Pass, ast.Raise, ast.Assert),
    *(ast.If, ast.For, ast.While, ast.Break, ast.Continue, ast.With, ast.FunctionDef, ast.ClassDef, ast.Nonlocal),
)
_EXPRESSIONS = (
    *(ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Slice, ast.Constant, ast.Tuple, ast.List, ast.Dict),
    *(ast.Set, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Starred, ast.Lambda, ast.NamedExpr),
    *(ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.SetComp, ast.JoinedStr, ast.FormattedValue),
)
_PARTS = (
    *(ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
    *(ast.arguments, ast.arg, ast.keyword, ast.comprehension, ast.withitem),
)
_ALLOWED = (*_STATEMENTS, *_EXPRESSIONS, *_PARTS)
_BUILTINS = frozenset(
    """NotImplementedError ValueError abs all any bool bytes complex dict divmod enumerate filter float format
    frozenset hash int isinstance iter len list map max min next object pow range repr reversed round self set
    slice sorted str sum super tuple type zip""".split()
)
_DUNDERS = frozenset({"__init__", "__file__"})


def check_source(text: str, copied: Mapping[str, str], imports: Collection[str]) -> None:
    """See that generated source is nothing but a model.

    Args:
        text: The file.
        copied: The functions copied into it, by name.
        imports: The import statements it may have.

    Raises:
        ConversionError: It holds something else, which is a defect of this program and not of the model.
    """
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConversionError(f"the generated source cannot be parsed, which is a defect of onnxgen: {error}") from None
    lines = text.split("\n")
    permitted = {line for line in imports if line}
    known = set(_BUILTINS)
    inspected: list[ast.stmt] = []
    for number, statement in enumerate(module.body):
        match statement:
            case ast.Import() | ast.ImportFrom():
                if ast.unparse(statement) not in permitted:
                    refuse(statement, "an import")
                known.update((alias.asname or alias.name).partition(".")[0] for alias in statement.names)
            case ast.Expr(value=ast.Constant(value=str())) if number == 0:
                pass
            case ast.FunctionDef(name=name) if name in copied:
                known.add(name)
                if not text_of(statement, lines).endswith(copied[name].strip()):
                    refuse(statement, f"another function {name}")
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                known.add(name)
                inspected.append(statement)
            case ast.Assign(targets=[ast.Name(id="Model")], value=ast.Name()):
                known.add("Model")
                inspected.append(statement)
            case ast.Assign(targets=[ast.Name(id="kernels")], value=ast.Call(func=ast.Name(id="load_kernels"))):
                known.add("kernels")
            case _:
                refuse(statement, "a statement")
    for statement in inspected:
        _check(statement, known)


def _check(definition: ast.stmt, known: Collection[str]) -> None:
    """See that a class or function has allowed nodes only, and uses no name that is not bound in it or known."""
    bound: set[str] = set()
    used: dict[str, ast.Name] = {}
    for node in ast.walk(definition):
        if not isinstance(node, _ALLOWED):
            refuse(node, type(node).__name__)
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.setdefault(name, node)
            case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
                if name not in _DUNDERS and name.startswith("__"):
                    refuse(node, name)
            case ast.Attribute(attr=name) if name.startswith("__") and name not in _DUNDERS:
                refuse(node, name)
    for name, node in used.items():
        if name not in bound and name not in known and name not in _DUNDERS:
            refuse(node, name)


def text_of(function: ast.FunctionDef, lines: Sequence[str]) -> str:
    """The lines of a function, decorators included."""
    start = min([function.lineno, *(each.lineno for each in function.decorator_list)])
    return "\n".join(lines[start - 1 : function.end_lineno])


def refuse(node: ast.AST, what: str) -> None:
    """Stop: the source holds what it may not.

    Raises:
        ConversionError: Always.
    """
    line = getattr(node, "lineno", 0)
    raise ConversionError(
        f"line {line} of the generated source has {what}, which no model needs; nothing was written. "
        "This is a defect of onnxgen, or the model is made to find one"
    )
