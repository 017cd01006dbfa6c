"""What changed between two models: their generated sources, their weights, what they say about themselves."""
