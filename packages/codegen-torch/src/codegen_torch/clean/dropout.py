"""Dropouts come back where training had them, as far as the file tells.

A file for inference tells it by a Dropout that drops nothing or, where its exporter optimized nothing, by an Identity
inside of a dropout module. A file that was exported in training mode tells it by a Dropout that always drops.

What is found becomes an operator of our own, which drops while the module trains and at no other time. It knows the
path of the module that it was a call of, if it was one.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from onnx_proto import Graph, Model, Node, OperatorSet, Tensor
from onnx_proto.build import node as make_node

from codegen_torch.clean.graphs import onnx_opset
from codegen_torch.clean.subgraphs import reads, subgraphs, with_nested
from codegen_torch.errors import ConversionError
from codegen_torch.modules.scopes import outside_of, scope_of
from codegen_torch.numbers import shortest_float32

DOMAIN = "onnxgen.training"
"""The domain of the operator that stands for a dropout in training alone; no file has it."""
OWN = "file"
"""In the place of a share: the one that each dropout has in the file."""
LAYERS = frozenset({"AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"})
"""torch's dropout modules."""

_DEFAULT = 0.5
_RATIO_IS_INPUT = 12
_NEVER_TRAINS = 7
# What people call the module, in files that have names and no classes; no ``drop_path``, which is something else.
_NAME = re.compile(r"(\w+_)?drop(out)?_?\d*", re.IGNORECASE)
_CALLED_AGAIN = re.compile(r"(.+)_\d+")


def check_share(share: float | str | None) -> None:
    """Refuse what is no share of elements to drop.

    Raises:
        ConversionError: It is neither a number from 0 to below 1 nor :data:`OWN`.
    """
    is_number = isinstance(share, int | float) and not isinstance(share, bool)
    if share is not None and share != OWN and not (is_number and 0 <= float(share) < 1):
        raise ConversionError(f"dropout {share!r} is neither a number from 0 to below 1 nor {OWN!r}")


def insert_dropout(model: Model, share: float | str) -> tuple[Model, list[str]]:
    """Put a dropout that follows the module's mode wherever the file tells that training had one.

    Args:
        model: A model whose constants are initializers.
        share: The share of elements to drop, or :data:`OWN`.

    Returns:
        The model, and what the user should know of it, in sentences.
    """
    graph = model.graph
    found = [each for each in _Finder(graph, onnx_opset(model)).found() if each.ratio != 0]
    left = Counter(reason for each in found if (reason := _obstacle(each, share)))
    chosen = {id(each.node): each for each in found if not _obstacle(each, share)}
    paths = _module_paths(graph, chosen)
    nodes = tuple(_trained(node, chosen, paths, share) for node in graph.nodes)
    notes = _notes(list(chosen.values()), left)
    if not chosen:
        return model, notes
    opsets = (*model.opset_imports, OperatorSet(DOMAIN, 1))
    return dataclasses.replace(model, graph=dataclasses.replace(graph, nodes=nodes), opset_imports=opsets), notes


@dataclass(frozen=True, slots=True)
class _Found:
    """A node that tells of a dropout.

    Attributes:
        node: The node.
        ratio: The share of elements that it says training drops; None where it does not say.
        always: Whether it drops in every mode.
        obstacle: Why it has to stay as it is; empty if it need not.
    """

    node: Node
    ratio: float | None
    always: bool = False
    obstacle: str = ""


