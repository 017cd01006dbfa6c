"""Products with packed weights, interpreted on a CPU and for real on a GPU, against their references in float64."""

import functools
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from packed_products import Product, product_in
from quantized_weights import WEIGHTS

TOLERANCE = {torch.float32: 5e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}
SOME = ["int4 by 16, zeros", "int4, odd, rows, zeros", "uint4, one scale and zero", "int8 by output, Gemm"]
SOME += ["nbits 4 by 16, zeros, bias", "nbits 4 by 32, last longer"]


@pytest.fixture(scope="module")
def product_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Product]:
    folder = tmp_path_factory.mktemp("packed")
    return functools.cache(lambda name: product_in(name, folder))


def hold(product: Product, x: torch.Tensor) -> None:
    """See that the kernel computes what the reference does in float64."""
    launched = Launched(product.launcher.args[0])
    launcher = functools.partial(
        product.launcher.func, launched, *product.launcher.args[1:], **product.launcher.keywords
    )
    result = launcher(*product.arguments(x))
    assert launched.grids
    exact = product.operator.compute(*product.arguments(x.double()))
    assert result.is_contiguous()
    assert (result.shape, result.dtype) == (exact.shape, x.dtype)
    scale = exact.abs().max().clamp(min=1).item()
    closeness = {"rtol": 4 * TOLERANCE[x.dtype], "atol": TOLERANCE[x.dtype] * scale}
    torch.testing.assert_close(result.double(), exact, **closeness)


class Launched:
    """A kernel that remembers with which grids it was launched."""

    def __init__(self, kernel: object) -> None:
        self.kernel = kernel
        self.grids: list[tuple[int, ...]] = []

    def __getitem__(self, grid: tuple[int, ...]) -> object:
        self.grids.append(grid)
        return self.kernel[grid]


def x_of(name: str, *leading: int, dtype: torch.dtype = torch.float32, device: str = "cpu") -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*leading, WEIGHTS[name].inputs, generator=generator).to(device, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["fp32", "fp16"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_every_form(name: str, dtype: torch.dtype, product_of: Callable[[str], Product], device: str) -> None:
    for leading in ((1,), (2, 9)):
        hold(product_of(name), x_of(name, *leading, dtype=dtype, device=device))


@pytest.mark.parametrize("rows", [1, 2, 13, 16, 17, 33, 61, 127])
@pytest.mark.parametrize("name", SOME[:3])
def test_every_number_of_rows(name: str, rows: int, product_of: Callable[[str], Product], device: str) -> None:
    hold(product_of(name), x_of(name, rows, dtype=torch.float16, device=device))
    hold(product_of(name), x_of(name, min(rows, 64), device=device))


@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (2, 3, 2), (2, 1, 2, 3)], ids=str)
@pytest.mark.parametrize("name", SOME)
def test_every_rank(name: str, leading: tuple[int, ...], product_of: Callable[[str], Product], device: str) -> None:
    hold(product_of(name), x_of(name, *leading, dtype=torch.float16, device=device))


@pytest.mark.parametrize("name", SOME)
def test_every_layout(name: str, product_of: Callable[[str], Product], device: str) -> None:
    x = x_of(name, 4, 5, device=device)
    for strided in (
        x.repeat_interleave(2, -1)[..., ::2],
        x.transpose(0, 1),
        x.transpose(-1, -2).contiguous().transpose(-1, -2),
        x[:1].expand(4, -1, -1),
        x[0, 0].expand(3, 4, -1),
    ):
        hold(product_of(name), strided)


@pytest.mark.skipif("config.getoption('--device') == 'cpu'", reason="the interpreter multiplies the bits of bfloat16")
@pytest.mark.parametrize("name", WEIGHTS)
def test_in_bfloat16(name: str, product_of: Callable[[str], Product], device: str) -> None:
    for rows in (1, 7, 100):
        hold(product_of(name), x_of(name, rows, dtype=torch.bfloat16, device=device))


