"""The list of what generated source may hold."""

from __future__ import annotations

import pytest

from codegen_torch.emit.allowed import check_source
from codegen_torch.errors import ConversionError

IMPORTS = ["import torch", "from torch import Tensor, nn"]
HELPER = "def helper(x: Tensor) -> Tensor:\n    return x.__class__(open(x))"
MODEL = '''"""A model."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        {line}
        return helper(torch.relu(self.fc(x)))


Model = Net


{helper}
{end}
'''


def source(line: str = "x = x + 1", helper: str = HELPER, end: str = "") -> str:
    return MODEL.format(line=line, helper=helper, end=end)


def test_a_model_is_allowed() -> None:
    check_source(source(), {"helper": HELPER}, IMPORTS)


@pytest.mark.parametrize(
    "text",
    [
        *(source(line) for line in ("import os", "exec('x')", "open('x')", "x.__class__", "__import__('os')")),
        *(
            source(line)
            for line in ("global x", "async def f(): pass", "getattr(x, 'y')", "try: pass\n        finally: x")
        ),
        *(source(line) for line in ("__x = 1", "unknown(x)", "print(x)", "eval = 1\n        __builtins__")),
        *(
            source(end=end)
            for end in ("import os", "print()", "x = 1", "class A:\n    b = eval('1')", "from os import *")
        ),
        source(helper=HELPER.replace("open(x)", "exec(x)")),
        source(line="x = ("),
        source(line="'\x00'"),
    ],
)
def test_anything_else_is_not(text: str) -> None:
    with pytest.raises(ConversionError, match="defect of onnxgen"):
        check_source(text, {"helper": HELPER}, IMPORTS)
