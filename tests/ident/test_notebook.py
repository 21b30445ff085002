"""What results show in a notebook and at a prompt, results as frames, and the fluent path from a study."""

from __future__ import annotations

import html.parser
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ifm_ident
from ifm_ident.answer.formula import Formula
from ifm_ident.answer.identification import Identification
from ifm_ident.errors import InputError, MissingExtraError
from ifm_ident.results._parquet import write_parquet
from ifm_ident.show._notebook import LONGEST, ROWS, html_table
from ifm_ident.show.demonstration import save_examples
from ifm_ident.study.study import Study, load

HOSTILE = "<script>alert(1)</script>&"


def two(names: tuple[str, str] = ("A", "B"), train: tuple[str, ...] = ("ctrl", "A", "B"), **more: Any) -> Study:
    return Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in names},
            "factors": [{"sigma": [name]} for name in names],
            "train": list(train),
            **more,
        }
    )


@pytest.fixture
def conditional(tmp_path: Path) -> Study:
    save_examples(tmp_path)
    return load(tmp_path / "conditional.yaml")


class Checker(html.parser.HTMLParser):
    """Counts tags and fails on unbalanced ones."""

    VOID = frozenset({"br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(value: Any) -> Checker:
    return Checker(value._repr_html_())


def test_an_identification_is_a_table_of_its_first_rows() -> None:
    found = two().identify()
    assert repr(found).splitlines() == [
        "4 regimes: 3 observed, 1 identified",
        "  regime  verdict     formula or reason",
        "  ctrl    observed",
        "  B       observed",
        "  A       observed",
        "  A+B     identified  p(A) p(B) / p(ctrl)",
    ]
    page = shown(found)
    assert page.seen.count("tr") == 5
    assert {"table", "caption", "math", "mfrac"} <= set(page.seen)
    assert "4 regimes: 3 observed, 1 identified" in page.text


def test_long_identifications_say_how_many_are_left_out() -> None:
    names = [f"g{i}" for i in range(9)]
    study = Study.from_labels(["ctrl", *names], test="all")
    found = study.identify()
    assert len(found) == 512
    assert repr(found).splitlines()[-1] == f"  and {512 - ROWS} more"
    assert len(repr(found).splitlines()) == ROWS + 3
    page = shown(found)
    assert page.seen.count("tr") == ROWS + 2
    assert f"and {512 - ROWS} more" in page.text


def test_refusals_say_why(conditional: Study) -> None:
    refused = two(train=("ctrl", "A")).with_test(["A+B"]).identify()
    assert repr(refused[0]) == "p(A+B) is not identified: factor f2 is never seen at B=1"
    assert "not identified" in repr(refused)
    assert "factor f2 is never seen at B=1" in shown(refused).text
    assert "factor f2 is never seen at B=1" in shown(refused[0]).text
    joint = conditional.identify("joint")
    assert "has no joint formula" in repr(joint[0])
    assert "no joint formula" in shown(joint).text


def test_conditional_answers_list_their_variables(conditional: Study) -> None:
    answer = conditional.identify()[0]
    assert repr(answer).count("\n") == 2
    assert answer._repr_latex_() is None
    page = shown(answer)
    assert page.seen.count("li") == 3
    assert page.seen.count("math") == 3
    assert "x1 | rest: " in repr(conditional.identify())


def test_answers_and_formulas_as_latex() -> None:
    answer = two().identify()[3]
    assert answer._repr_latex_() == (
        r"$p(x; \mathtt{A+B}) \propto \frac{p(x; \mathtt{A})\, p(x; \mathtt{B})}{p(x; \mathtt{ctrl})}$"
    )
    assert repr(answer) == "p(A+B) ∝ p(A) p(B) / p(ctrl)"
    assert repr(two().identify()[0]) == "p(ctrl) is observed"
    many = Formula.of(dict.fromkeys(range(5000), 1))
    assert len(many._repr_latex_()) < 2000
    assert many._repr_latex_().endswith(r"\cdots \text{ (5,000 densities in all)}$")


def test_huge_formulas_stay_small() -> None:
    names = [f"intervention_{i}" for i in range(300)]
    study = Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in names},
            "factors": [{"sigma": [name]} for name in names],
            "train": ["ctrl", *names],
            "test": ["+".join(names)],
        }
    )
    found = study.identify()
    assert max(map(len, repr(found).splitlines())) < 3 * LONGEST + 20
    assert len(found._repr_html_()) < 20_000
    assert len(repr(found[0])) <= LONGEST
    assert len(found[0]._repr_html_()) < 20_000


