"""Rungs by exponential families on their canonical parameters: Bernoulli, Poisson, negative binomial, gamma."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import qmc

from ifm_ident import InputError, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._canonical import LARGEST_SIZE, Bernoulli, Family, NegativeBinomial, Poisson
from ifm_learn.ladder._canonical_fit import Fitted, fit
from ifm_learn.ladder._counted import Counted
from ifm_learn.ladder._dependence import dependent_pair
from ifm_learn.ladder._forecast import Size, forecast
from ifm_learn.ladder._gammas import Gamma
from ifm_learn.ladder._law import Cost, Function, require_parameters
from ifm_learn.ladder._regime_design import RegimeDesign

Name = Literal["bernoulli", "poisson", "negbin", "gamma"]

FAMILIES: dict[Name, Family] = {
    "bernoulli": Bernoulli(),
    "poisson": Poisson(),
    "negbin": NegativeBinomial(),
    "gamma": Gamma(),
}

POINTS = 2**13
"""Points of the rule by which means of functions are taken; its error is about 1e-4 standard deviations."""


@dataclass(frozen=True, eq=False)
class FamilyLaw:
    """p(x; sigma) = product over variables v of one family at theta_v(sigma), linear in the coordinates of K({v}).

    theta_v is the variable's canonical parameter, so f_k can be taken as the product over v in S_k of
    exp(T(x_v) times v's terms of factor k), the base laws in any factor that holds v: a member of the factor model
    whatever the scopes are. What it assumes beyond the factors: the variables are independent within each regime,
    and the family (the size of `negbin` is the same in all regimes; `gamma` tilts by x and log x, so its shapes
    differ). Where an extrapolated theta gives no law (a rate below 0), means and
    densities are nan. x is in the units of the samples; the family is of the values before their scaling.
    """

    rung: str
    samples: Samples
    weight: Floats
    designs: tuple[RegimeDesign, ...]
    fitted: tuple[Fitted, ...]
    prior: float

    def log_densities(self, x: Floats, regimes: Regimes) -> Floats:
        """log p(x; regime) in nats, with every constant, shape (n, r); of values outside the range -inf."""
        shift, unit = _units(self.samples)
        total, thetas = np.zeros((len(x), len(regimes))), self._thetas(regimes)
        for v, one in enumerate(self.fitted):
            values = x[:, v] * unit[v] + shift[v]
            law = one.family.law(thetas[v])
            if one.family.integers:
                total += law.logpmf(np.round(values)[:, None])
            else:
                total += law.logpdf(values[:, None]) + np.log(unit[v])
        return total

    def means(self, function: Function | None, regimes: Regimes) -> Floats:
        """E[function(x); regime], shape (r, k): of x in closed form, else by `POINTS` equal shares of mass."""
        shift, unit = _units(self.samples)
        thetas = self._thetas(regimes)
        if function is None:
            means = [one.family.mean(thetas[v]) for v, one in enumerate(self.fitted)]
            return (np.stack(means, axis=1) - shift) / unit
        shares = qmc.Sobol(len(self.fitted), scramble=False).random(POINTS) + 0.5 / POINTS
        found = []
        for r in range(len(regimes)):
            columns = [one.family.law(thetas[v][r]).ppf(shares[:, v]) for v, one in enumerate(self.fitted)]
            found.append(function((np.stack(columns, axis=1) - shift) / unit).mean(axis=0))
        return np.stack(found)

    def effective_rows(self, regimes: Regimes) -> Floats:
        """All rows stand behind every regime: (sum w)^2 / sum w^2, shape (r,)."""
        return np.full(len(regimes), self.weight.sum() ** 2 / (self.weight**2).sum())

    @property
    def parameters(self) -> Floats:
        """The coefficients of every variable, each after the size of a negative binomial."""
        parts: list[Floats] = []
        for one in self.fitted:
            parts += [np.array([one.family.size])] if isinstance(one.family, NegativeBinomial) else []
            parts.append(one.coefficients.ravel())
        return np.concatenate(parts)

    def refit(self, weight: Floats) -> FamilyLaw:
        """The same family, each row counted `weight` times, shape (n,), started from this fit."""
        return _fitted(
            self.rung, self.samples, weight, self.designs, [f.family for f in self.fitted], self.prior, self
        )

    def _thetas(self, regimes: Regimes) -> list[Floats]:
        """Canonical parameters of each variable, (r, d)."""
        pairs = zip(self.designs, self.fitted, strict=True)
        return [design.rows(regimes) @ one.coefficients for design, one in pairs]


@dataclass(frozen=True)
class FamilyRung:
    """A rung that gives every variable the same family; see `FamilyLaw` for what that assumes.

    prior: how much of Jeffreys' prior the families get; 0 is plain maximum likelihood, which does not exist where
    a regime shows zeros only.

    >>> from ifm_ident import Design, Factor, Intervention, Model
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f", ("x",), ("A",)), Factor("g", ("x",), ("B",))))
    >>> design = Design(model, Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]])))
    >>> counts = Samples(design, np.repeat([0, 1, 2], 2), np.array([[1], [3], [4], [4], [1], [1.0]]))
    >>> law = FamilyRung("poisson", prior=0.0).fit(counts)
    >>> law.means(None, Regimes.from_codes(np.array([[1, 0], [1, 1]]))).round(6).tolist()  # 4 and 4 x 1 / 2
    [[4.0], [2.0]]
    >>> FamilyRung("bernoulli").unfit(counts)
    'bernoulli needs x to be 0 or 1; it holds 3'
    """

    name: Name
    prior: float = 1.0

    def unfit(self, samples: Samples) -> str | None:
        """Values outside the family's range, or variables that depend on each other within regimes, in words."""
        shift, unit = _units(samples)
        for v, variable in enumerate(samples.design.model.variables):
            raw = samples.x[:, v] * unit[v] + shift[v]
            wrong = _outside(self.name, raw)
            if len(wrong):
                logged = samples.scaling is not None and bool(samples.scaling.log[v])
                note = " (a logarithm: remove it from `log`)" if logged else ""
                return f"{self.name} needs {variable} to be {RANGES[self.name]}; it holds {raw[wrong[0]]:g}{note}"
        pair = dependent_pair(samples.x, samples.regime)
        if pair is not None:
            one, other = (samples.design.model.variables[i] for i in pair.columns)
            return (
                f"{self.name} takes variables to be independent within a regime; {one} and {other} are not "
                f"(correlation {pair.correlation:.2f}, p = {pair.p_value:.1g})"
            )
        return None

    def forecast(self, samples: Samples) -> Cost:
        """About ten Newton steps a variable over the training regimes, after one sort of its values."""
        m = len(samples.present)
        size = Size(len(samples), samples.x.shape[1], regimes=m, coordinates=m * FAMILIES[self.name].parts)
        once = forecast("newton", size)
        outer = 2 if self.name == "negbin" else 1  # its size is fitted in turn with the means
        return Cost(outer * once.seconds, once.bytes, outer * once.refit)

    def fit(self, samples: Samples, weight: Floats | None = None) -> FamilyLaw:
        """Maximum likelihood; InputError in the words of `unfit` for values outside the range."""
        shift, unit = _units(samples)
        for v, variable in enumerate(samples.design.model.variables):
            wrong = _outside(self.name, samples.x[:, v] * unit[v] + shift[v])
            if len(wrong):
                raise InputError(f"{self.unfit(samples)}; take another energy, or correct {variable}")
        designs = _designs(samples)
        rows = np.ones(len(samples)) if weight is None else weight
        return _fitted(self.name, samples, rows, designs, [FAMILIES[self.name]] * len(designs), self.prior, None)

    def restored(self, samples: Samples, weights: Floats, parameters: Floats) -> tuple[FamilyLaw, ...]:
        """Fits from the coefficients of every variable, each after the size of a negative binomial."""
        designs, family = _designs(samples), FAMILIES[self.name]
        sized = isinstance(family, NegativeBinomial)
        ends = np.cumsum([sized + one.train.shape[1] * family.parts for one in designs])
        require_parameters(parameters, int(ends[-1]))
        found = []
        for weight, row in zip(weights, parameters, strict=True):
            each = []
            for part in np.split(row, ends[:-1]):
                if sized and not 0 < part[0] <= 2 * LARGEST_SIZE:
                    raise ValueError(f"{part[0]} is no size of a negative binomial")
                own = NegativeBinomial(float(part[0])) if sized else family
                each.append(Fitted(own, part[int(sized) :].reshape(-1, family.parts)))
            found.append(FamilyLaw(self.name, samples, weight, designs, tuple(each), self.prior))
        return tuple(found)


