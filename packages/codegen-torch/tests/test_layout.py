"""Layout: lines as ``ruff format`` would break them."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen_torch.emit.layout import WIDTH, Bracket, Doc, Either, Repeated, fits, lay_out

LONG = "quite_a_long_argument_name"
GENERATOR = f"{LONG}(i) for {LONG} in range(123_456_789)"


@pytest.mark.parametrize(
    ("doc", "lines"),
    [
        (Bracket("f(", ("x", "y"), ")"), ["x = f(x, y)"]),
        (Bracket("f(", (LONG,) * 3, ")"), ["x = f(", f"    {LONG}, {LONG}, {LONG}", ")"]),
        (Bracket("f(", (LONG,) * 4, ")"), ["x = f(", *[f"    {LONG},"] * 4, ")"]),
        (Bracket("(", (LONG,) * 4, ")"), ["x = (", *[f"    {LONG},"] * 4, ")"]),
        (Bracket("[", (LONG,) * 4, "]"), ["x = [", *[f"    {LONG},"] * 4, "]"]),
        (Bracket("(", (f'"{LONG * 4}"',), ",)"), ["x = (", f'    "{LONG * 4}",', ")"]),
        (Bracket("(", ('"a"',), ",)"), ['x = ("a",)']),
        (Bracket("f(", (GENERATOR,), ")"), ["x = f(", f"    {GENERATOR}", ")"]),
        (
            Bracket("f(", (Bracket("function(", (LONG, LONG, "z" * 24), ")"), "y"), ")"),
            ["x = f(", "    function(", f"        {LONG}, {LONG}, {'z' * 24}", "    ),", "    y,", ")"],
        ),
        (Bracket("y.f(", (LONG,) * 4, ")", breakable=False), [f"x = y.f({', '.join([LONG] * 4)})"]),
        (Either("f(x)", "wanted", "y"), ["x = f(x) if wanted else y"]),
        (
            Either(f"f({LONG * 2})", LONG, "nn.Identity()"),
            ["x = (", f"    f({LONG * 2})", f"    if {LONG}", "    else nn.Identity()", ")"],
        ),
        (Bracket("f(", (Repeated("g(x)", "n"),), ")"), ["x = f(g(x) for _ in range(n))"]),
        (
            Bracket("f(", (Repeated(f"g({LONG * 2})", LONG),), ")"),
            ["x = f(", f"    g({LONG * 2})", f"    for _ in range({LONG})", ")"],
        ),
        ("y" * 100, [f"x = {'y' * 100}"]),
        (Bracket("f(", (), ")"), ["x = f()"]),
    ],
    ids=range(16),
)  # fmt: skip
def test_lines(doc: Doc, lines: list[str]) -> None:
    assert lay_out(doc, 0, "x = ") == lines
    ast.parse("\n".join(lines))


def test_a_choice_goes_into_parentheses_on_one_line_where_it_fits() -> None:
    doc = Either(f"f({LONG * 2})", "wanted", "nn.Identity()")
    assert lay_out(doc, 0, f"{LONG} = ") == [f"{LONG} = (", f"    f({LONG * 2}) if wanted else nn.Identity()", ")"]


def test_what_fits_is_known() -> None:
    assert fits(Bracket("f(", (LONG,) * 4, ")"), 0)
    assert not fits("y" * (WIDTH + 1), 0)
    assert fits("y" * (WIDTH - 4), 1)
    assert not fits("y" * (WIDTH - 4), 1, "x = ")


NAMES = st.sampled_from(["x", "hidden_states", "attention_mask", "self.dense", "0.125", "-1", "1e-05", "x.shape[0]"])


def keyword(name: str, doc: Doc) -> Doc:
    return Bracket(f"{name}={doc.prefix}", doc.items, doc.suffix) if isinstance(doc, Bracket) else f"{name}={doc}"


def _calls(inner: st.SearchStrategy[Doc]) -> st.SearchStrategy[Doc]:
    arguments = st.lists(inner, min_size=1, max_size=6).map(tuple)
    keywords = st.lists(inner, max_size=2).map(lambda docs: tuple(map(keyword, ("attn_mask", "keepdim"), docs)))
    callee = st.sampled_from(["F.linear(", "torch.where(", "self.layer_norm(", "nn.Conv2d(", "scaled_dot_product("])
    return st.one_of(
        st.builds(lambda name, items, rest: Bracket(name, items + rest, ")"), callee, arguments, keywords),
        st.builds(lambda items: Bracket("torch.cat(", (Bracket("[", items, "]"), "dim=1"), ")"), arguments),
    )


DOCS = st.recursive(NAMES, _calls, max_leaves=25)


@given(DOCS, st.integers(1, 3))
def test_what_is_laid_out_is_what_was_meant(doc: Doc, indent: int) -> None:
    lines = lay_out(doc, indent, "x = ")
    opening = "".join(f"{'    ' * depth}if True:\n" for depth in range(indent))
    assert ast.dump(ast.parse(opening + "\n".join(lines))) == ast.dump(
        ast.parse(opening + "    " * indent + f"x = {doc}")
    )


def formatter() -> str | None:
    beside = Path(sys.executable).with_name("ruff")
    return str(beside) if beside.exists() else shutil.which("ruff")


@pytest.mark.skipif(formatter() is None, reason="ruff is not installed")
@settings(max_examples=3, deadline=None)
@given(st.lists(DOCS, min_size=40, max_size=40))
def test_ruff_would_change_nothing(docs: list[Doc]) -> None:
    lines = [line for number, doc in enumerate(docs) for line in lay_out(doc, 1, f"x{number} = ")]
    text = "\n".join(["def forward():", *lines, ""])
    program = formatter()
    assert program is not None
    done = subprocess.run(
        [program, "format", "--isolated", "-"], input=text, capture_output=True, text=True, check=True
    )
    assert done.stdout == text
