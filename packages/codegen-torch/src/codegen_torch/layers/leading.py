"""Tables of positions without the leading dimensions of size 1 that exporters give them: broadcasting adds these.

``arange(seq)[None]`` becomes an angle, a cosine, a mask of shape [1, 1, seq, seq]. The new dimension is moved behind
what is computed of it, for as long as that is a table, and left out where a tensor of more dimensions meets it.
"""

from __future__ import annotations

from dataflow_ir import postwalk

from codegen_torch.expr import Expr, originating
from codegen_torch.facts import Fact, broadcast
from codegen_torch.symbols import SYMBOLS

_BROADCASTING = frozenset(
    (
        *("operator.add", "operator.sub", "operator.mul", "operator.truediv", "operator.and_", "operator.or_"),
        *("torch.eq", "torch.ne", "torch.lt", "torch.le", "torch.gt", "torch.ge", "torch.where"),
    )
)
_EACH = frozenset(
    ("Tensor.to", "operator.neg", "operator.invert", "torch.cos", "torch.sin", "torch.exp", "torch.abs", "torch.log")
)
_MOST_AXES = 16
_SOURCES = frozenset({"constant", "literal", "torch.arange"})


def drop_leading(outputs: dict[str, Expr]) -> dict[str, Expr]:
    """Leave out leading dimensions of size 1 of what depends on sizes and stored tensors alone."""
    tables: set[Expr] = set()

    def visit(expr: Expr) -> Expr | None:
        if isinstance(expr.fact, tuple) or expr.rank is None or expr.rank > _MOST_AXES:
            return None
        if not _is_table(expr, tables):
            return _met(expr, tables)
        new = _moved(expr)
        tables.add(expr)
        tables.update(_made(new, tables))
        return new

    return postwalk(visit, outputs)


def _made(new: Expr | None, tables: set[Expr]) -> set[Expr]:
    """What was built in the place of a table."""
    made: set[Expr] = set()
    stack = [new]
    while stack:
        each = stack.pop()
        if each is not None and each not in tables and each not in made:
            made.add(each)
            stack += [] if each.op in ("F.embedding", "nn.Embedding") else each.inputs
    return made


def _is_table(expr: Expr, tables: set[Expr]) -> bool:
    if expr.op in _SOURCES:
        return True
    if expr.op in ("F.embedding", "nn.Embedding"):
        return expr.inputs[0] in tables
    known = expr.op in SYMBOLS and not SYMBOLS[expr.op].effect
    return known and bool(expr.inputs) and all(operand is None or operand in tables for operand in expr.inputs)


def _bare(expr: Expr | None) -> Expr | None:
    """What was given a new first dimension."""
    if expr is None or expr.op != "Tensor.unsqueeze" or expr.rank is None or expr.attrs["dim"] % expr.rank != 0:
        return None
    return expr.inputs[0]  # type: ignore[no-any-return]


def _moved(expr: Expr) -> Expr | None:
    """A table computed of a table with a new first dimension is one that is given it afterwards."""
    with originating(expr.origin):
        table = _below(expr)
        if table is None:
            return None
        return (_moved(table) or table).unsqueeze(0)  # type: ignore[no-any-return]  # as deep as the table has axes


def _below(expr: Expr) -> Expr | None:
    """The table below a new first dimension that the operands have."""
    if expr.op == "Tensor.unsqueeze":
        inner, dim = _bare(expr.inputs[0]), expr.attrs["dim"] % (expr.rank or 1)
        return inner.unsqueeze(dim - 1) if inner is not None and dim else None
    if not expr.dims or expr.dims[0] != 1 or expr.fact.host or expr.fact.value is not None:
        return None
    attrs = dict(expr.attrs)
    if expr.op in ("F.embedding", "nn.Embedding"):
        inner = _bare(expr.inputs[0])
        inputs = None if inner is None else (inner, *expr.inputs[1:])
    elif expr.op == "torch.cat":
        dim = attrs.get("dim", 0) % len(expr.dims)
        attrs["dim"] = dim - len(expr.dims) if dim == len(expr.dims) - 1 else dim - 1
        inputs = _without_first(expr) if dim else None
    else:
        inputs = _without_first(expr) if expr.op in _BROADCASTING | _EACH else None
    if inputs is None:
        return None
    return Expr(expr.op, inputs, attrs, dict(expr.meta), Fact(expr.dtype, expr.dims[1:], fill=expr.fact.fill))


def _without_first(expr: Expr) -> tuple[Expr | None, ...] | None:
    """The operands without the first dimension of the result, if those that reach it have a new one there."""
    found = False
    inputs: list[Expr | None] = []
    for operand in expr.inputs:
        if operand is None or operand.rank is None:
            return None
        inner = _bare(operand) if operand.rank == expr.rank else operand
        if inner is None:
            return None
        found = found or inner is not operand
        inputs.append(inner)
    return tuple(inputs) if found else None


def _met(expr: Expr, tables: set[Expr]) -> Expr | None:
    """Beside a tensor of more dimensions, a table needs no new ones in front."""
    if expr.op not in _BROADCASTING or expr.dims is None:
        return None
    inputs = list(expr.inputs)
    for position, operand in enumerate(expr.inputs):
        inner = _bare(operand) if operand in tables else None
        while inner is not None:
            dims = [each.dims for at, each in enumerate(inputs) if at != position and each is not None]
            if broadcast(inner.dims, *dims) != expr.dims:
                break
            inputs[position] = inner
            inner = _bare(inner)
    return None if inputs == list(expr.inputs) else expr.rebuild(tuple(inputs))
