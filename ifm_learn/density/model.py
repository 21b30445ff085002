"""A fitted interventional factor model: densities, marginals and draws in regimes that nobody has run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ifm_ident import Design, Identification, Identifier, InputError, Regimes, Status
from ifm_ident.arrays import Floats, Ints
from ifm_learn.checks import check_counts, check_regimes
from ifm_learn.data.archives import damaged, read_arrays, write_arrays
from ifm_learn.data.scaling import Scaling
from ifm_learn.density._saved import SCHEMA, from_arrays, to_arrays
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.grid import Grid, flat_index
from ifm_learn.fitting.fit import average
from ifm_learn.fitting.likelihood import add_base
from ifm_learn.fitting.report import FitReport
from ifm_learn.fitting.spread import Spread
from ifm_learn.inference.gibbs import gibbs
from ifm_learn.inference.grid_tree import Collected, GridTree
from ifm_learn.inference.support import FactorSupport, factor_support

MAX_CELLS = 20_000_000
"""Entries of all clique tables together, beyond which inference is by Gibbs sampling: about 0.2 s a regime."""

_REMEMBERED = 32
"""Batches of regimes whose cells are remembered."""


@dataclass(frozen=True, eq=False)
class DensityModel:
    """p(x; sigma) on a grid for every regime that its design identifies, observed ones included.

    Theory: docs/theory/conditional.md.

    tables: one log-table for each cell of `cells`, axes in the order of its factor's variables, without the widths
    of the bins; single tables mean nothing, only identified combinations do. x is in the units of `scaling` (those
    of the samples that were fitted) throughout, and draws are the representative values of their bins.
    max_cells: the budget for exact inference, see `exact`. spread: how the fit would vary, where that is known.

    Every method that takes regimes raises NotIdentifiableError, with the certificate, for one that is not
    identified, and InputError for one that is not a regime of the model.

    >>> from ifm_ident import Study
    >>> from ifm_learn import Samples, fit_density
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10"],
    ... }).design
    >>> rng = np.random.default_rng(0)
    >>> rows = np.repeat([0, 1], 1000)
    >>> samples = Samples(design, rows, rng.binomial(1, np.array([0.3, 0.7])[rows])[:, None].astype(float))
    >>> model = fit_density(samples)
    >>> model.exact, model.marginals(design.train)[0].round(1).tolist()
    (True, [[0.7, 0.3], [0.3, 0.7]])
    >>> model.sample(Regimes.from_codes(np.array([[0, 1]])), 5, rng)
    Traceback (most recent call last):
    ...
    ifm_ident.answer.certificate.NotIdentifiableError: B=1 is not identified in this design
    """

    design: Design
    cells: FactorCells
    grid: Grid
    tables: tuple[Floats, ...]
    scaling: Scaling | None
    report: FitReport
    max_cells: int = MAX_CELLS
    spread: Spread | None = None

    def __repr__(self) -> str:
        model = self.design.model
        return (
            f"DensityModel({len(model.factors)} factors of {len(model.variables)} variables on a grid, "
            f"{self.report.energy} energies, {sum(self.report.rows):,} rows)"
        )

    @cached_property
    def tree(self) -> GridTree:
        """The junction tree of the factors on the grid."""
        return GridTree.of(self.cells.scopes, self.grid.sizes)

    @cached_property
    def _with_base(self) -> list[Floats]:
        return add_base(self.cells, self.tables, self.grid.log_widths)

    @cached_property
    def _identifier(self) -> Identifier:
        return Identifier(self.design)

    @property
    def exact(self) -> bool:
        """Whether inference is exact: the junction tree's clique tables hold at most `max_cells` entries."""
        return self.tree.cells <= self.max_cells

    @property
    def cost(self) -> str:
        """What inference in one regime costs, said beforehand."""
        cliques = len(self.tree.tree.cliques)
        entries = f"{self.tree.cells:,} entries in {cliques} clique table{'s' * (cliques != 1)}"
        if self.exact:
            return f"exact: a junction tree with {entries}, the largest {self.tree.largest:,}"
        return f"by Gibbs sampling: a junction tree would need {entries}, the budget is {self.max_cells:,}"

    def require(self, regimes: Regimes) -> Identification:
        """How each regime is observed or identified; NotIdentifiableError, with the certificate, else."""
        check_regimes(self.design.model, regimes)
        identification = self._identifier.identify(regimes)
        identification.require_all()
        return identification

    @cached_property
    def _asked(self) -> dict[tuple[bytes, ...], Ints]:
        """The cells of the last regimes that were asked about and found identified."""
        return {}

    def choice(self, regimes: Regimes) -> Ints:
        """The cell that each regime shows of each factor, shape (r, factors)."""
        key = (
            regimes.indptr.tobytes(),
            regimes.position.tobytes(),
            regimes.level.tobytes(),
            b"%d" % regimes.width,
        )
        if key not in self._asked:
            self.require(regimes)
            if len(self._asked) >= _REMEMBERED:
                self._asked.clear()
            self._asked[key] = self.cells.choice(regimes)
        return self._asked[key]

    def with_tables(self, tables: Sequence[Floats]) -> DensityModel:
        """The same model with other log-tables, cell by cell; what is known about regimes is shared."""
        found = replace(self, tables=tuple(tables))
        for name in ("tree", "_identifier", "_asked"):
            found.__dict__[name] = getattr(self, name)
        return found

    def log_potentials(self, x: Floats, regimes: Regimes) -> Floats:
        """log p(x; regime) in nats up to a constant for each regime and a function of x that all share, (n, r)."""
        choice, bins = self.choice(regimes), self._encode(x)
        total = np.zeros((len(bins), len(choice)))
        for k, scope in enumerate(self.cells.scopes):
            index = flat_index(bins, scope, self.grid.sizes)
            used, column = np.unique(choice[:, k], return_inverse=True)
            total += np.stack([self.tables[cell].ravel()[index] for cell in used], axis=1)[:, column]
        return total

    def _encode(self, x: Floats) -> Ints:
        rows = np.asarray(x, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.grid.sizes) or not np.isfinite(rows).all():
            raise InputError(
                f"x has shape {rows.shape}; give finite numbers, one column for each of the "
                f"{len(self.grid.sizes)} variables"
            )
        return self.grid.encode(rows)

    def log_densities(self, x: Floats) -> Floats:
        """log p(x; sigma^i) in nats up to a function of x that all share, shape (n, training regimes as written).

        With normalising constants where inference is exact; without them elsewhere.
        """
        train = self.design.train
        potentials = self.log_potentials(x, train)
        return potentials - self.log_normalisers(train) if self.exact else potentials

    def _collect(self, regimes: Regimes) -> Collected:
        return self.tree.collect(self._with_base, self.choice(regimes))

    def log_normalisers(self, regimes: Regimes) -> Floats:
        """log of the sum over the grid of exp(potential) times the bins' widths, in nats, shape (r,).

        InputError where inference is not exact.
        """
        self._require_exact("normalising constants need")
        return self._collect(regimes).log_normalisers

    def _require_exact(self, what: str) -> None:
        if not self.exact:
            raise InputError(f"{what} exact inference; {self.cost}; raise max_cells or use fewer bins")

    def joints(self, regimes: Regimes) -> list[Floats]:
        """The probabilities of all points of the grid in every regime, axes in the order of `tree.axes[0]`.

        InputError where inference is not exact, or factors do not join all variables into one clique.
        """
        self._require_exact("probabilities of points need")
        if len(self.tree.clique_sizes) > 1:
            raise InputError("probabilities of all points are had where one clique holds all variables")
        collected = self._collect(regimes)
        return [collected.beliefs(r)[0] for r in range(len(regimes))]

    def marginals(self, regimes: Regimes) -> list[Floats]:
        """The probabilities of every variable's bins, a list of arrays of shape (r, bins).

        Shares of 10,000 draws a regime where inference is not exact.
        """
        if self.exact:
            collected = self._collect(regimes)
            found = [collected.variable_marginals(r) for r in range(len(regimes))]
            return [np.array([one[v] for one in found]) for v in range(len(self.grid.sizes))]
        bins = self._encode_draws(regimes, 10_000, np.random.default_rng(0))
        return [
            np.array([np.bincount(rows[:, v], minlength=size) / len(rows) for rows in bins])
            for v, size in enumerate(self.grid.sizes)
        ]

    def support(self, regimes: Regimes, rows: Sequence[int] | None = None) -> FactorSupport:
        """How much of every regime lies where the rows that show its factors are not, factor by factor.

        Nothing of a regime that was run does, however few its rows: each factor has these at least.
        rows: of every distinct training regime, by default those that were fitted. InputError where inference is
        not exact.
        """
        self._require_exact("the support of factors needs")
        train = self.design.train.take(self.design.distinct)
        counts = self.report.rows if rows is None else rows
        if len(counts) != len(train) or min(counts) < 1:
            raise InputError(
                f"rows are {list(counts)}; give a positive number for each of {len(train)} training regimes"
            )
        return factor_support(self._collect(regimes), self._collect(train), counts)

    def sample(self, regimes: Regimes, n: int, rng: np.random.Generator) -> Floats:
        """n draws of x in every regime, shape (r, n, p): independent where `exact`, else by Gibbs sampling."""
        bins = self._encode_draws(regimes, n, rng)
        return np.stack([self.grid.decode(rows) for rows in bins])

    def _encode_draws(self, regimes: Regimes, n: int, rng: np.random.Generator) -> list[Ints]:
        check_counts(n=n)
        if self.exact:
            collected = self._collect(regimes)
            return [collected.sample(r, n, rng) for r in range(len(regimes))]
        drawn = gibbs(self.cells.scopes, self.grid.sizes, self._with_base, self.choice(regimes), n, rng)
        return list(drawn.bins.astype(np.int64))

    def disagreement(self, parts: Sequence[Sequence[Floats]]) -> float | None:
        """The largest total variation between two models' marginals of one variable, parts being their tables.

        Over the training regimes and, where it is identified, the one with every intervention at its last level.
        """
        if not self.exact:
            return None
        last = Regimes.from_codes(self.design.model.level_counts[None, :] - 1)
        train = self.design.train.take(self.design.distinct)
        known = self._identifier.identify(last).status[0] in (Status.OBSERVED, Status.IDENTIFIED)
        regimes = Regimes.concatenate([train, last]) if known else train
        found = [self.with_tables(tables).marginals(regimes) for tables in parts]
        gaps = [
            np.abs(one[v] - other[v]).sum(axis=1).max() / 2
            for one, other in itertools.combinations(found, 2)
            for v in range(len(self.grid.sizes))
        ]
        return float(max(gaps, default=0.0))

    def draws(self, count: int, rng: np.random.Generator) -> list[DensityModel]:
        """Models drawn from the approximate sampling distribution of the fit, for standard errors.

        See `Spread.redraws`: it holds the noise of the rows, at the ridge that was chosen; not the error of the
        grid, of the energies' form, or of the ridge's own pull. InputError where the fit was not by exact
        likelihood or the energies are not in the file that the model was loaded from: refit to `Samples.bootstrap`
        rows there.
        """
        return [model for model, _ in self.redraws(count, rng)]

    def redraws(self, count: int, rng: np.random.Generator) -> Iterator[tuple[DensityModel, Floats]]:
        """The models of `draws`, each with how often it counts every row that was fitted, shape (n,)."""
        check_counts(count=count)
        if self.spread is None:
            raise InputError(
                "the sampling distribution of this fit is not known (pseudo-likelihood, or energies of your own "
                "loaded from a file); refit to samples.bootstrap(rng) instead"
            )
        for weight, parts in self.spread.redraws(count, rng):
            yield self.with_tables(average(parts)), weight

    def save(self, path: Path) -> None:
        """Write to one npz file of arrays with a JSON header, whole or not at all; never pickle.

        It holds the rows on the grid, which `draws` needs.
        """
        write_arrays(path, SCHEMA, *to_arrays(self))

    @classmethod
    def load(cls, path: Path) -> DensityModel:
        """Read a file of `save`. InputError, in words, for one that is missing, damaged or something else."""
        header, arrays = read_arrays(path, SCHEMA)
        with damaged(path):
            return cls(**from_arrays(header, arrays))
