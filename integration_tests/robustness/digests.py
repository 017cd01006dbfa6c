"""Converts files in every way and prints the hash of each file that is written: ``digests.py PLACE MODEL…``.

It needs no torch, so that any interpreter that has what a conversion needs can run it, in any surroundings.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import codegen_torch

WAYS = {"plain": {}, "safetensors": {"weights": "safetensors"}, "kernels": {"kernels": "triton"}}


def main(place: str, *models: str) -> None:
    for model in map(Path, models):
        for way, options in WAYS.items():
            report = codegen_torch.convert(model, Path(place) / f"{model.stem}.{way}", **options)
            for path in report.files:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                print(model.name, way, path.name, digest)  # noqa: T201 (what it is for)


if __name__ == "__main__":
    main(*sys.argv[1:])
