"""Fourier transforms, windows and the mel scale against ONNX's reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from one_node import Row, check, symbols_of, table
from onnx import TensorProto

rng = np.random.default_rng(15)


def floats(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


REAL, COMPLEX = floats(2, 6, 4, 1), floats(2, 6, 4, 2)
KINDS = [
    (REAL, {}),
    (REAL, {"onesided": 1}),
    (COMPLEX, {}),
    (COMPLEX, {"inverse": 1}),
    (COMPLEX, {"inverse": 1, "onesided": 1}),
    (REAL, {"inverse": 1}),
]


def transformed(axis: int, length: int | None, attributes: dict[str, int]) -> Any:
    """numpy's transform; the reference takes a length of rank 0 for a tuple."""

    def expected(x: np.ndarray, *_: np.ndarray) -> np.ndarray:
        signal = x[..., 0] if x.shape[-1] == 1 else x[..., 0] + 1j * x[..., 1]
        place = axis % x.ndim
        if attributes == {"inverse": 1, "onesided": 1}:
            return np.fft.irfft(signal, length, place)[..., None].astype(x.dtype)
        function = np.fft.ifft if attributes.get("inverse") else np.fft.rfft if attributes else np.fft.fft
        result = function(signal, length, place)
        return np.stack([result.real, result.imag], -1).astype(x.dtype)

    return expected


DFT = [
    Row("DFT", 17, (x, *length), {"axis": axis, **attributes}, baked, transformed(axis, *counts, attributes))
    for x, attributes in KINDS
    for axis in (1, 2, -2)
    for counts in ((None,), (4,), (9,))
    for length in [() if counts == (None,) else (np.array(counts[0]),)]
    for baked in ((1,), ())
] + [
    Row(
        "DFT",
        opset,
        (x, None if length is None else np.array(length), np.array(axis)),
        attributes,
        baked,
        transformed(axis, length, attributes),
    )
    for opset in (20, 28)
    for x, attributes in (*KINDS, (REAL.astype(np.float64), {}))
    for axis in (0, 1, -2)
    for length in (None, 5, 8)
    for baked in ((1, 2), (1,), ())
]
DEFAULT_AXIS = [Row("DFT", 20, (REAL,), {}, (), transformed(-2, None, {}))]
SIGNAL, SPIRAL = floats(2, 20, 1), floats(2, 20, 2)
WINDOW = (rng.random(6) + 0.5).astype(np.float32)
STFT = [
    Row("STFT", opset, (x, np.array(step), window, length), {"onesided": onesided}, baked)
    for opset in (17, 28)
    for x, onesided in ((SIGNAL, 0), (SIGNAL, 1), (SPIRAL, 0))
    for step in (2, 5)
    for window, length in ((WINDOW, None), (None, np.array(6)), (WINDOW, np.array(6)), (None, np.array(20)))
    for baked in ((1, 2, 3), (1, 2), ())
]


def half(size: np.ndarray) -> np.ndarray:
    return (np.sin(np.pi * np.arange(size) / size) ** 2).astype(np.float16)


WINDOWS = [
    Row(op, 17, (np.array(size),), {"periodic": periodic, "output_datatype": kind}, baked)
    for op in ("HannWindow", "HammingWindow", "BlackmanWindow")
    for size in (2, 7, 10)
    for periodic in (0, 1)
    for kind in (TensorProto.FLOAT, TensorProto.DOUBLE)
    for baked in ((0,), ())
] + [
    *(Row(op, 17, (np.array(8, np.int32),)) for op in ("HannWindow", "HammingWindow", "BlackmanWindow")),
    Row("HannWindow", 17, (np.array(8),), {"output_datatype": TensorProto.FLOAT16}, (0,), expected=half),
]


MELS = [
    Row(
        "MelWeightMatrix",
        17,
        (np.array(bins), np.array(length), np.array(rate), np.float32(low), np.float32(high)),
        {"output_datatype": kind},
        baked,
    )
    for bins, length, rate, low, high in ((8, 16, 8192, 0, 4096), (5, 64, 16000, 20, 7600), (40, 256, 16000, 125, 7500))
    for kind in (TensorProto.FLOAT, TensorProto.DOUBLE)
    for baked in ((0, 1, 2, 3, 4), ())
]


@pytest.mark.parametrize(**table(DFT + DEFAULT_AXIS + STFT + WINDOWS + MELS))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-4, atol=1e-5)


def test_is_written_as_torch_is() -> None:
    row = Row("DFT", 17, (REAL,), {"onesided": 1})
    symbols = symbols_of(check(row, symbolic=False, rtol=1e-4, atol=1e-5))
    assert symbols == ["Tensor.squeeze", "torch.fft.rfft", "torch.view_as_real"]
    row = Row("HannWindow", 17, (np.array(9),), {}, (0,))
    assert symbols_of(check(row, symbolic=False)) == ["torch.hann_window"]


def test_a_transform_of_half_precision_keeps_it() -> None:
    x = REAL.astype(np.float16)
    wanted = transformed(1, None, {})(x.astype(np.float32)).astype(np.float16)
    check(Row("DFT", 17, (x,), {}, (), lambda _: wanted), symbolic=False, rtol=1e-2, atol=1e-2)
