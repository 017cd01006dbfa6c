"""Normalizations become layers, also those that exporters spell out."""

from __future__ import annotations

from codegen_torch.expr import Expr, call
from codegen_torch.layers.patterns import as_written, either, is_number, is_power, last_axes, number, with_number
from codegen_torch.layers.refs import buffer, parameter
from codegen_torch.layers.rules import Uses, rule
from codegen_torch.symbols.namespaces import F, nn

_DIMENSIONS = {2: 1, 3: 1, 4: 2, 5: 3}


@rule("F.batch_norm")
def batch_norm(expr: Expr, uses: Uses) -> Expr | None:
    """A batch normalization by stored statistics is an nn.BatchNorm layer."""
    x, mean, variance, scale, shift = expr.inputs
    if x.rank not in _DIMENSIONS:
        return None
    statistics = buffer(mean), buffer(variance)
    weight, bias = parameter(scale), parameter(shift)
    if None in statistics or weight is None or bias is None:
        return None
    return call(f"nn.BatchNorm{_DIMENSIONS[x.rank]}d", x, *statistics, weight, bias, **expr.attrs)


@rule("F.layer_norm")
def layer_norm(expr: Expr, uses: Uses) -> Expr | None:
    """A layer normalization with a stored scale is an nn.LayerNorm layer."""
    x, scale, shift = expr.inputs
    weight, bias = parameter(scale), parameter(shift)
    if weight is None or (shift is not None and bias is None):
        return None
    return nn.LayerNorm(x, weight, bias, eps=expr.attrs.get("eps", 1e-5))  # type: ignore[no-any-return]


@rule("F.rms_norm")
def rms_norm(expr: Expr, uses: Uses) -> Expr | None:
    """A normalization by the root of the mean square with a stored scale is an nn.RMSNorm layer."""
    x, scale = expr.inputs
    weight = parameter(scale)
    if weight is None:
        return None
    return nn.RMSNorm(x, weight, eps=expr.attrs.get("eps"))  # type: ignore[no-any-return]


@rule("operator.add")
def shifted_standardization(expr: Expr, uses: Uses) -> Expr | None:
    """Standardizing (x - mean) / sqrt(variance + eps), times a scale, plus a shift, is F.layer_norm."""
    for product, shift in either(expr, "operator.add"):
        if uses[product] != 1:
            continue
        for standard, scale in either(product, "operator.mul"):
            found = _standardized(standard)
            if found is not None and scale.dims == found[1] == shift.dims:
                x, shape, eps = found
                return F.layer_norm(x, scale, shift, normalized_shape=shape, eps=eps)  # type: ignore[no-any-return]
    return None


@rule("operator.mul")
def scaled_standardization(expr: Expr, uses: Uses) -> Expr | None:
    """Standardizing (x - mean) / sqrt(variance + eps), times a scale, is F.layer_norm without a shift."""
    for standard, scale in either(expr, "operator.mul"):
        found = _standardized(standard)
        if found is not None and scale.dims == found[1]:
            x, shape, eps = found
            return F.layer_norm(x, scale, normalized_shape=shape, eps=eps)  # type: ignore[no-any-return]
    return None


@rule("operator.truediv", "operator.mul")
def standardization(expr: Expr, uses: Uses) -> Expr | None:
    """Standardizing (x - mean) / sqrt(variance + eps) is F.layer_norm without scale and shift."""
    found = _standardized(expr)
    if found is None:
        return None
    x, shape, eps = found
    return F.layer_norm(x, normalized_shape=shape, eps=eps)  # type: ignore[no-any-return]


@rule("operator.mul")
def scaled_root_mean_square(expr: Expr, uses: Uses) -> Expr | None:
    """Dividing x / sqrt(mean(x²) + eps), times a scale, over the last axes is F.rms_norm."""
    for normal, scale in either(expr, "operator.mul"):
        found = _rms_normalized(normal)
        if found is not None and scale.dims == found[1]:
            x, shape, eps = found
            return F.rms_norm(x, scale, normalized_shape=shape, eps=eps)  # type: ignore[no-any-return]
    return None


