import dataclasses
import gc
import hashlib
import itertools
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx_proto
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx_proto import build

from codegen_torch.dtypes import DType
from codegen_torch.errors import ConversionError
from codegen_torch.minifloats import decoded
from codegen_torch.tensors import TensorRef

FIXED = [dtype for dtype in DType if dtype is not DType.STRING]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


def content(ref: TensorRef, block: int = 1 << 20) -> bytes:
    return b"".join(bytes(chunk) for chunk in ref.chunks(block))


def little_endian(array: np.ndarray) -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def numbered(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)


def stored(array: np.ndarray, path: Path, *, external: bool = False, name: str = "w") -> TensorRef:
    """The array, after a way through a file."""
    graph = onnx.helper.make_graph([], "g", [], [], [onnx.numpy_helper.from_array(array, name)])
    onnx.save(
        onnx.helper.make_model(graph), path, save_as_external_data=external, location="data.bin", size_threshold=0
    )
    [tensor] = onnx_proto.load(path).graph.initializers
    return TensorRef.of_onnx(tensor)


@st.composite
def references(draw: st.DrawFn) -> tuple[TensorRef, np.ndarray]:
    """A tensor with a few derivations, and what it must be by numpy's word."""
    dtype = draw(st.sampled_from(FIXED))
    shape = draw(SHAPES)
    if draw(st.booleans()):
        element = draw(hnp.arrays(dtype.numpy, (1,)))
        ref, array = TensorRef.filled(shape, dtype, element), np.broadcast_to(element[0], shape)
    else:
        array = draw(hnp.arrays(dtype.numpy, shape))
        ref = TensorRef.of_array(array, dtype)
    for _ in range(draw(st.integers(0, 4))):
        ref, array = draw(derivations(ref, array))
    return ref, array


@st.composite
def derivations(draw: st.DrawFn, ref: TensorRef, array: np.ndarray) -> tuple[TensorRef, np.ndarray]:
    kind = draw(st.sampled_from(["permute", "reshape", "select", "slice", "take_rows"]))
    if kind == "permute":
        dims = draw(st.permutations(range(array.ndim)))
        return ref.permute(*dims), array.transpose(dims)
    if kind == "reshape":
        shape = draw(st.permutations(array.shape)) if array.ndim else [1, 1]
        return ref.reshape(*shape), array.reshape(shape)
    if array.ndim == 0:
        return ref, array
    axis = draw(st.integers(-array.ndim, array.ndim - 1))
    if kind == "select" and array.shape[axis]:
        index = draw(st.integers(-array.shape[axis], array.shape[axis] - 1))
        return ref.select(axis, index), np.asarray(array.take(index, axis))
    if kind == "slice":
        start, stop = draw(st.integers(-6, 6)), draw(st.integers(-6, 6))
        return ref.slice(axis, start, stop), np.moveaxis(np.moveaxis(array, axis, 0)[start:stop], 0, axis)
    if kind == "take_rows":
        blocks = draw(st.sampled_from([n for n in range(1, 6) if array.shape[0] % n == 0]))
        order = draw(st.lists(st.integers(0, blocks - 1), min_size=1, max_size=6))
        return ref.take_rows(order, blocks), np.concatenate([np.split(array, blocks)[block] for block in order])
    return ref, array


@given(references(), st.integers(1, 100))
def test_a_reference_reads_as_numpy_derives_it(pair: tuple[TensorRef, np.ndarray], block: int) -> None:
    ref, expected = pair
    assert ref.shape == expected.shape
    assert ref.size == expected.size
    assert ref.nbytes == expected.size * ref.dtype.itemsize
    array = ref.numpy()
    assert array.shape == expected.shape
    assert array.dtype == ref.dtype.numpy
    assert not array.flags.writeable
    assert array.tobytes() == expected.tobytes()
    assert content(ref, block) == little_endian(expected)
    assert all(len(chunk) <= max(block, ref.dtype.itemsize) for chunk in ref.chunks(block))


