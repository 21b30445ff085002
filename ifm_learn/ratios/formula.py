"""log p(x; sigma*) from exact formulas and estimated log-densities of the training regimes.

Theory: docs/theory/joint.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from ifm_ident import Answer, Design, Identification, Identifier, InputError, NotIdentifiableError, Regimes, Status
from ifm_ident.answer import JOINT
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import Active


class LogDensities(Protocol):
    """Estimates of the training densities: what formulas need of a classifier or of per-regime densities."""

    def log_densities(self, x: Floats) -> Floats:
        """log p(x; sigma^i) in nats for points x, shape (n, p), up to one function of x that all regimes share.

        Shape (n, m), a column for each training regime as written. Since the exponents of every formula sum to
        1, the shared function passes through formulas, conditional ones included, and cancels in ratios.
        """
        ...


def undo_class_sizes(logits: ArrayLike, mass: ArrayLike) -> Floats:
    """log p(x; sigma^i) up to a shared function of x, from classifier logits l_i(x), shape (n, m): l_i - log n_i.

    mass: what each class weighed in training, shape (m,): its rows n_i, or the sum of its rows' weights times its
    class weight (docs/theory/learning.md: a classifier's logits hold both). Raises InputError where a mass is not
    positive.

    >>> undo_class_sizes(np.log([[0.5, 0.5]]), [1, 3]).round(3).tolist()
    [[-0.693, -1.792]]
    """
    masses = np.asarray(mass, dtype=np.float64)
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim != 2 or masses.shape != values.shape[1:]:
        raise InputError(f"logits have shape {values.shape}, class sizes {masses.shape}; give (n, m) and (m,)")
    if not (np.isfinite(masses) & (masses > 0)).all():
        raise InputError(f"class sizes must be positive, got {masses[~(masses > 0)][:1]}; every class needs a row")
    shifted: Floats = values - np.log(masses)
    return shifted


def exponent_matrix(identification: Identification, block: int = JOINT) -> csr_array:
    """The exponents q of one block of every target as floats, shape (targets, training regimes as written).

    The block JOINT holds the joint formulas, where observed targets have a 1 at their training regime; the others
    index `Model.covers`. Targets without a formula in the block have an empty row.
    """
    terms, shape = identification.terms, (len(identification), len(identification.design.train))
    rows = terms.owners
    mine = terms.block == block
    values = (terms.numerator[mine] / terms.denominator[mine]).astype(np.float64)
    rows, columns = rows[mine], terms.train[mine]
    if block == JOINT:
        observed = np.flatnonzero(identification.train >= 0)
        rows = np.concatenate([rows, observed])
        columns = np.concatenate([columns, identification.train[observed]])
        values = np.concatenate([values, np.ones(len(observed))])
    return csr_array((values, (rows, columns)), shape=shape)


def log_ratio(answer: Answer, log_densities: ArrayLike) -> Floats:
    """log p(x; sigma*) in nats up to a constant and the shared function of x, shape (n,), for one answer.

    log_densities: shape (n, m), as `LogDensities` gives them or `undo_class_sizes` makes them. Raises
    NotIdentifiableError for a target that is not identified, InputError for one that only conditional formulas
    identify: those need densities at other points than the rows, see `FormulaRatio`.

    >>> from ifm_ident import Study
    >>> answer = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    ...     "train": ["00", "10", "01"], "test": ["11"],
    ... }).identify()[0]
    >>> log_ratio(answer, [[-1.0, -2.0, -4.0]]).tolist()
    [-5.0]
    """
    values = np.asarray(log_densities, dtype=np.float64)
    if answer.status not in (Status.OBSERVED, Status.IDENTIFIED):
        words = answer.status.word.replace("_", " ")
        raise NotIdentifiableError(f"{answer.name} is {words} in this design", answer.certificate)
    if answer.train is not None:
        column: Floats = values[:, answer.train]
        return column
    if answer.formula is None:
        raise InputError(_no_product(answer.name))
    return answer.formula(values.T)


def log_ratios(identification: Identification, log_densities: ArrayLike) -> Floats:
    """`log_ratio` of every target at once, shape (n, targets), by one sparse product. Same errors.

    log_densities: shape (n, m). -inf (a density of zero) is refused where the formula divides by it.
    """
    identification.require_all()
    values = np.asarray(log_densities, dtype=np.float64)
    matrix = exponent_matrix(identification)
    _require_shape(values, matrix.shape[1])
    empty = np.flatnonzero(np.diff(matrix.indptr) == 0)
    if len(empty):
        raise InputError(_no_product(identification[int(empty[0])].name))
    return _product(matrix, values)


@dataclass(frozen=True, eq=False)
class FormulaRatio:
    """log p(x; sigma*) by formula from a fitted `LogDensities`, joint and conditional formulas alike.

    reference: the point x° of Brook's lemma, shape (p,), used for conditional formulas; it should lie where all
    regimes have density (a median row). By default the first row of each call: give it where the values of
    several calls are compared.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    ...     "train": ["00", "10"],
    ... }).design
    >>> class Shifted:
    ...     def log_densities(self, x):
    ...         return -0.5 * (x - np.array([0.0, 1.0])) ** 2
    >>> ratio = FormulaRatio(design, Shifted())
    >>> ratio.log_potential(((0, 1),), np.array([[1.0], [0.0]])).tolist()
    [0.0, -0.5]
    >>> ratio.log_potential(((1, 1),), np.array([[1.0], [0.0]]))
    Traceback (most recent call last):
    ...
    ifm_ident.answer.certificate.NotIdentifiableError: B=1 is not identified in this design
    """

    design: Design
    densities: LogDensities
    reference: Floats | None = None

    @cached_property
    def _identifier(self) -> Identifier:
        return Identifier(self.design)

    def log_potential(self, regime: Active, x: Floats) -> Floats:
        """log p(x; regime) up to a constant of the regime and a shared function of x, shape (n,).

        Raises NotIdentifiableError with the certificate for a regime that is not identified.
        """
        return self.log_potentials(Regimes.from_active([regime], len(self.design.model)), x)[:, 0]

    def log_potentials(self, targets: Regimes | Identification, x: Floats) -> Floats:
        """The same for many regimes, shape (n, targets): a few sparse products, whatever their number.

        An `Identification` may be given instead, to use the formulas that an objective chose
        (docs/theory/choosing.md).
        """
        identification = targets if isinstance(targets, Identification) else self._identifier.identify(targets)
        identification.require_all()
        joint = exponent_matrix(identification)
        stepwise = np.diff(joint.indptr) == 0
        found = np.empty((len(x), len(identification)))
        if not stepwise.all():
            found[:, ~stepwise] = _product(joint[np.flatnonzero(~stepwise)], self._values(x))
        if stepwise.any():
            found[:, stepwise] = self._by_brook(identification, np.flatnonzero(stepwise), x)
        return found

    def _values(self, x: Floats) -> Floats:
        values = np.asarray(self.densities.log_densities(x), dtype=np.float64)
        _require_shape(values, len(self.design.train))
        return values

    def _by_brook(self, identification: Identification, rows: Ints, x: Floats) -> Floats:
        """log p(x)/p(x°), shape (n, rows), one variable after the other in the model's order.

        Theory: docs/theory/conditional.md.

        The point with its first s variables from x is the end of variable s's step and the start of the next, so
        it needs the difference of their exponents; where they share a formula it is not evaluated at all.
        """
        model = self.design.model
        origin = x[0] if self.reference is None else np.asarray(self.reference, dtype=np.float64)
        if origin.shape != (len(model.variables),) or x.ndim != 2 or x.shape[1] != len(origin):
            raise InputError(
                f"x has shape {x.shape} and the reference {origin.shape}; the model has {len(model.variables)} "
                f"variables: {', '.join(model.variables[:8])}"
            )
        q = {block: exponent_matrix(identification, block)[rows] for block in range(len(model.covers))}
        covers = [model.cover_index[variable] for variable in model.variables]
        none = csr_array((len(rows), len(self.design.train)))
        total = np.zeros((len(x), len(rows)))
        for step in range(len(covers) + 1):
            arrived = q[covers[step - 1]] if step else none
            leaving = q[covers[step]] if step < len(covers) else none
            weights = csr_array(arrived - leaving)
            weights.eliminate_zeros()
            if weights.nnz:
                at = np.where(np.arange(len(origin)) < step, x, origin) if step else origin[None, :]
                total += _product(weights, self._values(at))
        return total


def _product(weights: csr_array, values: Floats) -> Floats:
    used, below = np.unique(weights.indices), np.unique(weights.indices[weights.data < 0])
    bad = np.isnan(values) | (values == np.inf)
    bad[:, below] |= values[:, below] == -np.inf
    if bad[:, used].any():
        row, column = np.argwhere(bad[:, used])[0].tolist()
        raise InputError(
            f"the log-density of training regime {int(used[column])} at row {row + 1} is "
            f"{values[row, used[column]]}; the formula divides by it, so it must be positive at every row: use "
            "densities with full support"
        )
    total: Floats = (weights[:, used] @ values[:, used].T).T
    return total


def _require_shape(values: Floats, train: int) -> None:
    if values.ndim != 2 or values.shape[1] != train:
        raise InputError(
            f"log-densities have shape {values.shape}; give one column for each of {train} training regimes"
        )


def _no_product(name: str) -> str:
    return (
        f"{name} has no single product, only a formula for each variable's full conditional; those need densities "
        "at other points than the rows: use FormulaRatio"
    )
