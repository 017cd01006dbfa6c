"""The published vulnerabilities of ONNX external data, class by class: none of them reads or writes a foreign file."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import onnx_proto
from onnx_proto import ExternalDataError, Tensor, beneath
from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.build import graph, model, tensor

SECRET = np.full(1000, 7, np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder, beside a folder with a file that the model must not reach."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(SECRET.tobytes())
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


def weight(folder: Path, location: str, **entries: str) -> Tensor:
    """Loads a tensor of the secret's size that is said to lie there."""
    proto = pb.TensorProto(name="w", dims=[1000], data_type=pb.TensorProto.UINT8, data_location="EXTERNAL")
    for key, value in {"location": location, **entries}.items():
        proto.external_data.add(key=key, value=value)
    path = folder / "m.onnx"
    path.write_bytes(pb.ModelProto(ir_version=8, graph=pb.GraphProto(initializer=[proto])).SerializeToString())
    return onnx_proto.load(path).graph.initializers[0]


def test_cve_2022_25882_location_above_the_folder(folder: Path) -> None:
    with pytest.raises(ExternalDataError, match=r'contains "\.\."'):
        weight(folder, "../outside/secret")
    with pytest.raises(ExternalDataError, match="is absolute"):
        weight(folder, str(folder.parent / "outside" / "secret"))


@pytest.mark.parametrize(
    "location",
    ["a/../../outside/secret", "./../outside/secret", "a/b/../../../outside/secret", "..\\outside\\secret", "a/.."],
)
def test_cve_2024_27318_location_that_climbs_from_within(folder: Path, location: str) -> None:
    (folder / "a" / "b").mkdir(parents=True)

    with pytest.raises(ExternalDataError, match=r'contains "\.\."'):
        weight(folder, location)


def test_cve_2026_27489_parent_folder_that_is_a_link(folder: Path) -> None:
    (folder / "sub").symlink_to(folder.parent / "outside")

    with pytest.raises(ExternalDataError, match="outside the model's folder"):
        weight(folder, "sub/secret").numpy()


@pytest.mark.parametrize("key", ["__class__", "__dict__", "nbytes", "open", "folders", "Offset", "", "offset "])
def test_cve_2026_34445_keys_that_set_attributes(folder: Path, key: str) -> None:
    (folder / "data").write_bytes(bytes(1000))

    with pytest.raises(ExternalDataError, match="unknown key"):
        weight(folder, "data", **{key: "1"})


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ({"length": str(1 << 62)}, "is said to hold"),
        ({"offset": str(1 << 62)}, "holds 0 bytes"),
        ({"offset": str((1 << 63) - 1), "length": "1000"}, "beyond the end"),
        ({"offset": "-1"}, "offset is"),
    ],
)
def test_cve_2026_34445_sizes_that_exhaust_memory(folder: Path, entries: dict[str, str], text: str) -> None:
    (folder / "data").write_bytes(bytes(1000))

    with pytest.raises(ExternalDataError, match=text):
        weight(folder, "data", **entries).numpy()


def test_cve_2026_34446_hard_link(folder: Path) -> None:
    os.link(folder.parent / "outside" / "secret", folder / "data")

    with pytest.raises(ExternalDataError, match="hard links"):
        weight(folder, "data").numpy()


@pytest.mark.parametrize("target", ["../outside/secret", "{outside}/secret", "loop", "chain"])
def test_cve_2026_34447_link(folder: Path, target: str) -> None:
    (folder / "loop").symlink_to("loop")
    (folder / "chain").symlink_to("../outside/secret")
    (folder / "data").symlink_to(target.format(outside=folder.parent / "outside"))

    with pytest.raises(ExternalDataError, match=r"outside the model's folder|cannot open the file"):
        weight(folder, "data").numpy()


ONE_CALL_OR_A_WALK = [
    pytest.param(True, id="openat2", marks=pytest.mark.skipif(sys.platform != "linux", reason="a call of Linux")),
    pytest.param(False, id="walk"),
]


def swap_file(folder: Path) -> None:
    (folder / "sub" / "data").unlink()
    (folder / "sub" / "data").symlink_to(folder.parent / "outside" / "secret")


def swap_parent(folder: Path) -> None:
    (folder / "sub").rename(folder / "old")
    (folder.parent / "outside" / "data").write_bytes(SECRET.tobytes())
    (folder / "sub").symlink_to(folder.parent / "outside")


@pytest.mark.parametrize("system_call", ONE_CALL_OR_A_WALK)
@pytest.mark.parametrize("swap", [swap_file, swap_parent])
def test_link_that_appears_between_check_and_open(
    folder: Path, monkeypatch: pytest.MonkeyPatch, swap: Callable[[Path], None], system_call: bool
) -> None:
    if not system_call:
        monkeypatch.setattr(beneath, "_openat2", lambda: None)
    (folder / "sub").mkdir()
    (folder / "sub" / "data").write_bytes(bytes(1000))
    loaded = weight(folder, "sub/data")
    resolve = Path.resolve

    def swapped_right_after(path: Path, strict: bool = False) -> Path:
        real = resolve(path, strict)
        swap(folder)
        return real

    monkeypatch.setattr(Path, "resolve", swapped_right_after)
    with pytest.raises(ExternalDataError, match="cannot open the file"):
        loaded.numpy()


def test_cve_2025_51480_saving_never_writes_through_a_link(folder: Path) -> None:
    secret = folder.parent / "outside" / "secret"
    (folder / "m.data").symlink_to(secret)
    os.link(secret, folder / "m.onnx")
    made = model(graph([], [], [], [tensor("w", np.zeros(2000, np.uint8))]))

    onnx_proto.save(made, folder / "m.onnx", external_data="m.data")

    assert secret.read_bytes() == SECRET.tobytes()
    assert not (folder / "m.data").is_symlink()
    assert onnx_proto.load(folder / "m.onnx").graph.initializers[0].numpy().max() == 0
