"""Quantized operators of com.microsoft, and packed weights, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from microsoft import Node, check

rng = np.random.default_rng(9)


def floats(*shape: int, dtype=np.float32) -> np.ndarray:
    return rng.standard_normal(shape).astype(dtype)


def integers(dtype, *shape: int) -> np.ndarray:
    info = ml_dtypes.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


def parameters(scale: float, zero: int, dtype) -> tuple[np.ndarray, np.ndarray]:
    return np.array(scale, np.float32), np.array(zero, dtype)


def both(op: str, inputs: tuple, attributes: dict | None = None, **options) -> list[Node]:
    """A line as it is, and with all inputs but the first as initializers."""
    given = [position for position, array in enumerate(inputs) if array is not None]
    return [Node(op, inputs, attributes or {}, baked, **options) for baked in ((), tuple(given[1:]))]


BYTES = (np.uint8, np.int8)
ELEMENTWISE = [
    node
    for dtype in BYTES
    for middle in (128 if dtype == np.uint8 else -3,)
    for x in (integers(dtype, 2, 4, 6),)
    for a, b, c in (
        (parameters(0.03, middle, dtype), parameters(0.11, middle + 2, dtype), parameters(0.07, middle, dtype)),
    )
    for node in (
        *both("QLinearAdd", (x, *a, integers(dtype, 2, 4, 6), *b, *c)),
        *both("QLinearAdd", (x, *a, integers(dtype, 6), *b, *c)),
        *both("QLinearMul", (x, *a, integers(dtype, 4, 1), *b, *c)),
        *both("QLinearMul", (x, *a, integers(dtype, 2, 4, 6), *b, parameters(0.9, 0, dtype)[0], c[1])),
        *both("QLinearLeakyRelu", (x, *a, *c), {"alpha": 0.2}),
        *both("QLinearSigmoid", (x, *a, *parameters(1 / 256, 0 if dtype == np.uint8 else -128, dtype))),
        *both("QLinearConcat", (*c, x, *a, integers(dtype, 2, 3, 6), *b), {"axis": 1}),
        *both("QuantizeLinear", (floats(3, 4), *c)),
        *both("QuantizeLinear", (floats(3, 4), np.float32([0.1, 0.2, 0.3, 0.4]), integers(dtype, 4)), {"axis": 1}),
        *both("DequantizeLinear", (x, *a)),
        *both("DequantizeLinear", (x, np.float32([0.1, 0.2, 0.3, 0.4]), integers(dtype, 4)), {"axis": -2}),
    )
]
SOFTMAX = [
    node
    for dtype in BYTES
    for opset, axis in ((13, -1), (13, 1), (12, 1))
    for node in both(
        "QLinearSoftmax",
        (
            integers(dtype, 2, 4, 6),
            *parameters(0.02, 3, dtype),
            *parameters(1 / 256, 0 if dtype == np.uint8 else -128, dtype),
        ),
        {"axis": axis, "opset": opset},
    )
]
IMAGE = integers(np.uint8, 2, 3, 6, 5)
LAST = np.ascontiguousarray(np.moveaxis(IMAGE, 1, -1))
QUARTERS = (*parameters(0.5, 120, np.uint8), *parameters(0.3, 100, np.uint8))
POOLS = [
    *(
        node
        for x, last in ((IMAGE, 0), (LAST, 1))
        for node in both("QLinearGlobalAveragePool", (x, *QUARTERS), {"channels_last": last})
    ),
    *(
        node
        for x, last in ((IMAGE, 0), (LAST, 1))
        for attributes in (
            {},
            {"pads": [1, 0, 1, 1], "strides": [2, 1]},
            {"pads": [1, 1, 1, 1], "count_include_pad": 1},
        )
        for node in both(
            "QLinearAveragePool", (x, *QUARTERS), {"kernel_shape": [3, 2], "channels_last": last, **attributes}
        )
    ),
]
A, B = integers(np.uint8, 4, 7), integers(np.int8, 7, 5)
PER_COLUMN = (np.float32([0.1, 0.2, 0.3, 0.4, 0.5]), integers(np.int8, 5))
A_PARAMETERS, B_PARAMETERS = parameters(0.05, 113, np.uint8), parameters(0.02, 4, np.int8)
PRODUCTS = [
    *(
        node
        for b in (B_PARAMETERS, PER_COLUMN)
        for c in (None, rng.integers(-9999, 9999, 5).astype(np.int32))
        for rest in ((), parameters(0.3, 100, np.uint8))
        for node in both("QGemm", (A, *A_PARAMETERS, B, *b, c, *rest), {"alpha": 1.5})
    ),
    *both("QGemm", (A.T.copy(), *A_PARAMETERS, B.T.copy(), *B_PARAMETERS), {"transA": 1, "transB": 1}),
    *(
        node
        for b_scale, b_zero in (B_PARAMETERS, PER_COLUMN)
        for bias in ((), (floats(5),))
        for node in (
            *both("MatMulIntegerToFloat", (A, B, A_PARAMETERS[0], b_scale, A_PARAMETERS[1], b_zero, *bias)),
            *both("DynamicQuantizeMatMul", (floats(3, 4, 7), B, b_scale, b_zero, *bias)),
        )
    ),
    *both("MatMulIntegerToFloat", (A, B, A_PARAMETERS[0], B_PARAMETERS[0])),
    *both("DynamicQuantizeMatMul", (floats(4, 7), B.astype(np.uint8), B_PARAMETERS[0])),
]


def packed_weight(bits: int, block: int, features: int, outputs: int, zero: str) -> tuple:
    """The inputs of MatMulNBits behind the first."""
    blocks = -(-features // block)
    zeros = {
        "none": (),
        "packed": (integers(np.uint8, outputs, -(-blocks * bits // 8)),),
        "floats": (floats(outputs, blocks) + 2 ** (bits - 1),),
    }[zero]
    return integers(np.uint8, outputs, blocks, block * bits // 8), floats(outputs, blocks) / 8, *zeros


PACKED = [
    Node("MatMulNBits", inputs, {"K": features, "N": 6, "bits": bits, "block_size": block}, baked, fixed=fixed)
    for bits in (2, 4, 8)
    for block, features in ((16, 48), (32, 70))
    for zero in ("none", "packed", *(("floats",) if bits == 4 else ()))
    for rest in (packed_weight(bits, block, features, 6, zero),)
    for inputs in ((floats(2, 3, features), *rest), (floats(3, features), *rest, *(None,) * (4 - len(rest)), floats(6)))
    for baked, fixed in (((), range(1, 6)), (tuple(i for i in range(1, len(inputs)) if inputs[i] is not None), ()))
]


def table(bits: int, block: int, zero: bool) -> tuple:
    data = integers(np.uint8, 9, 64 * bits // 8)
    return data, floats(9, 64 // block), *((integers(np.uint8, 9, -(-64 // block * bits // 8)),) if zero else ())


ROWS = np.array([[0, 8, 3], [-1, 2, 2]])
GATHERS = [
    *(
        Node("GatherBlockQuantized", (data, ROWS, *rest), {"bits": bits, "block_size": block}, baked, fixed=(0, 2, 3))
        for bits in (4, 8)
        for block in (16, 32)
        for zero in (False, True)
        for data, *rest in (table(bits, block, zero),)
        for baked in ((), (0, *range(2, 2 + len(rest))))
    ),
    *(
        Node("GatherBlockQuantized", (data, ROWS, *rest), {"block_size": 16, **axes}, (0, *range(2, 2 + len(rest))))
        for dtype in (ml_dtypes.int4, ml_dtypes.uint4)
        for shape, scales, axes in (
            ((9, 32), (9, 2), {}),
            ((32, 9), (2, 9), {"gather_axis": 1, "quantize_axis": 0}),
            ((9, 3, 40), (9, 3, 3), {"quantize_axis": -1}),
        )
        for data in (integers(dtype, *shape),)
        for rest in ((floats(*scales),), (floats(*scales), integers(dtype, *scales)))
    ),
]


@pytest.mark.parametrize("node", ELEMENTWISE + POOLS + [n for n in PRODUCTS if n.op == "QGemm"], ids=str)
def test_quantized_results(node: Node, tmp_path: Path) -> None:
    check(node, tmp_path, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("node", SOFTMAX, ids=str)
def test_softmax_by_a_table(node: Node, tmp_path: Path) -> None:
    """ONNX Runtime looks exponentials up in a table of rounded ones, so that its result may be one off."""
    check(node, tmp_path, rtol=0, atol=1)


@pytest.mark.parametrize("node", [n for n in PRODUCTS if n.op != "QGemm"] + PACKED + GATHERS, ids=str)
def test_real_results(node: Node, tmp_path: Path) -> None:
    check(node, tmp_path, rtol=1e-4, atol=2e-4)


def test_packed_weights_stay_packed(tmp_path: Path) -> None:
    inputs = (floats(2, 48), *packed_weight(4, 16, 48, 6, "packed"))
    source = check(Node("MatMulNBits", inputs, {"K": 48, "N": 6, "bits": 4, "block_size": 16}, (1, 2, 3)), tmp_path)
    assert "torch.empty(6, 3, 8, dtype=torch.uint8)" in source
    assert "weight = dequantize_blocks(self.x1, self.x2, self.x3, bits=4, features=48)" in source
    assert "F.linear(x0, weight)" in source
