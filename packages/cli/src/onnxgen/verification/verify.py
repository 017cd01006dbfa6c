"""Verification, step by step."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx_proto
from codegen_torch.changes import UNCHANGED
from codegen_torch.clean.functions import inline_functions
from codegen_torch.generated import Generated
from onnx_proto import Model, Node

from onnxgen.exits import BadInputError
from onnxgen.verification.branches import asked, branches_of, placed_nodes, values_in_loops, with_taken
from onnxgen.verification.compare import compare
from onnxgen.verification.engines import Engine, Explained, RefusedError, engine
from onnxgen.verification.histogram import histogram
from onnxgen.verification.parts import recorded_changes
from onnxgen.verification.randomness import random_values
from onnxgen.verification.result import Inner, Output, Run, Verification
from onnxgen.verification.samples import Given, read_inputs, sample_inputs
from onnxgen.verification.segments import segment_model, segments
from onnxgen.verification.sizes import described, size_choices
from onnxgen.verification.source import Sameness, generate_again, read_folder
from onnxgen.verification.values import Numbers, Value

Progress = Callable[[str, int, int], None]


def verify(
    model: Path,
    folder: Path,
    *,
    inputs: Path | None = None,
    seed: int = 0,
    against: str = "onnxruntime",
    tolerance: float | None = None,
    ops: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Verification:
    """Holds a generated model against its ONNX file.

    Outputs decide. Values on the way say where a difference begins: they are compared in the first run, and in every
    run whose outputs differ. Those of branches that run are among them; those that loops compute are not, for they are
    one each time.

    Args:
        model: The ONNX file.
        folder: Where it was converted to.
        inputs: An ``.npz`` file of inputs; by default they are made up, of several sizes.
        seed: For what is made up.
        against: What runs the file, ``"onnxruntime"`` or ``"reference"``.
        tolerance: The error that a float may have; by default by type, as `compare.TOLERANCES` says.
        ops: Files that define further operators.
        progress: Called with what is done, how much of it, and how much there is.

    Raises:
        BadInputError: Something that is needed is not installed, or the inputs or the file are not usable.
        onnx_proto.OnnxError: The file is no ONNX model.
        OSError: A file cannot be read.
    """
    runs_onnx = engine(against)
    folder_of = read_folder(folder)
    file = _File(model, folder_of.text)
    sameness, generated = generate_again(model, folder_of, ops, file.changes)
    with tempfile.TemporaryDirectory(prefix="onnxgen-verify-") as scratch:
        verifier = _Verifier(
            file, runs_onnx, folder, generated if sameness is not Sameness.EDITED else None, tolerance, Path(scratch)
        )
        cases = _cases(file, inputs, seed)
        result = Verification(
            model=model,
            folder=folder,
            against=runs_onnx.title,
            inputs=str(inputs) if inputs else f"made up, seed {seed}",
            sameness=sameness.value,
            about_source=sameness.sentence,
            nodes=len(file.model.graph.nodes),
            in_loops=values_in_loops(file.inlined.graph),
        )
        for number, (sizes, given) in enumerate(cases):
            if progress:
                progress("verify", number, len(cases))
            inner = not any(run.inner or run.crash for run in result.runs)
            result.runs.append(verifier.run(sizes, given, inner=inner))
        if progress:
            progress("verify", len(cases), len(cases))
    if all(run.skipped for run in result.runs):
        raise RefusedError(f"give inputs with --inputs: {result.runs[0].skipped}")
    return result


def _cases(file: _File, inputs: Path | None, seed: int) -> list[tuple[str, Mapping[str, Given]]]:
    if inputs is not None:
        return [("as given", read_inputs(file.inlined.graph, inputs))]
    graph = file.inlined.graph
    return [(described(sizes), sample_inputs(graph, sizes, seed)) for sizes in size_choices(graph)]


class _File:
    """An ONNX file, and what is asked of it again and again."""

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self.model = onnx_proto.load(path)
        whole, positions = inline_functions(self.model, path.name)
        self.changes = recorded_changes(source, whole)
        self.inlined = self.changes.apply(whole, path.name)
        placed = [(each, name) for each in placed_nodes(self.inlined.graph) for name in each.outputs if name]
        self.nodes: dict[str, Node] = {name: each.node for each, name in placed}
        self.order = {name: number for number, (_, name) in enumerate(placed)}
        self.positions = {name: positions[each.outer.outputs] for each, name in placed}
        self.in_branches = {name for each, name in placed if each.node is not each.outer}
        self.random = random_values(self.inlined.graph)


class _Verifier:
    """Both sides, loaded."""

    def __init__(
        self,
        file: _File,
        on: Engine,
        folder: Path,
        generated: Generated | None,
        tolerance: float | None,
        scratch: Path,
    ) -> None:
        from onnxgen.verification.watch import Watched

        self._file = file
        self._engine = on
        self._generated = generated
        self._tolerance = tolerance
        self._scratch = scratch
        self._session = Explained(on, self._whole())
        self._outputs = [output.name for output in file.inlined.graph.outputs]
        comparable = file.nodes.keys() - file.random.keys()
        self._watched = Watched(folder, generated, comparable)
        self._lines = generated.text.split("\n") if generated else []
        self._keys = _keys_by_node(generated)

    def run(self, sizes: str, given: Mapping[str, Given], *, inner: bool) -> Run:
        """Runs both sides on inputs; ``inner`` asks for the values on the way in any case."""
        from onnxgen.verification.watch import CrashError

        result = Run(sizes)
        feeds = {name: self._engine.given(value) for name, value in given.items()}
        try:
            wanted = self._session.run(self._outputs, feeds)
        except RefusedError as error:
            result.skipped = str(error)
            return result
        with tempfile.TemporaryDirectory(dir=self._scratch) as spool:
            with self._watched.watching(Path(spool)) as seen:
                try:
                    found = self._watched.run(given)
                except CrashError as error:
                    result.crash = str(error)
                    found = []
            if not result.crash:
                result.outputs = self._compare_outputs(found, wanted)
            if seen and (inner or not result.agrees):
                self._compare_inner(result, seen, feeds)
        return result

    def _whole(self) -> Path:
        """The file; of a model that was converted in part, or with more outputs, one that does the same."""
        if self._file.changes == UNCHANGED:
            return self._file.path
        path = self._scratch / "changed.onnx"
        onnx_proto.save(self._file.inlined, path, external_data="changed.bin")
        return path

    def _compare_outputs(self, found: list[Value], wanted: list[Any]) -> list[Output]:
        if len(found) != len(wanted):
            raise BadInputError(f"the generated model gives {len(found)} outputs, and the file {len(wanted)}")
        return [
            Output(name, None, self._file.random[name])
            if name in self._file.random
            else Output(name, compare(one, self._engine.value(other), self._tolerance))
            for name, one, other in zip(self._outputs, found, wanted, strict=True)
        ]

    def _compare_inner(self, result: Run, seen: Mapping[str, Any], feeds: Mapping[str, Any]) -> None:
        """Compares what was kept with what the file gives, one value after the other."""
        worst = -1.0
        model = self._with_branches(result, feeds)
        random = random_values(model.graph)
        sizes = {name: each.nbytes for name, each in seen.items() if name not in random}
        try:
            for name, value in self._values(model, sizes, feeds):
                each = seen[name]
                found, wanted = each.load(), self._engine.value(value)
                if not isinstance(wanted, Numbers) or not _is_alike(found, wanted):
                    continue  # it may mean the same in another form: a mask before it is expanded; outputs decide
                comparison = compare(found, wanted, self._tolerance)
                result.inner.append(self._inner(name, each, comparison))
                is_first = not comparison.agrees and sum(not item.comparison.agrees for item in result.inner) == 1
                if is_first or (comparison.error > worst and not result.first):
                    worst = comparison.error
                    result.histogram = histogram(name, found, wanted)
        except RefusedError as error:
            result.unseen = f"inner values from here on could not be computed one by one: {error}"
        result.inner.sort(key=lambda item: self._file.order[item.name])

    def _with_branches(self, result: Run, feeds: Mapping[str, Any]) -> Model:
        """The file's model with the branches that its own conditions take in the place of Ifs, level by level."""
        model: Model = self._file.inlined
        try:
            while any(map(branches_of, model.graph.nodes)):
                asking, names = asked(model)
                path = self._scratch / "conditions.onnx"
                onnx_proto.save(asking, path, external_data="conditions.bin")
                values = map(self._engine.value, Explained(self._engine, path).run(names, feeds))
                model = with_taken(model, {name: _is_true(value) for name, value in zip(names, values, strict=True)})
        except RefusedError as error:
            result.unseen = f"values in branches could not be computed one by one: {error}"
            return self._file.inlined
        made = {name for node in model.graph.nodes for name in node.outputs}
        result.not_run = len(self._file.in_branches - made)
        return model

    def _values(self, model: Model, wanted: Mapping[str, int], feeds: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The values of a model that are asked for; few of them are in memory at a time."""
        live = dict(feeds)
        for number, segment in enumerate(segments(model.graph, wanted)):
            types = {name: self._engine.type_of(live[name]) for name in segment.inputs}
            path = self._scratch / f"segment-{number}.onnx"
            onnx_proto.save(segment_model(model, segment, types), path, external_data=f"{path.stem}.bin")
            session = Explained(self._engine, path)
            names = list(dict.fromkeys((*segment.wanted, *segment.passed_on)))
            values = dict(zip(names, session.run(names, {name: live[name] for name in segment.inputs}), strict=True))
            for name in segment.wanted:
                yield name, values[name]
            live.update((name, values[name]) for name in segment.passed_on)
            for name in segment.finished:
                del live[name]
            del session, values
            path.unlink()
            path.with_suffix(".bin").unlink(missing_ok=True)

    def _inner(self, name: str, seen: Any, comparison: Any) -> Inner:
        node, position = self._file.nodes[name], self._file.positions[name]
        line = self._lines[seen.line - 1].strip() if 0 < seen.line <= len(self._lines) else ""
        return Inner(
            name=name,
            node=position,
            operator=node.op_type,
            node_name=node.name,
            line=seen.line,
            source=line,
            path=seen.path,
            keys=self._keys.get(position, ()),
            comparison=comparison,
        )


def _is_true(condition: Value) -> bool:
    return isinstance(condition, Numbers) and bool(condition.array.all())


def _is_alike(found: Numbers, wanted: Numbers) -> bool:
    """Whether two tensors have one type and shape."""
    return found.dtype.held is wanted.dtype.held and found.array.shape == wanted.array.shape


def _keys_by_node(generated: Generated | None) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for key, nodes in generated.report.keys.items() if generated else ():
        for node in nodes:
            found[node] = (*found.get(node, ()), key)
    return found


def as_dict(result: Verification) -> dict[str, Any]:
    """The whole result as plain data; numbers that JSON lacks, an infinite error among them, are None."""
    plain: dict[str, Any] = _finite({"agrees": result.agrees, **dataclasses.asdict(result)})
    return plain


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(item) for item in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
