"""Recurrent networks: torch's own where it is one of them, else a loop over the steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from codegen_torch.dims import same
from codegen_torch.expr import Expr, call, weight
from codegen_torch.facts import FactError
from codegen_torch.layers.refs import tensor_ref
from codegen_torch.lower.registry import NotApplicable, op
from codegen_torch.symbols.demands import demand_rank, demand_shape
from codegen_torch.symbols.namespaces import runtime, torch
from codegen_torch.tensors import TensorRef

# ONNX stacks the gates of an LSTM as input, output, forget, cell, and torch as input, forget, cell, output; those
# of a GRU as update, reset, hidden, and torch as reset, update, hidden.
_GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}

# The default alpha and beta of the activations that have them: those of ONNX's operators of these names. None where
# ONNX has no such operator, or ONNX Runtime another default.
_PARAMETERS: dict[str, tuple[float | None, ...]] = {
    "affine": (None, None),
    "elu": (1.0,),
    "hardsigmoid": (0.2, 0.5),
    "leakyrelu": (0.01,),
    "relu": (),
    "scaledtanh": (None, None),
    "sigmoid": (),
    "softplus": (),
    "softsign": (),
    "tanh": (),
    "thresholdedrelu": (None,),
}
Floats = tuple[float, ...]
Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Network:
    """What all recurrent networks have.

    Attributes:
        kind: LSTM, GRU or RNN.
        direction: Which way the steps are taken.
        hidden: The size of the state.
        batch_first: Whether samples come before steps.
        activations: The functions of each direction in turn, each with its alpha and beta.
        clip: The largest element that they are given, or 0.
    """

    kind: str
    direction: str
    hidden: int
    batch_first: bool
    activations: tuple[tuple[str, Floats], ...]
    clip: float

    @property
    def directions(self) -> int:
        """How many there are."""
        return 2 if self.direction == "bidirectional" else 1

    def activates_by(self, *names: str) -> bool:
        """Whether these are the functions of each direction, and what they are given is not clipped."""
        return not self.clip and [name for name, _ in self.activations] == [*names] * self.directions

    def settings(self) -> dict[str, Any]:
        """The arguments of the loop."""
        alphas = tuple(parameters[0] if parameters else 0.0 for _, parameters in self.activations)
        betas = tuple(parameters[1] if len(parameters) > 1 else 0.0 for _, parameters in self.activations)
        return {
            "activations": tuple(name for name, _ in self.activations),
            "alphas": alphas if any(alphas) else (),
            "betas": betas if any(betas) else (),
            "clip": self.clip or None,
            "backwards": self.direction == "reverse",
        }


def _network(
    kind: str,
    r: Expr,
    direction: str,
    hidden_size: int,
    layout: int,
    activations: Names,
    defaults: Names,
    alphas: Floats,
    betas: Floats,
    clip: float,
) -> _Network:
    """Read the attributes that all recurrent networks have.

    Raises:
        NotApplicable: They contradict each other.
    """
    if direction not in ("forward", "reverse", "bidirectional"):
        raise NotApplicable(f"the direction {direction!r} is not known")
    directions = 2 if direction == "bidirectional" else 1
    names = tuple(name.lower() for name in activations) or defaults * directions
    if len(names) < len(defaults) * directions:
        raise NotApplicable(f"{len(names)} activations for {directions} direction(s)")
    size = None if r.dims is None else r.dims[-1]
    if isinstance(size, int) and hidden_size not in (0, size):
        raise NotApplicable(f"hidden_size {hidden_size} contradicts the weight {r.fact}")
    hidden = size if isinstance(size, int) else hidden_size
    if not hidden:
        raise NotApplicable("the size of the state is only known when the model runs")
    functions = tuple(_with_parameters(names[: len(defaults) * directions], iter(alphas), iter(betas)))
    return _Network(kind, direction, hidden, bool(layout), functions, clip)


def _with_parameters(names: Names, alphas: Iterator[float], betas: Iterator[float]) -> Iterator[tuple[str, Floats]]:
    """Those that have an alpha or a beta take the next one that is given."""
    for name in names:
        if name not in _PARAMETERS:
            raise NotApplicable(f"the activation {name!r} is not known")
        defaults = zip((alphas, betas), _PARAMETERS[name], strict=False)
        parameters = [next(given, default) for given, default in defaults]
        known = tuple(parameter for parameter in parameters if parameter is not None)
        if len(known) < len(parameters):
            raise NotApplicable(f"versions of ONNX differ on the default alpha and beta of the activation {name!r}")
        yield name, known


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
    defaults = ("sigmoid", "tanh", "tanh")
    net = _network(
        "LSTM", r, direction, hidden_size, layout, activations, defaults, activation_alpha, activation_beta, clip
    )
    plain = p is None and not input_forget and net.activates_by(*defaults)
    more = {"coupled": bool(input_forget)}
    return _run(net, x, w, r, b, sequence_lens, (initial_h, initial_c), plain, {}, (p,), more)


@op("GRU", since=3)
def gru(
    x: Expr,
    w: Expr,
    r: Expr,
    b: Expr | None = None,
    sequence_lens: Expr | None = None,
    initial_h: Expr | None = None,
    *,
    activation_alpha: tuple[float, ...] = (),
    activation_beta: tuple[float, ...] = (),
    activations: tuple[str, ...] = (),
    clip: float = 0.0,
    direction: str = "forward",
    hidden_size: int = 0,
    layout: int = 0,
    linear_before_reset: int = 0,
    output_sequence: int = 0,
) -> tuple[Expr, ...]:
    """Torch's resets the state after the product with its weight, as ``linear_before_reset`` asks for."""
    defaults = ("sigmoid", "tanh")
    net = _network(
        "GRU", r, direction, hidden_size, layout, activations, defaults, activation_alpha, activation_beta, clip
    )
    plain = bool(linear_before_reset) and net.activates_by(*defaults)
    more = {"linear_before_reset": bool(linear_before_reset)}
    return _run(net, x, w, r, b, sequence_lens, (initial_h,), plain, {}, (), more)


