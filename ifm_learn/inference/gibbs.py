"""Gibbs sampling on a grid by many chains at once, with R-hat and effective sample sizes."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ifm_ident import InputError, MissingExtraError
from ifm_ident.arrays import Floats, Ints

RHAT = 1.01
"""Chains with an R-hat above this are not called mixed (Vehtari et al., Bayesian Analysis 2021)."""

ESS = 400
"""Fewer independent draws' worth than this, or than half of what was asked for, is not called enough."""

_LEAST_KEPT = 250
"""Draws of each chain, so that R-hat and effective sample sizes can be told."""

_TABULATED = 1 << 18
"""Full conditionals with at most this many entries are computed once for all."""

_MEMORY = 1 << 26
"""Bytes of draws that are recorded at once; beyond, regimes are sampled some at a time."""


class MixingWarning(UserWarning):
    """Draws of chains that have not mixed; the message says where and what to do."""


@dataclass(frozen=True, eq=False)
class GibbsDraws:
    """Draws of r regimes and how well their chains mixed.

    bins: value indices, shape (r, n, p). rhat: rank-normalised split R-hat of every variable, shape (r, p); ess:
    the effective number of draws behind its mean, before n of them were chosen, shape (r, p); both nan where a
    variable never moves. chains: of each regime; sweeps: of each chain in the longest run, those before the first
    draw kept included.
    """

    bins: NDArray[np.int16]
    rhat: Floats
    ess: Floats
    chains: int
    sweeps: int

    @property
    def mixed(self) -> NDArray[np.bool_]:
        """Whether all variables of a regime did, shape (r,)."""
        enough = min(ESS, self.bins.shape[1] / 2)
        good: NDArray[np.bool_] = ~((self.rhat > RHAT) | (self.ess < enough)).any(axis=1)
        return good

    @property
    def warning(self) -> str:
        """What is wrong in words, or empty."""
        bad = np.flatnonzero(~self.mixed)
        if not len(bad):
            return ""
        r = int(bad[np.argmax(np.nanmax(self.rhat[bad], axis=1))])
        v = int(np.nanargmax(self.rhat[r]))
        return (
            f"Gibbs chains have not mixed in {len(bad)} of {len(self.mixed)} regimes after {self.sweeps} sweeps "
            f"of {self.chains} chains: variable {v + 1} has R-hat {self.rhat[r, v]:.3f} (limit {RHAT}) in regime "
            f"{r + 1}, the least effective sample size is {np.nanmin(self.ess[r]):.0f}; do not trust these draws: "
            "use fewer bins or a larger budget, so that inference is exact, or a larger ridge"
        )


