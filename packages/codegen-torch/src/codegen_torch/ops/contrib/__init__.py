"""Operators of ONNX Runtime, domain com.microsoft, which its optimizer and exporters write.

What they mean is what ONNX Runtime's CPU kernels compute; where it has none, what its documentation says
(docs/ContribOperators.md).
"""

from codegen_torch.ops.contrib import (
    activation,
    attention,
    experts,
    grouped,
    norm,
    packed,
    product,
    quantization,
    recurrent,
    tensor,
)

__all__ = [
    "activation",
    "attention",
    "experts",
    "grouped",
    "norm",
    "packed",
    "product",
    "quantization",
    "recurrent",
    "tensor",
]
