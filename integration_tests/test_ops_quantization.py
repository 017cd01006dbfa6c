"""Linear quantization against ONNX's reference; products of integers also against numpy's, exactly."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from codegen_torch.errors import UnsupportedError
from one_node import Row, check, lower_proto, model_of, symbols_of, table
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

rng = np.random.default_rng(6)
X = (rng.standard_normal((2, 6, 4)) * 40).astype(np.float32)
X[0, 0] = [0.5, 1.5, -2.5, 1e9]  # ties, and what is far beyond
SCALE = np.float32(0.5)
PER_CHANNEL = np.array([0.5, 0.25, 1, 2, 0.125, 4], np.float32)
BLOCKS = 2.0 ** rng.integers(-2, 2, (2, 3, 4)).astype(np.float32)
UNEVEN = 2.0 ** rng.integers(-2, 2, (2, 2, 4)).astype(np.float32)  # blocks of 4 elements, the last of them of 2
INTEGERS = ("uint8", "int8", "uint16", "int16", "uint4", "int4", "uint2", "int2")
FLOAT8 = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")
SINCE = {"16": 21, "t4": 21, "t2": 25, "t8": 10}


def of_type(array: np.ndarray | int, name: str) -> np.ndarray:
    return np.asarray(array).astype(getattr(ml_dtypes, name, None) or name)


def zeros_like(scale: np.ndarray, name: str) -> np.ndarray:
    return of_type(np.arange(np.size(scale)).reshape(np.shape(scale)) % 3 - (1 if name.startswith("i") else 0), name)


def quantizations(name: str, opset: int) -> list[Row]:
    per_tensor = [(SCALE, {}), (SCALE.reshape(1), {})]
    per_axis = [(PER_CHANNEL, {}), (PER_CHANNEL, {"axis": -2}), (PER_CHANNEL[:4], {"axis": 2})] if opset >= 13 else []
    blocked = [(BLOCKS, {"block_size": 2}), (UNEVEN, {"axis": -2, "block_size": 4})] if opset >= 21 else []
    return [
        Row("QuantizeLinear", opset, (X, scale, zeros_like(scale, name)), attributes, baked)
        for scale, attributes in (*per_tensor, *per_axis, *blocked)
        for baked in ((), (1, 2))
    ]


QUANTIZED = [
    row
    for name in INTEGERS
    for opset in (10, 13, 19, 21, 23, 25)
    if opset >= SINCE[name[-2:]]
    for row in quantizations(name, opset)
] + [
    *(Row("QuantizeLinear", opset, (X, SCALE)) for opset in (10, 28)),
    *(
        Row("QuantizeLinear", opset, (X, scale, of_type(np.zeros(np.shape(scale)), name)), {"saturate": saturate})
        for opset in (19, 25)
        for name in FLOAT8
        for scale in (SCALE, PER_CHANNEL)
        for saturate in (0, 1)
    ),
    *(
        Row("QuantizeLinear", 25, (X, SCALE), {"output_dtype": helper.np_dtype_to_tensor_dtype(of_type(0, name).dtype)})
        for name in (*INTEGERS, *FLOAT8, "float4_e2m1fn")
    ),
    *(
        Row("QuantizeLinear", 21, (X.clip(-3e4, 3e4).astype(np.float16), np.float16(0.5), of_type(1, name)))
        for name in INTEGERS[:6]
    ),
    Row("QuantizeLinear", 23, (X.clip(-9e3, 9e3), np.float16(0.5)), {"precision": TensorProto.FLOAT}),
    Row("QuantizeLinear", 23, (np.zeros((0, 3), np.float32), SCALE)),
]


def stored(name: str, shape: tuple[int, ...] = (2, 6, 4)) -> np.ndarray:
    info = ml_dtypes.iinfo(of_type(0, name).dtype)
    return of_type(rng.integers(info.min, int(info.max) + 1, shape), name)


def as_at_19(attributes: dict[str, int]):
    """What the reference, which has no older version, makes of it."""

    def expected(*arrays: np.ndarray) -> np.ndarray:
        model = model_of(Row("DequantizeLinear", 19, arrays, attributes), symbolic=False)
        return ReferenceEvaluator(model).run(None, {f"x{i}": array for i, array in enumerate(arrays)})[0]

    return expected


def dequantizations(name: str, opset: int) -> list[Row]:
    per_axis = [(PER_CHANNEL, {}), (PER_CHANNEL, {"axis": -2}), (PER_CHANNEL[:4], {"axis": 2})] if opset >= 13 else []
    blocked = [(BLOCKS, {"block_size": 2}), (UNEVEN, {"axis": -2, "block_size": 4})] if opset >= 21 else []
    return [
        Row(
            "DequantizeLinear",
            opset,
            (stored(name), scale, zeros_like(scale, name)),
            attributes,
            baked,
            as_at_19(attributes) if opset < 19 else None,
        )
        for scale, attributes in ((SCALE, {}), (SCALE.reshape(1), {}), *per_axis, *blocked)
        for baked in ((), (1, 2), (0, 1, 2))
    ]


DEQUANTIZED = [
    row
    for name in INTEGERS
    for opset in (10, 13, 19, 21, 24, 28)
    if opset >= SINCE[name[-2:]]
    for row in dequantizations(name, opset)
] + [
    Row("DequantizeLinear", 10, (stored("int32"), SCALE), expected=as_at_19({})),
    *(
        Row("DequantizeLinear", 19, (of_type(X[1] / 8, name), scale, of_type(0, name)), {}, baked)
        for name in FLOAT8
        for scale in (SCALE, np.float16(0.5))
        for baked in ((), (0, 1, 2))
    ),
    *(Row("DequantizeLinear", 23, (of_type(X[1] / 8, "float4_e2m1fn"), SCALE), {}, baked) for baked in ((), (0, 1))),
    *(Row("DequantizeLinear", 21, (stored(name), np.float16(0.3), of_type(1, name))) for name in INTEGERS[:6]),
    *(Row("DequantizeLinear", 23, (stored("int8"), SCALE), {"output_dtype": to}) for to in (1, 10)),
]
DYNAMIC = [
    Row("DynamicQuantizeLinear", 11, (x,), outputs=3)
    for x in (X[1], -np.abs(X[1]), np.abs(X[1]), np.zeros((2, 3), np.float32), np.float32([[3]]))
]

A = rng.integers(0, 256, (3, 2, 5, 7)).astype(np.uint8)
B = rng.integers(-128, 128, (2, 7, 4)).astype(np.int8)
LONG = np.full((1, 70000), 255, np.uint8)  # whose square is beyond int32 and every exact float32
NO_ZERO = np.int8(0)
ZERO_POINTS = [
    (None, None),
    (np.uint8(9), np.int8(-3)),
    (np.arange(5).astype(np.uint8), np.arange(4).astype(np.int8)),
    (rng.integers(0, 256, (3, 2, 5, 1)).astype(np.uint8), rng.integers(-9, 9, (2, 1, 4)).astype(np.int8)),
]


def int_product(a: np.ndarray, b: np.ndarray, a_zero=NO_ZERO, b_zero=NO_ZERO) -> np.ndarray:
    row = a_zero[:, None] if a_zero.ndim == 1 else a_zero
    with np.errstate(over="ignore"):
        return ((a.astype(np.int64) - row) @ (b.astype(np.int64) - b_zero.astype(np.int64))).astype(np.int32)


PRODUCTS = [
    *(
        Row("MatMulInteger", 10, (a, b, *zeros), {}, baked, int_product)
        for zeros in ZERO_POINTS
        for a, b in ((A, B), (A[0, 0], B[0]), (A[0, 0].astype(np.int8), B[0].astype(np.uint8)))
        for baked in ((), (1,), (2, 3))
        if (zeros[1] is None or zeros[1].ndim < 3 or a.ndim == 4)
        if (zeros[0] is not None or baked != (2, 3))
    ),
    Row("MatMulInteger", 10, (LONG, LONG.T), {}, (), int_product),
]


def requantized(total, factor, zero: np.ndarray) -> np.ndarray:
    """As ONNX Runtime does it: in float32, rounded before the zero point is added."""
    info = np.iinfo(zero.dtype)
    scaled = np.rint(total.astype(np.float32) * np.float32(factor))
    return np.clip(scaled + zero, info.min, info.max).astype(zero.dtype)


def qlinear_product(a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero) -> np.ndarray:
    row = a_scale[:, None] if a_scale.ndim == 1 else a_scale
    return requantized(int_product(a, b, a_zero, b_zero), row * b_scale / y_scale, y_zero)


QLINEAR_PRODUCTS = [
    Row("QLinearMatMul", opset, inputs, {}, baked, qlinear_product)
    for opset in (10, 21)
    for inputs in (
        (A, np.float32(0.01), np.uint8(113), B, np.float32(0.02), np.int8(-3), np.float32(0.3), np.uint8(118)),
        (
            *(A[0, 0], np.float32([0.01, 0.02, 0.03, 0.04, 0.05]), np.arange(5).astype(np.uint8)),
            *(B[0], np.float32([0.1, 0.2, 0.3, 0.4]), np.arange(4).astype(np.int8), np.float32(3), np.int8(-5)),
        ),
    )
    for baked in ((), (1, 2, 3, 4, 5, 6, 7))
]

IMAGE = rng.integers(0, 256, (2, 4, 6, 5)).astype(np.uint8)
KERNEL = rng.integers(-128, 128, (6, 2, 3, 2)).astype(np.int8)
PLAIN_KERNEL = rng.integers(0, 256, (3, 4, 3, 3)).astype(np.uint8)
BIAS = rng.integers(-9999, 9999, 6).astype(np.int32)
MOVES = [
    (KERNEL, {"group": 2}),
    (KERNEL, {"group": 2, "pads": [1, 0, 2, 1], "strides": [2, 1], "dilations": [1, 2]}),
    (PLAIN_KERNEL, {"auto_pad": "SAME_UPPER"}),
    (PLAIN_KERNEL, {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}),
]


def kernel_zero(kernel: np.ndarray, count: int) -> np.ndarray:
    return (np.arange(count) + 1).astype(kernel.dtype) if count else kernel.dtype.type(7)


CONVOLUTIONS = [
    *(
        Row("ConvInteger", 10, inputs, attributes, baked)
        for kernel, attributes in MOVES
        for inputs in (
            (IMAGE, kernel),
            (IMAGE, kernel, np.uint8(100)),
            (IMAGE, kernel, np.uint8(100), kernel_zero(kernel, 0)),
            (IMAGE, kernel, np.uint8(100), kernel_zero(kernel, len(kernel))),
        )
        for baked in ((), tuple(range(1, len(inputs))))
    ),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(**table(QUANTIZED + DEQUANTIZED + DYNAMIC))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-6 if row.inputs[1:2] and row.inputs[1].dtype != np.float16 else 1e-3, atol=0)


@pytest.mark.parametrize(**table(PRODUCTS + QLINEAR_PRODUCTS + CONVOLUTIONS))
def test_products_are_exact(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=0, atol=0)


@pytest.mark.parametrize("baked", [(), (3,), (1, 2, 3, 4, 5, 6, 7, 8)])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize(("kernel", "attributes"), MOVES)
def test_convolutions_are_those_of_onnx_runtime(kernel, attributes, with_bias: bool, baked: tuple[int, ...]) -> None:
    import onnxruntime

    scales = (np.arange(len(kernel)) + 1).astype(np.float32) / 64
    zeros = np.zeros(len(kernel), np.int8) if kernel.dtype == np.int8 else np.uint8(7)
    inputs = (
        *(IMAGE, np.float32(0.1), np.uint8(100)),
        *(kernel, scales if kernel.dtype == np.int8 else scales[0], zeros, np.float32(1.7), np.uint8(90)),
        *((BIAS[: len(kernel)],) if with_bias else ()),
    )

    def expected(*arrays: np.ndarray) -> np.ndarray:
        model = model_of(Row("QLinearConv", 10, inputs, attributes), symbolic=False)
        model.ir_version, model.graph.output[0].type.tensor_type.elem_type = 10, TensorProto.UINT8
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(None, {f"x{i}": np.asarray(array) for i, array in enumerate(arrays)})[0]

    baked = tuple(position for position in baked if position < len(inputs))
    row = Row("QLinearConv", 10, inputs, attributes, baked, expected)
    for symbolic in (False, True):
        check(row, symbolic=symbolic, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("row", "symbols"),
    [
        (
            Row("QuantizeLinear", 13, (X, SCALE, np.uint8(0)), {}, (1, 2)),
            ["operator.truediv", "torch.round", "torch.clamp", "Tensor.to"],
        ),
        (Row("DequantizeLinear", 19, (stored("int8"), SCALE, np.int8(0)), {}, (1, 2)), ["Tensor.to", "operator.mul"]),
        (
            Row("MatMulInteger", 10, (A, B, np.uint8(0)), {}, (1, 2)),
            ["Tensor.to", "Tensor.to", "operator.matmul", "Tensor.to", "Tensor.to"],
        ),
    ],
    ids=["quantize", "dequantize", "product"],
)
def test_is_written_as_torch_is(row: Row, symbols: list[str]) -> None:
    assert symbols_of(check(row, symbolic=False)) == symbols


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Row("QuantizeLinear", 21, (X, SCALE, np.uint8(0)), {"output_dtype": 3}), "contradicts the zero point"),
        (Row("QuantizeLinear", 21, (X, SCALE), {"output_dtype": 1}), "float32 is no quantized type"),
        (Row("QuantizeLinear", 21, (X, BLOCKS), {}), "without a block_size"),
        (Row("QuantizeLinear", 21, (X, PER_CHANNEL), {"block_size": 2}), "blocks of 2 elements"),
    ],
    ids=str,
)
def test_what_contradicts_itself_is_refused(row: Row, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        lower_proto(model_of(row, symbolic=False))
