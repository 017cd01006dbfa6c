"""Names of variables: from what a value is, reused along the main stream as people write it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.facts import Container, SequenceOf
from codegen_torch.modules.region import data_operands, is_layer
from codegen_torch.names import Identifier

GENERIC = ("x", "out", "y", "z")
"""Names for values of the main stream, in the order they are taken."""
MODULE_NAMES = frozenset(
    """F Model Path Tensor all any kernels bool bytes dict dir filter float format hash id input int io iter json len
    list load_model load_safetensors load_weights map math max min mmap msgpack next nn np object open print
    range re repr round safe_open self set slice sorted str sum super torch tuple type vars zip""".split()
)
_SEARCH_DEPTH = 8
_LONGEST_SPOKEN = 16
_BY_OPERATION = {
    "runtime.cache_positions": "positions",
    "runtime.dequantize_blocks": "weight",
    "F.scaled_dot_product_attention": "attn",
    "F.softmax": "weights",
    "runtime.source_places": "places",
    "torch.arange": "positions",
    "torch.cos": "cos",
    "torch.fft.fft": "spectrum",
    "torch.fft.rfft": "spectrum",
    "runtime.tree_leaves": "leaves",
    "torch.sin": "sin",
}
_MEANINGFUL = {
    "q": "q",
    "k": "k",
    "v": "v",
    "query": "query",
    "key": "key",
    "value": "value",
    "q_proj": "q",
    "k_proj": "k",
    "v_proj": "v",
    "gate_proj": "gate",
    "up_proj": "up",
    "gate": "gate",
    "attention": "attention",
    "self_attn": "attention",
    "attn": "attention",
}


def hint(value: Expr, member_of: Callable[[Expr], str | None]) -> str | None:
    """A name for what a value is, if it is anything special.

    Args:
        value: The value.
        member_of: Gives the path of the layer or child that computes a value, if one does.
    """
    for _ in range(_SEARCH_DEPTH):
        if value.op == "input":
            return Identifier.like(value.attrs["name"])
        member = member_of(value)
        if member is not None:
            words = [word for word in member.split(".") if not word.isdecimal()]
            return _MEANINGFUL.get(words[-1]) if words else None
        if value.op in _BY_OPERATION:
            return _BY_OPERATION[value.op]
        if isinstance(value.fact, tuple):
            return None
        if isinstance(value.fact, Container):
            return spoken(value.origin.name) or ("items" if isinstance(value.fact, SequenceOf) else None)
        if value.fact.host:
            return "flag" if value.dtype is DType.BOOL else "size"
        if value.dtype is DType.BOOL or _is_additive_mask(value):
            return "mask"
        operands = data_operands(value)
        if not value.op.startswith(("Tensor.", "index.", "operator.mul")) or not operands or is_layer(value):
            break
        value = operands[0]
    if value.dtype is DType.STRING:
        return "text"
    return None if value.dtype.is_float else "index"


def _is_additive_mask(value: Expr) -> bool:
    """``torch.where(mask, 0.0, -inf)``."""
    return value.op == "torch.where" and all(choice.op == "literal" for choice in value.inputs[1:])


def attention_roles(units: Iterable[Expr]) -> dict[Expr, str]:
    """The queries, keys, values and masks of attentions, followed back through what only rearranges them."""
    roles: dict[Expr, str] = {}
    for unit in units:
        if unit.op != "F.scaled_dot_product_attention":
            continue
        for role, operand in zip(("q", "k", "v", "mask"), unit.inputs, strict=False):
            value = operand
            for _ in range(_SEARCH_DEPTH):
                if value is None or value in roles or value.op in ("input", "literal"):
                    break
                roles[value] = role
                moves = value.op.startswith(("Tensor.", "operator.getitem")) or value.op == "nn.Linear"
                if not moves or isinstance(value.inputs[0].fact, tuple) or value.op == "nn.Linear":
                    break
                value = value.inputs[0]
    return roles


def spoken(name: str) -> str | None:
    """A name of the file's as a variable's, if people would choose it: short words, nothing an exporter numbered."""
    name = re.split(r"[./:]", name)[-1] if re.fullmatch(r"[A-Za-z][\w./:]*", name, flags=re.ASCII) else ""
    is_word = re.fullmatch(r"[A-Za-z][a-z]*(_[a-z]+){0,2}_?\d?", name) and len(name) <= _LONGEST_SPOKEN
    if not is_word or name.startswith(("val_", "getitem", "onnx")):
        return None
    return Identifier.like(re.sub(r"_(in|out)$", "", name))


def is_generic(name: str) -> bool:
    """Whether a name only says that a value is the main stream's."""
    return re.sub(r"\d+$", "", name) in GENERIC
