"""Rewriting graphs by rules until none applies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

from dataflow_ir._gc import gc_paused
from dataflow_ir.cycles import CycleError
from dataflow_ir.match import find_all
from dataflow_ir.nest import leaves, map_nest
from dataflow_ir.node import Forward, Node
from dataflow_ir.order import count_uses, iscyclic, isreaching, topo
from dataflow_ir.rules import Rule, Rules
from dataflow_ir.structure import subst
from dataflow_ir.walk import nodes, postwalk, prewalk

G = TypeVar("G")
_FREE = 100_000  # rewriting steps that any graph may take
_PER_NODE = 100
_SHOWN = 200  # replacements in which a round of rules is looked for


class Step(NamedTuple):
    """One replacement: its text is a line of a trace."""

    rule: Rule
    old: Node
    new: Node

    def __str__(self) -> str:
        return f"{self.rule.name}: {self.old!r} -> {self.new!r}"


class RewriteError(RuntimeError):
    """Rules that go on forever.

    Attributes:
        steps: The rules of one round, with the nodes they were applied to last.
    """

    def __init__(self, message: str, steps: list[tuple[Rule, Node]]) -> None:
        self.steps = steps
        super().__init__("\n".join([message, *[f"  {rule.name}  at {v!r}" for rule, v in steps]]))


@gc_paused
def rewrite(
    g: G,
    rules: Rules,
    *,
    strategy: Literal["bottomup", "topdown"] = "bottomup",
    fixpoint: bool = True,
    budget: int | None = None,
    has_effect: Callable[[Any], bool] | None = None,
    trace: Callable[[Step], Any] | None = None,
    on_replace: Callable[[Any, Any], Any] | None = None,
) -> G:
    """Replace whatever the rules apply to.

    Bottom-up, a node is looked at when its inputs are final, and again as long as a rule applies to what took its
    place. Nodes that rules make, or that are rebuilt on new inputs, are merged with an equal node met before;
    what does not change stays the same object, and its duplicates too (`cse` merges those). Top-down, the rules see
    the graph as it was, from the results on, and what a rule returns is looked at again only in the next round.

    In a graph with cycles, rounds are repeated until nothing changes; in each a cycle is open where it closes
    (`Forward`), so a pattern is found across that place only if another round sees it.

    Args:
        g: A node or a nest of them.
        rules: The rules.
        strategy: Which way to go.
        fixpoint: Whether to go on until no rule applies; otherwise each node is rewritten at most once.
        budget: How many replacements to make at most; by default 100 000, and 100 for each node.
        has_effect: Tells which nodes are never merged, because each run of them counts.
        trace: Called with each `Step`; ``trace=print`` prints them.
        on_replace: Called with the old and the new node of each, to carry over `Node.meta`.

    Returns:
        A nest of the same shape; the same objects where nothing changed.

    Raises:
        CycleError: If a cycle of the graph vanishes: each of its nodes was replaced by its own input.
        RewriteError: If the rules do not come to an end; the message has the rules that go round.
        TypeError: If a rule returns something that is no node.

    >>> from dataflow_ir import P, V, parse
    >>> R = Rules()
    >>> R[P.neg(P.neg(V.x))] = V.x
    >>> rewrite(parse("neg(neg(neg(x)))"), R, trace=print)
    neg(neg(x)) -> x: neg(neg(x)) -> x
    neg(x)
    """
    if strategy not in ("bottomup", "topdown"):
        raise ValueError(f"strategy must be 'bottomup' or 'topdown', got {strategy!r}")
    ledger = _Ledger(g, budget, trace, on_replace)
    while True:
        before = list(leaves(g))
        if strategy == "topdown" or not fixpoint:
            g = _sweep(g, rules, ledger, prewalk if strategy == "topdown" else postwalk)
            again = fixpoint
        else:
            again, g = _Normalizer(rules, ledger, has_effect).run(g)
        changed = any(a is not b for a, b in zip(before, leaves(g), strict=True))
        merged, g = _together(g, rules, ledger)
        if not fixpoint or not (merged or (changed and again)):
            return g


class _Ledger:
    """What has been replaced in one call, and what may still be."""

    def __init__(
        self, g: Any, budget: int | None, trace: Callable[[Step], Any] | None, on_replace: Callable[..., Any] | None
    ) -> None:
        self.g = g
        self.steps = 0
        self.limit = _FREE if budget is None else budget
        self.grows = budget is None
        self.trace = trace
        self.on_replace = on_replace
        self.recent: deque[tuple[Rule, Node]] = deque(maxlen=_SHOWN)  # where one does not follow from another

    def note(self, rule: Rule, old: Node, new: Any, trail: Iterable[tuple[Rule, Node]]) -> None:
        """Count a replacement and tell who wants to know."""
        if not isinstance(new, Node):
            raise TypeError(f"rule {rule.name} returned a {type(new).__name__}, not a Node: {new!r}")
        self.steps += 1
        if self.steps > self.limit:
            if self.grows:
                self.limit, self.grows = _FREE + _PER_NODE * len(nodes(self.g)), False
            if self.steps > self.limit:
                raise RewriteError(
                    f"no end of rewriting after {self.limit} replacements; the rules that go round:",
                    _round([*trail, (rule, old)]),
                )
        if self.trace:
            self.trace(Step(rule, old, new))
        if self.on_replace:
            self.on_replace(old, new)


def _round(trail: list[tuple[Rule, Node]]) -> list[tuple[Rule, Node]]:
    """Return the shortest sequence of rules that the trail ends on twice, or its end."""
    rules = [rule for rule, _ in trail[-_SHOWN:]]
    for length in range(1, len(rules) // 2 + 1):
        if rules[-length:] == rules[-2 * length : -length]:
            return trail[-length:]
    return trail[-10:]


_PENDING: Any = type("Pending", (), {})()


class _CycleMetError(Exception):
    """The graph has a cycle."""


class _Normalizer:
    """One round of bottom-up rewriting.

    Attributes:
        done: The final form of each node that has one; of a node that is being worked on, `_PENDING`.
        table: The first node of each key (see `Node.key`).
        trail: The replacements whose results are being worked on, outermost first.
    """

    def __init__(self, rules: Rules, ledger: _Ledger, has_effect: Callable[[Any], bool] | None) -> None:
        self.by_op, self.any_op, self.counts_uses = rules.index
        self.ledger = ledger
        self.has_effect = has_effect
        self.uses: dict[Any, int] | None = None
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.done: dict[Any, Any] = {None: None}
        self.table: dict[Hashable, Node] = {}
        self.trail: list[tuple[Rule, Node]] = []

    def run(self, g: Any) -> tuple[bool, Any]:
        """Return whether another round may find more, and the graph."""
        if self.counts_uses:
            self.uses = count_uses(g)
        try:
            if (self.ledger.trace or self.ledger.on_replace) and iscyclic(g):
                raise _CycleMetError  # now, not after replacements that are then made again
            for root in leaves(g):
                self.normal(root)
        except _CycleMetError:
            self.clear()
            self.done.update(zip(found := nodes(g), found, strict=True))
            return True, postwalk(self.normal, g)
        return self.counts_uses, map_nest(self.done.__getitem__, g)

    def normal(self, root: Node) -> Node:
        """Return the final form of a node."""
        done = self.done
        done.pop(root, None)
        # A node to work on; below a None, one whose inputs are final; below a `_PENDING`, what took the place of the
        # pair of nodes below it (before and after its inputs were made final), and is final.
        stack: list[Any] = [root]
        while stack:
            v = stack.pop()
            if v is None:
                self.finish(stack.pop(), stack)
            elif v is _PENDING:
                new = done[stack.pop()]
                for old in stack.pop():
                    done[old] = new
                self.trail.pop()
            elif v in done:
                if done[v] is _PENDING:
                    self.refuse(v)
            elif v.inputs:
                done[v] = _PENDING
                stack += v, None
                for i in reversed(v.inputs):
                    if i not in done:
                        stack.append(i)
                    elif done[i] is _PENDING:
                        self.refuse(i)
            elif v.__class__ is Forward:
                done[v] = v
            else:
                self.finish(v, stack)
        result: Node = done[root]
        return result

    def finish(self, v: Node, stack: list[Any]) -> None:
        """Make a node final whose inputs are, or, if a rule applies, let its replacement be worked on first."""
        done = self.done
        inputs = tuple([done[i] for i in v.inputs])
        u = v
        if inputs != v.inputs:
            u = v.rebuild(inputs)
            if self.uses is not None:
                self.uses[u] = self.uses.get(v, 0)
        u = self.merged(u, u is not v or bool(self.trail))
        if u is not v and u in done:
            if done[u] is _PENDING:
                self.refuse(u)
            done[v] = done[u]
            return
        for run, rule in self.by_op.get(u.op, self.any_op):
            new = run(u, self.uses)
            if new is not None:
                self.replace(v, u, rule, new, stack)
                return
        done[v] = done[u] = u

    def merged(self, v: Node, is_new: bool) -> Node:
        """Return the first node that is equal to a new one; enter an old one as it is."""
        if self.has_effect is not None and self.has_effect(v):
            return v
        first = self.table.setdefault(v.key, v)
        if first is v or not is_new:
            return v
        if self.uses is not None:
            self.uses[first] = self.uses.get(first, 0) + self.uses.get(v, 0)
        return first

    def replace(self, v: Node, u: Node, rule: Rule, new: Node, stack: list[Any]) -> None:
        """Let what a rule made take the place of a node, of which ``u`` is the form with final inputs."""
        done = self.done
        self.ledger.note(rule, u, new, self.trail)
        if self.uses is not None:
            self.transfer(u, new)
        if done.get(new, _PENDING) is not _PENDING:
            done[v] = done[u] = done[new]
            return
        done[v] = done[u] = _PENDING
        self.trail.append((rule, u))
        stack += (v, u), new, _PENDING, new

    def transfer(self, old: Node, new: Node) -> None:
        """Count the uses that a replacement makes; what it no longer uses is counted anew in the next round."""
        uses = self.uses
        assert uses is not None
        uses[new] = uses.get(new, 0) + uses.get(old, 0)
        stack = [new]
        while stack:
            v = stack.pop()
            if v in self.done:
                continue
            for i in v.inputs:
                if i is not None:
                    uses[i] = uses.get(i, 0) + 1
                    if uses[i] == 1:
                        stack.append(i)

    def refuse(self, v: Node) -> None:
        """Raise the error for a node that is met again while it is being worked on."""
        if not self.trail:
            raise _CycleMetError
        at = next((at for at, (_, old) in enumerate(self.trail) if old is v), None)
        if at is None:
            raise RewriteError("a rule made a cycle, which rules cannot; the last replacements:", self.trail[-10:])
        raise RewriteError("no end of rewriting: a node comes back; the rules that go round:", self.trail[at:])


def _sweep(g: Any, rules: Rules, ledger: _Ledger, walk: Callable[..., Any]) -> Any:
    """Rewrite each node at most once."""
    by_op, any_op, counts_uses = rules.index
    uses: Mapping[Node, int] | None = count_uses(g) if counts_uses else None

    def visit(v: Node) -> Node | None:
        for run, rule in by_op.get(v.op, any_op):
            new: Node | None = run(v, uses)
            if new is not None:
                ledger.note(rule, v, new, ledger.recent)
                ledger.recent.append((rule, v))
                return new
        return None

    return walk(visit, g)


def _together(g: Any, rules: Rules, ledger: _Ledger) -> tuple[bool, Any]:
    """Apply the rules of several roots; return whether there was anything to do, and the graph."""
    merged = False
    for rule in rules.together:
        found: list[dict[Node, Node]] = []
        level = _levels(g)
        for m in find_all(rule.pattern, g, commutative=rules.commutative):
            changes = rule.replacements(m) if _independent(m.root, level) else None
            if changes:
                found.append(changes)
        if level:
            found = _harmless(found, g)
        for changes in found:
            for old, new in changes.items():
                ledger.note(rule, old, new, ledger.recent)
                ledger.recent.append((rule, old))
        if found:
            merged, g = True, subst(_all(found), g)
    return merged, g


def _levels(g: Any) -> dict[Node, int]:
    """Return how far above the leaves each node is; nothing if there is a cycle."""
    level: dict[Any, int] = {None: 0}
    try:
        for v in topo(g):
            level[v] = 1 + max([level[i] for i in v.inputs], default=0)
    except CycleError:
        return {}
    return level


def _independent(roots: tuple[Node, ...], level: dict[Node, int]) -> bool:
    """Tell whether no root uses another, so that all can become one."""
    if not level:
        return not any(isreaching(a, b) for a in roots for b in roots if a is not b)
    lowest = min([level[root] for root in roots])
    seen: set[Node] = set()
    stack = [root for root in roots if level[root] > lowest]
    while stack:
        below = [i for i in stack.pop().inputs if level[i] >= lowest and i not in seen]
        if any(i in roots for i in below):
            return False
        seen.update(below)
        stack += below
    return True


def _harmless(found: list[dict[Node, Node]], g: Any) -> list[dict[Node, Node]]:
    """Return those changes that together close no cycle, as two groups that use each other would."""
    if not found or not iscyclic(subst(_all(found), g)):
        return found
    kept: list[dict[Node, Node]] = []
    for changes in found:
        if not iscyclic(subst(_all([*kept, changes]), g)):
            kept.append(changes)
    return kept


def _all(found: list[dict[Node, Node]]) -> dict[Node, Node]:
    return {old: new for changes in found for old, new in changes.items()}
