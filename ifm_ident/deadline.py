"""A time limit that searches share."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ifm_ident.errors import InputError

TIME_LIMIT = 60.0
"""Seconds that a search may take where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock, in seconds, or None for no limit.

    >>> Deadline.after(None).passed, Deadline.after(0).passed
    (False, True)
    >>> Deadline.after(-1)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the time limit is -1 seconds; give 0 or more, or none at all
    """

    at: float | None

    @classmethod
    def after(cls, seconds: float | None) -> Deadline:
        """The moment some seconds from now; raises InputError for a negative number."""
        if seconds is None:
            return cls(None)
        if not seconds >= 0:
            raise InputError(f"the time limit is {seconds} seconds; give 0 or more, or none at all")
        return cls(time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, at least 0; infinite without a limit."""
        return float("inf") if self.at is None else max(0.0, self.at - time.monotonic())

    @property
    def option(self) -> dict[str, float]:
        """The seconds left as scipy's solvers take them."""
        return {} if self.at is None else {"time_limit": self.remaining}

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.remaining == 0.0
