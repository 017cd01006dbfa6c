"""``onnxgen verify``: good models agree, and where one is not good, the report points at the place."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_proto
import pytest
from click.testing import CliRunner, Result
from codegen_torch.pipeline import convert
from codegen_torch.weights_files import read_weights
from converted import DIGITS, Converted
from onnx_proto.build import graph, model, node, tensor, value
from onnxgen.commands import cli
from onnxgen.verification.verify import verify
from zoo import ZOO

MODELS = [
    pytest.param(
        name, exporter, marks=() if name in ("bert", "lstm", "unet") and exporter == "dynamo" else pytest.mark.long
    )
    for name, entry in ZOO.items()
    for exporter in entry.exporters
]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


def alter(folder: Path, key: str) -> None:
    """Changes one weight."""
    ref = read_weights(folder / "weights.msgpack")[key]
    offset, length = ref.parts[0]
    with (folder / "weights.msgpack").open("r+b") as file:
        file.seek(offset)
        changed = np.frombuffer(file.read(length), "<f4") * np.float32(1.5) + np.float32(0.1)
        file.seek(offset)
        file.write(changed.tobytes())


@pytest.mark.parametrize(("name", "exporter"), MODELS)
def test_models_agree_in_every_value_on_the_way(
    name: str, exporter: str, converted: Callable[[str, str], Converted]
) -> None:
    made = converted(name, exporter)
    result = verify(made.path, made.folder)
    assert result.agrees
    assert result.sameness == "same"
    assert [run.skipped for run in result.runs] == ["", "", ""]
    assert len({run.sizes for run in result.runs}) == 3
    first = result.runs[0]
    assert first.unseen == ""
    assert [each.name for each in first.inner if not each.comparison.agrees] == []
    # Whatever a layer with weights gives is a value of the file, and is compared.
    layers = {key.rpartition(".")[0] for key in made.report.keys}
    values = {each.value for each in made.report.counterparts if each.path in layers and not each.text}
    assert values <= {each.name for each in first.inner}
    assert len(first.inner) >= 3


@pytest.mark.parametrize(
    ("name", "key", "line"),
    [
        ("bert", "model.bert.encoder.layer.1.intermediate.dense.weight", "F.gelu(self.dense(x))"),
        ("bert", "model.bert.encoder.layer.2.attention.self.value.bias", "self.value(x)"),
        ("unet", "up2.weight", "self.up2("),
    ],
)
def test_an_altered_weight_is_found(
    name: str, key: str, line: str, converted: Callable[[str, str], Converted], tmp_path: Path
) -> None:
    made = converted(name, "dynamo")
    folder = copied(made.folder, tmp_path / "altered")
    alter(folder, key)
    result = verify(made.path, folder)
    assert not result.agrees
    assert result.located is not None
    first = result.located.first
    assert first is not None
    assert first.path == key.rpartition(".")[0]
    assert key in first.keys
    assert line in first.source
    assert (folder / "model.py").read_text("utf-8").splitlines()[first.line - 1].strip() == first.source
    assert result.located.histogram is not None
    assert result.located.histogram.name == first.name


def test_what_the_terminal_shows(digits: Path, tmp_path: Path) -> None:
    result = run("verify", DIGITS, digits)
    assert result.exit_code == 0, result.output
    assert "byte for byte" in result.stdout
    assert "26 values  all agree" in result.stdout
    assert result.stdout.endswith("\nThe generated model computes what the file says.\n")
    assert result.stderr == ""
    folder = copied(digits, tmp_path / "altered")
    alter(folder, "layer2.0.conv1.weight")
    result = run("verify", DIGITS, folder)
    assert result.exit_code == 4
    assert "module    layer2.0.conv1\n" in result.stdout
    assert "weights   layer2.0.conv1.weight, layer2.0.conv1.bias\n" in result.stdout
    assert result.stdout.endswith("\nThe generated model does not compute what the file says.\n")
    assert "every value" not in result.stdout.lower()
    assert run("verify", DIGITS, folder, "--html", tmp_path / "report.html").exit_code == 4
    assert "layer2.0.conv1.weight" in (tmp_path / "report.html").read_text("utf-8")
    assert "Every value, at batch 2" in run("verify", "-v", DIGITS, folder).stdout


def test_what_does_not_reach_an_output_is_told(converted: Callable[[str, str], Converted], tmp_path: Path) -> None:
    # A softmax does not notice what is added to all scores of a row, and so the bias of the keys.
    made = converted("bert", "dynamo")
    folder = copied(made.folder, tmp_path / "altered")
    alter(folder, "model.bert.encoder.layer.2.attention.self.key.bias")
    result = run("verify", made.path, folder)
    assert result.exit_code == 0
    assert "module    model.bert.encoder.layer.2.attention.self.key\n" in result.stdout
    assert result.stdout.endswith("\nThe outputs agree; values on the way differ.\n")


def test_json(digits: Path) -> None:
    told = json.loads(run("verify", DIGITS, digits, "--json", "--seed", "3").stdout)
    assert told["agrees"] is True
    assert told["inputs"] == "made up, seed 3"
    assert [each["outputs"][0]["comparison"]["agrees"] for each in told["runs"]] == [True, True, True]
    assert told["runs"][0]["inner"][0]["operator"] == "Conv"


def test_the_reference_says_the_same(digits: Path) -> None:
    result = run("verify", DIGITS, digits, "--against", "reference")
    assert result.exit_code == 0, result.output
    assert "26 values  all agree" in result.stdout


def test_convert_and_verify_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("convert", "--verify", DIGITS)
    assert result.exit_code == 0, result.output
    assert "The generated model computes what the file says." in result.stdout
    assert run("convert", "--verify", "-q", DIGITS).output == ""


def test_parts_and_models_that_return_more(converted: Callable[[str, str], Converted], tmp_path: Path) -> None:
    file = converted("bert", "dynamo").path
    layer = "model.bert.encoder.layer.1"
    result = run("convert", file, "-o", tmp_path / "more", "--intermediate", layer, "--verify")
    assert result.exit_code == 0, result.output
    assert "layer_norm_4" in result.stdout
    assert run("extract", file, "-o", tmp_path / "part", "--outputs", layer).exit_code == 0
    for folder in ("more", "part"):
        found = verify(file, tmp_path / folder)
        assert (found.agrees, found.sameness) == (True, "same")
        assert [each.name for each in found.runs[0].outputs][-1] == "layer_norm_4"
        assert len(found.runs[0].inner) > 40


def test_kernels_are_part_of_the_source(converted: Callable[[str, str], Converted], tmp_path: Path) -> None:
    file = converted("bert", "dynamo").path
    convert(file, tmp_path, kernels="triton")
    result = verify(file, tmp_path)
    assert (result.agrees, result.sameness) == (True, "same")
    (tmp_path / "kernels.py").write_text((tmp_path / "kernels.py").read_text("utf-8") + "\n", "utf-8")
    assert verify(file, tmp_path).sameness == "edited"


@pytest.mark.parametrize("weights", ["msgpack", "safetensors"])
def test_an_edited_source_is_compared_by_its_outputs(weights: str, tmp_path: Path) -> None:
    convert(DIGITS, tmp_path, weights=weights, name="Reader")
    assert verify(DIGITS, tmp_path).sameness == "same"
    file = tmp_path / "model.py"
    text = file.read_text("utf-8")
    file.write_text(text.replace("digits.onnx.\n", "numbers.onnx.\n", 1), "utf-8")
    assert verify(DIGITS, tmp_path).sameness == "docstring"
    file.write_text(text.replace("F.relu(self.stem(images))", "self.stem(images).relu()"), "utf-8")
    result = verify(DIGITS, tmp_path)
    assert (result.agrees, result.sameness, result.runs[0].inner) == (True, "edited", [])
    file.write_text(text.replace("F.relu(self.stem(images))", "self.stem(images)"), "utf-8")
    told = run("verify", DIGITS, tmp_path)
    assert told.exit_code == 4
    assert "outputs alone are compared" in told.stdout


def test_a_model_that_fails_says_where(digits: Path, tmp_path: Path) -> None:
    folder = copied(digits, tmp_path / "broken")
    text = (folder / "model.py").read_text("utf-8").replace(".mean((2, 3))", ".mean((2, 9))")
    (folder / "model.py").write_text(text, "utf-8")
    line = next(number for number, each in enumerate(text.splitlines(), 1) if ".mean((2, 9))" in each)
    result = run("verify", DIGITS, folder)
    assert result.exit_code == 4
    assert f"fails: model.py:{line}: IndexError" in result.stdout


def test_given_inputs(digits: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", images=np.zeros((5, 1, 8, 8), np.float32))
    result = run("verify", DIGITS, digits, "--inputs", tmp_path / "inputs.npz")
    assert result.exit_code == 0, result.output
    assert "as given" in result.stdout
    assert run("verify", DIGITS, digits, "--inputs", "x.npz", "--seed", "1").exit_code == 2
    np.savez(tmp_path / "inputs.npz", pictures=np.zeros((5, 1, 8, 8), np.float32))
    result = run("verify", DIGITS, digits, "--inputs", tmp_path / "inputs.npz")
    assert result.exit_code == 1
    assert "has the inputs pictures, and the model takes images" in result.stderr


def saved(folder: Path, source: onnx_proto.Model) -> Path:
    onnx_proto.save(source, folder / "net.onnx")
    convert(folder / "net.onnx", folder / "net")
    return folder / "net.onnx"


def test_random_numbers_are_not_compared(tmp_path: Path) -> None:
    nodes = [node("RandomNormalLike", ["x"], ["r"]), node("Add", ["x", "r"], ["y"]), node("Neg", ["x"], ["z"])]
    source = graph(nodes, [value("x", "float32", ["n", 4])], ["y", "z"])
    path = saved(tmp_path, model(source, opset_imports=17))
    result = run("verify", path, tmp_path / "net")
    assert result.exit_code == 0, result.output
    assert "not comparable: RandomNormalLike is random" in result.stdout
    assert "agrees with the file where they can be compared" in result.stdout


def test_branches_narrow_floats_and_integers(tmp_path: Path) -> None:
    then = graph([node("Neg", ["h"], ["t"])], [], ["t"])
    orelse = graph([node("Add", ["h", "h"], ["e"])], [], ["e"])
    nodes = [
        node("Abs", ["x"], ["h"]),
        node("If", ["c"], ["i"], attributes={"then_branch": then, "else_branch": orelse}),
        node("Cast", ["i"], ["b"], attributes={"to": 16}),
        node("ArgMax", ["i"], ["k"], attributes={"axis": 1}),
        node("Shape", ["x"], ["s"]),
    ]
    inputs = [value("x", "float32", ["n", 4]), value("c", "bool", [])]
    path = saved(tmp_path, model(graph(nodes, inputs, ["b", "k", "s"]), opset_imports=17))
    for against in ("onnxruntime", "reference"):
        result = verify(path, tmp_path / "net", against=against)
        assert result.agrees
        assert result.runs[0].outputs[0].comparison.tolerance == 0.05
        assert result.runs[0].outputs[1].comparison.tolerance == 0
        assert {"h", "k"} <= {each.name for each in result.runs[0].inner}


def in_branches() -> onnx_proto.Model:
    """A choice in a choice, with weights of their own, one name in several branches, and a loop in one of them."""
    body = graph(
        [node("Mul", ["a", "t"], ["b"]), node("Identity", ["go"], ["on"])],
        [value("i", "int64", []), value("go", "bool", []), value("a", "float32", ["n", 4])],
        ["on", "b"],
    )
    far = graph(
        [
            node("MatMul", ["t", "v"], ["u"], name="far"),
            node("Loop", ["k", "yes", "u"], ["t2"], attributes={"body": body}),
        ],
        [],
        ["t2"],
        [tensor("v", np.full((4, 4), 0.5, np.float32))],
    )
    near = graph([node("Abs", ["t"], ["u"]), node("Neg", ["u"], ["t2"])], [], ["t2"])
    then = graph(
        [
            node("MatMul", ["h", "w"], ["m"]),
            node("Sin", ["m"], ["t"]),
            node("If", ["d"], ["r"], attributes={"then_branch": far, "else_branch": near}),
        ],
        [],
        ["r"],
        [tensor("w", np.linspace(-1, 2, 16, dtype=np.float32).reshape(4, 4))],
    )
    orelse = graph([node("Cos", ["h"], ["m"]), node("Exp", ["m"], ["t"])], [], ["t"])
    nodes = [
        node("Abs", ["x"], ["h"]),
        node("If", ["c"], ["z"], name="choice", attributes={"then_branch": then, "else_branch": orelse}),
        node("Neg", ["z"], ["y"]),
    ]
    inputs = [value("x", "float32", ["n", 4]), value("c", "bool", []), value("d", "bool", [])]
    tensors = [tensor("k", np.array(2, np.int64)), tensor("yes", np.array(True))]
    return model(graph(nodes, inputs, ["y"], tensors), opset_imports=17)


@pytest.mark.parametrize("against", ["onnxruntime", "reference"])
@pytest.mark.parametrize(
    ("c", "d", "inside", "not_run"),
    [
        (
            True,
            True,
            {"m in then_branch of z", "t in then_branch of z", "u in then_branch of r in then_branch of z"},
            4,
        ),
        (
            True,
            False,
            {
                "m in then_branch of z",
                "t in then_branch of z",
                "u in else_branch of r in then_branch of z",
                "t2 in else_branch of r in then_branch of z",
            },
            4,
        ),
        (False, True, {"m in else_branch of z", "t in else_branch of z"}, 7),
    ],
)
def test_values_in_branches_that_run(
    c: bool, d: bool, inside: set[str], not_run: int, against: str, tmp_path: Path
) -> None:
    path = saved(tmp_path, in_branches())
    np.savez(tmp_path / "in.npz", x=np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4), c=c, d=d)
    result = verify(path, tmp_path / "net", inputs=tmp_path / "in.npz", against=against)
    assert result.agrees
    (only,) = result.runs
    assert only.unseen == ""
    assert all(each.comparison.agrees for each in only.inner)
    assert {each.name for each in only.inner if " in " in each.name} == inside
    assert only.not_run == not_run
    assert result.notes == [
        f"as given: {not_run} values in branches that did not run",
        "2 values in loops, new in each iteration, not compared: what the loops give is",
    ]


def test_a_value_in_a_branch_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, in_branches())
    np.savez(tmp_path / "in.npz", x=np.ones((2, 4), np.float32), c=True, d=True)
    (key,) = (key for key, ref in read_weights(tmp_path / "net" / "weights.msgpack").items() if is_half(ref))
    alter(tmp_path / "net", key)
    result = run("verify", path, tmp_path / "net", "--inputs", tmp_path / "in.npz")
    assert result.exit_code == 4, result.output
    told = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "value u in then_branch of r in then_branch of z" in told
    assert "node 1, MatMul, far" in told
    (line,) = (line for line in told if line.startswith("source model.py:"))
    number, text = line.removeprefix("source model.py:").split(": ", 1)
    assert (tmp_path / "net" / "model.py").read_text("utf-8").splitlines()[int(number) - 1].strip() == text


def is_half(ref: object) -> bool:
    return bool((ref.numpy() == 0.5).all())


def test_scalars_stay_scalars(tmp_path: Path) -> None:
    source = graph([node("Neg", ["x"], ["y"])], [value("x", "float32", [])], ["y"])
    path = saved(tmp_path, model(source, opset_imports=17))
    for against in ("onnxruntime", "reference"):
        (output,) = verify(path, tmp_path / "net", against=against).runs[0].outputs
        assert output.comparison.agrees
        assert output.comparison.wanted.shape == ()


def test_types_that_the_runtime_does_not_give(tmp_path: Path) -> None:
    source = graph([node("Cast", ["x"], ["y"], attributes={"to": 22})], [value("x", "float32", [4])], ["y"])
    path = saved(tmp_path, model(source, opset_imports=21))
    result = run("verify", path, tmp_path / "net")
    assert result.exit_code == 1
    assert "values of type int4: use --against reference" in result.stderr
    assert run("verify", path, tmp_path / "net", "--against", "reference").exit_code == 0


def test_sizes_that_the_file_does_not_take_are_skipped(tmp_path: Path) -> None:
    weight = tensor("w", np.ones((2, 4), np.float32))
    nodes = [node("Add", ["x", "w"], ["y"])]
    path = saved(tmp_path, model(graph(nodes, [value("x", "float32", ["n", 4])], ["y"], [weight]), opset_imports=17))
    result = run("verify", path, tmp_path / "net")
    assert result.exit_code == 0, result.output
    assert "skipped: onnxruntime" in result.stdout
    assert "n 3" in result.stdout


def test_what_is_missing_is_named(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("onnxruntime", "onnxgen.verification.by_"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    result = run("verify", DIGITS, digits)
    assert result.exit_code == 1
    assert "verifying needs onnxruntime: pip install 'onnxgen[verify]'" in result.stderr


def test_what_is_no_folder(tmp_path: Path) -> None:
    result = run("verify", DIGITS, tmp_path / "nowhere")
    assert result.exit_code == 1
    assert "model.py: No such file or directory" in result.stderr
    assert "Traceback" not in result.stderr
