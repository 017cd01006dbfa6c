"""The Torch code generator: an ONNX model becomes the PyTorch source a good engineer would have written."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["__version__", "check", "convert", "generate"]

if TYPE_CHECKING:
    from codegen_torch.pipeline import check, convert, generate


def __getattr__(name: str) -> object:
    """Import the pipeline when it is asked for."""
    if name in ("check", "convert", "generate"):
        from codegen_torch import pipeline  # noqa: PLC0415  # asking for the version costs nothing

        return getattr(pipeline, name)
    raise AttributeError(name)
