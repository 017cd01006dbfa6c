"""What this repository can do with itself; `nox -l` lists it, `nox` alone runs what must hold before a change goes in.

Two kinds of environments:

- Where isolation is the point (tests, alone, notorch, oldest) a session has its own, made anew, holding a package as
  anyone would install it, what it declares, and its test group.
- Where it is not, sessions share one that is kept, because installing torch costs 900 MB and half a minute.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import nox
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = [
    "lint",
    "proto_check",
    "alone",
    "tests",
    "notorch",
    "pythons",
    "typecheck",
    "integration",
    "conformance",
    "kernels",
    "robustness",
    "oldest",
    "build",
]

ROOT = Path(__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
PROJECTS = {
    package: nox.project.load_toml(ROOT / "packages" / package / "pyproject.toml")
    for package in ("onnx-proto", "dataflow-ir", "codegen-torch", "cli")
}
PACKAGE_OF = {project["project"]["name"]: package for package, project in PROJECTS.items()}
BENCHMARKS = ROOT / "integration_tests" / "bench"
DIGITS = ROOT / "packages" / "cli" / "examples" / "digits.onnx"

# Whose versions all packages are for, and write the same bytes under.
PYTHONS = ("3.11", "3.12", "3.13")

LARGEST_WHEEL = 150_000  # bytes of dataflow-ir, which is to be light enough for anyone

# What whole models are exported from, compared with and trained by; Pillow decodes images, in models and in ONNX's
# reference.
MODELS = ("onnx", "onnxruntime", "onnxscript", "peft", "pillow", "safetensors", "transformers")

# What dataflow-ir is compared with, beside torch and onnx-ir.
GRAPH_LIBRARIES = ("sympy", "tinygrad", "xdsl")

# Other converters from ONNX to torch, each in an environment of its own.
PEERS = ("onnx2torch==1.5.15", "onnx2pytorch==0.6.0", "pnnx==20261020")

# One from ONNX to TensorFlow, which brings 2.6 GB of its own pins: `nox -s peers -- --onnx2tf`.
TENSORFLOW_PEER = "onnx2tf==1.29.24"

every_package = nox.parametrize("package", list(PROJECTS), ids=list(PROJECTS))


@nox.session(venv_backend="none")
def demo(session: nox.Session) -> None:
    """Convert digits.onnx, or the model after --, show the source, run it."""
    session.run(torch_env(session) / "python", "packages/cli/examples/demo.py", *session.posargs, external=True)


@nox.session(reuse_venv=True, tags=["fast"])
def lint(session: nox.Session) -> None:
    """Check the style of every file, generated goldens included."""
    session.install("-c", CONSTRAINTS, "ruff")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session(venv_backend="none")
@every_package
def typecheck(session: nox.Session, package: str) -> None:
    """Run mypy, strict, over a package."""
    imported_by_tests = {requirement for each in PROJECTS for requirement in test_group(each)}
    environment = torch_env(session, "mypy", *sorted(imported_by_tests))
    session.chdir(ROOT / "packages" / package)
    session.run(environment / "mypy", external=True)


@nox.session(tags=["fast"])
@every_package
def tests(session: nox.Session, package: str) -> None:
    """Test a package beside nothing but what it declares."""
    session.install("-c", CONSTRAINTS, *with_siblings(package), *test_group(package))
    run_tests(session, package)


@nox.session
def alone(session: nox.Session) -> None:
    """Install dataflow-ir offline, see that it brings nothing, test it."""
    package = ROOT / "packages" / "dataflow-ir"
    session.install("-c", CONSTRAINTS, "hatchling")
    before = installed(session)
    session.install("--no-index", "--no-build-isolation", package)
    brought = installed(session) - before
    if brought != {"dataflow-ir"}:
        session.error(f"installing dataflow-ir brought {sorted(brought)}")
    session.install("-c", CONSTRAINTS, *test_group("dataflow-ir"))
    run_tests(session, "dataflow-ir")
    run_tests(session, "dataflow-ir", "-m", "million", "-k", "chain and (repr or deepcopy or pickle or postwalk)")


@nox.session
def notorch(session: nox.Session) -> None:
    """Convert digits.onnx where there is no torch."""
    session.install("-c", CONSTRAINTS, *with_siblings("cli"))
    session.run("python", "-c", "import torch", success_codes=[1], silent=True)
    with tempfile.TemporaryDirectory() as folder:
        session.run("onnxgen", "convert", DIGITS, "-o", folder)
        written = {path.name for path in Path(folder).iterdir()}
        session.run("python", "-m", "py_compile", Path(folder) / "model.py")
    if written != {"model.py", "weights.msgpack"}:
        session.error(f"converting wrote {sorted(written)}")


@nox.session(reuse_venv=True)
def proto(session: nox.Session) -> None:
    """Compile the ONNX schema anew; with -- --check, see that it was."""
    compile_schema(session, *session.posargs)


@nox.session(reuse_venv=True)
def proto_check(session: nox.Session) -> None:
    """See that the committed schema module is what the schema compiles to."""
    compile_schema(session, "--check")


@nox.session(venv_backend="none")
def integration(session: nox.Session) -> None:
    """Convert whole models and hold the results against the originals."""
    apart = [f"--ignore=integration_tests/{folder}" for folder in ("conformance", "kernels", "robustness")]
    run_models(session, "integration_tests", *apart, *session.posargs)


@nox.session(venv_backend="none")
def kernels(session: nox.Session) -> None:
    """Interpret and compile fused kernels without a GPU; with -- --device=cuda, run them on one."""
    environment = kernels_env(session)
    session.run(environment / "python", "-m", "pytest", "integration_tests/kernels", *session.posargs, external=True)


@nox.session(venv_backend="none")
def robustness(session: nox.Session) -> None:
    """Convert hostile, huge and interrupted things; with -- --full, for longer."""
    run_models(session, "integration_tests/robustness", "-v", *session.posargs)


@nox.session(venv_backend="none")
def pythons(session: nox.Session) -> None:
    """Test what needs no torch under every Python that is installed, and see that all write the same bytes."""
    digests = {}
    for version in PYTHONS:
        interpreter = installed_python(version)
        if interpreter is None:
            session.warn(f"Python {version} is not installed: SKIPPED")
            continue
        ours = (part for folder in with_siblings("codegen-torch") for part in ("-e", str(folder)))
        needed = sorted({each for package in closure("codegen-torch") for each in test_group(package)})
        programs = shared_env(session, f"python{version}", *ours, *needed, python=interpreter)
        # Under the Python that runs this, the session `tests` does it.
        for package in closure("codegen-torch") if version != f"{sys.version_info[0]}.{sys.version_info[1]}" else ():
            with session.chdir(ROOT / "packages" / package):
                session.run(programs / "python", "-m", "pytest", "-q", external=True)
        with tempfile.TemporaryDirectory() as folder:
            script = ROOT / "integration_tests" / "robustness" / "digests.py"
            digests[version] = session.run(programs / "python", script, folder, DIGITS, external=True, silent=True)
    if len(set(digests.values())) > 1:
        session.error(f"what is written differs: {digests}")
    session.log(f"the same bytes under {', '.join(digests)}")


@nox.session(venv_backend="none")
def conformance(session: nox.Session) -> None:
    """Run the ONNX suite, every operator against its reference; see that the signatures kept here are onnx's."""
    run_models(session, "integration_tests/conformance", *session.posargs)
    signatures = ROOT / "packages" / "codegen-torch" / "tools" / "compile_signatures.py"
    session.run(torch_env(session, *MODELS) / "python", signatures, "--check", external=True)


