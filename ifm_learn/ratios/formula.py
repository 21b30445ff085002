"""log p(x; sigma*) from exact formulas and estimated log-densities of the training regimes.

Theory: docs/theory/joint.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array

from ifm_ident import Design, Identification, Identifier, InputError, Regimes
from ifm_ident.answer import JOINT
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import Active


class LogDensities(Protocol):
    """Estimates of the training densities: what formulas need of a regime contrast or of another estimate."""

    def log_densities(self, x: Floats) -> Floats:
        """log p(x; sigma^i) in nats for points x, shape (n, p), up to one function of x that all regimes share.

        Shape (n, m), a column for each training regime as written. Since the exponents of every formula sum to
        1, the shared function passes through formulas, conditional ones included, and cancels in ratios.
        """
        ...


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
