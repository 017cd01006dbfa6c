"""Malformed and hostile files of every class, made anew by every run and always the same."""

from __future__ import annotations

from hostile import awkward, budgets, names, nodes, tensors, wire, words
from hostile.case import REFUSED, Hostile

__all__ = ["REFUSED", "Hostile", "files"]


def files() -> list[Hostile]:
    """All of them."""
    return [each for source in (wire, names, nodes, tensors, words, budgets, awkward) for each in source.files()]