def test_what_no_kernel_takes_goes_to_torch(product_of: Callable[[str], Product], device: str) -> None:
    product = product_of("int4 by 32")
    for x in (
        x_of("int4 by 32", 65, device=device),
        x_of("int4 by 32", 3, dtype=torch.float64, device=device),
        x_of("int4 by 32", 0, device=device),
    ):
        arguments = product.arguments(x)
        torch.testing.assert_close(product.launcher(*arguments), product.operator.compute(*arguments), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["int4 by 32", "int4, odd", "nbits 4 by 32, last longer"])
def test_another_number_of_inputs_is_refused(name: str, product_of: Callable[[str], Product], device: str) -> None:
    """Also one that would fit into the same bytes."""
    x = x_of(name, 3, device=device)
    for wrong in (x[:, :-1], torch.cat([x, x[:, :1]], -1), x[:, :1]):
        with pytest.raises(RuntimeError, match=r"shape|size"):
            product_of(name).launcher(*product_of(name).arguments(wrong))


@pytest.mark.filterwarnings("ignore:invalid value encountered in matmul")
def test_nan_and_infinities_stay_in_their_rows(product_of: Callable[[str], Product], device: str) -> None:
    x = x_of("int4, odd", 3, device=device)
    x[1, -1], x[2, 0] = torch.nan, torch.inf
    result = product_of("int4, odd").launcher(*product_of("int4, odd").arguments(x))
    assert result[0].isfinite().all()
    assert result[1].isnan().all()
    assert not result[2].isfinite().all(-1)


@pytest.mark.parametrize("name", WEIGHTS)
def test_opcheck(name: str, product_of: Callable[[str], Product]) -> None:
    product = product_of(name)
    x = x_of(name, 2, 3).requires_grad_()
    with warnings.catch_warnings(action="ignore"):
        torch.library.opcheck(product.operator._opoverload, product.arguments(x))


@pytest.mark.parametrize("name", SOME)
def test_gradients(name: str, product_of: Callable[[str], Product]) -> None:
    """By x, and by scales and biases where these are trained."""
    product = product_of(name)
    x = x_of(name, 2, dtype=torch.float64)
    arguments = [
        each.clone().requires_grad_() if isinstance(each, torch.Tensor) and each.is_floating_point() else each
        for each in product.arguments(x)
    ]
    assert torch.autograd.gradcheck(product.operator, arguments, fast_mode=True)
    assert torch.autograd.gradgradcheck(product.operator, arguments, fast_mode=True)


def test_compile_and_export(product_of: Callable[[str], Product]) -> None:
    product = product_of("int4 by 16, zeros")

    class Twice(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return product.operator(*product.arguments(x)) * 2.0

    x = x_of("int4 by 16, zeros", 2, 3)
    with warnings.catch_warnings(action="ignore"):
        compiled = torch.compile(Twice(), fullgraph=True, dynamic=True, backend="aot_eager")
        for count in (3, 5):
            own = x[:, :1].expand(2, count, -1).clone().requires_grad_()
            torch.testing.assert_close(compiled(own), Twice()(own))
            (found,) = torch.autograd.grad(compiled(own).sum(), own)
            torch.testing.assert_close(found, torch.autograd.grad(Twice()(own).sum(), own)[0])
        program = torch.export.export(Twice(), (x,), dynamic_shapes=({1: torch.export.Dim("rows", min=2)},))
    torch.testing.assert_close(program.module()(x[:, :2]), Twice()(x[:, :2]))


def test_files_are_as_ruff_would_have_them(product_of: Callable[[str], Product], tmp_path: Path) -> None:
    for number, name in enumerate(WEIGHTS):
        (tmp_path / f"kernels{number}.py").write_bytes(Path(product_of(name).kernels.__file__).read_bytes())
    for command in (["format", "--check", "--diff"], ["check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", str(tmp_path)]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
