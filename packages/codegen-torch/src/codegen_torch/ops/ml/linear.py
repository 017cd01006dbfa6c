"""Linear models."""

from __future__ import annotations

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.lower.registry import NotApplicable, op
from codegen_torch.ops.ml.common import DOMAIN, labels_at, labels_of, rows, trained, transformed
from codegen_torch.symbols.namespaces import F, index, torch


def _scores(x: Expr, outputs: int, coefficients: tuple[float, ...], intercepts: tuple[float, ...]) -> Expr:
    x = rows(x)
    if x.dtype is not DType.FLOAT32:
        x = x.to(DType.FLOAT32)
    if outputs < 1 or len(coefficients) % outputs:
        raise NotApplicable(f"{len(coefficients)} coefficients for {outputs} outputs")
    weight = trained(coefficients, (outputs, len(coefficients) // outputs), "weight")
    bias = trained(intercepts, (outputs,), "bias") if intercepts else None
    return F.linear(x, weight, bias)  # type: ignore[no-any-return]


@op("LinearRegressor", since=1, domain=DOMAIN)
def linear_regressor(
    x: Expr,
    *,
    coefficients: tuple[float, ...] = (),
    intercepts: tuple[float, ...] = (),
    post_transform: str = "NONE",
    targets: int = 1,
) -> Expr:
    """A single target is transformed as well, which the specification says and ONNX Runtime leaves out."""
    return transformed(_scores(x, targets, coefficients, intercepts), post_transform)


@op("LinearClassifier", since=1, domain=DOMAIN)
def linear_classifier(
    x: Expr,
    *,
    classlabels_ints: tuple[int, ...] = (),
    classlabels_strings: tuple[str, ...] = (),
    coefficients: tuple[float, ...],
    intercepts: tuple[float, ...] = (),
    multi_class: int = 0,
    post_transform: str = "NONE",
) -> tuple[Expr, Expr]:
    """The label of the largest score, and the scores.

    One score for two labels is the second one's; the first one's is what is missing to 1, as in ONNX Runtime, which
    transforms it by LOGISTIC alone.
    """
    labels = labels_of(classlabels_ints, classlabels_strings)
    outputs = len(intercepts) or max(len(labels), 1)
    scores = _scores(x, outputs, coefficients, intercepts)
    if outputs > 1:
        if labels and len(labels) != outputs:
            raise NotApplicable(f"{len(labels)} labels for {outputs} scores")
        return labels_at(scores.argmax(-1), labels), transformed(scores, post_transform)
    if len(labels) not in (0, 2):
        raise NotApplicable(f"{len(labels)} labels for one score")
    if post_transform == "PROBIT":
        raise NotApplicable("PROBIT of one score for two labels means nothing")
    label = labels_at(torch.gt(index.select(scores, -1, 0), 0.0).to(DType.INT64), labels)
    if not labels:
        return label, scores
    if post_transform == "LOGISTIC":
        scores = torch.sigmoid(scores)
    return label, torch.cat([1.0 - scores, scores], dim=-1)
