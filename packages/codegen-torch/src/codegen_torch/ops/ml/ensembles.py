"""Ensembles of decision trees, whose tables stand in the weights file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx_proto import Tensor

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.facts import Array
from codegen_torch.lower.registry import NotApplicable, op
from codegen_torch.ops.ml.common import DOMAIN, as_float, as_float32, labels_at, labels_of, rows, table, transformed
from codegen_torch.ops.ml.trees import Forest, forest_of_lists, forest_of_tables
from codegen_torch.symbols.namespaces import index, runtime, torch

_MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER")
_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
_TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


def _numbers(values: Sequence[float], tensor: Tensor | None) -> Array:
    """An attribute that is either a list of float32 or a tensor."""
    if tensor is None:
        return np.asarray(values, np.float32).astype(np.float64)
    if values:
        raise NotApplicable("numbers are given as a list and as a tensor")
    return tensor.numpy().reshape(-1).astype(np.float64)


def _leaves(x: Expr, forest: Forest) -> Expr:
    """The leaves that the rows of x fall into, [rows, trees]."""
    return runtime.tree_leaves(  # type: ignore[no-any-return]
        x,
        table(forest.roots, "roots", DType.INT64),
        table(forest.features, "features", DType.INT64),
        table(np.asarray(forest.splits), "splits", x.dtype),
        table(np.asarray(forest.children), "branches", DType.INT64),
        depth=forest.depth(),
    )


def _votes(leaves: Expr, forest: Forest, columns: int, dtype: DType, aggregate: str) -> Expr:
    """The votes of the leaves, put together: [rows, columns]. A column without votes is 0."""
    if aggregate in ("MIN", "MAX"):
        empty = np.inf if aggregate == "MIN" else -np.inf
        votes = index.take(table(forest.weights(columns, empty), "leaf_weights", dtype), leaves, 0)
        scores = votes.amin(1) if aggregate == "MIN" else votes.amax(1)
        return torch.where(torch.isinf(scores), 0.0, scores)  # type: ignore[no-any-return]
    if aggregate not in ("SUM", "AVERAGE"):
        raise NotApplicable(f"aggregate_function {aggregate!r} is not known")
    if columns > 2 and forest.has_single_votes:
        own, weights = forest.single_votes(columns)
        voted, weight = table(own, "leaf_columns", DType.INT64), table(weights, "leaf_weights", dtype)
        scores = runtime.sum_votes(leaves, voted, weight, width=columns)
    else:
        scores = index.take(table(forest.weights(columns, 0.0), "leaf_weights", dtype), leaves, 0).sum(1)
    return scores / len(forest.roots) if aggregate == "AVERAGE" else scores  # type: ignore[no-any-return]


def _based(scores: Expr, base_values: Array, columns: int) -> Expr:
    """Scores with the base of each column added."""
    if not base_values.any():
        return scores
    if len(base_values) not in (1, columns):
        raise NotApplicable(f"{len(base_values)} base values for {columns} columns")
    return scores + table(base_values, "base_values", scores.dtype)


def _forest(votes: str, attributes: dict[str, Any]) -> Forest:
    """The trees of versions 1 to 3.

    Args:
        votes: The prefix of the attributes about votes: ``class`` or ``target``.
        attributes: All attributes of the node.
    """
    ids = ("treeids", "nodeids", "ids")
    lists = [attributes[f"{votes}_{name}"] for name in ids]
    weights = _numbers(attributes[f"{votes}_weights"], attributes.get(f"{votes}_weights_as_tensor"))
    if len({len(each) for each in (*lists, weights)}) > 1:
        raise NotApplicable("the lists of votes are not equally long")
    splits = _numbers(attributes["nodes_values"], attributes.get("nodes_values_as_tensor"))
    return forest_of_lists(
        attributes["nodes_treeids"],
        attributes["nodes_nodeids"],
        attributes["nodes_featureids"],
        splits.tolist(),
        attributes["nodes_modes"],
        attributes["nodes_truenodeids"],
        attributes["nodes_falsenodeids"],
        attributes["nodes_missing_value_tracks_true"],
        zip(*lists, weights.tolist(), strict=True),
    )


@op("TreeEnsembleRegressor", since=1, domain=DOMAIN)
def tree_ensemble_regressor(
    x: Expr,
    *,
    aggregate_function: str = "SUM",
    base_values: tuple[float, ...] = (),
    base_values_as_tensor: Tensor | None = None,
    n_targets: int = 1,
    nodes_falsenodeids: tuple[int, ...] = (),
    nodes_featureids: tuple[int, ...] = (),
    nodes_hitrates: tuple[float, ...] = (),
    nodes_hitrates_as_tensor: Tensor | None = None,
    nodes_missing_value_tracks_true: tuple[int, ...] = (),
    nodes_modes: tuple[str, ...] = (),
    nodes_nodeids: tuple[int, ...] = (),
    nodes_treeids: tuple[int, ...] = (),
    nodes_truenodeids: tuple[int, ...] = (),
    nodes_values: tuple[float, ...] = (),
    nodes_values_as_tensor: Tensor | None = None,
    post_transform: str = "NONE",
    target_ids: tuple[int, ...] = (),
    target_nodeids: tuple[int, ...] = (),
    target_treeids: tuple[int, ...] = (),
    target_weights: tuple[float, ...] = (),
    target_weights_as_tensor: Tensor | None = None,
) -> Expr:
    """The bases are added to what the trees say, also to a mean, a smallest or a largest of it."""
    forest = _forest("target", locals())
    x = rows(as_float(x))
    scores = _votes(_leaves(x, forest), forest, n_targets, x.dtype, aggregate_function)
    scores = _based(scores, _numbers(base_values, base_values_as_tensor), n_targets)
    return as_float32(transformed(scores, post_transform))


@op("TreeEnsembleClassifier", since=1, domain=DOMAIN)
def tree_ensemble_classifier(
    x: Expr,
    *,
    base_values: tuple[float, ...] = (),
    base_values_as_tensor: Tensor | None = None,
    class_ids: tuple[int, ...] = (),
    class_nodeids: tuple[int, ...] = (),
    class_treeids: tuple[int, ...] = (),
    class_weights: tuple[float, ...] = (),
    class_weights_as_tensor: Tensor | None = None,
    classlabels_int64s: tuple[int, ...] = (),
    classlabels_strings: tuple[str, ...] = (),
    nodes_falsenodeids: tuple[int, ...] = (),
    nodes_featureids: tuple[int, ...] = (),
    nodes_hitrates: tuple[float, ...] = (),
    nodes_hitrates_as_tensor: Tensor | None = None,
    nodes_missing_value_tracks_true: tuple[int, ...] = (),
    nodes_modes: tuple[str, ...] = (),
    nodes_nodeids: tuple[int, ...] = (),
    nodes_treeids: tuple[int, ...] = (),
    nodes_truenodeids: tuple[int, ...] = (),
    nodes_values: tuple[float, ...] = (),
    nodes_values_as_tensor: Tensor | None = None,
    post_transform: str = "NONE",
) -> tuple[Expr, Expr]:
    """The label of the column with most votes, and what the columns have after the transform.

    The specification's "top class" holds where both of two columns have votes, and its "added to final class score"
    for bases; ONNX Runtime has rules of its own there.
    """
    forest = _forest("class", locals())
    labels = labels_of(classlabels_int64s, classlabels_strings)
    x = rows(as_float(x))
    leaves = _leaves(x, forest)
    base = _numbers(base_values, base_values_as_tensor)
    if len(labels) == 2 and len(forest.columns()) < 2:
        label, scores = _of_two(leaves, forest, base, labels, post_transform, x.dtype)
        return label, as_float32(scores)
    if len(labels) < 2:
        raise NotApplicable(f"a classifier with {len(labels)} labels")
    scores = _based(_votes(leaves, forest, len(labels), x.dtype, "SUM"), base, len(labels))
    label = labels_at(scores.argmax(-1), labels)
    return label, as_float32(transformed(scores, post_transform))


def _of_two(
    leaves: Expr, forest: Forest, base: Array, labels: Sequence[Any], post_transform: str, dtype: DType
) -> tuple[Expr, Expr]:
    """Label and scores of two classes of which only one has votes: a probability if no vote is negative.

    The specification leaves open what the other column has. As in ONNX Runtime, votes for the first column are the
    second one's score, and the first one has what is missing to 1 or, with negative votes, the opposite; LOGISTIC
    alone transforms these. Votes for the second column stay there, and both columns are transformed.
    """
    (column,) = forest.columns() or {0}
    score = _votes(leaves, forest, 2, dtype, "SUM")
    score = index.slice(score, 1, column, column + 1)
    if len(base) > 1 or (column and len(base)) or post_transform == "PROBIT":
        raise NotApplicable("two classes, one of them without votes, with bases for both or with PROBIT")
    score = _based(score, base, 1)
    positive = all(weight >= 0 for votes in forest.votes.values() for _, weight in votes)
    above = torch.gt(index.select(score, 1, 0), 0.5 if positive else 0.0)
    label = labels_at(above.to(DType.INT64), labels)
    if column:
        return label, transformed(torch.cat([score * 0.0, score], dim=1), post_transform)
    if post_transform == "LOGISTIC":
        return label, torch.sigmoid(torch.cat([-score, score], dim=1))
    transformed(score, post_transform)  # to refuse what is not known
    return label, torch.cat([1.0 - score if positive else -score, score], dim=1)


@op("TreeEnsemble", since=5, domain=DOMAIN)
def tree_ensemble(
    x: Expr,
    *,
    aggregate_function: int = 1,
    leaf_targetids: tuple[int, ...],
    leaf_weights: Tensor,
    membership_values: Tensor | None = None,
    n_targets: int = 1,
    nodes_falseleafs: tuple[int, ...],
    nodes_falsenodeids: tuple[int, ...],
    nodes_featureids: tuple[int, ...],
    nodes_hitrates: Tensor | None = None,
    nodes_missing_value_tracks_true: tuple[int, ...] = (),
    nodes_modes: Tensor,
    nodes_splits: Tensor,
    nodes_trueleafs: tuple[int, ...],
    nodes_truenodeids: tuple[int, ...],
    post_transform: int = 0,
    tree_roots: tuple[int, ...],
) -> Expr:
    modes = nodes_modes.numpy().reshape(-1).tolist()
    if any(not 0 <= mode < len(_MODES) for mode in modes):
        raise NotApplicable("the mode of a node is not known")
    if not 0 <= aggregate_function < len(_AGGREGATES) or not 0 <= post_transform < len(_TRANSFORMS):
        raise NotApplicable(f"aggregate_function {aggregate_function} or post_transform {post_transform} is not known")
    weights = _numbers((), leaf_weights).tolist()
    pairs = ((nodes_trueleafs, nodes_truenodeids), (nodes_falseleafs, nodes_falsenodeids), (leaf_targetids, weights))
    if any(len(left) != len(right) for left, right in pairs):
        raise NotApplicable("the lists of nodes or leaves are not equally long")
    forest = forest_of_tables(
        tree_roots,
        nodes_featureids,
        _numbers((), nodes_splits).tolist(),
        [_MODES[mode] for mode in modes],
        list(zip(nodes_trueleafs, nodes_truenodeids, strict=True)),
        list(zip(nodes_falseleafs, nodes_falsenodeids, strict=True)),
        nodes_missing_value_tracks_true,
        [] if membership_values is None else _numbers((), membership_values).tolist(),
        list(zip(leaf_targetids, weights, strict=True)),
    )
    x = rows(x)
    scores = _votes(_leaves(x, forest), forest, n_targets, x.dtype, _AGGREGATES[aggregate_function])
    return transformed(scores, _TRANSFORMS[post_transform])
