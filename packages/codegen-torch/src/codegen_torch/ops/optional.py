"""Optionals: values that may be None. A value that is certainly there needs no wrapping."""

from __future__ import annotations

from onnx_proto import Type

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, array, nothing
from codegen_torch.facts import OptionalOf
from codegen_torch.lower.registry import NotApplicable, Value, op
from codegen_torch.lower.types import UnsupportedType, fact_of_type
from codegen_torch.symbols.namespaces import host, maybe


@op("Optional", since=15)
def optional(x: Value | None = None, *, type: Type | None = None) -> Expr:
    if x is not None:
        return x
    if type is None:
        raise NotApplicable("attribute 'type' is missing")
    try:
        return nothing(fact_of_type(type))
    except UnsupportedType as error:
        raise NotApplicable(str(error)) from error


@op("OptionalHasElement", since=15)
def optional_has_element(x: Value | None = None) -> Expr:
    if x is None or not isinstance(x.fact, OptionalOf) or x.fact.absent:
        return array(x is not None and not isinstance(x.fact, OptionalOf), DType.BOOL)
    return host.tensor(maybe.is_there(x), dtype=DType.BOOL)  # type: ignore[no-any-return]


@op("OptionalGetElement", since=15)
def optional_get_element(x: Value) -> Expr:
    if not isinstance(x.fact, OptionalOf):
        return x
    if x.fact.absent:
        raise NotApplicable("the optional is empty")
    return maybe.value(x)  # type: ignore[no-any-return]
