"""Every example in the documentation runs."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import dataflow_ir

MODULES = ["dataflow_ir", *[f"dataflow_ir.{module.name}" for module in pkgutil.iter_modules(dataflow_ir.__path__)]]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    assert not doctest.testmod(importlib.import_module(name)).failed


@pytest.mark.parametrize("page", ["README.md", "docs/recipes.md"])
def test_pages(page: str) -> None:
    result = doctest.testfile(str(Path(__file__).parent.parent / page), module_relative=False)
    assert result.attempted > 10
    assert not result.failed


def test_all_names_exist() -> None:
    assert all(hasattr(dataflow_ir, name) for name in dataflow_ir.__all__)
    assert sorted(dataflow_ir.__all__) == sorted(set(dataflow_ir.__all__))
