"""Computes a graph of expressions with torch itself, so that operators and passes are tested without emission.

What a symbol means is stated a second time here, on purpose: by the torch function of its name, or, where its
operands come in another order than torch's, by an entry of one of the tables below.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import operator
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from codegen_torch import runtime
from codegen_torch.blocks import blocks_of, has_blocks, loop_parts
from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, Slot
from codegen_torch.runtime import sequence
from codegen_torch.symbols import SYMBOLS, Kind
from codegen_torch.tensors import TensorRef
from dataflow_ir import topo
from torch import Tensor


def interpret(outputs: Mapping[str, Expr], inputs: Mapping[str, Tensor], stated: Iterable[Expr] = ()) -> dict[str, Any]:
    """Compute the outputs of a graph.

    Args:
        outputs: The expressions to compute, by name.
        inputs: The graph's inputs by name.
        stated: The graph's input expressions, needed where only the size of one is left in the graph.

    Returns:
        The value of each output: a tensor, or a Python value where the expression is a host value.

    Raises:
        ValueError: Two inputs give one symbolic size different values, or differ from their stated type.
    """
    known = [expr for expr in topo(list(outputs.values())) if expr.op == "input"]
    sizes = _sizes([*stated, *known], inputs)
    values = _computed(outputs.values(), {expr: inputs[expr.attrs["name"]] for expr in known}, sizes)
    return dict(zip(outputs, values, strict=True))


def _computed(results: Iterable[Expr], given: Mapping[Expr, Any], sizes: Mapping[str, int]) -> list[Any]:
    """The values of a graph, or of a block, whose inputs are given."""
    values = dict(given)
    wanted = list(results)
    for expr in topo(wanted):
        if expr in values:
            continue
        if expr.op in ("weight", "constant"):
            values[expr] = tensor_of(expr.attrs["ref"])
        elif expr.op == "literal":
            values[expr] = _attribute(expr.attrs["value"], (), sizes)
        else:
            operands = tuple(None if operand is None else values[operand] for operand in expr.inputs)
            values[expr] = _control(expr, operands, sizes) if has_blocks(expr) else _apply(expr, operands, sizes)
    return [values[expr] for expr in wanted]


def _control(expr: Expr, operands: tuple[Any, ...], sizes: Mapping[str, int]) -> tuple[Any, ...]:
    """The values of a branch or loop."""
    values = dict(zip(expr.inputs, operands, strict=True))
    if expr.op == "control.branch":
        block = blocks_of(expr)["then" if operands[0] else "orelse"]
        given = {param: values[value] for param, value in zip(block.code.captured, block.captures, strict=True)}
        return tuple(_computed(block.code.body, given, sizes))
    parts = loop_parts(expr)
    captured = zip(parts.block.code.captured, parts.block.captures, strict=True)
    given = {param: values[value] for param, value in captured}
    carried = [values[value] for value in parts.initial]
    lists: list[list[Any]] = [[] for _ in parts.collected]
    goes_on = parts.cond is None or bool(operands[1])
    steps = itertools.count() if parts.count is None else range(operands[0])
    rows = zip(*(values[value] for value in parts.scanned), strict=True) if parts.scanned else itertools.repeat(())
    for index, row in zip(steps, rows, strict=False):
        if not goes_on:
            break
        given |= {parts.index: index, **dict(zip(parts.carried, carried, strict=True))}
        given |= dict(zip(parts.elements, row, strict=True))
        results = _computed(parts.block.code.body, given, sizes)
        goes_on = parts.going_on is None or bool(results.pop(0))
        carried = results[: len(carried)]
        for values_so_far, value in zip(lists, results[len(carried) :], strict=True):
            values_so_far.append(value)
    return (*carried, *lists)


def tensor_of(ref: TensorRef) -> Tensor | Any:
    """A stored tensor as torch's; strings stay a numpy array."""
    array = ref.numpy().copy()
    if ref.dtype is DType.STRING:
        return array
    return torch.from_numpy(array).view(getattr(torch, ref.dtype.held.value))


