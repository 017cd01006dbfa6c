"""What fused kernels are worth on a GPU: each against the card's own copy, eager torch and torch.compile; whole models.

    nox -s bench -- gpu                   # everything, in bf16
    nox -s bench -- gpu --only llama      # the kernels and one model
    nox -s bench -- gpu --tiny            # tiny models, on a CPU too: whether this program works, no figures

A kernel's bandwidth is what its cost model counts (what it reads and writes once) over its time. All figures are of one
run on one card; what was in the L2 cache before is pushed out of it between two calls.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import importlib.util
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in ("", "kernels")]

from codegen_torch.pipeline import convert  # noqa: E402 - what is measured is made by the tests' own means
from converted import import_model  # noqa: E402
from families import FAMILIES, ROTARY  # noqa: E402
from made import kernel_in, made, tensors_of  # noqa: E402
from packed_products import Product, product_of  # noqa: E402
from quantized_weights import Weight  # noqa: E402

HIDDEN = (1024, 2048, 4096, 8192, 16384)
ELEMENTS = 1 << 26
SMALL = 1 << 12
SHOWN = ("silu_mul", "gelu_tanh_mul", "scale_add", "add_layer_norm", "add_rms_norm", "masked_softmax", "rotary")
PACKED = {"uint4 by 32": ("uint4", 32, True), "int8 by output": ("int8", "outputs", False)}
ROWS = (1, 16, 256, 4096)
EPS = 1e-5
L2 = 256 << 20  # bytes that are written between two calls, more than any card's L2 cache


@dataclasses.dataclass(frozen=True)
class Setting:
    """How everything is measured.

    Attributes:
        device: Where.
        dtype: In which type.
        tiny: Whether only the program is tried.
    """

    device: str
    dtype: torch.dtype
    tiny: bool

    def milliseconds(self, function: Callable[[], Any]) -> float:
        """The median time of a call that is warm, on the device alone."""
        for _ in range(3):
            function()
        return statistics.median(self._times(function, 3 if self.tiny else 30))

    def _times(self, function: Callable[[], Any], count: int) -> Iterator[float]:
        if self.device == "cpu":
            for _ in range(count):
                started = time.perf_counter()
                function()
                yield 1000 * (time.perf_counter() - started)
            return
        flush = torch.empty(L2, dtype=torch.int8, device=self.device)
        events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(count)]
        for start, end in events:
            flush.zero_()
            start.record()
            function()
            end.record()
        torch.cuda.synchronize()
        yield from (start.elapsed_time(end) for start, end in events)

    def first_call(self, function: Callable[[], Any]) -> float:
        """Seconds that a first call takes, with all that is compiled for it."""
        started = time.perf_counter()
        function()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started


def say(line: str = "") -> None:
    """Write a line at once: a run takes minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def copy_bandwidth(setting: Setting) -> float:
    """Bytes per second, read and written, of torch's own copy of a large tensor."""
    x = torch.empty(1 << (16 if setting.tiny else 30), dtype=torch.int8, device=setting.device)
    y = torch.empty_like(x)
    return 2 * x.nbytes / setting.milliseconds(lambda: y.copy_(x)) * 1000


# Kernels


