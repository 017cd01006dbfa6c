"""The kernels of products with packed weights, and what their models give to them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from codegen_torch.pipeline import convert
from converted import import_model
from quantized_weights import WEIGHTS, Blocks, Weight


class Product:
    """The one kernel of a file, and the arguments that its model gives to it after x."""

    def __init__(self, kernels: ModuleType, name: str, arguments: tuple[Any, ...]) -> None:
        self.kernels = kernels
        self.name = name
        self.operator = getattr(kernels, name)
        self.launcher = getattr(kernels, f"{name}_kernel")
        self.rest = arguments[1:]

    def arguments(self, x: torch.Tensor) -> tuple[Any, ...]:
        """All of them, on x's device and as x's floats."""
        return x, *(
            each.to(x.device, x.dtype if each.is_floating_point() else None) if isinstance(each, torch.Tensor) else each
            for each in self.rest
        )


def product_in(name: str, folder: Path) -> Product:
    """The kernel of one of the weights, by its name, converted in a folder."""
    return product_of(WEIGHTS[name], folder / f"{list(WEIGHTS).index(name)}.onnx")


def product_of(weight: Weight | Blocks, path: Path) -> Product:
    """The kernel of a weight, of which a file is written and converted beside it."""
    weight.save(path)
    convert(path, path.with_suffix(""), kernels="triton")
    model = import_model(path.with_suffix(""))
    (operator,) = [key.removesuffix("_kernel") for key in vars(model.kernels) if key.endswith("_kernel")]
    given: list[tuple[Any, ...]] = []
    own = getattr(model.kernels, operator)
    setattr(model.kernels, operator, lambda *arguments: given.append(arguments) or own(*arguments))
    with torch.no_grad():
        model.load_model()(torch.zeros(1, weight.inputs))
    setattr(model.kernels, operator, own)
    return Product(model.kernels, operator, given[0])
