"""Scores of measured combinations as a table and as a picture."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ifm_ident import MissingExtraError
from ifm_ident.files import open_output
from ifm_ident.plots import canvas
from ifm_learn.experiments._combination_cases import CHOOSING, SOURCES
from ifm_learn.experiments.combinations import FACTORS, METHODS, chosen_rule, record
from ifm_learn.experiments.write import drawn_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Scores = Mapping[str, Mapping[str, Any]]


def table(found: Scores) -> str:
    """Markdown: what was asked, errors by method, and what the intervals of estimates by factors hold."""
    parts = (_asked, _errors, _intervals, _groups)
    return "\n".join(line for part in parts for line in (*part(found), "")).rstrip("\n") + "\n"


def _asked(found: Scores) -> Iterator[str]:
    yield "| data | what is held back | regimes | numbers | noise, sd | claims rejected beforehand |"
    yield "| --- | --- | ---: | ---: | ---: | --- |"
    for name, one in found.items():
        words = " ".join((SOURCES[name].__doc__ or "").split("\n")[0].split())
        claims = one["claims"]
        tested = "none to test" if claims is None else f"{claims['rejected']} of {claims['tested']}"
        yield f"| {name} | {words} | {one['regimes']} | {one['targets']} | {one['noise']:.2f} | {tested} |"


def _errors(found: Scores) -> Iterator[str]:
    yield "Root mean squared errors in standard deviations within regimes; the least in bold:"
    yield ""
    yield "| data | " + " | ".join(METHODS) + " |"
    yield "| --- |" + " ---: |" * len(METHODS)
    for name, one in found.items():
        errors = {method: one["methods"].get(method, {}).get("rmse") for method in METHODS}
        least = min(value for value in errors.values() if value is not None)
        cells = ("" if v is None else f"**{v:.2f}**" if v == least else f"{v:.2f}" for v in errors.values())
        yield f"| {name} | " + " | ".join(cells) + " |"


def _intervals(found: Scores) -> Iterator[str]:
    yield "90% intervals of estimates by factors; a measured mean counts as held within its own error beside:"
    yield ""
    yield "| data | estimate | has an interval | held | held, unflagged | flagged |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    for name, one in found.items():
        for method in FACTORS:
            if method in one["methods"]:
                keys = ("with_interval", "held", "held_unflagged", "flagged")
                values = (one["methods"][method][key] for key in keys)
                yield (
                    f"| {name} | {method} | "
                    + " | ".join("none" if v is None else f"{v:.0%}" for v in values)
                    + " |"
                )


def _groups(found: Scores) -> Iterator[str]:
    if not any("groups" in one for one in found.values()):
        return
    yield "The same at the rows of one value of a covariate alone, errors and what 90% intervals hold:"
    yield ""
    yield f"| data | rows | noise, sd | {' | '.join(METHODS)} | ladder holds | adjusted holds |"
    yield "| --- | --- |" + " ---: |" * (len(METHODS) + 3)
    for name, one in found.items():
        for group, own in one.get("groups", {}).items():
            methods = own["methods"]
            errors = (f"{methods[method]['rmse']:.2f}" if method in methods else "" for method in METHODS)
            held = (f"{methods[method]['held']:.0%}" for method in ("ladder", "adjusted"))
            yield f"| {name} | {group} | {own['noise']:.2f} | {' | '.join(errors)} | {' | '.join(held)} |"


def picture(found: Scores) -> Figure:
    """A line for each data set: errors of all methods relative to the best without factors, logarithmic.

    Raises MissingExtraError without matplotlib.
    """
    figure = canvas.figure(7.2, 1.2 + 0.62 * len(found))
    ax = figure.subplots()
    styles = {
        "control": (canvas.FAINT, "s"),
        "strongest single": (canvas.SKY, "^"),
        "mean of singles": (canvas.GREEN, "D"),
        "additive": (canvas.ORANGE, "P"),
        "independence": (canvas.PINK, "v"),
        "boosted trees": (canvas.BLUE, "X"),
        "ladder": (canvas.RED, "o"),
        "shrunken": (canvas.RED, "o"),
        "adjusted": (canvas.RED, "d"),
    }
    rows = [*found.items()][::-1]
    for y, (_, one) in enumerate(rows):
        errors = {method: value["rmse"] for method, value in one["methods"].items()}
        best = min(value for method, value in errors.items() if method not in FACTORS)
        ax.axhspan(y - 0.42, y + 0.42, color=canvas.GREY, alpha=0.45, lw=0, zorder=0)
        for method, value in errors.items():
            colour, marker = styles[method]
            at = y + 0.3 - 0.085 * METHODS.index(min(method, "ladder", key=METHODS.index))
            hollow = method == "shrunken"
            ax.scatter(
                value / best, at, marker=marker, s=64 if hollow else 40, zorder=4 if method in FACTORS else 3,
                facecolors="none" if hollow else colour, edgecolors=colour, linewidths=1.4 if hollow else 0.5,
                label=method,
            )  # fmt: skip
    ax.set_xscale("log")
    ax.axvline(1.0, color=canvas.FAINT, lw=1.0, zorder=1)
    ax.set_yticks(range(len(rows)), [name for name, _ in rows])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlabel("error relative to the best prediction without factors (logarithmic)")
    ticks = (0.7, 1, 1.5, 2, 3, 5, 10)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    handles, labels = ax.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    named = [method for method in METHODS if method in unique]
    ax.legend([unique[m] for m in named], named, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure


def words(found: Scores) -> str:
    """What the rules say that could have chosen a default on the one half of the data, and on the other."""
    rules = chosen_rule(found)
    lines = [
        f"Geometric means of errors, over data that may choose ({', '.join(CHOOSING)}) and over the others:",
        "",
        "| rule | choosing | others |",
        "| --- | ---: | ---: |",
    ]
    for rule, of in rules.items():
        lines.append(f"| {rule} | {math.exp(of['choosing']):.2f} | {math.exp(of['reporting']):.2f} |")
    return "\n".join(lines) + "\n"


def write(found: Scores, seed: int, folder: Path) -> list[Path]:
    """combinations.json, table.md, figure.png and figure.svg (with matplotlib); old ones are replaced."""
    written = []

    def keep(name: str, content: bytes) -> None:
        with open_output(folder / name, force=True) as stream:
            stream.write(content)
        written.append(folder / name)

    keep("combinations.json", record(found, seed).encode())
    keep("table.md", f"{table(found)}\n{words(found)}".encode())
    with contextlib.suppress(MissingExtraError):
        drawn = picture(found)
        for kind, options in (("png", {"dpi": 160}), ("svg", {"metadata": {"Date": None}})):
            keep(f"figure.{kind}", drawn_bytes(drawn, kind, options))
    return written
