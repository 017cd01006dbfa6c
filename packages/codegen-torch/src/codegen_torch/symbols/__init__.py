"""The torch symbols that expressions are made of, one table entry each: facts, folds, effects."""

from codegen_torch.symbols import (
    attention,
    casts,
    creation,
    elementwise,
    host,
    indexing,
    kernels,
    layers,
    linalg,
    lookup,
    loss,
    nn,
    pool,
    quantization,
    reduction,
    rnn,
    runtime,
    selection,
    sequence,
    shape,
    strings,
)
from codegen_torch.symbols.base import FactError, Kind, Parameter, Symbol, symbol
from codegen_torch.table import SYMBOLS

__all__ = ["SYMBOLS", "FactError", "Kind", "Parameter", "Symbol", "symbol"]
_ = (
    attention,
    casts,
    creation,
    elementwise,
    host,
    indexing,
    kernels,
    layers,
    linalg,
    lookup,
    loss,
    nn,
    pool,
    quantization,
    reduction,
    rnn,
    runtime,
    sequence,
    selection,
    shape,
    strings,
)  # imported for what they register
