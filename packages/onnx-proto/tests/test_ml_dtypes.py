"""Arrays of ml_dtypes, for those who ask."""

import sys

import ml_dtypes
import numpy as np
import pytest

from onnx_proto import DataType, UnsupportedTypeError
from onnx_proto.build import tensor

NAMED = [dtype for dtype in DataType if hasattr(ml_dtypes, dtype.label)]


def test_all_types_that_numpy_lacks_are_there() -> None:
    assert {dtype.name for dtype in NAMED} == {
        *("BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "FLOAT8E8M0"),
        *("FLOAT6E2M3", "FLOAT6E3M2", "FLOAT4E2M1", "INT4", "UINT4", "INT2", "UINT2"),
    }


@pytest.mark.parametrize("dtype", NAMED, ids=lambda dtype: dtype.name)
def test_values_come_back_as_they_were_given(dtype: DataType) -> None:
    numbers = [[0, 1]] if dtype is not DataType.FLOAT8E8M0 else [[1, 2]]
    values = np.array(numbers).astype(getattr(ml_dtypes, dtype.label))

    array = tensor("w", values).numpy(ml_dtypes=True)

    assert array.dtype == values.dtype
    assert array.astype(np.float32).tolist() == numbers
    assert not array.flags.writeable


def test_negative_small_integers_keep_their_sign() -> None:
    assert tensor("w", [-8, 7, -1], "int4").numpy(ml_dtypes=True).astype(np.int8).tolist() == [-8, 7, -1]


def test_types_that_numpy_has_stay() -> None:
    assert tensor("w", [1.5]).numpy(ml_dtypes=True).dtype == np.float32
    assert tensor("w", ["a"]).numpy(ml_dtypes=True).tolist() == ["a"]


def test_without_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)

    with pytest.raises(UnsupportedTypeError, match=r"onnx-proto\[ml-dtypes\]"):
        tensor("w", [1], "int4").numpy(ml_dtypes=True)
    assert tensor("w", [1], "int4").numpy().tolist() == [1]
