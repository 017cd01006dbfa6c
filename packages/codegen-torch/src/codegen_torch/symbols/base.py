"""How a torch symbol is described: by one function that computes the facts of its result.

The function's signature is the symbol's signature. Annotations say what each parameter takes:

* ``Tensor`` a tensor; ``Tensor | None`` an optional one; ``Tensors`` a list of them;
* ``Operand`` a tensor or a Python number (``x + 1``);
* ``Value`` a value of any kind, ``List``, ``Map`` and ``Maybe`` one of that kind (``Values`` several of any);
* anything else is an attribute: ints, floats, strings, dtypes, or tuples of them, sizes and host values included.

Positional parameters are printed by position, keyword-only ones by keyword, ``*sizes`` spread out. Parameters
that hold their default are not printed.
"""

from __future__ import annotations

import enum
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from codegen_torch.dims import Dim, Undecided
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, Slot, array, literal
from codegen_torch.facts import Array, Fact, FactError, Facts, Size, elements
from codegen_torch.table import SUBSTITUTES, SYMBOLS

FOLD_LIMIT = 1 << 16
"""Constants of more elements are not folded but computed when the model runs."""
LONGEST_SIZE = 256
"""Sizes that are formulas of more symbols are computed when the model runs."""
MOST_ELEMENTS = 1 << 60
"""A tensor of more has no size in bytes that fits into 64 bits, whatever its type."""
SYMBOLIC_LIMIT = 64
"""Tensors of more elements are not followed as shapes."""


class Kind(enum.Enum):
    """What a parameter of a symbol takes."""

    TENSOR = "tensor"
    TENSORS = "tensors"
    OPERAND = "operand"
    ATTRIBUTE = "attribute"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a symbol."""

    name: str
    kind: Kind
    keyword: bool
    spread: bool
    default: Any

    @property
    def is_input(self) -> bool:
        """Whether its argument is among the node's inputs."""
        return self.kind is not Kind.ATTRIBUTE

    @property
    def is_ordered(self) -> bool:
        """Whether its argument is told by its position."""
        return self.is_input or not (self.keyword or self.spread)


