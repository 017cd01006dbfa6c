"""Makes models by hand.

    from onnx_proto import save
    from onnx_proto.build import graph, model, node, tensor, value

    save(
        model(
            graph(
                [node("Conv", ["x", "w"], ["y"], strides=[2, 2])],
                inputs=[value("x", "float32", ["batch", 3, 224, 224])],
                outputs=[value("y", "float32", ["batch", 8, 112, 112])],
                initializers=[tensor("w", weight)],
            )
        ),
        "conv.onnx",
    )

Everything is checked as far as its own parts tell; whether an operator exists is not.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from onnx_proto.dtypes import DataType
from onnx_proto.errors import FormatError, OnnxError, UnsupportedTypeError, quoted
from onnx_proto.model import (
    Attribute,
    AttributeType,
    AttributeValue,
    Function,
    Graph,
    Model,
    Node,
    OperatorSet,
    ValueInfo,
)
from onnx_proto.packing import pack
from onnx_proto.payload import InMemory
from onnx_proto.tensor import SparseTensor, Strings, Tensor
from onnx_proto.types import (
    Dim,
    MapType,
    OpaqueType,
    OptionalType,
    SequenceType,
    SparseTensorType,
    TensorType,
    Type,
)

DTypeLike: TypeAlias = DataType | str | npt.DTypeLike

_TYPES: Final = (TensorType, SparseTensorType, SequenceType, MapType, OptionalType, OpaqueType)


def model(
    graph: Graph,
    *,
    opset_imports: int | Mapping[str, int] = 20,
    ir_version: int = 10,
    functions: Iterable[Function] = (),
    producer_name: str = "",
    metadata: Mapping[str, str] | None = None,
) -> Model:
    """A model.

    Args:
        graph: What it computes.
        opset_imports: Version of ONNX's own operators, or versions by domain.
        ir_version: Version of the file format.
        functions: Model-local operators.
        producer_name: The tool that made it.
        metadata: Named properties.
    """
    return Model(
        ir_version=ir_version,
        opset_imports=_opset_imports(opset_imports),
        graph=graph,
        producer_name=producer_name,
        functions=tuple(functions),
        metadata=dict(metadata or {}),
    )


def graph(
    nodes: Iterable[Node],
    inputs: Iterable[ValueInfo | str],
    outputs: Iterable[ValueInfo | str],
    initializers: Iterable[Tensor | SparseTensor] = (),
    *,
    name: str = "graph",
    value_infos: Iterable[ValueInfo] = (),
    metadata: Mapping[str, str] | None = None,
) -> Graph:
    """A graph, or the subgraph of an If, Loop or Scan.

    Args:
        nodes: In topological order.
        inputs: Values; a bare name stands for a value without a type.
        outputs: Likewise.
        initializers: Constants.
        name: Its name.
        value_infos: Types of inner values.
        metadata: Named properties.
    """
    initializers = tuple(initializers)
    return Graph(
        name=name,
        nodes=tuple(nodes),
        inputs=tuple(map(_value_info, inputs)),
        outputs=tuple(map(_value_info, outputs)),
        value_infos=tuple(value_infos),
        initializers=tuple(entry for entry in initializers if isinstance(entry, Tensor)),
        sparse_initializers=tuple(entry for entry in initializers if isinstance(entry, SparseTensor)),
        metadata=dict(metadata or {}),
    )


def function(
    name: str,
    inputs: Iterable[str],
    outputs: Iterable[str],
    nodes: Iterable[Node],
    *,
    domain: str,
    overload: str = "",
    attributes: Iterable[str] = (),
    attribute_defaults: Mapping[str, object] | None = None,
    opset_imports: int | Mapping[str, int] = 20,
) -> Function:
    """A model-local operator.

    Args:
        name: The operator's name.
        inputs: Names of the parameters.
        outputs: Names of the results.
        nodes: The body, whose attributes may be `ref` of the function's.
        domain: The operator's domain.
        overload: Tells functions of the same domain and name apart.
        attributes: Names of the attributes that have no default.
        attribute_defaults: Values of those that have.
        opset_imports: As for `model`.
    """
    return Function(
        name=name,
        domain=domain,
        overload=overload,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        attributes=tuple(attributes),
        attribute_defaults=_attributes(attribute_defaults or {}),
        nodes=tuple(nodes),
        opset_imports=_opset_imports(opset_imports),
    )


def node(
    op_type: str,
    inputs: Iterable[str],
    outputs: Iterable[str],
    *,
    domain: str = "",
    name: str = "",
    overload: str = "",
    metadata: Mapping[str, str] | None = None,
    attributes: Mapping[str, object] | None = None,
    **more_attributes: object,
) -> Node:
    """A call of an operator, with its attributes as keywords: ``node("Conv", ["x", "w"], ["y"], strides=[1, 1])``.

    Args:
        op_type: The operator.
        inputs: Names of values; "" for an omitted one.
        outputs: Likewise.
        domain: The operator's domain.
        name: The node's name.
        overload: Overload of a model-local function.
        metadata: Named properties.
        attributes: Attributes by name, for names that are not free as keywords; values as in `attribute`.
        **more_attributes: Attributes; None leaves one out.

    Raises:
        OnnxError: An attribute's value is none that ONNX has.
    """
    return Node(
        op_type=op_type,
        domain=domain,
        overload=overload,
        name=name,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        attributes=_attributes({**(attributes or {}), **more_attributes}),
        metadata=dict(metadata or {}),
    )


def attribute(name: str, value: object) -> Attribute:
    """An attribute, its type taken from the value.

    Booleans are INT 0 or 1; floats are rounded to float32; arrays become tensors; a sequence of ints and floats is
    FLOATS. An empty sequence does not tell its type: write ``Attribute("axes", AttributeType.INTS, ())``.

    Raises:
        UnsupportedTypeError: No type of attribute holds the value.
        FormatError: A number is out of range.
    """
    if isinstance(value, Attribute):
        return Attribute(name, value.type, value.value, value.ref_attr_name, value.doc_string)
    if isinstance(value, list | tuple):
        return _list_attribute(name, value)
    kind, converted = _single(value)
    return Attribute(name, kind, converted)


def ref(attribute_name: str, kind: AttributeType) -> Attribute:
    """Inside a function: the value of the function's own attribute, ``alpha=ref("alpha", AttributeType.FLOAT)``."""
    return Attribute("", kind, None, attribute_name)


