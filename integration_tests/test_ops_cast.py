"""Casts between all element types against ONNX's reference, and of bits against numpy."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from codegen_torch.errors import UnsupportedError
from one_node import Row, check, lower_proto, model_of, symbols_of, table
from onnx import TensorProto, helper

rng = np.random.default_rng(4)
A = rng.standard_normal((2, 6, 5)).astype(np.float32)
INTS = rng.integers(-9, 9, (2, 6, 5))

PLAIN = [
    Row("Cast", opset, (x,), {"to": to}, baked)
    for opset in (6, 9, 13, 19, 21, 23, 24, 25, 28)
    for x in (A * 3, INTS, A > 0, INTS.astype(np.int32))
    for to in (TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL, TensorProto.FLOAT16)
    for baked in ((), (0,))
] + [
    *(Row("Cast", opset, (A,), {"to": "INT32"}, expected=lambda a: a.astype(np.int32)) for opset in (1, 5)),
    *(Row("CastLike", opset, (A * 3, INTS[0]), baked=baked) for opset in (15, 19, 28) for baked in ((), (1,))),
]

# Numbers that every type has, beside some that lie between, beyond and at the edges of those of narrow ones.
NUMBERS = np.array([0, 1, 2, 3, 0.5, 0.75, 1.25, 2.5, 3.5, 5, 6, 7], np.float32)
SIGNED = np.concatenate([NUMBERS, -NUMBERS])
LARGE = [np.nan, np.inf, 447, 448, 463.9, 464, 464.1, 479, 480, 240, 247.9, 248, 256, 57344, 61439, 61440, 65500]
SMALLER = [2.0**-6, 2.0**-9, 2.0**-10, 1.5 * 2.0**-10, 3e-5, 1.2e-5, 1e-7, 0.3, 0.7, 5.1, 7.4, 26.5, 0.0625, 0.03]
HARD = np.array([*LARGE, *SMALLER, *np.negative([*LARGE, *SMALLER])], np.float32)
FLOATS = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")
FLOAT8 = ("FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ")
NARROW = (*FLOAT8, "FLOAT4E2M1", "FLOAT6E2M3", "FLOAT6E3M2", "FLOAT8E8M0")
SMALL = ("INT4", "UINT4", "INT2", "UINT2")
WIDE = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")


def of_type(name: str, numbers: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return numbers.astype(helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(name)))


def inputs(name: str) -> np.ndarray:
    if name == "FLOAT8E8M0":
        return of_type(name, 2.0 ** np.arange(-3, 3))
    if name in (*SMALL, *WIDE, "BOOL"):
        info = ml_dtypes.iinfo(of_type(name, np.zeros(1)).dtype) if name != "BOOL" else None
        extremes = np.array([0, 1] if info is None else [0, 1, info.min, info.min + 1, info.max // 2, info.max], object)
        return extremes.astype(np.int64 if name != "UINT64" else np.uint64).astype(of_type(name, np.zeros(1)).dtype)
    return of_type(name, SIGNED)


def over_int64(target: str):
    """What the reference cannot do: ml_dtypes casts no small type to another one."""
    return lambda array: of_type(target, array.astype(np.float32 if target in NARROW else np.int64))


def between(sources: tuple[str, ...], targets: tuple[str, ...]) -> list[Row]:
    return [
        Row(
            "Cast",
            28,
            (inputs(source),),
            {"to": TensorProto.DataType.Value(target)},
            baked,
            over_int64(target) if source in (*SMALL, *NARROW) and target in (*SMALL, *NARROW) else None,
        )
        for source in sources
        for target in targets
        for baked in ((), (0,))
        if source != target
    ]


def is_defined(row: Row) -> bool:
    """Whether ONNX defines the result: for negative floats as unsigned integers it does not."""
    target = TensorProto.DataType.Name(row.attributes["to"])
    return not (target.startswith("U") and row.inputs[0].dtype.kind in "fV" and (row.inputs[0] < 0).any())


ALL_TYPES = [
    *between((*FLOATS, *NARROW, *SMALL, *WIDE, "BOOL"), (*FLOATS, "BOOL")),
    *between((*SMALL, *WIDE, "BOOL"), (*SMALL, *WIDE)),
    *between((*FLOATS, "FLOAT8E4M3FN", "FLOAT4E2M1", "FLOAT8E8M0"), ("INT4", *WIDE)),
    *between((*FLOATS, "BOOL", "INT8", "UINT8", "INT4", *FLOAT8, "FLOAT4E2M1"), NARROW[:-1]),
]
NARROW_FLOATS = [
    Row("Cast", opset, (x,), {"to": TensorProto.DataType.Value(target), "saturate": saturate}, baked)
    for opset in (19, 28)
    for x in (HARD, HARD.astype(np.float16), HARD.astype(np.float64))
    for target in (FLOAT8 if opset == 19 else NARROW[:-1])
    for saturate in (1, 0)
    for baked in ((), (0,))
]
POSITIVE = np.array([0, 1, 1.2, 1.5, 1.9, 2, 3, 5, 0.7, 1e-3, 2.0**-126, 2.0**127, 3e38, np.inf, np.nan], np.float32)
POWERS_OF_TWO = [
    Row("Cast", 24, (POSITIVE,), {"to": TensorProto.FLOAT8E8M0, "saturate": saturate, "round_mode": mode})
    for saturate in (1, 0)
    for mode in ("up", "down", "nearest")
]
LIKE = [
    Row("CastLike", 28, (A, of_type(target, np.zeros(1))), {}, baked)
    for target in ("FLOAT8E5M2", "FLOAT4E2M1", "BFLOAT16", "DOUBLE")
    for baked in ((), (1,))
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(**table(PLAIN))
def test_of_plain_types(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", [*filter(is_defined, ALL_TYPES), *NARROW_FLOATS, *POWERS_OF_TWO, *LIKE], ids=str)
def test_of_all_types(row: Row) -> None:
    check(row, symbolic=False, rtol=0, atol=0)


BITS = rng.integers(0, 256, 16).astype(np.uint8)
WIDTHS = {
    "INT8": ("UINT8", *FLOAT8),
    "INT16": ("UINT16", "FLOAT16", "BFLOAT16"),
    "INT32": ("UINT32", "FLOAT"),
    "INT64": ("UINT64", "DOUBLE"),
    "UINT4": ("INT4", "FLOAT4E2M1"),
    "UINT2": ("INT2",),
}
REINTERPRETED = [
    Row(
        "BitCast",
        26,
        (x.view(of_type(a, x).dtype) if a not in SMALL else (BITS & 3).astype(of_type(a, x).dtype),),
        {"to": TensorProto.DataType.Value(b)},
        baked,
    )
    for first, others in WIDTHS.items()
    for second in others
    for a, b in ((first, second), (second, first))
    for x in (BITS,)
    for baked in ((), (0,))
    if a != "FLOAT4E2M1"
]
CODES = np.arange(16).astype(np.uint8)


@pytest.mark.parametrize("row", REINTERPRETED, ids=str)
def test_of_bits(row: Row) -> None:
    check(row, symbolic=False, rtol=0, atol=0)


def test_of_bits_of_float4() -> None:
    row = Row("BitCast", 26, (CODES.view(ml_dtypes.float4_e2m1fn),), {"to": TensorProto.UINT4})
    check(row, symbolic=False, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("row", "symbols"),
    [
        (Row("Cast", 13, (A,), {"to": TensorProto.FLOAT}), []),
        (Row("Cast", 13, (A,), {"to": TensorProto.INT64}), ["Tensor.to"]),
        (Row("Cast", 19, (A,), {"to": TensorProto.FLOAT8E4M3FN}), ["torch.clamp", "Tensor.to"]),
        (Row("BitCast", 26, (A,), {"to": TensorProto.INT32}), ["Tensor.view"]),
    ],
    ids=["to the same", "plain", "narrow", "bits"],
)
def test_is_written_as_torch_is(row: Row, symbols: list[str]) -> None:
    assert symbols_of(check(row, symbolic=False)) == symbols


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Row("Cast", 28, (A,), {"to": TensorProto.UNDEFINED}), "the element type UNDEFINED is not supported"),
        (Row("Cast", 28, (A,), {"to": 99}), "the element type 99 is not supported"),
        (Row("Cast", 28, (A,), {"to": TensorProto.FLOAT8E8M0, "round_mode": "odd"}), "round_mode 'odd' is not known"),
        (Row("BitCast", 26, (A,), {"to": TensorProto.INT64}), "float32 and int64 are not of the same width"),
    ],
    ids=str,
)
def test_what_onnx_does_not_define_is_refused(row: Row, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        lower_proto(model_of(row, symbolic=False))
