"""The text of ``model.py``: docstring, imports, helpers, classes, ``load_model``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.emit.allowed import check_source
from codegen_torch.emit.body import Line
from codegen_torch.emit.forward import Forward, ForwardWriter
from codegen_torch.emit.helpers import arranged_imports, helper_sources, weights_loader
from codegen_torch.emit.init import init_lines, sequential_doc
from codegen_torch.emit.layout import WIDTH, Bracket, lay_out
from codegen_torch.emit.literals import number_source, string_source
from codegen_torch.emit.naming import MODULE_NAMES
from codegen_torch.emit.plan import member_text
from codegen_torch.emit.remarks import paths, places
from codegen_torch.expr import Expr
from codegen_torch.identity import model_id_of
from codegen_torch.modules.definition import ClassDef, Parameter
from codegen_torch.modules.region import Region, is_layer, layer_weights
from codegen_torch.modules.sizes import Sizes
from codegen_torch.modules.state import State
from codegen_torch.names import ClassName, Identifier, numbered

_CAST = """\
    for key, tensor in (*model.named_parameters(), *model.named_buffers()):
        if key in tensors:
            tensor.data = tensor.data.to(tensors[key].dtype)
"""
TAKEN_CLASSES = frozenset(
    {"F", "Model", "None", "True", "False"}
    | {"Any", "Callable", "Image", "Mapping", "ModuleType", "Path", "Sequence", "Tensor"}
)
"""Names that mean something else in a generated module: what runtime functions import, among others."""


@dataclass(slots=True)
class Header:
    """What the docstring says.

    Attributes:
        title: The model's class and file in one line.
        facts: Further lines, label and text.
        weights: The file beside the source from which the weights are loaded.
        kernels: The source of the kernels beside it, if there are any.
    """

    title: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    weights: str = "weights.msgpack"
    kernels: str | None = None


@dataclass(slots=True)
class ModuleSource:
    """The generated module.

    Attributes:
        lines: Its lines.
        class_name: The class of the model.
        model_id: Its identity, by which it knows the weights that are written with it.
    """

    lines: list[Line]
    class_name: str
    model_id: str

    @property
    def text(self) -> str:
        """The whole file."""
        return "".join(f"{line.text}\n" for line in self.lines)


def write_module(
    root: Region,
    classes: Mapping[Region, ClassDef],
    sizes: Mapping[Region, Sizes],
    state: State,
    outputs: list[str],
    header: Header,
    model_dtype: DType | None,
) -> ModuleSource:
    """Write the source of a model.

    Args:
        root: The region tree.
        classes: The class of every region.
        sizes: Where regions find symbolic sizes.
        state: The model's state, for ties.
        outputs: The names of the graph's outputs.
        header: The docstring.
        model_dtype: The float type that follows the model when it is cast.
    """
    definitions = _in_order(root, classes)
    optional = {unit for definition in definitions for unit in definition.optional_units()}
    name_classes(definitions, classes[root])
    helpers = sorted({e.op.removeprefix("runtime.") for e in _expressions(root) if e.op.startswith("runtime.")})
    loader = weights_loader(header.weights)
    has_kernels = any(expr.op == "kernels.call" for expr in _expressions(root))
    imports, functions = helper_sources([*helpers, loader, *(["load_kernels"] if has_kernels else [])])
    size_names = _size_names(sizes, root, functions)
    where = paths(root)
    order = {region: position for position, region in enumerate(root.walk())}
    body: list[Line] = []
    for definition in definitions:
        if definition.inline:
            continue
        body += [Line(""), Line("")]
        is_root = definition is classes[root]
        remark = (
            [] if is_root else places(where[region] for region in sorted(definition.regions, key=order.__getitem__))
        )
        forward: Forward | None = None
        if not definition.printed.sequential:
            path = _weight_path(definition.printed, model_dtype, optional)
            forward = ForwardWriter(definition, sizes, model_dtype, size_names, path, functions).write()
        body += _class_lines(definition, classes, forward, remark, outputs, state if is_root else None)
    name = classes[root].name
    lines = _docstring(header)
    text = "\n".join(line.text for line in body)
    imports += ["from pathlib import Path", "import torch", "from torch import nn"]
    imports += ["from torch import Tensor"]
    imports += ["import torch.nn.functional as F"] if re.search(r"(?<![\w.])F\.", text) else []
    imports += ["import numpy as np"] if re.search(r"(?<![\w.])np\.", text) else []
    arranged = arranged_imports(imports)
    lines += [Line(line) for line in arranged]
    lines += body
    if name != "Model":
        lines += [Line(""), Line(""), Line(f"Model = {name}")]
    model_id = model_id_of([*(line.text for line in lines), *functions.values(), header.kernels or ""])
    for function in (_load_model(name, state, model_dtype, header.weights, model_id), *functions.values()):
        lines += [Line(""), Line("")] + [Line(line) for line in function.split("\n")]
    if has_kernels:
        lines += [Line(""), Line(""), Line("kernels = load_kernels()")]
    source = ModuleSource(lines, name, model_id)
    check_source(source.text, functions, arranged)
    return source


def _in_order(root: Region, classes: Mapping[Region, ClassDef]) -> list[ClassDef]:
    """The classes, those that a class uses before it."""
    found: dict[ClassDef, None] = {}
    stack = [(root, False)]
    while stack:
        region, seen = stack.pop()
        definition = classes[region]
        if definition in found:
            continue
        if seen:
            found[definition] = None
            continue
        stack.append((definition.printed, True))
        stack += [(child, False) for child in reversed(definition.printed.children)]
    return list(found)


def name_classes(definitions: list[ClassDef], root: ClassDef) -> None:
    """Give every class a name of its own; the root's comes first."""
    taken = set(TAKEN_CLASSES) | MODULE_NAMES
    if root.base == "Model":
        taken.discard("Model")
    for definition in [root, *(d for d in definitions if d is not root)]:
        if definition.inline:
            continue
        # The model itself can be imported as Model, whatever it is called.
        base = "Network" if definition.base == "Model" and definition is not root else definition.base
        definition.name = ClassName(numbered(base, taken))
        taken.add(definition.name)


