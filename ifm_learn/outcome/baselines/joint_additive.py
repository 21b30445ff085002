"""A published competitor: joint effects from single interventions where the outcome adds up over actions.

Kekić, Garrido Mejia and Schölkopf, Learning Joint Interventional Effects from Single-Variable Interventions in
Additive Models, ICML 2025. Written anew from the paper's estimator, not their code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ifm_ident import InputError, Regimes
from ifm_ident.arrays import Floats
from ifm_ident.design import Active, format_regime
from ifm_ident.errors import nearest
from ifm_learn.checks import check_regimes
from ifm_learn.data.samples import Samples
from ifm_learn.outcome.baselines._dag_structure import first_child
from ifm_learn.outcome.estimator import OutcomeEstimator
from ifm_learn.outcome.regressors import fit_regressor

ALPHAS = tuple(float(a) for a in np.geomspace(1e-8, 1e3, 12))
"""Ridge penalties tried on standardised features, the best by leave-one-out error."""


class JointAdditive(OutcomeEstimator):
    """sum over active interventions k of m_k(x), minus (their number - 1) times m_0(x), averaged over x.

    m_0 and m_k regress the outcome on x at baseline and under the single intervention k. For perfect interventions
    on actions x_k, and an outcome sum_k f_k(x_k, confounder_k) + noise, that is E[Y | do(x)], confounded or not.
    Joint regimes in training are not used.

    The paper evaluates at given actions. Here x of an unseen regime has to be drawn: baseline rows, moved so that
    a variable that an active intervention acts on has its mean and spread in that single regime, and any other
    variable has all active interventions' shifts added and their ratios of spread multiplied.

    acts_on: intervention to its variables; without it the variables that its factors are about (`first_child`).
    regressor: any scikit-learn regressor; without it ridge regression on polynomials of `degree`, as in the paper.

    Learned by `fit`: models_, baseline () and single regimes to their regressors; moments_, to means and spreads.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]}, "variables": ["a", "b"],
    ...     "factors": [{"x": ["a"], "sigma": ["A"]}, {"x": ["b"], "sigma": ["B", "C"]}],
    ...     "train": ["000", "100", "010"],
    ... }).design
    >>> x = np.random.default_rng(0).normal(size=(300, 2)) + np.repeat([[0, 0], [2, 0], [0, 3]], 100, axis=0)
    >>> samples = Samples(design, np.repeat(np.arange(3), 100), x, x.sum(axis=1))
    >>> model, regimes = JointAdditive().fit(samples), Regimes.from_codes(np.array([[1, 1, 0], [1, 0, 1]]))
    >>> model.predict(regimes).round(1).tolist(), model.reasons(regimes)[1]
    ([4.9, nan], 'A=1,C=1: the single intervention C=1 is not in training')
    """

    method: ClassVar[str] = "joint-additive"

    def __init__(
        self,
        acts_on: Mapping[str, Sequence[str]] | None = None,
        regressor: Any = None,
        degree: int = 2,
        alphas: Sequence[float] = ALPHAS,
    ) -> None:
        self.acts_on = acts_on
        self.regressor = regressor
        self.degree = degree
        self.alphas = alphas

    def fit(self, samples: Samples) -> Self:
        """Regress the outcome on x, regime by regime.

        Raises InputError without an outcome or a baseline regime, and for unknown names in `acts_on`.
        """
        if samples.y is None:
            raise InputError("additive outcome mechanisms need an outcome; name one, or use the method additive")
        self.model_ = samples.design.model
        self.targets_ = self._targets()
        self.models_: dict[Active, Any] = {}
        self.moments_: dict[Active, tuple[Floats, Floats]] = {}
        for train in samples.present.tolist():
            regime = samples.design.train[train]
            if len(regime) < 2:
                rows = samples.regime == train
                x = samples.x[rows]
                self.models_[regime] = fit_regressor(self._regressor(), x, samples.y[rows])
                self.moments_[regime] = x.mean(axis=0), x.std(axis=0)
                if not regime:
                    self.baseline_ = x
        if () not in self.models_:
            raise InputError("the baseline regime is not in training, and this method starts from it; measure it")
        return self

    def predict(self, regimes: Regimes) -> Floats:
        """Means of the outcome, shape (r,); NaN as `reasons` says."""
        check_regimes(self.model_, regimes)
        return np.array([np.nan if self._absent(regime) else self._mean(regime) for regime in regimes])

    def reasons(self, regimes: Regimes) -> list[str | None]:
        """Which single intervention was not observed; None where all were."""
        found: list[str | None] = []
        for regime in regimes:
            absent = self._absent(regime)
            words = (format_regime(self.model_, one, "assignment") for one in (regime, absent))
            found.append("{}: the single intervention {} is not in training".format(*words) if absent else None)
        return found

    def _absent(self, regime: Active) -> Active:
        """The first single intervention of a regime that was not observed, or none."""
        return next(((one,) for one in regime if (one,) not in self.models_), ())

    def _mean(self, regime: Active) -> float:
        x = self._rows(regime)
        singles = sum(self.models_[(one,)].predict(x).mean() for one in regime)
        return float(singles - (len(regime) - 1) * self.models_[()].predict(x).mean())

    def _rows(self, regime: Active) -> Floats:
        """Rows of x as they are supposed to be in a regime, shape (baseline rows, p)."""
        mean, spread = self.moments_[()]
        active = self.targets_[np.array([position for position, _ in regime], dtype=np.int64)]
        counts = active | ~active.any(axis=0)  # all of them where none acts on the variable
        safe = np.where(spread > 0, spread, 1.0)
        shift, ratio = np.zeros(len(mean)), np.ones(len(mean))
        for one, counted in zip(regime, counts, strict=True):
            own_mean, own_spread = self.moments_[(one,)]
            shift += np.where(counted, own_mean - mean, 0.0)
            ratio *= np.where(counted & (spread > 0), own_spread / safe, 1.0)
        rows: Floats = mean + shift + (self.baseline_ - mean) * ratio
        return rows

    def _targets(self) -> NDArray[np.bool_]:
        """Which variables each intervention acts on, shape (d, p)."""
        variables, targets = self.model_.variables, {i.name: set[str]() for i in self.model_.interventions}
        if self.acts_on is None:
            for factor in self.model_.factors:
                for name in factor.sigma:
                    targets[name].add(first_child(factor))
        for name, acted in (self.acts_on or {}).items():
            if name not in targets:
                raise InputError(f"`acts_on` names the unknown intervention {name!r}; {nearest(name, targets)}")
            for variable in acted:
                if variable not in variables:
                    raise InputError(
                        f"`acts_on` names the unknown variable {variable!r}; {nearest(variable, variables)}"
                    )
            targets[name].update(acted)
        return np.array([[v in targets[i.name] for v in variables] for i in self.model_.interventions])

    def _regressor(self) -> Any:
        if self.regressor is not None:
            return self.regressor
        from sklearn.linear_model import RidgeCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import PolynomialFeatures, StandardScaler

        terms = PolynomialFeatures(self.degree, include_bias=False)
        return make_pipeline(StandardScaler(), terms, StandardScaler(), RidgeCV(alphas=self.alphas))
