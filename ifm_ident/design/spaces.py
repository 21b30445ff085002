"""Sets of regimes that are enumerated in chunks and never stored whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Protocol

import numpy as np

from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError

LIMIT = 2**26
CHUNK = 65536


class Space(Protocol):
    """A finite, ordered set of regimes: its exact size and its members in chunks."""

    @property
    def count(self) -> int:
        """How many regimes there are, exact."""

    @property
    def digest(self) -> str:
        """A text that differs where the regimes of one model or their order differ."""

    def chunks(self, size: int = CHUNK, start: int = 0, stop: int | None = None) -> Iterator[Regimes]:
        """The regimes from `start` on, before `stop`, in order and `size` at a time (fewer in the last chunk)."""


def require_feasible(space: Space) -> None:
    """Raise InputError when a space that is enumerated holds more than LIMIT = 2**26 regimes.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> bits = tuple(Intervention(f"s{i}", (0, 1)) for i in range(40))
    >>> model = Model(bits, ("x",), (Factor("f", ("x",), ("s0",)),))
    >>> require_feasible(UpToOrder(model, 2))
    >>> require_feasible(AllRegimes(model))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: 2^40 = 1,099,511,627,776 regimes are too many to enumerate (limit 2^26 = 67,108,864); ask for {order: 2}, a list, or a file
    """  # noqa: E501
    count = space.count
    if count > LIMIT and isinstance(space, (AllRegimes, UpToOrder)):
        order = isinstance(space, UpToOrder) and space.order <= 2
        remedy = "a smaller order" if order else "{order: 2}"
        raise InputError(
            f"{_readable(count)} regimes are too many to enumerate (limit 2^26 = {LIMIT:,}); ask for {remedy}, "
            "a list, or a file"
        )


def _readable(count: int) -> str:
    power = f"2^{count.bit_length() - 1}" if count & (count - 1) == 0 else ""
    digits = f"{count:,}" if count.bit_length() <= 128 else ""
    if not power and not digits:
        digits = f"about 10^{int(math.log10(count))}"
    return " = ".join(part for part in (power, digits) if part)


def _require_indexable(space: Space) -> None:
    if space.count >= 2**62:
        require_feasible(space)


def _spans(count: int, size: int, start: int, stop: int | None) -> Iterator[tuple[int, int]]:
    end = count if stop is None else min(stop, count)
    return ((at, min(at + size, end)) for at in range(start, end, size))


@dataclass(frozen=True, eq=False)
class AllRegimes:
    """Every regime of the model, lexicographic, the last intervention fastest.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> pair = (Intervention("A", (0, 1)), Intervention("B", (0, 1, 2)))
    >>> space = AllRegimes(Model(pair, ("x",), (Factor("f", ("x",), ("A", "B")),)))
    >>> space.count, [chunk.codes().tolist() for chunk in space.chunks(4)]
    (6, [[[0, 0], [0, 1], [0, 2], [1, 0]], [[1, 1], [1, 2]]])
    """

    model: Model

    @property
    def count(self) -> int:
        """The exact number of regimes."""
        return math.prod(self.model.level_counts.tolist())

    @property
    def digest(self) -> str:
        """The word for it."""
        return "all"

    def chunks(self, size: int = CHUNK, start: int = 0, stop: int | None = None) -> Iterator[Regimes]:
        """The regimes in order, as `Space` says; InputError for 2**62 regimes or more."""
        _require_indexable(self)
        return self._chunks(_spans(self.count, size, start, stop))

    def _chunks(self, spans: Iterator[tuple[int, int]]) -> Iterator[Regimes]:
        levels = self.model.level_counts
        for start, stop in spans:
            rest = np.arange(start, stop, dtype=np.int64)
            codes = np.zeros((len(rest), len(levels)), dtype=np.int64)
            for position in range(len(levels) - 1, -1, -1):
                rest, codes[:, position] = np.divmod(rest, levels[position])
            yield Regimes.from_codes(codes)


@dataclass(frozen=True, eq=False)
class UpToOrder:
    """Every regime with at most `order` interventions off baseline.

    Ordered by the number off baseline, then by their positions, then by their levels; an order beyond
    the number of interventions means all of them. Raises InputError for a negative order.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> pair = (Intervention("A", (0, 1)), Intervention("B", (0, 1, 2)))
    >>> space = UpToOrder(Model(pair, ("x",), (Factor("f", ("x",), ("A", "B")),)), 1)
    >>> space.count, [chunk.codes().tolist() for chunk in space.chunks()]
    (4, [[[0, 0], [1, 0], [0, 1], [0, 2]]])
    """

    model: Model
    order: int

    def __post_init__(self) -> None:
        if self.order < 0:
            raise InputError(f"order is {self.order}; it must be 0 or more")

    @cached_property
    def count(self) -> int:
        """The exact number of regimes: elementary symmetric sums of a_i - 1, added up to the order."""
        others = [a - 1 for a in self.model.level_counts.tolist()]
        if self.order >= len(others):
            return math.prod(a + 1 for a in others)
        sums = [1] + [0] * self.order
        for other in others:
            for k in range(self.order, 0, -1):
                sums[k] += other * sums[k - 1]
        return sum(sums)

    @property
    def digest(self) -> str:
        """The order."""
        return f"order:{self.order}"

    def chunks(self, size: int = CHUNK, start: int = 0, stop: int | None = None) -> Iterator[Regimes]:
        """The regimes in order, as `Space` says; InputError for 2**62 regimes or more."""
        _require_indexable(self)
        return self._chunks(_spans(self.count, size, start, stop))

    def _chunks(self, spans: Iterator[tuple[int, int]]) -> Iterator[Regimes]:
        tails = self._tails()
        starts = row_bounds(tails[:, 0])
        for start, stop in spans:
            parts = []
            for k in range(len(tails)):
                low, high = max(start, int(starts[k])), min(stop, int(starts[k + 1]))
                if low < high:
                    ranks = np.arange(low, high, dtype=np.int64) - starts[k]
                    parts.append(self._unrank(ranks, k, tails))
            yield parts[0] if len(parts) == 1 else Regimes.concatenate(parts)

    def _tails(self) -> Ints:
        """tails[k, i] is the number of ways to have k of the interventions i, i + 1, ... off baseline."""
        others = (self.model.level_counts - 1).tolist()
        width, order = len(others), min(self.order, len(others))
        tails = np.zeros((order + 1, width + 1), dtype=np.int64)
        tails[0] = 1
        for i in range(width - 1, -1, -1):
            tails[1:, i] = tails[1:, i + 1] + others[i] * tails[:-1, i + 1]
        return tails

    def _unrank(self, ranks: Ints, k: int, tails: Ints) -> Regimes:
        """The regimes of the given ranks among those with exactly k interventions off baseline.

        A set of positions P owns prod(a_i - 1 for i in P) consecutive ranks. `weight` is that product over
        the positions chosen so far, so that rank // weight counts what is left to choose.
        """
        count = len(ranks)
        others = self.model.level_counts - 1
        position = np.zeros((count, k), dtype=np.int64)
        rest, weight = ranks.copy(), np.ones(count, dtype=np.int64)
        begin = np.zeros(count, dtype=np.int64)
        for j in range(k):
            tail = tails[k - j]
            wanted = tail[begin] - rest // weight
            chosen = len(tail) - 1 - np.searchsorted(tail[::-1], wanted, side="left")
            position[:, j] = chosen
            rest -= weight * (tail[begin] - tail[chosen])
            weight *= others[chosen]
            begin = chosen + 1
        level = np.ones((count, k), dtype=np.int64)
        for j in range(k - 1, -1, -1):
            rest, digit = np.divmod(rest, others[position[:, j]])
            level[:, j] += digit
        indptr = np.arange(count + 1, dtype=np.int64) * k
        return Regimes(indptr, position.ravel(), level.ravel(), len(others))


@dataclass(frozen=True, eq=False)
class Listed:
    """Regimes as listed, in that order, repeats included.

    >>> space = Listed(Regimes.from_codes(np.array([[0, 1], [1, 1], [0, 1]])))
    >>> space.count, [len(chunk) for chunk in space.chunks(2)]
    (3, [2, 1])
    """

    regimes: Regimes

    @property
    def count(self) -> int:
        """The number of regimes listed."""
        return len(self.regimes)

    @property
    def digest(self) -> str:
        """The SHA-256 of the regimes, as `list:...`."""
        found = sha256()
        for column in (self.regimes.indptr, self.regimes.position, self.regimes.level):
            found.update(np.ascontiguousarray(column).astype("<i8", copy=False).tobytes())
        return f"list:{found.hexdigest()}"

    def chunks(self, size: int = CHUNK, start: int = 0, stop: int | None = None) -> Iterator[Regimes]:
        """The regimes in order, as `Space` says."""
        spans = _spans(self.count, size, start, stop)
        return (self.regimes.take(slice(low, high)) for low, high in spans)


def digest_of(spaces: Sequence[Space]) -> str:
    """A text that differs where the regimes of spaces, one after the other, or their order differ.

    Lists are taken together: their text is `Listed.digest` of all their regimes.

    >>> one, other = Regimes.from_codes(np.array([[0, 1]])), Regimes.from_codes(np.array([[1, 1]]))
    >>> digest_of([Listed(one), Listed(other)]) == Listed(Regimes.concatenate([one, other])).digest
    True
    """
    lists = [space.regimes for space in spaces if isinstance(space, Listed)]
    if len(lists) > 1 and len(lists) == len(spaces):
        return Listed(Regimes.concatenate(lists)).digest
    return " ".join(space.digest for space in spaces)
