"""Lists, and values that may be None, as Python source."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from codegen_torch.dims import Dim
from codegen_torch.emit.layout import Bracket, Doc
from codegen_torch.emit.source import ATOM, Source, slice_source
from codegen_torch.expr import Slot

if TYPE_CHECKING:
    from codegen_torch.emit.expression import Printer


def _list(printer: Printer) -> Source:
    return Source(
        Bracket("[", tuple(printer.source(item).doc for item in printer.expr.inputs), "]"), ATOM, printer.depth()
    )


def _inserted(printer: Printer) -> Source:
    """``[*xs, x]``, or ``[*xs[:2], x, *xs[2:]]``."""
    xs, x = printer.atom(printer.expr.inputs[0]), printer.source(printer.expr.inputs[1]).doc
    position = printer.arguments["position"]
    if position is None:
        items: tuple[Doc, ...] = (f"*{xs}", x)
    elif position == 0 and not isinstance(position, Slot | Dim):
        items = (x, f"*{xs}")
    else:
        at = printer.attribute("position")
        items = (f"*{xs}[{slice_source('', at, '')}]", x, f"*{xs}[{slice_source(at, '', '')}]")
    return Source(Bracket("[", items, "]"), ATOM, printer.depth() + 1)


def _without(printer: Printer) -> Source:
    xs, position = printer.atom(printer.expr.inputs[0]), printer.arguments["position"]
    if position in (0, -1):
        return Source(f"{xs}[1:]" if position == 0 else f"{xs}[:-1]", ATOM, printer.depth())
    return Source(f"{xs}[:{position}] + {xs}[{position + 1}:]", 12, printer.depth() + 1)


def _at(printer: Printer) -> Source:
    return printer.subscript(printer.attribute("position"))


def _length(printer: Printer) -> Source:
    return Source(Bracket("len(", (printer.source(printer.expr.inputs[0]).doc,), ")"), ATOM, printer.depth() + 1)


def _as_list(printer: Printer) -> Source:
    """``list(x.split(2, dim=1))``: torch returns tuples."""
    name = printer.expr.op.removeprefix("list.")
    dim = printer.attribute("dim")
    sizes = [printer.attribute("split_size")] if name == "split" else []
    call = printer.method(name, [*sizes, *([f"dim={dim}"] if dim != "0" else [])])
    return Source(Bracket("list(", (call.doc,), ")"), ATOM, call.depth + 1)


def _joined(printer: Printer) -> Source:
    """``torch.cat(xs, dim=1)`` of a list that has a name."""
    dim = printer.attribute("dim")
    items: list[Doc] = [printer.source(printer.expr.inputs[0]).doc, *([f"dim={dim}"] if dim != "0" else [])]
    return Source(
        Bracket(f"torch.{printer.expr.op.removeprefix('list.')}(", tuple(items), ")"), ATOM, printer.depth() + 1
    )


def _reversed(printer: Printer) -> Source:
    return printer.subscript("::-1")


def _is_there(printer: Printer) -> Source:
    test = "is" if printer.expr.op == "maybe.is_missing" else "is not"
    return Source(f"{printer.atom(printer.expr.inputs[0])} {test} None", 6, printer.depth())


def _itself(printer: Printer) -> Source:
    return printer.source(printer.expr.inputs[0])


LISTS: dict[str, Callable[[Printer], Source]] = {
    "list.cat": _joined,
    "list.inserted": _inserted,
    "list.item": _at,
    "list.len": _length,
    "list.of": _list,
    "list.reversed": _reversed,
    "list.split": _as_list,
    "list.stack": _joined,
    "list.unbind": _as_list,
    "list.without": _without,
    "maybe.is_missing": _is_there,
    "maybe.is_there": _is_there,
    "maybe.value": _itself,
}
