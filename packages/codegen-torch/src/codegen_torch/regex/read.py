"""Reading the patterns of RE2 (https://github.com/google/re2/wiki/Syntax)."""

from __future__ import annotations

import string
from dataclasses import dataclass

from codegen_torch.regex.tree import (
    LAST,
    Assertion,
    Choice,
    Node,
    Ranges,
    Repeat,
    Sequence,
    Set,
    complement,
    holds,
    of,
    union,
)

_MOST = 1000
"""Repetitions that RE2 allows."""
_DEEPEST = 50

_CLASSES = {
    "d": of(string.digits),
    "s": of("\t\n\f\r "),
    "w": of(string.ascii_letters + string.digits + "_"),
}
_POSIX = {
    "alnum": of(string.ascii_letters + string.digits),
    "alpha": of(string.ascii_letters),
    "ascii": ((0, 127),),
    "blank": of("\t "),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _CLASSES["d"],
    "graph": ((33, 126),),
    "lower": of(string.ascii_lowercase),
    "print": ((32, 126),),
    "punct": of(string.punctuation),
    "space": of("\t\n\v\f\r "),
    "upper": of(string.ascii_uppercase),
    "word": _CLASSES["w"],
    "xdigit": of(string.hexdigits),
}
_CONTROLS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
# Letters beyond ASCII that are a letter of ASCII in another case.
_FOLDS = {"k": 0x212A, "s": 0x17F}


class PatternError(Exception):
    """A pattern is not RE2's, or not supported."""


@dataclass(frozen=True, slots=True)
class _Flags:
    fold: bool = False
    lines: bool = False
    dot_all: bool = False


def read(pattern: str) -> Node:
    """The tree of a pattern.

    Raises:
        PatternError: It is not RE2's, or has what is not supported.
    """
    return _Reader(pattern).read()


