"""One question answered: candidates gathered, draws made, a rule applied, and what other runs would identify."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ifm_ident import Identifier, InputError, Regimes, Status, Study
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import Listed, UpToOrder
from ifm_ident.planning import Candidates, Singles, single_regimes
from ifm_ident.planning import Listed as ListedPrices
from ifm_ident.show import counted
from ifm_learn.data.samples import Samples
from ifm_learn.estimation.posterior import Posterior, independent
from ifm_learn.outcome.estimator import targets_of
from ifm_learn.randomness import stream
from ifm_learn.suggestion import acquisition as rules
from ifm_learn.suggestion._goals import Acquisition, Goal
from ifm_learn.suggestion._pool import Counted, Pool, gather, group_of, require_some
from ifm_learn.suggestion._refuting import Discrepancies
from ifm_learn.suggestion.beliefs import ByFactors, Chosen
from ifm_learn.suggestion.suggestions import Suggestions

UNLOCKING = 3
MOST_TARGETS = 2_000
"""Targets of `learn` that variances are averaged over; of more a random sample."""

MOST_UNLOCKING = 2**22
"""Of more candidates it is not looked at what runs would identify."""

CHUNK = 16_384
"""Candidates that are looked at together."""

_LIKELY = (Status.OBSERVED, Status.IDENTIFIED)
_LOW, _HIGH = 0.05, 0.95
_FAR = 2.0


@dataclass(frozen=True, eq=False)
class Question:
    """All that a batch depends on; see `Suggester`."""

    study: Study
    goal: Goal
    acquisition: Acquisition | None
    outcome: str
    seed: int
    turn: int
    samples: Samples
    column: int
    chosen: Chosen
    spaces: Study
    targets: Study
    allowed: Candidates
    pending: Regimes
    same: Ints
    repeats: bool
    rows: float | None
    interaction: float
    screen: int
    notes: tuple[str, ...]
    say: Callable[[str], None]

    @property
    def by_draws(self) -> bool:
        """Whether the rule reads draws one by one, and not their covariance."""
        return self.goal.kind not in ("learn", "refute")

    @property
    def trained(self) -> Regimes:
        """The regimes that were run."""
        return self.samples.design.train.take(self.samples.present)

    @property
    def rows_of_a_run(self) -> float:
        """Rows that a run brings, or units."""
        if self.rows is not None:
            return float(self.rows)
        return float(np.median(np.bincount(independent(self.samples, self.column)[0])))


def answer(asked: Question, batch: int) -> Suggestions:
    """The next batch; InputError where no candidate is left."""
    warnings = list(asked.notes)
    identifier = Identifier(asked.samples.design, asked.study.notation)
    beliefs = asked.chosen.beliefs
    asked.say("going through the candidates")
    pool = gather(
        asked.spaces.targets(CHUNK),
        asked.allowed,
        identifier,
        asked.pending,
        lambda regimes, cost: _looks(asked, identifier, regimes, cost),
        repeats=asked.repeats,
        identified_only=beliefs.needs_identification,
        same=asked.same,
        keep=max(asked.screen, batch),
        batch=batch,
    )
    values = targets_of(asked.samples)[:, asked.column]
    if np.ptp(values) == 0:
        warnings.append(f"{asked.outcome} is the same in all rows: they tell no regime from another")
    asked.say("what other runs would identify")
    unlocking = _unlocking(asked, pool.counted, max(UNLOCKING, batch), warnings)
    require_some(pool, len(unlocking.regimes) if unlocking is not None else 0)
    if pool.counted.screened_out:
        warnings.append(
            f"only the {pool.counted.scored:,} candidates that look best by a linear model were looked at "
            f"closely, {pool.counted.screened_out:,} others were not (`screen` takes more)"
        )
    asked.say("draws of the candidates")
    pool, drawn = _drawn(asked, identifier, pool, warnings)
    chosen, scores = _chosen(asked, pool, drawn, batch, warnings)
    return _suggestions(asked, pool, drawn, (chosen, scores, batch), unlocking, warnings)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Draws of the candidates, the regimes run, those running that have a mean, and targets, (draws, .) each."""

    candidates: Floats
    run: Floats
    pending: Floats
    targets: Floats
    running: Regimes


def _identified(identifier: Identifier, regimes: Regimes) -> Regimes:
    status = identifier.verdicts(regimes)
    return regimes.take(np.flatnonzero(np.isin(status, _LIKELY)))


