"""What becomes a kernel and what does not, and what is then written."""

from typing import Any

import pytest
from dataflow_ir import topo

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.emit.plan import operands_of
from codegen_torch.errors import ConversionError
from codegen_torch.expr import Expr, call, graph_input, weight
from codegen_torch.facts import Fact
from codegen_torch.kernels import fuse, write_kernels
from codegen_torch.kernels.allowed import check_kernels
from codegen_torch.kernels.select import bytes_text
from codegen_torch.modules.region import LEAVES, Region
from codegen_torch.symbols.namespaces import F, nn, runtime, torch
from codegen_torch.tensors import TensorRef

ROWS, COLUMNS = Dim.symbol("rows"), 64
SHAPE = (ROWS, COLUMNS)


def tensor(name: str, *dims: int | Dim, dtype: DType = DType.FLOAT32) -> Expr:
    return graph_input(name, Fact(dtype, dims or SHAPE))


def parameter(*shape: int) -> Expr:
    return weight(TensorRef.filled(shape, DType.FLOAT32, 1))


def region_of(*results: Expr) -> Region:
    order: list[Any] = topo(list(results))
    units: list[Expr | Region] = [expr for expr in order if expr.op not in LEAVES]
    params = [expr for expr in order if expr.op == "input"]
    region = Region("block", units=units, params=params, results=list(results))
    region.members = {expr: "norm" for expr in units if isinstance(expr, Expr) and expr.op.startswith("nn.")}
    return region


def units_of(region: Region) -> list[Expr]:
    assert not region.children
    return [unit for unit in region.units if isinstance(unit, Expr)]


def fused(*results: Expr) -> list[str]:
    """Names of the kernels of a module."""
    return [kernel.name for kernel in fuse(region_of(*results), DType.FLOAT32).kernels]


def reasons(*results: Expr) -> list[str]:
    notes = fuse(region_of(*results), DType.FLOAT32).notes
    return [note.rpartition(": ")[2] for note in notes if note.startswith("left")]


x, y, z = (tensor(name) for name in "xyz")


def test_neighbours_of_one_shape_become_one_kernel() -> None:
    assert fused(F.silu(x) * y) == ["silu_mul"]
    assert fused(torch.tanh(F.relu(x + y)) * z) == ["add_relu_tanh_mul"]


def test_a_lone_expression_is_left() -> None:
    assert fused(F.gelu(x)) == []
    assert reasons(F.gelu(x)) == ["nothing to fuse it with"]


def test_what_is_needed_outside_is_returned_too() -> None:
    total = x + y
    region = region_of(total, F.gelu(total))
    fusion = fuse(region, DType.FLOAT32)
    assert [kernel.name for kernel in fusion.kernels] == ["add_gelu"]
    assert [unit.op for unit in units_of(region)] == ["kernels.call", "operator.getitem", "operator.getitem"]
    assert [result.op for result in region.results] == ["operator.getitem", "operator.getitem"]


def test_a_group_takes_nothing_that_depends_on_it() -> None:
    """What a product makes of the sum cannot be computed together with the sum."""
    total = F.relu(x + y)
    product = total @ tensor("m", COLUMNS, COLUMNS)
    region = region_of(torch.tanh(product + total))
    fusion = fuse(region, DType.FLOAT32)
    assert [kernel.name for kernel in fusion.kernels] == ["add_relu", "add_tanh"]
    known: set[Expr] = set(region.params)
    for unit in units_of(region):
        assert set(operands_of(unit)) <= known
        known.add(unit)


def test_other_shapes_are_other_kernels() -> None:
    wide = F.relu(x * 2.0) + tensor("wide", 8, ROWS, COLUMNS)
    assert fused(torch.tanh(wide)) == ["mul_relu", "add_tanh"]


def test_equal_groups_share_a_kernel_at_any_size() -> None:
    narrow = tensor("narrow", ROWS, 32)
    fusion = fuse(region_of(F.silu(x) * y, F.silu(narrow) * narrow), DType.FLOAT32)
    assert [kernel.name for kernel in fusion.kernels] == ["silu_mul", "silu_mul2"]  # one operand, twice
    other = tensor("other", ROWS, 32)
    fusion = fuse(region_of(F.silu(x) * y, F.silu(narrow) * other), DType.FLOAT32)
    assert [kernel.scopes for kernel in fusion.kernels] == [["block", "block"]]


def test_numbers_of_one_value_and_another_type_are_not_the_same() -> None:
    assert len(fused(torch.tanh(x * 1), torch.tanh(y * 1.0))) == 2


