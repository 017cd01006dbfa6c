"""Tensors that are not what they say: sizes, payloads, sparse ones, and files beside the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from hostile.case import Hostile, array, changed, info, made, sound


def files() -> Iterator[Hostile]:
    for dims in (
        [-1, 4],
        [5, -4],
        [-5, -4],
        [2**62, 2**62],
        [2**63 - 1],
        [2**40, 2**24],
        [5],
        [5, 4, 1, 2],
        [0, 4],
        [20, 2],
    ):
        yield changed(f"tensors: dims {dims}", lambda m, d=dims: _dims(m, d), '"w1"')
    for kind in (0, 99, -1, TensorProto.STRING, TensorProto.BOOL, TensorProto.DOUBLE, TensorProto.COMPLEX128):
        yield changed(f"tensors: type {kind}", lambda m, k=kind: setattr(m.graph.initializer[0], "data_type", k), "w1")
    for count in (0, 1, 79, 81, 160):
        yield changed(
            f"tensors: {count} bytes", lambda m, n=count: setattr(m.graph.initializer[0], "raw_data", bytes(n)), '"w1"'
        )
    for field, values in (
        ("float_data", [1.0]),
        ("int32_data", [1]),
        ("int64_data", [1]),
        ("double_data", [1.0]),
        ("string_data", [b"a"]),
    ):
        yield changed(
            f"tensors: also {field}", lambda m, f=field, v=values: getattr(m.graph.initializer[0], f).extend(v), '"w1"'
        )
        yield changed(f"tensors: only {field}", lambda m, f=field, v=values: _only(m, f, v), '"w1"')
    yield changed("tensors: a segment", lambda m: setattr(m.graph.initializer[0].segment, "end", 3), '"w1"')
    yield from _sparse()
    yield from _external()


def _dims(model: onnx.ModelProto, dims: list[int]) -> None:
    model.graph.initializer[0].dims[:] = dims


def _only(model: onnx.ModelProto, field: str, values: list[Any]) -> None:
    model.graph.initializer[0].ClearField("raw_data")
    getattr(model.graph.initializer[0], field).extend(values)


def _sparse() -> Iterator[Hostile]:
    for name, values, indices, dims in (
        ("index beyond", [1.0], [9], [9]),
        ("index below", [1.0], [-1], [9]),
        ("out of order", [1.0, 2.0], [5, 1], [9]),
        ("repeated", [1.0, 2.0], [1, 1], [9]),
        ("more values than indices", [1.0, 2.0], [1], [9]),
        ("matrix of indices of another rank", [1.0], [[1, 1, 1]], [3, 3]),
        ("negative dims", [1.0], [1], [-9]),
        ("endless dims", [1.0], [1], [2**40, 2**40]),
        ("index beyond a row", [1.0], [[0, 3]], [3, 3]),
    ):
        sparse = onnx.SparseTensorProto(values=array("s", values), indices=array("", indices, np.int64), dims=dims)
        model = made([helper.make_node("Add", ["x", "s"], ["y"])], [info("x", (9,))])
        model.graph.sparse_initializer.append(sparse)
        yield Hostile(f"sparse: {name}", model.SerializeToString(), '"?s"?')
    floats = onnx.SparseTensorProto(values=array("s", [1.0]), indices=array("", [1.0]), dims=[9])
    model = made([helper.make_node("Add", ["x", "s"], ["y"])], [info("x", (9,))])
    model.graph.sparse_initializer.append(floats)
    yield Hostile("sparse: places that are floats", model.SerializeToString(), '"?s"?')


def _external() -> Iterator[Hostile]:
    beside = {"w.bin": bytes(80)}
    for number, location in enumerate(
        (
            "../w.bin",
            "../../w.bin",
            "/etc/passwd",
            "a/../../w.bin",
            "",
            ".",
            "..",
            "\0",
            "w.bin\0",
            "~/w.bin",
            "C:\\w",
            "//h/w",
            "none.bin",
            "x" * 5000,
            "a" + "/a" * 300,
        )
    ):
        yield _outside(f"external: place {number}", {"location": location}, beside)
    for offset, length in (
        ("1", None),
        ("0", "79"),
        ("0", "81"),
        ("-1", "80"),
        ("80", "80"),
        ("x", None),
        ("1e3", None),
        (str(2**63), None),
        (str(2**64), "80"),
        ("0", "-80"),
        ("", ""),
        ("0x0", "80"),
    ):
        entries = {"location": "w.bin", "offset": offset, **({} if length is None else {"length": length})}
        yield _outside(f"external: {length} bytes from {offset}", entries, beside)
    yield _outside("external: no place", {"offset": "0"}, beside)
    yield _outside("external: too short", {"location": "w.bin"}, {"w.bin": bytes(79)})
    yield _outside("external: empty", {"location": "w.bin"}, {"w.bin": b""})
    yield _outside("external: a link to elsewhere", {"location": "w.bin"}, {"w.bin": "->/etc/passwd"})
    yield _outside("external: a link to a device", {"location": "w.bin"}, {"w.bin": "->/dev/zero"})
    yield _outside("external: a link to itself", {"location": "w.bin"}, {"w.bin": "->w.bin"})
    yield _outside("external: through a link", {"location": "d/hosts"}, {"d": "->/etc"})


def _outside(name: str, entries: dict[str, str], beside: dict[str, bytes | str]) -> Hostile:
    model = sound()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return Hostile(name, model.SerializeToString(), ".", beside)