@nox.session(venv_backend="none")
def full(session: nox.Session) -> None:
    """Run integration and conformance at full length, nothing sampled, and graphs of a million nodes."""
    run_models(session, "integration_tests", "--ignore=integration_tests/kernels", "--full", *session.posargs)
    run_models(session, "packages/dataflow-ir/tests/test_deep.py", "-m", "million")


@nox.session(venv_backend="none")
def bench(session: nox.Session) -> None:
    """Run the benchmark named after --: `nox -s bench -- reader`."""
    names = sorted(path.stem for path in BENCHMARKS.glob("*.py"))
    name, *arguments = session.posargs or [""]
    if name not in names:
        session.error(f"name a benchmark after --; there are: {', '.join(names)}")
    environment = kernels_env(session) if name == "gpu" else torch_env(session, "ruff", *MODELS, *GRAPH_LIBRARIES)
    session.run(environment / "python", BENCHMARKS / f"{name}.py", *arguments, external=True)


@nox.session(venv_backend="none")
def peers(session: nox.Session) -> None:
    """Convert the zoo with onnxgen and with its peers, and print how they compare; docs/comparison.md holds it.

    With ``--onnx2tf`` after the --, that converter takes part.
    """
    environment = torch_env(session, *MODELS)
    pythons = {"onnxgen": environment / "python"}
    for peer in PEERS:
        name = pinned_name(peer)
        programs = shared_env(session, name, "torch", "onnx", "numpy")
        # torchvision, which two of them name, has no build beside a CPU's torch; only rare operators call it.
        session.run(programs / "python", "-m", "pip", "install", "--quiet", "--no-deps", peer, external=True)
        pythons[name] = programs / "python"
    arguments = list(session.posargs)
    if "--onnx2tf" in arguments:
        arguments.remove("--onnx2tf")
        pythons["onnx2tf"] = tensorflow_env(session) / "python"
    compare = ROOT / "integration_tests" / "peers" / "compare.py"
    pairs = [f"{each}={python}" for each, python in pythons.items()]
    session.run(environment / "python", compare, *pairs, *arguments, external=True)


