"""Weights that stay packed: with ``--kernels triton`` a model computes on a CPU what it does without, bit for bit."""

import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest
import torch
from arrays import to_torch
from codegen_torch.pipeline import convert, generate
from converted import import_model
from quantized_weights import WEIGHTS, Weight
from test_quantized_models import inputs, packed, pairs

Pair = tuple[ModuleType, ModuleType]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pair]:
    """A product's ``model.py`` without kernels and with them."""
    folder = tmp_path_factory.mktemp("packed")
    made: dict[str, Pair] = {}

    def make(name: str) -> Pair:
        if name not in made:
            path = folder / f"{len(made)}.onnx"
            WEIGHTS[name].save(path)
            convert(path, path.with_suffix(".plain"))
            convert(path, path.with_suffix(".kernels"), kernels="triton")
            made[name] = import_model(path.with_suffix(".plain")), import_model(path.with_suffix(".kernels"))
        return made[name]

    return make


def x_of(name: str, *leading: int) -> torch.Tensor:
    weight = WEIGHTS[name]
    leading = leading[-1:] if getattr(weight, "product", "") == "Gemm" else leading
    return torch.randn(*leading, weight.inputs, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", WEIGHTS)
def test_results_are_the_same_and_the_weight_is_packed(name: str, pair: Callable[[str], Pair]) -> None:
    plain, packed = (module.load_model() for module in pair(name))
    for leading in ((1, 1), (3, 5)):
        x = x_of(name, *leading)
        assert torch.equal(plain(x), packed(x))
    assert hasattr(pair(name)[1], "kernels")
    weight = WEIGHTS[name]
    bits = weight.bits if not isinstance(weight, Weight) else int(weight.dtype.strip("uint"))
    held = packed.state_dict()["proj_weight"]
    assert held.element_size() == 1
    if isinstance(weight, Weight):
        assert held.numel() == -(-weight.inputs * bits // 8) * weight.outputs
        assert bits == 8 or held.dtype == torch.uint8
    assert list(plain.state_dict()) == list(packed.state_dict())


@pytest.mark.parametrize("name", [name for name in WEIGHTS if "float zeros" not in name])
def test_against_onnx_runtime(name: str, pair: Callable[[str], Pair], tmp_path: Path) -> None:
    WEIGHTS[name].save(tmp_path / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), options, providers=["CPUExecutionProvider"])
    x = x_of(name, 2, 3)
    (expected,) = session.run(None, {"x": x.numpy()})
    found = pair(name)[1].load_model()(x).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["int4 by 16, zeros", "int8 by output", "uint4, one scale and zero", "nbits 8 by 64, bias"]
)
def test_it_is_cast_and_trains(name: str, pair: Callable[[str], Pair]) -> None:
    plain, packed = pair(name)
    x = x_of(name, 2, 3)
    gradients = []
    for module in (plain, packed):
        own = x.clone().requires_grad_()
        module.load_model()(own).square().sum().backward()
        gradients.append(own.grad)
    torch.testing.assert_close(*gradients, rtol=0, atol=0)
    halves = [module.load_model(dtype=torch.bfloat16) for module in (plain, packed)]
    assert torch.equal(*(model(x.bfloat16()) for model in halves))


@pytest.mark.parametrize("name", ["int4 by 16, zeros", "nbits 4 by 16, zeros, bias"])
def test_it_compiles_and_exports(name: str, pair: Callable[[str], Pair]) -> None:
    model, x = pair(name)[1].load_model(), x_of(name, 2, 3)
    with warnings.catch_warnings(action="ignore"):
        compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="aot_eager")
        torch.testing.assert_close(compiled(x), model(x))
        dims = {0: torch.export.Dim("a", min=2, max=64), 1: torch.export.Dim("b", min=2, max=64)}
        program = torch.export.export(model, (x,), dynamic_shapes=(dims,))
    other = x_of(name, 5, 7)
    torch.testing.assert_close(program.module()(other), model(other))


def test_the_trace_tells_the_bytes(tmp_path: Path) -> None:
    Weight("int4", 256, 64, 32).save(tmp_path / "model.onnx")
    generate(tmp_path / "model.onnx", kernels="triton", trace=tmp_path)
    # Twice 4 bytes for each of 256 * 64 numbers, and half a byte less to read.
    assert "linear_int4, saves 139 264 bytes" in (tmp_path / "4-kernels.txt").read_text()


def test_layers_share_a_kernel_at_any_size(tmp_path: Path) -> None:
    import onnx

    names = ("one", "two")
    for name, sizes in zip(names, ((256, 64), (64, 96)), strict=True):
        Weight("int4", *sizes, 32).save(tmp_path / f"{name}.onnx")
    one, two = (
        onnx.compose.add_prefix(
            onnx.load(tmp_path / f"{name}.onnx"), f"{name}_", rename_inputs=False, rename_outputs=False
        )
        for name in names
    )
    two.graph.input[0].name = two.graph.node[1].input[0] = "between"
    one.graph.output[0].name = one.graph.node[-1].output[0] = "between"
    onnx.save(onnx.compose.merge_models(one, two, [("between", "between")]), tmp_path / "both.onnx")
    generated = generate(tmp_path / "both.onnx", kernels="triton")
    assert generated.kernels.count("launch_product, bits=4") == 1
    assert generated.text.count("kernels.linear_int4(") == 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "make", "count"), [("vit", pairs, 19), ("llama", packed, 22)])
def test_whole_models_compute_the_same(
    name: str,
    make: Callable[[str, Path, Path], None],
    count: int,
    exported: Callable[[str, str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Quantizers put what dequantizes a weight outside of the module that multiplies by it."""
    monkeypatch.setattr("codegen_torch.kernels.packed.SMALLEST", 0)
    make(name, exported(name, "torchscript"), tmp_path / "model.onnx")
    convert(tmp_path / "model.onnx", tmp_path / "plain")
    convert(tmp_path / "model.onnx", tmp_path / "kernels", kernels="triton")
    plain, fused = (import_model(tmp_path / each).load_model() for each in ("plain", "kernels"))
    forwards = [inspect.getsource(type(module).forward) for module in fused.modules()]
    assert sum(forward.count("kernels.linear_") for forward in forwards) == count
    assert list(plain.state_dict()) == list(fused.state_dict())
    arrays = [to_torch(each) for each in inputs(name, 3)]
    with torch.no_grad():
        torch.testing.assert_close(fused(*arrays), plain(*arrays), rtol=0, atol=0)
