"""The ``forward`` method of a module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from codegen_torch.dtypes import DType
from codegen_torch.emit.body import Line, Method
from codegen_torch.emit.layout import Doc, lay_out
from codegen_torch.emit.naming import hint
from codegen_torch.emit.plan import Detour, make_plan, operands_of
from codegen_torch.emit.remarks import shapes
from codegen_torch.emit.statements import StatementWriter
from codegen_torch.expr import Expr
from codegen_torch.modules.definition import ClassDef
from codegen_torch.modules.region import Region, is_layer
from codegen_torch.modules.sizes import Sizes

_PASSED_ON = frozenset({"cos", "sin", "mask"})
"""Names that a float parameter takes over from the caller."""


@dataclass(slots=True)
class Forward:
    """The ``forward`` method.

    Attributes:
        parameters: Its parameters as they are declared, without self.
        result: The annotation of its result.
        lines: Its body.
    """

    parameters: list[str]
    result: str
    lines: list[Line] = field(default_factory=list)


class ForwardWriter(StatementWriter):
    """Writes the body of one region: first plans statements, then chooses names, then prints.

    Args:
        definition: The class; its printed region is written.
        sizes: Where every region finds its symbolic sizes.
        model_dtype: The float type that follows the model when it is cast.
        size_names: How symbols are called, the same in all classes.
        weight_path: A path to a float parameter below the region, for its dtype.
        functions: The module's functions, whose names no variable takes.
    """

    def __init__(
        self,
        definition: ClassDef,
        sizes: Mapping[Region, Sizes],
        model_dtype: DType | None,
        size_names: Mapping[str, str],
        weight_path: str | None,
        functions: Iterable[str] = (),
    ) -> None:
        region = definition.printed
        self.own = sizes[region]
        reserved = ["dtype", *functions, *(size_names[name] for name in (*self.own.sources, *self.own.arguments))]
        method = Method(definition, sizes, model_dtype, size_names, weight_path, reserved)
        super().__init__(method, region, 2)
        sized = [value for value, _ in self.own.sources.values()]
        self.plan = make_plan(region, self.hints, sized, number=self.number, detours=_detours(definition))
        self.pending = dict(self.own.sources)

    def write(self) -> Forward:
        """The method."""
        self._name_parameters()
        parameters = [self._declared(param) for param in self.region.params]
        parameters += [f"{self.method.size_names[name]}: int" for name in self.own.arguments]
        forward = Forward(parameters, self._result_type())
        forward.lines += self.assigned(self.region.params)
        forward.lines += self.statements()
        forward.lines += self._return()
        if self.method.needs_dtype:
            forward.lines.insert(0, Line(f"        dtype = {self.method.weight_path}.dtype"))
        names = [self.names[param] for param in self.region.params]
        forward.lines[:0] = map(Line, shapes(self.method.definition, names, self.method.size_names))
        return forward

    def last_uses(self) -> dict[Expr, float]:
        """Values that only sizes are read off are needed no more after that."""
        last = super().last_uses()
        for value, _ in self.own.sources.values():
            last.setdefault(value, -1)
        return last

    def assigned(self, values: Iterable[Expr]) -> list[Line]:
        """Read the sizes that later statements need off the tensors that just became known."""
        lines: list[Line] = []
        for value in values:
            axes = {axis: name for name, (source, axis) in self.pending.items() if source is value}
            for name in axes.values():
                del self.pending[name]
            if not axes:
                continue
            tensor = self.names[value]
            names = ", ".join(self.method.size_names[axes[axis]] for axis in sorted(axes))
            leading = sorted(axes) == list(range(len(axes)))
            if len(axes) > 1 and leading:
                whole = len(axes) == len(value.fact.dims or ())
                lines.append(Line(f"        {names} = {tensor}.shape{'' if whole else f'[:{len(axes)}]'}"))
            else:
                lines.extend(
                    Line(f"        {self.method.size_names[axes[axis]]} = {tensor}.shape[{axis}]")
                    for axis in sorted(axes)
                )
        return lines

    def _name_parameters(self) -> None:
        for param in self.region.params:
            name = hint(param, lambda value: None if value in self.members else _outer_member(self.region, value))
            if param.op != "input" and param.dtype.is_float:
                name = name if name in _PASSED_ON else self.roles.get(param) or self._residual(param)
            elif param.op == "input" and not self._always_input(param):
                name = None if param.dtype.is_float else "index"
            self.bind(param, self.variables.unique(name))
        self.arguments = frozenset(self.variables.held)
        tensors = (
            name
            for name, param in self.variables.held.items()
            if not isinstance(param.fact, tuple) and param.fact.is_tensor
        )
        self.method.tensors.update(dict.fromkeys(tensors))

    def _always_input(self, param: Expr) -> bool:
        """Whether every instance of the class is given this input of the graph."""
        position = self.region.params.index(param)
        return all(other.params[position] is param for other in self.method.definition.regions)

    def _residual(self, param: Expr) -> str | None:
        """A second float parameter that is only added is the residual."""
        users = [unit for unit in self.region.units if param in operands_of(unit)]
        only = users[0] if len(users) == 1 else None
        added = isinstance(only, Expr) and (only.op == "operator.add" or _is_kernel_residual(only, param))
        return "residual" if added and len(self.region.params) > 1 else None

    def _return(self) -> list[Line]:
        sources = self.sources(self.plan.inlined)
        docs = [self.operand(value, sources).doc for value in self.plan.returned]
        doc: Doc = docs[0] if len(docs) == 1 else ", ".join(map(str, docs))
        return self.lines(lay_out(doc, 2, "return "), self.plan.inlined, sources)

    def _declared(self, param: Expr) -> str:
        return f"{self.names[param]}: {_annotation(param)}"

    def _result_type(self) -> str:
        kinds = [_annotation(value) for value in self.region.results]
        return kinds[0] if len(kinds) == 1 else f"tuple[{', '.join(kinds)}]"


def _detours(definition: ClassDef) -> list[Detour]:
    """What is optional and more than a member."""
    found: list[Detour] = []
    for flag, option in definition.options.items():
        if option.is_member:
            continue
        units = [unit for unit in option.units if isinstance(unit, Region) or unit.op not in ("weight", "constant")]
        made = {value for unit in units for value in (unit.results if isinstance(unit, Region) else [unit])}
        given = dict.fromkeys([option.value, *(value for unit in units for value in operands_of(unit))])
        params = [value for value in given if value not in made and value.op not in ("weight", "constant")]
        found.append(Detour(flag, Region("", units=units, params=params, results=[option.result])))
    return found


def _outer_member(region: Region, value: Expr) -> str | None:
    """The member of any region around that computes a value."""
    around = region.parent
    while around is not None:
        for unit in around.units:
            if (unit is value and is_layer(value)) or (isinstance(unit, Region) and unit.results == [value]):
                return around.members.get(unit)
        around = around.parent
    return None


def _is_kernel_residual(call: Expr, value: Expr) -> bool:
    """Whether a kernel takes a value as its residual."""
    if call.op != "kernels.call":
        return False
    named = {
        param.attrs["name"] for param, own in zip(call.attrs["kernel"].params, call.inputs, strict=True) if own is value
    }
    return named == {"residual"}


def _annotation(value: Expr) -> str:
    return "tuple[Tensor, ...]" if isinstance(value.fact, tuple) else value.fact.annotation
