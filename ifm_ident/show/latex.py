"""Answers as a LaTeX longtable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import BinaryIO

from ifm_ident.answer.exact_text import size_text
from ifm_ident.answer.identification import JOINT, Criterion, Identification, Status
from ifm_ident.answer.product import latex_escape, latex_power, product_latex
from ifm_ident.design.notation import format_regimes
from ifm_ident.design.regimes import Regimes
from ifm_ident.results.header import StudyLike
from ifm_ident.show.words import Tally, counted, listed, reason_words, refusal_words, remainders, variables_of

_ONE_FRACTION = 8
"""Formulas of more terms are written as products of powers, which may break over lines."""

_BREAK = r" \newline "


def write_latex(stream: BinaryIO, study: StudyLike, chunks: Iterable[Identification]) -> None:
    r"""Writes a `longtable` for \input, one row a regime; the comment at its head names the packages it needs.

    All names are escaped, formulas are whole, exponents exact.

    >>> import io
    >>> import numpy as np
    >>> from ifm_ident.design.design import Design
    >>> from ifm_ident.solve.identifier import identify
    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> from ifm_ident.results.header import Heading
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f1", ("x",), ("A",)), Factor("f2", ("x",), ("B",))))
    >>> design = Design(model, Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]])))
    >>> found = identify(design, Regimes.from_codes(np.array([[1, 1]])), notation="label")
    >>> write_latex(stream := io.BytesIO(), Heading("50% off", design, "label"), [found])
    >>> print(stream.getvalue().decode().splitlines()[7])
    \texttt{A+B} & identified & $\frac{p(x; \mathtt{A})\, p(x; \mathtt{B})}{p(x; \mathtt{ctrl})}$ \\
    """
    name = latex_escape(" ".join(study.name.split()))
    size = f"{counted(len(study.design.model.factors), 'factor')}, {study.design.training_words}"
    head = [
        r"% needs \usepackage{longtable,array,amsmath}",
        r"\begin{longtable}{@{}l l >{\raggedright\arraybackslash}p{0.6\linewidth}@{}}",
        rf"\caption{{{name}: {size}. Formulas hold up to a constant factor.}}\\",
        r"\hline",
        r"regime & verdict & formula or reason \\",
        r"\hline",
        r"\endhead",
    ]
    stream.write(_text(head))
    rows = _Rows(study)
    tally = Tally()
    for chunk in chunks:
        tally = tally.plus(chunk)
        stream.write(_text(rows.lines(chunk)))
    foot = rf"\multicolumn{{3}}{{@{{}}p{{\linewidth}}@{{}}}}{{{tally.sentence}}}\\"
    stream.write(_text([r"\hline", foot, r"\end{longtable}"]))


def _text(lines: Iterable[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


class _Rows:
    """The rows of a table."""

    def __init__(self, study: StudyLike) -> None:
        self.study, self.model = study, study.design.model
        self.names = format_regimes(self.model, study.design.train, study.notation).to_pylist()
        covers = range(len(self.model.covers))
        self.labels = [latex_escape(listed(variables_of(self.model, block))) for block in covers]

    def _names(self, regimes: Regimes) -> list[str]:
        return [
            latex_escape(text) for text in format_regimes(self.model, regimes, self.study.notation).to_pylist()
        ]

    def lines(self, found: Identification) -> Iterator[str]:
        reasons = [latex_escape(refusal_words(self.model, kernel)) for kernel in found.kernels]
        remains, index, words = remainders(found)
        heads = dict(zip(remains.tolist(), index.tolist(), strict=True))
        lacking = self._names(found.lacking.regimes) if found.lacking is not None else []
        verdicts = zip(found.status.tolist(), found.criterion.tolist(), strict=True)
        for row, (name, (status, criterion)) in enumerate(zip(self._names(found.targets), verdicts, strict=True)):
            verdict, detail = Status(status).word.replace("_", " "), ""
            if status == Status.IDENTIFIED:
                detail = self._formulas(found, row)
            elif status == Status.NOT_IDENTIFIED:
                detail = reasons[int(found.kernel[row])]
                if row in heads:
                    why = latex_escape(reason_words(self.model, found.kernels[int(found.kernel[row])]))
                    detail = f"{latex_escape(words[heads[row]])}:{_BREAK}{self._formulas(found, row)}{_BREAK}{why}"
                if criterion == Criterion.JOINT:
                    verdict = "no joint formula"
            elif status == Status.UNDECIDED and found.lacking is not None:
                part = lacking[found.lacking.span(row)]
                detail = "training lacks " + ", ".join(rf"\texttt{{{text}}}" for text in part)
            yield rf"\texttt{{{name}}} & {verdict} & {detail} \\"

    def _formulas(self, found: Identification, row: int) -> str:
        parts = []
        for block, exponents in found.terms.exponents(row).items():
            label = "" if block == JOINT else rf"{self.labels[block]} $\mid$ rest: "
            size = ""
            if self.model.has_bases:
                size = rf" ($\sum|q| = {size_text(sum(map(abs, exponents.values()), Fraction(0)))}$)"
            parts.append(f"{label}${self._math(exponents)}${size}")
        return _BREAK.join(parts)

    def _math(self, exponents: dict[int, Fraction]) -> str:
        terms = [(self.names[i], q) for i, q in exponents.items()]
        if len(terms) > _ONE_FRACTION:
            return r"\, \allowbreak ".join(latex_power(name, q, self.model.given) for name, q in terms)
        return product_latex(terms, self.model.given)