@given(references())
def test_uniform_means_that_all_elements_have_the_same_bits(pair: tuple[TensorRef, np.ndarray]) -> None:
    ref, array = pair
    elements = {array[index].tobytes() for index in np.ndindex(array.shape)}
    assert ref.is_uniform() == (len(elements) == 1)


@given(references())
def test_equal_content_is_equal_whatever_it_comes_from(pair: tuple[TensorRef, np.ndarray]) -> None:
    ref, array = pair
    copy = TensorRef.of_array(array.copy(), ref.dtype)
    assert ref.equals(copy)
    assert ref.digest() == copy.digest()
    assert not ref.equals(copy.reshape(1, *ref.shape))
    if ref.size:
        data = bytearray(array.tobytes())
        data[-1] ^= 1
        other = np.frombuffer(bytes(data), array.dtype).reshape(array.shape)
        assert not ref.equals(TensorRef.of_array(other, ref.dtype))


def test_bits_are_compared_not_values() -> None:
    zeros = np.array([0.0, -0.0], np.float32)
    assert not TensorRef.of_array(zeros).is_uniform()
    assert TensorRef.of_array(np.array([np.nan, np.nan])).is_uniform()
    assert not TensorRef.of_array(zeros).equals(TensorRef.of_array(abs(zeros)))
    assert not TensorRef.of_array(np.zeros(2, np.int32)).equals(TensorRef.of_array(np.zeros(2, np.float32)))


@pytest.mark.parametrize("at", [1, 63, 64, 5000, 3_000_000 - 1])
def test_one_odd_element_anywhere_is_found(at: int) -> None:
    array = np.ones(3_000_000, np.float32)
    assert TensorRef.of_array(array).is_uniform()
    odd = array.copy()
    odd[at] = 2
    assert not TensorRef.of_array(odd).is_uniform()


def test_references_are_told_apart_by_identity() -> None:
    array = numbered(3)
    a, b = TensorRef.of_array(array), TensorRef.of_array(array)
    assert a != b
    assert len({a, b, a}) == 2


def test_moving_axes_of_length_one_keeps_the_order_and_moving_back_is_free() -> None:
    ref = TensorRef.of_array(numbered(4, 5))
    assert ref.T.T is ref
    assert ref.permute(0, 1) is ref
    assert ref.reshape(4, 5) is ref
    assert ref.reshape(20).reshape(4, -1) is ref
    column = TensorRef.of_array(numbered(7, 1))
    [chunk] = column.T.chunks()
    assert np.shares_memory(np.frombuffer(chunk, np.float32), column.numpy())


def test_views_are_not_copies() -> None:
    array = numbered(4, 6)
    ref = TensorRef.of_array(array).T.slice(0, 1, 5).select(1, 2).reshape(2, 2)
    assert np.shares_memory(TensorRef.of_array(array).T.slice(0, 1, 5).numpy(), array)
    np.testing.assert_array_equal(ref.numpy(), array.T[1:5][:, 2].reshape(2, 2))


def test_a_chain_of_any_length_is_read_without_recursion() -> None:
    ref = TensorRef.of_array(numbered(2, 3, 4))
    for _ in range(20_000):
        ref = ref.permute(2, 0, 1).reshape(4, 6).T.reshape(2, 3, 4)
    assert ref.numpy().shape == (2, 3, 4)
    assert not ref.is_uniform()
    assert sorted(np.frombuffer(content(ref), np.float32)) == list(range(24))


def test_lstm_gates_go_from_the_order_of_onnx_to_that_of_torch() -> None:
    iofc = np.repeat(np.array([["i"], ["o"], ["f"], ["c"]]).view(np.int32), 2, axis=0)
    ifco = TensorRef.of_array(iofc).take_rows((0, 2, 3, 1), 4).numpy()
    assert [chr(code) for code in ifco[:, 0]] == list("iiffccoo")


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "int64", "uint16", "bool", "complex64", "complex128"]
)
def test_a_tensor_of_a_file_reads_and_streams(tmp_path: Path, dtype: str, external: bool) -> None:
    array = numbered(37, 3, 11, dtype=dtype)
    ref = stored(array, tmp_path / "m.onnx", external=external)
    assert (ref.name, ref.dtype, ref.shape) == ("w", DType(dtype), (37, 3, 11))
    np.testing.assert_array_equal(ref.numpy(), array)
    assert content(ref, 256) == little_endian(array)
    assert content(ref.permute(2, 0, 1), 256) == little_endian(array.transpose(2, 0, 1))
    assert ref.permute(2, 0, 1).name == "w"
    assert ref.equals(TensorRef.of_array(array))


