"""A study restricted to some variables and those connected to them, in words too.

Theory: docs/theory/conditional.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ifm_ident.errors import InputError
from ifm_ident.show.words import counted, listed
from ifm_ident.solve.identifier import Identifier
from ifm_ident.solve.some_variables import identifier_of
from ifm_ident.study.study import Study


def restricted(study: Study, of: Sequence[str]) -> tuple[Study, str]:
    """The study of the variables named and of those that factors connect them to, and a sentence about it.

    Each text of `of` names a variable, or several with commas between. Where all variables are connected the
    study is returned as it is. Raises InputError for an unknown variable, with the nearest.

    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x", "y"],
    ...     "factors": [{"x": ["x"], "sigma": ["A"]}, {"x": ["y"], "sigma": ["B"]}], "train": ["00", "10"]})
    >>> kept, words = restricted(study, ["x"])
    >>> kept.model.variables, words
    (('x',), 'The answer is about x only: no factor connects it to the other variable of the study (--of x).')
    >>> restricted(study, ["z"])
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: --of z: unknown variable 'z'; legal: x, y
    """
    every = study.model.variables
    names = [name for text in of for name in ([text] if text in every else map(str.strip, text.split(",")))]
    identifier = Identifier(study.design, study.notation)
    try:
        design = identifier_of(identifier, names).design
    except InputError as error:
        raise InputError(f"--of {','.join(of)}: {error}") from None
    kept, option = design.model.variables, f"(--of {','.join(of)})"
    if design is study.design:
        return study, f"The answer is about all variables: factors connect the others to those named {option}."
    left = len(every) - len(kept)
    rest = "the other variable" if left == 1 else f"the other {counted(left, 'variable')}"
    them = "it" if len(kept) == 1 else "them"
    words = f"The answer is about {listed(kept, noun='variables')} only: no factor connects {them} to {rest}"
    return dataclasses.replace(study, design=design), f"{words} of the study {option}."


def how_to_verify(output_format: str, output: str | None) -> str:
    """How the result of a restricted study is verified: it is not about the whole study."""
    if output_format == "csv":
        return (
            "A CSV does not hold its model: `ifm verify` needs a study file with these variables and their "
            "factors alone. JSON and Parquet files can be verified as they are."
        )
    return f"Check it with `ifm verify {output or 'RESULT'}`, without --study: the study has more variables."
