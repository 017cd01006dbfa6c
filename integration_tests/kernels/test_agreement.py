"""Every kernel against its reference in float64: interpreted on a CPU, for real on a GPU."""

import functools
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from families import FAMILIES, GROUPS, POINTWISE, REDUCED, ROTARY, ROWS, WITH_GRADIENTS
from made import gradient_in, kernel_in, numbers_of, tensors_of

SIZES = {
    "ones": {"a": 1, "b": 1, "c": 1},
    "twos": {"a": 2, "b": 2, "c": 2},
    "primes": {"a": 3, "b": 5, "c": 13},
    "odd row": {"a": 1, "b": 3, "c": 1023},
    "long row": {"a": 1, "b": 2, "c": 4099},
    "many rows": {"a": 7, "b": 331, "c": 3},
}
TOLERANCE = {torch.float32: 5e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}


def agree(module: ModuleType, tensors: list[torch.Tensor], dtype: torch.dtype) -> None:
    hold(*kernel_in(module), tensors, dtype)


def hold(
    operator: Any, launcher: Any, tensors: list[torch.Tensor], dtype: torch.dtype, numbers: tuple | None = None
) -> None:
    numbers = numbers_of(operator) if numbers is None else numbers
    results = launcher(*tensors, *numbers)
    exact = operator.compute(*(each.double() if each.is_floating_point() else each for each in tensors), *numbers)
    plain = operator.compute(*tensors, *numbers)
    for result, expected, own in zip(*(as_list(each) for each in (results, exact, plain)), strict=True):
        assert result.is_contiguous()
        assert (result.shape, result.dtype) == (own.shape, own.dtype)
        if not result.dtype.is_floating_point:
            torch.testing.assert_close(result, expected.to(result.dtype), rtol=0, atol=0)
            continue
        scale = expected.abs().nan_to_num(0, 0, 0).max().clamp(min=1).item()
        torch.testing.assert_close(
            result.double(),
            expected.to(result.dtype).double(),
            rtol=4 * TOLERANCE[dtype],
            atol=TOLERANCE[dtype] * scale,
            equal_nan=True,
        )


def as_list(results: object) -> list[torch.Tensor]:
    return [results] if isinstance(results, torch.Tensor) else list(results)


