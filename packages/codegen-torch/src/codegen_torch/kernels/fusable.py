"""Which expressions a kernel can compute, and the reason why not for those that look as if it could."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from codegen_torch.dtypes import DType
from codegen_torch.emit.expression import FLOAT32_MIN
from codegen_torch.expr import Expr
from codegen_torch.facts import Size
from codegen_torch.kernels.rotation import ROTATIONS
from codegen_torch.kernels.scalar import GROUPED, POWERS, RULES

LAYERS = {
    "nn.GroupNorm": "F.group_norm",
    "nn.InstanceNorm1d": "F.instance_norm",
    "nn.InstanceNorm2d": "F.instance_norm",
    "nn.InstanceNorm3d": "F.instance_norm",
    "nn.LayerNorm": "F.layer_norm",
    "nn.RMSNorm": "F.rms_norm",
}
"""Layers that are computed as a function of their tensors."""
STORED = frozenset((DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16, DType.BOOL)) | frozenset(
    (DType.INT64, DType.INT32, DType.INT16, DType.INT8, DType.UINT8)
)
"""The types of what kernels read and write."""
MAX_ROW = 32768
"""Longer rows are torch's: a program holds all of a row."""


def symbol_of(expr: Expr) -> str:
    """The symbol that a kernel computes for an expression."""
    return LAYERS.get(expr.op, str(expr.op))


def is_of_row(expr: Expr) -> bool:
    """Whether an element depends on all of its row."""
    return RULES[symbol_of(expr)].of_row


def is_of_group(expr: Expr) -> bool:
    """Whether an element depends on all of its group of channels."""
    return symbol_of(expr) in GROUPED


def go_together(members: Iterable[Expr]) -> bool:
    """Whether one kernel can compute these: what a program has at hand is a row or a group, and that once."""
    of_groups = 0
    of_rows = 0
    for member in members:
        of_groups += is_of_group(member)
        of_rows += is_of_row(member)
    return not of_groups or (of_groups == 1 and not of_rows)


def reduces(expr: Expr) -> bool:
    """Whether there is one element for each row."""
    return RULES[symbol_of(expr)].reduces


def domain(expr: Expr) -> tuple[Size, ...] | None:
    """The sizes of what is computed, or reduced, if an expression is one that a kernel could compute."""
    if symbol_of(expr) not in RULES or isinstance(expr.fact, tuple) or not expr.fact.is_tensor:
        return None
    return expr.inputs[0].dims if reduces(expr) else expr.dims


def obstacle(expr: Expr, model_dtype: DType | None) -> str | None:
    """Why a kernel cannot compute an expression whose symbol it knows; None if it can."""
    symbol = symbol_of(expr)
    operands = [operand for operand in expr.inputs if operand is not None]
    tensors = [operand for operand in operands if operand.op != "literal"]
    if any(isinstance(operand.fact, tuple) or not operand.fact.is_tensor for operand in tensors):
        return "it takes a number that is computed"
    if any(each.dtype not in STORED for each in (expr, *tensors)):
        return "its type is none that kernels read"
    if any(each.rank is None for each in (expr, *tensors)):
        return "its rank is not known"
    if any(not _is_plain(operand.attrs["value"]) for operand in operands if operand.op == "literal"):
        return "it takes a size, or a bound of the model's type"
    if not all(
        _is_plain(value) for name, value in expr.attrs.items() if name not in ("dim", "dtype", "normalized_shape")
    ):
        return "an attribute is computed"
    if RULES[symbol].floats and not all(each.dtype.is_float for each in (expr, *tensors)):
        return "it is computed on integers"
    return _OWN.get(symbol, _nothing)(expr, model_dtype) or (_row_obstacle(domain(expr)) if is_of_row(expr) else None)


def _is_plain(value: Any) -> bool:
    """Whether a value is written into a kernel as it is."""
    if isinstance(value, float) and (math.isnan(value) or abs(value) == -FLOAT32_MIN):
        return False
    return value is None or isinstance(value, bool | int | float | str)


