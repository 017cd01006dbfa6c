"""What the layers stage recovers computes what was there before, wholly masked rows included."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from codegen_torch.dims import Dim, same
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, array, constant, graph_input, literal, weight
from codegen_torch.facts import Fact
from codegen_torch.layers import recover_layers
from codegen_torch.symbols.namespaces import F, index
from codegen_torch.symbols.namespaces import torch as t
from codegen_torch.tensors import TensorRef
from dataflow_ir import nodes
from interpret import interpret

BATCH, SEQ, PAST = (Dim.symbol(name) for name in ("batch", "seq", "past"))
SIZES = {"batch": 3, "seq": 5, "past": 4}
rng = np.random.default_rng(3)


def value(name: str, *dims: int | Dim, dtype: DType = DType.FLOAT32) -> Expr:
    return graph_input(name, Fact(dtype, dims))


def stored(*shape: int) -> Expr:
    return weight(TensorRef.of_array(rng.standard_normal(shape).astype(np.float32)))


def number(x: float) -> Expr:
    return array(np.float32(x))


def inputs_of(expr: Expr) -> dict[str, torch.Tensor]:
    """Random inputs; of a mask, the first key of the first sample and all of the second sample are masked."""
    found: dict[str, torch.Tensor] = {}
    for node in nodes(expr):
        if node.op != "input":
            continue
        shape = [dim if isinstance(dim, int) else SIZES[dim.name] for dim in node.fact.dims]
        if node.dtype is DType.BOOL:
            mask = torch.from_numpy(rng.random(shape) < 0.7)
            mask[0, ..., 0] = False
            mask[1] = False
            found[node.attrs["name"]] = mask
        else:
            found[node.attrs["name"]] = torch.from_numpy(rng.standard_normal(shape).astype(np.float32))
    return found


X = value("x", BATCH, SEQ, 8)
SCALE, SHIFT = stored(8), stored(8)
CENTRED = X - X.mean(-1, keepdim=True)
Q, K, V = (value(name, BATCH, 4, SEQ, 8) for name in "qkv")
FEW_K, FEW_V = (value(name, BATCH, 2, SEQ, 8) for name in "kv")
K4 = value("k", BATCH, 2, SEQ, 4)
MASK = value("m", BATCH, 1, SEQ, SEQ, dtype=DType.BOOL)
FINITE = t.where(MASK, number(0.0), number(float(np.finfo(np.float32).min)))
INFINITE = t.where(MASK, number(0.0), number(-math.inf))
ROOT = number(8**-0.25)
SCORES = (Q * ROOT) @ (K.flatten(0, 1).transpose(1, 2).unflatten(0, (BATCH, 4)) * ROOT)


def guarded(scores: Expr) -> Expr:
    p = F.softmax(scores, dim=-1)
    return t.where(t.isnan(p), number(0.0), p)


def repeated(x: Expr) -> Expr:
    return x.unsqueeze(2).expand(-1, -1, 2, -1, -1).flatten(1, 2)


TOKENS = value("t", BATCH, SEQ, dtype=DType.BOOL)
ROWS = t.arange(0, BATCH, dtype=DType.INT64).unsqueeze(1).unsqueeze(2).unsqueeze(3)
COLUMNS = t.arange(0, SEQ, dtype=DType.INT64).unsqueeze(0).unsqueeze(1).unsqueeze(2)

CACHED = t.cat([value("past_k", BATCH, 4, PAST, 8), K], dim=2)
CACHED_SCORES = Q @ CACHED.transpose(2, 3) * number(8**-0.5)
KEYS = t.arange(0, PAST + SEQ, dtype=DType.INT64)
QUERIES = t.arange(PAST, PAST + SEQ, dtype=DType.INT64).unsqueeze(1)
TABLE = constant(TensorRef.of_array(np.tri(16, dtype=bool)[None, None]))
SHOWN = index.slice(index.slice(TABLE, 2, PAST, PAST + SEQ), 3, 0, PAST + SEQ)

MAPS = value("x", BATCH, 6, SEQ, 4)
POOLED = value("p", BATCH, 4, 1, 1)
ANGLES = t.arange(0, SEQ, dtype=DType.INT64).unsqueeze(0).unsqueeze(2).to(DType.FLOAT32) * array(np.float32([0.1, 0.7]))


def by_group(ones: float = 1.0, zeros: float = 0.0) -> Expr:
    """Three groups of two channels, as exporters normalize them: as instances."""
    filled = [weight(TensorRef.filled((3,), DType.FLOAT32, fill)) for fill in (ones, zeros)]
    y = F.instance_norm(MAPS.reshape(BATCH, 3, -1), None, None, *filled, eps=1e-3)
    return y.reshape(BATCH, 6, SEQ, 4) * stored(6, 1, 1) + stored(1, 6, 1, 1)


PIXELS = value("x", BATCH, 3, SEQ, 4).repeat(1, 1, 2, 2)


def fake_quantized(x: Expr, scale: float, zero: int, dtype: DType) -> Expr:
    rounded = t.round(x / number(scale))
    low, high = dtype.limits
    integers = t.clamp(rounded + number(zero) if zero else rounded, min=low, max=high).to(dtype).to(DType.FLOAT32)
    return (integers - number(zero) if zero else integers) * number(scale)


def module_attention(x: Expr) -> Expr:
    """As nn.MultiheadAttention has it, of eight features and two heads."""
    parts = F.linear(x.transpose(0, 1), stored(24, 8), stored(24)).chunk(3, dim=-1)
    q, k, v = (part.reshape(SEQ, -1, 4).transpose(0, 1).unflatten(0, (BATCH, 2)) for part in parts)
    heads = F.softmax(q @ k.transpose(2, 3) * number(0.5), dim=-1) @ v
    merged = heads.permute(2, 0, 1, 3).reshape(-1, 8)
    return F.linear(merged, stored(8, 8), stored(8)).unflatten(0, (SEQ, BATCH)).transpose(0, 1)


GRAPHS: dict[str, tuple[Expr, str]] = {
    "linear": (stored(6) + X @ stored(8, 6), "nn.Linear"),
    "conv1d of GPT-2": (F.linear(X.reshape(-1, 8), stored(6, 8), stored(6)).unflatten(0, (BATCH, SEQ)), "nn.Linear"),
    "merged heads": (
        F.linear(value("x", BATCH, SEQ, 4, 2).reshape(-1, 8), stored(6, 8)).unflatten(0, (BATCH, SEQ)),
        "nn.Linear",
    ),
    "convolution": (F.conv1d(value("x", BATCH, 4, 9), stored(6, 2, 3), stored(6), groups=2, stride=2), "nn.Conv1d"),
    "transposed": (F.conv_transpose2d(value("x", BATCH, 4, 5, 5), stored(4, 3, 2, 2), stride=2), "nn.ConvTranspose2d"),
    "batch norm": (
        F.batch_norm(
            value("x", BATCH, 4, 5),
            array(np.ones(4, np.float32)),
            array(np.full(4, 2, np.float32)),
            stored(4),
            stored(4),
        ),
        "nn.BatchNorm1d",
    ),
    "group norm": (by_group(), "nn.GroupNorm"),
    "instance norm": (F.instance_norm(MAPS, None, None, stored(6), stored(6), eps=1e-3), "nn.InstanceNorm2d"),
    "scaled groups": (by_group(ones=2.0), "operator.add"),
    "shifted groups": (by_group(zeros=1.0), "operator.add"),
    "rms norm": (SCALE * (X * t.reciprocal(t.sqrt((X**2).mean(-1, keepdim=True) + number(1e-6)))), "nn.RMSNorm"),
    "layer norm": (
        CENTRED / t.sqrt((CENTRED**2).mean(-1, keepdim=True) + number(1e-5)) * SCALE + SHIFT,
        "nn.LayerNorm",
    ),
    "gelu": (X * (t.erf(X / number(math.sqrt(2))) + number(1.0)) * number(0.5), "F.gelu"),
    "gelu by tanh": (
        number(0.5) * X * (number(1.0) + t.tanh(number(math.sqrt(2 / math.pi)) * (X + number(0.044715) * X**3))),
        "F.gelu",
    ),
    "silu": (t.sigmoid(X) * X, "F.silu"),
    "mish": (X * t.tanh(F.softplus(X)), "F.mish"),
    "relu6": (t.clamp(X * number(5.0), min=0.0, max=6.0), "F.relu6"),
    "attention": (F.softmax(SCORES, dim=-1) @ V, "F.scaled_dot_product_attention"),
    "attention, finite mask": (F.softmax(SCORES + FINITE, dim=-1) @ V, "F.scaled_dot_product_attention"),
    "attention, finite mask, guarded": (guarded(SCORES + FINITE) @ V, "F.scaled_dot_product_attention"),
    "attention, infinite mask, guarded": (guarded(SCORES + INFINITE) @ V, "F.scaled_dot_product_attention"),
    "attention, filled, guarded": (
        guarded(t.where(MASK, SCORES, number(-math.inf))) @ V,
        "F.scaled_dot_product_attention",
    ),
    "attention, filled with the minimum": (
        F.softmax(t.where(MASK, SCORES, number(float(np.finfo(np.float32).min))), dim=-1) @ V,
        "F.scaled_dot_product_attention",
    ),
    "attention with a bias": (
        F.softmax(Q @ K.transpose(2, 3) + stored(1, 4, 1, 1) + FINITE, dim=-1) @ V,
        "F.scaled_dot_product_attention",
    ),
    "mask by index": (index.tuple([TOKENS, ROWS, COLUMNS]), "index.spread"),
    "mask by flat index": (
        index.take(TOKENS.reshape(-1, 1), COLUMNS + ROWS * literal(SEQ), 0).flatten().reshape(BATCH, 1, 1, SEQ),
        "index.spread",
    ),
    "attention of queries that are scaled before they have heads": (
        F.softmax((X * number(8**-0.5)).unflatten(-1, (2, 4)).transpose(1, 2) @ K4.transpose(2, 3), dim=-1) @ K4,
        "F.scaled_dot_product_attention",
    ),
    "repeated rows": (X.unsqueeze(1).expand(-1, 2, -1, -1).flatten(0, 1), "Tensor.repeat_interleave"),
    "repeated tensor": (X.unsqueeze(0).expand(2, -1, -1, -1).flatten(0, 1), "Tensor.repeat"),
    "stack": (t.cat([X.unsqueeze(2), CENTRED.unsqueeze(2)], dim=2), "torch.stack"),
    "turned halves": (t.cat([-index.slice(X, 2, 4), index.slice(X, 2, 0, 4)], dim=-1), "runtime.rotate_half"),
    "turned pairs": (
        t.cat(
            [part.unsqueeze(-1) for part in (-index.slice(X, 2, 1, None, 2), index.slice(X, 2, 0, None, 2))], dim=-1
        ).flatten(-2),
        "runtime.rotate_pairs",
    ),
    "tables of angles": (MAPS * t.cos(t.cat([ANGLES, ANGLES], dim=-1)).unsqueeze(1), "torch.cos"),
    "causal mask of four dimensions": (
        t.where(t.le(COLUMNS, COLUMNS.transpose(2, 3)) & MASK, number(1.0), number(0.0)),
        "torch.le",
    ),
    "positions that are looked up": (X + F.embedding(COLUMNS.squeeze(0).squeeze(0), stored(7, 8)), "nn.Embedding"),
    "views in a row": (
        X.flatten(0, 1).unflatten(-1, (4, 2)).transpose(0, 1).unsqueeze(1).squeeze(1),
        "Tensor.transpose",
    ),
    "turned heads": (
        value("x", BATCH, SEQ, 1, 8).permute(2, 3, 0, 1).squeeze(0).unsqueeze(1).transpose(1, 3),
        "Tensor.unsqueeze",
    ),
    "patches": (index.slice(index.slice(MAPS, 1, 1, None, 2), 3, 0, 3, 2).permute(1, 3, 0, 2), "index.slices"),
    "spread": (TOKENS.unsqueeze(1).unsqueeze(3).unsqueeze(0), "index.spread"),
    "pooled and looked up whole": (
        index.take(
            POOLED.flatten(),
            (t.arange(0, BATCH, dtype=DType.INT64) * literal(4)).unsqueeze(1).unsqueeze(2).unsqueeze(3)
            + array(np.arange(4).reshape(1, 4, 1, 1)),
            0,
        )
        * number(2.0),
        "operator.mul",
    ),
    "attention behind a cache": (
        F.softmax(CACHED_SCORES + t.where(t.gt(KEYS, QUERIES), number(-math.inf), number(0.0)), dim=-1) @ CACHED,
        "F.scaled_dot_product_attention",
    ),
    "attention behind a cache, by a table": (
        F.softmax(t.where(SHOWN, CACHED_SCORES, number(float(np.finfo(np.float32).min))), dim=-1) @ CACHED,
        "F.scaled_dot_product_attention",
    ),
    "attention by einsum": (
        t.einsum([F.softmax(t.einsum([Q, K], "bhid,bhjd->bhij") * number(0.3) + FINITE, dim=-1), V], "bhij,bhjd->bihd"),
        "F.scaled_dot_product_attention",
    ),
    "attention whose heads are in a batch": (
        (F.softmax(Q.flatten(0, 1) @ K.flatten(0, 1).transpose(1, 2), dim=-1) @ V.flatten(0, 1)).unflatten(
            0, (BATCH, 4)
        ),
        "F.scaled_dot_product_attention",
    ),
    "pixels into channels": (
        PIXELS.unflatten(3, (4, 2)).unflatten(2, (SEQ, 2)).permute(0, 1, 3, 5, 2, 4).flatten(1, 3),
        "F.pixel_unshuffle",
    ),
    "channels into pixels": (
        value("x", BATCH, 24, SEQ, 4).unflatten(1, (6, 2, 2)).permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3),
        "F.pixel_shuffle",
    ),
    "fake quantization": (fake_quantized(X, 0.02, 120, DType.UINT8), "runtime.fake_quantize"),
    "fake quantization around zero": (fake_quantized(X, 0.1, 0, DType.INT8), "runtime.fake_quantize"),
    "attention of torch's module": (module_attention(X), "F.scaled_dot_product_attention"),
    "attention of groups": (
        guarded(Q @ repeated(FEW_K).transpose(2, 3) * number(8**-0.5) + INFINITE) @ repeated(FEW_V),
        "F.scaled_dot_product_attention",
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_recovered_computes_the_same(name: str) -> None:
    before, symbol = GRAPHS[name]
    after = recover_layers({"y": before})["y"]
    assert symbol in {node.op for node in nodes(after)}
    inputs = inputs_of(before)
    want, found = (interpret({"y": expr}, inputs)["y"] for expr in (before, after))
    torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-5)
    assert all(same(*sizes) is not False for sizes in zip(after.dims, before.dims, strict=True))


def test_an_unguarded_infinite_mask_keeps_its_nan() -> None:
    before = F.softmax(SCORES + INFINITE, dim=-1) @ V
    after = recover_layers({"y": before})["y"]
    inputs = inputs_of(before)
    want, found = (interpret({"y": expr}, inputs)["y"] for expr in (before, after))
    assert want.isnan().any()
    torch.testing.assert_close(found, want, equal_nan=True)


@pytest.mark.parametrize("name", GRAPHS)
def test_recovering_twice_changes_nothing_more(name: str) -> None:
    once = recover_layers({"y": GRAPHS[name][0]})
    assert sorted(e.op for e in nodes(recover_layers(once)["y"])) == sorted(e.op for e in nodes(once["y"]))
