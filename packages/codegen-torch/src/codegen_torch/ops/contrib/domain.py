"""The domain of ONNX Runtime's own operators."""

from __future__ import annotations

import functools

from codegen_torch.lower.registry import op

DOMAIN = "com.microsoft"

microsoft = functools.partial(op, since=1, domain=DOMAIN)
"""Registers the meaning of an operator of the domain, all versions of which are 1."""