def _nothing(expr: Expr, model_dtype: DType | None) -> str | None:
    return None


def _power(expr: Expr, model_dtype: DType | None) -> str | None:
    exponent = expr.inputs[1]
    is_known = exponent.op == "literal" and float(exponent.attrs["value"]) in POWERS
    return None if is_known and expr.inputs[0].op != "literal" else "its exponent is no root or small power"


def _cast(expr: Expr, model_dtype: DType | None) -> str | None:
    return "it makes integers of floats" if expr.inputs[0].dtype.is_float and not expr.dtype.is_float else None


def _where(expr: Expr, model_dtype: DType | None) -> str | None:
    both = all(choice.op == "literal" for choice in expr.inputs[1:])
    return "its type follows the model's" if both else None


def _on_truths(expr: Expr, model_dtype: DType | None) -> str | None:
    return None if expr.inputs[0].dtype is DType.BOOL else "it inverts bits"


def _arithmetic(expr: Expr, model_dtype: DType | None) -> str | None:
    return "it adds truths" if expr.dtype is DType.BOOL else None


def _softmax(expr: Expr, model_dtype: DType | None) -> str | None:
    return None if expr.rank and expr.attrs["dim"] in (-1, expr.rank - 1) else "it goes over another dimension"


def _norm(expr: Expr, model_dtype: DType | None) -> str | None:
    weights = [operand for operand in expr.inputs[1:] if operand is not None]
    ranks = [weight.rank for weight in weights] or [len(expr.attrs.get("normalized_shape", ()))]
    if any(rank != 1 for rank in ranks) or len(weights) != len(expr.inputs[1 : 1 + len(weights)]):
        return "it goes over several dimensions"
    if expr.inputs[1:] and expr.inputs[1] is None and weights:
        return "it has a bias and no weight"
    if symbol_of(expr) == "F.rms_norm" and expr.attrs.get("eps") is None:
        return "its eps follows the model's type"
    return None


def _group_norm(expr: Expr, model_dtype: DType | None) -> str | None:
    affine = affine_of(expr)
    if any(each.rank != 1 for each in affine) or len(affine) == 1:
        return "its weight and bias are not one for each channel"
    return None if (expr.rank or 0) > 1 else "it has no channels"


def affine_of(norm: Expr) -> list[Expr]:
    """The weight and bias of a norm, as far as it has them."""
    return [operand for operand in norm.inputs[1:] if operand is not None]


def _rotation(expr: Expr, model_dtype: DType | None) -> str | None:
    columns = expr.dims[-1] if expr.dims else None
    return None if isinstance(columns, int) and columns % 2 == 0 else "its features are not known to come in pairs"


def _reduction(expr: Expr, model_dtype: DType | None) -> str | None:
    x = expr.inputs[0]
    if not x.rank or expr.attrs.get("dim") not in (-1, (-1,), x.rank - 1, (x.rank - 1,)):
        return "it goes over other dimensions"
    if expr.attrs.get("p", 2) != 2:
        return "it is another norm than the Euclidean"
    return "its rows are of one element" if x.dims and x.dims[-1] == 1 else None


def _row_obstacle(sizes: tuple[Size, ...] | None) -> str | None:
    if not sizes:
        return "it has no rows"
    columns = sizes[-1]
    return f"its rows are longer than {MAX_ROW}" if isinstance(columns, int) and columns > MAX_ROW else None


_OWN = {
    **dict.fromkeys(ROTATIONS, _rotation),
    **dict.fromkeys(GROUPED, _group_norm),
    "F.layer_norm": _norm,
    "F.log_softmax": _softmax,
    "F.rms_norm": _norm,
    "F.softmax": _softmax,
    **{name: _reduction for name, rule in RULES.items() if rule.reduces},
    "Tensor.to": _cast,
    "operator.add": _arithmetic,
    "operator.invert": _on_truths,
    "operator.mul": _arithmetic,
    "operator.neg": _arithmetic,
    "operator.pow": _power,
    "operator.sub": _arithmetic,
    "torch.where": _where,
}
