import os

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
