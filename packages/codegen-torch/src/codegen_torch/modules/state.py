"""The ``state_dict``: which tensor stands under which key, and which keys share one parameter."""

from __future__ import annotations

from dataclasses import dataclass, field

from codegen_torch.dtypes import DType
from codegen_torch.emit.literals import buffer_source
from codegen_torch.expr import Expr
from codegen_torch.modules.region import Region, data_operands, is_layer, layer_weights, tensor_of
from codegen_torch.tensors import TensorRef


@dataclass(slots=True)
class State:
    """What the weights file holds.

    Attributes:
        tensors: The tensor of every key; tied keys have the very same one.
        tied: Keys that share the parameter of another key.
        nodes: The ONNX nodes that use a key's tensor.
        parameters: The keys that are parameters, not buffers.
        owners: The layer that has a key's tensor, or the tensor itself where it is used as it is.
    """

    tensors: dict[str, TensorRef] = field(default_factory=dict)
    tied: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    parameters: set[str] = field(default_factory=set)
    owners: dict[str, Expr] = field(default_factory=dict)

    @property
    def parameter_count(self) -> int:
        """How many numbers training can change."""
        return sum(self.tensors[key].size for key in self.parameters - self.tied.keys())


def collect_state(root: Region) -> State:
    """The state of the whole model.

    One initializer that several layers use is one tied parameter, as a language model's embedding and head are,
    unless all its elements are equal: exporters merge the fresh biases and scales of unrelated layers.
    """
    state = State()
    named: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    stack: list[tuple[str, Region]] = [("", root)]
    while stack:
        prefix, region = stack.pop()
        children: list[tuple[str, Region]] = []
        users = _users_of_leaves(region)
        for unit in region.all_units:
            if unit not in region.members:
                continue
            path = f"{prefix}{region.members[unit]}"
            if isinstance(unit, Region):
                children.append((f"{path}.", unit))
                continue
            for key, leaf in _tensors(path, unit):
                state.owners[key] = unit
                state.nodes[key] = unit.origin.nodes or users.get(unit, ())
                _add(state, named, key, leaf, unit)
            if unit.op.startswith("nn.BatchNorm"):
                state.tensors[f"{path}.num_batches_tracked"] = TensorRef.filled((), DType.INT64, 0)
        stack.extend(reversed(children))  # the first in the model owns what is shared
    _tie_heads(state)
    state.tensors |= {key: state.tensors[owner] for key, owner in state.tied.items()}
    state.tensors = dict(sorted(state.tensors.items()))
    return state


def _tie_heads(state: State) -> None:
    """Tie a linear layer to an embedding with the same table: exporters store a transposed copy for the head."""
    tables = [key for key, unit in state.owners.items() if unit.op == "nn.Embedding" and key in state.tensors]
    heads = [key for key, unit in state.owners.items() if unit.op == "nn.Linear" and key in state.tensors]
    for table in tables:
        ref = state.tensors[table]
        for head in heads:
            other = state.tensors.get(head)
            if other is None or (other.dtype, other.shape) != (ref.dtype, ref.shape):
                continue
            if ref.equals(other) and not ref.is_uniform():
                state.tied[head] = table
                del state.tensors[head]
    # What was tied to a head has its table, too.
    state.tied = {key: state.tied.get(owner, owner) for key, owner in state.tied.items()}


def _tensors(path: str, unit: Expr) -> list[tuple[str, Expr]]:
    if is_layer(unit):
        return [(f"{path}.{role}", leaf) for role, leaf in layer_weights(unit).items()]
    if unit.op == "weight" or (unit.op == "constant" and buffer_source(unit) is None):
        return [(path, unit)]
    return []


def _users_of_leaves(region: Region) -> dict[Expr, tuple[int, ...]]:
    """The ONNX nodes that use a tensor of the region's as it is."""
    users: dict[Expr, list[int]] = {}
    for unit in region.units:
        if isinstance(unit, Region):
            continue
        for operand in data_operands(unit):
            if operand.op in ("weight", "constant"):
                users.setdefault(operand, []).extend(unit.origin.nodes)
    return {leaf: tuple(nodes) for leaf, nodes in users.items()}


def _add(state: State, named: dict[tuple[str, tuple[int, ...]], list[str]], key: str, leaf: Expr, unit: Expr) -> None:
    ref = tensor_of(leaf)
    buffer = unit.op == "constant" or key.rpartition(".")[2].startswith("running_")
    if not buffer:
        state.parameters.add(key)
    if ref.name and not buffer:
        same = named.setdefault((ref.name, ref.shape), [])
        for owner in same:
            if state.tensors[owner].equals(ref) and not ref.is_uniform():
                state.tied[key] = owner
                return
        same.append(key)
    state.tensors[key] = ref
