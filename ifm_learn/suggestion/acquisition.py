"""Batches chosen by draws of the candidates' means: improvement, Thompson, quantiles, a threshold, least variance.

Draws have shape (draws, candidates), the same draw for all candidates, and more is better: whoever looks for the
least changes their sign. Costs, shape (candidates,), are not negative; scores are ranked by what they give for
their cost. Theory: docs/theory/suggesting.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Floats, Ints

QUANTILE = 0.9


@dataclass(frozen=True, eq=False)
class Batch:
    """Candidates in the order chosen, the score of each at that time, and what the batch is worth together."""

    chosen: Ints
    scores: Floats
    worth: float


def improvement(draws: Floats, best: Floats, count: int, cost: Floats) -> Batch:
    """One after the other the candidate that is expected to improve most, for its cost, on what is there by then.

    best: the best mean so far in every draw, shape (draws,), run and running regimes counted. The score is
    E[max(0, mean - best)], best including the candidates chosen before.

    >>> draws = np.array([[1.0, 0.0, 1.0], [0.0, 2.0, 0.0]])
    >>> found = improvement(draws, np.zeros(2), 2, np.ones(3))
    >>> found.chosen.tolist(), found.scores.tolist(), found.worth
    ([1, 0], [1.0, 0.5], 1.5)
    """
    reached = best.copy()
    taken, scores = [], []
    mean = draws.mean(axis=0)
    free = np.ones(draws.shape[1], dtype=bool)
    for _ in range(min(count, draws.shape[1])):
        gain = np.maximum(draws - reached[:, None], 0).mean(axis=0)
        one = first(gain, cost, mean, free)
        taken.append(one)
        scores.append(float(gain[one]))
        free[one] = False
        reached = np.maximum(reached, draws[:, one])
    return Batch(np.array(taken, dtype=np.int64), np.array(scores), float((reached - best).mean()))


def thompson(draws: Floats, best: Floats, count: int, cost: Floats, rng: np.random.Generator) -> Batch:
    """One after the other the best candidate of a draw picked at random; with costs, of most improvement for them.

    The score is the probability of being best among the candidates: the share of draws in which it is.

    >>> draws = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    >>> thompson(draws, np.zeros(3), 2, np.ones(2), np.random.default_rng(1)).scores.round(2).tolist()
    [0.67, 0.33]
    """
    count = min(count, draws.shape[1])
    order = np.concatenate([rng.permutation(len(draws)) for _ in range(-(-count // len(draws)) if count else 0)])
    share = np.bincount(draws.argmax(axis=1), minlength=draws.shape[1]) / len(draws)
    free = np.ones(draws.shape[1], dtype=bool)
    taken: list[int] = []
    for b in order[:count].tolist():
        one = first(np.maximum(draws[b] - best[b], 0), cost, draws[b], free)
        taken.append(one)
        free[one] = False
    reached = np.maximum(best, draws[:, taken].max(axis=1)) if taken else best
    return Batch(np.array(taken, dtype=np.int64), share[taken], float((reached - best).mean()))


def quantile(draws: Floats, best: Floats, count: int, cost: Floats, at: float = QUANTILE) -> Batch:
    """The candidates whose upper quantile is most above the best mean so far, for their cost; the score is it.

    >>> quantile(np.array([[0.0, 1.0], [1.0, 1.2]]), np.zeros(2), 1, np.ones(2)).chosen.tolist()
    [1]
    """
    return _upper(draws, best, np.quantile(draws, at, axis=0), count, cost)


def greedy(draws: Floats, best: Floats, count: int, cost: Floats) -> Batch:
    """The candidates of highest mean; with costs, of most expected gain over the best mean so far for them."""
    return _upper(draws, best, draws.mean(axis=0), count, cost)


def _upper(draws: Floats, best: Floats, score: Floats, count: int, cost: Floats) -> Batch:
    taken = ranked(np.maximum(score - best.mean(), 0), cost, score)[:count]
    reached = np.maximum(best, draws[:, taken].max(axis=1)) if len(taken) else best
    return Batch(taken, score[taken], float((reached - best).mean()))


def passing(draws: Floats, threshold: float, count: int, cost: Floats) -> Batch:
    """The candidates most likely to have a mean of the threshold or more, for their cost.

    The score is that probability. Of candidates equally likely the one whose mean is farther on, in its standard
    deviations, is first.

    >>> found = passing(np.array([[0.0, 1.0], [1.0, 1.2]]), 0.9, 2, np.ones(2))
    >>> found.chosen.tolist(), found.scores.tolist()
    ([1, 0], [1.0, 0.5])
    """
    share = (draws >= threshold).mean(axis=0)
    spread = np.maximum(draws.std(axis=0), 1e-300)
    taken = ranked(share, cost, (draws.mean(axis=0) - threshold) / spread)[:count]
    return Batch(taken, share[taken], float(share[taken].sum()))


def learning(
    draws: Floats, targets: Floats, count: int, cost: Floats, noise: Floats, pending: Floats | None = None
) -> Batch:
    """One after the other the run after which the mean variance over targets is least, for its cost.

    draws, targets, pending: of candidates, of the regimes to learn of, and of runs under way, each (draws, .);
    noise: the variance of the mean of a run, shape (candidates,). By Gaussian conditioning on the covariance of
    the draws; the score is the drop of the mean variance.

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(2, 1000, 1))
    >>> learning(np.hstack([a, b]), a + 0.1 * b, 1, np.ones(2), np.ones(2)).chosen.tolist()
    [0]
    """
    candidates, wanted = _centred(draws), _centred(targets)
    inner = np.eye(len(draws))
    if pending is not None:
        for column in _centred(pending).T:
            inner = conditioned(inner, column, float(noise.mean()) if len(noise) else 1.0)
    cross, variance = candidates.T @ inner @ wanted, _quadratic(candidates, inner)
    taken, scores = [], []
    free = np.ones(draws.shape[1], dtype=bool)
    for _ in range(min(count, draws.shape[1])):
        total = np.maximum(variance, 0) + noise
        gain = (cross**2).mean(axis=1) / np.maximum(total, 1e-300)
        one = first(gain, cost, variance, free)
        taken.append(one)
        scores.append(float(gain[one]))
        free[one] = False
        moved = inner @ candidates[:, one]
        size = max(float(total[one]), 1e-300)
        own = candidates.T @ moved
        cross = cross - np.outer(own, wanted.T @ moved) / size
        variance = variance - own**2 / size
        inner = inner - np.outer(moved, moved) / size
    return Batch(np.array(taken, dtype=np.int64), np.array(scores), float(np.sum(scores)))


def _centred(draws: Floats) -> Floats:
    found: Floats = (draws - draws.mean(axis=0)) / np.sqrt(len(draws) - 1)
    return found


def _quadratic(columns: Floats, inner: Floats) -> Floats:
    found: Floats = ((inner @ columns) * columns).sum(axis=0)
    return found


def conditioned(inner: Floats, column: Floats, noise: float) -> Floats:
    """A covariance after column' z was measured with an error of variance `noise`, shape (k, k)."""
    moved = inner @ column
    found: Floats = inner - np.outer(moved, moved) / max(float(column @ moved) + noise, 1e-300)
    return found


