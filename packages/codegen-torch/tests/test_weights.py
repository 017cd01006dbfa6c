import os
import tracemalloc
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from codegen_torch import weights
from codegen_torch.dtypes import DType
from codegen_torch.errors import ConversionError
from codegen_torch.tensors import TensorRef
from codegen_torch.weights import WeightsFileError, is_weights_file, read_index, read_model_id, write_msgpack

FIXED = [dtype for dtype in DType if dtype is not DType.STRING]


@st.composite
def tensors(draw: st.DrawFn) -> TensorRef:
    dtype = draw(st.sampled_from(FIXED))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9))
    if draw(st.booleans()):
        return TensorRef.filled(shape, dtype, draw(hnp.arrays(dtype.numpy, ())))
    ref = TensorRef.of_array(draw(hnp.arrays(dtype.numpy, shape)), dtype)
    return ref.permute(*draw(st.permutations(range(len(shape)))))


MODELS = st.dictionaries(st.text(max_size=40), tensors(), max_size=8)
MODEL_ID = "0123456789abcdef"
EXAMPLE = {
    "layer1.0.conv1.weight": TensorRef.of_array(np.arange(24, dtype=np.float32).reshape(2, 3, 4)),
    "fc.weight": TensorRef.of_array(np.arange(24, dtype=np.float16).reshape(4, 6)).T,
    "empty": TensorRef.of_array(np.zeros((0, 3), np.float32)),
    "scale": TensorRef.filled((), DType.BFLOAT16, 1.5),
    "mask": TensorRef.of_array(np.array([True, False, True])),
}


def data_of(document: dict[str, Any], entry: dict[str, Any]) -> bytes:
    """A tensor's bytes, found as someone would who only has a MessagePack reader."""
    data, blob = b"", entry["blob"]
    while len(data) < entry["nbytes"]:
        data += document["blobs"][blob]
        blob += 2
    return data


def check(path: Path, model: dict[str, TensorRef]) -> None:
    raw = path.read_bytes()
    document = msgpack.unpackb(raw)
    identity = ["model_id"] if read_model_id(path) else []
    assert list(document) == ["format", "version", *identity, "tensors", "blobs"]
    assert document.get("model_id") == read_model_id(path)
    assert (document["format"], document["version"]) == ("onnxgen-weights", 1)
    assert list(document["tensors"]) == list(model)
    assert not any(b"".join(document["blobs"][::2]))
    for name, ref in model.items():
        entry = document["tensors"][name]
        expected = b"".join(bytes(chunk) for chunk in ref.chunks())
        assert (entry["dtype"], entry["shape"]) == (ref.dtype.held.value, list(ref.shape))
        assert entry["nbytes"] == len(expected)
        assert entry["offset"] % 64 == 0
        assert document["blobs"][entry["blob"]] == expected[: weights._BLOB_BYTES]
        assert data_of(document, entry) == expected
        first = expected[: weights._BLOB_BYTES]
        assert raw[entry["offset"] :][: len(first)] == first
    index = read_index(path)
    assert list(index) == list(model)
    for name, entry in index.items():
        assert {**entry._asdict(), "dtype": entry.dtype.value, "shape": list(entry.shape)} == document["tensors"][name]


@given(MODELS, st.sampled_from([None, MODEL_ID]))
def test_any_messagepack_reader_finds_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, model: dict[str, TensorRef], model_id: str | None
) -> None:
    path = tmp_path_factory.mktemp("weights") / "w.msgpack"
    steps: list[int] = []
    size = write_msgpack(path, model, steps.append, model_id)
    assert read_model_id(path) == model_id
    assert size == path.stat().st_size
    assert sum(steps) == sum(ref.nbytes for ref in model.values())
    assert is_weights_file(path)
    check(path, model)


