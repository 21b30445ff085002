"""The ladder on survival times of Box and Cox (1964): three poisons, four treatments, four replicates a cell."""

from __future__ import annotations

import itertools

import numpy as np

from ifm_ident import Regimes, Study
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._law import Rung
from ifm_learn.ladder._tilt import Tilt
from ifm_learn.ladder.average import fit_ladder
from ifm_learn.ladder.normal import Normal

TIMES = {
    (0, 0): (0.31, 0.45, 0.46, 0.43), (1, 0): (0.36, 0.29, 0.40, 0.23), (2, 0): (0.22, 0.21, 0.18, 0.23),
    (0, 1): (0.82, 1.10, 0.88, 0.72), (1, 1): (0.92, 0.61, 0.49, 1.24), (2, 1): (0.30, 0.37, 0.38, 0.29),
    (0, 2): (0.43, 0.45, 0.63, 0.76), (1, 2): (0.44, 0.35, 0.31, 0.40), (2, 2): (0.23, 0.25, 0.24, 0.22),
    (0, 3): (0.45, 0.71, 0.66, 0.62), (1, 3): (0.56, 1.02, 0.71, 0.38), (2, 3): (0.30, 0.36, 0.31, 0.33),
}  # fmt: skip
TRAIN = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (2, 0)]


def test_six_cells_predict_the_other_six() -> None:
    design = Study.from_dict(
        {
            "interventions": {"poison": [1, 2, 3], "treat": ["A", "B", "C", "D"]},
            "factors": [{"sigma": ["poison"]}, {"sigma": ["treat"]}],
            "train": [{"poison": p + 1, "treat": "ABCD"[t]} for p, t in TRAIN],
        }
    ).design
    x = np.log(np.concatenate([TIMES[cell] for cell in TRAIN]))[:, None]
    rungs: list[Rung] = [Normal(), Tilt("linear"), Tilt("quadratic")]
    ladder = fit_ladder(Samples(design, np.repeat(np.arange(6), 4), x), rungs, seed=0)
    assert set(ladder.refused) == {"linear", "quadratic"}
    unseen = [cell for cell in itertools.product(range(3), range(4)) if cell not in TRAIN]
    found = ladder.estimate(Regimes.from_codes(np.array(unseen)))
    measured = np.array([np.log(TIMES[cell]).mean() for cell in unseen])
    assert np.sqrt(np.mean((found.mean[:, 0] - measured) ** 2)) < 0.23
    assert ((found.low[:, 0] <= measured) & (measured <= found.high[:, 0])).sum() >= 5
    assert all("few_rows" in found.words(i, 0) for i in range(6))
