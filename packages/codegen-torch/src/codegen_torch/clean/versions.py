"""Files from before operators had versions get the first one."""

from __future__ import annotations

import dataclasses

from onnx_proto import Model, OperatorSet

_FIRST_WITH_VERSIONS = 3


def state_the_first_version(model: Model) -> Model:
    """A file of IR 1 or 2 imports no operators: it means those of opset 1 (ONNX, "IR Versioning")."""
    if model.opset_imports or model.ir_version >= _FIRST_WITH_VERSIONS:
        return model
    return dataclasses.replace(model, opset_imports=(OperatorSet("", 1),))
