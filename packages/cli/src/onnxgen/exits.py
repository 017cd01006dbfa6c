"""How a command ends: its exit code, and what it says when something went wrong."""

from __future__ import annotations

import enum
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click


class Exit(enum.IntEnum):
    """Exit codes beside 0. Click itself exits with 2 where the command was misspelt."""

    BAD_INPUT = 1
    UNSUPPORTED = 3
    VERIFICATION_FAILED = 4
    MODELS_DIFFER = 5
    INTERRUPTED = 130


class BadInputError(Exception):
    """What a command was given cannot be used; the message says what to do."""


@contextmanager
def explained(*, debug: bool) -> Iterator[None]:
    """Turns what goes wrong inside into one message on stderr and an exit code.

    Args:
        debug: Show the traceback too.
    """
    try:
        yield
    except KeyboardInterrupt:
        click.echo("onnxgen: interrupted", err=True)
        sys.exit(Exit.INTERRUPTED)
    except (click.ClickException, BrokenPipeError):  # click ends quietly when nobody reads on
        raise
    except Exception as error:  # noqa: BLE001 -- the last place where an error can be put into words
        if debug:
            traceback.print_exception(error)
        message, code = _explain(error)
        click.echo(f"onnxgen: {printable(message)}", err=True)
        sys.exit(code)


def _explain(error: Exception) -> tuple[str, Exit]:
    from codegen_torch.errors import ConversionError, UnsupportedError
    from onnx_proto import OnnxError

    match error:
        case UnsupportedError():
            return str(error), Exit.UNSUPPORTED
        case ConversionError() | OnnxError() | BadInputError():
            return str(error), Exit.BAD_INPUT
        case OSError(filename=name, strerror=reason) if name is not None:
            return f"{name}: {reason}", Exit.BAD_INPUT
        case OSError():
            return str(error), Exit.BAD_INPUT
        case _:
            what = "".join(traceback.format_exception_only(error)).strip()
            return f"{what}\nThis is a defect in onnxgen. With --debug the same command shows where.", Exit.BAD_INPUT


def printable(text: str) -> str:
    """Returns a text in which nothing but line breaks can steer a terminal: names in a model are anybody's words."""
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)
