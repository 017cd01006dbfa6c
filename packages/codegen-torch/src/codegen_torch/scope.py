"""Where in the original model something was: the modules around it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One level of a scope: a module's path and, where the file tells, its class."""

    path: str
    cls: str | None = None


Scope = tuple[Step, ...]
"""The modules around something, outermost first."""
