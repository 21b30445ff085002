"""The table of an experiment in Markdown, beside the figures that the paper's authors published."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ifm_learn.experiments.results import REFERENCE, Results

NAMES = {
    "blackbox": "black box",
    "additive": "additive",
    "joint-additive": "joint additive",
    "dag": "DAG",
    "ifm1": "IFM1",
    "ifm2": "IFM2",
    "ifm3": "IFM3",
    "dr": "doubly robust",
    "oracle": "IFM1, true law of x",
}

TITLES = {"sachs": "Sachs", "dream": "DREAM", "ifm": "truth IFM", "dag": "truth DAG"}

PUBLISHED: Mapping[tuple[str, str], Mapping[str, tuple[float, float]]] = {
    ("sachs", "ifm"): {
        "blackbox": (0.174, 0.930),
        "dag": (1.337, 0.502),
        "ifm1": (0.185, 0.942),
        "ifm2": (0.769, 0.737),
    }
}
"""Mean pRMSE and rank correlation over 100 problems, by data set and truth (docs/theory/learning.md; another
fitted truth)."""


def columns(results: Results, data: str, truth: str) -> tuple[list[str], list[list[str]]]:
    """Titles and cells, one row a method: pRMSE, rank correlation, wins against the black box, published figures.

    The p-values are of one-sided binomial tests over problems: that the method wins more than half of them.
    """
    published = PUBLISHED.get((data, truth), {})
    head = ["method", "pRMSE mean", "median", "rCOR mean", "wins pRMSE", "p", "wins rCOR", "p"]
    if published:
        head += ["published pRMSE", "published rCOR"]
    rows = []
    for method in results.methods:
        error, rank = results.prmse(method), results.rank_correlation(method)
        cells = [NAMES.get(method, method), f"{error.mean():.4f}", f"{np.median(error):.4f}", f"{rank.mean():.3f}"]
        if method == REFERENCE or REFERENCE not in results.methods:
            cells += ["", "", "", ""]
        else:
            for one in results.wins(method):
                cells += [f"{one.won} of {one.won + one.lost}", p_text(one.p_value)]
        if published:
            cells += [f"{value:.3f}" for value in published[method]] if method in published else ["", ""]
        rows.append(cells)
    return head, rows


def markdown(results: Results, data: str, truth: str) -> str:
    """The table of `columns` in Markdown."""
    head, rows = columns(results, data, truth)
    rule = "| --- |" + " ---: |" * (len(head) - 1)
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def best(results: Results) -> str:
    """Which method has the least mean pRMSE, the one that knows the truth left aside, in a sentence.

    >>> found = Results({}, ("A",), np.zeros((1, 1)), np.ones((1, 1)), {"additive": np.full((1, 1), 0.5)})
    >>> best(found)
    'the least mean pRMSE has additive, 0.2500.'
    """
    errors = {m: float(results.prmse(m).mean()) for m in results.methods if m != "oracle"}
    known = {m: e for m, e in errors.items() if not np.isnan(e)}
    if not known:
        return "no method answers for every regime."
    first = min(known, key=lambda method: known[method])
    text = f"the least mean pRMSE has {NAMES[first]}, {known[first]:.4f}"
    if first != REFERENCE and REFERENCE in known:
        text += f" (black box {known[REFERENCE]:.4f})"
    return text + "."


def p_text(p: float) -> str:
    """A p-value in three digits.

    >>> p_text(0.0213), p_text(3.2e-8)
    ('0.021', '3e-08')
    """
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"
