"""The errors of this package: one family, each naming the file, the place in the model and the reason."""

from typing import Self


class OnnxError(Exception):
    """Base of all errors about a model.

    The text is ``file: place: problem``, for example
    ``resnet.onnx: graph.node[17] "Conv_3".attribute["pads"]: …``. The place is assembled while the error travels
    outwards: code that knows one more step adds it with `within` and raises on, so that a model without errors pays
    nothing.

    Attributes:
        problem: What was found, and what was expected.
        place: Steps from the outermost to the innermost part of the model.
        file: The file the model was read from, if known.
    """

    def __init__(self, problem: str, *place: str, file: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.place = place
        self.file = file

    def within(self, step: str) -> Self:
        """Adds the enclosing step of the place."""
        self.place = (step, *self.place)
        return self

    def in_file(self, file: str | None) -> Self:
        """Names the file, unless a more specific one (external data) is named already."""
        self.file = self.file or file
        return self

    def __str__(self) -> str:
        file = self.file
        if file and (len(file) > 1000 or not file.isprintable()):  # the model itself names its external files
            file = quoted(file, 1000)
        return ": ".join(part for part in (file, ".".join(self.place), self.problem) if part)


class FormatError(OnnxError):
    """The file is not ONNX, is damaged, or contradicts itself."""


class UnsupportedTypeError(OnnxError):
    """The file uses a data type, or a kind of value, that this version does not know."""


class ExternalDataError(OnnxError):
    """A tensor's external data is missing, damaged, or lies where it must not."""


class LimitError(OnnxError):
    """The model exceeds a limit: nesting too deep, a tensor or a file too large."""


def quoted(text: str, longest: int = 80) -> str:
    """A name from the file as one printable, bounded line: such names are untrusted text."""
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    return '"' + repr(text)[1:-1] + '"'
