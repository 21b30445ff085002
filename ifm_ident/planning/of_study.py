"""Plans for a study, with its regimes given as texts (THEORY 7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ifm_ident.errors import InputError
from ifm_ident.planning.candidates import Candidates
from ifm_ident.planning.cost_tables import read_prices
from ifm_ident.planning.plan import Plan, plan
from ifm_ident.planning.prices import OneEach, Prices
from ifm_ident.planning.reduction import PlanCriterion
from ifm_ident.planning.search import TIME_LIMIT
from ifm_ident.regimes import Regimes
from ifm_ident.study import Study


def plan_study(
    study: Study,
    targets: Sequence[str] = (),
    *,
    criterion: PlanCriterion = "joint",
    cost: str | Path | Prices | None = None,
    forbid: Sequence[str] = (),
    max_active: int | None = None,
    book: Sequence[str] = (),
    max_add: int | None = None,
    budget: int | None = None,
    time_limit: float = TIME_LIMIT,
) -> Plan:
    """Which regimes to add, at least cost, so that the targets are identified, as `ifm plan` does.

    targets, forbid, book: each `all`, `order:2`, `file:PATH` or a regime's text; without targets the study's own.
    cost: a table of costs, or prices; without it each regime costs 1. Raises InputError as `Study.with_test`, with
    the argument's name, and `plan` do.
    """
    asked = _with(study, "targets", targets)
    prices: Prices = OneEach(study.model)
    if isinstance(cost, (str, Path)):
        prices = read_prices(study.model, Path(cost))
    elif cost is not None:
        prices = cost
    forbidden = _with(study, "forbid", forbid).test if forbid else ()
    booked = None
    if book:
        booked = Regimes.concatenate(list(_with(study, "book", book).targets()))
    found = plan(
        study.design,
        asked.targets,
        Candidates(study.model, prices, forbidden, max_active),
        criterion,
        booked=booked,
        max_add=max_add,
        budget=budget,
        time_limit=time_limit,
    )
    return dataclasses.replace(found, notation=study.notation)


def _with(study: Study, argument: str, specs: str | Sequence[str]) -> Study:
    try:
        asked = study.with_test(specs)
    except InputError as error:
        raise InputError(str(error).replace("--test", f"{argument}:", 1), error.path) from None
    return asked
