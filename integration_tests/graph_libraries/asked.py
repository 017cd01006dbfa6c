"""What is asked of every graph library: the rows of the table in dataflow-ir's README.

Each library has a class in a file of its own, with a method for each row. A method does what its row says in the
library's own way and returns whether that worked. What a library answers where it cannot is named, so that a mistake
made here is an error and no answer.
"""

from __future__ import annotations

import importlib.metadata
import os
import pickle
import resource
import signal
from collections.abc import Callable
from typing import Any

from packaging.requirements import Requirement

ROWS = {
    "cycles": "a value may depend on itself",
    "absent": "an operand may be absent",
    "constants": "`1` and `1.0`, `0.0` and `-0.0` are different constants",
    "structure": "graphs compare by structure",
    "commutative": "a rule matches operands in any order",
    "fixpoint": "rules go on until none applies",
    "rounds": "rules without end are an error that names them",
    "text": "what is printed reads back",
    "deep": "a chain of 20 000 pickles",
    "computes": "knows what operations compute",
    "types": "checks the types of operands",
    "alone": "brings nothing else along",
}
DEEP = 20_000
SECONDS = 5
MEMORY = 8 << 30
ENDLESS, MISTAKEN = 1, 2


def ends(action: Callable[[], Any]) -> bool:
    """Tells whether something comes to an end, in a process of its own that is given some seconds and some memory.

    A library that goes on forever may take all there is, and keep what is raised in it to itself.
    """
    pid = os.fork()
    if not pid:
        signal.alarm(SECONDS)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            action()
        except MemoryError:
            os._exit(ENDLESS)
        except BaseException:  # noqa: BLE001  # the parent raises an error for it
            os._exit(MISTAKEN)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == MISTAKEN:
        raise RuntimeError("what was tried out ended with an error")
    return status == 0


def fails(kind: type[Exception], action: Callable[[], Any], message: str = "") -> bool:
    """Tells whether something ends with an error of this kind and message."""
    try:
        action()
    except kind as error:
        return message in str(error)
    return False


def pickles(graph: Any) -> bool:
    """Tells whether a graph is written and read back."""
    return not fails(RecursionError, lambda: pickle.loads(pickle.dumps(graph)))


class Library:
    """What the libraries have in common: how they are installed."""

    distribution: str

    def alone(self) -> bool:
        declared = importlib.metadata.requires(self.distribution) or []
        return not [text for text in declared if "extra" not in str(Requirement(text).marker)]
