"""The table of supported operators: it says what the definitions say."""

from __future__ import annotations

import subprocess
import sys

from codegen_torch.lower.registry import definitions, registered
from codegen_torch.operators import TABLE, is_supported, supported_versions
from codegen_torch.support import table


def test_it_is_up_to_date() -> None:
    """``python -m codegen_torch.support`` brings it up to date."""
    assert list(TABLE.items()) == list(table().items())


def test_it_says_of_every_version_what_the_definitions_say() -> None:
    for domain, op_type in registered().keys() & TABLE.keys():
        for version in range(30):
            assert is_supported(domain, op_type, version) is bool(definitions(domain, op_type, version))


def test_what_it_says_in_words() -> None:
    assert supported_versions("", "Softmax") == "1 to 28"
    assert supported_versions("com.example", "Wave") == ""


def test_asking_it_defines_no_operator() -> None:
    script = (
        "import sys, codegen_torch.operators, codegen_torch.modules.scopes, codegen_torch.clean.subgraphs\n"
        "print({'codegen_torch.ops', 'codegen_torch.symbols', 'dataflow_ir'}.intersection(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"
