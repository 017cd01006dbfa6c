"""Activations, alone and joined with the addition of a bias."""

from __future__ import annotations

from codegen_torch.expr import Expr
from codegen_torch.lower.registry import NotApplicable
from codegen_torch.ops import activation
from codegen_torch.ops.contrib.domain import microsoft
from codegen_torch.symbols.namespaces import F, torch


@microsoft("Gelu")
def gelu(x: Expr) -> Expr:
    return F.gelu(x)  # type: ignore[no-any-return]


@microsoft("BiasGelu")
def bias_gelu(x: Expr, bias: Expr) -> Expr:
    return F.gelu(x + bias)  # type: ignore[no-any-return]


@microsoft("FastGelu")
def fast_gelu(x: Expr, bias: Expr | None = None) -> Expr:
    return F.gelu(x if bias is None else x + bias, approximate="tanh")  # type: ignore[no-any-return]


@microsoft("QuickGelu")
def quick_gelu(x: Expr, *, alpha: float = 1.702) -> Expr:
    return F.silu(x) if alpha == 1 else x * torch.sigmoid(alpha * x)  # type: ignore[no-any-return]


@microsoft("BiasSplitGelu")
def bias_split_gelu(x: Expr, bias: Expr) -> Expr:
    """The first half of the features, gated by the second."""
    left, right = (x + bias).chunk(2, dim=-1)
    return left * F.gelu(right)  # type: ignore[no-any-return]


@microsoft("BiasAdd")
def bias_add(x: Expr, bias: Expr, skip: Expr) -> Expr:
    return x + bias + skip


_PLAIN = {"Relu": activation.relu, "Sigmoid": activation.sigmoid, "Tanh": activation.tanh, "Gelu": gelu}
_PLAIN |= {"Softsign": activation.softsign, "Softplus": activation.softplus}
_OF_ALPHA = {"LeakyRelu": activation.leaky_relu, "Elu": activation.elu, "ThresholdedRelu": activation.thresholded_relu}


def activated(x: Expr, name: str, parameters: tuple[float, ...]) -> Expr:
    """The activation that is joined with an operator.

    Args:
        x: The operator's result.
        name: The activation's operator, or nothing.
        parameters: Its attributes, as far as they are given.
    """
    if not name:
        return x
    if name in _PLAIN:
        return _PLAIN[name](x)  # type: ignore[no-any-return]
    if name in _OF_ALPHA:
        return _OF_ALPHA[name](x, **dict(zip(("alpha",), parameters, strict=False)))  # type: ignore[no-any-return]
    if name == "HardSigmoid":
        return activation.hard_sigmoid(x, **dict(zip(("alpha", "beta"), parameters, strict=False)))  # type: ignore[no-any-return]
    if name == "Clip" and len(parameters) == 2:
        low, high = parameters
        return torch.clamp(x, min=low, max=high)  # type: ignore[no-any-return]
    raise NotApplicable(f"the activation {name!r} is not supported")