@given(MODELS, st.sampled_from([64, 128, 192]))
def test_a_tensor_too_large_for_one_blob_takes_several(
    tmp_path_factory: pytest.TempPathFactory, model: dict[str, TensorRef], limit: int
) -> None:
    path = tmp_path_factory.mktemp("weights") / "w.msgpack"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "_BLOB_BYTES", limit)
        write_msgpack(path, model)
        check(path, model)
        # The parts of a tensor are evenly spaced, which is what the format promises.
        raw = path.read_bytes()
        for name, entry in read_index(path).items():
            parts = [
                raw[entry.offset + done // limit * (limit + 64) :][: min(limit, entry.nbytes - done)]
                for done in range(0, entry.nbytes, limit)
            ]
            assert b"".join(parts) == b"".join(bytes(chunk) for chunk in model[name].chunks())


def test_four_gibibytes_are_the_limit_of_a_blob() -> None:
    assert weights._BLOB_BYTES == 2**32 - 64
    entry = weights.Entry(DType.UINT8, (9 << 30,), 128, 9 << 30, 1)
    blobs = list(weights._blobs(entry))
    assert [offset for offset, _ in blobs] == [128, 128 + 2**32, 128 + 2 * 2**32]
    assert sum(length for _, length in blobs) == 9 << 30


def test_the_same_tensors_give_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_msgpack(tmp_path / name, EXAMPLE)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_integers_have_a_fixed_width(tmp_path: Path) -> None:
    write_msgpack(tmp_path / "w", {"a": TensorRef.filled((1,), DType.UINT8, 7)})
    raw = (tmp_path / "w").read_bytes()
    for key, prefix in [(b"offset", b"\xcf\0\0\0\0\0\0"), (b"nbytes", b"\xcf\0\0\0\0\0\0"), (b"blob", b"\xce\0\0\0")]:
        assert raw[raw.index(key) + len(key) :].startswith(prefix)


def test_writing_streams(tmp_path: Path) -> None:
    model = {"w": TensorRef.filled((1 << 24,), DType.FLOAT32, 0.5), "b": TensorRef.filled((3,), DType.FLOAT32, 1)}
    tracemalloc.start()
    size = write_msgpack(tmp_path / "w.msgpack", model)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 64 << 20
    assert peak < 12 << 20
    assert read_index(tmp_path / "w.msgpack")["b"].nbytes == 12


def test_many_tensors_take_time_in_proportion(tmp_path: Path) -> None:
    one = TensorRef.of_array(np.ones(4, np.float32))
    model = {f"layers.{number}.weight": one for number in range(20_000)}
    write_msgpack(tmp_path / "w", model)
    assert list(read_index(tmp_path / "w")) == list(model)


def test_strings_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="'names' holds strings"):
        write_msgpack(tmp_path / "w", {"names": TensorRef.of_array(np.array(["a"], object))})
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("nbytes", [8, 24, 0])
def test_a_source_that_gives_other_bytes_than_promised_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nbytes: int
) -> None:
    ref = TensorRef.of_array(np.ones(4, np.float32))
    monkeypatch.setattr(type(ref), "chunks", lambda self: iter([bytes(nbytes)]))
    with pytest.raises(ConversionError, match="'w' does not have the 16 bytes"):
        write_msgpack(tmp_path / "w", {"w": ref})


def test_only_what_was_written_here_counts_as_a_weights_file(tmp_path: Path) -> None:
    write_msgpack(tmp_path / "w", {})
    assert is_weights_file(tmp_path / "w")
    (tmp_path / "other").write_bytes(msgpack.packb({"format": "other", "version": 1}))
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    for name in ["other", "empty", "pipe", "missing", "."]:
        assert not is_weights_file(tmp_path / name)


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "w"
    write_msgpack(path, EXAMPLE)
    raw = path.read_bytes()
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(WeightsFileError, match=r"w is not a whole weights file: ."):
            read_index(path)


@pytest.mark.parametrize("other", ["0123456789abcdeF", "0123456789abcde", "0123456789abcdef0", "0123456789abcde\n"])
def test_what_is_no_identity_is_noticed(tmp_path: Path, other: str) -> None:
    path = tmp_path / "w"
    write_msgpack(path, EXAMPLE, model_id=MODEL_ID)
    path.write_bytes(path.read_bytes().replace(msgpack.packb(MODEL_ID), msgpack.packb(other)))
    assert not is_weights_file(path)
    for read in (read_model_id, read_index):
        with pytest.raises(WeightsFileError, match="does not begin as one of version 1 does"):
            read(path)


def test_every_bit_outside_the_payloads_counts(tmp_path: Path) -> None:
    path = tmp_path / "w"
    write_msgpack(path, EXAMPLE)
    raw = path.read_bytes()
    index = read_index(path)
    payload = {at for entry in index.values() for at in range(entry.offset, entry.offset + entry.nbytes)}
    for at in set(range(len(raw))) - payload:
        changed = bytearray(raw)
        changed[at] ^= 1 << at % 8
        path.write_bytes(changed)
        try:
            found = read_index(path)
        except WeightsFileError:
            continue
        # What remains are other names, and other types and shapes of the same size.
        assert [entry.offset for entry in found.values()] == [entry.offset for entry in index.values()]
        assert [entry.nbytes for entry in found.values()] == [entry.nbytes for entry in index.values()]
        assert list(found.items()) != list(index.items())


