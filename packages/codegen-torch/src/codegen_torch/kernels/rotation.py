"""The rotations of rotary embeddings, which the layers stage recovers."""

from __future__ import annotations

from codegen_torch.expr import Expr

HALVES = "runtime.rotate_half"
"""The symbol of ``torch.cat([-second, first], -1)``, where first and second are the halves of the last dimension."""
PAIRS = "runtime.rotate_pairs"
"""The symbol of ``torch.stack([-odd, even], -1).flatten(-2)``, where each is every second feature."""
ROTATIONS = frozenset({HALVES, PAIRS})


def is_read_elsewhere(rotation: Expr) -> bool:
    """Whether what is rotated is a parameter, or the product of two: then it can be read where it comes from."""
    x = rotation.inputs[0]
    return x.op == "input" or (x.op == "operator.mul" and all(each.op == "input" for each in x.inputs))
