"""Tree ensembles of ai.onnx.ml against ONNX Runtime, and version 5 against a walk down the trees written out here.

Where columns have votes, the label is the one with most of them, as the specification says; ONNX Runtime compares the
second of two with 0, and passes over columns without votes. It leaves a single target untransformed, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from codegen_torch.errors import ConversionError, InvalidModelError, UnsupportedError
from codegen_torch.ops.ml.trees import members_of
from codegen_torch.pipeline import convert
from converted import import_model
from one_node import Array, Row, check, lower_proto, model_of, table
from onnx import TensorProto, numpy_helper
from ort_oracle import by_runtime

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
X = np.round(np.random.default_rng(1).standard_normal((40, 3)), 1).astype(np.float32)
X[3, 1] = X[5, 0] = np.nan
COUNTS = np.arange(-9, 9).reshape(6, 3)


def grown(seed: int, depth: int, modes: Sequence[str]) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    """Two random trees over three features, and their leaves."""
    drawn = np.random.default_rng(seed)
    names = ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
    lists: dict[str, list[Any]] = {f"nodes_{name}": [] for name in (*names, "missing_value_tracks_true")}
    leaves: list[tuple[int, int]] = []
    for tree in (0, 4):
        waiting, last = [(0, 0)], 0
        while waiting:
            node, level = waiting.pop(0)
            split = level < depth and (level == 0 or drawn.random() < 0.8)
            known = int(drawn.integers(3)), float(np.round(drawn.standard_normal(), 1)), str(drawn.choice(modes))
            cells = (*known, last + 1, last + 2) if split else (0, 0.0, "LEAF", 0, 0)
            missing = int(drawn.integers(2))
            for cell, column in zip((tree, node, *cells, missing), lists.values(), strict=True):
                column.append(cell)
            if split:
                waiting += [(last + 1, level + 1), (last + 2, level + 1)]
                last += 2
            else:
                leaves.append((tree, node))
    return lists, leaves


def ensemble(
    prefix: str, seed: int = 0, depth: int = 3, modes: Sequence[str] = MODES[:1], columns: Any = (0,), **more: Any
) -> dict[str, Any]:
    """Attributes of an ensemble whose leaves vote for all columns or, with "each", for one of three."""
    lists, leaves = grown(seed, depth, modes)
    drawn = np.random.default_rng(seed + 1)
    low = 0.0 if more.pop("positive", False) else -1.0
    voted = [(leaf, c) for leaf in leaves for c in ([int(drawn.integers(3))] if columns == "each" else columns)]
    weights = drawn.uniform(low, 1.0, len(voted)).round(2).tolist()
    lists |= {
        f"{prefix}_treeids": [tree for (tree, _), _ in voted],
        f"{prefix}_nodeids": [node for (_, node), _ in voted],
        f"{prefix}_ids": [column for _, column in voted],
        f"{prefix}_weights": weights,
    }
    return {name: value for name, value in (lists | more).items() if value != []}


def row(op: str, x: Array, attributes: dict[str, Any], version: int = 3, **more: Any) -> Row:
    return Row(op, version, (x,), attributes, domain="ai.onnx.ml", **more)


def regressed(x: Array, version: int = 3, **options: Any) -> Row:
    return by_runtime(row("TreeEnsembleRegressor", x, ensemble("target", **options), version), FLOAT)


def classified(x: Array, version: int = 3, **options: Any) -> Row:
    kind = STRING if "classlabels_strings" in options else INT64
    attributes = ensemble("class", **options)
    return by_runtime(row("TreeEnsembleClassifier", x, attributes, version, outputs=2), kind, FLOAT)


def doubles(attributes: dict[str, Any], *names: str) -> dict[str, Any]:
    """Lists of floats as tensors of doubles, which are not floats."""
    return {
        (f"{name}_as_tensor" if name in names else name): (
            numpy_helper.from_array(np.array(value, np.float64) + 1e-9) if name in names else value
        )
        for name, value in attributes.items()
    }


REGRESSORS = [
    *(regressed(X, version, seed=seed, n_targets=1, modes=MODES, depth=5) for version in (1, 3) for seed in range(4)),
    *(
        regressed(X, seed=7, columns=columns, n_targets=count, aggregate_function=aggregate, base_values=base)
        for aggregate in ("SUM", "AVERAGE", "MIN", "MAX")
        for columns, count, base in (((0,), 1, [0.3]), ((0, 1), 2, [0.1, -0.4]), ("each", 3, []), ((0, 1, 2), 3, []))
    ),
    *(
        regressed(X, columns=(0, 1), n_targets=2, post_transform=each)
        for each in ("LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO")
    ),
    regressed(X.astype(np.float64), n_targets=1),
    regressed(COUNTS.astype(np.float32), n_targets=1, depth=0),
    by_runtime(
        row("TreeEnsembleRegressor", X.astype(np.float64),
            doubles(ensemble("target", n_targets=1, base_values=[0.5]), "nodes_values", "target_weights",
                    "base_values")), FLOAT),
]  # fmt: skip
TWO, THREE = {"classlabels_int64s": [3, 5]}, {"classlabels_int64s": [3, 5, 9]}
CLASSIFIERS = [
    *(
        classified(X, version, seed=seed, columns="each", positive=True, post_transform=each, **THREE)
        for version, seed in ((1, 1), (3, 2))
        for each in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO")
    ),
    classified(X, columns=(0, 1, 2), base_values=[0.1, 0.2, -0.3], classlabels_strings=["a", "b", "c"]),
    *(
        classified(X, positive=positive, base_values=base, post_transform=each, **TWO)
        for positive in (False, True)
        for base in ([], [0.2])
        for each in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO")
    ),
    *(
        classified(X, positive=positive, columns=(1,), post_transform=each, **TWO)
        for positive in (False, True)
        for each in ("NONE", "LOGISTIC", "SOFTMAX")
    ),
    classified(X, classlabels_strings=["no", "yes"], positive=True),
    classified(COUNTS, columns="each", positive=True, **THREE),
    classified(X.astype(np.float64), columns="each", positive=True, **THREE),
]


def walked(x: Array, tables: dict[str, Any], width: int) -> Array:
    """The votes of every row's leaves, walked to one node after the other."""
    compare = (np.less_equal, np.less, np.greater_equal, np.greater, np.equal, np.not_equal)
    scores = np.full((len(x), 2, width), np.nan)
    sets = iter(members_of(tables["members"], tables["modes"].count(6)))
    members = {node: next(sets) for node, mode in enumerate(tables["modes"]) if mode == 6}
    for features, row in zip(x, scores, strict=True):
        for tree, root in enumerate(tables["roots"]):
            node, leaf = root, False
            while not leaf:
                value, mode = features[tables["features"][node]], tables["modes"][node]
                goes = value in members[node] if mode == 6 else compare[mode](value, tables["splits"][node])
                branch = tables["yes"] if goes or (np.isnan(value) and tables["missing"][node]) else tables["no"]
                leaf, node = branch[node]
            row[tree, tables["columns"][node]] = tables["weights"][node]
    return scores


