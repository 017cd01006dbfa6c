"""How a benchmark is told which models of the zoo to measure."""

from __future__ import annotations

import argparse
import logging
import warnings

import zoo


def parser(description: str) -> argparse.ArgumentParser:
    """A parser of models and ``--json``, to which a benchmark adds what else it takes."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("models", nargs="*", help="models of the zoo; all if none is named")
    made.add_argument("--json", action="store_true", help="print rows as JSON, one a line")
    return made


def parse(made: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments; from here on exporters and libraries are silent, as a table wants it."""
    arguments = made.parse_args()
    unknown = sorted(set(arguments.models) - set(zoo.ZOO))
    if unknown:
        made.error(f"no such model: {', '.join(unknown)}")
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    return arguments
