"""The kernels that models are known to need, as functions of symbolic tensors."""

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, call
from codegen_torch.symbols.namespaces import F, runtime, torch


def _norm(name: str, x: Expr, *weights: Expr, eps: float = 1e-5) -> Expr:
    return call(f"F.{name}", x, *weights, normalized_shape=(x.dims[-1],), eps=eps)


def add_rms_norm(x: Expr, y: Expr, weight: Expr) -> tuple[Expr, Expr]:
    total = x + y
    return total, _norm("rms_norm", total, weight, eps=1e-6)


def spelled_layer_norm(x: Expr, y: Expr) -> Expr:
    total = x + y
    centred = total - total.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred * centred).sum(-1, keepdim=True) * 0.5 + 1.0)


def mean_and_centred(x: Expr, shift: Expr) -> tuple[Expr, Expr]:
    mean = torch.tanh(x * 2.0).mean(-1, keepdim=True) + shift
    return mean, x - mean


def add_group_norm(x: Expr, y: Expr, scale: Expr) -> tuple[Expr, Expr]:
    total = x + y
    return total, F.group_norm(total, 4) * scale + x


FULL = "a b c"
POINTWISE = {
    "silu_mul": (lambda gate, x: F.silu(gate) * x, {"gate": FULL, "x": FULL}),
    "bias_gelu": (lambda x, bias: F.gelu(x + bias), {"x": FULL, "bias": "c"}),
    "gelu_tanh_mul": (lambda x, y: F.gelu(x, approximate="tanh") * y, {"x": FULL, "y": FULL}),
    "scale_add": (lambda x, y, scale: x + y * scale, {"x": FULL, "y": FULL, "scale": "c"}),
    "masked_fill": (lambda m, x: torch.where(m, x * 0.5, -1e4), {"m": "a 1 c bool", "x": FULL}),
    "tanh_exp": (lambda x: torch.tanh(x) * torch.exp(-x), {"x": FULL}),
    "elu_softplus": (lambda x, y: F.elu(x) * F.softplus(y), {"x": FULL, "y": FULL}),
    "hard": (lambda x: F.hardswish(x) + F.relu6(x) * F.hardsigmoid(x), {"x": FULL}),
    "leaky_clamp": (lambda x: torch.clamp(F.leaky_relu(x, 0.1), min=-0.05, max=1.5), {"x": FULL}),
    "extremes": (lambda x, y, z: torch.maximum(torch.minimum(x, y), F.relu(z)), {"x": FULL, "y": FULL, "z": FULL}),
    "integers": (lambda i, j: torch.where(torch.gt(i * j + 3, i), i, j), {"i": f"{FULL} int64", "j": f"{FULL} int64"}),
    "dequantize": (
        lambda q, zero, scale: (q.to(DType.FLOAT32) - zero.to(DType.FLOAT32)) * scale * scale,
        {"q": f"{FULL} int8", "zero": "c int8", "scale": "c"},
    ),
    "powers": (lambda x: (x * x + 1.0) ** -0.5 + x**2.0 / 3.0, {"x": FULL}),
    "waves": (lambda x: torch.sin(x) * torch.cos(x) + torch.erf(x) - torch.sigmoid(x), {"x": FULL}),
}
ROWS = {
    "add_layer_norm": (
        lambda x, y, weight, bias: _norm("layer_norm", x + y, weight, bias, eps=1e-12),
        {"x": FULL, "y": FULL, "weight": "c", "bias": "c"},
    ),
    "layer_norm_gelu": (lambda x, weight: F.gelu(_norm("layer_norm", x, weight)), {"x": FULL, "weight": "c"}),
    "add_rms_norm": (add_rms_norm, {"x": FULL, "y": FULL, "weight": "c"}),
    "masked_softmax": (lambda x, mask: F.softmax(x * 0.125 + mask, dim=-1), {"x": FULL, "mask": "a 1 c"}),
    "spelled_rms_norm": (
        lambda x, weight: x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6) * weight,
        {"x": FULL, "weight": "c"},
    ),
    "spelled_layer_norm": (spelled_layer_norm, {"x": FULL, "y": FULL}),
    "log_softmax": (lambda x: F.log_softmax(x / 2.0, dim=-1), {"x": FULL}),
}
REDUCED = {
    "unit_length": (lambda x: x / torch.clamp(call("Tensor.norm", x, 2, -1, keepdim=True), min=1e-12), {"x": FULL}),
    "exp_from_largest": (lambda x: torch.exp(x - x.amax(-1, keepdim=True)), {"x": FULL}),
    "range_scaled": (
        lambda x, scale: (x.amax(-1, keepdim=True) - x.amin(-1, keepdim=True)) * scale,
        {"x": FULL, "scale": "a b 1"},
    ),
    "dot": (lambda x, y: (x * y).sum(-1), {"x": FULL, "y": FULL}),
    "mean_and_centred": (mean_and_centred, {"x": FULL, "shift": "a 1 1"}),
}
ROTARY = {
    "rotary": (
        lambda x, cos, sin: x * cos + runtime.rotate_half(x) * sin,
        {"x": "a b s 64", "cos": "a 1 s 64", "sin": "a 1 s 64"},
    ),
    "rotary_pairs": (
        lambda x, cos, sin: x * cos + runtime.rotate_pairs(x) * sin,
        {"x": "a b s 64", "cos": "a 1 s 64", "sin": "a 1 s 64"},
    ),
}
IMAGE = "n 8 h w"
GROUPS = {
    "group_norm_silu": (
        lambda x, weight, bias: F.silu(F.group_norm(x, 4, weight, bias)),
        {"x": IMAGE, "weight": "8", "bias": "8"},
    ),
    "add_group_norm_silu": (
        lambda x, shift, weight, bias: F.silu(F.group_norm(x + shift, 2, weight, bias)),
        {"x": IMAGE, "shift": "n 8 1 1", "weight": "8", "bias": "8"},
    ),
    "add_group_norm": (add_group_norm, {"x": IMAGE, "y": IMAGE, "scale": "w"}),
    "instance_norm_relu": (
        lambda x, weight, bias: F.relu(F.instance_norm(x, None, None, weight, bias)),
        {"x": IMAGE, "weight": "8", "bias": "8"},
    ),
}
FAMILIES = POINTWISE | ROWS | REDUCED | ROTARY | GROUPS
WITH_GRADIENTS = ("silu_mul", "bias_gelu", "gelu_tanh_mul", "scale_add", "tanh_exp", "waves", *ROWS, *ROTARY)
"""Those whose gradients are kernels, too."""
