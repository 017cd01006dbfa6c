"""Paddle numbers its layers through the whole model: ``conv2d_0.w_0`` and ``conv2d_0.b_0`` are one layer's tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping

from onnx_proto import Model

_TENSOR = re.compile(r"([a-z]\w*_\d+)\.([wb])_(\d+)(?:\.\w+)?", flags=re.ASCII)
_NORM = re.compile(r"(sync_)?batch_norm\w*_\d+")
_ROLES = {"w_0": "weight", "b_0": "bias"}
_ROLES_OF_NORM = _ROLES | {"w_1": "running_mean", "w_2": "running_var"}


def tensor_names(model: Model) -> Mapping[str, str]:
    """Names as in a ``state_dict`` for the model's tensors; none for those that are not called Paddle's way."""
    names: dict[str, str] = {}
    for tensor in model.graph.initializers:
        found = _TENSOR.fullmatch(tensor.name)
        if found is None:
            continue
        layer, letter, number = found.groups()
        roles = _ROLES_OF_NORM if _NORM.fullmatch(layer) else _ROLES
        role = roles.get(f"{letter}_{number}")
        if role is not None:
            names[tensor.name] = f"{layer}.{role}"
    return names
