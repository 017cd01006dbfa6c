"""Kernels made of expressions, as the kernels stage makes them of a module's."""

import importlib.util
import itertools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, graph_input
from codegen_torch.facts import Fact
from codegen_torch.kernels import fuse, write_kernels
from codegen_torch.modules.region import LEAVES, Region
from dataflow_ir import topo

_count = itertools.count()


def region_of(results: list[Expr]) -> Region:
    """A module that computes nothing else."""
    order = topo(results)
    inputs = [expr for expr in order if expr.op == "input"]
    return Region("made", units=[expr for expr in order if expr.op not in LEAVES], params=inputs, results=results)


def source_of(results: list[Expr]) -> str:
    """The text of the kernels of a module that computes these."""
    return write_kernels(fuse(region_of(results), DType.FLOAT32).kernels, "a test.", "0")


def loaded(text: str, folder: Path) -> ModuleType:
    """The kernels in a text."""
    path = folder / f"kernels{next(_count)}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def facts(sizes: str) -> Fact:
    """``"b s c"`` as a float tensor of these symbolic sizes; ``"b c bool"`` of another type."""
    words = sizes.split()
    dtype = DType(words.pop()) if words[-1:] and words[-1] in {each.value for each in DType} else DType.FLOAT32
    return Fact(dtype, tuple(int(word) if word.isdecimal() else Dim.symbol(word) for word in words))


def made(function: Callable[..., Expr | tuple[Expr, ...]], inputs: dict[str, str], folder: Path) -> ModuleType:
    """The kernels that compute a function of symbolic tensors of these sizes."""
    values = {name: graph_input(name, facts(sizes)) for name, sizes in inputs.items()}
    results = function(**values)
    return loaded(source_of(list(results) if isinstance(results, tuple) else [results]), folder)


def kernels_in(module: ModuleType) -> dict[str, tuple[object, Callable[..., object]]]:
    """The operators of a file by name, each with what launches its kernel; gradients among them."""
    names = [name.removesuffix("_kernel") for name in vars(module) if name.endswith("_kernel")]
    return {name: (getattr(module, name), getattr(module, f"{name}_kernel")) for name in names}


def kernel_in(module: ModuleType) -> tuple[object, Callable[..., object]]:
    """The operator of a file that has one, and what launches its kernel."""
    (found,) = [found for name, found in kernels_in(module).items() if not name.endswith("_gradient")]
    return found


def gradient_in(module: ModuleType) -> tuple[object, Callable[..., object]] | None:
    """The gradient of the operator of a file that has one, and what launches its kernel, if there is a gradient."""
    return next((found for name, found in kernels_in(module).items() if name.endswith("_gradient")), None)


def numbers_of(operator: object) -> tuple[int | float, ...]:
    """The numbers that an operator takes after its tensors."""
    return tuple(
        {"eps": 1e-5, "groups": 4}[name]
        for name, kind in operator.compute.__annotations__.items()
        if kind in (int, float)
    )


def tensors_of(
    inputs: dict[str, str], sizes: dict[str, int], dtype: torch.dtype, device: str, layout: str = "contiguous"
) -> list[torch.Tensor]:
    """Random tensors of these sizes, laid out in memory as is said."""
    generator = torch.Generator().manual_seed(0)
    tensors = []
    for text in inputs.values():
        fact = facts(text)
        shape = [dim if isinstance(dim, int) else sizes[dim.name] for dim in fact.dims]
        if fact.dtype is DType.BOOL:
            tensor = torch.rand(shape, generator=generator) < 0.5
        elif fact.dtype.is_int:
            tensor = torch.randint(-9, 9, shape, generator=generator).to(getattr(torch, fact.dtype.value))
        else:
            tensor = torch.randn(shape, generator=generator).to(dtype)
        tensors.append(_laid_out(tensor, layout).to(device))
    return tensors


def _laid_out(tensor: torch.Tensor, layout: str) -> torch.Tensor:
    if layout == "channels last" and tensor.dim() == 4:
        return tensor.contiguous(memory_format=torch.channels_last)
    if layout == "strided" and tensor.dim():
        return tensor.repeat_interleave(2, -1)[..., ::2]
    if layout == "transposed" and tensor.dim() > 1:
        return tensor.transpose(-1, -2).contiguous().transpose(-1, -2)
    if layout == "broadcast" and tensor.dim() > 1:
        return tensor[:1].expand(tensor.shape)
    return tensor
