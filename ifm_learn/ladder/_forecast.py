"""What a fit will take, by operations counted and a machine's speed, and which rungs fit in."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from ifm_ident import InputError
from ifm_learn.ladder._law import Cost

Kind = Literal["least squares", "newton", "contrast", "grid"]

SHARE = 0.6
"""How much of the free memory a fit may plan to take."""

_CALLS = 5e-5
"""Seconds of Python for one clique of one regime."""

REFITS = 40
"""Refits that errors are taken from."""

COMPARED = 15
"""Refits without some rows, where several are compared."""


@dataclass(frozen=True)
class Speed:
    """Seconds for one operation of a matrix product, and for one entry of an array read and written anew."""

    product: float
    entry: float


USUAL = Speed(product=1.5e-11, entry=3e-9)
"""What forecasts count with, so that one seed means one choice of rungs on every machine."""


@dataclass(frozen=True)
class Size:
    """Of a fit: rows n, columns p (outcomes too), features by row, training regimes, columns of the normal matrix.

    cells: entries of the largest clique table, for grids.
    """

    rows: int
    columns: int
    features: int = 1
    regimes: int = 1
    coordinates: int = 1
    cells: int = 0


@dataclass(frozen=True)
class Choice:
    """Which rungs fit the limits, in the order given, and why the others do not, in words."""

    kept: tuple[str, ...]
    dropped: dict[str, str]


@cache
def speed() -> Speed:
    """Measured once on this machine, in about 50 ms.

    >>> 1e-13 < speed().product < 1e-6
    True
    """
    square = np.ones((192, 192))
    long = np.ones(2_000_000)
    square @ square
    product, entry = [], []
    for _ in range(5):
        begun = time.process_time()
        square @ square
        product.append((time.process_time() - begun) / (2 * 192**3))
        begun = time.process_time()
        long + 1.0
        entry.append((time.process_time() - begun) / len(long))
    return Speed(float(np.median(product)), float(np.median(entry)))


def slowness() -> float:
    """How many times longer this machine takes than a `USUAL` one; of products and entries the geometric mean.

    >>> 1e-3 < slowness() < 1e3
    True
    """
    own = speed()
    return float(np.sqrt(max(own.product, 1e-13) / USUAL.product * max(own.entry, 1e-11) / USUAL.entry))


def free_memory() -> int:
    """Bytes that are free by the operating system's account; 2 GB where it gives none.

    >>> free_memory() > 0
    True
    """
    for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        try:
            return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
        except (ValueError, OSError, AttributeError):
            continue
    return 2 * 2**30


def forecast(kind: Kind, size: Size, pace: Speed = USUAL, tables: int = 1) -> Cost:
    """What one fit of a kind takes: least squares of means, newton of families, regime contrast, tables on a grid.

    pace: of the machine; tables: of cliques, each worked on in every regime.

    Within a factor of three or so of what is measured; counts of operations stand in the code.

    >>> small, large = (forecast("contrast", Size(n, 5, features=20, regimes=6)) for n in (1_000, 100_000))
    >>> small.seconds < large.seconds, small.bytes < large.bytes
    (True, True)
    """
    n, p, d, m, c = size.rows, size.columns, size.features, size.regimes, size.coordinates
    if kind == "least squares":  # one pass by regime, one factorisation
        once = 30 * n * p * pace.entry + (c**3 / 3 + 2 * c * c * (m + p)) * pace.product
        return Cost(once + 2e-3, 8 * (3 * n * p + 3 * m * p + 2 * c * c), once)
    if kind == "newton":  # ten steps over regimes, and the values once
        once = p * (60 * n * pace.entry + 10 * (4 * m * c * c + c**3) * pace.product + 2e-3)
        return Cost(once, 8 * (8 * n + 4 * m * c + 4 * c * c), once)
    if kind == "contrast":  # gradients over rows x features x regimes
        step = 4 * n * d * m * pace.product + 6 * n * m * pace.entry
        return Cost(100 * step + 5e-3, 8 * n * (2 * d + 4 * m), 30 * step)
    # each regime's tables, forwards and backwards, and what calling for them takes
    step = m * (size.cells * 6 * pace.entry + tables * _CALLS)
    return Cost(150 * step + 1e-2, 8 * size.cells * (m + 6), 20 * step)


def within_limits(
    costs: Mapping[str, Cost],
    *,
    seconds: float | None = None,
    memory: int | None = None,
    refits: int = REFITS,
    slower: float = 1.0,
) -> Choice:
    """Rungs, by name, that can be fitted and refitted in time and memory together; simplest first.

    Time is shared: a rung is kept while what is kept already leaves it room, so cheap ones go first. memory: bytes
    that are free (`free_memory()` by default), of which `SHARE` may be used; slower: than the costs tell.
    InputError where nothing fits.

    >>> costs = {"normal": Cost(0.1, 10**7, 0.0), "mlp": Cost(300.0, 10**8, 200.0), "grid": Cost(1.0, 10**12, 1.0)}
    >>> chosen = within_limits(costs, seconds=60, memory=4 * 10**9)
    >>> chosen.kept
    ('normal',)
    >>> print(chosen.dropped["mlp"])
    mlp would take about 2.3 hours with 40 refits, 59 s are left of 60 s
    >>> print(chosen.dropped["grid"])
    grid would hold 1,000 GB, 2.4 GB may be used
    """
    if seconds is not None and not seconds > 0:
        raise InputError(f"a time limit is a number of seconds above 0, got {seconds}")
    room = int(SHARE * (free_memory() if memory is None else memory))
    whole = {name: slower * (cost.seconds + refits * cost.refit) for name, cost in costs.items()}
    dropped: dict[str, str] = {}
    kept: set[str] = set()
    left = np.inf if seconds is None else float(seconds)
    for name in sorted(costs, key=lambda one: whole[one]):
        if costs[name].bytes > room:
            dropped[name] = f"{name} would hold {_bytes(costs[name].bytes)}, {_bytes(room)} may be used"
        elif whole[name] > left:
            dropped[name] = (
                f"{name} would take about {duration(whole[name])} with {refits} refits, {duration(left)} are left "
                f"of {duration(float(seconds or 0))}"
            )
        else:
            kept.add(name)
            left -= whole[name]
    if not kept:
        raise InputError(
            f"no model fits the limits: {'; '.join(dropped[name] for name in costs)}; allow more time, "
            "take fewer rows or columns, or a machine with more memory"
        )
    return Choice(tuple(name for name in costs if name in kept), {n: dropped[n] for n in costs if n in dropped})


def cost_words(costs: Sequence[Cost], slower: float = 1.0) -> str:
    """What fits with their refits and comparisons will take together, in words: seconds in all, the most memory.

    >>> cost_words([Cost(1.0, 10**7, 0.05), Cost(2.0, 3 * 10**8, 0.1)])
    'about 11 s, 0.3 GB'
    """
    refits = REFITS + (COMPARED if len(costs) > 1 else 0)
    seconds = slower * sum(cost.seconds + refits * cost.refit for cost in costs)
    return f"about {duration(seconds)}, {_bytes(max(cost.bytes for cost in costs))}"


def _bytes(count: int) -> str:
    return (
        f"{count / 1e9:,.0f} GB"
        if count >= 1e10
        else f"{count / 1e9:.1f} GB"
        if count >= 1e8
        else f"{count / 1e6:.0f} MB"
    )


def duration(seconds: float) -> str:
    """Seconds, minutes or hours in words.

    >>> duration(0.0042), duration(3.21), duration(600.0)
    ('0.0042 s', '3.2 s', '10 minutes')
    """
    if seconds < 100:
        return (
            f"{int(seconds)} s" if seconds >= 10 else f"{seconds:.1f} s" if seconds >= 0.1 else f"{seconds:.2g} s"
        )
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:,.1f} hours"
