"""No file takes much more memory than its own size: tiny messages in great numbers are refused, or cost what they may.

`tools/fuzz.py` looks for time and errors; here it is memory. README.md states the factor.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import onnx_proto
from onnx_proto import LimitError
from onnx_proto.lazy import complete
from onnx_proto.read_parts import BYTES_PER_MESSAGE, FREE_MESSAGES
from onnx_proto.skim import MAX_SMALL_MESSAGE, MAX_TENSOR_ENTRIES, skim
from onnx_proto.source import MemorySource
from onnx_proto.wire import header

SIZE = 2 << 20
FACTOR = 50
SPARE = 24 << 20  # what `FREE_MESSAGES` small objects take


def field(number: int, *parts: bytes) -> bytes:
    value = b"".join(parts)
    return header(number, len(value)) + value


def numbered(make: Callable[[bytes], bytes]) -> bytes:
    """As many fields as fit, each with another name of six bytes."""
    count = SIZE // len(make(b"000000"))
    return b"".join(make(b"%06x" % index) for index in range(count))


def filled(part: bytes) -> bytes:
    return part * (SIZE // len(part))


def graph(*fields: bytes) -> bytes:
    return b"\x08\x0a" + field(7, *fields)


def node(*fields: bytes) -> bytes:
    return graph(field(1, *fields))


def attribute(*fields: bytes) -> bytes:
    return node(field(5, field(1, b"a"), *fields))


def int64_tensor(count: int, data: bytes) -> bytes:
    dim = header(1, count)[1:]  # the length alone is the number as a varint
    return graph(field(5, b"\x10\x07", field(1, dim), data))


INT = b"\x18\x01"
READ = {
    "documentation": lambda: graph(field(10, bytes(SIZE))),
    "dims of nothing": lambda: graph(filled(field(13, field(2, field(1, b"\x08\x01", field(2, field(1) * 1000)))))),
    "inputs of nothing": lambda: node(filled(field(1))),
    "short inputs": lambda: node(filled(field(1, "ā".encode()))),
    "ints of a byte": lambda: attribute(field(8, filled(b"\x01"))),
    "ints apart": lambda: attribute(filled(b"\x40\x80\x7f")),
    "strings of nothing": lambda: attribute(filled(field(9))),
    "strings that are no text": lambda: attribute(filled(field(9, b"\xff"))),
    "elements of a byte": lambda: int64_tensor(SIZE, field(7, filled(b"\x01"))),
    "attributes by name": lambda: node(numbered(lambda name: field(5, field(1, name), INT, field(13, b"doc")))),
    "tensors by name": lambda: graph(numbered(lambda name: field(5, b"\x10\x01\x08\x00", field(8, name)))),
}
REFUSED = {
    "nodes of nothing": lambda: graph(filled(field(1))),
    "nodes of little": lambda: graph(filled(field(1, field(5, field(1, b"ab"), INT)))),
    "values of nothing": lambda: graph(filled(field(13))),
    "attributes of nothing": lambda: node(filled(field(5, field(1, b"a")))),
    "graphs of nothing": lambda: attribute(filled(field(11))),
    "graphs of nothing in many attributes": lambda: graph(filled(field(1, field(5, field(1, b"a"), field(11) * 2000)))),
    "shardings of nothing": lambda: graph(filled(field(1, field(10, field(2) * 1000)))),
    "metadata of nothing": lambda: graph(filled(field(16))),
    "functions of nothing": lambda: graph() + filled(field(25)),
    "one great type": lambda: graph(field(13, field(2, field(1, b"\x08\x01", field(2, filled(field(1))))))),
    "entries of a tensor": lambda: graph(field(5, b"\x10\x01", filled(field(13)))),
}

CHILD = """
import json, sys
import numpy
import onnx_proto
from onnx_proto.lazy import complete
from onnx_proto.verify import tensors_within

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))

before, outcome = peak(), "read"
try:
    model = onnx_proto.load(sys.argv[1])
    complete(model.graph)
    complete(model)
    for tensor in tensors_within(model):
        tensor.numpy()
except onnx_proto.OnnxError as error:
    outcome = type(error).__name__
print(json.dumps([outcome, peak() - before]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of one program")
@pytest.mark.parametrize(
    ("make", "outcome"),
    [*((make, "read") for make in READ.values()), *((make, "LimitError") for make in REFUSED.values())],
    ids=[*READ, *REFUSED],
)
def test_memory_is_bounded_by_the_size_of_the_file(make: Callable[[], bytes], outcome: str, tmp_path: Path) -> None:
    data = make()
    (tmp_path / "m.onnx").write_bytes(data)

    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "m.onnx")],
        env={"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    ended, taken = json.loads(child.stdout)
    assert ended == outcome
    assert taken < FACTOR * len(data) + SPARE


@pytest.mark.parametrize("count", [FREE_MESSAGES, FREE_MESSAGES + 1, 3 * FREE_MESSAGES])
def test_few_messages_may_be_as_small_as_they_like(count: int) -> None:
    data = graph(field(1) * count)
    allowed = FREE_MESSAGES + len(data) // BYTES_PER_MESSAGE
    loaded = onnx_proto.loads(data)

    if count < allowed:
        assert len(loaded.graph.nodes) == count
    else:
        with pytest.raises(LimitError, match=f"graph: more than {allowed} messages in a file of {len(data)} bytes"):
            complete(loaded.graph)


def test_limits_of_single_messages() -> None:
    longest = field(2, field(7, field(1, bytes(MAX_SMALL_MESSAGE - 20))))
    assert onnx_proto.loads(graph(field(11, longest))).graph.inputs[0].type is not None
    with pytest.raises(LimitError, match=r"field 11 of a graph, at byte 6, has .* bytes, more than the 1048576"):
        onnx_proto.loads(graph(field(11, longest + field(3, bytes(20)))))

    entries = field(16, field(1, b"key"))
    most = graph(field(5, b"\x10\x01\x08\x00", entries * MAX_TENSOR_ENTRIES))
    assert onnx_proto.loads(most).graph.initializers[0].metadata == {"key": ""}
    with pytest.raises(LimitError, match="a tensor has more than 1000 entries"):
        onnx_proto.loads(graph(field(5, b"\x10\x01\x08\x00", entries * (MAX_TENSOR_ENTRIES + 1))))


@pytest.mark.parametrize("shift", range(12))
def test_rows_of_numbers_are_passed_over_wherever_they_are_cut(shift: int) -> None:
    payload = bytes(range(256)) * 40
    numbers = (b"\x40\x01" + b"\x40\x80\x7f" + b"\x3d\x00\x00\x80\x3f") * 3000
    data = node(field(5, field(1, bytes(shift)), numbers, field(5, b"\x10\x01", field(9, payload)), numbers))

    (lifted,) = skim(MemorySource(data)).references.lifted

    assert (lifted.field, lifted.offset, lifted.length) == (9, data.index(payload), len(payload))
