"""Which products keep their weights packed, and why others do not."""

from typing import Any

import numpy as np
import pytest
from dataflow_ir import topo
from hypothesis import given
from hypothesis import strategies as st

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, constant, graph_input
from codegen_torch.facts import Fact
from codegen_torch.kernels import Fusion, fuse, write_kernels
from codegen_torch.modules.region import LEAVES, Region
from codegen_torch.ops.quantization import dequantize_linear
from codegen_torch.packed_tensors import pack
from codegen_torch.symbols.namespaces import F, runtime
from codegen_torch.tensors import TensorRef

INPUTS, OUTPUTS = 128, 64
x = graph_input("x", Fact(DType.FLOAT32, (Dim.symbol("rows"), INPUTS)))


def numbers(*shape: int, dtype: DType = DType.INT4) -> Expr:
    values = np.arange(np.prod(shape), dtype=np.int64).reshape(shape) % 7
    return constant(TensorRef.of_array(values.astype(dtype.numpy), dtype))


def scales(*shape: int) -> Expr:
    return constant(TensorRef.of_array(np.linspace(0.5, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)))


def blocks(quantized: Expr | None = None, block: int = 32) -> Expr:
    """A weight with a scale for so many inputs."""
    quantized = quantized or numbers(INPUTS, OUTPUTS)
    return dequantize_linear(quantized, scales(-(-INPUTS // block), OUTPUTS), None, axis=0, block_size=block)  # type: ignore[no-any-return]


def region_of(*results: Expr) -> Region:
    order: list[Any] = topo(list(results))
    units = [expr for expr in order if expr.op not in ("input", "literal")]
    region = Region("block", units=units, params=[expr for expr in order if expr.op == "input"], results=list(results))
    region.members = {expr: f"tensor{i}" for i, expr in enumerate(units) if expr.op in LEAVES}
    return region


def fused(*results: Expr) -> Fusion:
    return fuse(region_of(*results), DType.FLOAT32)


def reasons(*results: Expr) -> list[str]:
    return [note.rpartition(": ")[2] for note in fused(*results).notes if note.startswith("left")]


def test_a_product_with_a_quantized_weight_is_a_kernel_and_its_weight_is_packed() -> None:
    region = region_of(x @ blocks())
    fusion = fuse(region, DType.FLOAT32)
    assert [kernel.name for kernel in fusion.kernels] == ["linear_int4"]
    # Of each number 4 bytes are not written and not read, and half a byte is not read.
    assert fusion.notes == ["fused  block: linear_int4, saves 69 632 bytes"]
    weight = next(member for member, path in region.members.items() if path == "tensor0")
    assert isinstance(weight, Expr)
    assert (weight.dtype, weight.dims) == (DType.UINT8, (INPUTS // 2, OUTPUTS))
    assert [unit.op for unit in region.units if isinstance(unit, Expr)] == ["constant", "constant", "kernels.call"]
    assert region.results[0].inputs[0] is x


def test_the_reference_is_what_the_product_was() -> None:
    text = write_kernels(fused(x @ blocks()).kernels, "a test.", "0")
    assert (
        '''
# block
@fused
def linear_int4(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """x times a weight of int4, with a scale for 32 inputs of an output."""
    out = unpack_int4(weight, 0).to(x.dtype) * scale.repeat_interleave(32, 0)
    return x @ out
'''
        in text
    )


def test_bytes_stay_as_they_are() -> None:
    region = region_of(x @ dequantize_linear(numbers(INPUTS, OUTPUTS, dtype=DType.INT8), scales(OUTPUTS), None, axis=1))
    members = dict(region.members)
    fusion = fuse(region, DType.FLOAT32)
    assert [kernel.name for kernel in fusion.kernels] == ["linear_int8"]
    assert region.members == members


def test_numbers_of_all_outputs_are_arguments() -> None:
    first, second = (x @ (numbers(INPUTS, OUTPUTS).to(DType.FLOAT32) * scale) for scale in (0.5, 0.25))
    fusion = fused(first, second)
    assert [kernel.scopes for kernel in fusion.kernels] == [["block", "block"]]
    assert "scale: float" in write_kernels(fusion.kernels, "a test.", "0")


def nbits(bits: int = 4, groups: Expr | None = None) -> Expr:
    packed = numbers(OUTPUTS, 4, 32 * bits // 8, dtype=DType.UINT8)
    return F.linear(x, runtime.dequantize_blocks(packed, scales(OUTPUTS, 4), None, groups, bits=bits, features=INPUTS))  # type: ignore[no-any-return]


def test_other_forms_have_other_names() -> None:
    fusion = fused(x @ blocks(), x @ blocks(block=16), x @ blocks(block=64))
    assert [kernel.name for kernel in fusion.kernels] == ["linear_int4", "linear_int4_2", "linear_int4_3"]


def test_weights_that_come_packed() -> None:
    assert [kernel.name for kernel in fused(nbits()).kernels] == ["linear_uint4"]
    assert [kernel.name for kernel in fused(nbits(8)).kernels] == ["linear_uint8"]


def twice() -> tuple[Expr, Expr]:
    weight = blocks()
    return x @ weight, graph_input("y", Fact(DType.FLOAT32, (3, INPUTS))) @ weight


def of_one_weight() -> tuple[Expr, ...]:
    weight = numbers(INPUTS, OUTPUTS)
    return tuple(
        x @ (weight.to(DType.FLOAT32) * scales(INPUTS // block, OUTPUTS).repeat_interleave(block, 0))
        for block in (16, 32)
    )


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        (twice, "its dequantized weight is needed elsewhere"),
        (lambda: (weight := blocks(), x @ weight), "its dequantized weight is needed elsewhere"),
        (of_one_weight, "its quantized weight is needed elsewhere"),
        (lambda: (x @ blocks(block=8),), "its blocks have 8 inputs"),
        (lambda: (x @ blocks(block=48),), "its blocks have 48 inputs"),
        (lambda: (nbits(2),), "its numbers have 2 bits"),
        (lambda: (nbits(groups=numbers(INPUTS, dtype=DType.INT32)),), "its inputs are in no order of blocks"),
        (
            lambda: (x @ dequantize_linear(numbers(INPUTS, OUTPUTS), scales(INPUTS), None, axis=0),),
            "its scale is no number for each output, nor for each block of one",
        ),
        (
            lambda: (
                x
                @ dequantize_linear(
                    numbers(INPUTS, OUTPUTS), graph_input("s", Fact(DType.FLOAT32, (OUTPUTS,))), None, axis=1
                ),
            ),
            "its scale is computed",
        ),
        (
            lambda: (
                graph_input("x", Fact(DType.FLOAT32, (2, 32)))
                @ dequantize_linear(numbers(32, OUTPUTS), scales(OUTPUTS), None, axis=1),
            ),
            "only 2048 elements",
        ),
    ],
)
def test_what_is_left_and_why(results: Any, reason: str) -> None:
    assert reason in reasons(*results())


def test_other_products_are_not_spoken_of() -> None:
    assert reasons(x @ graph_input("w", Fact(DType.FLOAT32, (INPUTS, OUTPUTS)))) == []


@given(st.data())
def test_packed_tensors_hold_two_numbers_in_a_byte(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([DType.INT4, DType.UINT4]))
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    axis = data.draw(st.integers(0, len(shape) - 1))
    low, high = dtype.limits
    values = np.array(
        data.draw(st.lists(st.integers(low, high), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    )
    ref = pack(TensorRef.of_array(values.reshape(shape).astype(dtype.numpy), dtype), axis)
    packed = ref.numpy()
    assert (ref.dtype, packed.dtype.name, packed.shape) == (DType.UINT8, "uint8", ref.shape)
    assert b"".join(bytes(chunk) for chunk in ref.chunks(7)) == np.ascontiguousarray(packed).tobytes()
    halves = np.stack([packed & 15, packed >> 4], axis + 1).reshape(*shape[:axis], -1, *shape[axis + 1 :])
    unpacked = halves.take(range(shape[axis]), axis).astype(np.int64)
    assert (_signed(unpacked, dtype) == values.reshape(shape)).all()


def _signed(codes: Any, dtype: DType) -> Any:
    return np.where(codes > 7, codes - 16, codes) if dtype.is_signed else codes


def test_only_numbers_of_four_bits_are_packed() -> None:
    with pytest.raises(ValueError, match="int8 have not four bits"):
        pack(TensorRef.of_array(np.zeros(4, np.int8)), 0)


def test_a_weight_that_is_dequantized_around_the_module_is_passed_on_packed() -> None:
    """Quantizers add nodes without a scope to files that have them."""
    weight = blocks()
    product = x @ weight
    root = region_of(product)
    inner = Region("block.inner", parent=root, units=[product], params=[x, weight], results=[product])
    root.units[root.units.index(product)] = inner
    fusion = fuse(root, DType.FLOAT32)
    assert [kernel.scopes for kernel in fusion.kernels] == [["block.inner"]]
    stored = [unit for unit in root.units if isinstance(unit, Expr)]
    assert [(unit.op, unit.dtype) for unit in stored] == [("constant", DType.UINT8), ("constant", DType.FLOAT32)]
    assert inner.params == [x, *stored]
    assert inner.units == [product]
    assert product.op == "kernels.call"
    assert list(product.inputs) == [x, *stored]
