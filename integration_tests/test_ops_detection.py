"""Regions of interest against ONNX Runtime, deformable convolution and Col2Im against ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from by_runtime import check_by_runtime
from codegen_torch.errors import UnsupportedError
from one_node import Array, Row, check, lower_proto, model_of, symbols_of, table

rng = np.random.default_rng(10)


def floats(*shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


IMAGE = floats(2, 3, 12, 10)
REGIONS = np.float32(
    [[0, 0, 9, 11], [2.3, 1.7, 7.9, 8.2], [-3, -2, 4, 5], [8, 9, 15, 20], [3, 3, 3, 3], [20, 2, 25, 4]]
)
NUMBERS = np.array([0, 1, 1, 0, 1, 0])
SIZE = {"output_height": 3, "output_width": 2}
ALIGN = [
    Row("RoiAlign", opset, (IMAGE, regions, NUMBERS[: len(regions)]), {**SIZE, "spatial_scale": scale, **more})
    for opset, modes in ((10, [{}]), (16, [{}, {"coordinate_transformation_mode": "output_half_pixel"}]))
    for regions in (REGIONS, REGIONS[:2])
    for scale in (1.0, 0.7)
    for mode in modes
    for more in (
        {"sampling_ratio": 2, **mode},
        {"sampling_ratio": 0, **mode},
        {"mode": "max", "sampling_ratio": 2, **mode},
    )
] + [
    Row("RoiAlign", 10, (IMAGE, REGIONS, NUMBERS)),
    Row("RoiAlign", 16, (IMAGE, REGIONS[:2], NUMBERS[:2]), {**SIZE, "mode": "max"}),
]
POOL = [
    Row("MaxRoiPool", 1, (IMAGE, np.concatenate([NUMBERS[:5, None], REGIONS[:5]], 1).astype(np.float32)), attributes)
    for attributes in (
        {"pooled_shape": [3, 2]},
        {"pooled_shape": [1, 1], "spatial_scale": 0.5},
        {"pooled_shape": [7, 4]},
    )
]


@pytest.mark.parametrize(**table(ALIGN + POOL))
def test_regions(row: Row, symbolic: bool) -> None:
    check_by_runtime(row, symbolic=symbolic)


def test_the_newest_pools_regions_as_the_oldest() -> None:
    for op, opsets, inputs, attributes in (
        ("RoiAlign", (16, 22, 28), (IMAGE, REGIONS, NUMBERS), {**SIZE, "sampling_ratio": 2}),
        ("MaxRoiPool", (1, 22), POOL[0].inputs, POOL[0].attributes),
    ):
        texts = {
            symbols_of(lower_proto(model_of(Row(op, n, inputs, attributes), symbolic=False)).outputs)[0] for n in opsets
        }
        assert len(texts) == 1


DEFORMED = [
    Row(
        "DeformConv",
        opset,
        (floats(1, 4, 6, 5), floats(2, 4 // group, 2, 3), floats(1, offsets * 12, *size), bias, mask),
        {"kernel_shape": [2, 3], "group": group, "offset_group": offsets, **attributes},
        baked,
    )
    for opset, group, offsets in ((19, 1, 1), (19, 2, 1), (22, 2, 2), (22, 1, 4))
    for size, attributes in (
        ((5, 3), {}),
        ((3, 4), {"strides": [2, 1], "pads": [0, 0, 1, 1]}),
        ((6, 3), {"pads": [1, 1, 1, 1], "dilations": [2, 2]}),
    )
    for bias, mask, baked in ((floats(2), rng.random((1, offsets * 6, *size), np.float32), (1, 3)), (None, None, ()))
]


def blocks(steps: int, size: int) -> Array:
    return floats(1, 2 * size, steps)


COLUMNS = [
    Row("Col2Im", 18, (x, np.array(image), np.array(block)), attributes, baked)
    for baked in ((1, 2), (2,), ())
    for x, image, block, attributes in (
        (blocks(3 * 3, 4), [5, 5], [2, 2], {"dilations": [2, 2]}),
        (blocks(4 * 4, 4), [5, 5], [2, 2], {}),
        (blocks(3 * 3, 4), [5, 5], [2, 2], {"strides": [2, 2], "pads": [1, 0, 0, 1]}),
        (blocks(4 * 3, 6), [3, 3], [2, 3], {"pads": [1, 1, 1, 1]}),
        (blocks(2 * 2 * 2, 8), [3, 3, 3], [2, 2, 2], {}),
    )
]


@pytest.mark.parametrize(**table(DEFORMED + COLUMNS))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rank", [1, 3])
def test_without_offsets_a_deformable_convolution_of_any_rank_is_one(rank: int) -> None:
    sizes, kernel = (5, 4, 6)[:rank], (2, 1, 3)[:rank]
    x, w = floats(2, 4, *sizes), floats(6, 2, *kernel)
    out = [size - width + 3 for size, width in zip(sizes, kernel, strict=True)]
    offset = np.zeros((2, int(np.prod(kernel)) * rank, *out), np.float32)
    attributes = {"group": 2, "pads": [1] * 2 * rank}
    plain = check(Row("Conv", 11, (x, w), attributes, (1,)), symbolic=False)
    assert plain
    row = Row("DeformConv", 19, (x, w, offset), attributes, (), expected=lambda *_: reference(x, w, attributes))
    check(row, symbolic=False, rtol=1e-4, atol=1e-4)


def reference(x: Array, w: Array, attributes: dict[str, object]) -> Array:
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(model_of(Row("Conv", 11, (x, w), attributes), symbolic=False)).run(
        None, {"x0": x, "x1": w}
    )[0]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Row("RoiAlign", 16, (IMAGE, REGIONS, NUMBERS), {"mode": "sum"}), "mode"),
        (Row("RoiAlign", 16, (IMAGE, REGIONS, NUMBERS), {"coordinate_transformation_mode": "half"}), "coordinates"),
        (Row("MaxRoiPool", 1, POOL[0].inputs, {"pooled_shape": [3]}), "pooled_shape"),
        (Row("Col2Im", 18, (floats(1, 4, 16), np.array([5, 5]), np.array([2])), {}, (1, 2)), "different ranks"),
    ],
    ids=lambda value: "" if isinstance(value, Row) else value,
)
def test_what_makes_no_sense_is_refused(row: Row, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        lower_proto(model_of(row, symbolic=False))


def test_columns_are_folded_as_torch_does() -> None:
    row = Row("Col2Im", 18, (floats(1, 8, 16), np.array([5, 5]), np.array([2, 2])), {}, (1, 2))
    assert symbols_of(lower_proto(model_of(row, symbolic=True)).outputs) == ["F.fold"]
