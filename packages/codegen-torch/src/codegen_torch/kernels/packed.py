"""Products with a quantized weight, which stays packed: a kernel dequantizes the tile of it that it multiplies by.

The weight is an initializer of four or eight bits a number, dequantized for one product alone. Its scales and zero
points are one for all, one for each output, or one for each block of an output's inputs. Two numbers of four bits
become a byte, neighbours along the inputs, as com.microsoft's operators have them from the start.

The cost model counts the weight's bytes alone: without a kernel the quantized weight is read, a byte a number, and the
dequantized one is written and read; a kernel reads the packed one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from codegen_torch.dtypes import DType
from codegen_torch.emit.plan import operands_of
from codegen_torch.expr import Expr, constant, graph_input
from codegen_torch.facts import Fact
from codegen_torch.kernels.kernel import Use
from codegen_torch.kernels.product import DEQUANTIZE, UNPACK, Form, Product
from codegen_torch.kernels.select import SMALLEST, Group
from codegen_torch.modules.region import Region, tensor_of
from codegen_torch.packed_tensors import pack

_WEIGHTS = {DType.INT4: 4, DType.UINT4: 4, DType.INT8: 8, DType.UINT8: 8}
_FLOATS = frozenset({DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16})
_LEAVES = frozenset({"constant", "weight"})
_NARROWEST = 16
"""Blocks of fewer inputs would be more scales than numbers in a tile."""


class _Unfit(Exception):
    """A product with a quantized weight is left to torch, for this reason."""


@dataclass(slots=True)
class _Found:
    """A product and what it is made of.

    Attributes:
        product: The product.
        chain: The expressions that dequantize its weight, operands first.
        weight: The quantized weight.
        form: How it will be packed.
        names: What the tensors and numbers are called.
    """

    product: Expr
    chain: list[Expr]
    weight: Expr
    form: Form
    names: dict[Expr, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the expressions of a model are.

    Attributes:
        users: How many expressions need each, and regions return it.
        homes: The region that has each among its units.
    """

    users: Counter[Expr]
    homes: dict[Expr, Region]

    @classmethod
    def of(cls, root: Region) -> Places:
        """Look through a region tree."""
        users: Counter[Expr] = Counter()
        homes: dict[Expr, Region] = {}
        for region in root.walk():
            users.update(region.results)
            for unit in region.all_units:
                if isinstance(unit, Expr):
                    users.update(operands_of(unit))
                    homes.setdefault(unit, region)
        return cls(users, homes)


def packed_products(region: Region, places: Places) -> tuple[list[Use], list[tuple[list[Expr], str]]]:
    """The products of a module that become kernels, and those with a quantized weight that are left, with the reason.

    Args:
        region: The module. What dequantizes a weight may stand in a module around it, and is no longer there then.
        places: Where everything is.
    """
    left: list[tuple[list[Expr], str]] = []
    uses: list[Use] = []
    if region.sequential:
        return uses, left
    for unit in region.units:
        if not isinstance(unit, Expr) or unit.op not in ("operator.matmul", "F.linear"):
            continue
        try:
            found = _found(unit, region, places)
        except _Unfit as reason:
            left.append(([unit], str(reason)))
            continue
        if found is not None:
            _bring_home(found, region, places)
            uses.append(_use(found, region))
    return uses, left


def _found(product: Expr, region: Region, places: Places) -> _Found | None:
    """A product with a quantized weight; None if it is another one.

    Raises:
        _Unfit: No kernel computes it.
    """
    value = product.inputs[1]
    assert value is not None
    by_rows, chain = product.op == "F.linear", [product]
    if value.op == "Tensor.transpose" and value.rank == 2:
        by_rows = not by_rows
        chain.append(value)
        value = value.inputs[0]
    found = _of_blocks(product, value, by_rows) or _of_steps(product, value, by_rows)
    if found is None:
        return None
    found.chain = [*found.chain, *reversed(chain)]
    x = product.inputs[0]
    assert x is not None
    if len(product.inputs) > 2 and product.inputs[2] is not None:
        found.names[product.inputs[2]] = "bias"
    found.names = {x: "x", **found.names}
    _check(found, region, places)
    return found


def _of_blocks(product: Expr, value: Expr, by_rows: bool) -> _Found | None:
    """A weight as com.microsoft's operators pack it."""
    if value.op != "runtime.dequantize_blocks" or not by_rows:
        return None
    packed, scale, zero, groups = value.inputs
    if packed is None or scale is None or packed.op not in _LEAVES:
        return None
    bits, features = value.attrs["bits"], value.attrs["features"]
    if bits not in (4, 8):
        raise _Unfit(f"its numbers have {bits} bits")
    if groups is not None:
        raise _Unfit("its inputs are in no order of blocks")
    _, blocks, size = tensor_of(packed).shape
    block = size * 8 // bits
    form = Form(
        bits,
        signed=False,
        by_rows=True,
        block=block,
        inputs=None if features == blocks * block else features,
        middle=0 if zero is not None else 1 << bits - 1,
        packed_zeros=bits == 4 and zero is not None and zero.dtype is DType.UINT8,
    )
    names = {packed: "weight", scale: "scale"} | ({} if zero is None else {zero: "zero"})
    return _Found(product, [value], packed, form, names)


