"""What kernels and their parameters are called: what they do, and what they are for."""

from __future__ import annotations

from collections.abc import Iterable

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.kernels.kernel import NORMS, Kernel
from codegen_torch.kernels.product import Product, name_of
from codegen_torch.kernels.rotation import ROTATIONS
from codegen_torch.kernels.scalar import RULES
from codegen_torch.names import numbered

_LONGEST = 5
_TAKEN = frozenset(
    """abs alternating and Any Callable can_run cast constexpr contextlib dequantize_blocks DTYPES expm1 F functools
    fused gathered groups_of_program has_gradient hashlib inside jit kernel_of larger launch launch_groups
    launch_product log1p math max MAX_GRADIENT_ROW MAX_RANK MAX_ROW merged min NAMESPACE not offsets or part Path
    places places_in_groups pow power_of_two read reduced repeated results_of rotate_half rotate_pairs run
    sample_results Sequence smaller strides_of tanh Tensor tile TILE tile_of_product tl torch triton unpack_bits
    unpack_int4 unpack_uint4 where""".split()
)
_GENERIC = ("x", "y", "z")
_ROTARY = ["operator.add", "operator.mul", "operator.mul", "rotate"]
_KNOWN: dict[tuple[object, ...], str] = {
    ("operator.mul", "torch.sigmoid", "operator.mul", 1.702): "quick_gelu",
    ("operator.pow", "Tensor.sum", "operator.pow", "operator.truediv", 2.0, 0.5): "unit_length",
}
"""What has a name of its own, by its steps and the numbers in them."""
_WITH_VECTORS = {"operator.add": "bias", "operator.mul": "scale"}


def name_kernels(kernels: Iterable[Kernel]) -> None:
    """Give every kernel a name of its own, and its parameters theirs."""
    taken = set(_TAKEN)
    for kernel in kernels:
        kernel.name = _free(name_of(kernel), taken) if isinstance(kernel, Product) else numbered(_name(kernel), taken)
        taken.add(kernel.name)
        if not isinstance(kernel, Product):
            _name_params(kernel)


def _free(name: str, taken: set[str]) -> str:
    """A name that ends in a number, or the first of ``linear_int8_2``, ``linear_int8_3``, … that is not taken."""
    return name if name not in taken else numbered(f"{name}_", {*taken, f"{name}_"})


def _name(kernel: Kernel) -> str:
    ops = [step.op for step in kernel.steps]
    if sorted("rotate" if op in ROTATIONS else op for op in ops) == _ROTARY:
        return "rotary"
    if known := _KNOWN.get((*ops, *_literals(kernel))):
        return known
    words = [word for word in (_word(kernel, step) for step in kernel.steps) if word != "cast"]
    if len(words) > _LONGEST:
        words = [*words[:2], "to", *words[-2:]]
    return "_".join(words) if len(words) > 1 else f"{(words or ['cast'])[0]}_all"


def _literals(kernel: Kernel) -> list[object]:
    return [each.attrs["value"] for step in kernel.steps for each in step.inputs if each and each.op == "literal"]


def _word(kernel: Kernel, step: Expr) -> str:
    """What a step does; adding a vector is a bias, a product with one a scale."""
    vectors = [operand is not None and kernel.is_vector(operand) for operand in step.inputs]
    return _WITH_VECTORS.get(step.op, RULES[step.op].word) if sum(vectors) == 1 else RULES[step.op].word


def _role_in_norm(norm: Expr, place: int) -> str:
    """``F.group_norm(x, groups, eps, weight, bias)``: numbers have their names."""
    if place == 0:
        return "x"
    operand = norm.inputs[place]
    affine = [each for each in norm.inputs[1:] if not each.fact.host]
    return str(operand.attrs["name"]) if operand.fact.host else ("weight", "bias")[affine.index(operand)]


def _name_params(kernel: Kernel) -> None:
    """By the first step that computes with them."""
    names: dict[Expr, str] = {}
    taken = {kernel.name}
    normalizes = any(step.op in NORMS for step in kernel.steps)
    rotated = any(step.op in ROTATIONS for step in kernel.steps)
    for param in [*kernel.params, *kernel.numbers]:
        step, place = next(
            (step, step.inputs.index(param)) for step in kernel.steps if any(each is param for each in step.inputs)
        )
        name = None
        if step.op in NORMS:
            name = _role_in_norm(step, place)
        elif param.dtype is DType.BOOL:
            name = "mask"
        elif rotated and step.op == "operator.mul" and place == 1:
            name = "sin" if step.inputs[0].op in ROTATIONS else "cos"
        elif step.op in _WITH_VECTORS and kernel.is_vector(param):
            name = _WITH_VECTORS[step.op]
        elif step.op == "operator.add" and place == 1 and normalizes:
            name = "residual" if param.dims == step.dims else "shift"
        elif step.op == "F.silu":
            name = "gate"
        name = name or next((each for each in _GENERIC if each not in taken), "x")
        names[param] = numbered(name, taken)
        taken.add(names[param])
    for param in [*kernel.params, *kernel.numbers]:
        param.attrs = type(param.attrs)(name=names[param])
