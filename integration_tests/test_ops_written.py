"""What is written for operators that torch has no function for: does torch export, cast, move and train it?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from codegen_torch.pipeline import convert
from converted import import_model
from one_node import Array, Row, model_of

rng = np.random.default_rng(11)


def floats(*shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


IMAGE = floats(2, 3, 9, 8)
CACHE = (floats(2, 4, 3, 8), *(floats(2, 2, 6, 8) for _ in range(2)))
REGIONS = np.float32([[0, 0, 9, 11], [2.3, 1.7, 7.9, 8.2], [-3, -2, 4, 5]])
GATES = (floats(1, 6, 4), floats(1, 6, 2), floats(1, 12))
ROWS = [
    Row("Conv", 22, (IMAGE, floats(4, 3, 3, 3)), {"strides": [2, 2], "auto_pad": "SAME_LOWER"}, (1,)),
    Row("MaxPool", 22, (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1], "ceil_mode": 1}),
    Row("MaxPool", 22, (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, outputs=2),
    Row("AveragePool", 22, (IMAGE,), {"kernel_shape": [2, 2], "dilations": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    Row(
        "ConvTranspose",
        22,
        (IMAGE, floats(3, 4, 3, 3), floats(4)),
        {"strides": [2, 2], "output_shape": [18, 16]},
        (1, 2),
    ),
    Row("Attention", 25, (*CACHE, None, None, None, np.array([6, 4])), {"left_window_size": 2, "softcap": 2.0}),
    Row("GRU", 22, (floats(5, 3, 4), *GATES, np.array([5, 2, 3], np.int32)), {"hidden_size": 2}, (1, 2, 3), outputs=2),
    Row(
        "RoiAlign",
        22,
        (IMAGE, REGIONS, np.array([0, 1, 1])),
        {"output_height": 3, "output_width": 2, "sampling_ratio": 2},
    ),
    Row(
        "MaxRoiPool",
        22,
        (IMAGE, np.concatenate([np.zeros((3, 1)), REGIONS], 1).astype(np.float32)),
        {"pooled_shape": [3, 2]},
    ),
    Row("DeformConv", 22, (IMAGE, floats(2, 3, 2, 2), floats(2, 8, 8, 7)), {}, (1,)),
]
CUBE = floats(2, 3, 4)
SCALES = np.float32([1, 1, 1.5, 2])
TENSORS = [
    Row("TopK", 11, (CUBE, np.array([2])), {}, (1,), outputs=2),
    Row("ReduceMax", 18, (CUBE, np.array([1])), {}, (1,)),
    Row("CumSum", 14, (CUBE, np.array(1)), {"exclusive": 1, "reverse": 1}, (1,)),
    Row("DepthToSpace", 13, (floats(2, 8, 2, 3),), {"blocksize": 2}),
    Row("ReverseSequence", 10, (CUBE, np.array([1, 2, 1])), {}),
    Row("ScatterND", 18, (CUBE, np.array([[1], [1]]), floats(2, 3, 4)), {"reduction": "max"}),
    Row("ScatterElements", 18, (CUBE, np.array([[[0, 1], [1, 0]]]), floats(1, 2, 2)), {"reduction": "mul"}),
    Row("Resize", 13, (IMAGE, None, SCALES), {"mode": "linear", "coordinate_transformation_mode": "asymmetric"}, (2,)),
    Row("Resize", 13, (IMAGE, None, SCALES), {"mode": "cubic", "cubic_coeff_a": -0.5}, (2,)),
    Row("Resize", 13, (IMAGE, None, SCALES), {"mode": "nearest", "nearest_mode": "ceil"}, (2,)),
    Row("Resize", 18, (IMAGE, None, None, np.array([3, 3])), {"mode": "linear", "antialias": 1, "axes": [2, 3]}, (3,)),
    Row("GridSample", 20, (IMAGE, floats(2, 2, 3, 2)), {"mode": "cubic"}),
    Row("GridSample", 20, (floats(2, 3, 6), floats(2, 4, 1)), {"mode": "linear"}),
    Row("Pad", 19, (CUBE, np.array([0, 1, 0, 0, 1, 0])), {"mode": "wrap"}, (1,)),
    Row("CenterCropPad", 18, (IMAGE, np.array([3, 12])), {"axes": [2, 3]}, (1,)),
    Row("OneHot", 11, (np.array([1, 2]), np.array(5), floats(2)), {}, (1,)),
    Row("GatherND", 12, (CUBE, np.array([[0, 1], [1, 2]])), {}),
    Row("Einsum", 12, (CUBE, CUBE), {"equation": "bij,bkj->bik"}),
]


def flat(result: Any) -> list[torch.Tensor]:
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", ROWS + TENSORS, ids=lambda row: f"{row.op} {row.attributes}")
def test_torch_exports_casts_moves_and_trains_it(row: Row, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(model_of(row, symbolic=True).SerializeToString())
    convert(tmp_path / "m.onnx", tmp_path / "out")
    module = import_model(tmp_path / "out")
    model = module.load_model()
    arrays = [a for i, a in enumerate(row.inputs) if a is not None and i not in row.baked]
    inputs = [torch.from_numpy(np.array(a)).requires_grad_(a.dtype == np.float32) for a in arrays]
    wanted = flat(model(*inputs))

    sum(value.sum() for value in wanted if value.requires_grad).backward()
    gradients = [tensor.grad for tensor in (next(v for v in inputs if v.requires_grad), *model.parameters())]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)

    given = [value.detach() for value in inputs]
    sizes = tuple(dict.fromkeys(range(value.dim()), torch.export.Dim.AUTO) for value in given)
    exported = torch.export.export(model, tuple(given), dynamic_shapes=sizes).module()
    for found, value in zip(flat(exported(*given)), wanted, strict=True):
        torch.testing.assert_close(found, value)

    halves = [value.bfloat16() if value.is_floating_point() else value for value in given]
    cast = flat(module.load_model(dtype=torch.bfloat16)(*halves))
    assert all(found.dtype is torch.bfloat16 for found, value in zip(cast, wanted, strict=True) if value.requires_grad)

    moved = flat(module.load_model(device="meta")(*(value.to("meta") for value in given)))
    assert [value.shape for value in moved] == [value.shape for value in wanted]
