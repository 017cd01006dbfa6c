"""Weights in both formats, from the file into the model."""

import os
import subprocess
import sys
from pathlib import Path

import onnxgen
import pytest
import torch
from codegen_torch.errors import ConversionError
from codegen_torch.weights import WeightsFileError
from codegen_torch.weights_files import convert_weights
from converted import import_model

DIGITS = Path(__file__).parent.parent / "packages" / "cli" / "examples" / "digits.onnx"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    onnxgen.convert(DIGITS, folder / "msgpack")
    onnxgen.convert(DIGITS, folder / "safetensors", weights="safetensors")
    return folder


def test_both_formats_give_the_same_model(folder: Path) -> None:
    states = [import_model(folder / name).load_model().state_dict() for name in ("msgpack", "safetensors")]
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_several_files_are_loaded_by_their_index(folder: Path, tmp_path: Path) -> None:
    source = folder / "msgpack" / "weights.msgpack"
    entry = convert_weights(source, tmp_path / "w.safetensors", limit=50_000)[0]
    model = import_model(folder / "safetensors").load_model(entry)
    assert all(torch.equal(tensor, model.state_dict()[key]) for key, tensor in onnxgen.load_weights(source).items())
    assert onnxgen.load_weights(entry).keys() == onnxgen.load_weights(source).keys()


@pytest.mark.parametrize("form", ["msgpack", "safetensors"])
def test_a_type_is_cast_on_the_way_in(folder: Path, form: str) -> None:
    module = import_model(folder / form)
    model, plain = module.load_model(dtype=torch.bfloat16), module.load_model()
    for key, tensor in plain.state_dict().items():
        expected = tensor.bfloat16() if tensor.is_floating_point() else tensor
        assert torch.equal(model.state_dict()[key], expected)


@pytest.mark.parametrize("form", ["msgpack", "safetensors"])
def test_meta_reads_nothing(folder: Path, form: str) -> None:
    model = import_model(folder / form).load_model("there is no such file", device="meta")
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"meta"}


def test_a_damaged_file_is_refused(folder: Path, tmp_path: Path) -> None:
    for form in ("msgpack", "safetensors"):
        raw = (folder / form / f"weights.{form}").read_bytes()
        (tmp_path / f"w.{form}").write_bytes(raw[:-1])
        with pytest.raises(WeightsFileError):
            onnxgen.load_weights(tmp_path / f"w.{form}")


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="there are msgpack, safetensors"):
        onnxgen.convert(DIGITS, tmp_path / "out", weights="pickle")


def test_a_model_with_safetensors_stands_alone(folder: Path) -> None:
    script = "from model import load_model; load_model(); import sys; assert 'onnxgen' not in sys.modules"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", script], cwd=folder / "safetensors", env=environment, check=True)
