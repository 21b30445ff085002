"""Rows of the one outcome that a suggestion is about, and rows added to them."""

from __future__ import annotations

import dataclasses

import numpy as np

from ifm_ident import Design, InputError, Regimes, Study
from ifm_ident.errors import nearest
from ifm_learn.data.reading import read_samples
from ifm_learn.data.samples import Samples
from ifm_learn.data.scaling import Scale


def samples_of(
    study: Study, data: object, outcome: str | None, goal: str, scale: Scale | None = None
) -> tuple[Samples, int, str]:
    """The rows, the column of the outcome among what is estimated, and its name.

    Without a name it is the study's outcome, or the only variable. Raises InputError where that leaves several.
    """
    variables = study.model.variables
    if outcome is not None and outcome in variables:
        found = read_samples(study, data, scale=scale)
        found = dataclasses.replace(found, y=None, outcome=None, outcomes=())
        return found, variables.index(outcome), outcome
    try:
        found = read_samples(study, data, outcome=outcome, scale=scale)
    except InputError as error:
        if outcome is not None and "no column" in str(error):
            raise InputError(
                f"{error} (the outcome; variables are {', '.join(variables)})", argument="outcome"
            ) from None
        raise
    if found.outcomes:
        raise InputError(
            f"the goal {goal!r} is about one outcome and the study has {len(found.outcomes):,}; name one of them: "
            f"{nearest(None, found.outcomes)}",
            argument="outcome",
        )
    if found.y is not None:
        return found, 0, found.outcome or "y"
    if len(variables) == 1:
        return found, 0, variables[0]
    raise InputError(
        f"the goal {goal!r} needs an outcome: name a column, or one of the variables {', '.join(variables)}",
        argument="outcome",
    )


def together(first: Samples, second: Samples) -> Samples:
    """The rows of both, over a design with the training regimes of both; no unit has rows in both.

    >>> from ifm_ident import Factor, Intervention, Model
    >>> model = Model((Intervention("A", (0, 1)),), ("x",), (Factor("f", ("x",), ("A",)),))
    >>> some, more = (
    ...     Samples(Design(model, Regimes.from_codes(np.array(codes))), np.array(regime), np.zeros((2, 1)))
    ...     for codes, regime in (([[0]], [0, 0]), ([[0], [1]], [0, 1])))
    >>> together(some, more).sizes.tolist()
    [3, 1]
    """
    old, new = first.design.train, second.design.train
    fresh = np.flatnonzero((new.first_equal(old) < 0) & (second.sizes > 0))
    train = Regimes.concatenate([old, new.take(fresh)])
    place = new.first_equal(train)
    unit = None
    if first.unit is not None and second.unit is not None:
        unit = np.concatenate([first.unit, second.unit + int(first.unit.max()) + 1])
    return dataclasses.replace(
        first,
        design=Design(first.design.model, train),
        regime=np.concatenate([first.regime, place[second.regime]]).astype(np.int64),
        x=np.concatenate([first.x, second.x]),
        y=None if first.y is None or second.y is None else np.concatenate([first.y, second.y]),
        unit=unit,
        notes=tuple(dict.fromkeys((*first.notes, *second.notes))),
        ignored=first.ignored + second.ignored,
    )
