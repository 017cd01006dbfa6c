"""Long lists become objects when they are first asked for, and nobody can tell otherwise."""

import copy
import pickle
import threading
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

import onnx_proto
from onnx_proto import Attribute, Graph, Model, Node
from onnx_proto.build import function, graph, model, node, tensor, value
from onnx_proto.compare import difference
from onnx_proto.lazy import Lazy, complete, defer

WEIGHT = np.arange(3000, dtype=np.float32)


def made() -> Model:
    inner = graph([node("Relu", ["v"], ["z"])], [], ["z"], [tensor("v", WEIGHT)])
    return model(
        graph(
            [node("Conv", ["x", "w"], ["y"], pads=[1, 1]), node("If", ["c"], ["z"], then_branch=inner)],
            [value("x", "float32", ["n", 3])],
            ["z"],
            [tensor("w", WEIGHT), tensor("s", ["a", "b"])],
            value_infos=[value("y", "float32")],
        ),
        functions=[function("f", ["a"], ["b"], [node("Exp", ["a"], ["b"])], domain="d")],
    )


def loaded() -> Model:
    return onnx_proto.loads(onnx_proto.dumps(made()))


def pending(part: Lazy) -> set[str]:
    return set(part._makers)


def test_lists_wait_until_they_are_asked_for() -> None:
    read = loaded()
    assert pending(read) == {"functions", "training_infos"}
    assert pending(read.graph) == {"nodes", "value_infos", "quantization_annotations"}

    assert [entry.op_type for entry in read.graph.nodes] == ["Conv", "If"]

    assert pending(read.graph) == {"value_infos", "quantization_annotations"}
    assert read.graph.nodes is read.graph.nodes
    branch = read.graph.nodes[1].attributes["then_branch"].value
    assert isinstance(branch, Graph)
    assert not pending(branch)
    assert not pending(made())


def test_all_threads_get_the_same_objects() -> None:
    read, seen = loaded(), []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        seen.append(read.graph.nodes)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(map(id, seen))) == 1


def test_what_fails_is_tried_anew() -> None:
    part = made().graph
    attempts: list[int] = []

    def answer() -> tuple[Node, ...]:
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("not yet")
        return (node("Relu", [], []),)

    defer(part, nodes=answer)
    with pytest.raises(ValueError, match="not yet"):
        part.nodes  # noqa: B018
    assert [entry.op_type for entry in part.nodes] == ["Relu"]


def test_copies_are_whole() -> None:
    for again in (pickle.loads(pickle.dumps(loaded())), copy.deepcopy(loaded()), copy.copy(loaded())):
        assert not pending(again)
        assert difference(again, made()) is None
    changed = replace(loaded().graph, name="other")
    assert [entry.op_type for entry in changed.nodes] == ["Conv", "If"]
    assert "Conv" in repr(loaded())


def test_model_in_a_file_is_pickled_without_its_tensors(tmp_path: Path) -> None:
    onnx_proto.save(made(), tmp_path / "m.onnx", external_data="m.data")

    data = pickle.dumps(onnx_proto.load(tmp_path / "m.onnx"))

    assert len(data) < WEIGHT.nbytes
    assert difference(pickle.loads(data), made()) is None


def test_objects_are_frozen_before_and_after() -> None:
    read = loaded()
    for _ in range(2):
        with pytest.raises(FrozenInstanceError):
            read.graph.nodes = ()  # type: ignore[misc]
        with pytest.raises((AttributeError, TypeError)):
            read.graph.extra = 1  # type: ignore[attr-defined]
        assert not hasattr(read.graph, "__dict__")
        assert hash(read) == hash(read)
        assert read != loaded()
        complete(read)
        complete(read.graph)
    with pytest.raises(AttributeError, match="no attribute 'node'"):
        read.graph.node  # type: ignore[attr-defined] # noqa: B018


def test_equal_attributes_are_one_object_unless_they_hold_tensors() -> None:
    weight = tensor("", [1.0])
    nodes = [node("Op", [], [], axis=1, weight=weight), node("Op", [], [], axis=1, weight=weight)]

    first, second = onnx_proto.loads(onnx_proto.dumps(model(graph(nodes, [], [])))).graph.nodes

    assert isinstance(first.attributes["axis"], Attribute)
    assert first.attributes["axis"] is second.attributes["axis"]
    assert first.attributes["weight"] is not second.attributes["weight"]
    assert first.attributes is not second.attributes
