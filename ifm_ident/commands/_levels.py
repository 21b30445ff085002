"""`ifm identify --levels`: the exact set of identified levels of an intervention, and its picture."""

from __future__ import annotations

from pathlib import Path

from ifm_ident.commands._options import Output
from ifm_ident.design.notation import parse_regime
from ifm_ident.errors import InputError, MissingExtraError
from ifm_ident.files import check_output, open_output
from ifm_ident.show.levels_write import json_lines, set_words, text_lines
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.solve.level_sets import identified_levels, with_own_levels
from ifm_ident.study.study import Study

_PICTURES = (".svg", ".png", ".pdf")


def levels(
    study: Study, names: tuple[str, ...], regime: str, criterion: CriterionName, picture: str | None, out: Output
) -> None:
    """Writes the set of levels of the first intervention, or for two the picture alone."""
    try:
        target = parse_regime(study.model, regime)
    except InputError as error:
        raise InputError(f"--regime {regime}: {error}") from None
    identifier = Identifier(study.design, study.notation)
    try:
        sets = [identified_levels(identifier, name, target, criterion) for name in names]
    except InputError as error:
        raise InputError(f"--levels {','.join(names)}: {error}") from None
    if picture is not None:
        _draw(study, names, regime, criterion, Path(picture), out)
    if len(names) == 2:
        return
    own = Identifier(with_own_levels(study.design), study.notation)
    out.write(json_lines(study, sets[0]) if out.format == "json" else text_lines(study, sets[0], own))
    out.done(set_words(sets[0], study.model))


def _draw(
    study: Study, names: tuple[str, ...], regime: str, criterion: CriterionName, path: Path, out: Output
) -> None:
    if path.suffix.lower() not in _PICTURES:
        raise InputError(f"--picture {path}: name a file that ends in {', '.join(_PICTURES)}")
    check_output(path, out.force)
    try:
        from ifm_ident.plots import canvas, level_line, level_surface
    except ImportError:
        raise MissingExtraError("matplotlib", "plots") from None
    figure = canvas.figure(6.5, 4.0)
    if len(names) == 1:
        level_line(study, names[0], regime, criterion, ax=figure.subplots())
    else:
        level_surface(study, (names[0], names[1]), regime, criterion, ax=figure.subplots())
    with open_output(path, out.force) as stream:
        figure.savefig(stream, format=path.suffix[1:].lower(), dpi=150)
    out.remark(f"{path}: the picture")
