"""Fused Triton kernels for what torch leaves on the table: which, how they are written, how they are called."""

from codegen_torch.kernels.dispatch import write_kernels
from codegen_torch.kernels.fuse import Fusion, fuse

__all__ = ["Fusion", "fuse", "write_kernels"]
