"""What functions demand of the shapes of their operands. What is not known meets every demand."""

from __future__ import annotations

from codegen_torch.dims import Undecided, same
from codegen_torch.facts import Fact, FactError, Size, shape_text


def demand_rank(call: str, x: Fact, least: int, most: int | None = None) -> None:
    """Refuse a tensor of fewer dimensions, or of more.

    Raises:
        FactError: There are fewer, or more.
    """
    if x.rank is not None and not least <= x.rank <= (x.rank if most is None else most):
        raise FactError(f"{call} of {x}, a tensor of rank {x.rank}")


def demand_shape(call: str, name: str, x: Fact | None, *dims: Size | None) -> None:
    """Refuse an operand of another shape.

    Args:
        call: What it is an operand of.
        name: Which one it is.
        x: The operand, if it is there.
        dims: The sizes that it must have; None where any will do.

    Raises:
        FactError: The ranks or some sizes differ, whatever the unknown sizes are.
    """
    if x is None or x.dims is None:
        return
    if len(x.dims) != len(dims) or any(are_different(one, other) for one, other in zip(x.dims, dims, strict=True)):
        wanted = shape_text(tuple("any" if size is None else size for size in dims))
        raise FactError(f"{call} whose {name} is {x}, not {wanted}")


def are_different(left: Size | None, right: Size | None) -> bool:
    """Whether two sizes are known to differ; None is not known at all."""
    return left is not None and right is not None and same(left, right) is False


def is_below(size: Size | None, least: int) -> bool:
    """Whether a size is known to be below a number."""
    if size is None:
        return False
    try:
        return size < least
    except Undecided:
        return False
