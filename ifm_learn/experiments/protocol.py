"""The settings of one experiment: all that its numbers depend on, besides the data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal, get_args

from ifm_ident import InputError
from ifm_ident.errors import nearest
from ifm_learn.fitting.fit import STARTS

TruthName = Literal["ifm", "dag"]
MethodName = Literal["blackbox", "additive", "joint-additive", "dag", "ifm1", "ifm2", "ifm3", "dr", "oracle"]
OutcomeName = Literal["smooth", "trees"]
METHODS: tuple[MethodName, ...] = get_args(MethodName)
TRUTHS: tuple[TruthName, ...] = get_args(TruthName)

_LEAST = {"rows": 10, "baseline_rows": 10, "truth_draws": 100, "draws": 100, "bins": 2, "starts": 1, "seed": 0}
"""The least value of each number."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a ground truth is fitted and sampled, and how the methods are run.

    Theory: docs/theory/learning.md.

    truth: which model is fitted to the data and then taken as the truth. rows, baseline_rows: training rows drawn
    from it for every regime. truth_draws: Monte Carlo rows for each true mean; draws: those of the methods that
    sample (dag, ifm1, ifm3, dr). bins: of the truth's uniform grid and of the fitted grid, at most, a variable.
    starts: of the fitted energies; iterations: of each of them, at most, by default as in `fit_density`. outcome:
    the regression of y on x, `smooth` (chosen by cross-validation) or `trees` (boosted). methods: which are run,
    in the order of tables; oracle is ifm1 with the true law of x in place of the fitted one.

    >>> Protocol(methods=("ifm1", "additive")).methods
    ('ifm1', 'additive')
    >>> Protocol(methods=("ifm4",))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: unknown method 'ifm4'; did you mean ifm3?
    """

    truth: TruthName = "ifm"
    seed: int = 0
    rows: int = 500
    baseline_rows: int = 5_000
    truth_draws: int = 100_000
    draws: int = 10_000
    bins: int = 20
    starts: int = STARTS
    iterations: int | None = None
    outcome: OutcomeName = "smooth"
    methods: tuple[MethodName, ...] = METHODS

    def __post_init__(self) -> None:
        checks: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
            ("truth", (self.truth,), TRUTHS),
            ("method", self.methods, METHODS),
            ("outcome regression", (self.outcome,), get_args(OutcomeName)),
        )
        for kind, given, legal in checks:
            for name in given:
                if name not in legal:
                    raise InputError(f"unknown {kind} {name!r}; {nearest(name, legal)}")
        if not self.methods or len(set(self.methods)) != len(self.methods):
            raise InputError(f"the methods are {self.methods}; name one or more, each once")
        for name, bound in _LEAST.items():
            if getattr(self, name) < bound:
                raise InputError(f"{name} is {getattr(self, name)}; give {bound} or more")
        if self.iterations is not None and self.iterations < 1:
            raise InputError(f"iterations is {self.iterations}; give 1 or more")

    def quick(self) -> Protocol:
        """With coarse, unfinished fits and few draws: to see the whole path in a minute, not to report."""
        return dataclasses.replace(
            self, baseline_rows=2_000, truth_draws=20_000, draws=2_000, starts=1, bins=8, iterations=40
        )
