"""The gradient of a kernel as another kernel, by the rules of derivatives; where one is missing torch finds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dataflow_ir import topo

from codegen_torch.expr import Expr, graph_input
from codegen_torch.facts import Fact
from codegen_torch.kernels.kernel import Kernel
from codegen_torch.kernels.rotation import ROTATIONS, is_read_elsewhere
from codegen_torch.kernels.scalar import ALONG, ROW_MEAN, ROW_SUM
from codegen_torch.kernels.select import LARGEST
from codegen_torch.symbols.namespaces import torch

_Parts = list[Expr | None]
_Rule = Callable[[Expr, Expr], _Parts]


@dataclass(slots=True)
class Gradient:
    """The gradient of a kernel.

    Attributes:
        kernel: Takes the gradients of the results, and those of the kernel's parameters and numbers that it needs.
        gives: For each parameter what its gradient is called: the place of a result, or one of the gradients it takes.
    """

    kernel: Kernel
    gives: dict[str, str]


def gradient_of(kernel: Kernel) -> Gradient | None:
    """The gradient by all parameters that are floats, or None where a step has no rule here."""
    if not all(value.dtype.is_float for value in (*kernel.steps, *kernel.results)):
        return None
    if not all(step.op in _RULES for step in kernel.steps) or any(map(kernel.is_narrow, kernel.results)):
        return None
    given = [_given(kernel, index) for index in range(len(kernel.results))]
    adjoints: dict[Expr, Expr] = {}
    for result, gradient in zip(kernel.results, given, strict=True):
        _accumulate(adjoints, result, gradient)
    for step in reversed(kernel.steps):
        if step in adjoints:
            parts = _RULES[step.op](step, adjoints[step])
            for operand, part in zip(step.inputs, parts, strict=True):
                if operand is not None and part is not None and operand.op != "literal":
                    _accumulate(adjoints, operand, part)
    wanted = {param: adjoints[param] for param in kernel.params if param.dtype.is_float and param in adjoints}
    rotated = {step.inputs[0] for step in kernel.steps if step.op in ROTATIONS}
    if rotated:  # nobody trains the angles
        wanted = {param: value for param, value in wanted.items() if param in rotated}
    results = list(dict.fromkeys(value for value in wanted.values() if value not in given))
    if not results:
        return None
    order: list[Any] = topo(results)
    steps = [expr for expr in order if expr.inputs]
    known = [each for each in (*given, *kernel.params) if each in set(order)]
    numbers = [number for number in kernel.numbers if number in set(order)]
    if len(steps) > 2 * LARGEST or not all(is_read_elsewhere(step) for step in steps if step.op in ROTATIONS):
        return None
    names = {value: f"d{param.attrs['name']}" for param, value in reversed(wanted.items())}
    names |= {value: value.attrs["name"] for value in given}
    whole_rows = kernel.whole_rows
    made = Kernel(
        known, numbers, steps, results, whole_rows, f"{kernel.name}_gradient", outs=[names[v] for v in results]
    )
    return Gradient(made, {param.attrs["name"]: names[value] for param, value in wanted.items()})


def _given(kernel: Kernel, index: int) -> Expr:
    fact = kernel.results[index].fact
    name = "gradient" if len(kernel.results) == 1 else f"gradient{index + 1}"
    return graph_input(name, Fact(fact.dtype, fact.dims))


def _accumulate(adjoints: dict[Expr, Expr], value: Expr, part: Expr) -> None:
    adjoints[value] = adjoints[value] + part if value in adjoints else part


def _row(op: str, x: Expr) -> Expr:
    """The mean or sum of each row, beside which a row is computed."""
    return Expr(op, (x,), {}, {}, Fact(x.dtype, x.dims))


def _add(step: Expr, a: Expr) -> _Parts:
    return [a, a]


def _sub(step: Expr, a: Expr) -> _Parts:
    return [a, -a if step.inputs[1].op != "literal" else None]


def _mul(step: Expr, a: Expr) -> _Parts:
    x, y = step.inputs
    return [a * y if x.op != "literal" else None, a * x if y.op != "literal" else None]


def _div(step: Expr, a: Expr) -> _Parts:
    x, y = step.inputs
    return [a / y if x.op != "literal" else None, -(a * x / (y * y)) if y.op != "literal" else None]


def _unary(derivative: Callable[[Expr, Expr], Expr]) -> _Rule:
    """A function of one operand, whose derivative is told by the operand and the result."""
    return lambda step, a: [a * derivative(step.inputs[0], step)]


def _gelu(step: Expr, a: Expr) -> _Parts:
    x = step.inputs[0]
    if step.attrs.get("approximate", "none") == "tanh":
        bent = torch.sigmoid((x + x * x * x * 0.044715) * 1.5957691216057308)
        slope = bent + x * bent * (1.0 - bent) * (x * x * 0.2140644488178073 + 1.5957691216057308)
    else:
        bell = torch.exp(x * x * -0.5) * 0.3989422804014327
        slope = (torch.erf(x * 0.7071067811865476) + 1.0) * 0.5 + x * bell
    return [a * slope]


def _rotate(step: Expr, a: Expr) -> _Parts:
    """Turning back is turning on, and negating."""
    return [-Expr(step.op, (a,), {}, {}, a.fact)]


def _silu(step: Expr, a: Expr) -> _Parts:
    x = step.inputs[0]
    rise = torch.sigmoid(x)
    return [a * (rise * (x * (1.0 - rise) + 1.0))]


def _relu(step: Expr, a: Expr) -> _Parts:
    return [torch.where(torch.gt(step.inputs[0], 0.0), a, 0.0)]


def _layer_norm(step: Expr, a: Expr) -> _Parts:
    x, eps, *affine = step.inputs
    centred = x - _row(ROW_MEAN, x)
    scale = torch.rsqrt(_row(ROW_MEAN, centred * centred) + eps)
    standard = centred * scale
    slope = a * affine[0] if affine else a
    back = (slope - _row(ROW_MEAN, slope) - standard * _row(ROW_MEAN, slope * standard)) * scale
    return [back, None, *[a * standard, a][: len(affine)]]


def _rms_norm(step: Expr, a: Expr) -> _Parts:
    x, eps, *affine = step.inputs
    scale = torch.rsqrt(_row(ROW_MEAN, x * x) + eps)
    standard = x * scale
    slope = a * affine[0] if affine else a
    back = (slope - standard * _row(ROW_MEAN, slope * standard)) * scale
    return [back, None, *[a * standard][: len(affine)]]


def _reduction(op: str) -> _Rule:
    """What a row's one value contributes to is summed up here alone: what is done with it treats all elements alike."""

    def rule(step: Expr, a: Expr) -> _Parts:
        x = step.inputs[0]
        return [Expr(ALONG, (_row(op, a), x), {}, {}, Fact(x.dtype, x.dims))]

    return rule


