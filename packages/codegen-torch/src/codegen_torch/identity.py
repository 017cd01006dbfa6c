"""What tells that files of an output folder were written together.

Files get their names one after another. Where that is cut short, the weights of one conversion can lie beside the
``model.py`` of another, and if both have the same layout nothing but this shows it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

DIGITS = 16


def model_id_of(texts: Iterable[str]) -> str:
    """The identity of sources: the beginning of their hash, in hexadecimal digits."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:DIGITS]


def is_model_id(found: object) -> bool:
    """Whether something that was read is such an identity."""
    return isinstance(found, str) and re.fullmatch(rf"[0-9a-f]{{{DIGITS}}}", found) is not None
