"""Whole conversions: what comes out stands alone, whatever names the file has, and is the same every time."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_proto
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx_proto.build import graph, model, node, tensor, value
from samples import body, call, converted, made, weights

from codegen_torch import __version__, convert
from codegen_torch.errors import ConversionError, UnsupportedError
from codegen_torch.package import fingerprint

W = weights(w=[4, 4], b=[4])
SMALL = made([call("Gemm", "x w b", "h", "fc", "Linear"), call("Relu", "h", "y", "act", "ReLU")], W)
MAY_IMPORT = {"math", "mmap", "pathlib", "typing", "msgpack", "torch", "numpy"}


def imported(text: str) -> set[str]:
    names: set[str] = set()
    for statement in ast.walk(ast.parse(text)):
        if isinstance(statement, ast.Import):
            names.update(alias.name.split(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            names.add((statement.module or "").split(".")[0])
    return names


def test_a_model(tmp_path: Path) -> None:
    text, _ = converted(tmp_path, SMALL)
    assert (
        body(text)
        == """class Net(nn.Module):
    output_names = ("y",)

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 4] -> [batch, 4]
        return F.relu(self.fc(x))
"""
    )
    digest = hashlib.sha256((tmp_path / "net.onnx").read_bytes()).hexdigest()
    assert ast.get_docstring(ast.parse(text)) == (
        "Net, generated from net.onnx.\n\n"
        f"source     sha256 {digest[:16]}…; opset 20\n"
        "weights    weights.msgpack: 2 tensors, 20 parameters\n"
        f"generated  by onnxgen {__version__}"
    )
    assert imported(text) <= MAY_IMPORT
    assert "\nModel = Net\n" in text


def test_of_a_large_file_both_ends_are_hashed(tmp_path: Path) -> None:
    path, end = tmp_path / "large", 32 << 20
    with path.open("wb") as file:
        file.truncate(2 * end)
        whole = fingerprint(path)
        file.write(b"a")
        file.seek(2 * end + 8)
        file.write(b"b")
    digest = hashlib.sha256(b"a" + bytes(2 * end - 2) + b"b").hexdigest()
    assert whole == f"sha256 {hashlib.sha256(bytes(2 * end)).hexdigest()[:16]}…"
    assert fingerprint(path) == f"sha256 {digest[:16]}… of the first and last 32 MiB"


EDGES = {
    "an input is an output": (made([call("Relu", "x", "z")], outputs="x z"), "return x, F.relu(x)"),
    "a constant is an output": (
        made([call("Relu", "x", "z")], [tensor("c", np.array([1, 2], np.float32))], outputs="z c"),
        "self.c",
    ),
    "a weight is an output": (made([call("MatMul", "x w", "y")], W, outputs="y w"), "self.w"),
    "one value is two outputs": (
        made([call("Relu", "x", "y"), call("Identity", "y", "z")], outputs="y z"),
        "-> tuple[Tensor, Tensor]:",
    ),
    "inputs are unused": (
        made([call("Relu", "x", "y")], inputs={"a": [1], "x": ["n"], "b": []}),
        "def forward(self, a: Tensor, x: Tensor, b: Tensor) -> Tensor:",
    ),
    "there are no nodes": (made([], outputs="x"), "return x"),
    "there are no inputs": (
        made([call("Relu", "c", "y")], [tensor("c", np.array([1, 2], np.float32))], inputs={}),
        "def forward(self) -> Tensor:",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), EDGES.values(), ids=EDGES)
def test_edges(tmp_path: Path, source: onnx_proto.Model, expected: str) -> None:
    text, _ = converted(tmp_path, source)
    compile(text, "model.py", "exec")
    assert expected in text


HOSTILE = [
    "class", "self",
    "torch", "F", "nn", "Tensor", "print", "len", "dtype", "lambda", "match", "x'); import os; ('",
    '"""', "a\nb", "a\\", "\r\n# ", "\uff41", "\u0430", "x\u202ey", "", " ", "0", "1.5", "__init__", "a.b",
    "a/b", "a_b", "…", "\ud83d",
    "None", "load_model", "device", "x" * 500, "{x}", "%s", "\x00", "`", "$(true)", "output_names", "forward",
]  # fmt: skip
NAMES = st.lists(
    st.one_of(st.sampled_from([name for name in HOSTILE if name]), st.text(min_size=1)),
    min_size=7,
    max_size=7,
    unique=True,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES, st.sampled_from(HOSTILE), st.sampled_from(HOSTILE), st.sampled_from(HOSTILE))