def _of_steps(product: Expr, value: Expr, by_rows: bool) -> _Found | None:
    """A weight as DequantizeLinear has it: ``(weight.to(dtype) - zero) * scale``."""
    if value.op != "operator.mul":
        return None
    shifted, scale = value.inputs
    assert shifted is not None
    assert scale is not None
    zero = None
    numbers = shifted
    if shifted.op == "operator.sub":
        numbers, zero = shifted.inputs[0], shifted.inputs[1]
    if numbers.op != "Tensor.to" or numbers.inputs[0] is None:
        return None
    weight = numbers.inputs[0]
    if weight.op not in _LEAVES or weight.dtype not in _WEIGHTS or weight.rank != 2:
        return None
    _, columns = weight.dims if by_rows else weight.dims[::-1]
    chain, names = [numbers], {weight: "weight"}
    blocks: set[int] = set()
    for name, parameter in (("zero", zero), ("scale", scale)):
        if parameter is not None:
            leaf, steps = _shared(parameter, weight, int(by_rows), blocks, name)
            if leaf in names:
                raise _Unfit(f"its {name} is its {names[leaf]} too")
            names[leaf] = name
            chain += steps
        if name == "zero" and zero is not None:
            chain.append(shifted)
    if len(blocks) > 1:
        raise _Unfit("its scales and zero points have blocks of their own")
    bits = _WEIGHTS[weight.dtype]
    inputs = columns if bits == 4 and columns % 2 else None
    form = Form(bits, weight.dtype.is_signed, by_rows, min(blocks, default=None), inputs)
    return _Found(product, [*chain, value], weight, form, names)


def _shared(value: Expr, weight: Expr, axis: int, blocks: set[int], name: str) -> tuple[Expr, list[Expr]]:
    """The number or tensor that a scale or zero point is, and the steps that lead from there to each of the weight's.

    Args:
        value: As it meets the weight.
        weight: The quantized weight.
        axis: Its dimension of inputs.
        blocks: Takes how many inputs share one.
        name: What it is called.
    """
    steps: list[Expr] = []
    sizes, block = value.dims, 0
    while value.op not in _LEAVES and value.op != "literal":
        if value.op == "Tensor.repeat_interleave" and value.attrs["dim"] in (axis, axis - 2):
            block = value.attrs["repeats"]
        elif value.op == "index.slice":
            if value.attrs["dim"] not in (axis, axis - 2) or value.attrs.get("start", 0) != 0:
                raise _Unfit(f"its {name} is cut")
        elif value.op not in ("Tensor.to", "Tensor.reshape", "Tensor.unsqueeze"):
            raise _Unfit(f"its {name} is computed")
        steps.append(value)
        value = value.inputs[0]
    if value.op == "literal":
        return value, steps[::-1]
    assert weight.dims is not None
    outputs = weight.dims[1 - axis]
    wide = (1,) * (2 - len(sizes or ())) + (sizes or ())
    known = wide[1 - axis] == outputs and wide[axis] == (weight.dims[axis] if block else 1)
    stored = value.rank == 2 if block else value.fact.size == outputs and value.rank in (1, 2)
    if not known or not stored:
        raise _Unfit(f"its {name} is no number for each output, nor for each block of one")
    if block:
        if block < _NARROWEST or block & block - 1:
            raise _Unfit(f"its blocks have {block} inputs")
        blocks.add(block)
    return value, steps[::-1]


def _check(found: _Found, region: Region, places: Places) -> None:
    """See that a kernel computes the product and nothing else needs what it takes along.

    Raises:
        _Unfit: It does not, or something does.
    """
    form, dtype = found.form, found.product.dtype
    if form.block is not None and (form.block < _NARROWEST or form.block & form.block - 1):
        raise _Unfit(f"its blocks have {form.block} inputs")
    if dtype not in _FLOATS or any(each.dtype is not dtype for each in found.names if _is_float(each)):
        raise _Unfit("its types differ")
    if any(isinstance(each.fact, tuple) or (each.fact.host and each.op != "literal") for each in found.names):
        raise _Unfit("it takes a number that is computed")
    users, around = places.users, set(_around(region))
    if any(users[each] != 1 or places.homes.get(each) not in around for each in found.chain[:-1]):
        raise _Unfit("its dequantized weight is needed elsewhere")
    is_packed_here = form.bits == 4 and found.weight.dtype is not DType.UINT8
    if any(places.homes.get(each) not in around for each in _leaves(found)) or (
        is_packed_here and users[found.weight] != 1
    ):
        raise _Unfit("its quantized weight is needed elsewhere")
    size = found.weight.fact.size
    if isinstance(size, int) and size < SMALLEST:
        raise _Unfit(f"only {size} elements")


