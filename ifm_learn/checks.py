"""Checks of what is given, made before anything is computed: counts, and regimes of a model."""

from __future__ import annotations

import numpy as np

from ifm_ident import InputError, Model, Regimes
from ifm_ident.design import require_names
from ifm_ident.show import listed


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


def check_regimes(model: Model, regimes: Regimes) -> None:
    """InputError unless the regimes are regimes of the model.

    >>> from ifm_ident import Factor, Intervention
    >>> model = Model((Intervention("A", ("low", "high")),), ("x",), (Factor("f", ("x",), ("A",)),))
    >>> check_regimes(model, Regimes.from_active([(), ((0, 1),)], 1))
    >>> check_regimes(model, Regimes.from_active([(), ((0, 2),)], 1))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: level index 2 of intervention 'A' does not exist: 0 to 1 stand for low and high; \
make the regimes from the fitted model's design
    """
    require_names(model, "fitted models")
    remedy = "make the regimes from the fitted model's design"
    if regimes.width != len(model):
        raise InputError(
            f"the regimes have {regimes.width} interventions, the fitted model has {len(model)}; {remedy}"
        )
    wrong = np.flatnonzero(regimes.level >= model.level_counts[regimes.position])
    if len(wrong):
        intervention = model.interventions[int(regimes.position[wrong[0]])]
        levels = listed([str(level) for level in intervention.levels], noun="levels")
        raise InputError(
            f"level index {int(regimes.level[wrong[0]])} of intervention {intervention.name!r} does not exist: "
            f"0 to {len(intervention.levels) - 1} stand for {levels}; {remedy}"
        )


def refuse_covariates(model: Model, what: str) -> None:
    """InputError where a model has covariates, for what would take no account of them.

    >>> from ifm_ident import Factor, Intervention
    >>> factor = Factor("f", ("x",), ("A",))
    >>> refuse_covariates(Model((Intervention("A", (0, 1)),), ("x",), (factor,), ("age",)), "falsify")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: falsify takes no account of the covariate age and would be wrong where its law \
shifts between regimes; the energies normal, bernoulli and poisson of `ifm estimate` adjust for it, or leave \
`covariates` out
    """
    if model.covariates:
        one = len(model.covariates) == 1
        shift, it = ("its law shifts", "it") if one else ("their laws shift", "them")
        raise InputError(
            f"{what} takes no account of {'the covariate' if one else 'covariates'} "
            f"{listed(model.covariates)} and would be "
            f"wrong where {shift} between regimes; the energies normal, bernoulli and poisson of `ifm estimate` "
            f"adjust for {it}, or leave `covariates` out"
        )
