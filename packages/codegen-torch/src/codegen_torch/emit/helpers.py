"""Functions of :mod:`codegen_torch.runtime`, as text: what a generated model uses is written into it.

The files are read and never imported, for they import torch.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Self


@dataclass(frozen=True, slots=True)
class _Module:
    """A file of functions that may be copied.

    Attributes:
        text: Its source.
        imports: Its import statements.
        functions: Its functions by name.
    """

    text: str
    imports: tuple[ast.Import | ast.ImportFrom, ...]
    functions: Mapping[str, ast.FunctionDef]

    @classmethod
    def of(cls, text: str) -> Self:
        body = ast.parse(text).body
        return cls(
            text,
            tuple(each for each in body if isinstance(each, ast.Import | ast.ImportFrom)),
            {each.name: each for each in body if isinstance(each, ast.FunctionDef)},
        )


@cache
def _modules() -> tuple[_Module, ...]:
    folder = resources.files("codegen_torch.runtime")
    texts = sorted((file.name, file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".py"))
    return tuple(_Module.of(text) for _, text in texts)


_added: dict[str, _Module] = {}


@contextlib.contextmanager
def added(functions: Mapping[str, str]) -> Iterator[None]:
    """Inside, these functions are found as well, before our own of the same name.

    Args:
        functions: The source of the file that each is in, by name.
    """
    before = dict(_added)
    _added.update((name, _Module.of(text)) for name, text in functions.items())
    try:
        yield
    finally:
        _added.clear()
        _added.update(before)


def helper_sources(names: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """The source of runtime functions and of all they call.

    Args:
        names: The functions' names.

    Returns:
        Import statements they need, and the functions' sources by name, callees last.
    """
    sources: dict[str, str] = {}
    imports: dict[str, None] = {}
    waiting = [(name, _added.get(name) or _home(name)) for name in names]
    while waiting:
        name, module = waiting.pop(0)
        if name in sources:
            continue
        function = module.functions[name]
        sources[name] = ast.get_source_segment(module.text, function) or ""
        used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        waiting.extend((callee, module) for callee in sorted(used & module.functions.keys()))
        for statement in module.imports:
            imports.update(dict.fromkeys(_single_imports(statement, used)))
    return list(imports), sources


def weights_loader(file: str) -> str:
    """The runtime function that reads a weights file of this name."""
    return "load_weights" if file.endswith(".msgpack") else "load_safetensors"


def _home(name: str) -> _Module:
    for module in _modules():
        if name in module.functions:
            return module
    raise KeyError(f"no runtime function {name}")


def _single_imports(statement: ast.Import | ast.ImportFrom, used: set[str]) -> list[str]:
    found: list[str] = []
    for alias in statement.names:
        if (alias.asname or alias.name.split(".")[0]) not in used:
            continue
        renamed = f" as {alias.asname}" if alias.asname else ""
        if isinstance(statement, ast.ImportFrom):
            if statement.module not in ("__future__", "codegen_torch.extension"):
                found.append(f"from {statement.module} import {alias.name}{renamed}")
        else:
            found.append(f"import {alias.name}{renamed}")
    return found


def arranged_imports(imports: Iterable[str]) -> list[str]:
    """Import statements as isort and ruff arrange them: the standard library, a blank line, the rest."""
    plain: set[str] = set()
    named: dict[str, set[str]] = {}
    for line in imports:
        if line.startswith("from "):
            module, names = line[5:].split(" import ")
            named.setdefault(module, set()).update(names.split(", "))
        else:
            plain.add(line[7:])
    groups: dict[bool, list[str]] = {False: [], True: []}
    for name in sorted(plain):
        groups[_is_third_party(name)].append(f"import {name}")
    for module in sorted(named):
        ordered = sorted(named[module], key=lambda name: (not name.isupper(), not name[0].isupper(), name))
        groups[_is_third_party(module)].append(f"from {module} import {', '.join(ordered)}")
    return [*groups[False], *([""] if groups[False] and groups[True] else []), *groups[True]]


def _is_third_party(module: str) -> bool:
    return re.split(r"\W", module, maxsplit=1)[0] in {"torch", "numpy", "msgpack", "safetensors", "PIL"}
