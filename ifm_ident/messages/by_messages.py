"""Message passing as an `Identification`, so that every writer and check can take it (docs/theory/messages.md)."""

from __future__ import annotations

import numpy as np

from ifm_ident.answer.identification import JOINT, Criterion, Identification, Status, Terms
from ifm_ident.design.design import Design
from ifm_ident.design.notation import Notation
from ifm_ident.design.regimes import RegimeLists, Regimes
from ifm_ident.messages.message_passing import candidate_contexts, derive_many


def identify_by_messages(
    design: Design, targets: Regimes, notation: Notation = "assignment", contexts: Regimes | None = None
) -> Identification:
    """Every target observed, identified by a joint formula, or undecided with the regimes that are missing.

    `contexts` are tried in turn (default: `candidate_contexts`). No target is ever refused: the route is
    sufficient and never necessary.

    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> binary = tuple(Intervention(name, (0, 1)) for name in ("s1", "s2", "s3"))
    >>> factors = (Factor("f1", ("x",), ("s1", "s2")), Factor("f2", ("x",), ("s2", "s3")))
    >>> train = Regimes.from_codes(np.array([[0, 1, 0], [1, 1, 0], [0, 1, 1]]))
    >>> targets = Regimes.from_codes(np.array([[1, 1, 1], [0, 1, 1], [0, 0, 1]]))
    >>> found = identify_by_messages(Design(Model(binary, ("x",), factors), train), targets, "levels")
    >>> for answer in found:
    ...     print(answer)
    p(111) ∝ p(110) p(011) / p(010)
    p(011) is observed
    p(001) is undecided
    """
    n = len(targets)
    train = targets.first_equal(design.train)
    contexts = candidate_contexts(design) if contexts is None else contexts
    answer = derive_many(design, targets, contexts)
    unseen = train < 0
    solved = unseen & answer.identified
    row = answer.terms.owners
    kept = solved[row]
    row, index, exponent = row[kept], design.first[answer.terms.train[kept]], answer.terms.exponent[kept]
    order = np.lexsort((index, exponent < 0, row))
    ones = np.ones(len(row), dtype=np.int64)
    terms = Terms.owned(row, n, ones * JOINT, index[order], exponent[order].astype(np.int64), ones)
    open_rows = unseen & ~answer.identified
    of_undecided = np.flatnonzero(open_rows[answer.lacking.owners])
    lacking = RegimeLists.of(
        np.where(open_rows, answer.lacking.sizes, 0), answer.lacking.regimes.take(of_undecided)
    )
    undecided = np.where(answer.identified, Status.IDENTIFIED, Status.UNDECIDED)
    return Identification(
        design,
        targets,
        np.where(unseen, undecided, Status.OBSERVED).astype(np.int8),
        np.where(solved, Criterion.JOINT, Criterion.NONE).astype(np.int8),
        train,
        terms,
        np.full(n, -1, dtype=np.int64),
        (),
        notation,
        lacking,
    )
