"""Emission: regions become classes, expressions become lines."""