def _sizes(exprs: list[Expr], inputs: Mapping[str, Tensor]) -> dict[str, int]:
    """What each symbolic size is, read off the inputs."""
    sizes: dict[str, int] = {}
    for expr in exprs:
        name, tensor = expr.attrs["name"], inputs[expr.attrs["name"]]
        if isinstance(tensor, Tensor) and tensor.dtype is not getattr(torch, expr.dtype.held.value):
            raise ValueError(f"input {name} is {tensor.dtype}, not {expr.dtype}")
        if expr.dims is None:
            continue
        if tensor.ndim != len(expr.dims):
            raise ValueError(f"input {name} has {tensor.ndim} dimensions, not {len(expr.dims)}")
        for dim, size in zip(expr.dims, tensor.shape, strict=True):
            expected = sizes.setdefault(dim.name or "", size) if isinstance(dim, Dim) else dim
            if expected != size:
                raise ValueError(f"a dimension of input {name} is {size}, not {dim} = {expected}")
    return sizes


def _attribute(value: Any, operands: tuple[Any, ...], sizes: Mapping[str, int]) -> Any:
    """An attribute as torch takes it: slots, sizes and types replaced."""
    if isinstance(value, Slot):
        return operands[value.index]
    if isinstance(value, Dim):
        return eval(value.text(lambda name: f"sizes[{name!r}]"), {"min": min, "sizes": sizes})
    if isinstance(value, DType):
        return getattr(torch, value.held.value)
    if isinstance(value, tuple):
        return tuple(_attribute(item, operands, sizes) for item in value)
    return value


def _apply(expr: Expr, operands: tuple[Any, ...], sizes: Mapping[str, int]) -> Any:
    if expr.op == "operator.getitem":
        return operands[0][expr.attrs["index"]]
    symbol = SYMBOLS[expr.op]
    attributes = {name: _attribute(value, operands, sizes) for name, value in expr.attrs.items()}
    arguments: dict[str, Any] = {}
    position = 0
    for parameter in symbol.parameters:
        if parameter.kind is Kind.TENSORS:
            arguments[parameter.name] = list(operands)
        elif parameter.is_input:
            arguments[parameter.name] = operands[position]
            position += 1
        elif parameter.name in attributes:
            arguments[parameter.name] = attributes[parameter.name]
    if expr.op in _SPELLED:
        return _SPELLED[expr.op](**arguments)
    if expr.op in _LAYERS:
        return _LAYERS[expr.op](*operands, **attributes)
    positional: list[Any] = []
    for parameter in symbol.parameters:
        if parameter.keyword:
            break
        if parameter.spread:
            positional.extend(arguments.pop(parameter.name))
        elif parameter.name in arguments and len(positional) == symbol.parameters.index(parameter):
            positional.append(arguments.pop(parameter.name))
    return _function(expr.op)(*positional, **arguments)


def _function(name: str) -> Callable[..., Any]:
    namespace, _, function = name.partition(".")
    if namespace == "runtime":
        for module in pkgutil.iter_modules(runtime.__path__, runtime.__name__ + "."):
            found = getattr(importlib.import_module(module.name), function, None)
            if found is not None:
                return found  # type: ignore[no-any-return]
    if namespace == "torch" and function in ("eq", "ne", "lt", "le", "gt", "ge"):  # they are written as signs
        return getattr(operator, function)  # type: ignore[no-any-return]
    places = {"torch": torch, "F": F, "operator": operator, "Tensor": Tensor}
    return operator.attrgetter(function)(places[namespace])  # type: ignore[no-any-return]


def _slice(x: Tensor, dim: int, start: int = 0, stop: int | None = None, step: int = 1) -> Tensor:
    return x[(slice(None),) * (dim % x.ndim) + (slice(start, stop, step),)]


def _slices(x: Tensor, cuts: tuple[tuple[int, int, int | None, int], ...]) -> Tensor:
    return functools.reduce(lambda part, cut: _slice(part, *cut), cuts, x)


def _spread(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    return functools.reduce(Tensor.unsqueeze, dims, x)


def _layer_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float = 1e-5, **shape: Any) -> Tensor:
    normalized_shape = shape.get("normalized_shape") or weight.shape  # type: ignore[union-attr]
    return F.layer_norm(x, normalized_shape, weight, bias, eps)


def _rms_norm(x: Tensor, weight: Tensor | None, eps: float | None = None, **shape: Any) -> Tensor:
    return F.rms_norm(x, shape.get("normalized_shape") or weight.shape, weight, eps)  # type: ignore[union-attr]


def _group_norm(x: Tensor, weight: Tensor, bias: Tensor, num_groups: int, eps: float = 1e-5) -> Tensor:
    return F.group_norm(x, num_groups, weight, bias, eps)


def _instance_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    return F.instance_norm(x, weight=weight, bias=bias, eps=eps)


