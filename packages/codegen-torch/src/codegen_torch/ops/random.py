"""Random numbers.

With a seed, an operator gives the same numbers at every call; without one they are torch's, which
``torch.manual_seed`` starts. Nothing here is shared with an equal node.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.facts import FactError
from codegen_torch.lower.registry import Context, NotApplicable, op
from codegen_torch.numbers import shortest_float32
from codegen_torch.ops.cast import cast_to, dtype_of
from codegen_torch.symbols.namespaces import F, host, runtime, torch


def _seed(seed: float | None) -> int | None:
    """A seed as torch takes it; ONNX's is a float, which most write as a whole number."""
    if seed is None or (math.isfinite(seed) and seed == int(seed) and abs(seed) < 1 << 63):
        return None if seed is None else int(seed)
    return int.from_bytes(struct.pack("<f", seed), "little")


def _float_type(dtype: int | None, default: DType) -> DType:
    found = default if dtype is None else dtype_of(dtype)
    if not found.is_float:
        raise NotApplicable(f"random numbers of type {found.value}")
    return found


def _drawn(name: str, shape: tuple[int, ...], dtype: DType, seed: int | None) -> Expr:
    """Numbers of a shape; torch draws none without a size."""
    if not shape:
        return _drawn(name, (1,), dtype, seed).squeeze(0)  # type: ignore[no-any-return]
    if seed is None:
        return getattr(torch, name)(*shape, dtype=dtype)  # type: ignore[no-any-return]
    return getattr(runtime, f"seeded_{name}")(shape, seed, dtype=dtype)  # type: ignore[no-any-return]


def _scaled(x: Expr, scale: float, shift: float) -> Expr:
    x = x if scale == 1.0 else x * scale
    return x if shift == 0.0 else x + shift


@op("RandomNormal", since=1)
def random_normal(
    *, dtype: int = 1, mean: float = 0.0, scale: float = 1.0, seed: float | None = None, shape: tuple[int, ...]
) -> Expr:
    return _scaled(_drawn("randn", shape, _float_type(dtype, DType.FLOAT32), _seed(seed)), scale, mean)


@op("RandomUniform", since=1)
def random_uniform(
    *, dtype: int = 1, high: float = 1.0, low: float = 0.0, seed: float | None = None, shape: tuple[int, ...]
) -> Expr:
    return _scaled(_drawn("rand", shape, _float_type(dtype, DType.FLOAT32), _seed(seed)), high - low, low)


def _like(x: Expr, name: str, dtype: int | None, seed: float | None) -> Expr:
    kind, start = _float_type(dtype, x.dtype), _seed(seed)
    if start is not None:
        return getattr(runtime, f"seeded_{name}_like")(x, start, dtype=kind)  # type: ignore[no-any-return]
    return getattr(torch, f"{name}_like")(x, dtype=None if kind is x.dtype else kind)  # type: ignore[no-any-return]


@op("RandomNormalLike", since=1)
def random_normal_like(
    x: Expr, *, dtype: int | None = None, mean: float = 0.0, scale: float = 1.0, seed: float | None = None
) -> Expr:
    return _scaled(_like(x, "randn", dtype, seed), scale, mean)


@op("RandomUniformLike", since=1)
def random_uniform_like(
    x: Expr, *, dtype: int | None = None, high: float = 1.0, low: float = 0.0, seed: float | None = None
) -> Expr:
    return _scaled(_like(x, "rand", dtype, seed), high - low, low)


@op("Bernoulli", since=15)
def bernoulli(x: Expr, *, dtype: int | None = None, seed: float | None = None) -> Expr:
    """1 with the probability that each element says, else 0."""
    start = _seed(seed)
    drawn = torch.bernoulli(x) if start is None else runtime.seeded_bernoulli(x, start)
    return cast_to(drawn, x.dtype if dtype is None else dtype_of(dtype))


@op("Multinomial", since=7)
def multinomial(x: Expr, *, dtype: int = 6, sample_size: int = 1, seed: float | None = None) -> Expr:
    """Places drawn with replacement from each row, which holds logarithms of what is proportional to probabilities."""
    start = _seed(seed)
    odds = F.softmax(x, dim=-1)
    if start is None:
        return cast_to(torch.multinomial(odds, sample_size, replacement=True), dtype_of(dtype))
    return cast_to(runtime.seeded_multinomial(odds, sample_size, start), dtype_of(dtype))


@op("Dropout", since=12)
def dropout(
    data: Expr,
    ratio: Expr | None = None,
    training_mode: Expr | None = None,
    *,
    seed: int | None = None,
    context: Context,
) -> tuple[Expr | None, ...]:
    """In training mode elements are dropped, whatever mode the module is in: the graph says so."""
    known = None if ratio is None else ratio.fact.value
    share: Any = 0.5 if ratio is None else host.item(ratio) if known is None else known.reshape(()).item()
    trains: Any = False
    if training_mode is not None:
        mode = training_mode.fact.value
        trains = host.item(training_mode) if mode is None else bool(mode.reshape(()).item())
    return _dropped(data, share, trains, seed, context)


@op("Dropout", since=10, until=11)
def dropout_with_mask(data: Expr, *, ratio: float = 0.5, context: Context) -> tuple[Expr | None, ...]:
    """From version 7 to 11 nothing was dropped."""
    return _dropped(data, ratio, False, None, context)


@op("Dropout", since=7, until=9)
def dropout_of_inference(data: Expr, *, ratio: float = 0.5, context: Context) -> tuple[Expr | None, ...]:
    """The mask has the type of the data."""
    return _with_mask_of_type(_dropped(data, ratio, False, None, context), data.dtype)


@op("Dropout", since=1, until=6)
def dropout_by_flag(data: Expr, *, is_test: int = 0, ratio: float = 0.5, context: Context) -> tuple[Expr | None, ...]:
    return _with_mask_of_type(_dropped(data, ratio, not is_test, None, context), data.dtype)


def _dropped(data: Expr, ratio: Any, trains: Any, seed: int | None, context: Context) -> tuple[Expr | None, ...]:
    """The data, some of it dropped, and which elements are kept, where anybody asks."""
    masked = any(context.outputs[1:])
    if trains is False or (not isinstance(ratio, Expr) and ratio == 0):
        return data, torch.full(data.shape, True, dtype=DType.BOOL) if masked else None
    if trains is True and isinstance(ratio, float) and not 0 <= ratio < 1:
        raise FactError(f"a dropout of {ratio}")
    if trains is True and not masked and seed is None and not isinstance(ratio, Expr):
        return F.dropout(data, p=shortest_float32(ratio)), None
    return runtime.dropout_with_mask(data, ratio, trains, seed=seed)  # type: ignore[no-any-return]


def _with_mask_of_type(outputs: tuple[Expr | None, ...], dtype: DType) -> tuple[Expr | None, ...]:
    data, mask = outputs
    return data, None if mask is None else cast_to(mask, dtype)
