"""``onnxgen convert``, from the arguments to the files."""

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from running import DIGITS, run

import onnxgen

pytestmark = pytest.mark.usefixtures("here")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def one_node(path: Path, op: str, domain: str = "") -> Path:
    """Writes a model of one node that takes and returns ``[2]`` floats."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"], name="the_node", domain=domain)], "graph", [x], [y])
    opsets = [helper.make_opsetid("", 20), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def test_writes_a_folder_called_like_the_model(here: Path) -> None:
    result = run("convert", DIGITS)
    assert result.exit_code == 0, result.output
    assert names(here) == {"digits"}
    assert names(here / "digits") == {"model.py", "weights.msgpack"}
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{DIGITS}: 26 nodes, converted in ")
    assert "22 tensors, 51 402 parameters" in result.stdout
    assert lines[-3:] == ["Load it:", "  from digits.model import load_model", "  model = load_model()"]


def test_a_path_alone_means_convert(here: Path) -> None:
    assert run(DIGITS).exit_code == 0
    assert names(here / "digits") == {"model.py", "weights.msgpack"}


def test_options_may_come_before_the_path(here: Path) -> None:
    assert run("-q", "-o", "out", DIGITS).exit_code == 0
    assert names(here / "out") == {"model.py", "weights.msgpack"}


def test_quiet_says_nothing() -> None:
    assert run("convert", "-q", DIGITS).output == ""


def test_verbose_lists_the_stages() -> None:
    assert "\nStages:\n" in run("convert", "-v", DIGITS).output


def test_json_says_what_was_written(here: Path) -> None:
    said = json.loads(run("convert", "--json", DIGITS).stdout)
    assert said["files"] == ["digits/model.py", "digits/weights.msgpack"]
    assert said["class"] in (here / "digits" / "model.py").read_text()
    assert said["tensors"] == 22
    assert all(change["reason"] and change["keys"] for change in said["changed_keys"])


def test_intermediate_values_are_returned_as_well(here: Path) -> None:
    value = onnx.load(DIGITS).graph.node[3].output[0]
    assert run("convert", DIGITS, "--intermediate", value).exit_code == 0
    text = (here / "digits" / "model.py").read_text()
    assert value in text[text.index("output_names") :].split(")")[0]


def test_a_misspelt_value_is_met_with_near_names(here: Path) -> None:
    value = onnx.load(DIGITS).graph.node[3].output[0]
    result = run("convert", DIGITS, "--intermediate", f"{value}x")
    assert result.exit_code == 1
    assert f"'{value}x' is no value and no module of the model; there is '{value}'" in result.stderr
    assert names(here) == set()


def test_a_fixed_size_is_freed_or_what_resists_is_named(here: Path) -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in "xy")
    for axis, code in ((1, 0), (0, 3)):
        node = helper.make_node("Softmax", ["x"], ["y"], name="the_node", axis=axis)
        graph = helper.make_graph([node], "graph", [x], [y])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), here / "a.onnx")
        result = run("convert", "a.onnx", "--dynamic", "batch")
        assert result.exit_code == code
        assert ("the_node" in result.stderr) == (code == 3)
    assert run("convert", "a.onnx", "--dynamic", "x:7=batch").exit_code == 1


def test_dropouts_come_back_or_it_is_said_that_none_is_told_of(here: Path) -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in "xy")
    relu = helper.make_node("Relu", ["x"], ["r"])
    dropout = helper.make_node("Dropout", ["r"], ["y"], name="/drop/Dropout", ratio=0.3)
    graph = helper.make_graph([relu, dropout], "graph", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=10), here / "a.onnx")
    for share, written in (("0.2", "0.2"), ("file", "0.3"), ("0", "0.0")):
        found = json.loads(run("convert", "a.onnx", "--dropout", share, "--json").stdout)
        assert f"nn.Dropout({written})" in (here / "a" / "model.py").read_text()
        assert found["notes"] == ["1 dropout put back, to drop in training mode alone"]
    result = run("convert", DIGITS, "--dropout", "0.1")
    assert result.exit_code == 0
    assert "note: no dropout was put back: the file tells of none" in result.stdout


def test_a_part_is_extracted(here: Path) -> None:
    graph = onnx.load(DIGITS).graph
    end = graph.node[3].output[0]
    assert run("extract", DIGITS, "--outputs", end, "-o", "part").exit_code == 0
    assert names(here / "part") == {"model.py", "weights.msgpack"}
    result = run("extract", DIGITS, "--inputs", end, "--outputs", graph.node[0].output[0], "-o", "none")
    assert result.exit_code == 1
    assert "depends on" in result.stderr
    assert run("extract", DIGITS).exit_code == 2


def test_the_class_can_be_named(here: Path) -> None:
    assert "class Reader" in run("convert", "--name", "Reader", DIGITS).output
    assert "class Reader(nn.Module):" in (here / "digits" / "model.py").read_text()


def test_the_trace_is_written(here: Path) -> None:
    run("convert", "--trace", "trace", DIGITS)
    texts = [path.read_text() for path in (here / "trace").iterdir()]
    assert len(texts) > 2
    assert all(texts)


def test_converts_again_over_its_own_files(here: Path) -> None:
    run("convert", DIGITS)
    before = (here / "digits" / "model.py").read_bytes()
    assert run("convert", DIGITS).exit_code == 0
    assert (here / "digits" / "model.py").read_bytes() == before


@pytest.mark.parametrize("name", ["model.py", "weights.msgpack"])
def test_a_file_of_somebody_else_stays(here: Path, name: str) -> None:
    (here / "digits").mkdir()
    theirs = here / "digits" / name
    theirs.write_text("mine")
    result = run("convert", DIGITS)
    assert result.exit_code == 1
    assert name in result.stderr
    assert "--force" in result.stderr
    assert theirs.read_text() == "mine"
    assert names(here / "digits") == {name}
    assert run("convert", "--force", DIGITS).exit_code == 0
    assert theirs.read_bytes() != b"mine"


def test_a_missing_file(here: Path) -> None:
    result = run("convert", "nowhere.onnx")
    assert result.exit_code == 1
    assert "nowhere.onnx" in result.stderr
    assert "Traceback" not in result.stderr
    assert names(here) == set()


def test_a_file_that_is_no_model(here: Path) -> None:
    (here / "noise.onnx").write_bytes(bytes(range(256)))
    result = run("convert", "noise.onnx")
    assert result.exit_code == 1
    assert "noise.onnx" in result.stderr
    assert "defect" not in result.stderr
    assert names(here) == {"noise.onnx"}


def test_a_folder_that_is_a_file(here: Path) -> None:
    (here / "out").write_text("mine")
    result = run("convert", DIGITS, "-o", "out")
    assert result.exit_code == 1
    assert "out" in result.stderr
    assert "defect" not in result.stderr


def test_an_unknown_operator(here: Path) -> None:
    model = one_node(here / "strange.onnx", "Frobnicate", "com.example")
    result = run("convert", model)
    assert result.exit_code == 3
    assert "Frobnicate" in result.stderr
    assert "the_node" in result.stderr
    assert names(here) == {"strange.onnx"}


def test_debug_shows_where(here: Path) -> None:
    model = one_node(here / "strange.onnx", "Frobnicate", "com.example")
    result = run("convert", "--debug", model)
    assert result.exit_code == 3
    assert "Traceback" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert"],
        ["convert", "a.onnx", "b.onnx"],
        ["convert", "-q", "-v", "a.onnx"],
        ["convert", "--name", "not a name", "a.onnx"],
        ["convert", "--name", "class", "a.onnx"],
        ["convert", "--weights", "pickle", "a.onnx"],
        ["convert", "--dynamic", "no name", "a.onnx"],
        ["convert", "--dropout", "1", "a.onnx"],
        ["convert", "--dropout", "nan", "a.onnx"],
        ["convert", "--dropout", "a.onnx"],
        ["convrt"],
        ["--frobnicate"],
    ],
)
def test_usage_errors(arguments: list[str], here: Path) -> None:
    assert run(*arguments).exit_code == 2
    assert names(here) == set()


def test_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(onnxgen, "convert", interrupted)
    result = run("convert", DIGITS)
    assert result.exit_code == 130
    assert result.stderr == "onnxgen: interrupted\n"


def test_a_defect_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise IndexError("tuple index out of range")

    monkeypatch.setattr(onnxgen, "convert", broken)
    result = run("convert", DIGITS)
    assert result.exit_code == 1
    assert "IndexError: tuple index out of range" in result.stderr
    assert "defect" in result.stderr
    assert "Traceback" not in result.stderr


def test_converting_imports_neither_torch_nor_onnx(here: Path) -> None:
    script = (
        "import sys, onnxgen\n"
        f"onnxgen.convert({str(DIGITS)!r}, 'out')\n"
        "print(*{'torch', 'onnx', 'rich'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=here)
    assert done.stdout == "\n"
