"""Families of energies by name, and the layout of a design's energies."""

from __future__ import annotations

from collections.abc import Callable

from ifm_ident import InputError
from ifm_ident.arrays import Floats
from ifm_ident.errors import nearest
from ifm_learn.energies._deep import Deep
from ifm_learn.energies._linear import Pairwise, Saturated
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.energy import Energy
from ifm_learn.energies.layout import Layout
from ifm_learn.energies.mlp import Mlp

Family = Callable[[Floats], Energy]
"""From rows of a factor's variables, shape (n, width), in the units that the energy will see, to an energy."""

FAMILIES: dict[str, Family] = {
    "mlp": lambda points: Mlp(points.shape[1]),
    "quadratic": Pairwise.quadratic,
    "splines": Pairwise.splines,
    "smooth": Pairwise.smooth,
    "saturated": Saturated.of,
    "deep": lambda points: Deep(points.shape[1]),
}


def family(name: str) -> Family:
    """The energies of a name.

    >>> import numpy as np
    >>> family("mlp")(np.zeros((1, 3))).width
    3
    >>> family("mpl")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: there are no energies 'mpl'; did you mean mlp?
    """
    if name not in FAMILIES:
        raise InputError(f"there are no energies {name!r}; {nearest(name, FAMILIES)}")
    return FAMILIES[name]


def layout_of(cells: FactorCells, energy: str | Family, points: Floats) -> Layout:
    """An energy of one family for each factor; points: rows of all variables, shape (n, p)."""
    make = family(energy) if isinstance(energy, str) else energy
    return Layout(cells, tuple(make(points[:, scope]) for scope in cells.scopes))
