"""The command line: ``onnxgen`` and ``python -m onnxgen``."""

import sys

import click

from onnxgen.commands import cli
from onnxgen.exits import Exit


def main() -> None:
    """Runs the command line and exits."""
    try:
        code = cli.main(prog_name="onnxgen", standalone_mode=False)
    except click.Abort:  # how click tells that somebody pressed Ctrl-C where no command caught it
        click.echo("onnxgen: interrupted", err=True)
        code = Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    sys.exit(code)


if __name__ == "__main__":
    main()
