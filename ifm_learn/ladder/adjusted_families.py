"""Families of the laws of all columns given covariates: densities over regimes, and weights of pooled rows.

Theory: docs/theory/covariates.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ifm_ident import InputError, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.ladder._logs import log_sum_exp
from ifm_learn.ladder.adjusted import Adjusted, dependent_residuals
from ifm_learn.ladder.adjusted_rows import AdjustedRows
from ifm_learn.ladder.balancing import balanced
from ifm_learn.ladder.glm import Energy, outside


@dataclass(frozen=True, eq=False)
class AdjustedFamilies:
    """One regression a column; columns independent given covariates, or jointly normal where all are normal."""

    rung: str
    rows: AdjustedRows
    fits: tuple[Adjusted, ...]

    @classmethod
    def fit(cls, rung: str, rows: AdjustedRows, energies: Sequence[Energy]) -> AdjustedFamilies:
        """InputError for values out of range, or columns that depend on each other where energies forbid it."""
        model, x = rows.model, rows.samples.x
        fits = tuple(
            Adjusted.fit(
                energies[v], model, factors_of(rows, v, energies[v]), rows.train, rows.place, rows.covariates,
                x[:, v], rows.samples.unit,
            )
            for v in range(x.shape[1])
        )  # fmt: skip
        if any(one != "normal" for one in energies) and len(model.covers) > 1:
            pair = dependent_residuals(fits)
            if pair is not None:
                names = [model.variables[k] for k in pair.columns]
                raise InputError(
                    "energies other than normal take variables in different factors to be independent within a "
                    f"regime, given covariates; {names[0]} and {names[1]} are not (correlation "
                    f"{pair.correlation:.2f}, p = {pair.p_value:.1g}); take the energy 'normal' or 'linear'",
                    argument="energy",
                )
        return cls(rung, rows, fits)

    @property
    def energies(self) -> tuple[Energy, ...]:
        """The family of every column."""
        return tuple(one.energy for one in self.fits)

    def refit(self, weight: Floats) -> AdjustedFamilies:
        """The same with rows counted anew."""
        return AdjustedFamilies(self.rung, self.rows, tuple(one.refit(weight) for one in self.fits))

    def log_densities(self, regimes: Regimes, rows: Ints) -> Floats:
        """log p(x | z; regime) of rows but for what all regimes share, shape (len(rows), r)."""
        z, total = self.rows.z[rows], np.zeros((len(rows), len(regimes)))
        normal = [v for v, one in enumerate(self.fits) if one.energy == "normal"]
        if normal:
            weight = self.fits[0].weight
            left = np.stack([self.fits[v].y - self.fits[v].fitted for v in normal], axis=1)
            freedom = max(float(weight.sum()) - np.linalg.matrix_rank(self.fits[normal[0]].solved.inverse), 1.0)
            covariance = (left * weight[:, None]).T @ left / freedom
            size = np.maximum(np.diag(covariance), 1e-300)
            precision = np.linalg.pinv(covariance / np.sqrt(np.outer(size, size)), hermitian=True)
            means = np.stack([self.fits[v].thetas(regimes, z) for v in normal], axis=2) / np.sqrt(size)
            x = np.stack([self.fits[v].y[rows] for v in normal], axis=1) / np.sqrt(size)
            bent = means @ precision
            total += np.einsum("nrv,nv->nr", bent, x) - 0.5 * np.einsum("nrv,nrv->nr", bent, means)
        for one in self.fits:
            if one.energy != "normal":
                theta = one.thetas(regimes, z)
                shape = getattr(one.family, "shape", 1.0)
                part = shape * (theta * one.y[rows, None] - one.family.potential(theta[..., None]))
                total += np.where(np.isfinite(part), part, -np.inf)
        return total

    def log_chance(self, rows: Ints, chance: Floats) -> Floats:
        """log P(own regime | x, z) of rows by Bayes; chance: log P(regime | z) of all rows. Shape (len(rows),)."""
        found = np.maximum(self.log_densities(self.rows.train, rows) + chance[rows], -1e6)
        own: Floats = found[np.arange(len(rows)), self.rows.place[rows]] - log_sum_exp(found, axis=1)
        return own

    def weights(self, regimes: Regimes, goal: Floats, chance: Floats, starts: dict[int, Floats]) -> Floats:
        """Weights of the pooled rows for regimes and a population, as those of a tilt; shape (r, n)."""
        every, m = np.arange(len(self.rows)), len(self.rows.train)
        logs = self.log_densities(Regimes.concatenate([self.rows.train, regimes]), every)
        with np.errstate(divide="ignore"):
            base = np.log(self.fits[0].weight) - log_sum_exp(np.maximum(logs[:, :m] + chance, -1e6), axis=1)
        found = np.empty((len(regimes), len(every)))
        for r in range(len(regimes)):
            found[r], b = balanced(self.rows.balance, goal, base + logs[:, m + r], starts.get(r))
            starts.setdefault(r, b)
        return found


def factors_of(rows: AdjustedRows, column: int, energy: Energy) -> tuple[int, ...]:
    """Whose coordinates a column's predictor is linear in: K of it, for `normal` of all that hang together."""
    model = rows.model
    if energy != "normal":
        return model.covers[model.cover_index[model.variables[column]]]
    reached, waiting = {model.variables[column]}, [model.variables[column]]
    while waiting:
        for k in model.covers[model.cover_index[waiting.pop()]]:
            new = set(model.factors[k].x) - reached
            reached |= new
            waiting.extend(new)
    return tuple(k for k in range(len(model.factors)) if model.factors[k].x[0] in reached)


_ANY = ("bernoulli", "normal")


def energies_for(rung: Energy, x: Floats) -> tuple[Energy, ...] | None:
    """What every column is under a rung's name; None where it is the rung of no column.

    Columns of 0 and 1 are `bernoulli`; columns of two other values, or out of a law's range, are `normal`.

    >>> energies_for("negbin", np.array([[0.0, 3.0, -1.0], [1.0, 0.0, 2.0], [0.0, 1.0, 0.0]]))
    ('bernoulli', 'negbin', 'normal')
    >>> energies_for("gamma", np.array([[0.0], [2.5], [1.5]])) is None
    True
    """
    binary = [bool(np.isin(column, (0.0, 1.0)).all()) for column in x.T]
    found: list[Energy] = []
    for column, two in zip(x.T, binary, strict=True):
        fits = not len(outside(rung, column)) and (rung in _ANY or len(np.unique(column)) > 2)
        found.append("bernoulli" if two else rung if fits else "normal")
    if rung in _ANY:
        return tuple(found) if (rung == "bernoulli") == all(binary) else None
    whole = rung == "gamma" and all((column == np.round(column)).all() for column in x.T)
    return tuple(found) if rung in found and not whole else None
