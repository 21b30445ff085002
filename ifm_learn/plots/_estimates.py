"""Estimated means of regimes with their confidence and prediction intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ifm_ident import Status
from ifm_ident.errors import require_known
from ifm_ident.plots import Interval, intervals

MISSES = "misses_training"
"""The flag of an estimate without an interval."""

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ifm_learn.estimation.result import Estimates


def estimates(
    found: Estimates, outcome: str | None = None, truth: Mapping[str, float] | None = None, ax: Axes | None = None
) -> Axes:
    """A line for each regime that has a number: mean, confidence interval thick, prediction interval thin.

    Regimes that were run are blue circles, others orange diamonds; flagged ones are hollow, and one that no model
    can vouch for, `misses_training`, has no interval. The additive baseline is an upright stroke.
    outcome: which one, by default the first. truth: means that were measured after all, by the regimes' names.
    Raises InputError for an unknown outcome, and where no regime has a number.

    >>> from matplotlib.figure import Figure
    >>> from ifm_ident import Study
    >>> from ifm_learn import estimate_study
    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"],
    ... })
    >>> data = {"A": [0, 1, 0] * 40, "B": [0, 0, 1] * 40, "x": [0, 1, 0, 1, 1, 1] * 20}
    >>> found = estimate_study(study, data, method="additive")
    >>> ax = estimates(found, ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()], ax.get_xlabel()
    (['00', '01', '10', '11'], 'x')
    >>> estimates(found, "y")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: unknown outcome 'y'; legal: x
    """
    if outcome is not None:
        require_known(outcome, found.outcomes, "outcome")
    k = 0 if outcome is None else found.outcomes.index(outcome)
    known = truth or {}
    lines = []
    for row, name in enumerate(found.names()):
        if not np.isnan(found.mean[row, k]):
            confidence = _ends(found.confidence_low[row, k], found.confidence_high[row, k])
            prediction = _ends(found.prediction_low[row, k], found.prediction_high[row, k])
            flags = found.flags[row][k] if found.flags else ()
            if MISSES in flags:
                confidence = prediction = None
            mean = float(found.mean[row, k])
            beside = found.additive[row, k]
            expected = None if found.method == "additive" or np.isnan(beside) else float(beside)
            seen = bool(found.status[row] == Status.OBSERVED)
            lines.append(
                Interval(name, mean, confidence, prediction, known.get(name), bool(flags), seen, expected)
            )
    return intervals(lines, ax, found.unit(k) or found.outcomes[k])


def _ends(low: float, high: float) -> tuple[float, float] | None:
    return None if np.isnan(low) or np.isnan(high) else (float(low), float(high))