def measure_kernels(setting: Setting) -> None:
    """A line for each kernel and size of rows, and for a size at which launching is all that counts."""
    peak = copy_bandwidth(setting)
    say(f"copy: {peak / 1e9:,.0f} GB/s\n")
    say("| kernel | row | elements | of copy | x eager | x compile |")
    say("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in SHOWN:
            operator, _ = kernel_in(made(*FAMILIES[name], Path(folder)))
            rows = (64,) if name in ROTARY else HIDDEN[:1] if setting.tiny else HIDDEN
            for columns in rows:
                for elements in (SMALL,) if setting.tiny else (ELEMENTS, SMALL):
                    say(_kernel_line(setting, name, operator, columns, elements, peak))
    say()


def _kernel_line(setting: Setting, name: str, operator: Any, columns: int, elements: int, peak: float) -> str:
    count = max(elements // columns, 1)
    sizes = {"a": 1, "b": count, "c": columns, "s": count}
    arguments: list[Any] = tensors_of(FAMILIES[name][1], sizes, setting.dtype, setting.device)
    arguments += [EPS] if "eps" in operator.compute.__annotations__ else []
    times, bandwidth = _times_of(setting, operator, arguments)
    return f"| {name} | {columns} | {count * columns} | {bandwidth / peak:.0%} | {_ratios(times)} |"


def _times_of(setting: Setting, operator: Any, arguments: Sequence[Any]) -> tuple[list[float], float]:
    """Milliseconds of a kernel, of its torch function and of that compiled; and the kernel's bytes per second."""
    torch.compiler.reset()
    compiled = torch.compile(operator.compute, fullgraph=True)
    results = operator(*arguments)
    tensors = [each for each in arguments if isinstance(each, torch.Tensor)]
    tensors += [results] if isinstance(results, torch.Tensor) else results
    times = [
        setting.milliseconds(lambda f=function: f(*arguments)) for function in (operator, operator.compute, compiled)
    ]
    return times, sum(each.nbytes for each in tensors) / times[0] * 1000


def _ratios(times: list[float]) -> str:
    """How many times as long all others take as the first."""
    return " | ".join(f"{other / times[0]:.2f}" for other in times[1:])


# Products with packed weights


def measure_products(setting: Setting) -> None:
    """A line for each kind of weight and number of rows, against the reference, and a product with a dense weight."""
    size = 256 if setting.tiny else 4096
    peak = copy_bandwidth(setting)
    say("| packed weight | rows | of copy | x eager | x compile | x dense weight |")
    say("|---|---|---|---|---|---|")
    for name, (dtype, shares, zero) in PACKED.items():
        with tempfile.TemporaryDirectory() as folder:
            product = product_of(Weight(dtype, size, size, shares, zero=zero), Path(folder) / "product.onnx")
            for rows in ROWS[:1] if setting.tiny else ROWS:
                x = torch.randn(rows, size, dtype=setting.dtype, device=setting.device)
                say(f"| {name} | {rows} | {_product_figures(setting, product, x, peak)} |")
    say()


@torch.no_grad()
def _product_figures(setting: Setting, product: Product, x: torch.Tensor, peak: float) -> str:
    times, bandwidth = _times_of(setting, product.operator, product.arguments(x))
    dense = torch.randn(x.shape[1], x.shape[1], dtype=x.dtype, device=x.device)
    times.append(setting.milliseconds(lambda: x @ dense))
    return f"{bandwidth / peak:.0%} | {_ratios(times)}"


# Models


def _transformer(name: str, model: str, result: str, config: str, inputs: tuple[str, ...], **sizes: Any) -> Any:
    """Builds a model of `transformers` by the names of its classes."""
    import transformers
    from zoo import First

    fixed = {"use_cache": False} if name in ("gpt2", "llama") else {}
    settings = getattr(transformers, config)(**sizes)
    return First(getattr(transformers, model)(settings), inputs, result, **fixed).eval()


def _tokens(batch: int, length: int) -> dict[str, torch.Tensor]:
    ones = torch.ones(batch, length, dtype=torch.int64)
    return {"input_ids": torch.randint(0, 99, (batch, length)), "attention_mask": ones}


def _image(batch: int, size: int) -> dict[str, torch.Tensor]:
    return {"pixel_values": torch.randn(batch, 3, size, size)}


TEXT, IMAGE = ("input_ids", "attention_mask"), ("pixel_values",)
MODELS: dict[str, tuple[tuple[Any, ...], dict[str, Any], dict[str, Any], Callable[..., Any]]] = {
    "bert-base": (
        ("bert", "BertModel", "last_hidden_state", "BertConfig", TEXT),
        {},
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64},
        lambda tiny: _tokens(2, 16) if tiny else _tokens(16, 512),
    ),
    "gpt2": (
        ("gpt2", "GPT2LMHeadModel", "logits", "GPT2Config", TEXT),
        {},
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 99},
        lambda tiny: _tokens(2, 16) if tiny else _tokens(8, 1024),
    ),
    "vit-b": (
        ("vit", "ViTModel", "last_hidden_state", "ViTConfig", IMAGE),
        {},
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64},
        lambda tiny: _image(2 if tiny else 64, 224),
    ),
    "llama-1b": (
        ("llama", "LlamaForCausalLM", "logits", "LlamaConfig", TEXT),
        {
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 16,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 32000,
        },
        {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": 99,
        },
        lambda tiny: _tokens(2, 16) if tiny else _tokens(4, 1024),
    ),
    "convnext": (
        ("convnext", "ConvNextModel", "last_hidden_state", "ConvNextConfig", IMAGE),
        {"layer_scale_init_value": 0.1},
        {"hidden_sizes": [16, 32], "depths": [1, 1], "num_stages": 2, "layer_scale_init_value": 0.1},
        lambda tiny: _image(2 if tiny else 64, 224),
    ),
}


