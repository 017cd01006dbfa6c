"""Statements: assignments, loops over layers, and the ``if``, ``for`` and ``while`` of blocks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from codegen_torch.blocks import LoopParts, captured, has_blocks, loop_parts
from codegen_torch.emit.body import BodyWriter, Line, Method, alike, flat
from codegen_torch.emit.layout import Bracket, Doc, lay_out
from codegen_torch.emit.naming import is_generic, spoken
from codegen_torch.emit.plan import Detour, Loop, Statement, make_plan, member_text, operands_of
from codegen_torch.emit.source import ATOM, Source
from codegen_torch.emit.variables import Variables
from codegen_torch.expr import Expr
from codegen_torch.modules.region import Region, blocks
from codegen_torch.names import singular


class StatementWriter(BodyWriter):
    """Writes the statements of a region.

    Attributes:
        level: How many levels they are indented.
        arguments: The names of the method's parameters, which keep their values.
        conditional: Whether what is written may not run.
        repeated: Whether it may run more than once, so that it computes no one value of the graph.
    """

    conditional = False
    repeated = False

    def __init__(self, method: Method, region: Region, level: int) -> None:
        super().__init__(method, region)
        self.level = level
        self.arguments: frozenset[str] = frozenset()

    def statements(self) -> list[Line]:
        """The lines of all statements of the plan."""
        lines: list[Line] = []
        self.variables.end(self.last_uses())
        for index, statement in enumerate(self.plan.statements):
            unit = statement.unit
            if isinstance(unit, Expr) and has_blocks(unit):
                write = {"control.branch": self._branches, "control.loop": self._loop}.get(unit.op, self._gradient)
                lines += write(statement, unit, index)
            elif isinstance(unit, Detour):
                lines += self._detour(statement, unit, index)
            else:
                lines += self._assignment(statement, unit, index)
            lines += self.assigned([value for value in flat(statement.targets) if value is not None])
        return lines

    def assigned(self, values: Iterable[Expr]) -> list[Line]:
        """What has to be said as soon as values are known."""
        return []

    def lines(
        self,
        texts: Iterable[str],
        units: Iterable[Expr | Region | Loop | Detour],
        sources: Mapping[Expr, Source] = MappingProxyType({}),
    ) -> list[Line]:
        """The lines of a statement that stands for the ONNX nodes of some units and has these sources in it."""
        nodes = self.method.nodes(units)
        lines = [Line(text, nodes) for text in texts]
        if lines:
            lines[0].values = () if self.repeated else self.method.written(sources, conditional=self.conditional)
        return lines

    def _assignment(self, statement: Statement, unit: Expr | Region | Loop, index: int) -> list[Line]:
        sources = self.sources(statement.inlined)
        if isinstance(unit, Loop):
            arguments = [self.operand(value, sources).doc for value in unit.calls[0].params]
            self.release(index)
            texts = self._layers(unit, self.targets(statement), arguments)
        else:
            source = self.unit_source(unit, sources)
            self.release(index)
            texts = lay_out(source.doc, self.level, f"{self.targets(statement)} = ")
            sources |= {unit: source} if isinstance(unit, Expr) else {}
        return self.lines(texts, [*statement.inlined, unit], sources)

    # What is optional.

    def _detour(self, statement: Statement, detour: Detour, index: int) -> list[Line]:
        """``if self.flag: x = …``, which leaves ``x`` as it is otherwise."""
        value, *_ = detour.block.params
        outer = {param: self.operand(param, {}) for param in detour.block.params}
        held = outer[value].text
        self.release(index)
        after = dict(self.variables.held)
        if held in self.freed and is_generic(held):
            name = held
        else:
            name = self.variables.unique(self.hints.get(statement.targets), self.freed)
        margin = "    " * self.level
        lines = [] if name == held else self.lines([f"{margin}{name} = {held}"], [])
        self.bind(statement.targets, name)
        body = BlockWriter(self, detour.block, outer, after, [name]).write([(name, statement.targets)])
        return [*lines, *self.lines([f"{margin}if self.{detour.flag}:"], detour.block.units), *body]

    # Layers that are called one after the other.

    def name_of(self, target: Expr, statement: Statement) -> str:
        """What every call takes must outlive the first result of a loop over layers."""
        if not isinstance(statement.unit, Loop):
            return super().name_of(target, statement)
        params = statement.unit.calls[0].params
        carried = params[statement.unit.position]
        others = [self.names[value] for value in params if value in self.names and value is not carried]
        if self.names.get(carried) in self.freed and carried.op != "input":
            return self.names[carried]
        return self.variables.unique(None, others)

    def _layers(self, loop: Loop, target: str, arguments: list[Doc]) -> list[str]:
        """``for layer in self.layers: x = layer(x, mask)``, after ``x`` has its first value."""
        container, _, first = self.region.members[loop.calls[0]].rpartition(".")
        variable = self.variables.unique(singular(container.rsplit(".", 1)[-1]), {*self.freed, target})
        start = str(arguments[loop.position])
        lines = [] if start == target else lay_out(start, self.level, f"{target} = ")
        margin = "    " * self.level
        lines.append(f"{margin}for {variable} in {self._iterated(container, int(first), len(loop.calls))}:")
        repeated = [target if index == loop.position else argument for index, argument in enumerate(arguments)]
        return lines + lay_out(self.call(variable, loop.calls[0], repeated).doc, self.level + 1, f"{target} = ")

    def _iterated(self, container: str, first: int, count: int) -> str:
        numbers = [
            int(path.rpartition(".")[2])
            for unit, path in self.region.members.items()
            if path.rpartition(".")[0] == container
        ]
        text = member_text(container)
        if first == 0 and count == max(numbers) + 1:
            return text
        return f"{text}[{first or ''}:{'' if first + count == max(numbers) + 1 else first + count}]"

    # Branches.

    def _branches(self, statement: Statement, unit: Expr, index: int) -> list[Line]:
        """``if cond: … else: …``, both assigning the same names."""
        sources = self.sources(statement.inlined)
        cond = self.operand(unit.inputs[0], sources)
        outer = self._outer(unit, sources)
        self.release(index)
        after = dict(self.variables.held)
        self.targets(statement)
        targets = list(statement.targets)
        names = [self.names[target] for target in targets if target is not None]
        branches: list[list[Line]] = []
        for block in blocks(unit):
            given = dict(zip(block.params, outer, strict=False))
            writer = BlockWriter(self, block, given, after, names, repeated=self.repeated)
            del outer[: len(block.params)]
            results = [result for target, result in zip(targets, block.results, strict=True) if target is not None]
            branches.append(writer.write(list(zip(names, results, strict=True))))
        then, orelse = branches
        if not then and not orelse:
            return []
        made, margin = [*statement.inlined, unit], "    " * self.level
        if not then:
            return self.lines([f"{margin}if not {cond.text}:"], made, sources) + orelse
        lines = self.lines([f"{margin}if {cond.text}:"], made, sources) + then
        return [*lines, *self.lines([f"{margin}else:"], made), *orelse] if orelse else lines

    def _outer(self, unit: Expr, sources: Mapping[Expr, Source]) -> list[Source]:
        """The source of what the blocks capture, in the order of the expression's last operands."""
        return [self.operand(value, sources) for value in captured(unit)]

    # Derivatives.

    def _gradient(self, statement: Statement, unit: Expr, index: int) -> list[Line]:
        """The function that is differentiated, ``torch.func.vjp`` of it, and the derivatives."""
        sources = self.sources(statement.inlined)
        outer = self._outer(unit, sources)
        code = blocks(unit)[0]
        at = [self.operand(value, sources).doc for value in unit.inputs[: len(unit.inputs) - len(outer)]]
        self.release(index)
        made, margin = [*statement.inlined, unit], "    " * self.level
        taken = {*self.freed, *self.method.tensors, *(source.text for source in outer)}
        names: list[str] = []
        for wanted in ("function", "result", "pullback"):
            names.append(self.variables.unique(wanted, taken))
            taken.add(names[-1])
        function, result, pullback = names
        writer = BlockWriter(self, code, dict(zip(code.params, outer, strict=False)), dict(self.variables.held), names)
        params = [self.variables.unique(spoken(param.attrs["name"]), taken) for param in code.params[len(outer) :]]
        body = writer.write_function(dict(zip(code.params[len(outer) :], params, strict=True)))
        head = Bracket(f"def {function}(", tuple(f"{name}: Tensor" for name in params), ") -> Tensor:")
        call = Bracket("torch.func.vjp(", (function, *at), ")")
        targets = self.targets(statement)
        targets = f"({targets},)" if len(statement.targets) == 1 else targets
        lines = self.lines(["", *lay_out(head, self.level)], made) + body
        texts = ["", *lay_out(call, self.level, f"{result}, {pullback} = ")]
        return lines + self.lines([*texts, f"{margin}{targets} = {pullback}(torch.ones_like({result}))"], made)

    # Loops.

    def _loop(self, statement: Statement, unit: Expr, index: int) -> list[Line]:
        """``for`` or ``while``, after the carried values have their first values and the lists are empty."""
        parts = loop_parts(unit)
        sources = self.sources(statement.inlined)
        outer = self._outer(unit, sources)
        heads = _Heads(
            [self.operand(value, sources) for value in parts.initial],
            [self._iterable(value, sources) for value in parts.scanned],
            None if parts.count is None else self.operand(parts.count, sources),
            None if parts.cond is None else self.operand(parts.cond, sources),
        )
        self.release(index)
        after = dict(self.variables.held)
        variables = self._loop_variables(statement, parts, {source.text for source in outer})
        margin = "    " * self.level
        made = [*statement.inlined, unit]
        texts: list[str] = []
        for name, source in zip(variables.carried, heads.initial, strict=True):
            if source.text != name:
                texts += lay_out(source.doc, self.level, f"{name} = ")
        texts += [f"{margin}{name} = []" for name in variables.lists]
        block = blocks(unit)[0]
        body = BlockWriter(self, block, dict(zip(block.params, outer, strict=False)), after, variables.all)
        uses_index = body.uses(parts.index)
        texts += self._loop_head(parts, heads, variables, uses_index=uses_index)
        lines = self.lines(texts, made)
        lines += body.write_loop(
            parts, variables, counts=uses_index and heads.count is None, asks=heads.cond is not None
        )
        for target in flat(statement.targets):
            if target is not None:
                self.bind(target, self.names[target])
        return lines

    def _iterable(self, value: Expr, sources: Mapping[Expr, Source]) -> Source:
        """A list that is looped over. A tensor can be looped over as it is."""
        if value in self.names:
            return Source(self.names[value])
        if value.op == "list.reversed" and value.inputs[0] in sources and value.inputs[0].op == "list.unbind":
            x, dim = value.inputs[0].inputs[0], value.inputs[0].attrs.get("dim", 0)
            text = f"{self._atom(x, sources)}.flip({dim})"
        elif value.op == "list.unbind":
            x, dim = value.inputs[0], value.attrs.get("dim", 0)
            text = self._atom(x, sources)
        else:
            return self.operand(value, sources)
        return Source(text if dim == 0 else f"{text}.unbind({dim})")

    def _atom(self, value: Expr, sources: Mapping[Expr, Source]) -> str:
        source = self.operand(value, sources)
        return source.text if source.precedence >= ATOM else f"({source.text})"

    def _loop_variables(self, statement: Statement, parts: LoopParts, held: set[str]) -> LoopVariables:
        """Names for what changes in a loop. A carried value keeps its variable, if nothing else needs that."""
        targets = list(statement.targets)
        unique = self.variables.unique
        freed = {name for name in self.freed if name not in self.variables and name not in held}
        taken = {*self.freed, *held, *self.method.tensors}
        carried: list[str] = []
        for param, initial, target in zip(parts.carried, parts.initial, targets, strict=False):
            name = self.names.get(initial, "")
            reusable = (
                name in freed
                and name not in carried
                and alike(param, initial)
                and (is_generic(name) or name not in self.arguments)
            )
            if not reusable:
                hint = spoken(param.attrs["name"]) or (self.hints.get(target) if target is not None else None)
                name = unique(hint, taken)
            carried.append(name)
            taken.add(name)
            if target is not None:
                self.bind(target, name)
        lists: list[str] = []
        for target, value in zip(targets[len(carried) :], parts.collected, strict=True):
            lists.append(unique(_plural(spoken(value.origin.name) or "out"), taken))
            taken.add(lists[-1])
            if target is not None:
                self.bind(target, lists[-1])
        elements: list[str] = []
        for element in parts.elements:
            elements.append(unique(spoken(element.attrs["name"]), taken))
            taken.add(elements[-1])
        index = unique(spoken(parts.index.attrs["name"]) or "i", taken)
        cond = unique("cond", {*taken, index})
        for name in (*carried, *lists):
            self.variables.drop(name)
        return LoopVariables(carried, lists, elements, index, cond)

    def _loop_head(self, parts: LoopParts, heads: _Heads, variables: LoopVariables, *, uses_index: bool) -> list[str]:
        margin = "    " * self.level
        lines: list[str] = []
        if heads.cond is not None and parts.going_on is not None:
            lines += lay_out(heads.cond.doc, self.level, f"{variables.cond} = ")
        if parts.scanned:
            texts = [source.text for source in heads.scanned]
            over = texts[0] if len(texts) == 1 else f"zip({', '.join(texts)})"
            return [*lines, f"{margin}for {', '.join(variables.elements)} in {over}:"]
        if heads.count is not None:
            variable = variables.index if uses_index else "_"
            count = heads.count.text
            if heads.cond is not None and parts.going_on is None:
                count = f"{count} if {heads.cond.text} else 0"
            lines.append(f"{margin}for {variable} in range({count}):")
            if heads.cond is not None and parts.going_on is not None:
                lines += [f"{margin}    if not {variables.cond}:", f"{margin}        break"]
            return lines
        if uses_index:
            lines.append(f"{margin}{variables.index} = 0")
        return [*lines, f"{margin}while {'True' if heads.cond is None else variables.cond}:"]