def _designs(samples: Samples) -> tuple[RegimeDesign, ...]:
    """The coordinates of every variable's parameter."""
    model, train = samples.design.model, samples.design.train.take(samples.present)
    of_cover = [RegimeDesign.of(model, cover, train) for cover in model.covers]
    return tuple(of_cover[model.cover_index[v]] for v in model.variables)


RANGES: dict[Name, str] = {
    "bernoulli": "0 or 1",
    "poisson": "whole numbers of 0 or more",
    "negbin": "whole numbers of 0 or more",
    "gamma": "positive",
}


def _outside(name: Name, raw: Floats) -> Ints:
    """Rows whose value the family cannot give."""
    if name == "gamma":
        return np.flatnonzero(raw <= 0)
    slack = 1e-6 * min(1.0, float(np.abs(raw).max(initial=0.0)))
    wrong = (np.abs(raw - np.round(raw)) > slack) | (raw < -slack)
    return np.flatnonzero(wrong | (raw > 1 + slack) if name == "bernoulli" else wrong)


def _units(samples: Samples) -> tuple[Floats, Floats]:
    """Shift and unit by which the values before scaling are x * unit + shift, each (p,)."""
    if samples.scaling is None:
        return np.zeros(samples.x.shape[1]), np.ones(samples.x.shape[1])
    return samples.scaling.shift, samples.scaling.unit


def _fitted(
    rung: str,
    samples: Samples,
    weight: Floats,
    designs: tuple[RegimeDesign, ...],
    families: list[Family],
    prior: float,
    before: FamilyLaw | None,
) -> FamilyLaw:
    shift, unit = _units(samples)
    place = np.searchsorted(samples.present, samples.regime)
    held = weight > 0
    if len(np.unique(place[held])) < len(samples.present):
        raise InputError("a training regime has no rows of positive weight; redraw rows within regimes")
    found: list[Fitted] = []
    for v, design in enumerate(designs):
        raw = samples.x[held, v] * unit[v] + shift[v]
        raw = np.round(raw) if families[v].integers else raw
        scale = 1.0 if families[v].integers else float(raw.mean())
        counted = Counted.of(place[held], raw / scale, weight[held], len(samples.present))
        parts = np.where(np.arange(families[v].parts) == 0, scale, 1.0)  # the first is of x, whose unit it has
        start = None if before is None else before.fitted[v].coefficients * parts
        ridge = families[v].ridge(counted, design.kept == 0) if prior else None
        one = fit(families[v], counted, design.train.toarray(), prior, start, ridge)
        found.append(Fitted(one.family, one.coefficients / parts))
    return FamilyLaw(rung, samples, weight, designs, tuple(found), prior)
