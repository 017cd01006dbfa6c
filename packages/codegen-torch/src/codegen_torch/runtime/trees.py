"""Ensembles of decision trees as tables."""

import torch
from torch import Tensor


def tree_leaves(
    x: Tensor,
    roots: Tensor,
    features: Tensor,
    splits: Tensor,
    branches: Tensor,
    *,
    depth: int,
) -> Tensor:
    """Walk down every tree for every row of x [rows, features]: the leaves, [rows, trees].

    A node has branches [4] for a feature that is less than its split, equal to it, greater, or NaN.
    """
    node = roots.expand(x.shape[0], -1)
    for _ in range(depth):
        value, split = x.gather(1, features[node]), splits[node]
        outcome = torch.where(
            value.isnan(), 3, (value >= split).long() + (value > split)
        )
        node = branches[node, outcome]
    return node


def sum_votes(
    leaves: Tensor, columns: Tensor, weights: Tensor, *, width: int
) -> Tensor:
    """Add the vote of every leaf [rows, trees] to its column: [rows, width]."""
    scores = weights.new_zeros(leaves.shape[0], width)
    return scores.scatter_add(1, columns[leaves], weights[leaves])
