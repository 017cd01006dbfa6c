"""Sizes that an exporter fixed become free, where it can be proved that samples stay independent of each other."""
