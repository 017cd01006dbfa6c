"""The kernels stage: groups of expressions become calls of kernels."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.kernels.borders import borders
from codegen_torch.kernels.kernel import Kernel, Use, use_of
from codegen_torch.kernels.naming import name_kernels
from codegen_torch.kernels.packed import Places, packed_products
from codegen_torch.kernels.permuted import permute_operands
from codegen_torch.kernels.select import bytes_text, select
from codegen_torch.modules.region import Region, blocks, is_layer, layer_weights


@dataclass(slots=True)
class Fusion:
    """What the stage did.

    Attributes:
        kernels: The kernels, in the order of their first calls.
        notes: What was fused and what was left, a line each.
    """

    kernels: list[Kernel] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def fuse(root: Region, model_dtype: DType | None) -> Fusion:
    """Let kernels compute what they save traffic for; equal ones become one.

    Args:
        root: The region tree, whose members have their paths. It is changed in place.
        model_dtype: The float type that follows the model when it is cast.
    """
    fusion = Fusion()
    known: dict[Hashable, Kernel] = {}
    places = Places.of(root)
    products: list[Use] = []
    groups: list[Use] = []
    homes = {region: module for module in root.walk() for region in _bodies(module)}
    for region, module in homes.items():
        scope = module.path or "the model itself"
        found, products_left = packed_products(region, places) if region is module else ([], [])
        inside = [_shared(use, module, known) for use in found]
        _replace(region, module, inside)  # before groups are chosen among what dequantizes a weight
        products += inside
        permute_operands(region, model_dtype)
        selection = select(region, model_dtype)
        groups += [_shared(use_of(group), module, known) for group in selection.groups]
        for members, reason in (*products_left, *selection.left):
            fusion.notes.append(f"left   {scope}: {', '.join(member.op for member in members)}: {reason}")
    fusion.notes += borders(root, model_dtype)
    fusion.kernels = list(known.values())
    name_kernels(fusion.kernels)
    fused = [
        f"fused  {homes[use.group.region].path or 'the model itself'}: {use.kernel.name}, "
        f"saves {bytes_text(use.group.saved)}"
        for use in (*products, *groups)
    ]
    fusion.notes[:0] = fused
    by_region: dict[Region, list[Use]] = {}
    for use in groups:
        by_region.setdefault(use.group.region, []).append(use)
    for region, inside in by_region.items():
        _replace(region, homes[region], inside)
    return fusion


def _shared(use: Use, module: Region, known: dict[Hashable, Kernel]) -> Use:
    """A use of the kernel that all uses of equal ones have."""
    kernel = known.setdefault(use.kernel.key, use.kernel)
    kernel.scopes.append(module.path)
    return dataclasses.replace(use, kernel=kernel)


def _bodies(module: Region) -> Iterator[Region]:
    """A module's own statements, and those in its branches and loops.

    What torch differentiates in a forward pass is left alone: its derivative is not an operator's business.
    """
    stack = [module]
    while stack:
        region = stack.pop()
        yield region
        controls = [unit for unit in region.units if isinstance(unit, Expr) and unit.op in _CONTROLS]
        stack.extend(block for control in reversed(controls) for block in reversed(blocks(control)))


_CONTROLS = frozenset({"control.branch", "control.loop"})


def _replace(region: Region, module: Region, uses: list[Use]) -> None:
    """Put calls where the last members stood. What others know as the results stay the same objects."""
    gone = {member for use in uses for member in use.group.members}
    calls = {use.group.members[-1]: _call(use, module) for use in uses}
    units: list[Expr | Region] = []
    for unit in region.units:
        if unit in calls:
            units += calls[unit]
        elif unit not in gone:
            units.append(unit)
    region.units = units


def _call(use: Use, module: Region) -> list[Expr]:
    """The units that take the members' place: what is read off layers, the call, and the parts of what it returns."""
    group = use.group
    held = {layer: _held(module, layer) for layer in group.members if is_layer(layer)}
    reads = {source: _read(held[source[0]], source[1]) for source in use.tensors if not isinstance(source, Expr)}
    tensors = tuple(source if isinstance(source, Expr) else reads[source] for source in use.tensors)
    attrs = {"kernel": use.kernel, "numbers": tuple(use.numbers)}
    nodes = tuple(dict.fromkeys(node for member in group.members for node in member.origin.nodes))
    origin = dataclasses.replace(group.members[-1].origin, nodes=nodes, value="")
    if len(group.results) == 1:
        (result,) = group.results
        meta = {"origin": dataclasses.replace(origin, value=result.origin.value)}
        _become(result, Expr("kernels.call", tensors, attrs, meta))
        return [*reads.values(), result]
    facts = tuple(result.fact for result in group.results)
    call = Expr("kernels.call", tensors, attrs, {"origin": origin}, facts)
    for index, result in enumerate(group.results):
        _become(result, Expr("operator.getitem", (call,), {"index": index}, result.meta))
    return [*reads.values(), call, *group.results]


def _become(old: Expr, new: Expr) -> None:
    """Let an expression be computed as another one is, and keep its facts."""
    old.op, old.inputs, old.attrs, old.meta = new.op, new.inputs, new.attrs, new.meta


def _held(module: Region, layer: Expr) -> Expr:
    """The module's layer as something that is there and not called."""
    held = Expr(layer.op, (None, *layer.inputs[1:]), layer.attrs, dict(layer.meta), layer.fact)
    module.members[held] = module.members.pop(layer)
    return held


def _read(layer: Expr, role: str) -> Expr:
    """A tensor of a layer that is held."""
    meta = {"origin": dataclasses.replace(layer.origin, nodes=(), value="")}
    return Expr("layer.tensor", (layer,), {"role": role}, meta, layer_weights(layer)[role].fact)
