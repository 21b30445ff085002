"""The arrays that everything is made of: their types, and rows of unequal length in compressed form."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_Entry = TypeVar("_Entry", bound=np.generic)


def fixed(array: NDArray[_Entry]) -> NDArray[_Entry]:
    """The array, not to be written into by who is handed it; a view, so that the caller's own stays as it is.

    >>> fixed(np.array([1, 2])).flags.writeable
    False
    """
    view = array.view()
    view.flags.writeable = False
    return view


def ragged_arange(starts: Ints, counts: Ints) -> Ints:
    """Concatenated ranges starts[i], ..., starts[i] + counts[i] - 1.

    >>> ragged_arange(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    total = int(counts.sum())
    offsets = np.cumsum(counts) - counts
    return np.repeat(starts - offsets, counts) + np.arange(total, dtype=np.int64)
