"""Models of one node, lowered, computed by torch and compared with ONNX's reference implementation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_proto
from arrays import to_numpy, to_torch
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.lower.graph import Lowered, lower
from dataflow_ir import topo
from interpret import interpret
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of an operator's test table.

    Attributes:
        op: The operator.
        opset: At which opset.
        inputs: The input arrays; None where one is absent.
        attributes: Its attributes.
        baked: The positions of the inputs that are initializers; the others are graph inputs.
        expected: What must come out, where the reference does not know this opset; else the reference tells.
        outputs: How many outputs the node has.
        domain: The operator's domain, if it is not ONNX's own.
        open_lists: Whether, at symbolic sizes, the lengths of lists have names, too.
    """

    op: str
    opset: int
    inputs: Sequence[Array | None]
    attributes: dict[str, Any] = dataclasses.field(default_factory=dict)
    baked: tuple[int, ...] = ()
    expected: Callable[..., Any] | None = None
    outputs: int = 1
    domain: str = ""
    open_lists: bool = False

    def __str__(self) -> str:
        inputs = " ".join("none" if a is None else f"{a.dtype}{list(a.shape)}" for a in self.inputs)
        baked = f" baked {self.baked}" if self.baked else ""
        return f"{self.op}-{self.opset} {inputs} {self.attributes}{baked}"


def table(rows: Sequence[Row]) -> dict[str, Any]:
    """The arguments of `pytest.mark.parametrize` for a table, each row at fixed and at symbolic sizes."""
    cases = [(row, symbolic) for row in rows for symbolic in (False, True)]
    ids = [f"{row} {'symbolic' if symbolic else 'fixed'}" for row, symbolic in cases]
    return {"argnames": ("row", "symbolic"), "argvalues": cases, "ids": ids}


def model_of(row: Row, *, symbolic: bool) -> onnx.ModelProto:
    """The model of one node.

    With `symbolic`, every size has a name of its own, but for those that are 1 and the last ones of int64 tensors,
    which are the lengths of lists of sizes or positions; with `open_lists` these, too.
    """
    names = [f"x{i}" if array is not None else "" for i, array in enumerate(row.inputs)]
    outputs = [f"y{i}" for i in range(row.outputs)]
    inputs, initializers = [], []
    for position, (name, array) in enumerate(zip(names, row.inputs, strict=True)):
        if array is None:
            continue
        if position in row.baked:
            initializers.append(numpy_helper.from_array(np.asarray(array), name))
            continue
        dims: list[int | str] = list(array.shape)
        lists = array.dtype == np.int64
        for axis in range(len(dims) - (lists and not row.open_lists)):
            if symbolic and (dims[axis] != 1 or (lists and row.open_lists)):
                dims[axis] = f"{name}_{axis}"
        inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), dims))
    node = helper.make_node(row.op, names, outputs, domain=row.domain, **row.attributes)
    results = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs]
    graph = helper.make_graph([node], row.op, inputs, results, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(row.domain, row.opset)])


def lower_proto(model: onnx.ModelProto) -> Lowered:
    """Lower a model made by the `onnx` package."""
    return lower(onnx_proto.loads(model.SerializeToString()), model.graph.name or "model")


def check(row: Row, *, symbolic: bool, rtol: float = 1e-6, atol: float = 1e-6) -> dict[str, Expr]:
    """Compare a row with the reference: values, dtypes and shapes, and the stated facts with what came out."""
    model = model_of(row, symbolic=symbolic)
    lowered = lower_proto(model)
    fed = {f"x{i}": a for i, a in enumerate(row.inputs) if a is not None and i not in row.baked}
    wanted = _wanted(row, model, fed)
    tensors = {name: as_torch(array) for name, array in fed.items()}
    found = interpret(lowered.outputs, tensors, lowered.inputs)
    for expr, value, want in zip(lowered.outputs.values(), found.values(), wanted, strict=True):
        assert tuple(value.shape) == want.shape
        check_facts(expr, value)
        if want.dtype.kind in "OU":
            assert np.asarray(value).tolist() == want.tolist()
            continue
        array = to_numpy(value, want.dtype)
        assert array.dtype == want.dtype
        if not DType.of(want.dtype).in_numpy or want.dtype.kind == "V":
            array, want = array.astype(np.float32), want.astype(np.float32)
        np.testing.assert_allclose(array, want, rtol=rtol, atol=atol)
    return lowered.outputs


def as_torch(array: Array) -> Any:
    """An input as generated code takes it; strings stay a numpy array."""
    return array if array.dtype == object else to_torch(array)


def _wanted(row: Row, model: onnx.ModelProto, fed: dict[str, Array]) -> list[Array]:
    if row.expected is None:
        return [np.asarray(result) for result in ReferenceEvaluator(model).run(None, fed)]
    result = row.expected(*[array for array in row.inputs if array is not None])
    return [np.asarray(part) for part in (result if isinstance(result, tuple) else (result,))]


def check_facts(expr: Expr, value: Any) -> None:
    """A stated type, rank or number may not differ from what was computed."""
    assert ("torch.string" if isinstance(value, np.ndarray) else str(value.dtype)) == str(expr.dtype)
    if expr.dims is not None:
        assert len(expr.dims) == value.ndim
        for dim, size in zip(expr.dims, value.shape, strict=True):
            assert not isinstance(dim, int) or dim == size
    if expr.fact.fill is not None:
        assert (value == expr.fact.fill).all()
    if expr.fact.is_constant:
        np.testing.assert_array_equal(np.asarray(value), expr.fact.value)


def symbols_of(outputs: dict[str, Expr]) -> list[str]:
    """The symbols that a graph consists of, in order, without its inputs and constants."""
    order = topo(list(outputs.values()))
    return [expr.op for expr in order if expr.op not in ("input", "weight", "constant", "literal")]


def chain(
    nodes: Sequence[tuple[Any, ...]],
    inputs: dict[str, tuple[Any, Sequence[Any]]],
    constants: dict[str, Any],
    output: str,
    opset: int = 18,
) -> onnx.ModelProto:
    """A model of several nodes.

    Args:
        nodes: Operator, names of the inputs, name of the output (or names), attributes, if any.
        inputs: numpy dtype and dims (numbers or names) by name.
        constants: Arrays, or what numpy makes int64 arrays of, by name.
        output: The name of the graph's output.
        opset: The opset.
    """
    made = []
    for op, operands, results, *attributes in nodes:
        names = [results] if isinstance(results, str) else results
        made.append(helper.make_node(op, operands, names, **(attributes[0] if attributes else {})))
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(dims))
        for name, (dtype, dims) in inputs.items()
    ]
    stored = [
        numpy_helper.from_array(np.asarray(value, None if isinstance(value, np.ndarray) else np.int64), name)
        for name, value in constants.items()
    ]
    result = helper.make_tensor_value_info(output, TensorProto.UNDEFINED, None)
    graph = helper.make_graph(made, "chain", infos, [result], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
