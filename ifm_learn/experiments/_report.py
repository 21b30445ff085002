"""The report page of an experiment: scores, picture, the poster's identification tables and settings, one file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from ifm_ident import MissingExtraError
from ifm_ident.report import Drawing, drawing, environment, source
from ifm_ident.show import example, explain
from ifm_learn.experiments.figures import CAPTION, panels
from ifm_learn.experiments.results import Results
from ifm_learn.experiments.table import TITLES, best, columns

_ALL_ON = ((0, 1), (1, 1), (2, 1))
_TABLES = {"poster": "Two factors, six regimes run", "three-cycle": "Three factors, seven regimes run"}
_NOT_SHOWN = ("interventions", "variables", "factors", "train", "regimes", "methods", "problems")


def page(results: Mapping[str, Results], data: str, command: str) -> str:
    """A page of HTML that loads nothing; results by truth, command as it can be typed again.

    Same results, same page. Without matplotlib it has no picture; MissingExtraError without Jinja.
    """
    made = environment("ifm_learn.experiments")
    experiments = [_experiment(found, data, truth) for truth, found in results.items()]
    return made.get_template("experiments.html").render(
        title=f"The paper's experiments on {TITLES[data]}",
        experiments=experiments,
        picture=_picture(results, data),
        caption=CAPTION,
        tables=identification_tables(),
        command=command,
        version=version("ifm-ident"),
        style=source(made, "page.css"),
    )


def identification_tables() -> list[tuple[str, list[str]]]:
    """The poster's two examples, each with a title, as `ifm explain` prints them."""
    return [(title, explain(example(name), _ALL_ON)) for name, title in _TABLES.items()]


def _experiment(found: Results, data: str, truth: str) -> dict[str, Any]:
    head, rows = columns(found, data, truth)
    shown = {name: value for name, value in found.settings.items() if name not in _NOT_SHOWN}
    return {
        "title": TITLES[truth][0].upper() + TITLES[truth][1:],
        "problems": found.settings["problems"],
        "sentence": best(found),
        "head": head,
        "rows": rows,
        "notes": found.notes,
        "settings": [(name, "default" if value is None else str(value)) for name, value in shown.items()],
    }


def _picture(results: Mapping[str, Results], data: str) -> Drawing | None:
    named = {f"{TITLES[data]}, {TITLES[truth]}": found for truth, found in results.items()}
    try:
        return drawing(lambda: panels(named).axes[0], "scores-", f"Scores of every problem, {TITLES[data]}")
    except MissingExtraError:
        return None