@nox.session
@every_package
def oldest(session: nox.Session, package: str) -> None:
    """Test a package on the lowest versions that it declares, torch exempt."""
    lowest = {
        requirement.name: floor
        for name in closure(package)
        for requirement in direct_dependencies(name)
        if requirement.name not in PACKAGE_OF and (floor := lowest_version(requirement))
    }
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        others = (line for line in CONSTRAINTS.read_text().splitlines() if pinned_name(line) not in lowest)
        constraints.write_text("\n".join([*others, *(f"{name}=={version}" for name, version in lowest.items())]))
        session.install("-c", constraints, *with_siblings(package), *test_group(package))
    run_tests(session, package)


@nox.session(venv_backend="none")
@every_package
def build(session: nox.Session, package: str) -> None:
    """Build a package's sdist and, from that, its wheel, and check both."""
    environment = shared_env(session, "build", "build", "twine")
    with tempfile.TemporaryDirectory() as folder:
        session.run(
            environment / "python", "-m", "build", "--outdir", folder, ROOT / "packages" / package, external=True
        )
        session.run(environment / "twine", "check", "--strict", *Path(folder).iterdir(), external=True)
        too_large = [path.name for path in Path(folder).glob("*.whl") if path.stat().st_size > LARGEST_WHEEL]
    if too_large and package == "dataflow-ir":
        session.error(f"{too_large[0]} has more than {LARGEST_WHEEL:,} bytes")


# Environments


def shared_env(session: nox.Session, name: str, *requirements: str, python: str = sys.executable) -> Path:
    """Returns the folder of programs of an environment that sessions share, with these requirements installed.

    What a session asks for is installed on top of what others have asked for, once, until a pin or a package's
    declarations change. The interpreter is that of whoever makes it first.
    """
    folder = session.cache_dir.resolve() / name
    programs = folder / "bin"
    asked = json.dumps([requirements, CONSTRAINTS.read_text(), PROJECTS])
    stamp = folder / "asked" / hashlib.sha256(asked.encode()).hexdigest()
    if stamp.exists():
        return programs
    if not folder.exists():
        session.run(sys.executable, "-m", "virtualenv", "--quiet", "--python", python, folder, external=True)
    session.run(programs / "python", "-m", "pip", "install", "--quiet", "-c", CONSTRAINTS, *requirements, external=True)
    stamp.parent.mkdir(exist_ok=True)
    stamp.touch()
    return programs


