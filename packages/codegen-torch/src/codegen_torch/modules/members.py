"""Where modules keep their layers and tensors: attribute paths, which are also the keys of the ``state_dict``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable

from codegen_torch.expr import Expr
from codegen_torch.modules.region import Region, is_layer, layer_weights, tensor_of
from codegen_torch.modules.roles import roles_of
from codegen_torch.modules.tensor_roles import is_name, tensor_role
from codegen_torch.modules.users import Users, users_of
from codegen_torch.names import Identifier, component

_DICT_METHODS = frozenset(("clear", "items", "keys", "pop", "update", "values"))
_LAYER_NAMES = {"Conv": "conv", "ConvTranspose": "conv", "BatchNorm": "norm", "LayerNorm": "norm", "RMSNorm": "norm"}
# What a single functional operation is as an entry of nn.Sequential.
MODULES_OF_FUNCTIONS = {
    "Tensor.flatten": "nn.Flatten",
    "F.relu": "nn.ReLU",
    "F.relu6": "nn.ReLU6",
    "F.silu": "nn.SiLU",
    "F.gelu": "nn.GELU",
    "F.hardswish": "nn.Hardswish",
    "F.hardsigmoid": "nn.Hardsigmoid",
    "F.mish": "nn.Mish",
    "F.elu": "nn.ELU",
    "F.leaky_relu": "nn.LeakyReLU",
    "F.softplus": "nn.Softplus",
    "torch.tanh": "nn.Tanh",
    "torch.sigmoid": "nn.Sigmoid",
    "F.softmax": "nn.Softmax",
    "F.max_pool2d": "nn.MaxPool2d",
    "F.avg_pool2d": "nn.AvgPool2d",
}


def assign_members(root: Region) -> None:
    """Give every layer, child and tensor of every region its path; fold regions that are nothing by themselves.

    A region that holds one layer and nothing else is that layer. A region that holds one operation without weights
    is that operation, unless a Sequential around it counts its children.
    """
    uses = _name_uses(root)
    for region in root.walk():
        for child in region.children:
            region.members[child] = relative(region, child.path)
        untold: list[Expr] = []
        users = users_of(region)
        for unit in region.all_units:
            if isinstance(unit, Region):
                continue
            if is_layer(unit):
                path = _layer_path(region, unit, uses)
                region.members[unit] = path or ""
                if path is None:
                    untold.append(unit)
            elif unit.op in ("weight", "constant"):
                region.members[unit] = _tensor_path(region, unit, users)
        region.members.update(_names_of_untold(region, untold, users))
        _fold_children(region, uses)
        _open_wrappers(region, uses)
        region.sequential = _is_chain(region)
        if not region.sequential:
            _fold_operations(region)
            _open_numbered(region)
            if not region.path:
                _spell_numbers(region)
        _fit_containers(region)
        _make_unique(region)


def relative(region: Region, path: str) -> str:
    """A path as seen from a region, made of valid components."""
    prefix = f"{region.path}." if region.path else ""
    tail = path[len(prefix) :] if path.startswith(prefix) else path.rsplit(".", 1)[-1]
    return ".".join(component(part) for part in tail.split("."))


def _name_uses(root: Region) -> dict[str, int]:
    """How many layers and operations use each named tensor: exporters merge equal tensors, then names lie."""
    uses: dict[str, int] = {}
    for region in root.walk():
        for unit in region.all_units:
            if isinstance(unit, Region):
                continue
            leaves = layer_weights(unit).values() if is_layer(unit) else [unit] if "ref" in unit.attrs else []
            for leaf in leaves:
                name = tensor_of(leaf).name
                uses[name] = uses.get(name, 0) + 1
    return uses


def _layer_path(region: Region, layer: Expr, uses: dict[str, int]) -> str | None:
    """From the names of the layer's own tensors, if they tell; a layer without any is told its path."""
    if "path" in layer.attrs:
        return relative(region, layer.attrs["path"])
    for role, leaf in layer_weights(layer).items():
        name = tensor_of(leaf).name
        path, dot, last = name.rpartition(".")
        inside = not region.path or path.startswith(f"{region.path}.")
        if dot and uses.get(name) == 1 and last == role and inside and _is_module_path(path):
            return relative(region, path)
    return None


