"""The nodes of the file, sorted into the modules of the generated model: boxes in boxes, for a reader to open.

A node that became code belongs to the module whose code it is; one that serves several belongs to what is around all of
them. A node that left no code (a folded constant, a cast of one) goes where its result is used.
"""

# ruff: noqa: TID253  # the command imports this module when it runs

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field

from codegen_torch.clean.subgraphs import reads
from codegen_torch.report import SourceModule
from onnx_proto import Node

from onnxgen.viewing.bodies import Body

LARGEST = 120
"""How many things a box may hold; of more, neighbours are grouped into boxes of their own."""
READABLE = 48
"""How many boxes, open ones included, and nodes a page shows when it opens."""


@dataclass(slots=True)
class Box:
    """A module, or a group of neighbours in one that holds too much to look at.

    Attributes:
        path: The module's path; a group has none.
        name: What it is called in what is around it.
        class_name: Its class; a group has none.
        parent: The number of the box around it; -1 for the model.
        nodes: The nodes that are in it and in no box inside it.
        children: The numbers of the boxes in it.
        is_open: Whether a page shows what is in it when it opens.
    """

    path: str
    name: str
    class_name: str
    parent: int
    nodes: list[int] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    is_open: bool = False


def sort_into_boxes(
    nodes: Sequence[Node], shown: Iterable[int], modules: Sequence[SourceModule], bodies: Sequence[Body] = ()
) -> list[Box]:
    """Builds the tree of boxes; the model's comes first, each before those in it.

    Args:
        nodes: The nodes of the file's graph, in topological order.
        shown: The positions of those that shall be in a box.
        modules: The modules of the generated model.
        bodies: What is inside of nodes, with positions behind those of the nodes.
    """
    shown = list(shown)
    boxes = _boxes(modules)
    homes = _homes_by_code(boxes, modules)
    _homes_by_use(boxes, homes, nodes)
    _homes_in_bodies(boxes, homes, set(shown), bodies)
    for position in shown:
        boxes[homes[position]].nodes.append(position)
    return _opened(_grouped(_pruned(boxes)))


def _homes_in_bodies(boxes: list[Box], homes: dict[int, int], shown: Set[int], bodies: Sequence[Body]) -> None:
    """Gives a node with bodies a box of its own, in which each body has its box."""
    owners: dict[int, int] = {}
    for body in bodies:
        if shown.isdisjoint(body.nodes):
            continue
        if body.owner not in owners:
            owners[body.owner] = len(boxes)
            boxes.append(Box("", body.title, "", homes[body.owner]))
            homes[body.owner] = owners[body.owner]
        homes.update(dict.fromkeys(body.nodes, len(boxes)))
        boxes.append(Box("", body.name, "", owners[body.owner]))


def _boxes(modules: Sequence[SourceModule]) -> list[Box]:
    boxes: list[Box] = []
    numbers: dict[str, int] = {}
    for module in modules:
        parent = module.path
        while parent and parent not in numbers:
            parent = parent.rpartition(".")[0]
        around = numbers.get(parent, -1) if module.path else -1
        name = module.path[len(parent) + 1 :] if parent else module.path
        numbers[module.path] = len(boxes)
        boxes.append(Box(module.path, name, module.class_name, around))
    return boxes


def _homes_by_code(boxes: Sequence[Box], modules: Sequence[SourceModule]) -> dict[int, int]:
    places: dict[int, list[int]] = {}
    for number, module in enumerate(modules):
        for node in module.nodes:
            places.setdefault(node, []).append(number)
    return {node: _innermost(boxes, numbers) for node, numbers in places.items()}


def _innermost(boxes: Sequence[Box], numbers: Sequence[int]) -> int:
    """The innermost of boxes that lie in each other, else the innermost box around all of them."""
    longest = max((_around(boxes, number) for number in set(numbers)), key=len)
    return longest[-1] if set(numbers) <= set(longest) else _shared(boxes, numbers)


