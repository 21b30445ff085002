"""Estimates as an AnnData: one row a regime, one column an outcome."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ifm_ident.study import new_anndata
from ifm_learn.estimation.flags import FLAGS
from ifm_learn.estimation.result import Estimates
from ifm_learn.estimation.write import mapping


def profiles(found: Estimates) -> Any:
    """The AnnData that `Estimates.to_anndata` describes; what is not of single numbers is JSON in `uns["ifm"]`."""
    names = found.names()
    flags = [
        [flag for flag in FLAGS if any(flag in own for own in found.flags[row])] if found.flags else []
        for row in range(len(found))
    ]
    obs: dict[str, Any] = {
        "perturbation": names,
        "nperts": [len(regime) for regime in found.regimes],
        "status": [found.words_of(row) for row in range(len(found))],
        "ess": found.ess,
        "support": np.full(len(found), np.nan) if found.support is None else found.support,
        "note": list(found.note),
        "flags": [" ".join(own) for own in flags],
    }
    if found.groups:
        obs["group"] = list(found.groups)
        names = [
            f"{name} | {found.covariates['by']}={group}" for name, group in zip(names, found.groups, strict=True)
        ]
    for flag in FLAGS:
        if any(flag in own for own in flags):
            obs[flag] = [flag in own for own in flags]
    layers = {
        "se": found.se,
        "lower": found.confidence_low,
        "upper": found.confidence_high,
        "prediction_lower": found.prediction_low,
        "prediction_upper": found.prediction_high,
        "prediction_ess": found.prediction_ess,
        "additive": found.additive,
    }
    about = {key: value for key, value in mapping(found).items() if key != "results"}
    return new_anndata(
        found.mean, obs, (names, found.outcomes), layers, {"ifm": json.dumps(about, ensure_ascii=False)}
    )
