"""What to run next: rules on draws against closed forms and brute force, and the loop of asking and telling."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from ifm_ident import InputError, Regimes, Study
from ifm_ident.arrays import Floats
from ifm_learn import Suggester
from ifm_learn.data.samples import Samples
from ifm_learn.estimation.posterior import Posterior
from ifm_learn.ladder.linear_means import LinearMeans
from ifm_learn.ladder.ranges import Ranges
from ifm_learn.ladder.regime_statistics import RegimeStatistics
from ifm_learn.suggestion import acquisition as rules
from ifm_learn.suggestion._goals import Goal
from ifm_learn.suggestion._process import Process, one_hot
from ifm_learn.suggestion._refuting import Discrepancies, denied, power
from ifm_learn.suggestion.beliefs import ByFactors
from ifm_learn.suggestion.ensembles import ensemble_model
from ifm_learn.suggestion.write import json_lines
from tests.learn.suggestion_cases import EFFECTS, SINGLES, rows, study

ONES = np.ones(6)


@pytest.fixture(scope="module")
def draws() -> Floats:
    """200,000 normal draws of six correlated means."""
    rng = np.random.default_rng(5)
    root = rng.normal(size=(6, 6)) * 0.5
    return rng.normal(size=(200_000, 6)) @ root + np.array([0.0, 0.2, 0.4, -0.5, 0.1, 0.3])


def test_expected_improvement_is_the_closed_form_of_normal_means(draws: Floats) -> None:
    best = 0.5
    mean, sd = draws.mean(axis=0), draws.std(axis=0)
    z = (mean - best) / sd
    expected = (mean - best) * norm.cdf(z) + sd * norm.pdf(z)
    found = rules.improvement(draws, np.full(len(draws), best), 1, ONES)
    assert found.chosen[0] == expected.argmax()
    assert found.scores[0] == pytest.approx(expected.max(), rel=0.02)


def test_a_batch_of_improvements_is_the_greedy_choice_of_joint_ones(draws: Floats) -> None:
    some = draws[:2_000]
    found = rules.improvement(some, np.zeros(2_000), 3, ONES)
    taken: list[int] = []
    for _ in range(3):
        joint = {j: np.maximum(some[:, [*taken, j]].max(axis=1), 0).mean() for j in range(6) if j not in taken}
        taken.append(max(joint, key=lambda j: joint[j]))
    assert found.chosen.tolist() == taken
    assert found.worth == pytest.approx(np.maximum(some[:, taken].max(axis=1), 0).mean())


def test_probabilities_of_passing_are_normal_tails(draws: Floats) -> None:
    found = rules.passing(draws, 0.6, 6, ONES)
    expected = norm.sf((0.6 - draws.mean(axis=0)) / draws.std(axis=0))
    assert found.scores == pytest.approx(expected[found.chosen], abs=0.01)
    assert (np.diff(found.scores) <= 0).all()


def test_thompson_draws_the_best_of_draws(draws: Floats) -> None:
    some = draws[:5_000]
    first = [
        int(rules.thompson(some, np.zeros(5_000), 1, ONES, np.random.default_rng(i)).chosen[0])
        for i in range(2_000)
    ]
    share = np.bincount(some.argmax(axis=1), minlength=6) / 5_000
    assert np.bincount(first, minlength=6) / 2_000 == pytest.approx(share, abs=0.05)
    batch = rules.thompson(some, np.zeros(5_000), 6, ONES, np.random.default_rng(0))
    assert sorted(batch.chosen.tolist()) == list(range(6))


def test_learning_is_the_conditional_variance_by_brute_force() -> None:
    rng = np.random.default_rng(3)
    candidates, noise = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5)), np.array([0.5, 1.0, 2.0, 0.1, 1.0])
    targets = candidates @ rng.normal(size=(5, 4)) + 0.2 * rng.normal(size=(300, 4))
    running = candidates[:, [2]]
    whole = np.cov(np.hstack([candidates, targets, running]).T)

    def left(chosen: tuple[int, ...]) -> float:
        """The mean variance of the targets given the running run and the chosen ones, by inverting a matrix."""
        at = [9, *chosen]
        errors = np.diag([noise.mean(), *noise[list(chosen)]])
        gain = whole[5:9, at] @ np.linalg.inv(whole[np.ix_(at, at)] + errors)
        return float(np.trace(whole[5:9, 5:9] - gain @ whole[at, 5:9]) / 4)

    found = rules.learning(candidates, targets, 3, np.ones(5), noise, running)
    taken: tuple[int, ...] = ()
    for step in range(3):
        options = {j: left((*taken, j)) for j in range(5) if j not in taken}
        best = min(options, key=lambda j: options[j])
        assert found.scores[step] == pytest.approx(left(taken) - options[best], rel=1e-6)
        taken = (*taken, best)
    assert tuple(found.chosen.tolist()) == taken


def test_where_everything_is_free_scores_alone_rank(draws: Floats) -> None:
    best = np.zeros(len(draws))
    paid, free = (rules.improvement(draws, best, 6, cost).chosen.tolist() for cost in (ONES, 0 * ONES))
    assert paid == free


def test_refuting_in_steps_is_refuting_anew() -> None:
    rng = np.random.default_rng(2)
    root = rng.normal(size=(4, 4))
    found = Discrepancies(rng.normal(size=(6, 4)), root @ root.T, np.full(6, 0.5), 0)
    batch, now = found.batch(3, ONES), found
    for place, score in zip(batch.chosen.tolist(), batch.scores.tolist(), strict=True):
        assert score == pytest.approx(power(now.variance, now.noise)[place])
        now = now.after(place)


def test_costs_divide_scores_and_what_is_free_comes_first(draws: Floats) -> None:
    best = np.zeros(len(draws))
    gain = np.maximum(draws, 0).mean(axis=0)
    cost = np.array([1.0, 5.0, 10.0, 0.1, 2.0, 1.0])
    assert rules.improvement(draws, best, 1, cost).chosen[0] == (gain / cost).argmax()
    cost[4] = 0.0
    assert rules.improvement(draws, best, 1, cost).chosen[0] == 4
    assert rules.passing(draws, 0.5, 1, cost).chosen[0] == 4
    assert rules.quantile(draws, best, 1, cost).chosen[0] == 4
    assert rules.greedy(draws, best, 1, cost).chosen[0] == 4


def posterior_of(n: int, **more: Any) -> tuple[Posterior, Samples]:
    table = rows(SINGLES, n)
    asked = study()
    codes = np.array([table[name] for name in "ABCD"]).T
    regime = Regimes.from_codes(codes).first_equal(asked.design.train)
    samples = Samples(asked.design, regime, np.array(table["y"])[:, None])
    return Posterior.fit(samples, **more), samples


EVERY = Regimes.from_codes(np.array(list(itertools.product([0, 1], repeat=4))))


def test_draws_have_the_mean_and_covariance_of_least_squares() -> None:
    """Few rows a regime: the law is multivariate t, whose covariance is known."""
    posterior, samples = posterior_of(3, draws=20_000)
    drawn = posterior.draws(EVERY)
    x = np.hstack([np.ones((len(samples), 1)), samples.design.train.codes()[samples.regime]])
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ samples.x[:, 0]
    nu = len(x) - 5
    variance = np.sum((samples.x[:, 0] - x @ beta) ** 2) / nu
    asked = np.hstack([np.ones((16, 1)), EVERY.codes()])
    expected = asked @ inverse @ asked.T * variance * nu / (nu - 2)
    assert drawn.mean(axis=0) == pytest.approx(asked @ beta, abs=0.01)
    assert np.cov(drawn.T) == pytest.approx(expected, rel=0.1, abs=3e-4)


def test_a_known_noise_needs_no_row_left_over() -> None:
    with pytest.raises(InputError, match="no row is left over"):
        posterior_of(1)
    posterior, _ = posterior_of(1, noise=0.2, draws=20_000)
    pair = posterior.draws(Regimes.from_codes(np.array([[1, 1, 0, 0]])))
    assert pair.std() == pytest.approx(0.2 * np.sqrt(3), rel=0.05)


def test_draws_in_parts_belong_together() -> None:
    posterior, _ = posterior_of(12)
    apart = np.hstack([posterior.draws(EVERY.take(slice(0, 5))), posterior.draws(EVERY.take(slice(5, 16)))])
    assert apart == pytest.approx(posterior.draws(EVERY))


def test_denied_effects_are_those_that_no_scope_holds() -> None:
    asked = Study.from_dict(
        {
            "interventions": {name: [0, 1, 2] for name in "ABC"},
            "factors": [{"sigma": ["A", "B"]}, {"sigma": ["B", "C"]}, {"sigma": ["A", "C"]}],
            "train": [{}],
        }
    )
    held, columns = denied(asked.model, Regimes.from_codes(np.array([[1, 2, 1], [1, 2, 0], [2, 2, 1]])))
    assert list(columns) == [((0, 1), (1, 2), (2, 1)), ((0, 2), (1, 2), (2, 1))]
    assert held.toarray().tolist() == [[1, 0], [0, 0], [0, 1]]


def test_power_is_that_of_simulated_tests() -> None:
    rng = np.random.default_rng(0)
    for discrepancy, noise in ((1.0, 0.5), (0.2, 1.0), (0.0, 1.0)):
        seen = rng.normal(scale=np.sqrt(discrepancy + noise), size=200_000) / np.sqrt(noise)
        expected = np.mean(np.abs(seen) > norm.ppf(0.975))
        assert power(np.array([discrepancy]), np.array([noise]))[0] == pytest.approx(expected, abs=0.004)


def test_what_training_has_tested_is_conditioned_on() -> None:
    """With A+B run the claim about A and B is tested already: A+C says more than A+B+... of the same pair."""
    asked = study([*SINGLES, "1100"])
    count = np.full(6, 50.0)
    statistics = RegimeStatistics(count, np.zeros((6, 1)), np.full((6, 1), 49.0))
    linear = LinearMeans.fit(asked.model, (0, 1, 2, 3), asked.design.train, statistics)
    candidates = Regimes.from_codes(np.array([[1, 1, 0, 0], [1, 0, 1, 0]]))
    found = Discrepancies.of(asked.model, linear, asked.design.train, candidates, np.zeros(2), 1.0, 50, 1.0)
    # by hand: pairs AB and AC; the residual of A+B after least squares holds a quarter of the effect AB
    assert found.variance[1] == pytest.approx(1.0, rel=0.2)
    assert found.variance[0] < 0.2 * found.variance[1]
    batch = found.batch(2, np.ones(2))
    assert batch.chosen.tolist() == [1, 0]
    assert batch.scores[0] > batch.scores[1]


def test_the_process_leaves_out_as_refits_do() -> None:
    model = study().model
    rng = np.random.default_rng(1)
    train = EVERY.take(rng.permutation(16)[:12])
    means = train.codes() @ EFFECTS + 0.1 * rng.normal(size=12)
    process = Process.fit(model, train, means, np.full(12, 0.01), 0)
    kernel, scale = process.fitted.kernel_, process.scale
    for i in (0, 5, 11):
        others = np.delete(np.arange(12), i)
        inputs = one_hot(process.columns, train)
        whole = kernel(inputs[others]) + np.eye(11) * (0.01 / scale**2 + 1e-10)
        cross = kernel.k1(inputs[[i]], inputs[others])
        predicted = process.centre + cross @ np.linalg.solve(whole, means[others] - process.centre)
        assert process.left_out[i] == pytest.approx(means[i] - predicted[0], abs=1e-6)


@pytest.mark.parametrize("goal", ["max", "min", "hit:1.2", "learn", "refute"])
def test_each_goal_finds_what_the_truth_asks_for(goal: str) -> None:
    found = Suggester(study(), rows(SINGLES, 4), goal=goal).ask()
    codes = found.regimes.codes()[0]
    if goal == "max":
        assert codes.tolist() == [1, 1, 0, 1]
    elif goal == "min":
        assert codes.tolist() == [0, 0, 1, 1]  # 0010 was run
    elif goal == "hit:1.2":
        assert codes @ EFFECTS >= 1.2
        assert found.score[0] > 0.95
    elif goal == "refute":
        assert codes.sum() >= 2
    assert found.identified.all()
    assert found.low[0] <= found.mean[0] <= found.high[0]


def test_what_runs_is_counted_and_never_suggested_again() -> None:
    suggester = Suggester(study(), rows(SINGLES), goal="max")
    names = [suggester.ask(3).names() for _ in range(3)]
    assert len({*itertools.chain(*names)}) == 9
    suggester.tell(rows(["1101"], 2))
    assert len(suggester.pending) == 8
    assert not {*suggester.ask(2).names()} & {*itertools.chain(*names)}
    with pytest.raises(InputError, match=r"of 16 candidates none is left: 6 were run already, 10 are running"):
        suggester.ask()


def test_told_rows_are_as_if_they_had_been_there() -> None:
    suggester = Suggester(study(), rows(SINGLES, 3))
    suggester.tell(rows(["1100", "1000"], 2, seed=9))
    both = {k: v + rows(["1100", "1000"], 2, seed=9)[k] for k, v in rows(SINGLES, 3).items()}
    whole = Suggester(study([*SINGLES, "1100"]), both)
    assert suggester.ask(4).names() == whole.ask(4).names()


def test_forbid_cost_and_same_are_kept(tmp_path: Path) -> None:
    best = Suggester(study(), rows(SINGLES), goal="max").ask().names()[0]
    free = Suggester(study(), rows(SINGLES), goal="max", forbid=[best]).ask(10)
    assert best not in free.names()
    (tmp_path / "cost.csv").write_text("intervention,cost\nA,2.5\nB,1\n")
    priced = Suggester(study(), rows(SINGLES), goal="max", cost=str(tmp_path / "cost.csv")).ask(5)
    assert priced.names() == ["1100"]
    assert priced.cost == (Fraction(7, 2),)
    assert "1 regime of 5 asked for" in priced.warnings[-1]
    for goal in ("max", "learn", "hit:0.5", "refute"):
        batch = Suggester(study(), rows(SINGLES), goal=goal, same=["B", "D"]).ask(2).regimes.codes()
        assert (batch[:, [1, 3]] == batch[0, [1, 3]]).all()
    with pytest.raises(InputError, match="16 may not be run"):
        Suggester(study(), rows(SINGLES), forbid="all").ask()


def test_the_same_seed_gives_the_same_bytes() -> None:
    def text(seed: int) -> str:
        options: dict[str, Any] = {"goal": "max", "acquisition": "thompson", "seed": seed}
        return "\n".join(json_lines(Suggester(study(), rows(SINGLES, 3, noise=1.0), **options).ask(3)))

    assert text(1) == text(1)
    assert text(1) != text(2)


def pairs(train: list[str]) -> Study:
    return Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in "ABC"},
            "variables": ["y"],
            "factors": [{"sigma": ["A", "B"]}, {"sigma": ["B", "C"]}],
            "train": train,
        }
    )


def few(train: list[str]) -> dict[str, list[Any]]:
    levels = np.repeat([[int(c) for c in code] for code in train], 2, axis=0)
    y = levels.sum(axis=1) + np.tile([0.0, 0.1], len(train))
    return {**{name: levels[:, i].tolist() for i, name in enumerate("ABC")}, "y": y.tolist()}


def test_regimes_that_are_not_identified_have_no_score_but_what_they_unlock() -> None:
    train = ["000", "100", "010", "001"]
    found = Suggester(pairs(train), few(train)).ask(8)
    assert found.names()[0] == "101"  # A and C share no factor
    assert found.identified.tolist() == [True, False, False, False]
    assert np.isnan(found.score[1:]).all()
    for row in (1, 2, 3):  # by brute force: run it, and count
        more = pairs([*train, found.names()[row]])
        now = [one.status.word for one in more.identify()]
        assert found.unlocks[row] == sum(word != "not_identified" for word in now) - 5
    assert [entry["interval"] for entry in json.loads("\n".join(json_lines(found)))["results"]][1:] == [None] * 3


def test_a_process_scores_all_and_says_what_they_unlock() -> None:
    train = ["000", "100", "010", "001"]
    found = Suggester(pairs(train), few(train), model="process").ask(4)
    assert np.isfinite(found.score).all()
    assert sorted(found.names()) == ["011", "101", "110", "111"]
    assert dict(zip(found.names(), found.unlocks.tolist(), strict=True)) == {
        "101": 0,
        "110": 1,
        "011": 1,
        "111": 1,
    }
    assert found.identified.tolist() == [name == "101" for name in found.names()]


def test_factors_that_err_more_give_way_to_a_process() -> None:
    every = ["".join(code) for code in itertools.product("01", repeat=4)]
    table = rows(every[:12], 2, noise=0.02)
    levels = np.array([table[name] for name in "ABCD"])
    table["y"] = (np.array(table["y"]) + 3 * (levels.sum(axis=0) % 2)).tolist()  # parity: nothing adds up
    found = Suggester(study(every[:12]), table, goal="max").ask()
    assert found.answered[0] == "process"
    assert found.left_out["process"] < found.left_out["factors"]
    sums = rows(every[:12], 2, noise=0.02)
    assert Suggester(study(every[:12]), sums, goal="max").ask().answered[0] == "factors"


def test_very_many_candidates_are_screened_and_said_so() -> None:
    found = Suggester(study(), rows(SINGLES), screen=3).ask(2)
    assert found.counted["scored"] == 3
    assert found.counted["screened_out"] == 8
    assert any("look best by a linear model" in warning for warning in found.warnings)
    assert found.names()[0] == Suggester(study(), rows(SINGLES)).ask(2).names()[0]


def two(**data: Any) -> Study:
    mapping = {
        "interventions": {"A": [0, 1]},
        "variables": ["u", "v"],
        "factors": [{"sigma": ["A"]}],
        "train": ["0", "1"],
    }
    return Study.from_dict({**mapping, **data})


TABLE = {"A": [0, 0, 0, 1, 1, 1], "u": [0.0, 0.1, 0.3, 1, 1.2, 1.3], "v": [1, 2, 1.5, 2, 3, 2.2], "w": [0.0] * 6}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"goal": "maximise"}, "unknown goal 'maximise'"),
        ({"goal": "hit"}, "needs the mean to be reached"),
        ({"goal": "hit:"}, "needs the mean to be reached"),
        ({"goal": "hit:nan"}, "no finite number"),
        ({"goal": "hit:1_0"}, "no finite number"),
        ({"goal": "max:3"}, "takes no number"),
        ({"goal": 3}, "a goal is a text"),
        ({"goal": "learn", "acquisition": "ei"}, "is for the goals max and min"),
        ({"acquisition": "ie"}, "unknown acquisition 'ie'"),
        ({"model": "gp"}, "unknown model"),
        ({"goal": "refute", "model": "process"}, "is about the factors"),
        ({"goal": "refute", "repeats": True}, "refutes no factor"),
        ({"noise": 1e300}, "noise is a number from 1e-100 to 1e\\+100"),
        ({"goal": "refute", "interaction": 1e200}, "interaction is a number from 1e-100 to 1e\\+100"),
        ({"goal": "refute", "targets": "1100"}, "targets: only for the goal learn, not refute"),
        ({"rows": 3}, "rows: only for the goal learn or refute, not max"),
        ({"interaction": 2.0}, "interaction: only for the goal refute, not max"),
        ({"noise": -1.0}, "noise is a finite number above 0"),
        ({"noise": float("nan")}, "noise is a finite number above 0"),
        ({"screen": 10**9}, "screen is at most 10,000"),
        ({"rows": 0}, "rows is a finite number above 0"),
        ({"same": ["E"]}, "unknown intervention 'E'"),
        ({"seed": -1}, "a seed is a whole number"),
        ({"energy": "quadartic"}, "did you mean quadratic"),
        ({"outcome": "z"}, "there is no column 'z'"),
        ({"forbid": ["9999"]}, "forbid 9999"),
    ],
)
def test_refusals_of_arguments(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Suggester(study(), rows(SINGLES), **options)


def test_refusals_of_data_and_outcomes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no `data`"):
        Suggester(study())
    with pytest.raises(InputError, match="needs an outcome: name a column, or one of the variables u, v"):
        Suggester(two(), TABLE)
    assert Suggester(two(), TABLE, outcome="v").outcome == "v"
    with pytest.raises(InputError, match="is about one outcome and the study has 2"):
        Suggester(two(data={"file": "none.csv", "outcomes": ["w", "w2"]}), {**TABLE, "w2": [1.0] * 6})
    (tmp_path / "cost.csv").write_text("intervention,cost\nA,-1\n")
    with pytest.raises(InputError, match="the cost -1 is negative"):
        Suggester(study(), rows(SINGLES), cost=tmp_path / "cost.csv")
    for batch in (0, -1, 1.5, True, 10**9):
        with pytest.raises(InputError, match="a batch is a whole number"):
            Suggester(study(), rows(SINGLES)).ask(batch)  # type: ignore[arg-type]
    dose = {"interventions": {"d": {"levels": [0, 1, 2], "basis": {"poly": 1}}}, "factors": [{"sigma": ["d"]}]}
    line = Study.from_dict({**dose, "variables": ["y"], "train": [{"d": 0}, {"d": 1}]})
    with pytest.raises(InputError, match="nothing that could be run would refute"):
        Suggester(line, {"d": [0, 0, 1, 1], "y": [0.0, 0.1, 1.0, 1.2]}, goal="refute").ask()
    suggester = Suggester(study(), rows(SINGLES))
    with pytest.raises(InputError, match="there is no column 'y'"):
        suggester.tell({"A": [1]})
    assert suggester.ask().names() == Suggester(study(), rows(SINGLES)).ask().names()


def test_copies_of_a_unit_s_row_tell_nothing_more() -> None:
    once = rows(SINGLES, 4, noise=0.3)
    once["unit"] = [*range(len(once["y"]))]
    twice = {name: [*values, *values] for name, values in once.items()}
    spec: dict[str, Any] = {"data": {"file": "none.csv", "unit": "unit"}}
    one, two = (Suggester(study(**spec), table, energy="normal").ask(4) for table in (once, twice))
    assert one.names() == two.names()
    np.testing.assert_allclose(two.high - two.low, one.high - one.low, rtol=1e-9)
    learned = [
        Suggester(study(**spec), table, goal="learn", targets="1100", energy="normal").ask()
        for table in (once, twice)
    ]
    np.testing.assert_allclose(learned[1].score, learned[0].score, rtol=1e-9)


@pytest.mark.parametrize("kind", ["share", "count"])
def test_draws_in_a_range_keep_their_mean(kind: str) -> None:
    """Near an end: cut there, they would have another mean."""
    rng = np.random.default_rng(7)
    table = rows(SINGLES, 25)
    drawn = (rng.random(125) < 0.06) if kind == "share" else rng.poisson(0.1, 125)
    table["y"] = drawn.astype(float).tolist()
    beliefs = Suggester(study(), table).beliefs().beliefs
    assert isinstance(beliefs, ByFactors)
    found, mean = beliefs.draws(EVERY), beliefs.posterior.means(EVERY)
    assert found.min() >= 0
    if kind == "share":
        assert found.max() <= 1
    error = found.std(axis=0)
    near = (mean < error) & (mean > error / 3)
    assert near.sum() >= 3
    assert (np.abs(found.mean(axis=0) - mean)[near] < 0.15 * error[near]).all()


def test_laws_in_a_range_have_the_mean_and_the_reach_of_intervals() -> None:
    chance = (np.arange(4_000)[:, None] + 0.5) / 4_000
    table = np.array([[0.0, 0, 0.2], [1, 3, 5.0], [1, 2, 0.1]])
    ranges = Ranges.of(table, np.zeros(3, dtype=np.int64))
    mean, se, freedom = np.array([0.08, 0.3, 0.9]), np.array([0.06, 0.06, 0.3]), np.array([200.0, 200.0, 200.0])
    for column in range(2):
        found = ranges.drawn(column, mean, se, freedom, np.tile(chance, 3))
        assert found.mean(axis=0) == pytest.approx(mean, rel=0.01)
        one = np.tile(mean[:, None], 3), np.tile(se[:, None], 3), np.tile(freedom[:, None], 3)
        low, high = ranges.interval(*one, 0.1)
        ends = np.quantile(found, [0.05, 0.95], axis=0)
        assert (ends[0] >= low[:, column] - 1e-9).all()  # those of intervals are exact: as long or longer
        assert (ends[1] <= high[:, column] + 1e-9).all()
        assert (ends[1] - ends[0] > 0.6 * (high - low)[:, column]).all()
    few = ranges.drawn(0, mean[:1], se[:1], np.array([3.0]), chance)
    assert few.std() > 1.2 * ranges.drawn(0, mean[:1], se[:1], freedom[:1], chance).std()
    assert ranges.drawn(0, np.zeros(1), np.zeros(1), freedom[:1], chance).max() < 1e-300


def test_few_rows_make_long_tails() -> None:
    """Of an outcome beside x: four rows a regime leave three degrees of freedom and the refits' own."""
    table = rows(SINGLES, 4, noise=0.5)
    table["z"] = np.random.default_rng(3).normal(size=20).tolist()
    beliefs = Suggester(study(), table, outcome="z").beliefs().beliefs
    assert isinstance(beliefs, ByFactors)
    posterior = beliefs.posterior
    tables = [table for _, table in posterior._tables(EVERY)]
    assert tables[0].rung_freedom.max() < 3
    plain, long = posterior.draws(EVERY, tails=False), posterior.draws(EVERY)
    assert long.mean(axis=0) == pytest.approx(posterior.means(EVERY), rel=1e-6)
    assert (np.quantile(long, 0.99, axis=0) > np.quantile(plain, 0.99, axis=0)).all()
    middle = [np.diff(np.quantile(some, [0.25, 0.75], axis=0), axis=0) for some in (plain, long)]
    assert (middle[1] < 1.5 * middle[0]).all()


