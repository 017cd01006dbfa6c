"""What a verification found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from onnxgen.verification.compare import Comparison
from onnxgen.words import counted


@dataclass(frozen=True, slots=True)
class Output:
    """An output of the model in one run.

    Attributes:
        name: Its name.
        comparison: How far it is from what the ONNX file gives; None if it depends on random numbers.
        random: The operator that draws them.
    """

    name: str
    comparison: Comparison | None
    random: str = ""


@dataclass(frozen=True, slots=True)
class Inner:
    """A value that both sides compute on the way.

    Attributes:
        name: Its name in the ONNX graph.
        node: The position of its node in the file.
        operator: The node's operator.
        node_name: The node's name.
        line: The line of ``model.py`` that computes it.
        source: That line.
        path: The module that it is computed in.
        keys: The weights that its nodes use.
        comparison: How far it is from what the ONNX file gives.
    """

    name: str
    node: int
    operator: str
    node_name: str
    line: int
    source: str
    path: str
    keys: tuple[str, ...]
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Histogram:
    """The elements of one value on both sides.

    Attributes:
        name: The value.
        edges: The bounds of the bins, one more than these.
        found: How many elements of the generated model's are in each.
        wanted: How many of the ONNX file's.
    """

    name: str
    edges: tuple[float, ...]
    found: tuple[int, ...]
    wanted: tuple[int, ...]


@dataclass(slots=True)
class Run:
    """One run with inputs of certain sizes.

    Attributes:
        sizes: The sizes, in words.
        outputs: The outputs.
        crash: What the generated model raised, if it did.
        skipped: Why the ONNX side does not take inputs of these sizes, if it does not.
        inner: The values on the way, in the order of the file; where they were compared.
        unseen: Why they were not all compared, if they should have been.
        not_run: How many values are in branches that did not run, where values on the way were compared.
        histogram: Of the value that differs first, or else most.
    """

    sizes: str
    outputs: list[Output] = field(default_factory=list)
    crash: str = ""
    skipped: str = ""
    inner: list[Inner] = field(default_factory=list)
    unseen: str = ""
    not_run: int = 0
    histogram: Histogram | None = None

    @property
    def rows(self) -> list[tuple[str, Comparison | str]]:
        """What there is to tell: outputs by name with how far they are off, or with why that cannot be said."""
        rows: list[tuple[str, Comparison | str]] = []
        if self.skipped or self.crash:
            rows.append(("", f"skipped: {self.skipped}" if self.skipped else f"fails: {self.crash}"))
        rows += [(each.name, each.comparison or f"not comparable: {each.random} is random") for each in self.outputs]
        return rows

    @property
    def agrees(self) -> bool:
        """Whether every output that can be compared agrees."""
        return not self.crash and all(each.comparison is None or each.comparison.agrees for each in self.outputs)

    @property
    def first(self) -> Inner | None:
        """The first value of the file that differs."""
        return next((each for each in self.inner if not each.comparison.agrees), None)

    @property
    def largest_error(self) -> float:
        """The largest error among the outputs."""
        return max((each.comparison.error for each in self.outputs if each.comparison), default=0.0)


@dataclass(slots=True)
class Verification:
    """What a verification found.

    Attributes:
        model: The ONNX file.
        folder: The generated folder.
        against: What ran the file.
        inputs: Where the inputs are from, in words.
        sameness: How ``model.py`` is to what this version writes: ``same``, ``docstring`` or ``edited``.
        about_source: That in a sentence.
        nodes: How many nodes the file's graph has.
        runs: The runs.
        in_loops: How many values the bodies of its loops have, which are not compared: they are one in each iteration.
    """

    model: Path
    folder: Path
    against: str
    inputs: str
    sameness: str
    about_source: str
    nodes: int
    runs: list[Run] = field(default_factory=list)
    in_loops: int = 0

    @property
    def agrees(self) -> bool:
        """Whether the model computes what the file says, as far as that can be compared."""
        return all(run.agrees for run in self.runs)

    @property
    def notes(self) -> list[str]:
        """What was not compared, and why, in sentences."""
        notes = [f"{run.sizes}: {run.unseen}" for run in self.runs if run.unseen]
        notes += [
            f"{run.sizes}: {counted(run.not_run, 'value')} in branches that did not run"
            for run in self.runs
            if run.not_run
        ]
        if self.in_loops and any(run.inner for run in self.runs):
            inside = counted(self.in_loops, "value")
            notes.append(f"{inside} in loops, new in each iteration, not compared: what the loops give is")
        return notes

    @property
    def located(self) -> Run | None:
        """The run that says best what is wrong: the first that differs, with inner values if there is one.

        Where no output differs, it is one in which a value on the way does.
        """
        wrong = sorted(self.runs, key=lambda run: run.agrees)
        return next((run for run in wrong if run.first), None if self.agrees else wrong[0])
