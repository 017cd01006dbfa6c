"""Data clean-up: ONNX to ONNX, one clean-up per file."""