def test_draws_of_an_outcome_beside_x_spread_as_its_estimate_and_stay_in_range() -> None:
    table = rows(SINGLES, 12, noise=0.5)
    table["hit"] = (np.random.default_rng(3).random(len(table["y"])) < 0.5).astype(float).tolist()
    suggester = Suggester(study(), table, outcome="hit")
    beliefs = suggester.beliefs().beliefs
    assert isinstance(beliefs, ByFactors)
    assert beliefs.posterior.work is not None
    asked = Regimes.from_codes(np.array([[1, 1, 0, 0], [1, 0, 0, 1], [1, 1, 1, 1]]))
    estimate = beliefs.posterior.work.estimate(asked)
    drawn = beliefs.draws(asked)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    inside = estimate.se[:2, 0] < 0.2
    assert inside.any()
    np.testing.assert_allclose(drawn.std(axis=0)[:2][inside], estimate.se[:2, 0][inside], rtol=0.25)


def test_flags_are_those_of_estimates() -> None:
    found = Suggester(study(), rows(SINGLES, 4)).ask()
    assert {"few_rows", "untested"} <= set(found.flags[0])
    more = Suggester(study([*SINGLES, "1100", "1010", "1001"]), rows([*SINGLES, "1100", "1010", "1001"], 30)).ask()
    assert not {"few_rows", "untested"} & set(more.flags[0])
    known = Suggester(study(), rows(SINGLES, 1), noise=0.1).ask()
    assert known.flags == (("few_rows", "untested"),)


