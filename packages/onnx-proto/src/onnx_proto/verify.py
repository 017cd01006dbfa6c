"""Compares external data with what the model says about it."""

import hashlib
from collections.abc import Iterator
from typing import Any

from onnx_proto.errors import ExternalDataError, quoted
from onnx_proto.model import Attribute, Function, Graph, Model, Node
from onnx_proto.payload import InFile
from onnx_proto.tensor import SparseTensor, Tensor


def verify_external_data(model: Model) -> None:
    """Checks that all external data is there, and that the files have the checksums the model states.

    Each file with a checksum is read once, from beginning to end, in pieces.

    Args:
        model: A model as loaded.

    Raises:
        ExternalDataError: A file is missing, too short, not one the model may name, or has another SHA-1 checksum.
        FormatError: A file cannot be read.
    """
    digests: dict[str, str] = {}
    for tensor in tensors_within(model):
        if tensor.external is None or not isinstance(tensor._payload, InFile):
            continue
        step = f"tensor {quoted(tensor.name)}"
        location, stated = tensor.external.location, tensor.external.checksum
        try:
            with tensor._payload.file.open() as file:
                if stated and location not in digests:
                    digests[location] = hashlib.file_digest(file, "sha1").hexdigest()
        except OSError as error:
            raise ExternalDataError(f"{quoted(location)} cannot be read: {error.strerror}", step) from error
        except ExternalDataError as error:
            raise error.within(step) from error.__cause__
        if stated and digests[location] != stated.lower():
            raise ExternalDataError(
                f"{quoted(location)} has SHA-1 {digests[location]}, the model states {quoted(stated)}", step
            )


def tensors_within(model: Model) -> Iterator[Tensor]:
    """All tensors of a model: initializers and attributes, of subgraphs and functions too, parts of sparse ones too."""
    pending: list[Any] = [model]
    while pending:
        part = pending.pop()
        match part:
            case Tensor():
                yield part
            case SparseTensor():
                pending += (part.values, part.indices)
            case Model():
                graphs = (graph for info in part.training_infos for graph in (info.initialization, info.algorithm))
                pending += (part.graph, *part.functions, *graphs)
            case Graph():
                pending += (*part.initializers, *part.sparse_initializers, *part.nodes)
            case Function():
                pending += (*part.attribute_defaults.values(), *part.nodes)
            case Node():
                pending += part.attributes.values()
            case Attribute():
                pending += part.value if isinstance(part.value, tuple) else (part.value,)
