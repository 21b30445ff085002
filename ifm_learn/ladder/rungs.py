"""The rungs by name, simplest first, and which of them `auto` tries on given rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ifm_ident import InputError
from ifm_ident.arrays import Floats
from ifm_ident.errors import nearest
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import SMOOTH
from ifm_learn.density.model import DensityModel
from ifm_learn.ladder._forecast import REFITS, cost_words, duration, slowness, within_limits
from ifm_learn.ladder._law import ParametricRung, Rung
from ifm_learn.ladder._tilt import Tilt
from ifm_learn.ladder.families import FamilyRung
from ifm_learn.ladder.grid import GridRung
from ifm_learn.ladder.networks import Networks
from ifm_learn.ladder.normal import Normal

PARAMETRIC: dict[str, ParametricRung] = {
    "normal": Normal(),
    "bernoulli": FamilyRung("bernoulli"),
    "poisson": FamilyRung("poisson"),
    "gamma": FamilyRung("gamma"),
    "negbin": FamilyRung("negbin"),
    "linear": Tilt("linear"),
    "quadratic": Tilt("quadratic"),
    "splines": Tilt("splines"),
    "grid": GridRung(),
}
"""Those that a file keeps as parameters."""

RUNGS: dict[str, Rung] = {**PARAMETRIC, "mlp": Networks()}

MANY = 200_000
PATIENCE = 60.0

PATIENCE_WITH_GRIDS = 30.0
"""Seconds beyond which a grid is no part of an average that was given no limit; other models beyond `PATIENCE`."""

_FIRST = 10_000
"""Rows among which a third value is looked for first."""

_UNBOUNDED = ("normal", "poisson", "gamma", "negbin")

AUTO = "auto"
GRID = "grid"
NETWORKS = "mlp"
TABLES = {GRID: SMOOTH, NETWORKS: "mlp"}
"""Energies of a density in tables, which a file and some methods need: their names in such a file."""

ENERGIES = (AUTO, *RUNGS)
"""What `--energy` knows: an average over the rungs but networks, or one of them."""


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


def energy_of(density: DensityModel) -> str:
    """The energy that a density in tables was fitted with, by the name it is asked for."""
    return GRID if density.report.energy == TABLES[GRID] else NETWORKS


def energy_in_tables(name: str, what: str, of_file: str | None = None) -> str:
    """The energy of a density in tables: the one asked for, or for `auto` that of the file, or networks.

    what: needs it. of_file: the energy of a model that is given. InputError for another.

    >>> energy_in_tables("auto", "method"), energy_in_tables("auto", "model", "grid")
    ('mlp', 'grid')
    >>> energy_in_tables("linear", "method")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: method takes a density on a grid, the energy 'grid' or 'mlp', not 'linear'; \
leave out energy or method
    """
    if name == AUTO:
        return of_file or NETWORKS
    if name not in TABLES:
        raise InputError(
            f"{what} takes a density on a grid, the energy {GRID!r} or {NETWORKS!r}, not {name!r}; leave out "
            f"energy or {what}",
            argument="energy",
        )
    if of_file not in (None, name):
        raise InputError(
            f"the model was fitted with the energy {of_file!r}, not {name!r}; leave out energy, or fit it again",
            argument="energy",
        )
    return name


def rungs_for(energy: str, samples: Samples, seed: int = 0) -> tuple[Rung, ...]:
    """The rungs to fit: the one named, or those that such rows may come from.

    seed: of the starts of networks, which are fitted by name only. Laws of numbers and counts
    are not tried on rows with a variable of two values, whose mean they would take off the scale.
    InputError where the one named cannot describe the rows.
    """
    if energy != AUTO:
        rung = Networks(seed) if energy == NETWORKS else RUNGS[energy]
        reason = rung.unfit(samples)
        if reason is not None:
            raise InputError(f"the energy {energy!r} cannot describe these rows: {reason}", argument="energy")
        return (rung,)
    binary = any(_two_valued(column) for column in samples.x.T)
    left = {NETWORKS, *(_UNBOUNDED if binary else ())}
    return tuple(rung for name, rung in RUNGS.items() if name not in left)


def _two_valued(column: Floats) -> bool:
    """Whether a variable has two values; one that is constant has no scale to be taken off."""
    return len(np.unique(column[:_FIRST])) <= 2 and len(np.unique(column)) == 2


def affordable(
    rungs: Sequence[Rung], samples: Samples, seconds: float | None
) -> tuple[list[Rung], dict[str, str]]:
    """The rungs that fit the memory that is free, and the time allowed; why others do not.

    Without a limit given there is one of `PATIENCE` for each rung of an average, and for all together where rows
    are more than `MANY`. One rung alone has none. A limit given is held to this machine's speed, the others to a
    usual one's, so that the same rows and seed choose the same rungs everywhere.
    """
    slower = 1.0 if seconds is None else slowness()
    if seconds is None and len(samples) > MANY and len(rungs) > 1:
        seconds = PATIENCE
    possible = [rung for rung in rungs if rung.unfit(samples) is None]
    if not possible:
        return list(rungs), {}
    costs = {rung.name: rung.forecast(samples) for rung in possible}
    dropped: dict[str, str] = {}
    whole = {name: cost.seconds + REFITS * cost.refit for name, cost in costs.items()}
    for name in [*costs] if seconds is None and len(costs) > 1 else []:
        most = PATIENCE_WITH_GRIDS if name == GRID else PATIENCE
        if whole[name] > most and name != min(whole, key=lambda one: whole[one]):
            del costs[name]
            dropped[name] = (
                f"{name} would take about {duration(whole[name])} with {REFITS} refits, more than the "
                f"{most:g} s that it may take in an average without a time limit"
            )
    dropped |= within_limits(costs, seconds=seconds, refits=REFITS, slower=slower).dropped
    return [rung for rung in rungs if rung.name not in dropped], dropped


def cost_of(rungs: Sequence[Rung], samples: Samples) -> str:
    """What fitting these rungs to rows takes on this machine, by forecast, in words."""
    costs = [rung.forecast(samples) for rung in rungs if rung.unfit(samples) is None]
    return cost_words(costs, slowness()) if costs else "none can be fitted"
