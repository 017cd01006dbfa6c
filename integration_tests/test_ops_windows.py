"""Windows of any size, step, gap and padding, drawn at random, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
from by_runtime import check_by_runtime
from hypothesis import given, settings
from hypothesis import strategies as st
from one_node import Array, Row

DRAWN = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def moves(draw: st.DrawFn, *, gaps: bool = True) -> tuple[list[int], list[int], dict[str, Any]]:
    """The spatial sizes, the kernel and the attributes of a window that fits at least once."""
    count = draw(st.integers(1, 3))

    def numbers(low: int, high: int, length: int = count) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=length, max_size=length))

    kernel, strides = numbers(1, 4), numbers(1, 3)
    auto_pad = draw(st.sampled_from(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
    automatic = auto_pad.startswith("SAME")
    if automatic:  # shorter kernels are refused
        kernel = [max(width, step - 1) for width, step in zip(kernel, strides, strict=True)]
    dilations = numbers(1, 2) if gaps and not automatic else [1] * count
    sizes = [(width - 1) * gap + 1 + more for width, gap, more in zip(kernel, dilations, numbers(0, 5), strict=True)]
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides}
    if max(dilations) > 1:
        attributes["dilations"] = dilations
    if auto_pad == "NOTSET":
        attributes["pads"] = [draw(st.integers(0, width // 2)) for width in (*kernel, *kernel)]
    else:
        attributes["auto_pad"] = auto_pad
    return sizes, kernel, attributes


def floats(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@DRAWN
@given(moves(), st.booleans(), st.booleans(), st.booleans())
def test_max_pool(move: Any, ceil: bool, indices: bool, symbolic: bool) -> None:
    sizes, _, attributes = move
    if ceil and "auto_pad" not in attributes:
        attributes["ceil_mode"] = 1
    row = Row("MaxPool", 12, (floats(2, 2, *sizes),), attributes, outputs=2 if indices else 1)
    check_by_runtime(row, symbolic=symbolic)


@DRAWN
@given(moves(gaps=False), st.booleans(), st.booleans(), st.booleans())
def test_average_pool(move: Any, ceil: bool, counts: bool, symbolic: bool) -> None:
    sizes, _, attributes = move
    if ceil and "auto_pad" not in attributes:
        attributes["ceil_mode"] = 1
    row = Row("AveragePool", 19, (floats(2, 2, *sizes),), {**attributes, "count_include_pad": int(counts)})
    check_by_runtime(row, symbolic=symbolic)


@DRAWN
@given(moves(), st.booleans(), st.booleans(), st.booleans())
def test_conv(move: Any, grouped: bool, baked: bool, symbolic: bool) -> None:
    sizes, kernel, attributes = move
    weight = floats(4, 1 if grouped else 2, *kernel)
    attributes["group"] = 2 if grouped else 1
    row = Row("Conv", 22, (floats(2, 2, *sizes), weight, floats(4)), attributes, (1, 2) if baked else ())
    check_by_runtime(row, symbolic=symbolic, rtol=1e-4, atol=1e-4)


@DRAWN
@given(moves(), st.lists(st.integers(0, 3), min_size=3, max_size=3), st.booleans(), st.booleans())
def test_conv_transpose(move: Any, less: list[int], shaped: bool, symbolic: bool) -> None:
    sizes, kernel, attributes = move
    strides, gaps = attributes["strides"], attributes.get("dilations", [1] * len(sizes))
    spans = [(width - 1) * gap + 1 for width, gap in zip(kernel, gaps, strict=True)]
    if attributes.get("auto_pad", "").startswith("SAME") and any(s < t for s, t in zip(spans, strides, strict=True)):
        del attributes["auto_pad"]
    if shaped and "auto_pad" not in attributes:
        attributes.pop("pads", None)
        whole = [(size - 1) * step + span for size, step, span in zip(sizes, strides, spans, strict=True)]
        attributes["output_shape"] = [
            w - min(n, s - 1) for w, n, s in zip(whole, less[: len(sizes)], spans, strict=True)
        ]
    row = Row("ConvTranspose", 22, (floats(2, 2, *sizes), floats(2, 3, *kernel), floats(3)), attributes, (1, 2))
    check_by_runtime(row, symbolic=symbolic, rtol=1e-4, atol=1e-4)
