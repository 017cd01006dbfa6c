"""ONNX's own backend suite: its cases, and the variants of them that a converter must be right about, too."""

from __future__ import annotations

import dataclasses
import enum
import functools
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
"""The kinds of cases with recorded data; whole networks, the fifth kind, are in ``test_light.py``."""


class Variant(enum.Enum):
    """What is done to a case's model before it is converted; its numbers must stay the same.

    Attributes:
        PLAIN: Nothing.
        BAKED: All inputs but the first become initializers, as exporters write axes, shapes and weights.
        STRIPPED: What the file says of intermediate values and outputs is taken away.
        SYMBOLIC: Every dimension of every input gets a name of its own in place of its size.
    """

    PLAIN = "plain"
    BAKED = "baked"
    STRIPPED = "stripped"
    SYMBOLIC = "symbolic"


@dataclasses.dataclass(frozen=True)
class Case:
    """One case of the suite.

    Attributes:
        name: The suite's name for it.
        kind: One of :data:`KINDS`.
        model: The model.
        data: Pairs of inputs and expected outputs: arrays, lists, dicts, or None for what is absent.
        rtol: How far an output may be off, relatively.
        atol: And absolutely.
    """

    name: str
    kind: str
    model: onnx.ModelProto
    data: Sequence[tuple[list[Any], list[Any]]]
    rtol: float
    atol: float


@functools.cache
def cases() -> dict[str, Case]:
    """All cases by name."""
    with warnings.catch_warnings(action="ignore"):  # the suite divides by zero on purpose
        return {case.name: case for kind in KINDS for case in _load(kind)}


def varied(case: Case, variant: Variant) -> Case | None:
    """A case in a variant, or None where the variant changes nothing."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    data = case.data
    if variant is Variant.BAKED:
        data = [_bake(model, *case.data[0])]
    elif variant is Variant.STRIPPED:
        _strip(model.graph)
    elif variant is Variant.SYMBOLIC:
        for value in model.graph.input:
            _name_dims(value.type, value.name)
    if variant is not Variant.PLAIN and model == case.model:
        return None
    return dataclasses.replace(case, model=model, data=data)


def _load(kind: str) -> Iterator[Case]:
    for test in load_model_tests(kind=kind):
        if test.model_dir is None:
            data = [(list(map(_value, inputs)), list(map(_value, outputs))) for inputs, outputs in test.data_sets]
            yield Case(test.name, kind, test.model, data, test.rtol, test.atol)
            continue
        folder = Path(test.model_dir)
        model = onnx.load(folder / "model.onnx")
        data = [_recorded(model.graph, each) for each in sorted(folder.glob("test_data_set_*"))]
        yield Case(test.name, kind, model, data, test.rtol, test.atol)


def _recorded(graph: onnx.GraphProto, folder: Path) -> tuple[list[Any], list[Any]]:
    """The inputs and outputs that a folder holds, one file each; inputs with initializers have none."""
    return (
        [_read(path, value) for i, value in enumerate(graph.input) if (path := folder / f"input_{i}.pb").exists()],
        [_read(folder / f"output_{i}.pb", value) for i, value in enumerate(graph.output)],
    )


def _read(path: Path, value: onnx.ValueInfoProto) -> Any:
    kinds = {
        "sequence_type": (onnx.SequenceProto, numpy_helper.to_list),
        "optional_type": (onnx.OptionalProto, numpy_helper.to_optional),
        "map_type": (onnx.MapProto, numpy_helper.to_dict),
    }
    proto, convert = kinds.get(value.type.WhichOneof("value"), (onnx.TensorProto, numpy_helper.to_array))
    return _value(convert(proto.FromString(path.read_bytes())))


def _value(value: Any) -> Any:
    """A recorded value with arrays for its tensors."""
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, dict):
        return value
    return None if value is None else np.asarray(value)


def _bake(model: onnx.ModelProto, inputs: list[Any], outputs: list[Any]) -> tuple[list[Any], list[Any]]:
    """Turn tensors among the inputs, but for the first, into initializers; returns the data of what is left."""
    left = inputs[:1]
    for value, array in list(zip(model.graph.input, inputs, strict=False))[1:]:
        if isinstance(array, np.ndarray) and value.type.HasField("tensor_type"):
            model.graph.initializer.append(numpy_helper.from_array(array, value.name))
            model.graph.input.remove(value)
        else:
            left.append(array)
    return left, outputs


def _strip(graph: onnx.GraphProto) -> None:
    del graph.value_info[:]
    for value in graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                _strip(inner)


def _name_dims(kind: onnx.TypeProto, name: str) -> None:
    while kind.WhichOneof("value") in ("sequence_type", "optional_type"):
        kind = getattr(kind, kind.WhichOneof("value")).elem_type
    if kind.HasField("tensor_type"):
        for axis, dim in enumerate(kind.tensor_type.shape.dim):
            dim.dim_param = f"{name}_{axis}"
