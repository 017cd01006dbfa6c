"""What graph libraries can do, tried out, for the table in dataflow-ir's README."""

from __future__ import annotations

from graph_libraries.asked import ROWS, Library
from graph_libraries.of_dataflow_ir import DataflowIr
from graph_libraries.of_onnx_ir import OnnxIr
from graph_libraries.of_sympy import Sympy
from graph_libraries.of_tinygrad import Tinygrad
from graph_libraries.of_torch_fx import TorchFx
from graph_libraries.of_xdsl import Xdsl

__all__ = ["LIBRARIES", "ROWS"]

LIBRARIES: dict[str, tuple[type[Library], str]] = {
    "dataflow-ir": (DataflowIr, "dataflow_ir"),
    "tinygrad UOp": (Tinygrad, "tinygrad"),
    "torch.fx": (TorchFx, "torch"),
    "onnx-ir": (OnnxIr, "onnx_ir"),
    "xdsl": (Xdsl, "xdsl"),
    "sympy": (Sympy, "sympy"),
}
"""The libraries by the titles of their columns, with what is imported."""
