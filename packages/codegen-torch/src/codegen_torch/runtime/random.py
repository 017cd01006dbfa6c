"""Random numbers that are the same at every call, because a seed says so."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def generator(seed: int, device: Any) -> torch.Generator:
    """Make a generator that starts from a seed."""
    return torch.Generator(device).manual_seed(seed)


def seeded_randn(
    size: Sequence[int], seed: int, *, dtype: torch.dtype, device: Any = "cpu"
) -> Tensor:
    """Draw from the normal distribution."""
    return torch.randn(
        tuple(size), generator=generator(seed, device), dtype=dtype, device=device
    )


def seeded_rand(
    size: Sequence[int], seed: int, *, dtype: torch.dtype, device: Any = "cpu"
) -> Tensor:
    """Draw from the uniform distribution between 0 and 1."""
    return torch.rand(
        tuple(size), generator=generator(seed, device), dtype=dtype, device=device
    )


def seeded_randn_like(x: Tensor, seed: int, *, dtype: torch.dtype) -> Tensor:
    """Draw as many numbers as x has from the normal distribution."""
    return seeded_randn(x.shape, seed, dtype=dtype, device=x.device)


def seeded_rand_like(x: Tensor, seed: int, *, dtype: torch.dtype) -> Tensor:
    """Draw as many numbers as x has from the uniform distribution between 0 and 1."""
    return seeded_rand(x.shape, seed, dtype=dtype, device=x.device)


def seeded_bernoulli(x: Tensor, seed: int) -> Tensor:
    """Draw 1 with the probabilities x, and 0."""
    return torch.bernoulli(x, generator=generator(seed, x.device))


def seeded_multinomial(x: Tensor, count: int, seed: int) -> Tensor:
    """Draw so many places from the probabilities in each row."""
    return torch.multinomial(
        x, count, replacement=True, generator=generator(seed, x.device)
    )


def dropout_with_mask(
    x: Tensor, ratio: float, training: bool = True, *, seed: int | None = None
) -> tuple[Tensor, Tensor]:
    """Drop elements and scale the others up; also give which are kept."""
    if not training or ratio == 0:
        return x, torch.ones_like(x, dtype=torch.bool)
    drawn = (
        torch.rand(x.shape, device=x.device)
        if seed is None
        else twister_uniform(x.shape, seed).to(x.device)
    )
    mask = drawn >= ratio
    return torch.where(mask, x / (1 - ratio), 0.0), mask


def twister_uniform(size: Sequence[int], seed: int) -> Tensor:
    """Draw between 0 and 1 as ONNX's reference does: by numpy's RandomState, 53 bits of a Mersenne Twister each."""
    source = torch.Generator().manual_seed(seed & 0xFFFFFFFF)
    bits = torch.empty(tuple(size), dtype=torch.int64, device="cpu").random_(
        -(2**63), None, generator=source
    )
    high, low = bits >> 37 & 2**27 - 1, bits >> 6 & 2**26 - 1
    return (high * 2**26 + low).double() / 2**53
