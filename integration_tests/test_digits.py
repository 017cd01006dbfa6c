"""The model of the demo: from its file to the same answers the original gave."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxgen
import pytest
import torch
from onnx import numpy_helper

EXAMPLES = Path(__file__).parent.parent / "packages" / "cli" / "examples"
DIGITS = EXAMPLES / "digits.onnx"


@pytest.fixture(scope="module")
def samples() -> dict[str, torch.Tensor]:
    with np.load(EXAMPLES / "digits_samples.npz") as recorded:
        return {name: torch.from_numpy(recorded[name]) for name in recorded}


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    return onnxgen.load_model(DIGITS)


def test_the_model_says_what_the_original_said(model: torch.nn.Module, samples: dict[str, torch.Tensor]) -> None:
    with torch.no_grad():
        torch.testing.assert_close(model(samples["images"]), samples["logits"], rtol=1e-4, atol=1e-4)


def test_the_model_is_loaded_for_use(model: torch.nn.Module) -> None:
    assert not model.training
    assert type(model).__name__ == "DigitsNet"


def test_the_weights_are_those_of_the_file(model: torch.nn.Module) -> None:
    dotted = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load(DIGITS).graph.initializer
        if "." in tensor.name
    }
    state = model.state_dict()
    assert state.keys() == dotted.keys()
    for name, values in dotted.items():
        np.testing.assert_array_equal(state[name].numpy(), values)


def test_the_source_can_be_read_when_its_folder_is_gone(model: torch.nn.Module) -> None:
    assert not Path(inspect.getfile(type(model))).exists()
    assert inspect.getsource(type(model)).startswith("class DigitsNet(nn.Module):")


def test_models_do_not_meet(model: torch.nn.Module) -> None:
    again = onnxgen.load_model(DIGITS, name="Reader")
    assert type(again).__name__ == "Reader"
    assert type(again).__module__ != type(model).__module__


def test_a_given_folder_is_kept(tmp_path: Path) -> None:
    halved = onnxgen.load_model(DIGITS, tmp_path / "kept", dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in halved.parameters()} == {torch.bfloat16}
    weights = onnxgen.load_weights(tmp_path / "kept" / "weights.msgpack")
    assert weights.keys() == halved.state_dict().keys()
    assert all(tensor.dtype == torch.float32 for tensor in weights.values())


def test_the_demo() -> None:
    done = subprocess.run([sys.executable, EXAMPLES / "demo.py"], check=True, capture_output=True, text=True)
    assert "class ResidualBlock(nn.Module):" in done.stdout
    assert done.stdout.count("read as") == 10
    assert "largest difference to the original's recorded logits" in done.stdout
