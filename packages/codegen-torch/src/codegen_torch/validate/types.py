"""Rules of element types: which ones an operator takes, and which of its inputs are of the same.

Of the kinds of types that an operator takes at its opset, every type will do: exporters write bfloat16 where only a
later opset lists it beside float16, and it means what it means there.
"""

from __future__ import annotations

from collections.abc import Sequence

from onnx_proto import TensorType, ValueInfo

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.facts import Fact, MapOf, OptionalOf, SequenceOf
from codegen_torch.validate.signatures import signature


def type_problem(domain: str, op_type: str, opset: int, inputs: Sequence[Expr | None]) -> str:
    """What is wrong with the types of a node's inputs; empty if nothing is.

    Args:
        domain: The operator's domain.
        op_type: The operator.
        opset: The domain's version.
        inputs: The inputs; None where one is left out.
    """
    known = signature(domain, op_type, opset)
    if known is None:
        return ""
    bound: dict[str, DType] = {}
    for position, value in enumerate(inputs):
        if value is None:
            continue
        fact, parameter = value.fact, known.parameter(position)
        if isinstance(fact, OptionalOf) or "O" in parameter.kinds:
            continue
        if _kind(fact) not in parameter.kinds:
            return f"takes no {fact} as input {position}"
        if parameter.same and not isinstance(fact, SequenceOf | MapOf):
            first = bound.setdefault(parameter.type, fact.dtype)
            if first is not fact.dtype:
                return f"has inputs of types {first.value} and {fact.dtype.value}, which must be one"
    return ""


def contradiction(stated: ValueInfo, fact: Fact) -> str:
    """How the stated element type of an output differs from what is computed; empty if it does not."""
    if not isinstance(stated.type, TensorType) or isinstance(fact, SequenceOf | MapOf | OptionalOf):
        return ""
    dtype = DType.of_onnx(stated.type.elem_type)
    return f"is stated to be {dtype.value} and is {fact.dtype.value}" if dtype not in (None, fact.dtype) else ""


def _kind(fact: Fact) -> str:
    if isinstance(fact, SequenceOf):
        return "S"
    if isinstance(fact, MapOf):
        return "M"
    dtype = fact.dtype
    if dtype is DType.BOOL:
        return "b"
    if dtype is DType.STRING:
        return "t"
    if dtype.is_int:
        return "u" if dtype.limits[0] == 0 else "i"
    if dtype.is_float:
        return "n" if dtype.is_narrow_float else "f"
    return "c"
