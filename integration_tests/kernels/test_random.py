"""Random elementwise and row expressions: what is fused agrees with the torch function above it."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, call, graph_input
from codegen_torch.kernels import fuse, write_kernels
from codegen_torch.kernels.gradient import gradient_of
from codegen_torch.kernels.kernel import Kernel
from codegen_torch.symbols.namespaces import F
from codegen_torch.symbols.namespaces import torch as symbols
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made import facts, kernel_in, kernels_in, loaded, region_of, source_of, tensors_of

# Functions that stay finite and do not blow an error up, so that any chain of them can be compared.
UNARY = (
    symbols.tanh,
    symbols.sigmoid,
    symbols.sin,
    symbols.erf,
    F.relu,
    F.silu,
    F.gelu,
    lambda x: F.gelu(x, approximate="tanh"),
    F.hardswish,
    lambda x: F.leaky_relu(x, 0.2),
    lambda x: symbols.clamp(x, min=-1.5, max=2.0),
    lambda x: symbols.rsqrt(symbols.abs(x) + 1.0),
    lambda x: x * 0.5 - 1,
    lambda x: -x,
)
BINARY = (
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: symbols.sigmoid(x) * y,
    lambda x, y: x / (symbols.abs(y) + 1.0),
    symbols.maximum,
    symbols.minimum,
    lambda x, y: symbols.where(symbols.gt(x, y), x, y * 0.5),
)
OF_ROW = (
    lambda x: F.softmax(x, dim=-1),
    lambda x: F.log_softmax(x, dim=-1),
    lambda x: call("F.layer_norm", x, normalized_shape=(x.dims[-1],), eps=1e-2),
    lambda x: call("F.rms_norm", x, normalized_shape=(x.dims[-1],), eps=1e-2),
)
REDUCTIONS = (
    lambda x, keepdim: x.mean(-1, keepdim=keepdim),
    lambda x, keepdim: x.amax(-1, keepdim=keepdim),
    lambda x, keepdim: x.amin(-1, keepdim=keepdim),
    lambda x, keepdim: symbols.tanh(x * 0.05).sum(-1, keepdim=keepdim) * 0.1,
    lambda x, keepdim: symbols.sigmoid(call("Tensor.norm", x, 2, -1, keepdim=keepdim) - 3.0),
)
OF_GROUPS = (
    lambda x: F.group_norm(x, 2, eps=1e-2),
    lambda x: F.group_norm(x, 3, eps=1e-2),
    lambda x: F.instance_norm(x, eps=1e-2),
)
NAMES = "abcde"
LAYOUTS = ("contiguous", "strided", "transposed", "broadcast")


@st.composite
def of_rows(draw: st.DrawFn) -> list[Expr]:
    """A few values of one shape or of its rows, each made of inputs and those before it; the last are returned."""
    shape = NAMES[: draw(st.integers(1, 5))]
    x, y = (graph_input(name, facts(" ".join(shape))) for name in "xy")
    row, column = graph_input("row", facts(shape[-1])), graph_input("column", facts(" ".join([*shape[:-1], "1"])))
    values, narrow = [x, y], [column]
    for _ in range(draw(st.integers(2, 9))):
        kind = draw(st.integers(0, 7))
        value = draw(st.sampled_from(values))
        if kind == 0:
            values.append(draw(st.sampled_from(OF_ROW))(value))
        elif kind <= 2:
            values.append(draw(st.sampled_from(UNARY))(value))
        elif kind == 3:
            narrow.append(draw(st.sampled_from(REDUCTIONS))(value, keepdim=True))
        elif kind == 4:
            narrow.append(draw(st.sampled_from(BINARY))(draw(st.sampled_from(narrow)), column))
        else:
            values.append(draw(st.sampled_from(BINARY))(value, draw(st.sampled_from([*values, row, *narrow]))))
    if draw(st.booleans()):
        narrow.append(draw(st.sampled_from(REDUCTIONS))(values[-1], keepdim=False))
    last = values[2:][-draw(st.integers(1, 2)) :]
    if draw(st.booleans()):
        last += narrow[1:][-draw(st.integers(1, 2)) :]
    return list(dict.fromkeys(last)) or [x + y]


@st.composite
def of_groups(draw: st.DrawFn) -> list[Expr]:
    """The same with norms of groups of channels, and what is broadcast along channels or positions."""
    space = "hwd"[: draw(st.integers(1, 3))]
    x, y = (graph_input(name, facts(" ".join(["n", "6", *space]))) for name in "xy")
    shift = graph_input("shift", facts(" ".join(["n", "6", *("1" for _ in space)])))
    position = graph_input("position", facts(" ".join(space)))
    weight, bias = (graph_input(name, facts("6")) for name in ("weight", "bias"))
    values = [x, y]
    for _ in range(draw(st.integers(2, 7))):
        kind = draw(st.integers(0, 4))
        value = draw(st.sampled_from(values))
        if kind == 0:
            values.append(F.group_norm(value, 3, weight, bias, eps=1e-2))
        elif kind == 1:
            values.append(draw(st.sampled_from(OF_GROUPS))(value))
        elif kind == 2:
            values.append(draw(st.sampled_from(UNARY))(value))
        else:
            values.append(draw(st.sampled_from(BINARY))(value, draw(st.sampled_from([*values, shift, position]))))
    return list(dict.fromkeys(values[2:][-draw(st.integers(1, 2)) :]))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    results=of_rows(),
    sizes=st.tuples(*(st.integers(1, top) for top in (70, 5, 5, 7, 7))),
    layout=st.sampled_from(LAYOUTS),
)
def test_kernels_agree_with_their_references(
    results: list[Expr], sizes: tuple[int, ...], layout: str, tmp_path_factory: pytest.TempPathFactory, device: str
) -> None:
    agree(results, dict(zip(NAMES, sizes, strict=True)), layout, tmp_path_factory, device)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    results=of_groups(),
    sizes=st.tuples(*(st.integers(1, top) for top in (3, 9, 5, 3))),
    layout=st.sampled_from(LAYOUTS),
)
def test_kernels_of_images_agree_with_their_references(
    results: list[Expr], sizes: tuple[int, ...], layout: str, tmp_path_factory: pytest.TempPathFactory, device: str
) -> None:
    known = dict(zip("nhwd", sizes, strict=True))
    known["h"] += 1  # torch refuses to normalize instances of one position
    agree(results, known, layout, tmp_path_factory, device)


def agree(results: list[Expr], sizes: dict[str, int], layout: str, folder: pytest.TempPathFactory, device: str) -> None:
    """Every kernel that is made of expressions computes what its reference does, and so does its gradient."""
    kernels = fuse(region_of(results), DType.FLOAT32).kernels
    module = loaded(write_kernels(kernels, "a test.", "0"), folder.mktemp("random", numbered=True))
    for kernel in kernels:
        operator, tensors, numbers = hold(module, kernel, sizes, layout, device)
        gradient = gradient_of(kernel)
        if gradient is not None:
            hold(module, gradient.kernel, sizes, layout, device)
            differentiate(operator, tensors, numbers)


def hold(
    module: ModuleType, kernel: Kernel, sizes: dict[str, int], layout: str, device: str
) -> tuple[Any, list[torch.Tensor], list[int | float]]:
    """Hold a kernel against its reference at tensors of the shapes that it was made for, which are returned."""
    operator, launcher = kernels_in(module)[kernel.name]
    texts = {param.attrs["name"]: " ".join(map(str, param.dims)) for param in kernel.params}
    tensors = tensors_of(texts, sizes, torch.float32, device, layout)
    groups = [step.inputs[1] for step in kernel.of_groups if step.op == "F.group_norm"]
    numbers = [3 if number in groups else 1e-2 for number in kernel.numbers]
    found = launcher(*tensors, *numbers)
    exact = operator.compute(*(each.double() for each in tensors), *numbers)
    for result, expected in zip(*(as_list(each) for each in (found, exact)), strict=True):
        assert result.shape == expected.shape
        torch.testing.assert_close(result.double(), expected, rtol=1e-3, atol=1e-3)
    return operator, tensors, numbers


def differentiate(operator: Any, tensors: list[torch.Tensor], numbers: list[int | float]) -> None:
    """The gradient of an operator is its reference's."""
    leaves = [each.double().requires_grad_() for each in tensors]
    found, exact = (
        torch.autograd.grad([each.sin().sum() for each in as_list(function(*leaves, *numbers))], leaves)
        for function in (operator, operator.compute)
    )
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def as_list(values: Any) -> list[torch.Tensor]:
    return [values] if isinstance(values, torch.Tensor) else list(values)


def test_strides_beyond_32_bits(tmp_path: Path, device: str) -> None:
    """Memory that nobody writes to is not there, so that this takes little of it on a CPU."""
    x = graph_input("x", facts("a b int8"))
    module = loaded(source_of([symbols.where(symbols.gt(x * 2, x), x, -x)]), tmp_path)
    _, launcher = kernel_in(module)
    far = torch.empty(2**31 + 64, dtype=torch.int8, device=device)
    tensor = far.as_strided((2, 16), (2**31, 1))
    tensor[:] = torch.arange(-16, 16, device=device).reshape(2, 16)
    torch.testing.assert_close(launcher(tensor), tensor.abs())