def test_strings_are_read_but_have_no_bytes(tmp_path: Path) -> None:
    ref = stored(np.array([["a", "bc"], ["é", ""]], dtype=object), tmp_path / "m.onnx")
    assert ref.dtype is DType.STRING
    assert ref.T.numpy().tolist() == [["a", "é"], ["bc", ""]]
    assert ref.equals(TensorRef.of_array(ref.numpy().copy()))
    assert not ref.equals(ref.T)
    assert not ref.is_uniform()
    assert TensorRef.filled((2, 2), DType.STRING, "x").equals(TensorRef.of_array(np.full((2, 2), "x", object)))
    assert not TensorRef.of_array(np.array(["a", "bc"], object)).equals(
        TensorRef.of_array(np.array(["ab", "c"], object))
    )
    with pytest.raises(TypeError, match="'w' holds strings"):
        ref.chunks()


def test_a_type_torch_does_not_have_is_refused() -> None:
    tensor = dataclasses.replace(build.tensor("w", np.zeros(3, np.uint8)), dtype=onnx_proto.DataType.UNDEFINED)
    with pytest.raises(ConversionError, match="'w' holds UNDEFINED"):
        TensorRef.of_onnx(tensor)


@pytest.mark.parametrize("dtype", [DType.INT4, DType.UINT4, DType.INT2, DType.UINT2])
def test_small_integers_take_a_byte_each(dtype: DType) -> None:
    lowest, highest = dtype.limits
    values = np.arange(lowest, highest + 1).repeat(5)[:-3]
    ref = TensorRef.of_onnx(build.tensor("w", values, dtype.name.lower()))
    assert ref.dtype is dtype
    assert ref.numpy().tolist() == values.tolist()
    assert ref.nbytes == len(values)
    assert content(ref, 4) == content(ref) == little_endian(values.astype(dtype.numpy))
    assert ref.equals(TensorRef.of_array(values.astype(getattr(ml_dtypes, dtype.value)), dtype))


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype.is_narrow_float])
def test_narrow_floats_are_held_as_the_bits_of_a_type_of_torch(dtype: DType) -> None:
    bits = onnx_proto.DataType[dtype.name].bits
    codes = np.arange(1 << bits).astype(np.uint8)
    ref = TensorRef.of_onnx(build.tensor("w", codes, onnx_proto.DataType[dtype.name]))
    own, wider = (np.dtype(getattr(ml_dtypes, d.value)) for d in (dtype, dtype.held))
    wanted = codes.view(own).astype(np.float32)
    np.testing.assert_array_equal(ref.numpy().view(wider).astype(np.float32), wanted)
    np.testing.assert_array_equal(np.signbit(ref.numpy().view(wider).astype(np.float32)), np.signbit(wanted))
    np.testing.assert_array_equal(decoded(ref.numpy(), dtype), wanted)
    assert content(ref, 7) == content(ref) == ref.numpy().tobytes()
    assert ref.equals(TensorRef.of_array(codes.view(own), dtype))
    one = TensorRef.filled((2,), dtype, 1.0)
    assert decoded(one.numpy(), dtype).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match=r"does not have 1\.7"):
        TensorRef.filled((2,), dtype, 1.7)


