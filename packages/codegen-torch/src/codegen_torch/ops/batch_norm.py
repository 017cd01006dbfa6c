"""Batch normalization, which told in three ways over the opsets whether it trains."""

from __future__ import annotations

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.lower.registry import Context, NotApplicable, op
from codegen_torch.numbers import shortest_float32
from codegen_torch.symbols.namespaces import F

Results = tuple[Expr | None, ...]


@op("BatchNormalization", since=14)
def batch_normalization(
    x: Expr,
    scale: Expr,
    b: Expr,
    mean: Expr,
    var: Expr,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
    context: Context,
) -> Expr | Results:
    if training_mode:
        return _by_its_batch(x, scale, b, mean, var, epsilon, momentum, context)
    return _by_statistics(x, scale, b, mean, var, epsilon)


@op("BatchNormalization", since=7, until=13)
def batch_normalization_by_outputs(
    x: Expr,
    scale: Expr,
    b: Expr,
    mean: Expr,
    var: Expr,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    spatial: int = 1,
    context: Context,
) -> Expr | Results:
    """It trains where it has more outputs than one."""
    training = len(context.outputs) > 1
    return _maybe_per_element(spatial, training, x, scale, b, mean, var, epsilon, momentum, context)


@op("BatchNormalization", since=1, until=6)
def batch_normalization_by_flag(
    x: Expr,
    scale: Expr,
    b: Expr,
    mean: Expr,
    var: Expr,
    *,
    epsilon: float = 1e-5,
    is_test: int = 0,
    momentum: float = 0.9,
    spatial: int = 1,
    context: Context,
) -> Expr | Results:
    return _maybe_per_element(spatial, not is_test, x, scale, b, mean, var, epsilon, momentum, context)


def _maybe_per_element(
    spatial: int,
    training: bool,
    x: Expr,
    scale: Expr,
    b: Expr,
    mean: Expr,
    var: Expr,
    epsilon: float,
    momentum: float,
    context: Context,
) -> Expr | Results:
    """Without ``spatial`` every element of a sample has its own statistics."""
    if spatial:
        if training:
            return _by_its_batch(x, scale, b, mean, var, epsilon, momentum, context)
        return _by_statistics(x, scale, b, mean, var, epsilon)
    scale, b, mean, var = (tensor.flatten() for tensor in (scale, b, mean, var))
    if not training:
        return _by_statistics(x.flatten(1), scale, b, mean, var, epsilon).reshape(*x.shape)  # type: ignore[no-any-return]
    results = _by_its_batch(x.flatten(1), scale, b, mean, var, epsilon, momentum, context)
    shapes = (x.shape, x.shape[1:], x.shape[1:])
    return tuple(None if part is None else part.reshape(*shape) for part, shape in zip(results, shapes, strict=True))


def _by_statistics(x: Expr, scale: Expr, b: Expr, mean: Expr, var: Expr, epsilon: float) -> Expr:
    if x.rank == 1:  # one channel
        return _by_statistics(x.unsqueeze(1), scale, b, mean, var, epsilon).squeeze(1)  # type: ignore[no-any-return]
    if x.rank == 0:
        raise NotApplicable("a scalar is not normalized")
    if epsilon < 0:
        raise NotApplicable("torch takes no epsilon below 0")
    scale, b, mean, var = _of_one_type(x, scale, b, mean, var)
    return F.batch_norm(x, mean, var, scale, b, eps=epsilon)  # type: ignore[no-any-return]


def _of_one_type(x: Expr, *statistics: Expr) -> list[Expr]:
    """Statistics may be of a wider type since opset 15, as torch takes them only for half floats."""
    dtype = statistics[0].dtype if x.dtype.itemsize == 2 else x.dtype
    return [value if value.dtype is dtype else value.to(dtype) for value in statistics]


def _by_its_batch(
    x: Expr, scale: Expr, b: Expr, mean: Expr, var: Expr, epsilon: float, momentum: float, context: Context
) -> Results:
    """By its own mean and variance, which also move the running ones (the variance of a population, not a sample)."""
    if any(context.outputs[3:]):
        raise NotApplicable("what saved_mean and saved_var are is left to the implementation")
    if x.rank == 1:
        y, *moved = _by_its_batch(x.unsqueeze(1), scale, b, mean, var, epsilon, momentum, context)
        return (y.squeeze(1), *moved)  # type: ignore[union-attr]
    axes = (0, *range(2, len(x.shape)))
    y = F.batch_norm(x, None, None, *_of_one_type(x, scale, b), training=True, eps=epsilon)
    if not any(context.outputs[1:]):
        return y, None, None
    wide = x.to(DType.FLOAT32) if x.dtype.itemsize == 2 else x
    means = wide.mean(axes)
    variances = wide.var(axes, correction=0)
    return y, _moved(mean, means, momentum), _moved(var, variances, momentum)


def _moved(running: Expr, current: Expr, momentum: float) -> Expr:
    rest = shortest_float32(1 - momentum)
    if current.dtype is running.dtype:
        return running * momentum + current * rest
    return (running.to(current.dtype) * momentum + current * rest).to(running.dtype)  # type: ignore[no-any-return]
