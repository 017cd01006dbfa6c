"""What an opset changed in the meaning of an operator: the same data before and after, with both answers written down.

Each change has rows from before and from after it. Where the inputs and attributes of a pair are the same, the answers
must differ: a definition whose range reached across the change would give one of them twice.
"""

from __future__ import annotations

import numpy as np
import opset_changes
import opset_changes_of_layers
import pytest
from codegen_torch.errors import UnsupportedError
from one_node import Row, check, lower_proto, model_of
from onnx import TensorProto
from opset_changes import TIES, Change, X
from opset_changes_of_layers import LINE, PIXELS, TWICE

CHANGES = opset_changes.CHANGES + opset_changes_of_layers.CHANGES
CASES = [(change, row) for change in CHANGES for row in (*change.before, *change.after)]


@pytest.mark.parametrize("symbolic", [False, True], ids=["fixed", "symbolic"])
@pytest.mark.parametrize(
    ("change", "row"), CASES, ids=[f"{change.name.split(':')[0]}-at-{row}" for change, row in CASES]
)
def test_means_what_it_meant(change: Change, row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("change", [c for c in CHANGES if c.silent], ids=lambda change: change.name)
def test_a_silent_change_changes_something(change: Change) -> None:
    before, after = change.before[0], change.after[0]
    assert before.attributes == after.attributes
    for one, other in zip(before.inputs, after.inputs, strict=True):
        np.testing.assert_array_equal(one, other)
    old, new = (np.asarray(row.expected(*row.inputs)) for row in (before, after))
    assert old.shape != new.shape or not np.allclose(old, new)


@pytest.mark.parametrize(
    "row",
    [
        Row("Upsample", 10, (LINE, TWICE), {}, (1,)),
        Row("Scatter", 11, (TIES, np.array([[0]]), np.float32([[7]]))),
        Row("Resize", 9, (LINE, TWICE), {}, (1,)),
        Row("Slice", 9, (X, np.array([0]), np.array([1])), {}, (1, 2)),
        Row("Clip", 10, (X, np.float32(0)), {}, (1,)),
        Row("Squeeze", 12, (X[:1], np.array([0])), {}, (1,)),
        Row("ReduceSum", 12, (X, np.array([0])), {}, (1,)),
        Row("ReduceMean", 17, (X, np.array([0])), {}, (1,)),
        Row("ReduceMean", 18, (X,), {"axes": [0]}),
        Row("Squeeze", 13, (X[:1],), {"axes": [0]}),
        Row("Clip", 11, (X,), {"min": 0.0}),
        Row("Slice", 10, (X,), {"starts": [0], "ends": [1]}),
        Row("Upsample", 9, (LINE,), {"scales": [1.0, 1.0, 1.0, 2.0]}),
        Row("Add", 7, (X, X[0, 0]), {"broadcast": 1}),
        Row("Cast", 6, (X,), {"to": "FLOAT"}),
        Row("Cast", 5, (X,), {"to": TensorProto.FLOAT}),
        Row("TopK", 10, (X,), {"k": 1}),
        Row("GridSample", 20, (PIXELS, np.zeros((1, 1, 1, 2), np.float32)), {"mode": "bilinear"}),
        Row("SpaceToDepth", 13, (PIXELS,), {"blocksize": 2, "mode": "CRD"}),
        Row("Unsqueeze", 13, (X,), {"axes": [0]}),
    ],
    ids=str,
)
def test_what_an_opset_does_not_have_is_refused(row: Row) -> None:
    with pytest.raises(UnsupportedError):
        lower_proto(model_of(row, symbolic=False))
