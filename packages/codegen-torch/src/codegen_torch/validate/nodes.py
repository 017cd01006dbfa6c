"""Rules of nodes: how many inputs and outputs an operator has, and which attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from onnx_proto import Attribute, Function, Model, Node

from codegen_torch.lower.registry import HINTS, is_redefined
from codegen_torch.validate.places import bodies, place_of, quoted
from codegen_torch.validate.signatures import Signature, signature


def check_nodes(model: Model) -> Iterator[str]:
    """Nodes of ONNX's operators have the inputs, outputs and attributes that ONNX says they have."""
    own = {(each.domain, each.name) for each in model.functions}
    for body in bodies(model):
        for index, node in enumerate(body.nodes):
            problems = [*_of_references(node.attributes, body.function)] if node.attributes else []
            version = body.opsets.get(node.domain)
            if version is not None and (node.domain, node.op_type) not in own:
                known = signature(node.domain, node.op_type, version)
                if known is not None and not is_redefined(node.domain, node.op_type):
                    problems += _of_signature(node, known)
            for problem in problems:
                yield f"{place_of(body.place, index, node)} ({node.op_type}) {problem}"


def _of_references(attributes: Mapping[str, Attribute], function: Function | None) -> Iterator[str]:
    for name, attribute in attributes.items():
        reference = attribute.ref_attr_name
        if not reference:
            continue
        if function is None:
            yield f"refers to attribute {quoted(reference)}, which only functions have"
        elif reference not in function.attributes and reference not in function.attribute_defaults:
            yield f"has an attribute {quoted(name)} from {quoted(reference)}, which the function does not have"


def _of_signature(node: Node, known: Signature) -> Iterator[str]:
    given = len(node.inputs)
    if not known.fewest <= given <= known.most:
        wanted = f"at least {known.fewest}" if given < known.fewest else f"at most {known.most}"
        yield f"has {given} inputs, of which there are {wanted}"
    for position, name in enumerate(node.inputs[: known.fewest]):
        if not name and not known.parameter(position).optional:
            yield f"leaves out input {position}, which must be given"
    if len(node.outputs) > known.most_outputs:
        yield f"has {len(node.outputs)} outputs, of which there are at most {known.most_outputs}"
    for name, attribute in node.attributes.items():
        kind = known.attributes.get(name)
        stated = attribute.type.name.lower().replace("sparse_tensor", "sparse")
        if kind is None and name not in HINTS:
            yield f"has no attribute {quoted(name)} since opset {known.since}"
        elif kind is not None and stated != kind:
            yield f"has an attribute {quoted(name)} of type {stated}, which is of type {kind}"
    for name in known.required:
        if name not in node.attributes:
            yield f"lacks the attribute {quoted(name)}"
