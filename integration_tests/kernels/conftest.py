import functools
import os
from collections.abc import Callable
from types import ModuleType

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # Read when a kernel is decorated.
    if config.getoption("--device") == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"
    elif not _has_gpu():
        raise pytest.UsageError("--device=cuda needs a GPU that torch sees, and there is none")


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> str:
    return pytestconfig.getoption("--device")


@pytest.fixture(scope="module")
def module_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ModuleType]:
    """The kernels of a family, by its name."""
    from families import FAMILIES
    from made import made

    folder = tmp_path_factory.mktemp("kernels")

    @functools.cache
    def make(name: str) -> ModuleType:
        function, inputs = FAMILIES[name]
        return made(function, inputs, folder)

    return make
