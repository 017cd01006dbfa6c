"""Simplification: exact rewrites that make the graph smaller."""
