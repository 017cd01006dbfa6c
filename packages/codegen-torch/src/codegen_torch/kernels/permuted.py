"""Elementwise expressions that stand before a permutation are computed after it, beside what else is computed there."""

from __future__ import annotations

from codegen_torch.dtypes import DType
from codegen_torch.emit.plan import operands_of
from codegen_torch.expr import Expr, call, originating
from codegen_torch.kernels.fusable import domain, is_of_group, is_of_row, obstacle
from codegen_torch.modules.region import Region


def permute_operands(region: Region, model_dtype: DType | None) -> None:
    """``(scale * y).permute(0, 3, 1, 2)`` becomes ``scale[:, None, None] * y.permute(0, 3, 1, 2)``.

    Permuting moves nothing in memory. It is done only where the result is an operand of something that a kernel can
    compute, with which the two then become one.
    """
    if region.sequential:
        return
    users: dict[Expr, list[Expr | Region]] = {}
    for unit in region.units:
        for operand in operands_of(unit):
            users.setdefault(operand, []).append(unit)
    units: dict[Expr | Region, None] = dict.fromkeys(region.units)
    replaced: dict[Expr | Region, list[Expr]] = {}
    for unit in region.units:
        if not isinstance(unit, Expr) or unit.op != "Tensor.permute" or unit in region.results:
            continue
        inner = unit.inputs[0]
        is_lone = users.get(inner) == [unit] and inner in units and inner not in region.results
        if is_lone and _is_fusable(inner, model_dtype) and _meets_fusable(unit, users, model_dtype):
            moved = _moved(inner, unit.attrs["dims"])
            if moved is not None:
                operands, views = moved
                replaced[unit] = views
                unit.op, unit.inputs, unit.attrs = inner.op, tuple(operands), inner.attrs
                del units[inner]
    region.units = [each for unit in units for each in (*replaced.get(unit, ()), unit)]


def _is_fusable(expr: Expr, model_dtype: DType | None) -> bool:
    return (
        domain(expr) is not None and not (is_of_row(expr) or is_of_group(expr)) and obstacle(expr, model_dtype) is None
    )


def _meets_fusable(value: Expr, users: dict[Expr, list[Expr | Region]], model_dtype: DType | None) -> bool:
    return any(
        isinstance(user, Expr) and user.dims == value.dims and _is_fusable(user, model_dtype)
        for user in users.get(value, ())
    )


def _moved(inner: Expr, dims: tuple[int, ...]) -> tuple[list[Expr], list[Expr]] | None:
    """The operands as they are after the permutation, and the views made for it; None if one cannot be made."""
    operands: list[Expr] = []
    views: list[Expr] = []
    with originating(inner.origin):
        for operand in inner.inputs:
            if operand.op == "literal" or operand.rank == 0:
                operands.append(operand)
                continue
            value = operand
            if operand.rank == len(dims):
                value = call("Tensor.permute", operand, *dims)
                views.append(value)
            elif operand.rank == 1:
                for _ in range(len(dims) - 1 - dims.index(len(dims) - 1)):
                    value = call("Tensor.unsqueeze", value, -1)
                    views.append(value)
            else:
                return None
            operands.append(value)
    return operands, views