def _drawn(asked: Question, identifier: Identifier, pool: Pool, warnings: list[str]) -> tuple[Pool, _Drawn]:
    strict = asked.chosen.beliefs.needs_identification
    pending = asked.pending.take(np.unique(asked.pending.first_equal(asked.pending)))
    targets = Regimes.from_active([], pending.width)
    if asked.goal.kind == "learn":
        targets = Regimes.concatenate([targets, *asked.targets.targets()])
        if strict:
            every = len(targets)
            targets = _identified(identifier, targets)
            if len(targets) < every:
                warnings.append(
                    f"{every - len(targets):,} of {every:,} targets are not identified and do not count"
                )
        if not len(targets):
            raise InputError(
                "no target is identified: there is nothing to learn of; name others, or run what `ifm plan` says",
                argument="targets",
            )
        if len(targets) > MOST_TARGETS:
            rng = stream(asked.seed, "targets")
            warnings.append(f"variances are averaged over {MOST_TARGETS:,} of {len(targets):,} targets, at random")
            targets = targets.take(np.sort(rng.choice(len(targets), MOST_TARGETS, replace=False)))
    parts = [pool.regimes, asked.trained, _identified(identifier, pending) if strict else pending, targets]
    draws = asked.chosen.beliefs.draws(Regimes.concatenate(parts), tails=asked.by_draws)
    one, two, three, four = np.split(draws, np.cumsum([len(part) for part in parts])[:-1], axis=1)
    known = np.flatnonzero(np.isfinite(one).all(axis=0))
    if len(known) < len(pool.regimes):
        warnings.append(f"{counted(len(pool.regimes) - len(known), 'candidate')} had no number by any model")
    running = parts[2].take(np.flatnonzero(np.isfinite(three).all(axis=0)))
    two, three, four = (part[:, np.isfinite(part).all(axis=0)] for part in (two, three, four))
    kept = Pool(pool.regimes.take(known), pool.cost[known], pool.identified[known], pool.counted)
    return kept, _Drawn(one[:, known], two, three, four, running)


def _chosen(asked: Question, pool: Pool, drawn: _Drawn, batch: int, warnings: list[str]) -> tuple[Ints, Floats]:
    """Places in the pool, in order, and their scores."""
    if not len(pool.regimes):
        return np.empty(0, dtype=np.int64), np.empty(0)
    cost = pool.cost.astype(float)
    groups = group_of(pool.regimes, asked.same)
    found = rules.alike(groups, batch, cost, _rule(asked, pool, drawn, cost, warnings))
    return found.chosen, found.scores


def _rule(asked: Question, pool: Pool, drawn: _Drawn, cost: Floats, warnings: list[str]) -> rules.Chooser:
    goal, sign = asked.goal, asked.goal.sign
    if goal.kind == "refute":
        return _refuting(asked, pool, drawn, cost, warnings)
    if goal.kind == "learn":
        noise = np.full(len(cost), asked.chosen.beliefs.row_variance / asked.rows_of_a_run)
        running = drawn.pending if drawn.pending.shape[1] else None
        return lambda which, count: rules.learning(
            drawn.candidates[:, which], drawn.targets, count, cost[which], noise[which], running
        )
    if goal.threshold is not None:
        threshold = goal.threshold
        return lambda which, count: rules.passing(drawn.candidates[:, which], threshold, count, cost[which])
    draws = sign * drawn.candidates
    best = np.hstack([sign * drawn.run, sign * drawn.pending]).max(axis=1, initial=-np.inf)
    if not np.isfinite(best).all():
        best = draws.min(axis=1)
    if asked.acquisition == "thompson":
        return lambda which, count: rules.thompson(
            draws[:, which], best, count, cost[which], stream(asked.seed, f"thompson {asked.turn}")
        )
    named: dict[str, Callable[[Floats, Floats, int, Floats], rules.Batch]]
    named = {"ei": rules.improvement, "quantile": rules.quantile, "mean": rules.greedy}
    rule = named[asked.acquisition or "ei"]
    return lambda which, count: rule(draws[:, which], best, count, cost[which])


