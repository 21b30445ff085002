"""Regime contrast: energies fitted as the logits of P(regime | x), where everything that regimes share cancels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import logsumexp

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.energy import LinearEnergy
from ifm_learn.energies.families import Family, layout_of
from ifm_learn.energies.layout import Layout
from ifm_learn.fitting._folds import Tried, best, choose, fold_of_rows
from ifm_learn.fitting.fitted_energies import FittedEnergies, membership, standard_units
from ifm_learn.fitting.optimise import Optimum, minimise
from ifm_learn.fitting.report import FitWarning

RIDGES = tuple(10.0 ** (k / 2) for k in range(-4, 9))

_PATIENCE = 2
_ROUGH = 1e-7
"""Fits to folds end where a step gains less than this share of the loss: enough to compare penalties."""

_ROWS = 1 << 13
_KEPT = 1 << 26


@dataclass(frozen=True, eq=False)
class RegimeContrast:
    """Minus log P(regime | x) of rows, where the logit of regime i is sum_k phi_k(x) + b_i + log n_i.

    Theory: docs/theory/learning.md.

    Only what differs between regimes is there to be learnt, so the first cell of every factor has no energy here
    and the others' energies stand for differences from it. The vector of parameters holds the energies of the
    other cells, cell by cell, then b, shape (m,), the m distinct training regimes. Convex for linear energies.

    points: shape (n, p), in the units of the energies; label: the regime of every row, 0 to m - 1; log_sizes:
    log n_i, which only the logits hold, so that exp(sum_k phi_k + b_i) are densities whatever the n_i were.
    """

    layout: Layout
    points: Floats
    label: Ints
    log_sizes: Floats
    kept: tuple[Floats | None, ...] = ()

    @classmethod
    def of(cls, layout: Layout, points: Floats, label: Ints) -> RegimeContrast:
        """Of rows of all regimes; features of linear energies are kept where they take at most half a gigabyte."""
        log_sizes = np.log(np.bincount(label, minlength=len(layout.design.distinct)))
        plain = cls(layout, points, label, log_sizes)
        linear = [k for k in plain.factors if isinstance(layout.energies[k], LinearEnergy)]
        if len(points) * sum(layout.energies[k].size for k in linear) > _KEPT:
            return plain
        return cls(layout, points, label, log_sizes, tuple(plain._features(k, slice(None)) for k in plain.factors))

    def take(self, rows: NDArray[np.bool_]) -> RegimeContrast:
        """Some of the rows."""
        kept = tuple(None if part is None else part[rows] for part in self.kept)
        label = self.label[rows]
        log_sizes = np.log(np.bincount(label, minlength=len(self.log_sizes)))
        return RegimeContrast(self.layout, self.points[rows], label, log_sizes, kept)

    def __len__(self) -> int:
        return len(self.label)

    @cached_property
    def cells(self) -> Ints:
        """All cells but each factor's first, ascending."""
        return np.setdiff1d(np.arange(len(self.layout.cells)), self.layout.cells.first[:-1])

    @cached_property
    def factors(self) -> Ints:
        """The factors that have such cells."""
        return np.flatnonzero(self.layout.cells.counts > 1)

    @cached_property
    def _groups(self) -> list[tuple[slice, tuple[int, int], slice]]:
        """For each of `factors`: which of `cells`, the shape of their parameters, and where those are."""
        found, cell, place = [], 0, 0
        for k in self.factors:
            shape = (int(self.layout.cells.counts[k]) - 1, self.layout.energies[k].size)
            found.append((slice(cell, cell + shape[0]), shape, slice(place, place + shape[0] * shape[1])))
            cell, place = cell + shape[0], place + shape[0] * shape[1]
        return found

    @cached_property
    def shows(self) -> csr_array:
        """Which of `cells` every regime shows, shape (cells, m)."""
        design = self.layout.design
        return membership(self.layout.cells.choice(design.train.take(design.distinct)), self.cells)

    @property
    def size(self) -> int:
        """The number of parameters."""
        return sum(rows * columns for _, (rows, columns), _ in self._groups) + len(self.log_sizes)

    @cached_property
    def penalty(self) -> Floats:
        """The relative ridge penalty of every parameter, shape (size,); 0 for the constants."""
        energies = self.layout.energies
        parts = [
            np.tile(energies[k].penalty, shape[0])
            for k, (_, shape, _) in zip(self.factors, self._groups, strict=True)
        ]
        return np.concatenate([*parts, np.zeros(len(self.log_sizes))])

    def start(self, rng: np.random.Generator) -> Floats:
        """Parameters to start from, shape (size,)."""
        parts = [
            self.layout.energies[k].start(rng)
            for k, (_, shape, _) in zip(self.factors, self._groups, strict=True)
            for _ in range(shape[0])
        ]
        return np.concatenate([*parts, np.zeros(len(self.log_sizes))])

    def spread(self, vector: Floats) -> tuple[Floats, Floats]:
        """The layout's parameters, 0 for first cells, and the constants b, shape (m,), the first one 0."""
        theta = np.zeros(self.layout.size)
        for k, (_, shape, place) in zip(self.factors, self._groups, strict=True):
            begin = self.layout.starts[self.layout.cells.first[k] + 1]
            theta[begin : begin + shape[0] * shape[1]] = vector[place]
        constants = vector[-len(self.log_sizes) :]
        return theta, constants - constants[0]

    def _features(self, k: int, rows: slice) -> Floats | None:
        energy = self.layout.energies[k]
        return energy.features(self._of_factor(k, rows)) if isinstance(energy, LinearEnergy) else None

    def _of_factor(self, k: int, rows: slice) -> Floats:
        return self.points[rows][:, self.layout.scopes[k]]

    def _held(self, rows: slice) -> list[Floats | None]:
        if self.kept:
            return [None if part is None else part[rows] for part in self.kept]
        return [self._features(k, rows) for k in self.factors]

    def _log_probabilities(self, vector: Floats, rows: slice, held: Sequence[Floats | None]) -> Floats:
        """log P(regime | x), shape (rows, m)."""
        phi = np.empty((len(self.label[rows]), len(self.cells)))
        for k, part, (cells, shape, place) in zip(self.factors, held, self._groups, strict=True):
            blocks = vector[place].reshape(shape)
            if part is not None:
                phi[:, cells] = part @ blocks.T
            else:
                points = self._of_factor(k, rows)
                phi[:, cells] = np.stack([self.layout.energies[k].value(b, points) for b in blocks], axis=1)
        logits: Floats = phi @ self.shows + (vector[-len(self.log_sizes) :] + self.log_sizes)
        log_p: Floats = logits - logsumexp(logits, axis=1, keepdims=True)
        return log_p

    def value(self, vector: Floats) -> float:
        """Minus the log-likelihood of the rows' regimes, nats."""
        return -sum(
            float(self._log_probabilities(vector, rows, self._held(rows))[_diagonal(self.label[rows])].sum())
            for rows in _pieces(len(self))
        )

    def value_and_gradient(self, vector: Floats) -> tuple[float, Floats]:
        """Minus the log-likelihood of the rows' regimes, nats, and its gradient, shape (size,)."""
        total, gradient = 0.0, np.zeros_like(vector)
        for rows in _pieces(len(self)):
            held, mine = self._held(rows), _diagonal(self.label[rows])
            log_p = self._log_probabilities(vector, rows, held)
            total -= float(log_p[mine].sum())
            residual = np.exp(log_p)
            residual[mine] -= 1.0
            gradient[-len(self.log_sizes) :] += residual.sum(axis=0)
            weights = residual @ self.shows.T
            for k, part, (cells, shape, place) in zip(self.factors, held, self._groups, strict=True):
                if part is not None:
                    gradient[place] += (weights[:, cells].T @ part).ravel()
                    continue
                points, energy = self._of_factor(k, rows), self.layout.energies[k]
                blocks = vector[place].reshape(shape)
                slopes = [energy.gradient(b, points, w) for b, w in zip(blocks, weights[:, cells].T, strict=True)]
                gradient[place] += np.concatenate(slopes)
        return total, gradient

    def fit(self, ridge: float, start: Floats, tolerance: float = 1e-11, max_iterations: int = 2000) -> Optimum:
        """The minimum of value + ridge/2 * sum of penalty * squared parameters, both a row."""

        def objective(vector: Floats) -> tuple[float, Floats]:
            value, gradient = self.value_and_gradient(vector)
            pull = ridge * self.penalty * vector
            return (value + 0.5 * float(pull @ vector)) / len(self), (gradient + pull) / len(self)

        return minimise(objective, start, tolerance=tolerance, slope=1e-6, max_iterations=max_iterations)


