"""Kernels compiled for GPUs that are not there: registers, shared memory, vector instructions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from machine_code import cases

SHARED_MEMORY = {80: 163 << 10, 90: 227 << 10, 100: 227 << 10}  # bytes that a program may have


@pytest.fixture(scope="module")
def found() -> dict[str, dict]:
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    script = Path(__file__).with_name("machine_code.py")
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", ["-".join(map(str, case)) for case in cases()])
def test_a_kernel_fits_into_a_gpu(case: str, found: dict[str, dict]) -> None:
    used = found[case]
    table = 40 if case.startswith("waves") else 0  # with which sines of large numbers are reduced
    assert used["local"] == 0, used
    assert used["stack"] <= table, f"registers are spilled: {used}"
    assert used["shared"] <= SHARED_MEMORY[int(case.rpartition("-")[2])]
    one_of_a_row = case.partition("-")[0] in ("dot", "range_scaled")  # such results are no vectors
    for kind in ("ld",) if one_of_a_row else ("ld", "st"):
        own = [each for each in used["instructions"] if each.startswith(kind)]
        assert any(".v2." in each or ".v4." in each or ".v8." in each for each in own), own
