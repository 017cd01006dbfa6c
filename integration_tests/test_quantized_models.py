"""Whole models that ONNX Runtime's tools quantized or optimized, against ONNX Runtime.

Where a quantized model adds floats up in another order, a number may round to the neighbouring step; these do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import zoo
from arrays import to_numpy, to_torch
from codegen_torch.pipeline import convert
from converted import import_model
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

Array = np.ndarray
CPU = ["CPUExecutionProvider"]


def inputs(name: str, batch: int) -> list[Array]:
    """Inputs of a model of the zoo."""
    entry = zoo.ZOO[name]
    return [tensor.numpy() for tensor in entry.inputs(batch, entry.length).values()]


class Samples(CalibrationDataReader):
    """Three samples to calibrate with."""

    def __init__(self, name: str, path: Path) -> None:
        names = [value.name for value in InferenceSession(str(path), providers=CPU).get_inputs()]
        self.rest: Iterator[dict[str, Array]] = iter(
            [dict(zip(names, inputs(name, n), strict=True)) for n in (2, 3, 4)]
        )

    def get_next(self) -> dict[str, Array] | None:
        return next(self.rest, None)


def dynamic(name: str, source: Path, target: Path) -> None:
    quantize_dynamic(str(source), str(target))


def pairs(name: str, source: Path, target: Path) -> None:
    """QuantizeLinear and DequantizeLinear around the operators, weights per channel."""
    quantize_static(str(source), str(target), Samples(name, source), quant_format=QuantFormat.QDQ, per_channel=True)


def operators(name: str, source: Path, target: Path) -> None:
    """Quantized operators, in the layout that ONNX Runtime's optimizer gives them."""
    plain = target.with_suffix(".plain.onnx")
    quantize_static(str(source), str(plain), Samples(name, source), quant_format=QuantFormat.QOperator)
    optimized(name, plain, target, GraphOptimizationLevel.ORT_ENABLE_ALL)


def packed(name: str, source: Path, target: Path) -> None:
    quantizer = MatMulNBitsQuantizer(onnx.load(source), bits=4, block_size=32, is_symmetric=False)
    quantizer.process()
    quantizer.model.save_model_to_file(str(target))


def optimized(
    name: str,
    source: Path,
    target: Path,
    level: GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
) -> None:
    options = SessionOptions()
    options.graph_optimization_level, options.optimized_model_filepath = level, str(target)
    options.log_severity_level = 3
    InferenceSession(str(source), options, providers=CPU)


CASES = [
    ("bert", dynamic, {"DynamicQuantizeLinear", "MatMulInteger"}),
    ("bert", operators, {"QLinearMatMul", "QLinearAdd", "QLinearSoftmax", "QGemm"}),
    ("mobilenet_v2", operators, {"QLinearConv", "QLinearAdd", "QLinearGlobalAveragePool"}),
    ("gpt2", packed, {"MatMulNBits"}),
    ("gpt2", optimized, {"FastGelu", "FusedMatMul"}),
]
LONG = [
    ("vit", pairs, {"QuantizeLinear", "DequantizeLinear"}),
    ("bert", optimized, {"BiasGelu"}),
    ("gpt2", operators, {"QLinearMul"}),
    ("llama", dynamic, {"DynamicQuantizeLinear"}),
    ("llama", operators, {"QLinearSigmoid", "QLinearConcat"}),
    ("llama", packed, {"MatMulNBits"}),
    ("llama", optimized, {"QuickGelu", "FusedMatMul"}),
    ("mobilenet_v2", pairs, {"QuantizeLinear"}),
    ("resnet", pairs, {"QuantizeLinear"}),
    ("resnet", operators, {"QLinearConv"}),
    ("vit", dynamic, {"ConvInteger"}),
    ("vit", operators, {"QLinearConv", "QLinearConcat"}),
    ("vit", optimized, {"BiasGelu"}),
    ("convnext", operators, {"QLinearMul"}),
    ("lstm", dynamic, {"DynamicQuantizeLSTM"}),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "make", "expected"),
    [*CASES, *(pytest.param(*case, marks=pytest.mark.long) for case in LONG)],
    ids=lambda value: getattr(value, "__name__", value if isinstance(value, str) else ""),
)
def test_against_onnx_runtime(
    name: str,
    make: Callable[[str, Path, Path], None],
    expected: set[str],
    exported: Callable[[str, str], Path],
    tmp_path: Path,
) -> None:
    path = tmp_path / "model.onnx"
    make(name, exported(name, "torchscript"), path)
    assert expected <= {node.op_type for node in onnx.load(path).graph.node}
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1  # with more, it quantizes an LSTM's state by parts of the batch
    session = onnxruntime.InferenceSession(str(path), options, providers=CPU)
    arrays = inputs(name, 5)
    wanted = session.run(None, dict(zip((value.name for value in session.get_inputs()), arrays, strict=True)))
    convert(path, tmp_path / "out")
    model = import_model(tmp_path / "out").load_model()
    with torch.no_grad():
        found = model(*map(to_torch, arrays))
    for value, want in zip(found if isinstance(found, tuple) else (found,), wanted, strict=True):
        np.testing.assert_allclose(to_numpy(value), want, rtol=1e-5, atol=1e-6)
