"""The designs of the public data sets: which file is which regime, and the factors of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ifm_ident import Factor, InputError, Intervention, Model
from ifm_ident.errors import nearest, require_known

SACHS = ("Raf", "Mek", "Plcg", "PIP2", "PIP3", "Erk", "Akt", "PKA", "PKC", "P38", "Jnk")
DREAM = tuple(f"G{i + 1}" for i in range(10))
SACHS_DESIGNS = ("inhibitors", "icam2", "icam2-blocks")

_SACHS_PARENTS = {
    "Raf": ("PKA", "PKC"),
    "Mek": ("Raf", "PKA", "PKC"),
    "Plcg": ("PIP3",),
    "PIP2": ("Plcg", "PIP3"),
    "PIP3": (),
    "Erk": ("Mek", "PKA"),
    "Akt": ("PIP3", "Erk", "PKA"),
    "PKA": ("PKC",),
    "PKC": ("Plcg", "PIP2"),
    "P38": ("PKA", "PKC"),
    "Jnk": ("PKA", "PKC"),
}
_SACHS_TARGETS = {"Akt": "aktinhib", "PKC": "g0076", "PIP2": "psitect", "Mek": "u0126"}
_BLOCKS = (("Raf", "Mek"), ("Plcg", "PIP2", "PIP3"), ("Erk", "Akt", "PKA"), ("PKC", "P38", "Jnk"))
_DREAM_PARENTS = {
    "G1": ("G2",),
    "G2": (),
    "G3": ("G2",),
    "G4": ("G3", "G9"),
    "G5": ("G3", "G8", "G9"),
    "G6": ("G3",),
    "G7": ("G3", "G8", "G10"),
    "G8": (),
    "G9": (),
    "G10": (),
}
INHIBITORS = ("aktinhib", "g0076", "psitect", "u0126", "ly")

SACHS_FILES: Mapping[str, tuple[str, ...]] = {
    "cd3cd28": (),
    "cd3cd28_icam2": ("icam2",),
    **{f"cd3cd28_{name}": (name,) for name in INHIBITORS},
    **{f"cd3cd28icam2_{'psit' if name == 'psitect' else name}": ("icam2", name) for name in INHIBITORS},
}
"""File to the interventions of its regime; the last five are measured combinations with ICAM-2."""

SACHS_SHA256 = {
    "cd3cd28": "07087f7020995980f998b6683a85bb974b6e129cd4ce3a8cd55633ab79b814d0",
    "cd3cd28_icam2": "66f2c413ebd3414c5cbea2d3e6206dec8dace0503f6b48b0f31935e740734f80",
    "cd3cd28_aktinhib": "ab525024fa4287fbbcfd6bb5e2a82d3b7e81f8c2aeb87411d67c27542b7688ad",
    "cd3cd28_g0076": "566cae66e350e1103fbdf95922beef3587723fb5a8ed6ee557dc671ae12fd3f4",
    "cd3cd28_psitect": "cd932447018ed2d3628d20609c2829fd8493ab049432425e5008fd4799f403ec",
    "cd3cd28_u0126": "a6c77e122b9fe8f393f538e697b99e1247c7c55e8d3b03acf62c0789df909633",
    "cd3cd28icam2_aktinhib": "b82ae66c11c03255205a2ce69c0878582e0d0aab1e3da875ae44cb0ea5aaf939",
    "cd3cd28icam2_g0076": "82b1dea9d37bdc4de2e165f27819aa4ebc6564ae6c523f83811e01138bd2c0ea",
    "cd3cd28icam2_psit": "e9fbbe39095007b5c971286b6dcab9bb6b335afec1f5aecaaecf07f116f2451d",
}
"""Of the files that the figures of `ifm reproduce combinations` were measured on."""

DREAM_FILES: Mapping[str, tuple[str, ...]] = {
    "observational": (),
    **{f"knockdowns_{i}": (f"kd{i + 1}",) for i in range(10)},
}

SHARED_COLUMNS = (("cd3cd28_ly", "cd3cd28_aktinhib"), ("cd3cd28icam2_g0076", "cd3cd28_u0126"))
"""Pairs of files with the same values of Raf and Mek row by row: one of each pair is wrong, which is not known."""


def sachs_model(design: str, leave_out: Sequence[str] = ()) -> Model:
    """The model of a design: `inhibitors` is the paper's, a factor for each protein and its parents.

    icam2: a factor for ICAM-2 and one for the inhibitors, both over all variables: nothing is assumed within
    regimes. icam2-blocks: the same in each of four blocks of proteins that look independent within regimes. The
    last two can leave variables out. Raises InputError for another design or variable.

    >>> [f.sigma for f in sachs_model("icam2", ["Raf", "Mek"]).factors]
    [('icam2',), ('aktinhib', 'g0076', 'psitect', 'u0126', 'ly')]
    >>> sachs_model("inhibitors", ["Raf"])
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the factors of the design 'inhibitors' are a network over all proteins; leave Raf out of the designs icam2 or icam2-blocks only
    """  # noqa: E501
    for name in leave_out:
        if name not in SACHS:
            raise InputError(f"cannot leave out {name!r}: it is not measured; {nearest(name, SACHS)}")
    if design == "inhibitors":
        if leave_out:
            raise InputError(
                "the factors of the design 'inhibitors' are a network over all proteins; leave "
                f"{', '.join(leave_out)} out of the designs icam2 or icam2-blocks only"
            )
        return _network(SACHS, _SACHS_PARENTS, _SACHS_TARGETS, INHIBITORS[:4])
    require_known(design, SACHS_DESIGNS, "design")
    kept = tuple(name for name in SACHS if name not in leave_out)
    blocks = [kept] if design == "icam2" else [tuple(n for n in block if n in kept) for block in _BLOCKS]
    factors = [
        Factor(f"{what}{'' if design == 'icam2' else ' ' + '-'.join(block)}", block, sigma)
        for block in blocks
        if block
        for what, sigma in (("ICAM-2", ("icam2",)), ("inhibitor", INHIBITORS))
    ]
    return Model(tuple(Intervention(name, (0, 1)) for name in ("icam2", *INHIBITORS)), kept, tuple(factors))


def dream_model() -> Model:
    """The paper's model: a factor for each gene and its parents, one knock-down for each gene."""
    names = tuple(f"kd{i + 1}" for i in range(10))
    return _network(DREAM, _DREAM_PARENTS, dict(zip(DREAM, names, strict=True)), names)


def _network(
    variables: Sequence[str],
    parents: Mapping[str, tuple[str, ...]],
    targets: Mapping[str, str],
    interventions: Sequence[str],
) -> Model:
    return Model(
        tuple(Intervention(name, (0, 1)) for name in interventions),
        tuple(variables),
        tuple(Factor(v, (v, *parents[v]), (targets[v],) if v in targets else ()) for v in variables),
    )
