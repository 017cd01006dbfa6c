"""Functions of :mod:`codegen_torch.runtime`, as text: what a generated model uses is written into it.

The files are read and never imported, for they import torch.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources


@cache
def _modules() -> tuple[tuple[str, ast.Module], ...]:
    folder = resources.files("codegen_torch.runtime")
    texts = sorted((file.name, file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".py"))
    return tuple((text, ast.parse(text)) for _, text in texts)


def helper_sources(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The source of runtime functions and of all they call.

    Args:
        names: The functions' names.

    Returns:
        Import statements they need, and the functions' sources, callees last.
    """
    sources: dict[str, str] = {}
    imports: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name in sources:
            continue
        text, module, function = _find(name)
        sources[name] = ast.get_source_segment(text, function) or ""
        used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        own = {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
        waiting.extend(sorted(used & own))
        for statement in module.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                imports.update(dict.fromkeys(_single_imports(statement, used)))
    return list(imports), list(sources.values())


def _find(name: str) -> tuple[str, ast.Module, ast.FunctionDef]:
    for text, module in _modules():
        for statement in module.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == name:
                return text, module, statement
    raise KeyError(f"no runtime function {name}")


def _single_imports(statement: ast.Import | ast.ImportFrom, used: set[str]) -> list[str]:
    found: list[str] = []
    for alias in statement.names:
        if (alias.asname or alias.name.split(".")[0]) not in used:
            continue
        renamed = f" as {alias.asname}" if alias.asname else ""
        if isinstance(statement, ast.ImportFrom):
            if statement.module != "__future__":
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
