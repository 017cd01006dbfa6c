"""Layers: rules that turn expressions into torch.nn modules, one family per file."""
