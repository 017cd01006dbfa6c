"""What people call layers that the file has no names for: by their part in an attention or a feed-forward network."""

from __future__ import annotations

from collections.abc import Iterator

from codegen_torch.expr import Expr
from codegen_torch.modules.region import Region, data_operands, layer_weights, tensor_of
from codegen_torch.modules.users import Users

_ATTENTION = "F.scaled_dot_product_attention"
_ACTIVATIONS = frozenset({"F.gelu", "F.hardswish", "F.leaky_relu", "F.mish", "F.relu", "F.silu", "runtime.quick_gelu"})
_NORMS = frozenset({"nn.LayerNorm", "nn.RMSNorm"})
_MOVES = ("Tensor.", "operator.getitem")
_FARTHEST = 32
"""How many expressions may lie between an attention and the layers that make its queries."""


def roles_of(region: Region, users: Users) -> dict[Expr, str]:
    """The roles of the region's layers, where they are certain and no two have the same."""
    units = [unit for unit in region.units if isinstance(unit, Expr)]
    inside = set(units)
    found: dict[str, list[Expr]] = {}
    for unit in units:
        if unit.op == _ATTENTION:
            roles = list(_attention(unit, inside, users))
        elif unit.op == "nn.Linear":
            roles = _feed_forward(unit, users) or _gated(unit, inside, users)
        elif unit.op == "nn.Embedding" and _is_counted(unit.inputs[0]):
            roles = [("position_embedding", unit)]
        else:
            continue
        for role, layer in roles:
            if layer not in found.setdefault(role, []):
                found[role].append(layer)
    return {layers[0]: role for role, layers in found.items() if len(layers) == 1}


def _attention(attention: Expr, inside: set[Expr], users: Users) -> Iterator[tuple[str, Expr]]:
    """``q_proj``, ``k_proj`` and ``v_proj``, or all three in one, and ``o_proj`` of what is attended to."""
    makers = [_makers(operand, inside) for operand in attention.inputs[:3] if operand is not None]
    if all(len(group) == 1 for group in makers):
        layers = [group[0] for group in makers]
        if len(set(layers)) == 3:
            yield from zip(("q_proj", "k_proj", "v_proj"), layers, strict=True)
        elif len(set(layers)) == 1:
            yield "qkv_proj", layers[0]
    value: Expr | None = attention
    while value is not None:
        value = _only(users, value)
        if value is not None and value.op == "nn.Linear":
            yield "o_proj", value
            return
        if value is not None and not value.op.startswith(_MOVES):
            return


def _makers(value: Expr, inside: set[Expr]) -> list[Expr]:
    """The linear layers behind a value, as far as rotations, norms and movements lie between; none if that is far."""
    makers: list[Expr] = []
    stack, seen = [value], {value}
    while stack:
        current = stack.pop()
        if current.op == "nn.Linear":
            makers.append(current)
            continue
        if len(seen) > _FARTHEST or (current.op.startswith("nn.") and current.op not in _NORMS):
            return []
        new = [operand for operand in data_operands(current) if operand in inside and operand not in seen]
        seen.update(new)
        stack += new
    return makers


def _feed_forward(layer: Expr, users: Users) -> list[tuple[str, Expr]]:
    """``fc2(F.gelu(fc1(x)))``, which widens and narrows again."""
    activation = _only(users, layer)
    if activation is None or activation.op not in _ACTIVATIONS:
        return []
    second = _only(users, activation)
    if second is None or second.op != "nn.Linear":
        return []
    (wide, narrow), outer = _shape(layer), _shape(second)
    return [("fc1", layer), ("fc2", second)] if outer == (narrow, wide) and wide > narrow else []


def _gated(layer: Expr, inside: set[Expr], users: Users) -> list[tuple[str, Expr]]:
    """``down_proj(F.silu(gate_proj(x)) * up_proj(x))``."""
    activation = _only(users, layer)
    if activation is None or activation.op not in _ACTIVATIONS:
        return []
    product = _only(users, activation)
    if product is None or product.op != "operator.mul":
        return []
    others = [operand for operand in data_operands(product) if operand is not activation]
    down = _only(users, product)
    if len(others) != 1 or others[0] not in inside or others[0].op != "nn.Linear" or down is None:
        return []
    up = others[0]
    if up.inputs[0] is not layer.inputs[0] or down.op != "nn.Linear":
        return []
    return [("gate_proj", layer), ("up_proj", up), ("down_proj", down)]


def _is_counted(index: Expr | None) -> bool:
    """Whether an embedding is asked for 0, 1, 2, …."""
    for _ in range(_FARTHEST):
        if index is None or not index.op.startswith(("Tensor.", "index.")) or not index.inputs:
            break
        index = index.inputs[0]
    return index is not None and index.op == "torch.arange"


def _only(users: Users, value: Expr) -> Expr | None:
    """The one user of a value, if it has no other."""
    found = users.get(value, [])
    return found[0] if len(found) == 1 else None


def _shape(layer: Expr) -> tuple[int, ...]:
    return tensor_of(layer_weights(layer)["weight"]).shape
