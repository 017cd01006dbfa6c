"""What is supported, read off the registry of operators.

``python -m codegen_torch.support`` writes it down in :mod:`codegen_torch.operators`, for those who must not wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import codegen_torch.ops  # noqa: F401  # registers the operators
from codegen_torch import operators
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


def table() -> operators.Table:
    """What :mod:`codegen_torch.operators` has to say."""
    return {("" if each.domain == "ai.onnx" else each.domain, each.op_type): each.spans for each in support()}


def write_table() -> None:
    """Write :mod:`codegen_torch.operators` anew."""
    path = Path(operators.__file__)
    head, _, _ = path.read_text("utf-8").partition("TABLE: Table = {\n")
    rows = "".join(f'    ("{domain}", "{op_type}"): {spans},\n' for (domain, op_type), spans in table().items())
    path.write_text(f"{head}TABLE: Table = {{\n{rows}}}\n", "utf-8")


if __name__ == "__main__":
    write_table()
