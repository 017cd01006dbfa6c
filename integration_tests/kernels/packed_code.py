"""Compiles products with packed weights for GPUs that are not there, and prints what they use as JSON."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import triton
from machine_code import CAPABILITIES, resources
from packed_products import Product, product_in
from quantized_weights import WEIGHTS
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

TYPES = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32", torch.int8: "i8", torch.uint8: "u8"}
NAMES = {name: dtype for dtype, name in TYPES.items()}
EVERYWHERE = ("int4 by 16, zeros", "int4 by 64, zeros, rows", "int8 by output", "nbits 4 by 16, zeros, bias")
"""Those that are compiled for all architectures and types."""
ROWS = (1, 32, 4096)
LOADS = r"(?:ld|st)\.global\S*|cp\.async\.c[ag]\S*|(?:mma\.sync|wgmma\.mma_async|tcgen05\.mma)\S*"


def cases() -> Iterator[tuple[str, str, int, int]]:
    """Weights, types, numbers of rows and architectures."""
    for name in WEIGHTS:
        for dtype in ("bf16", "fp16", "fp32") if name in EVERYWHERE else ("bf16",):
            for rows in ROWS if name in EVERYWHERE else (1, 4096):
                if dtype == "bf16" or rows == 1:  # float32 has one tile
                    for capability in CAPABILITIES if name in EVERYWHERE and dtype != "fp16" else (90,):
                        yield name, dtype, rows, capability


def compiled(product: Product, dtype: str, rows: int, capability: int) -> dict[str, Any]:
    """What a kernel uses that is given contiguous tensors of aligned sizes; float32 has no more than 64 rows."""
    kernel, form = product.launcher.args[0], product.launcher.keywords
    x = torch.zeros(1, 2, dtype=NAMES[dtype])
    names = product.operator.compute.__annotations__
    values = dict(zip(names, product.arguments(x), strict=False))
    height, width, depth, warps = product.kernels.tile_of_product(min(rows, 64) if dtype == "fp32" else rows, x.dtype)
    block = form["block"] or depth
    constants: dict[Any, Any] = {"ROWS": height, "COLUMNS": width, "DEPTH": depth, "BLOCK": block}
    constants |= {"BLOCKS": max(depth // block, 1), "PRECISION": "ieee"}
    signature: dict[str, Any] = {}
    attributes: dict[tuple[int, ...], Any] = {}
    for place, argument in enumerate(kernel.arg_names):
        name = argument.removesuffix("_ptr").removesuffix("_strides")
        if argument.endswith("_ptr"):
            signature[argument] = f"*{TYPES[values[name].dtype] if name in values else dtype}"
            attributes[place,] = [["tt.divisibility", 16]]
        elif argument.endswith("_strides"):
            strides = (
                product.kernels.strides_of(values[name].flatten(1), form["by_rows"] and name != "x")
                if (values[name].dim() > 1)
                else (0, 1)
            )
            kinds = []
            for axis, stride in enumerate(strides):
                kinds.append("constexpr" if stride == 1 else "i32")
                if stride == 1:
                    constants[place, axis] = 1
                else:
                    attributes[place, axis] = [["tt.divisibility", 16]]
            signature[argument] = tuple(kinds)
        elif argument in constants:
            signature[argument] = "constexpr"
        elif argument in ("zero", "scale"):
            signature[argument] = "fp32"
        else:
            signature[argument] = "i32"
            if argument != "rows":
                attributes[place,] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, attributes)
    options = {"num_warps": warps, "num_stages": 3}
    binary = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    instructions = Counter(re.findall(LOADS, binary.asm["ptx"]))
    return {"shared": binary.metadata.shared, "instructions": instructions, **resources(binary.asm["cubin"])}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        products = {name: product_in(name, Path(folder)) for name in WEIGHTS}
        found = {"-".join(map(str, case)): compiled(products[case[0]], *case[1:]) for case in cases()}
    json.dump(found, sys.stdout)
