"""The column that says which rows belong together, and columns that look as if they did."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
from scipy.stats import f as f_distribution

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints
from ifm_ident.study import RowError, Table

_LEVEL = 1e-3
"""The F-test's level, over all columns and variables."""

_COLUMNS = 50
"""So many columns are looked at."""

_NAMED = 3

_TWO = 2


def unit_ids(table: Table, name: str, kept: Ints) -> Ints:
    """An integer for the unit of each row in `kept`, shape (len(kept),), equal for equal cells.

    Raises InputError for an unknown column or one of no text and no numbers, RowError for a missing cell.

    >>> table = Table("t.csv", pa.table({"mouse": ["m2", "m1", "m2", ""]}))
    >>> unit_ids(table, "mouse", np.arange(3)).tolist()
    [0, 1, 0]
    >>> unit_ids(table, "mouse", np.arange(4))
    Traceback (most recent call last):
    ...
    ifm_ident.study.reading._table.RowError: t.csv, row 4: mouse is missing, so nothing says which rows belong \
together; fill it in or remove the row
    """
    column = table.texts(name).take(pa.array(kept)).combine_chunks()
    coded = column.dictionary_encode() if not pa.types.is_dictionary(column.type) else column
    texts = coded.dictionary.to_pylist()
    blank = np.array([text is None or not text.strip() for text in texts] + [True])
    ids: Ints = coded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False).astype(np.int64)
    missing = np.flatnonzero(blank[ids])
    if len(missing):
        raise RowError(
            table.path,
            int(kept[missing[0]]),
            f"{name} is missing, so nothing says which rows belong together; fill it in or remove the row",
        )
    return ids


def unit_hints(table: Table, known: Collection[str], kept: Ints, regime: Ints, x: Floats) -> tuple[str, ...]:
    """What to say of columns whose repeated ids go with x within regimes, though no unit is declared.

    known: columns with a role already. regime: shape (n,), of the rows `kept`; x: shape (n, p). Looked at are
    columns of texts, and of numbers that lie in one regime each; their intra-class correlation is judged by an
    F-test.
    """
    found: list[tuple[float, str]] = []
    names = [name for name in table.data.column_names if name not in known][:_COLUMNS]
    for name in names:
        ids = _repeated(table, name, kept, regime)
        if ids is not None:
            p = smallest_p(regime, ids, x) * len(names)
            if p < _LEVEL:
                found.append((p, name))
    if not found:
        return ()
    first, *others = [name for _, name in sorted(found)[:_NAMED]]
    also = f" (so do those of {' and '.join(others)})" if others else ""
    return (
        f"rows of one {first} resemble each other beyond chance{also}, and are counted as if they were "
        "independent: errors and p-values are then too small; where they belong together (an animal, a plate, a "
        f"donor), write `unit: {first}` under `data` in the study file",
    )


def smallest_p(regime: Ints, ids: Ints, x: Floats) -> float:
    """The least p-value over variables, times their number, that rows of one unit are no more alike than others.

    One-way analysis of variance within regimes, pooled over them; 1 where there is nothing to compare.

    >>> rng = np.random.default_rng(0)
    >>> ids = np.repeat(np.arange(20), 10)
    >>> x = rng.normal(size=(200, 1))
    >>> smallest_p(ids // 10, ids, x) > 0.01, smallest_p(ids // 10, ids, x + rng.normal(size=(20, 1))[ids]) < 1e-6
    (True, True)
    """
    _, unit = np.unique(regime * (int(ids.max(initial=0)) + 1) + ids, return_inverse=True)
    _, of = np.unique(regime, return_inverse=True)
    rows, regimes, units = len(regime), int(of.max()) + 1, int(unit.max()) + 1
    if not (units > regimes and rows > units):
        return 1.0
    scaled = x - _means(x, of)[of]
    inner = _means(scaled, unit)[unit]
    between, within = (inner**2).sum(axis=0), ((scaled - inner) ** 2).sum(axis=0)
    ratio = (between / (units - regimes)) / np.where(within > 0, within / (rows - units), 1.0)
    p = np.where(within > 0, f_distribution.sf(ratio, units - regimes, rows - units), 1.0)
    return float(min(1.0, p.min(initial=1.0) * x.shape[1]))


def _means(values: Floats, group: Ints) -> Floats:
    count = np.bincount(group)
    return np.stack([np.bincount(group, column) / count for column in values.T], axis=1)


def _repeated(table: Table, name: str, kept: Ints, regime: Ints) -> Ints | None:
    """The ids of a column that could be of units, repeated within regimes: texts, or numbers of one regime each.

    Numbers that come in several regimes are measurements more often than ids, and two texts, such as yes and no, a
    trait.
    """
    column = table.data.column(name)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_floating(kind):
        return None
    try:
        ids = unit_ids(table, name, kept)
    except InputError:  # a column of another kind, or with gaps
        return None
    units = len(np.unique(ids))
    if units == len(ids):
        return None
    nested = len(np.unique(regime * (int(ids.max(initial=0)) + 1) + ids)) == units
    return ids if nested or (units > _TWO and not _numbers(column)) else None


def _numbers(column: pa.ChunkedArray) -> bool:
    """Whether the first cells are numbers, or texts that write numbers."""
    try:
        column.slice(0, 1000).cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True
