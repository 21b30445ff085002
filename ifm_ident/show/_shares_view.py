"""The share of the space that has an answer in notebooks, at a prompt and as an Arrow table."""

from __future__ import annotations

import html
from collections.abc import Iterator

import pyarrow as pa

from ifm_ident.answer.exact_text import integer_text
from ifm_ident.shares.shares import ANSWERED, Shares
from ifm_ident.show._notebook import html_table, text_table
from ifm_ident.show.shares_write import percent, share_text, short_count


def shares_table(found: Shares) -> pa.Table:
    """A row for each order looked at, and one with a null `active` for the whole space; shares as nearest floats.

    `regimes` is text, as the number may have hundreds of digits; `low` and `high` are the 95% interval of
    `answered`, both equal to it where `exact`.
    """
    parts = (*found.parts, found.total)
    answered = [part.share(*ANSWERED) for part in parts]
    return pa.table(
        {
            "active": pa.array([part.active for part in parts], pa.int64()),
            "regimes": pa.array([integer_text(part.regimes) for part in parts], pa.string()),
            **{verdict: [float(part.share(verdict).value) for part in parts] for verdict in found.columns},
            "answered": [float(share.value) for share in answered],
            "low": [float(share.low) for share in answered],
            "high": [float(share.high) for share in answered],
            "exact": [share.exact for share in answered],
        }
    )


def _heading(found: Shares) -> str:
    share = share_text(found.total.share(*ANSWERED))
    return f"{short_count(found.total.regimes)} regimes: {share} are observed or identified"


def _columns(found: Shares) -> tuple[str, ...]:
    return ("off baseline", "regimes", *(verdict.replace("_", " ") for verdict in found.columns), "answered")


def _rows(found: Shares) -> Iterator[tuple[str, ...]]:
    """The whole space first: of many orders only the first few are shown."""
    for part in (found.total, *found.parts):
        shares = (part.share(verdict) for verdict in found.columns)
        yield (
            "all" if part.active is None else str(part.active),
            short_count(part.regimes),
            *(f"{'' if share.exact else '~'}{percent(share.value)}" for share in shares),
            share_text(part.share(*ANSWERED)),
        )


def shares_text(found: Shares) -> str:
    """The shares as an aligned table."""
    return f"{_heading(found)}\n{text_table(_columns(found), _rows(found), len(found.parts) + 1)}"


def shares_html(found: Shares) -> str:
    """The shares as an HTML table."""
    rows = (tuple(map(html.escape, row)) for row in _rows(found))
    return html_table(_heading(found), _columns(found), rows, len(found.parts) + 1)
