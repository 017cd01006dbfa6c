"""The errors a conversion can end with."""

from __future__ import annotations

from dataclasses import dataclass


class ConversionError(Exception):
    """A model could not be converted. Every other error of this package derives from it."""


class InvalidModelError(ConversionError):
    """The file is an ONNX model, but it contradicts itself or the ONNX specification."""


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
    """

    op: str
    version: int
    node: str
    reason: str


class UnsupportedError(ConversionError):
    """The model uses something that cannot be converted exactly.

    Attributes:
        obstacles: Every reason, in the order of the file.
    """

    def __init__(self, source: str, obstacles: list[Obstacle]) -> None:
        self.obstacles = obstacles
        groups: dict[tuple[str, int, str], list[str]] = {}
        for obstacle in obstacles:
            groups.setdefault((obstacle.op, obstacle.version, obstacle.reason), []).append(obstacle.node)
        lines = [f"{source} uses what cannot be converted yet:"]
        for (op, version, reason), nodes in groups.items():
            shown = ", ".join(nodes[:3]) + (", …" if len(nodes) > 3 else "")
            lines.append(f"  {op} (opset {version}), {len(nodes)}×: {reason} [{shown}]")
        super().__init__("\n".join(lines))
