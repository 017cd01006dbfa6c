"""Resampling in every mode, with every coordinate, along any axes, against ONNX's reference and ONNX Runtime."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from by_runtime import check_by_runtime
from codegen_torch.errors import UnsupportedError
from interpret import interpret
from one_node import Row, check, lower_proto, model_of, symbols_of, table

rng = np.random.default_rng(13)


def floats(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


COORDINATES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
MODES = [
    *({"mode": "nearest", "nearest_mode": rounding} for rounding in ROUNDINGS),
    {"mode": "linear"},
    {"mode": "cubic"},
]


def resize(
    x: np.ndarray,
    opset: int = 13,
    *,
    scales: Any = None,
    sizes: Any = None,
    roi: Any = None,
    baked: tuple[int, ...] = (1, 2, 3),
    open_lists: bool = False,
    **attributes: Any,
) -> Row:
    """A row; scales and sizes are those of all dimensions, or of the axes."""
    given = [
        x,
        np.float32([]) if roi is None and opset < 13 else None if roi is None else np.float32(roi),
        np.float32([]) if scales is None and opset < 13 else None if scales is None else np.float32(scales),
        *([] if sizes is None else [np.array(sizes)]),
    ]
    return Row("Resize", opset, given, attributes, baked, open_lists=open_lists)


IMAGE = floats(1, 2, 4, 5)
PLAIN = [
    resize(IMAGE, opset, coordinate_transformation_mode=coordinates, **mode, **extent)
    for opset in (11, 13, 18, 19, 28)
    for coordinates in (*COORDINATES, *(("half_pixel_symmetric",) if opset >= 19 else ()))
    for mode in (MODES if opset in (13, 19) else MODES[-2:])
    for extent in (
        {"scales": (1, 1, 2, 3)},
        {"scales": (1, 1, 0.75, 1.75)},
        {"sizes": (1, 2, 7, 3)},
        {"sizes": (1, 2, 8, 10)},
    )
    # Here the next integer is a rounding error away.
    if (coordinates, mode.get("nearest_mode")) != ("half_pixel_symmetric", "ceil")
]
AT_RUN_TIME = [
    resize(IMAGE, 19, coordinate_transformation_mode=coordinates, baked=(), open_lists=lists, **mode, **extent)
    for coordinates in ("half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric")
    for mode in MODES[-3:]
    for extent in ({"scales": (1, 1, 2, 1.5)}, {"sizes": (1, 2, 7, 3)}, {"sizes": (2, 1, 4, 5)})
    for lists in (False, True)
]
SHAPES = [
    resize(floats(*shape), 19, coordinate_transformation_mode=coordinates, **mode, **extent)
    for coordinates in ("half_pixel", "align_corners")
    for mode in MODES[-3:]
    for shape, extent in (
        ((5,), {"sizes": (8,)}),
        ((4, 5), {"scales": (2, 0.5)}),
        ((3, 4, 5), {"sizes": (2, 7, 3)}),
        ((1, 2, 3, 4, 2), {"sizes": (1, 2, 4, 5, 3)}),
        ((2, 2, 3, 2, 2, 2), {"scales": (1, 2, 1, 1, 1.5, 2)}),
        ((1, 1, 1, 1), {"sizes": (1, 1, 3, 2)}),
        ((1, 1, 4, 4), {"sizes": (1, 1, 1, 1)}),
        ((2, 3, 4, 5), {"sizes": (2, 3, 4, 5)}),
    )
]
AXES = [
    resize(IMAGE, opset, axes=axes, baked=baked, **mode, **extent)
    for opset in (18, 19)
    for mode in MODES[-3:]
    for axes in ((2, 3), (3, 2), (1,), (1, 3))
    for extent in (
        {"scales": (1.5, 0.8)[: len(axes)]},
        {"sizes": (7, 9)[: len(axes)]},
        {"sizes": (7, 9)[: len(axes)], "keep_aspect_ratio_policy": "not_larger"},
        {"sizes": (7, 9)[: len(axes)], "keep_aspect_ratio_policy": "not_smaller"},
    )
    for baked in ((1, 2, 3), ())
]
POLICIES = [
    resize(floats(1, 1, 3, 5), 18, axes=(2, 3), sizes=sizes, keep_aspect_ratio_policy=policy, **mode)
    for sizes in ((6, 8), (2, 2), (9, 4))
    for policy in ("stretch", "not_larger", "not_smaller")
    for mode in MODES[-3:]
]
FILTERS = [
    resize(floats(1, 1, 8, 9), opset, antialias=antialias, exclude_outside=outside, **mode, **extent)
    for opset in (18, 19)
    for antialias in (0, 1)
    for outside in (0, 1)
    for mode in (MODES[-2], MODES[-1], MODES[-1] | {"cubic_coeff_a": -0.5})
    for extent in (
        {"scales": (1, 1, 0.5, 0.5)},
        {"scales": (1, 1, 0.6, 2)},
        {"sizes": (1, 1, 3, 4)},
        {"sizes": (1, 1, 11, 2)},
    )
]
CROP = {"coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 10.0}
CROPS = [
    resize(IMAGE, opset, roi=roi, sizes=(1, 2, 3, 6), baked=baked, **CROP, **mode)
    for opset in (11, 13, 19)
    for mode in MODES[-3:]
    for roi in ((0, 0, 0.4, 0.6, 1, 1, 0.6, 0.8), (0, 0, -0.4, 0.6, 1, 1, 1.2, 1.7), (0, 0, 0, 0, 1, 1, 1, 1))
    for baked in ((1, 2, 3), (2, 3), ())
    if opset >= 13 or baked
] + [
    resize(IMAGE, 18, roi=(0.35, 0.6, 0.85, 1.7), sizes=(4, 5), axes=axes, **CROP, **mode)
    for mode in MODES[-3:]
    for axes in ((2, 3), (3, 2))
]


def doubled(x: np.ndarray, *_: np.ndarray) -> np.ndarray:
    return x.repeat(2, -1)


TYPES = [
    resize(x, 13, **mode, **extent)
    for x in (
        np.uint8([[[[0, 255], [100, 7]]]]),
        np.int8([[[[-128, 127], [100, 7]]]]),
        np.int32([[[[-70000, 3], [100, 7]]]]),
        np.float64([[[[0.1, 3], [100, 7]]]]),
    )
    for mode in MODES[-3:]
    for extent in ({"scales": (1, 1, 2, 2)}, {"sizes": (1, 1, 3, 5)})
] + [
    dataclasses.replace(resize(np.array([[[[True, False]]]]), 13, scales=(1, 1, 1, 2)), expected=doubled),
    dataclasses.replace(resize(IMAGE, 18, axes=(-1,), scales=(2,)), expected=doubled),
    resize(np.uint16([[[[7, 65535]]]]), 13, scales=(1, 1, 1, 2)),
]


@pytest.mark.parametrize(
    **table(PLAIN + AT_RUN_TIME + SHAPES + AXES + POLICIES + FILTERS + CROPS + TYPES),
)
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-4, atol=1e-5)


def upsample(op: str, opset: int, x: np.ndarray, scales: tuple[float, ...], mode: str, *, baked: bool = True) -> Row:
    if opset < 9:
        return Row(op, opset, (x,), {"scales": scales, "mode": mode})
    return Row(op, opset, (x, np.float32(scales)), {"mode": mode}, (1,) if baked else ())


BIG = floats(1, 2, 7, 6)
OLD = [
    *(
        upsample(op, opset, BIG, scales, mode, baked=baked)
        for op, opset in (("Upsample", 7), ("Upsample", 8), ("Upsample", 9), ("Resize", 10))
        for scales in ((1.0, 1.0, 2.0, 2.0), (1.0, 1.0, 3.0, 1.5), *(((1, 1, 0.5, 0.6),) if op == "Resize" else ()))
        for mode in ("nearest", "linear")
        for baked in ((True, False) if opset >= 9 else (True,))
    ),
    *(
        resize(BIG, 11, scales=(1, 1, 0.6, 1.7), coordinate_transformation_mode=coordinates, **mode)
        for coordinates in ("half_pixel", "pytorch_half_pixel", "asymmetric")
        for mode in MODES
    ),
    *(
        resize(BIG, 11, coordinate_transformation_mode="tf_half_pixel_for_nn", **extent)
        for extent in ({"scales": (1, 1, 2, 3)}, {"scales": (1, 1, 0.5, 0.6)}, {"sizes": (1, 2, 3, 9)})
    ),
]


@pytest.mark.parametrize("row", OLD, ids=str)
def test_against_the_runtime(row: Row) -> None:
    """Upsample and Resize of opset 10 are more than the reference knows."""
    check_by_runtime(row, symbolic=False)


def test_the_oldest_upsample() -> None:
    """Of opset 1 no other implementation is left."""
    for mode, repeats in (("nearest", True), ("bilinear", False)):
        row = Row("Upsample", 1, (BIG,), {"height_scale": 2.0, "width_scale": 3.0, "mode": mode})
        lowered = lower_proto(model_of(row, symbolic=False))
        found = interpret(lowered.outputs, {"x0": torch.from_numpy(BIG)})["y0"].numpy()
        assert found.shape == (1, 2, 14, 18)
        np.testing.assert_allclose(found[:, :, ::2, ::3], BIG, rtol=1e-6)
        if repeats:
            np.testing.assert_array_equal(found, BIG.repeat(2, 2).repeat(3, 3))


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (resize(IMAGE, scales=(1, 1, 2, 2), mode="linear"), "F.interpolate"),
        (resize(IMAGE, scales=(1, 1, 2, 2), mode="cubic"), "F.interpolate"),
        (resize(IMAGE, scales=(1, 1, 2, 3)), "F.interpolate"),
        (resize(IMAGE, sizes=(1, 2, 8, 10), mode="linear"), "F.interpolate"),
        (resize(IMAGE, 18, scales=(1, 1, 2, 2), mode="linear", antialias=1), "F.interpolate"),
        (resize(IMAGE, scales=(1, 1, 2, 2), mode="linear", coordinate_transformation_mode="asymmetric"), "linear"),
    ],
    ids=str,
)
def test_torch_interpolates_where_it_is_the_same(row: Row, text: str) -> None:
    assert text in symbols_of(lower_proto(model_of(row, symbolic=False)).outputs)[-1]


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"nearest_mode": "?"}, "nearest_mode '?' is not supported"),
        ({"mode": "?"}, "mode '?' is not supported"),
        ({"coordinate_transformation_mode": "?"}, "coordinate_transformation_mode '?' is not supported"),
        ({"keep_aspect_ratio_policy": "?"}, "keep_aspect_ratio_policy '?' is not supported"),
        ({"coordinate_transformation_mode": "tf_crop_and_resize"}, "there is no region to crop"),
    ],
    ids=str,
)
def test_what_onnx_does_not_have_is_refused(attributes: dict[str, str], reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason.replace("?", r"\?")):
        lower_proto(model_of(resize(IMAGE, 18, sizes=(1, 2, 9, 9), **attributes), symbolic=True))


def test_neither_scales_nor_sizes_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="either scales or sizes must be given"):
        lower_proto(model_of(resize(IMAGE), symbolic=False))
