"""Comparisons and logic."""

from __future__ import annotations
