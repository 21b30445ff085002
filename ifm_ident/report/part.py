"""What data say about a study, as the page shows it: made by who knows the numbers, shown by who does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ifm_ident.plots import Interval
from ifm_ident.results.header import StudyLike
from ifm_ident.study.study import Study


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the page: title, a paragraph, warnings, a picture of intervals, a table and what its words mean.

    rows: texts under `columns`, of which `numeric` are numbers; `caption` is the table's. A text that is `Html` is
    taken as it is. below: what the picture shows, in words. more: a part whose table is folded away below.
    """

    title: str
    lead: str
    caption: str
    columns: Sequence[str]
    numeric: Sequence[int]
    rows: Sequence[Sequence[str]]
    warnings: Sequence[str] = ()
    intervals: Sequence[Interval] = ()
    words: Mapping[str, str] | None = None
    below: str = ""
    more: Part | None = None


class Reader(Protocol):
    """A plug-in of the group `ifm.report`: reads the JSON result of its command."""

    def part(self, study: StudyLike, result: Mapping[str, Any], place: str) -> Part:
        """The part that shows a result; InputError, starting with `place`, for anything else."""


class Estimator(Reader, Protocol):
    """A reader that makes its result itself, for a study that names data."""

    def too_many(self, study: Study) -> str:
        """Why the study is not estimated for a page; "" where it is."""

    def estimated(self, study: Study, say: Callable[[str], None]) -> Part:
        """The part that shows what the study's data say; `say` is told what is being done."""
