"""A question about test regimes, with all that its answer depends on: it can be sent to another process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ifm_ident.answer.identification import Identification
from ifm_ident.arrays import Ints
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import CHUNK
from ifm_ident.messages.by_messages import identify_by_messages
from ifm_ident.messages.message_passing import candidate_contexts
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.solve.objectives.choose import Chosen, Objective, choose
from ifm_ident.study.study import Study

Method = Literal["algebraic", "message-passing"]


@dataclass(frozen=True, eq=False)
class Asked:
    """What `ifm identify` asks about the test regimes of a study.

    >>> asked = Asked(Study.from_labels(["ctrl", "A", "B", "C"]))
    >>> [found.counts()["identified"] for found in asked.answers(0, 7)]
    [3]
    """

    study: Study
    criterion: CriterionName = "auto"
    method: Method = "algebraic"
    objective: Objective = "basis"

    @cached_property
    def identifier(self) -> Identifier:
        """The design, factored on first use."""
        return Identifier(self.study.design, self.study.notation)

    @cached_property
    def _contexts(self) -> Regimes:
        return candidate_contexts(self.study.design)

    @cached_property
    def samples(self) -> Ints | None:
        """The sample sizes that the objective needs, or None; InputError as `Study.sample_sizes` raises it."""
        return self.study.sample_sizes() if self.objective == "variance" else None

    def answer(self, targets: Regimes, time_limit: float | None = None) -> Chosen:
        """The answer for some regimes; `time_limit`, in seconds, is for the objective."""
        study = self.study
        if self.method == "message-passing":
            found = identify_by_messages(study.design, targets, study.notation, self._contexts)
        else:
            found = self.identifier.identify(targets, self.criterion)
        return choose(self.identifier, found, self.objective, self.samples, time_limit)

    def answers(self, start: int, stop: int) -> Iterator[Identification]:
        """The answers for the test regimes from `start` on and before `stop`, in chunks."""
        chunks = in_full_chunks(self.study.targets_between(start, stop))
        return (self.answer(targets).identification for targets in chunks)


def in_full_chunks(chunks: Iterable[Regimes]) -> Iterator[Regimes]:
    """The same regimes in chunks of about CHUNK: single ones of a list of questions are answered together."""
    waiting: list[Regimes] = []
    for chunk in chunks:
        waiting.append(chunk)
        if sum(map(len, waiting)) >= CHUNK:
            yield Regimes.concatenate(waiting)
            waiting = []
    if waiting:
        yield Regimes.concatenate(waiting)
