"""One expression as Python source, given the source of its operands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.emit.layout import Bracket, Doc
from codegen_torch.emit.lists import LISTS
from codegen_torch.emit.literals import string_source
from codegen_torch.emit.source import ATOM, Source, Surroundings, slice_source
from codegen_torch.expr import Expr, Slot
from codegen_torch.modules.region import data_operands
from codegen_torch.symbols import SYMBOLS, Kind, Symbol
from codegen_torch.symbols.base import is_default

_OPERATORS = {
    "operator.pow": ("**", 16),
    "operator.matmul": ("@", 13),
    "operator.mul": ("*", 13),
    "operator.truediv": ("/", 13),
    "operator.floordiv": ("//", 13),
    "operator.mod": ("%", 13),
    "operator.add": ("+", 12),
    "operator.sub": ("-", 12),
    "operator.lshift": ("<<", 11),
    "operator.rshift": (">>", 11),
    "operator.and_": ("&", 10),
    "operator.xor": ("^", 9),
    "operator.or_": ("|", 8),
    "torch.eq": ("==", 6),
    "torch.ne": ("!=", 6),
    "torch.lt": ("<", 6),
    "torch.le": ("<=", 6),
    "torch.gt": (">", 6),
    "torch.ge": (">=", 6),
}
FLOAT32_MIN = -3.4028234663852886e38
_PREFIXES = {"operator.neg": ("-", 15), "operator.invert": ("~", 15)}
_CASTS = {DType.BOOL: "bool", DType.INT64: "long", DType.INT32: "int"}


def render(expr: Expr, operands: Mapping[Expr, Source], around: Surroundings) -> Source:
    """The source of an expression.

    Args:
        expr: The expression.
        operands: The source of each operand.
        around: The surroundings.
    """
    printer = Printer(expr, operands, around)
    special = _SPECIAL.get(expr.op)
    if special is not None:
        return special(printer)
    if expr.op in _OPERATORS:
        return printer.binary(*_OPERATORS[expr.op])
    if expr.op in _PREFIXES:
        return printer.prefix(*_PREFIXES[expr.op])
    if expr.op.startswith("nn."):
        return printer.layer()
    return printer.call()


class Printer:
    """Writes the source of one expression."""

    def __init__(self, expr: Expr, operands: Mapping[Expr, Source], around: Surroundings) -> None:
        self.expr = expr
        self.operands = operands
        self.around = around
        self.symbol: Symbol = SYMBOLS[expr.op]
        self.arguments = self.symbol.arguments(expr)

    def source(self, operand: Expr | None) -> Source:
        """The source of an operand; None is written out."""
        if operand is None:
            return Source("None")
        if operand.op == "literal":
            position = data_operands(self.expr).index(operand)
            return self.literal(operand.attrs["value"], (f"value{position}",))
        return self.operands[operand]

    def literal(self, value: Any, site: tuple[Any, ...]) -> Source:
        """The source of a number that is an operand."""
        if isinstance(value, Dim):
            text = value.text(self.around.size)
            return Source(text, ATOM if text.isidentifier() else 12)
        text = self.value(value, site)
        return Source(text, 15 if text.startswith("-") else ATOM)

    def value(self, value: Any, site: tuple[Any, ...]) -> str:
        """The source of an attribute's value."""
        if isinstance(value, Slot):
            return self.operands[self.expr.inputs[value.index]].text
        if isinstance(value, Dim):
            return value.text(self.around.size)
        if isinstance(value, DType):
            return self.around.dtype(value)
        if isinstance(value, tuple):
            items = [self.value(item, (*site, index)) for index, item in enumerate(value)]
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        if isinstance(value, str):
            return string_source(value)
        if isinstance(value, bool) or value is None:
            return repr(value)
        if value in (FLOAT32_MIN, -FLOAT32_MIN) and self.expr.dtype is DType.FLOAT32:
            # The end of the type at hand, as masks and bounds use it: it must follow the model's type.
            end = "min" if value == FLOAT32_MIN else "max"
            return f"torch.finfo({self.around.dtype(self.expr.dtype)}).{end}"
        return self.around.number(self.expr, site, value)

    def attribute(self, name: str) -> str:
        """The source of an attribute."""
        return self.value(self.arguments[name], (name,))

    def depth(self) -> int:
        """How many calls are nested in the operands."""
        sources = [self.source(o) for o in self.expr.inputs if o is not None]
        return max((source.depth for source in sources), default=0)

    def atom(self, operand: Expr | None) -> str:
        """An operand's source as the object of a call or subscript."""
        source = self.source(operand)
        return source.text if source.precedence >= ATOM else f"({source.text})"

    def binary(self, sign: str, precedence: int) -> Source:
        """An operator between two operands."""
        left, right = (self.source(operand) for operand in self.expr.inputs[:2])
        # Comparisons do not chain, powers group to the right, everything else to the left.
        # Products beside a matrix product are told apart for the reader.
        tight_left = precedence in (6, 16) or sign == "@"
        left_text = left.text if left.precedence >= precedence + tight_left else f"({left.text})"
        bare_right = right.precedence > precedence or (precedence, right.precedence) == (16, 15)
        right_text = right.text if bare_right else f"({right.text})"
        hugs = precedence == 16 and _is_simple(left_text) and _is_simple(right_text)
        joined = f"{left_text}{sign}{right_text}" if hugs else f"{left_text} {sign} {right_text}"
        return Source(joined, precedence, self.depth())

    def prefix(self, sign: str, precedence: int) -> Source:
        """An operator before its operand."""
        operand = self.source(self.expr.inputs[0])
        # -x**2 is right, but ruff has it -(x**2).
        bare = operand.precedence >= precedence and operand.precedence != 16
        return Source(f"{sign}{operand.text}" if bare else f"{sign}({operand.text})", precedence, self.depth())

    def layer(self) -> Source:
        """The call of a layer that the module keeps."""
        operand = self.source(self.expr.inputs[0])
        return Source(Bracket(f"{self.around.member(self.expr)}(", (operand.doc,), ")"), ATOM, operand.depth + 1)

    def call(self) -> Source:
        """The call of a function or method, arguments in the symbol's order, defaults left out."""
        items: list[Doc] = []
        keywords: list[Doc] = []
        skipped = False
        for parameter in self.symbol.parameters:
            argument = self.arguments[parameter.name]
            if parameter.kind is Kind.TENSORS:
                items.append(Bracket("[", tuple(self.source(o).doc for o in argument), "]"))
                continue
            if parameter.spread:
                items.extend(self.value(v, (parameter.name, i)) for i, v in enumerate(argument))
                continue
            if parameter.default is not _EMPTY and (argument is None or is_default(argument, parameter.default)):
                skipped = True
                continue
            doc: Doc = self.source(argument).doc if parameter.is_input else self.attribute(parameter.name)
            if parameter.keyword or skipped:
                keywords.append(_keyword(parameter.name, doc))
            else:
                items.append(doc)
        if self.symbol.creates:
            keywords.append(f"device={self.around.device()}")
        return self.bracket(items, keywords)

    def bracket(self, items: list[Doc], keywords: list[Doc]) -> Source:
        """The call of the function or method with these arguments."""
        if not self.expr.op.startswith("Tensor."):
            name = self.expr.op.removeprefix("runtime.")
            return Source(Bracket(f"{name}(", (*items, *keywords), ")"), ATOM, self.depth() + 1)
        return self.method(self.expr.op.removeprefix("Tensor."), [*items[1:], *keywords])

    def method(self, name: str, arguments: list[Doc]) -> Source:
        """The call of a method of the first operand."""
        receiver = self.source(self.expr.inputs[0])
        plain = receiver.text.replace(".", "").isidentifier()
        prefix = f"{self.atom(self.expr.inputs[0])}.{name}("
        return Source(Bracket(prefix, tuple(arguments), ")", breakable=plain), ATOM, self.depth() + 1)

    def subscript(self, index: str) -> Source:
        """The first operand with an index."""
        return Source(f"{self.atom(self.expr.inputs[0])}[{index}]", ATOM, self.depth())


