"""A first study file from the graph in a file: what is guessed stands in it as a comment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ifm_ident.errors import InputError
from ifm_ident.study._graph_studies import read_graph, study_of_graph
from ifm_ident.study._yaml_text import block, comment, flow
from ifm_ident.study.study import study_of_text


def study_text_of_graph(path: str | Path, interventions: Sequence[str] = ()) -> str:
    """A first study file of the graph in a file, as text; every guess is a comment.

    Raises InputError that starts with the file, as `read_graph` and `study_of_graph` do.
    """
    path = Path(path)
    graph = read_graph(path)
    try:
        found = study_of_graph(graph, interventions)
    except InputError as error:
        raise InputError(f"{path}: {error}", error.path, error.argument) from None
    lines = comment(f"A first study of the graph {path.name}: read every line, and change what is not so.")
    plain: dict[str, Any] = {"name": path.stem, **found.plain()}
    notes = {
        "factors": ["one for each variable with its parents", *found.notes.get("factors", ())],
        "train": ["what was run is not in a graph: the baseline and every intervention alone; write what was"],
        "interventions": [
            "the first level is the baseline; init --intervention X gives the variable X one of its own",
            *found.notes.get("interventions", ()),
        ],
    }
    for key, value in plain.items():
        for words in notes.get(key, ()):
            lines += comment(words)
        if key == "factors":
            lines += ["factors:", *(f"  - {flow(factor)}" for factor in value)]
        elif key == "interventions":
            lines += [
                "interventions:",
                *(line for name, levels in value.items() for line in block(name, levels, "  ")),
            ]
        else:
            lines += block(key, value)
    lines += comment(
        "data: {file: cells.csv}   a table with a column for every variable and intervention, to estimate"
    )
    text = "\n".join(lines) + "\n"
    study_of_text(text, Path(), str(path))
    return text
