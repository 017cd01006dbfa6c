"""What ``onnxgen --help`` costs."""

import subprocess
import sys
import time

from running import DIGITS

import onnxgen

HEAVY = ("codegen_torch", "google", "msgpack", "numpy", "onnx", "onnx_proto", "rich", "torch")


def test_help_is_quick() -> None:
    def seconds() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "onnxgen", "--help"], check=True, capture_output=True)
        return time.perf_counter() - began

    assert min(seconds() for _ in range(3)) < 0.3


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from onnxgen.commands import cli\n"
        "cli(['convert', '--help'], standalone_mode=False)\n"
        f"print(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "MODEL" in done.stdout
    assert done.stderr == "\n"


def test_inspecting_defines_no_operator() -> None:
    """Half of the time would go into definitions, of which nothing but the table of supported versions is needed."""
    script = (
        "import sys\n"
        "from onnxgen.commands import cli\n"
        f"cli(['inspect', {str(DIGITS)!r}], standalone_mode=False)\n"
        "print(*{'codegen_torch.ops', 'dataflow_ir', 'rich', 'torch'}.intersection(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "Operators" in done.stdout
    assert done.stderr == "\n"


def test_version() -> None:
    done = subprocess.run([sys.executable, "-m", "onnxgen", "--version"], check=True, capture_output=True, text=True)
    assert done.stdout == f"onnxgen, version {onnxgen.__version__}\n"