def test_a_filled_tensor_of_any_size_is_never_made() -> None:
    huge = TensorRef.filled((1 << 20, 1 << 20), DType.FLOAT32, 0.5)
    assert huge.nbytes == 1 << 42
    assert huge.is_uniform()
    assert huge.T.select(0, 3).slice(0, 0, 5).numpy().tolist() == [0.5] * 5
    assert huge.numpy()[-1, -1] == 0.5
    assert huge.add(huge.T).take_rows((1, 0), 2).equals(TensorRef.filled(huge.shape, DType.FLOAT32, 1.0))
    assert not huge.equals(TensorRef.filled(huge.shape, DType.FLOAT32, 0.25))
    assert len(next(huge.chunks())) == 4 << 20


def test_a_filled_tensor_takes_numbers_and_elements() -> None:
    def element(value: complex | np.generic | np.ndarray, dtype: DType) -> object:
        return TensorRef.filled((), dtype, value).numpy().item()

    assert element(1.5, DType.BFLOAT16) == 0x3FC0
    assert element(np.uint16(7), DType.BFLOAT16) == 7
    assert element(np.array([3], np.int8), DType.INT8) == 3
    assert element(True, DType.BOOL) is True
    with pytest.raises(ValueError, match="does not hold"):
        TensorRef.filled((2,), DType.FLOAT32, np.float64(1))
    with pytest.raises(ValueError, match="reshape"):
        TensorRef.filled((2,), DType.FLOAT32, np.zeros(2, np.float32))
    with pytest.raises(OverflowError):
        TensorRef.filled((2,), DType.INT8, 300)


def test_a_big_endian_array_is_taken_for_its_values() -> None:
    array = np.array([1, 2, 3], ">i4")
    assert content(TensorRef.of_array(array)) == array.astype("<i4").tobytes()


def test_an_array_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="does not hold"):
        TensorRef.of_array(np.zeros(2, np.float32), DType.INT32)


@given(st.lists(st.tuples(st.floats(width=32), st.floats(width=32)), min_size=1))
def test_sums_of_bfloat16_are_rounded_as_the_reference_rounds(pairs: list[tuple[float, float]]) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    a, b = (np.array(column, np.float32).astype(ml_dtypes.bfloat16) for column in zip(*pairs, strict=True))
    with np.errstate(all="ignore"):
        expected = a + b
    found = TensorRef.of_array(a).add(TensorRef.of_array(b)).numpy().view(ml_dtypes.bfloat16)
    same = (found.view(np.uint16) == expected.view(np.uint16)) | (np.isnan(found) & np.isnan(expected))
    assert same.all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8", "complex64"])
def test_sums_are_those_of_their_type(dtype: str) -> None:
    a, b = numbered(300, dtype=dtype), numbered(300, dtype=dtype)[::-1]
    total = TensorRef.of_array(a).add(TensorRef.of_array(b))
    assert total.dtype is DType(dtype)
    np.testing.assert_array_equal(total.numpy(), a + b)


REFUSED: dict[str, tuple[Callable[[TensorRef], TensorRef], type[Exception]]] = {
    "permute twice": (lambda ref: ref.permute(0, 0), ValueError),
    "permute too few": (lambda ref: ref.permute(0), ValueError),
    "permute beyond": (lambda ref: ref.permute(0, 2), ValueError),
    "transpose of a vector": (lambda ref: ref.reshape(24).T, ValueError),
    "reshape to another size": (lambda ref: ref.reshape(5, 5), ValueError),
    "reshape that does not divide": (lambda ref: ref.reshape(5, -1), ValueError),
    "reshape with two unknowns": (lambda ref: ref.reshape(-1, -1), ValueError),
    "reshape with negative sides": (lambda ref: ref.reshape(-4, -6), ValueError),
    "select beyond": (lambda ref: ref.select(0, 4), IndexError),
    "select before": (lambda ref: ref.select(0, -5), IndexError),
    "slice of no axis": (lambda ref: ref.slice(2, 0, 1), ValueError),
    "rows that do not divide": (lambda ref: ref.take_rows((0, 1), 3), ValueError),
    "rows beyond": (lambda ref: ref.take_rows((0, 2), 2), IndexError),
    "sum of two shapes": (lambda ref: ref.add(ref.T), ValueError),
    "sum of two types": (lambda ref: ref.add(TensorRef.filled((4, 6), DType.INT32, 1)), ValueError),
    "sum of booleans": (
        lambda ref: TensorRef.filled((2,), DType.BOOL, True).add(TensorRef.filled((2,), DType.BOOL, True)),
        ValueError,
    ),
}