def test_whatever_users_wrote_is_escaped() -> None:
    study = two(names=(HOSTILE, "B"), train=("ctrl", HOSTILE, "B"), name=HOSTILE, variables=[HOSTILE + "v"])
    objects = [
        study.identify(),
        study.identify()[3],
        study.with_test([HOSTILE]).plan(),
        study.plan(book=[f"{HOSTILE}+B"]),
        study.explain("B"),
        two(names=(HOSTILE, "B"), train=("ctrl", HOSTILE, "B", f"B+{HOSTILE}")).implications(),
    ]
    one: Any
    for one in objects:
        page = shown(one)
        assert "script" not in page.seen
        assert "<script" not in one._repr_html_()
    assert HOSTILE in shown(objects[0]).text
    assert "<script" not in html_table(HOSTILE, (HOSTILE,), [], 0)


def test_html_has_no_colours_of_its_own(conditional: Study) -> None:
    study = two(train=("ctrl", "A"))
    for one in (conditional.identify(), study.plan(), conditional.implications(), study.explain("A+B")):
        text = one._repr_html_()
        assert "color" not in text
        assert "background" not in text


def test_plans_show_what_to_run() -> None:
    plan = two(train=("ctrl",)).plan(budget=100)
    assert repr(plan).splitlines() == [
        "2 regimes to add at cost 2: 4 of 4 targets identified (1 before); proven best",
        "  regime  cost  samples",
        "  A       1     50",
        "  B       1     50",
    ]
    assert "2 regimes to add" in shown(plan).text
    nothing = two().plan()
    assert repr(nothing) == "nothing to add: 4 of 4 targets identified"
    assert shown(nothing).seen == ["p"]


def test_plans_take_what_the_command_line_takes(tmp_path: Path) -> None:
    (tmp_path / "cost.csv").write_text("intervention,cost\nA,2\nB,2.5\n")
    study = two(train=("ctrl",))
    plan = study.plan(["A"], cost=tmp_path / "cost.csv")
    assert (plan.cost, list(plan.add)) == (Fraction(2), [((0, 1),)])
    assert study.plan("order:1", criterion="conditional", max_add=1).limited
    assert list(study.plan(["A"], forbid=["A"]).add) == [((1, 1),), ((0, 1), (1, 1))]  # p(A+B) p(ctrl) / p(B)
    assert list(study.plan(["A"], forbid=["A", "A+B"]).unreachable) == [((0, 1),)]
    assert study.plan(["B"], book=["B"]).cost == 0
    table = tmp_path / "more.csv"
    table.write_text("A,B\n1,1\n,\n1,\n")
    for argument in ("targets", "forbid", "book"):
        told = study.plan(**{argument: f"file:{table}"})  # type: ignore[arg-type]
        assert told.notes == (
            f"{table}: 1 row was skipped: every cell that could name an intervention is empty",
            f"{table}: 1 empty cell was read as baseline",
        )
        assert str(told).endswith("".join(f"\nnote: {note}" for note in told.notes))
        assert all(note in str(told._repr_html_()) for note in told.notes)
    assert not study.plan(["A"]).notes
    with pytest.raises(InputError, match=r"^forbid: C: regime 'C': unknown intervention"):
        study.plan(forbid=["C"])
    with pytest.raises(InputError, match=r"^targets: C: "):
        study.plan(["C"])


def test_implications_are_a_table() -> None:
    found = two(train=("ctrl", "A", "B", "A+B")).implications()
    assert repr(found).splitlines()[0] == "1 testable implication: 1 joint"
    assert "is constant in x" in repr(found)
    assert shown(found).seen.count("tr") == 2
    frame = found.to_pandas()
    assert frame.columns.tolist() == ["kind", "variables", "formula", "exponents"]
    assert frame["kind"].tolist() == ["joint"]
    assert sorted(int(term["exponent"]) for term in frame["exponents"][0]) == [-1, -1, 1, 1]
    nothing = two().implications("joint")
    assert repr(nothing) == "0 testable implications"
    assert len(nothing.to_arrow()) == 0
    variables = Study.from_dict(
        {
            "interventions": {"A": [0, 1]},
            "variables": ["x1", "x2"],
            "factors": [{"x": ["x1"], "sigma": ["A"]}, {"x": ["x2"], "sigma": []}],
            "train": ["0", "1"],
        }
    )
    assert variables.implications(interactions=2).counts()["interaction"] == 2
    assert variables.implications(sets=[("x1", "x2")]).counts()["interaction"] == 2


