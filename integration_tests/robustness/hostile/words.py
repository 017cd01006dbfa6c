"""One hostile string at one place of a model at a time; the model computes what it computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx
from strings import RUN

from hostile.case import Hostile, sound

WORDS = (
    f'"""\n{RUN}\n"""',
    f"'+{RUN}+'",
    "class",
    "self",
    "forward",
    "\u202e\u2066\ufeff",
    "a\r\u2028\x0cb",
    "\\",
    "{x}",
    "x" * 10_000,
)
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


def files() -> Iterator[Hostile]:
    for place, put in PLACES.items():
        for number, word in enumerate(WORDS):
            model = sound()
            put(model, word)
            yield Hostile(
                f"words: {number} as {place}", model.SerializeToString(), inputs={model.graph.input[0].name: X}
            )


def _renamed(old: str) -> Callable[[onnx.ModelProto, str], None]:
    def put(model: onnx.ModelProto, word: str) -> None:
        graph = model.graph
        for each in (*graph.input, *graph.output, *graph.initializer):
            each.name = word if each.name == old else each.name
        for node in graph.node:
            node.input[:] = [word if name == old else name for name in node.input]
            node.output[:] = [word if name == old else name for name in node.output]

    return put


def _metadata(model: onnx.ModelProto, word: str) -> None:
    for owner in (model, model.graph, model.graph.node[0], model.graph.initializer[0]):
        owner.metadata_props.add(key=word, value=word)
    model.graph.node[1].metadata_props.add(key="pkg.torch.onnx.name_scopes", value=repr(["", word, word]))
    model.graph.node[2].metadata_props.add(key="pkg.torch.onnx.class_hierarchy", value=word)


PLACES: dict[str, Callable[[onnx.ModelProto, str], object]] = {
    "the input": _renamed("x"),
    "the output": _renamed("y"),
    "a value": _renamed("h"),
    "a weight": _renamed("w1"),
    "a node": lambda m, w: setattr(m.graph.node[0], "name", w),
    "the graph": lambda m, w: setattr(m.graph, "name", w),
    "documents": lambda m, w: [
        setattr(each, "doc_string", w)
        for each in (m, m.graph, m.graph.node[0], m.graph.input[0], m.graph.initializer[0])
    ],
    "an attribute's document": lambda m, w: setattr(m.graph.node[0].attribute[0], "doc_string", w),
    "metadata": _metadata,
    "the producer": lambda m, w: (setattr(m, "producer_name", w), setattr(m, "producer_version", w)),
    "the domain": lambda m, w: setattr(m, "domain", w),
    "a dimension": lambda m, w: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_param", w),
    "a denotation": lambda m, w: setattr(m.graph.input[0].type, "denotation", w),
}
