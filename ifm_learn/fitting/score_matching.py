"""Score matching: energies linear in their parameters from one sparse linear system (Hyvärinen 2005;
docs/theory/learning.md)."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csc_array
from scipy.sparse.linalg import splu

from ifm_ident import InputError, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.energy import SmoothEnergy
from ifm_learn.energies.families import Family, layout_of
from ifm_learn.energies.layout import Layout, Ridge
from ifm_learn.fitting._folds import Tried, best, choose, fold_of_rows
from ifm_learn.fitting.fitted_energies import FittedEnergies, standard_units
from ifm_learn.fitting.report import FitWarning
from ifm_learn.ratios.gaussian_target import GaussianTarget

RIDGES = tuple(10.0**k for k in range(-3, 6))

_ROWS = 1 << 12
_PATIENCE = 3


@dataclass(frozen=True, eq=False)
class ScoreMatching:
    """The score-matching loss of rows: theta' matrix theta / 2 + pull' theta, both sums over the rows.

    It is the sum over rows and variables of (d log p / dx_v)^2 / 2 + d^2 log p / dx_v^2, which needs no
    normalising constant and is least, on average, at the truth. matrix: shape (size, size), sparse: two cells meet
    only where their factors share a variable and some regime shows both.
    """

    layout: Layout
    matrix: csc_array
    pull: Floats
    rows: int

    @classmethod
    def of(cls, layout: Layout, points: Floats, regime: Ints) -> ScoreMatching:
        """From points, shape (n, p), in the units of the energies; regime: first training indices, shape (n,).

        Time is linear in the rows and in the pairs of factors that share a variable.
        """
        smooth = smooth_energies(layout)
        design = layout.design
        choice = layout.cells.choice(design.train.take(design.distinct))
        shown = np.searchsorted(design.distinct, regime)
        place: list[list[tuple[int, int]]] = [[] for _ in range(points.shape[1])]
        for k, scope in enumerate(layout.scopes):
            for d, v in enumerate(scope):
                place[v].append((k, d))
        blocks: defaultdict[tuple[int, int], Floats | float] = defaultdict(float)
        pull = np.zeros(layout.size)
        for begin in range(0, len(points), _ROWS):
            part, which = points[begin : begin + _ROWS], shown[begin : begin + _ROWS]
            at = [part[:, scope] for scope in layout.scopes]
            slopes = [energy.slopes(own) for energy, own in zip(smooth, at, strict=True)]
            bends = [energy.curvatures(own).sum(axis=1) for energy, own in zip(smooth, at, strict=True)]
            for k, bend in enumerate(bends):
                for cell in np.unique(choice[which, k]).tolist():
                    pull[layout.starts[cell] : layout.starts[cell + 1]] += bend[choice[which, k] == cell].sum(
                        axis=0
                    )
            for held in place:
                cells = choice[:, [k for k, _ in held]]
                patterns, pattern = np.unique(cells, axis=0, return_inverse=True)
                mine = pattern.ravel()[which]
                for i in np.unique(mine).tolist():
                    chosen = mine == i
                    columns = [slopes[k][chosen, d] for k, d in held]
                    for a, left in zip(patterns[i].tolist(), columns, strict=True):
                        for b, right in zip(patterns[i].tolist(), columns, strict=True):
                            if a <= b:
                                blocks[a, b] += left.T @ right
        return cls(layout, _assembled(layout, blocks.items()), pull, len(points))

    def value_and_gradient(self, theta: Floats) -> tuple[float, Floats]:
        """The loss, and its gradient, shape (size,)."""
        product = self.matrix @ theta
        return float(0.5 * theta @ product + self.pull @ theta), product + self.pull

    def __sub__(self, part: ScoreMatching) -> ScoreMatching:
        """The loss of the rows that are not in `part`."""
        return ScoreMatching(
            self.layout, csc_array(self.matrix - part.matrix), self.pull - part.pull, self.rows - part.rows
        )

    def solve(self, ridge: float) -> Floats:
        """The parameters of least loss with the penalty `Ridge(ridge, ridge)`, shape (size,); ridge above 0."""
        system = csc_array(self.matrix + ridge * penalty_matrix(self.layout))
        solution: Floats = splu(system).solve(-self.pull)
        return solution


def smooth_energies(layout: Layout) -> list[SmoothEnergy]:
    """The layout's energies; InputError where one is not linear in its parameters with slopes that do not jump."""
    found = []
    for factor, energy in zip(layout.design.model.factors, layout.energies, strict=True):
        if not isinstance(energy, SmoothEnergy):
            raise InputError(
                f"score matching of factor {factor.name!r} needs an energy that is linear in its parameters and "
                f"smooth in x, got {type(energy).__name__}; use quadratic or splines, or another objective"
            )
        found.append(energy)
    return found


