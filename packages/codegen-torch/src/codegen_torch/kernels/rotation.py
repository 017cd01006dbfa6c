"""The rotation of rotary embeddings, found where it is spelled out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from codegen_torch.emit.plan import operands_of
from codegen_torch.expr import Expr
from codegen_torch.modules.region import Region

ROTATE = "kernels.rotate_half"
"""The symbol of ``torch.cat([-second, first], -1)``, where first and second are the halves of the last dimension."""


@dataclass(slots=True)
class Rotations:
    """The rotations of a region.

    Attributes:
        rotated: What each of the concatenations rotates.
        parts: The expressions that are nothing but a part of a rotation, by their concatenation.
    """

    rotated: dict[Expr, Expr] = field(default_factory=dict)
    parts: dict[Expr, list[Expr]] = field(default_factory=dict)


def find_rotations(region: Region) -> Rotations:
    """Find ``first, second = x.chunk(2, -1)`` and ``torch.cat([-second, first], -1)``, used for nothing else."""
    users: dict[Expr, int] = {}
    for unit in region.units:
        for operand in operands_of(unit):
            users[operand] = users.get(operand, 0) + 1
    for result in region.results:
        users[result] = users.get(result, 0) + 1
    found = Rotations()
    for unit in region.units:
        if not isinstance(unit, Expr) or unit.op != "torch.cat":
            continue
        parts = _parts(unit, users)
        if parts is not None:
            found.rotated[unit] = parts[0].inputs[0]
            found.parts[unit] = parts
    return found


def is_read_elsewhere(rotation: Expr) -> bool:
    """Whether what is rotated is a parameter, or the product of two: then it can be read where it comes from."""
    x = rotation.inputs[0]
    return x.op == "input" or (x.op == "operator.mul" and all(each.op == "input" for each in x.inputs))


def _parts(cat: Expr, users: Mapping[Expr, int]) -> list[Expr] | None:
    """The split, its two halves and the negation of the second one."""
    if len(cat.inputs) != 2 or not _is_last(cat, cat.attrs.get("dim", 0)):
        return None
    negated, first = cat.inputs
    if negated.op != "operator.neg":
        return None
    second = negated.inputs[0]
    halves = (first, second)
    if any(half.op != "operator.getitem" for half in halves) or first.inputs[0] is not second.inputs[0]:
        return None
    split = first.inputs[0]
    if [half.attrs["index"] for half in halves] != [0, 1] or not _is_in_halves(split):
        return None
    parts = [split, first, second, negated]
    return parts if [users.get(part) for part in parts] == [2, 1, 1, 1] else None


def _is_in_halves(split: Expr) -> bool:
    """Whether this splits the last dimension, of a known and even size, in two."""
    x = split.inputs[0]
    if x.dims is None or not x.dims or not isinstance(x.dims[-1], int) or x.dims[-1] % 2 or not x.dtype.is_float:
        return False
    if not _is_last(x, split.attrs.get("dim", 0)):
        return False
    if split.op == "Tensor.chunk":
        return bool(split.attrs["chunks"] == 2)
    half = x.dims[-1] // 2
    return split.op == "Tensor.split" and split.attrs["split_size"] in (half, (half, half))


def _is_last(x: Expr, dim: int) -> bool:
    return x.rank is not None and dim in (-1, x.rank - 1)
