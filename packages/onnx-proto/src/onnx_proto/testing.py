"""Hypothesis strategies for whole models, for the tests of packages that read them. Needs `hypothesis`."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st

from onnx_proto.devices import (
    DeviceConfiguration,
    NodeDeviceConfiguration,
    ShardedDim,
    ShardingSpec,
    SimpleShardedDim,
)
from onnx_proto.dtypes import DataType
from onnx_proto.model import (
    Attribute,
    AttributeType,
    Function,
    Graph,
    Model,
    Node,
    OperatorSet,
    TensorAnnotation,
    TrainingInfo,
    ValueInfo,
)
from onnx_proto.packing import packed_size
from onnx_proto.payload import InMemory
from onnx_proto.tensor import SparseTensor, Strings, Tensor
from onnx_proto.types import (
    MapType,
    OpaqueType,
    OptionalType,
    SequenceType,
    SparseTensorType,
    TensorType,
    Type,
)

_names: Final = st.text(max_size=8)
_int64: Final = st.integers(-(1 << 63), (1 << 63) - 1)
_int32: Final = st.integers(-(1 << 31), (1 << 31) - 1)
_float32: Final = st.floats(width=32)
# Any bytes: what is not UTF-8 is decoded to lone surrogates.
_strings: Final = st.binary(max_size=8).map(lambda data: data.decode(errors="surrogateescape"))
_mappings: Final[st.SearchStrategy[Mapping[str, str]]] = st.dictionaries(_names, _names, max_size=2)
_domains: Final = _names.filter(lambda domain: domain != "ai.onnx")


def _tuples(elements: st.SearchStrategy[Any], max_size: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(elements, max_size=max_size).map(tuple)


@st.composite
def tensors(draw: st.DrawFn, *, name: st.SearchStrategy[str] = _names) -> Tensor:
    """Tensors of every type and of any bits, some of them larger than what stays in the file when loaded."""
    dtype = draw(st.sampled_from([dtype for dtype in DataType if dtype is not DataType.UNDEFINED]))
    shape = draw(st.one_of(_tuples(st.integers(0, 4)), st.just((1500, 3))))
    count = int(np.prod(shape, dtype=np.int64))
    payload: Strings | InMemory
    if dtype is DataType.STRING:
        few = draw(st.lists(st.binary(max_size=6), min_size=1, max_size=4))
        payload = Strings(tuple(few[index % len(few)] for index in range(count)))
    else:
        generator = np.random.default_rng(draw(st.integers(0, 1 << 16)))
        payload = InMemory(_random_bytes(generator, dtype, count))
    return Tensor(draw(name), dtype, shape, payload, draw(_names), draw(_mappings))


def _random_bytes(generator: np.random.Generator, dtype: DataType, count: int) -> bytes:
    data = generator.bytes(packed_size(dtype, count))
    if dtype is DataType.BOOL:
        return bytes(byte & 1 for byte in data)
    used = count * dtype.bits % 8
    if not used:
        return data
    return data[:-1] + bytes([data[-1] & (1 << used) - 1])  # what no element uses is zero


@st.composite
def sparse_tensors(draw: st.DrawFn, *, name: st.SearchStrategy[str] = _names) -> SparseTensor:
    """Vectors in coordinate form."""
    size = draw(st.integers(1, 20))
    places = np.array(sorted(draw(st.sets(st.integers(0, size - 1)))), "<i8")
    numbers = np.arange(1, places.size + 1, dtype="<f4")
    values = Tensor(draw(name), DataType.FLOAT, numbers.shape, InMemory(numbers.tobytes()))
    indices = Tensor(draw(_names), DataType.INT64, places.shape, InMemory(places.tobytes()))
    return SparseTensor(values, indices, (size,))


_element_types: Final = st.sampled_from(list(DataType))


@st.composite
def _shapes(draw: st.DrawFn) -> dict[str, Any]:
    dim = st.one_of(st.none(), st.integers(0, 1 << 40), st.text(min_size=1, max_size=4))
    shape = draw(st.one_of(st.none(), _tuples(dim)))
    if not shape or draw(st.booleans()):
        return {"shape": shape}
    denotations = draw(st.lists(_names, min_size=len(shape), max_size=len(shape)))
    return {"shape": shape, "dim_denotations": tuple(denotations) if any(denotations) else ()}


def _tensor_types(kind: type[TensorType] | type[SparseTensorType]) -> st.SearchStrategy[Type]:
    def make(dtype: DataType, denotation: str, shape: dict[str, Any]) -> Type:
        return kind(dtype, denotation=denotation, **shape)

    return st.builds(make, _element_types, _names, _shapes())


def _containers(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    return st.one_of(
        st.builds(SequenceType, inner, _names),
        st.builds(MapType, _element_types, inner, _names),
        st.builds(OptionalType, inner, _names),
    )


types: Final[st.SearchStrategy[Type]] = st.recursive(
    st.one_of(
        _tensor_types(TensorType),
        _tensor_types(SparseTensorType),
        st.builds(OpaqueType, _names, _names, _names),
    ),
    _containers,
    max_leaves=3,
)
"""All types, nested."""

value_infos: Final = st.builds(ValueInfo, _names, st.one_of(st.none(), types), _names, _mappings)
"""Values with and without a type."""

_VALUES: Final[dict[AttributeType, st.SearchStrategy[Any]]] = {
    AttributeType.FLOAT: _float32,
    AttributeType.INT: _int64,
    AttributeType.STRING: _strings,
    AttributeType.TENSOR: tensors(),
    AttributeType.SPARSE_TENSOR: sparse_tensors(),
    AttributeType.TYPE_PROTO: types,
    AttributeType.FLOATS: _tuples(_float32),
    AttributeType.INTS: _tuples(_int64),
    AttributeType.STRINGS: _tuples(_strings),
    AttributeType.TENSORS: _tuples(tensors(), 2),
    AttributeType.SPARSE_TENSORS: _tuples(sparse_tensors(), 2),
    AttributeType.TYPE_PROTOS: _tuples(types, 2),
}


@st.composite
def attributes(draw: st.DrawFn, *, depth: int = 1) -> Attribute:
    """Attributes of every type; graphs only down to `depth`."""
    kind = draw(st.sampled_from([kind for kind in AttributeType if kind in _VALUES or depth]))
    name, doc_string = draw(_names), draw(_names)
    if draw(st.integers(0, 5)) == 0:
        return Attribute(name, kind, None, draw(st.text(min_size=1, max_size=4)), doc_string)
    if kind is AttributeType.GRAPH:
        value: Any = draw(graphs(depth=depth - 1))
    elif kind is AttributeType.GRAPHS:
        value = draw(_tuples(graphs(depth=depth - 1), 2))
    else:
        value = draw(_VALUES[kind])
    return Attribute(name, kind, value, "", doc_string)


def _attribute_mappings(depth: int) -> st.SearchStrategy[Mapping[str, Attribute]]:
    return st.lists(attributes(depth=depth), max_size=2, unique_by=lambda attribute: attribute.name).map(
        lambda entries: {attribute.name: attribute for attribute in entries}
    )


_sharding_specs: Final = st.builds(
    ShardingSpec,
    _names,
    _tuples(_int64),
    st.dictionaries(_int64, _tuples(_int64), max_size=2),
    _tuples(
        st.builds(
            ShardedDim,
            _int64,
            _tuples(st.builds(SimpleShardedDim, st.one_of(st.none(), _int64, _names), _int64), 2),
        ),
        2,
    ),
)
_node_device_configurations: Final = st.builds(
    NodeDeviceConfiguration, _names, _tuples(_sharding_specs, 1), st.one_of(st.none(), _int32)
)


def nodes(*, depth: int = 1) -> st.SearchStrategy[Node]:
    """Nodes of operators that need not exist."""
    return st.builds(
        Node,
        op_type=_names,
        domain=_domains,
        overload=_names,
        name=_names,
        inputs=_tuples(_names),
        outputs=_tuples(_names),
        attributes=_attribute_mappings(depth),
        doc_string=_names,
        metadata=_mappings,
        device_configurations=_tuples(_node_device_configurations, 1),
    )


@st.composite
def graphs(draw: st.DrawFn, *, depth: int = 1) -> Graph:
    """Graphs that a reader accepts; they need not make sense. Subgraphs nest down to `depth`."""
    names = draw(st.lists(_names, unique=True, max_size=3))
    dense = draw(st.integers(0, len(names)))
    return Graph(
        name=draw(_names),
        nodes=draw(_tuples(nodes(depth=depth))),
        inputs=draw(_tuples(value_infos, 2)),
        outputs=draw(_tuples(value_infos, 2)),
        value_infos=draw(_tuples(value_infos, 1)),
        initializers=tuple(draw(tensors(name=st.just(name))) for name in names[:dense]),
        sparse_initializers=tuple(draw(sparse_tensors(name=st.just(name))) for name in names[dense:]),
        quantization_annotations=draw(_tuples(st.builds(TensorAnnotation, _names, _mappings), 1)),
        doc_string=draw(_names),
        metadata=draw(_mappings),
    )


_operator_sets: Final = _tuples(st.builds(OperatorSet, _domains, _int64), 2)


def functions() -> st.SearchStrategy[Function]:
    """Model-local operators."""
    return st.builds(
        Function,
        name=_names,
        domain=_domains,
        overload=_names,
        inputs=_tuples(_names),
        outputs=_tuples(_names),
        attributes=_tuples(_names, 2),
        attribute_defaults=_attribute_mappings(0),
        nodes=_tuples(nodes(depth=0), 2),
        opset_imports=_operator_sets,
        value_infos=_tuples(value_infos, 1),
        doc_string=_names,
        metadata=_mappings,
    )


def models() -> st.SearchStrategy[Model]:
    """Models with every field of the format; they round-trip, but need not make sense."""
    optional_graph = st.one_of(st.none(), graphs(depth=0))
    return st.builds(
        Model,
        ir_version=st.integers(1, 14),
        opset_imports=_operator_sets,
        graph=graphs(),
        producer_name=_names,
        producer_version=_names,
        domain=_names,
        model_version=_int64,
        doc_string=_names,
        functions=_tuples(functions(), 1),
        metadata=_mappings,
        training_infos=_tuples(st.builds(TrainingInfo, optional_graph, optional_graph, _mappings, _mappings), 1),
        device_configurations=_tuples(st.builds(DeviceConfiguration, _names, _int32, _tuples(_names, 2)), 1),
    )
