"""The types that a file states, as facts."""

from __future__ import annotations

from onnx_proto import Graph, MapType, OptionalType, SequenceType, TensorType, Type, ValueInfo

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, MapOf, OptionalOf, SequenceOf, Size
from codegen_torch.names import Identifier, fresh


class UnsupportedType(Exception):
    """There is no Python value of a type; the message says why."""


class Symbols:
    """The symbolic sizes of a graph's inputs. Sizes of one name are equal; one without a name is like no other."""

    def __init__(self, graph: Graph) -> None:
        shapes = [value.type.shape or () for value in graph.inputs if isinstance(value.type, TensorType)]
        self.names = {dim: dim for shape in shapes for dim in shape if isinstance(dim, str) and dim.isidentifier()}
        self.taken = set(self.names)

    def size(self, tensor: str, axis: int, dim: int | str | None) -> int | Dim:
        """The size that a dimension of an input states."""
        if isinstance(dim, int) and dim >= 0:
            return dim
        if isinstance(dim, str) and dim:
            if dim not in self.names:
                self.names[dim] = fresh(Identifier.like(dim, "size"), self.taken)
            return Dim.symbol(self.names[dim])
        return Dim.symbol(fresh(f"{Identifier.like(tensor)}_dim{axis}", self.taken))


def fact_of(value: ValueInfo, symbols: Symbols) -> Fact:
    """What the file states of an input. It is the contract of the model, so it is believed.

    Raises:
        UnsupportedType: There are no such values in torch or Python.
    """
    if not isinstance(value.type, TensorType):
        return fact_of_type(value.type)
    dtype = _dtype(value.type)
    if value.type.shape is None:
        return Fact(dtype, None)
    return Fact(dtype, tuple(symbols.size(value.name, axis, dim) for axis, dim in enumerate(value.type.shape)))


def fact_of_type(stated: Type | None) -> Fact:
    """The facts of a value of a type. A symbolic size, which may differ from element to element, is any size.

    Raises:
        UnsupportedType: There are no such values in torch or Python.
    """
    if isinstance(stated, TensorType):
        return Fact(_dtype(stated), None if stated.shape is None else tuple(map(_size, stated.shape)))
    if isinstance(stated, SequenceType):
        return SequenceOf(fact_of_type(stated.elem_type))
    if isinstance(stated, OptionalType):
        return OptionalOf(fact_of_type(stated.elem_type))
    if isinstance(stated, MapType):
        key = DType.of_onnx(stated.key_type)
        if key is None or not (key.is_int or key is DType.STRING):
            raise UnsupportedType(f"keys of type {stated.key_type.name} are not supported")
        return MapOf(key, _in_map(fact_of_type(stated.value_type)))
    raise UnsupportedType("only tensors, sequences, optionals and maps are supported")


def _in_map(fact: Fact) -> Fact:
    """ONNX's maps hold tensors of rank 0, Python's dicts hold numbers, whose type still tells what becomes of them."""
    if fact.host or fact.dims:
        return fact
    return Fact(fact.dtype, (), host=True)


def _dtype(stated: TensorType) -> DType:
    dtype = DType.of_onnx(stated.elem_type)
    if dtype is None:
        raise UnsupportedType(f"the element type {stated.elem_type.name} is not supported")
    return dtype


def _size(dim: int | str | None) -> Size:
    return dim if isinstance(dim, int) and dim >= 0 else Dim.fresh()
