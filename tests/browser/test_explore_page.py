"""The page of `ifm explore` in a real browser: what hands do to it, and who sees or hears it how."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ifm_ident.errors import InputError
from ifm_ident.explore.page import MOST_TRAINING, MOST_UNKNOWNS, explore_page
from ifm_ident.study.study import Study, load
from tests.browser.explored import EXAMPLES, ROOT, design_here, loaded, opened
from tests.browser.test_report_page import COLOURS, CUT_OFF, HOSTILE, contrast
from tests.scripts import loaded as loaded_script


def hero(page: Any) -> str:
    words: str = page.locator("#answer").inner_text()
    return words


def choose(page: Any, name: str, level: str) -> None:
    """Click a level of an intervention of the target."""
    group = page.locator(".target fieldset").filter(has=page.locator("legend", has_text=name))
    group.locator("label", has_text=level).click()


def test_the_poster_example_answers_at_once(browser: Any, poster: Study, tmp_path: Path) -> None:
    with opened(browser, explore_page(poster), tmp_path) as page:
        assert "identified" in hero(page)
        label = page.locator(".formula").get_attribute("aria-label")
        assert label.endswith("p of 110 times p of 011, divided by p of 010")
        assert page.locator("#live").inner_text() == (
            "111 is identified: p of 110 times p of 011, divided by p of 010."
        )
        choose(page, "sigma2", "0")
        assert "p of 100 times p of 001, divided by p of 000" in page.locator(".formula").get_attribute(
            "aria-label"
        )
        choose(page, "sigma1", "0")
        assert "observed" in hero(page)
        assert "training regime 5" in hero(page)


def test_training_and_factors_change_the_answer_and_undo_brings_it_back(
    browser: Any, poster: Study, tmp_path: Path
) -> None:
    with opened(browser, explore_page(poster), tmp_path) as page:
        page.get_by_role("button", name="010", exact=False).and_(page.locator(".chip")).click()
        assert "not identified" in hero(page)
        assert "2/3" in page.locator(".models").last.inner_text()
        page.get_by_role("button", name="Undo").click()
        assert "∝" in hero(page)
        page.locator("[data-key=member-1-sigma-0]").click()  # sigma1 into f2
        assert "not identified" in hero(page)
        page.keyboard.press("Control+z")
        assert "not identified" not in hero(page)
        page.keyboard.press("Control+Shift+z")
        assert "not identified" in hero(page)
        page.get_by_role("button", name="Add 111 to training").click()
        assert "observed" in hero(page)
        for _ in range(9):
            page.keyboard.press("Control+z")
        assert page.get_by_role("button", name="Undo").is_disabled()
        assert page.locator(".chip[aria-pressed=true]").count() == 6 + 4


def test_what_is_edited_is_what_python_reads(browser: Any, poster: Study, tmp_path: Path) -> None:
    with opened(browser, explore_page(poster), tmp_path) as page:
        page.get_by_label("Another training regime").fill("101")
        page.keyboard.press("Enter")
        page.get_by_label("Another training regime").fill("11")
        page.keyboard.press("Enter")
        assert "3 intervention(s)" in page.locator("#add-regime-error").inner_text()
        assert page.get_by_label("Another training regime").input_value() == "11"
        page.get_by_role("button", name="Add an intervention").click()
        page.get_by_label("Levels of s1").fill("none, low, 2.50")
        page.keyboard.press("Tab")
        page.get_by_label("Name of intervention 4").fill("dose")
        page.keyboard.press("Tab")
        page.locator("[data-key=member-0-sigma-3]").click()
        page.get_by_label("Variables", exact=True).fill("x, y")
        page.keyboard.press("Tab")
        page.get_by_label("Name of the study").fill("edited: by hand")
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Study file").click()
        text = page.get_by_role("textbox", name="Study file").input_value()
        study = loaded(text, tmp_path)
        assert study.name == "edited: by hand"
        assert study.model.interventions[3].levels == ("none", "low", 2.5)
        assert study.model.factors[0].sigma == ("sigma1", "sigma2", "dose")
        assert study.model.factors[0].x == ("x", "y")
        assert len(study.design.train) == 7
        with page.expect_download() as saved:
            page.get_by_role("button", name="Save study.yaml").click()
        assert Path(saved.value.path()).read_text(encoding="utf-8") == text
        page.get_by_role("button", name="Close").click()
        page.get_by_role("button", name="Remove intervention dose").click()
        assert page.locator(".target fieldset").count() == 3


def test_a_study_is_pasted_and_opened(browser: Any, poster: Study, tmp_path: Path) -> None:
    with opened(browser, explore_page(poster), tmp_path) as page:
        page.get_by_role("button", name="Study file").click()
        source = page.get_by_role("textbox", name="Study file")
        source.fill("interventions: [")
        page.get_by_role("button", name="Use this study").click()
        assert "line 1: this [ is never closed" in page.locator("#text-error").inner_text()
        source.fill((EXAMPLES / "conditional.yaml").read_text(encoding="utf-8"))
        page.get_by_role("button", name="Use this study").click()
        assert page.locator(".formula").count() == 3
        assert page.get_by_label("Name of the study").input_value() == "identified by full conditionals only"
        page.locator("#chosen").set_input_files(EXAMPLES / "refused.yaml")
        page.locator(".verdict", has_text="not identified").wait_for()
        page.locator("#chosen").set_input_files(ROOT / "studies" / "dose-grid.yaml")  # its training is a table
        page.locator("#text-error", has_text="opens no files").wait_for()
        page.get_by_role("button", name="Close").click()
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+z")
        assert page.get_by_label("Name of the study").input_value() == "poster example"


def test_what_python_puts_in_comes_out(browser: Any, tmp_path: Path) -> None:
    """A study with tables: the page holds their regimes, and its study file reads as the same design."""
    for name in ("dose-grid", "conditional", "sachs", "dream"):
        study = load(ROOT / "studies" / f"{name}.yaml")
        with opened(browser, explore_page(study), tmp_path) as page:
            text = page.evaluate("studyText(page.now.study)")
        again = loaded(text, tmp_path)
        assert design_here(again) == design_here(study)
        assert again.notation == study.notation
        assert again.target_count == study.target_count


def test_users_texts_are_harmless(browser: Any, tmp_path: Path) -> None:
    evil = HOSTILE.replace("=", "").replace(" ", "")
    study = Study.from_dict(
        {
            "name": HOSTILE,
            "interventions": {
                evil: [HOSTILE, "'\"&amp;"],
                "$x$": [0, 1],
                "__proto__": [0, 1],
                "\x1b[2J\u202e": [0, 1],
            },
            "variables": [HOSTILE, "</style>", "constructor"],
            "factors": [
                {"name": HOSTILE, "sigma": [evil, "$x$"]},
                {"name": "${script}", "x": ["</style>"], "sigma": ["__proto__", "\x1b[2J\u202e"]},
            ],
            "train": [{}, {"$x$": 1}],
        }
    )
    with opened(browser, explore_page(study), tmp_path) as page:
        assert page.title() == f"{HOSTILE}: which regimes are identified"
        assert page.get_by_label("Name of the study").input_value() == HOSTILE
        assert page.locator("script").count() == 2
        assert (
            page.locator("img").count()
            == page.locator("iframe").count()
            == page.locator("main style").count()
            == 0
        )
        assert "not identified" in hero(page)
        assert "\u202e" not in page.locator("main").inner_text()
        again = loaded(page.evaluate("studyText(page.now.study)"), tmp_path)
        assert design_here(again) == design_here(study)
        assert [one.name for one in again.model.interventions] == [one.name for one in study.model.interventions]
        page.get_by_role("button", name="Study file").click()
        page.get_by_role("textbox", name="Study file").fill(f"interventions: {{'<b>': [0, 1]}}\n{HOSTILE}")
        page.get_by_role("button", name="Use this study").click()
        assert (
            "<img" in page.locator("#text-error").inner_text() or "key" in page.locator("#text-error").inner_text()
        )
        assert page.locator("#text-error *").count() == 0


def test_the_policy_stops_what_slips_through(browser: Any, poster: Study, tmp_path: Path) -> None:
    text = explore_page(poster).replace("</main>", "<script>document.title = 'owned'</script></main>")
    path = tmp_path / "injected.html"
    path.write_text(text, encoding="utf-8")
    with browser.new_context() as session:
        page = session.new_page()
        page.goto(path.as_uri())
        assert page.title() == "poster example: which regimes are identified"


def test_the_keyboard_does_everything(browser: Any, poster: Study, tmp_path: Path) -> None:
    with opened(browser, explore_page(poster), tmp_path) as page:
        page.locator("[data-key=target-1-1]").focus()
        page.keyboard.press("ArrowLeft")
        assert "p of 100" in page.locator(".formula").get_attribute("aria-label")
        assert page.evaluate("document.activeElement.dataset.key") == "target-1-0"  # the focus stays where it was
        page.locator("[data-key=train-0]").focus()
        page.keyboard.press("Enter")
        assert page.locator("[data-key=train-0]").get_attribute("aria-pressed") == "false"
        assert page.evaluate("document.activeElement.dataset.key") == "train-0"
        page.keyboard.press("Space")
        assert page.locator("[data-key=train-0]").get_attribute("aria-pressed") == "true"
        page.locator(".map [tabindex='0']").focus()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        assert "observed" in hero(page)
        seen = set()
        page.locator(".skip").focus()
        for _ in range(80):
            page.keyboard.press("Tab")
            key = page.evaluate("document.activeElement.dataset.key || document.activeElement.id")
            outline = page.evaluate(
                "(() => { const one = document.activeElement; const own = getComputedStyle(one);"
                " const next = one.nextElementSibling ? getComputedStyle(one.nextElementSibling) : own;"
                " return one === document.body || [own, next].some((s) => s.outlineStyle !== 'none'); })()"
            )
            assert outline, key
            seen.add(key)
        assert {"open", "file", "train-0", "add-regime", "member-0-sigma-0", "levels-0", "copy-command"} <= seen


def test_a_screen_reader_finds_names_and_roles(browser: Any, poster: Study, tmp_path: Path) -> None:
    with opened(browser, explore_page(poster), tmp_path) as page:
        assert page.get_by_role("main").count() == 1
        assert page.get_by_role("radio", name="1").count() == 3
        assert page.get_by_role("group", name="sigma1").count() == 1
        assert page.get_by_role("button", name="111: identified: one formula").count() == 1
        assert page.get_by_role("img", name="Junction tree").count() == 1
        for one in page.locator("button, input, select, textarea").all():
            named = one.evaluate(
                "(e) => e.type === 'file' || Boolean(e.getAttribute('aria-label') || e.textContent.trim()"
                " || (e.labels && e.labels.length && e.labels[0].textContent.trim()))"
            )
            assert named, one.evaluate("(e) => e.outerHTML")
        ids = page.evaluate("Array.from(document.querySelectorAll('[id]'), (e) => e.id)")
        assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", ["poster", "conditional", "refused", "cells"])
def test_nothing_is_cut_off_on_a_phone(browser: Any, tmp_path: Path, name: str) -> None:
    with opened(browser, explore_page(load(EXAMPLES / f"{name}.yaml")), tmp_path, width=400) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        assert page.evaluate(CUT_OFF.replace("svg *", "svg *, .scroll *")) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["poster", "refused", "conditional"])
def test_text_stands_out_in_light_and_dark(browser: Any, tmp_path: Path, scheme: str, name: str) -> None:
    study = load(EXAMPLES / f"{name}.yaml")
    with opened(browser, explore_page(study), tmp_path, color_scheme=scheme) as page:
        for tag, ink, ground in page.evaluate(COLOURS):  # WCAG AA asks for 4.5
            assert contrast([c / 255 for c in ink[:3]], [c / 255 for c in ground[:3]]) >= 4.5, (tag, ink, ground)


def test_levels_with_values_are_shown_greyed(browser: Any, tmp_path: Path) -> None:
    study = Study.from_dict(
        {
            "interventions": {"dose": {"levels": [0, 1], "basis": {"poly": 1}}, "A": [0, 1]},
            "factors": [{"sigma": ["dose", "A"]}],
            "train": [{}, {"dose": 1}],
        }
    )
    with opened(browser, explore_page(study), tmp_path) as page:
        assert "named levels only" in page.locator("#banner").inner_text()
        assert page.locator("main").evaluate("(e) => e.inert")
        page.locator("#chosen").set_input_files(EXAMPLES / "poster.yaml")
        page.locator(".verdict", has_text="identified").wait_for()
        assert not page.locator("#banner").is_visible()
        assert not page.locator("main").evaluate("(e) => e.inert")


def test_what_is_too_large_is_said(browser: Any, poster: Study, tmp_path: Path) -> None:
    names = [f"g{i}" for i in range(MOST_UNKNOWNS)]
    sizes = f"interventions: {{{', '.join(f'{name}: [0, 1]' for name in names)}}}\n"
    sizes += (
        f"factors: [{', '.join(f'{{sigma: [{name}]}}' for name in names)}]\ntrain: [ctrl, {', '.join(names)}]\n"
    )
    with pytest.raises(InputError, match="501 unknowns"):
        explore_page(loaded(sizes, tmp_path))
    with opened(browser, explore_page(poster), tmp_path) as page:
        limits = page.evaluate("[MOST_UNKNOWNS, MOST_TRAINING]")
        assert limits == [MOST_UNKNOWNS, MOST_TRAINING]
        page.evaluate("(text) => use(text)", sizes)
        assert "501 unknowns; this page answers up to 500" in hero(page)
        page.evaluate(
            "(text) => use(text)",
            sizes.replace("g499: [0, 1], ", "").replace("train: [ctrl, g0, ", "train: [ctrl, "),
        )
        assert "identified" in hero(page)


def test_without_a_study_nothing_is_half_said(browser: Any, poster: Study, tmp_path: Path) -> None:
    with opened(browser, explore_page(poster), tmp_path) as page:
        for _ in range(6):
            page.locator(".chip[aria-pressed=true]").first.click()
        assert "no training regime is switched on" in hero(page)
        page.get_by_role("button", name="Study file").click()
        assert "not complete" in page.locator("#text-error").inner_text()
        page.get_by_role("button", name="Close").click()
        page.keyboard.press("Control+z")
        assert "no answer" not in hero(page)


def test_the_same_study_gives_the_same_small_page(poster: Study) -> None:
    text = explore_page(poster)
    assert text == explore_page(poster)
    assert len(text.encode()) < 200_000
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text


def test_the_front_page_shows_the_poster_example(browser: Any, tmp_path: Path) -> None:
    """What the build of the pages writes, in the frame that the first page holds, light and dark around it."""
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    [frame] = re.findall(r"<iframe.*?</script>", text, re.DOTALL)
    build = loaded_script(ROOT / "docs" / "_ext" / "explorer.py")
    build._write(SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=tmp_path), None)
    style = (ROOT / "docs" / "_static" / "site.css").read_text(encoding="utf-8")
    page = f'<!DOCTYPE html><html data-theme="light"><style>{style}</style><body>{frame}</body></html>'
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    with browser.new_context(viewport={"width": 900, "height": 900}, color_scheme="dark") as session:
        front = session.new_page()
        front.goto((tmp_path / "index.html").as_uri())
        inside = front.frame_locator("iframe.explore")
        inside.locator(".verdict", has_text="identified").wait_for()
        inside.locator("[data-key=train-1]").click()
        inside.locator(".verdict", has_text="not identified").wait_for()
        assert inside.locator("#whole").get_attribute("href").endswith("/_static/explore.html")
        for scheme, ink in (("light", "rgb(27, 27, 27)"), ("dark", "rgb(233, 234, 236)")):
            front.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
            inside.locator(f"html[style*='{scheme}']").wait_for()
            assert inside.locator("body").evaluate("(e) => getComputedStyle(e).color") == ink
        assert "not identified" in inside.locator("#answer").inner_text()  # it was not loaded anew
