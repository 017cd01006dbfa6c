"""Small models for tests, with the scopes that torch's exporter would have written into them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_proto
from onnx_proto.build import graph, model, node, tensor, value

from codegen_torch import convert
from codegen_torch.clean import clean
from codegen_torch.layers import recover_layers
from codegen_torch.lower.graph import lower
from codegen_torch.modules.classes import assign_classes
from codegen_torch.modules.definition import ClassDef
from codegen_torch.modules.members import assign_members
from codegen_torch.modules.region import Region
from codegen_torch.modules.sizes import Sizes, find_sizes
from codegen_torch.modules.tree import build_tree
from codegen_torch.report import Report
from codegen_torch.simplify import share, simplify

Nodes = Iterable[onnx_proto.Node]


def at(path: str, *classes: str) -> dict[str, str]:
    """The metadata of a node inside modules: ``blocks.0/attention`` is in two, of these classes."""
    parts = path.split("/") if path else []
    paths = ["", *(".".join(parts[: depth + 1]) for depth in range(len(parts))), "op"]
    names = ["main.Net", *(list(classes) + [""] * len(parts))[: len(parts)], "aten.op"]
    return {"pkg.torch.onnx.name_scopes": repr(paths), "pkg.torch.onnx.class_hierarchy": repr(names)}


def call(op: str, inputs: str, outputs: str, path: str = "", *classes: str, **attributes: Any) -> onnx_proto.Node:
    """A node; names are separated by blanks."""
    return node(op, inputs.split(), outputs.split(), metadata=at(path, *classes), attributes=attributes)


def weights(**shapes: Sequence[int]) -> list[onnx_proto.Tensor]:
    """Tensors of different numbers; ``__`` in a name stands for a dot."""
    return [
        tensor(name.replace("__", "."), np.random.default_rng(seed).normal(size=shape).astype(np.float32))
        for seed, (name, shape) in enumerate(shapes.items())
    ]


def made(
    nodes: Nodes,
    tensors: Iterable[onnx_proto.Tensor] = (),
    *,
    inputs: Mapping[str, Sequence[int | str | None]] | None = None,
    outputs: str = "y",
    opset: int = 20,
) -> onnx_proto.Model:
    """A model whose inputs are float32, ``x`` of ``[batch, 4]`` unless said otherwise."""
    given: Mapping[str, Sequence[int | str | None]] = {"x": ["batch", 4]} if inputs is None else inputs
    return model(
        graph(nodes, [value(name, "float32", shape) for name, shape in given.items()], outputs.split(), tensors),
        opset_imports=opset,
    )


def converted(folder: Path, source: onnx_proto.Model, **options: Any) -> tuple[str, Report]:
    """The text of a model's ``model.py``, and the report."""
    path = folder / "net.onnx"
    onnx_proto.save(source, path)
    report = convert(path, folder / "out", **options)
    return (folder / "out" / "model.py").read_text("utf-8"), report


def body(text: str) -> str:
    """The classes of a generated module."""
    classes = text[text.index("class ") : text.index("def load_model(")]
    return classes.partition("\n\n\nModel = ")[0].strip() + "\n"


def tree_of(source: onnx_proto.Model) -> Region:
    """The region tree of a model, its members named."""
    lowered = lower(clean(source), "net.onnx")
    root = build_tree(lowered.inputs, share(recover_layers(simplify(share(lowered.outputs)))))
    assign_members(root)
    return root


def classes_of(source: onnx_proto.Model) -> tuple[Region, dict[Region, Sizes], dict[Region, ClassDef]]:
    """The region tree of a model, with sizes and classes."""
    root = tree_of(source)
    sizes = find_sizes(root)
    return root, sizes, assign_classes(root, sizes)


def outline(region: Region) -> list[Any]:
    """A region as nested lists: operators, and for children their paths and what is inside."""
    return [(unit.path, outline(unit)) if isinstance(unit, Region) else unit.op for unit in region.units]
