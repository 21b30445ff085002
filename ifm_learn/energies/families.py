"""Families of energies by name."""

from __future__ import annotations

from collections.abc import Callable

from ifm_ident import InputError
from ifm_ident.errors import nearest
from ifm_learn.energies.energy import Energy
from ifm_learn.energies.mlp import Mlp

FAMILIES: dict[str, Callable[[int], Energy]] = {"mlp": Mlp}
"""From a name to a function of the number of variables."""


def family(name: str) -> Callable[[int], Energy]:
    """The energies of a name, made for a number of variables.

    >>> family("mlp")(3).width
    3
    >>> family("mpl")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: there are no energies 'mpl'; did you mean mlp?
    """
    if name not in FAMILIES:
        raise InputError(f"there are no energies {name!r}; {nearest(name, FAMILIES)}")
    return FAMILIES[name]
