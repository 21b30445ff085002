"""What a suggestion is for: the largest or smallest mean, passing a threshold, learning, refuting the factors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from ifm_ident import InputError
from ifm_ident.errors import nearest

Kind = Literal["max", "min", "hit", "learn", "refute"]
Acquisition = Literal["ei", "thompson", "quantile", "mean"]

DEFAULT: Acquisition = "ei"
GOALS = ("max", "min", "hit:NUMBER", "learn", "refute")


@dataclass(frozen=True, slots=True)
class Goal:
    """A kind of goal, and the threshold of `hit`."""

    kind: Kind
    threshold: float | None = None

    @property
    def sign(self) -> float:
        """-1 where less is better."""
        return -1.0 if self.kind == "min" else 1.0

    @classmethod
    def parse(cls, text: str) -> Goal:
        """From `max`, `min`, `hit:0.8`, `learn` or `refute`; InputError for another text.

        >>> Goal.parse("hit:0.8")
        Goal(kind='hit', threshold=0.8)
        >>> Goal.parse("hit")
        Traceback (most recent call last):
        ...
        ifm_ident.errors.InputError: the goal 'hit' needs the mean to be reached; write it after a colon: hit:0.8
        """
        if not isinstance(text, str):
            raise InputError(
                f"a goal is a text, got {text!r:.60}; write one of {', '.join(GOALS)}", argument="goal"
            )
        kind, colon, rest = text.strip().partition(":")
        if kind not in get_args(Kind):
            raise InputError(f"unknown goal {text!r:.60}; {nearest(kind, get_args(Kind))}", argument="goal")
        if kind != "hit":
            if colon:
                raise InputError(
                    f"the goal {kind!r} takes no number, got {text!r:.60}; write {kind}", argument="goal"
                )
            return cls(kind)  # type: ignore[arg-type]
        if not rest.strip():
            raise InputError(
                "the goal 'hit' needs the mean to be reached; write it after a colon: hit:0.8", argument="goal"
            )
        try:
            threshold = float(rest)
        except ValueError:
            threshold = math.nan
        if not math.isfinite(threshold) or "_" in rest:
            raise InputError(
                f"the goal {text!r:.60} has no finite number after the colon; write one such as hit:0.8",
                argument="goal",
            )
        return cls("hit", threshold)

    @property
    def text(self) -> str:
        """As it is written."""
        return self.kind if self.threshold is None else f"{self.kind}:{self.threshold!r}"


def checked_acquisition(name: str | None, goal: Goal) -> Acquisition | None:
    """The rule for max and min; None for the other goals, which have one rule each."""
    if goal.kind not in ("max", "min"):
        if name is not None:
            raise InputError(
                f"an acquisition is for the goals max and min; {goal.kind} has a rule of its own: leave it out",
                argument="acquisition",
            )
        return None
    chosen = DEFAULT if name is None else name
    if chosen not in get_args(Acquisition):
        raise InputError(
            f"unknown acquisition {chosen!r:.60}; {nearest(str(chosen), get_args(Acquisition))}",
            argument="acquisition",
        )
    return chosen  # type: ignore[return-value]
