"""Large models convert in little memory, long ones in time that grows with their length and no faster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from codegen_torch.weights import read_msgpack
from large import LAYER_BYTES, write_chain, write_layers

GB = 10**9
WITHIN = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
import codegen_torch
codegen_torch.convert(sys.argv[2], sys.argv[3])
with open("/proc/self/status") as status:  # getrusage counts what the parent had before this program began
    print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024)
"""


def convert_within(limit: int, path: Path, out: Path) -> int:
    """Convert in a process that may have so many bytes of addresses; returns its peak of resident memory."""
    return int(subprocess.check_output([sys.executable, "-c", WITHIN, str(limit), path, out], text=True))


@pytest.mark.parametrize("transposed", [False, True], ids=["as stored", "transposed"])
@pytest.mark.parametrize(
    ("layers", "external"),
    [
        pytest.param(18, False, id="more than the limit, one file"),
        pytest.param(48, False, id="3 GB, one file", marks=pytest.mark.long),
        pytest.param(64, True, id="4 GB, external", marks=pytest.mark.long),
    ],
)
def test_a_model_larger_than_memory(tmp_path: Path, layers: int, external: bool, transposed: bool) -> None:
    path = write_layers(tmp_path / "m.onnx", layers, transposed=transposed, external=external, dense=False)
    convert_within(GB, path, tmp_path / "out")
    written = read_msgpack(tmp_path / "out" / "weights.msgpack")
    assert len(written) == layers
    for number in (0, layers - 1):  # each has its own number at both ends
        ref = next(ref for name, ref in written.items() if str(number) in name.split("."))
        chunks = ref.chunks()
        start = bytes(next(chunks)[:4])
        assert start == (number + 1).to_bytes(1, "little") + b"\x00\x00\x3c"
        assert ref.nbytes == LAYER_BYTES


@pytest.mark.parametrize("length", [20_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_a_long_chain(tmp_path: Path, length: int) -> None:
    path = write_chain(tmp_path / "m.onnx", length)
    peak = convert_within(12 * GB, path, tmp_path / "out")
    assert peak < 200 * 10**6 + 8_000 * length
