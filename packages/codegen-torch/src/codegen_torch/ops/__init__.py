"""What every ONNX operator means, by ONNX's own categories. Importing this package registers them all."""

from codegen_torch.ops import (
    activation,
    conv,
    generator,
    image,
    indexing,
    linalg,
    logical,
    math,
    norm,
    pool,
    reduction,
    reshape,
    rnn,
    tensor,
    text,
)

__all__ = [
    "activation",
    "conv",
    "generator",
    "image",
    "indexing",
    "linalg",
    "logical",
    "math",
    "norm",
    "pool",
    "reduction",
    "reshape",
    "rnn",
    "tensor",
    "text",
]
