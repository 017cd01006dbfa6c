"""The text of a function that tests one thing after another, with loops over choices."""

from __future__ import annotations

from typing import Any

LOOPS = 12  # Python allows 20 nested blocks in one function


class Source:
    """The text of a function while it is written.

    A test that fails gives up the present choice: inside a loop it goes on with the next one, outside it returns
    None (or, in a generator, ends).

    Attributes:
        lines: The text so far.
        known: What the text refers to by name.
        indent: How deep the next line is.
        fail: The statement that gives up the present choice.
        generates: Whether a generator is being written.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.known: dict[str, Any] = {}
        self.indent = 0
        self.fail = "return None"
        self.generates = False
        self.loops = 0
        self.functions: list[tuple[int, str, str]] = []
        self.count = 0

    def line(self, text: str) -> None:
        """Write a line."""
        self.lines.append("    " * self.indent + text)

    def fails(self) -> None:
        """Write what gives up the present choice."""
        self.line(self.fail)

    def require(self, condition: str) -> None:
        """Write a test that fails unless the condition holds."""
        self.line(f"if not ({condition}): {self.fail}")

    def refuse(self, condition: str) -> None:
        """Write a test that fails if the condition holds."""
        self.line(f"if {condition}: {self.fail}")

    def fresh(self, letter: str = "v") -> str:
        """Return a new variable."""
        self.count += 1
        return f"{letter}{self.count}"

    def refer(self, value: Any) -> str:
        """Return an expression for a value."""
        if type(value) is str:
            return repr(value)
        name = self.fresh("k")
        self.known[name] = value
        return name

    @staticmethod
    def tuple(items: Any) -> str:
        """Return the text of a tuple."""
        texts = list(items)
        return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"

    def loop(self, targets: str, choices: str) -> None:
        """Open a loop over choices, in which everything that follows is written."""
        if self.loops == LOOPS:
            name = self.fresh("f")
            self.line(f"def {name}():")
            self.functions.append((self.indent, name, self.fail))
            self.indent += 1
            self.fail = "return" if self.generates else "return None"
            self.loops = 0
        self.line(f"for {targets} in {choices}:")
        self.indent += 1
        self.loops += 1
        self.fail = "continue"

    def close_functions(self) -> None:
        """Write the calls of the functions that loops nested too deep were put in."""
        while self.functions:
            self.indent, name, fail = self.functions.pop()
            if self.generates:
                self.line(f"yield from {name}()")
            else:
                self.line(f"r = {name}()")
                self.line("if r is not None: return r")
            self.line(fail)
