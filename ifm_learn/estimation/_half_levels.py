"""Where half of an effect is reached along the levels of an intervention, all else as in the test regimes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.stats import t as student

from ifm_ident import Identification, Identifier, InputError, Model, Regimes, Status
from ifm_ident.design import exact, plain_number, regime_map
from ifm_ident.errors import require_known
from ifm_ident.plots import has_numbers
from ifm_learn.ladder.estimate import LadderEstimate
from ifm_learn.ladder.half_level import HalfLevel, half_level

ALONG = 120
"""So many steps there are along the levels run."""


def check_half(model: Model, name: str) -> None:
    """InputError where an intervention has no curve to halve."""
    require_known(name, list(model.position), "intervention")
    if not has_numbers(model.interventions[model.position[name]]):
        raise InputError(
            f"the levels of {name!r} are no numbers with a basis, so there is no curve to halve; give it a basis "
            "in the study file",
            argument="half",
        )


def half_levels(
    answer: Callable[[Identification], LadderEstimate],
    identifier: Identifier,
    targets: Regimes,
    name: str,
    outcomes: tuple[str, ...],
    alpha: float,
) -> Iterator[dict[str, Any]]:
    """For the rest of every target, each once, and every outcome: where half of the largest effect is reached.

    answer: means of identified regimes. Looked at are the levels from the least that was run to the largest.
    """
    model = identifier.design.model
    position = model.position[name]
    levels, baseline = _levels(identifier, position)
    rests = dict.fromkeys(tuple(pair for pair in regime if pair[0] != position) for regime in targets)
    one = model.interventions[position]
    for rest in rests:
        active = [(*rest, (position, one.index(plain_number(v)))) for v in levels]
        known = identifier.identify(Regimes.from_active(active, len(model)))
        told = np.flatnonzero(np.isin(known.status, (Status.OBSERVED, Status.IDENTIFIED)))
        others = {other: level for other, level in regime_map(model, rest).items() if other != name}
        head = {"intervention": name, "regime": others}
        if len(told) < len(levels):
            why = f"not every level of {name} from the least to the largest run is identified"
            yield from ({**head, "outcome": outcome, "why": why} for outcome in outcomes)
            continue
        part = answer(known)
        draws = part.draws(alpha)
        for k, outcome in enumerate(outcomes):
            if np.isnan(part.low[:, k]).any():
                found = {"why": "no model gives back the regimes that were run"}
            else:
                limit = float(student.ppf(1 - alpha / 2, part.freedom[:, k].min()))
                half = half_level(
                    np.array([float(v) for v in levels]), part.mean[:, k], draws[:, :, k], baseline, limit
                )
                found = _entry(half, one.basis is not None and one.basis.functions == 1)
            yield {**head, "outcome": outcome, **found}


def _levels(identifier: Identifier, position: int) -> tuple[list[Fraction], int]:
    """Numbers from the least to the largest level run, those run among them, and where the baseline is."""
    train, one = identifier.design.train, identifier.design.model.interventions[position]
    codes = np.zeros(len(train), dtype=np.int64)
    mine = train.position == position
    codes[train.rows[mine]] = train.level[mine]
    numbers = [exact(one.known_levels[code]) for code in set(codes.tolist())]
    start = exact(one.known_levels[0])
    run = sorted(number for number in numbers if number is not None)
    if start is None or len(run) < 2 or not run[0] <= start <= run[-1]:
        raise InputError(
            f"effects of {one.name!r} are differences from its first level, {one.known_levels[0]}, which lies "
            "outside the levels run; put one that was run first",
            argument="half",
        )
    step = (run[-1] - run[0]) / ALONG
    levels = sorted({*run, start, *(run[0] + step * i for i in range(ALONG + 1))})
    return levels, levels.index(start)


def _entry(found: HalfLevel, given: bool) -> dict[str, Any]:
    """given: whether the basis has one function, which alone says where half of the effect is."""
    entry: dict[str, Any] = {"effect": found.effect, "effect_at": found.at, "at_last_level_run": found.last}
    if found.why:
        return {**entry, "why": found.why}
    return {**entry, "level": found.level, "interval": None if given else [found.low, found.high]}
