"""The road from an ONNX file to an output folder, stage by stage."""

from __future__ import annotations

import dataclasses
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import onnx_proto
from dataflow_ir import syntax

import codegen_torch
from codegen_torch.blocks import capture_tensors, everywhere
from codegen_torch.changes import UNCHANGED, Changes
from codegen_torch.clean import clean
from codegen_torch.clean.functions import inline_functions
from codegen_torch.draft import atomic
from codegen_torch.dtypes import DType
from codegen_torch.emit.counterparts import list_counterparts
from codegen_torch.emit.module import Header, write_module
from codegen_torch.errors import ConversionError, Obstacle, UnsupportedError
from codegen_torch.exporters import tell_scopes
from codegen_torch.expr import Expr
from codegen_torch.extension import extended
from codegen_torch.generated import Generated
from codegen_torch.layers import recover_layers
from codegen_torch.layers.views import own_views
from codegen_torch.lower.graph import Lowered, lower
from codegen_torch.modules.classes import assign_classes
from codegen_torch.modules.keys import changed_keys, in_words
from codegen_torch.modules.listing import list_modules
from codegen_torch.modules.members import assign_members
from codegen_torch.modules.region import Region
from codegen_torch.modules.scopes import root_class
from codegen_torch.modules.sizes import find_sizes
from codegen_torch.modules.state import State, collect_state
from codegen_torch.modules.tree import build_tree
from codegen_torch.names import ClassName
from codegen_torch.package import check_free, check_not_input, check_unchanged, fingerprint, identity_of_file
from codegen_torch.report import Report, SourceLine
from codegen_torch.simplify import share, simplify
from codegen_torch.simplify.sink import sink
from codegen_torch.validate import validate
from codegen_torch.weights_files import FORMATS, WeightsFiles

if TYPE_CHECKING:
    from codegen_torch.kernels import Fusion

Progress = Callable[[str, int, int], None]
MODEL_FILE = "model.py"
KERNELS_FILE = "kernels.py"
KERNELS = ("none", "triton")
"""What may compute a model beside torch."""
STAGES = 7
"""How many stages there are before the weights."""


def convert(
    path: str | Path,
    out_dir: str | Path,
    *,
    name: str | None = None,
    weights: str = "msgpack",
    kernels: str = "none",
    force: bool = False,
    trace: Path | None = None,
    ops: Sequence[str | Path] = (),
    changes: Changes = UNCHANGED,
    progress: Progress | None = None,
) -> Report:
    """Convert an ONNX file into ``model.py`` and a weights file.

    Args:
        path: The ONNX file.
        out_dir: The folder to write to; it is made if need be.
        name: The name of the model's class; by default the original's, or one made of the file's name.
        weights: The format of the weights file, ``"msgpack"`` or ``"safetensors"``.
        kernels: ``"triton"`` writes ``kernels.py``, too: fused kernels for CUDA, which the model calls.
        force: Overwrite files that this program did not write.
        trace: A folder for the graph's text after each stage.
        ops: Files that define further operators, as :mod:`codegen_torch.extension` shows.
        changes: What the model shall do otherwise than its file.
        progress: Called with a stage's name, how much of it is done, and how much there is.

    Raises:
        onnx_proto.OnnxError: The file cannot be read.
        UnsupportedError: The model uses what cannot be converted; nothing is written.
        InvalidModelError: The model contradicts itself.
        InputChangedError: The file, or one that holds its weights, is not what it was at the beginning.
        OutputExistsError: A file is in the way.
    """
    started = time.perf_counter()
    out_dir = Path(out_dir)
    if not force:
        check_free(out_dir, [MODEL_FILE, f"weights.{weights}"])
    report = progress or _silent
    generated = generate(
        path, name=name, weights=weights, kernels=kernels, trace=trace, ops=ops, changes=changes, progress=report
    )
    files = generated.files
    # model.py is written last: until it is there, the old one tells that the weights are not its own.
    sources = ({KERNELS_FILE: generated.kernels} if generated.kernels else {}) | {MODEL_FILE: generated.text}
    if not force:
        check_free(out_dir, [*sources, *files.names])
    check_not_input(out_dir, [*sources, *files.names], generated.inputs)
    total = generated.nbytes
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        report("weights", done, total)

    with atomic(out_dir) as draft:
        files.write(draft, advance, generated.model_id)
        for file, text in sources.items():
            draft.path(file).write_text(text, "utf-8", newline="\n")
        check_unchanged(generated.inputs)
    return dataclasses.replace(
        generated.report,
        files=tuple(out_dir / each for each in (*reversed(sources), *files.names)),
        seconds=time.perf_counter() - started,
    )


