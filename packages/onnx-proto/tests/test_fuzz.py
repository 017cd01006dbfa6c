"""Whatever happens to a file's bytes: it loads and reads, or it is refused by an error of the family."""

import random
from pathlib import Path

import numpy as np
import pytest

import onnx_proto
from onnx_proto import DataType, OnnxError, SparseTensor
from onnx_proto.build import function, graph, model, node, sparse_tensor, tensor, value
from onnx_proto.types import SequenceType, TensorType
from onnx_proto.verify import tensors_within

MUTANTS = 24_000
WEIGHT = np.arange(1100, dtype=np.float32)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Small models that together have every way to hold a tensor, by name."""
    branch = graph([node("Relu", ["v"], ["z"])], [], ["z"], [tensor("v", WEIGHT)])
    external = tmp_path_factory.mktemp("external")
    onnx_proto.save(model(graph([], [], [], [tensor("w", WEIGHT)])), external / "m.onnx", external_data="m.data")
    return {
        "plain": onnx_proto.dumps(
            model(
                graph(
                    [node("Conv", ["x", "w"], ["y"], name="Conv_3", pads=[1, 1], mode="same", alpha=0.5, scales=[0.5])],
                    [value("x", "float32", ["batch", 3])],
                    [value("y")],
                    [tensor("w", [[1.0, 2.0]]), tensor("i", [1, 2, 3]), tensor("t", ["a", "b"])],
                )
            )
        ),
        "nested": onnx_proto.dumps(
            model(
                graph(
                    [node("If", ["c"], ["y"], then_branch=branch, value=tensor("", [True, False]))],
                    [value("m", SequenceType(TensorType(DataType.INT4, (1, "n"))))],
                    [],
                    [tensor("q", np.zeros(5, np.int8), "int4"), sparse_tensor("s", [1.0], [3], [9])],
                ),
                functions=[function("f", ["a"], ["b"], [node("Exp", ["a"], ["b"])], domain="d")],
                metadata={"key": "text"},
            )
        ),
        "external": (external / "m.onnx").read_bytes(),
    }


@pytest.mark.parametrize("kind", ["plain", "nested", "external"])
def test_mutants(seeds: dict[str, bytes], kind: str, tmp_path: Path) -> None:
    (tmp_path / "m.data").write_bytes(WEIGHT.tobytes())
    chance = random.Random(kind)
    rounds = MUTANTS // len(seeds)
    reasons = []
    for _ in range(rounds):
        data = bytearray(seeds[kind])
        for _ in range(chance.choice([1, 1, 2, 8])):
            damage(data, chance)
        try:
            read_everything(bytes(data), tmp_path)
        except OnnxError as error:
            reasons.append(str(error))
    assert all(map(str.isprintable, reasons))
    assert rounds * 0.2 < len(reasons) < rounds


def test_random_bytes(tmp_path: Path) -> None:
    chance = random.Random(7)
    for _ in range(2000):
        with pytest.raises(OnnxError):
            read_everything(b"\x08\x08" + chance.randbytes(chance.randrange(1, 60)), tmp_path)


def read_everything(data: bytes, folder: Path) -> None:
    """Loads a model and reads all that it holds, bounded by the bytes that are there."""
    loaded = onnx_proto.loads(data, folder)
    onnx_proto.verify_external_data(loaded)
    for entry in tensors_within(loaded):
        assert entry.numpy().nbytes <= 8 * (len(data) + WEIGHT.nbytes)
    for part in loaded.graph.sparse_initializers:
        assert isinstance(part, SparseTensor)
        part.linear_indices()
    assert onnx_proto.dumps(onnx_proto.loads(onnx_proto.dumps(loaded))) == onnx_proto.dumps(loaded)


def damage(data: bytearray, chance: random.Random) -> None:
    """Changes, removes or adds a few bytes, or doubles a stretch of them."""
    position = chance.randrange(len(data))
    match chance.randrange(5):
        case 0:
            data[position] ^= 1 << chance.randrange(8)
        case 1:
            data[position] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
        case 2:
            del data[position : position + chance.randrange(1, 9)]
        case 3:
            data[position:position] = data[position : position + chance.randrange(1, 40)]
        case _:
            data[position:position] = chance.randbytes(chance.randrange(1, 5))
    if not data:
        data += b"\x00"