def penalty_matrix(layout: Layout) -> csc_array:
    """The second derivative of `Ridge(1, 1)`: the first cells' size, and the other cells' distance to them."""
    unit = Ridge(1.0, 1.0)
    rows, columns, values = [], [], []
    for k, energy in enumerate(layout.energies):
        cells = range(int(layout.cells.first[k]), int(layout.cells.first[k + 1]))
        at = [np.arange(layout.starts[cell], layout.starts[cell + 1]) for cell in cells]
        base = (unit.base + unit.shift * (len(cells) - 1)) * energy.penalty
        terms = [(at[0], at[0], base)]
        for other in at[1:]:
            move = unit.shift * energy.penalty
            terms += [(other, other, move), (at[0], other, -move), (other, at[0], -move)]
        for row, column, value in terms:
            rows.append(row)
            columns.append(column)
            values.append(value)
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return csc_array(coo_array(entries, shape=(layout.size, layout.size)))


def _assembled(layout: Layout, blocks: Iterable[tuple[tuple[int, int], Floats | float]]) -> csc_array:
    """The symmetric matrix whose blocks for cells a <= b are given."""
    rows, columns, values = [], [], []
    for (a, b), block in blocks:
        dense = np.asarray(block)
        row = np.repeat(np.arange(layout.starts[a], layout.starts[a + 1]), dense.shape[1])
        column = np.tile(np.arange(layout.starts[b], layout.starts[b + 1]), dense.shape[0])
        for one, other in ((row, column), (column, row))[: 1 if a == b else 2]:
            rows.append(one)
            columns.append(other)
            values.append(dense.ravel())
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return csc_array(coo_array(entries, shape=(layout.size, layout.size)))


@dataclass(frozen=True, eq=False)
class ScoreMatchingFit(FittedEnergies):
    """Energies fitted by score matching, with no grid and no normalising constant.

    ridge: the penalty, and tried: all those that were tried. Held-out densities swing with the penalty more than
    under any other objective: prefer likelihoods where they are affordable.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1]}, "variables": ["x"], "factors": [{"sigma": ["A"]}], "train": ["0", "1"],
    ... }).design
    >>> rng = np.random.default_rng(0)
    >>> regime = np.repeat([0, 1], 2000)
    >>> samples = Samples(design, regime, rng.normal(size=(4000, 1)) * (1 + regime[:, None]))
    >>> [one.precision.round(1).tolist() for one in fit_score_matching(samples).gaussians(design.train)]
    [[[1.0]], [[0.3]]]
    >>> fit_score_matching(samples, "mlp")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: score matching of factor 'f1' needs an energy that is linear in its parameters \
and smooth in x, got Mlp; use quadratic or splines, or another objective
    """

    ridge: float
    tried: tuple[Tried, ...]

    def gaussians(self, regimes: Regimes) -> tuple[GaussianTarget, ...]:
        """The Gaussian that quadratic energies make of each regime, and whether it is one: see `GaussianTarget`.

        Raises InputError for energies that are not quadratic, NotIdentifiableError as `log_potentials` does.
        """
        layout, width = self.layout, len(self.layout.design.model.variables)
        if not all(energy.is_quadratic for energy in smooth_energies(layout)):
            raise InputError("only quadratic energies make Gaussians; nothing says whether splines have a density")
        choice = self.choice(regimes)
        names = [answer.name for answer in self._identifier.identify(regimes)]
        found = []
        for name, cells in zip(names, choice.tolist(), strict=True):
            precision, shift = np.zeros((width, width)), np.zeros(width)
            for k, cell in enumerate(cells):
                scope = list(layout.scopes[k])
                bend, slope = _quadratic_form(layout, k, layout.block(self.theta, cell))
                precision[np.ix_(scope, scope)] -= bend
                shift[scope] += slope
            unit, centre = self.scaling.unit, self.scaling.shift
            precision /= np.outer(unit, unit)
            size = np.sqrt(np.abs(np.diag(precision)))
            size[size == 0] = 1.0
            least = float(np.linalg.eigvalsh(precision / np.outer(size, size))[0])
            found.append(GaussianTarget(name, precision, shift / unit + precision @ centre, least))
        return tuple(found)


