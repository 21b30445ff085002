"""Short texts, HTML and MathML of results, as notebooks and prompts show them; whatever users wrote is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from itertools import islice

from ifm_ident.answer.formula import Formula
from ifm_ident.answer.identification import Answer, Criterion, Identification, Status
from ifm_ident.show._aligned import aligned
from ifm_ident.show.mathml import formula_mathml
from ifm_ident.show.words import counted, reason_words, refusal_words

ROWS = 20
"""A table of more rows ends with the number of the others."""

LONGEST = 160
"""A text of more characters is cut."""

TERMS = 40
"""A formula of more densities ends with the number of the others."""

_STYLE = "text-align:left;vertical-align:top;padding:0.2em 1em 0.2em 0"


def shortened(text: str) -> str:
    """A text of at most LONGEST characters.

    >>> len(shortened("p(A) " * 100)), shortened("p(A)")
    (160, 'p(A)')
    """
    return text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."


def text_table(columns: Sequence[str], rows: Iterable[Sequence[str]], total: int) -> str:
    """Aligned columns under their names, and how many rows are left out.

    >>> print(text_table(("regime", "n"), [("A", "10"), ("A+B", "2")], 3))
      regime  n
      A       10
      A+B     2
      and 1 more
    """
    shown = [tuple(columns), *([" ".join(cell.split()) for cell in row] for row in islice(rows, ROWS))]
    left = total - (len(shown) - 1)
    return "\n".join([*aligned(shown, "  ", widest=LONGEST), *([f"  and {left:,} more"] if left else [])])


def html_table(heading: str, columns: Sequence[str], rows: Iterable[Sequence[str]], total: int) -> str:
    """A table in HTML without colours of its own; `heading` and `columns` are escaped, cells are HTML already.

    Without rows it is the heading alone.

    >>> html_table("0 testable implications", ("product", "claim"), [], 0)
    '<p>0 testable implications</p>'
    """
    if not total:
        return f"<p>{html.escape(heading)}</p>"
    head = "".join(f'<th scope="col" style="{_STYLE}">{html.escape(name)}</th>' for name in columns)
    shown = list(islice(rows, ROWS))
    body = "".join(f"<tr>{''.join(f'<td style={_STYLE!r}>{cell}</td>' for cell in row)}</tr>" for row in shown)
    left = total - len(shown)
    more = f'<tr><td colspan="{len(columns)}">and {left:,} more</td></tr>' if left else ""
    return (
        f'<table><caption style="text-align:left;white-space:nowrap">{html.escape(heading)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}{more}</tbody></table>"
    )


def warning_lines(warnings: Sequence[str]) -> list[str]:
    """Warnings as sentences, one a line.

    >>> warning_lines(["few rows"])
    ['Warning: few rows.']
    """
    return [f"Warning: {text}." for text in warnings]


def warnings_html(warnings: Sequence[str]) -> str:
    """Warnings as paragraphs of HTML, nothing for none."""
    return "".join(f"<p>{html.escape(line)}</p>" for line in warning_lines(warnings))


def code(text: str) -> str:
    """A text as escaped HTML in the type of code."""
    return f"<code>{html.escape(shortened(text))}</code>"


def answer_text(answer: Answer) -> str:
    """An answer on one line or, by full conditionals, on one for each variable.

    A refusal says why where the answer knows its model.
    """
    if answer.certificate is None or answer.model is None:
        return "\n".join(map(shortened, str(answer).splitlines()))
    return shortened(f"{answer.density} {_verdict(answer)}: {refusal_words(answer.model, answer.certificate)}")


def _verdict(answer: Answer) -> str:
    if answer.status == Status.NOT_IDENTIFIED and answer.criterion == Criterion.JOINT:
        return "has no joint formula"
    return f"is {answer.status.word.replace('_', ' ')}"


def answer_html(answer: Answer) -> str:
    """An answer as a paragraph of HTML."""
    name = code(answer.density)
    if answer.formula is not None:
        return f"<p>{name} ∝ {formula_mathml(answer.formula, TERMS, LONGEST)}</p>"
    conditionals = _conditionals(answer)
    if conditionals:
        items = "".join(
            f"<li>{code(v)} given the rest: ∝ {formula_mathml(f, TERMS, LONGEST)}</li>"
            for v, f in islice(conditionals.items(), ROWS)
        )
        left = len(conditionals) - ROWS
        more = f"<li>and {left:,} more variables</li>" if left > 0 else ""
        how = (
            f" is not identified; {html.escape(answer.partial.words)}"
            if answer.partial
            else " by full conditionals"
        )
        why = f"<p>{html.escape(_reason(answer))}</p>" if answer.partial else ""
        return f"<p>{name}{how}:</p><ul>{items}{more}</ul>{why}"
    return f"<p>{html.escape(answer_text(answer))}</p>"


def _conditionals(answer: Answer) -> dict[str, Formula]:
    """The formulas of full conditionals, of an identified regime or of what is still determined of another."""
    return answer.partial.conditionals if answer.partial is not None else answer.conditionals


def _reason(answer: Answer) -> str:
    """Why the rest of a refused regime is not determined."""
    if answer.certificate is None or answer.model is None:
        return "not the others"
    return reason_words(answer.model, answer.certificate)


def identification_heading(found: Identification) -> str:
    """How many regimes have which verdict, in words."""
    counts = [f"{n:,} {word.replace('_', ' ')}" for word, n in found.counts().items() if n]
    return f"{counted(len(found), 'regime')}: {', '.join(counts) or 'none was asked about'}"


def identification_text(found: Identification) -> str:
    """The first answers of a batch as an aligned table."""
    rows = ((answer.name, *_cells(answer)) for answer in found)
    table = text_table(("regime", "verdict", "formula or reason"), map(_cut, rows), len(found))
    return f"{identification_heading(found)}\n{table}"


def _cut(row: Sequence[str]) -> list[str]:
    return [shortened(cell) for cell in row]


def _cells(answer: Answer) -> tuple[str, str]:
    verdict = _verdict(answer).removeprefix("is ").removeprefix("has ")
    if answer.formula is not None:
        return verdict, f"{answer.formula}{answer.size_note(answer.formula)}"
    if answer.conditionals:
        return verdict, "; ".join(
            f"{v} | rest: {f}{answer.size_note(f)}" for v, f in islice(answer.conditionals.items(), 8)
        )
    if answer.partial is not None:
        formulas = "; ".join(f"{v} | rest: {f}{answer.size_note(f)}" for v, f in answer.partial.formulas[:8])
        return verdict, f"{answer.partial.words}: {formulas}; {_reason(answer)}"
    if answer.certificate is not None and answer.model is not None:
        return verdict, refusal_words(answer.model, answer.certificate)
    return verdict, ""


def identification_html(found: Identification) -> str:
    """The first answers of a batch as an HTML table."""
    rows = ([code(answer.name), html.escape(_cells(answer)[0]), _detail(answer)] for answer in found)
    heading = identification_heading(found)
    return html_table(heading, ("regime", "verdict", "formula or reason"), rows, len(found))


def _detail(answer: Answer) -> str:
    if answer.formula is not None:
        return formula_mathml(answer.formula, TERMS, LONGEST) + answer.size_note(answer.formula)
    conditionals = _conditionals(answer)
    if conditionals:
        parts = islice(conditionals.items(), 8)
        left = len(conditionals) - 8
        more = f"<br>and {left:,} more variables" if left > 0 else ""
        shown = "<br>".join(
            f"{code(v)} | rest: {formula_mathml(f, TERMS, LONGEST)}{answer.size_note(f)}" for v, f in parts
        )
        shown += more
        if answer.partial is not None:
            return f"{html.escape(answer.partial.words)}:<br>{shown}<br>{html.escape(_reason(answer))}"
        return shown
    return html.escape(_cells(answer)[1])
