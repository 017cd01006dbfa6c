"""``onnxgen inspect``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onnxgen.columns import columns
from onnxgen.commands import options
from onnxgen.exits import explained, printable
from onnxgen.words import counted, size

if TYPE_CHECKING:
    from onnxgen.inspection import Inspection, Module, Value


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every module.")
@click.option(
    "--depth", type=click.IntRange(min=0), default=3, show_default=True, help="How deep to show the tree of modules."
)
@options.debug
def inspect(model: Path, as_json: bool, depth: int, debug: bool) -> None:
    """Shows what MODEL.onnx says about itself, without reading its weights."""
    with explained(debug=debug):
        from onnxgen.inspection import inspect_model

        found = inspect_model(model)
        click.echo(_json(found) if as_json else _text(found, depth))


def _json(found: Inspection) -> str:
    import dataclasses

    return json.dumps(dataclasses.asdict(found), default=str)


def _text(found: Inspection, depth: int) -> str:
    whole = found.modules[0]
    facts = [
        ("producer", found.producer or "unknown"),
        ("opsets", ", ".join(f"{domain} {version}" for domain, version in found.opsets.items())),
        ("nodes", counted(whole.nodes, "node")),
        ("weights", f"{counted(whole.parameters, 'number')}, {size(whole.nbytes)}"),
    ]
    lines = [str(found.path), *(f"  {label:8}  {text}" for label, text in facts)]
    lines += ["", "Inputs", *columns(_row(value) for value in found.inputs)]
    lines += ["", "Outputs", *columns(_row(value) for value in found.outputs)]
    lines += ["", "Operators", *columns((name, str(count)) for name, count in found.operators.items())]
    lines += ["", "Modules", *columns(_module(module) for module in found.modules if _level(module) <= depth)]
    deeper = sum(_level(module) > depth for module in found.modules)
    lines += [f"  and {counted(deeper, 'module')} inside them, which --depth shows"] if deeper else []
    if found.unsupported:
        lines += ["", "Cannot be converted; onnxgen check tells more"]
        lines += columns(
            (f"{each.operator} (opset {each.version})", f"{each.count}×", _supported(each.supported))
            for each in found.unsupported
        )
    return printable("\n".join(lines))


def _row(value: Value) -> tuple[str, str]:
    if value.shape is None:
        return value.name, value.type
    return value.name, f"{value.type} [{', '.join('?' if dim is None else str(dim) for dim in value.shape)}]"


def _module(module: Module) -> tuple[str, ...]:
    name = "  " * _level(module) + (module.path.rpartition(".")[2] or "(model)")
    return name, module.class_name or "", counted(module.nodes, "node"), *_weights(module)


def _weights(module: Module) -> tuple[str, ...]:
    return (counted(module.parameters, "number"), size(module.nbytes)) if module.parameters else ()


def _level(module: Module) -> int:
    return module.path.count(".") + 1 if module.path else 0


def _supported(versions: str) -> str:
    return f"supported: opsets {versions}" if versions else "the operator is not supported"