def _size_names(sizes: Mapping[Region, Sizes], root: Region, functions: Iterable[str]) -> dict[str, str]:
    """A variable for every symbol, the same everywhere; the model's inputs keep their names."""
    names: dict[str, str] = {}
    inputs = [Identifier.like(param.attrs["name"]) for param in root.params]
    taken = {*MODULE_NAMES, *inputs, *functions}
    read = [symbol for found in sizes.values() for symbol in (*found.sources, *found.arguments)]
    # Those that no code needs are named in comments.
    dims = [dim for param in root.params for dim in param.fact.dims or () if isinstance(dim, Dim)]
    for symbol in (*read, *(name for dim in dims for name in sorted(dim.symbols()))):
        if symbol in names:
            continue
        base = "n" if symbol.startswith("?") else Identifier.like(symbol, "size")
        names[symbol] = numbered(base, taken)
        taken.add(names[symbol])
    return names


def _class_lines(
    definition: ClassDef,
    classes: Mapping[Region, ClassDef],
    forward: Forward | None,
    remark: list[str],
    outputs: list[str],
    root_state: State | None,
) -> list[Line]:
    """A class; one without a forward of its own is a chain."""
    region = definition.printed
    signature = lay_out(Bracket("def __init__(", ("self", *_declared(definition.parameters)), ") -> None:"), 1)
    documented = [*map(Line, remark), Line("")] if remark else []
    if forward is None:
        lines = [Line(f"class {definition.name}(nn.Sequential):"), *documented]
        lines += _output_names(outputs) if root_state is not None else []
        lines += map(Line, signature)
        lines += map(Line, lay_out(sequential_doc(definition, classes, "super().__init__("), 2))
        return lines + (_chain_forward(region) if root_state is not None else [])
    lines = [Line(f"class {definition.name}(nn.Module):"), *documented]
    lines += _output_names(outputs) if root_state is not None else []
    lines += _buffers(region)
    used = "\n".join(line.text for line in forward.lines)
    shown = {name for name, option in definition.options.items() if option.is_member}
    kept = [p.name for p in definition.parameters if p.name not in shown and re.search(rf"\bself\.{p.name}\b", used)]
    members = [f"        self.{name} = {name}" for name in kept]
    members += init_lines(definition, classes)
    for key, owner in (root_state.tied if root_state else {}).items():
        members += lay_out(member_text(owner), 2, f"{member_text(key)} = ")
    if members:
        lines += [Line(line) for line in (*signature, "        super().__init__()", *members, "")]
    head = Bracket("def forward(", ("self", *forward.parameters), f") -> {forward.result}:")
    return lines + [Line(line) for line in lay_out(head, 1)] + forward.lines


