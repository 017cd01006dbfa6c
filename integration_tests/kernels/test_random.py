"""Random elementwise and row expressions: what is fused agrees with the torch function above it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from codegen_torch.expr import Expr, call, graph_input
from codegen_torch.symbols.namespaces import F
from codegen_torch.symbols.namespaces import torch as symbols
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made import facts, kernel_in, kernels_in, loaded, source_of, tensors_of

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
INPUTS = {"x": "a b c", "y": "a b c", "row": "c", "column": "a b 1", "head": "a 1 c"}


@st.composite
def results(draw: st.DrawFn) -> list[Expr]:
    """A few values of one shape, each made of inputs and the values before it; the last ones are returned."""
    inputs = {name: graph_input(name, facts(sizes)) for name, sizes in INPUTS.items()}
    full = [inputs["x"], inputs["y"]]
    for _ in range(draw(st.integers(2, 9))):
        kind = draw(st.integers(0, 5))
        value = draw(st.sampled_from(full))
        if kind == 0:
            made = draw(st.sampled_from(OF_ROW))(value)
        elif kind <= 2:
            made = draw(st.sampled_from(UNARY))(value)
        else:
            made = draw(st.sampled_from(BINARY))(value, draw(st.sampled_from([*full, *inputs.values()])))
        full.append(made)
    return list(dict.fromkeys(full[-draw(st.integers(1, 2)) :]))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(made=results(), sizes=st.tuples(*(st.integers(1, top) for top in (3, 4, 70))), layout=st.integers(0, 2))
def test_kernels_agree_with_their_references(
    made: list[Expr], sizes: tuple[int, ...], layout: int, tmp_path_factory: pytest.TempPathFactory, device: str
) -> None:
    module = loaded(source_of(made), tmp_path_factory.mktemp("random", numbered=True))
    known = dict(zip("abc", sizes, strict=True))
    laid = ("contiguous", "strided", "transposed")[layout]
    shapes = dict(zip(INPUTS, tensors_of(INPUTS, known, torch.float32, device, laid), strict=True))
    for operator, launcher in kernels_in(module).values():
        agree(operator, launcher, shapes)


def agree(operator: Any, launcher: Any, shapes: dict[str, torch.Tensor]) -> None:
    """Whatever tensors a kernel takes, it is given some: all of them are broadcast."""
    names = [key for key, kind in operator.compute.__annotations__.items() if kind is torch.Tensor and key != "return"]
    numbers = [1e-2 for key, kind in operator.compute.__annotations__.items() if kind is float]
    tensors = [list(shapes.values())[index % len(shapes)] for index, _ in enumerate(names)]
    tensors[0] = shapes["x"]
    found = launcher(*tensors, *numbers)
    exact = operator.compute(*(each.double() for each in tensors), *numbers)
    for result, expected in zip(*(as_list(each) for each in (found, exact)), strict=True):
        assert result.shape == expected.shape
        torch.testing.assert_close(result.double(), expected, rtol=1e-3, atol=1e-3)


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
