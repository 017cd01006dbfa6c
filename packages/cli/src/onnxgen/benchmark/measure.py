"""Contenders that take turns on the same inputs."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx_proto
import torch
from codegen_torch.changes import UNCHANGED
from codegen_torch.clean.functions import inline_functions
from onnx_proto import Graph

from onnxgen.exits import BadInputError
from onnxgen.loading import load_model_of
from onnxgen.verification.engines import engine
from onnxgen.verification.parts import recorded_changes
from onnxgen.verification.samples import Given, read_inputs, sample_inputs
from onnxgen.verification.sizes import described, size_choices
from onnxgen.verification.watch import to_torch

Call = Callable[[], object]
WARM_UP = 5


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one contender takes for a call.

    Attributes:
        name: ``eager``, ``compiled`` or ``onnxruntime``.
        median: The median in seconds.
        fastest: The fastest call in seconds.
        ratio: The median over the rounds of its time as a part of eager's.
        missing: Why it was not measured, if it was not.
    """

    name: str
    median: float = 0.0
    fastest: float = 0.0
    ratio: float = 0.0
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What was measured.

    Attributes:
        folder: The generated folder.
        model: The ONNX file.
        inputs: The inputs in words.
        torch: torch's version.
        threads: How many threads each contender had.
        rounds: How often each was called.
        latencies: The contenders.
    """

    folder: Path
    model: Path
    inputs: str
    torch: str
    threads: int
    rounds: int
    latencies: tuple[Latency, ...]


def benchmark(
    folder: Path,
    model: Path,
    *,
    inputs: Path | None = None,
    sizes: Mapping[str, int] | None = None,
    threads: int | None = None,
    rounds: int = 100,
    compiles: bool = True,
) -> Benchmark:
    """Measures the latency of a generated model, without gradients.

    Args:
        folder: The generated folder.
        model: The ONNX file; it tells the inputs, and runs in ONNX Runtime if that is installed.
        inputs: An ``.npz`` file of inputs; by default they are made up.
        sizes: Sizes of symbolic dimensions, for what is made up; the others are chosen.
        threads: How many threads each contender has; torch's default otherwise.
        rounds: How often each is called.
        compiles: Whether ``torch.compile`` takes part.

    Raises:
        BadInputError: The model or the inputs cannot be used.
        onnx_proto.OnnxError: The file is no ONNX model.
        OSError: Something cannot be read.
    """
    threads = threads or torch.get_num_threads()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    whole = inline_functions(onnx_proto.load(model), model.name)[0]
    changes = recorded_changes((folder / "model.py").read_text("utf-8"), whole)
    told, given = _inputs(changes.apply(whole, model.name).graph, inputs, sizes or {})
    try:
        with torch.no_grad(), warnings.catch_warnings(action="ignore"):
            calls, missing = _contenders(
                folder, model if changes == UNCHANGED else None, given, threads, compiles=compiles
            )
            seconds = take_turns(calls, rounds)
    finally:
        torch.set_num_threads(before)
    eager = seconds["eager"]
    measured = [
        Latency(
            name,
            statistics.median(times),
            min(times),
            statistics.median(mine / its for mine, its in zip(times, eager, strict=True)),
        )
        for name, times in seconds.items()
    ]
    return Benchmark(folder, model, told, torch.__version__, threads, rounds, (*measured, *missing))


def take_turns(calls: Mapping[str, Call], rounds: int) -> dict[str, list[float]]:
    """Seconds of every call; whoever is disturbed, all are, and in every second round the order is turned around."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        for name in list(calls)[:: 1 if number % 2 else -1]:
            started = time.perf_counter()
            calls[name]()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def _inputs(graph: Graph, inputs: Path | None, sizes: Mapping[str, int]) -> tuple[str, dict[str, Given]]:
    if inputs is not None:
        return str(inputs), read_inputs(graph, inputs)
    chosen = size_choices(graph)[0]
    unknown = sorted(sizes.keys() - chosen.keys())
    if unknown:
        raise BadInputError(f"no size of the inputs is called {unknown[0]}; there are: {', '.join(chosen) or 'none'}")
    chosen |= sizes
    return f"made up, {described(chosen)}", sample_inputs(graph, chosen, 0)


def _contenders(
    folder: Path, model: Path | None, given: Mapping[str, Given], threads: int, *, compiles: bool
) -> tuple[dict[str, Call], list[Latency]]:
    tensors = [to_torch(each) for each in given.values()]
    eager = load_model_of(folder)
    calls: dict[str, Call] = {"eager": lambda: eager(*tensors)}
    _warm(calls["eager"])
    missing: list[Latency] = []
    makers: dict[str, Callable[[], Call]] = {"onnxruntime": lambda: _onnxruntime(model, given, threads)}
    if compiles:
        makers = {"compiled": lambda: _compiled(eager, tensors), **makers}
    for name, make in makers.items():
        try:
            call = make()
            _warm(call)
        except Exception as error:  # noqa: BLE001 -- whatever keeps one from running, the others are measured
            message = (str(error).strip() or type(error).__name__).split("\n")[0]
            missing.append(Latency(name, missing=message))
        else:
            calls[name] = call
    return calls, missing


def _warm(call: Call) -> None:
    for _ in range(WARM_UP):
        call()


def _compiled(model: torch.nn.Module, tensors: Sequence[object]) -> Call:
    compiled = torch.compile(model)
    return lambda: compiled(*tensors)


def _onnxruntime(model: Path | None, given: Mapping[str, Given], threads: int) -> Call:
    if model is None:
        raise BadInputError("the file takes or returns something else than the generated model")
    runs_onnx = engine("onnxruntime")
    session = open_session(model, threads)
    feeds = {name: runs_onnx.given(each) for name, each in given.items()}
    return lambda: session.run(None, feeds)


def open_session(model: Path, threads: int) -> Any:
    """Opens a file in ONNX Runtime, which must be installed, on the CPU.

    Args:
        model: The ONNX file.
        threads: How many threads it may have.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    # Threads that wait for work in a loop would take the processors from whoever's turn it is.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