def _around(region: Region) -> list[Region]:
    """A region and all that are around it, the innermost first."""
    found = [region]
    while found[-1].parent is not None:
        found.append(found[-1].parent)
    return found


def _leaves(found: _Found) -> list[Expr]:
    """The stored tensors that the weight is dequantized from."""
    return [each for each, name in found.names.items() if name in ("weight", "zero", "scale") and each.op != "literal"]


def _bring_home(found: _Found, region: Region, places: Places) -> None:
    """Take what dequantizes the weight out of the modules around; instead of its result they pass on what it needs."""
    gone = set(found.chain[:-1])
    around = _around(region)
    for home in {places.homes[each] for each in gone} - {region}:
        home.units = [unit for unit in home.units if unit not in gone]
    for leaf in _leaves(found):
        for inner in around[: around.index(places.homes[leaf])]:
            if leaf not in inner.params:
                inner.params.append(leaf)
    for each in around:
        each.params = [param for param in each.params if param not in gone]


def _is_float(value: Expr) -> bool:
    return value.op != "literal" and value.dtype.is_float


def _use(found: _Found, region: Region) -> Use:
    """The product as a call of a kernel."""
    group = Group(region, found.product.dims or (), found.chain, [found.product], _saved(found))
    weight = found.weight
    dtypes = {weight: DType.UINT8} if weight.dtype in (DType.INT4, DType.UINT4) else {}
    copies: dict[Expr, Expr] = {}
    params: list[Expr] = []
    numbers: list[tuple[Expr, float]] = []
    for value, name in found.names.items():
        if value.op == "literal":
            copies[value] = graph_input(name, Fact(found.product.dtype, (), host=True))
            numbers.append((copies[value], float(value.attrs["value"])))
        else:
            copies[value] = graph_input(name, Fact(dtypes.get(value, value.dtype), value.dims))
            params.append(value)
    kernel = Product(
        [copies[param] for param in params],
        [number for number, _ in numbers],
        steps := _steps(found, copies),
        [steps[-1]],
        whole_rows=False,
        form=found.form,
    )
    if dtypes:
        _keep_packed(weight, int(found.form.by_rows))
    return Use(group, kernel, [*params], [number for _, number in numbers])


def _steps(found: _Found, copies: dict[Expr, Expr]) -> list[Expr]:
    """The chain over the kernel's parameters."""
    form = found.form
    steps: list[Expr] = []
    for member in found.chain:
        operands = [None if each is None else copies[each] for each in member.inputs]
        attrs: dict[str, Any] = dict(member.attrs)
        op = member.op
        if op == "runtime.dequantize_blocks":
            op, attrs = DEQUANTIZE, {"bits": form.bits, "block": form.block, "inputs": form.inputs}
        elif found.weight in member.inputs and form.bits == 4:
            steps += _unpacked(operands[0], found)
            operands[0] = steps[-1]
        copies[member] = Expr(op, tuple(operands), attrs, {}, member.fact)
        steps.append(copies[member])
    return steps


def _unpacked(packed: Expr | None, found: _Found) -> list[Expr]:
    """The numbers of a packed weight; where its bytes have room for one more, that is cut off."""
    form, weight = found.form, found.weight
    axis = int(form.by_rows)
    fact = Fact(DType.INT8 if form.signed else DType.UINT8, weight.dims)
    steps = [Expr(UNPACK, (packed,), {"dim": axis, "signed": form.signed}, {}, fact)]
    if form.inputs is not None:
        attrs = {"dim": axis, "start": 0, "stop": form.inputs, "step": 1}
        steps.append(Expr("index.slice", (steps[0],), attrs, {}, fact))
    return steps


def _keep_packed(weight: Expr, axis: int) -> None:
    """Let a stored tensor be the packed one, wherever it is known."""
    kept = constant(pack(tensor_of(weight), axis))
    weight.attrs, weight.fact = kept.attrs, kept.fact


def _saved(found: _Found) -> int:
    """The dequantized weight, written and read, and the quantized one less the packed one."""
    stored = tensor_of(found.weight).size  # a byte each
    is_packed_here = found.weight.dtype in (DType.INT4, DType.UINT4)
    numbers = stored if is_packed_here else stored * 8 // found.form.bits
    packed = numbers * found.form.bits // 8
    return 2 * numbers * found.product.dtype.itemsize + stored - packed