def test_a_norm_keeps_its_layer_for_the_weights() -> None:
    norm = nn.LayerNorm(x + y, parameter(COLUMNS), parameter(COLUMNS), eps=1e-6)
    region = region_of(norm)
    fuse(region, DType.FLOAT32)
    assert [unit.op for unit in units_of(region)] == ["layer.tensor", "layer.tensor", "kernels.call"]
    held = units_of(region)[0].inputs[0]
    assert region.members == {held: "norm"}
    assert held.inputs[0] is None
    assert region.all_units[0] is held
    assert region.results[0].attrs["numbers"] == (1e-6,)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (lambda: F.softmax(x * 2.0, dim=0), "it goes over another dimension"),
        (lambda: (x * 2.0).to(DType.INT64), "it makes integers of floats"),
        (lambda: torch.where(torch.gt(x, y), 0.0, 1.0), "its type follows the model's"),
        (lambda: torch.maximum(x, y) ** 1.7, "its exponent is no root or small power"),
        (lambda: x * graph_input("d", Fact(DType.FLOAT64, SHAPE)), "its type is none that kernels read"),
        (
            lambda: torch.where(torch.gt(x, y), x, -3.4028234663852886e38),
            "it takes a size, or a bound of the model's type",
        ),
        (lambda: x * call("host.size", x, 0), "it takes a number that is computed"),
    ],
)
def test_what_cannot_be_written_exactly_is_left(result: object, reason: str) -> None:
    assert reason in reasons(result())  # type: ignore[operator]


def test_a_tiny_tensor_is_left() -> None:
    small = tensor("small", 4, 8)
    assert "only 32 elements" in reasons(torch.tanh(small * 2.0))


def test_bytes_are_said_with_sizes_by_name() -> None:
    assert bytes_text(ROWS * 512) == "512 * rows bytes"
    assert bytes_text(1234567) == "1 234 567 bytes"
    fusion = fuse(region_of(F.silu(x) * y), DType.FLOAT32)
    assert fusion.notes == ["fused  block: silu_mul, saves 512 * rows bytes"]


def test_names_say_what_kernels_do() -> None:
    bias = parameter(COLUMNS)
    assert fused(F.gelu(x + bias)) == ["bias_gelu"]
    assert fused(x * parameter(COLUMNS) + bias) == ["scale_bias"]
    assert fused(x * torch.sigmoid(x * 1.702)) == ["quick_gelu"]
    assert fused(x / (x**2.0).sum(-1, keepdim=True) ** 0.5) == ["unit_length"]


def test_a_bias_and_a_residual_are_kernels_of_their_own() -> None:
    assert fused(F.gelu(x + parameter(COLUMNS)), F.gelu(y + z)) == ["bias_gelu", "add_gelu"]


def test_a_permutation_goes_to_the_operands() -> None:
    image = tensor("image", ROWS, 16, 8, 8)
    inner = parameter(16) * tensor("inner", ROWS, 8, 8, 16)
    region = region_of(image + inner.permute(0, 3, 1, 2))
    fusion = fuse(region, DType.FLOAT32)
    assert [kernel.name for kernel in fusion.kernels] == ["scale_add"]
    assert [unit.op for unit in units_of(region)] == [
        "Tensor.unsqueeze",
        "Tensor.unsqueeze",
        "Tensor.permute",
        "kernels.call",
    ]


def test_a_rotation_is_fused_with_what_it_is_scaled_by() -> None:
    assert fused(x * y + runtime.rotate_half(x) * z) == ["rotary"]
    assert fused(x * y + runtime.rotate_pairs(x) * z) == ["rotary"]


def test_what_is_reduced_is_fused_with_what_takes_it() -> None:
    scale = torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6)
    assert fused(x * scale * parameter(COLUMNS)) == ["mul_mean_to_mul_scale"]
    assert fused((x * y).sum(-1)) == ["mul_sum"]
    assert fused(torch.exp(x - x.amax(-1, keepdim=True))) == ["amax_sub_exp"]
    assert fused(x / call("Tensor.norm", x, 2, (-1,), keepdim=True)) == ["norm_div"]


def test_a_reduced_value_that_lost_its_dimension_meets_no_other_rows() -> None:
    """In a square, what is left of the rows would be broadcast along them."""
    for keepdim, kernels in {False: ["mul_mean", "sub_tanh"], True: ["mul_mean_sub_tanh"]}.items():
        doubled = tensor("square", 64, 64) * 2.0
        assert fused(torch.tanh(doubled - doubled.mean(-1, keepdim=keepdim))) == kernels