def per(score: Floats, cost: Floats) -> Floats:
    """Scores, not negative, for their costs; infinite where something costs nothing.

    >>> per(np.array([1.0, 1.0, 0.0]), np.array([2.0, 0.0, 0.0])).tolist()
    [0.5, inf, 0.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(score > 0, score / cost, 0.0)
    return found


def ranked(score: Floats, cost: Floats, then: Floats) -> Ints:
    """Places by what scores, not negative, give for their costs, most first; ties by score, by `then`, in order.

    >>> ranked(np.array([0.0, 1.0, 2.0, 2.0]), np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(4)).tolist()
    [2, 1, 3, 0]
    """
    found: Ints = np.lexsort((np.arange(len(score)), -then, -score, -per(score, cost))).astype(np.int64)
    return found


def first(score: Floats, cost: Floats, then: Floats, free: NDArray[np.bool_]) -> int:
    """The first of `ranked` among those that are free."""
    places = np.flatnonzero(free)
    return int(places[ranked(score[places], cost[places], then[places])[0]])


Chooser = Callable[[Ints, int], Batch]
"""Chooses so many among some of the candidates, by place; the batch names places among these."""


def alike(groups: Ints, count: int, cost: Floats, choose: Chooser) -> Batch:
    """The best batch whose candidates all have one group: that of most worth for what it costs.

    groups: shape (candidates,).

    >>> worth = np.array([3.0, 2.0, 2.5])
    >>> def top(which, count):
    ...     taken = np.argsort(-worth[which])[:count]
    ...     return Batch(taken, worth[which][taken], float(worth[which][taken].sum()))
    >>> alike(np.array([0, 1, 1]), 2, np.ones(3), top).chosen.tolist()
    [2, 1]
    """
    best, found = -np.inf, None
    for group in np.unique(groups).tolist():
        which = np.flatnonzero(groups == group)
        batch = choose(which, count)
        paid = float(cost[which[batch.chosen]].sum()) if np.ptp(cost) else 1.0
        worth = float(per(np.array([batch.worth]), np.array([paid]))[0])
        if found is None or worth > best:
            best, found = worth, Batch(which[batch.chosen], batch.scores, batch.worth)
    assert found is not None
    return found
