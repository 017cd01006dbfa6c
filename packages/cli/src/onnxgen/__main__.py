"""The command line: ``onnxgen`` and ``python -m onnxgen``."""

from onnxgen.commands import cli


def main() -> None:
    """Runs the command line and exits."""
    cli(prog_name="onnxgen")


if __name__ == "__main__":
    main()
