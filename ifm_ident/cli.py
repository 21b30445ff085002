"""The command line: `ifm COMMAND STUDY [options]` (docs/reference/commands.md)."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from importlib.metadata import version
from typing import Any

import click

from ifm_ident.errors import IfmError, MissingExtraError

COMMANDS = {
    "demo": "The poster's examples end to end, offline.",
    "identify": "A line for each test regime: observed, identified (with its formula), not identified.",
    "explain": "How one regime is or is not identified, step by step.",
    "implications": "The testable implications of the design, and designers' alias tables.",
    "plan": "Which regimes to add, at least cost, and how many samples each.",
    "verify": "Check every certificate in a result again, by code that shares nothing with the solver.",
    "fit": "Fit the density model once and keep it in a file.",
    "estimate": "Means and effects in the test regimes from data, with confidence and prediction intervals.",
    "falsify": "Test the implications on data, with p-values and a multiplicity correction.",
    "report": "One self-contained HTML page of all this.",
    "reproduce": "The paper's experiments: tables and figures.",
}
LEARNING = frozenset({"fit", "estimate", "falsify", "reproduce"})
"""Commands that live in `ifm_learn` and need the extra `learn`; imported by name when they are asked for."""


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for: start-up stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        package = "ifm_learn" if cmd_name in LEARNING else "ifm_ident"
        try:
            module = importlib.import_module(f"{package}.commands.{cmd_name}")
        except ModuleNotFoundError as error:
            if cmd_name not in LEARNING or error.name is None or error.name.startswith("ifm_"):
                raise
            raise MissingExtraError(error.name, "learn") from None
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader of standard output that has had enough is no error, a full disk is told."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _discard_output()
            return 0
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            _discard_output()
            raise IfmError(
                f"the result cannot be written: {error.strerror}; make room or name another place"
            ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from ifm_ident.errors import nearest

            raise click.UsageError(
                f"{error.message.removesuffix('.')}; {nearest(args[0], COMMANDS)}", ctx
            ) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("ifm-ident"), prog_name="ifm")
def group() -> None:
    """What do our experiments say, exactly, about the combinations nobody has run?

    \b
    ifm demo                     see it work
    ifm identify study.yaml      which regimes are identified, by which formula

    \b
    Completion with the Tab key, in a start-up file of the shell (bash; zsh and fish likewise):
    eval "$(_IFM_COMPLETE=bash_source ifm)"
    """


def _discard_output() -> None:
    """Send what is still in the buffer of standard output nowhere, so that leaving does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminate(number: int, frame: object) -> None:
    """Leave as an interrupt does: what is half-written is removed."""
    sys.exit(128 + number)


def main() -> None:
    """Run the command line; exit 0 done, 1 a fault of the program or a failed check, 2 bad input."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status = group.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("ifm: interrupted", err=True)
        sys.exit(128 + signal.SIGINT)
    except IfmError as error:
        click.echo(f"ifm: {error}", err=True)
        sys.exit(error.exit_status)
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
