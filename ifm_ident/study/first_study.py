"""A first study file from a table that nobody prepared: every guess stands in it as a comment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ifm_ident.errors import InputError
from ifm_ident.study._first_draft import Draft
from ifm_ident.study._first_text import FirstStudy, written
from ifm_ident.study._intervention_guesses import find_interventions, remark_on_states
from ifm_ident.study._measured_guesses import find_measured
from ifm_ident.study.reading._sources import open_table

__all__ = ["FirstStudy", "first_study"]


def first_study(
    path: str | Path,
    *,
    label: str | Sequence[str] | None = None,
    control: str | Sequence[str] = (),
    separator: str | None = None,
    interventions: Sequence[str] = (),
    outcome: str | None = None,
    pairs: bool = False,
    folder: str | Path | None = None,
) -> FirstStudy:
    """A first study of a table (CSV, TSV, Parquet, .h5ad), each guess a comment.

    label, control, separator: the column of labels (or several, of one intervention each), the texts in it that
    mean baseline, and what joins interventions. interventions: the columns that are interventions, in place of
    guesses; outcome: the column of the outcome. pairs: a factor for every pair of interventions that some regime
    has, beside one for each intervention. folder: where the study file will stand, from which it names the table.

    The result is deterministic and reads back. Raises InputError and RowError for a table that cannot be read, or
    in which no intervention is found.

    >>> import tempfile
    >>> table = Path(tempfile.mkdtemp()) / "runs.csv"
    >>> _ = table.write_text("drug A,dose_B,yield\\n0,0,7.1\\n1,0,7.9\\n0,10,6.8\\n1,10,8\\n0,1,7\\n")
    >>> found = first_study(table)
    >>> found.study
    Study 'runs': 2 interventions, 2 factors, 5 training regimes, 6 test regimes
    >>> print(found.study.identify()[4])
    p(drug_A=1,dose_B=1) ∝ p(drug_A=1) p(dose_B=1) / p(ctrl)  sum|q| = 3
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(
            f"a first study is of a table in a file, which the study then names, got a {type(path).__name__}; "
            "save a frame with its to_csv or to_parquet (write_csv, write_parquet), or take Study.from_labels",
            argument="path",
        )
    source = Path(path)
    table = open_table(source)
    if not table.row_count:
        raise InputError(f"{source}: the table has no rows; a study needs what was done, a row for each unit")
    draft = Draft(table, source, Path(folder) if folder is not None else Path())
    labels = (label,) if isinstance(label, str) else tuple(dict.fromkeys(label or ()))
    draft.require((*labels, *interventions, *((outcome,) if outcome else ())))
    draft.outcome = outcome
    controls = (control,) if isinstance(control, str) else tuple(control)
    find_interventions(draft, labels, controls, separator, tuple(dict.fromkeys(interventions)))
    find_measured(draft)
    if not (labels or interventions or "label" in draft.data):
        remark_on_states(draft)
    return written(draft, pairs)
