"""RE2's patterns as Python's."""

from __future__ import annotations

import re

import pytest

from codegen_torch.regex import PatternError, python_pattern


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("abc", "abc"),
        ("a|b*", "a|b*"),
        ("(ab)+?", "(?:ab)+"),
        ("(a|b){2,3}", "(?:a|b){2,3}"),
        ("x(a|b)", "x(?:a|b)"),
        (r"\d+\.\d{2}", r"[0-9]+\.[0-9]{2}"),
        (r"\W", "[^0-9A-Z_a-z]"),
        ("a$", r"a\Z"),
        ("(?m)^a$", "(?m:^)a(?m:$)"),
        (r"\bx", r"(?a:\b)x"),
        (".(?s).", r".[\s\S]"),
        ("(?i)ak", "[Aa][Kk\u212a]"),
        (r"[]\\^-]", r"[\-\\-\^]"),
        (r"\x{1}", r"\U00000001"),
    ],
)
def test_is_written_as(pattern: str, written: str) -> None:
    assert python_pattern(pattern) == written
    re.compile(written)


@pytest.mark.parametrize("pattern", [r"(\w+\.)*\w+", "(a|b)*", "(ab?c)*", r"([0-9]+,)+", "((a|b)c)*", "(a+b)*"])
def test_what_can_be_read_in_one_way_only_may_be_repeated(pattern: str) -> None:
    python_pattern(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+", "(a|ab|b)*", "(.*,)*", r"(\w+\s?)*", "(a?b?)*", "((a|b)*c?)*"])
def test_what_can_be_read_in_two_ways_may_not(pattern: str) -> None:
    with pytest.raises(PatternError, match="repeats what"):
        python_pattern(pattern)
