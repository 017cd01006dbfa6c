"""Converts a file again and again, each time killed before another of its changes to the file system.

Run as a program: ``killed.py MODEL PLACE OLD FORMAT LIMIT``. The conversions are into ``PLACE/0/out``, ``PLACE/1/out``,
…, which are copies of ``OLD`` if that is a folder, and missing otherwise; their weights have this format and at most so
many bytes in a file. The last one nothing stops.
"""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

import codegen_torch
from codegen_torch.weights_files import WeightsFiles

CHANGES = {"os.link", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}


def kill_before(number: int) -> None:
    """Let this process be killed when it is about to change the file system for so many times and once more."""
    left = itertools.count(number, -1)

    def watch(event: str, _: tuple[object, ...]) -> None:
        if event in CHANGES and not next(left):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def main(model: str, place: str, old: str, form: str, limit: str) -> None:
    WeightsFiles.of = functools.partial(WeightsFiles.of, limit=int(limit))
    for number in itertools.count():
        out = Path(place) / str(number) / "out"
        out.parent.mkdir(parents=True)
        if Path(old).is_dir():
            shutil.copytree(old, out)
        child = os.fork()
        if not child:
            kill_before(number)
            codegen_torch.convert(model, out, weights=form)
            os._exit(0)
        if not os.waitpid(child, 0)[1]:
            break


if __name__ == "__main__":
    main(*sys.argv[1:])