def _shared(boxes: Sequence[Box], numbers: Sequence[int]) -> int:
    """The innermost box that has all of these in it, or is one of them."""
    first, *others = (_around(boxes, number) for number in dict.fromkeys(numbers))
    common = set(first).intersection(*others)
    return max((number for number in first if number in common), key=first.index)


def _around(boxes: Sequence[Box], number: int) -> list[int]:
    chain = []
    while number >= 0:
        chain.append(number)
        number = boxes[number].parent
    return chain[::-1]


def _homes_by_use(boxes: Sequence[Box], homes: dict[int, int], nodes: Sequence[Node]) -> None:
    """Gives the nodes without code a home where their results are used; those that nothing uses are the model's own."""
    makers = {name: position for position, node in enumerate(nodes) for name in node.outputs if name}
    users: dict[int, list[int]] = {}
    for position in range(len(nodes) - 1, -1, -1):
        if position not in homes:
            homes[position] = _shared(boxes, users[position]) if position in users else 0
        for name in sorted(reads(nodes[position])):
            if (maker := makers.get(name)) is not None and maker not in homes:
                users.setdefault(maker, []).append(homes[position])


def _pruned(boxes: Sequence[Box]) -> list[Box]:
    """The boxes that hold something, with their children."""
    kept = [bool(box.nodes) for box in boxes]
    kept[0] = True
    for number in range(len(boxes) - 1, 0, -1):
        if kept[number]:
            kept[boxes[number].parent] = True
    numbers = {old: new for new, old in enumerate(number for number, keep in enumerate(kept) if keep)}
    result: list[Box] = []
    for box, keep in zip(boxes, kept, strict=True):
        if keep:
            box.parent = numbers.get(box.parent, -1)
            if box.parent >= 0:
                result[box.parent].children.append(len(result))
            result.append(box)
    return result


def _grouped(boxes: list[Box]) -> list[Box]:
    """Groups what is in large boxes, neighbours in the file together, until no box is too large."""
    first = _first_nodes(boxes)
    for number in range(len(boxes)):
        things = [(node, node, False) for node in boxes[number].nodes]
        things += [(first[child], child, True) for child in boxes[number].children]
        things.sort()
        while len(things) > LARGEST:
            things = _in_groups(boxes, number, things)
            boxes[number].nodes, boxes[number].children = [], [group for _, group, _ in things]
    return boxes


def _first_nodes(boxes: Sequence[Box]) -> list[int]:
    """For each box the first node in it or inside a box in it."""
    first = [min(box.nodes, default=1 << 62) for box in boxes]
    for number in range(len(boxes) - 1, 0, -1):
        parent = boxes[number].parent
        first[parent] = min(first[parent], first[number])
    return first


def _in_groups(boxes: list[Box], parent: int, things: Sequence[tuple[int, int, bool]]) -> list[tuple[int, int, bool]]:
    """Puts nodes and boxes, each with its place in the file and whether it is a box, into new boxes of equal size."""
    count = -(-len(things) // (LARGEST // 2))
    groups = []
    for index in range(count):
        part = things[len(things) * index // count : len(things) * (index + 1) // count]
        group = len(boxes)
        inside = [thing for _, thing, is_box in part if is_box]
        own = [thing for _, thing, is_box in part if not is_box]
        boxes.append(Box("", f"part {index + 1} of {count}", "", parent, own, inside))
        for child in inside:
            boxes[child].parent = group
        groups.append((part[0][0], group, True))
    return groups


def _opened(boxes: list[Box]) -> list[Box]:
    """Opens boxes level by level, each as a whole, as long as the page stays readable; layers stay closed."""
    level, shown = [0], 1
    while level:
        inside = [child for number in level for child in boxes[number].children]
        shown += len(inside) + sum(len(boxes[number].nodes) for number in level)
        if shown > READABLE and len(level) > 1:
            break
        for number in level:
            boxes[number].is_open = True
        level = [child for child in inside if boxes[child].children]
    return boxes