@rule("operator.truediv", "operator.mul")
def root_mean_square(expr: Expr, uses: Uses) -> Expr | None:
    """Dividing x / sqrt(mean(x²) + eps) over the last axes is F.rms_norm without a scale."""
    found = _rms_normalized(expr)
    if found is None:
        return None
    x, shape, eps = found
    return F.rms_norm(x, normalized_shape=shape, eps=eps)  # type: ignore[no-any-return]


_Normalized = tuple[Expr, tuple[int, ...], float]


def _standardized(expr: Expr) -> _Normalized | None:
    """The input, the sizes of the last axes and eps of ``(x - mean(x)) / sqrt(mean((x - mean(x))²) + eps)``."""
    found = _divided_by_root(expr)
    if found is None:
        return None
    centred, square, shape, eps = found
    if square is not centred and not _are_equal(square, centred):
        return None
    if centred.op != "operator.sub":
        return None
    x, mean = centred.inputs
    if mean.op != "Tensor.mean" or mean.inputs[0] is not x or last_axes(mean) != len(shape):
        return None
    return x, shape, eps


def _rms_normalized(expr: Expr) -> _Normalized | None:
    """The input, the sizes of the last axes and eps of ``x / sqrt(mean(x²) + eps)``."""
    found = _divided_by_root(expr)
    if found is None or found[1] is not found[0]:
        return None
    x, _, shape, eps = found
    return x, shape, eps


def _divided_by_root(expr: Expr) -> tuple[Expr, Expr, tuple[int, ...], float] | None:
    """``x``, ``y``, the sizes of the last axes and eps of ``x / sqrt(mean(y²) + eps)``, however it is divided."""
    if expr.op == "operator.truediv":
        return _over_root(expr.inputs[0], _root(expr.inputs[1]))
    for x, inverse in either(expr, "operator.mul"):
        found = _over_root(x, _inverse_root(inverse))
        if found is not None:
            return found
    return None


def _over_root(x: Expr, radicand: Expr | None) -> tuple[Expr, Expr, tuple[int, ...], float] | None:
    total = with_number(radicand, "operator.add")
    if total is None:
        return None
    mean, eps = total
    if mean.op != "Tensor.mean":
        return None
    base, count = is_power(mean.inputs[0], 2), last_axes(mean)
    if base is None or count is None or base.dims is None:
        return None
    shape = tuple(size for size in base.dims[len(base.dims) - count :] if isinstance(size, int))
    if len(shape) != count or x.dims != base.dims:
        return None
    return x, base, shape, as_written(eps)


def _root(expr: Expr) -> Expr | None:
    """What the square root is taken of."""
    if expr.op == "operator.pow" and is_number(expr.inputs[1], 0.5):
        return expr.inputs[0]  # type: ignore[no-any-return]
    return expr.inputs[0] if expr.op == "torch.sqrt" else None


def _inverse_root(expr: Expr) -> Expr | None:
    """What the inverse of the square root is taken of."""
    if expr.op == "torch.rsqrt":
        return expr.inputs[0]  # type: ignore[no-any-return]
    if expr.op == "operator.pow" and is_number(expr.inputs[1], -0.5):
        return expr.inputs[0]  # type: ignore[no-any-return]
    if expr.op == "torch.reciprocal":
        return _root(expr.inputs[0])
    if expr.op == "operator.truediv" and number(expr.inputs[0]) == 1:
        return _root(expr.inputs[1])
    return None


def _are_equal(left: Expr, right: Expr) -> bool:
    """Whether two expressions are the same operation on the same operands, written twice."""
    return left.key == right.key


SPELLED_OUT = (
    shifted_standardization,
    scaled_standardization,
    scaled_root_mean_square,
    standardization,
    root_mean_square,
)
RULES = (batch_norm, layer_norm, rms_norm)
