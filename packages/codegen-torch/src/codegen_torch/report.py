"""What a conversion did."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from codegen_torch.modules.keys import KeyChange


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line of ``model.py`` and what it stands for.

    Attributes:
        line: The line's number, from 1.
        nodes: The positions of the ONNX nodes in the file's graph.
    """

    line: int
    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SourceModule:
    """A module or layer of the generated model.

    Attributes:
        path: Where it is in the model, ``"encoder.layer.0"``; empty for the model itself.
        class_name: Its class, ``"nn.Linear"`` or one of ``model.py``.
        nodes: The positions of the ONNX nodes that it stands for itself, those of modules inside it left out.
    """

    path: str
    class_name: str
    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Counterpart:
    """Where the generated model computes a value of the ONNX graph.

    Attributes:
        value: The value's name in the graph, functions of the file's own written out; of one in a branch, what
            `codegen_torch.clean.subgraphs.value_in_branch` calls it.
        path: The module whose ``forward`` has the expression that computes it, or whose call gives it.
        line: The line of ``model.py`` on which the statement with the expression begins; 0 for a call.
        text: The expression, on one line; empty for a call.
        index: Which one of several results of a call it is.
        conditional: Whether it is computed in a branch or a loop, and so not always or not once. What loops compute is
            no one value: the name is empty then.
    """

    value: str
    path: str
    line: int = 0
    text: str = ""
    index: int | None = None
    conditional: bool = False


@dataclass(slots=True)
class Report:
    """The result of a conversion.

    Attributes:
        source: The ONNX file.
        files: The files that were written.
        class_name: The name of the model's class.
        seconds: How long it took.
        nodes: How many nodes the ONNX graph has.
        tensors: How many tensors the weights file holds.
        parameters: How many numbers training can change.
        lines: How many lines ``model.py`` has.
        notes: What the user should know, in sentences.
        source_map: The lines of ``model.py`` and their ONNX nodes.
        tied: Keys of the ``state_dict`` that are another key's parameter; the weights file holds it once.
        keys: For each key of the ``state_dict`` the ONNX nodes that use it.
        modules: The model, its modules and layers, each before what is in it.
        counterparts: Where values of the ONNX graph are computed. Calls of one module, and runs of one expression
            in it, are in the order in which they happen.
        changed_keys: Keys that a checkpoint of the original model cannot fill, and why; all others are the original's,
            as far as the file tells.
    """

    source: Path
    files: tuple[Path, ...] = ()
    class_name: str = ""
    seconds: float = 0.0
    nodes: int = 0
    tensors: int = 0
    parameters: int = 0
    lines: int = 0
    notes: list[str] = field(default_factory=list)
    source_map: list[SourceLine] = field(default_factory=list)
    tied: dict[str, str] = field(default_factory=dict)
    keys: dict[str, tuple[int, ...]] = field(default_factory=dict)
    modules: list[SourceModule] = field(default_factory=list)
    counterparts: list[Counterpart] = field(default_factory=list)
    changed_keys: list[KeyChange] = field(default_factory=list)
