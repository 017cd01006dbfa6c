"""Inputs that make sense to a model, as far as its file tells what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from codegen_torch.minifloats import bfloat16_bits
from onnx_proto import DataType, Graph, Node, TensorType, ValueInfo

from onnxgen.exits import BadInputError
from onnxgen.verification.sizes import given_inputs, symbol
from onnxgen.verification.values import Array

_PASSED_ON = frozenset({"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Flatten", "Expand"})
_KEEP_ROWS = frozenset({"Cast", "DequantizeLinear", "Identity"})
_COUNTS = ("len", "size", "num", "count")
_WORDS = ("one", "two", "three", "seven")


@dataclass(frozen=True, slots=True)
class Given:
    """An input.

    Attributes:
        array: Its elements; bits where numpy lacks the type.
        dtype: Their type.
    """

    array: Array
    dtype: DataType


def sample_inputs(graph: Graph, sizes: Mapping[str, int], seed: int) -> dict[str, Given]:
    """Inputs of given sizes: ids within the vocabulary, masks of ones, floats between -1 and 1.

    Args:
        graph: The graph, functions of the file's own written out.
        sizes: A size for each symbol.
        seed: The same seed gives the same inputs.

    Raises:
        BadInputError: An input is no tensor, or its rank is not known.
    """
    random = np.random.default_rng(seed)
    bounds = vocabularies(graph)
    arrays = {}
    for info in given_inputs(graph):
        dtype, shape = _type(info)
        concrete = [
            dim if isinstance(dim, int) else sizes[symbol(info.name, axis, dim)] for axis, dim in enumerate(shape)
        ]
        arrays[info.name] = Given(_sample(info.name, dtype, concrete, bounds.get(info.name), random), dtype)
    return arrays


def read_inputs(graph: Graph, file: Path) -> dict[str, Given]:
    """The inputs in an ``.npz`` file, by their names.

    Raises:
        BadInputError: It is no such file, or has other inputs than the graph asks for.
        OSError: It cannot be read.
    """
    try:
        with np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except (ValueError, BadZipFile, AttributeError, TypeError) as error:
        raise BadInputError(f"{file} is no .npz file of numbers: {error}") from error
    wanted = {info.name: info for info in given_inputs(graph)}
    if arrays.keys() != wanted.keys():
        raise BadInputError(f"{file} has the inputs {_listed(arrays)}, and the model takes {_listed(wanted)}")
    return {name: _given(info, arrays[name], file) for name, info in wanted.items()}


def _given(info: ValueInfo, array: Array, file: Path) -> Given:
    dtype, shape = _type(info)
    if dtype is DataType.STRING and array.dtype.kind == "U":
        array = array.astype(object)
    elif array.dtype != dtype.numpy_dtype:
        raise BadInputError(f"{info.name!r} is {array.dtype} in {file}, and the model takes {dtype.label}")
    if len(shape) != array.ndim or any(
        isinstance(dim, int) and dim != n for dim, n in zip(shape, array.shape, strict=True)
    ):
        wanted = ", ".join("?" if dim is None else str(dim) for dim in shape)
        raise BadInputError(
            f"{info.name!r} has the shape {list(array.shape)} in {file}, and the model takes [{wanted}]"
        )
    return Given(np.asarray(array, order="C"), dtype)


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _type(info: ValueInfo) -> tuple[DataType, tuple[int | str | None, ...]]:
    if not isinstance(info.type, TensorType):
        raise BadInputError(f"input {info.name!r} is no tensor; only tensors can be made up or given")
    if info.type.shape is None:
        raise BadInputError(
            f"input {info.name!r} has no known rank; only tensors of a known rank can be made up or given"
        )
    return info.type.elem_type, info.type.shape


def _sample(name: str, dtype: DataType, shape: Sequence[int], bound: int | None, random: np.random.Generator) -> Array:
    words = name.lower()
    if dtype is DataType.STRING:
        return random.choice(np.array(_WORDS, object), shape)
    if dtype is DataType.BFLOAT16:
        return bfloat16_bits(_floats(words, shape, random).astype(np.float32))
    if dtype in (DataType.FLOAT16, DataType.FLOAT, DataType.DOUBLE):
        return _floats(words, shape, random).astype(dtype.numpy_dtype)
    if dtype in (DataType.COMPLEX64, DataType.COMPLEX128):
        parts = random.uniform(-1, 1, (2, *shape))
        return np.asarray(parts[0] + 1j * parts[1], dtype.numpy_dtype)
    if dtype is DataType.BOOL:
        return np.ones(shape, bool) if "mask" in words else random.integers(0, 2, shape).astype(bool)
    if dtype.label.startswith(("int", "uint")):
        low, high = _range(words, dtype, bound)
        return random.integers(low, high, shape).astype(dtype.numpy_dtype)
    raise BadInputError(f"input {name!r} of type {dtype.label} cannot be made up; give inputs with --inputs")


def _floats(words: str, shape: Sequence[int], random: np.random.Generator) -> Array:
    return np.ones(shape) if "mask" in words else random.uniform(-1, 1, shape)


def _range(words: str, dtype: DataType, bound: int | None) -> tuple[int, int]:
    """From where to before where integers go."""
    most = 1 << min(dtype.bits, 62) - (not dtype.label.startswith("u"))
    if bound is not None:
        return 0, min(bound, most)
    if "mask" in words or any(count in words for count in _COUNTS):
        return 1, 2
    return 0, 256 if dtype is DataType.UINT8 else 2


def vocabularies(graph: Graph) -> dict[str, int]:
    """For each input that picks rows of a weight, how many there are; the least if it picks from several."""
    rows = {tensor.name: tensor.shape for tensor in graph.initializers}
    origins = {info.name: info.name for info in given_inputs(graph)}
    bounds: dict[str, int] = {}
    for node in graph.nodes:
        if not node.inputs or not node.outputs:
            continue
        if node.op_type in _KEEP_ROWS and node.inputs[0] in rows:
            rows[node.outputs[0]] = rows[node.inputs[0]]
        if node.op_type in _PASSED_ON and node.inputs[0] in origins:
            origins[node.outputs[0]] = origins[node.inputs[0]]
        for table, axis, index in _lookups(node):
            if table in rows and index in origins and axis < len(rows[table]):
                name, count = origins[index], rows[table][axis]
                bounds[name] = min(count, bounds.get(name, count))
    return bounds


def _lookups(node: Node) -> list[tuple[str, int, str]]:
    """The tables that a node picks from: each with the axis and with what says which."""
    inputs = node.inputs
    if node.op_type == "EmbedLayerNormalization" and len(inputs) > 4:
        return [(inputs[2], 0, inputs[0]), (inputs[4], 0, inputs[1])]
    if node.op_type not in ("Gather", "GatherBlockQuantized") or len(inputs) < 2:
        return []
    name = "axis" if node.op_type == "Gather" else "gather_axis"
    axis = node.attributes[name].value if name in node.attributes else 0
    return [(inputs[0], axis, inputs[1])] if isinstance(axis, int) else []
