"""The rotation of rotary embeddings, which the layers stage recovers as ``rotate_half``."""

from __future__ import annotations

from codegen_torch.expr import Expr
from codegen_torch.modules.region import Region

ROTATE = "kernels.rotate_half"
"""The symbol of ``torch.cat([-second, first], -1)``, where first and second are the halves of the last dimension."""


def find_rotations(region: Region) -> dict[Expr, Expr]:
    """Find the rotations of a region whose last dimension is known and even, and what each of them rotates."""
    units = (unit for unit in region.units if isinstance(unit, Expr))
    return {
        unit: unit.inputs[0] for unit in units if unit.op == "runtime.rotate_half" and _is_in_halves(unit.inputs[0])
    }


def is_read_elsewhere(rotation: Expr) -> bool:
    """Whether what is rotated is a parameter, or the product of two: then it can be read where it comes from."""
    x = rotation.inputs[0]
    return x.op == "input" or (x.op == "operator.mul" and all(each.op == "input" for each in x.inputs))


def _is_in_halves(x: Expr) -> bool:
    last = x.dims[-1] if x.dims else None
    return isinstance(last, int) and last % 2 == 0 and x.dtype.is_float
