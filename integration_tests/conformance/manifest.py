"""The list of cases that are not expected to pass. To write it anew:

PYTHONPATH=integration_tests python integration_tests/conformance/manifest.py

Each refusal is listed under the reason it is given: what is not supported must be refused for that reason, and what
begins to work must leave the list. Nothing else may fail.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from suite import Variant, cases, varied
from summary import fate

PATH = Path(__file__).with_name("expected_refusals.toml")
HEAD = "# Cases of ONNX's backend suite that are refused, by the reason that the refusal gives.\n"


def expected() -> dict[str, str]:
    """The reasons by case and variant."""
    return {name: reason for reason, names in tomllib.loads(PATH.read_text("utf-8")).items() for name in names}


def main() -> None:
    """Runs every case in every variant and lists the refused ones."""
    refused: dict[str, list[str]] = {}
    for case in cases().values():
        for variant in Variant:
            chosen = varied(case, variant)
            if chosen is None:
                continue
            outcome, reason = fate(chosen)
            if outcome == "refused":
                refused.setdefault(reason, []).append(f"{case.name} {variant.value}")
            elif outcome != "passed":
                print(f"{outcome} {variant.value} {case.name}: {reason}")
    with PATH.open("w", encoding="utf-8") as file:
        file.write(HEAD)
        for reason in sorted(refused):
            names = "".join(f'    "{name}",\n' for name in sorted(refused[reason]))
            file.write(f"\n{json.dumps(reason)} = [\n{names}]\n")


if __name__ == "__main__":
    main()
