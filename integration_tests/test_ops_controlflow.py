"""Branches and loops, converted to files and run beside ONNX Runtime, at the opsets that changed their meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from codegen_torch.pipeline import convert
from converted import import_model

X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2
MANY = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def parsed(text: str, opset: int = 17) -> onnx.ModelProto:
    """A model from ONNX's textual form of its graph."""
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]>\n{text}')


def generated(model: onnx.ModelProto, folder: Path) -> torch.nn.Module:
    folder.mkdir(exist_ok=True)
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    convert(folder / "net.onnx", folder / "out", force=True)
    return import_model(folder / "out").load_model()


def source(folder: Path) -> str:
    return (folder / "out" / "model.py").read_text("utf-8")


def check(text: str, folder: Path, *inputs: Any, opset: int = 17) -> None:
    """Compare with ONNX Runtime, at the given sizes."""
    model = parsed(text, opset)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    wanted = session.run(None, dict(zip(names, map(np.asarray, inputs), strict=True)))
    with torch.no_grad():
        found = generated(model, folder)(*(torch.from_numpy(np.array(value)) for value in inputs))
    for result, want in zip(found if isinstance(found, tuple) else (found,), wanted, strict=True):
        assert result.numpy().dtype == want.dtype
        if want.size == 0:  # of no iteration, ONNX Runtime knows no symbolic size
            assert result.numel() == 0
            assert result.ndim == want.ndim
            continue
        assert tuple(result.shape) == want.shape
        np.testing.assert_allclose(result.numpy(), want, rtol=1e-6)


IF = """
g (bool c, float[N, 3] x) => (float[M] y, float[N, 3] z) <float[3] b = {1, 2, 3}, int64[1] one = {1}> {
  y, z = If (c) <
    then_branch = t () => (float[P] a, float[N, 3] d) { a = MAX d = Add (x, b) },
    else_branch = e () => (float[Q] a, float[N, 3] d) {
      all = Constant <value = int64[1] {-1}> ()
      a = Reshape (x, all)
      d = Identity (x)
    }
  >
}
"""


@pytest.mark.parametrize("opset", [7, 11, 13, 16, 19, 21])
@pytest.mark.parametrize("cond", [True, False])
def test_branches_of_other_shapes(cond: bool, opset: int, tmp_path: Path) -> None:
    greatest = "ReduceMax <keepdims = 0> (x, one)" if opset >= 18 else "ReduceMax <keepdims = 0, axes = [1]> (x)"
    check(IF.replace("MAX", greatest), tmp_path, cond, X, opset=opset)


LOOP = """
g (int64 n, float[N, 3] x) => (float[N, 3] y, float[R, N, 3] all) <float half = {0.5}, bool yes = {1}> {
  y, all = Loop (COUNT, COND, x) <body = b (int64 i, bool go, float[N, 3] h)
                                         => (bool again, float[N, 3] k, float[N, 3] s) {
    f = Cast <to = 1> (i)
    k = Add (h, f)
    s = Mul (k, half)
    low = ReduceMin <keepdims = 0> (k)
    again = AGAIN
  }>
}
"""


@pytest.mark.parametrize("opset", [7, 11, 13, 16, 19, 21])
@pytest.mark.parametrize("n", [0, 1, 4])
@pytest.mark.parametrize("cond", ["", "yes"])
@pytest.mark.parametrize("again", ["Identity (go)", "Less (low, half)", "Not (yes)"])
def test_loops(again: str, cond: str, n: int, opset: int, tmp_path: Path) -> None:
    text = LOOP.replace("AGAIN", again).replace("COND", cond or '""').replace("COUNT", "n")
    check(text, tmp_path, np.int64(n), X, opset=opset)


@pytest.mark.parametrize("start", [True, False])
def test_a_loop_without_a_count(start: bool, tmp_path: Path) -> None:
    text = LOOP.replace("AGAIN", "Less (low, half)").replace("COND", "start").replace("COUNT", '""')
    check(text.replace("int64 n", "bool start"), tmp_path, start, X)


SCAN = """
g (float[K] start, float[A, B, C] x, float[D, E] w) => (float[K] last, float[F, G, H] all) {
  last, all = Scan <num_scan_inputs = 2, scan_input_axes = [XAXIS, WAXIS], scan_input_directions = [BACK, 0],
                    scan_output_axes = [OAXIS], scan_output_directions = [OBACK],
    body = b (float[K] h, float[P, Q] a, float[R] u) => (float[K] h2, float[P, Q] s) {
      top = ReduceMax <keepdims = 0> (u)
      h2 = Add (h, top)
      s = Mul (a, h2)
    }> (start, x, w)
}
"""


@pytest.mark.parametrize("opset", [9, 11, 16, 19, 21])
@pytest.mark.parametrize(
    ("axes", "backwards"), [((0, 0, 0), (0, 0)), ((1, 1, 1), (1, 0)), ((2, 0, 2), (0, 1)), ((1, 1, 0), (1, 1))]
)
def test_scans(axes: tuple[int, int, int], backwards: tuple[int, int], opset: int, tmp_path: Path) -> None:
    text = SCAN
    numbers = {"XAXIS": axes[0], "WAXIS": axes[1], "OAXIS": axes[2], "OBACK": backwards[1], "BACK": backwards[0]}
    for name, number in numbers.items():
        text = text.replace(name, str(number))
    steps = MANY.shape[axes[0]]
    w = np.arange(steps * 5, dtype=np.float32).reshape((steps, 5) if axes[1] == 0 else (5, steps))
    kept = [size for axis, size in enumerate(MANY.shape) if axis != axes[0]]
    check(text, tmp_path, np.ones(kept[1], np.float32), MANY, w, opset=opset)