def measure_models(setting: Setting, only: str | None) -> None:
    """A line for each model and way to run it."""
    say(
        "| model | eager | + kernels | compile | ORT | eager, graph | + kernels, graph | first call: kernels, compile |"
    )
    say("|---|---|---|---|---|---|---|---|")
    for name in MODELS:
        if only is None or only in name:
            with tempfile.TemporaryDirectory() as folder:
                say(_model_line(setting, name, Path(folder)))


@torch.no_grad()
def _model_line(setting: Setting, name: str, folder: Path) -> str:
    build, sizes, tiny_sizes, make_inputs = MODELS[name]
    torch.manual_seed(0)
    inputs = make_inputs(setting.tiny)
    path = folder / "model.onnx"
    module = _transformer(*build, **(tiny_sizes if setting.tiny else sizes))
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            path,
            dynamo=True,
            input_names=list(inputs),
            verbose=False,
            external_data=not setting.tiny,
        )
    plain, fused = (_loaded(path, folder / kernels, kernels, setting) for kernels in ("none", "triton"))
    moved = {key: _moved(value, setting) for key, value in inputs.items()}
    expected = plain(**moved)  # what all have in common is loaded before first calls are measured
    torch.compiler.reset()
    compiled = torch.compile(copy.deepcopy(plain))
    first = [setting.first_call(lambda model=model: model(**moved)) for model in (fused, compiled)]
    difference = torch.nn.functional.mse_loss(fused(**moved).float(), expected.float()).sqrt().item()
    times = [setting.milliseconds(lambda model=model: model(**moved)) for model in (plain, fused, compiled)]
    ort = _by_runtime(path, inputs, setting)
    graphs = [_by_graph(model, moved, setting) for model in (plain, fused)]
    texts = [*(f"{each:.2f}" for each in times), *("–" if each is None else f"{each:.2f}" for each in (ort, *graphs))]
    texts.append(f"{first[0]:.2f} s, {first[1]:.2f} s")
    return f"| {name} | {' | '.join(texts)} | <!-- rms difference {difference:.1e} -->"


def _loaded(path: Path, folder: Path, kernels: str, setting: Setting) -> torch.nn.Module:
    convert(path, folder, kernels=kernels)
    return import_model(folder).load_model(device=setting.device, dtype=setting.dtype)


def _moved(value: torch.Tensor, setting: Setting) -> torch.Tensor:
    return value.to(setting.device, setting.dtype if value.is_floating_point() else value.dtype)


def _by_runtime(path: Path, inputs: dict[str, torch.Tensor], setting: Setting) -> float | None:
    """ONNX Runtime on CUDA in the file's own float32, where it is installed."""
    if setting.device == "cpu" or importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return None
    session = onnxruntime.InferenceSession(path, providers=["CUDAExecutionProvider"])
    binding = session.io_binding()
    for key, value in inputs.items():
        binding.bind_ortvalue_input(key, onnxruntime.OrtValue.ortvalue_from_numpy(value.numpy(), "cuda", 0))
    for output in session.get_outputs():
        binding.bind_output(output.name, "cuda")

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    for _ in range(3):
        run()
    return statistics.median(1000 * setting.first_call(run) for _ in range(20))


def _by_graph(model: torch.nn.Module, inputs: dict[str, torch.Tensor], setting: Setting) -> float | None:
    """The model as one CUDA graph: what is left when launching costs nothing."""
    if setting.device == "cpu":
        return None
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            model(**inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        model(**inputs)
    return setting.milliseconds(graph.replay)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=["bfloat16", "float16", "float32"], default="bfloat16")
    parser.add_argument("--only", metavar="MODEL", help=f"one of {', '.join(MODELS)}")
    parser.add_argument(
        "--tiny", action="store_true", help="try the program on tiny models; it prints no figures to use"
    )
    options = parser.parse_args()
    if not torch.cuda.is_available() and not options.tiny:
        sys.exit("this benchmark needs a GPU that torch sees, and there is none; --tiny tries the program without")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.float32 if device == "cpu" else getattr(torch, options.dtype)
    setting = Setting(device, dtype, options.tiny)
    card = torch.cuda.get_device_name() if device == "cuda" else "no GPU"
    triton = importlib.util.find_spec("triton") and __import__("triton").__version__
    say(f"{time.strftime('%Y-%m-%d')}, {card}, torch {torch.__version__}, triton {triton}, {dtype}\n")
    if device == "cuda" and not triton:
        sys.exit("without Triton there are no kernels to measure")
    with tempfile.TemporaryDirectory() as cache:  # first calls find nothing that was compiled before
        os.environ |= {"TRITON_CACHE_DIR": f"{cache}/triton", "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor"}
        measure_kernels(setting)
        measure_products(setting)
        measure_models(setting, options.only)


if __name__ == "__main__":
    main()
