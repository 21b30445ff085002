"""Which unseen regimes rest on interactions that some claim tests, and which on none that anything tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.answer.identification import Identification, Status
from ifm_ident.arrays import Ints
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Regimes
from ifm_ident.implications.testable import Implication
from ifm_ident.solve.objectives.exact_columns import WideRows, combine, narrowed

Mask = NDArray[np.bool_]


def untested(design: Design, claims: Iterable[Implication], identification: Identification) -> Mask:
    """Which identified regimes no claim bears on, shape (r,); false for regimes that were run or not identified.

    Factors deny interactions: two or more interventions that share no factor have no joint effect of their own. A
    regime's formula relies on this for the combinations of interventions that the regime holds, and for those that
    the training regimes in its formula hold. A claim prod_i p(x; sigma^i)^{c_i} = constant tests it for a
    combination of two or more levels off baseline where the c_i of the regimes that hold the combination do not
    add up to 0. It bears on a regime where it tests a combination that the regime relies on. So a claim about
    A and B says nothing of A and C, nothing but singles leaves every unseen combination untested, and claims that
    variables are independent within a regime, or that one intervention leaves a variable alone, bear on none.

    >>> from ifm_ident import Study
    >>> from ifm_ident.implications import implications
    >>> from ifm_ident.solve.identifier import Identifier
    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}, {"sigma": ["C"]}],
    ...     "train": ["ctrl", "A", "B", "C", "A+B"], "test": ["A", "A+C", "A+B+C"],
    ... })
    >>> claims = list(implications(Identifier(study.design)))
    >>> untested(study.design, claims, study.identify()).tolist()
    [False, True, False]
    """
    asked = np.flatnonzero(identification.status == Status.IDENTIFIED)
    found = np.zeros(len(identification), dtype=bool)
    found[asked] = True
    vectors = _vectors(design, claims)
    if not vectors.shape[0]:
        return found
    train = design.train.take(design.distinct).codes()
    for row in asked.tolist():
        found[row] = not any(_tests(vectors, train, codes) for codes in _relied_on(design, identification, row))
    return found


def _vectors(design: Design, claims: Iterable[Implication]) -> WideRows:
    """One row a claim that relates several regimes, over the distinct training regimes."""
    kept = [c.formula.exponents for c in claims if len(c.formula.exponents) > 1]
    columns = np.array([i for one in kept for i in one], dtype=np.int64)
    values = narrowed([int(q) for one in kept for q in one.values()])
    shape = (len(kept), len(design.distinct))
    return WideRows.of([len(one) for one in kept], np.searchsorted(design.distinct, columns), values, shape)


def _relied_on(design: Design, identification: Identification, row: int) -> list[Sequence[int]]:
    """Level codes of the regime and of the training regimes in its formulas, each shape (d,)."""
    terms = identification.terms.exponents(row)
    used = sorted({i for one in terms.values() for i in one})
    some = Regimes.concatenate(
        [identification.targets.take(np.array([row])), design.train.take(np.array(used, int))]
    )
    return list(some.codes())


def _tests(vectors: WideRows, train: Ints, regime: Sequence[int]) -> bool:
    """Whether some claim tests a combination that a regime holds.

    The sums of c over training regimes that hold a combination S vanish for all S of two or more levels of the
    regime exactly if the sums over training regimes that agree with it in the same two or more levels vanish.
    """
    codes = np.asarray(regime)
    agree = (train == codes) & (codes != 0)
    shared = agree.sum(axis=1) >= 2
    if not shared.any():
        return False
    patterns, place = np.unique(agree[shared], axis=0, return_inverse=True)
    columns = np.flatnonzero(shared)
    holds = csr_array(
        (np.ones(len(columns), dtype=np.int64), (columns, place.ravel())), shape=(len(train), len(patterns))
    )
    group, _, _ = combine(vectors.indptr, vectors.indices, vectors.data, holds)
    return len(group) > 0
