"""Normalizations become layers, also those that exporters spell out."""

from __future__ import annotations

from typing import Any

from dataflow_ir import Match, P, V, alt, once, opt
from dataflow_ir.pattern import Alternatives

from codegen_torch.expr import Expr, call
from codegen_torch.layers.patterns import (
    as_written,
    inverse_root,
    last_axes,
    number,
    plus,
    root,
    some_number,
    square,
)
from codegen_torch.layers.refs import buffer, parameter
from codegen_torch.layers.rules import Family
from codegen_torch.symbols.namespaces import F, nn
from codegen_torch.tensors import TensorRef

SPELLED_OUT = Family()
RULES = Family()

_DIMENSIONS = {2: 1, 3: 1, 4: 2, 5: 3}

x = V.x


def _over_root(x: Any, y: Any) -> Alternatives:
    """The pattern of ``x / sqrt(mean(y²) + eps)``, however it is divided."""
    radicand = plus(P.Tensor.mean(square(y)).named("mean"), some_number("eps"))
    return alt(P.operator.truediv(x, root(radicand)), P.operator.mul(x, inverse_root(radicand)))


def _scaled_over_root(x: Any, y: Any) -> Alternatives:
    """The pattern of ``x / sqrt(mean(y²) + eps) * scale``, in whatever order it is multiplied."""
    radicand = plus(P.Tensor.mean(square(y)).named("mean"), some_number("eps"))
    return alt(
        P.operator.mul(_over_root(x, y), V.scale),
        P.operator.mul(once(P.operator.mul(x, V.scale)), inverse_root(radicand)),
        P.operator.mul(x, once(P.operator.mul(inverse_root(radicand), V.scale))),
        P.operator.truediv(once(P.operator.mul(x, V.scale)), root(radicand)),
    )


_ROOT_MEAN_SQUARE = _over_root(x, x)
_CENTRED = P.operator.sub(x, P.Tensor.mean(x).named("centre")).named("centred")
_STANDARDIZED = _over_root(_CENTRED, V.squared)
_SCALED = _scaled_over_root(_CENTRED, V.squared)
# TensorFlow multiplies scale and deviation first: ``x * factor + (shift - mean * factor)``.
_RADICAND = plus(P.Tensor.mean(square(V.squared)).named("mean"), some_number("eps"))
_FACTOR = P.operator.mul(inverse_root(_RADICAND), V.scale).named("factor")
_CENTRE = P.Tensor.mean(x).named("centre")
_MULTIPLIED = P.operator.add(P.operator.mul(x, _FACTOR), P.operator.sub(V.shift, P.operator.mul(_CENTRE, V.factor)))


def _shape(mean: Expr) -> tuple[int, ...] | None:
    """The sizes of the last axes, over which a mean is taken; None of any other mean."""
    count, dims = last_axes(mean), mean.inputs[0].dims
    if count is None or dims is None:
        return None
    shape = tuple(size for size in dims[len(dims) - count :] if isinstance(size, int))
    return shape if len(shape) == count else None


def _is_over_root_mean_square(x: Expr, mean: Expr) -> bool:
    return _shape(mean) is not None and x.dims == mean.inputs[0].dims


def _is_standardized(centred: Expr, squared: Expr, centre: Expr, mean: Expr) -> bool:
    """Whether the deviations that are squared are those that are divided, and both means go over the same axes."""
    shape = _shape(mean)
    if shape is None or last_axes(centre) != len(shape) or centred.dims != mean.inputs[0].dims:
        return False
    return squared is centred or squared.key == centred.key  # some exporters write them twice


@SPELLED_OUT(once(P.Tensor.mean(x).named("mean")) >> P.Tensor.unsqueeze)
def kept_dimension(m: Match, x: Expr, mean: Expr) -> Expr | None:
    """A mean over one axis that is put back is a mean that keeps the axis."""
    axes = mean.attrs.get("dim")
    axes = axes if isinstance(axes, tuple) else (axes,)
    if x.rank is None or len(axes) != 1 or axes[0] is None or mean.attrs.get("keepdim", False):
        return None
    same = axes[0] % x.rank == m.root.attrs["dim"] % x.rank
    return x.mean(axes[0], keepdim=True) if same else None


