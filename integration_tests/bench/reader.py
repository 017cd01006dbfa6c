"""Reading ONNX files: time and peak memory of onnx_proto, plain protobuf and onnx.load, side by side.

Each cell says: time to load + time to visit everything, peak memory. They are the figures of one run, that of the
median time; the readers take turns. A run is a fresh interpreter, which loads a model once and then visits everything
in it: each tensor in turn becomes an array and is dropped, each node's inputs, outputs and attributes become Python
values. Times leave imports out; memory is the peak of the whole process. The files are sparse, so that making them
takes neither time nor disk, are read once before, and lie in a temporary folder (TMPDIR) until the end.
"""

# ruff: noqa: T201 (its output is what a benchmark is for)

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

sys.path.insert(0, str(Path(__file__).parent.parent))

from large import delimited, varint

MB = 1 << 20
TENSOR_BYTES = 25 * MB
NODES = 100_000

Row = dict[str, Any]


# Models


def write_single_file(path: Path, tensors: int) -> None:
    """A model of that many tensors in one file, written without ever being in memory, as large as one likes."""
    heads = []
    for index in range(tensors):
        name, dims, dtype = f"w{index}".encode(), varint(TENSOR_BYTES // 4), 1
        fields = b"\x0a" + varint(len(dims)) + dims + bytes([0x10, dtype]) + delimited(8, len(name)) + name
        fields += delimited(9, TENSOR_BYTES)
        heads.append(delimited(5, len(fields) + TENSOR_BYTES) + fields)
    graph_length = sum(map(len, heads)) + tensors * TENSOR_BYTES
    with path.open("wb") as file:
        file.write(b"\x08\x08" + delimited(7, graph_length))
        for head in heads:
            file.write(head)
            skip_zeros(file, TENSOR_BYTES)


def write_external(path: Path, tensors: int) -> None:
    import onnx_proto
    from onnx_proto._generated import onnxgen_onnx_pb2 as pb

    proto = pb.ModelProto(ir_version=8)
    for index in range(tensors):
        tensor = proto.graph.initializer.add(name=f"w{index}", dims=[TENSOR_BYTES // 4], data_type=1)
        tensor.data_location = pb.TensorProto.EXTERNAL
        entries = {"location": "weights.data", "offset": index * TENSOR_BYTES, "length": TENSOR_BYTES}
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=str(value))
    path.write_bytes(proto.SerializeToString())
    with (path.parent / "weights.data").open("wb") as file:
        skip_zeros(file, tensors * TENSOR_BYTES)
    assert len(onnx_proto.load(path).graph.initializers) == tensors


def write_nodes(path: Path, count: int) -> None:
    import onnx_proto
    from onnx_proto import build

    def node(index: int) -> onnx_proto.Node:
        x, y, name = f"x{index}", f"x{index + 1}", f"/layer/{index}"
        match index % 4:
            case 0:
                attributes = {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1]}
                return build.node("Conv", [x, f"w{index}"], [y], name=name, attributes=attributes)
            case 1:
                return build.node("Relu", [x], [y], name=name)
            case 2:
                return build.node("Add", [x, f"x{index - 1}"], [y], name=name)
            case _:
                return build.node("Softmax", [x], [y], name=name, axis=-1)

    onnx_proto.save(build.model(build.graph(map(node, range(count)), ["x0"], [f"x{count}"])), path)


def skip_zeros(file: BinaryIO, count: int) -> None:
    """Leaves a hole that reads as zeros; its last byte is written, so that the file has its length."""
    file.seek(count - 1, os.SEEK_CUR)
    file.write(b"\0")


CASES: dict[str, Callable[[Path], None]] = {
    "100 MB": lambda path: write_single_file(path, 4),
    "1 GB": lambda path: write_single_file(path, 40),
    "3.2 GB, one file": lambda path: write_single_file(path, 128),
    "4 GB, external data": lambda path: write_external(path, 160),
    "100 000 nodes": lambda path: write_nodes(path, NODES),
}


# Readers, each in an interpreter of its own


def read_ours(path: str) -> Iterator[int]:
    import onnx_proto

    yield 0
    model = onnx_proto.load(path)
    yield 0
    seen = sum(tensor.numpy().nbytes for tensor in model.graph.initializers)
    for node in model.graph.nodes:
        seen += len(node.op_type) + len(node.inputs) + len(node.outputs)
        seen += sum(attribute.value is not None for attribute in node.attributes.values())
    yield seen


def read_protobuf(path: str) -> Iterator[int]:
    import numpy as np
    from onnx_proto._generated import onnxgen_onnx_pb2 as pb

    yield 0
    proto = pb.ModelProto.FromString(Path(path).read_bytes())
    yield 0
    seen = sum(np.frombuffer(tensor.raw_data, "<f4").nbytes for tensor in proto.graph.initializer)
    yield seen + visit_messages(proto)


def visit_messages(proto: Any) -> int:
    seen = 0
    for node in proto.graph.node:
        seen += len(node.op_type) + len(tuple(node.input)) + len(tuple(node.output))
        seen += sum(attribute.i is not None and tuple(attribute.ints) is not None for attribute in node.attribute)
    return seen


def read_onnx(path: str) -> Iterator[int]:
    import onnx
    from onnx import helper, numpy_helper

    yield 0
    proto = onnx.load(path)
    yield 0
    seen = sum(numpy_helper.to_array(tensor).nbytes for tensor in proto.graph.initializer)
    for node in proto.graph.node:
        seen += len(node.op_type) + len(tuple(node.input)) + len(tuple(node.output))
        seen += sum(helper.get_attribute_value(attribute) is not None for attribute in node.attribute)
    yield seen


READERS: dict[str, Callable[[str], Iterator[int]]] = {
    "onnx_proto": read_ours,
    "protobuf": read_protobuf,
    "onnx.load": read_onnx,
}


def measure(reader: str, path: str) -> Row:
    """What one reader takes for one file, in this very process."""
    steps = READERS[reader](path)
    next(steps)
    start = time.perf_counter()
    try:
        next(steps)
        loaded = time.perf_counter()
        seen = next(steps)
    except Exception as error:  # noqa: BLE001 (that a reader refuses the file is a result)
        return {"refused": type(error).__name__, "peak": peak_bytes()}
    return {"load": loaded - start, "visit": time.perf_counter() - loaded, "peak": peak_bytes(), "seen": seen}


def peak_bytes() -> int:
    """The most memory that this program had at once.

    ``VmHWM`` starts anew when a program does; ``ru_maxrss`` may still speak of the process that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# The table


def in_fresh_interpreter(reader: str, path: Path) -> Row:
    command = [sys.executable, __file__, "--measure", reader, str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def read_through(path: Path) -> None:
    """Has the system keep a file in memory, for all readers alike."""
    with path.open("rb", buffering=0) as file:
        while file.read(MB):
            pass


def median(rows: list[Row]) -> Row:
    """The run of the median time, with all its figures."""
    return sorted(rows, key=lambda row: row.get("load", 0) + row.get("visit", 0))[len(rows) // 2]


def print_table(names: list[str], runs: int) -> None:
    print("| model |", " | ".join(READERS), "|")
    print("|---|" + "--:|" * len(READERS))
    for case in names:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            CASES[case](path)
            for file in Path(folder).iterdir():
                read_through(file)
            rounds = [{reader: in_fresh_interpreter(reader, path) for reader in READERS} for _ in range(runs)]
        rows = {reader: median([each[reader] for each in rounds]) for reader in READERS}
        print(f"| {case} |", " | ".join(map(cell, rows.values())), "|", flush=True)
        seen = {row["seen"] for row in rows.values() if row.get("seen")}
        if len(seen) > 1:
            sys.exit(f"{case}: the readers did not see the same")


def cell(row: Row) -> str:
    if "refused" in row:
        return f"refused, {row['refused']}"
    if not row["seen"]:
        return "leaves it out"
    return f"{row['load']:.3f} + {row['visit']:.2f} s, {row['peak'] / MB:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", choices=list(CASES), help="only this model; may be repeated")
    parser.add_argument("--runs", type=int, default=3, help="runs of each reader")
    parser.add_argument("--measure", nargs=2, metavar=("READER", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure)))
    else:
        print_table(options.case or list(CASES), options.runs)


if __name__ == "__main__":
    main()
