"""Lets atheris look for bytes that the reader neither reads nor refuses properly.

CONTRIBUTING.md says how to run it.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["onnx_proto"]):
    import onnx_proto
    from onnx_proto.verify import tensors_within

FOLDER = Path(tempfile.mkdtemp(prefix="onnx-proto-fuzz-"))  # the only place where external data may lie
(FOLDER / "m.data").write_bytes(bytes(1 << 16))
LARGEST = 1 << 16  # bytes of a tensor, if they come from that file


def read(data: bytes) -> None:
    """Loads a model, reads every tensor, and writes it again; only errors of the family are expected."""
    try:
        model = onnx_proto.loads(data, FOLDER)
        onnx_proto.verify_external_data(model)
        for tensor in tensors_within(model):
            if tensor.nbytes > max(LARGEST, 8 * len(data)):  # a byte of int64_data may be a whole number
                raise AssertionError(f"a tensor of {tensor.nbytes} bytes from {len(data)}")
            tensor.numpy()
        for sparse in model.graph.sparse_initializers:
            sparse.linear_indices()
        onnx_proto.dumps(model)
    except onnx_proto.OnnxError:
        pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()
