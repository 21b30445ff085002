"""How one regime is or is not identified: every route that applies, and why it stops where it stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from ifm_ident.answer.certificate import KernelCertificate
from ifm_ident.answer.exact_text import size_text
from ifm_ident.answer.formula import Formula
from ifm_ident.answer.identification import Answer, Status
from ifm_ident.answer.product import density_text
from ifm_ident.design.design import Design
from ifm_ident.design.model import level_text
from ifm_ident.design.notation import format_regime
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.messages.message_passing import Derivation, derive, steps_text
from ifm_ident.results.header import StudyLike
from ifm_ident.show._basis_table import kernel_basis_table, solution_table
from ifm_ident.show.incidence_table import (
    check_lines,
    full_table,
    kernel_table,
    left_out,
    shown_table,
    table_lines,
)
from ifm_ident.show.refusal import refusal_lines
from ifm_ident.show.size_words import LARGE, Sizes
from ifm_ident.show.table import heading, wrapped
from ifm_ident.show.witness import short_fraction
from ifm_ident.show.words import counted, listed, reason_words, refusal_words, variables_of
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.solve.interactions import pair_interactions
from ifm_ident.solve.system import System
from ifm_ident.views import Prose

_MOST_COVERS = 8
_MOST_PAIRS = 12
_MOST_STEPS = 16
_MOST_LEVELS = 12


@dataclass(frozen=True, eq=False)
class Explanation:
    """One regime, a design made ready for questions, and the criterion that decides.

    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f1", ("x",), ("A",)), Factor("f2", ("x",), ("B",))))
    >>> design = Design(model, Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]])))
    >>> lines = Explanation(Identifier(design, "levels"), ((0, 1), (1, 1))).lines()
    >>> print(*lines[:2], sep="\\n")
    Regime 11: A=1, B=1
    identified: p(11) is proportional to p(10) p(01) / p(00)
    """

    identifier: Identifier
    target: Active
    criterion: CriterionName = "auto"

    @property
    def design(self) -> Design:
        """The design that is asked."""
        return self.identifier.design

    @cached_property
    def answer(self) -> Answer:
        """The verdict that everything else explains."""
        return self.identifier.identify(self._batch, self.criterion)[0]

    @cached_property
    def _batch(self) -> Regimes:
        return Regimes.from_active([self.target], len(self.design.model))

    @cached_property
    def name(self) -> str:
        """How the regime is written."""
        return self.text(self.target)

    def text(self, regime: Active) -> str:
        """How any regime is written, in the study's notation."""
        return format_regime(self.design.model, regime, self.identifier.notation)

    def lines(self) -> list[str]:
        """The explanation as text, at most about 110 columns wide."""
        lines = [*self._regime_lines(), *self._verdict_lines()]
        if self.answer.status == Status.OBSERVED:
            return lines + self._observed_lines()
        if self._twin is not None:
            return lines + self._twin_lines(self._twin)
        if self.criterion != "conditional":
            lines += self._joint_lines()
        lines += self.message_lines()
        lines += self._conditional_lines()
        return lines + self.refusal_lines()

    def refusal_lines(self) -> list[str]:
        """The proof of a refusal, and what would help; nothing for other verdicts."""
        if self.answer.certificate is None:
            return []
        return refusal_lines(self.identifier, self.target, self.answer.certificate, self.criterion)

    def _regime_lines(self) -> list[str]:
        model = self.design.model
        codes = dict(self.target)
        shown = range(len(model)) if len(model) <= _MOST_LEVELS else sorted(codes)
        parts = [
            f"{model.interventions[i].name}={level_text(model.interventions[i].level(codes.get(i, 0)))}"
            for i in shown
        ]
        if len(model) > _MOST_LEVELS:
            parts.append("all else at baseline" if parts else "all at baseline")
        return wrapped(f"Regime {self.name}: {', '.join(parts)}", "  ")

    def _verdict_lines(self) -> list[str]:
        answer = self.answer
        if answer.status == Status.OBSERVED and answer.train is not None:
            distinct, rows = self.design.distinct, len(self.design.train)
            place = int(np.searchsorted(distinct, answer.train)) + 1
            row = f" (row {answer.train + 1:,} of {rows:,})" if rows > len(distinct) else ""
            return [f"observed: it is training regime {place:,} of {len(distinct):,}{row}"]
        if answer.formula is not None:
            size = answer.size_note(answer.formula)
            return [f"identified: {self.answer.density} is proportional to {answer.formula}{size}"]
        if answer.conditionals:
            return ["identified by full conditionals, each with a formula of its own (below)"]
        assert answer.certificate is not None
        if answer.partial is not None:
            formulas = [
                f"  {names} | rest: proportional to {f}{answer.size_note(f)}"
                for names, f in self._by_cover(answer)
            ]
            why = reason_words(self.design.model, answer.certificate)
            return [*wrapped(f"not identified; {answer.partial.words}:", "  "), *formulas, *wrapped(why, "  ")]
        word = "no joint formula" if self.criterion == "joint" else "not identified"
        return wrapped(f"{word}: {refusal_words(self.design.model, answer.certificate)}", "  ")

    @cached_property
    def _twin(self) -> int | None:
        """The training regime that differs only in interventions that are in no factor."""
        relevant = self.design.model.relevant
        found = int(self._batch.restrict(relevant).first_equal(self.design.train.restrict(relevant))[0])
        return found if found >= 0 else None

    def _twin_lines(self, train: int) -> list[str]:
        regime = dict(self.design.train[train])
        target = dict(self.target)
        names = [
            one.name for i, one in enumerate(self.design.model.interventions) if regime.get(i) != target.get(i)
        ]
        verb = "is" if len(names) == 1 else "are"
        alike = self.text(self.design.train[train])
        return wrapped(
            f"It differs from training regime {alike} only in {listed(names)}, which {verb} in no factor: "
            "the two densities are the same."
        )

    def _observed_lines(self) -> list[str]:
        """Whether the other training regimes predict an observed one."""
        others = np.flatnonzero(self.design.train.first_equal(self._batch) < 0)
        if not len(others):
            return ["", "There is no other training regime that could predict it."]
        train = self.design.train.take(others)
        found = Identifier(Design(self.design.model, train), self.identifier.notation).identify(
            self._batch, self.criterion
        )
        answer = found[0]
        lines = ["", "Do the other training regimes predict it?"]
        if answer.formula is not None:
            lines.append(
                f"  yes: {answer.density} is proportional to {answer.formula}{answer.size_note(answer.formula)}"
            )
        elif answer.conditionals:
            lines.append("  yes, by full conditionals:")
            lines += [
                f"    {variables} | rest: {formula}{answer.size_note(formula)}"
                for variables, formula in self._by_cover(answer)
            ]
        else:
            assert answer.certificate is not None
            return lines + wrapped(
                f"  no: without it, {refusal_words(self.design.model, answer.certificate)}", "  "
            )
        return [*lines, "  Data from this regime can therefore contradict the model: a testable implication."]

    def _by_cover(self, answer: Answer) -> list[tuple[str, Formula]]:
        model = self.design.model
        known = _conditionals(answer)
        variables = [variables_of(model, block) for block in range(len(model.covers))]
        return [(listed(names), known[names[0]]) for names in variables if names[0] in known]

    def _rank_line(self, system: System, solved: bool) -> str:
        size = f"Rank {system.rank:,} from {counted(len(system.train), 'distinct training regime')}"
        if not solved:
            return f"{size}; with the target's row it is {system.rank + 1:,}: no exponents solve the system."
        if system.freedom == 0:
            return f"{size}: these exponents are the only solution."
        noun = "dimension" if system.freedom == 1 else "dimensions"
        return (
            f"{size}: there are other solutions, in {system.freedom:,} {noun} (see --objective of ifm identify)."
        )

    def _system_lines(self, system: System, factors: Sequence[int], check: bool) -> list[str]:
        """The table, the solution and its check, or the certificate that there is none."""
        solvable, terms = system.solve(self._batch)
        if not solvable[0]:
            _, kernels = system.refuse(self._batch)
            return [*self._kernel_lines(kernels[0], factors), *wrapped(self._rank_line(system, False))]
        exponents = terms.exponents(0)[system.block]
        if self.design.model.has_bases:
            drawn = solution_table(self.design, factors, exponents, self.target)
            size = sum(map(abs, exponents.values()), Fraction(0))
            return [
                *drawn.lines(self.text, exponents),
                "",
                "Checked: times the exponents q, which sum to 1, every column adds up to the target's value p*.",
                *self._size_lines(size),
                *wrapped(self._rank_line(system, True)),
            ]
        table = full_table(self.design, factors, self.target)
        used = shown_table(self.design, factors, sorted(exponents), self.target)
        lines = table_lines(table or used, self.text, exponents)
        for note in left_out(used) if table is None else ():
            lines += wrapped(note)
        checks = check_lines(used, self.text, exponents)
        if check:
            lines += [
                "",
                "Check of every level combination (exponents sum to 1 in all, in every factor):",
                *checks,
            ]
        return [*lines, "", *wrapped(self._rank_line(system, True))]

    def _size_lines(self, size: Fraction) -> list[str]:
        sizes = Sizes(1, size, int(size > LARGE))
        lines = [f"sum|q| = {size_text(size)}", *wrapped(sizes.meaning, "  ")]
        return lines + (wrapped(sizes.warning, "  ") if sizes.large else [])

    def _kernel_lines(self, kernel: KernelCertificate, factors: Sequence[int]) -> list[str]:
        if self.design.model.has_bases:
            weights = [weight for _, weight in kernel.cells]
            lines = kernel_basis_table(self.design, kernel, self.target).lines(self.text, None, weights)
            found = short_fraction(Fraction(kernel.value(self.design, self.target)))
            return [
                *lines,
                "",
                *wrapped(f"The weights w sum to 0 in every training regime and to {found} in {self.name}."),
            ]
        if len(kernel.cells) == 1:
            return wrapped(f"No training regime has the levels that {self.name} needs: "
                           f"{refusal_words(self.design.model, kernel)}.")  # fmt: skip
        table = full_table(self.design, factors, self.target) or kernel_table(self.design, kernel, self.target)
        lines = table_lines(table, self.text, None, dict(kernel.cells))
        for note in left_out(table):
            lines += wrapped(note)
        value = int(kernel.value(self.design, self.target))
        shown = f"{value:,}" if abs(value) < 10**20 else "another number"
        return [
            *lines,
            "",
            *wrapped(f"The weights w sum to 0 in every training regime and to {shown} in {self.name}."),
        ]

    def _joint_lines(self) -> list[str]:
        model = self.design.model
        lines = ["", "Joint criterion: one equation for each level combination (cell) of a factor", ""]
        lines += self._system_lines(self.identifier.joint, range(len(model.factors)), True)
        return lines

    def message_lines(self) -> list[str]:
        """The derivation by message passing, or where it stops (docs/theory/messages.md)."""
        derivation = derive(self.design, self.target)
        names = [intervention.name for intervention in self.design.model.interventions]
        lines = ["", "Message passing on the graph that joins interventions of one factor"]
        steps = steps_text(derivation, self.text, names, self.design.model.given)
        if derivation.status == "undecided":
            return lines + self._stopped_lines(derivation, names)
        if len(steps) > _MOST_STEPS:
            steps = [*steps[: _MOST_STEPS - 1], f"and {len(steps) - _MOST_STEPS + 1:,} more steps"]
        return lines + [f"  {step}" for step in steps]

    def _stopped_lines(self, derivation: Derivation, names: Sequence[str]) -> list[str]:
        tree = derivation.tree
        lines = []
        if derivation.capped or tree.capped:
            lines += wrapped("  The graph is too large to triangulate here, so it is taken as one clique.", "  ")
        elif not tree.chordal:
            fill = [f"{names[i]}-{names[j]}" for i, j in tree.fill]
            lines += wrapped(
                f"  The graph is not chordal; joining {listed(fill, noun='pairs')} makes it so.", "  "
            )
        if len(tree.cliques) == 1:
            lines += wrapped(
                f"  {listed([names[i] for i in tree.cliques[0]], noun='interventions')} form one clique, so the "
                "derivation asks for the regime itself.",
                "  ",
            )
        missing = [density_text(self.text(one), self.design.model.given) for one in derivation.missing]
        lines += wrapped(f"  It stops: training lacks {listed(missing, 6, 'regimes')}.", "  ")
        return [*lines, "  That decides nothing: other formulas may exist."]

    def _conditional_lines(self) -> list[str]:
        model, answer = self.design.model, self.answer
        lines = ["", "Conditional criterion: for each variable the factors that hold it"]
        rest = f"rest, {model.given}" if model.given else "rest"
        if answer.formula is not None:
            return lines + wrapped(
                "  Not needed: a joint formula is a formula of every full conditional too.", "  "
            )
        if self.criterion == "joint":
            return lines + wrapped("  Not asked for: try `--criterion conditional`.", "  ")
        solvable = [self.identifier.conditional(b).holds(self._batch)[0] for b in range(len(model.covers))]
        order = sorted(range(len(model.covers)), key=lambda b: (bool(solvable[b]), b))
        for block in sorted(order[:_MOST_COVERS]):
            factors = model.covers[block]
            variables = listed(variables_of(model, block))
            of = listed([model.factors[k].name for k in factors], noun="factors")
            verb = "is in" if len(variables_of(model, block)) == 1 else "are in"
            lines += ["", f"{variables} | rest: {variables} {verb} {of}"]
            if self.criterion != "conditional" and len(factors) == len(model.factors):
                lines.append("These are all factors: the system is the joint one, which has no solution.")
                continue
            lines += self._system_lines(self.identifier.conditional(block), factors, False)
            if formula := _conditionals(answer).get(variables_of(model, block)[0]):
                lines.append(f"p({variables} | {rest}; {self.name}) is proportional to {formula}")
        if len(order) > _MOST_COVERS:
            others = [bool(solvable[b]) for b in order[_MOST_COVERS:]]
            lines += [
                "",
                f"{counted(len(others), 'other system')} not shown, {sum(others):,} of them with a solution.",
            ]
        if answer.conditionals:
            lines += [
                "",
                *wrapped(
                    "There, p(R) is the density of the variable given all others in regime R. The full "
                    "conditionals determine the joint density (Brook's lemma): from any point to any other, "
                    "change one variable after another, and multiply the ratios of its full conditional."
                ),
            ]
        if answer.partial is not None:
            lines += [
                "",
                *wrapped(
                    "There, p(R) is the density of the variable given all others in regime R. These full "
                    f"conditionals determine the density of {answer.partial.words} (Brook's lemma): change "
                    "one after another of these variables, and hold the others where they are."
                ),
            ]
        return lines + (self._interaction_lines(solvable) if answer.status == Status.NOT_IDENTIFIED else [])

    def _interaction_lines(self, solvable: Sequence[bool]) -> list[str]:
        """Of variables whose full conditionals are not determined, the pairs whose interactions are."""
        model = self.design.model
        blocks = tuple(b for b, has_formula in enumerate(solvable) if not has_formula)
        pairs = pair_interactions(self.design, self.target, blocks, self.identifier.notation)
        if not pairs:
            return []
        if all(pair.formula is None for pair in pairs):
            text = "Nor is any log odds ratio between these that are not determined, given the rest."
            return ["", *wrapped(text)]
        lines = [
            "",
            "Interactions of pairs: the log odds ratios of u and v given the rest",
            *wrapped(
                f"  In {self.name} they are those of the product given here, by the factors that hold both u and "
                "v. With them, the interactions of all sets of variables that hold u and v are determined.",
                "  ",
            ),
        ]
        order = sorted(pairs, key=lambda pair: (pair.formula is None, not pair.factors))
        for pair in order[:_MOST_PAIRS]:
            one, other = (listed(variables_of(model, block)) for block in (pair.block, pair.other))
            if pair.formula is None:
                says = "not determined"
            elif pair.factors:
                says = f"of {pair.formula}"
            else:
                says = "none: no factor holds both, so given the rest they are independent in every regime"
            lines += wrapped(f"  u = {one}, v = {other}: {says}", "    ")
        if len(pairs) > _MOST_PAIRS:
            rest = [pair.formula is not None for pair in order[_MOST_PAIRS:]]
            lines.append(f"  {counted(len(rest), 'other pair')} not shown, {sum(rest):,} of them determined.")
        return lines


def _conditionals(answer: Answer) -> dict[str, Formula]:
    """The formulas of full conditionals, of an identified regime or of what is still determined of another."""
    return answer.conditionals if answer.partial is None else answer.partial.conditionals


def explain(study: StudyLike, target: Active, criterion: CriterionName = "auto") -> list[str]:
    """How one regime of a study is or is not identified, as text with a heading."""
    identifier = Identifier(study.design, study.notation)
    return [*heading(study), "", *Explanation(identifier, target, criterion).lines()]


def explanation(study: StudyLike, target: Active, criterion: CriterionName = "auto") -> Prose:
    """The lines of `explain` as one text that shows as it reads."""
    return Prose("\n".join(explain(study, target, criterion)))