class _Finder:
    """Looks for dropouts in a graph."""

    def __init__(self, graph: Graph, version: int) -> None:
        self.graph = graph
        self.version = version
        self.stored: Mapping[str, Tensor] = {tensor.name: tensor for tensor in graph.initializers}
        self.used = {value.name for value in graph.outputs}.union(*map(reads, graph.nodes))

    def found(self) -> Iterator[_Found]:
        """The nodes that tell of a dropout, in their order; those inside of blocks as well."""
        for node in self.graph.nodes:
            if node.op_type == "Dropout" and not node.domain and node.inputs and node.outputs:
                yield self._dropout(node)
            elif _is_dropout_module(node):
                yield _Found(node, None)
            elif subgraphs(node):
                inner = (each for each in with_nested(node) if each.op_type == "Dropout" and not each.domain)
                yield from (_Found(each, None, obstacle="inside of a branch or a loop") for each in inner)

    def _dropout(self, node: Node) -> _Found:
        masked = any(name in self.used for name in node.outputs[1:] if name)
        obstacle = "the graph uses the mask of what is kept" if masked else ""
        if self.version < _RATIO_IS_INPUT:
            always = self.version < _NEVER_TRAINS and not _number(node, "is_test", 0)
            return _Found(node, shortest_float32(_number(node, "ratio", _DEFAULT)), always, obstacle)
        _, ratio, trains, *_ = (*node.inputs, "", "")
        known = self._stored_number(ratio) if ratio else _DEFAULT
        mode = self._stored_number(trains) if trains else 0.0
        if mode is None:
            obstacle = "the graph itself decides when to drop"
        return _Found(node, None if known is None else shortest_float32(known), bool(mode), obstacle)

    def _stored_number(self, name: str) -> float | None:
        tensor = self.stored.get(name)
        if tensor is None or tensor.shape not in ((), (1,)):
            return None
        return float(tensor.numpy().reshape(()).item())


def _number(node: Node, name: str, default: float) -> float:
    attribute = node.attributes.get(name)
    value = default if attribute is None else attribute.value
    return float(value) if isinstance(value, int | float) else default


def _is_dropout_module(node: Node) -> bool:
    """Whether this copies what a dropout module was given: that is all that is left of it in evaluation mode."""
    scope = scope_of(node)
    if node.op_type != "Identity" or node.domain or not scope:
        return False
    cls, name = scope[-1].cls, scope[-1].path.rpartition(".")[2]
    return cls.endswith("Dropout") or cls in LAYERS if cls else _NAME.fullmatch(name) is not None


def _obstacle(found: _Found, share: float | str) -> str:
    """Why a dropout has to stay as it is; empty if it need not."""
    if found.obstacle or share != OWN:
        return found.obstacle
    if found.ratio is None:
        return "the file does not tell how much to drop, so give a number"
    return "" if 0 <= found.ratio <= 1 else f"{found.ratio} is no share of elements"


def _module_paths(graph: Graph, chosen: Mapping[int, _Found]) -> dict[int, str]:
    """The paths of the modules that these are the calls of, by the nodes' identity.

    A class tells it, where the file has classes. Where it has names alone, a module that computes nothing else is one.
    A second call of a module has its own name there.
    """
    busy = {step.path for node in graph.nodes if id(node) not in chosen for step in scope_of(node)}
    paths: dict[int, str] = {}
    named: dict[str, float | None] = {}
    for key, found in chosen.items():
        scope = scope_of(found.node)
        if not scope or not ("dropout" in scope[-1].cls.lower() if scope[-1].cls else scope[-1].path not in busy):
            continue
        path = scope[-1].path
        again = None if scope[-1].cls else _CALLED_AGAIN.fullmatch(path)
        if again and again[1] in named and named[again[1]] == found.ratio:
            path = again[1]
        named.setdefault(path, found.ratio)
        paths[key] = path
    return paths


def _trained(node: Node, chosen: Mapping[int, _Found], paths: Mapping[int, str], share: float | str) -> Node:
    """The operator that drops in training alone, in the place of a dropout."""
    found = chosen.get(id(node))
    if found is None:
        return node
    attributes: dict[str, object] = {"ratio": found.ratio if share == OWN else float(share)}
    path = paths.get(id(node))
    inside = node
    if path is not None:
        cls = scope_of(node)[-1].cls
        attributes |= {"path": path, "layer": cls if cls in LAYERS else "Dropout"}
        inside = outside_of(node)
    made = make_node("Dropout", node.inputs[:1], node.outputs, domain=DOMAIN, attributes=attributes)
    return dataclasses.replace(made, name=inside.name, metadata=inside.metadata)


def _notes(chosen: list[_Found], left: Mapping[str, int]) -> list[str]:
    notes = [f"{_counted(count)} stayed as in the file: {reason}" for reason, count in left.items()]
    if chosen:
        always = sum(each.always for each in chosen)
        also = f"; {always} of them would drop in every mode, as the file says" if always else ""
        return [f"{_counted(len(chosen))} put back, to drop in training mode alone{also}", *notes]
    return notes or ["no dropout was put back: the file tells of none, for exporters leave it out of what only infers"]


def _counted(count: int) -> str:
    return f"{count} dropout{'' if count == 1 else 's'}"
