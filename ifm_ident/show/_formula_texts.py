"""Formulas as text, a column at a time: no Python work a regime."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ifm_ident.answer.exact_text import encode
from ifm_ident.answer.identification import Terms
from ifm_ident.answer.product import density_text, raised
from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.show.witness import short_fraction

LONGEST = 200
"""A formula of more characters is cut after a term and followed by its number of densities."""

_TEXT = pa.large_string()


@dataclass(frozen=True, eq=False)
class FormulaTexts:
    """The formulas of a batch: one entry for each row and block that has terms, rows ascending, blocks within.

    text: the formula such as `p(110) p(011) / p(010)`; cut: whether it was shortened.
    """

    row: Ints
    block: Ints
    text: pa.Array
    cut: NDArray[np.bool_]


def formula_texts(terms: Terms, names: pa.Array, given: str = "") -> FormulaTexts:
    """The text of every formula; `names[i]` is how training regime i is written, `given` as in `Model.given`.

    Exponents of more than 20 digits show how many digits there are.

    >>> terms = Terms(np.array([0, 3, 4]), np.array([-1, -1, -1, -1]), np.array([1, 2, 0, 1]),
    ...     np.array([1, 1, -1, 2]), np.array([1, 2, 1, 1]))
    >>> formula_texts(terms, pa.array(["00", "10", "01"])).text.to_pylist()
    ['p(10) p(01)^(1/2) / p(00)', 'p(10)^2']
    """
    count = len(terms.train)
    rows = terms.owners
    starts = np.ones(count, dtype=bool)
    starts[1:] = (rows[1:] != rows[:-1]) | (terms.block[1:] != terms.block[:-1])
    first = np.flatnonzero(starts)
    group = np.cumsum(starts) - 1
    sizes = np.diff(np.append(first, count))
    texts, below = _powers(terms, names, given)
    length = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64) + 1
    ends = np.cumsum(length)
    within = ends - (ends - length)[first][group]
    kept = (within <= LONGEST) | starts
    cut = np.bincount(group[~kept], minlength=len(first)) > 0
    above_list = _joined(texts, kept & ~below, group, len(first))
    below_count = np.bincount(group[kept & below], minlength=len(first))
    below_list = _joined(texts, kept & below, group, len(first))
    above_list = pc.if_else(pc.equal(above_list, _one("")), _one("1"), above_list)
    divided = joined_texts(
        above_list,
        pc.if_else(
            pa.array(below_count > 1), joined_texts(" / (", below_list, ")"), joined_texts(" / ", below_list)
        ),
    )
    text = pc.if_else(pa.array(below_count > 0), divided, above_list)
    if cut.any():
        counted = joined_texts(text, " ... (", pa.array(map(str, sizes.tolist()), _TEXT), " densities)")
        text = pc.if_else(pa.array(cut), counted, text)
    return FormulaTexts(rows[first], terms.block[first], text, cut)


def joined_texts(*parts: pa.Array | str) -> pa.Array:
    """Texts put together row by row; a plain text is the same in every row.

    >>> joined_texts("p(", pa.array(["0", "1"], pa.large_string()), ")").to_pylist()
    ['p(0)', 'p(1)']
    """
    texts = [_one(part) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*texts, _one(""))


def density_texts(names: pa.Array, given: str = "") -> pa.Array:
    """`density_text` of every name."""
    before, after = density_text("\0", given).split("\0")
    return joined_texts(before, names.cast(_TEXT), after)


def _one(text: str) -> pa.Scalar:
    return pa.scalar(text, _TEXT)


def _powers(terms: Terms, names: pa.Array, given: str) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Every term as p(name)^|q|, and which belong below the line."""
    below = np.asarray(terms.numerator < 0, dtype=bool)
    tops, numerators = encode(np.abs(terms.numerator))
    bottoms, denominators = encode(terms.denominator)
    pairs = tops.to_numpy().astype(np.int64) * max(len(denominators), 1) + bottoms.to_numpy()
    distinct, code = np.unique(pairs, return_inverse=True)
    suffixes = []
    for pair in distinct.tolist():
        top, bottom = divmod(pair, len(denominators))
        power = Fraction(numerators[top], denominators[bottom])
        suffixes.append(raised(short_fraction(power)))
    bases = density_texts(names, given).take(pa.array(terms.train))
    suffix = pa.array(suffixes, _TEXT).take(pa.array(code))
    return joined_texts(bases, suffix), below


def _joined(texts: pa.Array, kept: NDArray[np.bool_], group: Ints, groups: int) -> pa.Array:
    ends = row_bounds(np.bincount(group[kept], minlength=groups))
    lists = pa.LargeListArray.from_arrays(pa.array(ends), texts.filter(pa.array(kept)))
    return pc.binary_join(lists, _one(" "))
