"""The errors a conversion can end with."""

from __future__ import annotations

from dataclasses import dataclass


class ConversionError(Exception):
    """A model could not be converted. Every other error of this package derives from it."""


class InvalidModelError(ConversionError):
    """The file is an ONNX model, but it contradicts itself or the ONNX specification."""


class InputChangedError(ConversionError):
    """A file was changed while it was being read."""


class OutputExistsError(ConversionError):
    """The output folder holds a file that this program did not write."""


@dataclass(frozen=True)
class Obstacle:
    """One reason why a node cannot be converted.

    Attributes:
        op: The operator, with its domain where that is not ONNX's own.
        version: The version of the domain the model imports.
        node: The node's name, or what it computes where it has none.
        reason: What stands in the way, in words.
        hint: What one may do about it, in words; empty where there is no general advice.
    """

    op: str
    version: int
    node: str
    reason: str
    hint: str = ""


@dataclass(frozen=True)
class ObstacleGroup:
    """Obstacles that differ only in the node.

    Attributes:
        op: The operator.
        version: The version of its domain.
        reason: What stands in the way.
        hint: What one may do about it.
        nodes: The nodes, in the order of the file.
    """

    op: str
    version: int
    reason: str
    hint: str
    nodes: list[str]


def grouped(obstacles: list[Obstacle]) -> list[ObstacleGroup]:
    """Obstacles by what they are, in the order of the file."""
    groups: dict[tuple[str, int, str, str], list[str]] = {}
    for each in obstacles:
        groups.setdefault((each.op, each.version, each.reason, each.hint), []).append(each.node)
    return [ObstacleGroup(*key, nodes) for key, nodes in groups.items()]


class UnsupportedError(ConversionError):
    """The model uses something that cannot be converted exactly.

    Attributes:
        obstacles: Every reason, in the order of the file.
    """

    def __init__(self, source: str, obstacles: list[Obstacle]) -> None:
        self.obstacles = obstacles
        lines = [f"{source} uses what cannot be converted yet:"]
        for group in grouped(obstacles):
            shown = ", ".join(group.nodes[:3]) + (", …" if len(group.nodes) > 3 else "")
            lines.append(f"  {group.op} (opset {group.version}), {len(group.nodes)}×: {group.reason} [{shown}]")
            lines += [f"    hint: {group.hint}"] if group.hint else []
        super().__init__("\n".join(lines))
