"""Activations."""

from __future__ import annotations

import math

from codegen_torch.dims import product
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, UnknownRank
from codegen_torch.lower.registry import NotApplicable, op
from codegen_torch.numbers import shortest_float32
from codegen_torch.ops.unsigned import WIDE, through_int64
from codegen_torch.symbols.namespaces import F, runtime, torch


@op("Relu", since=1)
def relu(x: Expr) -> Expr:
    return F.relu(x)  # type: ignore[no-any-return]


@op("Sigmoid", since=1)
def sigmoid(x: Expr) -> Expr:
    return torch.sigmoid(x)  # type: ignore[no-any-return]


@op("Tanh", since=1)
def tanh(x: Expr) -> Expr:
    return torch.tanh(x)  # type: ignore[no-any-return]


@op("LeakyRelu", since=1)
def leaky_relu(x: Expr, *, alpha: float = 0.01) -> Expr:
    return _below_zero(x, F.leaky_relu(x, alpha), alpha)


@op("ThresholdedRelu", since=1)
def thresholded_relu(x: Expr, *, alpha: float = 1.0) -> Expr:
    return F.threshold(x, alpha, 0.0)  # type: ignore[no-any-return]


@op("Elu", since=1)
def elu(x: Expr, *, alpha: float = 1.0) -> Expr:
    return _below_zero(x, F.elu(x, alpha), alpha)


def _below_zero(x: Expr, y: Expr, alpha: float) -> Expr:
    """What holds below zero; torch takes it at zero, too, where an infinite factor would make a difference."""
    return y if math.isfinite(alpha) else torch.where(torch.lt(x, 0), y, x)


@op("Celu", since=12)
def celu(x: Expr, *, alpha: float = 1.0) -> Expr:
    if alpha == 0:
        raise NotApplicable("torch divides by alpha, which is 0")
    return F.celu(x, alpha)  # type: ignore[no-any-return]


# torch's constants, rounded to float32.
_ALPHA = shortest_float32(1.6732632423543772)
_GAMMA = shortest_float32(1.0507009873554805)


@op("Selu", since=6)
def selu(x: Expr, *, alpha: float = _ALPHA, gamma: float = _GAMMA) -> Expr:
    if (alpha, gamma) == (_ALPHA, _GAMMA):
        return F.selu(x)  # type: ignore[no-any-return]
    return F.elu(x, alpha) * gamma  # type: ignore[no-any-return]


@op("Selu", since=1, until=5)
def selu_rounded(x: Expr, *, alpha: float = 1.6732, gamma: float = 1.0507) -> Expr:
    """Before opset 6 the defaults had four digits."""
    return selu(x, alpha=alpha, gamma=gamma)  # type: ignore[no-any-return]


@op("PRelu", since=7)
def prelu(x: Expr, slope: Expr) -> Expr:
    if x.dtype in WIDE:  # nothing is below zero
        return x
    if not x.dtype.is_float:
        return _leaky(x, slope)
    if slope.fact.size == 1:
        return F.prelu(x, slope.reshape(1))  # type: ignore[no-any-return]
    if x.rank is None or slope.dims is None or x.rank < 2:
        return _leaky(x, slope)
    aligned = (*(1,) * (x.rank - len(slope.dims)), *slope.dims)
    channels = aligned[1]
    if channels == x.shape[1] and product(aligned) == channels:
        return F.prelu(x, slope.reshape(channels))  # type: ignore[no-any-return]
    return _leaky(x, slope)


@op("PRelu", since=1, until=6)
def prelu_per_channel(x: Expr, slope: Expr) -> Expr:
    """Before opset 7 the slope was one number, or one per channel."""
    return F.prelu(x, slope if slope.rank == 1 else slope.flatten())  # type: ignore[no-any-return]


def _leaky(x: Expr, slope: Expr) -> Expr:
    return torch.where(torch.lt(x, 0), x * slope, x)  # type: ignore[no-any-return]


@op("HardSigmoid", since=1)
def hard_sigmoid(x: Expr, *, alpha: float = 0.2, beta: float = 0.5) -> Expr:
    if (alpha, beta) == (shortest_float32(1 / 6), 0.5):
        return F.hardsigmoid(x)  # type: ignore[no-any-return]
    return torch.clamp(alpha * x + beta, min=0.0, max=1.0)  # type: ignore[no-any-return]


@op("HardSwish", since=14)
def hard_swish(x: Expr) -> Expr:
    return F.hardswish(x)  # type: ignore[no-any-return]


