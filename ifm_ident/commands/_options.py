"""Arguments, options and streams that the commands share."""

from __future__ import annotations

import io
import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from ifm_ident.files import check_output, open_output
from ifm_ident.inert import visible, visible_bytes
from ifm_ident.limits import limits_of

if TYPE_CHECKING:
    from ifm_ident.study.study import Study

Command = TypeVar("Command", bound=Callable[..., Any])
Item = TypeVar("Item")


class Seconds(click.FloatRange):
    """A number of seconds above 0, infinity included; NaN, which is in no range, is refused too."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value} is no number of seconds; write one such as 2.5.", param, ctx)
        return seconds


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completion of file names, by the shell."""
    return [CompletionItem(incomplete, type="file")]


study_argument = click.argument("study", metavar="STUDY", shell_complete=files)

test_option = click.option(
    "--test",
    "tests",
    multiple=True,
    metavar="SPEC",
    help="Regimes to ask about instead of the study's own: all, order:2, file:PATH, or a regime "
    "(level string, label, or A=1,B=2). Repeatable.",
)


output_option = click.option(
    "-o",
    "--output",
    metavar="FILE",
    is_eager=True,
    shell_complete=files,
    help="Write to FILE instead of standard output.",
)

_BY_SUFFIX = {".json": "json", ".csv": "csv", ".parquet": "parquet", ".tex": "latex", ".h5ad": "h5ad"}


