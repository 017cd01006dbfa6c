"""From ``GraphProto`` to `Graph`."""

from collections.abc import Callable
from functools import cached_property
from typing import TypeAlias

from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.errors import FormatError, LimitError, quoted
from onnx_proto.lazy import complete, defer
from onnx_proto.model import Graph, TensorAnnotation, ValueInfo
from onnx_proto.read_node import NodeReader
from onnx_proto.read_parts import MESSAGES_PER_GRAPH, Parts, one, pairs
from onnx_proto.read_tensor import TensorReader
from onnx_proto.read_types import read_type
from onnx_proto.skim import MAX_GRAPH_DEPTH
from onnx_proto.tensor import SparseTensor, Tensor

Maker: TypeAlias = Callable[[], object]
Later: TypeAlias = Callable[[Maker], Maker]


class GraphReader:
    """Reads the graphs that are that many graphs deep; recursion is bounded by `MAX_GRAPH_DEPTH`."""

    def __init__(self, tensors: TensorReader, parts: Parts, depth: int = 1) -> None:
        self._tensors = tensors
        self._parts = parts
        self._depth = depth
        self.nodes = NodeReader(tensors, parts, self._inner_graph)

    def outline(self, proto: pb.ShallowGraphProto, later: Later) -> Graph:
        """Reads a graph, of whose long lists each is made when it is first asked for.

        Initializers are read at once, though not their elements.

        Args:
            proto: The message.
            later: Given how to make a list, how to make it at any time.

        Raises:
            OnnxError: Something contradicts itself, or is of a kind this package does not know.
        """
        parts = self._parts
        parts.count(MESSAGES_PER_GRAPH)
        graph = Graph(
            name=proto.name,
            inputs=parts.each("input", pb.ValueInfoProto, proto.input, value_info),
            outputs=parts.each("output", pb.ValueInfoProto, proto.output, value_info),
            initializers=parts.each("initializer", pb.TensorProto, proto.initializer, self._tensors.tensor),
            sparse_initializers=parts.each(
                "sparse_initializer", pb.SparseTensorProto, proto.sparse_initializer, self._tensors.sparse_tensor
            ),
            doc_string=proto.doc_string,
            metadata=parts.mapping("metadata_props", proto.metadata_props),
        )
        initializers: tuple[Tensor | SparseTensor, ...] = (*graph.initializers, *graph.sparse_initializers)
        _check_unique("initializer", [tensor.name for tensor in initializers])
        # Each list is made of bytes of its own, which are freed though other lists are not asked for.
        nodes, value_infos = tuple(proto.node), tuple(proto.value_info)
        annotations = tuple(proto.quantization_annotation)
        defer(
            graph,
            nodes=later(lambda: self.nodes.nodes(nodes)),
            value_infos=later(lambda: parts.each("value_info", pb.ValueInfoProto, value_infos, value_info)),
            quantization_annotations=later(
                lambda: parts.each("quantization_annotation", pb.TensorAnnotation, annotations, _annotation)
            ),
        )
        return graph

    def graph(self, proto: pb.ShallowGraphProto) -> Graph:
        """Reads a graph, all of it.

        Raises:
            OnnxError: As in `outline`.
        """
        graph = self.outline(proto, later=lambda make: make)
        complete(graph)
        return graph

    def _inner_graph(self, proto: pb.ShallowGraphProto) -> Graph:
        if self._depth == MAX_GRAPH_DEPTH:
            raise LimitError(f"graphs are nested more than {MAX_GRAPH_DEPTH} deep")
        return self._inner.graph(proto)

    @cached_property
    def _inner(self) -> "GraphReader":
        return GraphReader(self._tensors, self._parts, self._depth + 1)


def value_info(proto: pb.ValueInfoProto) -> ValueInfo:
    """Reads a value's name and type.

    Raises:
        UnsupportedTypeError: The type is unknown.
    """
    stated = one("type", proto.type, read_type) if proto.HasField("type") else None
    return ValueInfo(proto.name, stated, proto.doc_string, pairs(proto.metadata_props))


def _annotation(proto: pb.TensorAnnotation) -> TensorAnnotation:
    return TensorAnnotation(proto.tensor_name, pairs(proto.quant_parameter_tensor_names))


def _check_unique(field: str, names: list[str]) -> None:
    """Names of initializers identify them; an empty name identifies nothing."""
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise FormatError(f"two {field}s are called {quoted(name)}")
        seen.add(name)
