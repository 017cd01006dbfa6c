"""Compiled from ``proto/onnxgen_onnx.proto`` by ``tools/compile_proto.py``; never edited by hand."""
