"""The text of ``kernels.py``: what is the same in all of them, then for each kernel its reference and its Triton."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources

from codegen_torch.emit.helpers import helper_sources
from codegen_torch.emit.layout import Bracket, lay_out
from codegen_torch.kernels.allowed import check_kernels
from codegen_torch.kernels.gradient import Gradient, gradient_of
from codegen_torch.kernels.kernel import Kernel
from codegen_torch.kernels.product import Product, product_lines
from codegen_torch.kernels.reference import head, reference_lines
from codegen_torch.kernels.rotation import ROTATIONS
from codegen_torch.kernels.summary import summary
from codegen_torch.kernels.tile import tile_lines

_ALWAYS = (
    "fused",
    "kernel_of",
    "jit",
    "launch",
    "can_run",
    "run",
    "alternating",
    "results_of",
    "sample_results",
    "reduced",
    "merged",
    "tile",
    "power_of_two",
    "places",
    "read",
    "offsets",
)
_SCOPES = 3
_TEMPLATES = ("fused", "grouped", "packed")


def write_kernels(kernels: Sequence[Kernel], model: str, version: str) -> str:
    """The source of a file of kernels.

    Args:
        kernels: The kernels, named.
        model: The class of the model and the file it is of, in one line.
        version: Of this program.
    """
    template = _template()
    used: set[str] = set()
    parts: list[list[str]] = []
    for kernel in kernels:
        lines, helpers = product_lines(kernel) if isinstance(kernel, Product) else tile_lines(kernel)
        used |= helpers
        parts.append(_function(kernel))
        parts.append([*_decorator(kernel), *lines])
        gradient = gradient_of(kernel)
        if gradient is not None:
            lines, helpers = tile_lines(gradient.kernel)
            used |= helpers
            parts += _gradient(kernel, gradient, lines)
            used.add("has_gradient")
    used |= {step.op.removeprefix("runtime.") for kernel in kernels for step in kernel.steps if step.op in ROTATIONS}
    copied = {name: text for name, text in template.functions.items() if name in _ALWAYS or name in used}
    copied |= helper_sources(sorted(used - copied.keys()))[1]
    docstring = [f'"""Kernels of {model}', "", f"generated  by onnxgen {version}", "", *_ABOUT, '"""', ""]
    head_lines = [line for line in template.head.split("\n") if line != "import torch.nn.functional as F"]
    text_of_parts = "\n".join(line for part in parts for line in part)
    if re.search(r"(?<![\w.])F\.", text_of_parts):
        head_lines.insert(head_lines.index("import torch") + 1, "import torch.nn.functional as F")
    blocks = [[*docstring, *head_lines], *parts, *(text.split("\n") for text in copied.values())]
    # Kernels are decorated when the file is read, so what is the same in all of them stands before them.
    blocks = [blocks[0], *blocks[1 + len(parts) :], *parts]
    text = "\n\n\n".join("\n".join(block) for block in blocks) + "\n"
    check_kernels(text, copied, "\n".join(head_lines))
    return text


_ABOUT = (
    "On CUDA each operator runs as the Triton kernel below it, elsewhere as the torch function",
    "that it is made of.",
)


def _gradient(kernel: Kernel, gradient: Gradient, lines: list[str]) -> list[list[str]]:
    """An operator of its own, with its kernel, and that it is the other one's gradient."""
    own = gradient.kernel
    function = ["@fused", *head(own), f'    """The gradient of {kernel.name}."""', *reference_lines(own)]
    items = [kernel.name, own.name, *(f'{param}="{name}"' for param, name in gradient.gives.items())]
    register = lay_out(Bracket("has_gradient(", tuple(items), ")"), 0)
    triton = [*_decorator(own), *lines, "", "", *register]
    return [function, triton]


def _decorator(kernel: Kernel) -> list[str]:
    """How the operator's kernel is launched."""
    items = [kernel.name]
    if isinstance(kernel, Product):
        items += ["launch_product", *kernel.form.settings]
    if kernel.of_groups:
        items.append("launch_groups")
    if kernel.of_channels:
        names = ", ".join(f'"{param.attrs["name"]}"' for param in kernel.of_channels)
        items.append(f"of_channels=({names})")
    if kernel.whole_rows:
        items.append("whole_rows=True")
    return lay_out(Bracket("@kernel_of(", tuple(items), ")"), 0)


def _function(kernel: Kernel) -> list[str]:
    """The reference with its docstring, below a comment that says where it is used."""
    scopes = list(dict.fromkeys(_plain(scope) or "the model itself" for scope in kernel.scopes))
    more = f" and {len(scopes) - _SCOPES} more" if len(scopes) > _SCOPES else ""
    body = reference_lines(kernel)
    return [
        f"# {', '.join(scopes[:_SCOPES])}{more}",
        "@fused",
        *head(kernel),
        f'    """{summary(kernel)}"""',
        *body,
    ]


def _plain(scope: str) -> str:
    """A scope of the file as part of a comment."""
    return re.sub(r"[^\w.]", "_", scope, flags=re.ASCII)[:60]


class _Template:
    """What files of kernels have in common.

    Attributes:
        head: Imports and constants.
        functions: Functions by name, decorators included.
    """

    def __init__(self, text: str) -> None:
        tree = ast.parse(text)
        lines = text.split("\n")
        definitions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        starts = [min([node.lineno, *(each.lineno for each in node.decorator_list)]) for node in definitions]
        first = tree.body[1].lineno  # after the docstring
        self.head = "\n".join(lines[first - 1 : starts[0] - 1]).rstrip()
        self.functions = {
            node.name: "\n".join(lines[start - 1 : node.end_lineno])
            for node, start in zip(definitions, starts, strict=True)
        }


@cache
def _template() -> _Template:
    """The head of the first file, which the others import what they need from, and the functions of all."""
    folder = resources.files("codegen_torch.kernels.templates")
    template, *others = (_Template(folder.joinpath(f"{name}.py").read_text("utf-8")) for name in _TEMPLATES)
    for other in others:
        template.functions |= other.functions
    return template
