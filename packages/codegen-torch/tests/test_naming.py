"""Names of variables: from what values are; never a module's, a builtin's, or one that is still needed."""

from __future__ import annotations

import ast
from importlib import resources

import pytest

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.emit.module import TAKEN_CLASSES
from codegen_torch.emit.naming import MODULE_NAMES, attention_roles, hint
from codegen_torch.expr import Expr, graph_input
from codegen_torch.facts import Fact
from codegen_torch.symbols.namespaces import F, host, torch

BATCH = Dim.symbol("batch")


def tensor(name: str, *dims: int | Dim, dtype: DType = DType.FLOAT32) -> Expr:
    return graph_input(name, Fact(dtype, dims))


X = tensor("x", BATCH, 4)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (tensor("input ids", BATCH), "input_ids"),
        (tensor("class", BATCH), "class_"),
        (F.softmax(X, dim=-1), "weights"),
        (torch.cos(X).unsqueeze(1), "cos"),
        (torch.arange(0, BATCH, dtype=DType.INT64), "positions"),
        (torch.where(tensor("m", BATCH, dtype=DType.BOOL), 0.0, -1e9), "mask"),
        (torch.sin(torch.cos(X)), "sin"),
        (F.relu(X), None),
        (host.tensor((BATCH, 4), dtype=DType.INT64), "index"),
    ],
)
def test_values_are_called_what_they_are(value: Expr, name: str | None) -> None:
    assert hint(value, lambda value: None) == name


@pytest.mark.parametrize(
    ("member", "name"), [("attention.query", "query"), ("q_proj", "q"), ("layer.0", None), ("0", None), ("fc1", None)]
)
def test_results_of_members_are_called_by_what_those_are_for(member: str, name: str | None) -> None:
    value = F.relu(X)
    assert hint(value, {value: member}.get) == name


def test_operands_of_attention_have_their_roles() -> None:
    q, k, v = (tensor(name, BATCH, 2, 3, 4) for name in "abc")
    moved = k.transpose(1, 2)
    attention = F.scaled_dot_product_attention(F.relu(q), moved.transpose(1, 2), F.relu(v))
    roles = attention_roles([attention])
    assert [roles[value] for value in attention.inputs[:3] if value is not None] == ["q", "k", "v"]
    assert roles[moved] == "k"
    assert not {q, k, v} & roles.keys()


def test_no_class_is_called_like_what_copied_functions_import() -> None:
    imported: set[str] = set()
    for file in resources.files("codegen_torch.runtime").iterdir():
        tree = ast.parse(file.read_text("utf-8")) if file.name.endswith(".py") else ast.Module([], [])
        for statement in tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                imported.update(alias.asname or alias.name.partition(".")[0] for alias in statement.names)
    assert {name for name in imported if name[0].isupper()} <= TAKEN_CLASSES | MODULE_NAMES
