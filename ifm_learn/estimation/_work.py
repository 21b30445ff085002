"""A fitted estimator asked about regimes: numbers, errors, intervals of units, and what to know beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from scipy.stats import t

from ifm_ident import Identification, Identifier, Regimes, Status
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.held import Held
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.estimation._checks import density_warnings, outcome_warnings, overlap_warnings, unit_warnings
from ifm_learn.estimation._columns import Columns
from ifm_learn.estimation._prediction import GridMixture, by_ratio, widened, without_ratio
from ifm_learn.estimation.regime_sensitivity import RegimeSensitivity, regime_sensitivities
from ifm_learn.ladder.ranges import Ranges
from ifm_learn.outcome.estimator import OutcomeEstimator, bootstrap_errors, targets_of
from ifm_learn.outcome.identified import IdentifiedEstimator
from ifm_learn.outcome.ifm1 import Ifm1
from ifm_learn.randomness import stream

Say = Callable[[str], None]

REPLICATES = 30
"""Bootstrap refits for methods without a closed form of the error."""


@dataclass(frozen=True, eq=False)
class Work:
    """A fitted estimator with what its intervals and checks need."""

    estimator: OutcomeEstimator
    held: Held
    density: DensityModel | None
    level: Fraction
    seed: int
    say: Say

    @property
    def samples(self) -> Samples:
        """The rows fitted to."""
        return self.held.fitted

    def columns(self, found: Identification, notes: list[str]) -> Columns:
        """All numbers; nan for regimes that the method refuses."""
        asked = self._asked(found)
        k = targets_of(self.samples).shape[1]
        columns = Columns.empty(len(found), k)
        columns.note = [word or "" for word in self.estimator.reasons(found.targets)]
        if len(asked):
            wanted = found.targets.take(asked)
            mean = self.estimator.predict(wanted).reshape(len(asked), k)
            self.say("standard errors")
            se = self._errors(wanted, notes).reshape(len(asked), k)
            half = float(t.isf(float(self.level / 2), self._freedom())) * se
            columns.mean[asked], columns.se[asked] = mean, se
            columns.confidence_low[asked], columns.confidence_high[asked] = self._ends(mean, se)
            self._fill_units(columns, wanted, asked, mean, half)
            if isinstance(self.estimator, IdentifiedEstimator):
                overlap = self.estimator.diagnostics(wanted)
                columns.ess[asked] = overlap.ess
                for row, fine, words in zip(asked.tolist(), overlap.reliable, overlap.verdict, strict=True):
                    columns.note[row] = "" if fine else str(words)
                columns.flag("little_overlap", [row for row in asked.tolist() if columns.note[row]])
        return columns

    def _ends(self, mean: Floats, se: Floats) -> tuple[Floats, Floats]:
        """Of intervals inside the range of shares and counts, each (r, k); t intervals of other numbers.

        Where some regime's rows are all at an end, redraws do not tell its error: no interval is then shorter than
        that of as many rows as the smallest such regime has.
        """
        values = targets_of(self.samples)
        scaling = self.samples.scaling if self.samples.y is None else None
        ranges = Ranges.of(values, self.samples.regime, scaling).lumped_alone()
        units = self.samples.units
        counts = self.samples.sizes if units is None else units.counts()
        present = self.samples.present.tolist()
        ends = ranges.at_end(np.stack([values[self.samples.regime == i].mean(axis=0) for i in present])) != 0
        rows = np.where(ends, counts[self.samples.present][:, None], np.inf).min(axis=0)
        freedom = np.full(mean.shape, self._freedom())
        return ranges.interval(mean, se, freedom, float(self.level), ranges.size(values) / rows)

    def sensitivities(self, found: Identification, gamma: float) -> Iterator[RegimeSensitivity]:
        """Of the regimes that have numbers and were not observed, against the baseline's mean."""
        assert isinstance(self.estimator, Ifm1)
        self.say("sensitivity to an interaction left out")
        asked = self._asked(found)
        wanted = found.targets.take(asked)
        for one in regime_sensitivities(self.estimator, wanted, [gamma], alpha=self.level):
            yield replace(one, row=int(asked[one.row]))

    def _asked(self, found: Identification) -> Ints:
        if self.density is None:
            return np.arange(len(found))
        return np.flatnonzero((found.status == Status.OBSERVED) | (found.status == Status.IDENTIFIED))

    def _freedom(self) -> float:
        """Degrees of freedom of the errors: of the method, and no more than units less one in every regime."""
        units = self.samples.units
        most = np.inf if units is None else max(1, int((units.counts() - 1).sum()))
        return min(most, self._freedom_of_method())

    def _freedom_of_method(self) -> float:
        """Replicates less one, no limit for a closed form."""
        if isinstance(self.estimator, IdentifiedEstimator):
            return self.estimator.replicates - 1
        return np.inf if hasattr(self.estimator, "standard_errors") else REPLICATES - 1

    def _errors(self, wanted: Regimes, notes: list[str]) -> Floats:
        """Standard errors; nan, and why among the notes, where rows or density do not tell."""
        closed = getattr(self.estimator, "standard_errors", None)
        if closed is not None and self.density is not None and self.density.spread is None:
            notes.append("no standard errors: the density was not fitted by exact likelihood")
            return np.full(self.estimator.predict(wanted).shape, np.nan)
        if closed is not None:
            found = np.asarray(closed(wanted), dtype=np.float64)
        else:
            rng = stream(self.seed, "bootstrap")
            found = bootstrap_errors(self.estimator.settled(), self.samples, wanted, rng, REPLICATES)
        if self.samples.one_row is not None and np.isnan(found).any():
            notes.append(
                f"standard errors are missing: {self.samples.one_row_words}, which tells nothing of their spread"
            )
        return found

    def _fill_units(self, columns: Columns, wanted: Regimes, asked: Ints, mean: Floats, half: Floats) -> None:
        rows = self.held.calibration
        if rows is None:
            return
        if self.density is not None:
            identification = Identifier(self.samples.design).identify(wanted)
            mixture = GridMixture.of(self.samples, rows, self.density, wanted)
            some = by_ratio(self.held, rows, mixture, identification, mean, self.level)
        else:
            train = self.samples.design.train.take(self.samples.present)
            own = self.estimator.predict(train).reshape(len(train), -1)
            some = without_ratio(rows, own, mean, self.level)
        widened(some, mean, half, self.samples)
        columns.prediction_low[asked], columns.prediction_high[asked] = some.low, some.high
        columns.prediction_ess[asked], columns.guarantee[asked] = some.ess, some.guarantee

    def warnings(self, found: Identification, columns: Columns) -> Iterator[str]:
        """What to know beside the numbers."""
        if self.density is not None:
            asked = self._asked(found)
            poor = [row for row in asked.tolist() if columns.note[row]]
            worst = sorted(poor, key=lambda row: float(columns.ess[row]))[:4]
            named = [(found[row].name, float(columns.ess[row])) for row in worst]
            yield from overlap_warnings(named, len(poor), len(asked))
            yield from density_warnings(self.density, self.samples, found.notation)
        else:
            yield from unit_warnings(self.samples, found.notation)
        yield from outcome_warnings(self.estimator, self.samples, found.notation)