@op("Swish", since=24)
def swish(x: Expr, *, alpha: float = 1.0) -> Expr:
    if alpha == 1:
        return F.silu(x)  # type: ignore[no-any-return]
    return x * torch.sigmoid(alpha * x)  # type: ignore[no-any-return]


@op("SwiGLU", since=28)
def swiglu(a: Expr, b: Expr, *, alpha: float = 1.0) -> Expr:
    return swish(a, alpha=alpha) * b  # type: ignore[no-any-return]


@op("Shrink", since=9)
def shrink(x: Expr, *, bias: float = 0.0, lambd: float = 0.5) -> Expr:
    if not x.dtype.is_float and not float(bias).is_integer():
        raise NotApplicable(f"versions of ONNX differ on how integers are shifted by {bias}")
    if x.dtype is DType.UINT64:
        raise NotApplicable("torch does not compare uint64")
    return _shrunk(x, bias, lambd)  # type: ignore[no-any-return]


@through_int64
def _shrunk(x: Expr, bias: float, lambd: float) -> Expr:
    step: float = bias if x.dtype.is_float else int(bias)
    inner = torch.where(torch.lt(x, -lambd), x + step, 0)
    return torch.where(torch.gt(x, lambd), x - step, inner)  # type: ignore[no-any-return]


@op("Softplus", since=1)
def softplus(x: Expr) -> Expr:
    return F.softplus(x)  # type: ignore[no-any-return]


@op("Softsign", since=1)
def softsign(x: Expr) -> Expr:
    return F.softsign(x)  # type: ignore[no-any-return]


@op("Mish", since=18)
def mish(x: Expr) -> Expr:
    return F.mish(x)  # type: ignore[no-any-return]


@op("Gelu", since=20)
def gelu(x: Expr, *, approximate: str = "none") -> Expr:
    if approximate not in ("none", "tanh"):
        raise NotApplicable(f"the approximation {approximate!r} is not known")
    return F.gelu(x, approximate=approximate)  # type: ignore[no-any-return]


@op("Softmax", since=13)
def softmax(x: Expr, *, axis: int = -1) -> Expr:
    return F.softmax(x, dim=axis)  # type: ignore[no-any-return]


@op("Softmax", since=1, until=12)
def softmax_of_rows(x: Expr, *, axis: int = 1) -> Expr:
    """Before opset 13 the input was read as a matrix, split at ``axis``."""
    dim = _only_axis(x, axis)
    if dim is not None:
        return F.softmax(x, dim=dim)  # type: ignore[no-any-return]
    return F.softmax(x.flatten(axis), dim=-1).reshape(*x.shape)  # type: ignore[no-any-return]


@op("LogSoftmax", since=13)
def log_softmax(x: Expr, *, axis: int = -1) -> Expr:
    return F.log_softmax(x, dim=axis)  # type: ignore[no-any-return]


@op("LogSoftmax", since=1, until=12)
def log_softmax_of_rows(x: Expr, *, axis: int = 1) -> Expr:
    """Before opset 13 the input was read as a matrix, split at ``axis``."""
    dim = _only_axis(x, axis)
    if dim is not None:
        return F.log_softmax(x, dim=dim)  # type: ignore[no-any-return]
    return F.log_softmax(x.flatten(axis), dim=-1).reshape(*x.shape)  # type: ignore[no-any-return]


@op("Hardmax", since=13)
def hardmax(x: Expr, *, axis: int = -1) -> Expr:
    return runtime.hardmax(x, axis)  # type: ignore[no-any-return]


@op("Hardmax", since=1, until=12)
def hardmax_of_rows(x: Expr, *, axis: int = 1) -> Expr:
    """Before opset 13 the input was read as a matrix, split at ``axis``."""
    dim = _only_axis(x, axis)
    if dim is not None:
        return runtime.hardmax(x, dim)  # type: ignore[no-any-return]
    return runtime.hardmax(x.flatten(axis), -1).reshape(*x.shape)  # type: ignore[no-any-return]


def _only_axis(x: Expr, axis: int) -> int | None:
    """The one axis that a row of the matrix runs along, if the others are known to have the length 1."""
    rank = x.rank
    if rank is None or x.dims is None:
        raise UnknownRank(x)
    if not -rank <= axis < rank:
        raise NotApplicable(f"a tensor of rank {rank} cannot be split at axis {axis}")
    first = axis % rank
    long = [position for position in range(first, rank) if x.dims[position] != 1] or [first]
    return None if len(long) > 1 else -1 if long[0] == rank - 1 else long[0]
