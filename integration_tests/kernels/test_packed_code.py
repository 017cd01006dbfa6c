"""Products with packed weights compiled for GPUs that are not there: registers, shared memory, instructions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packed_code import cases

SHARED_MEMORY = 99 << 10  # bytes that a program may have on all GPUs since sm_80


@pytest.fixture(scope="module")
def found() -> dict[str, dict]:
    folder = Path(__file__).parent
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder.parent), environment.get("PYTHONPATH", "")])
    script = folder / "packed_code.py"
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", ["-".join(map(str, case)) for case in cases()])
def test_a_product_fits_into_a_gpu(case: str, found: dict[str, dict]) -> None:
    used = found[case]
    assert (used["local"], used["stack"]) == (0, 0), f"registers are spilled: {used}"
    assert used["shared"] <= SHARED_MEMORY
    instructions = used["instructions"]
    # x and the weight come 16 or 4 bytes at a time; only scales and zero points may come one by one.
    assert any(each.startswith("cp.async.cg") for each in instructions), instructions
    assert instructions.get("ld.global.b8", 0) <= 8, instructions
    assert any(".v2." in each or ".v4." in each for each in instructions if each.startswith("st.")), instructions
    multiplies = {each for each in instructions if "mma" in each}
    assert bool(multiplies) == ("fp32" not in case), "float32 is not rounded to tf32, halves take the tensor cores"
