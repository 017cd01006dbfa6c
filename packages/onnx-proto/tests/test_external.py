"""External data is read from files beneath the model's folder, and from nowhere else."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import onnx_proto
from onnx_proto import ExternalData, ExternalDataError, FormatError, OnnxError, Tensor
from onnx_proto._generated import onnxgen_onnx_pb2 as pb

WEIGHT = np.arange(3000, dtype=np.float32)
NBYTES = WEIGHT.nbytes


def external(entries: dict[str, str] | list[tuple[str, str]], **fields: object) -> bytes:
    pairs = entries.items() if isinstance(entries, dict) else entries
    weight = pb.TensorProto(
        name="w",
        dims=[3000],
        data_type=pb.TensorProto.FLOAT,
        data_location=pb.TensorProto.EXTERNAL,
        external_data=[pb.StringStringEntryProto(key=key, value=value) for key, value in pairs],
    )
    weight.MergeFrom(pb.TensorProto(**fields))  # type: ignore[arg-type]
    return pb.ModelProto(ir_version=8, graph=pb.GraphProto(initializer=[weight])).SerializeToString()


def load_weight(folder: Path, entries: dict[str, str]) -> Tensor:
    path = folder / "model.onnx"
    path.write_bytes(external(entries))
    (weight,) = onnx_proto.load(path).graph.initializers
    return weight


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder with data in it, and files that are none of the model's business around it."""
    inside = tmp_path / "model"
    (inside / "sub").mkdir(parents=True)
    (inside / "weights.bin").write_bytes(WEIGHT.tobytes())
    (inside / "sub" / "shared.bin").write_bytes(bytes(64) + WEIGHT.tobytes() + bytes(10))
    (tmp_path / "secret.bin").write_bytes(WEIGHT.tobytes())
    return inside


@pytest.mark.parametrize(
    "entries",
    [
        {"location": "weights.bin"},
        {"location": "./weights.bin", "length": str(NBYTES)},
        {"location": "weights.bin", "offset": "0", "length": str(NBYTES), "checksum": "0" * 40, "basepath": "/tmp"},
        {"location": "sub/shared.bin", "offset": "64", "length": str(NBYTES)},
    ],
    ids=["whole file", "dot", "all keys", "part of a file"],
)
def test_data_is_read_when_asked_for(folder: Path, entries: dict[str, str]) -> None:
    weight = load_weight(folder, entries)

    assert weight.is_external
    assert weight.external is not None
    assert weight.external.location == entries["location"]
    assert weight.nbytes == NBYTES
    np.testing.assert_array_equal(weight.numpy(), WEIGHT)
    assert b"".join(weight.chunks(1001)) == WEIGHT.tobytes()
    assert weight.pieces([40, 0, 44], 8) == b"".join(WEIGHT.tobytes()[start : start + 8] for start in (40, 0, 44))
    for offsets, length in [([NBYTES - 7], 8), ([-1], 8), ([0], 0)]:
        with pytest.raises(ValueError, match="reach beyond"):
            weight.pieces(offsets, length)


def test_what_onnx_writes_reads_equal(tmp_path: Path) -> None:
    initializers = [numpy_helper.from_array(WEIGHT, "a"), numpy_helper.from_array(WEIGHT.astype(np.int64) * 7, "b")]
    theirs = helper.make_model(helper.make_graph([], "g", [], [], initializer=initializers))
    path = tmp_path / "model.onnx"
    onnx.save(theirs, path, save_as_external_data=True, location="all.data")

    a, b = onnx_proto.load(path).graph.initializers

    assert a.external is not None
    assert a.external.location == "all.data"
    np.testing.assert_array_equal(a.numpy(), WEIGHT)
    np.testing.assert_array_equal(b.numpy(), WEIGHT.astype(np.int64) * 7)


def test_model_loads_without_its_data(folder: Path) -> None:
    weight = load_weight(folder, {"location": "missing.bin"})

    assert weight.external == ExternalData("missing.bin")
    assert weight.shape == (3000,)
    with pytest.raises(ExternalDataError, match=r'missing\.bin: tensor "w": cannot open the file: No such file'):
        weight.numpy()


