"""Converts files in processes of their own that may take so much memory and so many seconds, and says how each ended.

Run as a program, it reads requests from stdin, a line of JSON each, and answers each with a line. It has all that a
conversion needs imported before it forks, so that a process costs milliseconds; it has nothing else, no torch and no
threads, which do not survive a fork.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

MEMORY = 10**9
SECONDS = 20


class Ending(NamedTuple):
    """How a conversion ended.

    Attributes:
        how: ``"ok"``; ``"refused"``, by one of the errors that a user may get; ``"crashed"``, by any other;
            ``"killed"``, by a signal; ``"hung"``.
        error: The class of the error.
        text: Its words; the traceback of a crash; the number of a signal.
        seconds: CPU time.
        peak: Bytes of memory that were resident at most.
    """

    how: str
    error: str
    text: str
    seconds: float
    peak: int


class Converter:
    """The parent of these processes, seen from a test."""

    def __enter__(self) -> Self:
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def convert(self, path: Path, out: Path, *, memory: int = MEMORY, seconds: int = SECONDS) -> Ending:
        """Converts a file."""
        request = {"path": str(path), "out": str(out), "memory": memory, "seconds": seconds}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Ending(**json.loads(self._process.stdout.readline()))


def _attempt(path: str, out: str) -> dict[str, Any]:
    """Converts in this process."""
    import codegen_torch
    import onnx_proto
    from codegen_torch.errors import ConversionError

    found = {"how": "ok", "error": "", "text": ""}
    try:
        codegen_torch.convert(path, out)
    except (onnx_proto.OnnxError, ConversionError, OSError) as error:
        found = {"how": "refused", "error": type(error).__name__, "text": str(error)}
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is told)
        found = {"how": "crashed", "error": type(error).__name__, "text": traceback.format_exc()[-4000:]}
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {**found, "seconds": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024}


def _forked(path: str, out: str, memory: int, seconds: int) -> dict[str, Any]:
    """Converts in a child."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        with os.fdopen(writing, "w") as file:
            json.dump(_attempt(path, out), file)
        os._exit(0)
    os.close(writing)
    deadline = time.monotonic() + 3 * seconds
    parts = []
    with os.fdopen(reading, "rb") as file:
        while select.select([file], [], [], max(deadline - time.monotonic(), 0))[0]:
            part = os.read(file.fileno(), 1 << 16)
            if not part:
                break
            parts.append(part)
        else:
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if text := b"".join(parts):
        return json.loads(text)  # type: ignore[no-any-return]
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    how = "hung" if number in (signal.SIGKILL, signal.SIGXCPU) else "killed"
    return {"how": how, "error": "", "text": str(number), "seconds": 0.0, "peak": 0}


def _serve() -> None:
    import codegen_torch.pipeline  # noqa: F401 (for the children)

    for line in sys.stdin:
        print(json.dumps(_forked(**json.loads(line))), flush=True)  # noqa: T201 (the answer)


if __name__ == "__main__":
    _serve()