def test_an_outcome_without_differences_is_warned_of_and_any_seed_will_do() -> None:
    table = rows(SINGLES, 3)
    table["y"] = [2.0] * len(table["y"])
    assert (
        "y is the same in all rows: they tell no regime from another" in Suggester(study(), table).ask().warnings
    )
    assert len(Suggester(study(), rows(SINGLES, 3), seed=2**70).ask()) == 1


def test_goals_read_back() -> None:
    for text in ("max", "min", "hit:0.8", "learn", "refute"):
        assert Goal.parse(Goal.parse(text).text) == Goal.parse(text)


def test_draws_for_botorch() -> None:
    pytest.importorskip("botorch")
    torch = pytest.importorskip("torch")
    posterior, _ = posterior_of(3)
    model = ensemble_model(posterior.draws(EVERY))
    found = model.posterior(torch.tensor([[[3.0]], [[12.0]]]))
    assert found.mean.shape[0] == 2
    assert found.mean.numpy()[:, 0, 0] == pytest.approx(posterior.draws(EVERY).mean(axis=0)[[3, 12]], rel=1e-4)
    # its expected improvement, by 4,096 members at random, is that of the draws
    acquisition = pytest.importorskip("botorch.acquisition")
    index = pytest.importorskip("botorch.sampling.index_sampler")
    drawn = posterior.draws(EVERY)
    sampler = index.IndexSampler(sample_shape=torch.Size([4096]), seed=0)
    rule = acquisition.qExpectedImprovement(model, best_f=1.5, sampler=sampler)
    values = [rule(torch.tensor([[[float(place)]]], dtype=torch.double)).item() for place in range(16)]
    assert values == pytest.approx(np.maximum(drawn - 1.5, 0).mean(axis=0), abs=0.02)


