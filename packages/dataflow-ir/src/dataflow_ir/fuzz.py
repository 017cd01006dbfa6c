"""Random graphs, for testing what works on graphs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dataflow_ir.functions import call, close
from dataflow_ir.node import Node, const, inp
from dataflow_ir.values import FrozenDict

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

OPS: Mapping[str, int] = MappingProxyType({"neg": 1, "abs": 1, "add": 2, "sub": 2, "mul": 2, "where": 3})
"""The default operations and how many inputs each takes."""

VALUES: Sequence[Hashable] = (0, 1, -1, 2, True, 0.0, -0.0, 1.0, 0.5, float("inf"), float("nan"), "a", b"a", (1, 1.0))
"""Values that are easily mistaken for each other."""


def grow(
    random: Random,
    size: int = 20,
    *,
    ops: Mapping[str, int] = OPS,
    values: Sequence[Hashable] = VALUES,
    inputs: Sequence[str] = ("x", "y", "z"),
    cycles: int = 0,
    absent: float = 0.0,
    attrs: float = 0.3,
    functions: float = 0.0,
) -> Node:
    """Return a random graph: much shared, with equal nodes that are not the same, and maybe with cycles.

    Args:
        random: Where chance comes from.
        size: How many nodes to make beside the inputs; some may not be reached from the result.
        ops: Operations and how many inputs each takes.
        values: What constants and attributes are drawn from.
        inputs: The names of the inputs.
        cycles: How many edges to bend to a random node; most of them close a cycle.
        absent: The probability that an operand is None.
        attrs: The probability that a node has an attribute.
        functions: The probability that a node is a call of a function of its own.

    >>> from dataflow_ir import iscyclic
    >>> iscyclic(grow(Random(0), 50)), iscyclic(grow(Random(0), 50, cycles=5))
    (False, True)
    """
    pool: list[Node] = [inp(name) for name in inputs]
    for _ in range(size):
        if random.random() < 0.15:
            pool.append(const(random.choice(values)))
            continue
        if random.random() < functions:
            pool.append(_call(random, pool, ops))
            continue
        op = random.choice(list(ops))
        operands = [None if random.random() < absent else _recent(random, pool) for _ in range(ops[op])]
        some = {"mode": random.choice(values)} if random.random() < attrs else {}
        pool.append(Node(op, tuple(operands), FrozenDict(some)))
    for _ in range(cycles):
        v = random.choice(pool)
        if v.inputs:
            v[random.randrange(len(v.inputs))] = random.choice(pool)
    return pool[-1]


def _recent(random: Random, pool: list[Node]) -> Node:
    return pool[-1 - int(len(pool) * random.random() ** 2)]


def _call(random: Random, pool: list[Node], ops: Mapping[str, int]) -> Node:
    params = [inp("p"), inp("q")]
    inner: list[Node] = [*params, _recent(random, pool)]
    for _ in range(random.randrange(1, 5)):
        op = random.choice(list(ops))
        inner.append(Node(op, tuple([_recent(random, inner) for _ in range(ops[op])])))
    return call(close(params, inner[-1]), _recent(random, pool), _recent(random, pool))


def strategy(max_size: int = 30, *, max_cycles: int = 0, **options: Any) -> SearchStrategy[Node]:
    """Return a hypothesis strategy of graphs made by `grow`. Needs hypothesis installed.

    Args:
        max_size: The largest ``size``.
        max_cycles: The largest number of bent edges.
        **options: Further arguments of `grow`.
    """
    from hypothesis import strategies as st  # noqa: PLC0415 - needed by tests alone

    return st.builds(
        lambda random, size, cycles: grow(random, size, cycles=cycles, **options),
        st.randoms(use_true_random=False),
        st.integers(1, max_size),
        st.integers(0, max_cycles),
    )