def torch_env(session: nox.Session, *requirements: str, name: str = "torch") -> Path:
    """Returns the programs of an environment that holds torch and our packages, as they stand in the tree."""
    ours = (part for package in PROJECTS for part in ("-e", str(ROOT / "packages" / package)))
    return shared_env(session, name, "torch", *ours, *requirements)


def tensorflow_env(session: nox.Session) -> Path:
    """Returns the programs of the environment of onnx2tf, which pins all it needs itself, unlike our constraints."""
    folder = session.cache_dir.resolve() / pinned_name(TENSORFLOW_PEER)
    if not (folder / "complete").exists():
        session.run(sys.executable, "-m", "virtualenv", "--quiet", folder, external=True)
        session.run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", TENSORFLOW_PEER, external=True)
        (folder / "complete").touch()
    return folder / "bin"


def kernels_env(session: nox.Session) -> Path:
    """Returns the programs of the environment that holds Triton, too; the other is to do without."""
    return torch_env(session, "hypothesis", "pytest", "ruff", "triton", *MODELS, name="triton")


def with_siblings(package: str) -> list[Path]:
    """Returns the folders of a package and of the siblings it stands on, which pip shall not look for elsewhere."""
    return [ROOT / "packages" / name for name in closure(package)]


def installed_python(version: str) -> str | None:
    """Returns the interpreter of a version: one on the path that runs, or one that pyenv has but did not activate."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [f"python{version}", *map(str, sorted(kept.glob(f"{version}.*/bin/python")))]
    for candidate in candidates:
        found = shutil.which(candidate)
        if found and not subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode:
            return found
    return None


def installed(session: nox.Session) -> set[str]:
    """Returns the names of what is installed in a session's environment."""
    listed = session.run("python", "-m", "pip", "list", "--format=json", silent=True)
    return {canonicalize_name(entry["name"]) for entry in json.loads(listed)}


# Steps that sessions share


def run_tests(session: nox.Session, package: str, *arguments: str) -> None:
    """Runs a package's tests from its folder, in the session's own environment."""
    session.chdir(ROOT / "packages" / package)
    session.run("python", "-m", "pytest", *arguments, *session.posargs)


def run_models(session: nox.Session, *arguments: str) -> None:
    """Runs tests that need torch and whole models."""
    environment = torch_env(session, "hypothesis", "mypy", "pytest", "ruff", *MODELS, *GRAPH_LIBRARIES)
    session.run(environment / "python", "-m", "pytest", *arguments, external=True)


def compile_schema(session: nox.Session, *arguments: str) -> None:
    """Runs onnx-proto's compiler script beside the compiler of the pinned version."""
    # An old compiler on purpose, on an older protobuf than our pin: a runtime may not be older than the code it runs.
    session.install("grpcio-tools==1.78.0")
    session.run("python", "packages/onnx-proto/tools/compile_proto.py", *arguments)


# What the packages declare


def direct_dependencies(package: str) -> list[Requirement]:
    """Returns what a package needs when it runs, extras aside."""
    return [Requirement(text) for text in PROJECTS[package]["project"].get("dependencies", [])]


def test_group(package: str) -> Iterable[str]:
    """Returns what a package's tests need beside the package."""
    return nox.project.dependency_groups(PROJECTS[package], "test")


def closure(package: str) -> list[str]:
    """Returns a package and the siblings below it, each once."""
    siblings = [PACKAGE_OF[each.name] for each in direct_dependencies(package) if each.name in PACKAGE_OF]
    return list(dict.fromkeys([package, *(below for sibling in siblings for below in closure(sibling))]))


def lowest_version(requirement: Requirement) -> str | None:
    """Returns the version behind a requirement's ``>=``."""
    return next((each.version for each in requirement.specifier if each.operator == ">="), None)


def pinned_name(line: str) -> str | None:
    """Returns the name that a line of the constraints pins, if it pins one."""
    return line.partition("==")[0] if "==" in line and not line.startswith("#") else None
