"""What `falsify` found: p-values of all claims, and how far combinations depart from their predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifm_ident import InputError
from ifm_ident.plots import canvas
from ifm_learn.falsification.testing import TESTS, Falsification, Finding

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 40
"""More claims than this are not all drawn: those of the least p-values come first."""

_FLOOR = 1e-12
_LOOKS = {"score": (canvas.BLUE, "o"), "energy": (canvas.ORANGE, "s")}


def p_values(found: Falsification, ax: Axes | None = None) -> Axes:
    """A row for each claim with the adjusted p-value of each test; left of the line is rejected.

    Filled marks are rejected, hollow ones are not. p-values below 1e-12 are drawn there. Raises InputError where
    nothing was tested.

    >>> p_values(Falsification(None, None, 0, "holm", (), ()))  # type: ignore[arg-type]
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: nothing was tested, so there is nothing to draw
    """
    rows = _rows(found)
    shown = rows[:MOST]
    ax = canvas.axes(ax, 6.4, 1.4 + 0.26 * len(shown))
    for row, group in enumerate(shown):
        for finding in group:
            colour, marker = _LOOKS[finding.test]
            ax.plot(
                [max(finding.p_adjusted, _FLOOR)], [row + 0.12 * (1 if finding.test == "energy" else -1)], marker,
                color=colour, markerfacecolor=colour if finding.rejected else "none", markersize=6, zorder=3,
            )  # fmt: skip
    level = float(found.alpha)
    ax.axvline(level, color=canvas.RED, linewidth=1.2, linestyle="--", zorder=2)
    ax.set_xscale("log")
    least = min(f.p_adjusted for group in shown for f in group)
    ax.set_xlim(max(min(least, level) / 4, _FLOOR / 3), 1.8)
    canvas.labels(ax.yaxis, range(len(shown)), [_words(group[0]) for group in shown])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    title = f"the {len(shown)} least of {len(rows):,} claims" if len(shown) < len(rows) else ""
    canvas.tidy(ax, title, f"p-value, adjusted ({'Holm' if found.correction == 'holm' else 'Benjamini-Hochberg'})")
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    used = [test for test in TESTS if any(f.test == test for group in shown for f in group)]
    keys = [canvas.Key(test, _LOOKS[test][0], marker=_LOOKS[test][1], edge=_LOOKS[test][0]) for test in used]
    keys.append(canvas.Key(f"level {level:g}", canvas.RED, line="--"))
    height = canvas.inches(ax)[1]
    canvas.legend(ax, keys, bbox_to_anchor=(0.5, -0.42 / max(height, 0.5)))
    return ax


def effects(found: Falsification, ax: Axes | None = None, most: int = 12) -> Axes:
    """Departures from predictions in baseline standard deviations, each with its 95% error: the largest ones.

    A row for each (combination, variable), by the score test where it was made; filled where its claim is
    rejected. Claims about pairs of variables are left out. Raises InputError where there is no such effect.

    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from ifm_ident import Study
    >>> from ifm_learn import Samples, falsify
    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01", "11"],
    ... })
    >>> regime = np.repeat(np.arange(4), 300)
    >>> holds = np.random.default_rng(0).normal(size=(1200, 1)) + np.array([0.0, 0.5, 1.0, 1.5])[regime][:, None]
    >>> fails = holds - 0.7 * (regime == 3)[:, None]
    >>> found = falsify(Samples(study.design, regime, fails), tests=["score"])
    >>> ax = effects(found, Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()], ax.get_xlabel()
    (['x in A=1,B=1'], 'departure from the prediction, baseline sd')
    >>> effects(Falsification(None, None, 0, "holm", (), ()))  # type: ignore[arg-type]
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: no effect was measured, so there is nothing to draw
    """
    rows: dict[tuple[str, str], tuple[float, float, bool]] = {}
    for finding in sorted(found.findings, key=lambda f: TESTS.index(f.test)):
        if finding.claim.kind == "interaction" or not finding.evidence.effect:
            continue
        name = found.implications.name(finding.combination)
        error = max(finding.evidence.information, 1e-4) ** -0.5
        for variable, size in finding.evidence.effect.items():
            rows.setdefault((name, variable), (size, error, finding.rejected))
    if not rows:
        raise InputError("no effect was measured, so there is nothing to draw")
    ranked = sorted(rows.items(), key=lambda item: -abs(item[1][0]))
    shown = ranked[:most]
    ax = canvas.axes(ax, 5.6, 1.4 + 0.26 * len(shown))
    for row, (_, (size, error, rejected)) in enumerate(shown):
        ax.errorbar(
            [size], [row], xerr=[1.96 * error], color=canvas.BLUE, marker="o", markersize=5, elinewidth=1.3,
            capsize=2.5, markerfacecolor=canvas.BLUE if rejected else "white", zorder=3,
        )  # fmt: skip
    ax.axvline(0.0, color=canvas.INK, linewidth=1.0, zorder=1)
    names = [f"{canvas.plain(variable, 16)} in {canvas.plain(name, 24)}" for (name, variable), _ in shown]
    canvas.labels(ax.yaxis, range(len(shown)), names)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    title = f"the {len(shown)} largest of {len(ranked):,}" if len(shown) < len(ranked) else ""
    canvas.tidy(ax, title, "departure from the prediction, baseline sd")
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    keys = [
        canvas.Key("claim rejected", canvas.BLUE, marker="o", edge=canvas.BLUE),
        canvas.Key("not rejected", "white", marker="o", edge=canvas.BLUE),
    ]
    height = canvas.inches(ax)[1]
    canvas.legend(ax, keys, bbox_to_anchor=(0.5, -0.42 / max(height, 0.5)))
    return ax


def _rows(found: Falsification) -> list[list[Finding]]:
    """The findings of each claim, the least p-value first."""
    groups: dict[int, list[Finding]] = {}
    for finding in found.findings:
        groups.setdefault(id(finding.claim), []).append(finding)
    if not groups:
        raise InputError("nothing was tested, so there is nothing to draw")
    return sorted(groups.values(), key=lambda group: min(f.evidence.p_value for f in group))


def _words(finding: Finding) -> str:
    claim = finding.claim
    about = "" if claim.kind == "joint" else f"  [{', '.join(claim.variables)}]"
    return canvas.plain(str(claim.formula), 44) + canvas.plain(about, 24)
