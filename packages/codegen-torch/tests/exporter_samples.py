"""Models with the names that other frameworks' exporters give: the forms are those of published files."""

from __future__ import annotations

import numpy as np
import onnx_proto
from onnx_proto.build import graph, model, node, tensor, value


class Net:
    """Collects nodes and tensors; what a node computes is called as the exporter would call it."""

    def __init__(self) -> None:
        self.nodes: list[onnx_proto.Node] = []
        self.tensors: dict[str, onnx_proto.Tensor] = {}
        self.random = np.random.default_rng(0)

    def stored(self, name: str, *shape: int) -> str:
        values = self.random.normal(size=shape) / max(1, np.prod(shape[1:], dtype=int)) ** 0.5
        return self.put(name, np.abs(values) + 0.5 if name.endswith(("w_2", "_1:0")) else values)

    def put(self, name: str, values: object) -> str:
        array = np.asarray(values)
        self.tensors[name] = tensor(name, array.astype(np.float32) if array.dtype == np.float64 else array)
        return name

    def call(self, op: str, name: str, *inputs: str, to: str | None = None, **attributes: object) -> str:
        output = to or f"{name}:0"
        self.nodes.append(node(op, inputs, [output], name=name, attributes=attributes))
        return output

    def model(self, output: str, shape: list[int | str | None], name: str, producer: str) -> onnx_proto.Model:
        self.nodes.append(node("Identity", [output], ["y"], name="result"))
        whole = graph(self.nodes, [value("x", "float32", shape)], ["y"], self.tensors.values(), name=name)
        return model(whole, opset_imports=17, producer_name=producer)


