"""What kernels and their parameters are called: what they do, and what they are for."""

from __future__ import annotations

from collections.abc import Iterable

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.kernels.kernel import Kernel
from codegen_torch.kernels.rotation import ROTATE
from codegen_torch.kernels.scalar import RULES
from codegen_torch.names import numbered

_LONGEST = 5
_TAKEN = frozenset(
    """F DTYPES MAX_GRADIENT_ROW MAX_RANK MAX_ROW NAMESPACE Path TILE Tensor Any Callable Sequence abs and cast
    constexpr expm1 fused functools has_gradient hashlib inside jit kernel_of launch log1p max merged min not
    offsets or places power_of_two read pow result_dtypes rotate_half tanh tile tl torch triton where""".split()
)
_GENERIC = ("x", "y", "z")


def name_kernels(kernels: Iterable[Kernel]) -> None:
    """Give every kernel a name of its own, and its parameters theirs."""
    taken = set(_TAKEN)
    for kernel in kernels:
        kernel.name = numbered(_name(kernel), taken)
        taken.add(kernel.name)
        _name_params(kernel)


def _name(kernel: Kernel) -> str:
    ops = [step.op for step in kernel.steps]
    if sorted(ops) == sorted(["operator.mul", ROTATE, "operator.mul", "operator.add"]):
        return "rotary"
    words = [RULES[op].word for op in ops if RULES[op].word != "cast"]
    if len(words) > _LONGEST:
        words = [*words[:2], "to", *words[-2:]]
    return "_".join(words) if len(words) > 1 else f"{(words or ['cast'])[0]}_all"


def _name_params(kernel: Kernel) -> None:
    """By the first step that computes with them."""
    names: dict[Expr, str] = {}
    taken = {kernel.name}
    normalizes = any(step.op in ("F.layer_norm", "F.rms_norm") for step in kernel.steps)
    rotated = any(step.op == ROTATE for step in kernel.steps)
    for param in [*kernel.params, *kernel.numbers]:
        step, place = next(
            (step, step.inputs.index(param)) for step in kernel.steps if any(each is param for each in step.inputs)
        )
        name = None
        if step.op in ("F.layer_norm", "F.rms_norm"):
            name = ("x", "eps", "weight", "bias")[place]
        elif param.dtype is DType.BOOL:
            name = "mask"
        elif rotated and step.op == "operator.mul" and place == 1:
            name = "sin" if step.inputs[0].op == ROTATE else "cos"
        elif step.op == "operator.add" and place == 1 and "x" in taken and param.rank == 1:
            name = "bias"
        elif step.op == "operator.add" and place == 1 and normalizes:
            name = "residual"
        elif step.op == "operator.mul" and param.rank == 1:
            name = "scale"
        elif step.op == "F.silu":
            name = "gate"
        name = name or next((each for each in _GENERIC if each not in taken), "x")
        names[param] = numbered(name, taken)
        taken.add(names[param])
    for param in [*kernel.params, *kernel.numbers]:
        param.attrs = type(param.attrs)(name=names[param])
