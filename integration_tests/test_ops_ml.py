"""Features, labels, linear models and support vectors of ai.onnx.ml.

The oracle is ONNX Runtime. Where it has no kernel, or where the specification says otherwise, the answer is written
down: keys that are there twice or NaN, and transforms of a single score.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from codegen_torch.errors import UnsupportedError
from one_node import Array, Row, check, lower_proto, model_of, table
from onnx import TensorProto, numpy_helper
from ort_oracle import by_runtime

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO")

rng = np.random.default_rng(0)
X = np.float32([[1, -2, 3], [0, 0, 0], [-1, -5, -2]])
Y = rng.standard_normal((4, 3)).astype(np.float32)
INTS = np.array([[1, -2, 3], [4, 5, -2]])
HOLES = np.float32([[1, np.nan, 3], [0, -1, np.nan]])
WORDS = np.array([["b", "a"], ["x", "b"]], object)


def row(op: str, x: Array, attributes: dict[str, Any], version: int = 1, **more: Any) -> Row:
    return Row(op, version, (x,), attributes, domain="ai.onnx.ml", **more)


def told(op: str, x: Array, attributes: dict[str, Any], *elem_types: int, version: int = 1) -> Row:
    return by_runtime(row(op, x, attributes, version, outputs=len(elem_types)), *elem_types)


def scaled(x: Array, offset: Any, scale: Any) -> Array:
    return ((x.astype(np.float32) - np.float32(offset)) * np.float32(scale)).astype(np.float32)


FEATURES = [
    *(
        by_runtime(Row("ArrayFeatureExtractor", 1, (x, y), {}, baked, domain="ai.onnx.ml"), kind)
        for x, kind in ((X, FLOAT), (X[0], FLOAT), (X[None], FLOAT), (INTS, INT64), (WORDS, STRING))
        for y in (np.array([0, 1]), np.array([[1]]))
        for baked in ((), (1,))
    ),
    told("Binarizer", X, {"threshold": 0.5}, FLOAT),
    told("Binarizer", X, {}, FLOAT),
    *(
        row("Binarizer", x, {"threshold": 0.5}, expected=lambda x: (x > 0.5).astype(x.dtype))
        for x in (INTS, INTS.astype(np.int32), X.astype(np.float64))
    ),
    *(
        told("Scaler", x, attributes, FLOAT)
        for x in (X, INTS, X.astype(np.float64), INTS.astype(np.int32))
        for attributes in ({"offset": [1.0], "scale": [2.0]}, {"offset": [1.0, 2, 3], "scale": [0.1, 0.2, 0.3]})
    ),
    row("Scaler", X, {"scale": [0.1]}, expected=lambda x: scaled(x, 0, 0.1)),
    row("Scaler", X, {"offset": [0.1, 1, 2], "scale": [3.0]}, expected=lambda x: scaled(x, [0.1, 1, 2], 3)),
    *(
        told("Normalizer", x, {"norm": norm}, FLOAT)
        for norm in ("MAX", "L1", "L2")
        for x in (X, Y, X[0], INTS, np.float32([[-1, 0]]))
    ),
    told("Imputer", HOLES, {"imputed_value_floats": [10.0], "replaced_value_float": np.nan}, FLOAT),
    told("Imputer", HOLES, {"imputed_value_floats": [0.1, 20, 30]}, FLOAT),
    told("Imputer", INTS, {"imputed_value_int64s": [7, 8, 9], "replaced_value_int64": -2}, INT64),
    row("Imputer", HOLES.astype(np.float64), {"imputed_value_floats": [0.1], "replaced_value_float": np.nan},
        expected=lambda x: np.where(np.isnan(x), np.float64(np.float32(0.1)), x)),
    *(
        by_runtime(Row("FeatureVectorizer", 1, xs, {"inputdimensions": sizes}, domain="ai.onnx.ml"), FLOAT)
        for xs, sizes in (
            ((X, Y[:3, :2]), [3, 2]),
            ((X, Y[:3, :2]), [2, 3]),
            ((X,), [4]),
            ((X[0], X[1]), [3, 2]),
            ((INTS, INTS), [3, 1]),
        )
    ),
    *(
        told("OneHotEncoder", x, attributes, FLOAT)
        for x, attributes in (
            (INTS, {"cats_int64s": [1, 3]}),
            (np.float32([[1.5, 3, -2]]), {"cats_int64s": [3, -2, 1]}),
            (WORDS, {"cats_strings": ["b", "a", "c"]}),
            (np.array([1, 3]), {"cats_int64s": [3, 1], "zeros": 0}),
        )
    ),
]  # fmt: skip


def tensor(values: Any, dtype: Any) -> TensorProto:
    return numpy_helper.from_array(np.array(values, dtype))


NAN_KEYS = {"keys_floats": [1.0, np.nan, 0.1], "values_strings": ["one", "none", "tenth"]}
NANS = np.float32([[np.nan, 1], [0.1, 2]])
LABELS = [
    told("CategoryMapper", WORDS, {"cats_strings": ["b", "a"], "cats_int64s": [7, 8]}, INT64),
    told("CategoryMapper", np.array([8, 0]), {"cats_strings": ["b", "a"], "cats_int64s": [7, 8]}, STRING),
    told("CategoryMapper", WORDS, {"cats_strings": ["b", "b"], "cats_int64s": [7, 8], "default_int64": 9}, INT64),
    told("LabelEncoder", WORDS, {"classes_strings": ["b", "a"]}, INT64),
    told("LabelEncoder", np.array([[1, 9, -1]]), {"classes_strings": ["b", "a"]}, STRING),
    *(
        told("LabelEncoder", x, attributes, kind, version=version)
        for version in (2, 4)
        for x, attributes, kind in (
            (WORDS, {"keys_strings": ["a", "b"], "values_int64s": [5, 6]}, INT64),
            (WORDS, {"keys_strings": ["b", "a"], "values_floats": [0.1, 6], "default_float": 0.2}, FLOAT),
            (WORDS, {"keys_strings": ["b"], "values_strings": ["y"], "default_string": "n"}, STRING),
            (INTS, {"keys_int64s": [5, -2, 1], "values_strings": ["x", "y", ""]}, STRING),
            (INTS, {"keys_int64s": [5, -2, 1], "values_floats": [1.0, 2, 3]}, FLOAT),
            (X, {"keys_floats": [1.0, -2], "values_int64s": [4, 3], "default_int64": 7}, INT64),
        )
    ),
    *(row("LabelEncoder", NANS, NAN_KEYS, version, expected=lambda x: np.array(
        [["none", "one"], ["tenth", "_Unused"]], object)) for version in (2, 4)),
    row("LabelEncoder", INTS, {"keys_int64s": [1, 1], "values_int64s": [5, 6]}, 2,
        expected=lambda x: np.where(x == 1, 5, -1)),
    row("LabelEncoder", INTS, {"keys_int64s": [1, 1], "values_int64s": [5, 6]}, 4,
        expected=lambda x: np.where(x == 1, 6, -1)),
    row("LabelEncoder", INTS.astype(np.int16),
        {"keys_tensor": tensor([1, 3], np.int16), "values_tensor": tensor([7, 8], np.int32),
         "default_tensor": tensor([9], np.int32)}, 4,
        expected=lambda x: np.select([x == 1, x == 3], [7, 8], 9).astype(np.int32)),
    row("LabelEncoder", X.astype(np.float64),
        {"keys_tensor": tensor([1, 3], np.float64), "values_tensor": tensor([0.1, 0.2], np.float64)}, 4,
        expected=lambda x: np.select([x == 1, x == 3], [0.1, 0.2], -0.0)),
    row("LabelEncoder", WORDS,
        {"keys_tensor": tensor(["a"], object), "values_tensor": tensor(["z"], object),
         "default_tensor": tensor(["?"], object)}, 4,
        expected=lambda x: np.where(x == "a", "z", "?").astype(object)),
]  # fmt: skip
ONE = {"coefficients": [0.1, 0.2, 0.3], "intercepts": [0.5]}
THREE = {"coefficients": [0.1, 0.2, 0.3, 0.3, -0.2, 0.1, 0, 1, 0.5], "intercepts": [0.5, -0.1, 0.0]}
LINEAR = [
    *(told("LinearRegressor", x, ONE, FLOAT) for x in (Y, INTS.astype(np.float32), Y[0])),
    told("LinearRegressor", Y, {"coefficients": [0.1, 0.2, 0.3]}, FLOAT),
    row("LinearRegressor", INTS, {"coefficients": [0.5, 0.25, 1.0]},
        expected=lambda x: (x @ [[0.5], [0.25], [1.0]]).astype(np.float32)),
    row("LinearRegressor", INTS, ONE | {"post_transform": "LOGISTIC"},
        expected=lambda x: (1 / (1 + np.exp(-(x @ [[0.1], [0.2], [0.3]] + 0.5)))).astype(np.float32)),
    *(told("LinearRegressor", Y, THREE | {"targets": 3, "post_transform": each}, FLOAT) for each in TRANSFORMS),
    told("LinearRegressor", Y / 4 + np.float32(0.3), ONE | {"post_transform": "PROBIT"}, FLOAT),
    *(
        told("LinearClassifier", Y, model | labels | {"post_transform": each}, kind, FLOAT)
        for each in TRANSFORMS
        for model, labels, kind in (
            (ONE, {"classlabels_ints": [4, 7]}, INT64),
            (ONE, {"classlabels_strings": ["no", "yes"]}, STRING),
            (ONE, {}, INT64),
            (THREE, {"classlabels_ints": [4, 7, 1]}, INT64),
            (THREE, {"classlabels_strings": ["a", "b", "c"]}, STRING),
            (THREE, {"classlabels_ints": [0, 1, 2]}, INT64),
        )
    ),
    *(told("LinearClassifier", x, ONE | {"classlabels_ints": [0, 1]}, INT64, FLOAT)
      for x in (INTS, Y.astype(np.float64))),
]  # fmt: skip


def support(count: int, kernel: str, *, probabilities: bool = False, labels: Any = (3, 5, 7, 9)) -> dict[str, Any]:
    """A classifier whose numbers are random."""
    drawn = np.random.default_rng(count)
    vectors = drawn.integers(1, 4, count).tolist()
    pairs = count * (count - 1) // 2

    def numbers(size: int) -> list[float]:
        return drawn.standard_normal(size).round(2).tolist()

    attributes = {
        "kernel_type": kernel,
        "kernel_params": [0.3, 0.5, 2.0],
        "vectors_per_class": vectors,
        "support_vectors": numbers(3 * sum(vectors)),
        "coefficients": numbers((count - 1) * sum(vectors)),
        "rho": numbers(pairs),
        ("classlabels_strings" if isinstance(labels[0], str) else "classlabels_ints"): list(labels[:count]),
    }
    if probabilities:
        attributes |= {"prob_a": (-np.abs(numbers(pairs))).tolist(), "prob_b": numbers(pairs)}
    return attributes


KERNELS = ("LINEAR", "POLY", "RBF", "SIGMOID")
REGRESSED = {"n_supports": 2, "support_vectors": [0.1, 0.2, -0.3, 0.4, 0.1, 0.6], "coefficients": [0.3, -0.4]}
VECTORS = [
    *(
        told("SVMClassifier", Y, support(count, kernel, probabilities=known), INT64, FLOAT)
        for count in (2, 3, 4)
        for kernel in KERNELS
        for known in (False, True)
    ),
    *(
        told("SVMClassifier", Y, support(count, "RBF", probabilities=known) | {"post_transform": each}, INT64, FLOAT)
        for each in TRANSFORMS[1:]
        for count in (2, 3)
        for known in (False, True)
    ),
    told("SVMClassifier", Y, support(3, "RBF", labels=("a", "b", "c")), STRING, FLOAT),
    told("SVMClassifier", Y.astype(np.float64), support(3, "RBF"), INT64, FLOAT),
    told("SVMClassifier", INTS, support(3, "POLY"), INT64, FLOAT),
    *(
        told("SVMClassifier", Y, {"coefficients": THREE["coefficients"], "rho": [0.1], "kernel_params": [0.0, 0, 0],
                                  "classlabels_ints": [3, 5, 7], "post_transform": each}, INT64, FLOAT)
        for each in TRANSFORMS
    ),
    *(
        told("SVMRegressor", Y, REGRESSED | {"rho": [0.2], "one_class": one, "kernel_type": kernel,
                                             "kernel_params": [0.3, 0.5, 3.0]}, FLOAT)
        for kernel in KERNELS
        for one in (0, 1)
    ),
    told("SVMRegressor", Y, {"coefficients": [0.3, -0.4, 0.1], "rho": [0.2], "kernel_params": [0.0, 0, 0]}, FLOAT),
]  # fmt: skip


@pytest.mark.parametrize(**table(FEATURES + LABELS))
def test_features_and_labels(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic)


@pytest.mark.parametrize(**table(LINEAR + VECTORS))
def test_models(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-4, atol=1e-5)


def test_an_unknown_category_is_an_error_where_zeros_are_not_allowed() -> None:
    encoder = row("OneHotEncoder", np.array([2]), {"cats_int64s": [1], "zeros": 0}, expected=lambda x: x)
    with pytest.raises(ValueError, match="none of the categories"):
        check(encoder, symbolic=False)


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (row("Normalizer", X, {"norm": "L3"}), "L3"),
        (row("LinearRegressor", X, ONE | {"post_transform": "CUBE"}), "CUBE"),
        (row("LinearRegressor", X, ONE | {"targets": 2}), "3 coefficients for 2 outputs"),
        (row("LinearClassifier", X, ONE | {"classlabels_ints": [1]}, outputs=2), "1 labels"),
        (row("SVMClassifier", X, support(2, "CUBIC"), outputs=2), "CUBIC"),
        (row("SVMClassifier", X, support(3, "RBF") | {"rho": [1.0]}, outputs=2), "1 intercepts"),
        (row("LabelEncoder", X, {"keys_int64s": [1], "values_int64s": [1, 2]}, 4), "1 keys for 2 values"),
        (row("LabelEncoder", WORDS, {"keys_strings": ["a"]}, 2), "missing"),
        (row("Scaler", X, {"scale": [1.0, 2.0]}), "2 values of 'scale'"),
        (row("Imputer", X, {"imputed_value_int64s": [1]}), "imputed values"),
        (row("OneHotEncoder", WORDS, {"cats_int64s": [1]}), "categories"),
    ],
    ids=str,
)
def test_refusals(refused: Row, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        lower_proto(model_of(refused, symbolic=False))