REFUSED_WHEN_LOADED = {
    "no location": ({}, "no location"),
    "empty location": ({"location": ""}, "names no file"),
    "folder itself": ({"location": "."}, "names no file"),
    "absolute": ({"location": "/etc/passwd"}, "is absolute"),
    "absolute for Windows": ({"location": "C:\\secret"}, "is absolute"),
    "network share": ({"location": "\\\\host\\share"}, "is absolute"),
    "parent": ({"location": "../secret.bin"}, '".."'),
    "parent inside": ({"location": "sub/../../secret.bin"}, '".."'),
    "parent for Windows": ({"location": "sub\\..\\..\\secret.bin"}, '".."'),
    "NUL": ({"location": "weights.bin\0.txt"}, "NUL"),
    "negative offset": ({"location": "weights.bin", "offset": "-4"}, "offset is"),
    "offset no number": ({"location": "weights.bin", "offset": "four"}, "offset is"),
    "offset in other digits": ({"location": "weights.bin", "offset": "٤"}, "offset is"),
    "huge offset": ({"location": "weights.bin", "offset": "9" * 40}, "offset is"),
    "negative length": ({"location": "weights.bin", "length": "-1"}, "length is"),
    "length of another shape": ({"location": "weights.bin", "length": "4"}, "shape [3000] of FLOAT needs 12000"),
    "unknown key": ({"location": "weights.bin", "__class__": "x"}, 'unknown key "__class__"'),
}


@pytest.mark.parametrize(("entries", "text"), REFUSED_WHEN_LOADED.values(), ids=REFUSED_WHEN_LOADED.keys())
def test_refused_when_loaded(folder: Path, entries: dict[str, str], text: str) -> None:
    with pytest.raises(ExternalDataError) as caught:
        load_weight(folder, entries)

    assert f'{folder / "model.onnx"}: graph.initializer[0] "w": ' in str(caught.value)
    assert text in str(caught.value)


def test_key_given_twice() -> None:
    with pytest.raises(ExternalDataError, match='key "offset" is given twice'):
        onnx_proto.loads(external([("location", "a"), ("offset", "0"), ("offset", "64")]))


def test_external_and_inline() -> None:
    with pytest.raises(FormatError, match="given twice, by raw_data and as external data"):
        onnx_proto.loads(external({"location": "weights.bin"}, raw_data=b"1234"))


def test_external_strings() -> None:
    with pytest.raises(ExternalDataError, match="strings cannot be external"):
        onnx_proto.loads(external({"location": "weights.bin"}, data_type=pb.TensorProto.STRING))


def link_outside(folder: Path) -> None:
    (folder / "data").symlink_to(folder.parent / "secret.bin")


def link_folder_outside(folder: Path) -> None:
    (folder / "sub" / "up").symlink_to(folder.parent)
    (folder / "data").symlink_to("sub/up/secret.bin")


def hard_link(folder: Path) -> None:
    os.link(folder.parent / "secret.bin", folder / "data")


def loop(folder: Path) -> None:
    (folder / "data").symlink_to("data")


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "data")


def directory(folder: Path) -> None:
    (folder / "data").mkdir()


def too_short(folder: Path) -> None:
    (folder / "data").write_bytes(WEIGHT.tobytes()[:-1])


def too_long(folder: Path) -> None:
    (folder / "data").write_bytes(WEIGHT.tobytes() + b"x")


@pytest.mark.parametrize(
    ("arrange", "text"),
    [
        (link_outside, "outside the model's folder"),
        (link_folder_outside, "outside the model's folder"),
        (hard_link, "several names"),
        (loop, "cannot open the file"),
        (fifo, "not a regular file"),
        (directory, "not a regular file"),
        (too_short, "holds 11999 bytes, the tensor's shape needs 12000"),
        (too_long, "holds 12001 bytes, the tensor's shape needs 12000"),
    ],
)
def test_refused_when_read(folder: Path, arrange: Callable[[Path], None], text: str) -> None:
    arrange(folder)
    weight = load_weight(folder, {"location": "data"})

    for read in (weight.numpy, lambda: list(weight.chunks())):
        with pytest.raises(ExternalDataError) as caught:
            read()
        assert text in str(caught.value)
        assert str(folder / "data") in str(caught.value)


