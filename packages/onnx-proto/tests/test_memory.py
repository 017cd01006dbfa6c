"""Models larger than memory are read tensor by tensor."""

import subprocess
import sys
from pathlib import Path

import pytest

from onnx_proto._generated import onnxgen_onnx_pb2 as pb

TENSOR_BYTES = 64 << 20
COUNT = 64

READER = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
import onnx_proto

total = 0
for tensor in onnx_proto.load(sys.argv[1]).graph.initializers:
    array = tensor.numpy()
    assert array[0] == 0 and array[-1] == int(tensor.name), tensor.name
    total += array.nbytes
    del array  # before the next one is read
print(total)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space reliably")
def test_four_gigabytes_are_read_under_a_limit_of_one(tmp_path: Path) -> None:
    proto = pb.ModelProto(ir_version=8)
    with (tmp_path / "m.data").open("wb") as data:  # a sparse file: zeros that take no space on the disk
        for index in range(COUNT):
            entry = proto.graph.initializer.add(name=str(index), dims=[TENSOR_BYTES], data_type=pb.TensorProto.UINT8)
            entry.data_location = pb.TensorProto.EXTERNAL
            for key, number in (("offset", index * TENSOR_BYTES), ("length", TENSOR_BYTES)):
                entry.external_data.add(key=key, value=str(number))
            entry.external_data.add(key="location", value="m.data")
            data.seek((index + 1) * TENSOR_BYTES - 1)
            data.write(bytes([index]))
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())

    child = subprocess.run(
        [sys.executable, "-c", READER, str(tmp_path / "m.onnx")],
        env={"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (child.returncode, child.stdout.strip()) == (0, str(COUNT * TENSOR_BYTES)), child.stderr
