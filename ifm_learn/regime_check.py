"""Whether regimes belong to a model: said before anything is computed."""

from __future__ import annotations

import numpy as np

from ifm_ident import InputError, Model, Regimes


def check_regimes(model: Model, regimes: Regimes) -> None:
    """InputError unless the regimes are regimes of the model."""
    if regimes.width != len(model):
        raise InputError(f"the regimes have {regimes.width} interventions, the fitted model has {len(model)}")
    wrong = np.flatnonzero(regimes.level >= model.level_counts[regimes.position])
    if len(wrong):
        name = model.interventions[int(regimes.position[wrong[0]])].name
        raise InputError(f"level index {int(regimes.level[wrong[0]])} of intervention {name!r} does not exist")
