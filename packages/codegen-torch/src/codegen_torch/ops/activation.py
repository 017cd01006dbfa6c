"""Activations."""

from __future__ import annotations
