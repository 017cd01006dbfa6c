"""Weights as safetensors, in one file or several, and from one format to the other."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file
from test_weights import EXAMPLE, FIXED, MODEL_ID, MODELS

from codegen_torch.dtypes import DType
from codegen_torch.errors import ConversionError, OutputExistsError
from codegen_torch.package import written_by_us
from codegen_torch.safetensors_file import plan_shards, read_safetensors, write_safetensors
from codegen_torch.tensors import TensorRef
from codegen_torch.weights import WeightsFileError, write_msgpack
from codegen_torch.weights_files import convert_weights, read_model_id, read_weights

STORED = [dtype for dtype in FIXED if dtype is not DType.COMPLEX128]
TIED = TensorRef.of_array(np.arange(6, dtype=np.float32).reshape(2, 3))
SHARED = {"decoder.weight": TIED, "embedding.weight": TIED, "other": EXAMPLE["mask"]}


def content(ref: TensorRef) -> tuple[object, ...]:
    return ref.dtype.held, ref.shape, b"".join(map(bytes, ref.chunks()))


def write(folder: Path, model: dict[str, TensorRef], limit: int = 10**9) -> Path:
    source = folder / "source.msgpack"
    write_msgpack(source, model)
    return convert_weights(source, folder / "w.safetensors", limit=limit)[0]


def storable(model: dict[str, TensorRef]) -> dict[str, TensorRef]:
    """What safetensors has a type and a place for."""
    return {name: ref for name, ref in model.items() if ref.dtype in STORED and name != "__metadata__"}


@given(MODELS.map(storable), st.sampled_from([1, 100, 10**9]))
def test_there_and_back_nothing_changes(
    tmp_path_factory: pytest.TempPathFactory, model: dict[str, TensorRef], limit: int
) -> None:
    folder = tmp_path_factory.mktemp("weights")
    entry = write(folder, model, limit)
    found = read_weights(entry)
    assert {name: content(ref) for name, ref in found.items()} == {name: content(ref) for name, ref in model.items()}
    convert_weights(entry, folder / "back.msgpack")
    back = read_weights(folder / "back.msgpack")
    assert {name: content(ref) for name, ref in back.items()} == {name: content(ref) for name, ref in model.items()}
    assert all(written_by_us(path) for path in folder.iterdir())


@pytest.mark.parametrize("dtype", STORED)
def test_the_library_reads_every_type(tmp_path: Path, dtype: DType) -> None:
    path = write(tmp_path, {"odd": TensorRef.filled((3,), DType.UINT8, 1), "w": TensorRef.filled((2, 3), dtype, 1)})
    with safe_open(path, "numpy") as file:
        assert set(file.keys()) == {"odd", "w"}
        assert file.get_slice("w").get_shape() == [2, 3]
        assert file.metadata()["format"] == "pt"


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    data = np.arange(6, dtype="<f4")
    save_file({"w": data.reshape(2, 3)}, tmp_path / "w.safetensors")
    ref = read_safetensors(tmp_path / "w.safetensors")["w"]
    assert (ref.numpy() == data.reshape(2, 3)).all()
    assert not written_by_us(tmp_path / "w.safetensors")


def test_large_models_take_several_files_and_an_index(tmp_path: Path) -> None:
    model = {f"layers.{number}": TensorRef.filled((10,), DType.FLOAT32, number) for number in range(5)}
    entry = write(tmp_path, model, limit=80)
    assert entry.name == "w.safetensors.index.json"
    index = json.loads(entry.read_text())
    assert index["metadata"]["total_size"] == 200
    assert index["weight_map"]["layers.4"] == "w-00003-of-00003.safetensors"
    assert list(read_weights(entry)) == list(model)


@pytest.mark.parametrize("limit", [24, 10**9])
def test_tied_tensors_are_stored_once(tmp_path: Path, limit: int) -> None:
    found = read_weights(write(tmp_path, SHARED, limit))
    assert found["embedding.weight"] is found["decoder.weight"]
    assert content(found["decoder.weight"]) == content(TIED)
    convert_weights(tmp_path / "source.msgpack", tmp_path / "again.msgpack")
    assert (tmp_path / "again.msgpack").read_bytes() == (tmp_path / "source.msgpack").read_bytes()


def test_what_safetensors_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="complex128, which safetensors lacks"):
        write(tmp_path, {"w": TensorRef.filled((2,), DType.COMPLEX128, 1)})
    with pytest.raises(ConversionError, match="another use for the name '__metadata__'"):
        write(tmp_path, {"__metadata__": EXAMPLE["mask"]})
    with pytest.raises(ConversionError, match="ends neither in"):
        convert_weights(tmp_path / "source.msgpack", tmp_path / "w.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["source.msgpack"]


def test_neither_the_source_nor_anybody_elses_file_is_overwritten(tmp_path: Path) -> None:
    write(tmp_path, SHARED)
    with pytest.raises(OutputExistsError, match="is what is being converted"):
        convert_weights(tmp_path / "source.msgpack", tmp_path / "source.msgpack", force=True)
    (tmp_path / "w.safetensors").write_text("mine")
    with pytest.raises(OutputExistsError, match="was not written by onnxgen"):
        write(tmp_path, SHARED)


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, EXAMPLE)
    raw = path.read_bytes()
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(WeightsFileError, match="is not a whole safetensors file"):
            read_weights(path)


def described(**changes: object) -> bytes:
    """A file of one tensor of four bytes, about which something is said that is not so."""
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} | changes
    header = json.dumps({"w": entry}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


TAMPERED = {
    "longer header than file": b"\xff" * 8,
    "no map": (2).to_bytes(8, "little") + b"[]",
    "another type": described(dtype="F99"),
    "another shape": described(shape=[2]),
    "negative shape": described(shape=[-1, -1]),
    "no offsets": described(data_offsets=None),
    "a gap": described(data_offsets=[4, 8]),
    "before the start": described(data_offsets=[-4, 0]),
    "beyond the end": described(data_offsets=[0, 1 << 70]),
    "deep": (30_000).to_bytes(8, "little") + b"[" * 30_000,
    "twice": described().replace(b'"shape"', b'"dtype"'),
    "no text": (4).to_bytes(8, "little") + b"\xff\xff\xff\xff",
}


@pytest.mark.parametrize("raw", TAMPERED.values(), ids=TAMPERED)
def test_a_header_that_lies_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(raw)
    with pytest.raises(WeightsFileError):
        read_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("file", ["../w.safetensors", "/etc/passwd", "w.txt", ""])
def test_an_index_leads_nowhere_else(tmp_path: Path, file: str) -> None:
    path = tmp_path / "w.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": {"w": file}}))
    with pytest.raises(WeightsFileError):
        read_weights(path)


def test_an_index_and_its_files_agree(tmp_path: Path) -> None:
    entry = write(tmp_path, SHARED, limit=24)
    index = json.loads(entry.read_text())
    index["weight_map"]["missing"] = index["weight_map"]["other"]
    entry.write_text(json.dumps(index))
    with pytest.raises(WeightsFileError, match="'missing' is not in"):
        read_weights(entry)
    del index["weight_map"]["missing"], index["weight_map"]["decoder.weight"]
    entry.write_text(json.dumps(index))
    with pytest.raises(WeightsFileError, match="which the index does not say"):
        read_weights(entry)


@pytest.mark.parametrize("limit", [24, 10**9])
def test_an_identity_goes_with_the_weights(tmp_path: Path, limit: int) -> None:
    write_msgpack(tmp_path / "w.msgpack", SHARED, model_id=MODEL_ID)
    entry = convert_weights(tmp_path / "w.msgpack", tmp_path / "w.safetensors", limit=limit)[0]
    assert {read_model_id(path) for path in tmp_path.iterdir()} == {MODEL_ID}
    convert_weights(entry, tmp_path / "back.msgpack")
    assert read_model_id(tmp_path / "back.msgpack") == MODEL_ID


def test_files_of_two_writings_are_not_mixed(tmp_path: Path) -> None:
    for name, model_id in (("one", MODEL_ID), ("other", MODEL_ID[::-1]), ("none", None)):
        (tmp_path / name).mkdir()
        write_msgpack(tmp_path / name / "w.msgpack", SHARED, model_id=model_id)
        convert_weights(tmp_path / name / "w.msgpack", tmp_path / name / "w.safetensors", limit=24)
    for name in ("other", "none"):
        for shard in sorted((tmp_path / "one").glob("w-*.safetensors")):
            mine = shard.read_bytes()
            shard.write_bytes((tmp_path / name / shard.name).read_bytes())
            with pytest.raises(WeightsFileError, match=f"{shard.name} was not written together with it"):
                read_weights(tmp_path / "one" / "w.safetensors.index.json")
            shard.write_bytes(mine)
    assert read_weights(tmp_path / "one" / "w.safetensors.index.json").keys() == SHARED.keys()


@pytest.mark.parametrize("name", ["format", "written by", "written with"])
def test_a_tied_tensor_may_be_called_like_what_a_file_says_about_itself(tmp_path: Path, name: str) -> None:
    write_msgpack(tmp_path / "w.msgpack", {"first": TIED, name: TIED}, model_id=MODEL_ID)
    entry = convert_weights(tmp_path / "w.msgpack", tmp_path / "w.safetensors")[0]
    assert {key: content(ref) for key, ref in read_weights(entry).items()} == dict.fromkeys(
        ("first", name), content(TIED)
    )


def test_sorted_by_alignment(tmp_path: Path) -> None:
    (shard,) = plan_shards("w.safetensors", EXAMPLE)
    write_safetensors(tmp_path / "w.safetensors", shard)
    offsets = {name: ref.parts[0][0] for name, ref in read_safetensors(tmp_path / "w.safetensors").items()}
    assert all(offset % EXAMPLE[name].dtype.itemsize == 0 for name, offset in offsets.items())
    assert min(offsets.values()) % 64 == 0