def tables(seed: int, width: int) -> dict[str, Any]:
    """Two trees of three levels, every node in some mode."""
    drawn = np.random.default_rng(seed)
    nodes, leaves = range(14), range(16)
    modes = drawn.integers(0, 7, len(nodes)).tolist()
    yes = [(n % 7 >= 3, 2 * n + 1 if n < 3 else 2 * (n - 3)) for n in range(7)]
    no = [(leaf, number + 1) for leaf, number in yes]
    second = [[(leaf, number + (8 if leaf else 7)) for leaf, number in branches] for branches in (yes, no)]
    members = [v for m in modes if m == 6 for v in (*drawn.standard_normal(5).round(1).tolist(), float("nan"))]
    return {
        "roots": [0, 7], "features": drawn.integers(0, 3, len(nodes)).tolist(), "modes": modes,
        "splits": drawn.standard_normal(len(nodes)).round(1).tolist(), "yes": yes + second[0], "no": no + second[1],
        "missing": drawn.integers(0, 2, len(nodes)).tolist(), "members": members,
        "columns": drawn.integers(0, width, len(leaves)).tolist(),
        "weights": drawn.uniform(-1, 1, len(leaves)).round(2).tolist(),
    }  # fmt: skip


def newest(dtype: Any, seed: int, aggregate: int, width: int) -> Row:
    """A row of version 5. What no leaf votes for is 0."""
    data = tables(seed, width)
    x = X.astype(dtype)

    def tensor(values: Any, kind: Any = dtype) -> TensorProto:
        return numpy_helper.from_array(np.array(values, kind))

    exact = {name: np.array(data[name], dtype).tolist() for name in ("splits", "weights", "members")}

    def expected(_: Array) -> Array:
        votes = walked(x, data | exact, width)
        none = np.isnan(votes).all(1)
        filled = np.where(none[:, None], 0, votes)
        combined = (np.nansum(filled, 1) / 2, np.nansum(filled, 1), np.nanmin(filled, 1), np.nanmax(filled, 1))
        return combined[aggregate].astype(dtype)

    attributes = {
        "tree_roots": data["roots"], "n_targets": width, "aggregate_function": aggregate,
        "nodes_featureids": data["features"], "nodes_modes": tensor(data["modes"], np.uint8),
        "nodes_splits": tensor(data["splits"]), "nodes_missing_value_tracks_true": data["missing"],
        "nodes_truenodeids": [number for _, number in data["yes"]],
        "nodes_trueleafs": [int(leaf) for leaf, _ in data["yes"]],
        "nodes_falsenodeids": [number for _, number in data["no"]],
        "nodes_falseleafs": [int(leaf) for leaf, _ in data["no"]],
        "leaf_targetids": data["columns"], "leaf_weights": tensor(data["weights"]),
        "membership_values": tensor(data["members"]),
    }  # fmt: skip
    return row("TreeEnsemble", x, attributes, 5, expected=expected)


