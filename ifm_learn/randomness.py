"""A generator for each purpose from one seed, and one thread for linear algebra: same seed, same bytes."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ifm_ident import InputError, MissingExtraError


def checked_seed(seed: int) -> int:
    """The seed; InputError unless it is a whole number from 0."""
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise InputError(f"a seed is a whole number from 0, got {seed!r}")
    return int(seed)


def stream(seed: int, purpose: str) -> np.random.Generator:
    """A generator that shares no numbers with that of another purpose, nor with data simulated from the same seed.

    Rows redrawn by the very numbers that a simulation drew its outcomes by are no bootstrap: whoever writes
    `default_rng(0)` above `seed=0` would get that.

    >>> float(stream(0, "redraw").random()) != float(np.random.default_rng(0).random())
    True
    >>> stream(-1, "redraw")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: a seed is a whole number from 0, got -1
    """
    return np.random.default_rng([checked_seed(seed), zlib.crc32(purpose.encode())])


@contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra by one thread: the same bytes on any number of cores and in any number of processes.

    It also costs less: matrices of some tens of rows are not worth the threads' meeting.

    >>> with one_thread():
    ...     float(np.eye(2).trace())
    2.0
    """
    try:
        pools: Any = importlib.import_module("threadpoolctl")
    except ImportError:
        raise MissingExtraError("threadpoolctl", "learn") from None
    with pools.threadpool_limits(limits=1):
        yield
