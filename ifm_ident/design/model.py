"""Interventional factor models: interventions, variables and factors (docs/theory/model.md)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints, fixed
from ifm_ident.design.bases import Basis, Key, basis_from, exact, key_of, level_words, plain_number
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


@dataclass(eq=False)
class _Met:
    """The levels of an intervention with a basis by index, those listed first, then others as they are met."""

    levels: list[Level] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    index: dict[Key, int] = field(default_factory=dict)
    values: list[tuple[Fraction, ...]] = field(default_factory=list)

    def add(self, key: Key, level: Level, values: tuple[Fraction, ...]) -> int:
        self.index[key] = len(self.levels)
        self.levels.append(level)
        self.keys.append(key)
        self.values.append(values)
        return self.index[key]


@dataclass(frozen=True)
class Intervention:
    """One intervention variable and its levels; the first level is the baseline.

    With a `basis` (docs/theory/doses.md) levels are numbers, or names that the basis or `coordinate` tells the
    values of, and regimes may name levels that are not listed: these are numbered after the listed ones, as they
    are met, and the numbers hold for this object alone. coordinate: the value of each level by what it is known
    by.

    >>> Intervention("dose", ("none", "low", "high")).index("low")
    1
    >>> dose = Intervention("dose", (0, 1), Basis("poly", degree=2))
    >>> dose.index("0.5"), dose.index(1), dose.level(2), dose.values(2)
    (2, 1, 0.5, (Fraction(1, 2), Fraction(1, 4)))
    """

    name: str
    levels: tuple[Level, ...]
    basis: Basis | None = None
    coordinate: tuple[tuple[Key, Fraction], ...] = ()

    def __post_init__(self) -> None:
        place: tuple[str | int, ...] = ("interventions", str(self.name))
        _check_name("an intervention", self.name, place)
        if len(self.levels) < (2 if self.basis is None else 1):
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
        if self.basis is not None:
            self._check_valued(place)

    def _check_valued(self, place: tuple[str | int, ...]) -> None:
        seen: dict[Key, Level] = {}
        for i, level in enumerate(self.levels):
            key = key_of(level)
            if key in seen:
                raise InputError(
                    f"intervention {self.name!r} has the levels {seen[key]!r} and {level!r}, which are one number",
                    (*place, "levels", i),
                )
            seen[key] = level
            try:
                self._values_of(key, level)
            except InputError as error:
                raise InputError(str(error), (*place, "levels", i)) from None

    @cached_property
    def _by_text(self) -> dict[str, int]:
        return {level_text(level): i for i, level in enumerate(self.levels)}

    @cached_property
    def _by_look(self) -> dict[str, int]:
        return {look(text): i for text, i in self._by_text.items()}

    @cached_property
    def _met(self) -> _Met:
        met = _Met()
        for level in self.levels:
            met.add(key_of(level), level, self._values_of(key_of(level), level))
        return met

    @cached_property
    def _coordinates(self) -> dict[Key, Fraction]:
        return dict(self.coordinate)

    def _values_of(self, key: Key, level: object) -> tuple[Fraction, ...]:
        """phi_1, ..., phi_r of a level; InputError where the basis has none."""
        assert self.basis is not None
        at: Key = key
        if self.coordinate:
            if key not in self._coordinates:
                known = [str(k if isinstance(k, str) else plain_number(k)) for k in self._coordinates]
                raise InputError(
                    f"level {level_words(level)} of intervention {self.name!r} has no coordinate; "
                    f"add it to `coordinate` ({nearest('', known)})"
                )
            at = self._coordinates[key]
        try:
            return self.basis.values(at)
        except InputError as error:
            raise InputError(f"intervention {self.name!r}, level {level_words(level)}: {error}") from None

    def index(self, level: object) -> int:
        """The index of `level` (0 is the baseline), matched by text, else by how it looks (`texts.look`).

        With a basis it is matched by its exact number, and one that is not listed gets the next index. Raises
        InputError that names the nearest one.
        """
        if not isinstance(level, bool):
            found = self._by_text.get(str(level))
            if found is None:
                found = self._by_look.get(look(str(level)))
            if found is not None:
                return found
            if self.basis is not None:
                if isinstance(level, str) and not level.strip():
                    raise InputError(f"intervention {self.name!r} has an empty level; write its number")
                key = key_of(level)
                found = self._met.index.get(key)
                if found is not None:
                    return found
                named = str(level) if isinstance(key, str) else plain_number(key)
                return self._met.add(key, named, self._values_of(key, level))
        raise InputError(
            f"intervention {self.name!r} has no level {str(level)!r}; {nearest(level, self._by_text)}"
        )

    def level(self, index: int) -> Level:
        """The level with an index, also one that is not listed."""
        return self.levels[index] if index < len(self.levels) else self._met.levels[index]

    @property
    def known_levels(self) -> tuple[Level, ...]:
        """The levels listed, then those that regimes have named so far; by index."""
        return self.levels if self.basis is None else tuple(self._met.levels)

    def values(self, index: int) -> tuple[Fraction, ...]:
        """phi_1, ..., phi_r of the level with an index; ValueError without a basis."""
        if self.basis is None:
            raise ValueError(f"{self.name} has no basis")
        return self._met.values[index]

    @property
    def written(self) -> object:
        """The levels, or the map with levels and basis, as files hold them."""
        if self.basis is None:
            return self.levels
        entries: dict[str, object] = {"levels": self.levels}
        if self.coordinate:
            entries["coordinate"] = {
                str(key if isinstance(key, str) else plain_number(key)): plain_number(value)
                for key, value in self.coordinate
            }
        return {**entries, "basis": self.basis.plain()}

    @classmethod
    def from_map(cls, name: str, entries: Mapping[str, object]) -> Intervention:
        """The intervention that a plain map with `levels`, `basis` and maybe `coordinate` writes.

        Numbers are read exactly as they are written. Raises InputError with the place.

        >>> Intervention.from_map("t", {"levels": [0, 6], "basis": {"hat": [0, 6, 48]}}).index(48)
        2
        >>> Intervention.from_map("t", {"levels": [0, 60], "basis": {"hat": [0, 6, 48]}})
        Traceback (most recent call last):
        ...
        ifm_ident.errors.InputError: intervention 't', level 60: 60 lies outside the knots 0 to 48
        """
        place: tuple[str | int, ...] = ("interventions", name)
        legal = ("levels", "basis", "coordinate")
        for key in entries:
            if key not in legal:
                raise InputError(f"unknown key {key!r} in intervention {name!r}; {nearest(key, legal)}", place)
        for key in ("levels", "basis"):
            if key not in entries:
                raise InputError(
                    f"intervention {name!r} has no key `{key}`; write {{levels: [0, 1], basis: {{poly: 1}}}}",
                    place,
                )
        levels = entries["levels"]
        if not isinstance(levels, (list, tuple)):
            raise InputError(f"the levels of {name!r} are a list such as [0, 0.3, 1], baseline first", place)
        for i, level in enumerate(levels):
            _check_level(level, (*place, "levels", i))
        basis = basis_from(entries["basis"], (*place, "basis"))
        pairs: dict[Key, Fraction] = {}
        if "coordinate" in entries:
            written, inside = entries["coordinate"], (*place, "coordinate")
            if not isinstance(written, Mapping) or not written:
                raise InputError(f"`coordinate` of {name!r} is a map such as {{1: 0, 10: 1, 100: 2}}", inside)
            if basis.kind == "table":
                raise InputError(
                    f"{name!r}: a table tells the functions of each level; leave `coordinate` out", inside
                )
            for level, value in written.items():
                number = exact(value)
                if number is None:
                    raise InputError(f"the coordinate of {level} is {value!r:.40}, which is no number", inside)
                if key_of(level) in pairs:
                    raise InputError(f"the level {level} has two coordinates; give it one", inside)
                pairs[key_of(level)] = number
        return cls(name, tuple(map(_tidy, levels)), basis, tuple(pairs.items()))


def _tidy(level: Level) -> Level:
    """A level as files hold it: numbers as numbers wherever these say it exactly."""
    number = None if isinstance(level, str) and "/" in level else exact(level)
    return level if number is None else plain_number(number)


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
    def has_bases(self) -> bool:
        """Whether some intervention has levels with values."""
        return any(one.basis is not None for one in self.interventions)

    @cached_property
    def valued(self) -> NDArray[np.bool_]:
        """Which interventions have a basis, shape (d,)."""
        return fixed(np.array([one.basis is not None for one in self.interventions], dtype=bool))

    @property
    def known_counts(self) -> Ints:
        """Number of levels with an index, shape (d,): with those that regimes name beyond the listed ones."""
        if not self.has_bases:
            return self.level_counts
        return np.array([len(one.known_levels) for one in self.interventions], dtype=np.int64)

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
        """Which have exactly two levels, and no basis (labels such as A+B name only these), shape (d,)."""
        two: NDArray[np.bool_] = self.level_counts == 2
        return fixed(two & ~self.valued)


def require_names(model: Model, what: str) -> None:
    """Raise InputError where an intervention has levels with values, which `what` does not know yet."""
    for one in model.interventions:
        if one.basis is not None:
            raise InputError(f"not for levels with values yet: {what} (intervention {one.name!r} has a basis)")
