"""Whatever a file's strings say, the model computes its numbers, and nothing of them runs."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import onnx
import onnxgen
import pytest
import strings
import torch
from converted import import_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator
from tried import TRIED


def check(folder: Path, seed: int) -> None:
    made, words = strings.model(seed)
    TRIED["files"] += 1
    TRIED["strings"] += words.count
    path = folder / "m.onnx"
    onnx.save(made, path)
    onnxgen.convert(path, folder / "out")
    assert {each.name for each in folder.iterdir()} == {"m.onnx", "out"}
    assert {each.name for each in (folder / "out").iterdir()} == {"model.py", "weights.msgpack"}
    text = (folder / "out" / "model.py").read_text("utf-8")
    assert all(char == "\n" or char.isprintable() for char in text)
    x = np.random.default_rng(seed).normal(size=(3, 4)).astype(np.float32)
    (expected,) = ReferenceEvaluator(plain(made)).run(None, {"x": x})
    found = import_model(folder / "out").load_model()(torch.from_numpy(x))
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    assert not hasattr(builtins, strings.CANARY)


def plain(made: onnx.ModelProto) -> onnx.ModelProto:
    """The same network under harmless names, for a reference that is to compute and not to be attacked."""
    names: dict[str, str] = {made.graph.input[0].name: "x", "": ""}
    domains = {"": ""}
    copy = onnx.ModelProto()
    copy.CopyFrom(made)

    def rename(name: str) -> str:
        return names.setdefault(name, f"v{len(names)}")

    for each in [*copy.graph.input, *copy.graph.output, *copy.graph.initializer]:
        each.name = rename(each.name)
    for nodes in (copy.graph.node, copy.functions[0].node):
        for node in nodes:
            node.input[:], node.output[:] = map(rename, node.input), map(rename, node.output)
            if node.domain:
                node.op_type, node.domain = "Call", domains.setdefault(node.domain, "own")
    function = copy.functions[0]
    function.input[:], function.output[:] = map(rename, function.input), map(rename, function.output)
    function.name, function.domain = "Call", "own"
    for opset in copy.opset_import:
        opset.domain = domains.get(opset.domain, "own")
    return copy


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1 << 32))
def test_hostile_strings_everywhere(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    check(tmp_path_factory.mktemp("strings"), seed)


@pytest.mark.long
def test_many_more_hostile_strings(tmp_path_factory: pytest.TempPathFactory) -> None:
    for seed in range(1000):
        check(tmp_path_factory.mktemp("strings"), seed)


@pytest.mark.parametrize(
    "location", ["../w.bin", "/etc/passwd", "a/../../w.bin", "\x00", "w.bin\n", "~/w", "C:\\w", "."]
)
def test_an_external_location_leads_nowhere_else(tmp_path: Path, location: str) -> None:
    made, _ = strings.model(1)
    tensor = made.graph.initializer[0]
    tensor.ClearField("float_data")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    (tmp_path / "in").mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(80))
    path = tmp_path / "in" / "m.onnx"
    path.write_bytes(made.SerializeToString())
    with pytest.raises(Exception, match=r".") as caught:
        onnxgen.convert(path, tmp_path / "out")
    assert type(caught.value).__module__.startswith(("onnx_proto", "codegen_torch"))
    assert not (tmp_path / "out").exists()
