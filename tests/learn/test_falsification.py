"""Falsification: its parts against closed forms and brute force, its verdicts on simulated truths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.stats import binom

from ifm_ident import Factor, InputError, Study
from ifm_learn import estimate_study
from ifm_learn.data.samples import Samples
from ifm_learn.falsification._contrast import Block, bound_basis, fit, free_basis
from ifm_learn.falsification._features import features
from ifm_learn.falsification.energy import distance_features, upper_tail
from ifm_learn.falsification.repair import suggestions
from ifm_learn.falsification.testing import adjust, falsify
from tests.learn.falsification_truths import CODES, joint_model, model, samples_of, shifted


def test_upper_tail_is_that_of_simulated_sums() -> None:
    weights = np.array([1.0, 1.0, 0.25, 0.25, 0.1])
    draws = np.random.default_rng(0).normal(size=(400_000, 5)) ** 2 @ weights
    for level in (0.2, 0.05, 0.01):
        # the standard error at 0.05 is 0.0003; the gamma approximation is good to 3% of the level
        assert upper_tail(float(np.quantile(draws, 1 - level)), weights) == pytest.approx(level, rel=0.05)


def test_contrast_is_the_penalised_maximum_and_obeys_the_claim() -> None:
    rng = np.random.default_rng(1)
    c = np.array([1.0, -1.0, -1.0, 1.0])
    values = np.column_stack([np.ones(200), rng.normal(size=(200, 2))])
    label = rng.integers(0, 4, 200)
    blocks = [
        Block(np.array([0]), free_basis(4), 0.0),
        Block(np.array([1]), bound_basis(c), 0.5),
        Block(np.array([2]), free_basis(4), 2.0),
    ]
    found = fit(values, label, blocks)

    def loss(beta: np.ndarray) -> float:
        theta = np.vstack([free_basis(4) @ beta[:3], bound_basis(c) @ beta[3:5], free_basis(4) @ beta[5:]])
        penalty = 0.25 * np.sum(beta[3:5] ** 2) + np.sum(beta[5:] ** 2)
        return float(-log_softmax(values @ theta, axis=1)[np.arange(200), label].sum() + penalty)

    best = minimize(loss, np.zeros(8), method="BFGS", options={"gtol": 1e-4})
    beta = np.concatenate([free_basis(4).T @ found[0], bound_basis(c).T @ found[1], free_basis(4).T @ found[2]])
    assert loss(beta) == pytest.approx(best.fun, abs=1e-5)
    assert abs(found[1] @ c) < 1e-9
    assert abs(found[2] @ c) > 1e-3


def test_energy_features_give_the_energy_distance() -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(0, 4, (60, 2)).astype(float)  # few distinct rows: the landmarks are exact
    signed = np.repeat([1 / 30, -1 / 30], 30)
    z = x / x.std(axis=0)
    distances = np.linalg.norm(z[:, None] - z[None], axis=2)
    sums = signed @ distance_features(x, rng)
    assert sums @ sums == pytest.approx(-signed @ distances @ signed, abs=1e-7)


def test_features_thin_out_with_the_budget_and_keep_the_pair() -> None:
    x = np.random.default_rng(3).normal(size=(100, 3))
    x[:, 2] = 1.0
    assert features(x, 100).order.tolist() == [0] + [1] * 8 + [2] * 16
    assert features(x, 5).order.tolist() == [0, 1, 1]
    assert features(x, 5, frozenset({0, 1})).order.tolist() == [0] + [1] * 8 + [2] * 16
    binary = features((x[:, :2] > 0).astype(float), 100)
    assert binary.order.tolist() == [0, 1, 1, 2]


def holm(p: list[float]) -> list[float]:
    """By definition: the largest m' p over the hypotheses with p-values up to one's own."""
    rank = {i: r for r, i in enumerate(sorted(range(len(p)), key=lambda i: p[i]))}
    return [
        min(1.0, max(p[j] * (len(p) - rank[j]) for j in range(len(p)) if rank[j] <= rank[i]))
        for i in range(len(p))
    ]


def test_holm_by_its_definition() -> None:
    for p in itertools.product([0.001, 0.02, 0.03, 0.5], repeat=4):
        assert adjust(list(p), "holm") == pytest.approx(holm(list(p)))


def test_shift_of_the_combination_is_found_with_its_size() -> None:
    rng = np.random.default_rng(4)
    found = falsify(samples_of(joint_model(), shifted(rng, 500, extra=(0.0, 0.8))), pairs=False)
    assert [f.rejected for f in found.findings] == [True, True]
    for finding in found.findings:
        # standard error about sqrt(4 / 500) = 0.09, overlap makes it 0.13
        assert finding.evidence.effect["x2"] == pytest.approx(0.8, abs=0.35)
        assert abs(finding.evidence.effect["x1"]) < 0.35
        assert found.implications.name(finding.combination) == "A=1,B=1"


def test_null_is_not_rejected_and_seeds_agree() -> None:
    rng = np.random.default_rng(5)
    samples = samples_of(joint_model(), shifted(rng, 600))
    runs = [falsify(samples, seed=seed, pairs=False) for seed in (0, 0, 1)]
    first, again, other = ([f.evidence.p_value for f in run.findings] for run in runs)
    assert first == again
    assert not any(f.rejected for run in runs for f in run.findings)
    assert other[0] == first[0]  # the score test draws nothing at random
    assert other[1] == pytest.approx(first[1], abs=0.15)


def test_units_do_not_matter() -> None:
    samples = samples_of(joint_model(), shifted(np.random.default_rng(6), 300, extra=(0.5, 0.0)))
    rows = [samples.of(i) * np.array([100.0, 1e-3]) + np.array([5.0, -2.0]) for i in range(4)]
    ours, theirs = (falsify(s, pairs=False).findings for s in (samples, samples_of(joint_model(), rows)))
    assert ours
    for a, b in zip(ours, theirs, strict=True):
        assert a.evidence.p_value == pytest.approx(b.evidence.p_value, rel=1e-4)
        assert a.evidence.effect == pytest.approx(b.evidence.effect, rel=1e-4)


def test_conditional_claim_allows_what_the_joint_one_does_not() -> None:
    """B moves x2 alone; x1 follows x2, so its marginal moves with B, and only its full conditional stays."""
    rng = np.random.default_rng(7)

    def rows(direct: float) -> list[np.ndarray]:
        found = []
        for a, b in CODES:
            x2 = rng.normal(size=500) + 0.7 * b
            found.append(np.column_stack([0.8 * x2 + 0.5 * a + direct * b + rng.normal(size=500), x2]))
        return found

    asked = model(Factor("fA", ("x1", "x2"), ("A",)), Factor("fB", ("x2",), ("B",)))
    for direct, expected in ((0.0, False), (0.6, True)):
        findings = falsify(samples_of(asked, rows(direct)), criterion="conditional", pairs=False).findings
        of_x1 = [f for f in findings if f.claim.variables == ("x1",)]
        assert len(of_x1) == 4
        assert {f.rejected for f in of_x1} == {expected}


@pytest.mark.parametrize("curved", [False, True])
def test_dependence_within_a_regime_is_found(curved: bool) -> None:
    """x1 and x2 share no factor but both follow x3: independent given x3 unless a link is added."""
    rng = np.random.default_rng(8)
    asked = model(Factor("f1", ("x1", "x3"), ()), Factor("f2", ("x2", "x3"), ()), variables=("x1", "x2", "x3"))
    for link, expected in ((0.0, False), (0.6, True)):
        x3 = rng.normal(size=500)
        x1 = np.sin(2 * x3) + rng.normal(size=500)
        own = (x1 - np.sin(2 * x3)) ** 2 - 1 if curved else x1
        x2 = x3**2 + link * own + rng.normal(size=500)
        samples = samples_of(asked, [np.column_stack([x1, x2, x3])], CODES[:1])
        found = falsify(samples).findings
        assert {(f.claim.kind, f.claim.variables) for f in found} == {("interaction", ("x1", "x2"))}
        assert {f.rejected for f in found} == {expected}


def test_an_intervention_in_no_factor_must_do_nothing() -> None:
    rng = np.random.default_rng(9)
    asked = model(Factor("f", ("x1", "x2"), ("A",)))
    rows = [rng.normal(size=(300, 2)) + 0.5 * a for a, b in CODES]
    assert not any(f.rejected for f in falsify(samples_of(asked, rows)).findings)
    rows[3] = rows[3] + np.array([0.0, 0.6])
    rejected = falsify(samples_of(asked, rows)).rejected
    assert {str(f.claim.formula) for f in rejected} == {"p(A=1) / p(A=1,B=1)"}


def test_discrete_data_with_ties_and_a_constant_column() -> None:
    rng = np.random.default_rng(10)
    asked = model(*joint_model().factors, variables=("x1", "x2"))
    chances = np.array([[0.5, 0.3, 0.2], [0.3, 0.4, 0.3]])
    product = chances[1] ** 2 / chances[0]
    rows = [rng.choice(3, 400, p=p / p.sum()) for p in (chances[0], chances[1], chances[1], product)]
    tables = [np.column_stack([row, np.ones(400)]) for row in rows]
    assert not any(f.rejected for f in falsify(samples_of(asked, tables)).findings)
    tables[3][:, 0] = rng.choice(3, 400, p=[0.5, 0.3, 0.2])
    assert all(f.rejected for f in falsify(samples_of(asked, tables)).findings)


def test_a_claim_of_a_variable_that_never_varies_is_not_contradicted() -> None:
    # of the rest the claim says nothing, however finely it is looked at
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": ["x", "k"],
            "factors": [{"x": ["x", "k"], "sigma": ["A"]}, {"x": ["x"], "sigma": ["B"]}],
            "train": ["00", "10", "01", "11"],
        }
    )
    for seed in range(5):
        regime = np.repeat(np.arange(4), 200)
        x = np.random.default_rng(seed).normal(np.array([0.0, 0.5, 1.0, 1.5])[regime])
        found = falsify(Samples(study.design, regime, np.column_stack([x, np.zeros(800)])), seed=seed).findings
        of_k = [finding.evidence for finding in found if finding.claim.variables == ("k",)]
        assert [(one.statistic, one.p_value) for one in of_k] == [(0.0, 1.0)] * 2


def test_regimes_that_hardly_overlap_are_not_compared() -> None:
    rng = np.random.default_rng(11)
    rows = [rng.normal(size=(300, 2)) + 5.0 * code.sum() for code in CODES]
    found = falsify(samples_of(joint_model(), rows), pairs=False)
    assert not found.rejected
    for finding in found.findings:
        assert (finding.evidence.p_value, finding.evidence.effect) == (1.0, {})
        warning = next(w for w in found.warnings if f", {finding.test}: " in w)
        assert "rows' worth of comparison; the test is not made" in warning


def test_small_regimes_are_warned_about() -> None:
    rows = shifted(np.random.default_rng(12), 300)
    found = falsify(samples_of(joint_model(), [rows[0], rows[1][:40], rows[2], rows[3]]), pairs=False)
    assert any(w.startswith("A=1 has fewer than 100 rows") for w in found.warnings)


def test_few_rows_are_no_lack_of_overlap() -> None:
    alike = np.random.default_rng(12).normal(size=(200, 2))
    few = falsify(
        samples_of(joint_model(), [alike[:50], alike[50:100], alike[100:150], alike[150:156]]), pairs=False
    )
    assert {f.evidence.few for f in few.findings} == {"A=1,B=1 has too few rows"}  # worth 4.4 rows, of 5 and 20
    assert "there are too few rows for the claim" in repr(few)
    fifty = falsify(samples_of(joint_model(), [alike[i : i + 50] for i in range(0, 200, 50)]), pairs=False)
    assert {(f.test, f.evidence.few) for f in fifty.findings if f.evidence.few} == {
        ("energy", "ctrl has too few rows")  # 12.5 rows' worth at most, of the 20 it needs
    }
    assert any("tests are not made where rows are too few: ctrl" in warning for warning in fifty.warnings)


@pytest.mark.parametrize(("apart", "rows", "tested"), [(0.5, 60, True), (0.5, 4, False)])
def test_an_estimate_counts_as_tested_where_rows_could_test_it(apart: float, rows: int, tested: bool) -> None:
    study = Study.from_dict({
        "interventions": {name: [0, 1] for name in "ABC"}, "factors": [{"sigma": [name]} for name in "ABC"],
        "train": ["ctrl", "A", "B", "C", "A+B"], "test": ["A+C", "A+B+C"],
    })  # fmt: skip
    rng = np.random.default_rng(5)
    codes = study.design.train.codes()[np.repeat(np.arange(5), rows)]
    data = dict(zip("ABC", codes.T, strict=True)) | {"x": rng.normal(size=5 * rows) + apart * codes.sum(axis=1)}
    found = estimate_study(study, data, energy="normal")
    assert found.tested == (False, tested)
    assert ["untested" in flags[0] for flags in found.flags] == [True, not tested]


def test_nothing_to_test_says_what_to_measure() -> None:
    rows = shifted(np.random.default_rng(13), 50)[:3]
    found = falsify(samples_of(joint_model(), rows, CODES[:3]))
    assert found.findings == ()
    (warning,) = found.warnings
    assert "measure A=1,B=1 as well: it is predicted by p(A=1) p(B=1) / p(ctrl)" in warning


def test_repair_names_the_factor_to_enlarge() -> None:
    """x2 alone reacts to A and B together: fB, the only factor of x2 that lacks A, must take it in."""
    rng = np.random.default_rng(14)
    asked = model(Factor("f1", ("x1",), ("A",)), Factor("f2", ("x2",), ("A",)), Factor("fB", ("x2",), ("B",)))
    rows = []
    for a, b in CODES:
        rows.append(rng.normal(size=(400, 2)) + np.array([0.5 * a, 0.3 * a + 0.3 * b - 1.0 * a * b]))
    samples = samples_of(asked, rows)
    ranked = suggestions(samples, falsify(samples))
    assert {(s.factor, s.intervention) for s in ranked[:2]} == {("fB", "A"), ("f2", "B")}
    assert ranked[0].gain > 3 * ranked[0].error
    of_x1 = next(s for s in ranked if s.factor == "f1")
    assert of_x1.gain < 0.1 * ranked[0].gain
    null = samples_of(asked, [rng.normal(size=(400, 2)) for _ in CODES])
    assert suggestions(null, falsify(null)) == ()


def test_findings_as_a_table_and_in_words() -> None:
    rows = shifted(np.random.default_rng(16), 300, extra=(0.0, 1.0))
    found = falsify(samples_of(joint_model(), rows), notation="label", pairs=False)
    table = found.to_arrow().to_pylist()
    assert len(table) == len(found) == 2
    for row, finding in zip(table, found.findings, strict=True):
        assert (row["formula"], row["combination"]) == ("p(ctrl) p(A+B) / (p(A) p(B))", "A+B")
        assert (row["test"], row["rejected"]) == (finding.test, True)
        assert {e["variable"]: e["effect"] for e in row["effects"]} == finding.evidence.effect
    text = repr(found)
    assert text.startswith("The data contradict the claim, and so the model, at a family-wise error of 0.05.")
    assert "REJECTED" in text
    assert "<math" in found._repr_html_()
    nothing = falsify(samples_of(joint_model(), rows[:3], CODES[:3]))
    assert repr(nothing).splitlines() == [
        "Nothing was tested: the design makes no claim that data could refute.",
        f"Warning: {nothing.warnings[0]}.",
    ]
    assert nothing.to_arrow().num_rows == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": "5%"}, "alpha '5%' is not a decimal between 0 and 1"),
        ({"correction": "bonferroni"}, "unknown correction 'bonferroni'; legal: holm, bh"),
        ({"tests": ["energi"]}, "unknown test 'energi'; did you mean energy?"),
        ({"tests": []}, "no test is asked for"),
        ({"replicates": 0}, "at least one cross-fit, got 0"),
        ({"criterion": "both"}, "unknown criterion 'both'"),
    ],
)
def test_refusals(options: dict[str, object], message: str) -> None:
    samples = samples_of(joint_model(), shifted(np.random.default_rng(15), 20))
    with pytest.raises(InputError, match=message):
        falsify(samples, **options)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("bent", [False, True])
def test_level_over_many_null_studies(bent: bool) -> None:
    """300 true models; bent: an invertible map, which keeps the claim, makes tails heavy and log-densities odd."""
    studies = 300
    p = np.empty((studies, 2))
    for s in range(studies):
        rows = shifted(np.random.default_rng([16, s]), 300)
        if bent:
            rows = [np.column_stack([np.exp(x[:, 0]), x[:, 0] + x[:, 1] ** 3]) for x in rows]
        found = falsify(samples_of(joint_model(), rows), pairs=False)
        p[s] = [f.evidence.p_value for f in found.findings]
    low, high = binom.ppf([0.0005, 0.9995], studies, 0.05)
    assert np.all((low <= (p < 0.05).sum(axis=0)) & ((p < 0.05).sum(axis=0) <= high))
