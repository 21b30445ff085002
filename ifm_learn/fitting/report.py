"""What a fit says about itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from ifm_learn.fitting.optimise import Optimum


class FitWarning(UserWarning):
    """A fit that ended, but not as it should; the message says what to do."""


@dataclass(frozen=True, slots=True)
class StartReport:
    """One start: its objective at the end (nats a row, penalty included) and the largest slope left."""

    objective: float
    gradient_norm: float
    iterations: int
    evaluations: int
    converged: bool

    @classmethod
    def of(cls, optimum: Optimum) -> StartReport:
        """What is kept of an optimum."""
        return cls(
            optimum.value, optimum.gradient_norm, optimum.iterations, optimum.evaluations, optimum.converged
        )


@dataclass(frozen=True, slots=True)
class FitReport:
    """How a density model was fitted.

    objective: exact likelihood or pseudo-likelihood; energy: the family; base, shift, tied: the ridge; tried: the
    (base, shift, held-out log-likelihood in nats a row) of every ridge tried, () where it was given; starts: one
    entry for each that was averaged; disagreement: the largest total variation between two starts' marginals of
    one variable, over the training regimes and the one with every intervention at its last level where that is
    identified, 0 for one start, None where inference is not exact; rows: rows of every distinct training regime;
    seconds: time taken, 0 in a saved model; warnings: what should be known before it is used.
    """

    objective: str
    energy: str
    base: float
    shift: float
    tied: bool
    tried: tuple[tuple[float, float, float], ...]
    starts: tuple[StartReport, ...]
    disagreement: float | None
    rows: tuple[int, ...]
    seconds: float = field(compare=False)
    warnings: tuple[str, ...] = ()

    @property
    def converged(self) -> bool:
        """Whether every start did."""
        return all(start.converged for start in self.starts)

    @property
    def iterations(self) -> int:
        """Iterations of all starts together."""
        return sum(start.iterations for start in self.starts)

    @property
    def gradient_norm(self) -> float:
        """The largest slope that is left, over all starts."""
        return max(start.gradient_norm for start in self.starts)
