"""Which sets of interventions may act together on which variables: what is asked of the data."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ifm_ident import Factor, InputError, Model, Regimes
from ifm_ident.errors import nearest
from ifm_ident.show import counted, listed

Pairs = Literal["measured", "all"]

MOST = 500
"""More candidates than this are not asked about at once."""

MOST_SINGLE = 12
"""With more variables, no candidate is about one of them alone."""

_FEW_PAIRS = 45
"""All pairs of interventions are named, also those never run together, where there are no more than this."""


@dataclass(frozen=True)
class Candidate:
    """Interventions that may act together on variables, in model order.

    present: the study says so already, and the question is whether it need.
    """

    sigma: tuple[str, ...]
    x: tuple[str, ...]
    present: bool = False

    @property
    def words(self) -> str:
        """Such as "A and B on x1".

        >>> Candidate(("A", "B"), ("x1", "x2")).words
        'A and B on x1, x2'
        """
        return f"{' and '.join(self.sigma)} on {', '.join(self.x)}"


@dataclass(frozen=True)
class Asked:
    """Candidates, and in words what was looked for and what was not."""

    candidates: tuple[Candidate, ...]
    searched: tuple[str, ...]


def acting(model: Model, variable: str) -> tuple[frozenset[str], ...]:
    """The largest sets of interventions that factors let act on a variable together, in the order of factors."""
    found = [frozenset(factor.sigma) for factor in model.factors if variable in factor.x]
    return tuple(dict.fromkeys(one for one in found if one and not any(one < other for other in found)))


def present(model: Model) -> tuple[Candidate, ...]:
    """The study's own terms: each largest set of interventions, on each variable that it acts on.

    >>> from ifm_ident import Intervention
    >>> factors = (Factor("f", ("x", "y"), ("A", "B")), Factor("g", ("y",), ("A",)))
    >>> model = Model((Intervention("A", (0, 1)), Intervention("B", (0, 1))), ("x", "y"), factors)
    >>> [one.words for one in present(model)]
    ['A and B on x', 'A and B on y']
    """
    held: dict[frozenset[str], list[str]] = {}
    for variable in model.variables:
        for one in acting(model, variable):
            held.setdefault(one, []).append(variable)
    found = []
    for sigma, variables in held.items():
        parts = [(v,) for v in variables] if len(model.variables) <= MOST_SINGLE else [tuple(variables)]
        found += [Candidate(_ordered(model, sigma), part, True) for part in parts]
    return tuple(found)


def default_candidates(model: Model, train: Regimes, pairs: Pairs = "measured") -> Asked:
    """Single interventions on variables that they do not act on yet, and pairs, on each variable and on all.

    pairs: those off baseline together in some training regime, or all of them. Where there are few, all are
    named, so that it can be said which regimes would tell. Raises InputError for more than `MOST`.
    """
    names = [one.name for one in model.interventions]
    codes = train.codes() != 0
    together = codes.T.astype(np.int64) @ codes.astype(np.int64) > 0
    every = [*itertools.combinations(range(len(names)), 2)]
    measured = [pair for pair in every if together[pair]]
    chosen = every if pairs == "all" or len(every) <= _FEW_PAIRS else measured
    variables = model.variables
    single = 1 < len(variables) <= MOST_SINGLE
    scopes = [variables, *((v,) for v in variables)] if single else [variables]
    wanted: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    wanted += [((name,), (v,)) for v in variables for name in names] if single or len(variables) == 1 else []
    wanted += [((name,), variables) for name in names] if not wanted else []
    wanted += [((names[a], names[b]), scope) for a, b in chosen for scope in scopes]
    found = tuple(dict.fromkeys(one for sigma, x in wanted for one in [_new(model, sigma, x)] if one is not None))
    searched = [
        f"single interventions on {'each variable' if single or len(variables) == 1 else 'all variables'}",
        f"{counted(len(chosen), 'pair')} of interventions, {len(measured)} of them run together, on "
        + ("each variable and on all together" if single else "all variables together"),
        "not looked for: three and more interventions acting together"
        + ("" if len(chosen) == len(every) else f"; {len(every) - len(chosen):,} pairs never run together"),
    ]
    if len(variables) > MOST_SINGLE:
        searched.append(f"not looked for: single variables, which are more than {MOST_SINGLE}")
    return Asked(_few(found), tuple(searched))


def given_candidates(model: Model, given: Iterable[object]) -> Asked:
    """What a user lists: factors, maps with `sigma` and maybe `x`, or pairs of names and names.

    Raises InputError with the place for unknown names, and where nothing is left to ask.

    >>> from ifm_ident import Intervention
    >>> factors = (Factor("f", ("x",), ("A",)), Factor("g", ("x",), ("B",)))
    >>> model = Model((Intervention("A", (0, 1)), Intervention("B", (0, 1))), ("x",), factors)
    >>> [one.words for one in given_candidates(model, [{"sigma": ["B", "A"]}]).candidates]
    ['A and B on x']
    >>> given_candidates(model, [{"sigma": ["A", "C"]}])
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: candidates[0]: there is no intervention 'C'; legal: A, B
    """
    found: dict[Candidate, None] = {}
    held = []
    for k, one in enumerate(given):
        sigma, x = _parts(one, k, model)
        names = [i.name for i in model.interventions]
        for kind, parts, legal in (("intervention", sigma, names), ("variable", x, list(model.variables))):
            for name in parts:
                if name not in legal:
                    raise InputError(f"candidates[{k}]: there is no {kind} {name!r}; {nearest(name, legal)}")
            if len(set(parts)) < len(parts):
                raise InputError(f"candidates[{k}]: {listed(parts)} names a {kind} twice; name it once")
        candidate = _new(model, sigma, x)
        if candidate is None:
            held.append(f"{' and '.join(sigma)} on {', '.join(x)}")
        else:
            found[candidate] = None
    if not found and not held:
        raise InputError("candidates is empty; list at least one, such as {sigma: [A, B], x: [x1]}")
    searched = [f"{counted(len(found), 'candidate')} of the list, and nothing else"]
    searched += [f"in the study already: {listed(held, 5)}"] if held else []
    return Asked(_few(tuple(found)), tuple(searched))


def _few(found: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    if len(found) > MOST:
        raise InputError(
            f"{len(found):,} candidates are more than {MOST:,} at once; list those of interest by `candidates`",
            argument="candidates",
        )
    return found


def _parts(one: object, k: int, model: Model) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sigma and the x of a candidate as it is given."""
    if isinstance(one, Factor):
        return one.sigma, one.x
    if isinstance(one, Candidate):
        return one.sigma, one.x
    if isinstance(one, Mapping):
        for key in one:
            if key not in ("name", "sigma", "x"):
                raise InputError(f"candidates[{k}]: unknown key {key!r}; {nearest(str(key), ('sigma', 'x'))}")
        sigma, x = one.get("sigma"), one.get("x", model.variables)
    else:
        raise InputError(
            f"candidates[{k}]: a candidate is a map such as {{sigma: [A, B], x: [x1]}}, got {one!r:.60}"
        )
    for key, names in (("sigma", sigma), ("x", x)):
        if isinstance(names, str) or not isinstance(names, Sequence) or not names:
            raise InputError(f"candidates[{k}].{key}: a list of names such as [A, B] is due, got {names!r:.60}")
        if not all(isinstance(name, str) for name in names):
            raise InputError(
                f"candidates[{k}].{key}: names are texts, got {list(names)!r:.60}; put them in quotes"
            )
    return tuple(sigma or ()), tuple(x or ())


def _new(model: Model, sigma: Sequence[str], x: Sequence[str]) -> Candidate | None:
    """The candidate on those of the variables where the interventions do not act together yet; None for none."""
    wanted = frozenset(sigma)
    left = [v for v in model.variables if v in x and not any(wanted <= one for one in acting(model, v))]
    return Candidate(_ordered(model, wanted), tuple(left)) if left else None


def _ordered(model: Model, sigma: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(sigma, key=lambda name: model.position[name]))
