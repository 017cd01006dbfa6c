"""How much of what a run of these tests tried, to be told at its end."""

from __future__ import annotations

from collections import Counter

TRIED: Counter[str] = Counter({"files": 0, "mutants": 0, "kills": 0, "strings": 0})