def test_reductions_of_other_dimensions_are_left() -> None:
    assert "it goes over other dimensions" in reasons((x * y).mean(0, keepdim=True) + 1.0)
    assert "it goes over other dimensions" in reasons((x * y).mean(None) + 1.0)
    assert "its rows are of one element" in reasons((tensor("column", ROWS, 1) * 2.0).mean(-1))


def test_what_two_modules_could_compute_together_is_told() -> None:
    total = x + y
    first = region_of(total)
    norm = nn.LayerNorm(total, parameter(COLUMNS), parameter(COLUMNS))
    second = Region("next", units=[norm], params=[total], results=[norm], members={norm: "norm"})
    root = Region("", units=[first, second], params=[x, y], results=[norm])
    fusion = fuse(root, DType.FLOAT32)
    assert fusion.kernels == []
    assert fusion.notes[-1] == (
        "left   block and next: operator.add, nn.LayerNorm: they are in two modules, which costs 256 * rows bytes"
    )


IMAGE = (ROWS, 16, 8, 8)


def test_a_norm_of_groups_is_fused_with_what_is_around_it() -> None:
    image, shift = tensor("image", *IMAGE), tensor("shift", ROWS, 16, 1, 1)
    norm = nn.GroupNorm(image + shift, parameter(16), parameter(16), num_groups=4)
    region = region_of(F.silu(norm))
    fusion = fuse(region, DType.FLOAT32)
    assert [kernel.name for kernel in fusion.kernels] == ["add_group_norm_silu"]
    assert region.results[0].attrs["numbers"] == (4, 1e-5)
    assert fused(F.relu(call("nn.InstanceNorm2d", image))) == ["instance_norm_relu"]


def test_groups_and_rows_are_kernels_of_their_own() -> None:
    image = tensor("image", *IMAGE)
    norm = F.group_norm(image * 2.0, 4)
    assert fused(F.silu(F.softmax(norm * 0.5, dim=-1))) == ["mul_group_norm_mul", "softmax_silu"]
    assert fused(F.relu(F.group_norm(F.silu(norm), 2))) == ["mul_group_norm_silu", "group_norm_relu"]
    assert fused(F.group_norm(image, 4) + F.group_norm(tensor("other", *IMAGE), 4)) == ["group_norm_add"]


def test_a_norm_of_groups_reads_a_sum_twice() -> None:
    """torch reads two, writes the sum, reads it twice, writes the norm; a kernel reads both twice, writes the norm."""
    image, other = tensor("image", *IMAGE), tensor("other", *IMAGE)
    fusion = fuse(region_of(F.group_norm(image + other, 4)), DType.FLOAT32)
    assert fusion.notes == [f"fused  block: add_group_norm, saves {16 * 8 * 8 * 4} * rows bytes"]


def test_the_source_is_the_kernel() -> None:
    text = write_kernels(fuse(region_of(F.silu(x) * y), DType.FLOAT32).kernels, "a test.", "0")
    assert (
        '''
# block
@fused
def silu_mul(gate: Tensor, x: Tensor) -> Tensor:
    """silu(gate) * x."""
    return F.silu(gate) * x
'''
        in text
    )
    assert "    tl.store(out_ptr + row * columns + column, gate * tl.sigmoid(gate) * x, inside)\n" in text


def test_scopes_of_the_file_are_comments_and_nothing_else() -> None:
    region = region_of(F.silu(x) * y)
    region.path = 'evil"""\nimport os\n# ü'
    text = write_kernels(fuse(region, DType.FLOAT32).kernels, "a test.", "0")
    assert "\n# evil____import_os____\n" in text


@pytest.mark.parametrize(
    "line",
    ["import os", "x = 1", "def f(x):\n    return open(x)", "def f(x):\n    return x.__class__", "class A:\n    pass"],
)
def test_anything_else_in_a_file_of_kernels_is_refused(line: str) -> None:
    check_kernels('"""Doc."""\n\nimport torch\n', {}, "import torch")
    with pytest.raises(ConversionError, match="defect"):
        check_kernels(f'"""Doc."""\n\nimport torch\n{line}\n', {}, "import torch")


def test_a_long_chain_is_fused_in_parts_and_named_briefly() -> None:
    value = x
    for _ in range(2000):
        value = torch.tanh(value) * y
    assert fused(value) == ["tanh_mul_to_tanh_mul", "tanh_mul_to_tanh_mul2"]  # many equal ones, and the rest
