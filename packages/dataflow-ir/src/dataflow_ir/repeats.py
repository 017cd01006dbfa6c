"""What a graph repeats, found by its structure alone.

A deep network is a few layers written out many times over. `repeats` finds them again, whatever the nodes are called,
in time that is almost linear in the graph:

1. The graph is written as a row of tokens, inputs before users (`linear`). A token says what a node does and whether
   its operands are parameters, constants or values; which values is left open, so that two layers read the same
   although their weights differ. Parameters, constants and inputs are not in the row. Any interval of such a row is
   convex (no path leaves it and comes back), so an interval can always become a call. Depth first alone would put the
   mask that all layers share into the first of them; what is used far apart is listed first instead.
2. A layer that is repeated back to back makes the row periodic. The distances from each token to the next equal one
   are counted, the most frequent distances are candidates for the period, and for each of them one pass finds the
   stretches where the row agrees with itself, shifted (`periods`). Long repeats go first, runs of at least three
   instances before pairs, and last what is repeated without being adjacent, found by numbering stretches of twice
   the length again and again.
3. A periodic stretch says how long a layer is, not where it begins. Of all phases those are tried at whose borders
   the fewest values are alive (`rounds`), and the one with the most instances wins. A layer is what little is passed
   into and out of.
4. The instances are compared in lock-step (`lockstep`): operands from inside must be the same offset in each; what
   comes from outside is a hole, and operands with the same values in all instances are the same hole
   (`generalise`). An instance that is wired differently ends the series instead of spoiling it.
5. Some instances do not read like the others: something is computed in the middle of them that they alone need, or
   beside them, like the projection that the first block of a residual network's stage adds. So a chain is followed
   through the graph, beyond its ends: what the first instance gets for the value carried along must be what one more
   instance made, and that one is matched from there down; one more instance at the end is sought among the users.
   What is found is moved together, which is possible if and only if it is convex (`arrangement`), so that everything
   found can become calls without ever closing a cycle.
6. A finished series becomes one unit of the row, and the search goes on in the shorter row, which finds repeats of
   repeats: two towers of layers. Inside each body it starts again.

Nodes on cycles have tokens that never repeat, so they are in no instance; all else in a cyclic graph is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dataflow_ir._gc import gc_paused
from dataflow_ir.arrangement import Unit
from dataflow_ir.functions import Lambda
from dataflow_ir.generalise import Bodies, Body, General, Kind
from dataflow_ir.linear import Key, Line, Predicate, Reading, in_order, is_constant
from dataflow_ir.nest import leaves
from dataflow_ir.node import Node
from dataflow_ir.rounds import Found, Options, find
from dataflow_ir.structure import labels
from dataflow_ir.values import typed


@dataclass(frozen=True, slots=True)
class Hole:
    """What the instances of a repeat may differ in: a parameter of the body.

    Attributes:
        kind: ``"shared"``: the same node in every instance. ``"carry"``: in each instance but the first, an output of
            the instance before. ``"param"``: parameters. ``"const"``: constants that are not all equal; equal ones
            are no hole but part of the body. ``"input"``: any other values.
        param: The parameter of the body that stands for it.
        values: What stands there, one node for each instance.
    """

    kind: Kind
    param: Node
    values: tuple[Node | None, ...]


@dataclass(frozen=True, slots=True)
class Instance:
    """One of the places where the body of a repeat is in the graph.

    Attributes:
        nodes: The nodes, inputs before users, in the same order as those of the repeat and of its other instances.
        args: What the body gets for each of its parameters.
        outputs: The nodes that the body returns: all that is used outside of some instance.
    """

    nodes: tuple[Node, ...]
    args: tuple[Node | None, ...]
    outputs: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Varying:
    """A node that has not the same attributes in the body and in all instances, which ``token`` allowed.

    Attributes:
        at: Which of the nodes.
        attrs: Its attributes in each instance.
    """

    at: int
    attrs: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Something that a graph has several times.

    Attributes:
        body: The code: it returns its only output, or a tuple of them. Repeats of equal things have the same body.
        nodes: The nodes of the body, inputs before users.
        holes: What the instances differ in, one for each parameter of the body.
        instances: Where it is; if it is tandem, in that order.
        tandem: Whether each instance uses the one before, as the layers of a stack do.
        varying: The nodes that differ in their attributes. In the body they have those of some instance; where a
            repeat is inside of another, it may be one in another copy of that.
    """

    body: Lambda
    nodes: tuple[Node, ...]
    holes: tuple[Hole, ...]
    instances: tuple[Instance, ...]
    tandem: bool
    varying: tuple[Varying, ...] = ()

    def __repr__(self) -> str:
        return f"<Repeat of {len(self.nodes)} nodes, {len(self.instances)} times{', tandem' if self.tandem else ''}>"


