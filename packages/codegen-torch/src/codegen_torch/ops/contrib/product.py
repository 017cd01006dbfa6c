"""Products joined with transpositions, factors and activations."""

from __future__ import annotations

from codegen_torch.expr import Expr
from codegen_torch.lower.registry import NotApplicable
from codegen_torch.ops.contrib.activation import activated, fast_gelu
from codegen_torch.ops.contrib.domain import microsoft
from codegen_torch.ops.contrib.tensor import channels_first, channels_last
from codegen_torch.ops.conv import conv
from codegen_torch.ops.linalg import gemm
from codegen_torch.ops.windows import Numbers


@microsoft("TransposeMatMul")
@microsoft("FusedMatMul")
def fused_matmul(
    a: Expr,
    b: Expr,
    *,
    alpha: float = 1.0,
    transA: int = 0,  # noqa: N803
    transB: int = 0,  # noqa: N803
    transBatchA: int = 0,  # noqa: N803
    transBatchB: int = 0,  # noqa: N803
) -> Expr:
    product = _turned(a, transA, transBatchA) @ _turned(b, transB, transBatchB)
    return product if alpha == 1.0 else alpha * product


def _turned(x: Expr, last: int, batch: int) -> Expr:
    """The last two dimensions exchanged, after the first one came to stand before the last."""
    if batch:
        if x.rank is None or x.rank < 2:
            raise NotApplicable("batch dimensions of a tensor of unknown rank")
        x = x.permute(*range(1, x.rank - 1), 0, x.rank - 1)
    return x.transpose(-2, -1) if last and x.rank != 1 else x


@microsoft("FusedGemm")
def fused_gemm(
    a: Expr,
    b: Expr,
    c: Expr | None = None,
    *,
    activation: str = "",
    activation_alpha: float | None = None,
    activation_beta: float | None = None,
    activation_gamma: float | None = None,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803
    transB: int = 0,  # noqa: N803
) -> Expr:
    given = tuple(n for n in (activation_alpha, activation_beta, activation_gamma) if n is not None)
    return activated(gemm(a, b, c, alpha=alpha, beta=beta, transA=transA, transB=transB), activation, given)


@microsoft("GemmFastGelu")
def gemm_fast_gelu(x: Expr, w: Expr, bias: Expr | None = None) -> Expr:
    return fast_gelu(x @ w, bias)  # type: ignore[no-any-return]


@microsoft("FusedConv")
def fused_conv(
    x: Expr,
    w: Expr,
    b: Expr | None = None,
    z: Expr | None = None,
    *,
    activation: str = "",
    activation_params: tuple[float, ...] = (),
    auto_pad: str = "NOTSET",
    dilations: Numbers = (),
    group: int = 1,
    kernel_shape: Numbers = (),
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    """``z`` is added before the activation."""
    move = {"dilations": dilations, "group": group, "kernel_shape": kernel_shape, "pads": pads, "strides": strides}
    y = conv(x, w, b, auto_pad=auto_pad, **move)
    return activated(y if z is None else y + z, activation, activation_params)


@microsoft("NhwcConv")
@microsoft("NhwcFusedConv")
def nhwc_fused_conv(
    x: Expr,
    w: Expr,
    b: Expr | None = None,
    z: Expr | None = None,
    *,
    activation: str = "",
    activation_params: tuple[float, ...] = (),
    auto_pad: str = "NOTSET",
    dilations: Numbers = (),
    group: int = 1,
    kernel_shape: Numbers = (),
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    """Channels come last, but not in the weight."""
    move = {"dilations": dilations, "group": group, "kernel_shape": kernel_shape, "pads": pads, "strides": strides}
    y = channels_last(conv(channels_first(x), w, b, auto_pad=auto_pad, **move))
    return activated(y if z is None else y + z, activation, activation_params)
