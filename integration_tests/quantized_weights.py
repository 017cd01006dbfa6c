"""ONNX files of one product with a quantized weight, quantized by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_RANGES = {"int4": (-8, 8), "uint4": (0, 16), "int8": (-128, 128), "uint8": (0, 256)}


@dataclasses.dataclass(frozen=True)
class Weight:
    """A quantized weight and the product with it.

    Attributes:
        dtype: The type of its numbers.
        inputs: How many there are.
        outputs: How many there are.
        shares: What has a scale of its own: ``"all"``, each of the ``"outputs"``, or so many inputs of an output.
        zero: Whether there are zero points.
        by_rows: Whether a row of the weight is an output, so that it is transposed before the product.
        product: ``MatMul`` or ``Gemm``.
        scale: The type of scales, inputs and result.
    """

    dtype: str
    inputs: int
    outputs: int
    shares: str | int
    zero: bool = False
    by_rows: bool = False
    product: str = "MatMul"
    scale: type = np.float32

    def save(self, path: Path) -> None:
        """Write the file: ``x`` goes in, of any leading sizes for MatMul, and ``y`` comes out."""
        rng = np.random.default_rng(0)
        shape = (self.outputs, self.inputs) if self.by_rows else (self.inputs, self.outputs)
        along = int(self.by_rows)
        shared: tuple[int, ...] = ()
        if self.shares == "outputs":
            shared = (self.outputs,)
        elif isinstance(self.shares, int):
            shared = tuple(-(-size // self.shares) if axis == along else size for axis, size in enumerate(shape))
        scale = (rng.random(shared) * 0.02 + 0.001).astype(self.scale)
        low, high = _RANGES[self.dtype]
        initializers = [self._numbers("proj.weight", rng.integers(low, high, shape))]
        initializers.append(numpy_helper.from_array(np.asarray(scale), "proj.scale"))
        names = ["proj.weight", "proj.scale"]
        if self.zero:
            initializers.append(self._numbers("proj.zero", rng.integers(low, high, shared)))
            names.append("proj.zero")
        blocks = {"block_size": self.shares} if isinstance(self.shares, int) else {}
        axis = along if blocks else 1 - along
        nodes = [helper.make_node("DequantizeLinear", names, ["weight"], axis=axis, **blocks)]
        weight, options = "weight", {}
        if self.by_rows and self.product == "Gemm":
            options = {"transB": 1}
        elif self.by_rows:
            nodes.append(helper.make_node("Transpose", ["weight"], ["transposed"], perm=[1, 0]))
            weight = "transposed"
        nodes.append(helper.make_node(self.product, ["x", weight], ["product"], **options))
        initializers.append(numpy_helper.from_array(rng.standard_normal(self.outputs).astype(self.scale), "proj.bias"))
        nodes.append(helper.make_node("Add", ["product", "proj.bias"], ["y"]))
        _save(path, nodes, initializers, ["a"] if self.product == "Gemm" else ["a", "b"], self)

    def _numbers(self, name: str, values: np.ndarray) -> TensorProto:
        kind = getattr(TensorProto, self.dtype.upper())
        return helper.make_tensor(name, kind, values.shape, values.flatten().tolist())


@dataclasses.dataclass(frozen=True)
class Blocks:
    """A weight as com.microsoft's MatMulNBits has it.

    Attributes:
        bits: The bits of a number.
        inputs: How many there are.
        outputs: How many there are.
        block: How many inputs of an output share a scale.
        zero: ``"packed"`` as the weight, ``"float"`` as the scales, or none.
        bias: Whether there is one.
    """

    bits: int
    inputs: int
    outputs: int
    block: int
    zero: str | None = None
    bias: bool = False
    scale: type = np.float32

    def save(self, path: Path) -> None:
        """Write the file: ``x`` goes in, of any leading sizes, and ``y`` comes out."""
        rng = np.random.default_rng(0)
        blocks = -(-self.inputs // self.block)
        packed = rng.integers(0, 256, (self.outputs, blocks, self.block * self.bits // 8), np.uint8)
        scale = (rng.random((self.outputs, blocks)) * 0.02 + 0.001).astype(np.float32)
        arrays = {"proj.weight": packed, "proj.scale": scale}
        if self.zero == "packed":
            arrays["proj.zero"] = rng.integers(0, 256, (self.outputs, -(-blocks * self.bits // 8)), np.uint8)
        elif self.zero == "float":
            arrays["proj.zero"] = (rng.random((self.outputs, blocks)) * 15).astype(np.float32)
        if self.bias:
            arrays["proj.bias"] = rng.standard_normal(self.outputs).astype(np.float32)
        names = [f"proj.{name}" if f"proj.{name}" in arrays else "" for name in ("weight", "scale", "zero", "", "bias")]
        sizes = {"K": self.inputs, "N": self.outputs, "bits": self.bits, "block_size": self.block}
        node = helper.make_node("MatMulNBits", ["x", *names], ["y"], domain="com.microsoft", **sizes)
        initializers = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
        _save(path, [node], initializers, ["a", "b"], self)


def _save(
    path: Path, nodes: list[onnx.NodeProto], initializers: list[TensorProto], sizes: list[str], of: Weight | Blocks
) -> None:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(of.scale))
    x = helper.make_tensor_value_info("x", kind, [*sizes, of.inputs])
    y = helper.make_tensor_value_info("y", kind, [*sizes, of.outputs])
    graph = helper.make_graph(nodes, "g", [x], [y], initializers)
    domains = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=domains, ir_version=10), path)


WEIGHTS: dict[str, Weight | Blocks] = {
    "int4 by 32": Weight("int4", 160, 67, 32),
    "int4 by 16, zeros": Weight("int4", 96, 64, 16, zero=True),
    "int4 by 64, zeros, rows": Weight("int4", 320, 64, 64, zero=True, by_rows=True),
    "int4 by 128, rows": Weight("int4", 256, 33, 128, by_rows=True),
    "int4 by 32, last shorter": Weight("int4", 150, 64, 32, zero=True),
    "int4, odd": Weight("int4", 131, 67, "outputs"),
    "int4, odd, rows, zeros": Weight("int4", 131, 67, 32, zero=True, by_rows=True),
    "int4 by output, rows": Weight("int4", 128, 67, "outputs", zero=True, by_rows=True),
    "int4, one scale": Weight("int4", 128, 64, "all"),
    "uint4 by 32, zeros": Weight("uint4", 160, 67, 32, zero=True),
    "uint4 by 128, rows": Weight("uint4", 256, 64, 128, by_rows=True, product="Gemm"),
    "uint4, one scale and zero": Weight("uint4", 128, 64, "all", zero=True),
    "int8 by 32, zeros": Weight("int8", 96, 67, 32, zero=True),
    "int8 by output": Weight("int8", 131, 67, "outputs"),
    "int8 by output, Gemm": Weight("int8", 128, 64, "outputs", zero=True, by_rows=True, product="Gemm"),
    "int8, one scale": Weight("int8", 128, 64, "all"),
    "uint8 by 64, rows": Weight("uint8", 192, 67, 64, zero=True, by_rows=True),
    "uint8 by output, zeros": Weight("uint8", 128, 64, "outputs", zero=True, product="Gemm"),
    "uint8, one scale and zero": Weight("uint8", 131, 67, "all", zero=True),
    "nbits 4 by 32": Blocks(4, 160, 67, 32),
    "nbits 4 by 16, zeros, bias": Blocks(4, 144, 67, 16, zero="packed", bias=True),
    "nbits 4 by 32, last longer": Blocks(4, 150, 67, 32, zero="packed"),
    "nbits 4 by 128, float zeros": Blocks(4, 256, 64, 128, zero="float"),
    "nbits 8 by 32, zeros": Blocks(8, 96, 67, 32, zero="packed"),
    "nbits 8 by 64, bias": Blocks(8, 130, 67, 64, bias=True),
}
"""All of what becomes a kernel."""