class Keras(Net):
    """tf2onnx's names."""

    prefix = "StatefulPartitionedCall/model"

    def conv(self, x: str, layer: str, inputs: int, outputs: int, size: int = 3, activation: str = "") -> str:
        name = f"{self.prefix}/{layer}"
        weight = self.stored(f"{name}/Conv2D/ReadVariableOp:0", outputs, inputs, size, size)
        bias = self.stored(f"{name}/BiasAdd/ReadVariableOp:0", outputs)
        x = self.call("Conv", f"{name}/Conv2D", x, weight, bias, to=f"{name}/BiasAdd:0", pads=[size // 2] * 4)
        return self.call(activation, f"{name}/{activation}", x) if activation else x

    def norm(self, x: str, layer: str, width: int) -> str:
        name = f"{self.prefix}/{layer}"
        names = ("ReadVariableOp:0", "Const_1:0", "FusedBatchNormV3/ReadVariableOp:0", "FusedBatchNormV3/Read_1:0")
        tensors = [self.stored(f"{name}/{each}", width) for each in names]
        return self.call("BatchNormalization", f"{name}/FusedBatchNormV3", x, *tensors, epsilon=1e-3)

    def dense(self, x: str, layer: str, inputs: int, outputs: int, activation: str = "", call: str = "") -> str:
        name = f"{self.prefix}/{layer}"
        inner = f"{name}/{call}" if call else name
        weight = self.stored(f"{inner or name}/MatMul/ReadVariableOp:0", inputs, outputs)
        bias = self.stored(f"{name}/BiasAdd/ReadVariableOp:0", outputs)
        x = self.call("MatMul", f"{inner}/MatMul", x, weight)
        x = self.call("Add", f"{name}/BiasAdd", x, bias)
        return self.call(activation, f"{name}/{activation}", x) if activation else x

    def layer_norm(self, x: str, layer: str, width: int) -> str:
        name = f"{self.prefix}/{layer}"
        gamma = self.stored(f"{name}/batchnorm/mul/ReadVariableOp:0", width)
        beta = self.stored(f"{name}/batchnorm/ReadVariableOp:0", width)
        epsilon = self.put(f"{name}/batchnorm/add/y:0", np.float32(1e-6))
        mean = self.call("ReduceMean", f"{name}/moments/mean", x, axes=[-1], keepdims=1)
        away = self.call("Sub", f"{name}/moments/SquaredDifference", x, mean)
        square = self.call("Mul", f"{name}/moments/SquaredDifference__21", away, away)
        variance = self.call("ReduceMean", f"{name}/moments/variance", square, axes=[-1], keepdims=1)
        shifted = self.call("Add", f"{name}/batchnorm/add", variance, epsilon)
        root = self.call("Sqrt", f"{name}/batchnorm/Rsqrt__23", shifted)
        inverse = self.call("Reciprocal", f"{name}/batchnorm/Rsqrt", root)
        scale = self.call("Mul", f"{name}/batchnorm/mul", inverse, gamma)
        left = self.call("Mul", f"{name}/batchnorm/mul_1", x, scale)
        middle = self.call("Mul", f"{name}/batchnorm/mul_2", mean, scale)
        right = self.call("Sub", f"{name}/batchnorm/sub", beta, middle)
        return self.call("Add", f"{name}/batchnorm/add_1", left, right)

    def heads(self, x: str, layer: str, equation: str, weight: tuple[int, ...], bias: tuple[int, ...]) -> str:
        name = f"{self.prefix}/{layer}"
        kernel = self.stored(f"{name}/einsum/Einsum/ReadVariableOp:0", *weight)
        shift = self.stored(f"{name}/add/ReadVariableOp:0", *bias)
        x = self.call("Einsum", f"{name}/einsum/Einsum", x, kernel, equation=equation)
        return self.call("Add", f"{name}/add", x, shift)

    def attention(self, x: str, layer: str, width: int, heads: int) -> str:
        name, size = f"{self.prefix}/{layer}", width // heads
        q, k, v = (
            self.heads(x, f"{layer}/{each}", "abc,cde->abde", (width, heads, size), (heads, size))
            for each in ("query", "key", "value")
        )
        scale = self.put(f"{name}/Mul/y:0", np.float32(size**-0.5))
        q = self.call("Mul", f"{name}/Mul", q, scale)
        scores = self.call("Einsum", f"{name}/einsum/Einsum", k, q, equation="aecd,abcd->acbe")
        scores = self.call("Softmax", f"{name}/softmax/Softmax", scores, axis=-1)
        x = self.call("Einsum", f"{name}/einsum_1/Einsum", scores, v, equation="acbe,aecd->abcd")
        return self.heads(x, f"{layer}/attention_output", "abcd,cde->abe", (heads, size, width), (width,))


def keras_cnn() -> onnx_proto.Model:
    """A functional model: convolutions with their activations, a residual block, a dense head."""
    net = Keras()
    x = net.call("Transpose", f"{net.prefix}/conv2d/Conv2D__6", "x", perm=[0, 3, 1, 2])
    x = net.conv(x, "conv2d", 3, 8, activation="Relu")
    residual = x
    x = net.conv(x, "conv2d_1", 8, 8)
    x = net.norm(x, "batch_normalization", 8)
    x = net.call("Relu", f"{net.prefix}/activation/Relu", x)
    x = net.conv(x, "conv2d_2", 8, 8)
    x = net.call("Add", f"{net.prefix}/add/add", x, residual)
    x = net.call("Relu", f"{net.prefix}/activation_1/Relu", x)
    x = net.call("ReduceMean", f"{net.prefix}/global_average_pooling2d/Mean", x, axes=[2, 3], keepdims=0)
    x = net.dense(x, "dense", 8, 16, "Relu")
    x = net.dense(x, "predictions", 16, 10)
    x = net.call("Softmax", f"{net.prefix}/predictions/Softmax", x, axis=-1)
    return net.model(x, ["batch", 8, 8, 3], "tf2onnx", "tf2onnx")


def keras_flat_transformer() -> onnx_proto.Model:
    """A functional model: its layers are attentions, norms and dense ones, and nothing says which are a block."""
    return keras_transformer(3, own_class=False)


def keras_transformer(blocks: int = 2, width: int = 16, *, own_class: bool = True) -> onnx_proto.Model:
    """Layers of a class of one's own, in each of which Keras goes on counting."""
    net = Keras()
    x = "x"
    for index in range(blocks):
        block = f"transformer_block{f'_{index}' if index else ''}/" if own_class else ""
        numbers = [f"_{number}" if number else "" for number in range(2 * index, 2 * index + 2)]
        mixed = net.attention(x, f"{block}multi_head_attention{f'_{index}' if index else ''}", width, 4)
        x = net.call("Add", f"{net.prefix}/{block}add{numbers[0]}/add", x, mixed)
        x = net.layer_norm(x, f"{block}layer_normalization{numbers[0]}", width)
        wide = net.dense(x, f"{block}dense{numbers[0]}", width, 4 * width, "Relu", call="Tensordot")
        narrow = net.dense(wide, f"{block}dense{numbers[1]}", 4 * width, width, call="Tensordot")
        x = net.call("Add", f"{net.prefix}/{block}add{numbers[1]}/add", x, narrow)
        x = net.layer_norm(x, f"{block}layer_normalization{numbers[1]}", width)
    x = net.call("ReduceMean", f"{net.prefix}/global_average_pooling1d/Mean", x, axes=[1], keepdims=0)
    x = net.dense(x, f"dense_{2 * blocks}", width, 2)
    return net.model(x, ["batch", "time", width], "tf2onnx", "tf2onnx")


def paddle_resnet(blocks: int = 3, width: int = 8) -> onnx_proto.Model:
    """paddle2onnx: layers are numbered through the whole model, nodes by operator."""
    net = Net()
    counts: dict[str, int] = {}

    def call(op: str, *inputs: str, **attributes: object) -> str:
        number = counts[op] = counts.get(op, -1) + 1
        return net.call(op, f"p2o.{op}.{number}", *inputs, to=f"p2o.pd_op.{op.lower()}.{number}.0", **attributes)

    def conv(x: str, inputs: int) -> str:
        number = counts["conv2d"] = counts.get("conv2d", -1) + 1
        x = call("Conv", x, net.stored(f"conv2d_{number}.w_0", width, inputs, 3, 3), pads=[1, 1, 1, 1])
        tensors = [net.stored(f"batch_norm2d_{number}.{each}", width) for each in ("w_0", "b_0", "w_1", "w_2")]
        return call("BatchNormalization", x, *tensors)

    x = call("Relu", conv("x", 3))
    for _ in range(blocks):
        out = call("Relu", conv(x, width))
        x = call("Relu", call("Add", conv(out, width), x))
    x = call("Flatten", call("GlobalAveragePool", x))
    x = call("MatMul", x, net.stored("linear_0.w_0", width, 10))
    x = call("Add", x, net.stored("linear_0.b_0", 10))
    return net.model(x, ["batch", 3, 8, 8], "Model from PaddlePaddle.", "PaddlePaddle")
