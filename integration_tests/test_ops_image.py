"""Sampling by grids, and the grids of affine maps, against ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from by_runtime import check_by_runtime
from codegen_torch.errors import UnsupportedError
from codegen_torch.runtime.image import grid_sample_nd
from one_node import Row, check, lower_proto, model_of, symbols_of, table

rng = np.random.default_rng(14)


def floats(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def grid(*shape: int) -> np.ndarray:
    """Places, some of which lie outside."""
    return (rng.random(shape) * 3 - 1.5).astype(np.float32)


MODES = {"bilinear": "linear", "nearest": "nearest", "bicubic": "cubic"}
BEYOND = ("cubic", "border")
"""Here the reference moves places to the border before it looks around them; ONNX Runtime and torch do not."""
PADDINGS = ("zeros", "border", "reflection")
SAMPLES = [
    *(
        Row(
            "GridSample",
            opset,
            (floats(2, 3, 4, 5), grid(2, 3, 2, 2)),
            {"mode": mode, "padding_mode": padding, "align_corners": corners},
        )
        for opset in (20, 22)
        for mode in MODES.values()
        for padding in PADDINGS
        for corners in (0, 1)
        if (mode, padding) != BEYOND
    ),
    *(
        Row("GridSample", 20, (x, places), {"mode": mode, "padding_mode": padding, "align_corners": corners})
        for x, places in (
            (floats(1, 2, 3, 4, 2), grid(1, 2, 3, 1, 3)),
            (floats(2, 1, 6), grid(2, 4, 1)),
            (floats(1, 1, 1, 3), grid(1, 2, 2, 2)),
            (floats(1, 1, 2, 3, 2, 2), grid(1, 1, 2, 1, 2, 4)),
        )
        for mode in ("linear", "nearest", "cubic")
        for padding in PADDINGS
        for corners in (0, 1)
        if (mode, padding) != BEYOND and (mode != "cubic" or x.ndim < 6)
        if (x.shape[2], padding, corners) != (1, "reflection", 1)  # the reference divides by zero
    ),
    *(Row("GridSample", opset, (floats(1, 1, 3, 3), grid(1, 2, 2, 2))) for opset in (16, 20, 22, 28)),
    Row("GridSample", 20, (floats(1, 1, 3, 3).astype(np.float64), grid(1, 2, 2, 2)), {}),
    Row("GridSample", 20, ((floats(1, 1, 3, 3) * 9).astype(np.int32), grid(1, 2, 2, 2)), {"mode": "nearest"}),
]
GRIDS = [
    Row("AffineGrid", opset, (theta, np.array(size)), {"align_corners": corners}, baked, open_lists=lists)
    for opset in (20, 28)
    for theta, size in ((floats(2, 2, 3), (2, 3, 4, 5)), (floats(2, 3, 4), (2, 3, 2, 4, 3)))
    for corners in (0, 1)
    for baked, lists in (((1,), False), ((), False), ((), True))
]


@pytest.mark.parametrize(**table(SAMPLES + GRIDS))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", MODES)
def test_the_first_names_of_the_modes(mode: str, padding: str, corners: int) -> None:
    """The reference does not know them."""
    attributes = {"mode": mode, "padding_mode": padding, "align_corners": corners}
    row = Row("GridSample", 16, (floats(2, 3, 4, 5), grid(2, 3, 4, 2)), attributes)
    check_by_runtime(row, symbolic=False, rtol=1e-4)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 2, 3, 2, 4)])
@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", MODES)
def test_any_number_of_dimensions_is_sampled_as_torch_samples_two_and_three(
    mode: str, padding: str, corners: bool, shape: tuple[int, ...]
) -> None:
    if mode == "bicubic" and len(shape) == 5:
        pytest.skip("torch does not")
    x = torch.from_numpy(floats(*shape))
    places = torch.from_numpy(grid(shape[0], 3, *shape[2:-1], len(shape) - 2)) * 2
    wanted = F.grid_sample(x, places, mode=mode, padding_mode=padding, align_corners=corners)
    found = grid_sample_nd(x, places, mode=MODES[mode], padding_mode=padding, align_corners=corners)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
def test_torch_samples_images(mode: str) -> None:
    row = Row("GridSample", 20, (floats(1, 2, 3, 4), grid(1, 2, 2, 2)), {"mode": mode})
    assert symbols_of(check(row, symbolic=False, rtol=1e-4, atol=1e-5)) == ["F.grid_sample"]


@pytest.mark.parametrize("attributes", [{"mode": "bilinear"}, {"padding_mode": "wrap"}], ids=str)
def test_what_onnx_does_not_have_is_refused(attributes: dict[str, str]) -> None:
    with pytest.raises(UnsupportedError, match="is not supported"):
        lower_proto(model_of(Row("GridSample", 20, (floats(1, 2, 3, 4), grid(1, 2, 2, 2)), attributes), symbolic=False))
