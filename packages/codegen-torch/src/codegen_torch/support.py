"""What is supported, read off the registry of operators."""

from __future__ import annotations

from dataclasses import dataclass

import codegen_torch.ops  # noqa: F401  # registers the operators
from codegen_torch.clean.dropout import DOMAIN
from codegen_torch.lower.registry import Definition, registered


@dataclass(frozen=True, slots=True)
class Support:
    """The opsets at which an operator is supported.

    Attributes:
        domain: The operator's domain; ``ai.onnx`` for ONNX's own.
        op_type: The operator's name.
        spans: The first and the last version of the domain, ascending and apart.
    """

    domain: str
    op_type: str
    spans: tuple[tuple[int, int], ...]


def support() -> list[Support]:
    """Every operator, by domain and name."""
    return sorted(
        (
            Support(domain or "ai.onnx", op_type, _merged(definitions))
            for (domain, op_type), definitions in registered().items()
            if domain != DOMAIN
        ),
        key=lambda each: (each.domain != "ai.onnx", each.domain, each.op_type),
    )


def _merged(definitions: list[Definition]) -> tuple[tuple[int, int], ...]:
    """The spans of definitions, those that touch or overlap as one."""
    spans: list[tuple[int, int]] = []
    for since, until in sorted((each.since, each.until) for each in definitions):
        if spans and since <= spans[-1][1] + 1:
            spans[-1] = spans[-1][0], max(spans[-1][1], until)
        else:
            spans.append((since, until))
    return tuple(spans)
