"""The design in words: interventions, factors and training regimes as rows of tables."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np

from ifm_ident.arrays import Ints
from ifm_ident.design.design import Design
from ifm_ident.design.model import level_text
from ifm_ident.design.notation import Notation, format_regimes

MOST = 200
"""At most this many rows of each table."""

_DENSE = 2**26
_LONG = 80


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a table and how many there would be in all."""

    rows: tuple[tuple[str, ...], ...]
    total: int


def intervention_part(design: Design) -> Part:
    """Name, baseline, other levels, factors that hold it."""
    model = design.model
    held: list[list[str]] = [[] for _ in model.interventions]
    for factor, scope in zip(model.factors, model.scopes, strict=True):
        for position in scope.tolist():
            held[position].append(factor.name)
    rows = []
    for one, names in zip(model.interventions[:MOST], held, strict=False):
        base, *others = map(level_text, one.levels)
        known = "" if one.basis is None else f"; basis {_plainly(one.basis.plain())}"
        rows.append((one.name, base, _some(others, 12) + known, _some(names, 6) or "none"))
    return Part(tuple(rows), len(model))


def _plainly(mapping: dict[str, object]) -> str:
    """As in a study file, cut where it is long.

    >>> _plainly({"spline": {"knots": [0, 1, 2], "degree": 2}})
    'spline: {knots: [0, 1, 2], degree: 2}'
    """
    text = json.dumps(mapping, ensure_ascii=False).replace('"', "")[1:-1]
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."


def factor_part(design: Design) -> Part:
    """Name, variables (covariates behind them), interventions, how many combinations of levels training shows.

    >>> import ifm_ident
    >>> study = ifm_ident.Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A", "B"]}], "train": ["00", "10"]})
    >>> factor_part(study.design).rows
    (('f1', 'x', 'A, B', '2 of 4'),)
    """
    model = design.model
    train = design.train.take(design.distinct)
    codes = train.codes() if len(train) * len(model) <= _DENSE else None
    rows = []
    for factor, scope in zip(model.factors[:MOST], model.scopes, strict=False):
        if model.valued[scope].any():
            functions = [
                len(one.levels) if one.basis is None else one.basis.functions + 1
                for one in (model.interventions[i] for i in scope.tolist())
            ]
            products = f"{math.prod(functions):,} products of basis functions"
            rows.append((factor.name, _some(factor.x, 8), _some(factor.sigma, 8), products))
            continue
        cells = int(np.prod(model.level_counts[scope].astype(object))) if len(scope) else 1
        seen = "" if codes is None else f"{len(np.unique(codes[:, scope], axis=0)) if len(scope) else 1:,} of "
        given = f" given {_some(factor.z, 8)}" if factor.z else ""
        rows.append(
            (factor.name, _some(factor.x, 8) + given, _some(factor.sigma, 8) or "none", f"{seen}{cells:,}")
        )
    return Part(tuple(rows), len(model.factors))


def training_part(design: Design, notation: Notation, samples: Ints | None) -> Part:
    """Number, regime, interventions off baseline, and the sample size where it is known; repeats may have none."""
    few = design.train.take(slice(MOST))
    names = format_regimes(design.model, few, notation).to_pylist()
    rows = []
    for i, (name, active) in enumerate(zip(names, few.active_counts.tolist(), strict=True)):
        first = int(design.first[i])
        repeat = f" (same as {first + 1})" if first != i else ""
        row: tuple[str, ...] = (str(i + 1), f"{name}{repeat}", str(active))
        if samples is not None:
            row = (*row, "" if repeat and not samples[i] else f"{int(samples[i]):,}")
        rows.append(row)
    return Part(tuple(rows), len(design.train))


def _some(names: tuple[str, ...] | list[str], most: int) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
