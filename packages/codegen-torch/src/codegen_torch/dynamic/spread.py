"""Along which axes a value that is the same for all samples repeats itself, so that it may be repeated more often."""

from __future__ import annotations

from onnx_proto import Node

from codegen_torch.dynamic.rules import elementwise, rule_of, unary
from codegen_torch.dynamic.step import Surroundings
from codegen_torch.lower.attributes import attribute_values


def note(node: Node, around: Surroundings) -> None:
    """Note it of a node's result, where its operands tell."""
    fact = around.facts.get(node.outputs[0]) if node.outputs else None
    if fact is None or fact.dims is None or node.domain:
        return
    rank = len(fact.dims)
    if node.op_type == "Expand":
        found = _repeats(node.inputs[0], rank, around)
    elif node.op_type == "Gather" and attribute_values(node).get("axis", 0) == 0:
        count = rank - len(around.facts[node.inputs[0]].dims or ()) + 1
        found = {axis for axis in _repeats(node.inputs[1], count, around) if axis < count}
    elif rule_of(node.op_type, 0) in (elementwise, unary):
        found = set.intersection(*(_repeats(name, rank, around) for name in node.inputs if name))
    else:
        return
    if found:
        around.spread[node.outputs[0]] = found


def _repeats(name: str, rank: int, around: Surroundings) -> set[int]:
    """The axes of a result of this rank along which an operand repeats itself, or is broadcast."""
    fact = around.facts.get(name)
    if fact is None or fact.dims is None:
        return set()
    missing = rank - len(fact.dims)
    return {*range(missing), *(axis + missing for axis in around.repeats(name))}
