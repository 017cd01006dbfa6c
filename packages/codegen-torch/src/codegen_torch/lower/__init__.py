"""Lowering: ONNX nodes become expressions in torch's vocabulary."""
