"""What every ONNX operator means, by ONNX's own categories. Importing this package registers them all."""

from codegen_torch.ops import (
    activation,
    conv,
    generator,
    image,
    logical,
    math,
    norm,
    pool,
    reduction,
    rnn,
    tensor,
)

__all__ = [
    "activation",
    "conv",
    "generator",
    "image",
    "logical",
    "math",
    "norm",
    "pool",
    "reduction",
    "rnn",
    "tensor",
]
