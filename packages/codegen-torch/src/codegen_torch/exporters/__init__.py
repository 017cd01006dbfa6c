"""Names of other frameworks' exporters, told the way torch's own exporter tells them.

What comes of it only divides and names the code: a name that lies, or is nonsense, changes no number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from onnx_proto import Model

from codegen_torch.exporters import paddle, pytorch, tensorflow


def tell_scopes(model: Model) -> Model:
    """The model with the scopes of its nodes in their metadata, where names or the nodes around them tell them."""
    return pytorch.tell_scopes(tensorflow.tell_scopes(model))


def tensor_names(model: Model) -> Mapping[str, str]:
    """Names as in a ``state_dict`` for tensors that another framework called otherwise; no two get the same."""
    names = tensorflow.tensor_names(model) or paddle.tensor_names(model)
    taken = Counter(names.values()) + Counter(tensor.name for tensor in model.graph.initializers)
    return {name: told for name, told in names.items() if taken[told] == 1}
