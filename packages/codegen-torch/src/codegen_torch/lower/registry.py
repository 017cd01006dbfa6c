"""The operator registry: which function gives the meaning of an ONNX operator, and at which opsets.

A definition's signature is its specification. Positional parameters are the operator's inputs, keyword-only ones
its attributes with ONNX's defaults. Annotations say what an input must be:

* ``Expr`` a tensor of anything but strings, ``Expr | None`` an optional one, ``*xs: Expr`` the rest;
* ``Strings`` a tensor of strings, ``Expr | Strings`` any tensor;
* ``List``, ``Map``, ``Maybe`` a sequence, a map, an optional; ``Value`` any of these or a tensor;
* ``Ints`` a tensor of rank 1 whose elements are host values: numbers, or sizes known when the model runs;
* ``Int`` the same for a single number;
* ``Const[Ints]``, ``Const[Floats]``, ``Const[int]``, ``Const[float]``, ``Const[bool]`` numbers that must be known at
  conversion.

Where an input is not what a definition needs, the next definition of the operator is tried.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, TypeAlias, TypeVar

from onnx_proto import Graph, SparseTensor, Tensor, Type

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, call
from codegen_torch.facts import Container, MapOf, OptionalOf, SequenceOf

NEWEST = 28
"""The newest opset of ONNX's own domain that open ranges reach."""

T = TypeVar("T")
Const = Annotated[T, "known at conversion"]
Int = int | Dim | Expr
Ints = Sequence[int | Dim | Expr]
Strings: TypeAlias = Expr
Value: TypeAlias = Expr
List: TypeAlias = Expr
Map: TypeAlias = Expr
Maybe: TypeAlias = Expr
Floats = Sequence[float]
Meaning = Callable[..., Any]

HINTS = frozenset({"consumed_inputs"})
"""Attributes of opset 1 that only tell where a result may be stored."""

_TENSORS = frozenset({"Expr", "Strings", "Expr | Strings"})
_TYPES: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "Tensor": Tensor,
    "SparseTensor": SparseTensor,
    "Graph": Graph,
    "Type": Type,
}

_KINDS: dict[str, tuple[type, str]] = {
    "List": (SequenceOf, "sequence"),
    "Map": (MapOf, "map"),
    "Maybe": (OptionalOf, "optional"),
}

_REGISTRY: dict[tuple[str, str], list[Definition]] = {}


class NotApplicable(Exception):
    """A definition does not apply to a node; the message says why."""


class Subgraphs(Protocol):
    """How a definition has the subgraphs of its node lowered, which see the names that the node sees."""

    @property
    def depth(self) -> int:
        """How many nodes with subgraphs are around."""

    def here(self, graph: Graph, arguments: Sequence[Expr] = (), *, branch: str = "") -> list[Expr]:
        """The outputs of a subgraph that is written out in the place of its node.

        Args:
            graph: The subgraph.
            arguments: What it is given.
            branch: Which branch of an If it is; empty for all else, whose values may be computed more than once.

        Raises:
            Obstructed: Something in the subgraph cannot be converted.
        """

    def number(self) -> int:
        """A number for a block of code."""

    def named(self, name: str) -> Expr:
        """The value that a name stands for, which no other name stands for.

        Raises:
            NotApplicable: There is none, or it has another name, too.
            Obstructed: It cannot be converted.
        """

    def block(self, number: int, graph: Graph, arguments: Sequence[Expr] = (), *, branch: str = "") -> list[Expr]:
        """The outputs of a subgraph that becomes the block with this number; else as for `here`.

        Raises:
            Obstructed: Something in the subgraph cannot be converted.
        """