@dataclass(frozen=True, eq=False)
class ContrastFit(FittedEnergies):
    """Energies fitted by regime contrast: density ratios, with no grid and no normalising constant to compute.

    constants: b_i = -log Z_i of the distinct training regimes up to one constant, shape (m,); ridge: the penalty,
    and tried: all those that were tried; optimum: how the fit ended.

    >>> from ifm_ident import Regimes, Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10"],
    ... }).design
    >>> rng = np.random.default_rng(0)
    >>> regime = np.repeat([0, 1], [3000, 1000])
    >>> fit = fit_contrast(Samples(design, regime, rng.normal(size=(4000, 1)) + regime[:, None]))
    >>> values = fit.log_densities(np.array([[-1.5], [2.5]]))
    >>> (values[:, 1] - values[:, 0]).round(0).tolist()  # x - 1/2
    [-2.0, 2.0]
    >>> fit.log_potentials(np.array([[0.0]]), Regimes.from_codes(np.array([[0, 1]])))
    Traceback (most recent call last):
    ...
    ifm_ident.answer.certificate.NotIdentifiableError: B=1 is not identified in this design
    """

    constants: Floats
    ridge: float
    tried: tuple[Tried, ...]
    optimum: Optimum

    def log_densities(self, x: Floats) -> Floats:
        """log p(x; sigma^i) in nats up to a function of x that all share, shape (n, m), regimes as written."""
        design = self.layout.design
        place = np.searchsorted(design.distinct, design.first)
        return self.log_potentials(x, design.train) + self.constants[place]


