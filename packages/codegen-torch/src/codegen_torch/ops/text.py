"""Strings: joining, splitting, normalizing, matching, and counting n-grams."""

from __future__ import annotations

from typing import Any

import numpy as np

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, UnknownRank, constant
from codegen_torch.facts import FactError
from codegen_torch.lower.registry import NotApplicable, Strings, op
from codegen_torch.lower.strings import strings
from codegen_torch.regex import PatternError, python_pattern
from codegen_torch.symbols.namespaces import runtime, torch
from codegen_torch.tensors import TensorRef

_DOTLESS = ("tr", "az", "lt")
"""Languages that change the case of letters in their own way."""

_MOST_COLUMNS = 1 << 24
"""A vocabulary of more n-grams than this is a mistake, or an attack on memory."""


@op("StringConcat", since=20)
def string_concat(x: Strings, y: Strings) -> Expr:
    return runtime.concat_strings(x, y)  # type: ignore[no-any-return]


@op("StringSplit", since=20)
def string_split(x: Strings, *, delimiter: str = "", maxsplit: int | None = None) -> Any:
    return runtime.split_strings(x, delimiter, -1 if maxsplit is None else maxsplit)


@op("StringNormalizer", since=10)
def string_normalizer(
    x: Strings,
    *,
    case_change_action: str = "NONE",
    is_case_sensitive: int = 0,
    locale: str = "",
    stopwords: tuple[str, ...] = (),
) -> Expr:
    if case_change_action not in ("LOWER", "UPPER", "NONE"):
        raise NotApplicable(f"case_change_action {case_change_action!r} is not known")
    if locale.lower().startswith(_DOTLESS):
        raise NotApplicable(f"changing the case as in the locale {locale!r} is not supported")
    return runtime.normalize_strings(  # type: ignore[no-any-return]
        x, stopwords, case=case_change_action, case_sensitive=bool(is_case_sensitive)
    )


@op("RegexFullMatch", since=20)
def regex_full_match(x: Strings, *, pattern: str = "") -> Expr:
    """Whether RE2 takes the whole string; the pattern is written anew for Python's ``re``."""
    try:
        return runtime.full_match(x, python_pattern(pattern))  # type: ignore[no-any-return]
    except PatternError as error:
        raise NotApplicable(f"the pattern {pattern!r} {error}") from None


@op("TfIdfVectorizer", since=9)
def tfidf_vectorizer(
    x: Expr | Strings,
    *,
    max_gram_length: int,
    max_skip_count: int,
    min_gram_length: int,
    mode: str,
    ngram_counts: tuple[int, ...],
    ngram_indexes: tuple[int, ...],
    pool_int64s: tuple[int, ...] = (),
    pool_strings: tuple[str, ...] = (),
    weights: tuple[float, ...] = (),
) -> Expr:
    """The weight of an n-gram stands where the n-gram stands in the pool, as in ONNX Runtime; the reference differs."""
    if x.rank is None:
        raise UnknownRank(x)
    if mode not in ("TF", "IDF", "TFIDF") or x.rank not in (1, 2) or min_gram_length < 1 or max_skip_count < 0:
        raise NotApplicable(f"mode {mode!r} and n-grams from {min_gram_length} on of {x.fact}")
    pool: tuple[Any, ...] = pool_strings if x.dtype is DType.STRING else pool_int64s
    if not pool:
        raise NotApplicable("the pool of n-grams is empty or of another type than the input")
    vocabulary = sorted(set(pool))
    if not ngram_counts or not 0 <= min(ngram_indexes, default=-1) <= max(ngram_indexes) < _MOST_COLUMNS:
        raise NotApplicable("ngram_counts or ngram_indexes are empty, negative or too large")
    width = max(ngram_indexes) + 1
    tables = _ngram_tables(pool, vocabulary, ngram_counts, ngram_indexes, max_gram_length)
    tokens = _tokens(x, vocabulary)
    counts = runtime.count_ngrams(
        [tokens if x.rank == 2 else tokens.unsqueeze(0), *tables],
        vocabulary=len(vocabulary),
        shortest=min_gram_length,
        skips=max_skip_count,
        width=width,
    )
    if mode == "IDF":
        counts = torch.clamp(counts, max=1.0)
    if mode != "TF" and weights:
        if len(set(ngram_indexes)) < len(ngram_indexes) or len(weights) != len(ngram_indexes):
            raise NotApplicable("n-grams that share a column have weights, or some have none")
        scale = np.zeros(width, np.float32)
        scale[list(ngram_indexes)] = weights
        counts = counts * _named(scale, "weights")
    return counts if x.rank == 2 else counts.squeeze(0)  # type: ignore[no-any-return]


def _named(values: np.ndarray[Any, Any], name: str) -> Expr:
    ref = TensorRef.of_array(values)
    ref.name = name
    return constant(ref, values)


def _tokens(x: Expr, vocabulary: list[Any]) -> Expr:
    """Where in the vocabulary each element is."""
    if x.dtype is DType.STRING:
        return runtime.find_strings(x, strings(vocabulary, "vocabulary"))  # type: ignore[no-any-return]
    known = _named(np.array(vocabulary, np.int64), "vocabulary")
    return runtime.find_numbers(x if x.dtype is DType.INT64 else x.to(DType.INT64), known)  # type: ignore[no-any-return]


def _ngram_tables(
    pool: tuple[Any, ...],
    vocabulary: list[Any],
    starts: tuple[int, ...],
    columns: tuple[int, ...],
    longest: int,
) -> list[Expr]:
    """For n = 1, 2, …, the n-grams that are known and the beginnings of longer ones, and their columns.

    An n-gram is the position of its beginning among the shorter ones, times the size of the vocabulary, plus its
    last token. One that has no column of its own has the one behind all.
    """
    token = {item: position for position, item in enumerate(vocabulary)}
    targets: list[dict[tuple[int, ...], int]] = []
    given = iter(columns)
    for n, (start, stop) in enumerate(zip(starts, (*starts[1:], len(pool)), strict=True), 1):
        if (stop - start) % n or not 0 <= start <= stop <= len(pool):
            raise FactError(f"a pool whose {n}-grams are from {start} to {stop}")
        grams = [tuple(token[item] for item in pool[first : first + n]) for first in range(start, stop, n)]
        targets.append(dict(zip(grams, given, strict=False)))
        if len(targets[-1]) < len(grams):
            raise NotApplicable(f"the pool has {n}-grams twice, or too few columns")
    targets = targets[:longest]
    while targets and not targets[-1]:
        targets.pop()
    none = max(columns) + 1
    tables: list[Expr] = []
    places: dict[tuple[int, ...], int] = {(): 0}
    for n in range(1, len(targets) + 1):
        known = sorted({gram[:n] for group in targets[n - 1 :] for gram in group})
        numbers = [places[gram[:-1]] * len(vocabulary) + gram[-1] for gram in known]
        own = [targets[n - 1].get(gram, none) for gram in known]
        tables.append(_named(np.array(numbers, np.int64), f"grams_{n}"))
        tables.append(_named(np.array([*own, none], np.int64), f"columns_{n}"))
        places = {gram: place for place, gram in enumerate(known)}
    return tables
