"""Tensors of strings, which are numpy object arrays: torch has none."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


def encode_strings(
    texts: Sequence[np.ndarray], *, device: Any = None
) -> tuple[Any, ...]:
    """Number the strings of all arrays in their order, the empty string being 0.

    Returns the numbers of each array, and last the strings they stand for.
    """
    vocabulary = sorted({"", *(item for text in texts for item in text.flat)})
    numbers = {item: number for number, item in enumerate(vocabulary)}
    codes = [
        torch.tensor(
            [numbers[item] for item in text.flat], dtype=torch.int64, device=device
        ).reshape(text.shape)
        for text in texts
    ]
    return (*codes, np.array(vocabulary, dtype=object))


def decode_strings(codes: Tensor, vocabulary: np.ndarray) -> np.ndarray:
    """Give the string that each number stands for."""
    return np.asarray(vocabulary[codes.cpu().numpy()], dtype=object)


def take_strings(index: Tensor, texts: np.ndarray) -> np.ndarray:
    """Give the strings at positions, of which negative ones count from the end."""
    return np.asarray(texts[index.cpu().numpy()], dtype=object)


def unpack_strings(data: Tensor, ends: Tensor, shape: Sequence[int]) -> np.ndarray:
    """Cut UTF-8 bytes into strings, each of which ends where the next one starts."""
    text = data.cpu().numpy().tobytes()
    stops = ends.tolist()
    found = [
        text[start:stop].decode()
        for start, stop in zip([0, *stops[:-1]], stops, strict=True)
    ]
    return np.array(found, dtype=object).reshape(tuple(shape))


def concat_strings(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Join the strings of two arrays pairwise, broadcasting them."""
    return np.asarray(x + y, dtype=object)


def split_strings(
    x: np.ndarray, delimiter: str = "", maxsplit: int = -1
) -> tuple[np.ndarray, Tensor]:
    """Split strings, at white space where there is no delimiter; also give the number of parts of each.

    The parts are in a new last dimension as long as the most there are, the rest being empty strings.
    """
    parts = [item.split(delimiter or None, maxsplit) for item in x.flat]
    width = max(map(len, parts), default=0)
    table = np.full((len(parts), width), "", dtype=object)
    for row, part in zip(table, parts, strict=True):
        row[: len(part)] = part
    counts = torch.tensor([len(part) for part in parts], dtype=torch.int64)
    return table.reshape((*x.shape, width)), counts.reshape(x.shape)


def parts_of_strings(
    x: np.ndarray, sizes: Sequence[int] | int | None, dim: int, *, keepdim: bool
) -> list[np.ndarray]:
    """Split an array into parts of the given sizes, of one size, or without any of one element each."""
    if sizes is None and not keepdim:
        return [np.asarray(part, dtype=object) for part in np.moveaxis(x, dim, 0)]
    if sizes is None or isinstance(sizes, int):
        ends = range(0, x.shape[dim], sizes or 1)
        return np.split(x, ends[1:], axis=dim) if ends else []
    return np.split(x, np.cumsum(sizes)[:-1], axis=dim)


def join_strings(
    xs: Sequence[np.ndarray],
    dim: int,
    *,
    new_axis: bool = False,
    empty: Sequence[int] = (),
) -> np.ndarray:
    """Join arrays along a dimension, or along a new one; of none, make an empty array of the given shape."""
    if not xs and empty:
        return np.empty(tuple(empty), dtype=object)
    return np.stack(xs, axis=dim) if new_axis else np.concatenate(xs, axis=dim)


def normalize_strings(
    x: np.ndarray,
    stopwords: Sequence[str] = (),
    *,
    case: str = "NONE",
    case_sensitive: bool = False,
) -> np.ndarray:
    """Drop stop words along the last dimension, then change the case; an empty string where nothing is left."""
    stops = set(stopwords) if case_sensitive else {word.lower() for word in stopwords}
    kept = [
        item
        for item in x.flat
        if (item if case_sensitive else item.lower()) not in stops
    ] or [""]
    if case != "NONE":
        kept = [item.lower() if case == "LOWER" else item.upper() for item in kept]
    return np.array(kept, dtype=object).reshape((*x.shape[:-1], -1))


def format_numbers(x: Tensor) -> np.ndarray:
    """Write numbers as ONNX's Cast does: 8 significant digits, INF, -INF and NaN, true as 1."""
    names = {"inf": "INF", "-inf": "-INF", "nan": "NaN"}
    if x.is_floating_point():
        texts = [f"{item:.8g}" for item in x.flatten().tolist()]
    else:
        texts = [str(int(item)) for item in x.flatten().tolist()]
    return np.array([names.get(text, text) for text in texts], dtype=object).reshape(
        tuple(x.shape)
    )


def parse_floats(text: np.ndarray, *, dtype: torch.dtype, device: Any = None) -> Tensor:
    """Read the numbers that strings spell; INF and NaN in any case."""
    return torch.tensor(
        [float(item) for item in text.flat], dtype=dtype, device=device
    ).reshape(text.shape)


def parse_integers(
    text: np.ndarray, *, dtype: torch.dtype, device: Any = None
) -> Tensor:
    """Read the integers that strings spell; fractions are cut off, and what is too large wraps around."""
    values = [
        int(item) if item.strip().lstrip("+-").isdecimal() else int(float(item))
        for item in text.flat
    ]
    low, high = 1 << 63, 1 << 64
    wrapped = [(value + low) % high - low for value in values]
    return (
        torch.tensor(wrapped, dtype=torch.int64, device=device)
        .reshape(text.shape)
        .to(dtype)
    )


def full_match(x: np.ndarray, pattern: str, *, device: Any = None) -> Tensor:
    """Tell which strings a pattern matches as a whole."""
    compiled = re.compile(pattern)
    found = [compiled.fullmatch(item) is not None for item in x.flat]
    return torch.tensor(found, dtype=torch.bool, device=device).reshape(x.shape)
