"""Recurrent networks: torch's layers, and loops for what these are not."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.facts import Fact, Facts, Size
from codegen_torch.symbols.base import symbol

Tensor: TypeAlias = Fact
Tensors: TypeAlias = list[Fact]
Names: TypeAlias = tuple[str, ...]
Floats: TypeAlias = tuple[float, ...]

STATES = {"nn.GRU": 1, "nn.LSTM": 2, "nn.RNN": 1}
"""Of how many tensors the state of torch's layers consists."""


@symbol("nn.LSTM")
def lstm_layer(
    tensors: Tensors,
    *,
    hidden_size: int,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    dropout: float = 0.0,
    bidirectional: bool = False,
    state: bool = False,
) -> Facts:
    """Operands: x, the tensors of the state if ``state``, then the weights.

    The weights are, for each layer and direction, weight_ih, weight_hh and, with ``bias``, bias_ih and bias_hh.
    The result is ``(output, (h, c))``.
    """
    y, last = _layer(tensors[0], hidden_size, num_layers, batch_first, bidirectional)
    return y, (last, last)


@symbol("nn.GRU")
def gru_layer(
    tensors: Tensors,
    *,
    hidden_size: int,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    dropout: float = 0.0,
    bidirectional: bool = False,
    state: bool = False,
) -> Facts:
    """As nn.LSTM, but the result is ``(output, h)``."""
    return _layer(tensors[0], hidden_size, num_layers, batch_first, bidirectional)


@symbol("nn.RNN")
def rnn_layer(
    tensors: Tensors,
    *,
    hidden_size: int,
    num_layers: int = 1,
    nonlinearity: str = "tanh",
    bias: bool = True,
    batch_first: bool = False,
    dropout: float = 0.0,
    bidirectional: bool = False,
    state: bool = False,
) -> Facts:
    """As nn.GRU."""
    return _layer(tensors[0], hidden_size, num_layers, batch_first, bidirectional)


def _layer(x: Fact, hidden_size: int, num_layers: int, batch_first: bool, bidirectional: bool) -> tuple[Fact, Fact]:
    first, second = (Dim.fresh(), Dim.fresh()) if x.dims is None else x.dims[:2]
    directions = 2 if bidirectional else 1
    last = Fact(x.dtype, (num_layers * directions, first if batch_first else second, hidden_size))
    return Fact(x.dtype, (first, second, directions * hidden_size)), last


@symbol("runtime.lstm")
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
    activations: Names,
    alphas: Floats = (),
    betas: Floats = (),
    clip: float | None = None,
    backwards: bool = False,
    coupled: bool = False,
) -> Facts:
    return _looped(x, r, 2)


@symbol("runtime.gru")
def gru(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    lengths: Tensor | None = None,
    h: Tensor | None = None,
    *,
    activations: Names,
    alphas: Floats = (),
    betas: Floats = (),
    clip: float | None = None,
    backwards: bool = False,
    linear_before_reset: bool = False,
) -> Facts:
    return _looped(x, r, 1)


@symbol("runtime.rnn")
def rnn(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    lengths: Tensor | None = None,
    h: Tensor | None = None,
    *,
    activations: Names,
    alphas: Floats = (),
    betas: Floats = (),
    clip: float | None = None,
    backwards: bool = False,
) -> Facts:
    return _looped(x, r, 1)


def _looped(x: Fact, r: Fact, states: int) -> Facts:
    fresh: tuple[Size, ...] = (Dim.fresh(), Dim.fresh())
    steps, batch = fresh if x.dims is None else x.dims[:2]
    directions, hidden = fresh if r.dims is None else (r.dims[0], r.dims[2])
    return (Fact(x.dtype, (steps, directions, batch, hidden)), *[Fact(x.dtype, (directions, batch, hidden))] * states)