def test_no_name_in_the_file_is_ever_code(tmp_path: Path, names: list[str], title: str, path: str, cls: str) -> None:
    names = [name.encode("utf-8", "replace").decode() for name in names]
    if len(set(names)) < len(names):
        return
    title, path, cls = (text.encode("utf-8", "replace").decode() for text in (title, path, cls))
    left, right, kernel, bias, hidden, result, other = names
    scopes = {
        "pkg.torch.onnx.name_scopes": repr(["", path, "op"]),
        "pkg.torch.onnx.class_hierarchy": repr([cls, cls, "op"]),
    }
    nodes = [
        node("Gemm", [left, kernel, bias], [hidden], name=title, metadata=scopes),
        node("Add", [hidden, right], [result], name=title, metadata=scopes, doc_string=None),
        node("Mul", [result, bias], [other]),
    ]
    tensors = [tensor(kernel, W[0].numpy()), tensor(bias, W[1].numpy())]
    shape: list[int | str | None] = [path or "n", 4]
    source = model(
        graph(
            nodes, [value(left, "float32", shape), value(right, "float32", shape)], [result, other], tensors, name=title
        ),
        opset_imports=20,
        producer_name=title,
    )
    text, _ = converted(tmp_path, source, force=True)
    tree = ast.parse(text)
    assert imported(text) <= MAY_IMPORT
    kinds = {type(statement) for statement in tree.body}
    assert kinds <= {ast.Expr, ast.Import, ast.ImportFrom, ast.ClassDef, ast.Assign, ast.FunctionDef}
    assert [statement.name for statement in tree.body if isinstance(statement, ast.FunctionDef)] == [
        "load_model",
        "load_weights",
        "map_tensor",
    ]
    root = [statement for statement in tree.body if isinstance(statement, ast.ClassDef)][-1]
    assert isinstance(root.body[0], ast.Assign)
    assert ast.literal_eval(root.body[0].value) == (result, other)
    forward = root.body[-1]
    assert isinstance(forward, ast.FunctionDef)
    parameters = [argument.arg for argument in forward.args.args]
    assert len(set(parameters)) == len(parameters) == 3
    assert all(parameter.isascii() for parameter in parameters)


def test_long_names_of_outputs_are_written_over_lines(tmp_path: Path) -> None:
    name = "output_" * 20
    text, _ = converted(tmp_path, made([call("Relu", "x", name)], outputs=name))
    assert f'    output_names = (\n        "{name}",\n    )\n' in text


def test_functions_are_imported_where_they_are_used(tmp_path: Path) -> None:
    text, _ = converted(tmp_path, made([call("Softplus", "x", "a"), call("Neg", "a", "y")]))
    assert "return -F.softplus(x)" in text
    assert "import torch.nn.functional as F" in text


def test_weights_of_other_float_types_are_loaded_as_they_are(tmp_path: Path) -> None:
    half = [tensor("w", W[0].numpy().astype(np.float16)), tensor("b", W[1].numpy().astype(np.float16))]
    source = model(
        graph([node("Gemm", ["x", "w", "b"], ["y"])], [value("x", "float16", ["n", 4])], ["y"], half), opset_imports=20
    )
    text, _ = converted(tmp_path, source)
    assert "tensor.data = tensor.data.to(tensors[key].dtype)" in text
    assert "model.to(dtype=dtype or torch.float16).eval()" in text
    assert "tensor.data" not in converted(tmp_path, SMALL)[0]


def test_the_class_is_called_as_asked(tmp_path: Path) -> None:
    for asked, name in (("Digits", "Digits"), ("my net", "MyNet"), ("Tensor", "Tensor2"), ("Model", "Model")):
        text, report = converted(tmp_path, SMALL, name=asked)
        assert report.class_name == name
        assert f"class {name}(nn.Module):" in text


