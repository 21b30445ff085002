"""Parts of a combination that were run: the singles' mean, the strongest single, the largest part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from ifm_ident import Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import format_regime
from ifm_learn.checks import check_regimes
from ifm_learn.data.samples import Samples
from ifm_learn.outcome.baselines.regime_means import LinearInMeans, level_columns
from ifm_learn.outcome.estimator import shaped


class _OfSingles(LinearInMeans):
    """What is made of the means of a regime's interventions by themselves, each at the regime's level."""

    def _prepare(self, samples: Samples) -> None:
        self.place_ = {regime: i for i, regime in enumerate(self.train_)}

    def singles(self, regimes: Regimes) -> Iterator[Ints]:
        """For every regime where its singles are among `train_`, for the baseline regime itself; -1 for none."""
        for regime in regimes:
            parts: list[tuple[tuple[int, int], ...]] = [(pair,) for pair in regime] or [()]
            yield np.array([self.place_.get(part, -1) for part in parts], dtype=np.int64)

    def reasons(self, regimes: Regimes) -> list[str | None]:
        """Which intervention was not run by itself; None where all were."""
        return [self._reason(regimes[i], own) for i, own in enumerate(self.singles(regimes))]

    def _reason(self, regime: tuple[tuple[int, int], ...], own: Ints) -> str | None:
        if (own >= 0).all():
            return None
        if not regime:
            return "the baseline regime was not run"
        name = format_regime(self.model_, regime, "assignment")
        return f"{name}: not each of its interventions was run by itself"


class SinglesMean(_OfSingles):
    """The mean of the means of the interventions by themselves: what averaging the parts says of a combination.

    NaN, with a reason, where one of them was not run by itself.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]}, "factors": [{"sigma": ["A", "B", "C"]}],
    ...     "train": ["000", "100", "010"],
    ... }).design
    >>> y = np.array([1.0, 3.0, 0.5])
    >>> model = SinglesMean().fit(Samples(design, np.arange(3), np.zeros((3, 1)), y))
    >>> regimes = Regimes.from_codes(np.array([[1, 1, 0], [1, 0, 1]]))
    >>> model.predict(regimes).tolist(), model.reasons(regimes)[1]
    ([1.75, nan], 'A=1,C=1: not each of its interventions was run by itself')
    """

    method: ClassVar[str] = "singles-mean"

    def weights(self, regimes: Regimes) -> Floats:
        """Equal weights of the singles, shape (r, m); NaN rows where one was not run."""
        found = np.zeros((len(regimes), len(self.train_)))
        for row, own in enumerate(self.singles(regimes)):
            found[row, own] = 1 / len(own)
            if (own < 0).any():
                found[row] = np.nan
        return found


class SinglesMax(_OfSingles):
    """The mean of the strongest single, target by target: the one farthest from the baseline regime's mean.

    NaN, with a reason, where an intervention was not run by itself, or the baseline regime was not run. Its
    standard error is that of the single's mean: that it was chosen is not in it.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A", "B"]}],
    ...     "train": ["00", "10", "01"],
    ... }).design
    >>> y = np.array([1.0, 3.0, 0.5])
    >>> model = SinglesMax().fit(Samples(design, np.arange(3), np.zeros((3, 1)), y))
    >>> model.predict(Regimes.from_codes(np.array([[1, 1], [0, 0]]))).tolist()
    [3.0, 1.0]
    """

    method: ClassVar[str] = "singles-max"

    def reasons(self, regimes: Regimes) -> list[str | None]:
        """Which intervention, or that the baseline regime, was not run; None where all were."""
        if () in self.place_:
            return super().reasons(regimes)
        return ["the baseline regime was not run: no single is the strongest"] * len(regimes)

    def strongest(self, regimes: Regimes) -> Ints:
        """Which training regime's mean is taken, shape (r, targets); -1 for none."""
        found = np.full((len(regimes), self.means_.shape[1]), -1, dtype=np.int64)
        centre = self._centre()
        for row, own in enumerate(self.singles(regimes)):
            if centre is not None and len(own) and (own >= 0).all():
                found[row] = own[np.abs(self.means_[own] - centre).argmax(axis=0)]
        return found

    def _centre(self) -> Floats | None:
        """What distances are from, shape (targets,): the baseline regime's means; None where it was not run."""
        base = self.place_.get(())
        return None if base is None else self.means_[base]

    def weights(self, regimes: Regimes) -> Floats:
        """The weights for the first target, shape (r, m); those of others may differ."""
        chosen = self.strongest(regimes)[:, 0]
        found = np.zeros((len(regimes), len(self.train_)))
        found[np.arange(len(regimes)), chosen] = 1.0
        found[chosen < 0] = np.nan
        return found

    def predict(self, regimes: Regimes) -> Floats:
        """Means of the target: shape (r,) for an outcome, (r, p) for the x-variables; NaN as `reasons` says."""
        check_regimes(self.model_, regimes)
        return self._taken(self.means_, regimes)

    def standard_errors(self, regimes: Regimes) -> Floats:
        """Of the mean of the single that was taken, of the shape of `predict`."""
        check_regimes(self.model_, regimes)
        return self._taken(np.sqrt(self.variances_of_means()), regimes)

    def _taken(self, values: Floats, regimes: Regimes) -> Floats:
        chosen = self.strongest(regimes)
        found = np.take_along_axis(values, np.maximum(chosen, 0), axis=0)
        return shaped(self.has_outcome_, np.where(chosen < 0, np.nan, found))


class Nearest(SinglesMax):
    """The mean of the largest part of the regime that was run; of several, the farthest from the baseline regime.

    A regime that was run is its own largest part. Where the baseline regime was not run, distances are from the
    mean of the training regimes' means. NaN, with a reason, where no part was run.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]}, "factors": [{"sigma": ["A", "B", "C"]}],
    ...     "train": ["000", "100", "010", "110"],
    ... }).design
    >>> y = np.array([1.0, 3.0, 0.5, 2.0])
    >>> model = Nearest().fit(Samples(design, np.arange(4), np.zeros((4, 1)), y))
    >>> model.predict(Regimes.from_codes(np.array([[1, 1, 1], [0, 1, 1]]))).tolist()
    [2.0, 0.5]
    """

    method: ClassVar[str] = "nearest"

    def singles(self, regimes: Regimes) -> Iterator[Ints]:
        """For every regime the training regimes that are its largest parts; none where no part was run."""
        train, active = level_columns(self.model_, self.train_), self.train_.active_counts
        for i in range(len(regimes)):
            own = level_columns(self.model_, regimes.take(np.array([i])))
            inside = (train @ own.T).toarray()[:, 0] == active
            most = active[inside].max(initial=-1)
            yield np.flatnonzero(inside & (active == most))

    def reasons(self, regimes: Regimes) -> list[str | None]:
        """That no part of a regime was run; None where one was."""
        return [
            None if len(own) else f"{format_regime(self.model_, regimes[i], 'assignment')}: no part of it was run"
            for i, own in enumerate(self.singles(regimes))
        ]

    def _centre(self) -> Floats | None:
        base = self.place_.get(())
        found: Floats = self.means_.mean(axis=0) if base is None else self.means_[base]
        return found
