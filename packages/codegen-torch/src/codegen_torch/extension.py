"""Operators from outside: what a file given with ``--ops`` imports, and how it is taken in.

Such a file defines operators as our own do, and may bring functions that torch lacks; both are its own to test::

    from codegen_torch.extension import Expr, helper, op, runtime, torch

    @helper
    def wave(x: Tensor, amount: float) -> Tensor:
        return x + amount * torch.sin(x)

    @op("Wave", domain="com.example", since=1)
    def wave_of(x: Expr, *, amount: float = 1.0) -> Expr:
        return runtime.wave(x, amount)

A helper's body is never run here: it is copied into the models that use it, and sees torch there, and whatever
modules of the standard library the file imports at its top.
"""

from __future__ import annotations
import __future__

import contextlib
import functools
import inspect
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, overload

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.emit.helpers import added
from codegen_torch.errors import ConversionError
from codegen_torch.expr import Expr
from codegen_torch.facts import Fact
from codegen_torch.lower.registry import Const, Context, Int, Ints, NotApplicable, op, restored, take_precedence
from codegen_torch.symbols.base import symbol
from codegen_torch.symbols.namespaces import F, host, index, nn, runtime, torch
from codegen_torch.table import SYMBOLS

__all__ = [
    "Const",
    "Context",
    "DType",
    "Dim",
    "Expr",
    "F",
    "Fact",
    "Int",
    "Ints",
    "NotApplicable",
    "helper",
    "host",
    "index",
    "nn",
    "op",
    "runtime",
    "symbol",
    "torch",
]

Function = Callable[..., Any]

_helpers: list[str] = []


@overload
def helper(function: Function) -> Function: ...
@overload
def helper(*, fact: Function) -> Callable[[Function], Function]: ...
def helper(function: Function | None = None, *, fact: Function | None = None) -> Any:
    """Make a function of the file one that operators may call as ``runtime.<its name>``.

    Args:
        function: The function, on torch tensors. Its parameters are annotated ``Tensor``, ``Tensor | None``, or with
            what else they take.
        fact: Computes what is known of the result from the facts of the tensors and the other arguments; by default
            the result has the dtype and the sizes of the first tensor.
    """

    def register(function: Function) -> Function:
        def rule(*arguments: Any, **keywords: Any) -> Fact:
            if fact is not None:
                return fact(*arguments, **keywords)  # type: ignore[no-any-return]
            return Fact(arguments[0].dtype, arguments[0].dims)

        rule.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        symbol(f"runtime.{function.__name__}")(rule)
        _helpers.append(function.__name__)
        return function

    return register if function is None else register(function)


@contextlib.contextmanager
def extended(files: Iterable[str | Path]) -> Iterator[None]:
    """Inside, the operators of these files count too, before our own of the same name.

    Raises:
        ConversionError: A file cannot be read or run, or defines no operator.
    """
    symbols = dict(SYMBOLS)
    with restored(), contextlib.ExitStack() as stack:
        try:
            for path in map(Path, files):
                text = _text(path)
                _helpers.clear()
                if not take_precedence(functools.partial(_run, path, text)):
                    raise ConversionError(f"{path} defines no operator")
                stack.enter_context(added(dict.fromkeys(_helpers, text)))
            yield
        finally:
            SYMBOLS.clear()
            SYMBOLS.update(symbols)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConversionError(f"{path}: the operators' file cannot be read: {error}") from error


def _run(path: Path, text: str) -> None:
    """Runs the file, whose annotations stay text whether or not it says so: `op` reads them by name."""
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    try:
        exec(compile(text, path, "exec", __future__.annotations.compiler_flag, dont_inherit=True), module.__dict__)
    except Exception as error:
        raise ConversionError(f"{path}: {type(error).__name__}: {error}") from error
