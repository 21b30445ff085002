"""The real ICAM-2 combinations of Sachs et al.: separate factors of ICAM-2 and inhibitor? It needs IFM_DATA."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ifm_ident import Design, Factor, Intervention, Model, Regimes
from ifm_learn.data.samples import Samples
from ifm_learn.falsification.repair import suggestions
from ifm_learn.falsification.testing import falsify

FILES = {
    "cd3cd28": (),
    "cd3cd28_icam2": (0,),
    "cd3cd28_aktinhib": (1,),
    "cd3cd28_g0076": (2,),
    "cd3cd28_psitect": (3,),
    "cd3cd28icam2_aktinhib": (0, 1),
    "cd3cd28icam2_g0076": (0, 2),
    "cd3cd28icam2_psit": (0, 3),
}
VARIABLES = ("Plcg", "PIP2", "PIP3", "Erk", "Akt", "PKA", "PKC", "P38", "Jnk")
INHIBITORS = ("akt", "g0076", "psit")


@pytest.fixture(scope="module")
def samples() -> Samples:
    """Logarithms, without Raf and Mek, which some of the public files share row by row."""
    folder = Path(os.environ.get("IFM_DATA", "")) / "sachs"
    if not (folder / "cd3cd28.csv").exists():
        pytest.skip("no real data: IFM_DATA names no folder with sachs/cd3cd28.csv")
    rows = [np.log(np.loadtxt(folder / f"{name}.csv", delimiter=",", skiprows=1))[:, 2:] for name in FILES]
    interventions = tuple(Intervention(name, (0, 1)) for name in ("icam2", *INHIBITORS))
    factors = (Factor("f_icam2", VARIABLES, ("icam2",)), Factor("f_inhibitor", VARIABLES, INHIBITORS))
    train = Regimes.from_active([tuple((i, 1) for i in active) for active in FILES.values()], 4)
    regime = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
    return Samples(Design(Model(interventions, VARIABLES, factors), train), regime, np.vstack(rows))


def test_separate_factors_are_rejected_at_every_seed(samples: Samples) -> None:
    for seed in range(3):
        found = falsify(samples, seed=seed, notation="label", pairs=False)
        verdict = {(found.implications.name(f.combination), f.test): f for f in found.findings}
        for test in ("score", "energy"):
            finding = verdict["icam2+akt", test]
            assert finding.p_adjusted < 1e-10
            assert -2.0 < finding.evidence.effect["Plcg"] < -0.7  # Plcg is down by about a standard deviation
        # two inhibitors move the cells so far that hardly anything can be compared: no verdict, and that is said
        for other in ("icam2+psit", "icam2+g0076"):
            assert not verdict[other, "score"].evidence.effect
            assert any(w.startswith(f"p(ctrl) p({other})") for w in found.warnings)


def test_repair_joins_icam2_and_the_inhibitors(samples: Samples) -> None:
    first, *others = suggestions(samples, falsify(samples, notation="label", pairs=False))
    assert (first.factor, first.intervention) == ("f_inhibitor", "icam2")
    assert first.gain > 10 * first.error
    assert all(other.gain < first.gain for other in others)
