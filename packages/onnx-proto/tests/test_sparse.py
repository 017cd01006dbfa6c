"""Sparse tensors: values, and indices that nobody can use to reach outside the tensor."""

from pathlib import Path

import numpy as np
import pytest

import onnx_proto
from onnx_proto import FormatError, LimitError, OnnxError, SparseTensor
from onnx_proto.build import graph, model, sparse_tensor, tensor

MANY = 1000  # indices of this number are too many bytes to be read when the model is loaded


def reloaded(sparse: SparseTensor, path: Path) -> SparseTensor:
    onnx_proto.save(model(graph([], [], [], [sparse])), path)
    (loaded,) = onnx_proto.load(path).graph.sparse_initializers
    return loaded


def test_indices_become_linear() -> None:
    by_rows = sparse_tensor("s", [1.0, 2.0, 3.0], [[0, 1], [1, 0], [1, 2]], [2, 3])

    assert by_rows.linear_indices().tolist() == [1, 3, 5]
    assert sparse_tensor("s", [1.0, 2.0], [1, 5], [2, 3]).linear_indices().tolist() == [1, 5]
    assert sparse_tensor("s", [], np.empty((0, 2), np.int64), [2, 3]).linear_indices().tolist() == []


MISPLACED = {
    "beyond the end": ([1, 6], [2, 3], FormatError, "index [6] of value 1 lies outside shape [2, 3]"),
    "negative": ([-1, 2], [2, 3], FormatError, "index [-1] of value 0 lies outside"),
    "row beyond the end": ([[0, 0], [2, 0]], [2, 3], FormatError, "index [2, 0] of value 1 lies outside"),
    "descending": ([5, 1], [2, 3], FormatError, "not in ascending order at value 1"),
    "repeated": ([[1, 1], [1, 1]], [2, 3], FormatError, "not in ascending order at value 1"),
    "huge shape": ([1, 2], [1 << 40, 1 << 40], LimitError, "more elements than an int64 can count"),
}


@pytest.mark.parametrize(("indices", "shape", "error", "text"), MISPLACED.values(), ids=MISPLACED.keys())
def test_misplaced_values_are_refused_when_loaded(
    indices: list[int], shape: list[int], error: type[OnnxError], text: str
) -> None:
    data = onnx_proto.dumps(model(graph([], [], [], [sparse_tensor("s", [1.0, 2.0], indices, shape)])))

    with pytest.raises(error) as caught:
        onnx_proto.loads(data)

    assert str(caught.value).startswith("graph.sparse_initializer[0]: ")
    assert text in str(caught.value)


def test_misplaced_values_in_the_file_are_refused_when_read(tmp_path: Path) -> None:
    sparse = reloaded(sparse_tensor("s", np.ones(MANY), np.arange(MANY), [MANY - 1]), tmp_path / "m.onnx")
    assert not sparse.indices.is_loaded

    with pytest.raises(FormatError, match="index \\[999\\] of value 999 lies outside"):
        sparse.linear_indices()


def test_parts_that_do_not_fit() -> None:
    vector, two = tensor("v", [1.0, 2.0]), tensor("i", [0, 1])
    with pytest.raises(FormatError, match=r"values have shape \[1, 2\], expected a vector"):
        SparseTensor(tensor("v", [[1.0, 2.0]]), two, (4,))
    with pytest.raises(FormatError, match="indices are of type FLOAT, expected INT64"):
        SparseTensor(vector, vector, (4,))
    with pytest.raises(FormatError, match=r"indices have shape \[3\], 2 values of a tensor of rank 1 need \[2\]"):
        SparseTensor(vector, tensor("i", [0, 1, 2]), (4,))
    with pytest.raises(FormatError, match=r"indices have shape \[2, 3\]"):
        SparseTensor(vector, tensor("i", np.zeros((2, 3), np.int64)), (4, 4))
