"""What a kernel computes, in one line."""

from __future__ import annotations

from codegen_torch.expr import Expr
from codegen_torch.kernels.kernel import NORMS, Kernel
from codegen_torch.kernels.product import Product, summary_of
from codegen_torch.kernels.scalar import PRODUCT, RULES, SUM, UNARY

_LONGEST = 76
_SIGNS = {
    "operator.add": ("+", SUM),
    "operator.sub": ("-", SUM),
    "operator.mul": ("*", PRODUCT),
    "operator.truediv": ("/", PRODUCT),
}


def summary(kernel: Kernel) -> str:
    """Its results as formulas, without what a norm is given beside x; or, where that is too long, its steps' names."""
    if isinstance(kernel, Product):
        return summary_of(kernel)
    texts: dict[Expr, tuple[str, int]] = {}
    for operand in (*kernel.params, *kernel.numbers):
        texts[operand] = (operand.attrs["name"], UNARY)
    for step in kernel.steps:
        texts[step] = _formula(step, texts)
    formula = " and ".join(texts[result][0] for result in kernel.results)
    if len(formula) < _LONGEST:
        return f"{formula}."
    return f"{', '.join(RULES[step.op].word for step in kernel.steps)}"[:_LONGEST] + "."


def _formula(step: Expr, texts: dict[Expr, tuple[str, int]]) -> tuple[str, int]:
    operands = [
        (repr(each.attrs["value"]), UNARY) if each.op == "literal" else texts[each]
        for each in (step.inputs[:1] if step.op in NORMS else step.inputs)
        if each is not None
    ]
    if any(len(text) > _LONGEST for text, _ in operands):  # it is too long anyway, and must not double at every step
        return "." * (_LONGEST + 1), UNARY
    if step.op in _SIGNS:
        sign, precedence = _SIGNS[step.op]
        (left, bound), (right, other) = operands
        left = left if bound >= precedence else f"({left})"
        right = right if other > precedence else f"({right})"
        return f"{left} {sign} {right}", precedence
    return f"{RULES[step.op].word}({', '.join(text for text, _ in operands)})", UNARY
