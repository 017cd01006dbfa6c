"""RegexFullMatch against ONNX Runtime, which has RE2 itself: written patterns, and random ones."""

from __future__ import annotations

import random

import numpy as np
import onnxruntime
import pytest
from codegen_torch.errors import UnsupportedError
from codegen_torch.regex import PatternError, python_pattern
from one_node import Row, check, lower_proto, model_of
from onnx import TensorProto
from ort_oracle import by_runtime

WORDS = ["", "a", "ab", "aab", "abab", "aaaa", "A", "K", "k", "\u212a", "\u017f", "S", "é", "É", "5", "٣", "12", "123"]
LINES = ["b\n", "\n", "a\nb", "a b", "\v", "\t", "_", "-", "]", "^", "\\", "a.b", "{2}", "a{,2}"]
TEXTS = np.array([*WORDS, *LINES, "www.google.com", "x@yahoo.com"], object)
PATTERNS = [
    "", "a", "a*", "(a|b)*", "(?:ab)+", "a+?b", "a{2}", "a{1,3}", "a{2,}", "a{,2}", "a??",
    ".", ".*", "(?s).*", "(?s:.)", "(?m)a$\\nb", "^a$", r"\Aa\z", "a$", "b$\n", "(?m)^a\n^b$",
    r"\d+", r"\D", r"\w+", r"\W", r"\s", r"\S*", r"[\d_]", r"[^\d]", r"[^\s\w]", r"\ba\b.*", r"a\B.", r"a\b b",
    "[abc]+", "[^abc]+", "[a-c]*", "[]]", "[^]]", "[a-]", "[-a]", r"[\]\\^-]", "[[:alpha:]]+", "[[:^alpha:]]+",
    "[[:word:]-]*", "[é-ü]", "(?i)a", "(?i)k", "(?i)[a-k]", "(?i)s", r"(?i)\w+", r"(?i)\W", "(?i)[^k]",
    "(?i)[[:upper:]]", "(?i:a)b", "(?i)a(?-i)b", "(?U)a*", "(?P<name>a)b", "(?<name>a)b", r"\x41", r"\x{212a}",
    r"\n", r"\v", r"\.", r"\Qa.b\E", r"\Q{2}", r"\101",
    r"www\.[\w-]+\.\bcom\b", r"(\W|^)[\w.\-]{0,25}@(yahoo|gmail)\.com(\W|$)",
    r"([\w-]+\.)+[\w-]{2,4}", r"\\", "[+-]?\\d+(\\.\\d*)?", "(a|ab)(c|bcd)*", "~|&&|--", "[&&a]", "[a||b]", "#",
]  # fmt: skip


def matched(pattern: str) -> Row:
    return by_runtime(Row("RegexFullMatch", 20, (TEXTS,), {"pattern": pattern}), TensorProto.BOOL)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_written_patterns(pattern: str) -> None:
    check(matched(pattern), symbolic=True)


def test_random_patterns() -> None:
    """What both take, both take alike. RE2 itself refuses some, and what could be slow is refused here."""
    drawn = random.Random(0)
    pieces = [*"ab.|()*+?^$[]-", "[a-b]", "[^a]", "(?:", "(?i)", "\\w", "\\s", "{2}", "\\b", "|", "b", "a"]
    compared = 0
    for _ in range(3000):
        pattern = "".join(drawn.choices(pieces, k=drawn.randint(1, 7)))
        try:
            python_pattern(pattern)
        except PatternError:
            continue
        try:
            row = matched(pattern)
        except onnxruntime.capi.onnxruntime_pybind11_state.Fail as error:
            raise AssertionError(f"RE2 does not take {pattern!r}") from error
        check(row, symbolic=False)
        compared += 1
    assert compared > 300


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(a*)*", "may be empty"),
        ("(a?){9}", "may be empty"),
        ("(a+)+b", "in two ways"),
        ("(a|a)*", "in two ways"),
        (r"(\w|\d)*", "in two ways"),
        (r"(\s*\w+\s*)+", "in two ways"),
        ("(a|aa){20}", "in two ways"),
        ("(?=a)", "RE2 does not have"),
        (r"(a)\1", "escape"),
        (r"\pN", "escape"),
        ("(?i)é", "beyond ASCII"),
        ("a**", "repetition of a repetition"),
        ("*a", "repetition of nothing"),
        ("(a", "nothing closes"),
        ("a)", "nothing opens"),
        ("[a", "the end"),
        ("[b-a]", "ends before"),
        ("a{2000}", "does not allow"),
        ("(" * 60 + ")" * 60, "too deeply"),
        (f"({'[ab]c|' * 50}x)*", "too much"),
    ],
)
def test_refusals(pattern: str, reason: str) -> None:
    row = Row("RegexFullMatch", 20, (TEXTS,), {"pattern": pattern})
    with pytest.raises(UnsupportedError, match=reason):
        lower_proto(model_of(row, symbolic=False))
