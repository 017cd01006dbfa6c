"""ONNX Runtime as the oracle of a row in an operator's test table."""

from __future__ import annotations

import dataclasses

import onnxruntime
from one_node import Row, model_of

onnxruntime.set_default_logger_severity(4)


def by_runtime(row: Row, *elem_types: int) -> Row:
    """The row with ONNX Runtime's answer as what is expected.

    Args:
        row: The row.
        elem_types: The element types of its outputs.
    """
    model = model_of(row, symbolic=False)
    model.ir_version = 9
    for output, elem_type in zip(model.graph.output, elem_types, strict=True):
        output.type.tensor_type.elem_type = elem_type
    session = onnxruntime.InferenceSession(model.SerializeToString())
    results = session.run(None, {info.name: row.inputs[int(info.name[1:])] for info in session.get_inputs()})
    return dataclasses.replace(row, expected=lambda *_: tuple(results))
