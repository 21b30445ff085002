"""A design of two factors on two variables."""

from __future__ import annotations

from ifm_ident import Study

CHAIN = Study.from_dict(
    {
        "interventions": {"s1": [0, 1], "s2": [0, 1]},
        "variables": ["x1", "x2"],
        "factors": [{"x": ["x1", "x2"], "sigma": ["s1"]}, {"x": ["x2"], "sigma": ["s2"]}],
        "train": ["00", "10", "01"],
    }
).design
TARGET = ((0, 1), (1, 1))
