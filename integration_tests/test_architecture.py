"""The rules that hold the packages apart, read off the sources themselves."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PACKAGES = ROOT / "packages"

# What each package may import beside itself and the standard library, and must then declare.
MAY_IMPORT = {
    "onnx-proto": {"google", "numpy"},
    "dataflow-ir": set(),
    "codegen-torch": {"dataflow_ir", "msgpack", "numpy", "onnx_proto"},
    "cli": {"click", "codegen_torch", "onnx_proto", "pygments", "rich", "torch"},
}
# Some places have rules of their own. What is copied into the output may know nothing of ours at all.
MAY_IMPORT_IN = {
    ("dataflow-ir", "fuzz.py"): {"dataflow_ir", "hypothesis"},
    ("onnx-proto", "dtypes.py"): {"ml_dtypes", "numpy", "onnx_proto"},
    ("onnx-proto", "testing.py"): {"hypothesis", "numpy", "onnx_proto"},
    ("cli", "difference"): {"click", "codegen_torch", "numpy", "onnx_proto", "onnxgen"},
    ("cli", "benchmark"): {"codegen_torch", "onnx_proto", "onnxgen", "onnxruntime", "torch"},
    ("cli", "verification"): {"codegen_torch", "numpy", "onnx", "onnx_proto", "onnxgen", "onnxruntime", "torch"},
    ("codegen-torch", "runtime"): {"msgpack", "numpy", "PIL", "safetensors", "torch"},
    ("codegen-torch", "kernels"): {"codegen_torch", "dataflow_ir", "numpy", "onnx_proto", "torch", "triton"},
}
DISTRIBUTION_OF = {
    "PIL": "pillow",
    "codegen_torch": "codegen-torch",
    "dataflow_ir": "dataflow-ir",
    "google": "protobuf",
    "onnx_proto": "onnx-proto",
}


def sources(package: str) -> list[Path]:
    return sorted((PACKAGES / package / "src").rglob("*.py"))


def import_name(package: str) -> str:
    (folder,) = (PACKAGES / package / "src").iterdir()
    return folder.name


def pyproject(package: str) -> dict:
    return tomllib.loads((PACKAGES / package / "pyproject.toml").read_text(encoding="utf-8"))


def dependencies(package: str) -> list[Requirement]:
    return [Requirement(text) for text in pyproject(package)["project"].get("dependencies", [])]


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the line and the top-level name of every import in a file, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield node.lineno, node.module.partition(".")[0]


def strangers(package: str) -> Iterator[str]:
    """Yields each import of a package that its place in the tree forbids, as ``file:line name``."""
    own = import_name(package)
    for path in sources(package):
        folder = path.relative_to(PACKAGES / package / "src" / own).parts[0]
        known = MAY_IMPORT_IN.get((package, folder), MAY_IMPORT[package] | {own}) | sys.stdlib_module_names
        yield from (f"{path.relative_to(ROOT)}:{line} {name}" for line, name in imported(path) if name not in known)


def static_version(package: str) -> str:
    tree = ast.parse((PACKAGES / package / "src" / import_name(package) / "__init__.py").read_text(encoding="utf-8"))
    (version,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
    )
    return version


def test_every_package_is_known_here() -> None:
    assert {folder.name for folder in PACKAGES.iterdir() if (folder / "pyproject.toml").exists()} == set(MAY_IMPORT)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_one_way(package: str) -> None:
    assert sources(package)
    assert list(strangers(package)) == []


def test_a_forbidden_import_would_be_found(tmp_path: Path) -> None:
    path = tmp_path / "late.py"
    path.write_text("def f():\n    import torch.nn as nn\n    from onnx_proto.model import Model\n")
    assert list(imported(path)) == [(2, "torch"), (3, "onnx_proto")]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_what_is_imported_is_declared(package: str) -> None:
    extras = pyproject(package)["project"].get("optional-dependencies", {}).values()
    declared = {requirement.name for requirement in dependencies(package)}
    declared |= {Requirement(text).name for extra in extras for text in extra}
    # The command line meets these through codegen-torch, which declares them.
    declared |= {"numpy", "onnx-proto", "torch"} if package == "cli" else set()
    names = {name for path in sources(package) for _, name in imported(path)} - sys.stdlib_module_names
    assert {DISTRIBUTION_OF.get(name, name) for name in names - {import_name(package)}} <= declared


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_the_version_is_one(package: str) -> None:
    project = pyproject(package)["project"]
    version = static_version(package)
    if "version" in project.get("dynamic", []):
        assert pyproject(package)["tool"]["hatch"]["version"]["path"] == f"src/{import_name(package)}/__init__.py"
    else:
        assert project["version"] == version
    headings = re.findall(
        r"^##\s+\[?v?(\d+\.\d+\.\d+)", (PACKAGES / package / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert headings[0] == version


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_sibling_ranges_hold_the_siblings_in_the_tree(package: str) -> None:
    versions = {pyproject(other)["project"]["name"]: static_version(other) for other in MAY_IMPORT}
    for requirement in dependencies(package):
        if requirement.name in versions:
            assert {bound.operator for bound in requirement.specifier} == {">=", "<"}
            assert requirement.specifier.contains(versions[requirement.name])


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_every_package_is_whole(package: str) -> None:
    folder = PACKAGES / package
    assert (folder / "src" / import_name(package) / "py.typed").exists()
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# ")
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert list((folder / "tests").rglob("test_*.py"))
