"""Whether a model keeps ONNX's rules: a table of checks, made before anything is done to it.

What the file itself contradicts is found by `onnx_proto`; what a node's shapes contradict, by the facts of the torch
symbols that it becomes. Here are the rules in between: of names, operator sets, and what operators take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from onnx_proto import Model

from codegen_torch.errors import InvalidModelError
from codegen_torch.validate.names import check_names
from codegen_torch.validate.nodes import check_nodes
from codegen_torch.validate.opsets import check_functions, check_initialized_inputs, check_opsets

CHECKS: tuple[Callable[[Model], Iterator[str]], ...] = (
    check_opsets,  # first: what operators take depends on them
    check_functions,
    check_initialized_inputs,
    check_names,
    check_nodes,
)
MOST_SHOWN = 10
"""How many problems one error tells of."""


def validate(model: Model, source: str) -> None:
    """See that a model keeps the rules.

    Args:
        model: The model as its file has it.
        source: How errors call it.

    Raises:
        InvalidModelError: It does not; the places and the problems are listed.
    """
    problems = [problem for check in CHECKS for problem in islice(check(model), MOST_SHOWN + 1)]
    if not problems:
        return
    shown = problems[:MOST_SHOWN] + ["…"] * (len(problems) > MOST_SHOWN)
    raise InvalidModelError(f"{source}: {shown[0]}" if len(shown) == 1 else "\n  ".join([f"{source}:", *shown]))
