"""Derivatives and steps of optimizers: ai.onnx.preview.training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from dataflow_ir import nodes

from codegen_torch.blocks import close, gradient, parameter
from codegen_torch.expr import Expr
from codegen_torch.facts import Fact
from codegen_torch.lower.registry import Context, NotApplicable, op
from codegen_torch.symbols.namespaces import runtime

DOMAIN = "ai.onnx.preview.training"


def _stepped(step: Callable[..., tuple[Expr, ...]], tensors: tuple[Expr, ...], kinds: int) -> tuple[Expr, ...]:
    """The results for all tensors: first what each becomes, then each kind of what is accumulated.

    Args:
        step: Gives the results for one tensor.
        tensors: All values, then all gradients, then all of each kind that is accumulated.
        kinds: How many kinds of tensors there are.
    """
    count, rest = divmod(len(tensors), kinds)
    if rest or not count:
        raise NotApplicable(f"{len(tensors)} tensors, which do not make groups of {kinds}")
    results = [step(*tensors[position::count]) for position in range(count)]
    return tuple(result for kind in zip(*results, strict=True) for result in kind)


@op("Adagrad", since=1, domain=DOMAIN)
def adagrad(
    r: Expr,
    t: Expr,
    *tensors: Expr,
    decay_factor: float = 0.0,
    epsilon: float = 1e-6,
    norm_coefficient: float = 0.0,
) -> tuple[Expr, ...]:
    def step(*own: Expr) -> Any:
        return runtime.adagrad_step(r, t, *own, norm=norm_coefficient, decay=decay_factor, eps=epsilon)

    return _stepped(step, tensors, 3)


@op("Adam", since=1, domain=DOMAIN)
def adam(
    r: Expr,
    t: Expr,
    *tensors: Expr,
    alpha: float = 0.9,
    beta: float = 0.999,
    epsilon: float = 1e-6,
    norm_coefficient: float = 0.0,
    norm_coefficient_post: float = 0.0,
) -> tuple[Expr, ...]:
    def step(*own: Expr) -> Any:
        return runtime.adam_step(
            r, t, *own, alpha=alpha, beta=beta, norm=norm_coefficient, norm_post=norm_coefficient_post, eps=epsilon
        )

    return _stepped(step, tensors, 4)


@op("Momentum", since=1, domain=DOMAIN)
def momentum(
    r: Expr, t: Expr, *tensors: Expr, alpha: float, beta: float, mode: str, norm_coefficient: float
) -> tuple[Expr, ...]:
    if mode not in ("standard", "nesterov"):
        raise NotApplicable(f"mode {mode!r} is not known")

    def step(*own: Expr) -> Any:
        return runtime.momentum_step(
            r, t, *own, alpha=alpha, beta=beta, norm=norm_coefficient, nesterov=mode == "nesterov"
        )

    return _stepped(step, tensors, 3)


@op("Gradient", since=1, domain=DOMAIN)
def gradient_(
    *inputs: Expr, xs: tuple[str, ...], y: str, zs: tuple[str, ...] = (), context: Context
) -> tuple[Expr, ...]:
    """The derivatives of the sum of ``y`` by each of ``xs``, where these and ``zs`` have the values of the inputs.

    What the graph computes between them becomes a function.
    """
    site = context.subgraphs
    assert site is not None
    if len(inputs) != len(xs) + len(zs):
        raise NotApplicable(f"{len(inputs)} inputs for {len(xs)} and {len(zs)} names")
    if any(not value.dtype.is_float for value in inputs[: len(xs)]):
        raise NotApplicable("a derivative by what is no floating-point number")
    number = site.number()
    params = [parameter(name, value.fact) for name, value in zip(xs, inputs, strict=False)]
    values = [site.named(name) for name in (*xs, *zs)]
    result = _replaced(site.named(y), dict(zip(values, (*params, *inputs[len(xs) :]), strict=True)), number)
    facts = tuple(Fact(value.dtype, value.dims) for value in inputs[: len(xs)])
    return gradient(inputs[: len(xs)], close(number, params, [result]), facts)


def _replaced(result: Expr, by: Mapping[Expr, Expr], number: int) -> Expr:
    """A result computed from other values, in the block with this number."""
    made: dict[Expr, Expr] = dict(by)
    order: list[Any] = nodes([result])
    for expr in order:
        inputs = tuple(None if value is None else made.get(value, value) for value in expr.inputs)
        if expr in made or inputs == expr.inputs:
            continue
        made[expr] = expr.rebuild(inputs)
        made[expr].meta["origin"] = dataclasses.replace(expr.origin, block=number)
    return made.get(result, result)