@op("GRU", since=1, until=2)
def gru_that_resets_first(
    x: Expr,
    w: Expr,
    r: Expr,
    b: Expr | None = None,
    sequence_lens: Expr | None = None,
    initial_h: Expr | None = None,
    *,
    activation_alpha: tuple[float, ...] = (),
    activation_beta: tuple[float, ...] = (),
    activations: tuple[str, ...] = (),
    clip: float = 0.0,
    direction: str = "foward",
    hidden_size: int = 0,
    output_sequence: int = 0,
) -> tuple[Expr, ...]:
    """The schema misspells its default direction."""
    return gru(  # type: ignore[no-any-return]
        x,
        w,
        r,
        b,
        sequence_lens,
        initial_h,
        activation_alpha=activation_alpha,
        activation_beta=activation_beta,
        activations=activations,
        clip=clip,
        direction="forward" if direction == "foward" else direction,
        hidden_size=hidden_size,
    )


@op("RNN", since=1)
def rnn(
    x: Expr,
    w: Expr,
    r: Expr,
    b: Expr | None = None,
    sequence_lens: Expr | None = None,
    initial_h: Expr | None = None,
    *,
    activation_alpha: tuple[float, ...] = (),
    activation_beta: tuple[float, ...] = (),
    activations: tuple[str, ...] = ("Tanh", "Tanh"),
    clip: float = 0.0,
    direction: str = "forward",
    hidden_size: int = 0,
    layout: int = 0,
    output_sequence: int = 0,
) -> tuple[Expr, ...]:
    net = _network(
        "RNN", r, direction, hidden_size, layout, activations, ("tanh",), activation_alpha, activation_beta, clip
    )
    name = net.activations[0][0]
    plain = name in ("tanh", "relu") and net.activates_by(name)
    return _run(net, x, w, r, b, sequence_lens, (initial_h,), plain, {"nonlinearity": name}, (), {})


def _run(
    net: _Network,
    x: Expr,
    w: Expr,
    r: Expr,
    b: Expr | None,
    lengths: Expr | None,
    state: tuple[Expr | None, ...],
    plain: bool,
    layer: dict[str, Any],
    extra: tuple[Expr | None, ...],
    settings: dict[str, Any],
) -> tuple[Expr, ...]:
    """The outputs of a network.

    Args:
        net: What it is.
        x: Its input.
        w: The weight of the input.
        r: The weight of the state.
        b: The bias.
        lengths: How many steps each sample has.
        state: The first state.
        plain: Whether torch has it.
        layer: The settings of torch's layer.
        extra: The further operands of the loop.
        settings: Its further settings.
    """
    if net.batch_first:
        x = x.transpose(0, 1)
        state = tuple(None if value is None else value.transpose(0, 1) for value in state)
    _check_shapes(net, x, {"weight": w, "recurrent weight": r, "bias": b}, lengths, state, extra)
    lengths = None if _are_full(lengths, x) else lengths
    weights = _weights(net, w, r, b) if plain and lengths is None else None
    if weights is None:
        loop = getattr(runtime, net.kind.lower())
        y, *last = loop(x, w, r, b, lengths, *state, *extra, **net.settings(), **settings)
    else:
        y, *last = _layer(net, x, _state(net, x, state), weights, b is not None, layer)
    if not net.batch_first:
        return (y, *last)
    return (y.permute(2, 0, 1, 3), *(value.transpose(0, 1) for value in last))


