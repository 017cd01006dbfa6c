"""ONNX in, readable PyTorch out.

The three functions here import what they need when they are called: naming this package costs nothing,
`convert` needs no torch, the other two do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    import torch
    from codegen_torch.report import Report

__all__ = ["convert", "load_model", "load_weights"]
__version__ = "0.1.0"


def convert(
    path: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    *,
    name: str | None = None,
    weights: str = "msgpack",
    kernels: str = "none",
    force: bool = False,
    trace: str | os.PathLike[str] | None = None,
    ops: Sequence[str | os.PathLike[str]] = (),
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    intermediate: Sequence[str] = (),
    dynamic: Sequence[str] = (),
    unfold_batchnorm: bool = False,
    dropout: float | str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:
    """Writes ``model.py`` and the weights file of an ONNX model into a folder.

    Args:
        path: The ``.onnx`` file. Weights it keeps in other files are found beside it.
        out_dir: The folder, made where it is missing.
        name: The class name of the model; by default taken from the file.
        weights: The format of the weights file, ``"msgpack"`` or ``"safetensors"``.
        kernels: ``"triton"`` also writes ``kernels.py``, fused kernels that the model calls on CUDA.
        force: Overwrite files of these names even if onnxgen did not write them.
        trace: A folder for the graph's text after each stage.
        ops: Python files that define further operators; ``codegen_torch.extension`` shows how.
        inputs: The values that the model takes in the place of its own inputs, to convert a part of it: names of values
            in the file, or of modules (``"encoder.layer.3"``), which stand for what they return.
        outputs: The values that it returns in the place of its own outputs.
        intermediate: Values that it returns as well.
        dynamic: Sizes that the file fixes and that shall be free: ``"batch"`` for the first axis of all inputs, or
            ``"image:0=batch"``.
        unfold_batchnorm: Put back, as the identity, batch normalizations that the exporter folded into convolutions.
        dropout: Put back the dropouts that the file tells of, which drop this share of elements in training mode;
            ``"file"`` for the share that each has in the file.
        progress: Called with a stage's name, the work done in it and its total.

    Returns:
        What was written: files, class name, counts, notes.

    Raises:
        onnx_proto.OnnxError: The file is not a valid ONNX model.
        codegen_torch.errors.UnsupportedError: The model holds what cannot be converted exactly.
        codegen_torch.errors.ConversionError: Anything else that stops a conversion; without ``force``, a file that
            would be overwritten and is not ours.
        OSError: A file cannot be read or written.
    """
    import codegen_torch
    from codegen_torch.changes import Changes

    return codegen_torch.convert(
        Path(path),
        Path(out_dir),
        name=name,
        weights=weights,
        kernels=kernels,
        force=force,
        trace=None if trace is None else Path(trace),
        ops=[Path(file) for file in ops],
        changes=Changes(tuple(inputs), tuple(outputs), tuple(intermediate), tuple(dynamic), unfold_batchnorm, dropout),
        progress=progress,
    )


def load_model(
    path: str | os.PathLike[str],
    out_dir: str | os.PathLike[str] | None = None,
    *,
    name: str | None = None,
    force: bool = False,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> torch.nn.Module:
    """Converts an ONNX model, imports what came out and returns the module, loaded and in eval mode.

    Args:
        path: The ``.onnx`` file.
        out_dir: Where to keep the source and the weights; by default they go once they are loaded.
        name: The class name of the model; by default taken from the file.
        force: As for `convert`.
        device: Where the module's tensors shall live; the CPU by default.
        dtype: What its floating-point tensors shall be; by default what the file says.

    Raises:
        ModuleNotFoundError: torch is not installed.
        Exception: What `convert` raises.
    """
    import tempfile

    from onnxgen.loading import import_model

    if out_dir is not None:
        convert(path, out_dir, name=name, force=force)
        return import_model(Path(out_dir)).load_model(device=device, dtype=dtype)
    with tempfile.TemporaryDirectory(prefix="onnxgen-") as folder:
        convert(path, folder, name=name)
        return import_model(Path(folder)).load_model(device=device, dtype=dtype)


def load_weights(path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """Reads a weights file that `convert` wrote: the tensors by their ``state_dict`` keys, mapped from the file.

    Everything a file says about itself is checked first: sizes, bounds, alignment, order, overlap, names.

    Args:
        path: A ``.msgpack`` or ``.safetensors`` file, or the ``.safetensors.index.json`` of several.

    Raises:
        ModuleNotFoundError: torch, or for its format safetensors, is not installed.
        codegen_torch.weights.WeightsFileError: The file is no weights file, or it is damaged.
        OSError: The file cannot be read.
    """
    from codegen_torch.weights_files import read_weights

    read_weights(path)
    if not str(path).endswith((".safetensors", ".json")):
        from codegen_torch.runtime.weights import load_weights as load
    else:
        from codegen_torch.runtime.weights_safetensors import load_safetensors as load
    return load(Path(path))
