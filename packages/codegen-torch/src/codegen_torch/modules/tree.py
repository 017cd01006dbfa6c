"""From a flat graph to nested regions, one for each module of the original model.

Regions only say where an expression is written down. The graph stays as it is, so recovering modules cannot change
what is computed: at worst a region makes no sense, and is dissolved into the one around it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping

from dataflow_ir import Node, sccs, topo

from codegen_torch.expr import Expr
from codegen_torch.modules.places import Place, common, places_of
from codegen_torch.modules.region import LEAVES, Region, data_operands, has_layers
from codegen_torch.modules.repeat import scopes_of
from codegen_torch.symbols import SYMBOLS

Vertex = Expr | Place


def build_tree(inputs: list[Expr], outputs: Mapping[str, Expr]) -> Region:
    """The regions of a graph.

    Args:
        inputs: The graph's inputs, which become the parameters of the root.
        outputs: The graph's outputs, which become its results, by name.
    """
    results = list(outputs.values())
    ordered = _ordered(results)
    order = [expr for expr in ordered if expr.op not in LEAVES]
    places, classes = places_of(order, results, scopes_of(order, results))
    owned = _owned_weights(order)
    for leaf in ordered:
        if leaf.op in ("weight", "constant") and leaf not in owned:
            places[leaf] = ()
    flat = _Flat([expr for expr in ordered if expr in places], places, classes, results)
    _place_leaves(flat)
    while _untwist(flat):
        pass
    root = _nest(flat)
    root.params = list(inputs)
    root.results = results
    return root


def _ordered(results: list[Expr]) -> list[Expr]:
    """The expressions in the order in which nested ones are evaluated: the graph's own, whatever order a file is in.

    Where several draw random numbers the file's order stays, because another would draw others.
    """
    ordered = [expr for expr in topo(results) if isinstance(expr, Expr)]
    symbols = [SYMBOLS[expr.op] for expr in ordered if expr.op in SYMBOLS]
    if sum(symbol.effect and symbol.ordered for symbol in symbols) > 1:
        ordered = [e for e in topo(results, key=lambda expr: expr.origin.order) if isinstance(e, Expr)]
    return ordered


class _Flat:
    """The graph before it is nested: expressions in order, each with its place."""

    def __init__(
        self, order: list[Expr], places: dict[Expr, Place], classes: Mapping[str, str | None], results: list[Expr]
    ) -> None:
        self.order = order
        self.places = places
        self.classes = classes
        self.results = results
        self.weighty = {
            places[expr][:depth]
            for expr in order
            if expr in places and has_layers(expr)
            for depth in range(len(places[expr]) + 1)
        }
        self.whole: dict[Expr, Expr] = {}
        for expr in order:
            if expr.op == "operator.getitem":
                self.whole[expr] = self.whole.get(expr.inputs[0], expr.inputs[0])
        self.unite()
        self.edges = [
            (operand, expr)
            for expr in order
            if expr.op not in LEAVES
            for operand in data_operands(expr)
            if operand in places
        ]

    def unite(self) -> None:
        """Put the parts of a tuple where the expression is that returns it: one statement assigns them."""
        for part, whole in self.whole.items():
            self.places[part] = self.places[whole]


def _owned_weights(order: list[Expr]) -> set[Expr]:
    """Weights that only layers use: they are the layer's and no values of their own."""
    used: set[Expr] = set()
    owned: set[Expr] = set()
    for expr in order:
        data = data_operands(expr)
        used.update(data)
        owned.update(value for value in expr.inputs[len(data) :] if value is not None)
    return owned - used


def _place_leaves(flat: _Flat) -> None:
    """Put tensors that are used as they are where all their users are."""
    around: dict[Expr, list[Place]] = {}
    for operand, expr in flat.edges:
        if operand.op in LEAVES:
            around.setdefault(operand, []).append(flat.places[expr])
    for leaf, places in around.items():
        flat.places[leaf] = () if leaf in flat.results else common(places)


def _dependencies(flat: _Flat, edges: Iterable[tuple[Expr, Expr]]) -> dict[Place, dict[Vertex, set[Vertex]]]:
    """For each place, which of its units (expressions, or places directly inside) need which."""
    graphs: dict[Place, dict[Vertex, set[Vertex]]] = {}
    for operand, expr in edges:
        source, target = flat.places[operand], flat.places[expr]
        around = common([source, target])
        depth = len(around)
        start: Vertex = source[: depth + 1] if len(source) > depth else operand
        end: Vertex = target[: depth + 1] if len(target) > depth else expr
        if start != end:
            graphs.setdefault(around, {}).setdefault(start, set()).add(end)
    return graphs


