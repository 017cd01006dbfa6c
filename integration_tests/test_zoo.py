"""Real models of both exporters, converted, against the modules they were exported from."""

from __future__ import annotations

import copy
import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import onnxgen
import pytest
import torch
from codegen_torch import generate
from converted import Converted, assert_near, run
from torch.export._patches import register_lstm_while_loop_decomposition
from zoo import CASES


@pytest.mark.parametrize("other", [False, True], ids=["exported size", "other size"])
def test_says_what_the_original_says(case: Converted, other: bool) -> None:
    inputs = case.inputs(other=other)
    assert_near(run(case.load(), inputs), run(case.original, inputs))


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_every_parameter_learns(case: Converted, mode: str) -> None:
    model = case.load().train(mode == "train")
    model(*case.inputs().values()).square().sum().backward()
    parameters = dict(model.named_parameters())
    assert parameters
    assert all(parameter.requires_grad for parameter in parameters.values())
    assert [name for name, p in parameters.items() if p.grad is None or not p.grad.isfinite().all()] == []


def test_runs_on_meta(case: Converted) -> None:
    inputs = case.inputs()
    model = case.load(device="meta")
    assert {tensor.device.type for tensor in [*model.parameters(), *model.buffers()]} == {"meta"}
    result = run(model, {name: tensor.to("meta") for name, tensor in inputs.items()})
    assert result.device.type == "meta"
    assert result.shape == run(case.original, inputs).shape


def test_runs_in_bfloat16(case: Converted) -> None:
    inputs = {name: x.bfloat16() if x.is_floating_point() else x for name, x in case.inputs().items()}
    result = run(case.load(dtype=torch.bfloat16), inputs)
    assert result.dtype == torch.bfloat16
    assert result.isfinite().all()
    wanted = run(case.original, case.inputs())
    assert (result.float() - wanted).abs().max() <= 0.1 * wanted.abs().max()


@pytest.fixture
def traceable_rnn(case: Converted) -> Iterator[None]:
    """Lets torch trace its own nn.LSTM.

    Dynamo refuses every nn.LSTM unless told otherwise, and `torch.export` unrolls it over the length it sees, but for
    the context that `torch.onnx.export` enters too. That works only where torch has not dispatched an LSTM before.
    """
    torch._dynamo.reset()
    torch.ops.aten.lstm.input._dispatch_cache.clear()
    with torch._dynamo.config.patch(allow_rnn=case.entry.name == "lstm"), register_lstm_while_loop_decomposition():
        yield
    torch.ops.aten.lstm.input._dispatch_cache.clear()


@pytest.mark.usefixtures("traceable_rnn")
@pytest.mark.filterwarnings("ignore:_check_is_size:FutureWarning")
def test_compiles_whole(case: Converted) -> None:
    model = case.load()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    for other in (False, True):
        inputs = case.inputs(other=other)
        assert_near(run(compiled, inputs), run(model, inputs))


@pytest.mark.usefixtures("traceable_rnn")
@pytest.mark.filterwarnings("ignore:The tensor attributes self.lstm:UserWarning", "ignore:_check_is_size:FutureWarning")
def test_exports_with_free_sizes(case: Converted) -> None:
    model = case.load()
    dims: dict[str, torch.export.Dim] = {}
    shapes = tuple(
        {axis: dims.setdefault(dim, torch.export.Dim(dim, min=2, max=64)) for axis, dim in axes.items()}
        for axes in case.entry.dynamic.values()
    )
    with torch.no_grad():
        program = torch.export.export(model, tuple(case.inputs().values()), dynamic_shapes=shapes)
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    inputs = case.inputs(other=True)
    assert_near(run(torch.export.load(file).module(), inputs), run(model, inputs))


def test_the_weights_file_is_the_state(case: Converted) -> None:
    weights = onnxgen.load_weights(case.folder / "weights.msgpack")
    weights |= {key: weights[owner] for key, owner in case.report.tied.items()}
    model = case.module.Model()
    model.load_state_dict(weights, strict=True)
    inputs = case.inputs()
    assert_near(run(model.eval(), inputs), run(case.original, inputs))
    key, tensor = weights.popitem()
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_state_dict(weights, strict=True)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        model.load_state_dict({**weights, key: tensor, "stranger": tensor}, strict=True)


def test_a_copy_is_independent(case: Converted) -> None:
    model, inputs = case.load(), case.inputs()
    before = run(model, inputs)
    other = copy.deepcopy(model)
    assert [name for name, _ in other.named_parameters()] == [name for name, _ in model.named_parameters()]
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert torch.equal(run(model, inputs), before)
    assert not torch.equal(run(other, inputs), before)


def test_the_report_counts(case: Converted) -> None:
    model = case.load()
    assert case.report.tensors == len(onnxgen.load_weights(case.folder / "weights.msgpack"))
    assert case.report.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert case.report.keys.keys() >= {name for name, _ in model.named_parameters()}
    assert case.report.class_name == type(model).__name__


DIGESTS = """
import hashlib, pathlib, sys, tempfile
from codegen_torch.pipeline import convert
for path in sys.argv[1:]:
    with tempfile.TemporaryDirectory() as folder:
        for file in convert(path, folder).files:
            print(pathlib.Path(path).name, file.name, hashlib.sha256(file.read_bytes()).hexdigest())
"""


def test_bytes_do_not_depend_on_the_hash_seed(converted: Callable[[str, str], Converted]) -> None:
    cases = [converted(*names) for names in CASES]

    def digests(seed: str) -> list[str]:
        command = [sys.executable, "-c", DIGESTS, *(case.path for case in cases)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()

    here = [
        f"{case.path.name} {file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}"
        for case in cases
        for file in case.report.files
    ]
    assert digests("1") == here
    assert digests("2") == here


RULES = ["--extend-select", "N,UP,SIM,RET,PIE", "--ignore", "N812"]  # N812: torch.nn.functional is F to everybody


@pytest.mark.parametrize("command", [["check", *RULES], ["format", "--check"]], ids=["check", "format"])
def test_the_source_is_clean(converted: Callable[[str, str], Converted], tmp_path: Path, command: list[str]) -> None:
    sources = [converted(*names).folder / "model.py" for names in CASES]
    ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", *sources]
    done = subprocess.run(ruff, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_the_types_are_right(converted: Callable[[str, str], Converted], tmp_path: Path) -> None:
    """mypy as it is by default; neither msgpack nor triton publishes types."""
    for name, exporter in CASES:
        case = converted(name, exporter)
        written = generate(case.path, kernels="triton")
        texts = {"plain": case.source, "triton": written.text, "kernels": written.kernels}
        for kind, text in texts.items():
            if text:
                (tmp_path / f"{name}_{exporter}_{kind}.py").write_text(text, encoding="utf-8")
    sources = sorted(tmp_path.glob("*.py"))
    mypy = [sys.executable, "-m", "mypy", "--ignore-missing-imports", "--cache-dir", tmp_path / "cache", *sources]
    done = subprocess.run(mypy, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
