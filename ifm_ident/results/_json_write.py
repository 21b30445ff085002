"""Results as JSON, `ifm-identification/1` (docs/reference/results.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ifm_ident.answer.exact_text import (
    exponent_text,
    exponent_texts,
    integer_text,
    integer_texts,
)
from ifm_ident.answer.identification import JOINT, Criterion, Identification, Status
from ifm_ident.arrays import Ints, Ragged
from ifm_ident.design.model import Model
from ifm_ident.results.cells import Weights, cell_parts
from ifm_ident.results.claims import Claims, VariableTerms, sizes
from ifm_ident.results.documents import Listing, document, quoted
from ifm_ident.results.header import TARGETS, MapTexts, StudyLike, header_fields

_TEXT = pa.large_string()

ROUTE = "message-passing"
"""The only method that leaves a regime undecided."""


def write_json(stream: BinaryIO, study: StudyLike, chunks: Iterable[Identification]) -> None:
    """Writes a result, one line a regime, chunk by chunk, and at its end how many there are.

    >>> import io, json
    >>> from ifm_ident.design.design import Design
    >>> from ifm_ident.design.model import Factor, Intervention
    >>> from ifm_ident.design.regimes import Regimes
    >>> from ifm_ident.results.header import Heading
    >>> model = Model((Intervention("A", (0, 1)),), ("x",), (Factor("f", ("x",), ("A",)),))
    >>> study = Heading("tiny", Design(model, Regimes.from_active([()], 1)))
    >>> write_json(stream := io.BytesIO(), study, [])
    >>> json.loads(stream.getvalue())["factors"]
    [{'name': 'f', 'x': ['x'], 'sigma': ['A']}]
    """
    texts = _Texts(study.design.model)
    claims = chain.from_iterable(map(Claims.blocks_of, chunks))
    count = {TARGETS: 0}

    def rows() -> Iterator[str]:
        for part in claims:
            count[TARGETS] += len(part)
            yield from texts.rows(part)

    head = ({key: value} for key, value in header_fields(study).items())
    for line in document(*head, {"results": Listing(rows(), written=True)}, count):
        stream.write(line.encode())
        stream.write(b"\n")


@dataclass(frozen=True, eq=False)
class _Named(Ragged, entries=("variable",)):
    """The variables that every row has a formula of, -1 for the joint density."""

    variable: Ints


def _listed(texts: pa.Array, indptr: Ints) -> pa.Array:
    """The texts of every row in one, with commas between."""
    return pc.binary_join(pa.LargeListArray.from_arrays(pa.array(indptr), texts), pa.scalar(", ", _TEXT))


class _Texts:
    """The JSON texts of one model's regimes, cells and variables, made once."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.maps = MapTexts(model)
        self.variables = [quoted(variable) for variable in model.variables]
        self.shared_out: dict[bytes, str] = {}

    def certificate(self, weights: Weights, variable: int) -> str:
        about = f'"variable": {self.variables[variable]}, ' if variable != JOINT else ""
        cells = []
        for (factor, levels), weight in weights:
            chosen = dict(zip(self.model.scopes[factor].tolist(), levels, strict=True))
            parts = ", ".join(
                f'"{key}": {{{", ".join(self._shown(key, i, chosen[i]) for i in positions)}}}'
                for key, positions in cell_parts(self.model, factor).items()
            )
            cells.append(
                f'{{"factor": {quoted(self.model.factors[factor].name)}, '
                f'{parts}, "weight": {integer_text(weight)}}}'
            )
        return f'{{{about}"kernel": [{", ".join(cells)}]}}'

    def _shown(self, key: str, position: int, index: int) -> str:
        if key == "levels":
            return self.maps.pair(position, index)
        return f"{quoted(self.model.interventions[position].name)}: {index}"

    def rows(self, claims: Claims) -> Iterator[str]:
        formulas, named = self._formulas(claims.terms)
        size = [f', "size": "{exponent_text(s)}"' for s in sizes(claims.terms)] if self.model.has_bases else None
        certificates: dict[int, str] = {}
        for i, (regime, status) in enumerate(zip(claims.targets, claims.status.tolist(), strict=True)):
            start = f'{{"regime": {self.maps.full(regime)}, "status": "{Status(status).word}"'
            if status == Status.OBSERVED:
                yield f'{start}, "train": {int(claims.train[i])}}}'
            elif status == Status.UNDECIDED:
                yield f'{start}, "method": "{ROUTE}", "missing": [{", ".join(self._missing(claims, i))}]}}'
            else:
                start += f', "criterion": "{Criterion(claims.criterion[i]).word}"'
                if status == Status.NOT_IDENTIFIED:
                    j = int(claims.kernel[i])
                    if j not in certificates:
                        about = int(claims.kernel_variable[j])
                        certificates[j] = self.certificate(claims.kernels[j], about)
                    remainder = self._partial(named.variable[named.span(i)], formulas[i]) if formulas[i] else ""
                    yield f'{start}, "certificate": {certificates[j]}{remainder}}}'
                elif claims.criterion[i] == Criterion.JOINT:
                    yield f'{start}, "exponents": [{formulas[i]}]{size[i] if size else ""}}}'
                else:
                    yield f'{start}, "conditionals": {{{formulas[i]}}}{size[i] if size else ""}}}'

    def _formulas(self, terms: VariableTerms) -> tuple[list[str], _Named]:
        """The formulas of every row as one text, and the variables they are of; no Python work a term."""
        trains = integer_texts(terms.train).dictionary_decode()
        exponents = exponent_texts(terms.numerator, terms.denominator).dictionary_decode()
        entries = pc.binary_join_element_wise('{"train": ', trains, ', "exponent": "', exponents, '"}', "")
        starts = np.ones(len(terms.variable), dtype=bool)
        starts[1:] = (terms.variable[1:] != terms.variable[:-1]) | (np.diff(terms.owners) > 0)
        first = np.flatnonzero(starts)
        heads = pa.array([*(f"{name}: [" for name in self.variables), ""], _TEXT)
        tails = pa.array([*("]" for _ in self.variables), ""], _TEXT)
        variable = terms.variable[first]
        at = pa.array(np.where(variable == JOINT, len(self.variables), variable))
        lists = _listed(entries.cast(_TEXT), np.append(first, len(starts)))
        texts = pc.binary_join_element_wise(heads.take(at), lists, tails.take(at), pa.scalar("", _TEXT))
        named = _Named(np.searchsorted(first, terms.indptr).astype(np.int64), variable)
        return _listed(texts, named.indptr).to_pylist(), named

    def _partial(self, variable: Ints, conditionals: str) -> str:
        """What is still determined of a refused regime, by formulas of these variables."""
        key = variable.tobytes()
        if key not in self.shared_out:
            known = set(variable.tolist())
            parts: tuple[list[str], list[str]] = [], []
            for v, name in enumerate(self.variables):
                parts[v in known].append(name)
            given, identified = map(", ".join, parts)
            self.shared_out[key] = f'"given": [{given}], "identified": [{identified}]'
        return f', "partial": {{{self.shared_out[key]}, "conditionals": {{{conditionals}}}}}'

    def _missing(self, claims: Claims, row: int) -> Iterator[str]:
        if claims.lacking is not None:
            yield from map(self.maps.full, claims.lacking.take(slice(row, row + 1)).regimes)
