"""Blocks of pixels as channels, centred crops, and the oldest Tile and Split, against ONNX's reference or numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from codegen_torch.errors import InvalidModelError, UnsupportedError
from one_node import Array, Row, chain, check, lower_proto, model_of, symbols_of, table

rng = np.random.default_rng(12)
IMAGE = rng.standard_normal((2, 12, 4, 6)).astype(np.float32)
KINDS = (IMAGE, (IMAGE * 9).astype(np.int8), (abs(IMAGE) * 9).astype(np.uint16), IMAGE > 0)


def to_depth(mode: str) -> Any:
    """The formula of the specification; the reference does not know the mode yet."""

    def expected(a: Array) -> Array:
        n, c, h, w = a.shape
        blocks = a.reshape(n, c, h // 2, 2, w // 2, 2)
        order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
        return blocks.transpose(order).reshape(n, c * 4, h // 2, w // 2)

    return expected


BLOCKS = [
    *(Row("DepthToSpace", 1, (x,), {"blocksize": 2}, expected=None) for x in KINDS),
    *(
        Row("DepthToSpace", opset, (x,), {"blocksize": 2, **({"mode": mode} if mode else {})})
        for opset in (11, 13, 28)
        for x in KINDS
        for mode in ("", "DCR", "CRD")
    ),
    *(
        Row("SpaceToDepth", opset, (x,), {"blocksize": 2}, expected=to_depth("DCR"))
        for opset in (1, 13, 28)
        for x in KINDS
    ),
    *(
        Row("SpaceToDepth", 28, (x,), {"blocksize": 2, "mode": mode}, expected=to_depth(mode))
        for x in KINDS
        for mode in ("DCR", "CRD")
    ),
    Row("DepthToSpace", 13, (IMAGE[:0],), {"blocksize": 2}, expected=lambda a: np.zeros((0, 3, 8, 12), np.float32)),
]
CROPS = [
    Row("CenterCropPad", opset, (x, np.array(shape)), {} if axes is None else {"axes": axes}, baked, open_lists=lists)
    for opset in (18, 28)
    for x in KINDS
    for shape, axes in (
        ((2, 5, 7, 6), None),
        ((1, 15, 1, 9), None),
        ((3, 9), (2, 3)),
        ((9, 3), (-2, -1)),
        ((4,), (2,)),
        ((8, 13), (3, 1)),
    )
    for baked, lists in (((1,), False), ((), False), ((), True))
]


def repeated(axis: int, count: int) -> Any:
    return lambda a, *_: np.concatenate([a] * count, axis)


OLDEST = [
    *(
        Row("Tile", 1, (IMAGE, np.float32(count), np.float32(axis)), {}, baked, repeated(axis, count))
        for axis in (0, 2, 3)
        for count in (1, 2, 3)
        for baked in ((1, 2), (2,))
    ),
    *(
        Row("Split", 1, (IMAGE, np.float32([1, 2, 9])), {"axis": 1}, baked, expected, 3)
        for baked in ((1,), ())
        for expected in [lambda a, _: tuple(np.split(a, (1, 3), 1))]
    ),
]


@pytest.mark.parametrize(**table(BLOCKS + CROPS + OLDEST))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic)


def test_torch_has_the_mode_crd() -> None:
    crd = {"blocksize": 2, "mode": "CRD"}
    assert symbols_of(check(Row("DepthToSpace", 13, (IMAGE,), crd), symbolic=True)) == ["F.pixel_shuffle"]
    row = Row("SpaceToDepth", 28, (IMAGE,), crd, expected=to_depth("CRD"))
    assert symbols_of(check(row, symbolic=True)) == ["F.pixel_unshuffle"]


def test_known_crops_are_a_padding() -> None:
    row = Row("CenterCropPad", 18, (IMAGE, np.array([3, 9])), {"axes": (2, 3)}, (1,))
    assert symbols_of(check(row, symbolic=False)) == ["F.pad"]


@pytest.mark.parametrize("op", ["DepthToSpace", "SpaceToDepth"])
def test_an_unknown_mode_is_refused(op: str) -> None:
    with pytest.raises(UnsupportedError, match="there is no mode 'ABC'"):
        lower_proto(model_of(Row(op, 28, (IMAGE,), {"blocksize": 2, "mode": "ABC"}), symbolic=False))


def test_channels_that_are_no_blocks_are_an_invalid_model() -> None:
    row = Row("DepthToSpace", 13, (IMAGE[:, :5],), {"blocksize": 2, "mode": "CRD"})
    with pytest.raises(InvalidModelError, match="a shuffle of the 5 channels"):
        lower_proto(model_of(row, symbolic=False))


def test_the_size_of_a_tensor_of_unknown_rank_is_asked_for() -> None:
    model = chain([("Size", ["x"], "y")], {"x": (np.float32, [1])}, {}, "y")
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert symbols_of(lower_proto(model).outputs) == ["Tensor.numel", "host.tensor"]
