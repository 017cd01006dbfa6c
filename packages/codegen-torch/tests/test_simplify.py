"""Simplification: each rewrite before and after, and where it would not be exact."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import ArrayLike

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, array, call, graph_input, literal, weight
from codegen_torch.facts import Fact, elements
from codegen_torch.simplify import share, simplify
from codegen_torch.simplify.fills import write_fills
from codegen_torch.simplify.identities import drop_identities
from codegen_torch.simplify.literals import inline_literals
from codegen_torch.simplify.movement import undo_movement
from codegen_torch.simplify.shapes import write_shapes
from codegen_torch.symbols.namespaces import F, index, torch
from codegen_torch.tensors import TensorRef

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")


def tensor(*dims: int | Dim, dtype: DType = DType.FLOAT32) -> Expr:
    return graph_input("x", Fact(dtype, dims))


def stored(values: ArrayLike, dtype: DType = DType.FLOAT32) -> Expr:
    return array(np.asarray(values, dtype.numpy))


def operand(expr: Expr) -> object:
    """What the second operand became: a Python number, or the operator that is still there."""
    after = inline_literals({"y": expr})["y"].inputs[-1]
    return after.attrs["value"] if after.op == "literal" else after.op


X = tensor(BATCH, 4)


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (X * stored(0.1), 0.1),
        (X + stored([2.0]), 2.0),
        (X + stored([[2.0]]), 2.0),
        (tensor() * stored(0.5), 0.5),
        (X * stored(np.inf), np.inf),
        (tensor(3, dtype=DType.INT64) // stored(2, DType.INT64), 2),
        (tensor(3, dtype=DType.FLOAT64) * stored(0.1, DType.FLOAT64), 0.1),
        (tensor(3, dtype=DType.FLOAT16) * stored(0.1, DType.FLOAT16), float(np.float16(0.1))),
        (tensor(3, dtype=DType.BOOL) & stored(True, DType.BOOL), True),
        (torch.where(tensor(3, dtype=DType.BOOL), tensor(3), stored(-1.5)), -1.5),
    ],
)
def test_constants_of_one_element_become_numbers(expr: Expr, expected: float) -> None:
    found = operand(expr)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    "expr",
    [
        X * stored([[[2.0]]]),  # the result has a dimension more
        tensor() * stored([2.0]),
        X * stored([1.0, 2.0, 3.0, 4.0]),
        graph_input("x", Fact(DType.FLOAT32, None)) * stored([2.0]),
        stored(1.0) * weight(TensorRef.of_array(np.array(2, np.float32))),
        torch.where(tensor(3, dtype=DType.BOOL), stored(0.1, DType.FLOAT64), stored(0.2, DType.FLOAT64)),
        torch.where(tensor(3, dtype=DType.BOOL), stored(1, DType.INT64), stored(2, DType.INT64)),
    ],
)
def test_where_a_number_would_change_shape_or_dtype_the_tensor_stays(expr: Expr) -> None:
    assert operand(expr) in ("constant", "weight")


def test_another_dtype_keeps_the_tensor() -> None:
    mixed = Expr("operator.add", (tensor(3, dtype=DType.INT32), stored(1.0)), fact=Fact(DType.FLOAT32, (3,)))
    assert operand(mixed) == "constant"


def test_two_numbers_of_float32_may_both_be_literals() -> None:
    before = torch.where(tensor(3, dtype=DType.BOOL), stored(0.1), stored(0.2))
    after = inline_literals({"y": before})["y"]
    assert [value.op for value in after.inputs] == ["input", "literal", "literal"]


def test_one_of_two_integers_stays_a_tensor() -> None:
    before = torch.where(tensor(3, dtype=DType.BOOL), stored(1, DType.INT64), stored(2, DType.INT64))
    assert [value.op for value in inline_literals({"y": before})["y"].inputs] == ["input", "literal", "constant"]


def test_weights_are_no_literals() -> None:
    assert operand(X * weight(TensorRef.of_array(np.array(2, np.float32)))) == "weight"


def test_float32_is_written_as_its_shortest_decimal() -> None:
    assert operand(X * stored(np.float32(1) / np.float32(3))) == 0.33333334


def sized(*values: int | Dim) -> Expr:
    """A tensor of which is known that it holds sizes."""
    expr = graph_input("s", Fact(DType.INT64, (len(values),)))
    expr.fact = Fact(DType.INT64, (len(values),), elements(list(values), (len(values),)))
    return expr


def test_tensors_of_sizes_are_written_out() -> None:
    after = write_shapes({"y": sized(BATCH * SEQ, 4)})["y"]
    assert after.op == "host.tensor"
    assert after.attrs["values"] == (BATCH * SEQ, 4)
    assert after.dims == (2,)


def test_a_single_size_is_a_tensor_without_dimensions() -> None:
    after = write_shapes({"y": index.select(sized(BATCH, SEQ), 0, 1)})["y"]
    assert (after.op, after.attrs["values"], after.dims) == ("host.tensor", SEQ, ())


def test_known_numbers_and_unknown_values_stay() -> None:
    outputs = {"numbers": stored([1, 2], DType.INT64), "unknown": tensor(2, dtype=DType.INT64)}
    assert write_shapes(outputs) == outputs


@pytest.mark.parametrize(
    ("op", "neutral", "drops"),
    [
        ("operator.and_", True, True),
        ("operator.or_", False, True),
        ("operator.and_", False, False),
        ("operator.or_", True, False),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_masks_that_change_nothing_disappear(op: str, neutral: bool, drops: bool, swapped: bool) -> None:
    mask = tensor(BATCH, dtype=DType.BOOL)
    operands = [literal(neutral), mask] if swapped else [mask, literal(neutral)]
    assert (drop_identities({"y": call(op, *operands)})["y"] is mask) == drops


def test_a_neutral_number_on_integers_does_not_disappear() -> None:
    flags = Expr("operator.and_", (tensor(3, dtype=DType.INT64), literal(True)), fact=Fact(DType.INT64, (3,)))
    assert drop_identities({"y": flags})["y"] is flags


INTS = tensor(BATCH, 4, dtype=DType.INT64)


@pytest.mark.parametrize(
    ("expr", "drops"),
    [
        (X * literal(1.0), True),
        (X / literal(1.0), True),
        (INTS + literal(0), True),
        (INTS - literal(0), True),
        (X * literal(-1.0), False),
        (X + literal(0.0), False),  # -0.0 + 0.0 is 0.0
        (literal(1.0) / X, False),
        (INTS / literal(1), False),  # makes floats
    ],
)
def test_neutral_numbers_disappear(expr: Expr, drops: bool) -> None:
    assert (drop_identities({"y": expr})["y"] is not expr) == drops


ONES = torch.ones(BATCH, 3, dtype=DType.FLOAT32)
TRUE = ONES.to(DType.BOOL)
ROWS = torch.arange(0, SEQ, dtype=DType.INT64)


@pytest.mark.parametrize(
    ("expr", "op", "fill"),
    [
        (stored(0.0).expand(BATCH, 7), "torch.zeros", 0),
        (stored([1.0]).repeat(BATCH), "torch.ones", 1),
        (stored(-2.5).expand(BATCH, SEQ), "torch.full", -2.5),
        (stored(-0.0).expand(BATCH), "torch.full", -0.0),
        (F.interpolate(ONES.unsqueeze(-1).unsqueeze(-1), size=(2, 2)), "torch.ones", 1),
        (TRUE, "torch.ones", 1),
        (index.tuple([TRUE.flatten(), ROWS]), "torch.ones", 1),
        (TRUE & TRUE.unsqueeze(0), "torch.ones", 1),
        (torch.where(TRUE, literal(0.0), literal(-1.0)), "torch.zeros", 0),
        (tensor(BATCH, 1).expand(-1, 7), "Tensor.expand", None),
        (ONES + tensor(BATCH, 3), "operator.add", None),
        (F.interpolate(ONES.unsqueeze(0), size=(7,), mode="linear"), "F.interpolate", None),
    ],
)
def test_one_number_everywhere_is_made_by_torch(expr: Expr, op: str, fill: float | None) -> None:
    found = write_fills({"y": expr})["y"]
    assert (found.op, found.dims, found.dtype) == (op, expr.dims, expr.dtype)
    assert fill is None or (found.fact.fill == fill and np.signbit(found.fact.fill) == np.signbit(fill))


def test_a_learned_number_is_expanded() -> None:
    learned = weight(TensorRef.of_array(np.zeros(1, np.float32))).expand(BATCH)
    assert write_fills({"y": learned})["y"] is learned


A, B = tensor(BATCH, 2), graph_input("b", Fact(DType.FLOAT32, (BATCH, 3)))


@pytest.mark.parametrize(
    ("position", "expected"),
    [(0, ("x", 0)), (1, ("x", 1)), (2, ("b", 0)), (4, ("b", 2))],
)
def test_a_part_of_what_was_joined_is_picked_where_it_was(position: int, expected: tuple[str, int]) -> None:
    after = undo_movement({"y": index.select(torch.cat([A, B], dim=1), 1, position)})["y"]
    assert (after.inputs[0].attrs["name"], after.attrs["index"]) == expected


def test_a_part_that_was_put_in_is_itself() -> None:
    parts = [tensor(BATCH), graph_input("b", Fact(DType.FLOAT32, (BATCH,)))]
    joined = torch.cat([part.unsqueeze(-1) for part in parts], dim=-1)
    assert undo_movement({"y": index.select(joined, 1, 1)})["y"] is parts[1]


@pytest.mark.parametrize(("axis", "position"), [(-1, 0), (2, 0), (2, -1)])
def test_the_only_part_of_a_new_dimension_is_what_was_there(axis: int, position: int) -> None:
    assert undo_movement({"y": index.select(A.unsqueeze(-1), axis, position)})["y"] is A
    assert undo_movement({"y": index.select(A.unsqueeze(0), axis, position)})["y"] is not A


@pytest.mark.parametrize(
    "expr",
    [
        index.select(torch.cat([A, B], dim=1), 0, 0),
        index.select(torch.cat([A, B], dim=1), 1, -1),
        index.select(torch.cat([tensor(BATCH), tensor(SEQ)], dim=0), 0, 1),
    ],
    ids=["other dimension", "from the end", "unknown size"],
)
def test_other_parts_stay(expr: Expr) -> None:
    assert undo_movement({"y": expr})["y"].inputs[0].op == "torch.cat"


def test_index_tensors_need_no_expansion() -> None:
    rows, columns = tensor(BATCH, 1, dtype=DType.INT64), tensor(1, SEQ, dtype=DType.INT64)
    before = index.tuple([tensor(8, 9), rows.expand(BATCH, SEQ), columns])
    assert undo_movement({"y": before})["y"].inputs[1:] == (rows, columns)


def test_an_expansion_that_decides_the_shape_stays() -> None:
    row = tensor(1, dtype=DType.INT64)
    before = index.tuple([tensor(8, 9), row.expand(SEQ)])
    assert undo_movement({"y": before})["y"].inputs[1].op == "Tensor.expand"


def test_equal_expressions_become_one() -> None:
    after = share({"y": torch.sin(X), "z": torch.sin(X)})
    assert after["y"] is after["z"]


def test_numbers_that_only_compare_equal_stay_apart() -> None:
    after = share({"a": X * 1.0, "b": X * 1, "c": X * 0.0, "d": X * -0.0})
    assert len({id(value) for value in after.values()}) == 4


def test_simplifying_runs_all_of_it() -> None:
    mask = tensor(BATCH, dtype=DType.BOOL)
    assert simplify({"y": mask & stored(True, DType.BOOL)})["y"] is mask


def test_a_size_that_only_a_tensor_tells_is_a_number_too() -> None:
    """The rank-0 tensor ``torch.tensor(x.shape[0])`` becomes ``x.shape[0]`` beside another tensor of its type."""
    x = tensor(Dim.fresh(), 4)
    (size, _) = x.shape
    held = call("host.tensor", size, dtype=DType.INT64)
    after = inline_literals({"y": call("torch.lt", held, graph_input("n", Fact(DType.INT64, ())))})["y"]
    assert after.inputs[0] is size


HALF, BRAIN, DOUBLE = (graph_input("x", Fact(dtype, (3,))) for dtype in (DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64))


@pytest.mark.parametrize(
    ("x", "wide", "drops"),
    [
        (HALF, DType.FLOAT32, True),
        (HALF, DType.FLOAT64, True),
        (BRAIN, DType.FLOAT32, True),
        (HALF, DType.BFLOAT16, False),
        (BRAIN, DType.FLOAT16, False),
        (HALF, DType.INT64, False),
        (DOUBLE, DType.FLOAT32, False),
    ],
)
def test_a_cast_to_a_wider_float_and_back_disappears(x: Expr, wide: DType, drops: bool) -> None:
    assert (drop_identities({"y": x.to(wide).to(x.dtype)})["y"] is x) == drops
    assert drop_identities({"y": x.to(wide).to(DType.BOOL)})["y"] is not x
