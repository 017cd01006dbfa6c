"""Branches and loops. Their subgraphs become blocks of code; see :mod:`codegen_torch.blocks`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from onnx_proto import Graph

from codegen_torch.blocks import Block, close, if_, loop, parameter, walk
from codegen_torch.clean.subgraphs import BRANCHES
from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, Slot, array, call, in_block, literal
from codegen_torch.facts import Container, Fact, FactError, Facts, KindError, SequenceOf, Size, joined
from codegen_torch.lower.loops import Settled, outside
from codegen_torch.lower.registry import Context, Int, List, NotApplicable, Obstructed, Subgraphs, Value, op
from codegen_torch.ops.sequence import unbound
from codegen_torch.symbols.namespaces import F, host, index, list_, maybe, runtime
from codegen_torch.symbols.sequence import element_of

_FOREVER = 1 << 31
"""Exporters write the largest int64 where a loop has no limit."""
_COMPARISONS = frozenset({"torch.eq", "torch.ne", "torch.lt", "torch.le", "torch.gt", "torch.ge"})


@op("If", since=1)
def if_op(cond: Expr, *, then_branch: Graph, else_branch: Graph, context: Context) -> Any:
    """A condition that is known takes its branch."""
    subgraphs = _subgraphs(context)
    _check_condition(cond)
    if cond.fact.is_constant:
        taken, branch = (then_branch, "then_branch") if _is_true(cond) else (else_branch, "else_branch")
        return tuple(subgraphs.here(taken, branch=branch))
    mark = Dim.fresh()
    numbers = [subgraphs.number(), subgraphs.number()]
    results = _each(subgraphs, zip(numbers, (then_branch, else_branch), BRANCHES, strict=True))
    if len(results[0]) != len(results[1]):
        raise FactError(f"a choice of {len(results[0])} values or {len(results[1])}")
    used = [number for number, is_used in enumerate(context.outputs) if is_used and number < len(results[0])]
    then, orelse = (close(number, (), [found[i] for i in used]) for number, found in zip(numbers, results, strict=True))
    facts = tuple(outside(_either(results[0][i].fact, results[1][i].fact), mark) for i in used)
    values = dict(zip(used, if_(condition(cond), then, orelse, facts), strict=True)) if used else {}
    return tuple(values.get(number) for number in range(len(context.outputs)))


def _each(subgraphs: Subgraphs, graphs: Iterable[tuple[int, Graph, str]]) -> list[list[Expr]]:
    """The outputs of every branch. What obstructs one is no reason not to tell what obstructs the next."""
    results: list[list[Expr] | None] = []
    for number, graph, branch in graphs:
        try:
            results.append(subgraphs.block(number, graph, branch=branch))
        except Obstructed:
            results.append(None)
    found = [result for result in results if result is not None]
    if len(found) < len(results):
        raise Obstructed
    return found


def _subgraphs(context: Context) -> Subgraphs:
    assert context.subgraphs is not None
    return context.subgraphs


def _check_condition(cond: Expr) -> None:
    """Refuse what is not one truth value."""
    count = cond.fact.size
    if isinstance(cond.fact, Container) or cond.dtype is not DType.BOOL or (isinstance(count, int) and count != 1):
        raise FactError(f"decided by {cond.fact}")


def _is_true(cond: Expr) -> bool:
    known = cond.fact.value
    assert known is not None
    if known.size != 1:
        raise NotApplicable(f"the condition has {known.size} elements, not one")
    return bool(known.reshape(()).item())


def _either(left: Fact, right: Fact) -> Fact:
    try:
        return joined(left, right)
    except KindError as error:
        raise FactError(f"a choice between {error}") from error


def condition(cond: Expr) -> Expr:
    """A condition as Python tests it: what is known of sizes, numbers and None needs no tensor."""
    if cond.op in _COMPARISONS:
        values = [operand.fact.value for operand in cond.inputs]
        if all(value is not None and value.size == 1 for value in values):
            return call(cond.op, *[value.reshape(()).item() for value in values])
    if cond.op == "host.tensor" and isinstance(cond.attrs["values"], Slot):
        return cond.inputs[0]  # type: ignore[no-any-return]
    if cond.op in ("operator.invert", "torch.logical_not"):
        inner = condition(cond.inputs[0])
        if inner.op == "maybe.is_there":
            return maybe.is_missing(inner.inputs[0])  # type: ignore[no-any-return]
    return cond


@op("Loop", since=1)
def loop_op(count: Int | None = None, cond: Expr | None = None, *initial: Value, body: Graph, context: Context) -> Any:
    """Up to ``count`` times, while the condition holds, which the body computes anew."""
    subgraphs = _subgraphs(context)
    if len(body.inputs) != 2 + len(initial) or len(body.outputs) <= len(initial):
        raise FactError(f"a loop over {len(initial)} values with a body of {len(body.inputs)} inputs")
    if cond is not None:
        _check_condition(cond)
    if cond is not None and cond.fact.is_constant:
        count = count if _is_true(cond) else 0
        cond = None
    made = _Body(subgraphs)

    def lowered(carried: Sequence[Expr]) -> list[Expr]:
        made.begin(body.inputs[0].name)
        with in_block(made.number):
            number = host.tensor(made.index, dtype=DType.INT64)
        # The body runs only while the condition holds, so inside of it it does.
        going_on, *results = subgraphs.block(made.number, body, (number, array(True), *carried))
        return [*results[: len(initial)], going_on, *results[len(initial) :]]

    settled = Settled([value.name for value in body.inputs[2:]], initial, lowered, subgraphs.depth)
    going_on: Expr | None = settled.others[0]
    assert going_on is not None
    _check_condition(going_on)
    conditional = not (going_on.fact.is_constant and _is_true(going_on))
    if isinstance(count, int) and count >= _FOREVER and (conditional or cond is not None):
        count = None
    if count is None and not conditional:
        raise NotApplicable("the loop never ends")
    times = None if conditional or cond is not None else count
    certain = isinstance(count, int) and count > 0 and cond is None
    results, lists = made.end(
        settled, initial, count, cond, (), settled.others[1:], times, going_on if conditional else None
    )
    return (*results, *(_stacked(each, 0, certain=certain) for each in lists))


class _Body:
    """A loop's body while it is lowered.

    Attributes:
        number: The number of its block.
        index: The parameter that counts the iterations.
        mark: Sizes that are younger than this one mean nothing outside.
    """

    def __init__(self, subgraphs: Subgraphs) -> None:
        self._subgraphs = subgraphs
        self.mark = Dim.fresh()
        self.begin("i")

    def begin(self, name: str) -> None:
        """Start again."""
        self.number = self._subgraphs.number()
        self.index = parameter(name, Fact(DType.INT64, (), host=True))

    def end(
        self,
        settled: Settled,
        initial: Sequence[Expr],
        count: Int | None,
        cond: Expr | None,
        scanned: Sequence[tuple[Expr, Expr]],
        collected: Sequence[Expr],
        times: Int | None,
        going_on: Expr | None,
    ) -> tuple[list[Expr], list[Expr]]:
        """Make the loop.

        Args:
            settled: The carried values.
            initial: What they are before the loop.
            count: How often the body runs at most.
            cond: Whether it runs at all.
            scanned: The lists whose elements it takes, and what it calls the elements.
            collected: What it returns an element of a list of in each iteration.
            times: How often it runs, if that is certain.
            going_on: Whether it runs once more.

        Returns:
            The carried values after the loop, and the collected lists.
        """
        carried = list(zip(settled.params, initial, settled.following, strict=True))
        moving = [(param, value, new) for param, value, new in carried if param is not None]
        elements = [element for _, element in scanned]
        returned = [*([] if going_on is None else [going_on]), *(new for _, _, new in moving), *collected]
        block = close(self.number, [self.index, *(param for param, _, _ in moving), *elements], returned)
        block, lists = _collecting(block, [(param, value) for param, value, _ in moving], going_on is not None)
        kept = [(param, value) for param, value, _ in moving if param not in lists]
        facts: list[Facts] = [outside(param.fact, self.mark) for param, _ in kept]
        length = times if isinstance(times, int | Dim) else None
        facts += [SequenceOf(outside(value.fact, self.mark), length) for value in (*collected, *lists.values())]
        if not facts:
            return list(initial), []
        parts = loop(
            count if count is None or isinstance(count, Expr) else literal(count),
            None if cond is None else condition(cond),
            [value for _, value in kept],
            [values for values, _ in scanned],
            block,
            tuple(facts),
            conditional=going_on is not None,
        )
        after = dict(zip((param for param, _ in kept), parts, strict=False))
        after.update(zip(lists, parts[len(parts) - len(lists) :], strict=True))
        found = parts[len(kept) : len(parts) - len(lists)]
        return [value if param is None else after[param] for param, value, _ in carried], list(found)


def _collecting(block: Block, carried: list[tuple[Expr, Expr]], start: int) -> tuple[Block, dict[Expr, Expr]]:
    """A loop's body that returns elements in the place of the lists, empty at first, that it only appends them to.

    Args:
        block: The body.
        carried: The parameters and initial values of what it carries.
        start: Where the first of these is among its results.

    Returns:
        The body, and the elements by the parameters, which it does not have any more.
    """
    code = block.code
    uses = Counter(operand for expr in walk(code.body) for operand in expr.inputs) + Counter(code.body)
    pairs = list(zip(carried, code.body[start:], strict=False))
    grown = {param: new.inputs[1] for (param, initial), new in pairs if _grows(param, initial, new, uses)}
    if not grown:
        return block, grown
    kept = [new for (param, _), new in pairs if param not in grown]
    returned = [*code.body[:start], *kept, *code.body[start + len(carried) :], *grown.values()]
    params = [param for param in code.params if param not in grown]
    return close(code.number, params, returned, dict(zip(code.captured, block.captures, strict=True))), grown


def _grows(param: Expr, initial: Expr, new: Expr, uses: Counter[Expr]) -> bool:
    """Whether all that a loop does with a list, which is empty at first, is to append to it."""
    is_empty = initial.op == "list.of" and not initial.inputs
    appends = new.op == "list.inserted" and new.inputs[0] is param and "position" not in new.attrs
    return is_empty and appends and uses[param] == uses[new] == 1


def _stacked(values: Expr, dim: int, *, certain: bool) -> Expr:
    """A list as one tensor. Where it may be empty, the result has the sizes that are known, and 0 for others."""
    assert isinstance(values.fact, SequenceOf)
    element = values.fact.element
    if certain and element.dtype is not DType.STRING:
        return list_.stack(values, dim=dim)  # type: ignore[no-any-return]
    sizes = [size if isinstance(size, int) or size.is_bound() else 0 for size in element.dims or ()]
    sizes.insert(dim % (len(sizes) + 1), 0)
    if element.dtype is DType.STRING:
        return runtime.join_strings(values, dim, new_axis=True, empty=tuple(sizes))  # type: ignore[no-any-return]
    return runtime.stack(values, tuple(sizes), dim, dtype=element.dtype)  # type: ignore[no-any-return]


@op("Scan", since=9)
def scan(
    *inputs: Value,
    body: Graph,
    num_scan_inputs: int,
    scan_input_axes: tuple[int, ...] = (),
    scan_input_directions: tuple[int, ...] = (),
    scan_output_axes: tuple[int, ...] = (),
    scan_output_directions: tuple[int, ...] = (),
    context: Context,
) -> Any:
    """The body runs for every slice of the scanned inputs, which are the last ``num_scan_inputs``."""
    states = len(inputs) - num_scan_inputs
    if states < 0 or num_scan_inputs < 1 or len(body.inputs) != len(inputs) or len(body.outputs) < states:
        raise FactError(f"a scan of {len(inputs)} inputs with a body of {len(body.inputs)}")
    if not {*scan_input_directions, *scan_output_directions} <= {0, 1}:
        raise FactError("a scan in directions other than 0 and 1")
    axes = _padded(scan_input_axes, num_scan_inputs)
    backwards = _padded(scan_input_directions, num_scan_inputs)
    lists = [
        _slices(x, axis, backwards=bool(back)) for x, axis, back in zip(inputs[states:], axes, backwards, strict=True)
    ]
    results, found, certain = _scan(_subgraphs(context), body, inputs[:states], lists)
    axes = _padded(scan_output_axes, len(found))
    backwards = _padded(scan_output_directions, len(found))
    return (
        *results,
        *(
            _stacked(list_.reversed(values) if back else values, axis, certain=certain)
            for values, axis, back in zip(found, axes, backwards, strict=True)
        ),
    )


def _padded(numbers: Sequence[int], count: int) -> list[int]:
    if len(numbers) not in (0, count):
        raise FactError(f"a scan with {len(numbers)} axes or directions for {count} values")
    return list(numbers) or [0] * count


def _slices(x: Expr, axis: int, *, backwards: bool) -> Expr:
    slices = unbound(x, axis)
    return list_.reversed(slices) if backwards else slices


def _scan(
    subgraphs: Subgraphs, body: Graph, initial: Sequence[Expr], lists: Sequence[Expr]
) -> tuple[list[Expr], list[Expr], bool]:
    """A loop over lists; returns the states, the collected lists and whether there is an iteration for certain."""
    made = _Body(subgraphs)
    names = [value.name for value in body.inputs]
    elements: list[Expr] = []

    def lowered(carried: Sequence[Expr]) -> list[Expr]:
        made.begin("i")
        named = zip(names[len(initial) :], lists, strict=True)
        elements[:] = [parameter(name, element_of(values.fact)) for name, values in named]
        return subgraphs.block(made.number, body, (*carried, *elements))

    settled = Settled(names[: len(initial)], initial, lowered, subgraphs.depth)
    lengths = [values.fact.length for values in lists if isinstance(values.fact, SequenceOf)]
    known = [length for length in lengths if isinstance(length, int)]
    if len(set(known)) > 1:
        raise FactError(f"a scan of lists of {' and '.join(map(str, known))} elements")
    times = known[0] if known else lengths[0]
    results, found = made.end(
        settled, initial, None, None, [*zip(lists, elements, strict=True)], settled.others, times, None
    )
    return results, found, bool(known and known[0] > 0)


@op("Scan", since=8, until=8)
def scan_of_batches(
    lengths: Expr | None,
    *inputs: Value,
    body: Graph,
    num_scan_inputs: int,
    directions: tuple[int, ...] = (),
    context: Context,
) -> Any:
    """A scan of its own for every entry of the batch, which is dimension 0; the sequence is dimension 1.

    Entries may be shorter than the longest; what is missing at the end of their results is zero.
    """
    subgraphs = _subgraphs(context)
    states = len(inputs) - num_scan_inputs
    if states < 0 or num_scan_inputs < 1 or len(body.inputs) != len(inputs) or len(body.outputs) < states:
        raise FactError(f"a scan of {len(inputs)} inputs with a body of {len(body.inputs)}")
    outer = _Body(subgraphs)
    outer.begin("batch")
    batches = [unbound(x, 0) for x in inputs]
    names = [value.name for value in body.inputs]
    elements = [parameter(name, element_of(batch.fact)) for name, batch in zip(names, batches, strict=True)]
    lengths_of = [] if lengths is None else [parameter("length", Fact(lengths.dtype, ()))]
    with in_block(outer.number):
        longest = elements[states].shape[0]
        length = host.item(lengths_of[0]) if lengths_of else None
        sequences = [x if length is None else index.slice(x, 0, 0, length) for x in elements[states:]]
        backwards = _padded(directions, num_scan_inputs)
        lists = [_slices(x, 0, backwards=bool(back)) for x, back in zip(sequences, backwards, strict=True)]
        results, found, certain = _scan(subgraphs, body, elements[:states], lists)
        stacked = [_stacked(values, 0, certain=certain) for values in found]
        if length is not None:
            stacked = [_lengthened(x, longest - length) for x in stacked]
    settled = Settled((), (), lambda carried: (*results, *stacked), 0)
    scanned = [*zip(batches, elements, strict=True)]
    scanned += [(list_.unbind(lengths, 0), param) for param in lengths_of]
    first = batches[0].fact
    assert isinstance(first, SequenceOf)
    _, collected = outer.end(settled, (), None, None, scanned, settled.others, first.length, None)
    certain = isinstance(first.length, int) and first.length > 0
    return tuple(_stacked(values, 0, certain=certain) for values in collected)


def _lengthened(x: Expr, missing: Size | Expr) -> Expr:
    if x.rank is None:
        raise NotApplicable("the rank of a result is only known when the model runs")
    return F.pad(x, (*[0] * (2 * x.rank - 1), missing))  # type: ignore[no-any-return]


@op("SequenceMap", since=17)
def sequence_map(first: List, *others: Value, body: Graph, context: Context) -> Any:
    """The body runs for every element of the first sequence, and of all others; tensors it takes whole."""
    subgraphs = _subgraphs(context)
    inputs = (first, *others)
    if len(body.inputs) != len(inputs):
        raise FactError(f"a map of {len(inputs)} values with a body of {len(body.inputs)}")
    made = _Body(subgraphs)
    scanned: list[tuple[Expr, Expr]] = []
    given: list[Expr] = []
    for value, named in zip(inputs, body.inputs, strict=True):
        if isinstance(value.fact, SequenceOf):
            element = parameter(named.name, element_of(value.fact))
            scanned.append((value, element))
            given.append(element)
        else:
            given.append(value)
    results = subgraphs.block(made.number, body, given)
    assert isinstance(first.fact, SequenceOf)
    settled = Settled((), (), lambda carried: results, 0)
    return tuple(made.end(settled, (), None, None, scanned, settled.others, first.fact.length, None)[1])