def _by_suffix(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """The format that was given, or what the name of the output file says."""
    named = _BY_SUFFIX.get(Path(ctx.params.get("output") or "").suffix.lower(), value)
    given = ctx.get_parameter_source("output_format") != ParameterSource.DEFAULT
    return value if given or named not in cast(click.Choice[str], param.type).choices else named


def output_options(formats: Sequence[str]) -> Callable[[Command], Command]:
    """--format (the first is the default), -o/--output, --force, --quiet and --limit."""

    def decorate(command: Command) -> Command:
        for option in (
            limit_option,
            click.option("--quiet", is_flag=True, help="No progress and no remarks on standard error."),
            click.option("--force", is_flag=True, help="Overwrite the output file."),
            output_option,
            click.option(
                "--format",
                "output_format",
                type=click.Choice(list(formats)),
                default=formats[0],
                show_default=True,
                callback=_by_suffix,
                help="How the result is written; of -o FILE.json and the like what the name says.",
            ),
        ):
            command = option(command)
        return command

    return decorate


def _hold_limits(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> None:
    ctx.with_resource(limits_of(texts))


limit_option = click.option(
    "--limit",
    multiple=True,
    metavar="NAME=N",
    expose_value=False,
    is_eager=True,
    callback=_hold_limits,
    help="Read more of a file than usual, where a refusal names the limit: rows=20000000. Repeatable.",
)


def refuse_given(ctx: click.Context, names: Sequence[str], reason: str) -> None:
    """Raises UsageError, with the option and the reason, for the first of these parameters that was given."""
    for option in ctx.command.params:
        if option.name in names and ctx.get_parameter_source(option.name) != ParameterSource.DEFAULT:
            raise click.UsageError(f"{option.opts[0]} {reason}", ctx)


def refuse_terminal(ctx: click.Context, output_format: str, output: str | None) -> None:
    """Raises UsageError where Parquet, which is binary, would be written to a terminal."""
    if output_format == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError(
            "Parquet is binary and standard output is a terminal: name a file with -o FILE.", ctx
        )


def say(text: str, err: bool = False) -> None:
    """A line of text on standard output or error; what a terminal obeys is shown as escapes."""
    click.echo(visible(text), err=err)


class _Visible(io.RawIOBase):
    """A stream of text in UTF-8 that shows as escapes what a terminal obeys."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def write(self, data: Any) -> int:
        self.stream.write(visible_bytes(data))
        return len(data)


@contextmanager
def open_sink(output: str | None, force: bool, *, text: bool = True) -> Iterator[BinaryIO]:
    """The output file, complete or not at all, or standard output; `text` is what terminals may show."""
    if output is not None:
        with open_output(output, force) as stream:
            yield _sink(stream, text)
    elif isinstance(sys.stdout.buffer, io.RawIOBase):  # python -u: raw streams may write less than they are given
        with open(sys.stdout.fileno(), "wb", closefd=False) as stream:
            yield _sink(stream, text)
    else:
        yield _sink(sys.stdout.buffer, text)
        sys.stdout.buffer.flush()


def _sink(stream: BinaryIO, text: bool) -> BinaryIO:
    return cast(BinaryIO, _Visible(stream)) if text else stream


PAUSE = 10.0
"""Seconds between the plain lines of progress where standard error is no terminal: short work has none."""


def progress(items: Iterable[Item], total: int | None, unit: str, quiet: bool) -> Iterable[Item]:
    """The items, with a progress bar on standard error, or a plain line now and then where that is no terminal."""
    if quiet or sys.stderr.isatty():
        from tqdm import tqdm  # `ifm --help` needs none

        bar: Iterable[Item] = tqdm(items, total=total, unit=unit, disable=quiet, leave=False)
        return bar
    return _counted(items, total, unit.strip())


def _counted(items: Iterable[Item], total: int | None, unit: str) -> Iterator[Item]:
    begun = last = time.monotonic()
    of = "" if total is None else f" of {total:,}"
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - last >= PAUSE:
            say(f"{unit} {done:,}{of} done [{_elapsed(now - begun)}]", err=True)
            last = now
        yield item


@contextmanager
def stages(quiet: bool) -> Iterator[Callable[[str], None]]:
    """What is being done, with the time it takes: one changing line of standard error where that is a terminal.

    Elsewhere a plain line every `PAUSE` seconds.
    """
    if quiet or sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(bar_format="{desc} [{elapsed}]", disable=quiet, leave=False) as line:
            yield lambda text: line.set_description_str(visible(text))
        return
    doing, over, begun = ["at work"], threading.Event(), time.monotonic()

    def tell() -> None:
        while not over.wait(PAUSE):
            say(f"{doing[0]} [{_elapsed(time.monotonic() - begun)}]", err=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield lambda text: doing.__setitem__(0, text)
    finally:
        over.set()
        thread.join()


def _elapsed(seconds: float) -> str:
    """Minutes and seconds.

    >>> _elapsed(75.4)
    '01:15'
    """
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def remark(text: str, quiet: bool) -> None:
    """A remark on standard error."""
    if not quiet:
        say(text, err=True)


def load_study(path: str, quiet: bool = False) -> Study:
    """The study of a file; what its reader should know of how it was read goes to standard error."""
    from ifm_ident.study.study import load  # `ifm --help` reads no study

    study = load(path)
    for note in study.notes:
        remark(f"warning: {note}", quiet)
    return study


def with_test(study: Study, specs: Sequence[str], place: str, quiet: bool = False) -> Study:
    """The study with other test regimes, from an option, with remarks on tables that it names as `load_study`."""
    asked = study.with_test(specs, place)
    for note in asked.notes[len(study.notes) :]:
        remark(f"warning: {note}", quiet)
    return asked


@dataclass(frozen=True, slots=True)
class Output:
    """What `output_options` were given: the format of the result, its file or None, and whether to be quiet.

    Raises InputError for a file that cannot be written, before any work is done.
    """

    format: str
    file: str | None
    force: bool
    quiet: bool

    def __post_init__(self) -> None:
        if self.file is not None:
            check_output(self.file, self.force)

    def write(self, lines: Iterable[str]) -> None:
        """The lines as the result."""
        with open_sink(self.file, self.force) as sink:
            for line in lines:
                sink.write(f"{line}\n".encode())

    def remark(self, text: str) -> None:
        """A remark on standard error."""
        remark(text, self.quiet)

    def done(self, said: str) -> None:
        """What a file holds now, where there is one."""
        if self.file is not None:
            self.remark(f"{self.file}: {said}")
