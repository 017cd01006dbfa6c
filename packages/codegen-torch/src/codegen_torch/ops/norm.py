"""Normalizations."""

from __future__ import annotations

from codegen_torch.dims import product
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.lower.registry import Context, NotApplicable, op
from codegen_torch.ops.windows import MOST, spatial_rank
from codegen_torch.symbols.demands import demand_shape
from codegen_torch.symbols.namespaces import F, torch


@op("InstanceNormalization", since=1)
def instance_normalization(x: Expr, scale: Expr, b: Expr, *, epsilon: float = 1e-5) -> Expr:
    if x.dims is not None and product(x.dims[2:]) == 1:  # torch refuses a single element, which is its own mean
        for name, value in (("scale", scale), ("bias", b)):
            demand_shape("an instance normalization", name, value.fact, x.dims[1])
        ones = (1,) * spatial_rank(x)
        return (x - x) * scale.reshape(-1, *ones) + b.reshape(-1, *ones)  # type: ignore[no-any-return]
    return F.instance_norm(x, None, None, scale, b, eps=epsilon)  # type: ignore[no-any-return]


@op("GroupNormalization", since=21)
def group_normalization(
    x: Expr, scale: Expr, bias: Expr, *, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1
) -> Expr:
    return F.group_norm(x, num_groups, scale, bias, eps=epsilon)  # type: ignore[no-any-return]


@op("GroupNormalization", since=18, until=20)
def group_normalization_by_groups(x: Expr, scale: Expr, bias: Expr, *, num_groups: int, epsilon: float = 1e-5) -> Expr:
    """Before opset 21 the scale and the bias were one number per group, not per channel."""
    for name, value in (("scale", scale), ("bias", bias)):
        demand_shape("a group normalization", name, value.fact, num_groups)
    channels = x.shape[1]
    width = channels // num_groups
    scale, bias = (v.repeat_interleave(width) for v in (scale, bias))
    return F.group_norm(x, num_groups, scale, bias, eps=epsilon)  # type: ignore[no-any-return]


@op("LayerNormalization", since=17)
def layer_normalization(
    x: Expr,
    scale: Expr,
    b: Expr | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
    context: Context,
) -> tuple[Expr, ...]:
    axes, shape = _normalized_axes(x, axis)
    mean, deviation = _statistics(x, axes, epsilon, stash_type)
    if shape is None:
        y = (_wide(x, stash_type) - mean) * deviation
        y = (y if y.dtype is x.dtype else y.to(x.dtype)) * scale
        y = y if b is None else y + b
    elif scale.dims == shape and (b is None or b.dims == shape):
        y = F.layer_norm(x, scale, b, normalized_shape=shape, eps=epsilon)
    else:  # scale and bias need only broadcast
        y = F.layer_norm(x, normalized_shape=shape, eps=epsilon) * scale
        y = y if b is None else y + b
    return y, mean, deviation


def _statistics(x: Expr, axes: int | tuple[int, ...], epsilon: float, stash_type: int) -> tuple[Expr, Expr]:
    """The mean, and what normalization multiplies by, in the type that they are computed in: 1 is float32."""
    x = _wide(x, stash_type)
    mean = x.mean(axes, keepdim=True)
    return mean, torch.rsqrt(_square(x - mean).mean(axes, keepdim=True) + epsilon)


@op("RMSNormalization", since=23)
def rms_normalization(x: Expr, scale: Expr, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1) -> Expr:
    axes, shape = _normalized_axes(x, axis)
    if shape is None:
        wide = _wide(x, stash_type)
        y = wide * torch.rsqrt(_square(wide).mean(axes, keepdim=True) + epsilon)
        return (y if y.dtype is x.dtype else y.to(x.dtype)) * scale  # type: ignore[no-any-return]
    if scale.dims == shape:
        return F.rms_norm(x, scale, normalized_shape=shape, eps=epsilon)  # type: ignore[no-any-return]
    return F.rms_norm(x, normalized_shape=shape, eps=epsilon) * scale  # type: ignore[no-any-return]


def _normalized_axes(x: Expr, axis: int) -> tuple[int | tuple[int, ...], tuple[int, ...] | None]:
    """The axes from ``axis`` on, counted from the back, and their sizes if those are known."""
    rank = len(x.shape)
    if not -rank <= axis < rank:
        raise NotApplicable(f"a tensor of rank {rank} has no axis {axis}")
    axes = tuple(range(axis % rank - rank, 0))
    sizes = tuple(size for size in x.shape[axis % rank :] if isinstance(size, int))
    return axes[0] if len(axes) == 1 else axes, sizes if len(sizes) == len(axes) else None


def _wide(x: Expr, stash_type: int) -> Expr:
    """A tensor in the type that it is normalized in: float32 for 1."""
    return x.to(DType.FLOAT32) if stash_type == 1 and x.dtype.itemsize == 2 else x


def _square(x: Expr) -> Expr:
    return x * x


@op("MeanVarianceNormalization", since=9)
def mean_variance_normalization(x: Expr, *, axes: tuple[int, ...] = (0, 2, 3)) -> Expr:
    return (x - x.mean(axes, keepdim=True)) / (x.std(axes, correction=0, keepdim=True) + 1e-9)  # type: ignore[no-any-return]


@op("MeanVarianceNormalization", since=1, until=8)
def experimental_mean_variance_normalization(x: Expr, *, across_channels: int = 0, normalize_variance: int = 1) -> Expr:
    """Before opset 9 it was experimental; the defaults of opset 9 are its own."""
    axes = tuple(axis for axis in range(len(x.shape)) if axis != 1 or across_channels)
    if normalize_variance:
        return mean_variance_normalization(x, axes=axes)  # type: ignore[no-any-return]
    return x - x.mean(axes, keepdim=True)  # type: ignore[no-any-return]


@op("LpNormalization", since=1)
def lp_normalization(x: Expr, *, axis: int = -1, p: int = 2) -> Expr:
    """Zeros stay zeros, also where all along the axis are."""
    if p not in (1, 2):
        raise NotApplicable(f"a norm of order {p} is not known")
    norm = x.norm(float(p), (axis,), keepdim=True)
    return x / torch.where(torch.eq(norm, 0), 1.0, norm)  # type: ignore[no-any-return]


@op("LRN", since=1)
def lrn(x: Expr, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Expr:
    """Over channels. Of an even window, ONNX puts the longer half behind the channel and torch before it."""
    if size > MOST:
        raise NotApplicable(f"a window over {size} channels is not supported")
    if size % 2:
        return F.local_response_norm(x, size, alpha=alpha, beta=beta, k=bias)  # type: ignore[no-any-return]
    return F.local_response_norm(x.flip(1), size, alpha=alpha, beta=beta, k=bias).flip(1)  # type: ignore[no-any-return]
