"""The operations that the package itself gives a meaning; all others are the user's."""

from typing import Final

CONST: Final = "const"
"""A value: ``attrs["value"]``."""

INPUT: Final = "input"
"""An input of the graph or a parameter of a function: ``attrs["name"]``."""

OUT: Final = "out"
"""One output, ``attrs["index"]``, of an operation that has several."""

FUNCTION: Final = "function"
"""A function value: the `Lambda` in ``attrs["code"]`` with its captured values as inputs."""

CALL: Final = "call"
"""A call: the function, then its arguments."""

BUILTIN: Final = frozenset({CONST, INPUT, OUT, FUNCTION, CALL})