def tensor(name: str, values: npt.ArrayLike, dtype: DTypeLike | None = None) -> Tensor:
    """A tensor with a copy of the values.

    Args:
        name: Its name.
        values: Array-like. Python floats become float32 and ints int64 unless `dtype` says otherwise.
        dtype: Type of the elements. For types that numpy does not have, values are either arrays of ml_dtypes or their
            bits, as `Tensor.numpy` gives them.

    Raises:
        UnsupportedTypeError: ONNX has no such type, or the values' dtype cannot stand for it.
        FormatError: A value is out of range.
    """
    array = np.asarray(values)
    if dtype is None and not isinstance(values, np.ndarray | np.generic):
        dtype = {"f": "float32", "i": "int64"}.get(array.dtype.kind)
    target = DataType.of(array.dtype if dtype is None else dtype)
    if target is DataType.STRING:
        return Tensor(name, target, array.shape, Strings(tuple(map(_encoded, array.reshape(-1).tolist()))))
    try:
        data = _element_bytes(array, target)
    except OnnxError as error:
        raise error.within(f"tensor {quoted(name)}") from None
    return Tensor(name, target, array.shape, InMemory(data))


def sparse_tensor(name: str, values: npt.ArrayLike, indices: npt.ArrayLike, shape: Sequence[int]) -> SparseTensor:
    """A sparse tensor from its non-zero values [NNZ] and their indices, [NNZ] or [NNZ, rank]."""
    return SparseTensor(tensor(name, values), tensor("", indices, DataType.INT64), tuple(shape))


def value(name: str, dtype: DTypeLike | Type | None = None, shape: Iterable[Dim] | None = None) -> ValueInfo:
    """A named value: ``value("x", "float32", ["batch", 3, None])``.

    Args:
        name: Its name.
        dtype: Element type of a tensor, or any type; None for a value without a stated type.
        shape: Sizes, symbols, and None where nothing is known; None if not even the rank is.
    """
    if dtype is None or isinstance(dtype, _TYPES):
        return ValueInfo(name, dtype)
    return ValueInfo(name, TensorType(DataType.of(dtype), None if shape is None else tuple(shape)))


def _opset_imports(versions: int | Mapping[str, int]) -> tuple[OperatorSet, ...]:
    if isinstance(versions, int):
        versions = {"": versions}
    return tuple(OperatorSet(domain, version) for domain, version in versions.items())


