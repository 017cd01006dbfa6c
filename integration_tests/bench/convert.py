"""Converting ONNX files: time and peak memory of cp, onnx.load and onnxgen, side by side.

Every cell is one fresh process: wall clock, CPU time (user and system), peak resident memory, imports included. The
ratios divide CPU time by that of `cp` in the same row. The programs take turns, several rounds of them, and of each the
round of the least CPU time counts: a machine that lends its memory may take ten times as long to hand it out, whoever
asks. `cp` copies all of the model's files; `onnx.load` reads them; onnxgen writes `model.py` and `weights.msgpack`.
Files are dense, read once before, and lie in a temporary folder (TMPDIR) until their row is done, beside what was made
of them: 4 GB take 8. A chain of 1 000 000 nodes is measured if it is asked for.
"""

# ruff: noqa: T201 (its output is what a benchmark is for)

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from large import write_chain, write_layers

CASES: dict[str, Callable[[Path], Path]] = {
    "100 MB, as stored": lambda path: write_layers(path, 2, transposed=False, external=False, dense=True),
    "1 GB, as stored": lambda path: write_layers(path, 16, transposed=False, external=False, dense=True),
    "1 GB, transposed": lambda path: write_layers(path, 16, transposed=True, external=False, dense=True),
    "4 GB external, as stored": lambda path: write_layers(path, 64, transposed=False, external=True, dense=True),
    "4 GB external, transposed": lambda path: write_layers(path, 64, transposed=True, external=True, dense=True),
    "100 000 nodes": lambda path: write_chain(path, 100_000),
}
MILLION: dict[str, Callable[[Path], Path]] = {"1 000 000 nodes": lambda path: write_chain(path, 1_000_000)}
LOAD = "import onnx, sys; onnx.load(sys.argv[1])"
CONVERT = "import codegen_torch, sys; codegen_torch.convert(sys.argv[1], sys.argv[2])"


class Cost(NamedTuple):
    """What a process took."""

    wall: float
    cpu: float
    peak: int

    def __str__(self) -> str:
        return f"{self.wall:6.2f} s  {self.cpu:6.2f} s CPU  {self.peak / 2**20:6.0f} MB"


def cost(*command: str | Path) -> Cost:
    """Runs a command and measures it."""
    started = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def measure(folder: Path, make: Callable[[Path], Path], rounds: int) -> dict[str, Cost]:
    """The least costs of one model in so many rounds."""
    path = folder / "model.onnx"
    maker = multiprocessing.get_context("fork").Process(target=make, args=(path,))
    maker.start()  # apart, so that its memory does not count as that of the processes started below
    maker.join()
    inputs = sorted(folder.iterdir())
    for file in inputs:
        subprocess.run(["cat", file], stdout=subprocess.DEVNULL, check=True)
    copies = folder / "copies"
    copies.mkdir()
    commands: dict[str, tuple[str | Path, ...]] = {
        "cp": ("cp", "--sparse=never", "--reflink=never", *inputs, copies),
        "onnx.load": (sys.executable, "-c", LOAD, path),
        "onnxgen": (sys.executable, "-c", CONVERT, path, folder / "out"),
    }
    costs: dict[str, list[Cost]] = {program: [] for program in commands}
    for _ in range(rounds):
        for program, command in commands.items():
            costs[program].append(cost(*command))
            for written in [*copies.iterdir(), folder / "out"]:
                shutil.rmtree(written) if written.is_dir() else written.unlink(missing_ok=True)
    return {program: min(each, key=lambda cost: cost.cpu) for program, each in costs.items()}


def main() -> None:
    """Measures the cases whose names begin with one of the arguments; without arguments all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", help=f"the beginning of a case's name: {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    parser.add_argument("--million", action="store_true", help="measure a chain of 1 000 000 nodes, too, for minutes")
    arguments = parser.parse_args()
    wanted = tuple(arguments.case)
    for name, make in (CASES | MILLION if arguments.million else CASES).items():
        if wanted and not name.startswith(wanted):
            continue
        with tempfile.TemporaryDirectory() as folder:
            costs = measure(Path(folder), make, arguments.rounds)
        print(name)
        for program, each in costs.items():
            print(f"  {program:10}  {each}  {each.cpu / costs['cp'].cpu:8.2f} x cp", flush=True)


if __name__ == "__main__":
    main()
