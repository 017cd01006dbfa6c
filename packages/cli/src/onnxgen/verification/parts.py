"""What a generated model takes and returns, where that is not what its file does: a part of it, or more outputs."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TypeGuard

from codegen_torch.changes import UNCHANGED, Changes
from codegen_torch.names import Identifier
from onnx_proto import Model

from onnxgen.verification.sizes import given_inputs


def recorded_changes(text: str, model: Model) -> Changes:
    """How a source was converted otherwise than as its whole file, told by its inputs and ``output_names``.

    Args:
        text: The source.
        model: The file's model, functions of its own written out.
    """
    outputs, parameters = _signature(text)
    graph = model.graph
    values = [info.name for info in graph.inputs] + [name for node in graph.nodes for name in node.outputs if name]
    if not outputs or not set(outputs) <= set(values) | {output.name for output in graph.outputs}:
        return UNCHANGED
    own = [output.name for output in graph.outputs]
    own_inputs = [Identifier.like(info.name) for info in given_inputs(graph)]
    if outputs[: len(own)] == own and parameters == own_inputs:
        return Changes(intermediate=tuple(outputs[len(own) :]))
    if set(parameters) <= set(own_inputs):
        return Changes(outputs=tuple(outputs))
    called: dict[str, str] = {}
    for name in values:
        called.setdefault(Identifier.like(name), name)
    if not set(parameters) <= called.keys():
        return UNCHANGED
    return Changes(inputs=tuple(called[name] for name in parameters), outputs=tuple(outputs))


def _signature(text: str) -> tuple[list[str], list[str]]:
    """The names of the outputs and of the parameters of ``forward``, in the class that tells its outputs."""
    for statement in ast.parse(text).body:
        if not isinstance(statement, ast.ClassDef):
            continue
        outputs = next((each.value for each in statement.body if _assigns_outputs(each)), None)
        if outputs is None:
            continue
        methods = [each for each in statement.body if isinstance(each, ast.FunctionDef) and each.name == "forward"]
        return _strings(outputs), [argument.arg for argument in methods[0].args.args[1:]] if methods else []
    return [], []


def _assigns_outputs(statement: ast.stmt) -> TypeGuard[ast.Assign]:
    return isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "output_names"


def _strings(value: ast.expr) -> list[str]:
    items: Sequence[ast.expr] = value.elts if isinstance(value, ast.Tuple) else ()
    return [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
