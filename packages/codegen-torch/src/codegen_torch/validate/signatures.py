"""What each operator takes and gives at each opset, as ONNX's schemas say it.

`tools/compile_signatures.py` writes them down from the onnx package, which is not needed for reading them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

_UNBOUNDED: Final = 1 << 31


class Parameter(NamedTuple):
    """An input or an output.

    Attributes:
        type: What stands for its type.
        kinds: A letter for each kind of type it may have: f for floats, n for narrow ones, i for signed integers, u for
            unsigned ones, b for bool, c for complex numbers, t for text; S for sequences, O for optionals, M for maps,
            P for sparse tensors.
        optional: Whether it may be left out.
        same: Whether all that have this `type` are of one element type.
    """

    type: str
    kinds: str
    optional: bool
    same: bool


class Signature(NamedTuple):
    """One version of an operator.

    Attributes:
        since: The opset from which on it holds.
        inputs: The inputs; the last one stands for all further ones.
        fewest: How many inputs there are at least.
        most: How many inputs there are at most.
        most_outputs: How many outputs there are at most.
        attributes: The attributes' types by name.
        required: The attributes that must be given.
    """

    since: int
    inputs: tuple[Parameter, ...]
    fewest: int
    most: int
    most_outputs: int
    attributes: dict[str, str]
    required: frozenset[str]

    def parameter(self, position: int) -> Parameter:
        """The input at a position."""
        return self.inputs[min(position, len(self.inputs) - 1)]


@cache
def signature(domain: str, op_type: str, opset: int) -> Signature | None:
    """What an operator takes at an opset; None where ONNX does not say."""
    versions = _lines().get(f"{domain}.{op_type}" if domain else op_type, {})
    since = max((each for each in versions if each <= opset), default=None)
    return None if since is None else _parsed(since, versions[since])


@cache
def _lines() -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    for line in (files(__package__) / "signatures.txt").read_text("utf-8").splitlines():
        name, since, rest = line.split("|", 2)
        found.setdefault(name, {})[int(since)] = rest
    return found


def _parsed(since: int, text: str) -> Signature:
    inputs, outputs, attributes, types = (part.split() for part in text.split("|"))
    kinds = dict(each.split("=") for each in types)
    named = [each.split(":") for each in attributes]
    parameters = tuple(_parameter(each, kinds) for each in inputs)
    needed = [number for number, each in enumerate(parameters, 1) if not each.optional]
    variadic = next((int(each.split("*")[1].rstrip("~")) for each in inputs if "*" in each), None)
    return Signature(
        since,
        parameters,
        max(needed, default=0) if variadic is None else len(inputs) - 1 + variadic,
        len(inputs) if variadic is None else _UNBOUNDED,
        _UNBOUNDED if any("*" in each for each in outputs) else len(outputs),
        {name: kind.rstrip("!") for name, kind in named},
        frozenset(name for name, kind in named if kind.endswith("!")),
    )


def _parameter(word: str, kinds: dict[str, str]) -> Parameter:
    name = word.split("*", maxsplit=1)[0].rstrip("?")
    fixed = name.startswith("=")
    return Parameter(
        name, name[1:] if fixed else kinds[name], "?" in word or "*" in word, not fixed and not word.endswith("~")
    )