BATCH = """
g (LENGTHS float[B, S] start, float[B, T, S] x) => (float[B, S] last, float[B, T, S] all) {
  last, all = Scan <num_scan_inputs = 1, directions = [BACK],
    body = b (float[S] h, float[S] a) => (float[S] h2, float[S] s) { h2 = Add (h, a) s = Mul (h2, a) }
  > (GIVEN, start, x)
}
"""


@pytest.mark.parametrize("lengths", [None, (3, 3), (3, 1), (1, 2)])
@pytest.mark.parametrize("backwards", [0, 1])
def test_scans_of_batches(backwards: int, lengths: tuple[int, int] | None, tmp_path: Path) -> None:
    text = BATCH.replace("BACK", str(backwards)).replace("GIVEN", "lengths" if lengths else '""')
    text = text.replace("LENGTHS", "int64[B] lengths, " if lengths else "")
    start = np.ones((2, 4), np.float32)
    check(text, tmp_path, *([np.array(lengths)] if lengths else []), start, MANY, opset=8)


def test_inner_names_hide_outer_ones(tmp_path: Path) -> None:
    """ONNX forbids it, and exporters do it: the name of a branch's own value or tensor means that one inside."""
    then = "t () => (float[3] y) <float[3] w = {10, 20, 30}> { y = Add (x, w) }"
    orelse = "e () => (float[3] y) { w = Neg (x) y = Add (x, w) }"
    text = f"""g (bool c, float[3] x) => (float[3] z) <float[3] w = {{1, 2, 3}}> {{
      y = If (c) <then_branch = {then}, else_branch = {orelse}>
      z = Mul (y, w)
    }}"""
    model = generated(parsed(text), tmp_path)
    x = torch.tensor([1.0, 1.0, 1.0])
    assert model(torch.tensor(True), x).tolist() == [11, 42, 93]
    assert model(torch.tensor(False), x).tolist() == [0, 0, 0]


def test_outputs_that_nothing_computes(tmp_path: Path) -> None:
    """An input, the same one twice, and a stored tensor."""
    results = "float[2] x, float[2] y, float[2] z, float[3] w"
    text = f"g (float[2] x) => ({results}) <float[3] w = {{1, 2, 3}}> {{ y = Identity (x) z = Identity (x) }}"
    check(text, tmp_path, np.ones(2, np.float32))


@pytest.mark.parametrize("n", [0, 3])
def test_random_numbers_are_drawn_where_the_file_draws_them(n: int, tmp_path: Path) -> None:
    """Anew in every iteration, and in a branch only if that is taken."""
    draw = "RandomUniform <shape = [2], low = LOW, high = 9.0> ()"
    body = f"b (int64 i, bool go, float[2] h) => (bool go, float[2] r, float[2] s) {{ r = {draw} s = Identity (r) }}"
    text = f'g (int64 n, float[2] x) => (float[2] y, float[R, 2] all) {{ y, all = Loop (n, "", x) <body = {body}> }}'
    model = generated(parsed(text.replace("LOW", "1.0")), tmp_path)
    y, drawn = model(torch.tensor(n), torch.zeros(2))
    assert drawn.shape == (n, 2) if n else drawn.shape[0] == 0
    assert len(set(drawn.flatten().tolist())) == 2 * n
    assert y.equal(drawn[-1] if n else torch.zeros(2))
    branch = f"b () => (float[2] r) {{ r = {draw} }}".replace("LOW", "1.0")
    text = f"g (bool c) => (float[2] y) {{ y = If (c) <then_branch = {branch}, else_branch = {branch}> }}"
    model = generated(parsed(text), tmp_path)
    assert source(tmp_path).count("rand") == 2
    assert model(torch.tensor(True)).shape == (2,)


def test_what_a_loop_trains_gets_gradients(tmp_path: Path) -> None:
    body = """b (int64 i, bool go, float[N, 3] h) => (bool go, float[N, 3] k)
    <float[3, 3] w = {1, 2, 1, 0, 1, 1, 2, 0, 1}> {
      m = MatMul (h, w)
      k = Softmax (m)
    }"""
    text = f'g (float[N, 3] x) => (float[N, 3] y) <int64 n = {{3}}> {{ y = Loop (n, "", x) <body = {body}> }}'
    model = generated(parsed(text), tmp_path)
    assert "self.linear = nn.Linear(3, 3, bias=False)" in source(tmp_path)
    model(torch.from_numpy(X))[:, 0].sum().backward()
    (weight,) = model.parameters()
    assert weight.grad.abs().sum() > 0


def test_sequences_through_branches_and_loops(tmp_path: Path) -> None:
    body = """b (int64 i, bool go, seq(float[2]) s) => (bool go, seq(float[2]) t) {
      f = Cast <to = 1> (i)
      y = Add (x, f)
      odd = Mod (i, two)
      one = Cast <to = 9> (odd)
      t = If (one) <then_branch = p () => (seq(float[2]) u) { u = SequenceInsert (s, y) },
                    else_branch = q () => (seq(float[2]) v) { z = Neg (y) v = SequenceInsert (s, z, zero) }>
    }"""
    text = f"""g (int64 n, float[2] x) => (float[M] y) <int64 two = {{2}}, int64 zero = {{0}}> {{
      s = SequenceConstruct (x)
      t = Loop (n, "", s) <body = {body}>
      y = ConcatFromSequence <axis = 0> (t)
    }}"""
    for n in (0, 1, 5):
        check(text, tmp_path, np.int64(n), np.array([1, 2], np.float32))