def _names_of_untold(region: Region, layers: list[Expr], users: Users) -> dict[Expr | Region, str]:
    """The names of layers that the file does not tell: their roles, else what they are, counted from 1 if several."""
    roles = roles_of(region, users)
    kinds = {layer: _kind(layer) for layer in layers if layer not in roles}
    counts = Counter(kinds.values())
    numbers: Counter[str] = Counter()
    names: dict[Expr | Region, str] = {}
    for layer in layers:
        kind = kinds.get(layer)
        if kind is None:
            names[layer] = roles[layer]
            continue
        numbers[kind] += 1
        names[layer] = f"{kind}{numbers[kind]}" if counts[kind] > 1 else kind
    return names


def _kind(layer: Expr) -> str:
    kind = str(layer.op).removeprefix("nn.").rstrip("123d")
    return _LAYER_NAMES.get(kind, kind.lower())


def _is_module_path(path: str) -> bool:
    return all(re.fullmatch(r"\w+", part, flags=re.ASCII) for part in path.split("."))


def _tensor_path(region: Region, leaf: Expr, users: Users) -> str:
    name = tensor_of(leaf).name
    if region.path and name.startswith(f"{region.path}."):
        return relative(region, name).replace(".", "_")
    if "." in name and _is_module_path(name) and not region.path:
        return Identifier.like(name.replace(".", "_"))
    *around, last = name.split(".")
    # Which of several weights it is; a number would tell equal blocks apart.
    if last in ("weight", "bias") and around and is_name(around[-1]) and not around[-1][-1].isdigit():
        return Identifier.like(f"{around[-1]}_{last}")
    if is_name(last):
        return Identifier.like(last)
    return tensor_role(leaf, users) or ("weight" if leaf.op == "weight" else "table")


def _fold_children(region: Region, uses: dict[str, int]) -> None:
    """A child that is one layer becomes that layer, at the child's path or the path its tensors' name tells.

    Not so where the name, or else the scope, tells that the layer is a part of the child.
    """
    units: list[Expr | Region] = []
    for unit in region.units:
        only = _only_layer(unit) if isinstance(unit, Region) else None
        if only is None or not isinstance(unit, Region):
            units.append(unit)
            continue
        path = _told_path(only, uses)
        stated = path or (only.origin.scope[-1].path if only.origin.scope else "")
        if stated.startswith(f"{unit.path}."):
            units.append(unit)
            continue
        units.extend(unit.units)
        is_sibling = path is not None and path.rpartition(".")[0] == region.path
        region.members[only] = relative(region, path) if path and is_sibling else region.members[unit]
        del region.members[unit]
    region.units = units


def _only_layer(region: Region) -> Expr | None:
    """The layer of a region that holds nothing else, or only parts of the tuple that the layer returns."""
    only, *parts = region.units
    if isinstance(only, Region) or not is_layer(only):
        return None
    if not parts:
        return only if region.results == [only] else None
    are_parts = all(isinstance(p, Expr) and p.op == "operator.getitem" and p.inputs[0] is only for p in parts)
    return only if are_parts else None


def _told_path(layer: Expr, uses: dict[str, int]) -> str | None:
    """The path in the name of a layer's weight; folding a normalization leaves the layer the wrong scope."""
    weight = layer_weights(layer).get("weight")
    name = tensor_of(weight).name if weight is not None else ""
    path, _, role = name.rpartition(".")
    return path if role == "weight" and uses.get(name) == 1 and _is_module_path(path) else None


def _is_chain(region: Region) -> bool:
    """Whether the region's members are numbered and each takes nothing but the one before."""
    if len(region.params) != 1 or len(region.results) != 1 or not region.units:
        return False
    value = region.params[0]
    last = -1
    for unit in region.units:
        number = region.members.get(unit, "")
        if isinstance(unit, Region):
            if unit.params != [value] or len(unit.results) != 1:
                return False
            value = unit.results[0]
            if not _is_step(unit):
                return False
        else:
            if not is_layer(unit) or unit.inputs[0] is not value or isinstance(unit.fact, tuple):
                return False
            value = unit
        if not number.isdecimal() or int(number) <= last:
            return False
        last = int(number)
    return region.results == [value]


def _is_step(region: Region) -> bool:
    """Whether a region can stand in a Sequential: a module of its own, or an operation that has a module."""
    if _is_numbered(region):
        return False
    if len(region.units) > 1 or isinstance(region.units[0], Region):
        return True
    only = region.units[0]
    if region.members:
        return True
    return only.op in MODULES_OF_FUNCTIONS and len(only.inputs) == 1 and region.results == [only]


def _fold_operations(region: Region) -> None:
    """Children that are one operation without weights are written out in their parent."""
    units: list[Expr | Region] = []
    for unit in region.units:
        if isinstance(unit, Region) and unit.is_operation:
            units.append(unit.units[0])
            del region.members[unit]
        else:
            units.append(unit)
    region.units = units


