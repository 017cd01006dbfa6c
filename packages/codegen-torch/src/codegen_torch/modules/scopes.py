"""Which module a node was in when its model was exported, as far as the file tells.

torch's default exporter writes it into the node's metadata; its TorchScript exporter, tf2onnx and others write it
into the node's name (``/encoder/layer.0/attention/query/MatMul``). What is read here only decides how the code is
divided and named, never what it computes.
"""

from __future__ import annotations

import ast
import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence

from onnx_proto import Node

from codegen_torch.names import joined
from codegen_torch.scope import Scope, Step

_SCOPES = "pkg.torch.onnx.name_scopes"
_CLASSES = "pkg.torch.onnx.class_hierarchy"
_MAX_DEPTH = 64
# Strings without quotes, escapes or blanks, as nearly all are: parsing them as Python takes several times as long.
_PLAIN_STRINGS = re.compile(r"\['[^'\\\s\0]*'(, '[^'\\\s\0]*')*\]")


def scope_of(node: Node) -> Scope:
    """The modules around a node, outermost first; empty if the file does not tell."""
    return _from_metadata(node) or _from_name(node.name)


def _from_metadata(node: Node) -> Scope:
    paths, classes = (_strings(node.metadata.get(key, "")) for key in (_SCOPES, _CLASSES))
    if not paths or paths[0] != "" or len(paths) > _MAX_DEPTH:
        return ()
    if len(classes) != len(paths):
        classes = [""] * len(paths)
    # The last entry names the operator itself.
    return tuple(
        Step(path, name.rsplit(".", 1)[-1] or None) for path, name in zip(paths[1:-1], classes[1:-1], strict=True)
    )


def root_class(node: Node) -> str | None:
    """The class of the whole model, if the node's metadata tells."""
    paths, classes = (_strings(node.metadata.get(key, "")) for key in (_SCOPES, _CLASSES))
    if not paths or paths[0] != "" or len(classes) != len(paths):
        return None
    return classes[0].rsplit(".", 1)[-1] or None


def metadata_of(paths: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
    """The metadata of a node inside modules with these paths and classes, outermost first; "" is an unknown class."""
    return {_SCOPES: repr(["", *paths, "op"]), _CLASSES: repr(["", *classes, "op"])}


def metadata_beside(node: Node, path: str, cls: str) -> Mapping[str, str]:
    """The metadata of a node whose innermost module is another one than this node's; unchanged where it tells none."""
    if not _from_metadata(node):
        return node.metadata
    paths, classes = (_strings(node.metadata.get(key, "")) for key in (_SCOPES, _CLASSES))
    paths[-2] = path
    if len(classes) == len(paths):
        classes[-2] = cls
    return {**node.metadata, _SCOPES: repr(paths), _CLASSES: repr(classes)}


def metadata_around(nodes: Sequence[Node]) -> dict[str, str] | None:
    """The metadata of a node in the innermost module around all of these; None if there is none, or one tells none."""
    steps: list[list[tuple[str, str]]] = []
    for node in nodes:
        paths, classes = (_strings(node.metadata.get(key, "")) for key in (_SCOPES, _CLASSES))
        if not _from_metadata(node) or len(classes) != len(paths):
            return None
        steps.append(list(zip(paths[:-1], classes[:-1], strict=True)))
    shared = [level[0] for level in itertools.takewhile(lambda level: len(set(level)) == 1, zip(*steps, strict=False))]
    if len(shared) < 2:
        return None
    paths, classes = ([*column, "op"] for column in zip(*shared, strict=True))
    return {_SCOPES: repr(paths), _CLASSES: repr(classes)}


def outside_of(node: Node) -> Node:
    """A node as if it stood beside the innermost module that it is in, by its metadata or by its name."""
    if not _from_metadata(node):
        around, _, own = node.name.rpartition("/")
        return dataclasses.replace(node, name=f"{around.rpartition('/')[0]}/{own}")
    paths, classes = (_strings(node.metadata.get(key, "")) for key in (_SCOPES, _CLASSES))
    kept = {_SCOPES: repr([*paths[:-2], paths[-1]])}
    if len(classes) == len(paths):
        kept[_CLASSES] = repr([*classes[:-2], classes[-1]])
    return dataclasses.replace(node, metadata={**node.metadata, **kept})


def _strings(text: str) -> list[str]:
    """A list of strings from its ``repr``, or nothing if the text is anything else."""
    if not text.startswith("[") or len(text) > 100_000:
        return []
    if _PLAIN_STRINGS.fullmatch(text):
        return text[2:-2].split("', '")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else []


def _from_name(name: str) -> Scope:
    """``/layer1/layer1.0/conv1/Conv`` is the node Conv in ``layer1.0.conv1``.

    A segment repeats the container it is in (``layer1/layer1.0``) where the container itself was called.
    """
    if not name.startswith("/"):
        return ()
    segments = name[1:].split("/")[:-1]
    if len(segments) > _MAX_DEPTH or not all(re.fullmatch(r"[A-Za-z_][\w.]*", segment) for segment in segments):
        return ()
    steps: list[Step] = []
    path, previous = "", ""
    for segment in segments:
        if previous and segment.startswith(f"{previous}."):
            path += segment[len(previous) :]
        else:
            path = joined(path, segment)
        previous = segment
        steps.append(Step(path))
    return tuple(steps)
