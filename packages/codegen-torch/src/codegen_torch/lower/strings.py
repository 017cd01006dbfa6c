"""Tensors of strings in operators that only move or compare elements: numbers take the strings' places.

Torch has no strings. So the strings of a node's inputs are numbered in their order, the empty one being 0 as it is
ONNX's own default, the operator's definition is applied to the numbers, and what comes out is looked up again. Equal
strings have equal numbers and greater strings greater ones, so comparing and sorting need nothing of their own.
Operators that look into strings have definitions that say so (``Strings``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx_proto import Node

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, array, constant
from codegen_torch.facts import Array, Fact
from codegen_torch.symbols.namespaces import runtime
from codegen_torch.tensors import TensorRef

LITERAL_STRINGS = 256
"""So many strings are written out; more go to the weights file as their bytes."""
_ALL = range(1 << 16)

# Since which version an operator takes strings, and which of its outputs are strings again. ONNX's types also let
# Col2Im, GridSample, Resize and Upsample take them, which add elements up or average them.
_OPERATORS: dict[tuple[str, str], tuple[int, Sequence[int]]] = {
    ("", "CenterCropPad"): (18, _ALL),
    ("", "Compress"): (9, _ALL),
    ("", "Concat"): (4, _ALL),
    ("", "DepthToSpace"): (1, _ALL),
    ("", "Equal"): (19, ()),
    ("", "Expand"): (8, _ALL),
    ("", "Flatten"): (9, _ALL),
    ("", "Gather"): (1, _ALL),
    ("", "GatherElements"): (11, _ALL),
    ("", "GatherND"): (11, _ALL),
    ("", "NonZero"): (9, ()),
    ("", "OneHot"): (9, _ALL),
    ("", "Pad"): (13, _ALL),
    ("", "Reshape"): (5, _ALL),
    ("", "ReverseSequence"): (10, _ALL),
    ("", "Scatter"): (9, _ALL),
    ("", "ScatterElements"): (11, _ALL),
    ("", "ScatterND"): (11, _ALL),
    ("", "Slice"): (1, _ALL),
    ("", "SpaceToDepth"): (1, _ALL),
    ("", "Split"): (2, _ALL),
    ("", "Squeeze"): (1, _ALL),
    ("", "TensorScatter"): (24, _ALL),
    ("", "Tile"): (6, _ALL),
    ("", "Transpose"): (1, _ALL),
    ("", "Trilu"): (14, _ALL),
    ("", "Unique"): (11, (0,)),
    ("", "Unsqueeze"): (1, _ALL),
    ("", "Where"): (9, _ALL),
    ("ai.onnx.ml", "ArrayFeatureExtractor"): (1, _ALL),
}


def strings(values: Sequence[str] | Array, name: str = "") -> Expr:
    """A constant tensor of strings.

    Args:
        values: The strings.
        name: What the tensor is called in the file.
    """
    texts = np.asarray(values, object)
    if texts.size <= LITERAL_STRINGS:
        ref = TensorRef.of_array(texts, DType.STRING)
        ref.name = name
        return constant(ref, texts)
    pieces = [text.encode() for text in texts.flat]
    data = array(np.frombuffer(b"".join(pieces), np.uint8))
    ends = array(np.cumsum([len(piece) for piece in pieces], dtype=np.int64))
    packed: Expr = runtime.unpack_strings(data, ends, texts.shape)
    packed.fact = Fact(DType.STRING, texts.shape, texts)
    return packed


@dataclass(frozen=True, slots=True)
class Coded:
    """A node's inputs with numbers for strings, and the way back.

    Attributes:
        inputs: The inputs.
        vocabulary: The string of each number.
        outputs: The positions of the outputs that are strings.
        texts: The tensor of strings that each tensor of numbers stands for.
    """

    inputs: list[Expr | None]
    vocabulary: Expr
    outputs: Sequence[int]
    texts: dict[Expr, Expr]

    def decode(self, results: tuple[Any, ...]) -> tuple[Any, ...]:
        """The outputs with strings for numbers."""
        return tuple(
            self._decoded(result) if position in self.outputs and result is not None else result
            for position, result in enumerate(results)
        )

    def _decoded(self, codes: Expr) -> Expr:
        if codes in self.texts:
            return self.texts[codes]
        if codes.fact.is_constant and self.vocabulary.fact.is_constant:
            known = np.asarray(self.vocabulary.fact.value)[codes.fact.value]
            return strings(np.asarray(known, object))
        return runtime.decode_strings(codes, self.vocabulary)  # type: ignore[no-any-return]


def code_strings(node: Node, version: int, inputs: Sequence[Expr | None]) -> Coded | None:
    """Numbers for the strings among a node's inputs; None where there are none or the operator is not for it."""
    since, outputs = _OPERATORS.get((node.domain, node.op_type), (None, ()))
    texts = list(dict.fromkeys(value for value in inputs if value is not None and _is_text(value)))
    if since is None or version < since or not texts:
        return None
    codes, vocabulary = _encode(texts)
    coded = dict(zip(texts, codes, strict=True))
    replaced = [None if value is None else coded.get(value, value) for value in inputs]
    return Coded(replaced, vocabulary, outputs, dict(zip(codes, texts, strict=True)))


def _is_text(value: Expr) -> bool:
    """Whether this is a tensor of strings, and not one string or a list of them."""
    return not value.fact.host and value.dtype is DType.STRING


def _encode(texts: list[Expr]) -> tuple[list[Expr], Expr]:
    """The numbers of each tensor of strings, and the strings that they stand for."""
    vocabularies = {text.inputs[1] if text.op == "runtime.decode_strings" else None for text in texts}
    vocabulary = vocabularies.pop()
    if vocabulary is not None and not vocabularies:  # they are numbers already
        return [text.inputs[0] for text in texts], vocabulary
    if not all(text.fact.is_constant for text in texts):
        found: tuple[Expr, ...] = runtime.encode_strings(texts)
        return list(found[:-1]), found[-1]
    arrays = [np.asarray(text.fact.value) for text in texts]
    known = sorted({"", *(item for values in arrays for item in values.flat)})
    numbers = {item: number for number, item in enumerate(known)}
    codes = [np.array([numbers[item] for item in values.flat], np.int64).reshape(values.shape) for values in arrays]
    return [array(values) for values in codes], strings(known)
