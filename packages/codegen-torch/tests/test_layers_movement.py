"""Rearrangements, pieces and rolls: before and after."""

from __future__ import annotations

import pytest
from layer_texts import BATCH, IMAGE, SEQ, X, as_it_was, name, recovered, stored, text, value

from codegen_torch.expr import Expr, Origin, originating
from codegen_torch.layers import recover_layers
from codegen_torch.scope import Step
from codegen_torch.symbols.namespaces import index, torch


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (X.transpose(0, 1).transpose(0, 1), "x"),
        (X.transpose(1, 2).permute(0, 2, 1), "x"),
        (X.permute(1, 2, 0).permute(1, 0, 2), "Tensor.transpose(x, dim0=0, dim1=2)"),
        (X.unflatten(-1, (2, 4)).flatten(2), "x"),
        (X.unsqueeze(1).squeeze(1), "x"),
        (X.unsqueeze(1).transpose(1, 2).squeeze(2), "x"),
        (X.unsqueeze(1).transpose(0, 2).squeeze(1), "Tensor.transpose(x, dim0=0, dim1=1)"),
        (X.unsqueeze(1).transpose(0, 2).flatten(0, 1), None),
        (X.flatten(0, 1).unsqueeze(0).reshape(BATCH, SEQ, 8), "x"),
    ],
    ids=name,
)
def test_movement_that_ends_where_it_began_is_left_out(before: Expr, after: str | None) -> None:
    assert recovered(before) == (after or as_it_was(before))


def test_movement_that_ends_elsewhere_stays() -> None:
    before = X.flatten(0, 1).reshape(SEQ, BATCH, 8)
    assert recovered(before) == text(before)


WIDE = value("x", BATCH, SEQ, 12)


def cut(*bounds: tuple[int, int | None], dim: int = -1, x: Expr = WIDE) -> list[Expr]:
    return [index.slice(x, dim, start, stop) for start, stop in bounds]


@pytest.mark.parametrize(
    ("pieces", "op"),
    [
        (cut((0, 4), (4, 8), (8, None)), "Tensor.chunk"),
        (cut((0, 6), (-6, 2**63 - 1)), "Tensor.chunk"),
        (cut((8, 12), (0, 8), dim=2), "Tensor.split"),
        (cut((0, 4), (8, 12)), "index.slice"),  # with a gap
        (cut((0, 8), (4, 12)), "index.slice"),  # with an overlap
        (cut((0, 12)), "index.slice"),
        (cut((0, 4), (4, None), dim=1), "index.slice"),  # of a size that is not known
        (cut((0, 4), (4, None), x=stored("w", 12)), "index.slice"),
    ],
)
def test_slices_that_take_a_tensor_apart_are_its_pieces(pieces: list[Expr], op: str) -> None:
    found = recover_layers({str(place): piece for place, piece in enumerate(pieces)})
    sources = {found[name].inputs[0] if op != "index.slice" else found[name] for name in found}
    assert {source.op for source in sources if source is not None} == {op}
    assert [result.dims for result in found.values()] == [piece.dims for piece in pieces]


def test_pieces_keep_their_order() -> None:
    last, first = cut((8, 12), (0, 8))
    found = recover_layers({"last": last, "first": first})
    assert (found["last"].attrs["index"], found["first"].attrs["index"]) == (1, 0)
    assert found["last"].inputs[0].attrs["split_size"] == (8, 4)


