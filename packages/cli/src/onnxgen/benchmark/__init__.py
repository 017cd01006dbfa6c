"""How fast a generated model is here: as it is, compiled, and as ONNX Runtime runs its file."""