@dataclass(frozen=True, slots=True, eq=False)
class Symbol:
    """A function, method, operator or layer of torch.

    Attributes:
        name: How it is written: ``F.softmax``, ``Tensor.reshape``, ``operator.add``, ``nn.Linear``.
        rule: Computes the facts of the result from the facts of the operands.
        fold: Computes the result from known operands in numpy, exactly; None where numpy may differ in a bit.
        symbolic: Whether ``fold`` also takes object arrays of sizes.
        effect: Whether two equal calls differ (random numbers): never shared, moved or folded.
        ordered: Whether calls with an effect stay in the order of the file, in statements of their own.
        creates: Whether the result's device is chosen here and not by an operand.
    """

    name: str
    rule: Callable[..., Facts]
    parameters: tuple[Parameter, ...]
    fold: Callable[..., Any] | None = None
    symbolic: bool = False
    effect: bool = False
    ordered: bool = True
    creates: bool = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Build the call: an expression, or a (nested) tuple of them where torch returns a tuple."""
        substitutes = SUBSTITUTES.get(self.name, {})
        for dtype in _operand_types(args) if substitutes else ():
            if dtype in substitutes:
                return substitutes[dtype](self, dtype, args, kwargs)
        arguments = self._bind(args, kwargs)
        inputs: list[Expr | None] = []
        attrs: dict[str, Any] = {}
        host: list[tuple[str, Any]] = []
        for parameter in self.parameters:
            argument = arguments[parameter.name]
            if parameter.kind is Kind.TENSORS:
                inputs.extend(argument)
            elif parameter.is_input:
                inputs.append(argument if argument is None or isinstance(argument, Expr) else literal(argument))
            elif parameter.spread or not is_default(argument, parameter.default):
                host.append((parameter.name, argument))
        operands = tuple(inputs)
        for name, argument in host:
            attrs[name] = _attribute(argument, inputs)
        expr = Expr(self.name, tuple(inputs), attrs)
        facts = self.rule(*self._rule_arguments(operands), **self._rule_attributes(arguments))
        if isinstance(facts, tuple):
            expr.fact = facts  # type: ignore[assignment]
            return project(expr, facts)
        if _is_too_large(facts):
            raise FactError(f"of {facts}, which has more elements than any tensor")
        value = self._folded(operands, arguments, facts)
        if value is not None and value.dtype != object and not facts.host and facts.dtype is not DType.STRING:
            return array(value, facts.dtype)
        expr.fact = facts if value is None else Fact(facts.dtype, facts.dims, value, facts.fill, facts.host)
        return expr

    def arguments(self, expr: Expr) -> dict[str, Any]:
        """The arguments of a call by parameter: expressions, lists of them, attributes with their slots."""
        result: dict[str, Any] = {}
        index = 0
        for parameter in self.parameters:
            if parameter.kind is Kind.TENSORS:
                result[parameter.name] = list(expr.inputs)
            elif parameter.is_input:
                result[parameter.name] = expr.inputs[index]
                index += 1
            else:
                result[parameter.name] = expr.attrs.get(parameter.name, parameter.default)
        return result

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        bound: dict[str, Any] = {}
        rest = list(args)
        for parameter in self.parameters:
            if parameter.spread:
                bound[parameter.name] = tuple(rest)
                rest = []
            elif parameter.keyword or not rest:
                bound[parameter.name] = kwargs.get(parameter.name, parameter.default)
            else:
                bound[parameter.name] = rest.pop(0)
        unknown = kwargs.keys() - bound.keys()
        missing = [name for name, value in bound.items() if value is inspect.Parameter.empty]
        if rest or unknown or missing:
            raise TypeError(f"{self.name}: too many {rest}, unknown {sorted(unknown)}, missing {missing}")
        return bound

    def _rule_arguments(self, operands: tuple[Expr | None, ...]) -> list[Any]:
        facts = [None if operand is None else operand.fact for operand in operands]
        if any(parameter.kind is Kind.TENSORS for parameter in self.parameters):
            return [facts]
        return facts

    def _rule_attributes(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {p.name: arguments[p.name] for p in self.parameters if not p.is_input}

    def _folded(self, operands: tuple[Expr | None, ...], arguments: dict[str, Any], facts: Fact) -> Array | None:
        """The elements of the result, where they are known before the model runs."""
        if self.fold is None or facts.value is not None or self.effect:
            return facts.value
        values: list[Array | None] = []
        for operand in operands:
            if operand is None:
                values.append(None)
                continue
            value = operand.fact.value
            if value is None:
                return None
            if value.dtype == object and not (self.symbolic and value.size <= SYMBOLIC_LIMIT):
                return None
            values.append(value)
        if _mixes_sizes_and_floats(values):
            return None
        size = facts.size
        if not isinstance(size, int) or size > FOLD_LIMIT:
            return None
        positional = [values] if any(p.kind is Kind.TENSORS for p in self.parameters) else values
        try:
            with np.errstate(all="ignore"):
                folded = self.fold(*positional, **self._rule_attributes(arguments))
        except Undecided:
            return None
        result: Array = elements([folded], ()) if isinstance(folded, Dim | Expr) else np.asarray(folded)
        if result.dtype == object:
            if result.size > SYMBOLIC_LIMIT or any(map(_is_long, result.flat)):
                return None
            if all(isinstance(element, int | bool | np.integer | np.bool_) for element in result.flat):
                result = result.astype(facts.dtype.numpy)
            return result
        return result.astype(facts.dtype.numpy, copy=False)


def symbol(
    name: str,
    *,
    fold: Callable[..., Any] | None = None,
    symbolic: bool = False,
    effect: bool = False,
    ordered: bool = True,
    creates: bool = False,
) -> Callable[[Callable[..., Facts]], Callable[..., Facts]]:
    """Register a torch symbol, described by the function that computes its facts."""

    def register(rule: Callable[..., Facts]) -> Callable[..., Facts]:
        parameters = tuple(
            Parameter(
                parameter.name,
                _kind(str(parameter.annotation)),
                parameter.kind is inspect.Parameter.KEYWORD_ONLY,
                parameter.kind is inspect.Parameter.VAR_POSITIONAL,
                parameter.default,
            )
            for parameter in inspect.signature(rule).parameters.values()
        )
        spread = {parameter.name for parameter in parameters if parameter.spread}

        def keyword_rule(*facts: Any, **attributes: Any) -> Facts:
            sizes = [size for key in spread for size in attributes.pop(key)]
            given = iter(facts)
            ordered = [next(given) if p.is_input else attributes.pop(p.name) for p in parameters if p.is_ordered]
            return rule(*ordered, *sizes, **attributes)

        if name in SYMBOLS:
            raise ValueError(f"{name} is registered twice")
        SYMBOLS[name] = Symbol(name, keyword_rule, parameters, fold, symbolic, effect, ordered, creates)
        return rule

    return register


def _is_too_large(fact: Fact) -> bool:
    """Whether a tensor has so many elements that their number is none of torch's."""
    return not fact.host and fact.is_static and math.prod(fact.dims or ()) >= MOST_ELEMENTS


