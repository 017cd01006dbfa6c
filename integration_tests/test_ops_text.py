"""Strings: operators that look into them, and those that only move or compare them, as numbers in their place.

The oracle is ONNX's reference, but ONNX Runtime for n-grams, whose weights the reference takes in another order than
the specification, and for casts to strings, which the specification leaves open. For normalizing the answers are
written down: the reference strips accents, which nobody asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from codegen_torch.errors import UnsupportedError
from codegen_torch.lower.strings import _OPERATORS
from codegen_torch.pipeline import convert
from converted import import_model
from one_node import Row, chain, check, lower_proto, model_of, table
from onnx import TensorProto, defs, helper, numpy_helper, parser
from onnx.reference import ReferenceEvaluator
from ort_oracle import by_runtime


def texts(*items: Any) -> np.ndarray:
    return np.array(items, object)


WORDS = texts(["monday", "", "Tuesday"], ["ß", "Ünï", "monday"])
OTHER = texts("monday", "x", "")
CODES = np.array([[1, 0], [-1, 1]])


def one_hot(*_: np.ndarray) -> np.ndarray:
    return texts(["on", "off", "off"], ["off", "off", "on"])


MOVED = [
    *(Row("Identity", opset, (WORDS,)) for opset in (1, 13, 28)),
    *(Row("Shape", opset, (WORDS,)) for opset in (1, 28)),
    *(Row("Size", opset, (WORDS,)) for opset in (1, 28)),
    *(Row("Concat", opset, (WORDS, WORDS), {"axis": 1}, baked) for opset in (4, 28) for baked in ((), (1,), (0, 1))),
    *(Row("Reshape", opset, (WORDS, np.array([3, -1])), baked=(1,)) for opset in (5, 28)),
    *(Row("Gather", opset, (WORDS, CODES), {"axis": 1}, baked) for opset in (1, 28) for baked in ((), (0,), (1,))),
    Row("GatherElements", 28, (WORDS, CODES), {"axis": 1}),
    Row("GatherND", 28, (WORDS, CODES), baked=(1,), expected=lambda x, i: texts(x[1, 0], x[-1, 1])),
    *(Row("Slice", 28, (WORDS, np.array([1]), np.array([9]), np.array([1])), baked=(1, 2, 3)) for _ in "x"),
    Row("Slice", 1, (WORDS,), {"starts": [0, 1], "ends": [1, 3]}, expected=lambda x: x[:1, 1:]),
    *(Row("Transpose", opset, (WORDS,)) for opset in (1, 28)),
    Row("Unsqueeze", 1, (WORDS,), {"axes": [1]}, expected=lambda x: x[:, None]),
    Row("Unsqueeze", 28, (WORDS, np.array([0])), baked=(1,)),
    Row("Squeeze", 28, (WORDS[:1], np.array([0])), baked=(1,)),
    *(Row("Flatten", opset, (WORDS[None],), {"axis": 2}) for opset in (9, 28)),
    *(Row("Expand", opset, (OTHER, np.array([2, 3])), baked=(1,)) for opset in (8, 28)),
    *(Row("Tile", opset, (OTHER, np.array([2])), baked=(1,)) for opset in (6, 28)),
    Row("Pad", 28, (OTHER, np.array([1, 2])), baked=(1,), expected=lambda x, p: texts("", *x, "", "")),
    Row("Pad", 28, (OTHER, np.array([1, 0]), texts("pad")[0:1].reshape(())), baked=(1,),
        expected=lambda x, p, v: texts("pad", *x)),
    *(Row("Where", opset, (WORDS == "monday", WORDS, OTHER)) for opset in (9, 28)),
    *(
        Row("Equal", opset, (WORDS, OTHER), baked=baked, expected=lambda x, y: x == y)
        for opset in (19, 28)
        for baked in ((), (1,), (0, 1))
    ),
    *(
        Row("OneHot", opset, (np.array([0, 2]), np.array(3), texts("off", "on")), baked=(1,), expected=one_hot)
        for opset in (9, 11, 28)
    ),
    *(
        Row("Split", 28, (WORDS, np.array([1, 2])), {"axis": 1}, (1,), outputs=2,
            expected=lambda x, s: (x[:, :1], x[:, 1:]))
        for _ in "x"
    ),
    *(
        Row(op, opset, (x, *more), attributes, baked, expected, outputs)
        for op, opset, x, more, attributes, baked, outputs, expected in (
            ("Unique", 11, OTHER, (), {}, (), 4, None),
            ("Unique", 28, OTHER, (), {"sorted": 0}, (), 1, lambda x: x),
            ("Compress", 28, OTHER, (np.array([True, False, True]),), {"axis": 0}, (), 1, None),
            ("NonZero", 28, OTHER, (), {}, (), 1, lambda x: np.array([[0, 1]])),
            ("Trilu", 28, WORDS, (), {"upper": 0}, (), 1, lambda x: np.where(np.tri(2, 3, dtype=bool), x, "")),
            ("CenterCropPad", 18, OTHER, (np.array([5]),), {}, (1,), 1, lambda x, s: texts("", *x, "")),
            ("ReverseSequence", 28, WORDS, (np.array([2, 3]),), {"batch_axis": 0, "time_axis": 1}, (), 1,
             lambda x, n: texts([*x[0, 1::-1], x[0, 2]], x[1, ::-1])),
            ("DepthToSpace", 28, np.resize(WORDS, (1, 4, 1, 1)), (), {"blocksize": 2}, (), 1,
             lambda x: x.reshape(1, 1, 2, 2)),
            ("ScatterND", 28, OTHER, (np.array([[2]]), texts("new")), {}, (), 1, lambda x, i, u: texts(*x[:2], "new")),
        )
    ),
    *(
        Row("ScatterElements", 28, (WORDS, np.array([[1, 1, 0]]), texts(["a", "b", "c"])), baked=baked)
        for baked in ((), (2,))
    ),
]  # fmt: skip
READ = [
    Row("StringConcat", 20, (WORDS, OTHER)),
    Row("StringConcat", 28, (WORDS, OTHER), baked=(1,)),
    Row("StringConcat", 28, (texts("a")[0:1].reshape(()), texts("b")[0:1].reshape(()))),
    Row("StringConcat", 28, (np.empty((0,), object), texts("b"))),
    *(
        Row("StringSplit", 20, (x,), attributes, outputs=2)
        for x in (texts("a b  c", "", " d"), texts(["a,b", "c"], [",", "d,e,f"]))
        for attributes in ({}, {"delimiter": ","}, {"maxsplit": 1}, {"delimiter": ",", "maxsplit": 1})
    ),
    *(
        Row(
            "StringNormalizer",
            opset,
            (x,),
            attributes,
            expected=lambda x, w=wanted: texts(*w).reshape(*x.shape[:-1], -1),
        )
        for opset in (10, 28)
        for x in (texts("Monday", "MONDAY", "é", ""), texts(["Monday", "MONDAY", "é", ""]))
        for attributes, wanted in (
            ({}, ["Monday", "MONDAY", "é", ""]),
            ({"case_change_action": "UPPER"}, ["MONDAY", "MONDAY", "É", ""]),
            ({"case_change_action": "LOWER", "locale": "en_US"}, ["monday", "monday", "é", ""]),
            ({"stopwords": ["MONDAY", "X"], "is_case_sensitive": 1}, ["Monday", "é", ""]),
            ({"stopwords": ["monday"], "case_change_action": "UPPER"}, ["É", ""]),
            ({"stopwords": ["monday", "x", "É", ""]}, [""]),
        )
    ),
]
SPELLED = texts("3.14", " 5", "1e3", "-INF", "+inf", "NaN", "0.1")
NUMBERS = (
    np.float32([0.1, 0.3, 1e20, 1e-7, 123456789, 1 / 3, np.inf, -np.inf, np.nan, -0.0, 1, 314.15926, 1e7]),
    np.float64([0.1, 1 / 3, 1e300, np.nan]),
    np.float16([0.1, 2]),
    np.int64([1, -(2**63)]),
    np.uint8([255]),
    np.array([True, False]),
)
CASTS = [
    *(
        Row("Cast", opset, (SPELLED,), {"to": to}, expected=lambda x, t=dtype: x.astype(np.float64).astype(t))
        for opset in (9, 13, 28)
        for to, dtype in ((1, np.float32), (11, np.float64), (10, np.float16))
    ),
    *(
        Row("Cast", opset, (texts("300", "-7", " 12 ", "100.5"),), {"to": to},
            expected=lambda x, t=dtype: np.array([300, -7, 12, 100]).astype(t))
        for opset in (9, 28)
        for to, dtype in ((7, np.int64), (6, np.int32), (2, np.uint8), (9, np.bool_))
    ),
    Row("Cast", 28, (texts(str(2**64 - 1), "9223372036854775807"),), {"to": 13},
        expected=lambda x: np.array([2**64 - 1, 2**63 - 1], np.uint64)),
    *(Row("Cast", 28, (WORDS,), {"to": 8}) for _ in "x"),
    Row("CastLike", 15, (np.float32([0.5]), WORDS), expected=lambda x, y: texts("0.5")),
    Row("CastLike", 28, (texts("0.5"), np.float32([1])), expected=lambda x, y: np.float32([0.5])),
]  # fmt: skip
INTS = np.array([[1, 2, 3, 1, 2, 5, 5], [5, 5, 5, 7, 1, 3, 2]])
GRAMS = {"ngram_counts": [0, 3], "ngram_indexes": [4, 1, 0, 3, 6], "pool_int64s": [1, 2, 5, 1, 2, 5, 5]}
TEXT_GRAMS = {
    "ngram_counts": [0, 1, 1],
    "ngram_indexes": [2, 0],
    "pool_strings": ["a", "b", "a", "c"],
}
WEIGHTS = {"weights": [1.0, 10.0, 100.0, 1000.0, 10000.0]}


def vectorized(x: np.ndarray, opset: int, mode: str, low: int, high: int, skips: int, **grams: Any) -> Row:
    lengths = {"min_gram_length": low, "max_gram_length": high, "max_skip_count": skips}
    return by_runtime(Row("TfIdfVectorizer", opset, (x,), {"mode": mode} | lengths | grams), TensorProto.FLOAT)


COUNTED = [
    *(
        vectorized(x, 9, mode, *lengths, **GRAMS, **weights)
        for mode in ("TF", "IDF", "TFIDF")
        for weights in ({}, WEIGHTS)
        for lengths in ((1, 1, 0), (1, 2, 0), (2, 2, 1), (1, 2, 5))
        for x in (INTS, INTS[1])
    ),
    vectorized(INTS.astype(np.int32), 21, "TF", 1, 2, 1, **GRAMS),
    vectorized(INTS[:, :1], 21, "TF", 2, 2, 1, **GRAMS),
    *(
        vectorized(texts("a", "b", "a", "c", "b", "a", "c"), opset, "TF", low, 3, skips, **TEXT_GRAMS)
        for opset in (9, 21)
        for low, skips in ((1, 0), (3, 0), (1, 2))
    ),
]


@pytest.mark.parametrize(**table(MOVED + READ + CASTS + COUNTED))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic)


@pytest.mark.parametrize("x", NUMBERS, ids=lambda x: x.dtype.name)
def test_numbers_are_written_as_onnx_runtime_does(x: np.ndarray) -> None:
    check(by_runtime(Row("Cast", 21, (x,), {"to": TensorProto.STRING}), TensorProto.STRING), symbolic=True)


def sequence(folder: Path, *steps: tuple[Any, ...]) -> Any:
    """What comes of strings that go through a sequence."""
    constants = {"position": np.array(0), "split": np.array([1, 2]), "size": np.array(2)}
    model = chain(steps, {"a": (np.int64, ["n"])}, constants, "y")
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    (folder / "strings.onnx").write_bytes(model.SerializeToString())
    convert(folder / "strings.onnx", folder / "out")
    return import_model(folder / "out").load_model()(texts("x", "y", "z")).tolist()


@pytest.mark.parametrize(
    ("split", "axes", "wanted"),
    [
        ((["a"], "s"), {"axis": 0}, ["x", "y", "z"]),
        ((["a"], "s", {"keepdims": 0}), {"axis": 0, "new_axis": 1}, ["x", "y", "z"]),
        ((["a", "split"], "s"), {"axis": 0}, ["x", "y", "z"]),
        ((["a", "size"], "s"), {"axis": 0}, ["x", "y", "z"]),
    ],
    ids=str,
)
def test_sequences_that_are_split_and_joined(split: Any, axes: dict[str, int], wanted: Any, tmp_path: Path) -> None:
    assert sequence(tmp_path, ("SplitToSequence", *split), ("ConcatFromSequence", ["s"], "y", axes)) == wanted


def test_sequences_that_are_put_together(tmp_path: Path) -> None:
    put = ("SequenceInsert", ["one", "a", "position"], "s")
    assert sequence(tmp_path, ("SequenceConstruct", ["a"], "one"), put, ("SequenceAt", ["s", "position"], "y")) == [
        "x",
        "y",
        "z",
    ]
    joined = ("ConcatFromSequence", ["s"], "y", {"axis": 1, "new_axis": 1})
    assert sequence(tmp_path, ("SequenceConstruct", ["a", "a"], "s"), joined) == [["x", "x"], ["y", "y"], ["z", "z"]]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Row("Equal", 13, (WORDS, WORDS)), "strings are not supported"),
        (Row("Add", 14, (WORDS, WORDS)), "strings are not supported"),
        (Row("StringConcat", 20, (np.float32([1]), WORDS)), "no tensor of strings"),
        (Row("StringNormalizer", 10, (OTHER,), {"locale": "tr_TR"}), "locale"),
        (Row("StringNormalizer", 10, (OTHER,), {"case_change_action": "TITLE"}), "TITLE"),
    ],
    ids=str,
)
def test_refusals(row: Row, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        lower_proto(model_of(row, symbolic=False))


def test_a_converted_model(tmp_path: Path) -> None:
    """Strings as inputs, outputs, literals and, where they are many, bytes in the weights file."""
    many = np.array([f"wörd {number}" for number in range(300)], object)
    nodes = [
        helper.make_node("Gather", ["many", "index"], ["picked"]),
        helper.make_node("StringConcat", ["picked", "text"], ["joined"]),
        helper.make_node("Equal", ["joined", "few"], ["same"]),
        helper.make_node("Where", ["same", "few", "joined"], ["chosen"]),
        helper.make_node("Unsqueeze", ["chosen", "axis"], ["high"]),
        helper.make_node("Transpose", ["high"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "words",
        [
            helper.make_tensor_value_info("index", TensorProto.INT64, ["n"]),
            helper.make_tensor_value_info("text", TensorProto.STRING, ["n"]),
        ],
        [
            helper.make_tensor_value_info("out", TensorProto.STRING, None),
            helper.make_tensor_value_info("same", TensorProto.BOOL, None),
        ],
        [
            numpy_helper.from_array(many, "many"),
            numpy_helper.from_array(texts("wörd 7!", "\"quoted\" 'n' \\ \n"), "few"),
            numpy_helper.from_array(np.array([0]), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    (tmp_path / "words.onnx").write_bytes(model.SerializeToString())
    convert(tmp_path / "words.onnx", tmp_path / "out")
    index, text = np.array([7, 299]), texts("!", "?")
    out, same = import_model(tmp_path / "out").load_model()(torch.from_numpy(index), text)
    wanted = ReferenceEvaluator(model).run(None, {"index": index, "text": text})
    assert out.tolist() == wanted[0].tolist() == [["wörd 7!"], ["wörd 299?"]]
    assert same.tolist() == [True, False]


LOOP = """<ir_version: 9, opset_import: ["" : 20]> loop (string[n] a, int64 k) => (string[n] y, string[s, n] all)
<bool go = {1}> { y, all = Loop (k, go, a) <body = b (int64 i, bool c, string[n] s)
=> (bool c2, string[n] s2, string[n] o) { c2 = Identity(c) s2 = StringConcat(s, a) o = Identity(s2) }> }"""
SCAN = """<ir_version: 9, opset_import: ["" : 20]> scan (string[n] a) => (string[m] y) {
y = Scan <num_scan_inputs = 1, body = b (string s) => (string o) { o = StringConcat(s, s) }> (a) }"""
IF = """<ir_version: 9, opset_import: ["" : 20]> choice (string[n] a, bool c) => (string[m] y) {
y = If (c) <then_branch = t () => (string[m] r) { r = StringConcat(a, a) },
else_branch = e () => (string[m] q) { q = Identity(a) }> }"""


@pytest.mark.parametrize(
    ("text", "more", "wanted"),
    [
        (LOOP, 0, (["x", "y"], [])),
        (LOOP, 2, (["xxx", "yyy"], [["xx", "yy"], ["xxx", "yyy"]])),
        (SCAN, None, (["xx", "yy"],)),
        (IF, True, (["xx", "yy"],)),
        (IF, False, (["x", "y"],)),
    ],
    ids=["loop 0", "loop 2", "scan", "if", "else"],
)
def test_in_branches_and_loops(text: str, more: Any, wanted: tuple[Any, ...], tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(parser.parse_model(text).SerializeToString())
    convert(tmp_path / "model.onnx", tmp_path / "out")
    fed = [texts("x", "y")] if more is None else [texts("x", "y"), torch.tensor(more)]
    found = import_model(tmp_path / "out").load_model()(*fed)
    for value, want in zip(found if isinstance(found, tuple) else (found,), wanted, strict=True):
        assert value.tolist() == want
        assert value.dtype == object


def test_the_operators_on_numbers_are_those_whose_types_include_strings() -> None:
    for (domain, name), (since, _) in _OPERATORS.items():
        versions = [s for s in defs.get_all_schemas_with_history() if (s.domain, s.name) == (domain, name)]
        takes = [
            s.since_version
            for s in versions
            if any("tensor(string)" in t.allowed_type_strs for t in s.type_constraints)
        ]
        assert since == min(takes), name
