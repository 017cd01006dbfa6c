"""A kernel as a torch function: its reference, and what computes it where there is no kernel."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from codegen_torch.dtypes import DType
from codegen_torch.emit.expression import render
from codegen_torch.emit.layout import WIDTH, Bracket, lay_out
from codegen_torch.emit.literals import number_source
from codegen_torch.emit.source import ATOM, Source
from codegen_torch.expr import Expr
from codegen_torch.kernels.kernel import NORMS, Kernel
from codegen_torch.kernels.product import product_source
from codegen_torch.kernels.scalar import ALONG, GROUPED, ROW_MEAN, ROW_SUM
from codegen_torch.names import numbered

_DEPTH = 3
_ROOM = WIDTH - len("    out10 = ")


def reference_lines(kernel: Kernel) -> list[str]:
    """The function's lines, its docstring first missing: head, and the body's statements."""
    return _Writer(kernel).lines()


def head(kernel: Kernel) -> list[str]:
    """The line, or lines, of its ``def``."""
    params = [f"{param.attrs['name']}: Tensor" for param in kernel.params]
    params += [f"{each.attrs['name']}: {'float' if each.dtype.is_float else 'int'}" for each in kernel.numbers]
    count = len(kernel.results)
    result = "Tensor" if count == 1 else f"tuple[{', '.join(['Tensor'] * count)}]"
    return lay_out(Bracket(f"def {kernel.name}(", tuple(params), f") -> {result}:"), 0)


class _Writer:
    """Writes the statements; the surroundings of its expressions."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.sources: dict[Expr, Source] = {}
        self.named: dict[Expr, str] = {param: param.attrs["name"] for param in (*kernel.params, *kernel.numbers)}
        self.texts: list[str] = []
        self.uses: dict[Expr, int] = {}
        for step in kernel.steps:
            for operand in step.inputs:
                if operand is not None:
                    self.uses[operand] = self.uses.get(operand, 0) + 1
        for result in kernel.results:
            self.uses[result] = self.uses.get(result, 0) + 1

    def lines(self) -> list[str]:
        """A statement for what is used twice or too long to stand in another one; then what is returned."""
        for step in self.kernel.steps:
            source = self._fitting([step], functools.partial(self._source, step))
            self.sources[step] = source
            is_long = step not in self.kernel.results and (source.width > WIDTH // 2 or source.depth >= _DEPTH)
            if self.uses[step] > 1 or is_long:
                self._name(step)
        source = self._fitting([], self._returned)
        return [*self.texts, *lay_out(source.doc, 1, "return ")]

    def _returned(self) -> Source:
        results = [self._operand(result).doc for result in self.kernel.results]
        return Source(results[0] if len(results) == 1 else ", ".join(map(str, results)))

    def _fitting(self, steps: list[Expr], write: Callable[[], Source]) -> Source:
        """The source of a step, or of what is returned, after operands have got names until it fits in a line."""
        while True:
            source = write()
            operands = [each for step in steps for each in step.inputs] if steps else self.kernel.results
            inside = [each for each in operands if each in self.sources and each not in self.named]
            if source.width <= _ROOM or not inside:
                return source
            self._name(max(inside, key=lambda each: self.sources[each].width))

    def _name(self, step: Expr) -> None:
        name = numbered("out", set(self.named.values()))
        self.texts += lay_out(self.sources[step].doc, 1, f"{name} = ")
        self.named[step] = name

    def _operand(self, value: Expr) -> Source:
        return Source(self.named[value]) if value in self.named else self.sources[value]

    def _source(self, step: Expr) -> Source:
        if (own := product_source(step, self.named)) is not None:
            return own
        operands = {value: self._operand(value) for value in step.inputs if value is not None and value.op != "literal"}
        if step.op in GROUPED:
            return self._norm_of_groups(step)
        if step.op in NORMS:
            return self._norm(step)
        if step.op in (ROW_MEAN, ROW_SUM):
            (x,) = operands.values()
            method = step.op.removeprefix("kernels.row_")
            return Source(
                f"{x.text if x.precedence >= ATOM else f'({x.text})'}.{method}(-1, keepdim=True)", ATOM, x.depth + 1
            )
        if step.op == ALONG:
            value, like = operands.values()
            return Source(
                f"{value.text if value.precedence >= ATOM else f'({value.text})'}.expand_as({like.text})",
                ATOM,
                value.depth + 1,
            )
        return render(step, operands, self)

    def _norm(self, step: Expr) -> Source:
        """Over the last dimension, whatever its size."""
        x, eps, *affine = step.inputs
        if x not in self.named:
            self._name(x)
        names = [self.named[value] for value in (x, *affine)]
        keywords = [f"eps={self.named[eps]}"]
        return Source(Bracket(f"{step.op}(", (names[0], f"{names[0]}.shape[-1:]", *names[1:], *keywords), ")"), ATOM, 1)

    def _norm_of_groups(self, step: Expr) -> Source:
        """``F.group_norm(x, groups, weight, bias, eps=eps)``; instances take their weights by name."""
        x, *others = (each for each in step.inputs if each is not None)
        source = self._operand(x)
        numbers = [self.named[each] for each in others if each.fact.host]
        affine = [self.named[each] for each in others if not each.fact.host]
        if step.op == "F.instance_norm":
            affine = [f"{name}={value}" for name, value in zip(("weight", "bias"), affine, strict=False)]
        items = (source.doc, *numbers[:-1], *affine, f"eps={numbers[-1]}")
        return Source(Bracket(f"{step.op}(", items, ")"), ATOM, source.depth + 1)

    # Surroundings of expressions.

    def number(self, expr: Expr, site: tuple[Any, ...], value: int | float) -> str:
        """A number that is the same in every call."""
        return number_source(value)

    def size(self, name: str) -> str:
        """No size is written into a kernel."""
        raise NotImplementedError(name)

    def dtype(self, dtype: DType) -> str:
        """A dtype; a float one is read off a parameter, which follows the model."""
        if dtype.is_float:
            for param in self.kernel.params:
                if param.dtype is dtype:
                    return f"{param.attrs['name']}.dtype"
        return str(dtype)

    def device(self) -> str:
        """Nothing is created in a kernel."""
        raise NotImplementedError

    def member(self, expr: Expr) -> str:
        """A kernel is given all tensors."""
        raise NotImplementedError(expr)