NEWEST = [
    *(newest(np.float32, seed, aggregate, width) for seed in (0, 1, 2) for aggregate in range(4) for width in (1, 3)),
    newest(np.float64, 3, 1, 2),
    newest(np.float16, 3, 1, 2),
]


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize(**table(REGRESSORS + CLASSIFIERS + NEWEST))
def test_ensembles(row: Row, symbolic: bool) -> None:
    tolerance = 1e-3 if row.inputs[0].dtype == np.float16 else 1e-5
    check(row, symbolic=symbolic, rtol=tolerance, atol=tolerance)


def test_the_column_with_most_votes_is_the_label() -> None:
    attributes = ensemble("class", columns=(0, 1), base_values=[0.25, 0.0], **TWO)
    votes = {name.replace("class_", "target_"): value for name, value in attributes.items() if "labels" not in name}
    scores = regressed_by_reference(votes)
    expected = np.where(scores[:, 0] >= scores[:, 1], 3, 5), scores
    check(row("TreeEnsembleClassifier", X, attributes, outputs=2, expected=lambda _: expected), symbolic=False)


def regressed_by_reference(votes: dict[str, Any]) -> Array:
    known = by_runtime(row("TreeEnsembleRegressor", X, votes | {"n_targets": 2}), FLOAT)
    assert known.expected is not None
    return np.asarray(known.expected()[0])


def test_a_single_target_is_transformed() -> None:
    plain = regressed(X, n_targets=1)
    assert plain.expected is not None
    (scores,) = plain.expected()
    attributes = {**plain.attributes, "post_transform": "LOGISTIC"}
    wanted = row("TreeEnsembleRegressor", X, attributes, expected=lambda _: 1 / (1 + np.exp(-scores)))
    check(wanted, symbolic=False)


def broken(**changes: Any) -> Row:
    return row("TreeEnsembleRegressor", X, ensemble("target", n_targets=1) | changes)


@pytest.mark.parametrize(
    ("refused", "error", "reason"),
    [
        (broken(nodes_modes=["BRANCH_UP"] * 12), UnsupportedError, "equally long"),
        (broken(aggregate_function="MEDIAN"), UnsupportedError, "MEDIAN"),
        (broken(target_weights=[1.0]), UnsupportedError, "equally long"),
        (broken(n_targets=0), UnsupportedError, "for 0 columns"),
        (broken(target_ids=[1] * len(ensemble("target")["target_ids"])), InvalidModelError, "column 1 of 1"),
        (broken(base_values=[1.0, 2.0]), UnsupportedError, "2 base values"),
        (
            row("TreeEnsembleClassifier", X, ensemble("class", base_values=[1.0, 2.0], **TWO), outputs=2),
            UnsupportedError,
            "bases for both",
        ),
    ],
    ids=str,
)
def test_refusals(refused: Row, error: type[ConversionError], reason: str) -> None:
    with pytest.raises(error, match=reason):
        lower_proto(model_of(refused, symbolic=False))


@pytest.mark.parametrize("way", [1, 99], ids=["to themselves", "to nowhere"])
def test_trees_that_lead_nowhere_are_refused(way: int) -> None:
    attributes = {
        "nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [0, 0, 0],
        "nodes_values": [0.0, 0.0, 0.0], "nodes_modes": ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"],
        "nodes_truenodeids": [1, 2, 0], "nodes_falsenodeids": [2, way, 0],
    }  # fmt: skip
    with pytest.raises(InvalidModelError, match="tree"):
        lower_proto(model_of(row("TreeEnsembleRegressor", X, attributes), symbolic=False))


def test_a_converted_ensemble(tmp_path: Path) -> None:
    """The tables are buffers in the weights file."""
    known = classified(X, depth=6, columns="each", positive=True, classlabels_strings=["a", "b", "c"])
    (tmp_path / "trees.onnx").write_bytes(model_of(known, symbolic=True).SerializeToString())
    convert(tmp_path / "trees.onnx", tmp_path / "out")
    model = import_model(tmp_path / "out").load_model()
    label, scores = model(torch.from_numpy(X))
    assert known.expected is not None
    wanted = known.expected()
    assert label.tolist() == wanted[0].tolist()
    np.testing.assert_allclose(scores.numpy(), wanted[1], rtol=1e-5, atol=1e-6)
    assert {"features", "splits", "branches", "leaf_weights"} <= model.state_dict().keys()


def test_an_ensemble_is_exported_and_compiled_whole(tmp_path: Path) -> None:
    known = regressed(X, depth=6, n_targets=1)
    (tmp_path / "trees.onnx").write_bytes(model_of(known, symbolic=True).SerializeToString())
    convert(tmp_path / "trees.onnx", tmp_path / "out")
    model, x = import_model(tmp_path / "out").load_model(), torch.from_numpy(X)
    exported = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("rows")},)).module()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    for rows in (x, x[:7]):
        wanted = model(rows)
        torch.testing.assert_close(exported(rows), wanted)
        torch.testing.assert_close(compiled(rows), wanted)