def _is_simple(text: str) -> bool:
    """Whether ruff writes a power of this without spaces: names, attributes and numbers, negated or not."""
    return re.fullmatch(r"-?(\w|(?<=\w)\.(?=\w)|(?<=\de)-(?=\d))+", text) is not None


_EMPTY = SYMBOLS["F.linear"].parameters[0].default  # inspect.Parameter.empty


def _keyword(name: str, doc: Doc) -> Doc:
    if isinstance(doc, Bracket):
        return Bracket(f"{name}={doc.prefix}", doc.items, doc.suffix, doc.breakable)
    return f"{name}={doc}"


def _on_dimension(printer: Printer, index: str) -> str:
    """A subscript's text with colons for the dimensions before."""
    dim = printer.arguments["dim"]
    if dim < 0:
        return ", ".join(["...", index, *[":"] * (-dim - 1)])
    return ", ".join([*[":"] * dim, index])


def _slice(printer: Printer) -> Source:
    start, stop, step = (printer.arguments[name] for name in ("start", "stop", "step"))
    texts = [
        "" if start == 0 and not isinstance(start, Slot | Dim) else printer.attribute("start"),
        "" if stop is None else printer.attribute("stop"),
        "" if step == 1 else printer.attribute("step"),
    ]
    return printer.subscript(_on_dimension(printer, slice_source(*texts)))


