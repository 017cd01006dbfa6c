"""The module tree: nested regions, found by scopes."""