def _refuting(asked: Question, pool: Pool, drawn: _Drawn, cost: Floats, warnings: list[str]) -> rules.Chooser:
    posterior = _posterior(asked)
    identifier = Identifier(asked.samples.design)
    joint, running = (
        np.flatnonzero(identifier.verdicts(some, "joint") == Status.IDENTIFIED)
        for some in (pool.regimes, drawn.running)
    )
    if not len(joint):
        raise InputError(
            "no candidate has a joint formula: a run of none would be told beforehand; run what `ifm plan` says "
            "first",
            argument="goal",
        )
    model = Discrepancies.of(
        asked.study.model,
        posterior.linear,
        asked.trained,
        Regimes.concatenate([pool.regimes.take(joint), drawn.running.take(running)]),
        np.hstack([drawn.candidates[:, joint], drawn.pending[:, running]]).std(axis=0, ddof=1),
        posterior.row_variance,
        asked.rows_of_a_run,
        asked.interaction,
    )
    for row in range(len(joint), len(joint) + len(running)):
        model = model.after(row)
    model = model.take(np.arange(len(joint)))
    bears = model.bearing
    if not bears.any():
        raise InputError(
            "no candidate rests on an effect that the factors deny: nothing that could be run would refute them; "
            "take other candidates",
            argument="candidates",
        )
    if model.left_out:
        warnings.append(f"{model.left_out:,} denied effects that few candidates hold are left out of account")
    place = np.full(len(cost), -1)
    place[joint[bears]] = np.flatnonzero(bears)

    def choose(which: Ints, count: int) -> rules.Batch:
        inside = np.flatnonzero(place[which] >= 0)
        found = model.take(place[which[inside]]).batch(count, cost[which[inside]])
        return replace(found, chosen=inside[found.chosen])

    return choose


def _posterior(asked: Question) -> Posterior:
    beliefs = asked.chosen.beliefs
    assert isinstance(beliefs, ByFactors)
    return beliefs.posterior


def _looks(asked: Question, identifier: Identifier, regimes: Regimes, cost: Ints) -> Floats:
    """How good candidates look by moments alone, for their cost; nan where these are not known."""
    beliefs, found = asked.chosen.beliefs, np.full(len(regimes), np.nan)
    at = np.arange(len(regimes))
    if beliefs.needs_identification:
        at = np.flatnonzero(np.isin(identifier.verdicts(regimes, "joint"), _LIKELY))
    mean, spread = beliefs.moments(regimes.take(at))
    goal, paid = asked.goal, np.maximum(cost[at], 0.5) if np.ptp(cost) else np.ones(len(at))
    if goal.kind == "learn":
        found[at] = spread / paid
    elif goal.kind == "refute":
        found[at] = regimes.active_counts[at] / np.maximum(spread, 1e-300) / paid
    elif goal.threshold is not None:
        found[at] = (mean - goal.threshold) / np.maximum(spread, 1e-300)
    else:
        best = float((goal.sign * beliefs.moments(asked.trained)[0]).max())
        gain = goal.sign * mean + _FAR * spread - best
        found[at] = np.where(gain > 0, gain / paid, gain)
    return found


def _unlocking(asked: Question, told: Counted, count: int, warnings: list[str]) -> Singles | None:
    """The runs that would identify most candidates; None where all are identified."""
    if not told.not_identified:
        return None
    if told.candidates > MOST_UNLOCKING:
        warnings.append(f"of more than {MOST_UNLOCKING:,} candidates it is not looked at what runs would identify")
        return None
    allowed = _offered(asked)
    if allowed is None:
        return None
    several = len(asked.study.model.covers) > 1
    return single_regimes(
        asked.samples.design,
        asked.spaces.targets,
        allowed,
        "conditional" if several else "joint",
        count=count,
        booked=asked.pending,
    )


def _gain(asked: Question, regime: Regimes) -> int:
    """How many candidates one regime would identify."""
    prices = ListedPrices(regime, np.ones(1, dtype=np.int64), Fraction(1))
    several = len(asked.study.model.covers) > 1
    found = single_regimes(
        asked.samples.design,
        asked.spaces.targets,
        Candidates(asked.study.model, prices),
        "conditional" if several else "joint",
        count=1,
        booked=asked.pending,
    )
    return sum(found.gains)


def _offered(asked: Question) -> Candidates | None:
    """The candidates as a plan takes them, without those that are running."""
    allowed, spaces = asked.allowed, asked.spaces.test
    forbidden = (*allowed.forbidden, *((Listed(asked.pending),) if len(asked.pending) else ()))
    if len(spaces) == 1 and spaces[0].digest == "all":
        return replace(allowed, forbidden=forbidden)
    if len(spaces) == 1 and isinstance(spaces[0], UpToOrder):
        return replace(allowed, forbidden=forbidden, max_active=spaces[0].order)
    every = Regimes.concatenate([asked.pending.take([]), *asked.spaces.targets()])
    cost = allowed.cost(every)
    at = np.flatnonzero(cost >= 0)
    if not len(at):
        return None
    return Candidates(allowed.model, ListedPrices(every.take(at), cost[at], allowed.prices.unit), forbidden)