def _recurrent(
    kind: str,
    tensors: list[Tensor],
    hidden_size: int,
    num_layers: int = 1,
    nonlinearity: str = "tanh",
    bias: bool = True,
    batch_first: bool = False,
    bidirectional: bool = False,
    state: bool = False,
) -> tuple[Tensor, Any]:
    states = 2 if kind == "lstm" else 1
    x, *rest = tensors
    zeros = x.new_zeros(num_layers * (2 if bidirectional else 1), x.shape[0 if batch_first else 1], hidden_size)
    initial, weights = (rest[:states], rest[states:]) if state else ([zeros] * states, rest)
    name = f"rnn_{nonlinearity}" if kind == "rnn" else kind
    first = initial if kind == "lstm" else initial[0]
    y, *last = getattr(torch, name)(x, first, weights, bias, num_layers, 0.0, False, bidirectional, batch_first)
    return y, tuple(last) if kind == "lstm" else last[0]


def _inserted(xs: list[Any], x: Any, position: int | None = None) -> list[Any]:
    at = len(xs) if position is None else position
    return [*xs[:at], x, *xs[at:]]


_SPELLED: dict[str, Callable[..., Any]] = {
    "list.of": lambda values: [*values],
    "list.item": lambda xs, position: xs[position],
    "list.inserted": _inserted,
    "list.without": lambda xs, position=-1: [x for at, x in enumerate(xs) if at != position % len(xs)],
    "list.len": lambda xs: len(xs),  # noqa: PLW0108  # called by keyword
    "list.split": lambda x, split_size, dim=0: list(x.split(split_size, dim)),
    "list.unbind": lambda x, dim=0: list(x.unbind(dim)),
    "list.reversed": lambda xs: xs[::-1],
    "list.cat": lambda xs, dim=0: torch.cat(xs, dim),
    "list.stack": lambda xs, dim=0: torch.stack(xs, dim),
    "maybe.is_there": lambda x: x is not None,
    "maybe.is_missing": lambda x: x is None,
    "maybe.value": lambda x: x,
    "runtime.stack": lambda xs, shape, dim, dtype: sequence.stack(xs, shape, dim, dtype, torch.device("cpu")),
    "host.size": lambda x, axis: x.shape[axis],
    "host.item": lambda x: x.item(),
    "host.tolist": lambda x: x.tolist(),
    "host.shape": lambda x: torch.tensor(x.shape),
    "host.tensor": lambda values, dtype: torch.tensor(values, dtype=dtype),
    "index.slice": _slice,
    "index.slices": _slices,
    "index.spread": _spread,
    "index.select": lambda x, dim, index: x.select(dim, index),
    "index.take": lambda x, indices, dim: x[(slice(None),) * (dim % x.ndim) + (indices,)],
    "index.tuple": lambda tensors: tensors[0][tuple(tensors[1:])],
    "torch.einsum": lambda tensors, equation: torch.einsum(equation, *tensors),
    "torch.gather": lambda x, index, dim: torch.gather(x, dim, index),
    "torch.zeros": lambda size, dtype: torch.zeros(size, dtype=dtype),
    "torch.ones": lambda size, dtype: torch.ones(size, dtype=dtype),
    "Tensor.scatter": lambda x, index, src, dim: x.scatter(dim, index, src),
    "Tensor.scatter_reduce": lambda x, index, src, dim, reduce: x.scatter_reduce(dim, index, src, reduce),
    "Tensor.index_put": lambda tensors, accumulate=False: tensors[0].index_put(tensors[2:], tensors[1], accumulate),
    "F.layer_norm": _layer_norm,
    "F.rms_norm": _rms_norm,
    "nn.LayerNorm": _layer_norm,
    "nn.RMSNorm": _rms_norm,
    "nn.GRU": functools.partial(_recurrent, "gru"),
    "nn.LSTM": functools.partial(_recurrent, "lstm"),
    "nn.RNN": functools.partial(_recurrent, "rnn"),
}

# Layers that are functions of the same operands in the same order.
_LAYERS: dict[str, Callable[..., Any]] = {
    "nn.Linear": F.linear,
    "nn.Embedding": F.embedding,
    "nn.PReLU": F.prelu,
    **{f"nn.Conv{n}d": getattr(F, f"conv{n}d") for n in (1, 2, 3)},
    **{f"nn.ConvTranspose{n}d": getattr(F, f"conv_transpose{n}d") for n in (1, 2, 3)},
    **{f"nn.BatchNorm{n}d": F.batch_norm for n in (1, 2, 3)},
    **{f"nn.InstanceNorm{n}d": _instance_norm for n in (1, 2, 3)},
    "nn.GroupNorm": _group_norm,
}
