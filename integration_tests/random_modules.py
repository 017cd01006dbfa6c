"""Random trees of modules, as people write them: classes made as they are drawn, nested, repeated and in sequences."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor, nn

WIDTH = 16
HEADS = 4
Forward = Callable[[nn.Module, Tensor], Tensor]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a module is made of, as hypothesis draws it.

    Attributes:
        kind: A layer, an activation, or the name of a way to combine parts.
        parts: The plans of the parts, empty for layers.
        number: What a layer needs to know: a width, or which activation.
    """

    kind: str
    parts: tuple[Plan, ...] = ()
    number: int = 0


ACTIVATIONS = (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
LAYERS = ("linear", "norm", "rms_norm", "feed_forward", "attention", "gated")


def plans() -> st.SearchStrategy[Plan]:
    """Modules that take and return [batch, seq, 16], of up to three levels."""
    layers = st.builds(Plan, st.sampled_from(LAYERS), number=st.sampled_from((8, 24, 32)))
    return st.recursive(layers, _combined, max_leaves=6).map(lambda plan: Plan("chain", (plan,)))


def _combined(inner: st.SearchStrategy[Plan]) -> st.SearchStrategy[Plan]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Plan, st.just("sequential"), several, st.integers(0, len(ACTIVATIONS) - 1)),
        st.builds(Plan, st.just("chain"), several),
        st.builds(Plan, st.just("residual"), st.tuples(inner)),
        st.builds(Plan, st.just("repeat"), st.tuples(inner), st.integers(2, 3)),
        st.builds(Plan, st.just("sum"), st.tuples(inner, inner)),
    )


def build(plan: Plan) -> nn.Module:
    """The module of a plan, with random weights."""
    classes: dict[Plan, type[nn.Module]] = {}
    return _built(plan, classes)


def _built(plan: Plan, classes: dict[Plan, type[nn.Module]]) -> nn.Module:
    if plan.kind == "linear":
        return nn.Linear(WIDTH, WIDTH)
    if plan.kind == "norm":
        return nn.LayerNorm(WIDTH)
    if plan.kind == "rms_norm":
        return nn.RMSNorm(WIDTH, eps=1e-6)
    if plan.kind == "sequential":
        first, *rest = (_built(part, classes) for part in plan.parts)
        return nn.Sequential(first, ACTIVATIONS[plan.number](), *rest)
    if plan not in classes:
        classes[plan] = _class_of(plan, classes)
    return classes[plan]()


def _class_of(plan: Plan, classes: dict[Plan, type[nn.Module]]) -> type[nn.Module]:
    """A class of its own for every plan, and the same one wherever the plan is met again."""
    members, forward = _MAKERS[plan.kind](plan, lambda part: _built(part, classes))

    def init(self: nn.Module) -> None:
        nn.Module.__init__(self)
        for name, make in members.items():
            setattr(self, name, make())

    name = f"{plan.kind.title().replace('_', '')}{len(classes)}"
    return type(name, (nn.Module,), {"__init__": init, "forward": forward})


Members = dict[str, Callable[[], nn.Module]]
Make = Callable[[Plan], nn.Module]


def _feed_forward(plan: Plan, make: Make) -> tuple[Members, Forward]:
    members: Members = {
        "fc1": lambda: nn.Linear(WIDTH, plan.number),
        "act": nn.GELU,
        "fc2": lambda: nn.Linear(plan.number, WIDTH),
    }
    return members, lambda self, x: self.fc2(self.act(self.fc1(x)))


def _gated(plan: Plan, make: Make) -> tuple[Members, Forward]:
    members: Members = {
        "gate_proj": lambda: nn.Linear(WIDTH, plan.number, bias=False),
        "up_proj": lambda: nn.Linear(WIDTH, plan.number, bias=False),
        "down_proj": lambda: nn.Linear(plan.number, WIDTH, bias=False),
    }
    return members, lambda self, x: self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


def _attention(plan: Plan, make: Make) -> tuple[Members, Forward]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        batch, seq, _ = x.shape
        q, k, v = (
            layer(x).view(batch, seq, HEADS, WIDTH // HEADS).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.out(attended.transpose(1, 2).reshape(batch, seq, WIDTH))

    return {name: lambda: nn.Linear(WIDTH, WIDTH) for name in ("query", "key", "value", "out")}, forward


def _chain(plan: Plan, make: Make) -> tuple[Members, Forward]:
    names = [f"{part.kind}_{place}" for place, part in enumerate(plan.parts)]

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        for name in names:
            x = getattr(self, name)(x)
        return x

    return {name: lambda part=part: make(part) for name, part in zip(names, plan.parts, strict=True)}, forward


def _residual(plan: Plan, make: Make) -> tuple[Members, Forward]:
    members: Members = {"norm": lambda: nn.LayerNorm(WIDTH), "body": lambda: make(plan.parts[0])}
    return members, lambda self, x: x + self.body(self.norm(x))


def _repeat(plan: Plan, make: Make) -> tuple[Members, Forward]:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    return {"layers": lambda: nn.ModuleList(make(plan.parts[0]) for _ in range(plan.number))}, forward


def _sum(plan: Plan, make: Make) -> tuple[Members, Forward]:
    left, right = plan.parts
    members: Members = {"left": lambda: make(left), "right": lambda: make(right)}
    return members, lambda self, x: self.left(x) + self.right(torch.tanh(x))


_MAKERS: dict[str, Callable[[Plan, Make], tuple[Members, Forward]]] = {
    "attention": _attention,
    "chain": _chain,
    "feed_forward": _feed_forward,
    "gated": _gated,
    "repeat": _repeat,
    "residual": _residual,
    "sum": _sum,
}
