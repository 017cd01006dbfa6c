"""Who uses the values of a region."""

from __future__ import annotations

from collections.abc import Mapping

from codegen_torch.expr import Expr
from codegen_torch.modules.region import Region, data_operands

Users = Mapping[Expr, list[Expr | None]]
"""The users of a value inside a region; None stands for anyone else."""


def users_of(region: Region) -> Users:
    """Who uses each value inside the region."""
    users: dict[Expr, list[Expr | None]] = {}
    for unit in (unit for unit in region.units if isinstance(unit, Expr)):
        for operand in dict.fromkeys(data_operands(unit)):
            users.setdefault(operand, []).append(unit)
    for value in (*region.results, *(param for child in region.children for param in child.params)):
        users.setdefault(value, []).append(None)
    return users