class Obstructed(Exception):
    """A subgraph cannot be converted; the reasons are noted."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a definition may ask about the node it stands for, through a keyword parameter of this type.

    Attributes:
        outputs: For each output of the node, whether anybody uses it.
        opset: The version of the operator's domain.
        trained: Whether the first output is a weight that the graph makes itself (by ConstantOfShape).
        subgraphs: Lowers the node's subgraphs.
    """

    outputs: tuple[bool, ...]
    opset: int
    trained: bool = False
    subgraphs: Subgraphs | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a definition."""

    name: str
    annotation: str
    optional: bool
    variadic: bool


@dataclass(frozen=True, slots=True)
class Definition:
    """One meaning of an operator over a range of opsets."""

    op_type: str
    domain: str
    since: int
    until: int
    meaning: Meaning
    inputs: tuple[Input, ...]
    attributes: Mapping[str, Any]
    context: str | None
    types: Mapping[str, str] = field(default_factory=dict)

    def apply(self, inputs: Sequence[Expr | None], attributes: Mapping[str, Any], context: Context) -> Any:
        """Build the expressions that a node means.

        Raises:
            NotApplicable: An input or attribute is not what this definition takes.
        """
        arguments = self._inputs(inputs)
        attributes = {name: value for name, value in attributes.items() if name not in HINTS}
        unknown = sorted(attributes.keys() - self.attributes.keys())
        if unknown:
            raise NotApplicable(f"attribute {unknown[0]!r} is not supported")
        missing = [n for n, d in self.attributes.items() if d is inspect.Parameter.empty and n not in attributes]
        if missing:
            raise NotApplicable(f"attribute {missing[0]!r} is missing")
        for name, value in attributes.items():
            if not _is_of_type(value, self.types[name]):
                raise NotApplicable(f"attribute {name!r} is no {self.types[name]}")
        keywords = dict(attributes)
        if self.context is not None:
            keywords[self.context] = context
        return self.meaning(*arguments, **keywords)

    def _inputs(self, inputs: Sequence[Expr | None]) -> list[Any]:
        arguments: list[Any] = []
        for position, parameter in enumerate(self.inputs):
            if parameter.variadic:
                if not inputs:
                    raise NotApplicable("it has no inputs")
                arguments.extend(self._input(parameter, value) for value in inputs[position:])
                return arguments
            value = inputs[position] if position < len(inputs) else None
            arguments.append(self._input(parameter, value))
        if any(value is not None for value in inputs[len(self.inputs) :]):
            raise NotApplicable(f"it has {len(inputs)} inputs, not at most {len(self.inputs)}")
        return arguments

    def _input(self, parameter: Input, value: Expr | None) -> Any:
        if value is None:
            if parameter.optional:
                return None
            raise NotApplicable(f"input {parameter.name!r} is missing")
        annotation = parameter.annotation.removesuffix(" | None")
        if annotation in _KINDS:
            kind, word = _KINDS[annotation]
            if not isinstance(value.fact, kind):
                raise NotApplicable(f"input {parameter.name!r} is {value.fact}, which is no {word}")
            return value
        if annotation == "Value":
            return value
        if isinstance(value.fact, Container):
            raise NotApplicable(f"input {parameter.name!r} is {value.fact}, which is no tensor")
        if annotation in _TENSORS:
            _check_elements(parameter.name, annotation, value)
            return value
        if value.dtype is DType.STRING:
            raise NotApplicable(f"strings are not supported as input {parameter.name!r}")
        if annotation.startswith("Const["):
            return _constant(parameter.name, annotation[6:-1], value)
        return _host(parameter.name, annotation, value)


def _check_elements(name: str, annotation: str, value: Expr) -> None:
    """Refuse strings where numbers are meant, and numbers where strings are."""
    if value.dtype is DType.STRING and annotation == "Expr":
        raise NotApplicable(f"strings are not supported as input {name!r}")
    if value.dtype is not DType.STRING and annotation == "Strings":
        raise NotApplicable(f"input {name!r} is no tensor of strings")


def _constant(name: str, kind: str, value: Expr) -> Any:
    known = value.fact.value
    if known is None or not value.fact.is_constant:
        raise NotApplicable(f"input {name!r} is only known when the model runs")
    if kind == "Array":
        return known
    if kind in ("Ints", "Floats"):
        return tuple(known.reshape(-1).tolist())
    if known.size != 1:
        raise NotApplicable(f"input {name!r} has {known.size} elements, not one")
    return {"int": int, "float": float, "bool": bool}[kind](known.reshape(()).item())


def _host(name: str, kind: str, value: Expr) -> Any:
    if kind == "Int":
        known = value.fact.value
        if known is not None and known.size == 1:
            return known.reshape(()).item()
        if (value.fact.size == 1 or not isinstance(value.fact.size, int)) and value.dtype.is_int:
            return call("host.item", value)
        raise NotApplicable(f"input {name!r} is not one integer")
    found = host_elements(value)
    if found is None:
        raise NotApplicable(f"the number of elements of input {name!r} is only known when the model runs")
    return found


def _is_of_type(value: Any, annotation: str) -> bool:
    """Whether an attribute is what its annotation says: a number, a string, a tensor, or a tuple of numbers."""
    if annotation in _TYPES:
        return isinstance(value, _TYPES[annotation])
    kind = int if annotation == "Numbers" else _TYPES[annotation.removeprefix("tuple[").removesuffix(", ...]")]
    return isinstance(value, tuple) and all(isinstance(item, kind) for item in value)


def host_elements(vector: Expr) -> tuple[int | Dim | Expr, ...] | None:
    """The elements of a tensor of rank 1 as host values; None where it is unknown how many there are."""
    known = vector.fact.value
    if known is not None and known.ndim == 1:
        return tuple(known.tolist())
    if vector.op == "torch.cat" and vector.rank == 1:
        parts = [_few_elements(part) for part in vector.inputs]
        return None if None in parts else tuple(element for part in parts if part for element in part)
    return _few_elements(vector)


def _few_elements(vector: Expr) -> tuple[int | Dim | Expr, ...] | None:
    known = vector.fact.value
    if known is not None and known.ndim == 1:
        return tuple(known.tolist())
    if vector.dims is None or len(vector.dims) != 1 or not isinstance(vector.dims[0], int):
        return None
    if vector.dims[0] == 1:
        return (call("host.item", vector.inputs[0] if vector.op == "Tensor.unsqueeze" else vector),)
    return tuple(call("host.item", call("index.select", vector, 0, position)) for position in range(vector.dims[0]))


def op(op_type: str, *, since: int, until: int = NEWEST, domain: str = "") -> Callable[[Meaning], Meaning]:
    """Define what an ONNX operator means at a range of opsets.

    Args:
        op_type: The operator's name.
        since: The first opset that this meaning holds at.
        until: The last one.
        domain: The operator's domain, empty for ONNX's own.
    """

    def register(meaning: Meaning) -> Meaning:
        inputs: list[Input] = []
        attributes: dict[str, Any] = {}
        types: dict[str, str] = {}
        context = None
        for parameter in inspect.signature(meaning).parameters.values():
            annotation = str(parameter.annotation)
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
                variadic = parameter.kind is inspect.Parameter.VAR_POSITIONAL
                optional = parameter.default is not inspect.Parameter.empty or annotation.endswith(" | None")
                inputs.append(Input(parameter.name, annotation, optional, variadic))
            elif annotation == "Context":
                context = parameter.name
            else:
                attributes[parameter.name] = parameter.default
                types[parameter.name] = annotation.removesuffix(" | None")
        definition = Definition(op_type, domain, since, until, meaning, tuple(inputs), attributes, context, types)
        _REGISTRY.setdefault((domain, op_type), []).append(definition)
        return meaning

    return register


def definitions(domain: str, op_type: str, version: int) -> list[Definition]:
    """The definitions of an operator at one opset, in the order they are tried."""
    return [d for d in _REGISTRY.get((domain, op_type), ()) if d.since <= version <= d.until]


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """What is defined inside is forgotten afterwards."""
    before = {key: list(found) for key, found in _REGISTRY.items()}
    try:
        yield
    finally:
        _REGISTRY.clear()
        _REGISTRY.update(before)


def take_precedence(define: Callable[[], None]) -> int:
    """Let definitions be tried before those that are there.

    Args:
        define: Makes them.

    Returns:
        How many they are.
    """
    before = {key: len(found) for key, found in _REGISTRY.items()}
    define()
    count = 0
    for key, found in _REGISTRY.items():
        new = found[before.get(key, 0) :]
        found[:] = [*new, *found[: before.get(key, 0)]]
        count += len(new)
    return count


def registered() -> dict[tuple[str, str], list[Definition]]:
    """All definitions by domain and operator."""
    return _REGISTRY


def is_redefined(domain: str, op_type: str) -> bool:
    """Whether somebody else's file defines an operator."""
    return any(
        not each.meaning.__module__.startswith("codegen_torch.") for each in _REGISTRY.get((domain, op_type), ())
    )


def ranges(domain: str, op_type: str) -> str:
    """The opsets at which an operator is defined, in words; empty for none."""
    spans = sorted({(d.since, d.until) for d in _REGISTRY.get((domain, op_type), ())})
    return ", ".join(f"{since} to {until}" for since, until in spans)
