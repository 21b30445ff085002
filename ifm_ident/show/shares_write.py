"""The share of the space that is identified, as a table and as JSON (`ifm-summary/1`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from ifm_ident.answer.exact_text import integer_text
from ifm_ident.results.documents import Listing, document
from ifm_ident.shares.shares import ANSWERED, CONFIDENCE, Part, Share, Shares
from ifm_ident.show._aligned import aligned
from ifm_ident.show.table import wrapped
from ifm_ident.show.words import counted

SCHEMA = "ifm-summary/1"

_TITLES = {
    "observed": "observed",
    "identified_joint": "joint",
    "identified_conditional": "conditional",
    "not_identified": "not identified",
}
_NOTES = {
    "identified_joint": "joint: identified by one product of training densities.",
    "identified_conditional": "conditional: identified by formulas for the full conditionals{only}.",
}
_LONG_NUMBER = 10**15


def json_lines(name: str, found: Shares) -> Iterator[str]:
    """The summary as JSON, one order a line.

    Each order and the total hold `active` (null for the total), `regimes`, `known` (how many have a verdict that
    is known exactly) and `sampled`; and for every verdict, and for `answered` (observed or identified), `share`,
    `interval` (its 95% interval, both ends the share where it is exact), `count` among the known, and `hits`
    among those sampled. Numbers of regimes are texts, since they can be long.
    """
    design, model = found.identifier.design, found.identifier.design.model
    return document(
        {"schema": SCHEMA},
        {"study": name},
        {"variables": model.variables},
        {"criterion": found.criterion, "seed": found.seed, "sample": found.sample},
        {"confidence": CONFIDENCE},
        {"interventions": len(model), "training": len(design.distinct)},
        {"orders": Listing(_entry(found, part) for part in found.parts)},
        {"total": _entry(found, found.total)},
    )


def _entry(found: Shares, part: Part) -> dict[str, object]:
    entry: dict[str, object] = {
        "active": part.active,
        "regimes": integer_text(part.regimes),
        "known": integer_text(part.known),
        "sampled": part.drawn,
    }
    for name, verdicts in (*((v, (v,)) for v in found.columns), ("answered", ANSWERED)):
        share = part.share(*verdicts)
        entry[name] = {
            "share": float(share.value),
            "interval": [float(share.low), float(share.high)],
            "count": integer_text(part.count(*verdicts)),
            "hits": part.drawn_with(*verdicts),
        }
    return entry


def text_lines(name: str, found: Shares, notes: Sequence[str] = ()) -> Iterator[str]:
    """The summary for people: `notes`, a line an order, the whole space, and how the numbers came about."""
    design, model = found.identifier.design, found.identifier.design.model
    size = f"{counted(len(model), 'intervention')}, {counted(len(design.distinct), 'distinct training regime')}"
    yield from wrapped(f"{' '.join(name.split())}: {size}", "  ")
    yield from wrapped("What share of all regimes has an answer, by the number of interventions off baseline.")
    for note in notes:
        yield from wrapped(note)
    yield ""
    titles = [_TITLES[verdict] for verdict in found.columns]
    if found.criterion == "joint":
        titles[-1] = "no joint formula"
    parts = (*found.parts, found.total)
    looked = ["known", "drawn"] if any(part.drawn for part in parts) else []
    rows = [["active", "regimes", *looked, *titles, "answered"]]
    rows += [_row(found, part, bool(looked)) for part in parts]
    yield from aligned(rows, right=range(len(rows[0]) - 1))
    yield ""
    for note in _notes(found):
        yield from wrapped(note, "  ")


def _row(found: Shares, part: Part, looked: bool) -> list[str]:
    cells = []
    if looked:
        known = "all" if part.known == part.regimes else short_count(part.known)
        cells = [known, f"{part.drawn:,}" if part.drawn else ""]
    for verdict in found.columns:
        share = part.share(verdict)
        exact = share.value * part.regimes
        cells.append(short_count(int(exact)) if share.exact else f"~{percent(share.value)}")
    return [
        "all" if part.active is None else str(part.active),
        short_count(part.regimes),
        *cells,
        share_text(part.share(*ANSWERED)),
    ]


def _notes(found: Shares) -> Iterator[str]:
    shown, last = [part.active for part in found.parts if part.active is not None], found.orders - 1
    if len(shown) <= last:
        yield f"active: {_ranges(shown)} of 0 to {last}. The last line is about the whole space."
    for verdict, note in _NOTES.items():
        if verdict in found.columns:
            yield note.format(only=" only" if found.criterion == "auto" else "")
    if found.criterion == "joint":
        yield (
            "no joint formula: no single product of training densities gives it. The full conditionals may "
            "still do: try `--criterion conditional`."
        )
    yield "answered: the share of regimes that are observed or identified."
    total = found.total
    if total.spanned:
        yield "Every regime has an answer: by their rank, the training regimes span all regimes."
    if not any(part.drawn for part in (*found.parts, total)):
        return
    percents = f"{100 * Fraction(CONFIDENCE)}%"
    yield (
        f"drawn: regimes drawn uniformly, seed {found.seed}, from those of the line whose verdicts are not known. "
        f"~ marks an estimate; ( to ) is the exact binomial (Clopper-Pearson) {percents} interval of each line by "
        "itself, widened to the last digit shown."
    )
    if total.known and total.drawn:
        yield (
            f"all: {short_count(total.known)} regimes counted one by one, the other "
            f"{short_count(total.regimes - total.known)} by one uniform sample and its interval."
        )


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers, runs as `first to last`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{r[0]} to {r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs)


def short_count(count: int) -> str:
    """A number of regimes, or its order of magnitude where it has more than 15 digits.

    >>> short_count(1200), short_count(2**1000)
    ('1,200', '1.1e301')
    """
    if count < _LONG_NUMBER:
        return f"{count:,}"
    return f"{Decimal(count):.1e}".replace("e+", "e")


def percent(share: Fraction) -> str:
    """A share in percent; only what is exactly none or all of it is written as 0% or 100%.

    >>> percent(Fraction(1, 3)), percent(Fraction(1, 10**9)), percent(1 - Fraction(1, 10**9)), percent(Fraction(1))
    ('33.33%', '<0.01%', '>99.99%', '100%')
    """
    rounded = round(share * 10000)
    if share in (0, 1):
        return f"{int(share) * 100}%"
    if rounded in (0, 10000):
        return ">99.99%" if rounded else "<0.01%"
    return f"{rounded / 100:.2f}%"


def share_text(share: Share) -> str:
    """A share in percent, with its interval (rounded outwards) where it is an estimate.

    >>> share_text(Share(Fraction(1, 2), Fraction(4444444, 10**7), Fraction(5555555, 10**7)))
    '~50.00% (44.44% to 55.56%)'
    """
    if share.exact:
        return percent(share.value)
    low, high = Fraction(floor(share.low * 10000), 10000), Fraction(ceil(share.high * 10000), 10000)
    return f"~{percent(share.value)} ({percent(low)} to {percent(high)})"
