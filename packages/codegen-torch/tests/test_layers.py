"""Each rule of the layers stage: the text of a graph before and after it, and what its guard refuses."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from dataflow_ir import nodes

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, Origin, Step, array, constant, graph_input, literal, originating, weight
from codegen_torch.facts import Fact
from codegen_torch.layers import PASSES, recover_layers
from codegen_torch.layers.refs import tensor_ref
from codegen_torch.symbols.namespaces import F, index, torch
from codegen_torch.tensors import TensorRef

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")
NEGATIVE = float(np.finfo(np.float32).min)


def value(name: str, *dims: int | Dim, dtype: DType = DType.FLOAT32) -> Expr:
    return graph_input(name, Fact(dtype, dims))


def stored(name: str, *shape: int) -> Expr:
    size = math.prod(shape)
    ref = TensorRef.of_array(np.arange(size, dtype=np.float32).reshape(shape))
    ref.name = name
    return weight(ref)


def number(x: float) -> Expr:
    return array(np.array(x, np.float32))


def text(expr: Expr) -> str:
    """One line per graph, calls nested; weights and inputs by name, numbers as they are."""
    done: dict[Expr, str] = {}
    for node in nodes(expr):
        assert isinstance(node, Expr)
        done[node] = _line(node, done)
    return done[expr]


def _line(node: Expr, done: dict[Expr, str]) -> str:
    if node.op == "input":
        return str(node.attrs["name"])
    if node.op in ("weight", "constant"):
        ref = node.attrs["ref"]
        known = node.fact.value
        return f"{known.item():.7g}" if known is not None and known.size == 1 else f"{ref.name}{list(ref.shape)}"
    if node.op == "literal":
        return repr(node.attrs["value"])
    operands = [done[operand] if operand is not None else "None" for operand in node.inputs]
    return f"{node.op}({', '.join([*operands, *(f'{k}={v}' for k, v in node.attrs.items())])})"


def name(case: object) -> str:
    """What pytest calls a case."""
    return text(case)[:60] if isinstance(case, Expr) else ""


def recovered(expr: Expr) -> str:
    return text(recover_layers({"y": expr})["y"])


X = value("x", BATCH, SEQ, 8)
W, B = stored("w", 8, 6), stored("b", 6)


def test_every_rule_says_in_a_sentence_what_it_does() -> None:
    sentences = [rule.result.__doc__ or "" for rules in PASSES for rule in rules]
    assert all(text.endswith(".") and (" is " in text or " needs " in text) for text in sentences)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (X @ W, "nn.Linear(x, w[6, 8], None)"),
        (X @ W + B, "nn.Linear(x, w[6, 8], b[6])"),
        (B + X @ W, "nn.Linear(x, w[6, 8], b[6])"),
        (X @ W + stored("b", 1, 1, 6), "nn.Linear(x, w[6, 8], b[6])"),
        (X @ stored("w", 6, 8).transpose(0, 1), "nn.Linear(x, w[6, 8], None)"),
        (F.linear(X, stored("w", 6, 8), B), "nn.Linear(x, w[6, 8], b[6])"),
        (F.linear(X, stored("w", 6, 8)) + B, "nn.Linear(x, w[6, 8], b[6])"),
        (F.linear(X.reshape(-1, 8), stored("w", 6, 8), B).reshape(BATCH, SEQ, 6), "nn.Linear(x, w[6, 8], b[6])"),
        (F.linear(X.flatten(0, 1), stored("w", 6, 8)).unflatten(0, (BATCH, SEQ)), "nn.Linear(x, w[6, 8], None)"),
        (
            F.linear(value("x", BATCH, SEQ, 4, 2).reshape(-1, 8), stored("w", 6, 8)).unflatten(0, (BATCH, SEQ)),
            "nn.Linear(Tensor.flatten(x, start_dim=2), w[6, 8], None)",
        ),
    ],
    ids=name,
)
def test_linear(before: Expr, after: str) -> None:
    assert recovered(before) == after


@pytest.mark.parametrize(
    "before",
    [
        W @ value("x", 6, SEQ),
        X @ value("y", 8, 6),
        X @ stored("w", 2, 8, 6),
        stored("a", 4, 8) @ W,
        F.linear(value("x", SEQ, 8), stored("w", 6, 8), value("b", 6)),
    ],
    ids=name,
)
def test_what_is_no_linear_layer_stays(before: Expr) -> None:
    assert recovered(before) == text(before)


@pytest.mark.parametrize("offset", [stored("b", 3, 6), value("b", 6), number(1.0)], ids=name)
def test_what_is_no_bias_is_added(offset: Expr) -> None:
    x = value("x", 1, 8)
    assert recovered(x @ W + offset) == f"operator.add(nn.Linear(x, w[6, 8], None), {text(offset)})"


def test_a_product_that_is_used_without_its_bias_keeps_it_apart() -> None:
    product = X @ W
    result = recover_layers({"y": product + B, "z": product})
    assert text(result["y"]) == "operator.add(nn.Linear(x, w[6, 8], None), b[6])"
    assert result["y"].inputs[0] is result["z"]


def test_flattening_stays_where_other_dimensions_are_restored() -> None:
    before = F.linear(X.flatten(0, 1), stored("w", 6, 8)).unflatten(0, (SEQ, BATCH))
    assert "Tensor.flatten" in recovered(before)


IMAGE = value("x", BATCH, 3, 8, 8)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (F.conv2d(IMAGE, stored("w", 4, 3, 3, 3), stored("b", 4)), "nn.Conv2d(x, w[4, 3, 3, 3], b[4])"),
        (
            F.conv2d(IMAGE, stored("w", 4, 3, 3, 3), stride=2, padding=(1, 0)),
            "nn.Conv2d(x, w[4, 3, 3, 3], None, stride=2, padding=(1, 0))",
        ),
        (
            F.conv_transpose2d(IMAGE, stored("w", 3, 4, 2, 2), stride=2),
            "nn.ConvTranspose2d(x, w[3, 4, 2, 2], None, stride=2)",
        ),
        (
            F.conv2d(IMAGE, torch.full((4, 3, 3, 3), 0.5, dtype=DType.FLOAT32)),
            "nn.Conv2d(x, [4, 3, 3, 3], None)",
        ),
        (F.conv2d(IMAGE, value("w", 4, 3, 3, 3)), "F.conv2d(x, w, None)"),
        (F.embedding(value("i", SEQ, dtype=DType.INT64), W), "nn.Embedding(i, w[8, 6])"),
        (
            F.embedding(value("i", SEQ, dtype=DType.INT64), stored("t", 5, 2, 2)),
            "F.embedding(i, t[5, 2, 2])",
        ),
        (F.prelu(IMAGE, stored("a", 3)), "nn.PReLU(x, a[3])"),
    ],
    ids=name,
)
def test_stored_weights_make_layers(before: Expr, after: str) -> None:
    assert recovered(before) == after


def statistics(*shape: int) -> list[Expr]:
    return [constant(TensorRef.of_array(np.ones(shape, np.float32))) for _ in range(2)]


@pytest.mark.parametrize(("rank", "layer"), [(2, 1), (3, 1), (4, 2), (5, 3)])
def test_batch_norm_is_the_layer_for_the_rank(rank: int, layer: int) -> None:
    x = value("x", BATCH, 3, *(4,) * (rank - 2))
    before = F.batch_norm(x, *statistics(3), stored("w", 3), stored("b", 3), eps=1e-3)
    assert recovered(before) == f"nn.BatchNorm{layer}d(x, [3], [3], w[3], b[3], eps=0.001)"
    layer_expr = recover_layers({"y": before})["y"]
    assert [operand.op for operand in layer_expr.inputs[1:]] == ["constant", "constant", "weight", "weight"]


def by_group(*back: int | Dim, scale: Expr | None = None) -> Expr:
    """Two groups of channels, normalized as instances, in another shape."""
    filled = [weight(TensorRef.filled((2,), DType.FLOAT32, fill)) for fill in (1.0, 0.0)]
    y = F.instance_norm(value("x", BATCH, 4, 6).reshape(BATCH, 2, -1), None, None, *filled).reshape(*back)
    return y * (stored("w", 4, 1) if scale is None else scale) + stored("b", 4, 1)  # type: ignore[no-any-return]


def test_groups_normalized_as_instances_are_a_group_norm() -> None:
    assert recovered(by_group(BATCH, 4, 6)) == "nn.GroupNorm(x, w[4], b[4], num_groups=2)"


@pytest.mark.parametrize("before", [by_group(BATCH, 4, 3, 2), by_group(BATCH, 4, 6, scale=stored("w", 6))], ids=name)
def test_groups_of_another_shape_or_scale_stay(before: Expr) -> None:
    assert "group_norm" not in recovered(before)
    assert "GroupNorm" not in recovered(before)


SCALE, SHIFT = stored("s", 8), stored("t", 8)
SQUARES = [X**2, X**2.0, X ** number(2.0), X * X]
MEANS = [square.mean(-1, keepdim=True) + number(1e-6) for square in SQUARES]
INVERSE_ROOTS = [
    torch.rsqrt(MEANS[0]),
    torch.reciprocal(torch.sqrt(MEANS[1])),
    number(1.0) / torch.sqrt(MEANS[2]),
    MEANS[3] ** -0.5,
]


@pytest.mark.parametrize(
    "before",
    [
        *(SCALE * (X * inverse) for inverse in INVERSE_ROOTS),
        (INVERSE_ROOTS[0] * X) * SCALE,
        SCALE * (X / torch.sqrt(number(1e-6) + (X * X).mean(2, keepdim=True))),
    ],
    ids=name,
)
def test_a_spelled_out_rms_norm_is_a_layer(before: Expr) -> None:
    assert recovered(before) == "nn.RMSNorm(x, s[8], eps=1e-06)"


@pytest.mark.parametrize(
    "before",
    [
        SCALE * (X * torch.rsqrt((X * X).mean(1, keepdim=True) + number(1e-6))),
        SCALE * (X * torch.rsqrt((X**3).mean(-1, keepdim=True) + number(1e-6))),
        SCALE * (value("y", BATCH, SEQ, 8) * INVERSE_ROOTS[0]),
        SCALE * (X * torch.sqrt(MEANS[0])),
    ],
    ids=name,
)
def test_what_is_no_rms_norm_stays(before: Expr) -> None:
    assert "rms" not in recovered(before).lower()


CENTRED = X - X.mean(-1, keepdim=True)
DEVIATION = torch.sqrt((CENTRED**2).mean(-1, keepdim=True) + number(1e-5))


OTHER = value("z", BATCH, SEQ, 8)
MEAN, OTHER_MEAN = X.mean(-1, keepdim=True), OTHER.mean(-1, keepdim=True)
DELTA = X - MEAN
VARIANCE = (CENTRED**2).mean(-1, keepdim=True) + number(1e-5)
FACTOR = torch.rsqrt((DELTA * DELTA).mean(-1, keepdim=True) + number(1e-5)) * SCALE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (CENTRED / DEVIATION * SCALE + SHIFT, "nn.LayerNorm(x, s[8], t[8])"),
        (SHIFT + SCALE * (CENTRED / DEVIATION), "nn.LayerNorm(x, s[8], t[8])"),
        (CENTRED / DEVIATION * SCALE, "nn.LayerNorm(x, s[8], None)"),
        (SCALE * CENTRED / DEVIATION + SHIFT, "nn.LayerNorm(x, s[8], t[8])"),
        (SCALE * CENTRED * torch.rsqrt(VARIANCE) + SHIFT, "nn.LayerNorm(x, s[8], t[8])"),
        (CENTRED * (torch.rsqrt(VARIANCE) * SCALE) + SHIFT, "nn.LayerNorm(x, s[8], t[8])"),
        (X * FACTOR + (SHIFT - MEAN * FACTOR), "nn.LayerNorm(x, s[8], t[8])"),
        (FACTOR * X + (SHIFT - FACTOR * MEAN), "nn.LayerNorm(x, s[8], t[8])"),
        (
            CENTRED / torch.sqrt((CENTRED * CENTRED).mean(-1).unsqueeze(2) + number(1e-5)) * SCALE + SHIFT,
            "nn.LayerNorm(x, s[8], t[8])",
        ),
        (CENTRED / DEVIATION, "F.layer_norm(x, None, None, normalized_shape=(8,))"),
        (F.layer_norm(X, SCALE, SHIFT, normalized_shape=(8,)), "nn.LayerNorm(x, s[8], t[8])"),
        (F.layer_norm(X, SCALE, normalized_shape=(8,), eps=1e-12), "nn.LayerNorm(x, s[8], None, eps=1e-12)"),
    ],
    ids=name,
)
def test_layer_norm(before: Expr, after: str) -> None:
    assert recovered(before) == after


def test_a_standardization_without_eps_stays() -> None:
    before = CENTRED / torch.sqrt((CENTRED**2).mean(-1, keepdim=True))
    assert recovered(before) == text(before)


@pytest.mark.parametrize(
    "before",
    [
        X * FACTOR + (SHIFT - OTHER_MEAN * FACTOR),
        OTHER * FACTOR + (SHIFT - MEAN * FACTOR),
        X * FACTOR + (SHIFT - MEAN * FACTOR * number(2.0)),
        SCALE * CENTRED * torch.rsqrt((OTHER**2).mean(-1, keepdim=True) + number(1e-5)) + SHIFT,
    ],
    ids=name,
)
def test_what_is_not_quite_a_layer_norm_stays(before: Expr) -> None:
    assert "layer_norm" not in recovered(before)
    assert "LayerNorm" not in recovered(before)


def test_a_mean_keeps_only_the_axis_that_is_put_back() -> None:
    assert recovered(X.mean(-1).unsqueeze(-1)) == "Tensor.mean(x, dim=-1, keepdim=True)"
    assert recovered(X.mean(-1).unsqueeze(0)) == text(X.mean(-1).unsqueeze(0))


ERF = torch.erf(X / number(math.sqrt(2))) + number(1.0)
ERF_OF_PRODUCT = literal(1.0) + torch.erf(X * number(math.sqrt(0.5)))
HALF = number(0.5)
HALVES, THIRDS = X.chunk(2, dim=-1), value("x", BATCH, 9).chunk(3, dim=-1)
CUBIC = X + number(0.044715) * X**3
TANH = number(1.0) + torch.tanh(number(math.sqrt(2 / math.pi)) * CUBIC)
TANH_OF_PRODUCTS = torch.tanh((X + X * X * X * number(0.044715)) * number(0.7978845608)) + literal(1.0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (X * ERF * HALF, "F.gelu(x)"),
        (HALF * X * ERF, "F.gelu(x)"),
        (X * (HALF * ERF_OF_PRODUCT), "F.gelu(x)"),
        (ERF * (X * HALF), "F.gelu(x)"),
        (X / number(2.0) * ERF, "F.gelu(x)"),
        (HALF * X * TANH, "F.gelu(x, approximate=tanh)"),
        (X * TANH_OF_PRODUCTS * HALF, "F.gelu(x, approximate=tanh)"),
        (X * torch.sigmoid(X), "F.silu(x)"),
        (torch.sigmoid(X) * X, "F.silu(x)"),
        (X * torch.tanh(F.softplus(X)), "F.mish(x)"),
        (F.hardsigmoid(X) * X, "F.hardswish(x)"),
        (torch.clamp(X, min=0.0, max=6.0), "F.relu6(x)"),
        (X / (torch.abs(X) + number(1.0)), "F.softsign(x)"),
        (torch.where(torch.gt(X, number(20.0)), X, F.softplus(X)), "F.softplus(x)"),
        (HALVES[0] * torch.sigmoid(HALVES[1]), "F.glu(x)"),
        (torch.sigmoid(HALVES[1]) * HALVES[0], "F.glu(x)"),
    ],
    ids=name,
)
def test_activations(before: Expr, after: str) -> None:
    assert recovered(before) == after


@pytest.mark.parametrize(
    "before",
    [
        OTHER * ERF * HALF,
        X * ERF * number(0.4),
        X * ERF,
        X * (torch.erf(X / number(1.5)) + number(1.0)) * HALF,
        OTHER * torch.sigmoid(X),
        OTHER / (torch.abs(X) + number(1.0)),
        X / (torch.abs(X) + number(2.0)),
        torch.where(torch.gt(X, number(10.0)), X, F.softplus(X)),
        HALVES[1] * torch.sigmoid(HALVES[0]),
        THIRDS[0] * torch.sigmoid(THIRDS[1]),
        torch.clamp(X, min=0.0, max=5.0),
        torch.clamp(value("i", 3, dtype=DType.INT64), min=0, max=6),
    ],
    ids=name,
)
def test_what_is_no_activation_stays(before: Expr) -> None:
    assert recovered(before) == text(before)


Q, K, V = (value(name, BATCH, 4, SEQ, 8) for name in "qkv")
KEPT = value("m", BATCH, 1, SEQ, SEQ, dtype=DType.BOOL)
ADDED = torch.where(KEPT, number(0.0), number(NEGATIVE))
CUT = torch.where(KEPT, number(0.0), number(-math.inf))
ROOT = number(8**-0.25)
TURNED = K.flatten(0, 1).transpose(1, 2).unflatten(0, (BATCH, 4))


def weights(scores: Expr, *, guarded: bool = False) -> Expr:
    p: Expr = F.softmax(scores, dim=-1)
    if guarded:
        p = torch.where(torch.isnan(p), number(0.0), p)
    return p


MINIMUM = f"torch.where(m, 0, {NEGATIVE:.7g})"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (weights(Q @ K.transpose(-2, -1) / number(math.sqrt(8))) @ V, "q, k, v, None"),
        (weights(Q @ K.transpose(2, 3) * number(0.5)) @ V, "q, k, v, None, scale=0.5"),
        (weights(Q @ K.transpose(2, 3)) @ V, "q, k, v, None, scale=1.0"),
        (weights((Q * ROOT) @ (TURNED * ROOT) + ADDED, guarded=True) @ V, f"q, k, v, {MINIMUM}"),
        (weights((Q * ROOT) @ (TURNED * ROOT) + ADDED) @ V, f"q, k, v, {MINIMUM}"),
        (weights((Q * ROOT) @ (TURNED * ROOT) + CUT, guarded=True) @ V, "q, k, v, m"),
        (weights(CUT + (Q * ROOT) @ (TURNED * ROOT), guarded=True) @ V, "q, k, v, m"),
        (
            weights(torch.where(KEPT, (Q * ROOT) @ (TURNED * ROOT), number(-math.inf)), guarded=True) @ V,
            "q, k, v, m",
        ),
        (
            weights(Q @ K.transpose(2, 3) + stored("bias", 1, 4, 1, 1) + ADDED) @ V,
            f"q, k, v, operator.add(bias[1, 4, 1, 1], {MINIMUM}), scale=1.0",
        ),
        (
            weights(Q @ value("k", BATCH, SEQ, 4, 8).permute(0, 2, 3, 1)) @ V,
            "q, Tensor.transpose(k, dim0=1, dim1=2), v, None, scale=1.0",
        ),
    ],
    ids=name,
)
def test_attention(before: Expr, after: str) -> None:
    assert recovered(before) == f"F.scaled_dot_product_attention({after})"


@pytest.mark.parametrize(
    "before",
    [
        weights((Q * ROOT) @ (TURNED * ROOT) + CUT) @ V,  # NaN in a wholly masked row, where torch has zeros
        weights((Q * ROOT) @ (TURNED * ROOT) + value("bias", BATCH, 1, SEQ, SEQ)) @ V,  # may hold minus infinity
        F.softmax(Q @ K.transpose(2, 3), dim=-2) @ V,
        weights(Q @ K.transpose(2, 3)) @ value("v", 1, 4, SEQ, 8),
    ],
    ids=name,
)
def test_what_is_not_quite_attention_stays(before: Expr) -> None:
    assert recovered(before) == text(before)


def triangle(fill: float = 1.0, dtype: DType = DType.FLOAT32) -> Expr:
    made: Expr = torch.full((SEQ, SEQ), fill, dtype=dtype)
    return made


SCORES = Q @ K.transpose(2, 3) / number(math.sqrt(8))
BOOLS = triangle(True, DType.BOOL)
CORNER = constant(TensorRef.of_array(np.tril(np.ones((1, 1, 16, 16), np.float32))))
QUERIES, KEYS = (torch.arange(0, SEQ, dtype=DType.INT64).unsqueeze(dim) for dim in (1, 0))
CAUSAL = [
    torch.where(BOOLS.tril(), SCORES, number(-math.inf)),
    torch.where(torch.eq(triangle().tril(), number(0)), number(-math.inf), SCORES),
    torch.where(torch.eq(triangle().tril().unsqueeze(0).unsqueeze(0), number(0)), number(NEGATIVE), SCORES),
    torch.where(~BOOLS.triu(1), SCORES, number(-math.inf)),
    torch.where(BOOLS.triu(1), number(-math.inf), SCORES),
    torch.where(torch.le(KEYS, QUERIES), SCORES, number(-math.inf)),
    torch.where(torch.gt(KEYS, QUERIES), number(-math.inf), SCORES),
    SCORES + triangle(-math.inf).triu(1),
    SCORES + torch.where(BOOLS.tril(), number(0.0), number(-math.inf)).unsqueeze(0),
]


@pytest.mark.parametrize("scores", CAUSAL, ids=range(len(CAUSAL)))
def test_a_causal_mask_is_left_to_torch(scores: Expr) -> None:
    after = "F.scaled_dot_product_attention(q, k, v, None, is_causal=True)"
    assert recovered(weights(scores) @ V) == recovered(weights(scores, guarded=True) @ V) == after


def test_the_corner_of_a_stored_triangle_is_a_causal_mask() -> None:
    q, k, v = (value(name, BATCH, 4, 6, 8) for name in "qkv")
    corner = index.slice(index.slice(CORNER, 2, 0, 6), 3, 0, 6)
    scores = torch.where(torch.eq(corner, number(0)), number(-math.inf), q @ k.transpose(2, 3))
    expected = "F.scaled_dot_product_attention(q, k, v, None, is_causal=True, scale=1.0)"
    assert recovered(weights(scores) @ v) == expected
    shifted = index.slice(index.slice(CORNER, 2, 2, 8), 3, 0, 6)
    scores = torch.where(torch.eq(shifted, number(0)), number(-math.inf), q @ k.transpose(2, 3))
    assert "is_causal" not in recovered(weights(scores) @ v)


NOT_CAUSAL = [
    torch.where(BOOLS.tril(1), SCORES, number(-math.inf)),
    torch.where(BOOLS.tril(-1), SCORES, number(-math.inf)),
    torch.where(BOOLS.triu(), number(-math.inf), SCORES),
    torch.where(BOOLS.triu(1), SCORES, number(-math.inf)),
    torch.where(BOOLS.tril(), number(-math.inf), SCORES),
    torch.where(torch.lt(KEYS, QUERIES), SCORES, number(-math.inf)),
    torch.where(torch.le(QUERIES, KEYS), SCORES, number(-math.inf)),
    torch.where(BOOLS.tril() & KEPT, SCORES, number(-math.inf)),
    torch.where(torch.ne(triangle(0.0).tril(), number(0)), SCORES, number(-math.inf)),
    SCORES + torch.where(BOOLS.tril(), number(0.0), number(-1e4)),  # lets a little of the future through
    SCORES + torch.where(BOOLS.tril(), number(1.0), number(-math.inf)),
    SCORES + triangle(math.inf).triu(1),
]


@pytest.mark.parametrize("scores", NOT_CAUSAL, ids=range(len(NOT_CAUSAL)))
def test_what_is_not_quite_a_causal_mask_is_kept(scores: Expr) -> None:
    assert "is_causal" not in recovered(weights(scores) @ V)
    assert "is_causal" not in recovered(weights(scores, guarded=True) @ V)


def test_a_bias_may_be_added_to_a_causal_mask() -> None:
    scores = SCORES + stored("bias", 1, 4, 1, 1) + torch.where(BOOLS.tril(), number(0.0), number(-math.inf))
    assert recovered(weights(scores) @ V).startswith("F.scaled_dot_product_attention(q, k, v, operator.add(bias")


def test_keys_may_be_turned_by_one_permutation_with_all_heads_in_a_batch() -> None:
    keys = value("k", SEQ, 12, 8)
    before = weights(value("q", 3, 4, SEQ, 8) @ keys.permute(1, 2, 0).unflatten(0, (3, 4))) @ value("v", 3, 4, SEQ, 8)
    turned = "Tensor.unflatten(Tensor.transpose(k, dim0=0, dim1=1), dim=0, sizes=(3, 4))"
    assert recovered(before) == f"F.scaled_dot_product_attention(q, {turned}, v, None, scale=1.0)"


@pytest.mark.parametrize("widen", [lambda x: x.expand(-1, -1, 4, -1, -1), lambda x: x.repeat(1, 1, 4, 1, 1)])
def test_a_single_head_is_a_group(widen: Callable[[Expr], Expr]) -> None:
    k, v = (widen(value(name, BATCH, 1, SEQ, 8).unsqueeze(2)).squeeze(1) for name in "kv")
    assert recovered(weights(Q @ k.transpose(2, 3)) @ v).endswith("(q, k, v, None, scale=1.0, enable_gqa=True)")


def test_attention_whose_weights_are_a_result_stays() -> None:
    p = weights(Q @ K.transpose(2, 3))
    assert text(recover_layers({"y": p @ V, "p": p})["y"]) == text(p @ V)


def repeated(x: Expr) -> Expr:
    groups: Expr = x.unsqueeze(2).expand(-1, -1, 2, -1, -1).flatten(1, 2)
    return groups


def test_repeated_heads_are_groups() -> None:
    few_keys, few_values = (value(name, BATCH, 2, SEQ, 8) for name in "kv")
    before = weights(Q @ repeated(few_keys).transpose(2, 3) / number(math.sqrt(8))) @ repeated(few_values)
    assert recovered(before) == "F.scaled_dot_product_attention(q, k, v, None, enable_gqa=True)"


def test_a_layer_comes_from_all_that_it_stands_for_and_lies_in_the_module_around() -> None:
    inner, outer = (Step("mlp"), Step("mlp.fc")), (Step("mlp"), Step("mlp.add"))
    with originating(Origin(3, inner, "p", (3,))):
        product = X @ W
    with originating(Origin(4, outer, "y", (4,))):
        total = product + B
    assert recover_layers({"y": total})["y"].origin == Origin(4, (Step("mlp"),), "y", (3, 4))


def test_origins_stop_at_the_operands() -> None:
    with originating(Origin(1, (), "h", (1,))):
        hidden = F.relu(X)
    with originating(Origin(2, (), "g", (2,))):
        gate = torch.sigmoid(hidden)
    with originating(Origin(3, (), "y", (3,))):
        result = recover_layers({"y": hidden * gate})["y"]
    assert (result.op, result.origin.nodes) == ("F.silu", (2, 3))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (X.transpose(0, 1).transpose(0, 1), "x"),
        (X.transpose(1, 2).permute(0, 2, 1), "x"),
        (X.permute(1, 2, 0).permute(1, 0, 2), "Tensor.transpose(x, dim0=0, dim1=2)"),
        (X.unflatten(-1, (2, 4)).flatten(2), "x"),
        (X.unsqueeze(1).squeeze(1), "x"),
        (X.unsqueeze(1).transpose(1, 2).squeeze(2), "x"),
        (X.unsqueeze(1).transpose(0, 2).squeeze(1), "Tensor.transpose(x, dim0=0, dim1=1)"),
        (X.unsqueeze(1).transpose(0, 2).flatten(0, 1), None),
        (X.flatten(0, 1).unsqueeze(0).reshape(BATCH, SEQ, 8), "x"),
    ],
    ids=name,
)
def test_movement_that_ends_where_it_began_is_left_out(before: Expr, after: str | None) -> None:
    assert recovered(before) == (after or text(before))


def test_movement_that_ends_elsewhere_stays() -> None:
    before = X.flatten(0, 1).reshape(SEQ, BATCH, 8)
    assert recovered(before) == text(before)


def test_a_stored_tensor_is_found_behind_what_rearranges_it() -> None:
    ref = tensor_ref(stored("w", 2, 3, 4).permute(2, 0, 1).flatten(1).unsqueeze(0))
    assert ref is not None
    expected = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1).reshape(1, 4, 6)
    np.testing.assert_array_equal(ref.numpy(), expected)


def test_a_computed_tensor_is_not_stored() -> None:
    assert tensor_ref(F.relu(W)) is None
    assert tensor_ref(X) is None
    assert tensor_ref(array(np.arange(3))) is None


def test_a_deep_graph_is_rewritten_without_recursion() -> None:
    x = X
    for _ in range(3000):
        x = x * torch.sigmoid(x)
    assert sum(node.op == "F.silu" for node in nodes(recover_layers({"y": x})["y"])) == 3000


TOKENS = value("t", BATCH, SEQ, dtype=DType.BOOL)
ROWS = torch.arange(0, BATCH, dtype=DType.INT64)
COLUMNS = torch.arange(0, SEQ, dtype=DType.INT64)
ROWS_4D = ROWS.unsqueeze(1).unsqueeze(2).unsqueeze(3)
COLUMNS_4D = COLUMNS.unsqueeze(0).unsqueeze(1).unsqueeze(2)
VIEW = "Tensor.unsqueeze(Tensor.unsqueeze(t, dim=1), dim=2)"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (index.tuple([TOKENS, ROWS_4D, COLUMNS_4D]), VIEW),
        (index.tuple([TOKENS, ROWS.unsqueeze(1), COLUMNS]), "t"),
        (
            index.take(TOKENS.reshape(-1, 1), COLUMNS_4D + ROWS_4D * literal(SEQ), 0)
            .flatten()
            .reshape(BATCH, 1, 1, SEQ),
            VIEW,
        ),
        (torch.ge(COLUMNS_4D, literal(0)) & TOKENS.unsqueeze(1).unsqueeze(2), VIEW),
        (
            torch.ge(COLUMNS_4D.transpose(2, 3), literal(0)) & TOKENS.unsqueeze(1).unsqueeze(2),
            None,
        ),
        (index.tuple([TOKENS, COLUMNS.unsqueeze(1), ROWS]), None),
        (index.tuple([TOKENS, ROWS_4D, COLUMNS_4D + literal(1)]), None),
        (index.tuple([TOKENS, ROWS, value("i", BATCH, dtype=DType.INT64)]), None),
        (index.take(TOKENS.reshape(-1, 1), COLUMNS_4D + ROWS_4D * literal(BATCH), 0), None),
        (torch.ge(COLUMNS_4D, literal(1)) & TOKENS.unsqueeze(1).unsqueeze(2), None),
    ],
    ids=name,
)
def test_a_mask_that_is_looked_up_whole_is_a_view(before: Expr, after: str | None) -> None:
    assert recovered(before) == (text(before) if after is None else after)


def test_a_mask_is_not_expanded_for_attention() -> None:
    condition = torch.ge(COLUMNS.unsqueeze(0).unsqueeze(1).unsqueeze(3), literal(0)) & TOKENS.unsqueeze(1).unsqueeze(2)
    scores = (Q * ROOT) @ (TURNED * ROOT) + torch.where(condition, number(0.0), number(-math.inf))
    assert recovered(weights(scores, guarded=True) @ V) == f"F.scaled_dot_product_attention(q, k, v, {VIEW})"


def test_a_rule_may_lead_to_another_one() -> None:
    before = torch.ge(COLUMNS_4D, literal(0)) & index.tuple([TOKENS, ROWS_4D, COLUMNS_4D])
    assert recovered(before) == VIEW


WIDE = value("x", BATCH, SEQ, 12)


def cut(*bounds: tuple[int, int | None], dim: int = -1, x: Expr = WIDE) -> list[Expr]:
    return [index.slice(x, dim, start, stop) for start, stop in bounds]


@pytest.mark.parametrize(
    ("pieces", "op"),
    [
        (cut((0, 4), (4, 8), (8, None)), "Tensor.chunk"),
        (cut((0, 6), (-6, 2**63 - 1)), "Tensor.chunk"),
        (cut((8, 12), (0, 8), dim=2), "Tensor.split"),
        (cut((0, 4), (8, 12)), "index.slice"),  # with a gap
        (cut((0, 8), (4, 12)), "index.slice"),  # with an overlap
        (cut((0, 12)), "index.slice"),
        (cut((0, 4), (4, None), dim=1), "index.slice"),  # of a size that is not known
        (cut((0, 4), (4, None), x=stored("w", 12)), "index.slice"),
    ],
)
def test_slices_that_take_a_tensor_apart_are_its_pieces(pieces: list[Expr], op: str) -> None:
    found = recover_layers({str(place): piece for place, piece in enumerate(pieces)})
    sources = {found[name].inputs[0] if op != "index.slice" else found[name] for name in found}
    assert {source.op for source in sources if source is not None} == {op}
    assert [result.dims for result in found.values()] == [piece.dims for piece in pieces]


def test_pieces_keep_their_order() -> None:
    last, first = cut((8, 12), (0, 8))
    found = recover_layers({"last": last, "first": first})
    assert (found["last"].attrs["index"], found["first"].attrs["index"]) == (1, 0)
    assert found["last"].inputs[0].attrs["split_size"] == (8, 4)


def rolled(x: Expr, dim: int, start: int) -> Expr:
    return torch.cat([index.slice(x, dim, start), index.slice(x, dim, 0, start)], dim=dim)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (rolled(IMAGE, 2, 3), "torch.roll(x, shifts=(-3,), dims=(2,))"),
        (rolled(IMAGE, 2, -3), "torch.roll(x, shifts=(3,), dims=(2,))"),
        (rolled(rolled(IMAGE, 2, 1), 3, 1), "torch.roll(x, shifts=(-1, -1), dims=(2, 3))"),
        (rolled(X, 1, 1), None),  # of a size that may be smaller
        (torch.cat(cut((4, 12), (0, 3)), dim=-1), None),
        (index.slice(IMAGE, 2, 2, 3).squeeze(2), "index.select(x, dim=2, index=2)"),
        (index.slice(IMAGE, 2, 2, 4).flatten(1, 2), None),
        (IMAGE.split(1, dim=1)[2].squeeze(1), "index.select(x, dim=1, index=2)"),
        (X.unsqueeze(0).transpose(0, 2).squeeze(2), "Tensor.transpose(x, dim0=0, dim1=1)"),
        (
            index.select(WIDE.unflatten(-1, (3, 4)).permute(2, 0, 1, 3), 0, 1),
            "operator.getitem(Tensor.chunk(x, chunks=3, dim=-1), index=1)",
        ),
        (index.select(WIDE.unflatten(-1, (3, 4)).permute(3, 0, 1, 2), 0, 1), None),
        (index.select(WIDE.unflatten(-1, (3, 4)).permute(2, 1, 0, 3), 0, 1), None),
    ],
    ids=name,
)
def test_moved_pieces(before: Expr, after: str | None) -> None:
    assert recovered(before) == (text(before) if after is None else after)
