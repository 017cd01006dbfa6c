"""Models saved with their large tensors in a file beside them."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from onnx import numpy_helper

import onnx_proto
from onnx_proto import ExternalDataError, Model, OnnxError
from onnx_proto.build import graph, model, node, tensor, value
from onnx_proto.compare import difference
from onnx_proto.external import ExternalData
from onnx_proto.testing import models

WEIGHT = np.arange(3000, dtype=np.float32)


def made() -> Model:
    inner = graph([node("Identity", ["v"], ["z"])], [], ["z"], [tensor("v", WEIGHT * 2)])
    return model(
        graph(
            [node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)],
            [value("c", "bool", [])],
            [value("y", "float32", [3000])],
            [tensor("w", WEIGHT), tensor("b", [1.0, 2.0]), tensor("q", np.zeros(9000, np.int8), "int4")],
        )
    )


def test_large_initializers_lie_in_the_other_file(tmp_path: Path) -> None:
    onnx_proto.save(made(), tmp_path / "m.onnx", external_data="m.data")

    loaded = onnx_proto.load(tmp_path / "m.onnx")
    w, b, q = loaded.graph.initializers
    assert w.external == ExternalData("m.data", 24576, 12000)
    assert b.external is None
    assert q.external == ExternalData("m.data", 36864, 4500)
    assert difference(made(), loaded) is None
    assert (tmp_path / "m.onnx").stat().st_size < 2000
    assert {path.name for path in tmp_path.iterdir()} == {"m.onnx", "m.data"}


def test_onnx_reads_it(tmp_path: Path) -> None:
    onnx_proto.save(made(), tmp_path / "m.onnx", external_data="m.data")

    theirs = onnx.load(tmp_path / "m.onnx")

    onnx.checker.check_model(tmp_path / "m.onnx")
    np.testing.assert_array_equal(numpy_helper.to_array(theirs.graph.initializer[0]), WEIGHT)
    (then_branch, _) = theirs.graph.node[0].attribute
    np.testing.assert_array_equal(numpy_helper.to_array(then_branch.g.initializer[0]), WEIGHT * 2)


@pytest.mark.parametrize(("threshold", "external"), [(0, "wbq"), (8, "wbq"), (9, "wq"), (12000, "w"), (12001, "")])
def test_threshold(tmp_path: Path, threshold: int, external: str) -> None:
    onnx_proto.save(made(), tmp_path / "m.onnx", external_data="m.data", size_threshold=threshold)

    loaded = onnx_proto.load(tmp_path / "m.onnx").graph.initializers
    assert "".join(entry.name for entry in loaded if entry.is_external) == external


def test_same_model_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        onnx_proto.save(made(), tmp_path / name / "m.onnx", external_data="m.data")

    for name in ("m.onnx", "m.data"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_saved_over_itself(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx_proto.save(made(), path, external_data="m.data")
    loaded = onnx_proto.load(path)
    fewer = replace(loaded, graph=replace(loaded.graph, initializers=loaded.graph.initializers[::-1]))

    onnx_proto.save(fewer, path, external_data="m.data")

    again = onnx_proto.load(path).graph.initializers
    assert [entry.name for entry in again] == ["q", "b", "w"]
    np.testing.assert_array_equal(again[2].numpy(), WEIGHT)
    with pytest.raises(ExternalDataError, match="the file has changed since it was first read"):
        loaded.graph.initializers[0].numpy()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/x", "a\\b", "c:x", "a\0b", "m.onnx"])
def test_other_file_must_lie_beside(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="external_data is"):
        onnx_proto.save(made(), tmp_path / "m.onnx", external_data=name)
    assert list(tmp_path.iterdir()) == []


def test_failure_keeps_what_was_there(tmp_path: Path) -> None:
    onnx_proto.save(made(), tmp_path / "m.onnx", external_data="m.data")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    elsewhere = tmp_path / "other"
    elsewhere.mkdir()
    onnx_proto.save(made(), elsewhere / "m.onnx", external_data="m.data")
    broken = onnx_proto.load(elsewhere / "m.onnx")
    os.truncate(elsewhere / "m.data", 13000)

    with pytest.raises(OnnxError):
        onnx_proto.save(broken, tmp_path / "m.onnx", external_data="m.data")

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=models())
def test_any_model_survives(tmp_path: Path, made: Model) -> None:
    onnx_proto.save(made, tmp_path / "m.onnx", external_data="m.data", size_threshold=1)

    assert difference(made, onnx_proto.load(tmp_path / "m.onnx")) is None


def with_checksum(folder: Path, checksum: str) -> Model:
    """A model whose weight is said to lie in a file of this checksum."""
    onnx_proto.save(made(), folder / "m.onnx", external_data="m.data")
    theirs = onnx.load(folder / "m.onnx", load_external_data=False)
    theirs.graph.initializer[0].external_data.add(key="checksum", value=checksum)
    (folder / "m.onnx").write_bytes(theirs.SerializeToString())
    return onnx_proto.load(folder / "m.onnx")


def test_checksums(tmp_path: Path) -> None:
    onnx_proto.save(made(), tmp_path / "m.onnx", external_data="m.data")
    right = hashlib.sha1((tmp_path / "m.data").read_bytes(), usedforsecurity=False).hexdigest()

    onnx_proto.verify_external_data(made())
    onnx_proto.verify_external_data(with_checksum(tmp_path, right))
    onnx_proto.verify_external_data(with_checksum(tmp_path, right.upper()))
    with pytest.raises(ExternalDataError, match=f'tensor "w": "m.data" has SHA-1 {right}, the model states "1234"'):
        onnx_proto.verify_external_data(with_checksum(tmp_path, "1234"))


def test_missing_data_of_a_subgraph_is_found(tmp_path: Path) -> None:
    onnx_proto.save(made(), tmp_path / "m.onnx", external_data="m.data")
    loaded = onnx_proto.load(tmp_path / "m.onnx")
    os.truncate(tmp_path / "m.data", 12000)

    with pytest.raises(ExternalDataError, match=r'tensor "[vq]": .* beyond the end'):
        onnx_proto.verify_external_data(loaded)
