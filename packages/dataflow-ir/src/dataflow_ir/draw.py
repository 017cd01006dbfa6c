"""Pictures of graphs, as text for Graphviz and Mermaid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dataflow_ir.display import application
from dataflow_ir.functions import lambdas
from dataflow_ir.literals import spell
from dataflow_ir.nest import leaves
from dataflow_ir.node import Node
from dataflow_ir.ops import INPUT
from dataflow_ir.walk import nodes

_LONGEST = 60


def to_dot(g: Any, label: Callable[[Any], str] | None = None) -> str:
    """Return the graph in the language of Graphviz: values flow along the arrows, results are doubly circled.

    The bodies of functions are drawn beside it.

    Args:
        g: A node or a nest of them.
        label: The text in a node; by default its operation and attributes.

    >>> from dataflow_ir import inp, node
    >>> print(to_dot(node("add", inp("x"), inp("y"))))
    digraph {
      n0 [label="x", shape=plaintext];
      n1 [label="y", shape=plaintext];
      n2 [label="add", peripheries=2];
      n0 -> n2 [label="0"];
      n1 -> n2 [label="1"];
    }
    """
    lines = ["digraph {"]
    for prefix, title, part in _parts(g):
        indent = "  "
        if title:
            lines += [f"  subgraph cluster_{prefix} {{", f"    label={_quoted(title)};"]
            indent = "    "
        lines += [indent + line for line in _dot(part, prefix, label or describe)]
        if title:
            lines.append("  }")
    return "\n".join([*lines, "}"])


def _dot(g: Any, prefix: str, label: Callable[[Any], str]) -> Iterator[str]:
    order, number, ends = _numbered(g, prefix)
    for v in order:
        style = ", shape=plaintext" if v.op == INPUT else ""
        style += ", peripheries=2" if v in ends else ""
        yield f"{number[v]} [label={_quoted(label(v))}{style}];"
    for v in order:
        for at, i in enumerate(v.inputs):
            if i is not None:
                place = f' [label="{at}"]' if len(v.inputs) > 1 else ""
                yield f"{number[i]} -> {number[v]}{place};"


def to_mermaid(g: Any, label: Callable[[Any], str] | None = None) -> str:
    """Return the graph in the language of Mermaid, which Markdown pages show as a picture; see `to_dot`.

    >>> from dataflow_ir import inp, node
    >>> print(to_mermaid(node("neg", inp("x"))))
    flowchart TD
      n0(["x"])
      n1[["neg"]]
      n0 --> n1
    """
    lines = ["flowchart TD"]
    for prefix, title, part in _parts(g):
        lines += [f"  subgraph {prefix} [{_escaped(title)}]"] if title else []
        indent = "    " if title else "  "
        lines += [indent + line for line in _mermaid(part, prefix, label or describe)]
        lines += ["  end"] if title else []
    return "\n".join(lines)


def _mermaid(g: Any, prefix: str, label: Callable[[Any], str]) -> Iterator[str]:
    order, number, ends = _numbered(g, prefix)
    for v in order:
        before, after = ("([", "])") if v.op == INPUT else ("[[", "]]") if v in ends else ("[", "]")
        yield f"{number[v]}{before}{_escaped(label(v))}{after}"
    for v in order:
        for at, i in enumerate(v.inputs):
            if i is not None:
                yield f"{number[i]} -->{f'|{at}|' if len(v.inputs) > 1 else ''} {number[v]}"


def describe(v: Node) -> str:
    """Return a node's operation and attributes in at most 60 characters."""
    if v.op == INPUT and isinstance(v.attrs.get("name"), str):
        text: str = v.attrs["name"]
    else:
        text = application(v, [], lambda value: spell(value)[:_LONGEST]).removesuffix("()")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _parts(g: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield the graph and the bodies of its functions, each with a prefix for its nodes and a title."""
    yield "n", "", g
    for at, code in enumerate(lambdas(g)):
        yield f"f{at}_", f"function {at}", [code.body, *code.captured, *code.params]


def _numbered(g: Any, prefix: str) -> tuple[list[Node], dict[Node, str], set[Node]]:
    order = nodes(g)
    return order, {v: f"{prefix}{at}" for at, v in enumerate(order)}, {v for v in leaves(g) if v.op != INPUT}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _escaped(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace("\n", " ")
    return f'"{escaped}"'
