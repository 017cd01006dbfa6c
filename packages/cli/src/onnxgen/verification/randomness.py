"""Which values of a graph depend on random numbers, and so cannot be compared."""

from __future__ import annotations

from codegen_torch.clean.subgraphs import reads, with_nested
from onnx_proto import Graph, Node, Tensor

_RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)


def random_values(graph: Graph) -> dict[str, str]:
    """The values that depend on random numbers, each with the operator that draws them.

    Args:
        graph: The graph, functions of the file's own written out.
    """
    tensors = {tensor.name: tensor for tensor in graph.initializers}
    found: dict[str, str] = {}
    for node in graph.nodes:
        drawn = next((inner.op_type for inner in with_nested(node) if _draws(inner, tensors)), None)
        source = drawn or next((found[name] for name in reads(node) if name in found), None)
        if source:
            found.update(dict.fromkeys(filter(None, node.outputs), source))
    return found


def _draws(node: Node, tensors: dict[str, Tensor]) -> bool:
    if node.op_type in _RANDOM:
        return True
    if node.op_type != "Dropout" or len(node.inputs) < 3 or not node.inputs[2]:
        return False
    training = tensors.get(node.inputs[2])
    return training is None or bool(training.numpy().any())
