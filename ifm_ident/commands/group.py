"""The commands of `ifm`, by name, each imported when it is asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ifm_ident.errors import InputError, argument_of, nearest
from ifm_ident.files import one_run
from ifm_ident.inert import visible
from ifm_ident.lazy import arrow_without_pandas, named
from ifm_ident.plugins import OWN, PluginError, added, loaded

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

COMMANDS = {
    "demo": ("The poster's examples end to end, offline.", "ifm_ident.commands.demo:command"),
    "init": (
        "A first study file from a table or a graph, every guess a comment.",
        "ifm_ident.commands.init:command",
    ),
    "identify": (
        "A line for each test regime: observed, identified (with its formula), not identified.",
        "ifm_ident.commands.identify:command",
    ),
    "explain": ("How one regime is or is not identified, step by step.", "ifm_ident.commands.explain:command"),
    "implications": (
        "The testable implications of the design, and designers' alias tables.",
        "ifm_ident.commands.implications:command",
    ),
    "plan": ("Which regimes to add, at least cost, and how many samples each.", "ifm_ident.commands.plan:command"),
    "verify": (
        "Check every certificate in a result again, by code that shares nothing with the solver.",
        "ifm_ident.commands.verify:command",
    ),
    "report": ("One self-contained HTML page of all this.", "ifm_ident.commands.report:command"),
    "explore": (
        "One self-contained HTML page to change a design on: every answer follows at once.",
        "ifm_ident.commands.explore:command",
    ),
}
"""Each command with what it does and where it is; a plug-in of the group `ifm.commands` is such a table too."""


class _Added(NamedTuple):
    """A command of a plug-in: what it does, where it is, and whose it is."""

    words: str
    place: str
    by: EntryPoint


@cache
def _added() -> Mapping[str, _Added]:
    """The commands of plug-ins; one that does not load is told and left out."""
    found: dict[str, _Added] = {}
    for one in added("ifm.commands"):
        try:
            for name, (words, place) in loaded(one).items():
                found.setdefault(name, _Added(words, place, one))
        except PluginError as error:
            complain(error)
        except (AttributeError, TypeError, ValueError):
            what = f"the plug-in {one.name} = {one.value} of {one.group}"
            complain(f"{what} is no table of commands; tell those who wrote it")
    return found


def commands() -> dict[str, str]:
    """All commands, with what each does: those of plug-ins after this package's own, which they do not replace."""
    own = {name: words for name, (words, _) in COMMANDS.items()}
    return own | {name: one.words for name, one in _added().items() if name not in own}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for: start-up stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command: click.Command
        if cmd_name in COMMANDS or cmd_name in _added():
            arrow_without_pandas()
        if cmd_name in COMMANDS:
            command = named(COMMANDS[cmd_name][1])
        elif cmd_name in _added():
            one = _added()[cmd_name]
            command = loaded(one.by, one.place)
        else:
            return None
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, whose output is never what it reads; a reader of it that has had enough is no error."""
        try:
            with one_run():
                return super().invoke(ctx)
        except BrokenPipeError:
            discard_output()
            return 0
        except InputError as error:
            option = _option(self.get_command(ctx, ctx.invoked_subcommand or ""), argument_of(error))
            if option is None:
                raise
            raise InputError(f"{error} (the option {option})", error.path) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(commands().items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(
                f"{error.message.removesuffix('.')}; {nearest(args[0], commands())}", ctx
            ) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name=OWN, prog_name="ifm")
def group() -> None:
    """What do our experiments say, exactly, about the combinations nobody has run?

    \b
    ifm demo                     see it work
    ifm identify study.yaml      which regimes are identified, by which formula

    \b
    Completion with the Tab key, in a start-up file of the shell (bash; zsh and fish likewise):
    eval "$(_IFM_COMPLETE=bash_source ifm)"
    """


def _option(command: click.Command | None, argument: str) -> str | None:
    """The option of a command that stands for an argument of the library; None where there is none."""
    words = argument.replace("_", "-")
    for one in command.params if command is not None else ():
        if f"--{words}" in one.opts:
            return f"--no-{words}" if f"--no-{words}" in one.secondary_opts else f"--{words}"
    return None


def discard_output() -> None:
    """Send what is still in the buffer of standard output nowhere, so that leaving does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(of: object) -> None:
    """One line on standard error, in which names do nothing to a terminal."""
    click.echo(f"ifm: {visible(str(of))}", err=True)