def _untwist(flat: _Flat) -> bool:
    """Change the places that cannot be one call, because something outside needs their results and feeds them.

    Seen from the region around it, such a place is on a cycle. Expressions on a cycle with a single place belong
    into it: exporters lose the scope of a node now and then. Of places on a cycle with each other those without
    weights are dissolved (a pooling that is called twice), or else all.

    Returns:
        Whether anything was changed.
    """
    twisted: set[Place] = set()
    moved = False
    edges = [(flat.whole.get(operand, operand), flat.whole.get(expr, expr)) for operand, expr in flat.edges]
    for graph in _dependencies(flat, edges).values():
        for component in _cycles(graph):
            places = [unit for unit in component if isinstance(unit, tuple)]
            if len(places) > 1:
                twisted.update([place for place in places if place not in flat.weighty] or places)
                continue
            for unit in component:
                if isinstance(unit, Expr):
                    flat.places[unit] = places[0]
                    moved = True
    if twisted:
        _dissolve(flat, twisted)
    flat.unite()
    return moved or bool(twisted)


def _cycles(needed_by: Mapping[Vertex, set[Vertex]]) -> list[list[Vertex]]:
    """The groups of two or more units that all need each other."""
    needs: dict[Vertex, list[Vertex]] = {unit: [] for unit in needed_by}
    for unit, users in needed_by.items():
        for user in users:
            needs.setdefault(user, []).append(unit)
    nodes = {unit: Node(unit) for unit in needs}
    for unit, node in nodes.items():
        node.inputs = tuple(nodes[needed] for needed in needs[unit])
    return [[node.op for node in group] for group in sccs(list(nodes.values())) if len(group) > 1]


def _dissolve(flat: _Flat, twisted: set[Place]) -> None:
    """Take places out of the tree: what is in them belongs to the place around them."""
    for expr, place in flat.places.items():
        kept = tuple(path for depth, path in enumerate(place) if place[: depth + 1] not in twisted)
        if kept != place:
            flat.places[expr] = kept


def _nest(flat: _Flat) -> Region:
    """Build the regions, with their parameters, results and units in statement order."""
    root = Region("")
    regions: dict[Place, Region] = {(): root}

    def region_at(place: Place) -> Region:
        for depth in range(len(place)):
            if place[: depth + 1] not in regions:
                path = place[depth]
                regions[place[: depth + 1]] = Region(path, flat.classes.get(path), regions[place[:depth]])
        return regions[place]

    for place in flat.places.values():
        region_at(place)
    _connect(flat, regions)
    _fill(flat, regions)
    return root


def _connect(flat: _Flat, regions: Mapping[Place, Region]) -> None:
    """Give every region its parameters, in order of first use, and its results."""
    params: dict[Region, dict[Expr, None]] = {region: {} for region in regions.values()}
    results: dict[Region, dict[Expr, None]] = {region: {} for region in regions.values()}
    position = {expr: number for number, expr in enumerate(flat.order)}
    for expr in flat.order:
        for operand in () if expr.op in LEAVES else data_operands(expr):
            if operand not in flat.places and operand.op != "input":
                continue
            source, target = flat.places.get(operand, ()), flat.places[expr]
            depth = len(common([source, target]))
            for level in range(depth + 1, len(target) + 1):
                params[regions[target[:level]]][operand] = None
            for level in range(depth + 1, len(source) + 1):
                results[regions[source[:level]]][operand] = None
    for expr in flat.results:
        place = flat.places.get(expr, ())
        for level in range(1, len(place) + 1):
            results[regions[place[:level]]][expr] = None
    for region in regions.values():
        region.params = list(params[region])
        region.results = sorted(results[region], key=position.__getitem__)


def _fill(flat: _Flat, regions: Mapping[Place, Region]) -> None:
    """Give every region its units: operands first, otherwise in the order of the graph."""
    first: dict[Vertex, int] = {}
    units: dict[Place, list[Vertex]] = {place: [] for place in regions}
    for number, expr in enumerate(flat.order):
        place = flat.places[expr]
        first[expr] = number
        units[place].append(expr)
        for depth in range(len(place), 0, -1):
            inner = place[:depth]
            if inner not in first:
                units[inner[:-1]].append(inner)
            first.setdefault(inner, number)
    dependencies = _dependencies(flat, flat.edges)
    for place, region in regions.items():
        ordered = _sorted_units(units[place], dependencies.get(place, {}), first)
        region.units = [regions[unit] if isinstance(unit, tuple) else unit for unit in ordered]


def _sorted_units(
    units: list[Vertex], needed_by: Mapping[Vertex, set[Vertex]], first: Mapping[Vertex, int]
) -> list[Vertex]:
    """A topological order that takes, of all units that could come next, the first in the graph's order."""
    rank = {unit: (first[unit], position) for position, unit in enumerate(units)}
    waiting = dict.fromkeys(units, 0)
    for ends in needed_by.values():
        for end in ends:
            waiting[end] += 1
    ready = [(rank[unit], unit) for unit in units if not waiting[unit]]
    heapq.heapify(ready)
    result: list[Vertex] = []
    while ready:
        _, unit = heapq.heappop(ready)
        result.append(unit)
        for end in needed_by.get(unit, ()):
            waiting[end] -= 1
            if not waiting[end]:
                heapq.heappush(ready, (rank[end], end))
    return result
