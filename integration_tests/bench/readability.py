"""Reading converted models: how much there is to read of each, beside the source that the model was written in.

A row is a model of the zoo as one of torch's exporters wrote it. Its columns:

- nodes: of the ONNX graph.
- original: lines of the classes that the model's modules have, as the installed libraries hold them; torch.nn's own
  classes, which ours are made of as well, and the functions that the classes call are left out.
- ours: lines of the classes in `model.py` and of every function that they call.
- ratio: ours to original.
- classes: how many of the original's classes, by name, ours has.
- modules: how many of the modules of these classes, by path, ours has.
- keys: how many of the original's keys of the state_dict ours has, in the same shape.
- statements: in ours, all methods but `__init__`, to one ONNX node.

Both sides are laid out by `ruff format` as it comes, 88 columns wide, so that nobody gains by wider lines. A line is
counted where code stands on it: blank lines, comments and docstrings are none.
"""

# ruff: noqa: T201 (its output is what a benchmark is for)

import ast
import dataclasses
import inspect
import io
import json
import platform
import subprocess
import sys
import tempfile
import textwrap
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
import transformers
from codegen_torch.pipeline import convert
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

import models_asked
import zoo
from converted import import_model

_NO_CODE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


@dataclasses.dataclass(frozen=True)
class Row:
    """What is said of one model and exporter; pairs are what ours has of what the original has."""

    model: str
    exporter: str
    nodes: int
    original_lines: int
    lines: int
    classes: tuple[int, int]
    modules: tuple[int, int]
    keys: tuple[int, int]
    statements: int

    @property
    def ratio(self) -> float:
        return self.lines / self.original_lines


def main() -> None:
    parser = models_asked.parser(__doc__)
    arguments = models_asked.parse(parser)
    if not arguments.json:
        print(f"torch {torch.__version__}, transformers {transformers.__version__}, Python {platform.python_version()}")
        print("model            exporter     nodes  original  ours  ratio  classes  modules     keys  statements")
    for name in arguments.models or zoo.ZOO:
        for exporter in zoo.ZOO[name].exporters:
            row = measure(zoo.ZOO[name], exporter)
            print(json.dumps(dataclasses.asdict(row)) if arguments.json else printed(row), flush=True)


def printed(row: Row) -> str:
    classes, modules, keys = ("/".join(map(str, pair)) for pair in (row.classes, row.modules, row.keys))
    return (
        f"{row.model:16} {row.exporter:11} {row.nodes:6}  {row.original_lines:8}  {row.lines:4}  {row.ratio:5.2f}"
        f"  {classes:>7}  {modules:>7}  {keys:>7}  {row.statements / row.nodes:10.2f}"
    )


def measure(entry: zoo.Entry, exporter: str) -> Row:
    """Exports a model, converts the file, and compares the result with the module."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        original = zoo.export(entry, exporter, str(path))
        report = convert(path, folder)
        source = formatted((Path(folder) / "model.py").read_text(encoding="utf-8"))
        model = import_model(Path(folder)).load_model()
    written = list(dict.fromkeys(map(type, own_modules(original).values())))
    names = {cls.__name__ for cls in written}
    tree = ast.parse(source)
    found = {definition.name for definition in tree.body if isinstance(definition, ast.ClassDef)}
    return Row(
        entry.name,
        exporter,
        report.nodes,
        len(code_lines(formatted("\n".join(textwrap.dedent(inspect.getsource(cls)) for cls in written)))),
        sum(lines_of(source, read_by_people(tree))),
        (len(names & found), len(names)),
        (len(own_modules(original).keys() & own_modules(model).keys()), len(own_modules(original))),
        (len(shapes(original) & shapes(model)), len(shapes(original))),
        statements(tree),
    )


def own_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The modules whose classes are not torch's, by path; one that is part of the model twice counts once."""
    return {path: module for path, module in model.named_modules() if not type(module).__module__.startswith("torch.")}


def shapes(model: nn.Module) -> set[tuple[str, torch.Size]]:
    return {(key, tensor.shape) for key, tensor in model.state_dict().items()}


def formatted(source: str) -> str:
    """The source in the layout in which both sides are counted."""
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--isolated",
        "--config",
        "format.skip-magic-trailing-comma=true",
        "-",
    ]
    return subprocess.run(ruff, input=source, check=True, capture_output=True, text=True).stdout


def code_lines(source: str) -> set[int]:
    """The lines on which code stands, from 1."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for definition in ast.walk(ast.parse(source)):
        if isinstance(definition, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(definition):
            docstring = definition.body[0]
            lines.difference_update(range(docstring.lineno, docstring.end_lineno + 1))
    return lines


def lines_of(source: str, definitions: Iterable[ast.stmt]) -> Iterator[int]:
    """How many lines of code each definition has."""
    lines = code_lines(source)
    for definition in definitions:
        yield len(lines.intersection(range(definition.lineno, definition.end_lineno + 1)))


def read_by_people(tree: ast.Module) -> list[ast.stmt]:
    """The classes, and the functions that they call, one through another: all but what loads the weights."""
    functions = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
    found: dict[ast.stmt, None] = {each: None for each in tree.body if isinstance(each, ast.ClassDef)}
    waiting = list(found)
    while waiting:
        names = {node.id for node in ast.walk(waiting.pop()) if isinstance(node, ast.Name)}
        called = [functions[name] for name in sorted(names & functions.keys()) if functions[name] not in found]
        found.update(dict.fromkeys(called))
        waiting += called
    return list(found)


def statements(tree: ast.Module) -> int:
    """How many statements the methods of the classes have, except constructors and docstrings."""
    methods = [
        method
        for definition in tree.body
        if isinstance(definition, ast.ClassDef)
        for method in definition.body
        if isinstance(method, ast.FunctionDef) and method.name != "__init__"
    ]
    inside = [node for method in methods for node in ast.walk(method) if isinstance(node, ast.stmt)]
    docstrings = sum(ast.get_docstring(method) is not None for method in methods)
    return len(inside) - len(methods) - docstrings


if __name__ == "__main__":
    main()
