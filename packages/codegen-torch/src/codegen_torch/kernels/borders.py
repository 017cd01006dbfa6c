"""What could be one kernel if it were not in two modules.

A kernel stays within the ``forward`` of a module: one that computed the end of a block together with the beginning of
the next would have to be called by the module around both, with the weights of one and the results of the other, and
neither class could be read, used or changed alone. What that costs is told, and nothing else is done about it.
"""

from __future__ import annotations

from collections.abc import Iterator

from codegen_torch.dims import product
from codegen_torch.dtypes import DType
from codegen_torch.emit.plan import operands_of
from codegen_torch.expr import Expr
from codegen_torch.kernels.fusable import domain, go_together, obstacle
from codegen_torch.kernels.select import bytes_text
from codegen_torch.modules.region import Region


def borders(root: Region, model_dtype: DType | None) -> list[str]:
    """A line for each value that one module computes and another computes with first, though a kernel could do both.

    What takes the value only after something else has cannot be in its kernel: it may depend on the other.

    Args:
        root: The region tree.
        model_dtype: The float type that follows the model when it is cast.
    """
    computed: dict[Expr, Region] = {}
    taken: set[Expr] = set()
    notes: list[str] = []
    for unit, module in _in_order(root):
        is_fusable = not module.sequential and domain(unit) is not None and obstacle(unit, model_dtype) is None
        for value in operands_of(unit):
            home = computed.get(value, module)
            if value in taken or home is module or not is_fusable:
                continue
            if domain(value) == domain(unit) and go_together([value, unit]):
                notes.append(
                    f"left   {_name(home)} and {_name(module)}: {value.op}, {unit.op}: they are in two modules, "
                    f"which costs {bytes_text(product(value.dims or ()) * value.dtype.itemsize)}"
                )
        taken.update(operands_of(unit))
        if is_fusable:
            computed[unit] = module
    return notes


def _in_order(root: Region) -> Iterator[tuple[Expr, Region]]:
    """All expressions as they are computed, each with its module."""
    stack: list[tuple[Expr | Region, Region]] = [(root, root)]
    while stack:
        unit, module = stack.pop()
        if isinstance(unit, Region):
            stack.extend((each, unit) for each in reversed(unit.units))
        else:
            yield unit, module


def _name(module: Region) -> str:
    return module.path or "the model itself"
