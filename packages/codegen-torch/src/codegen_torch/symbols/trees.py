"""Ensembles of decision trees as tables."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact
from codegen_torch.symbols.base import symbol

Tensor: TypeAlias = Fact


@symbol("runtime.tree_leaves")
def tree_leaves(x: Tensor, roots: Tensor, features: Tensor, splits: Tensor, branches: Tensor, *, depth: int) -> Fact:
    if x.dims is None or roots.dims is None:
        return Fact(DType.INT64, None)
    return Fact(DType.INT64, (x.dims[0], roots.dims[0]))


@symbol("runtime.sum_votes")
def sum_votes(leaves: Tensor, columns: Tensor, weights: Tensor, *, width: int) -> Fact:
    return Fact(weights.dtype, None if leaves.dims is None else (leaves.dims[0], width))
