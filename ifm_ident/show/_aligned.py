"""Aligned columns of text: the one table that is not in Arrow."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence


def aligned(
    rows: Iterable[Sequence[str]], indent: str = "", right: Container[int] = (), widest: int | None = None
) -> Iterator[str]:
    """Lines of columns two spaces apart, those in `right` flush right, none made wider than `widest`.

    >>> list(aligned([("regime", "n"), ("A", "10")], right=[1]))
    ['regime   n', 'A       10']
    """
    shown = list(rows)
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    widths = widths if widest is None else [min(width, widest) for width in widths]
    for row in shown:
        cells = zip(row, widths, strict=True)
        padded = [text.rjust(w) if i in right else text.ljust(w) for i, (text, w) in enumerate(cells)]
        yield (indent + "  ".join(padded)).rstrip()