def test_without_scopes_the_class_is_called_by_the_graph_or_the_file(tmp_path: Path) -> None:
    for title, name in (
        ("my_net-v2", "MyNetV2"),
        ("main_graph", "Net"),
        ("torch_jit", "Net"),
        ("2 nets", "Model"),
        ("…", "Model"),
    ):
        source = model(
            graph([node("Relu", ["x"], ["y"])], [value("x", "float32", [1])], ["y"], name=title), opset_imports=20
        )
        assert converted(tmp_path, source)[1].class_name == name


def test_the_report(tmp_path: Path) -> None:
    nodes = [
        node("Constant", [], ["c"], value=tensor("", np.float32(2))),
        call("Identity", "x", "i"),
        call("Gemm", "i w b", "h", "fc"),
        call("Mul", "h c", "m"),
        call("Relu", "m", "y"),
    ]
    text, report = converted(tmp_path, made(nodes, W))
    lines = text.splitlines()
    assert report.source == tmp_path / "net.onnx"
    assert (report.nodes, report.tensors, report.parameters, report.lines) == (5, 2, 20, len(lines))
    assert report.seconds > 0
    assert report.keys == {"fc.weight": (2,), "fc.bias": (2,)}
    told = {node for line in report.source_map for node in line.nodes}
    assert told == {2, 3, 4}
    assert [lines[line.line - 1].strip() for line in report.source_map] == ["return F.relu(self.fc(x) * 2.0)"]


def test_progress_is_told_from_beginning_to_end(tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    converted(tmp_path, SMALL, progress=lambda *told: calls.append(told))
    stages = [stage for stage, _, _ in calls]
    assert list(dict.fromkeys(stages)) == ["read", "clean", "lower", "simplify", "layers", "modules", "emit", "weights"]
    assert calls[-1] == ("weights", 80, 80)
    assert all(0 <= done <= total for _, done, total in calls)


def test_the_trace_has_the_graph_after_each_stage(tmp_path: Path) -> None:
    converted(tmp_path, SMALL, trace=tmp_path / "deep" / "trace")
    files = {path.name: path.read_text("utf-8") for path in sorted((tmp_path / "deep" / "trace").iterdir())}
    assert list(files) == ["1-lower.txt", "2-simplify.txt", "3-layers.txt"]
    assert "nn.Linear" not in files["1-lower.txt"]
    assert "nn.Linear" in files["3-layers.txt"]


def test_what_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"net\.onnx"):
        converted(tmp_path, made([call("Odd", "x", "y")]))
    assert not (tmp_path / "out").exists()


def test_unknown_formats_of_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="'pickle' is not known"):
        converted(tmp_path, SMALL, weights="pickle")


def test_what_is_no_onnx_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"\x00" * 100)
    with pytest.raises(onnx_proto.OnnxError, match=r"net\.onnx"):
        convert(tmp_path / "net.onnx", tmp_path / "out")


SCRIPT = """
import sys
from codegen_torch import convert
convert(sys.argv[1], sys.argv[2])
assert not {"torch", "onnx"} & sys.modules.keys()
"""


def test_converting_is_the_same_under_every_hash_seed_and_imports_no_torch(tmp_path: Path) -> None:
    nodes = []
    for number in range(3):
        path, given, target = (
            f"blocks.{number}",
            f"x{number}" if number else "x",
            f"x{number + 1}" if number < 2 else "y",
        )
        nodes += [
            call("Gemm", f"{given} w{number} b", f"h{number}", f"{path}/fc", "Block", "Linear"),
            call("LeakyRelu", f"h{number}", f"r{number}", path, "Block", alpha=0.1 * (number + 1)),
            call("Add", f"r{number} {given}", target, path, "Block"),
        ]
    source = made(nodes, weights(w0=[4, 4], w1=[4, 4], w2=[4, 4], b=[4]))
    onnx_proto.save(source, tmp_path / "net.onnx")
    results = []
    for seed in ("0", "4321"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        out = tmp_path / seed
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "net.onnx"), str(out)], env=environment, check=True
        )
        results.append([(path.name, path.read_bytes()) for path in sorted(out.iterdir())])
    assert results[0] == results[1]
