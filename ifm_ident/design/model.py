"""Interventional factor models: interventions, variables and factors (docs/theory/model.md)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints, fixed
from ifm_ident.design.texts import look, look_alike_words, look_alikes, visible
from ifm_ident.errors import InputError, nearest
from ifm_ident.limits import require_within

Level = str | int | float

RESERVED_NAMES = frozenset({"ctrl", "all"})
_FORBIDDEN_IN_NAMES = "+,=:"
_SHOWN = 8
_LONGEST_GIVEN = 30


def level_text(level: Level) -> str:
    """The text of a level, by which tables and notations match it.

    >>> level_text(1), level_text(0.5), level_text("high")
    ('1', '0.5', 'high')
    """
    return str(level)


def legal_name(text: str) -> str:
    """A text as the name of an intervention may be: what names do not hold becomes `_`.

    >>> legal_name("1S,3R-RSL-3"), legal_name("chr1:100-200")
    ('1S_3R-RSL-3', 'chr1_100-200')
    """
    return "".join("_" if c in _FORBIDDEN_IN_NAMES or c.isspace() else c for c in visible(text.strip()))


def _check_level(level: object, place: tuple[str | int, ...]) -> None:
    if isinstance(level, bool) or level is None or not isinstance(level, (str, int, float)):
        raise InputError(f'a level is a string or a number, got {level!r}; write "{level}" in quotes', place)
    if isinstance(level, float) and not math.isfinite(level):
        raise InputError(f'the level {level} is not a finite number; write "{level}" in quotes', place)
    if isinstance(level, str):
        require_within("label", len(level), "a level")
    if level == "":
        raise InputError('the empty text "" cannot be a level (in tables it means baseline); name it', place)


def _check_name(kind: str, name: object, place: tuple[str | int, ...]) -> None:
    if not isinstance(name, str) or not name:
        raise InputError(f'the name of {kind} must be text, got {name!r}; write it in quotes: "{name}"', place)
    require_within("label", len(name), f"the name of {kind}")
    bad = sorted({c for c in name if c in _FORBIDDEN_IN_NAMES or c.isspace()})
    if kind == "an intervention" and bad:
        quoted, legal = json.dumps(name, ensure_ascii=False), legal_name(name)
        raise InputError(
            f"the intervention name {name!r} holds {' '.join(map(repr, bad))}; "
            f"names hold none of + , = : or white space; call it {legal!r} and, where labels write it otherwise, "
            f"say so: labels: {{names: {{{quoted}: {legal}}}}}",
            place,
        )
    if kind == "an intervention" and look(name) in RESERVED_NAMES:
        raise InputError(f"an intervention cannot be called {name!r}: the word is reserved; rename it", place)


def _check_distinct(kind: str, names: Sequence[str], place: tuple[str | int, ...]) -> None:
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name in seen:
            raise InputError(f"{kind} {name!r} is named twice; names must be distinct", (*place, i))
        seen.add(name)
    alike = look_alikes(names)
    if alike is not None:
        raise InputError(f"{kind}: {look_alike_words(*alike)}", (*place, list(names).index(alike[1])))


@dataclass(frozen=True)
class Intervention:
    """One intervention variable and its levels; the first level is the baseline.

    >>> Intervention("dose", ("none", "low", "high")).index("low")
    1
    """

    name: str
    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        place: tuple[str | int, ...] = ("interventions", str(self.name))
        _check_name("an intervention", self.name, place)
        if len(self.levels) < 2:
            raise InputError(
                f"intervention {self.name!r} has {len(self.levels)} level(s); it needs the baseline and at "
                "least one other",
                place,
            )
        for i, level in enumerate(self.levels):
            _check_level(level, (*place, i))
        texts: dict[str, int] = {}
        values: dict[float, int] = {}
        for i, level in enumerate(self.levels):
            if level_text(level) in texts or (not isinstance(level, str) and level in values):
                raise InputError(
                    f"intervention {self.name!r} has the level {level_text(level)!r} twice; levels must be "
                    "distinct as text and as numbers",
                    (*place, i),
                )
            texts[level_text(level)] = i
            if not isinstance(level, str):
                values[level] = i
        alike = look_alikes(texts)
        if alike is not None:
            raise InputError(f"intervention {self.name!r}: {look_alike_words(*alike)}", (*place, texts[alike[1]]))

    @cached_property
    def _by_text(self) -> dict[str, int]:
        return {level_text(level): i for i, level in enumerate(self.levels)}

    @cached_property
    def _by_look(self) -> dict[str, int]:
        return {look(text): i for text, i in self._by_text.items()}

    def index(self, level: object) -> int:
        """The index of `level` (0 is the baseline), matched by text, else by how it looks (`texts.look`).

        Raises InputError that names the nearest one.
        """
        if not isinstance(level, bool):
            found = self._by_text.get(str(level))
            if found is None:
                found = self._by_look.get(look(str(level)))
            if found is not None:
                return found
        raise InputError(
            f"intervention {self.name!r} has no level {str(level)!r}; {nearest(level, self._by_text)}"
        )


@dataclass(frozen=True)
class Factor:
    """One factor f_k(x_{S_k}, z_{Z_k}; sigma_{E_k}): its x-scope S_k, its sigma-scope E_k, the covariates Z_k."""

    name: str
    x: tuple[str, ...]
    sigma: tuple[str, ...]
    z: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """An interventional factor model; everything about it is fixed, checked and ordered here.

    covariates: what was measured before treatment, always given, never in an x-scope; randomised: their law is the
    same in every regime (docs/theory/covariates.md). Raises InputError, with the place inside the model, for
    duplicate or unknown names, an empty x-scope, a variable in no factor, or no factor at all.

    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f1", ("x",), ("A",)), Factor("f2", ("x",), ("B",))))
    >>> model.level_counts.tolist(), model.covers
    ([2, 2], ((0, 1),))
    >>> Model((a, b), ("x",), (Factor("f1", ("x",), ("C",)),))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: factor 'f1' names the unknown intervention 'C'; legal: A, B
    """

    interventions: tuple[Intervention, ...]
    variables: tuple[str, ...]
    factors: tuple[Factor, ...]
    covariates: tuple[str, ...] = ()
    randomised: bool = False

    def __post_init__(self) -> None:
        names = [intervention.name for intervention in self.interventions]
        _check_distinct("intervention", names, ("interventions",))
        for i, variable in enumerate(self.variables):
            _check_name("a variable", variable, ("variables", i))
        _check_distinct("variable", self.variables, ("variables",))
        if not self.variables:
            raise InputError("the model has no variables; leave `variables` out for one block x", ("variables",))
        for variable in self.variables:
            if variable in set(names):
                raise InputError(f"{variable!r} names an intervention and a variable; rename one", ("variables",))
        self._check_covariates({*names, *self.variables})
        if not self.factors:
            raise InputError("the model has no factors; give at least one", ("factors",))
        known_sigma, known_x = set(names), set(self.variables)
        for k, factor in enumerate(self.factors):
            place: tuple[str | int, ...] = ("factors", k)
            _check_name("a factor", factor.name, (*place, "name"))
            if not factor.x:
                raise InputError(
                    f"factor {factor.name!r} has an empty x-scope; a factor needs at least one variable "
                    "(a variable with no intervention is {x: [v], sigma: []})",
                    (*place, "x"),
                )
            for scope, known, kind, key in (
                (factor.x, known_x, "variable", "x"),
                (factor.sigma, known_sigma, "intervention", "sigma"),
                (factor.z, set(self.covariates), "covariate", "z"),
            ):
                for j, name in enumerate(scope):
                    if name not in known:
                        legal = {"x": self.variables, "sigma": names, "z": self.covariates}[key]
                        alike = look_alikes([*legal, name])
                        if alike is not None:
                            raise InputError(
                                f"factor {factor.name!r}: {look_alike_words(*alike)}", (*place, key, j)
                            )
                        raise InputError(
                            f"factor {factor.name!r} names the unknown {kind} {name!r}; {nearest(name, legal)}",
                            (*place, key, j),
                        )
                _check_distinct(f"factor {factor.name!r}: {kind}", scope, (*place, key))
        factor_names = [factor.name for factor in self.factors]
        if len(set(factor_names)) < len(factor_names):
            repeated = next(k for k, name in enumerate(factor_names) if name in factor_names[:k])
            raise InputError(
                f"factor {factor_names[repeated]!r} is named twice; names must be distinct",
                ("factors", repeated, "name"),
            )
        covered = {variable for factor in self.factors for variable in factor.x}
        for i, variable in enumerate(self.variables):
            if variable not in covered:
                raise InputError(
                    f"variable {variable!r} is in no factor; add a factor {{x: [{variable}], sigma: []}}",
                    ("variables", i),
                )

    def _check_covariates(self, taken: set[str]) -> None:
        for i, name in enumerate(self.covariates):
            _check_name("a covariate", name, ("covariates", i))
            if name in taken:
                kind = "a variable" if name in self.variables else "an intervention"
                raise InputError(
                    f"{name!r} is a covariate and {kind}; a covariate was measured before treatment and is always "
                    f"given, so no factor moves it: take it out of one of the two",
                    ("covariates", i),
                )
        _check_distinct("covariate", self.covariates, ("covariates",))
        if self.randomised and not self.covariates:
            raise InputError("`randomised` is about covariates, and there are none; list them", ("randomised",))

    def __len__(self) -> int:
        """The number of intervention variables."""
        return len(self.interventions)

    def __repr__(self) -> str:
        return f"Model({self.words})"

    @property
    def words(self) -> str:
        """The names of the interventions, variables and factors, the first few of many."""
        parts = {
            "interventions": [one.name for one in self.interventions],
            "variables": list(self.variables),
            **({"covariates": list(self.covariates)} if self.covariates else {}),
            "factors": [one.name for one in self.factors],
        }
        return "; ".join(
            f"{kind}: {', '.join(names[:_SHOWN])}" + (f", ... ({len(names):,})" if len(names) > _SHOWN else "")
            for kind, names in parts.items()
        )

    @property
    def given(self) -> str:
        """The covariates as formulas name them, `z` for many of them; empty without any.

        >>> factor = Factor("f", ("x",), (), z=("age",))
        >>> Model((), ("x",), (factor,), covariates=("age", "plate")).given
        'age, plate'
        """
        names = ", ".join(self.covariates)
        return names if len(names) <= _LONGEST_GIVEN else "z"

    @cached_property
    def position(self) -> dict[str, int]:
        """Intervention name to position."""
        return {intervention.name: i for i, intervention in enumerate(self.interventions)}

    @cached_property
    def _by_look(self) -> dict[str, int]:
        return {look(name): i for name, i in self.position.items()}

    def find(self, name: str) -> int | None:
        """The position of an intervention by its name, else by how that looks; None where there is none.

        >>> model = Model((Intervention("TNF\u03b1", (0, 1)),), ("x",), (Factor("f", ("x",), ()),))
        >>> model.find("TNF\u03b1\u200b"), model.find("TNF")
        (0, None)
        """
        found = self.position.get(name)
        return self._by_look.get(look(name)) if found is None else found

    @cached_property
    def level_counts(self) -> Ints:
        """Number of levels a_i of every intervention, shape (d,)."""
        return fixed(np.array([len(i.levels) for i in self.interventions], dtype=np.int64))

    @cached_property
    def scopes(self) -> tuple[Ints, ...]:
        """Positions of every factor's sigma-scope E_k, in the order written."""
        return tuple(fixed(np.array([self.position[s] for s in f.sigma], dtype=np.int64)) for f in self.factors)

    @cached_property
    def relevant(self) -> NDArray[np.bool_]:
        """Which interventions are in some factor, shape (d,)."""
        mask = np.zeros(len(self), dtype=bool)
        for scope in self.scopes:
            mask[scope] = True
        return fixed(mask)

    @cached_property
    def covers(self) -> tuple[tuple[int, ...], ...]:
        """The distinct sets K(v) of factors that hold a variable, in order of first variable.

        Theory: docs/theory/conditional.md.
        """
        return tuple(dict.fromkeys(self._cover_of_variable.values()))

    @cached_property
    def cover_index(self) -> dict[str, int]:
        """Variable name to the index of K(variable) in `covers`."""
        index = {cover: i for i, cover in enumerate(self.covers)}
        return {variable: index[cover] for variable, cover in self._cover_of_variable.items()}

    @cached_property
    def _cover_of_variable(self) -> dict[str, tuple[int, ...]]:
        cover: dict[str, list[int]] = {variable: [] for variable in self.variables}
        for k, factor in enumerate(self.factors):
            for variable in factor.x:
                cover[variable].append(k)
        return {variable: tuple(factors) for variable, factors in cover.items()}

    @cached_property
    def two_level(self) -> NDArray[np.bool_]:
        """Which interventions have exactly two levels (labels such as A+B name only these), shape (d,)."""
        two: NDArray[np.bool_] = self.level_counts == 2
        return fixed(two)
