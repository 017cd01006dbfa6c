"""Recurrent networks."""

from __future__ import annotations

from codegen_torch.expr import Expr, weight
from codegen_torch.layers.refs import tensor_ref
from codegen_torch.lower.registry import NotApplicable, op
from codegen_torch.symbols.namespaces import nn, torch
from codegen_torch.tensors import TensorRef

# ONNX stacks the gates as input, output, forget, cell; torch as input, forget, cell, output.
_GATES = (0, 2, 3, 1)
_ACTIVATIONS = ("sigmoid", "tanh", "tanh")


@op("LSTM", since=1)
def lstm(
    x: Expr,
    w: Expr,
    r: Expr,
    b: Expr | None = None,
    sequence_lens: Expr | None = None,
    initial_h: Expr | None = None,
    initial_c: Expr | None = None,
    p: Expr | None = None,
    *,
    activation_alpha: tuple[float, ...] = (),
    activation_beta: tuple[float, ...] = (),
    activations: tuple[str, ...] = (),
    clip: float = 0.0,
    direction: str = "forward",
    hidden_size: int = 0,
    input_forget: int = 0,
    layout: int = 0,
    output_sequence: int = 0,
) -> tuple[Expr, ...]:
    """X is [seq, batch, input], Y [seq, directions, batch, hidden], the states [directions, batch, hidden].

    With ``layout=1``: [batch, seq, input], [batch, seq, directions, hidden], [batch, directions, hidden].
    """
    if direction not in ("forward", "reverse", "bidirectional"):
        raise NotApplicable(f"the direction {direction!r} is not known")
    both = direction == "bidirectional"
    directions = 2 if both else 1
    if activations and tuple(name.lower() for name in activations) != _ACTIVATIONS * directions:
        raise NotApplicable("torch's LSTM has no activations but sigmoid and tanh")
    if sequence_lens is not None:
        raise NotApplicable("sequences of different lengths are not supported")
    if p is not None:
        raise NotApplicable("torch's LSTM has no peepholes")
    if clip or input_forget:
        raise NotApplicable("torch's LSTM neither clips nor couples its gates")
    weights, size = _weights(w, r, b, directions)
    if hidden_size not in (0, size):
        raise NotApplicable(f"hidden_size {hidden_size} contradicts the weight {r.fact}")
    if layout:
        x = x.transpose(0, 1)
    if direction == "reverse":
        x = x.flip(0)
    state = _state(x, initial_h, initial_c, directions, size, layout)
    y, (last_h, last_c) = nn.LSTM(
        (x, *state, *weights), hidden_size=size, bidirectional=both, bias=b is not None, state=bool(state)
    )
    if direction == "reverse":
        y = y.flip(0)
    if layout:
        y = y.transpose(0, 1).unflatten(-1, (directions, size)) if both else y.transpose(0, 1).unsqueeze(2)
        return y, last_h.transpose(0, 1), last_c.transpose(0, 1)
    y = y.unflatten(-1, (directions, size)).transpose(1, 2) if both else y.unsqueeze(1)
    return y, last_h, last_c


def _weights(w: Expr, r: Expr, b: Expr | None, directions: int) -> tuple[list[Expr], int]:
    """For each direction torch's weight_ih, weight_hh, bias_ih and bias_hh, and the size of the state."""
    refs = [tensor_ref(expr) for expr in (w, r, b) if expr is not None]
    if not all(refs):
        raise NotApplicable("its weights are computed when the model runs")
    inputs, hidden, *biases = (ref for ref in refs if ref is not None)
    size = hidden.shape[-1]
    if (hidden.shape, inputs.shape[:2]) != ((directions, 4 * size, size), (directions, 4 * size)):
        raise NotApplicable(f"the weights {w.fact} and {r.fact} do not fit {directions} direction(s)")
    if biases and biases[0].shape != (directions, 8 * size):
        raise NotApplicable(f"the bias does not fit {directions} direction(s) of {size}")
    tensors: list[TensorRef] = []
    for position in range(directions):
        parts = [inputs.select(0, position), hidden.select(0, position)]
        for bias in biases:
            own = bias.select(0, position)
            parts += [own.slice(0, 0, 4 * size), own.slice(0, 4 * size, 8 * size)]
        tensors += [part.take_rows(_GATES, 4) for part in parts]
    return [weight(tensor) for tensor in tensors], size


def _state(x: Expr, h: Expr | None, c: Expr | None, directions: int, size: int, layout: int) -> tuple[Expr, ...]:
    """The first state, or nothing where it is the zeros that torch starts with anyway."""
    if all(value is None or value.fact.fill == 0 for value in (h, c)):
        return ()
    zeros = torch.zeros(directions, x.shape[1], size, dtype=x.dtype)
    if layout:
        h, c = (None if value is None else value.transpose(0, 1) for value in (h, c))
    return (zeros if h is None else h, zeros if c is None else c)
