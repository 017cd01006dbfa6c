"""ONNX Runtime as the oracle for a row of an operator's table, where ONNX's reference is wrong or does not know."""

from __future__ import annotations

import numpy as np
import onnxruntime
import torch
from interpret import interpret
from one_node import Array, Row, check_facts, lower_proto, model_of

onnxruntime.set_default_logger_severity(4)


def wanted_by_runtime(row: Row) -> list[Array]:
    """What ONNX Runtime computes."""
    model = model_of(row, symbolic=False)
    model.ir_version = 8
    for output in model.graph.output:
        output.type.ClearField("tensor_type")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, fed(row))  # type: ignore[no-any-return]


def fed(row: Row) -> dict[str, Array]:
    """The inputs that are not initializers, by name."""
    return {f"x{i}": a for i, a in enumerate(row.inputs) if a is not None and i not in row.baked}


def check_by_runtime(row: Row, *, symbolic: bool, rtol: float = 1e-5, atol: float = 1e-5) -> None:
    """Compares a row with ONNX Runtime: values, dtypes and shapes, and the stated facts with what came out."""
    lowered = lower_proto(model_of(row, symbolic=symbolic))
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in fed(row).items()}
    found = interpret(lowered.outputs, tensors, lowered.inputs)
    for expr, value, want in zip(lowered.outputs.values(), found.values(), wanted_by_runtime(row), strict=True):
        assert tuple(value.shape) == want.shape
        assert value.numpy().dtype == want.dtype
        np.testing.assert_allclose(value.numpy(), want, rtol=rtol, atol=atol)
        check_facts(expr, value)
