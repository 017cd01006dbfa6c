"""Attributes of ai.onnx.ml and of the text operators that make no sense: a typed error says so, or they convert."""

from __future__ import annotations

import contextlib
import random

import onnx
import pytest
from codegen_torch.errors import ConversionError
from one_node import lower_proto, model_of
from onnx import AttributeProto
from test_ops_ml import FEATURES, LABELS, LINEAR, VECTORS
from test_ops_ml_trees import CLASSIFIERS, NEWEST, REGRESSORS
from test_ops_text import COUNTED, READ

ROWS = [*FEATURES, *LABELS, *LINEAR, *VECTORS, *REGRESSORS, *CLASSIFIERS, *NEWEST, *COUNTED, *READ]
NUMBERS = (0, -1, -5, 10**6, 2**62)
FLOATS = (0.0, -1.0, 1e38, float("inf"), float("nan"))
STRINGS = (b"", b"LEAF", b"NONE", b"other")


def mutate(node: onnx.NodeProto, drawn: random.Random) -> None:
    """Drop an attribute, or drop, empty or change what is in it."""
    attribute = drawn.choice(list(node.attribute))
    lists = {
        AttributeProto.INTS: (attribute.ints, NUMBERS),
        AttributeProto.FLOATS: (attribute.floats, FLOATS),
        AttributeProto.STRINGS: (attribute.strings, STRINGS),
    }
    if attribute.type in lists and drawn.random() < 0.8:
        values, others = lists[attribute.type]
        place = drawn.randrange(len(values)) if values else 0
        change = drawn.randrange(3)
        if change == 0 or not values:
            del values[:]
        elif change == 1:
            del values[place]
        else:
            values[place] = drawn.choice(others)
    elif attribute.type == AttributeProto.INT and drawn.random() < 0.8:
        attribute.i = drawn.choice(NUMBERS)
    elif attribute.type == AttributeProto.FLOAT and drawn.random() < 0.8:
        attribute.f = drawn.choice(FLOATS)
    elif attribute.type == AttributeProto.STRING and drawn.random() < 0.8:
        attribute.s = drawn.choice(STRINGS)
    else:
        node.attribute.remove(attribute)


@pytest.mark.parametrize("seed", range(4))
def test_mutants_convert_or_are_refused(seed: int) -> None:
    drawn = random.Random(seed)
    for row in drawn.choices([row for row in ROWS if row.attributes], k=250):
        model = model_of(row, symbolic=False)
        (node,) = model.graph.node
        mutate(node, drawn)
        with contextlib.suppress(ConversionError):
            lower_proto(model)