@SPELLED_OUT(_MULTIPLIED)
def multiplied_standardization(
    x: Expr, squared: Expr, centre: Expr, mean: Expr, scale: Expr, shift: Expr, eps: Expr
) -> Expr | None:
    """The sum x * f + (shift - mean * f), f being the scale over the standard deviation, is F.layer_norm."""
    shape = _shape(mean)
    if squared.op != "operator.sub" or squared.inputs[0] is not x or squared.inputs[1] is not centre:
        return None
    if shape is None or last_axes(centre) != len(shape) or not scale.dims == shape == shift.dims:
        return None
    return F.layer_norm(x, scale, shift, normalized_shape=shape, eps=_written(eps))  # type: ignore[no-any-return]


@SPELLED_OUT(P.operator.add(once(_SCALED), V.shift), where=_is_standardized)
def shifted_standardization(x: Expr, scale: Expr, shift: Expr, mean: Expr, eps: Expr) -> Expr | None:
    """Standardizing (x - mean) / sqrt(variance + eps), times a scale, plus a shift, is F.layer_norm."""
    shape = _shape(mean)
    if not scale.dims == shape == shift.dims:
        return None
    return F.layer_norm(x, scale, shift, normalized_shape=shape, eps=_written(eps))  # type: ignore[no-any-return]


@SPELLED_OUT(_SCALED, where=_is_standardized)
def scaled_standardization(x: Expr, scale: Expr, mean: Expr, eps: Expr) -> Expr | None:
    """Standardizing (x - mean) / sqrt(variance + eps), times a scale, is F.layer_norm without a shift."""
    shape = _shape(mean)
    return F.layer_norm(x, scale, normalized_shape=shape, eps=_written(eps)) if scale.dims == shape else None


@SPELLED_OUT(_scaled_over_root(x, x), where=_is_over_root_mean_square)
def scaled_root_mean_square(x: Expr, scale: Expr, mean: Expr, eps: Expr) -> Expr | None:
    """Dividing x / sqrt(mean(x²) + eps), times a scale, over the last axes is F.rms_norm."""
    shape = _shape(mean)
    return F.rms_norm(x, scale, normalized_shape=shape, eps=_written(eps)) if scale.dims == shape else None


@SPELLED_OUT(_STANDARDIZED, where=_is_standardized)
def standardization(x: Expr, mean: Expr, eps: Expr) -> Expr:
    """Standardizing (x - mean) / sqrt(variance + eps) is F.layer_norm without scale and shift."""
    return F.layer_norm(x, normalized_shape=_shape(mean), eps=_written(eps))  # type: ignore[no-any-return]


@SPELLED_OUT(_ROOT_MEAN_SQUARE, where=_is_over_root_mean_square)
def root_mean_square(x: Expr, mean: Expr, eps: Expr) -> Expr:
    """Dividing x / sqrt(mean(x²) + eps) over the last axes is F.rms_norm without a scale."""
    return F.rms_norm(x, normalized_shape=_shape(mean), eps=_written(eps))  # type: ignore[no-any-return]


@SPELLED_OUT(P.operator.add(once(P.operator.mul(once(P.Tensor.reshape(V.norm).named("back")), V.scale)), V.shift))
def grouped_instances(norm: Expr, back: Expr, scale: Expr, shift: Expr) -> Expr | None:
    """Normalizing groups of channels as instances, times a scale and plus a shift per channel, is F.group_norm."""
    found = _groups(norm, back)
    if found is None:
        return None
    x, groups, channels = found
    per_channel = (channels, *(1,) * (len(x.dims or ()) - 2))
    if not all(dims in (per_channel, (1, *per_channel)) for dims in (scale.dims, shift.dims)):
        return None
    weight, bias = scale.reshape(channels), shift.reshape(channels)
    return F.group_norm(x, groups, weight, bias, eps=norm.attrs.get("eps", 1e-5))  # type: ignore[no-any-return]