@gc_paused
def repeats(
    g: Any,
    *,
    param: Predicate = lambda v: False,
    const: Predicate = is_constant,
    token: Key | None = None,
    hint: Key | None = None,
    min_len: int = 6,
    min_count: int = 2,
) -> list[Repeat]:
    """Find what a graph repeats, by structure alone; the module says how.

    Only what pays is found: the nodes saved must be more than the values passed. Repeats are disjoint or
    nested: an instance lies wholly inside one of another repeat, or shares no node with it. All of them can become
    calls at once (see `outline`).

    Args:
        g: A node or a nest of them.
        param: Tells which nodes are parameters, which may differ from instance to instance at no cost. They have no
            inputs, or parameters, constants and inputs alone.
        const: Tells which nodes without inputs are constants.
        token: What must be equal of nodes beside their operation, by default all attributes. If it leaves some
            out, nodes that differ in these are in `Repeat.varying`.
        hint: Where a node comes from: a tuple of scopes, from the outermost one inwards, or any other hashable.
            It decides only between what is otherwise equal.
        min_len: The smallest number of nodes that is worth finding.
        min_count: The smallest number of instances, at least 2.

    Returns:
        The repeats, outer ones before inner ones; those of one size in the order of the graph.

    Raises:
        ValueError: If ``min_len`` or ``min_count`` is too small.

    >>> from dataflow_ir import inp, node
    >>> x = inp("x")
    >>> for at in range(4):
    ...     y = node("gelu", node("linear", node("norm", x), inp(f"w{at}")))
    ...     x = node("add", x, node("scale", node("linear", y, inp(f"v{at}"))))
    >>> (layer,) = repeats(x, param=lambda v: v.op == "input" and v.attrs["name"] != "x")
    >>> layer
    <Repeat of 6 nodes, 4 times, tandem>
    >>> layer.body
    <Lambda (carry0, param0, param1) -> add(carry0, scale(linear(gelu(linear(…)), param1)))>
    >>> [hole.kind for hole in layer.holes], layer.holes[1].values
    (['carry', 'param', 'param'], (w0, w1, w2, w3))
    """
    if min_len < 1 or min_count < 2:
        raise ValueError(f"min_len must be at least 1 and min_count at least 2, got {min_len} and {min_count}")
    label = labels(g)
    key = label if token is None else lambda v: (typed(v.op), token(v))
    params: set[Node] = set()
    reading = Reading(lambda v: v in params or param(v), const, key, label)
    order, looped = in_order(g)
    line = Line(order, leaves(g), looped, reading)
    options = Options(min_len, min_count, hint)
    place = {v: at for at, v in enumerate(order)}
    result = list(_all(line, options, params))
    result.sort(key=lambda repeat: (-len(repeat.nodes), place[repeat.instances[0].nodes[0]]))
    return result


Copy = dict[Any, Any]
"""What the nodes and parameters of a body are in the graph."""


@dataclass(slots=True)
class _Job:
    """A row to search: of the graph, or of a body that is in the graph several times."""

    line: Line
    units: list[Unit]
    copies: list[Copy]


def _all(line: Line, options: Options, params: set[Node]) -> Iterator[Repeat]:
    """Yield the repeats of a row and, in terms of the row's nodes, those inside their bodies."""
    bodies = Bodies()
    identity: Copy = {}
    jobs = [_Job(line, [Unit(token, (at,)) for at, token in enumerate(line.tokens)], [identity])]
    while jobs:
        job = jobs.pop()
        inner: dict[Lambda, _Job] = {}
        for found in find(job.line, job.units, options):
            body = bodies.of(found.general)
            for copy in job.copies:
                repeat = _repeat(found.general, body, copy)
                yield repeat
                if len(found.units) > 1:
                    if body.code not in inner:
                        inner[body.code] = _inside(body, found, params)
                    inner[body.code].copies += [_copy(repeat, instance) for instance in repeat.instances]
        jobs += inner.values()


def _inside(body: Body, found: Found, params: set[Node]) -> _Job:
    """Return the row of a body, without copies yet."""
    general = found.general
    code = body.code
    params.update([param for param, is_one in zip(code.params, general.parameters, strict=True) if is_one])
    inside = {None, *code.params, *body.nodes}
    constants = dict.fromkeys([i for v in body.nodes for i in v.inputs if i not in inside])
    line = Line([*code.params, *constants, *body.nodes], leaves(code.body), set(), general.line.reading)
    units = []
    for unit in found.units:
        token = line.tokens[unit.nodes[0]] if len(unit.nodes) == 1 else unit.token
        units.append(Unit(token, unit.nodes, unit.is_instance))
    return _Job(line, units, [])


def _copy(repeat: Repeat, instance: Instance) -> Copy:
    copy: Copy = dict(zip(repeat.nodes, instance.nodes, strict=True))
    copy.update(zip(repeat.body.params, instance.args, strict=True))
    return copy


def _repeat(general: General, body: Body, copy: Copy) -> Repeat:
    """Write a series down as it is in one copy of the row."""
    line, series = general.line, general.series
    instances = []
    for at, window in enumerate(series.windows):
        nodes = tuple([copy.get(line.nodes[v], line.nodes[v]) for v in window])
        args = [line.node(values[at]) for values in general.values]
        outputs = tuple([nodes[offset] for offset in general.outputs])
        instances.append(Instance(nodes, tuple([copy.get(v, v) for v in args]), outputs))
    values = zip(*[instance.args for instance in instances], strict=True) if general.kinds else ()
    holes = zip(general.kinds, body.code.params, values, strict=True)
    return Repeat(
        body.code,
        body.nodes,
        tuple([Hole(kind, param, each) for kind, param, each in holes]),
        tuple(instances),
        series.is_chain,
        tuple(_varying(line, body, instances)),
    )


def _varying(line: Line, body: Body, instances: list[Instance]) -> Iterator[Varying]:
    """Yield the nodes whose attributes differ from instance to instance, or from the body's."""
    reading = line.reading
    if reading.token is reading.label:
        return
    rows = zip(body.nodes, *[instance.nodes for instance in instances], strict=True)
    for at, (model, *same) in enumerate(rows):
        label = reading.label(model)
        if any(reading.label(v) != label for v in same):
            yield Varying(at, tuple([v.attrs for v in same]))
