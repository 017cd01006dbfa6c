"""Nodes that contradict themselves are an invalid model or refused, with words and never by accident."""

from __future__ import annotations

import numpy as np
import pytest
from codegen_torch.errors import InvalidModelError, UnsupportedError
from one_node import Row, lower_proto, model_of

X = np.ones((2, 3, 4), np.float32)
IMAGE = np.ones((1, 1, 4, 4), np.float32)


def known(op: str, opset: int, *inputs: object, **attributes: object) -> Row:
    """A row whose inputs but the first are initializers."""
    arrays = [value if value is None or isinstance(value, np.ndarray) else np.array(value) for value in inputs]
    return Row(op, opset, arrays, attributes, tuple(range(1, len(inputs))))


ROWS = [
    (known("Slice", 13, X, [0, 1], [1]), "a slice with 2 starts, 1 ends"),
    (known("Slice", 13, X, [0], [1], [0, 1]), "2 axes"),
    (known("Slice", 13, X, [0], [1], [3]), "axis 3"),
    (known("Slice", 13, X, [0], [1], [0], [0]), "a step of 0"),
    (known("Tile", 13, X, [2, 2]), "2 repeats"),
    (known("OneHot", 11, np.array([1]), [3, 4], np.float32([0, 1])), "of 2 depths"),
    (Row("EyeLike", 9, (X,)), "no matrix"),
    (known("Pad", 13, X, [1, 1]), "2 pads for 3 dimensions"),
    (known("Pad", 18, X, [1, 1, 1], None, [0]), "3 pads for 1 axes"),
    (known("Pad", 13, X, [0] * 6, mode="fold"), "mode 'fold' is not supported"),
    (known("CenterCropPad", 18, X, [1, 2]), "2 sizes for 3 axes"),
    (known("CenterCropPad", 18, X, [1], axes=[3]), "axis 3"),
    (known("Resize", 18, IMAGE, None, np.float32([2]), axes=[4]), "axis 4"),
    (known("Resize", 13, IMAGE, None, np.float32([2, 2])), "2 scales or sizes for 4 dimensions"),
    (known("Transpose", 13, X, perm=[0, 0, 1]), "permutation"),
    (known("Squeeze", 13, X, [1]), "cannot be squeezed"),
    (known("Unsqueeze", 13, X, [1, -4]), "not different"),
    (known("Split", 13, X, [1, 1], axis=3), "axis 3"),
    (known("ReduceSum", 13, X, [3]), "axis 3"),
    (known("Gather", 13, X, 2, axis=0), "index 2"),
    (known("Gather", 13, X, [[0], [-3]], axis=0), "index -3"),
    (known("GatherElements", 13, X, [[[2]]], axis=0), "index 2"),
    (known("GatherElements", 13, X, np.zeros((1, 4, 1), np.int64), axis=0), "positions int64"),
    (known("GatherND", 13, X, [[0, 3]]), "index 3 of axis 1"),
    (known("ScatterND", 16, X, [[0, 0]], np.ones((1, 3), np.float32)), "update is"),
    (known("ScatterElements", 18, X, [[[0]]], np.ones((1, 1, 2), np.float32)), "update is"),
    (known("Reshape", 14, X, [5, 5]), "cannot be reshaped"),
    (known("Reshape", 14, X, [[2, 12]]), "a list of numbers"),
    (known("Expand", 13, X, [3, 3, 4]), "an expansion"),
    (known("Tile", 13, X, [1, 1, -1]), "times of"),
    (known("Split", 13, X, [1, 1], axis=2), r"into \[1, 1\]"),
    (known("Split", 13, X, [3, -1], axis=0), r"into \[3, -1\]"),
    (Row("Transpose", 13, (X,), {"perm": [-1, 0, 1]}), "permutation"),
    (Row("Softmax", 13, (X,), {"axis": 3}), "axis 3"),
    (Row("CumSum", 14, (X, np.array(3)), {}, (1,)), "axis 3"),
    (Row("Trilu", 14, (X[0, 0],)), "rank 1"),
    (Row("Det", 22, (X,)), "no square"),
    (Row("Gemm", 13, (X, X[0])), "product of matrices"),
    (Row("Gemm", 13, (X[0], X[0].T, np.ones((1, 3, 3), np.float32))), "with an addend"),
    (Row("Gemm", 13, (X[0], X[0].T, np.ones((3, 2), np.float32))), "with the addend"),
    (Row("Conv", 11, (IMAGE, IMAGE, np.ones(2, np.float32))), r"bias is float32\[2\], not \[1\]"),
    (Row("Conv", 11, (IMAGE, np.ones((1, 1, 5, 5), np.float32))), "which is longer"),
    (Row("ConvTranspose", 11, (IMAGE, IMAGE), {"group": 0}), "0 groups"),
    (Row("ConvTranspose", 11, (IMAGE, np.ones((2, 1, 3, 3), np.float32))), "with weight"),
    (Row("MaxPool", 12, (IMAGE,), {"kernel_shape": [5, 5]}), "a longer window"),
    (Row("BatchNormalization", 15, (IMAGE, *[np.ones(2, np.float32)] * 4)), "whose mean is"),
    (Row("InstanceNormalization", 6, (IMAGE, *[np.ones(2, np.float32)] * 2)), "whose scale is"),
    (Row("GroupNormalization", 21, (X, *[np.ones(3, np.float32)] * 2), {"num_groups": 2}), "2 groups"),
    (Row("DepthToSpace", 13, (IMAGE,), {"blocksize": 2}), "cannot become"),
    (Row("DepthToSpace", 13, (IMAGE,), {"blocksize": 0}), "blocks of size 0"),
    (known("TopK", 11, X, [5]), "the best 5"),
    (known("TopK", 11, X, [-1]), "the best -1"),
    (known("OneHot", 11, np.array([1]), -1, np.float32([0, 1])), "depth -1"),
    (known("Resize", 18, IMAGE, None, np.float32([1, 1, -1, 1])), "a resize by .*-1"),
    (
        Row("Attention", 23, (np.ones((1, 2, 3, 8), np.float32), *[np.ones((1, 2, 4, 6), np.float32)] * 2)),
        "queries float32.* and keys",
    ),
    (
        Row("GRU", 14, (X, *[np.ones((1, 6, each), np.float32) for each in (3, 2)]), {"hidden_size": 2}),
        "whose weight is",
    ),
    (Row("Max", 13, ()), "it has no inputs"),
    (Row("Concat", 13, (), {"axis": 0}), "it has no inputs"),
    (Row("STFT", 17, (X[0], np.array(2))), "no batch of signals"),
    (known("TopK", 11, X, [1, 2]), "'k' is not one integer"),
    (Row("Trilu", 14, (X, np.array([1, 2])), {}, (1,)), "'k' is not one integer"),
]


@pytest.mark.parametrize(("row", "words"), ROWS, ids=[f"{row.op} {words}" for row, words in ROWS])
def test_it_is_said_what_is_wrong(row: Row, words: str) -> None:
    with pytest.raises((InvalidModelError, UnsupportedError), match=words):
        lower_proto(model_of(row, symbolic=False))