def generate(
    path: str | Path,
    *,
    name: str | None = None,
    weights: str = "msgpack",
    kernels: str = "none",
    trace: Path | None = None,
    ops: Sequence[str | Path] = (),
    changes: Changes = UNCHANGED,
    progress: Progress | None = None,
) -> Generated:
    """Convert an ONNX file as :func:`convert` does, and write nothing.

    Args:
        path: The ONNX file.
        name: As for :func:`convert`.
        weights: As for :func:`convert`; the source names the weights file.
        kernels: As for :func:`convert`.
        trace: As for :func:`convert`.
        ops: As for :func:`convert`.
        changes: As for :func:`convert`.
        progress: As for :func:`convert`.

    Raises:
        onnx_proto.OnnxError: The file cannot be read.
        UnsupportedError: The model uses what cannot be converted.
        InvalidModelError: The model contradicts itself.
    """
    if weights not in FORMATS:
        raise ConversionError(f"weights format {weights!r} is not known; there are {', '.join(FORMATS)}")
    if kernels not in KERNELS:
        raise ConversionError(f"kernels {kernels!r} are not known; there are {', '.join(KERNELS)}")
    started = time.perf_counter()
    with extended(ops):
        generated = _generate(Path(path), name, weights, kernels, changes, _Trace(trace), progress or _silent)
    generated.report.seconds = time.perf_counter() - started
    return generated


def check(path: str | Path, *, ops: Sequence[str | Path] = ()) -> list[Obstacle]:
    """Every reason why a file cannot be converted; none if it can.

    Args:
        path: The ONNX file.
        ops: As for :func:`convert`.

    Raises:
        onnx_proto.OnnxError: The file cannot be read.
        InvalidModelError: The model contradicts itself.
    """
    try:
        with extended(ops):
            _lowered(Path(path), UNCHANGED, [], _silent)
    except UnsupportedError as error:
        return error.obstacles
    return []


def _lowered(path: Path, changes: Changes, notes: list[str], report: Progress) -> tuple[onnx_proto.Model, Lowered]:
    """The model as the file has it, and as expressions: the stages that find what cannot be converted."""
    report("read", 0, STAGES)
    model = onnx_proto.load(path)
    report("clean", 1, STAGES)
    validate(model, path.name)
    inlined, positions = inline_functions(model, path.name)
    cleaned = clean(changes.apply(tell_scopes(inlined), path.name, notes))
    report("lower", 2, STAGES)
    return model, lower(cleaned, path.name, _all_positions(cleaned, positions), typed=True)


def _all_positions(model: onnx_proto.Model, known: Mapping[tuple[str, ...], int]) -> dict[tuple[str, ...], int]:
    """Where nodes stand in the file; one that was made since counts for the next that was there."""
    positions: dict[tuple[str, ...], int] = {}
    following = 0
    for node in reversed(model.graph.nodes):
        following = known.get(node.outputs, following)
        positions[node.outputs] = following
    return positions


def _silent(stage: str, done: int, total: int) -> None:
    """Tells nobody."""


