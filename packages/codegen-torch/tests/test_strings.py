"""Tensors of strings as numbers: how the numbers are made, kept and looked up again."""

from __future__ import annotations

import numpy as np
from onnx_proto.build import node

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.emit.literals import buffer_source
from codegen_torch.expr import Expr, array, call, graph_input
from codegen_torch.facts import Fact
from codegen_torch.lower.strings import LITERAL_STRINGS, code_strings, strings

TEXT = graph_input("text", Fact(DType.STRING, (Dim.symbol("n"), 2)))
NUMBER = graph_input("number", Fact(DType.FLOAT32, (2,)))


def test_only_operators_that_take_strings_get_numbers() -> None:
    assert code_strings(node("Add", ["a", "b"], ["y"]), 14, [TEXT, TEXT]) is None
    assert code_strings(node("Equal", ["a", "b"], ["y"]), 18, [TEXT, TEXT]) is None
    assert code_strings(node("Concat", ["a"], ["y"], axis=0), 13, [NUMBER]) is None


def test_numbers_stand_for_the_strings_of_all_inputs() -> None:
    coded = code_strings(node("Concat", ["a", "b", "a"], ["y"], axis=0), 13, [TEXT, NUMBER, TEXT])
    assert coded is not None
    first, second, third = coded.inputs
    assert first is third
    assert second is NUMBER
    assert isinstance(first, Expr)
    assert (first.dtype, first.dims) == (DType.INT64, TEXT.dims)
    assert coded.decode((first,)) == (TEXT,)
    (decoded,) = coded.decode((call("torch.cat", [first, first]),))
    assert decoded.op == "runtime.decode_strings"
    again = code_strings(node("Identity", ["a"], ["y"]), 13, [decoded])
    assert again is None
    moved = code_strings(node("Transpose", ["a"], ["y"]), 13, [decoded])
    assert moved is not None
    assert moved.inputs == [decoded.inputs[0]]


def test_constants_are_numbered_at_conversion_with_the_empty_string_first() -> None:
    known = strings(["b", "a", "b"])
    coded = code_strings(node("Unique", ["a"], ["y"]), 11, [known])
    assert coded is not None
    (codes,) = coded.inputs
    assert codes is not None
    assert codes.fact.value is not None
    assert codes.fact.value.tolist() == [2, 1, 2]
    assert coded.vocabulary.fact.value is not None
    assert coded.vocabulary.fact.value.tolist() == ["", "a", "b"]
    text, places = coded.decode((codes, NUMBER))
    assert text is known
    assert places is NUMBER


def test_few_strings_are_written_out_and_many_are_stored_as_bytes() -> None:
    assert buffer_source(strings(np.array([["a", 'b"'], ["\n", ""]], object))) == (
        'np.array([["a", \'b"\'], ["\\n", ""]], dtype=object)'
    )
    assert buffer_source(strings(np.empty((0, 2), object))) == "np.empty((0, 2), dtype=object)"
    many = strings(["ä"] * (LITERAL_STRINGS + 1))
    assert many.op == "runtime.unpack_strings"
    assert [part.dtype for part in many.inputs if part is not None] == [DType.UINT8, DType.INT64]
    assert many.dims == (LITERAL_STRINGS + 1,)


def test_a_tensor_that_is_no_line_long_is_not_written_out() -> None:
    assert buffer_source(array(np.array([1.0, 0.5], np.float32))) == "torch.tensor([1.0, 0.5])"
    assert buffer_source(array(np.linspace(0, 1 / 3, 12, dtype=np.float32))) is None