def _groups(norm: Expr, back: Expr) -> tuple[Expr, int, int] | None:
    """The input, the number of groups and of channels, where instances are groups, neither scaled nor shifted."""
    inner = norm.inputs[0] if norm.op == "F.instance_norm" else None
    if inner is None or inner.op != "Tensor.reshape" or inner.rank != 3:
        return None
    x = inner.inputs[0]
    if x.dims is None or x.dims != back.dims or len(x.dims) < 3 or inner.dims[0] != x.dims[0]:
        return None
    groups, channels = inner.dims[1], x.dims[1]
    if not isinstance(groups, int) or not isinstance(channels, int) or channels % groups:
        return None
    _, _, _, scale, shift = norm.inputs
    return (x, groups, channels) if _is_filled(scale, 1) and _is_filled(shift, 0) else None


def _is_filled(expr: Expr | None, number: float) -> bool:
    """Whether all elements of a stored tensor are this number."""
    stored = parameter(expr)
    if stored is None:
        return False
    ref: TensorRef = stored.attrs["ref"]
    return ref.size > 0 and ref.is_uniform() and bool((ref.numpy() == number).all())


def _written(eps: Expr) -> float:
    value = number(eps)
    assert value is not None
    return as_written(value)


@RULES(V("norm", op="F.batch_norm"))
def batch_norm(norm: Expr) -> Expr | None:
    """A batch normalization by stored statistics is an nn.BatchNorm layer."""
    x, mean, variance, scale, shift = norm.inputs
    if x.rank not in _DIMENSIONS:
        return None
    statistics = buffer(mean), buffer(variance)
    weight, bias = parameter(scale), parameter(shift)
    if None in statistics or weight is None or bias is None:
        return None
    return call(f"nn.BatchNorm{_DIMENSIONS[x.rank]}d", x, *statistics, weight, bias, **norm.attrs)


@RULES(V("norm", op="F.group_norm"))
def group_norm(norm: Expr) -> Expr | None:
    """A normalization of groups with stored scale and shift is an nn.GroupNorm layer."""
    x, scale, shift = norm.inputs
    weight, bias = parameter(scale), parameter(shift)
    return None if weight is None or bias is None else nn.GroupNorm(x, weight, bias, **norm.attrs)


@RULES(V("norm", op="F.instance_norm"))
def instance_norm(norm: Expr) -> Expr | None:
    """A normalization of instances with stored scale and shift is an nn.InstanceNorm layer."""
    x, _, _, scale, shift = norm.inputs
    weight, bias = parameter(scale), parameter(shift)
    if x.rank not in _DIMENSIONS or x.rank == 2 or weight is None or bias is None:
        return None
    return call(f"nn.InstanceNorm{_DIMENSIONS[x.rank]}d", x, weight, bias, **norm.attrs)


@RULES(P.F.layer_norm(x, V.scale, opt(V.shift), eps=opt(V.eps)))
def layer_norm(x: Expr, scale: Expr, shift: Expr | None, eps: float | None) -> Expr | None:
    """A layer normalization with a stored scale is an nn.LayerNorm layer."""
    weight, bias = parameter(scale), parameter(shift)
    if weight is None or (shift is not None and bias is None):
        return None
    return nn.LayerNorm(x, weight, bias, eps=1e-5 if eps is None else eps)  # type: ignore[no-any-return]


@RULES(P.F.rms_norm(x, V.scale, eps=opt(V.eps)))
def rms_norm(x: Expr, scale: Expr, eps: float | None) -> Expr | None:
    """A normalization by the root of the mean square with a stored scale is an nn.RMSNorm layer."""
    weight = parameter(scale)
    return None if weight is None else nn.RMSNorm(x, weight, eps=eps)
