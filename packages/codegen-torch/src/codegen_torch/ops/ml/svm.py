"""Support vector machines."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.lower.registry import NotApplicable, op
from codegen_torch.ops.ml.common import DOMAIN, labels_at, labels_of, rows, table, trained, transformed
from codegen_torch.symbols.namespaces import F, runtime, torch


def _kernels(x: Expr, vectors: tuple[float, ...], count: int, kind: str, params: tuple[float, ...]) -> Expr:
    """How near each row of x is to each support vector, [rows, vectors].

    Args:
        x: The rows.
        vectors: The support vectors, one after another.
        count: How many there are.
        kind: The kernel.
        params: gamma, coef0 and degree.
    """
    if count < 1 or not vectors or len(vectors) % count:
        raise NotApplicable(f"{len(vectors)} numbers do not make {count} support vectors")
    support = trained(vectors, (count, len(vectors) // count), "support_vectors")
    if kind not in ("LINEAR", "POLY", "RBF", "SIGMOID"):
        raise NotApplicable(f"the kernel {kind!r} is not known")
    if kind != "LINEAR" and len(params) != 3:
        raise NotApplicable("kernel_params are not gamma, coef0 and degree")
    if kind == "RBF":
        return runtime.rbf(x, support, params[0])  # type: ignore[no-any-return]
    products = x @ support.transpose(0, 1)
    if kind == "LINEAR":
        return products  # type: ignore[no-any-return]
    scaled = products * params[0] + params[1]
    return torch.tanh(scaled) if kind == "SIGMOID" else scaled ** params[2]  # type: ignore[no-any-return]


def _as_rows(x: Expr) -> Expr:
    x = rows(x)
    return x if x.dtype is DType.FLOAT32 else x.to(DType.FLOAT32)


@op("SVMRegressor", since=1, domain=DOMAIN)
def svm_regressor(
    x: Expr,
    *,
    coefficients: tuple[float, ...] = (),
    kernel_params: tuple[float, ...] = (),
    kernel_type: str = "LINEAR",
    n_supports: int = 0,
    one_class: int = 0,
    post_transform: str = "NONE",
    rho: tuple[float, ...] = (),
    support_vectors: tuple[float, ...] = (),
) -> Expr:
    """Without support vectors a linear model; ``one_class`` asks on which side of it a row lies, 1 or -1."""
    x = _as_rows(x)
    if n_supports:
        x = _kernels(x, support_vectors, n_supports, kernel_type, kernel_params)
        if len(coefficients) != n_supports:
            raise NotApplicable(f"{len(coefficients)} coefficients for {n_supports} support vectors")
    weight = trained(coefficients, (1, len(coefficients)), "weight")
    scores = F.linear(x, weight, trained(rho[:1], (1,), "bias") if rho else None)
    if one_class:
        return torch.where(torch.gt(scores, 0.0), 1.0, -1.0)  # type: ignore[no-any-return]
    return transformed(scores, post_transform)


@op("SVMClassifier", since=1, domain=DOMAIN)
def svm_classifier(
    x: Expr,
    *,
    classlabels_ints: tuple[int, ...] = (),
    classlabels_strings: tuple[str, ...] = (),
    coefficients: tuple[float, ...] = (),
    kernel_params: tuple[float, ...] = (),
    kernel_type: str = "LINEAR",
    post_transform: str = "NONE",
    prob_a: tuple[float, ...] = (),
    prob_b: tuple[float, ...] = (),
    rho: tuple[float, ...] = (),
    support_vectors: tuple[float, ...] = (),
    vectors_per_class: tuple[int, ...] = (),
) -> tuple[Expr, Expr]:
    """With support vectors, classes are compared in pairs and the one that wins most is the label, as in libsvm.

    The scores are those of the pairs, or probabilities of the classes where ``prob_a`` and ``prob_b`` are given.
    """
    labels = labels_of(classlabels_ints, classlabels_strings)
    count = len(labels)
    if count < 2 or not rho:
        raise NotApplicable(f"a classifier with {count} labels and {len(rho)} intercepts")
    x = _as_rows(x)
    if not vectors_per_class:
        return _linear(x, coefficients, rho, labels, post_transform)
    if len(vectors_per_class) != count or min(vectors_per_class) < 0 or len(rho) != count * (count - 1) // 2:
        raise NotApplicable(f"{len(vectors_per_class)} numbers of vectors and {len(rho)} intercepts, {count} labels")
    kernels = _kernels(x, support_vectors, sum(vectors_per_class), kernel_type, kernel_params)
    weight = _pair_weights(coefficients, vectors_per_class)
    scores = F.linear(kernels, trained(weight, weight.shape, "weight"), trained(rho, (len(rho),), "bias"))
    label = labels_at(runtime.count_wins(scores, count).argmax(-1), labels)
    if prob_a:
        if not len(prob_a) == len(prob_b) == len(rho):
            raise NotApplicable(f"{len(prob_a)} and {len(prob_b)} parameters of probability for {len(rho)} pairs")
        slopes, offsets = (table(each, name, DType.FLOAT32) for each, name in ((prob_a, "prob_a"), (prob_b, "prob_b")))
        scores = runtime.pairwise_probabilities(scores, slopes, offsets, count)
    elif count == 2:
        return label, _two_sided(scores, post_transform)
    return label, transformed(scores, post_transform)


def _linear(
    x: Expr, coefficients: tuple[float, ...], rho: tuple[float, ...], labels: Sequence[object], transform: str
) -> tuple[Expr, Expr]:
    """One score per class, as in liblinear; the first intercept is everyone's."""
    count = len(labels)
    if len(coefficients) % count:
        raise NotApplicable(f"{len(coefficients)} coefficients for {count} labels")
    if len(set(rho)) > 1:
        raise NotApplicable("classes with intercepts of their own, of which ONNX Runtime takes the first")
    weight = trained(coefficients, (count, len(coefficients) // count), "weight")
    scores = F.linear(x, weight, trained(rho[:1] * count, (count,), "bias"))
    return labels_at(scores.argmax(-1), labels), transformed(scores, transform)


def _pair_weights(
    coefficients: tuple[float, ...], counts: tuple[int, ...]
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """What each support vector adds to the score of each pair of classes, [pairs, vectors].

    libsvm keeps for every vector one coefficient for each class but its own: in row j - 1 those of class i against a
    later class j, in row i those of class j.
    """
    starts = list(itertools.accumulate(counts, initial=0))
    total = starts[-1]
    if len(coefficients) != (len(counts) - 1) * total:
        raise NotApplicable(f"{len(coefficients)} coefficients for {total} vectors of {len(counts)} classes")
    own = np.asarray(coefficients, np.float32).reshape(-1, total)
    pairs = list(itertools.combinations(range(len(counts)), 2))
    weights = np.zeros((len(pairs), total), np.float32)
    for row, (i, j) in zip(weights, pairs, strict=True):
        row[starts[i] : starts[i + 1]] = own[j - 1, starts[i] : starts[i + 1]]
        row[starts[j] : starts[j + 1]] = own[i, starts[j] : starts[j + 1]]
    return weights


def _two_sided(score: Expr, post_transform: str) -> Expr:
    """The score of the only pair and its opposite, as ONNX Runtime has them; LOGISTIC alone transforms them."""
    if post_transform == "PROBIT":
        raise NotApplicable("PROBIT of the score of a pair means nothing")
    if post_transform in ("SOFTMAX", "SOFTMAX_ZERO"):
        return torch.cat([1.0 - score, score], dim=1)  # type: ignore[no-any-return]
    return transformed(torch.cat([-score, score], dim=1), post_transform)
