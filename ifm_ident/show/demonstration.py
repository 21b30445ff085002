"""The poster's examples end to end: what `ifm demo` prints."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.resources import as_file, files
from itertools import takewhile
from pathlib import Path

import numpy as np

from ifm_ident.answer.tabulated import TabulatedModel, largest_error
from ifm_ident.errors import MissingExtraError
from ifm_ident.files import check_output, open_output
from ifm_ident.plugins import plugin
from ifm_ident.show.explanation import Explanation, explain
from ifm_ident.show.table import wrapped, write_table
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.study.study import Study, load

EXAMPLES = ("poster", "three-cycle", "conditional", "refused")
"""The studies that come with the package."""

WITH_DATA = ("cells.yaml", "cells.csv", "cells-truth.csv")
"""A simulated screen that comes with it too: the study, its cells, and the true means of every regime."""

_VALUES = 3
_ALL_ON = ((0, 1), (1, 1), (2, 1))


def example(name: str) -> Study:
    """A study that comes with the package, by name.

    >>> example("poster").target_count
    8
    """
    with as_file(files("ifm_ident") / "examples" / f"{name}.yaml") as path:
        return load(path)


def save_examples(folder: Path, force: bool = False) -> list[Path]:
    """Writes the examples into a folder that exists; InputError where a file is there already.

    >>> import tempfile
    >>> [path.name for path in save_examples(Path(tempfile.mkdtemp()))][2:]
    ['conditional.yaml', 'refused.yaml', 'cells.yaml', 'cells.csv', 'cells-truth.csv']
    """
    names = (*(f"{example}.yaml" for example in EXAMPLES), *WITH_DATA)
    paths = [check_output(folder / name, force) for name in names]
    for path in paths:
        with open_output(path, force) as stream:
            stream.write((files("ifm_ident") / "examples" / path.name).read_bytes())
    return paths


def demonstration(seed: int = 0) -> Iterator[str]:
    """The demonstration, line by line; `seed` draws the random model of the numeric proof."""
    yield from wrapped(
        "Which combinations of interventions that nobody has run do the experiments at hand determine, and by "
        "which exact formula? Four small studies, then one with data; `ifm demo --save FOLDER` writes their "
        "files, so that the commands shown can be typed."
    )
    yield from _step(1, "Two unseen regimes, both products of regimes that were run", "identify poster.yaml")
    yield from _identified("poster")
    yield from _step(2, "The same formula as a derivation, by message passing", "explain poster.yaml --regime 111")
    yield "..."
    yield from _explanation("poster").message_lines()
    yield "..."
    yield from _step(3, "The linear system behind a formula", "explain three-cycle.yaml --regime 111")
    yield from explain(example("three-cycle"), _ALL_ON)
    command = "identify conditional.yaml --criterion joint"
    yield from _step(4, "Sometimes no single product of densities will do", command)
    yield from _identified("conditional", "joint")
    title = "And yet each variable given the others has a formula"
    yield from _step(5, title, "identify conditional.yaml --criterion conditional")
    yield from _identified("conditional", "conditional")
    title = "A refusal is proven: two models that no training regime tells apart"
    yield from _step(6, title, "explain refused.yaml --regime 111")
    yield "..."
    yield from takewhile(bool, _explanation("refused").lines())
    yield "..."
    yield from _explanation("refused").refusal_lines()
    yield from _step(7, "The formulas against the truth, on random models", None)
    yield from _proof(seed)
    yield from _estimation()


def _estimation() -> Iterator[str]:
    """Estimates from the simulated screen, by the learning part; without it, what to install."""
    title = "Means of regimes that nobody has run, from the cells of a simulated screen"
    yield from _step(8, title, "estimate cells.yaml")
    try:
        learning = plugin("ifm.demo", "estimates")
    except MissingExtraError:
        yield from wrapped(
            "Estimating from data needs more packages: pip install 'ifm-ident[learn]'. The parts above, exact and "
            "without data, need none."
        )
        return
    study = example("cells")
    found = learning.estimated(study, 0)
    yield from learning.estimate_lines(found)
    yield from _step(9, "The estimates against the truth, which the simulation knows", None)
    with as_file(files("ifm_ident") / "examples" / "cells-truth.csv") as truth:
        yield from learning.truth_lines(study, found, truth)


def _step(number: int, title: str, command: str | None) -> Iterator[str]:
    yield ""
    yield f"{number}. {title}"
    yield "-" * (len(title) + 3)
    if command is not None:
        yield f"$ ifm {command}"


def _identified(name: str, criterion: CriterionName = "auto") -> Iterator[str]:
    study = example(name)
    identifier = Identifier(study.design, study.notation)
    stream = io.BytesIO()
    write_table(stream, study, (identifier.identify(targets, criterion) for targets in study.targets()))
    yield from stream.getvalue().decode().splitlines()


def _explanation(name: str) -> Explanation:
    study = example(name)
    return Explanation(Identifier(study.design, study.notation), _ALL_ON)


def _proof(seed: int) -> Iterator[str]:
    """Formula against enumeration, for every identified unseen regime of the examples.

    Theory: docs/theory/joint.md.
    """
    yield from wrapped(
        f"Every variable takes {_VALUES} values, every factor is a table of random positive numbers (seed {seed}) "
        "over its x-scope and its interventions. p(x; regime) is enumerated from the factors for the training "
        "regimes; the formula gives the unseen one, which is then enumerated too. Largest difference over all x:"
    )
    rng = np.random.default_rng(seed)
    for name in EXAMPLES:
        study = example(name)
        drawn = TabulatedModel.draw(study.model, _VALUES, rng)
        for targets in study.targets():
            found = Identifier(study.design, study.notation).identify(targets)
            for row, answer in enumerate(found):
                if answer.formula is None and not answer.conditionals:
                    continue
                error = largest_error(drawn, study.design, targets[row], answer)
                how = "joint formula" if answer.formula is not None else "full conditionals, by Brook's lemma"
                yield f"  {name + '.yaml':<17} {answer.name}  {error:.1e}  {how}"
