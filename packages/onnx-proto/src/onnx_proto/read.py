"""From a serialized model to plain objects."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from google.protobuf.message import DecodeError

from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.errors import FormatError, OnnxError
from onnx_proto.external import Folders
from onnx_proto.lazy import defer
from onnx_proto.model import Function, Model, OperatorSet, TrainingInfo
from onnx_proto.read_devices import device_configuration
from onnx_proto.read_graph import GraphReader, Later, Maker, value_info
from onnx_proto.read_node import domain_name
from onnx_proto.read_parts import Parts, malformed, one
from onnx_proto.read_tensor import TensorReader
from onnx_proto.skim import skim
from onnx_proto.source import FileSource, MemorySource


def load(path: str | os.PathLike[str]) -> Model:
    """Reads an ONNX file.

    What is large is read when it is asked for. Tensors of 4 KiB and more stay in the file, which must not change
    meanwhile; external data is looked for beneath the file's folder. Long lists stay bytes in memory: ``graph.nodes``,
    ``graph.value_infos``, ``graph.quantization_annotations``, ``functions`` and ``training_infos``. Each becomes
    objects, and is checked, when it is first asked for: a mistake in a node shows at ``model.graph.nodes``.

    Args:
        path: The model file.

    Raises:
        OnnxError: The file is damaged, contradicts itself, or uses what this package does not know. The first use of a
            long list raises it, too.
        OSError: The file cannot be opened.
    """
    path = Path(path)
    with _surroundings(path), FileSource(path) as source:
        return _read(source, Folders.of_model(path), path)


def loads(data: bytes | bytearray | memoryview, base_dir: str | os.PathLike[str] | None = None) -> Model:
    """Reads a serialized model from memory.

    Args:
        data: The serialized model; tensors of 4 KiB and more are views of it.
        base_dir: The folder beneath which external data lies; without it, external data cannot be read.

    Raises:
        OnnxError: As in `load`.
    """
    folders = None if base_dir is None else Folders.of_directory(Path(base_dir))
    with _surroundings(None):
        return _read(MemorySource(bytes(data)), folders, None)


def _read(source: MemorySource | FileSource, folders: Folders | None, path: Path | None) -> Model:
    if source.size == 0:
        raise FormatError("the file is empty")
    light = skim(source)
    try:
        proto = pb.ShallowModelProto.FromString(light.data)
    except DecodeError as error:
        raise malformed(error, pb.ShallowModelProto, light.data, source) from error
    if not proto.HasField("graph") or proto.ir_version < 1:
        missing = "an ir_version" if proto.HasField("graph") else "a graph"
        raise FormatError(f"not an ONNX model: it has no field for {missing}")
    return _ModelReader(TensorReader(source, light.references, folders), Parts(source.size), path).model(proto)


@contextmanager
def _surroundings(path: Path | None, *place: str) -> Iterator[None]:
    """Names the file, and the place in the model, in errors of what happens within; pauses the garbage collector.

    It would search, again and again, many objects that are all in use.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    except OnnxError as error:
        for step in reversed(place):
            error.within(step)
        raise error.in_file(None if path is None else str(path)) from error.__cause__
    finally:
        if enabled:
            gc.enable()


class _ModelReader:
    """Reads the outermost messages, which lead to graphs."""

    def __init__(self, tensors: TensorReader, parts: Parts, path: Path | None) -> None:
        self._parts = parts
        self._path = path
        self._graphs = GraphReader(tensors, parts)

    def model(self, proto: pb.ShallowModelProto) -> Model:
        each, later = self._parts.each, self._later()
        model = Model(
            ir_version=proto.ir_version,
            opset_imports=each("opset_import", pb.OperatorSetIdProto, proto.opset_import, _operator_set),
            graph=one("graph", proto.graph, partial(self._graphs.outline, later=self._later("graph"))),
            producer_name=proto.producer_name,
            producer_version=proto.producer_version,
            domain=proto.domain,
            model_version=proto.model_version,
            doc_string=proto.doc_string,
            metadata=self._parts.mapping("metadata_props", proto.metadata_props),
            device_configurations=each(
                "configuration", pb.DeviceConfigurationProto, proto.configuration, device_configuration
            ),
            path=self._path,
        )
        functions, training_infos = tuple(proto.functions), tuple(proto.training_info)
        defer(
            model,
            functions=later(lambda: each("functions", pb.ShallowFunctionProto, functions, self._function)),
            training_infos=later(
                lambda: each("training_info", pb.ShallowTrainingInfoProto, training_infos, self._training_info)
            ),
        )
        return model

    def _later(self, *place: str) -> Later:
        """For what is made after `load` is done: errors name the file and the place, as if it were not."""

        def later(make: Maker) -> Maker:
            def made() -> object:
                with _surroundings(self._path, *place):
                    return self._parts.attempt(make)

            return made

        return later

    def _function(self, proto: pb.ShallowFunctionProto) -> Function:
        parts, nodes = self._parts, self._graphs.nodes
        return Function(
            name=proto.name,
            domain=domain_name(proto.domain),
            overload=proto.overload,
            inputs=tuple(proto.input),
            outputs=tuple(proto.output),
            attributes=tuple(proto.attribute),
            attribute_defaults=nodes.attributes("attribute_proto", proto.attribute_proto),
            nodes=nodes.nodes(proto.node),
            opset_imports=parts.each("opset_import", pb.OperatorSetIdProto, proto.opset_import, _operator_set),
            value_infos=parts.each("value_info", pb.ValueInfoProto, proto.value_info, value_info),
            doc_string=proto.doc_string,
            metadata=parts.mapping("metadata_props", proto.metadata_props),
        )

    def _training_info(self, proto: pb.ShallowTrainingInfoProto) -> TrainingInfo:
        has_initialization, has_algorithm = proto.HasField("initialization"), proto.HasField("algorithm")
        graph, mapping = self._graphs.graph, self._parts.mapping
        return TrainingInfo(
            initialization=one("initialization", proto.initialization, graph) if has_initialization else None,
            algorithm=one("algorithm", proto.algorithm, graph) if has_algorithm else None,
            initialization_bindings=mapping("initialization_binding", proto.initialization_binding),
            update_bindings=mapping("update_binding", proto.update_binding),
        )


def _operator_set(proto: pb.OperatorSetIdProto) -> OperatorSet:
    return OperatorSet(domain_name(proto.domain), proto.version)
