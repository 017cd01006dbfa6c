import functools
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import msgpack
import numpy as np
import pytest
import torch
from codegen_torch import weights
from codegen_torch.dtypes import DType
from codegen_torch.runtime import weights as runtime
from codegen_torch.tensors import TensorRef
from codegen_torch.weights import write_msgpack
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

load_weights = runtime.load_weights

FIXED = [dtype for dtype in DType if dtype is not DType.STRING]


@st.composite
def tensors(draw: st.DrawFn) -> TensorRef:
    dtype = draw(st.sampled_from(FIXED))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9))
    return TensorRef.of_array(draw(hnp.arrays(dtype.numpy, shape)), dtype)


def check(path: Path, model: dict[str, TensorRef]) -> None:
    loaded = load_weights(path)
    assert list(loaded) == list(model)
    for name, tensor in loaded.items():
        ref = model[name]
        assert (tensor.dtype, tensor.shape) == (getattr(torch, ref.dtype.held.value), ref.shape)
        assert tensor.is_contiguous()
        assert tensor.untyped_storage().nbytes() == ref.nbytes
        assert bytes(tensor.untyped_storage()) == b"".join(map(bytes, ref.chunks()))


@given(st.dictionaries(st.text(max_size=20), tensors(), max_size=5), st.sampled_from([64, 128, 2**32 - 64]))
def test_what_was_written_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, model: dict[str, TensorRef], part: int
) -> None:
    path = tmp_path_factory.mktemp("weights") / "w.msgpack"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "_BLOB_BYTES", part)
        patch.setattr(runtime, "map_tensor", functools.partial(runtime.map_tensor, part=part))
        write_msgpack(path, model)
        check(path, model)


def test_training_changes_memory_and_never_the_file(tmp_path: Path) -> None:
    path = tmp_path / "w"
    write_msgpack(path, {"w": TensorRef.filled((1000,), DType.FLOAT32, 1.0)})
    before = path.read_bytes()
    weight = torch.nn.Parameter(load_weights(path)["w"])
    optimizer = torch.optim.SGD([weight], lr=0.5)
    weight.square().sum().backward()
    optimizer.step()
    assert (weight == 0).all()
    assert path.read_bytes() == before
    assert (load_weights(path)["w"] == 1).all()


def test_tensors_outlive_the_file_and_each_other(tmp_path: Path) -> None:
    path = tmp_path / "w"
    write_msgpack(path, {name: TensorRef.filled((5000,), DType.FLOAT32, 1.0) for name in "ab"})
    kept = load_weights(path)["b"]
    path.unlink()
    assert kept.sum() == 5000


def test_each_tensor_is_saved_for_itself(tmp_path: Path) -> None:
    write_msgpack(tmp_path / "w", {name: TensorRef.filled((5000,), DType.FLOAT32, 1.0) for name in "ab"})
    loaded = load_weights(tmp_path / "w")
    assert loaded["a"].untyped_storage().data_ptr() != loaded["b"].untyped_storage().data_ptr()
    torch.save(loaded["a"], tmp_path / "a.pt")
    assert (tmp_path / "a.pt").stat().st_size < 25_000


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_loading_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "w"
    write_msgpack(path, {name: TensorRef.filled((1 << 23,), DType.FLOAT32, 1.0) for name in "abcd"})  # 128 MB
    script = """
        import sys
        from codegen_torch.runtime.weights import load_weights

        def resident():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * 4096

        before = resident()
        loaded = load_weights(sys.argv[1])
        print(resident() - before)
        assert loaded["d"][-1] == 1
    """
    added = subprocess.check_output(
        [sys.executable, "-c", textwrap.dedent(script), path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert int(added) < 4 << 20


WRITTEN = {
    "a": TensorRef.of_array(np.arange(5, dtype=np.float32)),
    "b": TensorRef.of_array(np.arange(6, dtype=np.int64).reshape(2, 3)),
}


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "w"
    write_msgpack(path, WRITTEN)
    raw = path.read_bytes()
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(ValueError, match=r"is not a weights file|the weights file ends before [ab] does"):
            load_weights(path)


def test_a_file_is_loaded_without_what_the_page_does_not_ask_for(tmp_path: Path) -> None:
    """As somebody else's program may write it: four entries, and no identity."""
    entry = {"dtype": "float32", "shape": [2], "offset": 128, "nbytes": 8, "blob": 1}
    document = {"format": "onnxgen-weights", "version": 1, "tensors": {"w": entry}, "blobs": []}
    start = msgpack.packb(document)
    (tmp_path / "w").write_bytes(start.ljust(128, b"\0") + np.array([1, 2], "<f4").tobytes())
    assert load_weights(tmp_path / "w", "0123456789abcdef")["w"].tolist() == [1, 2]


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_weights(tmp_path / "w")


TAMPERED = {
    "another format": (b"onnxgen-weights", b"onnxgen-weighty", "not a weights file of version 1"),
    "another version": (b"version\x01", b"version\x02", "not a weights file of version 1"),
    "another type": (b"float32", b"float64", "contradicts itself about a"),
    "another shape": (b"shape\x91\x05", b"shape\x91\x06", "contradicts itself about a"),
    "another size": (b"\x14\xa4blob", b"\x18\xa4blob", "contradicts itself about a"),
    "unaligned": (b"offset\xcf\0\0\0\0\0\0\0", b"offset\xcf\0\0\0\0\0\0\1", "ends before a does"),
    "beyond the end": (b"offset\xcf\0", b"offset\xcf\1", "ends before a does"),
    "no map": (b"\x84\xa6format", b"\x94\xa6format", "not a weights file"),
    "no tensors": (b"tensors", b"senators", "not a weights file"),
    "a key that is none": (b"\xa6format", b"\x90" * 7, "not a weights file"),
}


@pytest.mark.parametrize(("old", "new", "message"), TAMPERED.values(), ids=TAMPERED)
def test_a_header_that_lies_is_refused(tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    path = tmp_path / "w"
    write_msgpack(path, WRITTEN)
    raw = path.read_bytes()
    assert old in raw
    path.write_bytes(raw.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        load_weights(path)
