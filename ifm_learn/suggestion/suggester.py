"""Which regimes to run next for an outcome: ask for a batch, tell what came out (docs/theory/suggesting.md)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from ifm_ident import Design, InputError, Regimes, Study
from ifm_ident.errors import nearest
from ifm_ident.planning import AddedUp, Candidates, Listed, OneEach
from ifm_ident.study import data_regimes, read_regimes, table_of
from ifm_learn.data.columns import LARGEST
from ifm_learn.data.scaling import Scale
from ifm_learn.estimation.posterior import DRAWS, Posterior
from ifm_learn.ladder.rungs import check_energy
from ifm_learn.randomness import checked_seed, one_thread
from ifm_learn.suggestion._asked import Question, answer
from ifm_learn.suggestion._goals import Acquisition, Goal, checked_acquisition
from ifm_learn.suggestion._rows import samples_of, together
from ifm_learn.suggestion.beliefs import Chosen, ModelName, choose_beliefs
from ifm_learn.suggestion.suggestions import Suggestions

SCREEN = 2_000
"""As many candidates as draws are made of, of those that look best by a linear model."""

MOST = 10_000
"""Larger batches, and draws of more candidates, are refused: their covariance would fill the memory."""

ACQUISITIONS = get_args(Acquisition)
Say = Callable[[str], None]
Prices = AddedUp | Listed | OneEach


class Suggester:
    """Asks for the regimes to run next, and is told what came out.

    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]}, "variables": ["y"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}, {"sigma": ["C"]}], "train": ["ctrl", "A", "B", "C"]})
    >>> y = [0.0, 0.1, 1.0, 1.1, 2.0, 2.1, -1.0, -0.9]
    >>> data = {"A": [0, 0, 1, 1, 0, 0, 0, 0], "B": [0, 0, 0, 0, 1, 1, 0, 0], "C": [0] * 6 + [1, 1], "y": y}
    >>> suggester = Suggester(study, data, goal="max")
    >>> found = suggester.ask()
    >>> found.names(), found.mean.round(0).tolist()
    (['A+B'], [3.0])
    >>> suggester.tell({"A": [1], "B": [1], "C": [0], "y": [2.9]})
    >>> suggester.ask().names()
    ['A+B+C']
    >>> Suggester(study, data, goal="hit")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the goal 'hit' needs the mean to be reached; write it after a colon: hit:0.8
    """

    def __init__(
        self,
        study: Study,
        data: object = None,
        *,
        goal: str = "max",
        outcome: str | None = None,
        acquisition: str | None = None,
        candidates: str | Sequence[str] = (),
        targets: str | Sequence[str] = (),
        cost: str | Path | Prices | None = None,
        forbid: str | Sequence[str] = (),
        pending: object = None,
        same: Sequence[str] = (),
        repeats: bool | None = None,
        model: ModelName = "auto",
        energy: str = "auto",
        noise: float | None = None,
        rows: float | None = None,
        interaction: float = 1.0,
        screen: int = SCREEN,
        time_limit: float | None = None,
        seed: int = 0,
        say: Say | None = None,
    ) -> None:
        """Reads the rows of the study's training regimes, from its table or from `data`.

        goal: `max`, `min`, `hit:0.8` (a mean of 0.8 or more), `learn` (least mean variance over `targets`) or
        `refute` (most power against the factors). outcome: a column, or a variable; needed where there are
        several. acquisition: of max and min, `ei`, `thompson`, `quantile` or `mean`. candidates, targets, forbid:
        each `all`, `order:2`, `file:PATH` or a regime's text; candidates are all regimes by default (the study's
        test regimes where these are too many to go through), targets the study's test regimes. cost: a table of
        costs. pending: a table of regimes that are running. same: interventions at one level within a batch.
        repeats: whether regimes that were run are candidates; by default for `learn` only. model: `factors`,
        `process` (a Gaussian process), or `auto`, the factors unless these err clearly more at
        regimes left out. energy, time_limit:
        as of `estimate_study`. noise: the standard deviation of a row, where it is known. rows: of a run, by
        default the median over training regimes. interaction: for `refute`, how large effects that the factors
        deny might be, in standard deviations of a row. screen: of how many candidates draws are made.

        Raises InputError for data that cannot be read or no outcome, an unknown goal, acquisition, model or
        intervention, costs that are negative, and numbers out of range.
        """
        self.goal = Goal.parse(goal)
        self.acquisition: Acquisition | None = checked_acquisition(acquisition, self.goal)
        self.seed = checked_seed(seed)
        if model not in get_args(ModelName):
            raise InputError(
                f"unknown model {model!r:.60}; {nearest(str(model), get_args(ModelName))}", argument="model"
            )
        if self.goal.kind == "refute" and model == "process":
            raise InputError(
                "the goal refute is about the factors; take the model 'factors' or 'auto'", argument="model"
            )
        for name, value in {"noise": noise, "rows": rows, "interaction": interaction, "screen": screen}.items():
            if value is not None and not (0 < value < np.inf):
                raise InputError(f"{name} is a finite number above 0, got {value!r}", argument=name)
            if value is not None and not 1 / LARGEST <= value <= LARGEST:
                raise InputError(
                    f"{name} is a number from {1 / LARGEST:g} to {LARGEST:g}, got {value!r}",
                    argument=name,
                )
        meant: dict[str, tuple[bool, tuple[str, ...]]] = {
            "targets": (bool(targets), ("learn",)),
            "rows": (rows is not None, ("learn", "refute")),
            "interaction": (interaction != 1.0, ("refute",)),
        }
        for name, (given, kinds) in meant.items():
            if given and self.goal.kind not in kinds:
                raise InputError(
                    f"{name}: only for the goal {' or '.join(kinds)}, not {self.goal.kind}; leave it out",
                    argument=name,
                )
        if int(screen) > MOST:
            raise InputError(
                f"screen is at most {MOST:,}, got {screen:,}: draws of more are too many", argument="screen"
            )
        self.model: ModelName = "factors" if self.goal.kind == "refute" else model
        self.energy, self.noise, self.rows, self.interaction = (
            check_energy(energy),
            noise,
            rows,
            float(interaction),
        )
        self.screen, self.time_limit = int(screen), time_limit
        self.repeats = self.goal.kind == "learn" if repeats is None else repeats
        self.study, self._say = study, say or (lambda _: None)
        if self.goal.kind == "refute" and self.repeats:
            raise InputError(
                "a run again of what was run refutes no factor; leave repeats out for the goal refute",
                argument="repeats",
            )
        self.notes: list[str] = []
        self._spaces = self._spaces_of(candidates)
        self._targets = study.with_test(targets, "targets") if targets else study
        self._prices = study.prices(cost)
        self._forbidden = study.with_test(forbid, "forbid").test if forbid else ()
        for name in (same,) if isinstance(same, str) else same:
            if name not in study.model.position:
                raise InputError(
                    f"same: unknown intervention {name!r:.60}; {nearest(name, study.model.position)}",
                    argument="same",
                )
        self._same = np.array(
            sorted({study.model.position[name] for name in ((same,) if isinstance(same, str) else same)}),
            dtype=np.int64,
        )
        self.samples, self.column, self.outcome = samples_of(study, data, outcome, self.goal.kind)
        self._asked_for = outcome
        self.pending = self._regimes_of(pending)
        self._asks = 0
        self._chosen: Chosen | None = None

    def ask(self, batch: int = 1) -> Suggestions:
        """The next `batch` regimes; they count as running until rows of them are told.

        Raises InputError where no candidate is left, or nothing can be fitted.
        """
        if not isinstance(batch, (int, np.integer)) or isinstance(batch, bool) or not 1 <= batch <= MOST:
            raise InputError(f"a batch is a whole number from 1 to {MOST:,}, got {batch!r}", argument="batch")
        with one_thread():
            found = answer(self._question(), int(batch))
        self.pending = Regimes.concatenate([self.pending, found.regimes])
        self._asks += 1
        return found

    def tell(self, rows: object) -> None:
        """Takes rows of any regimes, those run before too, as another table like the first.

        Raises InputError where they cannot be read.
        """
        spec, model = self.study.data, self.study.model
        label, labels = (None, None) if spec is None else (spec.label, spec.labels)
        given = data_regimes(model, table_of(Path(rows) if isinstance(rows, str) else rows), label, labels).regimes
        if not len(given):
            raise InputError("the rows told are none; give a row for each measurement, with its regime")
        distinct = given.take(np.unique(given.first_equal(given)))
        there = dataclasses.replace(self.study, design=Design(model, distinct), samples=None)
        scaling = self.samples.scaling
        scale: Scale | None = None if scaling is None else "none"
        more, _, _ = samples_of(there, rows, self._asked_for, self.goal.kind, scale=scale)
        if scaling is not None:
            more = dataclasses.replace(more, x=(more.x - scaling.shift) / scaling.unit, scaling=scaling)
        self.samples = together(self.samples, more)
        self.pending = self.pending.take(np.flatnonzero(self.pending.first_equal(distinct) < 0))
        self._chosen = None

    def beliefs(self) -> Chosen:
        """What is believed now, and by which model; fitted once for the rows told."""
        if self._chosen is None:
            posterior = None
            if self.model != "process":
                self._say("fitting models from simple to rich")
                posterior = Posterior.fit(
                    self.samples,
                    column=self.column,
                    energy=self.energy,
                    noise=self.noise,
                    seconds=self.time_limit,
                    seed=self.seed,
                )
                self._say("comparing models at regimes left out")
            self._chosen = choose_beliefs(
                posterior, self.samples, self.column, self.model, self.seed, DRAWS, self.noise
            )
        return self._chosen

    def _spaces_of(self, candidates: str | Sequence[str]) -> Study:
        if candidates:
            return self.study.with_test(candidates, "candidates")
        every = self.study.with_test("all", "candidates")
        try:
            every.targets()
        except InputError as error:
            if "too many" not in str(error):
                raise
            self.notes.append(
                "all regimes are too many to go through: candidates are the study's test regimes "
                "(`candidates` names others)"
            )
            return self.study
        return every

    def _regimes_of(self, pending: object) -> Regimes:
        width = len(self.study.model)
        if pending is None:
            return Regimes.from_active([], width)
        if isinstance(pending, Regimes):
            return pending
        return read_regimes(self.study.model, Path(pending) if isinstance(pending, str) else pending).regimes

    def _question(self) -> Question:
        return Question(
            study=self.study,
            goal=self.goal,
            acquisition=self.acquisition,
            outcome=self.outcome,
            seed=self.seed,
            turn=self._asks,
            samples=self.samples,
            column=self.column,
            chosen=self.beliefs(),
            spaces=self._spaces,
            targets=self._targets,
            allowed=Candidates(self.study.model, self._prices, self._forbidden),
            pending=self.pending,
            same=self._same,
            repeats=self.repeats,
            rows=self.rows,
            interaction=self.interaction,
            screen=self.screen,
            notes=(*self.notes, *self.samples.notes),
            say=self._say,
        )