def _suggestions(
    asked: Question,
    pool: Pool,
    drawn: _Drawn,
    picked: tuple[Ints, Floats, int],
    unlocking: Singles | None,
    warnings: list[str],
) -> Suggestions:
    chosen, scores, batch = picked
    width = asked.pending.width
    regimes, unit = pool.regimes.take(chosen), asked.allowed.prices.unit
    cost = [int(c) * unit for c in pool.cost[chosen]]
    identified = pool.identified[chosen].astype(bool)
    beliefs = asked.chosen.beliefs
    shown = drawn.candidates[:, chosen] if asked.by_draws else beliefs.draws(regimes)
    mean = shown.mean(axis=0)
    low, high = np.quantile(shown, [_LOW, _HIGH], axis=0)
    flags = beliefs.posterior.flags(regimes) if isinstance(beliefs, ByFactors) else [()] * len(chosen)
    unlocks = np.zeros(len(chosen), dtype=np.int64)
    others = Regimes.from_active([], width)
    gains: tuple[int, ...] = ()
    prices: tuple[Fraction, ...] = ()
    if unlocking is not None:
        others, gains, prices = unlocking.regimes, unlocking.gains, unlocking.costs
        where = regimes.first_equal(others)
        unlocks = np.where(where >= 0, np.array([*gains, 0])[where], 0)
        for row in np.flatnonzero(~identified & (where < 0)).tolist():  # a process has suggested these
            unlocks[row] = _gain(asked, regimes.take(np.array([row])))
        left = _to_fill(asked, regimes, others, batch)
        regimes = Regimes.concatenate([regimes, others.take(left)])
        cost += [prices[i] for i in left.tolist()]
        unlocks = np.concatenate([unlocks, np.array(gains, dtype=np.int64)[left]])
        identified = np.concatenate([identified, np.zeros(len(left), dtype=bool)])
        flags = [*flags, *[()] * len(left)]
        nothing = np.full(len(left), np.nan)
        mean, low, high, scores = (np.concatenate([part, nothing]) for part in (mean, low, high, scores))
        rest = np.flatnonzero(others.first_equal(regimes) < 0)[:UNLOCKING]
        at = rest.tolist()
        others, gains, prices = others.take(rest), tuple(gains[i] for i in at), tuple(prices[i] for i in at)
    if len(regimes) < batch:
        alike = " at these levels" if len(asked.same) else ""
        warnings.append(
            f"{counted(len(regimes), 'regime')} of {batch} asked for: no more candidates are left{alike}"
        )
    compared = asked.chosen.compared
    left_out: dict[str, float] = {}
    if compared is not None and len(compared.regimes):
        left_out = {
            "regimes": len(compared.regimes),
            **dict(zip(("factors", "process"), compared.errors, strict=True)),
        }
    return Suggestions(
        name=asked.study.name,
        model=asked.study.model,
        notation=asked.study.notation,
        goal=asked.goal.text,
        rule=asked.acquisition or asked.goal.kind,
        outcome=asked.outcome,
        seed=asked.seed,
        alpha="0.1",
        draws=len(drawn.candidates),
        rows=len(asked.samples),
        ignored=asked.samples.ignored,
        regimes=regimes,
        score=scores,
        mean=mean,
        low=low,
        high=high,
        cost=tuple(Fraction(c) for c in cost),
        identified=identified,
        unlocks=unlocks,
        flags=tuple(flags),
        unlocking=others,
        unlocking_counts=gains,
        unlocking_costs=prices,
        answered=(asked.chosen.name, asked.chosen.words),
        models=beliefs.posterior.rungs if isinstance(beliefs, ByFactors) else {"process": 1.0},
        left_out=left_out,
        counted=pool.counted.mapping(),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _to_fill(asked: Question, regimes: Regimes, others: Regimes, batch: int) -> Ints:
    """Which of the regimes that unlock most fill up a batch that has too few with a mean."""
    open_places = batch - len(regimes)
    at = np.flatnonzero(others.first_equal(regimes) < 0)
    if open_places <= 0 or not len(at):
        return at[:0]
    groups = group_of(Regimes.concatenate([regimes, others.take(at)]), asked.same)
    found: Ints = at[groups[len(regimes) :] == groups[0]][:open_places]
    return found