def _open_numbered(region: Region) -> None:
    """Children that number their members but are no chain are written out here; the members keep their paths.

    A module's own code cannot say ``self.1``, but its parent's can say ``self.classifier[1]``.
    """
    for unit in region.children:
        if _is_numbered(unit):
            _open(region, unit, {inner: f"{region.members[unit]}.{path}" for inner, path in unit.members.items()})


def _open_wrappers(region: Region, uses: dict[str, int]) -> None:
    """Children that are one layer and some views around it are written out here, if the layer's own name says so.

    Such are a subclass of a layer that rearranges what it is given, which is the layer; and the normalization into
    which a convolution and its padding were folded, when the weight still is the convolution's.
    """
    for unit in region.children:
        if len(unit.members) != 1 or region.members[unit].isdecimal():
            continue
        ((layer, _),) = unit.members.items()
        path = None if isinstance(layer, Region) or not is_layer(layer) else _told_path(layer, uses)
        if path is not None and (path == unit.path or path.rpartition(".")[0] == region.path):
            _open(region, unit, {layer: relative(region, path)})


def _open(region: Region, child: Region, members: dict[Expr | Region, str]) -> None:
    """Write the units of a child out in its parent."""
    position = region.units.index(child)
    region.units[position : position + 1] = child.units
    del region.members[child]
    region.members.update(members)
    for inner in child.children:
        inner.parent = region


def _spell_numbers(root: Region) -> None:
    """The model itself cannot have numbers for members unless it is a chain: ``0`` becomes ``layer_0``."""
    for unit, path in root.members.items():
        first, dot, rest = path.partition(".")
        if first.isdecimal():
            root.members[unit] = f"layer_{first}{dot}{rest}"


def _is_numbered(region: Region) -> bool:
    """Whether a region has numbers for members but is no chain."""
    return not region.sequential and any(path[0].isdecimal() for path in region.members.values())


def _fit_containers(region: Region) -> None:
    """Make paths through containers such that torch takes them: all numbers in a list, all names in a dict.

    Neither holds tensors, which therefore become members of the region itself.
    """
    for unit, path in region.members.items():
        if isinstance(unit, Expr) and unit.op in ("weight", "constant"):
            region.members[unit] = Identifier.like(path.replace(".", "_"))
    keys: dict[str, set[str]] = {}
    for path in region.members.values():
        parts = path.split(".")
        for depth in range(1, len(parts)):
            keys.setdefault(".".join(parts[:depth]), set()).add(parts[depth])
    named = {head for head, inside in keys.items() if not all(map(str.isdecimal, inside))}
    if not named:
        return
    for unit, path in region.members.items():
        parts = path.split(".")
        chosen = parts[:1]
        for depth in range(1, len(parts)):
            chosen.append(_dict_key(parts[depth]) if ".".join(parts[:depth]) in named else parts[depth])
        region.members[unit] = ".".join(chosen)


def _dict_key(part: str) -> str:
    """A key of ``nn.ModuleDict`` that can also be written as an attribute."""
    return f"{part}_" if part in _DICT_METHODS else Identifier.like(part, "layer")


def _make_unique(region: Region) -> None:
    """No two members share a path, and none is inside another.

    A module that is told its path and is called again is one member, as it was.
    """
    called: dict[Hashable, str] = {}
    taken: set[str] = set()
    heads: set[str] = set()  # containers
    numbers: dict[str, int] = {}
    for unit in region.all_units:
        wanted = region.members.get(unit)
        if wanted is None:
            continue
        module = (wanted, unit.op, unit.attrs["p"]) if isinstance(unit, Expr) and "path" in unit.attrs else unit
        if module in called:
            region.members[unit] = called[module]
            continue
        path = wanted
        while path in taken or path in heads or not taken.isdisjoint(_prefixes(path)):
            clash = next((head for head in _prefixes(wanted) if head in taken), wanted)
            numbers[clash] = numbers.get(clash, 1) + 1
            path = _numbered(clash, numbers[clash]) + wanted[len(clash) :]
        region.members[unit] = called[module] = path
        taken.add(path)
        heads.update(_prefixes(path))


def _numbered(path: str, number: int) -> str:
    head, dot, last = path.rpartition(".")
    if last.isdecimal():
        return f"{head}{dot}{int(last) + number - 1}"
    return f"{path}{'_' if last[-1].isdecimal() else ''}{number}"


def _prefixes(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]
