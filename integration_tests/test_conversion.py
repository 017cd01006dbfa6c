"""What a conversion touches, refuses and leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxgen
import pytest
import torch
from click.testing import CliRunner, Result
from codegen_torch.errors import InvalidModelError, OutputExistsError, UnsupportedError
from codegen_torch.pipeline import convert
from converted import import_model
from onnx import TensorProto, helper, numpy_helper
from onnxgen.commands import cli

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def save(
    path: Path, nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray] | None = None, opset: int = 20
) -> Path:
    """Writes a model from ``x``, floats of ``[batch, 4]``, to ``y``."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    initializers = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "graph", [x], [y], initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9), path)
    return path


def linear(path: Path, factor: float) -> Path:
    """Writes a model that multiplies by a weight matrix of one value."""
    return save(path, [helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": np.full((4, 3), factor, np.float32)})


def unsupported(path: Path) -> Path:
    """Writes a model of two operators that do not exist, one of them twice, and one that does."""
    ops = ["Frobnicate", "Relu", "Defenestrate", "Frobnicate"]
    names = ["x", "a", "b", "c", "y"]
    steps = zip(ops, names, names[1:], strict=False)
    return save(path, [helper.make_node(op, [x], [y], name=f"node_{y}") for op, x, y in steps])


def test_converting_a_large_model_imports_neither_torch_nor_onnx(tmp_path: Path) -> None:
    script = (
        "import sys, onnxgen\n"
        f"report = onnxgen.convert({str(LIGHT / 'light_resnet50.onnx')!r}, 'out')\n"
        "print(report.parameters, {'torch', 'onnx', 'rich'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "25557032 set()\n"
    assert (tmp_path / "out" / "weights.msgpack").stat().st_size > 4 * 25_557_032


def test_a_conversion_leaves_two_files(tmp_path: Path) -> None:
    report = convert(linear(tmp_path / "linear.onnx", 1), tmp_path / "out")
    assert sorted(report.files) == sorted((tmp_path / "out").iterdir())
    assert [path.name for path in report.files] == ["model.py", "weights.msgpack"]


def test_every_obstacle_is_named_and_nothing_written(tmp_path: Path) -> None:
    path = unsupported(tmp_path / "strange.onnx")
    with pytest.raises(UnsupportedError) as caught:
        convert(path, tmp_path / "out")
    found = [(obstacle.op, obstacle.version, obstacle.node) for obstacle in caught.value.obstacles]
    assert found == [("Frobnicate", 20, "node_a"), ("Defenestrate", 20, "node_c"), ("Frobnicate", 20, "node_y")]
    assert not (tmp_path / "out").exists()


def test_an_unsupported_model_exits_with_3(tmp_path: Path) -> None:
    result = run("convert", unsupported(tmp_path / "strange.onnx"), "-o", tmp_path / "out")
    assert result.exit_code == 3
    assert all(
        word in result.stderr for word in ("strange.onnx", "Frobnicate", "Defenestrate", "node_a", "node_y", "2×")
    )
    assert not (tmp_path / "out").exists()


def test_an_operator_outside_its_range_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "late.onnx", [helper.make_node("Relu", ["x"], ["y"])], opset=99)
    with pytest.raises(UnsupportedError, match="Relu"):
        convert(path, tmp_path / "out")


def test_a_model_that_contradicts_itself_is_invalid(tmp_path: Path) -> None:
    path = save(tmp_path / "loose.onnx", [helper.make_node("Relu", ["x"], ["z"])])
    with pytest.raises(InvalidModelError, match=r"loose\.onnx.*'y'"):
        convert(path, tmp_path / "out")
    result = run("convert", path, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "defect" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    path = linear(tmp_path / "linear.onnx", 1)
    theirs = tmp_path / "out" / "model.py"
    theirs.parent.mkdir()
    theirs.write_text("mine = True\n")
    with pytest.raises(OutputExistsError, match=r"model\.py"):
        convert(path, tmp_path / "out")
    assert theirs.read_text() == "mine = True\n"
    assert list(theirs.parent.iterdir()) == [theirs]
    convert(path, tmp_path / "out", force=True)
    assert "class " in theirs.read_text()
    convert(path, tmp_path / "out")


def test_two_models_live_in_one_process(tmp_path: Path) -> None:
    x = torch.ones(5, 4)
    models = {}
    for factor in (2.0, 3.0):
        folder = tmp_path / str(factor)
        convert(linear(tmp_path / "linear.onnx", factor), folder)
        models[factor] = import_model(folder).load_model()
    for factor, model in models.items():
        assert torch.equal(model(x), torch.full((5, 3), 4 * factor))
    assert len({type(model) for model in models.values()}) == 2


def test_a_generated_model_stands_alone(tmp_path: Path) -> None:
    convert(linear(tmp_path / "linear.onnx", 2), tmp_path / "out")
    script = (
        "import sys\nfrom model import Model, load_model\nmodel = load_model()\n"
        "ours = {'codegen_torch', 'dataflow_ir', 'onnx', 'onnx_proto', 'onnxgen'}\n"
        "print(isinstance(model, Model), model.training, *ours & sys.modules.keys())"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path / "out")
    assert done.stdout == "True False\n"


def test_load_model_and_load_weights(tmp_path: Path) -> None:
    path = linear(tmp_path / "linear.onnx", 2)
    model = onnxgen.load_model(path, tmp_path / "kept", dtype=torch.float64)
    assert torch.equal(model(torch.ones(2, 4, dtype=torch.float64)), torch.full((2, 3), 8, dtype=torch.float64))
    weights = onnxgen.load_weights(tmp_path / "kept" / "weights.msgpack")
    assert weights.keys() == model.state_dict().keys()
    (weight,) = weights.values()
    assert torch.equal(weight, torch.full((3, 4), 2.0))
    assert torch.equal(onnxgen.load_model(path)(torch.ones(2, 4)), torch.full((2, 3), 8.0))


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_weights_keep_their_type(tmp_path: Path, dtype: type[np.floating]) -> None:
    x = helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), ["batch", 4])
    y = helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)
    weight = numpy_helper.from_array(np.full((4, 3), 2, dtype), "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "graph", [x], [y], [weight])
    path = tmp_path / "narrow.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)
    given = torch.from_numpy(np.ones((2, 4), dtype))
    assert torch.equal(onnxgen.load_model(path)(given), torch.full((2, 3), 8, dtype=given.dtype))