def _declared(parameters: Iterable[Parameter]) -> Iterator[str]:
    """The parameters of a constructor; what switches something on is said by its name."""
    star = ["*"]
    for parameter in parameters:
        if parameter.default is None:
            yield f"{parameter.name}: {parameter.type}"
            continue
        if parameter.type == "bool" and star:
            yield star.pop()
        yield f"{parameter.name}: {parameter.type} = {number_source(parameter.default)}"


def _output_names(outputs: list[str]) -> list[Line]:
    names = tuple(string_source(name) for name in outputs)
    doc = Bracket("(", names, ",)" if len(names) == 1 else ")")
    return [*map(Line, lay_out(doc, 1, "output_names = ")), Line("")]


def _buffers(region: Region) -> list[Line]:
    """The types of buffers: ``nn.Module`` says of an attribute only that it is a tensor or a module."""
    units = [unit for unit in region.all_units if isinstance(unit, Expr) and unit.op == "constant"]
    names = [region.members[unit] for unit in units if unit in region.members and unit.dtype is not DType.STRING]
    return [*(Line(f"    {name}: Tensor") for name in names), Line("")] if names else []


def _chain_forward(root: Region) -> list[Line]:
    """The model's own signature: ``nn.Sequential`` would call its input ``input``."""
    name = Identifier.like(root.params[0].attrs["name"])
    head = Bracket("def forward(", ("self", f"{name}: Tensor"), ") -> Tensor:")
    return [Line(""), *map(Line, lay_out(head, 1)), Line(f"        return super().forward({name})")]


def _weight_path(region: Region, dtype: DType | None, optional: Collection[Expr | Region]) -> str | None:
    """The shortest path to a float parameter or buffer below a region that is always there, in code."""
    paths: list[str] = []
    stack: list[tuple[str, Region]] = [("", region)]
    while stack:
        prefix, current = stack.pop()
        for unit in current.all_units:
            if unit not in current.members or unit in optional:
                continue
            path = f"{prefix}{current.members[unit]}"
            if isinstance(unit, Region):
                stack.append((f"{path}.", unit))
            elif is_layer(unit):
                roles = [role for role, leaf in layer_weights(unit).items() if leaf.dtype is dtype]
                paths += [f"{path}.{role}" for role in roles[:1]]
            elif unit.op in ("weight", "constant") and unit.dtype is dtype:
                paths.append(path)
    best = min(paths, key=lambda path: (path.count("."), len(path), path), default=None)
    return None if best is None else member_text(best)


def _expressions(root: Region) -> list[Expr]:
    return [unit for region in root.walk() for unit in region.all_units if isinstance(unit, Expr)]


def _docstring(header: Header) -> list[Line]:
    lines = [Line(f'"""{header.title}'), Line("")]
    width = max((len(label) for label, _ in header.facts), default=0)
    for label, text in header.facts:
        lines.append(Line(f"{label.ljust(width)}  {text}"[:WIDTH]))
    return [*lines, Line('"""'), Line("")]


def _load_model(name: str, state: State, model_dtype: DType | None, weights: str, model_id: str) -> str:
    """The function that builds the model and loads the weights beside it.

    Layers are built as float32; where the file has other types, they are cast before they are loaded.
    """
    floats = {ref.dtype for ref in state.tensors.values() if ref.dtype.is_float and not ref.dtype.is_narrow_float}
    cast = _CAST if floats - {DType.FLOAT32} else ""
    default = f"dtype or {model_dtype}" if cast and model_dtype is not DType.FLOAT32 else "dtype"
    return f'''def load_model(
    weights: str | Path | None = None,
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """Build the model and load its weights, by default those beside this file."""
    path = Path(weights or Path(__file__).with_name("{weights}"))
    with torch.device(device or "cpu"):
        model = {name}()
    if torch.device(device or "cpu").type == "meta":
        return model.to(dtype={default}).eval()
    tensors = {weights_loader(weights)}(path, None if weights else "{model_id}")
{cast}    model.to(dtype=dtype).load_state_dict(tensors, strict=True)
    return model.eval()'''