def _generate(
    path: Path, name: str | None, weights: str, kernels: str, changes: Changes, trace: _Trace, report: Progress
) -> Generated:
    """Everything but writing: the stages in their order."""
    notes: list[str] = []
    inputs = {path: identity_of_file(path)}
    model, lowered = _lowered(path, changes, notes, report)
    beside = {tensor.external.location for tensor in model.graph.initializers if tensor.external is not None}
    inputs |= {each: identity_of_file(each) for each in (path.parent / location for location in sorted(beside))}
    outputs = trace("lower", everywhere(share, lowered.outputs))
    report("simplify", 3, STAGES)
    outputs = trace("simplify", everywhere(simplify, outputs))
    report("layers", 4, STAGES)
    outputs = trace("layers", everywhere(lambda graph: own_views(share(recover_layers(graph))), outputs))
    report("modules", 5, STAGES)
    root = build_tree(lowered.inputs, capture_tensors(sink(outputs)))
    root.cls = ClassName.like(name, "Model") if name else _class_name(model, path)
    assign_members(root)
    fusion = _fused(root, trace) if kernels == "triton" else None
    sizes = find_sizes(root)
    classes = assign_classes(root, sizes)
    state = collect_state(root)
    differing = changed_keys(state)
    report("emit", 6, STAGES)
    files = WeightsFiles.of(f"weights.{weights}", state.tensors)
    title = f"{root.cls}, generated from {_line(path.name)}."
    header = Header(title, _origin(model, path, state, files.entry), files.entry, _kernels_text(fusion, title))
    source = write_module(root, classes, sizes, state, list(outputs), header, model_dtype(state))
    return Generated(
        text=source.text,
        kernels=header.kernels,
        model_id=source.model_id,
        report=Report(
            source=path,
            class_name=source.class_name,
            nodes=len(model.graph.nodes),
            tensors=len(state.tensors),
            parameters=state.parameter_count,
            lines=len(source.lines),
            tied=state.tied,
            source_map=[SourceLine(i, line.nodes) for i, line in enumerate(source.lines, 1) if line.nodes],
            keys=state.nodes,
            changed_keys=differing,
            notes=[*notes, *in_words(differing)],
            modules=list_modules(root, classes),
            counterparts=list_counterparts(root, source.lines),
        ),
        tensors=state.tensors,
        files=files,
        inputs=inputs,
        values=lowered.values,
    )


def _fused(root: Region, trace: _Trace) -> Fusion:
    from codegen_torch.kernels import fuse  # noqa: PLC0415  # most conversions do without

    fusion = fuse(root, model_dtype(collect_state(root)))
    trace.note("kernels", fusion.notes)
    return fusion


def _kernels_text(fusion: Fusion | None, title: str) -> str | None:
    if fusion is None or not fusion.kernels:
        return None
    from codegen_torch.kernels import write_kernels  # noqa: PLC0415  # as above

    return write_kernels(fusion.kernels, title, codegen_torch.__version__)


def model_dtype(state: State) -> DType | None:
    """The float type of most parameters: casting the model changes it, so code must not fix it."""
    sizes: Counter[DType] = Counter()
    for key in state.parameters:
        ref = state.tensors.get(key)
        if ref is not None and ref.dtype.is_float:
            sizes[ref.dtype] += ref.size
    return sizes.most_common(1)[0][0] if sizes else None


def _class_name(model: onnx_proto.Model, path: Path) -> ClassName:
    """The original class where the file tells; else the graph's name, else the file's."""
    for node in model.graph.nodes:
        cls = root_class(node)
        if cls and cls.isidentifier() and cls != "Sequential":
            return ClassName.like(cls, "Model")
    generic = {"main_graph", "torch_jit", "graph", "model", "main", "tf2onnx", "model from paddlepaddle.", ""}
    text = path.stem if model.graph.name.lower() in generic else model.graph.name
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
    return ClassName.like(name, "Model") if name and not name[0].isdigit() else ClassName("Model")


def _origin(model: onnx_proto.Model, path: Path, state: State, weights: str) -> list[tuple[str, str]]:
    """What the docstring says about where the source comes from."""
    producer = f"{model.producer_name} {model.producer_version}".strip()
    opsets = ", ".join(f"{o.domain or 'opset'} {o.version}" for o in model.opset_imports)
    count = f"{state.parameter_count:,}".replace(",", " ")
    return [
        ("source", f"{fingerprint(path)}; {_line(producer) + ', ' if producer else ''}{_line(opsets)}"),
        ("weights", f"{weights}: {len(state.tensors)} tensors, {count} parameters"),
        ("generated", f"by onnxgen {codegen_torch.__version__}"),
    ]


def _line(text: str) -> str:
    """Text of a file as part of a docstring: one line of plain printable characters."""
    return re.sub(r"[^\w .,:;/+()-]", "_", text, flags=re.ASCII)[:80]


class _Trace:
    """Writes the graph's text after each stage, where asked to."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.count = 0

    def __call__(self, stage: str, outputs: dict[str, Expr]) -> dict[str, Expr]:
        if self.folder is not None:
            self._write(self.folder, stage, syntax(outputs, max_width=100) + "\n")
        return outputs

    def note(self, stage: str, lines: Sequence[str]) -> None:
        """Write what a stage did that does not show in the graph."""
        if self.folder is not None:
            self._write(self.folder, stage, "".join(f"{line}\n" for line in lines))

    def _write(self, folder: Path, stage: str, text: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.count += 1
        (folder / f"{self.count}-{stage}.txt").write_text(text, "utf-8")
