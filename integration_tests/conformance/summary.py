"""Prints how ONNX's backend suite fares, by kind and variant; `--help` tells the options.

PYTHONPATH=integration_tests python integration_tests/conformance/summary.py -k pool --variant all
"""

from __future__ import annotations

import argparse
import collections
import re
import tempfile
import warnings
from pathlib import Path

from codegen_torch.errors import UnsupportedError
from running import run
from suite import KINDS, Case, Variant, cases, varied


def main() -> None:
    """Runs what the command line names and prints a line per case that fails, then the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-k", default="", help="words, one of which (joined by `or`) is in the case's name")
    parser.add_argument("--variant", default="plain", choices=[*(v.value for v in Variant), "all"])
    parser.add_argument("-v", action="store_true", help="list what passes, too")
    arguments = parser.parse_args()
    words = re.split(r"\s+or\s+", arguments.k.strip())
    variants = list(Variant) if arguments.variant == "all" else [Variant(arguments.variant)]
    counts: collections.Counter[tuple[str, str, str]] = collections.Counter()
    for case in cases().values():
        if not any(word in case.name for word in words):
            continue
        for variant in variants:
            chosen = varied(case, variant)
            if chosen is None:
                continue
            outcome, reason = fate(chosen)
            counts[case.kind, variant.value, outcome] += 1
            if arguments.v or outcome != "passed":
                print(f"{outcome:8} {variant.value:8} {case.name}  {reason}")
    for variant in variants:
        for kind in KINDS:
            found = {outcome: n for (k, v, outcome), n in sorted(counts.items()) if (k, v) == (kind, variant.value)}
            if found:
                print(f"{variant.value:8} {kind:18}", *(f"{outcome} {count}" for outcome, count in found.items()))


def fate(case: Case) -> tuple[str, str]:
    """Whether a case passes, is refused, computes something else, or breaks; and why."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        try:
            run(case, Path(folder))
        except UnsupportedError as error:
            return "refused", error.obstacles[0].reason
        except AssertionError as error:
            return "wrong", _line(error)
        except Exception as error:  # noqa: BLE001  # whatever breaks is what is asked for
            return "broken", f"{type(error).__name__}: {_line(error)}"
    return "passed", ""


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


if __name__ == "__main__":
    main()
