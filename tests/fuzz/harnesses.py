"""What reads inputs, each as a function of choices and an empty folder that says in a word how it ended.

Allowed are an answer and an InputError; every other exception, a warning, and a wait of more than `PATIENCE` are
faults. `outcome` runs a harness by name; drivers are `test_harnesses.py`, `benchmarks/fuzz.py` and `guided.py`.
"""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import click

from ifm_ident.commands.group import group
from ifm_ident.errors import IfmError, InputError
from tests.fuzz.choices import ODD, Choices, mutated
from tests.fuzz.of_learning import estimates, models
from tests.fuzz.of_results import claims, parts, results
from tests.fuzz.of_studies import (
    candidates,
    cells,
    frames,
    labels,
    regime_texts,
    rewritten,
    rows,
    study_map,
    study_text,
    tables,
)
from tests.fuzz.seeds import EXAMPLES, TABLES

PATIENCE = 10.0
"""Seconds that an input may take."""

Harness = Callable[[Choices, Path], str]


def commands(choices: Choices, folder: Path) -> str:
    """The command line, with arguments of every kind."""
    for name in ("poster.yaml", "conditional.yaml", "three-cycle.yaml"):
        (folder / name).write_bytes(EXAMPLES[name])
    (folder / "t.csv").write_bytes(TABLES[choices.below(len(TABLES))])
    name = choices.pick(("identify", "explain", "implications", "plan"))
    command = group.get_command(click.Context(group), name)
    assert command is not None
    line = [name, str(folder / choices.pick(("poster.yaml", "conditional.yaml", "three-cycle.yaml", "no.yaml")))]
    if name == "plan":
        line += ["--time-limit", "1"]
    options = [
        one for one in command.params if isinstance(one, click.Option) and one.name not in ("output", "time_limit")
    ]
    for option in choices.some(options, 0, 3):
        line.append(option.opts[0])
        if not option.is_flag:
            legal = option.type.choices if isinstance(option.type, click.Choice) else ()
            words = (
                "2",
                "all",
                "order:2",
                f"file:{folder}/t.csv",
                "111",
                "sigma1+sigma2",
                "rows=3",
                "x1,x2",
                "1e400",
            )
            word = choices.pick((*legal, *legal, *words, *map(str, ODD[7:30])))
            line.append(mutated(word.encode("utf-8", "surrogatepass"), choices).decode("utf-8", "replace"))
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        with redirect_stdout(out), redirect_stderr(io.StringIO()):
            group.main(line, standalone_mode=False)
    except (click.ClickException, IfmError):
        return "refused"
    except (click.exceptions.Exit, SystemExit):
        return "ended"
    return "answered"


HARNESSES: dict[str, Harness] = {
    function.__name__: function
    for function in (
        study_text,
        rewritten,
        candidates,
        study_map,
        labels,
        tables,
        frames,
        rows,
        cells,
        regime_texts,
        results,
        claims,
        parts,
        models,
        estimates,
        commands,
    )
}
"""The table: what is given strange inputs, by name."""


def outcome(name: str, data: bytes, folder: Path) -> str:
    """How a harness ends on bytes: its word, or "refused"; everything that is not allowed is raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return HARNESSES[name](Choices(data), folder)
        except InputError as error:
            if not str(error).strip():
                raise AssertionError("an error without words") from error
            return "refused"


def random_bytes(rng: random.Random) -> bytes:
    """The bytes of an input, of any length up to 120."""
    return rng.randbytes(rng.randint(0, 120))