@dataclass(slots=True)
class _Heads:
    """The source of a loop's operands."""

    initial: list[Source]
    scanned: list[Source]
    count: Source | None
    cond: Source | None


@dataclass(slots=True)
class LoopVariables:
    """The names of what changes in a loop."""

    carried: list[str]
    lists: list[str]
    elements: list[str]
    index: str
    cond: str

    @property
    def all(self) -> list[str]:
        """None of them may be taken in the body for something else."""
        return [*self.carried, *self.lists, *self.elements, self.index, self.cond]


class BlockWriter(StatementWriter):
    """Writes what is indented below an ``if``, ``for`` or ``while``.

    Args:
        around: The writer of the statement.
        block: The block.
        outer: The source of what the block captures.
        after: The variables that are needed after the statement.
        reserved: Names that only the results of the block take.
        repeated: Whether the block may run more than once.
    """

    conditional = True

    def __init__(
        self,
        around: StatementWriter,
        block: Region,
        outer: Mapping[Expr, Source],
        after: Mapping[str, Expr],
        reserved: Iterable[str],
        *,
        repeated: bool = True,
    ) -> None:
        self.members_around = around.region.members
        block.members = self.members_around
        super().__init__(around.method, block, around.level + 1)
        self.repeated = repeated
        self.arguments = around.arguments
        self.variables = Variables([*around.variables.reserved, *reserved], after)
        self.endless: set[Expr] = set()
        self.finals: dict[Expr, str] = {}
        for param, source in outer.items():
            if not source.text.isidentifier():
                self.given[param] = source
                continue
            self.bind(param, source.text)
            if source.text in after:
                self.endless.add(param)

    def uses(self, value: Expr) -> bool:
        """Whether anything in the block needs a value."""
        return value in self.region.results or any(value in operands_of(unit) for unit in self.region.units)

    def write(self, finals: Sequence[tuple[str, Expr]]) -> list[Line]:
        """The lines of a branch, which give names their values."""
        self._make_plan([value for _, value in finals], finals)
        return self.statements() + self._assign(finals, self.sources(self.plan.inlined))

    def write_function(self, params: Mapping[Expr, str]) -> list[Line]:
        """The lines of a nested function. A name that it captures is not assigned again: that would be its own."""
        self.endless.update(self.names)
        for param, name in params.items():
            self.bind(param, name)
        (result,) = self.region.results
        self._make_plan([result], [])
        lines = self.statements()
        sources = self.sources(self.plan.inlined)
        doc = self.operand(result, sources).doc
        return lines + self.lines(lay_out(doc, self.level, "return "), self.plan.inlined)

    def write_loop(self, parts: LoopParts, variables: LoopVariables, *, counts: bool, asks: bool) -> list[Line]:
        """The lines of a loop's body.

        Args:
            parts: The loop.
            variables: The names of what changes.
            counts: Whether the body counts the iterations itself.
            asks: Whether the condition has a variable, which is tested at the beginning.
        """
        self.endless.update(self.names)  # what is captured is needed in the next iteration, too
        for param, name in zip(parts.carried + parts.elements, variables.carried + variables.elements, strict=True):
            self.bind(param, name)
        self.bind(parts.index, variables.index)
        self.endless.add(parts.index)
        finals = list(zip(variables.carried, parts.following, strict=True))
        going_on = parts.going_on
        if asks and going_on is not None:
            finals.append((variables.cond, going_on))
        others = [*parts.collected, *([] if going_on is None or asks else [going_on])]
        self._make_plan([*(value for _, value in finals), *others], finals)
        lines = self.statements()
        sources = self.sources(self.plan.inlined)
        margin = "    " * self.level
        for name, value in zip(variables.lists, parts.collected, strict=True):
            doc = Bracket(f"{name}.append(", (self.operand(value, sources).doc,), ")")
            lines += self.lines(lay_out(doc, self.level), self.plan.inlined)
        if going_on is not None and not asks and self._unassigned(finals, sources):
            finals.append((variables.cond, going_on))
        lines += self._assign(finals, sources)
        if counts:
            lines.append(Line(f"{margin}{variables.index} += 1"))
        if going_on is not None and not asks:
            is_assigned = finals[-1:] == [(variables.cond, going_on)]
            test = variables.cond if is_assigned else self.operand(going_on, sources).text
            lines += self.lines([f"{margin}if not {test}:", f"{margin}    break"], self.plan.inlined)
        return lines or [Line(f"{margin}pass")]

    def _make_plan(self, results: list[Expr], finals: Sequence[tuple[str, Expr]]) -> None:
        self.region = Region("", units=self.region.units, params=self.region.params, results=results)
        self.region.members = self.members_around
        for name, value in finals:
            self.finals.setdefault(value, name)
        named = [value for value in self.finals if value.inputs and value.op != "literal"]
        self.plan = make_plan(self.region, self.hints, named, number=self.number, level=self.level, returns=False)

    def last_uses(self) -> dict[Expr, float]:
        """What is needed after the block, or in the next iteration, is needed until the end."""
        return super().last_uses() | dict.fromkeys(self.endless, math.inf)

    def name_of(self, target: Expr, statement: Statement) -> str:
        """A result takes its name at once, if nothing needs any more what has that name now."""
        name = self.finals.get(target)
        return name if name is not None and name not in self.variables.held else super().name_of(target, statement)

    def _unassigned(
        self, finals: Sequence[tuple[str, Expr]], sources: Mapping[Expr, Source]
    ) -> list[tuple[str, Source]]:
        found = [(name, self.operand(value, sources)) for name, value in finals]
        return [(name, source) for name, source in found if source.text != name]

    def _assign(self, finals: Sequence[tuple[str, Expr]], sources: Mapping[Expr, Source]) -> list[Line]:
        """Give names the values that they do not have yet, all at once: one may be another's old value."""
        left = self._unassigned(finals, sources)
        if not left:
            return []
        names = ", ".join(name for name, _ in left)
        doc: Doc = left[0][1].doc if len(left) == 1 else ", ".join(source.text for _, source in left)
        return self.lines(lay_out(doc, self.level, f"{names} = "), self.plan.inlined, sources)


def _plural(name: str) -> str:
    """What a list of such values is called."""
    return name if name.endswith("s") else f"{name}s"
