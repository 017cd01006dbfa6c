"""Graphs of few expressions, before and after the layers stage, as text."""

from __future__ import annotations

import math

import numpy as np
from dataflow_ir import nodes

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, array, graph_input, weight
from codegen_torch.facts import Fact
from codegen_torch.layers import recover_layers, subscripts, views
from codegen_torch.symbols.namespaces import F, torch
from codegen_torch.tensors import TensorRef

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")
NEGATIVE = float(np.finfo(np.float32).min)


def value(name: str, *dims: int | Dim, dtype: DType = DType.FLOAT32) -> Expr:
    return graph_input(name, Fact(dtype, dims))


def stored(name: str, *shape: int) -> Expr:
    size = math.prod(shape)
    ref = TensorRef.of_array(np.arange(size, dtype=np.float32).reshape(shape))
    ref.name = name
    return weight(ref)


def number(x: float) -> Expr:
    return array(np.array(x, np.float32))


def text(expr: Expr) -> str:
    """One line per graph, calls nested; weights and inputs by name, numbers as they are."""
    done: dict[Expr, str] = {}
    for node in nodes(expr):
        assert isinstance(node, Expr)
        done[node] = _line(node, done)
    return done[expr]


def _line(node: Expr, done: dict[Expr, str]) -> str:
    if node.op == "input":
        return str(node.attrs["name"])
    if node.op in ("weight", "constant"):
        ref = node.attrs["ref"]
        known = node.fact.value
        return f"{known.item():.7g}" if known is not None and known.size == 1 else f"{ref.name}{list(ref.shape)}"
    if node.op == "literal":
        return repr(node.attrs["value"])
    operands = [done[operand] if operand is not None else "None" for operand in node.inputs]
    return f"{node.op}({', '.join([*operands, *(f'{k}={v}' for k, v in node.attrs.items())])})"


def name(case: object) -> str:
    """What pytest calls a case."""
    return text(case)[:60] if isinstance(case, Expr) else ""


def recovered(expr: Expr) -> str:
    return text(recover_layers({"y": expr})["y"])


def as_it_was(expr: Expr) -> str:
    """The text of a graph in which nothing was recovered, but views and subscripts are written short."""
    return text(subscripts.RULES.apply(views.RULES.apply({"y": expr}))["y"])


X = value("x", BATCH, SEQ, 8)
IMAGE = value("x", BATCH, 3, 8, 8)
OTHER = value("z", BATCH, SEQ, 8)

Q, K, V = (value(name, BATCH, 4, SEQ, 8) for name in "qkv")
KEPT = value("m", BATCH, 1, SEQ, SEQ, dtype=DType.BOOL)
ROOT = number(8**-0.25)
TURNED = K.flatten(0, 1).transpose(1, 2).unflatten(0, (BATCH, 4))


def weights(scores: Expr, *, guarded: bool = False) -> Expr:
    p: Expr = F.softmax(scores, dim=-1)
    if guarded:
        p = torch.where(torch.isnan(p), number(0.0), p)
    return p
