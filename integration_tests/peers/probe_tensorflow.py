"""Converts one model with onnx2tf and says what came of it, as JSON on the last line of its output.

Usage: ``python probe_tensorflow.py onnx2tf MODEL.onnx DATA.npz``, in an environment that holds onnx2tf and no torch.
DATA is as for ``probe.py``. What comes out is a Keras model whose images have their channels last: inputs and outputs
are turned where its shapes ask for it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

TOLERANCE = 1e-3


def main(path: Path, data: Path) -> dict[str, object]:
    import onnx2tf

    with np.load(data) as arrays:
        recorded = dict(arrays)
    with tempfile.TemporaryDirectory() as folder:
        try:
            model = onnx2tf.convert(
                input_onnx_file_path=str(path), output_folder_path=folder, non_verbose=True, verbosity="error"
            )
        except (Exception, SystemExit) as error:  # noqa: BLE001 (other people's code may raise anything)
            message = str(error).strip() or "no message"
            return {"converts": False, "error": f"{type(error).__name__}: {message}".splitlines()[0][:200]}
        rights = {key: is_right(model, recorded, size) for key, size in (("right", "small"), ("other_size", "large"))}
    return {"converts": True, "error": None, **rights}


def is_right(model: object, recorded: dict[str, np.ndarray], size: str) -> bool:
    """Whether the model gives the original's answer at a size; what it raises goes to standard error."""
    given = {name.partition(".")[2]: recorded[name] for name in recorded if name.startswith(f"{size}.")}
    expected = recorded[size]
    try:
        answer = model([turned(given[each.name.partition(":")[0]], tuple(each.shape)) for each in model.inputs])
    except Exception as error:  # noqa: BLE001
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return False
    answer = np.asarray(answer[0] if isinstance(answer, list | tuple) else answer)
    if answer.shape != expected.shape and answer.ndim > 2:
        answer = np.moveaxis(answer, -1, 1)
    return answer.shape == expected.shape and np.allclose(answer, expected, rtol=TOLERANCE, atol=TOLERANCE)


def turned(value: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    """An input with its channels last, if it has the shape that is asked for only then."""
    last = np.moveaxis(value, 1, -1) if value.ndim > 2 else value
    return last if not fits(value, shape) and fits(last, shape) else value


def fits(value: np.ndarray, shape: tuple[int | None, ...]) -> bool:
    return all(size in (None, found) for size, found in zip(shape, value.shape, strict=True))


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(main(Path(sys.argv[2]), Path(sys.argv[3]))) + "\n")