def _slices(printer: Printer) -> Source:
    cuts = {dim: cut for dim, *cut in printer.arguments["cuts"]}
    texts = []
    for dim in range(max(cuts) + 1):
        start, stop, step = cuts.get(dim, (0, None, 1))
        parts = ("" if part == default else str(part) for part, default in ((start, 0), (stop, None), (step, 1)))
        texts.append(slice_source(*parts))
    return printer.subscript(", ".join(texts))


def _spread(printer: Printer) -> Source:
    """``x[:, None, None, :]``, without colons at the end where the new dimensions are the first."""
    dims, rank = printer.arguments["dims"], printer.expr.rank or 0
    texts = ["None" if dim in dims else ":" for dim in range(rank)]
    return printer.subscript(", ".join(texts[: len(dims)] if dims == tuple(range(len(dims))) else texts))


def _select(printer: Printer) -> Source:
    return printer.subscript(_on_dimension(printer, printer.attribute("index")))


def _take(printer: Printer) -> Source:
    return printer.subscript(_on_dimension(printer, printer.source(printer.expr.inputs[1]).text))


def _tuple(printer: Printer) -> Source:
    return printer.subscript(", ".join(printer.source(index).text for index in printer.expr.inputs[1:]))


def _getitem(printer: Printer) -> Source:
    return printer.subscript(str(printer.expr.attrs["index"]))


def _gather(printer: Printer) -> Source:
    x, index = (printer.source(operand).doc for operand in printer.expr.inputs)
    return printer.bracket([x, printer.attribute("dim"), index], [])


def _scatter(printer: Printer) -> Source:
    """``x.scatter(dim, index, src)``: torch has the dimension first."""
    index, src = (printer.source(operand).doc for operand in printer.expr.inputs[1:])
    arguments: list[Doc] = [printer.attribute("dim"), index, src]
    if printer.expr.op == "Tensor.scatter_reduce":
        arguments.append(printer.attribute("reduce"))
    return printer.method(printer.expr.op.removeprefix("Tensor."), arguments)


def _index_put(printer: Printer) -> Source:
    """``x.index_put((i, j), values)``."""
    values, *indices = (printer.source(operand).text for operand in printer.expr.inputs[1:])
    arguments: list[Doc] = [f"({', '.join(indices)}{',' if len(indices) == 1 else ''})", values]
    if printer.arguments["accumulate"]:
        arguments.append("accumulate=True")
    return printer.method("index_put", arguments)


def _einsum(printer: Printer) -> Source:
    """``torch.einsum(equation, x, y)``."""
    operands = [printer.source(operand).doc for operand in printer.expr.inputs]
    return printer.bracket([printer.attribute("equation"), *operands], [])


def _normalized(printer: Printer) -> Source:
    """layer_norm and rms_norm: torch has the shape before the weights."""
    x, *weights = (printer.source(operand).doc for operand in printer.expr.inputs)
    while weights and weights[-1] == "None":
        weights.pop()
    eps = printer.arguments["eps"]
    keywords: list[Doc] = [] if eps == 1e-5 or eps is None else [f"eps={printer.attribute('eps')}"]
    return printer.bracket([x, printer.attribute("normalized_shape"), *weights], keywords)


def _to(printer: Printer) -> Source:
    dtype = printer.arguments["dtype"]
    if dtype in _CASTS:
        return printer.method(_CASTS[dtype], [])
    return printer.method("to", [printer.attribute("dtype")])


def _view(printer: Printer) -> Source:
    """The type is what the bits are, whatever the model is cast to."""
    return printer.method("view", [str(printer.arguments["dtype"])])


def _size(printer: Printer) -> Source:
    return Source(f"{printer.atom(printer.expr.inputs[0])}.shape[{printer.attribute('axis')}]", ATOM, printer.depth())


def _item(printer: Printer) -> Source:
    return printer.method("item", [])


def _tolist(printer: Printer) -> Source:
    return printer.method("tolist", [])


def _shape(printer: Printer) -> Source:
    shape = f"{printer.atom(printer.expr.inputs[0])}.shape"
    return Source(Bracket("torch.tensor(", (shape, f"device={printer.around.device()}"), ")"), ATOM, 1)


def _tensor(printer: Printer) -> Source:
    values, dtype = printer.arguments["values"], printer.arguments["dtype"]
    if isinstance(values, tuple):
        items = ", ".join(printer.value(value, ("values", index)) for index, value in enumerate(values))
        content: Doc = f"[{items}]"
    else:
        content = printer.attribute("values")
    keywords = [] if dtype in (DType.INT64, DType.BOOL) else [f"dtype={printer.around.dtype(dtype)}"]
    arguments = (content, *keywords, f"device={printer.around.device()}")
    return Source(Bracket("torch.tensor(", arguments, ")"), ATOM, printer.depth() + 1)


