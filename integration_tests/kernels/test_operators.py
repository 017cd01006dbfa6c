"""What torch asks of an operator: registrations, gradients, compilation, export; and that Triton may be missing."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from families import FAMILIES
from made import kernel_in, made, numbers_of, tensors_of

SIZES = {"a": 2, "b": 3, "c": 8, "s": 4, "n": 2, "h": 3, "w": 2}
DIFFERENTIABLE = [name for name in FAMILIES if name not in ("integers", "extremes")]


@pytest.fixture(scope="module")
def operator_of(module_of: Callable[[str], ModuleType]) -> Callable[[str], object]:
    return lambda name: kernel_in(module_of(name))[0]


def arguments_of(name: str, operator: object, dtype: torch.dtype = torch.float32, *, grad: bool = False) -> tuple:
    tensors = tensors_of(FAMILIES[name][1], SIZES, dtype, "cpu")
    tensors = [each.requires_grad_(grad) if each.is_floating_point() else each for each in tensors]
    return (*tensors, *numbers_of(operator))


@pytest.mark.parametrize("name", FAMILIES)
def test_opcheck(name: str, operator_of: Callable[[str], object]) -> None:
    operator = operator_of(name)
    with warnings.catch_warnings(action="ignore"):
        torch.library.opcheck(operator._opoverload, arguments_of(name, operator, grad=name in DIFFERENTIABLE))


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients(name: str, operator_of: Callable[[str], object]) -> None:
    operator = operator_of(name)
    torch.manual_seed(0)
    arguments = arguments_of(name, operator, torch.float64, grad=True)
    assert torch.autograd.gradcheck(operator, arguments, fast_mode=True)
    if name != "hard":  # torch has no second derivative of hardsigmoid
        assert torch.autograd.gradgradcheck(operator, arguments, fast_mode=True)


def test_gradients_of_some_operands_alone(operator_of: Callable[[str], object]) -> None:
    operator = operator_of("add_rms_norm")
    x, y, weight = tensors_of(FAMILIES["add_rms_norm"][1], SIZES, torch.float32, "cpu")
    weight.requires_grad_(True)
    _, normed = operator(x, y, weight, 1e-6)
    normed.square().sum().backward()
    (expected,) = torch.autograd.grad(operator.compute(x, y, weight, 1e-6)[1].square().sum(), weight)
    torch.testing.assert_close(weight.grad, expected)


def test_gradients_of_rows_that_are_too_long_for_a_kernel(operator_of: Callable[[str], object]) -> None:
    operator = operator_of("add_rms_norm")
    assert operator.gradient is not None
    width = 8193
    x, y, weight = (torch.randn(shape, requires_grad=True) for shape in ((1, 2, width), (1, 2, width), (width,)))
    found = torch.autograd.grad(operator(x, y, weight, 1e-6)[1].sum(), (x, y, weight))
    exact = torch.autograd.grad(operator.compute(x, y, weight, 1e-6)[1].sum(), (x, y, weight))
    torch.testing.assert_close(found, exact, rtol=0, atol=0)


class Both(torch.nn.Module):
    def __init__(self, *operators: object) -> None:
        super().__init__()
        self.operators = operators

    def forward(self, x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        silu_mul, add_rms_norm = self.operators
        total, normed = add_rms_norm(x, silu_mul(x, y), weight, 1e-6)
        return total * normed


def test_compile_and_export(operator_of: Callable[[str], object]) -> None:
    module = Both(operator_of("silu_mul"), operator_of("add_rms_norm"))
    x, y, weight = tensors_of(FAMILIES["add_rms_norm"][1], SIZES, torch.float32, "cpu")
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    for count in (2, 5):
        inputs = [x[:, :1].expand(2, count, 8).clone().requires_grad_(), y[:, :1].expand(2, count, 8), weight]
        torch.testing.assert_close(compiled(*inputs), module(*inputs))
        compiled(*inputs).sum().backward()
        (expected,) = torch.autograd.grad(module(*inputs).sum(), inputs[0])
        torch.testing.assert_close(inputs[0].grad, expected)
    rows = torch.export.Dim("rows", min=2)
    program = torch.export.export(module, (x, y, weight), dynamic_shapes=({1: rows}, {1: rows}, None))
    torch.testing.assert_close(program.module()(x, y, weight), module(x, y, weight))


def test_two_files_live_side_by_side_and_one_file_twice(tmp_path: Path) -> None:
    one = made(*FAMILIES["silu_mul"], tmp_path)
    other = made(*FAMILIES["add_rms_norm"], tmp_path)
    again = made(*FAMILIES["silu_mul"], tmp_path)
    assert one.NAMESPACE == again.NAMESPACE != other.NAMESPACE
    x = torch.randn(3, 4)
    for module in (one, again):
        torch.testing.assert_close(kernel_in(module)[0](x, x), torch.nn.functional.silu(x) * x)


def test_without_triton(tmp_path: Path) -> None:
    module = made(*FAMILIES["add_rms_norm"], tmp_path)
    script = f"""
import sys
sys.modules["triton"] = None
import importlib.util, torch
spec = importlib.util.spec_from_file_location("kernels", {module.__file__!r})
kernels = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kernels)
assert kernels.triton is None
x = torch.randn(3, 4)
name = "add_rms_norm"
total, normed = getattr(kernels, name)(x, x, torch.ones(4), 1e-6)
torch.testing.assert_close(normed, torch.nn.functional.rms_norm(2 * x, (4,), eps=1e-6))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