def test_frames_are_the_parquet_of_the_command_line(tmp_path: Path, conditional: Study) -> None:
    for found, study in ((conditional.identify(), conditional), (two(train=("ctrl", "A")).identify(), two())):
        with (tmp_path / "r.parquet").open("wb") as stream:
            write_parquet(stream, study, [found])
        written = pq.read_table(tmp_path / "r.parquet")
        arrow = found.to_arrow()
        assert isinstance(arrow, pa.Table)
        assert arrow.to_pylist() == written.to_pylist()
        assert arrow.column_names == ["regime", "status", "criterion", "train", "terms", "kernel"]
        assert found.to_pandas()["regime"].tolist() == arrow["regime"].to_pylist()
        assert found.to_polars()["status"].to_list() == arrow["status"].to_pylist()


def test_plans_as_frames() -> None:
    plan = two(train=("ctrl",)).plan(["A+B", "A"], book=["B"], budget=10)
    frame = plan.to_pandas()
    assert frame.columns.tolist() == ["regime", "booked", "cost", "samples"]
    assert frame["booked"].tolist() == [False] * (len(frame) - 1) + [True]
    assert frame["samples"].sum() == 10
    assert plan.to_polars()["regime"].to_list()[-1] == "B"
    assert two().plan().to_polars().height == 0


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    found = two().identify()
    with pytest.raises(MissingExtraError, match=f"this needs the package {library}: pip install {library}"):
        getattr(found, f"to_{library}")()
    assert found.to_arrow().num_rows == 4


def test_the_fluent_path_is_as_short_as_the_command_line(tmp_path: Path) -> None:
    save_examples(tmp_path)
    study = ifm_ident.load(tmp_path / "poster.yaml")
    assert repr(study) == (
        "Study 'poster example': 3 interventions, 2 factors, 6 training regimes, 8 test regimes"
    )
    assert isinstance(study.identify(), Identification)
    told = study.explain("111")
    assert repr(told) == str(told)
    assert "identified: p(111) is proportional to p(110) p(011) / p(010)" in told
    assert study.explain({"sigma1": 1, "sigma2": 1, "sigma3": 1}) == told
    with pytest.raises(InputError, match="regime '11' has 2 level"):
        study.explain("11")
    assert len(study.implications()) == 0
    assert len(study.plan().add) == 0
    chosen = two(train=("ctrl", "A", "B", "A+B")).identify(objective="sparse", time_limit=5)
    assert str(chosen[3]) == "p(A+B) is observed"
    with pytest.raises(InputError, match="variance"):
        two().identify(objective="variance")


def test_a_summary_is_a_table(conditional: Study) -> None:
    found = conditional.summary()
    assert repr(found).splitlines()[:3] == [
        "8 regimes: 100% are observed or identified",
        "  off baseline  regimes  observed  identified joint  identified conditional  not identified  answered",
        "  all           8        75.00%    0%                25.00%                  0%              100%",
    ]
    assert shown(found).seen.count("tr") == 6
    frame = found.to_pandas()
    assert frame["active"].tolist()[:4] == [0, 1, 2, 3]
    assert frame["regimes"].tolist() == ["1", "3", "3", "1", "8"]
    assert frame["identified_conditional"].tolist() == [1, 0, 0, 1, 0.25]
    assert found.to_polars()["exact"].to_list() == [True] * 5
    names = [f"g{i}" for i in range(400)]
    many = Study.from_labels(["ctrl", *names[:300]], interventions=names).summary(sample=50)
    assert "~" in repr(many).splitlines()[2]
    assert many.to_arrow()["regimes"][-1].as_py() == str(2**400)
    drawn = many.to_pandas().iloc[-1]
    assert drawn["low"] <= drawn["answered"] <= drawn["high"]