def _softmax(step: Expr, a: Expr) -> _Parts:
    weighted = a * step
    return [weighted - step * _row(ROW_SUM, weighted)]


_RULES: dict[str, _Rule] = {
    "F.gelu": _gelu,
    "F.layer_norm": _layer_norm,
    "F.log_softmax": lambda step, a: [a - torch.exp(step) * _row(ROW_SUM, a)],
    "F.relu": _relu,
    "F.rms_norm": _rms_norm,
    "F.silu": _silu,
    "F.softmax": _softmax,
    **dict.fromkeys(ROTATIONS, _rotate),
    "Tensor.mean": _reduction(ROW_MEAN),
    "Tensor.sum": _reduction(ROW_SUM),
    "operator.add": _add,
    "operator.mul": _mul,
    "operator.neg": lambda step, a: [-a],
    "operator.sub": _sub,
    "operator.truediv": _div,
    "torch.cos": _unary(lambda x, y: -torch.sin(x)),
    "torch.erf": _unary(lambda x, y: torch.exp(x * x * -1.0) * 1.1283791670955126),
    "torch.exp": _unary(lambda x, y: y),
    "torch.log": _unary(lambda x, y: torch.reciprocal(x)),
    "torch.rsqrt": _unary(lambda x, y: y * y * y * -0.5),
    "torch.sigmoid": _unary(lambda x, y: y * (1.0 - y)),
    "torch.sin": _unary(lambda x, y: torch.cos(x)),
    "torch.sqrt": _unary(lambda x, y: 0.5 / y),
    "torch.tanh": _unary(lambda x, y: 1.0 - y * y),
}
"""What a step's operands contribute to, given the step and the gradient of its result."""
