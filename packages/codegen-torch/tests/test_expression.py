"""Source of expressions: it is parsed by Python to what was meant, in the form that people write."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from dataflow_ir import nodes
from hypothesis import given
from hypothesis import strategies as st

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.emit.expression import FLOAT32_MIN, render
from codegen_torch.emit.literals import buffer_source, number_source, string_source
from codegen_torch.emit.source import Source
from codegen_torch.expr import Expr, array, call, graph_input, literal
from codegen_torch.facts import Fact
from codegen_torch.symbols.namespaces import F, host, index, torch

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")


class Plain:
    """Surroundings in which everything is called what it is."""

    def number(self, expr: Expr, site: tuple[Any, ...], value: int | float) -> str:
        return number_source(value)

    def size(self, name: str) -> str:
        return name

    def dtype(self, dtype: DType) -> str:
        return str(dtype)

    def device(self) -> str:
        return "x.device"

    def member(self, expr: Expr) -> str:
        return "self.layer"


def text(expr: Expr) -> str:
    """The source of an expression, everything written inside."""
    sources: dict[Expr, Source] = {}
    for node in nodes(expr):
        assert isinstance(node, Expr)
        if node.op == "input":
            sources[node] = Source(node.attrs["name"])
        elif node.op in ("constant", "weight"):
            sources[node] = Source("self.table")
        elif node.op != "literal":
            sources[node] = render(node, sources, Plain())
    return sources[expr].text


def tensor(name: str, *dims: int | Dim, dtype: DType = DType.FLOAT32) -> Expr:
    return graph_input(name, Fact(dtype, dims))


# Operators on integers, so that Python's own arithmetic is the reference.
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "operator.add": operator.add,
    "operator.sub": operator.sub,
    "operator.mul": operator.mul,
    "operator.matmul": operator.matmul,
    "operator.floordiv": operator.floordiv,
    "operator.mod": operator.mod,
    "operator.and_": operator.and_,
    "operator.xor": operator.xor,
    "operator.or_": operator.or_,
    "torch.eq": operator.eq,
    "torch.lt": operator.lt,
    "torch.ge": operator.ge,
    "operator.pow": operator.pow,
}
UNARY = {"operator.neg": operator.neg, "operator.invert": operator.invert}


class Traced:
    """Writes down how Python grouped the operators."""

    def __init__(self, form: str) -> None:
        self.form = form

    __hash__ = None  # type: ignore[assignment]

    def __neg__(self) -> Traced:
        return Traced(f"(neg {self.form})")

    def __invert__(self) -> Traced:
        return Traced(f"(invert {self.form})")


def _binary(sign: str) -> Callable[[Any, Any], Traced]:
    return lambda left, right: Traced(f"({sign} {_form(left)} {_form(right)})")


def _reverse(sign: str) -> Callable[[Any, Any], Traced]:
    return lambda right, left: Traced(f"({sign} {_form(left)} {_form(right)})")


def _form(value: object) -> str:
    return value.form if isinstance(value, Traced) else repr(value)


for _name in BINARY:
    _sign = _name.rsplit(".", 1)[-1].rstrip("_")
    setattr(Traced, f"__{_sign}__", _binary(_sign))
    if _name.startswith("operator."):
        setattr(Traced, f"__r{_sign}__", _reverse(_sign))


def leaves() -> st.SearchStrategy[Expr]:
    names = st.sampled_from("abc").map(lambda name: tensor(name, 3, dtype=DType.INT64))
    return names


def grown(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    number = st.integers(-3, 9).map(literal)
    binary = st.builds(
        lambda op, left, right: Expr(op, (left, right), fact=left.fact if not left.fact.host else right.fact),
        st.sampled_from(sorted(BINARY)),
        inner,
        st.one_of(inner, number),
    )
    swapped = st.builds(
        lambda op, left, right: Expr(op, (left, right), fact=right.fact),
        st.sampled_from([name for name in sorted(BINARY) if name.startswith("operator.")]),
        number,
        inner,
    )
    unary = st.builds(lambda op, x: Expr(op, (x,), fact=x.fact), st.sampled_from(sorted(UNARY)), inner)
    return st.one_of(binary, swapped, unary)


def meaning(expr: Expr) -> str:
    """How the operators of an expression are grouped."""
    if expr.op == "input":
        return str(expr.attrs["name"])
    if expr.op == "literal":
        return repr(expr.attrs["value"])
    sign = expr.op.rsplit(".", 1)[-1].rstrip("_")
    return f"({sign} {' '.join(meaning(operand) for operand in expr.inputs if operand is not None)})"


@given(st.recursive(leaves(), grown, max_leaves=12))
def test_python_groups_operators_as_they_were_meant(expr: Expr) -> None:
    source = text(expr)
    found = eval(compile(ast.parse(source, mode="eval"), "source", "eval"), {name: Traced(name) for name in "abc"})
    assert _form(found) == meaning(expr), source


A, B = tensor("a", BATCH, 4), tensor("b", BATCH, 4)
I = tensor("i", SEQ, dtype=DType.INT64)  # noqa: E741
M = tensor("m", BATCH, 4, dtype=DType.BOOL)
ONES = array(np.ones(4, np.float32))


@pytest.mark.parametrize(
    ("expr", "source"),
    [
        (A + B * 2.0, "a + b * 2.0"),
        ((A + B) * 2.0, "(a + b) * 2.0"),
        (A - (B - A), "a - (b - a)"),
        (-A**2.0, "-(a**2.0)"),
        ((-A) ** 0.5, "(-a) ** 0.5"),
        (A**-0.5, "a**-0.5"),
        (A**-1e-05, "a**-1e-05"),
        (torch.sin(A) ** 2.0, "torch.sin(a) ** 2.0"),
        (2.0**A, "2.0**a"),
        (A - -1.5, "a - -1.5"),
        (A * math.inf, "a * torch.inf"),
        (A + -math.inf, "a + -torch.inf"),
        (A * math.nan, "a * torch.nan"),
        (A * -0.0, "a * -0.0"),
        (A * 1e20, "a * 1e20"),
        (torch.where(M, A, FLOAT32_MIN), "torch.where(m, a, torch.finfo(torch.float32).min)"),
        (torch.where(M, A, -FLOAT32_MIN), "torch.where(m, a, torch.finfo(torch.float32).max)"),
        (call("torch.lt", A, B) & M, "(a < b) & m"),
        (~call("torch.eq", A, B), "~(a == b)"),
        (A.reshape(BATCH * 2, -1), "a.reshape(2 * batch, -1)"),
        ((A + B).reshape(-1), "(a + b).reshape(-1)"),
        ((-A).sum(), "(-a).sum()"),
        (A.to(DType.BOOL), "a.bool()"),
        (A.to(DType.INT64), "a.long()"),
        (A.to(DType.FLOAT16), "a.to(torch.float16)"),
        (A.flatten(1), "a.flatten(1)"),
        (A.mean(1, keepdim=True), "a.mean(1, keepdim=True)"),
        (A.mean((0, 1)), "a.mean((0, 1))"),
        (A.permute(1, 0), "a.permute(1, 0)"),
        (torch.cat([A, B], dim=1), "torch.cat([a, b], dim=1)"),
        (torch.cat([A, B]), "torch.cat([a, b])"),
        (index.select(A, 1, -1), "a[:, -1]"),
        (index.select(A, -1, 0), "a[..., 0]"),
        (index.select(A + B, 0, 2), "(a + b)[2]"),
        (index.slice(A, 1, 1, 3), "a[:, 1:3]"),
        (index.slice(A, 1, 0, None, 2), "a[:, ::2]"),
        (index.slice(A, 0, 0, SEQ - 1), "a[: seq - 1]"),
        (index.slice(A, 0, SEQ - 1, None, 2), "a[seq - 1 :: 2]"),
        (index.slice(A, 1, 1, SEQ - 1), "a[:, 1 : seq - 1]"),
        (index.slice(A, 1, -3, -1), "a[:, -3:-1]"),
        (index.slice(A, 0, 0, SEQ), "a[:seq]"),
        (index.take(A, I, 0), "a[i]"),
        (torch.gather(A, I.unsqueeze(0), 1), "torch.gather(a, 1, i.unsqueeze(0))"),
        (torch.arange(0, SEQ, dtype=DType.INT64), "torch.arange(seq, device=x.device)"),
        (torch.arange(2, SEQ, dtype=DType.INT64), "torch.arange(2, seq, device=x.device)"),
        (torch.arange(0, SEQ, 2, dtype=DType.INT64), "torch.arange(0, seq, 2, device=x.device)"),
        (torch.zeros(BATCH, 2, dtype=DType.FLOAT32), "torch.zeros(batch, 2, dtype=torch.float32, device=x.device)"),
        (host.tensor((BATCH, 3), dtype=DType.INT64), "torch.tensor([batch, 3], device=x.device)"),
        (host.tensor(BATCH * SEQ, dtype=DType.INT32), "torch.tensor(batch * seq, dtype=torch.int32, device=x.device)"),
        (call("host.size", A, 0), "a.shape[0]"),
        (A.reshape(call("host.item", index.select(I, 0, 0)), -1), "a.reshape(i[0].item(), -1)"),
        (F.gelu(A, approximate="tanh"), 'F.gelu(a, approximate="tanh")'),
        (F.layer_norm(A, ONES, None, normalized_shape=(4,)), "F.layer_norm(a, (4,), self.table)"),
    ],
)  # fmt: skip
def test_source(expr: Expr, source: str) -> None:
    assert text(expr) == source
    ast.parse(source, mode="eval")


@given(st.floats() | st.integers() | st.booleans())
def test_numbers_are_read_back_as_they_were(number: float) -> None:
    value = eval(number_source(number), {"torch": math})
    assert type(value) is type(number)
    assert repr(value) == repr(number)


@given(st.text())
def test_strings_are_read_back_as_they_were(string: str) -> None:
    source = string_source(string)
    assert ast.literal_eval(source) == string
    assert "\n" not in source
    assert source.isprintable()


@pytest.mark.parametrize(
    ("string", "source"),
    [
        ("a", '"a"'),
        ("it's", '"it\'s"'),
        ('a"b', "'a\"b'"),
        ("a'b\"c", '"a\'b\\"c"'),
        ("\\'", '"\\\\\'"'),
        ("\ud800", '"\\ud800"'),
    ],
)
def test_strings_are_quoted_as_ruff_quotes_them(string: str, source: str) -> None:
    assert string_source(string) == source


@pytest.mark.parametrize(
    ("values", "source"),
    [
        (np.array([0.1, 0.2], np.float32), "torch.tensor([0.1, 0.2])"),
        (
            np.array([[1, -math.inf], [math.nan, 0.25]], np.float32),
            "torch.tensor([[1.0, -torch.inf], [torch.nan, 0.25]])",
        ),
        (np.array(2, np.int32), "torch.tensor(2, dtype=torch.int32)"),
        (np.zeros((2, 3), np.float32), "torch.zeros(2, 3)"),
        (np.ones(3, np.int64), "torch.ones(3, dtype=torch.int64)"),
        (np.full(40, -0.0, np.float32), "torch.full((40,), -0.0)"),
        (np.full((2, 3), 0.1, np.float32), "torch.full((2, 3), 0.1)"),
        (np.arange(5), "torch.arange(5)"),
        (np.arange(2, 10, 3), "torch.arange(2, 11, 3)"),
        (np.arange(4)[None], "torch.arange(4).reshape(1, 4)"),
        (np.tril(np.ones((1, 4, 4), bool)), "torch.ones(1, 4, 4, dtype=torch.bool).tril()"),
    ],
)
def test_small_and_regular_tensors_are_computed(values: np.ndarray[Any, Any], source: str) -> None:
    assert buffer_source(array(values)) == source


def test_other_tensors_are_loaded() -> None:
    assert buffer_source(array(np.arange(40, dtype=np.float32) ** 2)) is None
    assert buffer_source(array(np.random.default_rng(0).integers(0, 9, 40))) is None
