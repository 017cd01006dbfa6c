"""Which keys of the ``state_dict`` a checkpoint of the original model cannot fill, or would fill with something else.

Only what the file tells is said: which names tensors have in it, and what its exporter is known to change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from codegen_torch.expr import Expr
from codegen_torch.modules.region import is_layer
from codegen_torch.modules.state import State
from codegen_torch.symbols.rnn import STATES
from codegen_torch.tensors import TensorRef

_OF_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_CONVOLUTIONS = ("nn.Conv", "nn.Linear")
# What the TorchScript exporter calls a tensor that it computed.
_COMPUTED = re.compile(r"onnx::Conv(Transpose)?_\d+")
_SHOWN = 6

FOLDED = "a BatchNorm is folded into the layer"
FOLDED_UNNAMED = "a BatchNorm is folded into the convolution, and the file no longer has its name"
TRANSPOSED = "torch's layer keeps the tensor in another layout than the original did"
CUT = "the tensor is a part of the original's"
PACKED = "the tensor holds two of the file's numbers in a byte"
RESHAPED = "the tensor has another shape than the original's"
RENAMED = "the file calls the tensor by another name"
UNTOLD = "the file does not tell what the original called the tensor"
STACKED = "the exporter took the original's recurrent module apart"


@dataclass(frozen=True, slots=True)
class KeyChange:
    """Keys of the generated model that do not hold what the original's ``state_dict`` has under these names.

    Attributes:
        keys: The keys of the generated model.
        originals: The original's keys that they stand for, as far as the file tells them.
        reason: Why they differ.
    """

    keys: tuple[str, ...]
    originals: tuple[str, ...]
    reason: str


def changed_keys(state: State) -> list[KeyChange]:
    """What a checkpoint of the original model cannot fill, layer by layer in the order of the model."""
    layers: dict[Expr, dict[str, str]] = {}
    for key, unit in state.owners.items():
        layers.setdefault(unit, {})[key.rpartition(".")[2]] = key
    stacks: dict[str, int] = {}
    found: list[KeyChange] = []
    for unit, keys in layers.items():
        change = _folded(unit, keys, state) or _stacked(unit, keys, state, stacks)
        found += [change] if change else _by_name(unit, keys, state)
    return found


def in_words(changes: list[KeyChange]) -> list[str]:
    """A sentence for every reason, with the first of its keys."""
    by_reason: dict[str, list[str]] = {}
    for change in changes:
        by_reason.setdefault(change.reason, []).extend(change.keys or change.originals)
    return [
        f"{len(keys)} key{'s' if len(keys) > 1 else ''} of the state_dict cannot be the original's, "
        f"because {reason}: {', '.join(keys[:_SHOWN])}{', …' if len(keys) > _SHOWN else ''}"
        for reason, keys in by_reason.items()
    ]


def _folded(unit: Expr, keys: dict[str, str], state: State) -> KeyChange | None:
    """A layer that stands where a BatchNorm was: its weight and bias are products of both."""
    if not unit.op.startswith(_CONVOLUTIONS):
        return None
    ref = state.tensors[keys["weight"]]
    step = unit.origin.scope[-1] if unit.origin.scope else None
    if step is not None and step.cls is not None and step.cls.startswith(("BatchNorm", "SyncBatchNorm")):
        originals = [name for name in (ref.name, *(f"{step.path}.{role}" for role in _OF_NORM)) if "." in name]
        return KeyChange(tuple(keys.values()), tuple(originals), FOLDED)
    if _COMPUTED.fullmatch(ref.name):
        return KeyChange(tuple(keys.values()), (keys["weight"],), FOLDED_UNNAMED)
    return None


def _stacked(unit: Expr, keys: dict[str, str], state: State, stacks: dict[str, int]) -> KeyChange | None:
    """A recurrent layer that is not where the file has it is one of several, perhaps, that were one module."""
    path = _path(unit)
    if unit.op not in STATES or not path or any(_is_key(state.tensors[key].name) for key in keys.values()):
        return None
    if next(iter(keys.values())).rpartition(".")[0] == path:
        return None
    number = stacks[path] = stacks.get(path, -1) + 1
    originals = (f"{path}.{role.replace('_l0', f'_l{number}')}" for role in keys)
    return KeyChange(tuple(keys.values()), tuple(originals), STACKED)


def _by_name(unit: Expr, keys: dict[str, str], state: State) -> Iterator[KeyChange]:
    """Tensors that the file calls by another name, keeps under the same one in another form, or has no name for."""
    for key in keys.values():
        change = _told(key, unit, state)
        if change is None:
            continue
        yield change
        if key.endswith(".running_mean"):
            yield KeyChange((_counter(key),), tuple(map(_counter, change.originals)), change.reason)


def _told(key: str, unit: Expr, state: State) -> KeyChange | None:
    ref = state.tensors[key]
    name = ref.name
    if not _is_key(name) and name != key:
        is_scope = is_layer(unit) and key.rpartition(".")[0] == _path(unit) != ""
        return None if is_scope else KeyChange((key,), (), UNTOLD)
    if name != key and name in state.tensors:
        return None
    reason = _reason(ref, is_same=name == key, is_layer=is_layer(unit))
    return KeyChange((key,), (name,), reason) if reason else None


def _reason(ref: TensorRef, *, is_same: bool, is_layer: bool) -> str | None:
    if "cut" in ref.moves:
        return CUT
    if "packed" in ref.moves:
        return PACKED
    if "permuted" in ref.moves:
        return TRANSPOSED if is_layer else RESHAPED
    if "reshaped" in ref.moves:
        return RESHAPED
    return None if is_same else RENAMED


def _path(unit: Expr) -> str:
    """The innermost module that the file says a layer was in."""
    return unit.origin.scope[-1].path if unit.origin.scope else ""


def _counter(key: str) -> str:
    """The key of the number of batches that a BatchNorm has seen, which is in no file."""
    return f"{key.rpartition('.')[0]}.num_batches_tracked"


def _is_key(name: str) -> bool:
    """Whether a tensor's name in the file looks like a key of a ``state_dict``; exporters make up words, not paths."""
    return re.fullmatch(r"\w+(\.\w+)+", name, flags=re.ASCII) is not None
