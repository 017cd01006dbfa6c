"""Ensembles of decision trees as tables: nodes that compare a feature, and leaves that hold votes.

A node has a child for each way a comparison can end, so that one step serves every mode of the specification; the
child of a leaf is the leaf itself. Walking down all trees then is indexing, as often as the deepest tree is deep.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from codegen_torch.facts import Array, FactError
from codegen_torch.lower.registry import NotApplicable

# Whether a mode goes to the true branch where the feature is less than, equal to, greater than the split, or NaN.
MODES = {
    "BRANCH_LEQ": (True, True, False, False),
    "BRANCH_LT": (True, False, False, False),
    "BRANCH_GTE": (False, True, True, False),
    "BRANCH_GT": (False, False, True, False),
    "BRANCH_EQ": (False, True, False, False),
    "BRANCH_NEQ": (True, False, True, True),
}
_MOST_VOTES = 1 << 26
"""Nodes times columns: what is more is not held in memory."""

Children = tuple[int, int, int, int]


@dataclass(slots=True)
class Forest:
    """The nodes of all trees, one after another.

    Attributes:
        roots: The first node of each tree.
        features: The column that a node compares.
        splits: The number that it compares with.
        children: The next node if the feature is less, equal, greater or missing.
        votes: For each leaf, the columns and weights of its votes.
    """

    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    children: list[Children] = field(default_factory=list)
    votes: dict[int, list[tuple[int, float]]] = field(default_factory=dict)

    def add_leaf(self) -> int:
        """Add a leaf without votes."""
        node = len(self.features)
        self.add(0, 0.0, (node, node, node, node))
        return node

    def add(self, feature: int, split: float, children: Children) -> int:
        """Add a node."""
        self.features.append(feature)
        self.splits.append(split)
        self.children.append(children)
        return len(self.features) - 1

    def branch(self, node: int, mode: str, yes: int, no: int, *, missing: bool) -> None:
        """Give a node the children that it has in a mode.

        Args:
            node: The node.
            mode: How it compares.
            yes: Where it goes if the comparison holds.
            no: And if not.
            missing: Whether it goes to ``yes`` with NaN.
        """
        if mode not in MODES:
            raise NotApplicable(f"the mode {mode!r} of a node is not known")
        less, equal, greater, nan = (yes if goes else no for goes in MODES[mode])
        self.children[node] = (less, equal, greater, yes if missing else nan)

    def member(self, node: int, members: Sequence[float], yes: int, no: int, *, missing: bool) -> None:
        """Let a node ask whether the feature is one of several numbers, by halving them."""
        feature, nan = self.features[node], yes if missing else no
        waiting = [(node, sorted(set(members)))]
        while waiting:
            place, numbers = waiting.pop()
            middle = len(numbers) // 2
            halves = []
            for half in (numbers[:middle], numbers[middle + 1 :]):
                child = self.add(feature, 0.0, (no, no, no, no)) if half else no
                halves.append(child)
                if half:
                    waiting.append((child, half))
            self.splits[place] = numbers[middle] if numbers else 0.0
            self.children[place] = (halves[0], yes if numbers else no, halves[1], nan)

    def is_leaf(self, node: int) -> bool:
        """Whether a node stays where it is."""
        return self.children[node] == (node, node, node, node)

    def depth(self) -> int:
        """How many steps lead from a root to the leaf farthest from it.

        Raises:
            FactError: Some nodes lead back to themselves, or to nodes that are not there.
        """
        if any(not 0 <= child < len(self.features) for children in self.children for child in children):
            raise FactError("a tree with a branch to a node that is not there")
        level, steps = set(self.roots), 0
        while True:
            level = {child for node in level for child in self.children[node] if not self.is_leaf(node)}
            if not level:
                return steps
            steps += 1
            if steps > len(self.features):
                raise FactError("a tree whose branches lead back to where they come from")

    def columns(self) -> set[int]:
        """The columns that any leaf votes for."""
        return {column for votes in self.votes.values() for column, _ in votes}

    @property
    def has_single_votes(self) -> bool:
        """Whether no leaf votes for several columns."""
        return all(len(votes) == 1 for votes in self.votes.values())

    def single_votes(self, columns: int) -> tuple[Array, Array]:
        """The column that each node votes for and the weight, 0 for nodes without a vote."""
        own, weights = np.zeros(len(self.features), np.int64), np.zeros(len(self.features))
        for leaf, ((column, weight),) in self.votes.items():
            own[leaf], weights[leaf] = _checked(column, columns), weight
        return own, weights

    def weights(self, columns: int, empty: float) -> Array:
        """A row of votes for every node: what a leaf adds to each column, ``empty`` where it has no vote."""
        if columns < 1 or len(self.features) * columns > _MOST_VOTES:
            raise NotApplicable(f"votes of {len(self.features)} nodes for {columns} columns")
        table = np.full((len(self.features), columns), empty)
        for leaf, votes in self.votes.items():
            for column, weight in votes:
                known = table[leaf, _checked(column, columns)]
                table[leaf, column] = weight if known == empty else known + weight
        return table


def _checked(column: int, columns: int) -> int:
    if not 0 <= column < columns:
        raise FactError(f"a leaf with a vote for column {column} of {columns}")
    return column


def forest_of_lists(
    trees: Sequence[int],
    nodes: Sequence[int],
    features: Sequence[int],
    splits: Sequence[float],
    modes: Sequence[str],
    yes: Sequence[int],
    no: Sequence[int],
    missing: Sequence[int],
    votes: Iterable[tuple[int, int, int, float]],
) -> Forest:
    """The ensemble that the lists of versions 1 and 3 describe: nodes by the numbers of tree and node.

    Args:
        trees: The tree that each node is in.
        nodes: The node's number in its tree.
        features: The column it compares.
        splits: The number it compares with.
        modes: How it compares; ``LEAF`` for leaves.
        yes: The number of the node to go to if the comparison holds.
        no: And if not.
        missing: Whether NaN goes to ``yes``; empty for never.
        votes: Tree, node, column and weight of each vote.
    """
    count = len(trees)
    if not count or any(len(each) != count for each in (nodes, features, splits, modes, yes, no, missing or nodes)):
        raise NotApplicable("the lists of nodes are empty or not equally long")
    places = {key: place for place, key in enumerate(zip(trees, nodes, strict=True))}
    if len(places) < count:
        raise FactError("a tree that has two nodes of one number")
    forest = Forest()
    inner: set[int] = set()
    for feature, split in zip(features, splits, strict=True):
        forest.add(feature, split, (0, 0, 0, 0))
    for place, (tree, mode) in enumerate(zip(trees, modes, strict=True)):
        if mode == "LEAF":
            forest.features[place], forest.splits[place] = 0, 0.0
            forest.children[place] = (place, place, place, place)
            continue
        branches = [places.get((tree, branch[place])) for branch in (yes, no)]
        if None in branches:
            raise FactError(f"tree {tree} with a branch to a node that is not there")
        inner.update(branch for branch in branches if branch is not None)
        first, second = (branch or 0 for branch in branches)
        forest.branch(place, mode, first, second, missing=bool(missing and missing[place]))
    forest.roots = [place for place in range(count) if place not in inner]
    if len({trees[root] for root in forest.roots}) < len(forest.roots) or len(forest.roots) < len(set(trees)):
        raise FactError("a tree without a root, or with several")
    for tree, node, column, weight in votes:
        leaf = places.get((tree, node))
        if leaf is None or modes[leaf] != "LEAF":
            raise FactError(f"a vote of node {node} of tree {tree}, which is no leaf")
        forest.votes.setdefault(leaf, []).append((column, weight))
    return forest


def members_of(values: Sequence[float], count: int) -> list[list[float]]:
    """The numbers of each of several sets, which NaN separates."""
    sets: list[list[float]] = [[]]
    for value in values:
        if value == value:  # noqa: PLR0124
            sets[-1].append(value)
        else:
            sets.append([])
    if not sets[-1]:
        sets.pop()
    if len(sets) != count:
        raise FactError(f"{len(sets)} sets of members for {count} nodes")
    return sets


def forest_of_tables(
    roots: Sequence[int],
    features: Sequence[int],
    splits: Sequence[float],
    modes: Sequence[str],
    yes: Sequence[tuple[int, int]],
    no: Sequence[tuple[int, int]],
    missing: Sequence[int],
    members: Sequence[float],
    votes: Sequence[tuple[int, float]],
) -> Forest:
    """The ensemble that version 5 describes: branches lead to nodes or to leaves, which are numbered separately.

    Args:
        roots: The first node of each tree.
        features: The column that each node compares.
        splits: The number it compares with.
        modes: How it compares; ``BRANCH_MEMBER`` with several numbers.
        yes: Where it goes if the comparison holds: whether to a leaf, and its number.
        no: And if not.
        missing: Whether NaN goes to ``yes``; empty for never.
        members: The numbers of all nodes that compare with several, each set with NaN behind.
        votes: Column and weight of each leaf.
    """
    count = len(features)
    if any(len(each) != count for each in (splits, modes, yes, no, missing or modes)):
        raise NotApplicable("the lists of nodes are not equally long")
    if not roots or any(not 0 <= root < count for root in roots):
        raise FactError("a tree whose root is not there")
    forest = Forest(roots=list(roots))
    for feature, split in zip(features, splits, strict=True):
        forest.add(feature, split, (0, 0, 0, 0))
    leaves = [forest.add_leaf() for _ in votes]
    forest.votes = {leaf: [vote] for leaf, vote in zip(leaves, votes, strict=True)}
    sets = iter(members_of(members, sum(mode == "BRANCH_MEMBER" for mode in modes)))

    def place(branch: tuple[int, int]) -> int:
        is_leaf, number = branch
        if not 0 <= number < (len(leaves) if is_leaf else count):
            raise FactError(f"a tree with a branch to a {'leaf' if is_leaf else 'node'} {number} that is not there")
        return leaves[number] if is_leaf else number

    for node, mode in enumerate(modes):
        goes = bool(missing and missing[node])
        if mode == "BRANCH_MEMBER":
            forest.member(node, next(sets), place(yes[node]), place(no[node]), missing=goes)
        else:
            forest.branch(node, mode, place(yes[node]), place(no[node]), missing=goes)
    return forest