@pytest.mark.parametrize(("derive", "error"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_at_once(
    derive: Callable[[TensorRef], TensorRef], error: type[Exception]
) -> None:
    with pytest.raises(error):
        derive(TensorRef.of_array(numbered(4, 6)))


def test_streaming_holds_one_block_and_a_transpose_four_and_the_source_too(tmp_path: Path) -> None:
    array = numbered(2048, 4096)  # 32 MB
    ref = stored(array, tmp_path / "m.onnx")
    expected = [array.tobytes(), array.T.tobytes()]
    for tensor, limit in [(ref, 9 << 20), (ref.reshape(-1), 9 << 20), (ref.T, 51 << 20)]:
        gc.collect()
        tracemalloc.start()
        position = 0
        for chunk in tensor.chunks():
            assert expected[tensor.shape == (4096, 2048)].startswith(bytes(chunk[:4096]), position)
            position += len(chunk)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert position == array.nbytes
        assert peak < limit


@pytest.mark.parametrize("external", [False, True], ids=["in the file", "external"])
@pytest.mark.parametrize(
    ("shape", "dims"),
    [
        ((512, 2048), (1, 0)),
        ((16, 64, 1024), (0, 2, 1)),
        ((4, 128, 2048), (2, 0, 1)),
        ((63, 127, 101), (1, 2, 0)),
    ],
    ids=str,
)
def test_a_large_transpose_is_read_in_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], dims: tuple[int, ...], external: bool
) -> None:
    monkeypatch.setattr("codegen_torch.tensors._WINDOW", (1 << 18, 1 << 20))
    array = numbered(*shape)
    ref = stored(array, tmp_path / "m.onnx", external=external).permute(*dims)
    expected = hashlib.sha256(array.transpose(dims).tobytes()).digest()
    streamed = hashlib.sha256()
    gc.collect()
    tracemalloc.start()
    for chunk in ref.chunks(1 << 16):
        streamed.update(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert streamed.digest() == expected
    assert peak < 2 << 20


def test_tensors_that_differ_are_seldom_read(tmp_path: Path) -> None:
    array = numbered(1024, 1024)
    ref = stored(array, tmp_path / "m.onnx")
    others = [stored(array + 1, tmp_path / "m1.onnx"), stored(array, tmp_path / "m2.onnx").T, ref.T]
    halves = [ref.slice(0, 0, 512), ref.slice(0, 512, 1024), ref.slice(1, 0, 512).T, ref.take_rows((1,), 2)]
    gc.collect()
    tracemalloc.start()
    assert not any(ref.equals(other) for other in others)
    assert not any(halves[0].equals(half) or halves[2].equals(half) for half in halves[1::2])
    assert ref.T.reshape(-1).equals(ref.T.reshape(4, -1).reshape(-1))  # is the same, which takes no reading either
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
    assert halves[1].equals(halves[3])


@given(references())
def test_samples_are_elements_wherever_they_lie(pair: tuple[TensorRef, np.ndarray]) -> None:
    ref, array = pair
    assert ref.sample() == TensorRef.of_array(array.copy(), ref.dtype).sample()


def test_whether_a_tensor_is_uniform_is_seen_from_its_start(tmp_path: Path) -> None:
    ref = stored(numbered(1 << 20), tmp_path / "m.onnx")
    tracemalloc.start()
    assert not ref.is_uniform()
    assert not ref.reshape(1024, 1024).T.is_uniform()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_blocks_may_be_smaller_than_an_element() -> None:
    ref = TensorRef.of_array(numbered(2, 2, dtype="complex128"))
    assert [len(chunk) for chunk in itertools.chain(ref.chunks(1), ref.T.chunks(17))] == [16] * 8
