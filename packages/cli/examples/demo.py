"""Converts a model, prints the source, loads it, and, for the digits, compares it with the original.

Usage: ``python demo.py [MODEL.onnx]``. Without a model it takes digits.onnx, whose recorded answers lie beside it.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.text import Text

import onnxgen
from onnxgen.exits import explained
from onnxgen.loading import import_model

HERE = Path(__file__).resolve().parent
DIGITS = HERE / "digits.onnx"
SAMPLES = HERE / "digits_samples.npz"
TOLERANCE = 1e-4
SHADES = " ░▒▓█"


def main() -> None:
    console = Console()
    path = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else DIGITS
    with explained(debug=False), tempfile.TemporaryDirectory() as folder:
        report = onnxgen.convert(path, folder)
        console.rule(f"{path.name}: {report.nodes} nodes, converted in {report.seconds:.2f} s")
        console.print(Syntax((Path(folder) / "model.py").read_text(encoding="utf-8"), "python"))
        began = time.perf_counter()
        model = import_model(Path(folder)).load_model()
        parameters = sum(parameter.numel() for parameter in model.parameters())
        console.rule(
            f"{type(model).__name__}: {parameters:,} parameters, loaded in {time.perf_counter() - began:.2f} s"
        )
    if path == DIGITS:
        compare(model, console)


def compare(model: torch.nn.Module, console: Console) -> None:
    """Shows what the model reads in each sample, and how far its logits are from those of the original.

    Raises:
        SystemExit: They are further apart than rounding explains.
    """
    samples = np.load(SAMPLES)
    with torch.no_grad():
        logits = model(torch.from_numpy(samples["images"])).numpy()
    differences = np.abs(logits - samples["logits"]).max(axis=1)
    console.print(
        Columns(
            Panel.fit(
                Text(
                    "\n".join(
                        [*drawing(image), f"read as {answer.argmax()}", f"label   {label}", f"± {difference:.1e}"]
                    )
                )
            )
            for image, label, answer, difference in zip(
                samples["images"][:, 0], samples["labels"], logits, differences, strict=True
            )
        )
    )
    console.print(f"largest difference to the original's recorded logits: {differences.max():.1e}")
    if differences.max() > TOLERANCE * np.abs(samples["logits"]).max():
        sys.exit("the converted model does not compute what the original did")


def drawing(image: NDArray[np.float32]) -> list[str]:
    """Returns an image [H, W], from 0 to 1, as lines of block characters."""
    shades = (image * (len(SHADES) - 1)).round().astype(int)
    return ["".join(SHADES[shade] * 2 for shade in row) for row in shades]


if __name__ == "__main__":
    main()