@pytest.mark.parametrize("layout", ["contiguous", "strided"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("name", WITH_GRADIENTS)
def test_gradients(name: str, dtype: torch.dtype, layout: str, module_of: functools.partial, device: str) -> None:
    operator, launcher = gradient_in(module_of(name))
    known = dict(zip(_names(kernel_in(module_of(name))[0]), FAMILIES[name][1].values(), strict=True))
    full = max(known.values(), key=lambda sizes: (len(sizes.split()), sizes))
    inputs = {key: known.get(key, full) for key in _names(operator)}
    for sizes in ({"a": 1, "b": 1, "c": 2, "s": 1}, {"a": 2, "b": 5, "c": 67, "s": 3}):
        hold(operator, launcher, tensors_of(inputs, sizes, dtype, device, layout), dtype)


def _names(operator: Any) -> list[str]:
    return [
        name for name, kind in operator.compute.__annotations__.items() if kind is torch.Tensor and name != "return"
    ]


def test_these_have_gradients_of_their_own(module_of: functools.partial) -> None:
    assert {name for name in FAMILIES if gradient_in(module_of(name))} == set(WITH_GRADIENTS)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", [*POINTWISE, *ROWS, *REDUCED])
def test_at_all_sizes(name: str, sizes: str, module_of: functools.partial, device: str) -> None:
    tensors = tensors_of(FAMILIES[name][1], SIZES[sizes], torch.float32, device)
    agree(module_of(name), tensors, torch.float32)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["fp16", "bf16"])
@pytest.mark.parametrize("name", [*POINTWISE, *ROWS, *REDUCED, *ROTARY])
def test_in_half_precision(name: str, dtype: torch.dtype, module_of: functools.partial, device: str) -> None:
    tensors = tensors_of(FAMILIES[name][1], {"a": 2, "b": 3, "c": 65, "s": 3}, dtype, device)
    agree(module_of(name), tensors, dtype)


@pytest.mark.parametrize("layout", ["strided", "transposed", "broadcast"])
@pytest.mark.parametrize("name", [*POINTWISE, *ROWS, *REDUCED, *ROTARY])
def test_in_any_layout(name: str, layout: str, module_of: functools.partial, device: str) -> None:
    tensors = tensors_of(FAMILIES[name][1], {"a": 3, "b": 4, "c": 37, "s": 5}, torch.float32, device, layout)
    agree(module_of(name), tensors, torch.float32)


@pytest.mark.parametrize("sizes", [{"a": 1, "b": 1, "s": 1}, {"a": 2, "b": 3, "s": 17}], ids=["ones", "primes"])
@pytest.mark.parametrize("name", ROTARY)
def test_rotations(name: str, sizes: dict[str, int], module_of: functools.partial, device: str) -> None:
    agree(module_of(name), tensors_of(FAMILIES[name][1], sizes, torch.float32, device), torch.float32)


@pytest.mark.parametrize("layout", ["contiguous", "strided", "transposed", "channels last"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("name", GROUPS)
def test_groups(name: str, dtype: torch.dtype, layout: str, module_of: functools.partial, device: str) -> None:
    for sizes in ({"n": 1, "h": 1, "w": 2}, {"n": 3, "h": 5, "w": 7}, {"n": 1, "h": 31, "w": 33}):
        agree(module_of(name), tensors_of(FAMILIES[name][1], sizes, dtype, device, layout), dtype)


@pytest.mark.parametrize("name", GROUPS)
def test_groups_in_several_pieces(name: str, module_of: functools.partial, device: str) -> None:
    for sizes in ({"n": 1, "h": 67, "w": 64}, {"n": 2, "h": 1, "w": 9001}):
        agree(module_of(name), tensors_of(FAMILIES[name][1], sizes, torch.float32, device), torch.float32)


def test_groups_of_every_rank_and_count(module_of: functools.partial, device: str) -> None:
    operator, launcher = kernel_in(module_of("group_norm_silu"))
    weight, bias = torch.randn(2, 12, device=device)
    for space in ((), (5,), (2, 3), (2, 3, 2)):
        x = torch.randn(2, 12, *space, device=device)
        for groups in (1, 2, 3, 6) + (12,) * bool(space):
            hold(operator, launcher, [x, weight, bias], torch.float32, (groups, 1e-5))


def test_statistics_of_numbers_far_from_zero(module_of: functools.partial, device: str) -> None:
    """The difference of two large sums would have no digits left."""
    operator, launcher = kernel_in(module_of("group_norm_silu"))
    x = torch.randn(1, 4, 70, 70, device=device) + 4096
    weight, bias = torch.randn(2, 4, device=device)
    exact = operator.compute(x.double(), weight.double(), bias.double(), 2, 1e-5)
    torch.testing.assert_close(launcher(x, weight, bias, 2, 1e-5).double(), exact, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 3, 4), (2, 3, 4, 5), (2, 3, 2, 3, 2), (2, 1, 2, 1, 2, 3)])
def test_at_every_rank(shape: tuple[int, ...], module_of: functools.partial, device: str) -> None:
    x, y = (torch.randn(shape, device=device) for _ in range(2))
    agree(module_of("silu_mul"), [x, y], torch.float32)
    if len(shape) > 1:
        agree(module_of("silu_mul"), [x.transpose(0, -1), y.transpose(0, -1).contiguous()], torch.float32)
        agree(module_of("silu_mul"), [x[:1], y[..., :1]], torch.float32)


def test_what_no_kernel_takes_goes_to_torch(module_of: functools.partial, device: str) -> None:
    operator, launcher = kernel_in(module_of("silu_mul"))
    for x in (torch.randn(3, 4, dtype=torch.float64), torch.randn(0, 4), torch.randn(1, 0)):
        x = x.to(device)
        torch.testing.assert_close(launcher(x, x), operator.compute(x, x), rtol=0, atol=0)
    _, softmax = kernel_in(module_of("masked_softmax"))
    x = torch.randn(1, 1, softmax.func.__globals__["MAX_ROW"] + 1, device=device)
    torch.testing.assert_close(softmax(x, torch.zeros_like(x)), (x * 0.125).softmax(-1))


@pytest.mark.parametrize("name", ["hard", "extremes", "leaky_clamp", "tanh_exp", "elu_softplus", "masked_softmax"])
def test_nan_and_infinities(name: str, module_of: functools.partial, device: str) -> None:
    special = torch.tensor([torch.nan, torch.inf, -torch.inf, 0.0, -0.0, 1e-30, -1e-30, 60.0, -60.0], device=device)
    inputs = FAMILIES[name][1]
    tensors = [special.roll(index).expand(1, 1, 9) for index in range(len(inputs))]
    agree(module_of(name), tensors, torch.float32)


@pytest.mark.parametrize("name", ["tanh_exp", "elu_softplus"])
def test_tiny_numbers_keep_their_digits(name: str, module_of: functools.partial, device: str) -> None:
    operator, launcher = kernel_in(module_of(name))
    x = torch.logspace(-8, 0, 400, device=device)
    for sign in (1, -1):
        tensors = [sign * x.reshape(1, 1, -1)] * len(FAMILIES[name][1])
        exact = operator.compute(*(each.double() for each in tensors))
        torch.testing.assert_close(launcher(*tensors).double(), exact, rtol=2e-6, atol=1e-12)


def test_files_are_as_ruff_would_have_them(tmp_path: Path) -> None:
    import subprocess
    import sys

    from codegen_torch.expr import graph_input
    from made import facts, source_of

    for name, (function, inputs) in FAMILIES.items():
        results = function(**{key: graph_input(key, facts(sizes)) for key, sizes in inputs.items()})
        (tmp_path / f"{name}.py").write_text(source_of(list(results) if isinstance(results, tuple) else [results]))
    for command in (["format", "--check", "--diff"], ["check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", str(tmp_path)]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
