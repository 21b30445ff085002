"""What every model of the ladder offers, whatever it is inside: a rung is fitted to samples and gives a law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from ifm_ident import Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples

Function = Callable[[Floats], Floats]
"""Functions of x: from rows, shape (n, p), to their values, shape (n, k)."""


FARTHEST = 1e100
"""Sums of squares of parameters up to this are finite."""


@dataclass(frozen=True)
class Cost:
    """What a fit is expected to take: CPU seconds of one fit, bytes held at once, seconds of one refit."""

    seconds: float
    bytes: int
    refit: float


class Law(Protocol):
    """p(x; sigma) in every regime that the design identifies, as one rung has fitted it."""

    @property
    def rung(self) -> str:
        """The name of the rung."""
        ...

    def log_densities(self, x: Floats, regimes: Regimes) -> Floats:
        """log p(x; regime) in nats with its constant, up to a function of x that all regimes share, shape (n, r).

        Differences over regimes are log density ratios: P(regime | x) by Bayes, weights of rows, conformal ones.
        """
        ...

    def means(self, function: Function | None, regimes: Regimes) -> Floats:
        """E[function(x); regime], shape (r, k); of x itself for None, shape (r, p)."""
        ...

    def effective_rows(self, regimes: Regimes) -> Floats:
        """How many rows stand behind each regime: (sum w)^2 / sum w^2 of the pooled rows' weights, shape (r,)."""
        ...

    def refit(self, weight: Floats) -> Law:
        """The same rung with the same settings, each row counted `weight` times, shape (n,); warm-started."""
        ...


class Rung(Protocol):
    """A family of models, simple or rich, that can be fitted to samples."""

    @property
    def name(self) -> str:
        """The word after `--energy`."""
        ...

    def unfit(self, samples: Samples) -> str | None:
        """Why this rung cannot describe such rows (values outside its range, ...), in words; None where it can."""
        ...

    def forecast(self, samples: Samples) -> Cost:
        """What a fit would cost, without fitting."""
        ...

    def fit(self, samples: Samples, weight: Floats | None = None) -> Law:
        """The law of this rung, each row counted `weight` times (once by default)."""
        ...


@runtime_checkable
class ParametricLaw(Law, Protocol):
    """A law that few numbers tell, beside its rows: what a file keeps of it."""

    @property
    def parameters(self) -> Floats:
        """What the fit found, shape (m,): with the rows and their weights it tells all the rest."""
        ...


class ParametricRung(Rung, Protocol):
    """A rung whose laws come back from their parameters, without a fit."""

    def restored(self, samples: Samples, weights: Floats, parameters: Floats) -> tuple[ParametricLaw, ...]:
        """Laws fitted before, each to the rows counted `weights`, shape (k, n), from their parameters, (k, m).

        Raises ValueError for parameters that are none of this rung on these rows.
        """
        ...


def require_parameters(parameters: Floats, size: int) -> None:
    """ValueError unless there are so many parameters of each law, all finite."""
    if parameters.ndim != 2 or parameters.shape[1] != size:
        raise ValueError(f"parameters of shape {parameters.shape} where {size:,} of every fit are due")
    if not (np.abs(parameters) <= FARTHEST).all():
        raise ValueError("the parameters hold what is no number")
