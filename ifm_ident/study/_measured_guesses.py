"""What was measured: outcome, variables, covariates and units among the columns that tell no intervention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from ifm_ident.arrays import Ints
from ifm_ident.errors import InputError
from ifm_ident.study._columns import CELLS, COVARIATES, DOSES, OUTCOMES, UNITS, Column
from ifm_ident.study._first_draft import Draft, groups, it_could_be, listed
from ifm_ident.study.reading._anndata_files import embeddings, gene_names
from ifm_ident.study.reading._sources import open_table

_MOST_VARIABLES = 8
_MOST_COMPONENTS = 20


def find_measured(draft: Draft) -> None:
    """Outcome, variables, covariates and units among the columns that are left."""
    left = [one for one in draft.columns.values() if one.name not in draft.used]
    for one in left:
        if one.reason:
            draft.say(
                "variables",
                f"{one.name!r} is left out: it "
                f"{one.reason.partition(' holds ')[1].strip() or 'cannot be read:'} "
                f"{one.reason.partition(' holds ')[2] or one.reason}",
            )
    left = [one for one in left if not one.reason and not one.names_rows]
    _find_units(draft, left)
    _find_covariates(draft, [one for one in left if one.name not in draft.used])
    left = [one for one in left if one.name not in draft.used]
    if draft.is_anndata:
        _find_expression(draft)
        return
    numbers = [one for one in left if one.numeric and not one.named(CELLS)]
    told = _say_what_is_no_measurement(draft, [one for one in numbers if one.name != draft.outcome])
    _find_variables(draft, [one for one in numbers if one.name not in told])
    commas = [
        one.name for one in draft.columns.values() if one.name not in draft.used and one.writes_numbers_otherwise
    ]
    texts = [one for one in left if not one.numeric and one.words]
    words = [one.name for one in texts if one.name not in commas and not one.named(OUTCOMES)]
    if commas:
        some = draft.columns[commas[0]].words[0]
        draft.remarks.append(f"left out as no numbers, {listed(commas)}: {some!r}, say; write 1.5, 1500 or -2")
    for names, why in (
        (commas, "their numbers are not written as programs read them (write 1.5, 1500 or -2)"),
        (words, "they hold text"),
        ([one.name for one in left if one.numeric and one.named(CELLS)], "they are computed from cells, by name"),
    ):
        if names:
            draft.say("variables", f"left out, for {why}: {listed(names)}")


def _say_what_is_no_measurement(draft: Draft, left: Sequence[Column]) -> set[str]:
    """The columns of numbers that name things, are constant or follow from what was done, each in a comment."""
    regimes = draft.regimes()
    count = len(np.unique(regimes))
    kinds: dict[str, list[str]] = {}
    for one in left:
        if one.identifies:
            kinds.setdefault("their whole numbers name things, by their names", []).append(one.name)
        elif len(one.levels) == 1 and not one.missing:
            kinds.setdefault("they have one value", []).append(one.name)
        elif (
            not one.missing
            and not one.named(OUTCOMES)
            and count * 2 <= len(regimes)
            and _in_one_group(regimes, one.codes) == count
        ):
            kinds.setdefault("they are the same in all rows of a regime", []).append(one.name)
    for why, names in kinds.items():
        draft.say("variables", f"left out, for {why}: {listed(names)}")
    return {name for names in kinds.values() for name in names}


def _find_units(draft: Draft, left: Sequence[Column]) -> None:
    units = [one for one in left if one.named(UNITS) and not one.missing and 1 < len(one.texts) < len(one.codes)]
    units.sort(key=lambda one: len(one.texts))
    for one in units[:1]:
        apart = [
            other.name
            for other in left
            if other is not one
            and other.named(frozenset({"plate", "batch", "donor"}))
            and groups([one, other]) > len(one.texts)
        ]
        if apart:
            draft.say(
                "unit",
                f"{one.name!r} looks like a unit, but its values come under several of {listed(apart)}: "
                f"if these are different units, add a column that names each once, and write it here as "
                f"unit",
            )
        else:
            draft.data["unit"] = one.name
            draft.say(
                "unit",
                f"rows of one {one.name!r} belong together: by its name"
                + it_could_be([other.name for other in units[1:]]),
            )
        draft.used |= {one.name}
    for one in draft.columns.values():
        if one.name not in draft.used and not one.reason and (head := one.blocks()):
            draft.say(
                "unit",
                f"{one.name!r} is another text in every row, such as {one.texts[0]!r}: if rows of one "
                f"{head!r} belong together, add a column of what stands before the number, and name it "
                f"here as unit",
            )
            break


def _find_covariates(draft: Draft, left: Sequence[Column]) -> None:
    done = draft.regimes()
    for one in left:
        named = one.named(COVARIATES)
        if not (named or one.is_dates) or one.named(DOSES - COVARIATES) or one.name == draft.outcome:
            continue
        draft.used.add(one.name)
        levels = len(one.levels)
        why = ""
        if one.missing:
            why = f"{one.missing:,} of its cells are missing (row {one.first_missing + 1})"
        elif levels < 2:
            why = "it has one value"
        elif one.numeric and levels > 2 and not one.named(frozenset({"age"})):
            why = (
                f"its {levels} values are numbers, which would be taken as such: write texts (p1, p2) to "
                f"make them categories"
            )
        elif levels > 30 and not one.numeric:
            why = f"it has {levels} values"
        else:
            alone = _in_one_group(done, one.codes)
            if alone * 4 > len(np.unique(done)):
                why = (
                    f"{alone} of {len(np.unique(done))} regimes were run at one value of it only, so little "
                    f"tells it from what was done"
                )
        if why:
            draft.say("covariates", f"{one.name!r} is left out: {why}")
        else:
            draft.covariates.append(one.name)
            draft.say(
                "covariates",
                f"{one.name!r}: by its {'name' if named else 'dates'}; only what was there before "
                "treatment may stand here",
            )


def _find_variables(draft: Draft, left: Sequence[Column]) -> None:
    """Columns of numbers: the outcome by its name, all others as variables."""
    whole = [one for one in left if not one.missing and len(one.levels) > 1]
    gaps = [one.name for one in left if one.missing]
    if draft.outcome is None:
        named = [one.name for one in whole if one.named(OUTCOMES)]
        if named and len(whole) > 1:
            draft.outcome = named[0]
            draft.say("data", f"outcome: {named[0]!r}, by its name{it_could_be(named[1:])}")
        texts = [
            one
            for one in draft.columns.values()
            if not one.reason
            and not one.numeric
            and one.named(OUTCOMES)
            and one.name not in draft.used
            and not one.writes_numbers_otherwise
        ]
        for one in texts[:1]:
            draft.say(
                "data",
                f"{one.name!r} may be the outcome, and holds text ({listed(one.words[:3])}): write "
                f"numbers, such as 0 and 1, to estimate it",
            )
    elif draft.outcome not in [one.name for one in whole]:
        raise InputError(
            f"{draft.path}: the outcome {draft.outcome!r} is no column of numbers without gaps that has "
            f"no other part; name another",
            argument="outcome",
        )
    names = [one.name for one in whole if one.name != draft.outcome and one.name not in draft.interventions]
    if not names and draft.outcome is not None:  # one column of numbers is a variable: its own mean is estimated
        names, draft.outcome = [draft.outcome], None
        draft.say(
            "variables", "the one column of numbers; without an outcome the variables themselves are estimated"
        )
    if gaps:
        draft.say("variables", f"left out, for cells are missing: {listed(gaps)}")
    if len(names) > _MOST_VARIABLES:
        draft.say(
            "variables",
            f"the first {_MOST_VARIABLES} of {len(names):,} columns of numbers; others: "
            f"{listed(names[_MOST_VARIABLES:])}",
        )
    elif len(names) > 1:
        draft.say("variables", "the columns of numbers that have no other part")
    draft.variables = names[:_MOST_VARIABLES]
    if draft.outcome is not None:
        draft.data["outcome"] = draft.outcome


def _find_expression(draft: Draft) -> None:
    """Variables of an AnnData: principal components with all genes as outcomes; without any, genes."""
    genes = [name for name in gene_names(draft.path) or () if name not in draft.interventions]
    obsm, layers = embeddings(draft.path)
    counts = next((name for name in ("counts", "raw_counts") if name in layers), None)
    rows = int(np.bincount(draft.regimes()).min())
    pca = next((key for key in ("X_pca", "X_scVI", "X_pca_harmony") if key in obsm), None)
    if pca is not None:
        width = max(1, min(_MOST_COMPONENTS, obsm[pca], rows // 5))
        draft.data["x"] = f"obsm/{pca}[:{width}]"
        draft.say(
            "data",
            f"x, the variables: the first {width} of {obsm[pca]} columns of {pca!r}; the smallest "
            f"regime has {rows} rows",
        )
        if genes and draft.outcome is None:
            draft.data["outcomes"] = "all"
            draft.say("data", f"outcomes: all {len(genes):,} genes that are no intervention; or list some")
        elif draft.outcome is not None:
            draft.data["outcome"] = draft.outcome
    elif genes:
        best = _most_varied(draft.path, genes, counts)
        draft.data["x"] = [f"X:{name}" for name in best]
        draft.say(
            "data",
            f"x, the variables: the {len(best)} genes of most variance of {len(genes):,}; principal "
            f"components (scanpy's X_pca in obsm) would say more",
        )
        if draft.outcome is not None:
            draft.data["outcome"] = draft.outcome
    if counts is not None or (genes and _are_counts(draft.path, genes)):
        if counts is not None:
            draft.data["layer"] = counts
        draft.data["normalise"] = "log1p_cpm"
        draft.say(
            "data",
            f"{'the layer ' + repr(counts) if counts else 'X'} holds counts; normalise makes them "
            f"log(1 + counts per million), log1p_cp10k per ten thousand as scanpy does",
        )


def _in_one_group(regimes: Ints, codes: Ints) -> int:
    """How many regimes have one value of a column only."""
    pairs = np.unique(np.stack([regimes, codes], axis=1), axis=0)
    return int((np.bincount(pairs[:, 0]) == 1).sum())


def _most_varied(path: Path, genes: Sequence[str], layer: str | None) -> list[str]:
    """The genes of most variance among the first of a file, in order of their names in it."""
    some = [f"X:{name}" for name in genes[:2000]]
    table = open_table(path, some, layer)
    spread = [float(pc.variance(table.data.column(name)).as_py() or 0.0) for name in some]
    spread = [0.0 if math.isnan(value) else value for value in spread]  # a gene with gaps
    best = sorted(sorted(range(len(some)), key=lambda i: (-spread[i], i))[:_MOST_VARIABLES])
    return [genes[i] for i in best if spread[i] > 0] or [genes[0]]


def _are_counts(path: Path, genes: Sequence[str]) -> bool:
    """Whether the first genes hold whole numbers, not negative, some above 1."""
    some = [f"X:{name}" for name in genes[:50]]
    table = open_table(path, some)
    values = np.stack([table.data.column(name).to_numpy() for name in some])
    return bool((values >= 0).all() and (values == np.floor(values)).all() and (values > 1).any())