def fit_contrast(
    samples: Samples,
    energy: str | Family = "quadratic",
    *,
    ridge: float | None = None,
    folds: int = 5,
    seed: int = 0,
) -> ContrastFit:
    """Fit energies by regime contrast; the ridge is the one of least held-out log-loss where none is given.

    energy: a family's name or a function that makes an energy from rows. Convex, so without starts, for linear
    energies (quadratic, splines, saturated). Warns (FitWarning) where the optimiser did not converge. Raises
    InputError for a single training regime.
    """
    if len(samples.present) < 2:
        raise InputError("one training regime has no contrast to another; measure two or more")
    scaling = standard_units(samples.x)
    points = scaling.apply(samples.x)
    layout = layout_of(FactorCells.of(samples.design), energy, points)
    label = np.searchsorted(samples.present, samples.regime).astype(np.int64)
    whole = RegimeContrast.of(layout, points, label)
    rng = np.random.default_rng(seed)
    start = whole.start(rng)
    tried: tuple[Tried, ...] = ()
    if ridge is None:
        fold = fold_of_rows(samples, folds, rng)
        parts = [(whole.take(fold != f), whole.take(fold == f)) for f in range(folds)]
        at = [start] * folds

        def losses(strength: float) -> list[float]:
            found = []
            for f, (training, rest) in enumerate(parts):
                at[f] = training.fit(strength, at[f], _ROUGH).theta
                prior = RegimeContrast(layout, rest.points, rest.label, training.log_sizes, rest.kept)
                found.append(prior.value(at[f]) / len(rest))
            return found

        tried = choose(RIDGES, losses, _PATIENCE)
        ridge, start = best(tried).ridge, at[0]
    optimum = whole.fit(ridge, start)
    if not optimum.converged:
        warnings.warn(
            f"the regime contrast did not converge in {optimum.iterations} iterations (largest slope "
            f"{optimum.gradient_norm:.2g} nats a row): {optimum.message}; raise the ridge or use simpler energies",
            FitWarning,
            stacklevel=2,
        )
    theta, constants = whole.spread(optimum.theta)
    return ContrastFit(layout, theta, scaling, constants, ridge, tried, optimum)


def _pieces(n: int) -> list[slice]:
    return [slice(begin, min(begin + _ROWS, n)) for begin in range(0, n, _ROWS)]


def _diagonal(label: Ints) -> tuple[Ints, Ints]:
    return np.arange(len(label)), label