def _created(printer: Printer) -> Source:
    """Creations: the dtype is left out where it is what torch takes anyway."""
    source = printer.call()
    assert isinstance(source.doc, Bracket)
    if printer.expr.op == "torch.arange" and printer.arguments["dtype"] is DType.INT64:
        items = tuple(item for item in source.doc.items if not str(item).startswith("dtype="))
        if str(items[0]) == "0" and printer.arguments["step"] == 1:  # a constructor's argument stays
            items = items[1:]
        return Source(Bracket(source.doc.prefix, items, ")"), ATOM, source.depth)
    return source


def _where(printer: Printer) -> Source:
    source = printer.call()
    x, y = printer.expr.inputs[1:]
    if x is not None and y is not None and x.fact.host and y.fact.host and printer.expr.dtype.is_float:
        # Two numbers make a tensor of torch's default dtype; it has to follow the model's.
        dtype = printer.around.dtype(printer.expr.dtype)
        if dtype == str(DType.FLOAT32):
            return source
        return Source(Bracket(f"{source.text}.to(", (dtype,), ")", breakable=False), ATOM, source.depth + 1)
    return source


def _kernel(printer: Printer) -> Source:
    """``kernels.add_layer_norm(x, residual, self.norm.weight, self.norm.bias, 1e-12)``."""
    items = [printer.source(operand).doc for operand in printer.expr.inputs]
    items += [printer.value(value, ("numbers", index)) for index, value in enumerate(printer.arguments["numbers"])]
    return Source(
        Bracket(f"kernels.{printer.expr.attrs['kernel'].name}(", tuple(items), ")"), ATOM, printer.depth() + 1
    )


def _dropout(printer: Printer) -> Source:
    """``F.dropout(x, 0.1, training=self.training)``."""
    x = printer.source(printer.expr.inputs[0])
    items = (x.doc, printer.attribute("p"), "training=self.training")
    return Source(Bracket("F.dropout(", items, ")"), ATOM, x.depth + 1)


def _attention(printer: Printer) -> Source:
    """Nothing of the attention's weights is dropped but in training mode."""
    source = printer.call()
    if "dropout_p" not in printer.expr.attrs:
        return source
    assert isinstance(source.doc, Bracket)
    dropped = f"dropout_p={printer.attribute('dropout_p')}"
    items = tuple(f"{dropped} if self.training else 0.0" if item == dropped else item for item in source.doc.items)
    return Source(Bracket(source.doc.prefix, items, source.doc.suffix), ATOM, source.depth)


def _layer_tensor(printer: Printer) -> Source:
    """``self.norm.weight``."""
    return Source(f"{printer.around.member(printer.expr.inputs[0])}.{printer.arguments['role']}")


def _recurrent(printer: Printer) -> Source:
    """``self.lstm(x)``, or ``self.lstm(x, (h, c))``; other networks have one tensor as their state."""
    x, *state = (printer.source(operand) for operand in data_operands(printer.expr))
    items: list[Doc] = [x.doc]
    if state:
        texts = [source.text for source in state]
        items.append(texts[0] if len(texts) == 1 else f"({', '.join(texts)})")
    return Source(Bracket(f"{printer.around.member(printer.expr)}(", tuple(items), ")"), ATOM, x.depth + 1)


_SPECIAL: dict[str, Callable[[Printer], Source]] = {
    **LISTS,
    "F.layer_norm": _normalized,
    "F.rms_norm": _normalized,
    "F.scaled_dot_product_attention": _attention,
    "Tensor.index_put": _index_put,
    "Tensor.scatter": _scatter,
    "Tensor.scatter_reduce": _scatter,
    "Tensor.to": _to,
    "Tensor.view": _view,
    "host.item": _item,
    "host.shape": _shape,
    "host.size": _size,
    "host.tensor": _tensor,
    "host.tolist": _tolist,
    "index.select": _select,
    "index.slice": _slice,
    "index.slices": _slices,
    "index.spread": _spread,
    "index.take": _take,
    "index.tuple": _tuple,
    "kernels.call": _kernel,
    "layer.tensor": _layer_tensor,
    "nn.GRU": _recurrent,
    "nn.LSTM": _recurrent,
    "nn.RNN": _recurrent,
    "operator.getitem": _getitem,
    "torch.arange": _created,
    "torch.einsum": _einsum,
    "torch.gather": _gather,
    "torch.where": _where,
    "training.dropout": _dropout,
}
