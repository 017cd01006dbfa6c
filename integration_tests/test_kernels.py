"""Whole models with ``--kernels triton``, on a CPU and without Triton: everything is as without."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from codegen_torch.pipeline import convert, generate
from converted import Converted, import_model

MODELS = {
    "bert": {"add_add_layer_norm", "add_layer_norm"},
    "llama": {"rotary", "silu_mul", "add_rms_norm"},
    "convnext": {"scale_add"},
    "gpt2": {"add_layer_norm"},
    "clip": {"quick_gelu", "add_layer_norm"},
    "diffusion": {"group_norm_silu", "add_group_norm_silu"},
}
Convert = Callable[[str, str], Converted]


@pytest.fixture(scope="module")
def with_kernels(converted: Convert, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], object]:
    folder = tmp_path_factory.mktemp("kernels")
    made = {}

    def make(name: str) -> object:
        if name not in made:
            convert(converted(name, "dynamo").path, folder / name, kernels="triton", trace=folder / f"{name}.trace")
            made[name] = import_model(folder / name)
        return made[name]

    return make


@pytest.mark.parametrize("name", MODELS)
def test_the_model_is_the_same(name: str, converted: Convert, with_kernels: Callable[[str], object]) -> None:
    plain, fused = converted(name, "dynamo"), with_kernels(name)
    written = {each for each in MODELS[name] if hasattr(fused.kernels, each)}
    assert written == MODELS[name]
    one, other = plain.load(), fused.load_model()
    assert list(one.state_dict()) == list(other.state_dict())
    # Results of kernels are contiguous; where a plain result is not, a convolution may add in another order.
    closeness = {} if name == "convnext" else {"rtol": 0, "atol": 0}
    for sizes in (False, True):
        inputs = plain.inputs(other=sizes)
        torch.testing.assert_close(other(**inputs), one(**inputs), **closeness)


@pytest.mark.parametrize("name", ["bert", "llama", "convnext", "diffusion"])
def test_it_trains_alike(name: str, converted: Convert, with_kernels: Callable[[str], object]) -> None:
    inputs = converted(name, "dynamo").inputs()
    gradients = []
    for model in (converted(name, "dynamo").load(), with_kernels(name).load_model()):
        model.train()(**inputs).square().sum().backward()
        gradients.append({key: each.grad for key, each in model.named_parameters()})
    assert gradients[0].keys() == gradients[1].keys()
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][key], gradient, msg=key)


@pytest.mark.parametrize("name", ["bert", "llama", "convnext", "diffusion"])
def test_it_compiles_exports_and_is_cast(name: str, converted: Convert, with_kernels: Callable[[str], object]) -> None:
    entry, inputs = converted(name, "dynamo").entry, converted(name, "dynamo").inputs()
    model = with_kernels(name).load_model()
    expected = model(**inputs)
    with warnings.catch_warnings(action="ignore"):
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(**inputs), expected)
        dims = {
            key: {axis: torch.export.Dim(dim, min=2, max=64) for axis, dim in axes.items()}
            for key, axes in entry.dynamic.items()
        }
        program = torch.export.export(model, (), inputs, dynamic_shapes=dims)
    torch.testing.assert_close(program.module()(**inputs), expected)
    halved = {key: each.bfloat16() if each.is_floating_point() else each for key, each in inputs.items()}
    plain = converted(name, "dynamo").load(dtype=torch.bfloat16)(**halved)
    torch.testing.assert_close(with_kernels(name).load_model(dtype=torch.bfloat16)(**halved), plain, rtol=0, atol=0)


def test_it_is_written_alike_every_time(converted: Convert) -> None:
    path = converted("llama", "dynamo").path
    one, other = (generate(path, kernels="triton") for _ in range(2))
    assert (one.text, one.kernels) == (other.text, other.kernels)


def test_the_trace_tells_what_was_fused_and_what_was_left(converted: Convert, tmp_path: Path) -> None:
    generate(converted("llama", "dynamo").path, kernels="triton", trace=tmp_path)
    text = (tmp_path / "4-kernels.txt").read_text()
    assert "fused  model.model.layers.0: add_rms_norm, saves 128 * batch * seq bytes" in text
    assert "left   model.model: nn.RMSNorm: nothing to fuse it with" in text


def test_a_model_without_kernels_has_no_file_of_them(converted: Convert, tmp_path: Path) -> None:
    report = convert(converted("mlp", "dynamo").path, tmp_path / "mlp", kernels="triton")
    assert {path.name for path in report.files} == {"model.py", "weights.msgpack"}
    assert "kernels" not in (tmp_path / "mlp" / "model.py").read_text()


BRANCHES_AND_LOOPS = """
<ir_version: 8, opset_import: ["": 17]>
g (bool c, int64 n, float[N, 256] x, float[N, 256] y) => (float[N, 256] a, float[N, 256] b)
<bool on = {1}> {
  a = If (c) <
    then_branch = t () => (float[N, 256] r) {
      total = Add (x, y)
      r = LayerNormalization <axis = -1> (total, weight, shift)
    },
    else_branch = e () => (float[N, 256] r) { rise = Sigmoid (x) gated = Mul (x, rise) r = Mul (gated, y) }
  >
  b = Loop (n, on, x) <body = l (int64 i, bool k, float[N, 256] s) => (bool k2, float[N, 256] s2) {
    k2 = Identity (k)
    moved = Add (s, y)
    bent = Tanh (moved)
    s2 = Mul (bent, a)
  }>
}
"""


def test_branches_and_loops_have_kernels(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(BRANCHES_AND_LOOPS.strip())
    weights = np.linspace(-1, 2, 256, dtype=np.float32)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(weights, name) for name in ("weight", "shift"))
    onnx.save(model, tmp_path / "net.onnx")
    for kernels in ("none", "triton"):
        convert(tmp_path / "net.onnx", tmp_path / kernels, kernels=kernels)
    plain, fused = (import_model(tmp_path / kernels) for kernels in ("none", "triton"))
    assert {"add_layer_norm", "silu_mul", "add_tanh_mul"} <= set(vars(fused.kernels))
    assert list(plain.load_model().state_dict()) == list(fused.load_model().state_dict())
    x, y = torch.randn(2, 3, 256)
    for cond, count in ((True, 0), (False, 3)):
        arguments = (torch.tensor(cond), torch.tensor(count), x, y)
        found, exact = fused.load_model()(*arguments), plain.load_model()(*arguments)
        torch.testing.assert_close(found, exact, rtol=0, atol=0)
    loss = sum(each.square().sum() for each in fused.load_model()(torch.tensor(True), torch.tensor(2), x, y))
    assert loss.requires_grad