def header(**changes: object) -> bytes:
    """A file of one tensor of 4 bytes at 128, about which something is said that is not so."""
    entry = {"dtype": "float32", "shape": [1], "offset": 128, "nbytes": 4, "blob": 1} | changes
    start = {"format": "onnxgen-weights", "version": 1, "tensors": {"w": entry}, "blobs": [b"", b"data"]}
    packed: bytes = msgpack.packb(start)
    return packed + bytes(200)


TAMPERED = {
    "another version": (msgpack.packb({"format": "onnxgen-weights", "version": 2}), "does not begin"),
    "no map": (weights._start(None) + b"\x93\x01\x02\x03", "no map"),
    "nothing inside": (weights._start(None) + b"\x81", "ends early|No more data"),
    "more than can be": (weights._start(None) + b"\xdf\xff\xff\xff\xff", "4294967295"),
    "name that is no text": (weights._start(None) + b"\x81\xc4\x01w\x80", "not described by a map"),
    "entry that is no map": (weights._start(None) + b"\x81\xa1w\x90", "not described by a map"),
    "entry that says nothing": (weights._start(None) + b"\x81\xa1w\x80", "dtype"),
    "unknown type": (header(dtype="float7"), "float7"),
    "strings": (header(dtype="string"), "cannot be of type string"),
    "negative side": (header(shape=[-1]), "shape"),
    "side that is no number": (header(shape=[True]), "shape"),
    "shape that is no list": (header(shape=3), "not iterable"),
    "too many sides": (header(shape=[1] * 65), "shape"),
    "another size": (header(shape=[2]), "has 4 bytes"),
    "overflowing sides": (header(shape=[1 << 62, 1 << 62]), "has 4 bytes"),
    "beyond the end": (header(offset=1 << 40), "beyond the end"),
    "text for an offset": (header(offset="1"), "."),
    "unaligned": (header(offset=129), "belongs at 128"),
    "before its place": (header(offset=0), "belongs at 128"),
    "negative offset": (header(offset=-64), "belongs at 128"),
    "other widths": (header(), "header"),
}


@pytest.mark.parametrize(("content", "message"), TAMPERED.values(), ids=TAMPERED)
def test_a_header_that_lies_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(WeightsFileError, match=message):
        read_index(tmp_path / "w")


def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w"
    write_msgpack(path, {"aa": EXAMPLE["scale"], "ab": EXAMPLE["mask"]})
    path.write_bytes(path.read_bytes().replace(b"\xa2ab", b"\xa2aa"))
    with pytest.raises(WeightsFileError, match="not a whole weights file"):
        read_index(path)


def test_an_empty_model_is_a_file_too(tmp_path: Path) -> None:
    write_msgpack(tmp_path / "w", {})
    check(tmp_path / "w", {})


def test_a_tensor_of_several_names_is_there_once(tmp_path: Path) -> None:
    table, other = TensorRef.of_array(np.arange(6.0).reshape(2, 3)), TensorRef.of_array(np.arange(4))
    shared, alone = {"head": table, "middle": other, "tail": table}, {"head": table, "middle": other}
    size = write_msgpack(tmp_path / "shared", shared)
    check(tmp_path / "shared", shared)
    index = read_index(tmp_path / "shared")
    assert index["tail"] == index["head"]
    assert size < write_msgpack(tmp_path / "alone", alone) + 128
    renamed = (tmp_path / "shared").read_bytes().replace(b"float64", b"int64\x00\x00", 1)
    (tmp_path / "renamed").write_bytes(renamed)
    with pytest.raises(WeightsFileError):
        read_index(tmp_path / "renamed")


def test_a_header_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_msgpack(tmp_path / "w", {f"layers.{number}": EXAMPLE["scale"] for number in range(1000)})
    monkeypatch.setattr(weights, "HEADER_LIMIT", 20_000)
    with pytest.raises(WeightsFileError, match="its header is longer than any is"):
        read_index(tmp_path / "w")


def test_a_type_that_torch_holds_in_another_is_refused(tmp_path: Path) -> None:
    write_msgpack(tmp_path / "w", {"w": TensorRef.filled((2,), DType.INT8, 1)})
    (tmp_path / "w").write_bytes((tmp_path / "w").read_bytes().replace(b"int8", b"int4"))
    with pytest.raises(WeightsFileError, match="is of type int4"):
        read_index(tmp_path / "w")