class Tensor:
    """As much of torch's as the wrapper uses."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __getitem__(self, key: Any) -> Tensor:
        parts = key if isinstance(key, tuple) else (key,)
        return Tensor(self.values[tuple(one.values if isinstance(one, Tensor) else one for one in parts)])

    def long(self) -> Tensor:
        return Tensor(self.values.astype(int))

    def movedim(self, start: int, end: int) -> Tensor:
        return Tensor(np.moveaxis(self.values, start, end))

    def unsqueeze(self, axis: int) -> Tensor:
        return Tensor(np.expand_dims(self.values, axis))


def test_members_are_draws_for_a_class_that_calls_as_botorch_does(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    class EnsembleModel:
        def members(self, points: Tensor) -> Any:
            return self.forward(X=points).values  # type: ignore[attr-defined]

    torch, ensemble = types.ModuleType("torch"), types.ModuleType("botorch.models.ensemble")
    torch.as_tensor = Tensor  # type: ignore[attr-defined]
    ensemble.EnsembleModel = EnsembleModel  # type: ignore[attr-defined]
    for name, module in {"torch": torch, "botorch.models.ensemble": ensemble}.items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("botorch", "botorch.models"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    drawn = np.arange(12.0).reshape(3, 4)
    found = ensemble_model(drawn).members(Tensor([[[0.0], [3.0]]]))  # a batch of one, two points
    assert found.shape == (1, 3, 2, 1)
    assert found[0, :, :, 0].tolist() == drawn[:, [0, 3]].tolist()


def test_without_botorch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "botorch", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="pip install botorch"):
        ensemble_model(np.zeros((3, 2)))
