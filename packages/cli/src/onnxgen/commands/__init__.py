"""The commands of ``onnxgen``, one module each."""

import difflib
from pathlib import Path

import click

from onnxgen import __version__
from onnxgen.commands.bench import bench
from onnxgen.commands.check import check
from onnxgen.commands.convert import convert
from onnxgen.commands.diff import diff
from onnxgen.commands.extract import extract
from onnxgen.commands.inspect import inspect
from onnxgen.commands.narrow import fit
from onnxgen.commands.ops import ops
from onnxgen.commands.verify import verify
from onnxgen.commands.view import view
from onnxgen.commands.weights import weights


class PathMeansConvert(click.Group):
    """A group of commands in which ``onnxgen MODEL.onnx`` means ``onnxgen convert MODEL.onnx``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts ``convert`` before arguments that begin with a path or with an option of its own."""
        if args and self._begins_conversion(ctx, args[0]):
            args = ["convert", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Answers a misspelt command with the nearest one, which click does only in its newer versions."""
        if args and args[0] not in self.commands and not ctx.resilient_parsing:
            near = [f"Did you mean {name!r}?" for name in difflib.get_close_matches(args[0], self.commands, 1)]
            ctx.fail(" ".join([f"No such command {args[0]!r}.", *near]))
        return super().resolve_command(ctx, args)

    def _begins_conversion(self, ctx: click.Context, first: str) -> bool:
        if first in self.commands:
            return False
        if first.startswith("-"):
            return not any(first in parameter.opts for parameter in self.get_params(ctx))
        # A bare word that is no file is a misspelt command.
        path = Path(first)
        return bool(path.suffix) or len(path.parts) > 1 or path.exists()


@click.group(cls=PathMeansConvert, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="onnxgen")
def cli() -> None:
    """Turns ONNX models into readable PyTorch source.

    onnxgen MODEL.onnx means onnxgen convert MODEL.onnx.
    """


cli.add_command(convert)
cli.add_command(bench)
cli.add_command(check)
cli.add_command(extract)
cli.add_command(diff)
cli.add_command(inspect)
cli.add_command(ops)
cli.add_command(verify)
cli.add_command(view)
cli.add_command(weights)
fit(cli)
