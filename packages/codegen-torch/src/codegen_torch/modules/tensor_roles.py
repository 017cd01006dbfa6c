"""What people call tensors that the file has no names for: by what becomes of them.

Exporters name a tensor that they computed in advance for the operation that would have computed it (``mul_4``), and
optimizers number them. Neither tells a reader anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from codegen_torch.emit.literals import buffer_source
from codegen_torch.expr import Expr
from codegen_torch.modules.region import data_operands
from codegen_torch.modules.users import Users

# What exporters and optimizers call tensors that they have no name for, …
_NUMBERED = re.compile(r"(const|constant|init|initializer|node|param|tensor|val|value)_?\d+\w*", re.IGNORECASE)
# … and the operations for which torch's exporter names those that it computes in advance.
_COMPUTED = re.compile(
    r"(_?to_copy|add|addmm|arange|bitwise_\w+|cat|clone|convert_element_type|cumsum|div|exp|expand|full|gather|ge|gt"
    r"|index|index_select|le|log|lt|masked_fill|matmul|mm|mul|neg|ones|permute|pow|reciprocal|repeat|reshape|rsqrt"
    r"|rsub|select|slice|sqrt|squeeze|stack|sub|t|transpose|type_as|unsqueeze|view|where|zeros)(_\d+)*"
)
_FARTHEST = 32
"""How many expressions may lie between a tensor and what tells its role."""
_MOVES = ("Tensor.", "operator.getitem", "torch.cat", "index.")
_TURNS = ("operator.mul", "operator.truediv", *_MOVES)
_ATTENTION = "F.scaled_dot_product_attention"
_GATES = frozenset({"F.gelu", "F.relu", "F.silu"})
_WAVES = ("torch.sin", "torch.cos")


def is_name(name: str) -> bool:
    """Whether the last part of a tensor's name is one that somebody chose."""
    if not re.fullmatch(r"[A-Za-z]\w*", name, flags=re.ASCII):
        return False
    return not _NUMBERED.fullmatch(name) and not _COMPUTED.fullmatch(name)


def tensor_role(leaf: Expr, users: Users) -> str | None:
    """What a tensor is for, as far as its uses tell.

    Args:
        leaf: A ``weight`` or ``constant``.
        users: Who uses each value of the region around it.
    """
    if _reaches(leaf, users, _is_attended, through=("operator.add", *_MOVES)):
        return "position_bias" if leaf.op == "weight" else "mask"
    if _reaches(leaf, users, _is_looked_up, through=("torch.gather", "runtime.expand", *_MOVES)):
        return "position_ids" if (buffer_source(leaf) or "").startswith("torch.arange") else "ids"
    if _reaches(leaf, users, _is_gated, through=("operator.matmul", *_MOVES)):
        return "gate_up_proj"
    if _reaches(leaf, users, _takes_gated, through=_MOVES):
        return "down_proj"
    direct = {_part(leaf, user) for user in users.get(leaf, [])}
    if direct <= {"scale", "divisor"} and _reaches(leaf, users, _is_wave, through=_TURNS):
        return "inv_freq" if direct == {"scale"} else "periods"
    part = direct.pop() if len(direct) == 1 else None
    # A name that tells so keeps it from being trained when the model is exported and converted again.
    return f"frozen_{part}" if part and leaf.op == "constant" else part


def _reaches(leaf: Expr, users: Users, wanted: Callable[[Expr, Expr], bool], through: tuple[str, ...]) -> bool:
    """Whether a tensor's way through some operations leads to one that is wanted."""
    stack, seen = [leaf], {leaf}
    while stack and len(seen) <= _FARTHEST:
        value = stack.pop()
        for user in users.get(value, []):
            if user is None or user in seen:
                continue
            if wanted(user, value):
                return True
            if user.op.startswith(through):
                seen.add(user)
                stack.append(user)
    return False


def _is_attended(user: Expr, value: Expr) -> bool:
    return user.op == _ATTENTION and len(user.inputs) > 3 and user.inputs[3] is value


def _is_looked_up(user: Expr, value: Expr) -> bool:
    return user.op == "nn.Embedding" and data_operands(user)[0] is value


def _is_gated(user: Expr, _: Expr) -> bool:
    """Whether a product is cut in two halves, one of which gates the other."""
    return user.op == "Tensor.chunk" and user.attrs.get("chunks") == 2


def _takes_gated(user: Expr, value: Expr) -> bool:
    """Whether a product is of what one half of another product gates: ``down_proj @ (F.silu(gate) * up)``."""
    if user.op != "operator.matmul":
        return False
    gated = next((operand for operand in user.inputs if operand is not value), None)
    while gated is not None and gated.op.startswith("Tensor."):
        gated = gated.inputs[0]
    if gated is None or gated.op != "operator.mul":
        return False
    return any(operand is not None and operand.op in _GATES for operand in gated.inputs)


def _is_wave(user: Expr, _: Expr) -> bool:
    return user.op in _WAVES


def _part(leaf: Expr, user: Expr | None) -> str | None:
    """What an operation takes a tensor for."""
    if user is None or not leaf.dtype.is_float:
        return None
    match user.op:
        case "operator.mul":
            return "scale"
        case "operator.add":
            return "bias"
        case "operator.truediv" if user.inputs[1] is leaf:
            return "divisor"
        case _:
            return None