def _is_long(element: Any) -> bool:
    """Whether a size is a longer formula than anybody reads: products of products double with each step."""
    return isinstance(element, Dim) and sum(len(atoms) for atoms, _ in element.terms) > LONGEST_SIZE


def _mixes_sizes_and_floats(values: list[Array | None]) -> bool:
    kinds = {value.dtype.kind for value in values if value is not None}
    return "O" in kinds and "f" in kinds


def _operand_types(args: tuple[Any, ...]) -> Iterator[DType]:
    """The element types of the tensors among a call's arguments."""
    for argument in args:
        for value in argument if isinstance(argument, list | tuple) else (argument,):
            if isinstance(value, Expr) and not isinstance(value.fact, tuple) and not value.fact.host:
                yield value.dtype


def project(expr: Expr, facts: tuple[Facts, ...]) -> tuple[Any, ...]:
    """The parts of a tuple-valued expression, as a nest of tuples like its facts."""
    parts: list[Any] = []
    for index, fact in enumerate(facts):
        part = Expr("operator.getitem", (expr,), {"index": index}, fact=fact)
        parts.append(project(part, fact) if isinstance(fact, tuple) else part)
    return tuple(parts)


def is_default(argument: Any, default: Any) -> bool:
    """Whether an argument is the default: equal and of its type (1 is not True, 0.0 is not 0)."""
    return argument is default or (type(argument) is type(default) and argument == default)


def _kind(annotation: str) -> Kind:
    if annotation.removesuffix(" | None") in ("Tensor", "Value", "List", "Map", "Maybe"):
        return Kind.TENSOR
    return {"Tensors": Kind.TENSORS, "Values": Kind.TENSORS, "Operand": Kind.OPERAND}.get(annotation, Kind.ATTRIBUTE)


def _attribute(value: Any, inputs: list[Expr | None]) -> Any:
    """An attribute's value, hashable, with the host expressions in it moved to the inputs."""
    if isinstance(value, Expr):
        known = value.fact.value
        if value.op == "literal":
            return value.attrs["value"]
        if known is not None and known.ndim == 0 and _is_printable(known.item()):
            return known.item()
        inputs.append(value)
        return Slot(len(inputs) - 1)
    if isinstance(value, list | tuple):
        return tuple(_attribute(item, inputs) for item in value)
    if isinstance(value, np.generic):
        return value.item()
    return value


def _is_printable(value: Any) -> bool:
    """Whether a known value can stand in an attribute: a number, or a size that the inputs' sizes tell."""
    return value.is_bound() if isinstance(value, Dim) else not isinstance(value, Expr)


def size_of(value: Any) -> int | Dim:
    """A host value as a size to reason with: what is known of it, else a fresh size."""
    if isinstance(value, Expr):
        known = value.fact.value
        if known is not None and known.ndim == 0 and isinstance(known.item(), int | Dim):
            return known.item()  # type: ignore[no-any-return]
        return Dim.fresh()
    return value  # type: ignore[no-any-return]


def sizes_of(sizes: Any) -> tuple[Size, ...] | None:
    """The sizes in an attribute to reason with: of a tuple, or of a host list, which may be of unknown length."""
    if not isinstance(sizes, Expr):
        if len(sizes) == 1 and isinstance(sizes[0], Expr) and sizes[0].rank == 1:
            return sizes_of(sizes[0])
        return tuple(size_of(size) for size in sizes)
    if sizes.dims is None or not isinstance(sizes.dims[0], int):
        return None
    return tuple(Dim.fresh() for _ in range(sizes.dims[0]))


def resolve(element: Any) -> Any:
    """An element of a shape to decide with: the number or size that a host expression is known to have.

    Raises:
        Undecided: Nothing is known of the host expression.
    """
    if not isinstance(element, Expr):
        return element
    known = element.fact.value
    if known is None or not isinstance(known.item(), int | Dim):
        raise Undecided
    return known.item()
