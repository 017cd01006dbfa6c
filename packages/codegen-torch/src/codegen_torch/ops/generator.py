"""Operators that make tensors from sizes and numbers."""

from __future__ import annotations
