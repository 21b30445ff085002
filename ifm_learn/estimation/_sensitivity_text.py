"""Sensitivity of estimates in words."""

from __future__ import annotations

from collections.abc import Iterator

from ifm_learn.estimation.regime_sensitivity import RegimeSensitivity
from ifm_learn.estimation.result import Estimates
from ifm_learn.estimation.sensitivity import factor_words


def sensitivity_lines(found: Estimates) -> Iterator[str]:
    """A heading and one sentence for every unseen regime and target; nothing where none was asked for."""
    if not found.sensitivity:
        return
    gamma = float(found.sensitivity[0].curve.gammas[-1])
    yield (
        f"If an interaction that the factors leave out had log-magnitude up to {gamma:g} in an unseen regime "
        f"(densities up to {factor_words(gamma)} times as high or low), and which one would turn the sign of the "
        "effect against the baseline's mean:"
    )
    names = found.names()
    for one in found.sensitivity:
        about = f" {found.outcomes[one.column]}" if found.without_outcome else ""
        yield f"{names[one.row]}{about}: {_sentence(one)}."


def _sentence(one: RegimeSensitivity) -> str:
    curve = one.curve
    between = f"mean between {curve.lower[-1]:.4g} and {curve.upper[-1]:.4g}"
    if curve.confidence is not None:
        low, high = curve.confidence[-1].tolist()
        between += f", with sampling error {low:.4g} to {high:.4g}"
    return f"{between}; {one.tipping}"
