"""A conversion that is not written: the same source, and what belongs to it."""

from __future__ import annotations

from pathlib import Path

import onnx_proto
from samples import call, made, weights

from codegen_torch import convert, generate
from codegen_torch.report import SourceModule

BLOCK = made(
    [
        call("Gemm", "x w0 b0", "h", "block/fc", "Block", "Linear"),
        call("Relu", "h", "a", "block/act", "Block", "ReLU"),
        call("Sin", "a", "s", "block", "Block"),
        call("Mul", "s s", "m"),
        call("Gemm", "m w1 b1", "y", "head", "Linear"),
    ],
    weights(w0=[4, 4], b0=[4], w1=[4, 4], b1=[4]),
)


def saved(folder: Path) -> Path:
    onnx_proto.save(BLOCK, folder / "net.onnx")
    return folder / "net.onnx"


def test_it_is_what_a_conversion_writes(tmp_path: Path) -> None:
    path = saved(tmp_path)
    generated = generate(path)
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]
    report = convert(path, tmp_path / "out")
    assert generated.text == (tmp_path / "out" / "model.py").read_text("utf-8")
    assert generated.report.source_map == report.source_map
    assert generated.report.files == ()
    assert list(generated.tensors) == ["block.fc.bias", "block.fc.weight", "head.bias", "head.weight"]
    assert list(generated.inputs) == [path]


def test_the_modules_and_what_each_does_itself(tmp_path: Path) -> None:
    assert generate(saved(tmp_path)).report.modules == [
        SourceModule("", "Net", (3,)),
        SourceModule("block", "Block", (1, 2)),
        SourceModule("block.fc", "nn.Linear", (0,)),
        SourceModule("head", "nn.Linear", (4,)),
    ]


def test_the_types_of_values(tmp_path: Path) -> None:
    types = generate(saved(tmp_path)).types()
    assert types["h"] == "float32[batch, 4]"
    assert types["w0"] == "float32[4, 4]"
