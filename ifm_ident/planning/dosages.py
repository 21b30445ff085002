"""Units that get random combinations, and what so many of them identify (docs/theory/relatives.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Floats, Ints
from ifm_ident.design.design import Design
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError, nearest, require_whole
from ifm_ident.planning.reduction import PlanCriterion, require_criterion
from ifm_ident.planning.search import Targets, Watch, plainly
from ifm_ident.solve.identifier import Identifier

Dosage = float | Mapping[str, float]
"""The chance that a unit gets an intervention: one for all, or one for each by name (others stay at baseline)."""

_SIZES = 8
_MOST, _MOST_DRAWS = 100_000_000, 1_000_000


@dataclass(frozen=True, eq=False)
class RandomUnits:
    """What random units identify, over repeated draws of all units; the verdict of every draw is exact.

    dosage: the chance of each intervention, in the model's order. units: numbers of units, ascending, the first of
    the same draws. regimes: the mean number of different regimes that these units are in. identified: the mean
    number of targets identified, with training, and error, its standard error over draws. complete: the share of
    draws that identify every target.
    """

    criterion: PlanCriterion
    dosage: tuple[float, ...]
    units: tuple[int, ...]
    regimes: tuple[float, ...]
    identified: tuple[float, ...]
    error: tuple[float, ...]
    complete: tuple[float, ...]
    draws: int
    seed: int
    identified_before: int
    targets: int


def random_units(
    design: Design,
    targets: Targets,
    units: int,
    dosage: Dosage = 0.5,
    criterion: PlanCriterion = "joint",
    *,
    draws: int = 100,
    seed: int = 0,
    watch: Watch = plainly,
) -> RandomUnits:
    """How many targets units identify that get interventions by chance; also for halves of their number.

    Every unit gets an intervention with the chance `dosage`, independently, at any of its listed levels off
    baseline alike. The training regimes of the design count as run. Raises InputError for numbers below 1, a
    chance that is not between 0 and 1, names that are no interventions, and an unknown criterion.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f1", ("x",), ("A",)), Factor("f2", ("x",), ("B",))))
    >>> every = Regimes.from_codes(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))
    >>> found = random_units(Design(model, every.take([0])), lambda: [every], 16)
    >>> found.units, found.identified_before, found.complete[-1]
    ((1, 2, 4, 8, 16), 1, 1.0)
    """
    require_criterion(criterion)
    require_whole(units, "units", 1)
    require_whole(draws, "draws", 1)
    require_whole(seed, "seed")
    if units * max(len(design.model), 1) > _MOST:
        raise InputError(
            f"{units:,} units of {len(design.model):,} interventions are more than {_MOST:,} levels; draw fewer"
        )
    if draws > _MOST_DRAWS:
        raise InputError(f"{draws:,} draws are more than {_MOST_DRAWS:,}; take fewer")
    chance = _chances(design.model, dosage)
    levels = np.array([len(each.levels) for each in design.model.interventions], dtype=np.int64)
    sizes = [units]
    while len(sizes) < _SIZES and sizes[0] > 1:
        sizes.insert(0, sizes[0] // 2)
    before, count = _identified(design, targets, criterion)
    found = np.zeros((draws, len(sizes)))
    regimes = np.zeros((draws, len(sizes)))
    rng = np.random.default_rng(seed)
    for draw, _ in enumerate(watch((design.train for _ in range(draws)), "drawing units")):
        codes = _draw(rng, units, chance, levels)
        distinct, first = np.unique(codes, axis=0, return_index=True)
        for j, size in enumerate(sizes):
            run = Regimes.from_codes(distinct[first < size])
            regimes[draw, j] = len(run)
            grown = Design(design.model, Regimes.concatenate([design.train, run]))
            found[draw, j] = (
                found[draw, j - 1]
                if j and found[draw, j - 1] == count
                else _identified(grown, targets, criterion)[0]
            )
    spread = found.std(axis=0, ddof=1) / np.sqrt(draws) if draws > 1 else np.full(len(sizes), np.nan)
    return RandomUnits(
        criterion,
        tuple(chance.tolist()),
        tuple(sizes),
        tuple(regimes.mean(axis=0).tolist()),
        tuple(found.mean(axis=0).tolist()),
        tuple(spread.tolist()),
        tuple((found == count).mean(axis=0).tolist()),
        draws,
        seed,
        before,
        count,
    )


def _chances(model: Model, dosage: Dosage) -> Floats:
    """One chance for each intervention, shape (d,)."""
    given = dosage if isinstance(dosage, Mapping) else dict.fromkeys(model.position, dosage)
    chance = np.zeros(len(model))
    for name, value in given.items():
        if name not in model.position:
            raise InputError(f"dosage: there is no intervention {name!r}; {nearest(name, model.position)}")
        if not 0 <= value <= 1:
            raise InputError(f"dosage of {name} is {value}; a chance is between 0 and 1")
        chance[model.position[name]] = value
    return chance


def _draw(rng: np.random.Generator, units: int, chance: Floats, levels: Ints) -> Ints:
    """Level indices of units, shape (units, d)."""
    taken: NDArray[np.bool_] = rng.random((units, len(chance))) < chance
    return np.where(taken, 1 + rng.integers(np.maximum(levels - 1, 1), size=taken.shape), 0) * (levels > 1)


def _identified(design: Design, targets: Targets, criterion: PlanCriterion) -> tuple[int, int]:
    """How many targets have formulas, of how many."""
    identifier = Identifier(design)
    systems = [identifier.joint]
    if criterion == "conditional":
        systems = [identifier.conditional(cover) for cover in range(len(design.model.covers))]
    held = count = 0
    for chunk in targets():
        held += int(np.logical_and.reduce([system.holds(chunk) for system in systems]).sum())
        count += len(chunk)
    return held, count
