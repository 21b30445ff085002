"""Are these numbers counts?"""

from __future__ import annotations

import numpy as np

from ifm_ident import InputError


def check_counts(**given: int) -> None:
    """InputError, with its name, for a number that is not a whole one from 1.

    >>> check_counts(bins=17, starts=0)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: starts is 0; give a whole number from 1
    """
    for name, value in given.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
            raise InputError(f"{name} is {value!r}; give a whole number from 1")