def test_range_beyond_the_end(folder: Path) -> None:
    weight = load_weight(folder, {"location": "weights.bin", "offset": "8", "length": str(NBYTES)})

    with pytest.raises(ExternalDataError, match="bytes 8 to 12008 lie beyond the end of the file, which has 12000"):
        weight.numpy()


def test_offset_beyond_the_end_takes_no_memory(folder: Path) -> None:
    weight = load_weight(folder, {"location": "weights.bin", "offset": str(1 << 60)})

    with pytest.raises(ExternalDataError, match="holds 0 bytes"):
        weight.numpy()


@pytest.mark.parametrize("dims", [[1 << 40], [1 << 62, 1 << 62], [1 << 62, 1 << 62, 1 << 62, 3]])
@pytest.mark.parametrize("offset", ["0", "64"])
def test_shape_beyond_the_end_takes_no_memory(folder: Path, dims: list[int], offset: str) -> None:
    weight = pb.TensorProto(name="w", dims=dims, data_type=pb.TensorProto.FLOAT, data_location="EXTERNAL")
    for key, given in (("location", "weights.bin"), ("offset", offset)):
        weight.external_data.add(key=key, value=given)
    proto = pb.ModelProto(ir_version=8, graph=pb.GraphProto(initializer=[weight]))
    (loaded,) = onnx_proto.loads(proto.SerializeToString(), folder).graph.initializers

    for read in (loaded.numpy, lambda: list(loaded.chunks())):
        with pytest.raises(ExternalDataError, match="the tensor's shape needs"):
            read()


def test_link_inside_the_folder_is_followed(folder: Path) -> None:
    (folder / "data").symlink_to("sub/../weights.bin")

    np.testing.assert_array_equal(load_weight(folder, {"location": "data"}).numpy(), WEIGHT)


def test_model_hub_of_links_into_a_folder_of_blobs(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "1"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    (blobs / "b1").write_bytes(external({"location": "model.onnx_data"}))
    (blobs / "b2").write_bytes(WEIGHT.tobytes())
    (snapshot / "model.onnx").symlink_to("../../blobs/b1")
    (snapshot / "model.onnx_data").symlink_to("../../blobs/b2")

    (weight,) = onnx_proto.load(snapshot / "model.onnx").graph.initializers

    np.testing.assert_array_equal(weight.numpy(), WEIGHT)


def test_model_from_memory_reads_beneath_the_given_folder(folder: Path) -> None:
    data = external({"location": "weights.bin"})

    (weight,) = onnx_proto.loads(data, folder).graph.initializers
    np.testing.assert_array_equal(weight.numpy(), WEIGHT)

    (homeless,) = onnx_proto.loads(data).graph.initializers
    with pytest.raises(ExternalDataError, match="loaded without a folder"):
        homeless.numpy()


def test_saving_writes_external_data_into_the_file(folder: Path, tmp_path: Path) -> None:
    load_weight(folder, {"location": "weights.bin"})
    loaded = onnx_proto.load(folder / "model.onnx")

    onnx_proto.save(loaded, tmp_path / "inline.onnx")

    (weight,) = onnx_proto.load(tmp_path / "inline.onnx").graph.initializers
    assert not weight.is_external
    np.testing.assert_array_equal(weight.numpy(), WEIGHT)


def test_failed_saving_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    load_weight(folder, {"location": "missing.bin"})
    loaded = onnx_proto.load(folder / "model.onnx")
    out = tmp_path / "out"
    out.mkdir()

    with pytest.raises(OnnxError):
        onnx_proto.save(loaded, out / "inline.onnx")

    assert list(out.iterdir()) == []
