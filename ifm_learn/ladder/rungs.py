"""The rungs by name, simplest first, and which of them `auto` tries on given rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ifm_ident import InputError
from ifm_ident.errors import nearest
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._forecast import REFITS, within_limits
from ifm_learn.ladder._law import Rung
from ifm_learn.ladder._tilt import Tilt
from ifm_learn.ladder.families import FamilyRung
from ifm_learn.ladder.normal import Normal

RUNGS: dict[str, Rung] = {
    "normal": Normal(),
    "bernoulli": FamilyRung("bernoulli"),
    "poisson": FamilyRung("poisson"),
    "gamma": FamilyRung("gamma"),
    "negbin": FamilyRung("negbin"),
    "linear": Tilt("linear"),
    "quadratic": Tilt("quadratic"),
    "splines": Tilt("splines"),
}

MANY = 200_000
PATIENCE = 60.0

_UNBOUNDED = ("normal", "poisson", "gamma", "negbin")

AUTO = "auto"
GRID = "mlp"
ENERGIES = (AUTO, *RUNGS, GRID)
"""What `--energy` knows: an average over the rungs, one of them, or networks on a grid."""


def check_energy(name: str) -> str:
    """The name of an energy.

    >>> check_energy("quadartic")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: there is no energy 'quadartic'; did you mean quadratic?
    """
    if name not in ENERGIES:
        raise InputError(f"there is no energy {name!r}; {nearest(name, ENERGIES)}")
    return name


def rungs_for(energy: str, samples: Samples) -> tuple[Rung, ...]:
    """The rungs to fit: the one named, or those that such rows may come from.

    Laws of numbers and counts are not tried on rows with a variable of two values, whose mean they would take off
    the scale.
    InputError where the one named cannot describe the rows.
    """
    if energy != AUTO:
        rung = RUNGS[energy]
        reason = rung.unfit(samples)
        if reason is not None:
            raise InputError(f"the energy {energy!r} cannot describe these rows: {reason}", argument="energy")
        return (rung,)
    binary = any(len(np.unique(column[:10_000])) <= 2 for column in samples.x.T)
    return tuple(rung for name, rung in RUNGS.items() if not (binary and name in _UNBOUNDED))


def affordable(
    rungs: Sequence[Rung], samples: Samples, seconds: float | None
) -> tuple[list[Rung], dict[str, str]]:
    """The rungs that fit the memory that is free, and the time allowed; why others do not.

    Without a limit given there is one for more than `MANY` rows, where an average over several rungs waits for the
    slowest: `PATIENCE`. One rung alone has none.
    """
    if seconds is None and len(samples) > MANY and len(rungs) > 1:
        seconds = PATIENCE
    possible = [rung for rung in rungs if rung.unfit(samples) is None]
    if not possible:
        return list(rungs), {}
    costs = {rung.name: rung.forecast(samples) for rung in possible}
    choice = within_limits(costs, seconds=seconds, refits=REFITS)
    return [rung for rung in rungs if rung.name not in choice.dropped], choice.dropped