def _check_shapes(
    net: _Network,
    x: Expr,
    weights: dict[str, Expr | None],
    lengths: Expr | None,
    state: tuple[Expr | None, ...],
    peepholes: tuple[Expr | None, ...],
) -> None:
    """Refuse operands that are not of one network: x is [steps, batch, inputs]."""
    call = f"a recurrent network in {net.directions} direction(s) with a state of {net.hidden}"
    rows = len(_GATES[net.kind]) * net.hidden
    demand_rank(call, x.fact, 3, 3)
    if x.dims is not None and x.dims[0] == 0:
        raise FactError(f"{call} of no steps")
    _, batch, inputs = (None, None, None) if x.dims is None else x.dims
    shapes = {"weight": (rows, inputs), "recurrent weight": (rows, net.hidden), "bias": (2 * rows,)}
    operands = [(name, value, shapes[name]) for name, value in weights.items()]
    operands += [("first state", value, (batch, net.hidden)) for value in state]
    operands += [("peepholes", value, (3 * net.hidden,)) for value in peepholes]
    for name, value, sizes in operands:
        demand_shape(call, name, None if value is None else value.fact, net.directions, *sizes)
    demand_shape(call, "lengths", None if lengths is None else lengths.fact, batch)


def _are_full(lengths: Expr | None, x: Expr) -> bool:
    """Whether every sample is known to have all the steps."""
    known = None if lengths is None else lengths.fact.value
    return known is not None and x.dims is not None and all(same(int(n), x.dims[0]) is True for n in known.flat)


def _layer(
    net: _Network, x: Expr, state: tuple[Expr, ...], weights: list[Expr], bias: bool, settings: dict[str, Any]
) -> tuple[Expr, ...]:
    both = net.directions == 2
    if net.direction == "reverse":
        x = x.flip(0)
    result: Any = call(
        f"nn.{net.kind}",
        (x, *state, *weights),
        hidden_size=net.hidden,
        bidirectional=both,
        bias=bias,
        state=bool(state),
        **settings,
    )
    y, last = result
    if net.direction == "reverse":
        y = y.flip(0)
    y = y.unflatten(-1, (2, net.hidden)).transpose(1, 2) if both else y.unsqueeze(1)
    return (y, *last) if isinstance(last, tuple) else (y, last)


def _weights(net: _Network, w: Expr, r: Expr, b: Expr | None) -> list[Expr] | None:
    """For each direction torch's weight_ih, weight_hh, bias_ih and bias_hh; None where they are computed."""
    gates, directions, size = _GATES[net.kind], net.directions, net.hidden
    refs = [tensor_ref(expr) for expr in (w, r, b) if expr is not None]
    if not all(refs):
        return None
    inputs, hidden, *biases = (ref for ref in refs if ref is not None)
    rows = len(gates) * size
    tensors: list[TensorRef] = []
    for position in range(directions):
        parts = [inputs.select(0, position), hidden.select(0, position)]
        for bias in biases:
            own = bias.select(0, position)
            parts += [own.slice(0, 0, rows), own.slice(0, rows, 2 * rows)]
        tensors += [part.take_rows(gates, len(gates)) for part in parts]
    return [weight(tensor) for tensor in tensors]


def _state(net: _Network, x: Expr, state: tuple[Expr | None, ...]) -> tuple[Expr, ...]:
    """The first state, or nothing where it is the zeros that torch starts with anyway."""
    if all(value is None or value.fact.fill == 0 for value in state):
        return ()
    zeros = torch.zeros(net.directions, x.shape[1], net.hidden, dtype=x.dtype)
    return tuple(zeros if value is None else value for value in state)
