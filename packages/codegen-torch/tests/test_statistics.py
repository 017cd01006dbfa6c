"""The statistics of a tensor, held against numpy's own over the whole of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from codegen_torch.dtypes import DType
from codegen_torch.minifloats import bfloat16_bits
from codegen_torch.statistics import BINS, Statistics, statistics
from codegen_torch.tensors import TensorRef


def of(array: np.ndarray, dtype: DType | None = None) -> Statistics:
    found = statistics(TensorRef.of_array(array, dtype))
    assert found is not None
    return found


@given(arrays(np.float32, array_shapes(), elements=st.floats(width=32)))
def test_floats(array: np.ndarray) -> None:
    found = of(array)
    finite = array[np.isfinite(array)].astype(np.float64)
    assert found.odd == array.size - finite.size
    assert found.count == finite.size
    if not finite.size:
        assert math.isnan(found.mean)
        return
    assert (found.low, found.high) == (finite.min(), finite.max())
    assert found.zeros == np.count_nonzero(finite == 0)
    scale = float(np.abs(finite).max())
    assert found.mean == pytest.approx(finite.mean(), rel=1e-9, abs=1e-12 * scale)
    assert found.std == pytest.approx(finite.std(), rel=1e-6, abs=1e-9 * scale)
    assert sum(found.bins) in {found.count, 0}


def test_several_blocks_are_one_tensor() -> None:
    array = np.random.default_rng(0).normal(3, 2, 700_001).astype(np.float32)
    found = of(array)
    assert found.mean == pytest.approx(array.mean(dtype=np.float64))
    assert found.std == pytest.approx(array.std(dtype=np.float64))
    counts, _ = np.histogram(array.astype(np.float64), BINS)
    assert np.abs(np.array(found.bins) - counts).sum() <= 4  # numbers at the border of two bins


def test_types_that_numpy_lacks() -> None:
    numbers = np.array([-1.0, 0.0, 0.5, 3.0], np.float32)
    found = of(bfloat16_bits(numbers), DType.BFLOAT16)
    assert (found.low, found.high, found.mean, found.zeros) == (-1.0, 3.0, 0.625, 1)


def test_integers_and_booleans() -> None:
    assert of(np.array([-(1 << 63), (1 << 63) - 1])).low == -float(1 << 63)
    assert of(np.array([True, False, True, True])).mean == 0.75


def test_the_ends_of_the_range_fall_into_the_outer_bins() -> None:
    found = of(np.arange(BINS + 1, dtype=np.float64))
    assert found.bins == (1,) * (BINS - 1) + (2,)
    widest = of(np.array([-np.finfo(np.float64).max, np.finfo(np.float64).max]))
    assert (widest.bins[0], widest.bins[-1]) == (1, 1)


def test_one_value_has_no_bins() -> None:
    assert of(np.full((3, 3), 2.5)).bins == ()
    assert of(np.zeros((0,), np.float32)).count == 0


def test_what_has_no_statistics() -> None:
    assert statistics(TensorRef.of_array(np.array(["a"], object))) is None
    assert statistics(TensorRef.of_array(np.array([1j]))) is None
