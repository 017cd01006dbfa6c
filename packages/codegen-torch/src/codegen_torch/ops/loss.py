"""Losses."""

from __future__ import annotations

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.facts import FactError
from codegen_torch.lower.registry import Context, NotApplicable, op
from codegen_torch.symbols.namespaces import F

_NONE_IGNORED = -100
"""torch's default: no class is called so."""


@op("NegativeLogLikelihoodLoss", since=12)
def negative_log_likelihood_loss(
    input: Expr,
    target: Expr,
    weight: Expr | None = None,
    *,
    ignore_index: int = _NONE_IGNORED,
    reduction: str = "mean",
) -> Expr:
    return _loss("nll_loss", input, target, weight, ignore_index, reduction)


@op("SoftmaxCrossEntropyLoss", since=12)
def softmax_cross_entropy_loss(
    scores: Expr,
    labels: Expr,
    weights: Expr | None = None,
    *,
    ignore_index: int = _NONE_IGNORED,
    reduction: str = "mean",
    context: Context,
) -> tuple[Expr, Expr | None]:
    if not any(context.outputs[1:]):
        return _loss("cross_entropy", scores, labels, weights, ignore_index, reduction), None
    log_prob = F.log_softmax(scores, dim=1)
    return _loss("nll_loss", log_prob, labels, weights, ignore_index, reduction), log_prob


def _loss(name: str, x: Expr, target: Expr, weight: Expr | None, ignore_index: int, reduction: str) -> Expr:
    if reduction not in ("none", "mean", "sum"):
        raise NotApplicable(f"the reduction {reduction!r} is not known")
    known, classes = target.fact.value, None if x.rank is None or x.rank < 2 else x.shape[1]
    if known is not None and isinstance(classes, int):
        outside = (known != ignore_index) & ((known < 0) | (known >= classes))
        if outside.any():
            raise FactError(f"a loss of {x.fact} for class {known[outside][0]}")
    labels = target if target.dtype is DType.INT64 else target.to(DType.INT64)
    return getattr(F, name)(x, labels, weight, ignore_index=ignore_index, reduction=reduction)  # type: ignore[no-any-return]
