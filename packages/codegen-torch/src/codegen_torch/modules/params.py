"""The order in which a class's ``forward`` takes its arguments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dataflow_ir import nodes

from codegen_torch.expr import Expr
from codegen_torch.modules.region import Region, has_layers


def learned_values(results: Iterable[Expr]) -> set[Expr]:
    """The values that depend on what a layer computed: those of the main stream, no masks and no tables."""
    found: set[Expr] = set()
    order: list[Any] = nodes(list(results))
    for expr in order:
        if has_layers(expr) or any(operand in found for operand in expr.inputs):
            found.add(expr)
    return found


def arrange_params(instances: Sequence[Region], learned: set[Expr], inputs: Sequence[Expr]) -> None:
    """Put the parameters of a class's instances into one order that people would choose.

    The main stream comes first, then indices that were computed from it, then the model's own inputs in their order,
    then what was computed beside: masks, positions, angles. Otherwise the first that is used is the first.

    Args:
        instances: The regions, which take the same parameters at the same positions.
        learned: The values of the main stream.
        inputs: The inputs of the model.
    """
    numbers = {value: number for number, value in enumerate(inputs)}

    def rank(position: int) -> tuple[int, int]:
        values = {region.params[position] for region in instances}
        if not values.isdisjoint(learned):
            return 0 if all(value.dtype.is_float for value in values) else 1, position
        (first, *others) = values
        return (2, numbers[first]) if not others and first in numbers else (3, position)

    order = sorted(range(len(instances[0].params)), key=rank)
    for region in instances:
        region.params = [region.params[position] for position in order]
