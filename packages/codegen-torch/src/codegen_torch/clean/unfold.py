"""Batch normalizations come back after the convolutions that an exporter folded them into, so that they can be trained.

What was folded cannot be told apart again: the convolution keeps the product, and the normalization starts as the
identity. Its variance is ``1 - eps``, so that ``x / sqrt(variance + eps)`` is exactly ``x`` with torch's own ``eps``.
A bias that only the normalization had becomes its bias again. The original's own ``eps`` is in no file.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping

import numpy as np
from onnx_proto import Graph, Model, Node, Tensor
from onnx_proto.build import node as make_node
from onnx_proto.build import tensor

from codegen_torch.clean.graphs import onnx_opset, value_names
from codegen_torch.clean.subgraphs import reads
from codegen_torch.modules.scopes import metadata_beside, scope_of
from codegen_torch.names import fresh

_EPS = 1e-5
_COMPUTED = re.compile(r"onnx::Conv(Transpose)?_\d+")


def unfold_batchnorm(model: Model) -> tuple[Model, list[str]]:
    """Put an identical batch normalization after every convolution that had one, as far as the file tells.

    torch's default exporter tells which had, and the normalization's name; its TorchScript exporter tells which had.
    Where the file tells of none, every convolution with a bias gets one, for folding leaves a bias.

    Returns:
        The model, and what the user should know of it, in sentences.
    """
    graph = model.graph
    stored = {each.name: each for each in graph.initializers}
    convolutions = [node for node in graph.nodes if _is_stored(node, stored)]
    told = [node for node in convolutions if _norm_path(node) or _COMPUTED.fullmatch(node.inputs[1])]
    chosen = told or [node for node in convolutions if len(node.inputs) > 2 and node.inputs[2]]
    unfolded = _Unfolder(graph, stored, onnx_opset(model))
    ids = {id(node) for node in chosen}
    nodes: list[Node] = []
    for node in graph.nodes:
        nodes.extend(unfolded.after(node) if id(node) in ids else [node])
    tensors = [each for each in graph.initializers if each.name not in unfolded.gone]
    changed = dataclasses.replace(graph, nodes=tuple(nodes), initializers=(*tensors, *unfolded.tensors), value_infos=())
    return dataclasses.replace(model, graph=changed), [_note(len(chosen), told=bool(told))]


def _note(count: int, *, told: bool) -> str:
    if not count:
        return "there is no convolution after which a batch normalization could have been"
    where = "that had one folded in" if told else "with a bias; the file does not tell which had one"
    return f"{count} batch normalizations, the identity for now, were put after the convolutions {where}"


def _is_stored(node: Node, stored: Mapping[str, Tensor]) -> bool:
    """Whether a node is a convolution by a float tensor of the file."""
    if node.op_type not in ("Conv", "ConvTranspose") or node.domain or len(node.inputs) < 2:
        return False
    weight = stored.get(node.inputs[1])
    return weight is not None and weight.dtype.name in ("FLOAT", "DOUBLE", "FLOAT16") and len(weight.shape) in (3, 4, 5)


def _norm_path(node: Node) -> str:
    """The path of the normalization that a convolution stands for, if its scope is one's."""
    scope = scope_of(node)
    is_norm = bool(scope) and (scope[-1].cls or "").startswith(("BatchNorm", "SyncBatchNorm"))
    return scope[-1].path if is_norm else ""


class _Unfolder:
    """Makes normalizations with names that nothing else has."""

    def __init__(self, graph: Graph, stored: Mapping[str, Tensor], version: int) -> None:
        self.stored = stored
        self.version = version
        self.tensors: list[Tensor] = []
        self.gone: set[str] = set()
        self.taken = set(value_names(graph))
        self.paths = {step.path for node in graph.nodes for step in scope_of(node)}
        self.readers: dict[str, int] = {}
        for node in graph.nodes:
            for name in reads(node):
                self.readers[name] = self.readers.get(name, 0) + 1

    def after(self, node: Node) -> Iterator[Node]:
        """A convolution and the normalization after it."""
        path = _norm_path(node)
        weight = self.stored[node.inputs[1]]
        between = fresh(f"{node.outputs[0]}_before_norm", self.taken)
        group = node.attributes["group"].value if "group" in node.attributes else 1
        channels = weight.shape[0] if node.op_type == "Conv" else weight.shape[1] * int(str(group))
        bias = self._bias(node)
        inputs = node.inputs[:2] if bias is not None else node.inputs
        convolution = dataclasses.replace(node, inputs=inputs, outputs=(between,))
        own_path = weight.name.rpartition(".")[0]
        if path and own_path:
            metadata = metadata_beside(node, own_path, "torch.nn.modules.conv.Conv")
            convolution = dataclasses.replace(convolution, metadata=metadata)
        yield convolution
        norm_path = path or self._invented(node)
        ones = np.ones(channels, weight.numpy().dtype)
        values = {
            "weight": ones,
            "bias": ones * 0,
            "running_mean": ones * 0,
            "running_var": ones - ones.dtype.type(_EPS),
        }
        names = []
        for role, value in values.items():
            names.append(fresh(f"{norm_path}.{role}", self.taken))
            made = tensor(names[-1], value)
            self.tensors.append(dataclasses.replace(bias, name=names[-1]) if role == "bias" and bias else made)
        attributes: dict[str, object] = {"epsilon": _EPS, **({"is_test": 1} if self.version < 7 else {})}
        norm = make_node("BatchNormalization", [between, *names], [node.outputs[0]], attributes=attributes)
        beside = metadata_beside(node, norm_path, "torch.nn.modules.batchnorm.BatchNorm")
        yield dataclasses.replace(norm, name=_beside(node.name, norm_path), metadata=node.metadata if path else beside)

    def _bias(self, node: Node) -> Tensor | None:
        """The bias of a convolution that had none of its own: the exporter calls it after the weight, or numbers it."""
        if len(node.inputs) < 3 or node.inputs[2] not in self.stored or self.readers[node.inputs[2]] > 1:
            return None
        name = node.inputs[2]
        if name != f"{node.inputs[1]}_bias" and not _COMPUTED.fullmatch(name):
            return None
        self.gone.add(name)
        return self.stored[name]

    def _invented(self, node: Node) -> str:
        """A path beside the convolution's: the next number in a Sequential, ``bn1`` after ``conv1``, else ``norm``."""
        scope = scope_of(node)
        own = scope[-1].path if scope else node.inputs[1].rpartition(".")[0] or "conv"
        around, dot, last = own.rpartition(".")
        number = re.search(r"\d*$", last)
        digits = number.group() if number else ""
        name = (
            str(int(last) + 1) if last.isdecimal() else f"bn{digits}" if last.startswith("conv") and digits else "norm"
        )
        path, count = f"{around}{dot}{name}", 1
        while path in self.paths:
            count += 1
            path = f"{around}{dot}norm{count}"
        self.paths.add(path)
        return path


def _beside(name: str, path: str) -> str:
    """A slash-name for a node in a module beside that of another node: only the last module differs."""
    around, _, _ = name.rpartition("/")
    before, slash, segment = around.rpartition("/")
    if not slash:
        return ""
    container, dot, _ = segment.rpartition(".")
    return f"{before}/{container}{dot}{path.rpartition('.')[2]}/BatchNormalization"