def gibbs(
    scopes: Sequence[Sequence[int]],
    sizes: Sequence[int],
    tables: Sequence[Floats],
    choice: Ints,
    n: int,
    rng: np.random.Generator,
    *,
    chains: int = 32,
    max_sweeps: int = 20_000,
) -> GibbsDraws:
    """n draws of every regime's p(x) ∝ exp(sum of its tables), not independent; warns where chains have not mixed.

    scopes: for each factor its variables; sizes: how many values each variable has, shape (p,); tables: log-tables
    in nats, axes in the order of their factor's scope; choice: for every regime and factor an index into `tables`,
    shape (r, factors). Chains start at uniformly random values. Those of a run whose R-hat is above RHAT, or whose
    effective sample size is too small, run on twice as long, with what they did so far left out, up to max_sweeps.
    A sweep costs time linear in regimes, chains, variables, their factors and their values. Raises InputError
    for fewer than 2 chains or no draw; MissingExtraError without arviz-stats.

    >>> tables = [np.log([[0.4, 0.1], [0.1, 0.4]])]
    >>> drawn = gibbs([(0, 1)], [2, 2], tables, np.array([[0]]), 10_000, np.random.default_rng(0))
    >>> drawn.bins.shape, float((drawn.bins[0, :, 0] == drawn.bins[0, :, 1]).mean().round(1)), drawn.warning
    ((1, 10000, 2), 0.8, '')
    """
    if chains < 2 or n < 1:
        raise InputError(f"Gibbs sampling takes 2 chains or more and 1 draw or more, got {chains} and {n}")
    stats = _array_stats()
    kept = max(math.ceil(n / chains), _LEAST_KEPT)
    block = max(_MEMORY // (2 * kept * chains * len(sizes)), 1)
    runs = [
        _run(
            _Sampler.of(scopes, sizes, tables, choice[begin : begin + block], chains),
            kept,
            n,
            max_sweeps,
            rng,
            stats,
        )
        for begin in range(0, len(choice), block)
    ]
    bins, rhat, ess = (np.concatenate([run[i] for run in runs]) for i in range(3))
    drawn = GibbsDraws(bins, rhat, ess, chains, max(run[3] for run in runs))
    if drawn.warning:
        warnings.warn(drawn.warning, MixingWarning, stacklevel=2)
    return drawn


@dataclass(frozen=True, eq=False)
class _Conditional:
    """The full conditional of one variable, for all chains.

    others: the variables that it depends on. Where there are few combinations, `ladder` holds its distribution
    functions, shape (combinations, values - 1), and `pattern` where each chain's begin, shape (chains,). Else
    `parts` holds for each factor the log-lines along the variable, shape (lines, values), where each chain's cell
    begins, and the strides of `others`.
    """

    variable: int
    others: tuple[int, ...]
    strides: Ints
    ladder: Floats | None
    pattern: Ints
    parts: tuple[tuple[Floats, Ints, Ints], ...]

    def draw(self, state: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int64]:
        """New values of the variable, shape (chains,)."""
        around = state[list(self.others)]
        if self.ladder is not None:
            ladder = self.ladder[self.pattern + self.strides @ around]
        else:
            logits = sum(lines[begin + strides @ around] for lines, begin, strides in self.parts)
            ladder = _distribution(np.asarray(logits))
        below: NDArray[np.int64] = (ladder <= rng.random(len(ladder))[:, None]).sum(axis=1)
        return below


@dataclass(frozen=True, eq=False)
class _Sampler:
    """All chains of some regimes, regime by regime."""

    sizes: tuple[int, ...]
    regimes: int
    chains: int
    conditionals: tuple[_Conditional, ...]

    @classmethod
    def of(
        cls,
        scopes: Sequence[Sequence[int]],
        sizes: Sequence[int],
        tables: Sequence[Floats],
        choice: Ints,
        chains: int,
    ) -> _Sampler:
        holders: list[list[int]] = [[] for _ in sizes]
        for k, scope in enumerate(scopes):
            for v in scope:
                holders[v].append(k)
        found = tuple(
            _conditional(v, held, scopes, sizes, tables, choice, chains) for v, held in enumerate(holders)
        )
        return cls(tuple(sizes), len(choice), chains, found)

    def start(self, rng: np.random.Generator) -> NDArray[np.int16]:
        """Uniformly random values, shape (p, regimes * chains)."""
        count = self.regimes * self.chains
        return np.stack([rng.integers(0, size, count) for size in self.sizes]).astype(np.int16)

    def sweep(self, state: NDArray[np.int16], rng: np.random.Generator) -> None:
        """Every variable once, in their order, in place."""
        for conditional in self.conditionals:
            state[conditional.variable] = conditional.draw(state, rng)


def _conditional(
    variable: int,
    held: Sequence[int],
    scopes: Sequence[Sequence[int]],
    sizes: Sequence[int],
    tables: Sequence[Floats],
    choice: Ints,
    chains: int,
) -> _Conditional:
    others = tuple(sorted({w for k in held for w in scopes[k]} - {variable}))
    around, size = [sizes[w] for w in others], sizes[variable]
    strides = _strides(around)
    patterns, pattern = np.unique(choice[:, list(held)], axis=0, return_inverse=True)
    if len(patterns) * math.prod(around) * size <= _TABULATED:
        logits = np.zeros((len(patterns), *around, size))
        for p, cells in enumerate(patterns.tolist()):
            for k, cell in zip(held, cells, strict=True):
                order = [w for w in (*others, variable) if w in scopes[k]]
                shape = [sizes[w] if w in scopes[k] else 1 for w in (*others, variable)]
                logits[p] += np.transpose(tables[cell], [list(scopes[k]).index(w) for w in order]).reshape(shape)
        begin = np.repeat(pattern.ravel(), chains) * math.prod(around)
        return _Conditional(variable, others, strides, _distribution(logits.reshape(-1, size)), begin, ())
    parts = []
    for k in held:
        mine = [w for w in scopes[k] if w != variable]
        cells, cell = np.unique(choice[:, k], return_inverse=True)
        axis = list(scopes[k]).index(variable)
        lines = np.concatenate([np.moveaxis(tables[c], axis, -1).reshape(-1, size) for c in cells])
        own = dict(zip(mine, _strides([sizes[w] for w in mine]).tolist(), strict=True))
        begin = np.repeat(cell.ravel(), chains) * (len(lines) // len(cells))
        parts.append((lines, begin, np.array([own.get(w, 0) for w in others], dtype=np.int64)))
    return _Conditional(variable, others, strides, None, np.empty(0, dtype=np.int64), tuple(parts))


def _strides(sizes: Sequence[int]) -> Ints:
    return np.array([math.prod(sizes[i + 1 :]) for i in range(len(sizes))], dtype=np.int64)


def _distribution(logits: Floats) -> Floats:
    """Distribution functions of rows of log-masses, without the last value, which is 1."""
    mass = np.exp(logits - logits.max(axis=1, keepdims=True))
    sums = np.cumsum(mass, axis=1)
    below: Floats = sums[:, :-1] / sums[:, -1:]
    return below


def _run(
    sampler: _Sampler, kept: int, n: int, max_sweeps: int, rng: np.random.Generator, stats: Any
) -> tuple[NDArray[np.int16], Floats, Floats, int]:
    """Draws (regimes, n, p), R-hat and effective sample sizes (regimes, p), and the sweeps made."""
    state = sampler.start(rng)
    record = np.empty((kept, *state.shape), dtype=np.int16)
    thin, sweeps = 1, kept
    for _ in range(kept):
        sampler.sweep(state, rng)
    while True:
        for one in record:
            for _ in range(thin):
                sampler.sweep(state, rng)
            one[:] = state
        sweeps += kept * thin
        # (kept, p, regimes, chains) -> (regimes, p, chains, kept)
        chains = record.reshape(kept, len(sampler.sizes), sampler.regimes, sampler.chains).transpose(2, 1, 3, 0)
        rhat, ess = _diagnosed(chains, stats)
        poor = (rhat > RHAT) | (ess < min(ESS, n / 2))
        if not poor.any() or sweeps + 2 * kept * thin > max_sweeps:
            break
        thin *= 2
    flat = chains.transpose(0, 3, 2, 1).reshape(sampler.regimes, kept * sampler.chains, len(sampler.sizes))
    return flat[:, np.arange(n) * (kept * sampler.chains) // n], rhat, ess, sweeps


def _diagnosed(chains: NDArray[np.int16], stats: Any) -> tuple[Floats, Floats]:
    """R-hat and effective sample size of every series; chains: shape (regimes, p, chains, draws)."""
    moves = chains.max(axis=(2, 3)) > chains.min(axis=(2, 3))
    rhat, ess = np.full(moves.shape, np.nan), np.full(moves.shape, np.nan)
    for r, v in np.argwhere(moves).tolist():
        values = chains[r, v].astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = float(stats.rhat(values, chain_axis=-2, draw_axis=-1))
            worth = float(stats.ess(values, chain_axis=-2, draw_axis=-1, method="mean"))
        # chains that stand still at different values have no variance within
        rhat[r, v], ess[r, v] = (found, worth) if np.isfinite(found) else (np.inf, 0.0)
    return rhat, ess


def _array_stats() -> Any:
    try:
        base = importlib.import_module("arviz_stats.base")
    except ImportError:
        raise MissingExtraError("arviz-stats", "learn") from None
    return base.array_stats
