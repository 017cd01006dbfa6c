"""Models of any size, written piece by piece: rows of linear layers, and chains of nodes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import onnx
from onnx import TensorProto, helper

MB = 1 << 20
SIDE = 4096
LAYER_BYTES = SIDE * SIDE * 4  # 64 MiB


def write_layers(path: Path, layers: int, *, transposed: bool, external: bool, dense: bool) -> Path:
    """A model of linear layers, 64 MiB of float32 weights each.

    Args:
        path: The ``.onnx`` file.
        layers: How many layers there are.
        transposed: Whether the file has the weights in another order of axes than ``nn.Linear``.
        external: Whether they lie in a file of their own, ``path`` with ``.data``.
        dense: Whether the weights are bytes on disk; otherwise nearly all of the file is a hole, which reads as zeros.
    """
    nodes, tensors = [], []
    for number in range(layers):
        name, x, y = f"layers.{number}.weight", f"x{number}", f"x{number + 1}"
        if transposed:
            nodes.append(helper.make_node("MatMul", [x, name], [y], name=f"/layers.{number}/MatMul"))
        else:
            nodes.append(helper.make_node("Gemm", [x, name], [y], name=f"/layers.{number}/Gemm", transB=1))
        tensor = TensorProto(name=name, dims=[SIDE, SIDE], data_type=TensorProto.FLOAT)
        if external:
            tensor.data_location = TensorProto.EXTERNAL
            place = {"location": path.name + ".data", "offset": number * LAYER_BYTES, "length": LAYER_BYTES}
            for key, value in place.items():
                tensor.external_data.add(key=key, value=str(value))
        tensors.append(tensor.SerializeToString())
    first, last = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", SIDE]) for name in ("x0", f"x{layers}"))
    graph = helper.make_graph(nodes, "layers", [first], [last]).SerializeToString()
    model = helper.make_model(onnx.GraphProto(), opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    model.ClearField("graph")
    added = 0 if external else len(delimited(9, LAYER_BYTES)) + LAYER_BYTES
    heads = [delimited(5, len(tensor) + added) + tensor for tensor in tensors]
    with path.open("wb") as file:
        total = len(graph) + sum(map(len, heads)) + layers * added
        file.write(model.SerializeToString() + delimited(7, total) + graph)
        for number, head in enumerate(heads):
            file.write(head)
            if not external:
                file.write(delimited(9, LAYER_BYTES))
                _write_weight(file, number, dense)
    if external:
        with path.with_name(path.name + ".data").open("wb") as file:
            for number in range(layers):
                _write_weight(file, number, dense)
    return path


def write_chain(path: Path, length: int) -> Path:
    """A model of that many nodes, each on what the one before it gave."""
    nodes = [
        helper.make_node(("Relu", "Neg", "Abs", "Sin")[number % 4], [f"x{number}"], [f"x{number + 1}"])
        for number in range(length)
    ]
    first, last = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in ("x0", f"x{length}"))
    graph = helper.make_graph(nodes, "chain", [first], [last])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def _write_weight(file: BinaryIO, number: int, dense: bool) -> None:
    """Small numbers that differ from layer to layer."""
    start = (number + 1).to_bytes(1, "little") + b"\x00\x00\x3c"
    if not dense:
        file.write(start)
        file.seek(LAYER_BYTES - 8, os.SEEK_CUR)
        file.write(start)
        return
    block = start * (MB // 4)
    file.writelines(block for _ in range(LAYER_BYTES // MB))


def delimited(field: int, length: int) -> bytes:
    """The tag and length of a length-delimited field."""
    return varint(field << 3 | 2) + varint(length)


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
