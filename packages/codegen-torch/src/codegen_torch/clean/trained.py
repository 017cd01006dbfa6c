"""Which constants of a graph are trained: float tensors that flow into a weight's place."""

from __future__ import annotations

import math
import re

from onnx_proto import DataType, Graph, Node, Tensor

from codegen_torch.clean.angles import frequencies
from codegen_torch.clean.gradients import differentiated
from codegen_torch.clean.subgraphs import subgraphs, with_nested

_FLOATS = frozenset({DataType.FLOAT, DataType.FLOAT16, DataType.DOUBLE, DataType.BFLOAT16})

# The inputs of an operator, called by its domain where that is not ONNX's own, that hold what training changes.
_WEIGHT_INPUTS: dict[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2),
    "CausalConvWithState": (1, 2),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "DeformConv": (1, 3),
    "Einsum": (0, 1, 2, 3),
    "GRU": (1, 2, 3),
    "Gather": (0,),
    "GatherND": (0,),
    "Gemm": (1, 2),
    "GroupNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "LSTM": (1, 2, 3, 7),
    "LayerNormalization": (1, 2),
    "MatMul": (0, 1),
    "PRelu": (1,),
    "RMSNormalization": (1,),
    "RNN": (1, 2, 3),
    "SimplifiedLayerNormalization": (1,),
    "Tile": (0,),
    "com.microsoft.Attention": (1, 2),
    "com.microsoft.BiasGelu": (1,),
    "com.microsoft.BiasSplitGelu": (1,),
    "com.microsoft.DecoderMaskedMultiHeadAttention": (10,),
    "com.microsoft.DynamicQuantizeMatMul": (4,),
    "com.microsoft.EmbedLayerNormalization": (2, 3, 4, 5, 6),
    "com.microsoft.FastGelu": (1,),
    "com.microsoft.FusedConv": (1, 2),
    "com.microsoft.FusedGemm": (1, 2),
    "com.microsoft.FusedMatMul": (0, 1),
    "com.microsoft.GemmFastGelu": (1, 2),
    "com.microsoft.GroupNorm": (1, 2),
    "com.microsoft.GroupQueryAttention": (11, 14, 15),
    "com.microsoft.MatMulIntegerToFloat": (6,),
    "com.microsoft.MatMulNBits": (5,),
    "com.microsoft.MoE": (2, 3, 4, 5, 6, 7),
    "com.microsoft.MultiHeadAttention": (3,),
    "com.microsoft.NhwcConv": (1, 2),
    "com.microsoft.NhwcFusedConv": (1, 2),
    "com.microsoft.QAttention": (2,),
    "com.microsoft.QMoE": (4, 7, 10),
    "com.microsoft.SimplifiedLayerNormalization": (1,),
    "com.microsoft.SkipGroupNorm": (1, 2, 4),
    "com.microsoft.SkipLayerNormalization": (2, 3, 4),
    "com.microsoft.SkipSimplifiedLayerNormalization": (2, 3),
    "com.microsoft.TransposeMatMul": (0, 1),
}
# Here a tensor of several elements is a learned scale, shift or table as well.
_ARITHMETIC = frozenset({"Add", "Sub", "Mul", "Div", "Sum", "Concat", "Expand"})
# What stands here and was computed before the export is a table of angles or a mask; in a sum it may be a learned bias.
_COMPUTED_PLACES = frozenset({"Mul", "Div", "Expand"})
# These only rearrange a weight on its way.
_MOVEMENT = frozenset({"Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
# What exporters call the constants they make themselves.
_GENERATED = re.compile(
    r"(val_|onnx::|/)[\w:./]*"
    r"|(_?expand|clone|_to_copy|mul|div|sub|add|where|scalar_tensor|arange)(_default)?(_\d+)?"
)
_COMPUTED = re.compile(r"(pow|unsqueeze|view|reshape|permute|transpose)(_default)?(_\d+)?")
# Names under which modules keep tensors that they do not train.
_BUFFERS = re.compile(
    r"(.*\.)?(inv_freq|periods|position_ids|running_mean|running_var|mask|masked_bias|attn_bias|frozen_\w+)"
)


def trained_values(graph: Graph) -> frozenset[str]:
    """The names of initializers, and of ConstantOfShape results, that are trained; subgraphs count as well.

    Trained is a float tensor that flows, perhaps rearranged, into the weight's place of an operator; one of several
    elements in arithmetic, unless its name tells that an exporter computed it or a module only kept it; and what the
    graph itself differentiates by. What only turns positions into angles is not.
    """
    nodes = [each for node in graph.nodes for each in with_nested(node)]
    inner = (tensor for node in nodes for subgraph in subgraphs(node) for tensor in subgraph.initializers)
    initializers = [*graph.initializers, *inner]
    by = {name for node in nodes for name in differentiated(node)}
    weights = _flow_backwards(nodes, _WEIGHT_INPUTS)
    certain = weights | by
    arithmetic = _flow_backwards(nodes, dict.fromkeys(_ARITHMETIC, ()))
    computed = _flow_backwards(nodes, dict.fromkeys(_COMPUTED_PLACES, ()))
    turning = frequencies(graph, nodes) - by
    found: set[str] = set()
    for tensor in initializers:
        name = tensor.name
        if name in turning or tensor.dtype not in _FLOATS or (_BUFFERS.fullmatch(name) and name not in by):
            continue
        made = _GENERATED.fullmatch(name) or (name in computed and _COMPUTED.fullmatch(name))
        if name in certain or (name in arithmetic and math.prod(tensor.shape) > 1 and not made):
            found.add(name)
    places, known = weights | arithmetic, {tensor.name for tensor in initializers}
    for node in nodes:
        if node.op_type == "ConstantOfShape" and not node.domain and _is_float_fill(node):
            found.update(places.intersection(node.outputs) if known.issuperset(node.inputs) else ())
    return frozenset(found)


def _is_float_fill(node: Node) -> bool:
    value = node.attributes.get("value")
    return value is None or (isinstance(value.value, Tensor) and value.value.dtype in _FLOATS)


def _flow_backwards(nodes: list[Node], places: dict[str, tuple[int, ...]]) -> set[str]:
    """The values that flow into one of the places, through movement only; no positions mean every input."""
    reached: set[str] = set()
    for node in reversed(nodes):
        name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        if name in places:
            positions = places[name] or range(len(node.inputs))
            reached.update(node.inputs[position] for position in positions if position < len(node.inputs))
        elif name in _MOVEMENT and not reached.isdisjoint(node.outputs):
            reached.update(node.inputs[:1])
    reached.discard("")
    return reached