class _Reader:
    """Reads a pattern by recursive descent; its depth is limited."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0
        self.depth = 0

    def read(self) -> Node:
        node = self.choice(_Flags())
        if self.at < len(self.text):
            raise self.error("a bracket that nothing opens")
        return node

    def error(self, what: str) -> PatternError:
        return PatternError(f"has {what} at character {self.at}")

    def peek(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def take(self, text: str) -> bool:
        found = self.peek(text)
        self.at += len(text) if found else 0
        return found

    def next(self) -> str:
        if self.at >= len(self.text):
            raise self.error("the end")
        self.at += 1
        return self.text[self.at - 1]

    def quoted(self) -> str:
        r"""What is between ``\Q`` and ``\E``, or the end."""
        literal, _, _ = self.text[self.at :].partition("\\E")
        self.at = min(self.at + len(literal) + 2, len(self.text))
        return literal

    def until(self, end: str) -> str:
        stop = self.text.find(end, self.at)
        if stop < 0:
            raise self.error(f"a missing {end!r}")
        found = self.text[self.at : stop]
        self.at = stop + len(end)
        return found

    def choice(self, flags: _Flags) -> Node:
        """Parts with ``|`` between them; flags that are set within hold up to the closing bracket."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error("brackets nested too deeply")
        parts: list[Node] = []
        current: list[Node] = []
        while self.at < len(self.text) and not self.peek(")"):
            if self.take("|"):
                parts.append(Sequence(tuple(current)))
                current = []
            elif self.peek("(?") and (changed := self.flags(flags)) is not None:
                flags = changed
            else:
                current.extend(self.repeated(flags))
        self.depth -= 1
        parts.append(Sequence(tuple(current)))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def flags(self, flags: _Flags) -> _Flags | None:
        """``(?i)``: the flags from here on; None, and nothing read, if this is a group."""
        start = self.at
        self.at += 2
        letters = ""
        while self.at < len(self.text) and self.text[self.at] in "imsU-":
            letters += self.next()
        if letters and self.take(")"):
            return self.changed(flags, letters)
        self.at = start
        return None

    def changed(self, flags: _Flags, letters: str) -> _Flags:
        on, _, off = letters.partition("-")

        def value(letter: str, before: bool) -> bool:
            return letter in on or (before and letter not in off)

        return _Flags(value("i", flags.fold), value("m", flags.lines), value("s", flags.dot_all))

    def repeated(self, flags: _Flags) -> list[Node]:
        """A part and how often it stands there."""
        if self.take("\\Q"):
            return [self.folded(of(character), flags) for character in self.quoted()]
        part = self.part(flags)
        bounds = self.bounds()
        if bounds is None:
            return [part]
        least, most = bounds
        self.take("?")  # lazy or greedy, the same strings match
        before = self.at
        if self.bounds() is not None:
            self.at = before
            raise self.error("a repetition of a repetition")
        if isinstance(part, Assertion):
            raise self.error("a repeated assertion")
        return [Repeat(part, least, most)]

    def bounds(self) -> tuple[int, int | None] | None:
        for sign, least, most in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if self.take(sign):
                return least, most
        start = self.at
        if self.take("{") and "}" in self.text[self.at :]:
            low, comma, high = self.until("}").partition(",")
            if low.isdecimal() and low.isascii() and (not high or (high.isdecimal() and high.isascii())):
                least, most = int(low), int(high) if high else None if comma else int(low)
                if max(least, most or 0) > _MOST or (most is not None and most < least):
                    raise self.error("a repetition that RE2 does not allow")
                return least, most
        self.at = start  # a brace like any other character
        return None

    def part(self, flags: _Flags) -> Node:
        character = self.next()
        if character == "(":
            return self.group(flags)
        if character == "[":
            return self.bracket(flags)
        if character == ".":
            return Set(((0, LAST),) if flags.dot_all else complement(of("\n")))
        if character == "^":
            return Assertion("(?m:^)" if flags.lines else r"\A")
        if character == "$":
            return Assertion("(?m:$)" if flags.lines else r"\Z")
        self.at -= 1
        if self.bounds() is not None:
            raise self.error("a repetition of nothing")
        self.at += 1
        if character == "\\":
            return self.escape(flags)
        return self.folded(of(character), flags)

    def group(self, flags: _Flags) -> Node:
        if self.take("?P<") or self.take("?<"):
            if not self.until(">").isidentifier():
                raise self.error("a group that is no valid name")
        elif self.take("?"):
            letters = ""
            while not self.take(":"):
                letters += self.next()
                if letters[-1] not in "imsU-":
                    raise self.error("a group that RE2 does not have")
            flags = self.changed(flags, letters)
        inner = self.choice(flags)
        if not self.take(")"):
            raise self.error("a bracket that nothing closes")
        return inner

    def escape(self, flags: _Flags) -> Node:
        simple = {"A": r"\A", "z": r"\Z", "b": r"(?a:\b)", "B": r"(?a:\B)"}
        character = self.next()
        if character in simple:
            return Assertion(simple[character])
        if character.lower() in _CLASSES:
            return Set(self.class_of(character, flags))
        self.at -= 1
        code = self.code()
        return self.folded(((code, code),), flags)

    def class_of(self, letter: str, flags: _Flags) -> Ranges:
        ranges = self.folded(_CLASSES[letter.lower()], flags).ranges
        return ranges if letter.islower() else complement(ranges)

    def code(self) -> int:
        """The character that an escape stands for, behind the backslash."""
        character = self.next()
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character == "x":
            digits = self.until("}") if self.take("{") else self.next() + self.next()
            if digits and not digits.strip(string.hexdigits) and int(digits, 16) <= LAST:
                return int(digits, 16)
        elif character in "01234567" and (character == "0" or self.text[self.at : self.at + 1] in tuple("01234567")):
            while len(character) < 3 and self.text[self.at : self.at + 1] in tuple("01234567"):
                character += self.next()
            return int(character, 8)
        elif character.isascii() and not character.isalnum():
            return ord(character)
        raise self.error("an escape that is not supported")

    def bracket(self, flags: _Flags) -> Node:
        negated = self.take("^")
        found = list(self.item(flags))
        while not self.take("]"):
            found.extend(self.item(flags))
        ranges = union(found)
        return Set(complement(ranges) if negated else ranges)

    def item(self, flags: _Flags) -> Ranges:
        """One member of a bracket: a class, a character or a run of them."""
        if self.take("[:"):
            name = self.until(":]")
            if name.removeprefix("^") not in _POSIX:
                raise self.error("a class that RE2 does not have")
            ranges = self.folded(_POSIX[name.removeprefix("^")], flags).ranges
            return complement(ranges) if name.startswith("^") else ranges
        if self.peek("\\") and self.text[self.at + 1 : self.at + 2].lower() in tuple(_CLASSES):
            self.at += 1
            return self.class_of(self.next(), flags)
        start = end = self.single()
        if self.peek("-") and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
            self.at += 1
            end = self.single()
        if end < start:
            raise self.error("a run that ends before it starts")
        return self.folded(((start, end),), flags).ranges

    def single(self) -> int:
        return self.code() if self.take("\\") else ord(self.next())

    def folded(self, ranges: Ranges, flags: _Flags) -> Set:
        """With ``(?i)``, the letters in both cases. That is known of ASCII alone."""
        if not flags.fold:
            return Set(ranges)
        extra: list[tuple[int, int]] = []
        for letter in string.ascii_lowercase:
            same = {letter, letter.upper(), *(chr(_FOLDS[each]) for each in letter if each in _FOLDS)}
            if any(holds(ranges, ord(each)) for each in same):
                extra.extend(of("".join(same)))
        if any(last > 127 for _, last in ranges):
            raise self.error("letters beyond ASCII without regard to case")
        return Set(union((*ranges, *extra)))
