"""Weights in both formats, from the file into the model."""

import ast
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxgen
import pytest
import torch
from codegen_torch.errors import ConversionError
from codegen_torch.weights import WeightsFileError
from codegen_torch.weights_files import WeightsFiles, convert_weights
from converted import import_model
from safetensors.torch import save_file

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


@pytest.fixture(params=["msgpack", "safetensors", "several"])
def pair(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Folders of two models of one layout; the second has twice the weights of the first."""
    form = "msgpack" if request.param == "msgpack" else "safetensors"
    if request.param == "several":
        monkeypatch.setattr(WeightsFiles, "of", functools.partial(WeightsFiles.of, limit=64))
    for factor in (1, 2):
        weight = onnx.numpy_helper.from_array(np.full((4, 4), factor, np.float32), "first.weight")
        bias = onnx.numpy_helper.from_array(np.full(4, factor, np.float32), "first.bias")
        x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in "xy")
        node = onnx.helper.make_node("Gemm", ["x", "first.weight", "first.bias"], ["y"])
        graph = onnx.helper.make_graph([node], "net", [x], [y], [weight, bias])
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)]), tmp_path / "m.onnx")
        onnxgen.convert(tmp_path / "m.onnx", tmp_path / str(factor), weights=form)
    return tmp_path / "1", tmp_path / "2"


def files_of_weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("weights*"))


def test_weights_of_another_conversion_are_not_taken_for_the_models_own(pair: tuple[Path, Path]) -> None:
    mine, theirs = pair
    model = import_model(mine)
    assert model.load_model()(torch.ones(1, 4)).tolist() == [[5.0] * 4]
    for path in files_of_weights(mine):
        if path.suffix != ".json":
            kept = path.read_bytes()
            path.write_bytes((theirs / path.name).read_bytes())
            with pytest.raises(ValueError, match=f"{path.name} was written with another model.py.*: convert again"):
                model.load_model()
            path.write_bytes(kept)
    # Who names a file means it.
    given = next(path for path in files_of_weights(theirs) if "-of-" not in path.name)
    assert model.load_model(given)(torch.ones(1, 4)).tolist() == [[10.0] * 4]


def test_an_edited_model_loads_its_weights(pair: tuple[Path, Path]) -> None:
    path = pair[0] / "model.py"
    text = path.read_text("utf-8")
    docstring = ast.parse(text).body[0]
    lines = text.replace("return ", "return 2 * ", 1).splitlines(keepends=True)
    path.write_text("".join(lines[docstring.end_lineno :]), "utf-8")
    assert import_model(pair[0]).load_model()(torch.ones(1, 4)).tolist() == [[10.0] * 4]


def test_what_was_trained_takes_the_weights_place(pair: tuple[Path, Path]) -> None:
    """A checkpoint that safetensors wrote has no identity, nor what becomes of it; both load as the model's own."""
    folder = pair[0]
    form = files_of_weights(folder)[0].suffix
    model = import_model(folder).load_model()
    trained = {name: tensor + 1 for name, tensor in model.state_dict().items()}
    for path in files_of_weights(folder):
        path.unlink()
    save_file(trained, folder / "trained.safetensors", metadata={"format": "pt"})
    if form == ".msgpack":
        convert_weights(folder / "trained.safetensors", folder / "weights.msgpack")
    elif "index.json" in (folder / "model.py").read_text("utf-8"):
        places = dict.fromkeys(trained, "trained.safetensors")
        (folder / "weights.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    else:
        (folder / "trained.safetensors").rename(folder / "weights.safetensors")
    assert import_model(folder).load_model()(torch.ones(1, 4)).tolist() == [[10.0] * 4]


def test_commands_say_what_to_do_about_weights_of_another_conversion(pair: tuple[Path, Path]) -> None:
    mine, theirs = pair
    for path in files_of_weights(theirs):
        (mine / path.name).write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "onnxgen", "verify", mine.parent / "m.onnx", mine]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "convert again" in done.stderr
    assert "defect" not in done.stderr


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
