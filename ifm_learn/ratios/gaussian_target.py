"""The density that a formula makes of per-regime Gaussians: exact, and checked to be one (LEARNING 6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifm_ident import Identification
from ifm_ident.arrays import Floats
from ifm_learn.ratios.formula import exponent_matrix
from ifm_learn.ratios.per_regime import GaussianDensities


@dataclass(frozen=True, eq=False)
class GaussianTarget:
    """exp(-x'Px/2 + x'h), shapes (p, p) and (p,): a Gaussian if P is positive definite, else no density at all.

    least: the smallest eigenvalue of P scaled to a diagonal of 1 (or -1); proper: whether it is positive;
    warning: what is wrong in words, or empty.
    """

    name: str
    precision: Floats
    shift: Floats
    least: float

    @property
    def proper(self) -> bool:
        """Whether the formula gives a density: its integral is finite."""
        return self.least > 0

    @property
    def warning(self) -> str:
        """Empty for a proper density."""
        if self.proper:
            return ""
        return (
            f"the formula for {self.name} gives no density: its precision matrix has a negative eigenvalue "
            f"({self.least:.3g} in units of its diagonal), so the integral is infinite; it divides by an "
            "estimate that is too narrow: measure more rows, or doubt the factorisation"
        )

    @property
    def mean(self) -> Floats:
        """The mean P^-1 h of a proper density, shape (p,); nan where there is none."""
        return self.covariance @ self.shift

    @property
    def covariance(self) -> Floats:
        """The covariance P^-1 of a proper density, shape (p, p); nan where there is none."""
        whole = self.precision if self.proper else np.full_like(self.precision, np.nan)
        return np.asarray(np.linalg.inv(whole), dtype=np.float64)


def gaussian_targets(densities: GaussianDensities, identification: Identification) -> tuple[GaussianTarget, ...]:
    """What the formulas make of per-regime Gaussians, for every target.

    A joint formula gives P = sum_i q_i P_i and h = sum_i q_i P_i mu_i. Conditional ones give row v of each with
    the exponents q^(v) of variable v; below the diagonal this is the density that Brook's lemma puts together in
    the model's order, and with exact inputs the rows agree above it too. Raises NotIdentifiableError.

    >>> from ifm_ident import Study
    >>> found = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    ...     "train": ["00", "10", "01"], "test": ["11"],
    ... }).identify()
    >>> narrow_baseline = GaussianDensities(np.zeros((3, 1)), np.array([1.0, 4.0, 4.0]).reshape(3, 1, 1))
    >>> gaussian_targets(narrow_baseline, found)[0].proper
    False
    """
    identification.require_all()
    model, precision = identification.design.model, densities.precision
    pull = np.einsum("ipq,iq->ip", precision, densities.mean)
    joint = exponent_matrix(identification)
    blocks = [exponent_matrix(identification, block) for block in range(len(model.covers))]
    covers = [model.cover_index[variable] for variable in model.variables]
    targets = []
    for t in range(len(identification)):
        stepwise = joint.indptr[t] == joint.indptr[t + 1]
        q = np.stack([(blocks[cover] if stepwise else joint)[[t]].toarray()[0] for cover in covers])
        lower = np.tril(np.einsum("vi,ivw->vw", q, precision))
        whole = lower + np.tril(lower, -1).T
        scale = np.sqrt(np.abs(np.diag(whole)))
        scale[scale == 0] = 1.0
        least = float(np.linalg.eigvalsh(whole / np.outer(scale, scale))[0])
        targets.append(GaussianTarget(identification[t].name, whole, np.einsum("vi,iv->v", q, pull), least))
    return tuple(targets)
