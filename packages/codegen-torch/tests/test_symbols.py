"""Symbols: how calls are bound, which facts follow, what is folded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, Slot, array, call, graph_input, literal
from codegen_torch.facts import Array, Fact, FactError, elements
from codegen_torch.symbols import SYMBOLS, Kind
from codegen_torch.symbols.namespaces import F, host, index, torch

B, S = Dim.symbol("batch"), Dim.symbol("seq")


def tensor(*dims: int | Dim, dtype: DType = DType.FLOAT32) -> Expr:
    return graph_input("x", Fact(dtype, dims))


def sized(*values: Any) -> Expr:
    """An int64 tensor that holds sizes."""
    expr = graph_input("s", Fact(DType.INT64, (len(values),)))
    expr.fact = Fact(DType.INT64, (len(values),), elements(list(values), (len(values),)))
    return expr


def known(expr: Expr) -> Array:
    """The elements, which must be known before the run."""
    assert expr.fact.value is not None
    return expr.fact.value


def test_arguments_are_inputs_or_attributes_and_defaults_are_left_out() -> None:
    x, weight = tensor(B, 4), tensor(8, 4)
    y = F.linear(x, weight)
    assert y.inputs == (x, weight, None)
    assert dict(y.attrs) == {}
    assert dict(x.flatten(1, -1).attrs) == {"start_dim": 1}
    assert dict(x.mean(1, keepdim=True).attrs) == {"dim": 1, "keepdim": True}


def test_a_default_counts_with_its_type() -> None:
    assert dict(tensor(2).sum(keepdim=0).attrs) == {"keepdim": 0}


def test_numbers_as_operands_are_literals() -> None:
    x = tensor(2)
    left, right = (1.5 - x).inputs
    assert left is not None
    assert left.attrs["value"] == 1.5
    assert right is x


@pytest.mark.parametrize("arguments", [(1, 2, 3), ()])
def test_a_call_of_the_wrong_form_is_an_error(arguments: tuple[int, ...]) -> None:
    with pytest.raises(TypeError, match=r"Tensor\.transpose"):
        tensor(2, 3).transpose(*arguments)


def test_host_values_in_attributes_become_inputs() -> None:
    x = tensor(B, 6)
    n = host.item(tensor(dtype=DType.INT64))
    y = x.reshape(n, 2, 3)
    assert y.attrs["shape"] == (Slot(1), 2, 3)
    assert y.inputs == (x, n)


def test_a_size_stands_in_an_attribute_only_where_the_inputs_tell_it() -> None:
    fresh = tensor(Dim.fresh(), 4)
    (rows, columns) = fresh.shape
    assert columns == 4
    assert isinstance(rows, Expr)
    assert rows.op == "host.size"
    assert tensor(B, 4).shape == (B, 4)
    twice = rows * 2  # its value is known to be a size, but not one that can be written down
    assert torch.full((twice, 4), 0.0, dtype=DType.FLOAT32).attrs["size"] == (Slot(0), 4)


def test_known_tensors_become_constants() -> None:
    total = array(np.array([1, 2])) + array(np.array([3, 4]))
    assert total.op == "constant"
    np.testing.assert_array_equal(known(total), [4, 6])


def test_a_tensor_of_sizes_stays_what_it_is_but_is_known() -> None:
    doubled = sized(B, 3) * array(np.array(2))
    assert doubled.op == "operator.mul"
    assert known(doubled).tolist() == [2 * B, 6]
    (last,) = index.slice(doubled, 0, 1, 2).fact.value.tolist()
    assert last == 6


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda s: torch.eq(s, array(np.array(-1))), [False, False]),
        (lambda s: torch.ge(s, array(np.array(0))), [True, True]),
        (lambda s: torch.where(torch.eq(s, array(np.array(-1))), array(np.array([1, 1])), s), [B, 3]),
        (lambda s: torch.div(s, array(np.array(1)), rounding_mode="trunc"), [B, 3]),
        (lambda s: torch.cat([s, array(np.array([7]))]), [B, 3, 7]),
        (lambda s: index.take(s, array(np.array([1, 0])), 0), [3, B]),
        (lambda s: s.flip(0), [3, B]),
        (lambda s: s.to(DType.INT32), [B, 3]),
        (lambda s: s.sum(0, keepdim=True), [B + 3]),
        (lambda s: s.prod(0, keepdim=True), [3 * B]),
        (lambda s: torch.maximum(s, array(np.array(0))), [B, 3]),
        (lambda s: s.repeat(2), [B, 3, B, 3]),
        (lambda s: -s, [-B, -3]),
    ],
)
def test_sizes_are_followed(compute: Any, expected: list[Any]) -> None:
    assert compute(sized(B, 3)).fact.value.tolist() == expected


@pytest.mark.parametrize(
    "compute",
    [
        lambda s: torch.eq(s, array(np.array(4))),
        lambda s: torch.minimum(s, array(np.array(4))),
        lambda s: torch.div(s - array(np.array(9)), array(np.array(2)), rounding_mode="trunc"),
        lambda s: s.to(DType.FLOAT32),
    ],
)
def test_what_depends_on_a_size_is_left_to_the_run(compute: Any) -> None:
    assert compute(sized(B, 3)).fact.value is None


def test_a_fresh_size_is_no_minus_one() -> None:
    rows, _ = tensor(Dim.fresh(), 4).shape
    assert torch.eq(sized(rows, 4), array(np.array(-1))).fact.value.tolist() == [False, False]


@pytest.mark.parametrize(
    ("size", "start", "stop", "length"),
    [
        (S, 0, None, "seq"),
        (S, 1, None, "seq - min(seq, 1)"),
        (S, -1, None, "min(seq, 1)"),
        (S, 0, -1, "seq - min(seq, 1)"),
        (512, 0, S, "min(seq, 512)"),
        (7, 2, 5, "3"),
        (7, -9, 3, "3"),
        (7, 5, 2, "0"),
        (S + 3, 0, 3, "3"),
        (2 * S, 0, S, "seq"),
        (2 * S, S, None, "seq"),
    ],
)
def test_the_length_of_a_slice(size: int | Dim, start: int, stop: Any, length: str) -> None:
    sliced = index.slice(tensor(4, size), 1, start, stop)
    assert str(sliced.dims[1]) == length


SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, max_side=6)


@given(st.data())
def test_the_length_of_a_slice_of_numbers_is_numpys(data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 6))
    start, stop = data.draw(st.integers(-9, 9)), data.draw(st.one_of(st.none(), st.integers(-9, 9)))
    step = data.draw(st.integers(1, 4))
    expected = len(range(size)[start:stop:step])
    assert index.slice(tensor(size), 0, start, stop, step).dims == (expected,)


@given(hnp.arrays(np.int64, SHAPES, elements=st.integers(-50, 50)), st.integers(1, 7), st.booleans())
def test_folds_of_integers_are_exact(values: Array, divisor: int, negative: bool) -> None:
    signed = -divisor if negative else divisor
    x, y = array(values), array(np.array(signed))
    truncated = np.array([int(v / signed) for v in values.flat]).reshape(values.shape)
    np.testing.assert_array_equal(torch.div(x, y, rounding_mode="trunc").fact.value, truncated)
    np.testing.assert_array_equal(known(x // y), values // signed)
    np.testing.assert_array_equal(known(x % y), values % signed)


def test_integers_wrap() -> None:
    top = array(np.array([2**63 - 1]))
    assert known(top + array(np.array([1]))).tolist() == [-(2**63)]


def test_floats_are_folded_in_their_own_precision() -> None:
    total = known(array(np.array([0.1], np.float32)) + array(np.array([0.2], np.float32)))
    assert total.dtype == np.float32
    assert total[0] == np.float32(0.1) + np.float32(0.2)


def test_what_numpy_may_round_otherwise_is_not_folded() -> None:
    one = array(np.array([1.0], np.float32))
    for function in (torch.exp, torch.log, torch.erf, torch.tanh):
        assert function(one).op != "constant"
    assert array(np.array([1, 2], np.float32)).sum().op == "Tensor.sum"


def test_a_division_by_zero_is_not_folded() -> None:
    assert (array(np.array([1])) // array(np.array([0]))).op == "operator.floordiv"


def test_large_constants_are_not_folded() -> None:
    large = array(np.zeros(1 << 17, np.float32))
    assert (large + large).op == "operator.add"
    assert array(np.zeros(1, np.float32)).expand(1 << 10).op == "Tensor.expand"


def test_a_fill_is_followed() -> None:
    zeros = torch.zeros(B, 3, dtype=DType.FLOAT32)
    assert zeros.reshape(3, B).fact.fill == 0
    assert index.select(zeros, 1, 0).fact.fill == 0


@pytest.mark.parametrize(
    "call_",
    [
        lambda: tensor(2, 3).reshape(4, 2),
        lambda: tensor(2, 3).reshape(4, -1),
        lambda: tensor(2, 3).transpose(0, 2),
        lambda: tensor(2, 3).squeeze(1),
        lambda: tensor(2, 3) @ tensor(2, 3),
        lambda: torch.cat([tensor(2, 3), tensor(3, 3)], dim=1),
        lambda: F.linear(tensor(2, 3), tensor(4, 5)),
        lambda: index.select(tensor(2, 3), 1, 3),
    ],
)
def test_contradictions_are_told(call_: Any) -> None:
    with pytest.raises(FactError):
        call_()


@pytest.mark.parametrize(
    ("made", "dims"),
    [
        (lambda: tensor(B, S, 32).unflatten(-1, (4, 8)), (B, S, 4, 8)),
        (lambda: tensor(B, S, 4, 8).flatten(2), (B, S, 32)),
        (lambda: tensor(B, S, 32).reshape(B, -1, 16), (B, 2 * S, 16)),
        (lambda: tensor(B, 1, S).expand(-1, 4, -1), (B, 4, S)),
        (lambda: tensor(B, S) @ tensor(S, 3), (B, 3)),
        (lambda: tensor(B, 4, S, 8) @ tensor(8, 3), (B, 4, S, 3)),
        (lambda: tensor(B, 12).chunk(3, dim=1)[2], (B, 4)),
        (lambda: tensor(7).chunk(3)[2], (1,)),
        (lambda: tensor(B, 12).split((4, 8), dim=1)[1], (B, 8)),
        (lambda: tensor(B, S).sum(1, keepdim=True), (B, 1)),
        (lambda: tensor(B, S).mean(), ()),
        (lambda: torch.arange(0, 2 * S, 2, dtype=DType.INT64), (S,)),
        (lambda: F.pad(tensor(B, S), (1, 2)), (B, S + 3)),
        (lambda: tensor(B, 1, 4).squeeze((1,)), (B, 4)),
        (lambda: F.embedding(tensor(B, S, dtype=DType.INT64), tensor(9, 4)), (B, S, 4)),
    ],
)
def test_dims(made: Any, dims: tuple[Any, ...]) -> None:
    assert made().dims == dims


def test_small_integers_are_summed_as_torch_does() -> None:
    small = tensor(3, dtype=DType.INT32)
    assert small.sum().dtype is DType.INT64
    assert small.sum(dtype=DType.INT32).dtype is DType.INT32
    assert small.amax().dtype is DType.INT32


def test_python_numbers_do_not_change_a_tensors_type() -> None:
    half = tensor(3, dtype=DType.FLOAT16)
    assert (half * 2.0).dtype is DType.FLOAT16
    assert (tensor(3, dtype=DType.INT64) * 2.0).dtype is DType.FLOAT32
    assert (tensor(3, dtype=DType.BOOL) * 2).dtype is DType.INT64
    assert literal(2).dtype is DType.INT64


NAMESPACES = set(
    "torch F nn Tensor operator index host kernels layer list maybe control runtime training literal".split()
)


def test_every_symbol_is_described_well() -> None:
    """A list of tensors takes all of a node's inputs, so nothing else may be an input beside one."""
    for name, symbol in SYMBOLS.items():
        kinds = [parameter.kind for parameter in symbol.parameters]
        assert Kind.TENSORS not in kinds or sum(kind is not Kind.ATTRIBUTE for kind in kinds) == 1, name
        assert name.partition(".")[0] in NAMESPACES


def test_a_namespace_refuses_what_is_not_registered() -> None:
    with pytest.raises(AttributeError, match="not a known symbol"):
        torch.no_such_function  # noqa: B018
    with pytest.raises(AttributeError, match="no symbol"):
        tensor(2).no_such_method()
    assert call("torch.exp", tensor(2)).op == "torch.exp"
