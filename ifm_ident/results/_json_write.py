"""Results as JSON, `ifm-identification/1` (docs/reference/results.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO

import numpy as np
import pyarrow.compute as pc

from ifm_ident.answer.exact_text import (
    exponent_text,
    exponent_texts,
    integer_text,
    integer_texts,
)
from ifm_ident.answer.identification import JOINT, Criterion, Identification, Status
from ifm_ident.design.model import Model
from ifm_ident.results.cells import Weights, cell_parts
from ifm_ident.results.claims import Claims, sizes
from ifm_ident.results.documents import Listing, document, quoted
from ifm_ident.results.header import MapTexts, StudyLike, header_fields

ROUTE = "message-passing"
"""The only method that leaves a regime undecided."""


def write_json(stream: BinaryIO, study: StudyLike, chunks: Iterable[Identification]) -> None:
    """Writes a result, one line a regime, chunk by chunk.

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
    rows = chain.from_iterable(map(texts.rows, claims))
    head = ({key: value} for key, value in header_fields(study).items())
    for line in document(*head, {"results": Listing(rows, written=True)}):
        stream.write(line.encode())
        stream.write(b"\n")


class _Texts:
    """The JSON texts of one model's regimes, cells and variables, made once."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.maps = MapTexts(model)
        self.variables = [quoted(variable) for variable in model.variables]

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
        terms = claims.terms
        exponents = exponent_texts(terms.numerator, terms.denominator).dictionary_decode()
        trains = integer_texts(terms.train).dictionary_decode()
        entries = pc.binary_join_element_wise(
            '{"train": ', trains, ', "exponent": "', exponents, '"}', ""
        ).to_pylist()
        bounds, variable = terms.indptr.tolist(), terms.variable
        size = [f', "size": "{exponent_text(s)}"' for s in sizes(terms)] if self.model.has_bases else None
        certificates: dict[int, str] = {}
        for i, (regime, status) in enumerate(zip(claims.targets, claims.status.tolist(), strict=True)):
            start = f'{{"regime": {self.maps.full(regime)}, "status": "{Status(status).word}"'
            if status == Status.OBSERVED:
                yield f'{start}, "train": {int(claims.train[i])}}}'
            elif status == Status.UNDECIDED:
                yield f'{start}, "method": "{ROUTE}", "missing": [{", ".join(self._missing(claims, i))}]}}'
            else:
                start += f', "criterion": "{Criterion(claims.criterion[i]).word}"'
                low, high = bounds[i], bounds[i + 1]
                if status == Status.NOT_IDENTIFIED:
                    j = int(claims.kernel[i])
                    if j not in certificates:
                        about = int(claims.kernel_variable[j])
                        certificates[j] = self.certificate(claims.kernels[j], about)
                    yield f'{start}, "certificate": {certificates[j]}}}'
                elif claims.criterion[i] == Criterion.JOINT:
                    yield f'{start}, "exponents": [{", ".join(entries[low:high])}]{size[i] if size else ""}}}'
                else:
                    cuts = low + np.searchsorted(variable[low:high], np.arange(len(self.variables) + 1))
                    formulas = (
                        f"{name}: [{', '.join(entries[a:b])}]"
                        for name, a, b in zip(self.variables, cuts[:-1], cuts[1:], strict=True)
                    )
                    yield f'{start}, "conditionals": {{{", ".join(formulas)}}}{size[i] if size else ""}}}'

    def _missing(self, claims: Claims, row: int) -> Iterator[str]:
        if claims.lacking is not None:
            yield from map(self.maps.full, claims.lacking.take(slice(row, row + 1)).regimes)
