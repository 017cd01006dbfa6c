"""Tables of positions whose leading dimensions of size 1 are left to broadcasting: before and after."""

from __future__ import annotations

import pytest
from layer_texts import BATCH, SEQ, X, as_it_was, name, recovered, stored, text, value

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, Origin, array, originating
from codegen_torch.layers import recover_layers
from codegen_torch.layers.views import own_views
from codegen_torch.scope import Step
from codegen_torch.symbols.namespaces import F, torch

POSITIONS = torch.arange(0, SEQ, dtype=DType.INT64)
RANGE = text(POSITIONS)
BATCHED = POSITIONS.unsqueeze(0)
TOKENS = value("t", BATCH, 1, 1, SEQ, dtype=DType.BOOL)
KEYS, QUERIES = (BATCHED.unsqueeze(1).unsqueeze(axis) for axis in (2, 3))
ORDER = f"torch.le(Tensor.unsqueeze({RANGE}, dim=0), Tensor.unsqueeze({RANGE}, dim=1))"
FREQUENCIES = array([1.0, 0.5, 0.25, 0.125], DType.FLOAT32)
ANGLES = BATCHED.unsqueeze(2).to(DType.FLOAT32) * FREQUENCIES
TURNED = torch.cos(torch.cat([ANGLES, ANGLES], dim=-1))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (torch.le(KEYS, QUERIES) & TOKENS, f"operator.and_({ORDER}, t)"),
        (torch.le(KEYS, QUERIES), f"index.spread({ORDER}, dims=(0, 1))"),
        (X + F.embedding(BATCHED, stored("w", 16, 8)), f"operator.add(x, nn.Embedding({RANGE}, w[16, 8]))"),
        (BATCHED.unsqueeze(0) * value("i", BATCH, 2, SEQ, dtype=DType.INT64), f"operator.mul({RANGE}, i)"),
        (BATCHED + value("i", SEQ, dtype=DType.INT64), None),  # gives the result its first dimension
        (BATCHED * value("i", 1, SEQ, dtype=DType.INT64), f"operator.mul({RANGE}, i)"),
        (X.unsqueeze(0) + value("y", 2, BATCH, SEQ, 8), None),  # no table
        (BATCHED.repeat(BATCH, 1), None),
    ],
    ids=name,
)
def test_leading_dimensions_are_left_to_broadcasting(before: Expr, after: str | None) -> None:
    assert recovered(before) == (after or as_it_was(before))
    assert recover_layers({"y": before})["y"].dims == before.dims


def test_angles_have_two_dimensions() -> None:
    after = recover_layers({"y": value("x", BATCH, 4, SEQ, 8) * TURNED.unsqueeze(1)})["y"]
    assert after.dims == (BATCH, 4, SEQ, 8)
    assert after.inputs[1].dims == (SEQ, 8)


def test_a_module_makes_the_views_that_it_needs() -> None:
    with originating(Origin(0, (Step("rotary"),))):
        rows = POSITIONS.unsqueeze(1)
        angles = rows * 2
    with originating(Origin(1, ())):
        order = torch.le(POSITIONS.unsqueeze(0), rows)
    found = own_views({"angles": angles, "order": order})
    assert found["angles"].inputs[0] is rows
    assert found["order"].inputs[1] is not rows
    assert found["order"].inputs[1].origin.scope == ()
    assert text(found["order"]) == ORDER


def test_very_many_axes_are_left_alone() -> None:
    x = POSITIONS
    for _ in range(1500):
        x = x.unsqueeze(0)
    assert recover_layers({"y": torch.cos(x.to(DType.FLOAT32))})["y"].rank == 1501
