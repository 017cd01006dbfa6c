"""The Torch code generator: an ONNX model becomes the PyTorch source a good engineer would have written."""

__version__ = "0.1.0"
