"""Compiles kernels for GPUs that are not there, and prints what they use as JSON: the tests run it.

In a process of its own: where kernels are interpreted, so are the functions of Triton that they call.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import triton
from families import FAMILIES, GROUPS, POINTWISE, ROTARY, ROWS, WITH_GRADIENTS
from made import gradient_in, kernel_in, made
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

CUOBJDUMP = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
TYPES = {"bool": "i1", "int8": "i8", "int64": "i64"}
CAPABILITIES = (80, 90, 100)
HIDDEN = (1024, 4096, 16384)
GRADIENT_HIDDEN = (1024, 4096, 8192)  # longer rows are left to torch


def cases() -> Iterator[tuple[str, str, int, int]]:
    """Families and their gradients, types, sizes of rows and architectures; all architectures at one size."""
    yield from _cases(FAMILIES, HIDDEN)
    for name, *case in _cases(WITH_GRADIENTS, GRADIENT_HIDDEN):
        yield f"{name}_gradient", *case


def _cases(names: Iterable[str], hidden: tuple[int, ...]) -> Iterator[tuple[str, str, int, int]]:
    for name in names:
        sizes = (64,) if name in ROTARY else hidden if name in ROWS else (4096,)
        for columns in sizes:
            for dtype in ("fp32", "bf16"):
                for capability in CAPABILITIES if columns in (64, 4096) else (90,):
                    yield name, dtype, columns, capability


def compiled(module: ModuleType, name: str, dtype: str, columns: int, capability: int) -> dict[str, object]:
    """What the kernel of a family uses when it is given contiguous tensors of aligned sizes."""
    family = name.removesuffix("_gradient")
    _, launcher = kernel_in(module) if name == family else gradient_in(module)
    kernel = launcher.args[0]
    height, width, warps = module.tile(1 << 20, columns, [(columns, 1)], family not in POINTWISE)
    tiles = {"ROWS": height, "COLUMNS": width}
    if family in GROUPS:  # images of 64 by 64 have groups of many pieces
        tiles, warps = {"GROUPS": 1, "ELEMENTS": 2 * module.TILE}, 16
    stored = [TYPES.get(sizes.split()[-1], dtype) for sizes in FAMILIES[family][1].values()]
    pointers = [each.removesuffix("_ptr") for each in kernel.arg_names if each.endswith("_ptr")]
    results = {each for each in pointers if f"{each}_strides" not in kernel.arg_names}
    stored = stored if name == family else [dtype] * len(pointers)
    per_channel = launcher.keywords.get("of_channels", ())
    signature, attributes, constants = {}, {}, dict(tiles)
    for place, argument in enumerate(kernel.arg_names):
        if argument.endswith("_ptr"):
            integers = name == "integers" and "i64"
            signature[argument] = f"*{(integers or dtype) if argument[:-4] in results else stored.pop(0)}"
            attributes[place,] = [["tt.divisibility", 16]]
        elif argument.endswith("_strides"):
            signature[argument] = ("i32", "constexpr")
            attributes[place, 0] = [["tt.divisibility", 16]]
            constants[place, 1] = 0 if argument.removesuffix("_strides") in per_channel else 1
        elif argument == "sizes":
            signature[argument] = ("i32",)
        elif argument in constants:
            signature[argument] = "constexpr"
        else:
            signature[argument] = "fp32" if argument == "eps" else "i32"
            if argument == "columns":
                attributes[place,] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, attributes)
    binary = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": warps})
    instructions = sorted(set(re.findall(r"(?:ld|st)\.global\S*", binary.asm["ptx"])))
    return {"shared": binary.metadata.shared, "instructions": instructions, **resources(binary.asm["cubin"])}


def resources(cubin: bytes) -> dict[str, int]:
    """Registers per thread, and the bytes that did not fit into them."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        text = subprocess.run([CUOBJDUMP, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    return {key.lower(): int(value) for key, value in re.findall(r"(REG|STACK|LOCAL):(\d+)", text)}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        modules = {name: made(*family, Path(folder)) for name, family in FAMILIES.items()}
        found = {
            "-".join(map(str, case)): compiled(modules[case[0].removesuffix("_gradient")], *case) for case in cases()
        }
    json.dump(found, sys.stdout)
