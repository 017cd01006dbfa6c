"""Recurrent networks that torch has no layer for, as loops over the steps (ONNX: LSTM, GRU, RNN).

Throughout, x is [steps, batch, inputs], the output [steps, directions, batch, hidden], and a state [directions, batch,
hidden], zeros by default. The weights w of the input, r of the state and the bias b, first that of w, then that of r,
stack the gates of each direction. Samples may have fewer steps, ``lengths``. The activations of all directions have
first and second parameters, ``alphas`` and ``betas``, and their inputs are kept between -clip and clip.
"""
# mypy: disable-error-code="no-untyped-call"

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def lstm(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    lengths: Tensor | None = None,
    h: Tensor | None = None,
    c: Tensor | None = None,
    p: Tensor | None = None,
    *,
    activations: Sequence[str],
    alphas: Sequence[float] = (),
    betas: Sequence[float] = (),
    clip: float | None = None,
    backwards: bool = False,
    coupled: bool = False,
) -> tuple[Tensor, ...]:
    """An LSTM with gates i, o, f, c, with peepholes p on i, o, f; if coupled, what comes in replaces what goes.

    What the cell shows is not clipped before its activation (as in ONNX Runtime).
    """
    functions = activation_functions(activations, alphas, betas, clip)
    shown = activation_functions(activations[2::3], alphas[2::3], betas[2::3], None)

    def cell(d: int, step: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        gate, squash = functions[3 * d : 3 * d + 2]
        hidden, memory = state
        i, o, f, g = (step @ w[d].T + hidden @ r[d].T).chunk(4, -1)
        if b is not None:
            i, o, f, g = (
                x + y
                for x, y in zip(
                    (i, o, f, g), b[d].unflatten(0, (2, 4, -1)).sum(0), strict=True
                )
            )
        if p is not None:
            i, f = i + p[d].chunk(3)[0] * memory, f + p[d].chunk(3)[2] * memory
        i = gate(i)
        memory = (1 - i if coupled else gate(f)) * memory + i * squash(g)
        o = gate(o if p is None else o + p[d].chunk(3)[1] * memory)
        return o * shown[d](memory), memory

    return recur(cell, x, (h, c), r, lengths, backwards)


def gru(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    lengths: Tensor | None = None,
    h: Tensor | None = None,
    *,
    activations: Sequence[str],
    alphas: Sequence[float] = (),
    betas: Sequence[float] = (),
    clip: float | None = None,
    backwards: bool = False,
    linear_before_reset: bool = False,
) -> tuple[Tensor, ...]:
    """A GRU with gates z, r, h, whose state is reset before its weight is applied, or after."""
    functions = activation_functions(activations, alphas, betas, clip)

    def cell(d: int, step: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        gate, squash = functions[2 * d : 2 * d + 2]
        (hidden,) = state
        own, recurrent = (None, None) if b is None else b[d].chunk(2)
        update, reset, new = F.linear(step, w[d], own).chunk(3, -1)
        turn = F.linear(hidden, r[d], recurrent).chunk(3, -1)
        z, kept = gate(update + turn[0]), gate(reset + turn[1])
        if linear_before_reset:
            new = new + kept * turn[2]
        else:
            new = new + F.linear(
                kept * hidden,
                r[d].chunk(3)[2],
                None if recurrent is None else recurrent.chunk(3)[2],
            )
        return ((1 - z) * squash(new) + z * hidden,)

    return recur(cell, x, (h,), r, lengths, backwards)


def rnn(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    lengths: Tensor | None = None,
    h: Tensor | None = None,
    *,
    activations: Sequence[str],
    alphas: Sequence[float] = (),
    betas: Sequence[float] = (),
    clip: float | None = None,
    backwards: bool = False,
) -> tuple[Tensor, ...]:
    """A network whose state is one activation of the input and the state before."""
    functions = activation_functions(activations, alphas, betas, clip)

    def cell(d: int, step: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        own, recurrent = (None, None) if b is None else b[d].chunk(2)
        return (
            functions[d](
                F.linear(step, w[d], own) + F.linear(state[0], r[d], recurrent)
            ),
        )

    return recur(cell, x, (h,), r, lengths, backwards)


def recur(
    cell: Callable[[int, Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]],
    x: Tensor,
    first: tuple[Tensor | None, ...],
    r: Tensor,
    lengths: Tensor | None,
    backwards: bool,
) -> tuple[Tensor, ...]:
    """Run a cell over the steps in each direction: the output, and the last states.

    Behind a sample's last step the output is zero and the state stays; without any step it is zero (ONNX Runtime).
    """
    zeros = x.new_zeros(r.shape[0], x.shape[1], r.shape[2])
    outputs: list[Tensor] = []
    last: list[tuple[Tensor, ...]] = []
    for d in range(r.shape[0]):
        state = tuple((zeros if value is None else value)[d] for value in first)
        steps = list(range(x.shape[0]))
        found = dict.fromkeys(steps, zeros[d])
        for t in reversed(steps) if backwards or d else steps:
            new = cell(d, x[t], state)
            found[t] = new[0]
            if lengths is not None:
                inside = (t < lengths)[:, None]
                found[t] = torch.where(inside, new[0], 0.0)
                new = tuple(
                    torch.where(inside, ahead, now)
                    for ahead, now in zip(new, state, strict=True)
                )
            state = new
        outputs.append(torch.stack(list(found.values())))
        last.append(
            state
            if lengths is None
            else tuple(value * (lengths > 0)[:, None] for value in state)
        )
    return torch.stack(outputs, 1), *(
        torch.stack(parts) for parts in zip(*last, strict=True)
    )


def activation_functions(
    names: Sequence[str],
    alphas: Sequence[float],
    betas: Sequence[float],
    clip: float | None,
) -> list[Callable[[Tensor], Tensor]]:
    """ONNX's activations of recurrent networks, with their parameters."""

    def function(name: str, alpha: float, beta: float) -> Callable[[Tensor], Tensor]:
        known: dict[str, Callable[[Tensor], Tensor]] = {
            "affine": lambda x: alpha * x + beta,
            "elu": lambda x: F.elu(x, alpha),
            "hardsigmoid": lambda x: (alpha * x + beta).clamp(0, 1),
            "leakyrelu": lambda x: F.leaky_relu(x, alpha),
            "relu": torch.relu,
            "scaledtanh": lambda x: alpha * torch.tanh(beta * x),
            "sigmoid": torch.sigmoid,
            "softplus": F.softplus,
            "softsign": F.softsign,
            "tanh": torch.tanh,
            "thresholdedrelu": lambda x: torch.where(x >= alpha, x, 0.0),
        }
        plain = known[name]
        return plain if clip is None else lambda x: plain(x.clamp(-clip, clip))

    zeros = [0.0] * len(names)
    return [
        function(*each)
        for each in zip(names, alphas or zeros, betas or zeros, strict=True)
    ]