def _quadratic_form(layout: Layout, k: int, theta: Floats) -> tuple[Floats, Floats]:
    """The second derivatives of a quadratic energy, shape (s, s), and its slopes at 0, from a few values."""
    energy, s = layout.energies[k], len(layout.scopes[k])
    eye = np.eye(s)
    sums = (eye[:, None] + eye[None, :]).reshape(s * s, s)
    value = energy.value(theta, np.vstack([np.zeros((1, s)), eye, -eye, sums]))
    zero, ahead, behind, both = value[0], value[1 : s + 1], value[s + 1 : 2 * s + 1], value[2 * s + 1 :]
    bend = both.reshape(s, s) - ahead[:, None] - ahead[None, :] + zero
    return bend, (ahead - behind) / 2


def fit_score_matching(
    samples: Samples,
    energy: str | Family = "quadratic",
    *,
    ridge: float | None = None,
    folds: int = 5,
    seed: int = 0,
) -> ScoreMatchingFit:
    """Fit energies of continuous x by score matching; the ridge is the one of least held-out loss if not given.

    energy: `quadratic`, `splines`, or a function that makes a `SmoothEnergy` from rows. Warns (FitWarning) for
    quadratic energies that are no density in some training regime. Raises InputError for energies that are not
    linear, and for a variable that is not continuous.
    """
    _require_continuous(samples)
    scaling = standard_units(samples.x)
    points = scaling.apply(samples.x)
    layout = layout_of(FactorCells.of(samples.design), energy, points)
    tried: tuple[Tried, ...] = ()
    smooth = smooth_energies(layout)
    if ridge is None:
        fold = fold_of_rows(samples, folds, np.random.default_rng(seed))
        parts = [ScoreMatching.of(layout, points[fold == f], samples.regime[fold == f]) for f in range(folds)]
        whole = _sum(parts)

        def losses(strength: float) -> list[float]:
            return [part.value_and_gradient((whole - part).solve(strength))[0] / part.rows for part in parts]

        tried = choose(RIDGES, losses, _PATIENCE)
        ridge = best(tried).ridge
    elif not ridge > 0:
        raise InputError(f"the ridge of score matching is above 0, got {ridge}")
    else:
        whole = ScoreMatching.of(layout, points, samples.regime)
    fit = ScoreMatchingFit(layout, whole.solve(ridge), scaling, ridge, tried)
    if all(one.is_quadratic for one in smooth):
        for gaussian in fit.gaussians(samples.design.train.take(samples.design.distinct)):
            if not gaussian.proper:
                warnings.warn(
                    f"the fitted energies of {gaussian.name} are no density: its precision matrix has a negative "
                    f"eigenvalue ({gaussian.least:.3g} in units of its diagonal), so the integral is infinite; "
                    "raise the ridge, measure more rows, or use a likelihood on a grid",
                    FitWarning,
                    stacklevel=2,
                )
    return fit


def _sum(parts: Sequence[ScoreMatching]) -> ScoreMatching:
    matrix, pull = parts[0].matrix, parts[0].pull
    for part in parts[1:]:
        matrix, pull = matrix + part.matrix, pull + part.pull
    return ScoreMatching(parts[0].layout, csc_array(matrix), pull, sum(part.rows for part in parts))


def _require_continuous(samples: Samples) -> None:
    for name, column in zip(samples.design.model.variables, samples.x.T, strict=True):
        distinct = len(np.unique(column))
        if distinct < min(len(column) / 2, 10):
            raise InputError(
                f"score matching takes slopes in x, but {name} has {distinct} distinct values in {len(column)} "
                "rows; use a likelihood on a grid or regime contrast"
            )
