"""What whole-model tests share: the options, and each model of the zoo exported, converted and imported once."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import zoo
from codegen_torch.pipeline import convert
from converted import DIGITS, Converted, import_model
from quiet import quiet
from torch import nn
from zoo import CASES, ZOO

WRITERS = ("torch", "transformers", "onnx", "onnxscript", "onnx-ir")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the tests marked long, and sample nothing")
    parser.addoption("--update-goldens", action="store_true", help="write the goldens anew instead of comparing")
    parser.addoption("--device", default="cpu", choices=["cpu", "cuda"], help="where kernels run; cpu interprets them")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if item not in set(long)]
    config.hook.pytest_deselected(items=long)


@pytest.fixture(scope="session")
def original() -> Callable[[str], nn.Module]:
    """Builds the module of an entry."""

    @functools.cache
    def build(name: str) -> nn.Module:
        with quiet():
            return ZOO[name].build()

    return build


@pytest.fixture(scope="session")
def exported(pytestconfig: pytest.Config) -> Callable[[str, str], Path]:
    """Exports a model of the zoo; the file is kept until the zoo or an exporter changes."""
    folder = _exports(pytestconfig)

    @functools.cache
    def export(name: str, exporter: str) -> Path:
        path = folder / f"{name}.{exporter}.onnx"
        if not path.exists():
            unfinished = path.with_suffix(".part")
            with quiet():
                zoo.export(ZOO[name], exporter, str(unfinished))
            unfinished.replace(path)
        return path

    return export


@pytest.fixture(scope="session")
def converted(
    original: Callable[[str], nn.Module], exported: Callable[[str, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Converted]:
    """Converts a model of the zoo and imports the result."""
    folder = tmp_path_factory.mktemp("converted")

    @functools.cache
    def make(name: str, exporter: str) -> Converted:
        path, out_dir = exported(name, exporter), folder / f"{name}.{exporter}"
        report = convert(path, out_dir)
        return Converted(ZOO[name], exporter, original(name), path, out_dir, report, import_model(out_dir))

    return make


@pytest.fixture(scope="module", params=CASES, ids=[".".join(case) for case in CASES])
def case(request: pytest.FixtureRequest, converted: Callable[[str, str], Converted]) -> Converted:
    """Each model of the zoo from each of its exporters."""
    return converted(*request.param)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """digits.onnx, converted."""
    folder = tmp_path_factory.mktemp("digits")
    convert(DIGITS, folder)
    return folder


def _exports(config: pytest.Config) -> Path:
    """The folder of exported files in pytest's own cache, named by all that they depend on."""
    versions = [platform.python_version(), *map(importlib.metadata.version, WRITERS)]
    sources = b"".join(path.read_bytes() for path in sorted(Path(zoo.__file__).parent.glob("zoo*.py")))
    key = hashlib.sha256(sources + repr(versions).encode()).hexdigest()[:16]
    root = config.cache.mkdir("zoo")
    for stale in root.iterdir():
        if stale.name != key:
            shutil.rmtree(stale)
    folder = root / key
    folder.mkdir(exist_ok=True)
    return folder