def _value_info(entry: ValueInfo | str) -> ValueInfo:
    return ValueInfo(entry) if isinstance(entry, str) else entry


def _attributes(values: Mapping[str, object]) -> dict[str, Attribute]:
    return {name: attribute(name, given) for name, given in values.items() if given is not None}


def _single(given: object) -> tuple[AttributeType, AttributeValue]:
    if isinstance(given, bool | int | np.bool_ | np.integer):
        number = int(given)
        if not -(1 << 63) <= number < 1 << 63:
            raise FormatError(f"{number} does not fit the 64 bits of an INT")
        return AttributeType.INT, number
    if isinstance(given, float | np.floating):
        return AttributeType.FLOAT, _float32(float(given))
    if isinstance(given, str | bytes):
        return AttributeType.STRING, given if isinstance(given, str) else given.decode(errors="surrogateescape")
    if isinstance(given, Tensor):
        return AttributeType.TENSOR, given
    if isinstance(given, np.ndarray):
        return AttributeType.TENSOR, tensor("", given)
    if isinstance(given, SparseTensor):
        return AttributeType.SPARSE_TENSOR, given
    if isinstance(given, Graph):
        return AttributeType.GRAPH, given
    if isinstance(given, _TYPES):
        return AttributeType.TYPE_PROTO, given
    raise UnsupportedTypeError(f"no type of attribute holds a {type(given).__name__}")


_LISTS: Final = {
    AttributeType.INT: AttributeType.INTS,
    AttributeType.FLOAT: AttributeType.FLOATS,
    AttributeType.STRING: AttributeType.STRINGS,
    AttributeType.TENSOR: AttributeType.TENSORS,
    AttributeType.SPARSE_TENSOR: AttributeType.SPARSE_TENSORS,
    AttributeType.GRAPH: AttributeType.GRAPHS,
    AttributeType.TYPE_PROTO: AttributeType.TYPE_PROTOS,
}


def _list_attribute(name: str, given: Sequence[object]) -> Attribute:
    if not given:
        raise UnsupportedTypeError(f'attribute {quoted(name)} is an empty list; write Attribute("{name}", type, ())')
    kinds, converted = zip(*map(_single, given), strict=True)
    if set(kinds) == {AttributeType.INT, AttributeType.FLOAT}:
        kinds, converted = (AttributeType.FLOAT,), tuple(_float32(float(number)) for number in converted)
    if len(set(kinds)) != 1:
        raise UnsupportedTypeError(
            f"attribute {quoted(name)} mixes {', '.join(sorted(kind.name for kind in set(kinds)))}"
        )
    return Attribute(name, _LISTS[kinds[0]], converted)


def _float32(number: float) -> float:
    """The nearest float32, which is all that an attribute can hold."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        raise FormatError(f"{number} does not fit the float32 of a FLOAT") from None


def _encoded(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode(errors="surrogateescape")


def _element_bytes(array: npt.NDArray[Any], dtype: DataType) -> bytes:
    """The elements as the file holds them."""
    if dtype in _INTEGERS:
        lowest, highest = _INTEGERS[dtype]
        if array.dtype.name != dtype.label and array.dtype.kind not in "iu":
            raise UnsupportedTypeError(f"{array.dtype} cannot stand for {dtype.name}")
        numbers = array.astype(np.int64)
        if numbers.size and not (lowest <= numbers.min() and numbers.max() <= highest):
            raise FormatError(f"{dtype.name} holds {lowest} to {highest}")
        return pack(numbers, dtype)
    carrier = dtype.numpy_dtype
    if carrier.name == dtype.label:
        return array.astype(carrier).tobytes()
    if array.dtype.name == dtype.label:  # of ml_dtypes
        array = array.view(carrier)
    if array.dtype != carrier:
        raise UnsupportedTypeError(
            f"give elements of {dtype.name} as {dtype.label} of ml_dtypes, or as bits in {carrier}"
        )
    if dtype.bits == 8 * dtype.itemsize:
        return array.tobytes()
    if array.size and array.max() >= 1 << dtype.bits:
        raise FormatError(f"{dtype.name} has {dtype.bits} bits")
    return pack(array, dtype)


_INTEGERS: Final = {
    DataType.INT4: (-8, 7),
    DataType.UINT4: (0, 15),
    DataType.INT2: (-2, 1),
    DataType.UINT2: (0, 3),
}
