"""Shapes, indexing and the movement of elements."""

from __future__ import annotations