def rolled(x: Expr, dim: int, start: int) -> Expr:
    return torch.cat([index.slice(x, dim, start), index.slice(x, dim, 0, start)], dim=dim)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (rolled(IMAGE, 2, 3), "torch.roll(x, shifts=(-3,), dims=(2,))"),
        (rolled(IMAGE, 2, -3), "torch.roll(x, shifts=(3,), dims=(2,))"),
        (rolled(rolled(IMAGE, 2, 1), 3, 1), "torch.roll(x, shifts=(-1, -1), dims=(2, 3))"),
        (rolled(X, 1, 1), None),  # of a size that may be smaller
        (torch.cat(cut((4, 12), (0, 3)), dim=-1), None),
        (index.slice(IMAGE, 2, 2, 3).squeeze(2), "index.select(x, dim=2, index=2)"),
        (index.slice(IMAGE, 2, 2, 4).flatten(1, 2), None),
        (IMAGE.split(1, dim=1)[2].squeeze(1), "index.select(x, dim=1, index=2)"),
        (X.unsqueeze(0).transpose(0, 2).squeeze(2), "Tensor.transpose(x, dim0=0, dim1=1)"),
        (
            index.select(WIDE.unflatten(-1, (3, 4)).permute(2, 0, 1, 3), 0, 1),
            "operator.getitem(Tensor.chunk(x, chunks=3, dim=-1), index=1)",
        ),
        (index.select(WIDE.unflatten(-1, (3, 4)).permute(3, 0, 1, 2), 0, 1), None),
        (index.select(WIDE.unflatten(-1, (3, 4)).permute(2, 1, 0, 3), 0, 1), None),
    ],
    ids=name,
)
def test_moved_pieces(before: Expr, after: str | None) -> None:
    assert recovered(before) == (text(before) if after is None else after)


HEADS = value("x", BATCH, SEQ, 1, 8)
FOUR = value("x", BATCH, 4, SEQ, 8)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (X.unflatten(-1, (4, 2)).unflatten(-1, (1, 2)), "Tensor.unflatten(x, dim=-1, sizes=(4, 1, 2))"),
        (IMAGE.flatten(2).flatten(1), "Tensor.flatten(x, start_dim=1)"),
        (IMAGE.flatten(2).unflatten(2, (4, 16)), "Tensor.reshape(x, shape=(batch, 3, 4, 16))"),
        (X.flatten(0, 1).unsqueeze(-1), "Tensor.reshape(x, shape=(-1, 8, 1))"),
        (FOUR.flatten(0, 1).unflatten(-1, (2, 4)), None),  # two sizes to name instead of none
        (X.unsqueeze(2).transpose(1, 2), "Tensor.unsqueeze(x, dim=1)"),
        (X.transpose(1, 2).unsqueeze(1).transpose(-2, -1), "Tensor.unsqueeze(x, dim=1)"),
        (HEADS.transpose(1, 2).squeeze(1), "Tensor.squeeze(x, dim=2)"),
        (X.unsqueeze(1).permute(3, 1, 0, 2), "Tensor.unsqueeze(Tensor.permute(x, dims=(2, 0, 1)), dim=1)"),
        (HEADS.permute(2, 3, 0, 1).squeeze(0), "Tensor.permute(Tensor.squeeze(x, dim=2), dims=(2, 0, 1))"),
        (FOUR.transpose(1, 2).squeeze(0), None),  # of a size that is known only when the model runs
        (
            index.slice(index.slice(IMAGE, 2, 0, None, 2), 3, 1, None, 2),
            "index.slices(x, cuts=((2, 0, None, 2), (3, 1, None, 2)))",
        ),
        (index.slice(index.slice(IMAGE, 2, 1), 2, 1), None),
        (X.unsqueeze(1).unsqueeze(1), "index.spread(x, dims=(1, 2))"),
        (X.unsqueeze(1).unsqueeze(0), "index.spread(x, dims=(0, 2))"),
        (X.unsqueeze(0).unsqueeze(2).unsqueeze(-1), "index.spread(x, dims=(0, 2, 5))"),
    ],
    ids=name,
)
def test_movements_in_a_row_are_as_few_as_can_be(before: Expr, after: str | None) -> None:
    assert recovered(before) == (after or text(before))
    assert recover_layers({"y": before})["y"].dims == before.dims


def test_a_view_that_others_use_stays() -> None:
    parts = X.unflatten(-1, (4, 2))
    found = recover_layers({"parts": parts, "y": parts.unflatten(-1, (1, 2))})
    assert found["y"].inputs[0] is found["parts"]


def test_what_one_module_hands_to_another_keeps_its_shape() -> None:
    with originating(Origin(0, (Step("block"),))):
        windows = X.unflatten(-1, (4, 2))
    with originating(Origin(1, (Step("block"), Step("block.attention")))):
        inside = windows.unflatten(-1, (1, 2))
    assert recovered(inside) == text(inside)
