"""Recurrent networks with quantized weights."""

from __future__ import annotations

from codegen_torch.expr import Expr
from codegen_torch.lower.registry import NotApplicable
from codegen_torch.ops.contrib.domain import microsoft
from codegen_torch.symbols.namespaces import index, runtime, torch

_ACTIVATIONS = ("sigmoid", "tanh", "tanh")


@microsoft("DynamicQuantizeLSTM")
def dynamic_quantize_lstm(
    x: Expr,
    w: Expr,
    r: Expr,
    b: Expr | None,
    sequence_lens: Expr | None,
    initial_h: Expr | None,
    initial_c: Expr | None,
    p: Expr | None,
    w_scale: Expr,
    w_zero_point: Expr,
    r_scale: Expr,
    r_zero_point: Expr,
    *,
    activation_alpha: tuple[float, ...] = (),
    activation_beta: tuple[float, ...] = (),
    activations: tuple[str, ...] = (),
    clip: float = 0.0,
    direction: str = "forward",
    hidden_size: int,
    input_forget: int = 0,
) -> tuple[Expr, Expr, Expr]:
    """The input is quantized between its extremes, and so is the state at each step."""
    directions = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}.get(direction)
    if directions is None:
        raise NotApplicable(f"the direction {direction!r} is not known")
    if activations and tuple(map(str.lower, activations)) != _ACTIVATIONS * len(directions):
        raise NotApplicable("activations other than the usual ones")
    if sequence_lens is not None or p is not None or clip or input_forget or activation_alpha or activation_beta:
        raise NotApplicable("sequences of different lengths, peepholes, limits and coupled gates")
    results: list[tuple[Expr, Expr, Expr]] = []
    for position, backwards in enumerate(directions):
        own = [
            None if tensor is None else index.select(tensor, 0, position)
            for tensor in (w, w_scale, w_zero_point, r, r_scale, r_zero_point, b, initial_h, initial_c)
        ]
        results.append(runtime.dynamic_quantize_lstm(x, *own, hidden_size=hidden_size, backwards=backwards))
    y, h, c = zip(*results, strict=True)
    return torch.stack(list(y), dim=1), torch.stack(list(h)), torch.stack(list(c))
