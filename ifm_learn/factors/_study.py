"""The model with factors added and terms dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ifm_ident import Factor, Model
from ifm_learn.factors.candidates import Candidate

Piece = tuple[tuple[str, ...], tuple[str, ...]]


def chosen_model(model: Model, added: Sequence[Candidate], dropped: Sequence[Candidate]) -> Model:
    """The model with a factor for each candidate added, and without the terms dropped.

    A term that is dropped on some variables leaves its parts there; where no factor is left over all variables of
    the old one, one without interventions keeps what they share free. Factors that are as they were keep their
    names, and the first piece of one that is not.

    >>> from ifm_ident import Intervention
    >>> bits = (Intervention("A", (0, 1)), Intervention("B", (0, 1)))
    >>> model = Model(bits, ("x", "y"), (Factor("f", ("x", "y"), ("A", "B")),))
    >>> found = chosen_model(model, [], [Candidate(("A", "B"), ("y",), True)])
    >>> [(one.name, one.x, one.sigma) for one in found.factors]
    [('f', ('x',), ('A', 'B')), ('B', ('y',), ('B',)), ('A', ('y',), ('A',)), ('base', ('x', 'y'), ())]
    >>> chosen_model(model, [], []) == model
    True
    """
    factors: list[Factor] = []
    scopes: list[tuple[str, ...]] = []
    for factor in model.factors:
        gone = {v for one in dropped if set(one.sigma) == set(factor.sigma) for v in one.x if v in factor.x}
        if not gone:
            factors.append(factor)
            continue
        stay, left = (tuple(v for v in factor.x if (v in gone) == away) for away in (False, True))
        parts = [tuple(n for n in factor.sigma if n != name) for name in factor.sigma]
        pieces: list[Piece] = [(factor.sigma, stay)] if stay else []
        pieces += [(part, left) for part in parts if part]
        scopes.append(factor.x)
        names = [f.name for f in model.factors] + [f.name for f in factors]
        made = [replace(factor, x=x, sigma=sigma) for sigma, x in pieces[:1]]  # none where all of it is gone
        for sigma, x in pieces[1:]:
            made.append(replace(factor, name=_name(sigma, [*names, *(f.name for f in made)]), x=x, sigma=sigma))
        factors += made
    for x in dict.fromkeys(scopes):
        if not any(set(x) <= set(f.x) for f in factors):
            factors.append(Factor(_name((), [f.name for f in factors]), x, ()))
    for one in added:
        names = [f.name for f in factors]
        factors.append(Factor(_name(one.sigma, names), one.x, one.sigma))
    return replace(model, factors=tuple(factors))


def _name(sigma: Sequence[str], taken: Sequence[str]) -> str:
    first = "_".join(sigma) or "base"
    name, k = first, 1
    while name in taken:
        k += 1
        name = f"{first}_{k}"
    return name
