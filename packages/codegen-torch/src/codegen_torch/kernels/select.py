"""Which parts of a module become kernels.

A group of expressions becomes one kernel where each but the first computes with another one's result, and all results
have the same sizes. It is computed where its last expression stands. So it can grow only as long as nothing else needs
what it computes: then it takes nothing that depends on it, whatever the other groups do.

The cost model counts bytes. Without a kernel every expression reads its operands and writes its result; a kernel reads
what comes from outside and writes what is needed outside. What saves no bytes is left to torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from codegen_torch.dims import Dim, Undecided, product
from codegen_torch.dtypes import DType
from codegen_torch.emit.plan import operands_of
from codegen_torch.expr import Expr
from codegen_torch.facts import Size
from codegen_torch.kernels.fusable import domain, go_together, is_of_group, is_of_row, obstacle, reduces
from codegen_torch.kernels.rotation import ROTATIONS
from codegen_torch.modules.region import Region

SMALLEST = 4096
"""A tensor of fewer elements is not worth a kernel."""
LARGEST = 48
"""A kernel of more expressions would run out of registers, and nobody would read it."""


@dataclass(eq=False, slots=True)
class Group:
    """Expressions that become one kernel.

    Attributes:
        region: The module they are in, or a branch or loop of it.
        sizes: The sizes of what is computed; what is reduced has one element for each row of them.
        members: The expressions in their order.
        results: The members that are needed outside.
        saved: How many bytes a kernel saves.
    """

    region: Region
    sizes: tuple[Size, ...]
    members: list[Expr]
    results: list[Expr] = field(default_factory=list)
    saved: Size = 0

    @property
    def whole_rows(self) -> bool:
        """Whether an element may depend on all of its row."""
        return any(map(is_of_row, self.members))


@dataclass(slots=True)
class Selection:
    """The groups of a module, and what was left to torch, with the reason."""

    groups: list[Group] = field(default_factory=list)
    left: list[tuple[list[Expr], str]] = field(default_factory=list)


def select(region: Region, model_dtype: DType | None) -> Selection:
    """Find the groups among expressions that are computed one after the other.

    Args:
        region: A module, or a branch or loop of one. What is inside its own branches and loops is not looked at.
        model_dtype: The float type that follows the model when it is cast.
    """
    selection = Selection()
    if region.sequential:
        return selection
    groups = _grow(region, model_dtype, selection)
    needed = _needed_outside(region, groups)
    for group in groups:
        group.results = [member for member in group.members if member in needed]
        group.saved = _saved(group)
        reason = _reason_to_leave(group, model_dtype)
        if reason is None:
            selection.groups.append(group)
        else:
            selection.left.append((group.members, reason))
    return selection


def _grow(region: Region, model_dtype: DType | None, selection: Selection) -> list[Group]:
    """All groups, each as large as it can be; those of a single expression too."""
    growth = _Growth(region)
    for unit in region.units:
        if isinstance(unit, Region):
            growth.close(unit.params)
        else:
            sizes = domain(unit)
            reason = None if sizes is None else obstacle(unit, model_dtype)
            if reason is not None:
                selection.left.append(([unit], reason))
            if sizes is None or reason is not None:
                growth.close(operands_of(unit))
            elif unit.op in ROTATIONS:  # it reads its row in another order, so that has to be there
                growth.close(operands_of(unit))
                growth.add(unit, sizes, [])
            else:
                growth.add(unit, sizes, operands_of(unit))
    return list(growth.groups)


class _Growth:
    """Groups that grow by one expression after the other.

    Attributes:
        groups: All groups, in the order of their first expressions.
        open: The members of those that can still grow.
    """

    def __init__(self, region: Region) -> None:
        self.region = region
        self.groups: dict[Group, None] = {}
        self.open: dict[Expr, Group] = {}

    def close(self, values: Iterable[Expr]) -> None:
        """Something that is in no group with them needs these values."""
        for value in values:
            group = self.open.get(value)
            for member in [] if group is None else group.members:
                del self.open[member]

    def add(self, unit: Expr, sizes: tuple[Size, ...], operands: Iterable[Expr]) -> None:
        """Put an expression together with what computes its operands, where the sizes are the same."""
        operands = list(operands)
        found = [self.open[value] for value in operands if value in self.open]
        of_rows = [group for group in found if _is_narrow(unit, group)]
        sizes = of_rows[0].sizes if of_rows else sizes
        near = self._joined(unit, [group for group in (of_rows or found) if group.sizes == sizes])
        self.close(value for value in operands if self.open.get(value) not in near)
        group, *others = near or [Group(self.region, sizes, [])]
        self.groups[group] = None
        for other in others:
            group.members += other.members
            self.open.update(dict.fromkeys(other.members, group))
            del self.groups[other]
        group.members.append(unit)
        self.open[unit] = group
        if reduces(unit) and unit.rank != len(sizes):  # its elements would meet others than those of their rows
            self.close([unit])

    @staticmethod
    def _joined(unit: Expr, groups: list[Group]) -> list[Group]:
        """Those of the groups that become one with an expression, the largest ones first."""
        near: list[Group] = []
        members = [unit]
        for group in sorted(dict.fromkeys(groups), key=lambda each: -len(each.members)):
            together = [*members, *group.members]
            if len(together) <= LARGEST and go_together(together):
                near.append(group)
                members = together
        return near


def _is_narrow(unit: Expr, group: Group) -> bool:
    """Whether there is one element of an expression for each row of a group, which has reduced its rows."""
    return unit.dims == (*group.sizes[:-1], 1) != group.sizes and not (is_of_row(unit) or is_of_group(unit))


def _needed_outside(region: Region, groups: Iterable[Group]) -> set[Expr]:
    """The members of groups that others need, or that the module returns."""
    group_of = {member: group for group in groups for member in group.members}
    needed = set(region.results)
    for unit in region.units:
        needed.update(value for value in operands_of(unit) if group_of.get(value) is not group_of.get(unit))  # type: ignore[arg-type]
    return needed


def _saved(group: Group) -> Size:
    """What torch reads and writes for the members one by one, less what a kernel does for all of them."""
    members = set(group.members)
    read: dict[Expr, None] = {}
    total: Size = 0
    for member in group.members:
        operands = [operand for operand in filter(None, member.inputs) if operand.op != "literal"]
        total += sum(map(_bytes, operands)) + _bytes(member)
        if member.op in ROTATIONS:  # half of it is negated before it is put together
            total += _bytes(member)
        if is_of_group(member):  # its statistics are one reading, its result is another
            total += _bytes(operands[0]) - sum(map(_bytes, _read_again(operands[0], members)))
        read.update(dict.fromkeys(operand for operand in operands if operand not in members))
    return total - sum(map(_bytes, read)) - sum(map(_bytes, group.results))


def _read_again(value: Expr, members: set[Expr]) -> list[Expr]:
    """What a kernel reads twice to compute a value by these expressions twice; what is broadcast is still at hand."""
    found: dict[Expr, None] = {}
    stack = [value]
    while stack:
        each = stack.pop()
        if each not in found:
            found[each] = None
            stack.extend(filter(None, each.inputs) if each in members else ())
    return [each for each in found if each not in members and each.op != "literal" and each.dims == value.dims]


def _bytes(value: Expr) -> Size:
    return product(value.dims or ()) * value.dtype.itemsize


def _reason_to_leave(group: Group, model_dtype: DType | None) -> str | None:
    size = product(group.sizes)
    if len(group.members) < 2:
        return "nothing to fuse it with"
    if isinstance(size, int) and size < SMALLEST:
        return f"only {size} elements"
    if not _is_positive(group.saved):
        return "it would save no bytes"
    if not group.results:
        return "nothing needs it"
    follows = any(member.op == "Tensor.to" and member.attrs["dtype"] is model_dtype for member in group.members)
    members = set(group.members)
    inputs = (operand for member in group.members for operand in filter(None, member.inputs) if operand not in members)
    # A conversion to the model's type is written with the dtype of a tensor at hand.
    if follows and not any(operand.dtype is model_dtype and operand.op != "literal" for operand in inputs):
        return "its type follows the model's"
    return None


def _is_positive(size: Size) -> bool:
    """Whether bytes are saved at some sizes and lost at none."""
    try:
        return size != 0 and not size < 0
    except Undecided:
        return False


def bytes_text(size: Size) -> str:
    """Bytes as a person would say them; sizes that are not known by their names."""
    if isinstance(size, Dim):
        return f"{size.text(lambda name: 'n' if name.startswith('?') else name)} bytes"
    return f"{size:,} bytes".replace(",", " ")
