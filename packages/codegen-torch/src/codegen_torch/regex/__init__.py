r"""Patterns of RE2, as ONNX has them, as patterns of Python's ``re`` that match the same whole strings.

The two differ in what ``$``, ``\s``, ``\w`` and ``(?i)`` mean, and in how they match: RE2 takes a time that is
linear in the string, Python tries one way after the other. So a pattern is read into a tree, written anew, and refused
where there could be exponentially many ways: where what is repeated can be read in two.
"""

from __future__ import annotations

from codegen_torch.regex.ambiguity import check_unambiguous
from codegen_torch.regex.read import PatternError, read
from codegen_torch.regex.tree import write

__all__ = ["PatternError", "python_pattern"]


def python_pattern(pattern: str) -> str:
    """The pattern of Python's ``re`` whose ``fullmatch`` takes the strings that RE2's takes.

    Raises:
        PatternError: The pattern is not RE2's, has what is not supported, or might take exponential time.
    """
    tree = read(pattern)
    check_unambiguous(tree)
    return write(tree)
