"""The report page in a real browser: search, sort, formulas, keyboard, narrow, dark and printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ifm_ident.report.page import Asked, write_report
from ifm_ident.solve.identifier import Identifier
from ifm_ident.study.study import Study, load
from ifm_learn.estimation.on_page import part
from tests.browser.watching import watched

STUDIES = Path(__file__).resolve().parents[2] / "studies"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
CUT_OFF = """() => {
  const cut = [];
  for (const one of document.querySelectorAll("body *")) {
    const box = one.getBoundingClientRect();
    const inside = one.closest(".skip, .stack thead, svg *");
    const out = box.right > innerWidth + 1 || box.left < -1;
    if (!inside && box.width && out) cut.push(one.outerHTML.slice(0, 120));
  }
  return cut;
}"""


def page_of(study: Study, path: Path, **asked: Any) -> Path:
    identifier = Identifier(study.design, study.notation)
    with path.open("wb") as stream:
        write_report(stream, study, Asked(**asked), (identifier.identify(part) for part in study.targets()))
    return path


@pytest.fixture(scope="module")
def doses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """27 regimes: 17 observed, 4 identified, 6 refused."""
    study = load(STUDIES / "dose-grid.yaml")
    found = {
        "schema": "ifm-estimate/1",
        "method": "ifm1",
        "alpha": "0.1",
        "seed": 0,
        "results": [
            {
                "regime": {"A": "low", "B": "low", "C": "low"},
                "outcome": outcome,
                "status": "identified",
                "mean": 0.4,
                "se": 0.1,
                "confidence": [0.2, 0.6],
                "prediction": [None, 1.5],
                "ess": 80.0,
                "guarantee": "asymptotic",
            }
            for outcome in ("viability", "stress")
        ],
    }
    given = part(study, found, "e.json")
    return page_of(study, tmp_path_factory.mktemp("report") / "doses.html", command="ifm report", parts=(given,))


def rows(page: Any) -> list[str]:
    names: list[str] = page.locator("#regime-table tbody th").all_inner_texts()
    return names


def shown(page: Any, text: str) -> None:
    page.locator("#shown").filter(has_text=text).wait_for()


def test_search_and_filter(browser: Any, doses: Path) -> None:
    with watched(browser, doses) as page:
        assert len(rows(page)) == 27
        page.get_by_label("Search regimes and formulas").fill("C=HIGH never")
        shown(page, "3 of 27 regimes match")
        assert all("C=high" in name for name in rows(page))
        page.get_by_label("Search regimes and formulas").fill("no such thing")
        shown(page, "0 of 27")
        assert rows(page) == []
        page.get_by_label("Search regimes and formulas").fill("")
        page.get_by_label("Verdict").select_option(label="identified: one formula (4)")
        shown(page, "4 of 27")
        assert len(rows(page)) == 4


def test_sorting_says_its_direction(browser: Any, doses: Path) -> None:
    with watched(browser, doses) as page:
        header = page.locator("th[data-key=active]")
        assert header.get_attribute("aria-sort") == "none"
        header.get_by_role("button").click()
        assert header.get_attribute("aria-sort") == "ascending"
        assert rows(page)[0] == "ctrl"
        header.get_by_role("button").click()
        assert header.get_attribute("aria-sort") == "descending"
        assert rows(page)[0].count(",") == 2
        page.locator("th[data-key=size]").get_by_role("button").dblclick()
        assert header.get_attribute("aria-sort") == "none"
        assert page.locator("#regime-table tbody tr").first.get_attribute("data-size") == "7"


def test_the_keyboard_reaches_everything(browser: Any, doses: Path) -> None:
    with watched(browser, doses) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        page.get_by_role("button", name="Active").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        assert page.locator("th[data-key=active]").get_attribute("aria-sort") == "descending"
        formula = page.locator("#regime-table details").first
        formula.locator("summary").focus()
        assert not formula.evaluate("e => e.open")
        page.keyboard.press("Enter")
        assert formula.evaluate("e => e.open")
        assert "sum of squared exponents" in formula.inner_text()


def test_formulas_are_mathml_that_the_browser_lays_out(browser: Any, tmp_path: Path) -> None:
    path = page_of(load(STUDIES / "poster.yaml"), tmp_path / "poster.html")
    with watched(browser, path) as page:
        fraction = page.locator("#regime-table math mfrac").first
        above, below = (fraction.locator(f"> :nth-child({i})").bounding_box() for i in (1, 2))
        assert above["y"] + above["height"] <= below["y"] + 2  # a rule between, less than a pixel of it shared
        page.locator("summary", has=page.locator("math")).first.click()
        assert page.locator("#regime-table details[open]").count() == 1


def test_a_link_to_a_proof_opens_it(browser: Any, doses: Path) -> None:
    with watched(browser, doses) as page:
        second = page.locator("#refusal-2")
        assert not second.evaluate("e => e.open")
        page.locator("a[href='#refusal-2']").first.click()
        assert page.locator("#refusal-2[open]").count() == 1
        assert "Two models that agree in all 17 training regimes" in second.inner_text()


@pytest.mark.parametrize("name", ["conditional", "fractional-factorial"])
def test_nothing_is_cut_off_on_a_phone(browser: Any, tmp_path: Path, name: str) -> None:
    path = page_of(load(STUDIES / f"{name}.yaml"), tmp_path / "page.html")
    with watched(browser, path, width=400) as page:
        for summary in page.locator("summary").all()[:10]:
            summary.evaluate("e => { e.parentElement.open = true; }")
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        assert page.evaluate(CUT_OFF) == []


def test_estimates_fit_a_phone(browser: Any, doses: Path) -> None:
    with watched(browser, doses, width=400) as page:
        assert page.evaluate(CUT_OFF) == []
        card = page.locator("table", has_text="Estimates by regime").get_by_role("row").nth(1)
        assert "(−∞,\N{NO-BREAK SPACE}1.5]" in card.inner_text()


def contrast(one: list[float], other: list[float]) -> float:
    """The contrast ratio of two colours by WCAG 2."""

    def luminance(colour: list[float]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


COLOURS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const paint = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return Array.from(canvas.getImageData(0, 0, 1, 1).data);
  };
  const ground = (one) => {
    for (let e = one; e; e = e.parentElement) {
      const found = paint(getComputedStyle(e).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255, 255];
  };
  return Array.from(document.querySelectorAll("h1, p, a, td, th, button, caption, figcaption, pre, code, summary"))
    .filter((one) => one.textContent.trim() && one.getClientRects().length)
    .map((one) => [one.tagName, paint(getComputedStyle(one).color), ground(one)]);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(browser: Any, doses: Path, scheme: str) -> None:
    with watched(browser, doses, color_scheme=scheme) as page:
        found = page.evaluate(COLOURS)
        assert len(found) > 100
        for tag, ink, ground in found:  # WCAG AA asks for 4.5
            assert contrast([c / 255 for c in ink[:3]], [c / 255 for c in ground[:3]]) >= 4.5, (tag, ink, ground)
        dark = sum(page.evaluate(COLOURS)[0][2][:3]) < 384
        assert dark == (scheme == "dark")


def test_print_shows_every_proof_and_no_tools(browser: Any, doses: Path) -> None:
    with watched(browser, doses) as page:
        assert page.pdf(format="A4").startswith(b"%PDF")
        page.emulate_media(media="print")
        assert not page.locator(".tools").is_visible()
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details.refusal:not([open])").count() == 0
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details.refusal:not([open])").count() == 1


def test_without_script_everything_is_there_but_the_tools(browser: Any, doses: Path) -> None:
    with watched(browser, doses, java_script_enabled=False) as page:
        assert page.locator("#regime-table tbody tr").count() == 27
        assert not page.locator("#search").is_visible()


def test_a_screen_reader_finds_names_and_roles(browser: Any, doses: Path) -> None:
    with watched(browser, doses) as page:
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.get_by_role("main").count() == page.get_by_role("navigation", name="Sections").count() == 1
        assert page.get_by_role("table", name="Regimes", exact=True).get_by_role("columnheader").count() == 4
        assert page.get_by_role("table", name="Regimes", exact=True).get_by_role("rowheader").count() == 27
        assert page.get_by_role("img", name="map of the regimes: 17 observed").count() == 1
        for picture in page.locator("svg").all():
            assert picture.get_attribute("role") == "img"
            assert picture.get_attribute("aria-label")
        ids = page.evaluate("Array.from(document.querySelectorAll('[id]'), (e) => e.id)")
        assert len(ids) == len(set(ids))
        for heading in page.locator("nav a").all():
            assert page.locator(str(heading.get_attribute("href"))).count() == 1


def test_ten_thousand_regimes_scroll_search_and_sort(browser: Any, tmp_path: Path) -> None:
    names = [f"g{i:03d}" for i in range(142)]
    study = Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in names},
            "factors": [{"sigma": [name]} for name in names],
            "train": ["ctrl", *names[:140]],
            "test": {"order": 2},
        }
    )
    with watched(browser, page_of(study, tmp_path / "many.html")) as page:
        assert page.locator("#regime-table tbody tr").count() == 10_000
        assert "the first 10,000 of 10,154" in page.locator("#regimes").inner_text()[:200]
        drawn = page.evaluate("document.querySelectorAll('#regime-table tbody').length")
        assert drawn == 200
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        page.get_by_role("contentinfo").wait_for()
        took = page.evaluate(
            "() => { const start = performance.now(); document.querySelector('th[data-key=name] button').click();"
            " document.body.getBoundingClientRect(); return performance.now() - start; }"
        )
        assert took < 10_000  # a second where nothing else runs
        page.get_by_label("Search regimes and formulas").fill("g017+g101")
        shown(page, "1 of 10,000")
        assert rows(page) == ["g017+g101"]


def test_users_texts_are_harmless(browser: Any, tmp_path: Path) -> None:
    evil = HOSTILE.replace("=", "")  # names of interventions hold no =
    study = Study.from_dict(
        {
            "name": HOSTILE,
            "interventions": {
                f"{evil.replace(' ', '')}": [HOSTILE, "'\"&amp;"],
                "$x$": [0, 1],
                "\x1b[2J\u202e": [0, 1],
            },
            "variables": [HOSTILE, "</style>"],
            "factors": [
                {"name": HOSTILE, "sigma": [evil.replace(" ", ""), "$x$"]},
                {"x": ["</style>"], "sigma": ["\x1b[2J\u202e"]},
            ],
            "train": [{}, {"$x$": 1}],
        }
    )
    with watched(browser, page_of(study, tmp_path / "evil.html", command=HOSTILE, study_path=HOSTILE)) as page:
        assert page.title() == f"{HOSTILE}: which regimes are identified"
        assert page.locator("h1").inner_text() == HOSTILE
        assert page.locator("script").count() == 1
        assert page.locator("img").count() == page.locator("iframe").count() == 0
        page.get_by_label("Search regimes and formulas").fill("<script>")
        shown(page, "of 8 regimes match")


def test_the_policy_stops_what_slips_through(browser: Any, doses: Path, tmp_path: Path) -> None:
    injected = tmp_path / "injected.html"
    text = doses.read_text(encoding="utf-8")
    injected.write_text(
        text.replace("</main>", "<script>document.title = 'owned'</script></main>"), encoding="utf-8"
    )
    with browser.new_context() as session:
        page = session.new_page()
        page.goto(injected.as_uri())
        assert page.title() != "owned"
        assert (
            json.dumps(page.locator("meta[http-equiv]").get_attribute("content")).count("default-src 'none'") == 1
        )
